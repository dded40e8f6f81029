"""A connection that a person talks over: what it keeps of every frame, in order, within bounds."""

import asyncio
import itertools

import pytest
from misbehaving import Misbehaving, Peer, close_frame, echoes, frame, head, misbehaving
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode

from wsbook.attempt import Attempt
from wsbook.probes import frame_ring
from wsbook.probes.console_session import ConsoleSession, names_dialect
from wsbook.probes.frame_ring import FrameRing

WAIT_S = 2.0


async def opened(server: Misbehaving, path: str, **fields: object) -> ConsoleSession:
    session = ConsoleSession(Attempt(url=server.url(path), **fields))  # type: ignore[arg-type]
    await session.open()
    assert session.state == "open", session.seen
    return session


async def until(session: ConsoleSession, received: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while session.ring.received < received:
            session.changed.clear()
            await session.changed.wait()


async def ended(session: ConsoleSession) -> None:
    async with asyncio.timeout(WAIT_S):
        while session.state != "ended":
            session.changed.clear()
            await session.changed.wait()


def accepted(*frames: bytes) -> object:
    async def behave(peer: Peer) -> None:
        await peer.send(head().replace(b"ACCEPT", peer.accept) + b"".join(frames))
        await echoes(peer)

    return behave


async def test_a_refusal_is_seen_and_nothing_can_be_sent() -> None:
    async with misbehaving() as server:
        session = ConsoleSession(Attempt(url=server.url("/401")))
        await session.open()
        assert session.state == "refused"
        assert session.upgrade is not None and session.upgrade.status == 401
        assert not await session.send("hello")
        assert await session.ping() is None
        assert session.facts() is None
        await session.close()
    assert session.ring.total == 0


async def test_frames_of_both_directions_stand_in_order() -> None:
    first = frame(1, b"at once")
    async with misbehaving(talks=accepted(first, frame(9, b"alive?"))) as server:
        session = await opened(server, "/talks", extensions=())
        await until(session, 2)
        assert await session.send("h€llo")
        assert await session.send(b"\x00\xff")
        await until(session, 5)
        await session.close(4001, "enough")
        rows = session.ring.kept
    told = [(row.direction, row.opcode, row.text) for row in rows]
    assert told == [
        ("received", 1, "at once"),
        ("received", 9, b"alive?".hex()),
        ("sent", 10, b"alive?".hex()),
        ("sent", 1, "h€llo"),
        ("sent", 2, "00ff"),
        ("received", 10, b"alive?".hex()),
        ("received", 1, "h€llo"),
        ("received", 2, "00ff"),
        ("sent", 8, "4001 enough"),
        ("received", 8, "4001 enough"),
    ]
    assert [row.n for row in rows] == list(range(1, 11))
    assert all(before.at_s <= after.at_s for before, after in itertools.pairwise(rows))
    assert [row.is_hex for row in rows] == [False, True, True, False, True, True, False, True, False, False]
    assert (session.ring.sent, session.ring.received, session.ring.dropped) == (4, 6, 0)
    assert session.state == "ended"


async def test_ping_gives_its_round_trip() -> None:
    async with misbehaving(talks=accepted()) as server:
        session = await opened(server, "/talks")
        rtt_s = await session.ping()
        session.abort()
    assert rtt_s is not None and 0 <= rtt_s < 1
    assert [(row.direction, row.opcode) for row in session.ring.kept] == [("sent", 9), ("received", 10)]


async def test_the_close_of_a_server_is_answered_and_shown() -> None:
    async with misbehaving(goes=accepted(close_frame(4401, b"who are you"))) as server:
        session = ConsoleSession(Attempt(url=server.url("/goes")))
        await session.open()
        await ended(session)
    assert [(row.direction, row.text) for row in session.ring.kept] == [("received", "4401 who are you"), ("sent", "4401 who are you")]
    facts = session.facts()
    assert facts is not None and (facts.close_code, facts.closed_by) == (4401, "peer")


async def test_invalid_utf8_is_shown_and_ends_with_1007() -> None:
    async with misbehaving(lies=accepted(frame(1, b"ok \xff\xfe"))) as server:
        session = ConsoleSession(Attempt(url=server.url("/lies"), extensions=()))
        await session.open()
        await ended(session)
    assert [(row.direction, row.opcode, row.text) for row in session.ring.kept] == [
        ("received", 1, "ok \ufffd\ufffd"),
        ("sent", 8, "1007 invalid UTF-8"),
    ]


async def test_a_character_across_fragments_is_whole_again() -> None:
    euro = "€".encode()
    parts = frame(1, b"5 " + euro[:1], fin=False), frame(9, b""), frame(0, euro[1:] + b"!")
    async with misbehaving(parts=accepted(*parts)) as server:
        session = await opened(server, "/parts", extensions=())
        await until(session, 3)
        session.abort()
    rows = [row for row in session.ring.kept if row.opcode < 8]
    assert "".join(row.text for row in rows) == "5 €!"
    assert [(row.opcode, row.fin) for row in rows] == [(1, False), (0, True)]


async def test_a_flood_is_counted_whole_and_kept_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    async def floods(peer: ServerConnection) -> None:
        for number in range(30_000):
            await peer.send(f'{{"n":{number}}}')
        await peer.close()

    async with serve(floods, "127.0.0.1", 0, compression=None) as server:
        session = ConsoleSession(Attempt(url=f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
        session.ring = FrameRing(rows=1_000)
        await session.open()
        async with asyncio.timeout(30):
            while session.state != "ended":
                session.changed.clear()
                await session.changed.wait()
    assert (session.ring.received, session.ring.dropped) == (30_001, 30_002 - 1_000)
    texts = [row.text for row in session.ring.kept if row.opcode == 1]
    assert texts == [f'{{"n":{number}}}' for number in range(30_000 - len(texts), 30_000)]


async def test_slowed_reading_lets_nothing_through_and_loses_nothing() -> None:
    async with misbehaving(talks=accepted()) as server:
        session = await opened(server, "/talks", extensions=())
        session.slow(True)
        for number in range(50):
            await session.send(str(number))
        await asyncio.sleep(0.1)
        assert session.ring.received <= 1  # what the reader was waiting for already
        session.slow(False)
        await until(session, 50)
        session.abort()
    assert [row.text for row in session.ring.kept if row.direction == "received"] == [str(number) for number in range(50)]


@pytest.mark.parametrize(("answers", "said"), [(True, ["3"]), (False, [])])
async def test_heartbeats_are_answered_when_asked_for(answers: bool, said: list[str]) -> None:
    hello = b'0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'
    async with misbehaving(**{"socket.io/": accepted(frame(1, hello), frame(1, b"2"))}) as server:
        session = ConsoleSession(Attempt(url=server.url("/socket.io/?EIO=4"), extensions=()), answers=answers)
        await session.open()
        await until(session, 3 if answers else 2)  # the server sends the answer back
        session.abort()
    assert [row.text for row in session.ring.kept if row.direction == "sent"] == said


@pytest.mark.parametrize(
    ("resource", "dialect"), [("/socket.io/?EIO=4&transport=websocket", "engine.io"), ("/ws", ""), ("/cable", "actioncable")]
)
def test_a_path_names_its_dialect(resource: str, dialect: str) -> None:
    assert names_dialect(resource) == dialect


# The ring by itself.


def filled(count: int, size: int = 1, **limits: int) -> FrameRing:
    ring = FrameRing(**limits)
    for _ in range(count):
        ring.add("received", WireFrame(Opcode.TEXT, b"x" * size), 0.0, None)
    return ring


def test_the_oldest_goes_first_by_number_and_by_text() -> None:
    assert [row.n for row in filled(5, rows=3).kept] == [3, 4, 5]
    by_text = filled(5, size=100, chars=250)
    assert ([row.n for row in by_text.kept], by_text.dropped, by_text.total) == ([4, 5], 3, 5)


@pytest.mark.parametrize(
    ("n", "rows", "chars", "numbers"),
    [
        (0, 100, 10_000, [3, 4, 5, 6]),
        (3, 100, 10_000, [4, 5, 6]),
        (3, 2, 10_000, [4, 5]),
        (6, 100, 10_000, []),
        (99, 100, 10_000, []),
        (2, 100, 25, [3, 4]),
        (2, 100, 1, [3]),
    ],
)
def test_rows_after_a_number(n: int, rows: int, chars: int, numbers: list[int]) -> None:
    assert [row.n for row in filled(6, size=10, rows=4).after(n, rows, chars)] == numbers


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_a_large_frame_is_cut_and_its_size_is_told(opcode: Opcode) -> None:
    ring = FrameRing()
    ring.add("received", WireFrame(opcode, b"a" * (16 << 20)), 0.0, None)
    (row,) = ring.kept
    assert (len(row.text), row.cut, row.size_bytes) == (frame_ring.TEXT_CHARS, True, 16 << 20)


@pytest.mark.parametrize(("size", "cut"), [(frame_ring.TEXT_CHARS, False), (frame_ring.TEXT_CHARS + 1, True)])
def test_the_limit_itself_is_whole(size: int, cut: bool) -> None:
    (row,) = filled(1, size=size).kept
    assert row.cut is cut
