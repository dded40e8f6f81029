"""Unusual but legal frames: what a sound peer does with them, and what becomes of them at a peer that misses one rule."""

import asyncio

import pytest
from dialect_servers import needs_node, node
from misbehaving import Behave, Peer, close_frame, echoes, frame, head, misbehaving
from websockets.asyncio.server import ServerConnection, serve

from wsbook.attempt import Attempt
from wsbook.facts import FrameTrial, FramingFacts
from wsbook.observation import Outcome
from wsbook.probes import framing
from wsbook.probes.framing import probe_framing


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "_REPLY_S", 0.1)
    monkeypatch.setattr(framing, "_HALF_CLOSED_S", 0.1)


def after(behave: Behave) -> Behave:
    """Return what accepts the upgrade and then behaves so."""

    async def accepted(peer: Peer) -> None:
        await peer.send(head().replace(b"ACCEPT", peer.accept))
        await behave(peer)

    return accepted


async def _frame(peer: Peer) -> tuple[int, bool, bytes]:
    first, second = await peer.reader.readexactly(2)
    size = second & 0x7F
    size = int.from_bytes(await peer.reader.readexactly(2), "big") if size == 126 else size
    key = await peer.reader.readexactly(4)
    return first & 0x0F, bool(first & 0x80), bytes(b ^ key[i % 4] for i, b in enumerate(await peer.reader.readexactly(size)))


def server(*, skips: tuple[int, ...] = (), joins: bool = True, pong: bytes | None = None, late_pong: bool = False) -> Behave:
    """Return an echo that ignores some opcodes, does not join fragments, answers pings with other bytes, or only between messages."""

    async def behave(peer: Peer) -> None:
        parts, held = b"", list[bytes]()
        while True:
            opcode, fin, data = await _frame(peer)
            if opcode in skips:
                continue
            if opcode == 8:
                await peer.send(frame(8, data))
                return
            if opcode == 9:
                answer = frame(10, data if pong is None else pong)
                held, now = ([*held, answer], b"") if late_pong and parts else (held, answer)
                await peer.send(now)
            elif opcode in (0, 1):
                parts = parts + data if joins else data
                if fin or not joins:
                    await peer.send(frame(1, parts) + b"".join(held))
                    parts, held = b"", []

    return after(behave)


async def trials(behave: Behave, *, echoing: bool = True, rough: bool = True) -> tuple[dict[str, FrameTrial], FramingFacts]:
    async with misbehaving(peer=behave) as running:
        seen = await probe_framing(Attempt(url=running.url("/peer")), step="1.3", echoes=echoing, rough=rough)
    assert isinstance(seen.facts, FramingFacts)
    return {trial.name: trial for trial in seen.facts.trials}, seen.facts


def failed(found: dict[str, FrameTrial]) -> set[str]:
    return {name for name, trial in found.items() if trial.ok is False}


async def test_the_reference_server_copes_with_everything() -> None:
    async def echo(peer: ServerConnection) -> None:
        async for message in peer:
            await peer.send(message)

    async with serve(echo, "127.0.0.1", 0, logger=_quiet()) as running:
        port = running.sockets[0].getsockname()[1]
        seen = await probe_framing(Attempt(url=f"ws://127.0.0.1:{port}/"), step="1.3", echoes=True)
    assert isinstance(seen.facts, FramingFacts)
    assert {trial.ok for trial in seen.facts.trials} == {True}
    assert len(seen.facts.trials) == 14
    assert seen.facts.ended_by == ""


def _quiet() -> object:
    import logging

    logger = logging.getLogger("wsbook-test-quiet")
    logger.setLevel(logging.CRITICAL + 1)
    return logger


async def test_fragments_that_are_not_joined() -> None:
    found, facts = await trials(server(joins=False), rough=False)
    assert failed(found) >= {"a text in 2 fragments", facts.ended_by}
    assert facts.ended_by == "a text in 3 fragments, one of them within a character"  # half a character is no UTF-8: we close with 1007


