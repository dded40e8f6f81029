"""Open sockets: how they end, what they answer by themselves, and that nothing of the peer's grows without bound."""

import asyncio
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from misbehaving import SESSIONS, Behave, Misbehaving, Peer, Session, close_frame, echoes, frame, head, misbehaving, says
from websockets.asyncio.server import ServerConnection, serve
from websockets.extensions.permessage_deflate import PerMessageDeflate

from wsbook.attempt import Attempt
from wsbook.facts import SessionFacts
from wsbook.observation import Outcome
from wsbook.probes import connection
from wsbook.probes.socket import Socket
from wsbook.probes.upgrade import open_socket

WAIT_S = 1.0


def after(behave: Behave) -> Behave:
    """Return what accepts the upgrade and then behaves so."""

    async def accepted(peer: Peer) -> None:
        await peer.send(head().replace(b"ACCEPT", peer.accept))
        await behave(peer)

    return accepted


async def opened(server: Misbehaving, path: str, **fields: object) -> Socket:
    _, found = await open_socket(Attempt(url=server.url(path), **fields), step="3.4")  # type: ignore[arg-type]
    assert found is not None
    return found


async def pauses(peer: Peer) -> None:
    await peer.reader.read(1)


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.path)
async def test_end_is_noticed_while_nobody_receives(session: Session) -> None:
    async with misbehaving() as server:
        found = await opened(server, session.path)
        assert await found.wait_ended(WAIT_S)
        await found.close()
    assert (found.ended, found.closed_by, found.close_code) == (session.ended, session.closed_by, session.code)
    assert found.age_s < 0.5


async def test_reason_and_age_of_the_end() -> None:
    async def later(peer: Peer) -> None:
        await asyncio.sleep(0.1)
        await peer.send(close_frame(4401, "wer da\u00df".encode()))

    async with misbehaving(later=after(later)) as server:
        found = await opened(server, "/later")
        assert await found.wait_ended(WAIT_S)
        age_s = found.age_s
        await asyncio.sleep(0.03)
        facts = found.facts()
        await found.close()
    assert facts.close_reason == "wer da\u00df"
    assert age_s == found.age_s == facts.age_s
    assert 0.1 <= age_s < 0.2
    assert facts.idle_s == age_s
    assert [(f.direction, f.opcode, f.text) for f in facts.frames] == [("received", 8, "4401 wer da\u00df")]


@pytest.mark.parametrize("ending", ["fin", "rst", "close"])
async def test_idle_is_the_silence_before_the_end(ending: str) -> None:
    async def says_and_goes(peer: Peer) -> None:
        await asyncio.sleep(0.05)
        await peer.send(frame(1, b"last words"))
        await asyncio.sleep(0.1)
        if ending == "rst":
            peer.reset()
        elif ending == "close":
            await peer.send(close_frame(1001))

    async with misbehaving(goes=after(says_and_goes)) as server:
        found = await opened(server, "/goes")
        assert await found.wait_ended(WAIT_S)
        await found.close()
    assert found.ended == ending
    assert 0.1 <= found.idle_s < 0.2
    assert await found.receive(0) == "last words"
    assert await found.receive(0) is None


async def test_silence_leaves_it_open() -> None:
    async with misbehaving(silent=after(pauses)) as server:
        found = await opened(server, "/silent")
        assert await found.receive(0.05) is None
        assert not await found.wait_ended(0.05)
        assert found.ended == "open"
        assert found.idle_s >= 0.1
        assert found.facts().ended == "open"
        found.abort()
    assert (found.ended, found.closed_by) == ("rst", "us")
    assert await found.receive(5.0) is None
    assert not await found.send("late")
    assert await found.ping(5.0) is None


async def test_messages_and_pings() -> None:
    async with misbehaving(echo=after(echoes)) as server:
        found = await opened(server, "/echo", extensions=())
        for message in ("text", b"\x00\xff", "\U0001f44b", "", "x" * 70_000):
            assert await found.send(message)
            assert await found.receive(WAIT_S) == message
        rtt_s = await found.ping(WAIT_S)
        await found.close(1001, "done")
    assert rtt_s is not None
    assert 0 < rtt_s < 0.1
    assert (found.ended, found.closed_by, found.close_code, found.close_reason) == ("close", "us", 1001, "done")
    assert found.frame_count == 14


async def test_fragments_are_joined_around_a_ping() -> None:
    parts = frame(1, b"a\xc3", fin=False) + frame(9, b"now") + frame(0, b"\xa4", fin=False) + frame(0, b"b")
    replies: list[bytes] = []

    async def fragments(peer: Peer) -> None:
        await peer.send(parts)
        replies.append(await peer.reader.readexactly(9))
        await pauses(peer)

    async with misbehaving(fragments=after(fragments)) as server:
        found = await opened(server, "/fragments")
        assert await found.receive(WAIT_S) == "a\u00e4b"
        await found.close(timeout_s=0.1)
    assert replies[0][:2] == b"\x8a\x83"
    assert [f.opcode for f in found.frames if f.direction == "received"] == [1, 9, 0, 0]


async def test_frames_of_the_first_packet_are_not_lost() -> None:
    async with misbehaving(greets=says(head() + frame(1, b"one") + frame(1, b"two"), then="keep")) as server:
        found = await opened(server, "/greets")
        assert [await found.receive(WAIT_S), await found.receive(WAIT_S)] == ["one", "two"]
        found.abort()


async def test_ping_without_pong() -> None:
    async with misbehaving(silent=after(pauses)) as server:
        found = await opened(server, "/silent")
        found._link.send = _swallow  # type: ignore[method-assign]  # the peer never sees it
        assert await found.ping(0.05) is None
        assert found.ended == "open"
        found.abort()


