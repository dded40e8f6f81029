"""The largest message that a peer takes, to 1 KiB, and how it refuses more."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from dialect_servers import needs_node, node
from misbehaving import Behave, Peer, frame, head, misbehaving
from websockets.asyncio.server import ServerConnection, serve

from wsbook.attempt import Attempt
from wsbook.facts import SizeFacts
from wsbook.observation import Outcome
from wsbook.probes import sizes
from wsbook.probes.sizes import GRAIN_BYTES, probe_size

KIB = 1 << 10
MIB = 1 << 20
QUIET = logging.getLogger("wsbook-test-sizes")
QUIET.setLevel(logging.CRITICAL + 1)


async def echo(peer: ServerConnection) -> None:
    async for message in peer:
        await peer.send(message)


async def swallow(peer: ServerConnection) -> None:
    async for _ in peer:
        pass


async def measured(url: str, limit: int = MIB, seconds: float = 5.0) -> SizeFacts:
    seen = await probe_size(Attempt(url=url), step="1.3", limit_bytes=limit, seconds=seconds)
    assert isinstance(seen.facts, SizeFacts)
    return seen.facts


@pytest.mark.parametrize("limit", [700, 4 * KIB, 10_000, 32 * KIB, 65_535, 1_000_000])
async def test_limit_of_the_reference_server(limit: int) -> None:
    async with serve(echo, "127.0.0.1", 0, max_size=limit, logger=QUIET) as server:
        facts = await measured(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert facts.refused_bytes is not None
    assert facts.accepted_bytes <= limit < facts.refused_bytes
    assert facts.refused_bytes - facts.accepted_bytes <= GRAIN_BYTES
    assert (facts.how, facts.close_code, facts.complete) == ("close", 1009, True)


@pytest.mark.parametrize("handler", [echo, swallow])
async def test_no_limit_below_the_end_of_the_search(handler: Callable[..., object]) -> None:
    async with serve(handler, "127.0.0.1", 0, max_size=None, logger=QUIET) as server:  # type: ignore[arg-type]
        facts = await measured(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", limit=300 * KIB)
    assert (facts.accepted_bytes, facts.refused_bytes, facts.complete) == (300 * KIB, None, True)
    assert {trial.how for trial in facts.trials} == {"echo" if handler is echo else "pong"}


def stops(limit: int, how: str) -> Behave:
    """Return a peer that answers pings, and larger frames with a reset, a FIN or nothing any more."""

    async def behave(peer: Peer) -> None:
        await peer.send(head().replace(b"ACCEPT", peer.accept))
        while True:
            first, second = await peer.reader.readexactly(2)
            size = second & 0x7F
            if size > 125:
                size = int.from_bytes(await peer.reader.readexactly(2 if size == 126 else 8), "big")
            if size > limit:
                if how == "rst":
                    peer.reset()
                elif how == "silence":
                    await peer.reader.read()
                return
            key = await peer.reader.readexactly(4)
            data = await peer.reader.readexactly(size)
            if first & 0x0F in (8, 9):
                opcode = 8 if first & 0x0F == 8 else 10
                await peer.send(frame(opcode, bytes(b ^ key[i % 4] for i, b in enumerate(data))))

    return behave


@pytest.mark.parametrize("how", ["rst", "fin", "silence"])
async def test_other_ways_to_refuse(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "_PATIENCE_S", 0.1)
    async with misbehaving(small=stops(3_000, how)) as server:
        facts = await measured(server.url("/small"))
    assert facts.refused_bytes is not None
    assert facts.accepted_bytes <= 3_000 < facts.refused_bytes
    assert facts.how in ({how, "rst"} if how == "fin" else {how})
    assert facts.close_code is None


async def test_time_runs_out() -> None:
    async def slow(peer: ServerConnection) -> None:
        async for message in peer:
            await asyncio.sleep(0.02)
            await peer.send(message)

    async with serve(slow, "127.0.0.1", 0, max_size=4 * KIB, logger=QUIET) as server:
        facts = await measured(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", seconds=0.05)
    assert not facts.complete


async def test_refused_upgrade_is_not_run() -> None:
    async with misbehaving() as server:
        seen = await probe_size(Attempt(url=server.url("/nothing")), step="1.3", limit_bytes=MIB, seconds=1.0)
    assert seen.outcome is Outcome.NOT_RUN


@needs_node("ws")
async def test_the_limit_of_ws_in_node() -> None:
    async with node("ws") as port:
        facts = await measured(f"ws://127.0.0.1:{port}/")
    assert facts.refused_bytes is not None
    assert facts.accepted_bytes <= 100_000 < facts.refused_bytes
    assert facts.close_code == 1009


async def test_more_than_our_usual_limit() -> None:
    async with serve(echo, "127.0.0.1", 0, max_size=None, logger=QUIET) as server:
        facts = await measured(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", limit=17 * MIB, seconds=20)
    assert (facts.accepted_bytes, facts.refused_bytes) == (17 * MIB, None)
    assert facts.trials[-1].how in ("echo", "pong")
