"""The same texts with and without permessage-deflate: what is measured, and what only the compressed socket suffers."""

import zlib

import pytest
from misbehaving import Behave, Peer, frame, head, misbehaving
from websockets.asyncio.server import ServerConnection, serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from wsbook.attempt import Attempt
from wsbook.facts import CompressionFacts
from wsbook.observation import Observation, Outcome
from wsbook.probes.compression import probe_compression
from wsbook.wire.handshake import deflate_parameters

DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate"


async def echo(peer: ServerConnection) -> None:
    async for message in peer:
        await peer.send(message)


def of(seen: Observation) -> CompressionFacts:
    assert isinstance(seen.facts, CompressionFacts)
    return seen.facts


async def test_gain_at_the_reference_server() -> None:
    async with serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        facts = of(await probe_compression(Attempt(url=f"ws://127.0.0.1:{port}/"), step="1.3", messages=3))
    one, other = facts.compressed, facts.plain
    assert other is not None
    assert (one.answered, other.answered, one.ended, other.ended) == (3, 3, "open", "open")
    assert one.sent_bytes == other.sent_bytes == one.received_bytes == other.sent_wire_bytes
    assert one.sent_wire_bytes < 0.2 * one.sent_bytes
    assert one.received_wire_bytes < 0.2 * one.received_bytes
    assert (facts.server_max_window_bits, facts.client_max_window_bits) == (12, 12)
    assert other.agreed == ""


async def test_context_takeover_is_read_and_shows_in_the_gain() -> None:
    sizes = []
    for alone in (False, True):
        factory = ServerPerMessageDeflateFactory(server_no_context_takeover=alone, client_no_context_takeover=alone)
        async with serve(echo, "127.0.0.1", 0, compression=None, extensions=[factory]) as server:
            port = server.sockets[0].getsockname()[1]
            facts = of(await probe_compression(Attempt(url=f"ws://127.0.0.1:{port}/"), step="1.3", messages=3))
        assert (facts.server_no_context_takeover, facts.client_no_context_takeover) == (alone, alone)
        sizes.append(facts.compressed.sent_wire_bytes)
    assert sizes[1] > 1.5 * sizes[0]


def pushes(data: bytes) -> Behave:
    """Return a peer that agrees on compression when it is offered, and then sends these bytes; without it, plain text."""

    async def behave(peer: Peer) -> None:
        offered = b"permessage-deflate" in peer.request
        answer = head(more=(DEFLATE,) if offered else ())
        await peer.send(answer.replace(b"ACCEPT", peer.accept) + (data if offered else frame(1, b"hello")))
        await peer.reader.read(1)

    return behave


def squeezed(text: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return (deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.mark.parametrize(
    ("data", "ended", "code"),
    [
        (frame(1, squeezed(b"hello"), rsv=4), "open", None),
        (frame(1, b"hello"), "open", None),
        (frame(1, b"\xff\xff\xff\xff", rsv=4), "close", 1002),
        (frame(1, squeezed(b"hello"), rsv=2), "close", 1002),
        (frame(1, squeezed(b"hello")), "close", 1007),
    ],
    ids=["compressed", "not compressed", "garbage", "another reserved bit", "compressed without its bit"],
)
async def test_what_is_pushed_with_compression(data: bytes, ended: str, code: int | None) -> None:
    async with misbehaving(pushes=pushes(data)) as server:
        facts = of(await probe_compression(Attempt(url=server.url("/pushes")), step="1.3", messages=0, seconds=0.1))
    assert facts.plain is not None
    assert (facts.compressed.ended, facts.compressed.close_code) == (ended, code)
    assert (facts.plain.ended, facts.plain.received) == ("open", 1)
    assert facts.compressed.sent_bytes == 0


async def test_without_an_offer_and_without_a_socket_nothing_is_known() -> None:
    async with misbehaving() as server:
        bare = await probe_compression(Attempt(url=server.url("/good"), extensions=()), step="1.3", messages=0)
        refused = await probe_compression(Attempt(url=server.url("/nothing")), step="1.3", messages=0)
    assert (bare.outcome, refused.outcome) == (Outcome.NOT_RUN, Outcome.NOT_RUN)


@pytest.mark.parametrize(
    ("agreed", "parameters"),
    [
        ("", {}),
        ("x-webkit-deflate-frame", {}),
        ("permessage-deflate", {}),
        ("permessage-deflate; client_max_window_bits", {"client_max_window_bits": None}),
        (
            'foo, permessage-deflate; server_max_window_bits="10"; server_no_context_takeover',
            {"server_max_window_bits": 10, "server_no_context_takeover": None},
        ),
        ("permessage-deflate; server_max_window_bits=x", {"server_max_window_bits": None}),
    ],
)
def test_parameters(agreed: str, parameters: dict[str, int | None]) -> None:
    assert deflate_parameters(agreed) == parameters