@pytest.mark.parametrize(
    ("behave", "broken"),
    [
        (server(), set()),
        (server(pong=b"other"), {"a ping without payload", "a ping with the longest payload"}),
        (server(late_pong=True), set()),
        (server(skips=(9,)), {"a ping between fragments"}),
        (server(skips=(8,)), {"close 1000 with a reason", "a close frame without a code"}),
        (server(skips=(9,)), {"a ping without payload", "a ping with the longest payload", "a pong that nobody asked for"}),
    ],
    ids=["sound", "other payload", "pong after the message", "no pong between", "no close reply", "no pong"],
)
async def test_one_rule_missed(behave: Behave, broken: set[str]) -> None:
    found, _ = await trials(behave, rough=False)
    assert broken <= failed(found)
    if not broken:
        assert failed(found) == set()


async def test_nothing_more_is_sent_after_what_ended_the_connection() -> None:
    async def dies_of_a_pong(peer: Peer) -> None:
        while True:
            opcode, _, data = await _frame(peer)
            if opcode == 10:
                await peer.send(close_frame(1002, b"no"))
                return
            await peer.send(frame(10 if opcode == 9 else opcode, data))

    found, facts = await trials(after(dies_of_a_pong), rough=False)
    assert facts.ended_by == "a pong that nobody asked for"
    assert "1002 no" in found[facts.ended_by].detail
    assert not any("fragment" in name for name in found)


async def test_an_endpoint_that_does_not_echo_is_sent_no_message() -> None:
    sent: list[int] = []

    async def notes(peer: Peer) -> None:
        while True:
            opcode, _, data = await _frame(peer)
            sent.append(opcode)
            if opcode in (8, 9):
                await peer.send(frame(10 if opcode == 9 else 8, data))

    found, _ = await trials(after(notes), echoing=False, rough=False)
    assert set(sent) == {8, 9, 10}
    assert not any("fragment" in name for name in found)


async def test_a_peer_that_answers_nothing_at_all_is_unknown() -> None:
    async def deaf(peer: Peer) -> None:
        await peer.reader.read()

    found, facts = await trials(after(deaf), rough=False)
    talked = [trial for trial in facts.trials if not trial.ended]
    assert [trial.ok for trial in talked] == [None]
    assert "nor is anything else answered" in talked[0].detail
    assert found["close 1000 with a reason"].ok is False


async def test_an_application_that_closes_for_its_own_reasons_breaks_no_rule() -> None:
    async def leaves(peer: ServerConnection) -> None:
        await peer.close(4406, "Subprotocol not acceptable")

    async with serve(leaves, "127.0.0.1", 0) as running:
        url = f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/"
        seen = await probe_framing(Attempt(url=url), step="1.3", echoes=False)
    assert isinstance(seen.facts, FramingFacts)
    assert False not in {trial.ok for trial in seen.facts.trials if trial.must}
    assert "4406" in seen.facts.trials[0].detail


async def test_another_close_code_is_legal_and_told() -> None:
    async def other(peer: Peer) -> None:
        while True:
            opcode, _, data = await _frame(peer)
            await peer.send(close_frame(1001) if opcode == 8 else frame(10, data))
            if opcode == 8:
                await peer.reader.read(1)
                return

    found, _ = await trials(after(other), echoing=False)
    assert found["close 3000"].ok
    assert "with 1001 instead of 3000" in found["close 3000"].detail


async def test_half_closed_peer_that_stays() -> None:
    async def stays(peer: Peer) -> None:
        await peer.reader.read()
        await asyncio.sleep(2)

    found, _ = await trials(after(stays), echoing=False)
    assert found["our FIN without a close frame"].ok is False
    assert found["our FIN without a close frame"].must is False


async def test_refused_upgrade_is_not_run() -> None:
    async with misbehaving(echo=after(echoes)) as running:
        seen = await probe_framing(Attempt(url=running.url("/nothing-here")), step="1.3", echoes=True)
    assert seen.outcome is Outcome.NOT_RUN


@needs_node("ws")
async def test_ws_in_node_copes_with_everything() -> None:
    async with node("ws") as port:
        seen = await probe_framing(Attempt(url=f"ws://127.0.0.1:{port}/"), step="1.3", echoes=True)
    assert isinstance(seen.facts, FramingFacts)
    assert {trial.name for trial in seen.facts.trials if not trial.ok} == set()