async def _swallow(data: bytes, timeout_s: float) -> int:
    return 0


async def test_close_without_an_answer() -> None:
    async def deaf(peer: Peer) -> None:
        await peer.reader.read(100)
        await asyncio.sleep(1)

    async with misbehaving(deaf=after(deaf)) as server:
        found = await opened(server, "/deaf")
        started = time.perf_counter()
        await found.close(timeout_s=0.1)
        spent = time.perf_counter() - started
    assert (found.ended, found.closed_by, found.close_code) == ("silence", "us", None)
    assert 0.1 <= spent < 0.4
    assert "not answered within 100.0 ms" in found.error_text


async def test_close_answered_by_a_fin() -> None:
    async with misbehaving(hangs_up=after(pauses)) as server:
        found = await opened(server, "/hangs_up")
        await found.close(timeout_s=WAIT_S)
    assert found.ended in ("fin", "rst")
    assert (found.closed_by, found.close_code) == ("us", None)


async def test_peer_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_WRITE_S", 0.1)

    async def stuck(peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(5)

    async with misbehaving(stuck=after(stuck)) as server:
        found = await opened(server, "/stuck", extensions=())
        await asyncio.sleep(0.02)
        sent = 0
        while await found.send(b"x" * 1_000_000):
            sent += 1
            assert sent < 40
    assert found.ended == "silence"
    assert "did not take" in found.error_text


async def test_flood_is_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_QUEUE_MESSAGES", 100)
    monkeypatch.setattr(connection, "FRAMES_KEPT", 50)

    async def floods(peer: Peer) -> None:
        await peer.send(frame(1, b"m" * 300) * 500 + close_frame(1000))
        await pauses(peer)

    async with misbehaving(floods=after(floods)) as server:
        found = await opened(server, "/floods")
        assert await found.wait_ended(WAIT_S)
        await found.close()
    assert (found.dropped, found.frame_count, len(found.frames)) == (400, 501, 50)
    assert found.frames[0].text == "m" * 200


async def test_queue_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_QUEUE_BYTES", 1000)
    async with misbehaving(greets=says(head() + frame(2, bytes(600)) * 2, then="keep")) as server:
        found = await opened(server, "/greets")
        assert await found.receive(WAIT_S) == bytes(600)
        await asyncio.sleep(0.02)
        assert found.dropped == 1
        assert found._queued_bytes == 0
        found.abort()


async def test_compressed_bomb_ends_with_1009(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MESSAGE_LIMIT_BYTES", 100_000)

    async def bomb(peer: ServerConnection) -> None:
        await peer.send("a" * 5_000_000)
        await peer.wait_closed()

    async with serve(bomb, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        _, found = await open_socket(Attempt(url=f"ws://127.0.0.1:{port}/"), step="1.3")
        assert found is not None
        assert await found.wait_ended(WAIT_S)
        await found.close()
    assert (found.ended, found.closed_by, found.close_code) == ("close", "us", 1009)


async def test_many_sockets_end_independently() -> None:
    """File numbers are reused as sockets close: none may take another's readiness away."""
    async with misbehaving(echo=after(echoes)) as server:
        first = [await opened(server, "/echo", extensions=()) for _ in range(10)]
        for found in first[::2]:
            found.abort()
        second = [await opened(server, "/echo", extensions=()) for _ in range(10)]
        alive = [*first[1::2], *second]
        rtts = await asyncio.gather(*(found.ping(WAIT_S) for found in alive))
        await asyncio.gather(*(found.close() for found in alive))
    assert None not in rtts
    assert {found.ended for found in alive} == {"close"}


async def test_observation_of_a_session() -> None:
    async with misbehaving() as server:
        attempt = Attempt(url=server.url("/s/close-4401"), hop="backend").change("no Origin", origin=None)
        _, found = await open_socket(attempt, step="3.4")
        assert found is not None
        await found.wait_ended(WAIT_S)
        await found.close()
        seen = found.observation("3.4")
    assert isinstance(seen.facts, SessionFacts)
    assert seen.outcome is Outcome.ANSWERED
    assert (seen.source.step, seen.source.probe, seen.source.hop, seen.source.changed) == ("3.4", "session", "backend", ("no Origin",))


async def test_link_sets_nodelay() -> None:
    async with misbehaving(silent=after(pauses)) as server:
        found = await opened(server, "/silent")
        assert found._link.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)  # type: ignore[attr-defined]
        found.abort()


class Script:
    """A link that delivers given pieces and then ends."""

    received_ns = 0
    stamped = False
    waited = False

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = [*pieces, b""]

    async def recv(self, limit: int, timeout_s: float | None) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    async def send(self, data: bytes, timeout_s: float) -> int:
        return 0

    def close(self) -> None: ...

    def abort(self) -> None: ...


FRAMES = st.builds(
    frame,
    st.integers(0, 15),
    st.binary(max_size=130),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 4]),
    mask=st.sampled_from([False, False, True]),
)


@given(pieces=st.lists(FRAMES | st.binary(min_size=1, max_size=50), max_size=12), compressed=st.booleans())
def test_any_bytes_end_in_a_known_way(pieces: list[bytes], compressed: bool) -> None:
    async def run() -> Socket:
        extensions = [PerMessageDeflate(False, False, 15, 15)] if compressed else []
        found = Socket(Script(pieces), Attempt(url="ws://host.example/"), answered=time.perf_counter(), extensions=extensions)
        assert await found.wait_ended(WAIT_S)
        await found.close()
        assert found._reader.done()
        assert found._reader.cancelled() or found._reader.exception() is None
        return found

    found = asyncio.run(run())
    assert found.ended in ("close", "fin")
    assert (found.close_code is None) == (found.ended == "fin")
    assert found.frame_count <= len(pieces) * 30
