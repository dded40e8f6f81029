"""Whether an endpoint echoes, and whether unharmed."""

import time

import pytest
from misbehaving import Behave, Peer, head, misbehaving
from websockets.asyncio.server import ServerConnection, serve

from wsbook.attempt import Attempt
from wsbook.facts import EchoFacts
from wsbook.observation import Observation, Outcome, Reason
from wsbook.probes.socket import probe_echo


def after(behave: Behave) -> Behave:
    """Return what accepts the upgrade and then behaves so."""

    async def accepted(peer: Peer) -> None:
        await peer.send(head().replace(b"ACCEPT", peer.accept))
        await behave(peer)

    return accepted


def echo_of(seen: Observation) -> EchoFacts:
    assert isinstance(seen.facts, EchoFacts)
    return seen.facts


async def test_echo_of_the_reference_server() -> None:
    async def echo(peer: ServerConnection) -> None:
        async for message in peer:
            await peer.send(message)

    async with serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        facts = echo_of(await probe_echo(Attempt(url=f"ws://127.0.0.1:{port}/"), step="1.3"))
    assert facts.echoes is True
    assert {trial.kind for trial in facts.trials} == {"text", "binary", "emoji", "combining", "json", "empty"}
    assert max(trial.size_bytes for trial in facts.trials) == 65_536
    assert all(trial.ok and trial.rtt_s is not None for trial in facts.trials)
    assert (facts.pings_sent, len(facts.ping_rtts_s), facts.close_code) == (3, 3, 1000)
    assert facts.close_s is not None
    assert facts.close_s < 0.2


async def test_sizes_that_are_asked_for_and_what_they_take_on_the_wire() -> None:
    async def echo(peer: ServerConnection) -> None:
        async for message in peer:
            await peer.send(message)

    async with serve(echo, "127.0.0.1", 0, max_size=None) as server:
        port = server.sockets[0].getsockname()[1]
        facts = echo_of(await probe_echo(Attempt(url=f"ws://127.0.0.1:{port}/"), step="1.3", sizes=(1, 300_000, 4_194_304)))
    assert [(trial.kind, trial.size_bytes, trial.ok) for trial in facts.trials] == [
        (kind, size, True) for size in (1, 300_000, 4_194_304) for kind in ("text", "binary")
    ]
    large = facts.trials[2]
    assert large.sent_wire_bytes is not None
    assert large.received_wire_bytes is not None
    assert large.sent_wire_bytes < 0.1 * large.size_bytes


@pytest.mark.parametrize(
    ("change", "echoes_", "words"),
    [
        (lambda m: m.replace("echo", "ECHO") if isinstance(m, str) else m, True, "different from byte"),
        (lambda m: f'{{"you said": "{m}"}}' if isinstance(m, str) else b"[" + m + b"]", False, "inside a message of"),
        (lambda m: m.encode() if isinstance(m, str) else m, True, "came back as binary"),
        (lambda m: m[:16_384], True, "16384 of"),
        (lambda m: m.encode("ascii", "replace").decode() if isinstance(m, str) else m, True, "different from byte"),
    ],
    ids=["upper case", "wrapped", "as binary", "cut", "ascii only"],
)
async def test_altered_echo(change: object, echoes_: bool, words: str) -> None:
    async def alter(peer: ServerConnection) -> None:
        await peer.send("welcome")
        async for message in peer:
            await peer.send(change(message))  # type: ignore[operator]

    async with serve(alter, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        facts = echo_of(await probe_echo(Attempt(url=f"ws://127.0.0.1:{port}/"), step="1.3"))
    assert facts.echoes is echoes_
    assert any(words in trial.detail for trial in facts.trials if not trial.ok)


async def test_no_echo_is_not_an_altered_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsbook.probes.socket._REPLY_S", 0.05)

    async def ignore(peer: ServerConnection) -> None:
        async for _ in peer:
            await peer.send("something else")

    async with serve(ignore, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        facts = echo_of(await probe_echo(Attempt(url=f"ws://127.0.0.1:{port}/"), step="1.3"))
    assert facts.echoes is None
    assert len(facts.trials) == 2
    assert "1 other messages did" in facts.trials[0].detail
    assert len(facts.ping_rtts_s) == 3


async def test_echo_that_dies_of_a_size() -> None:
    async def echo(peer: ServerConnection) -> None:
        async for message in peer:
            await peer.send(message)

    async with serve(echo, "127.0.0.1", 0, max_size=10_000) as server:
        port = server.sockets[0].getsockname()[1]
        facts = echo_of(await probe_echo(Attempt(url=f"ws://127.0.0.1:{port}/"), step="1.3"))
    last = facts.trials[-1]
    assert facts.echoes is True
    assert (last.ok, last.size_bytes) == (False, 16_384)
    assert "1009" in last.detail
    assert facts.close_code is None


@pytest.mark.parametrize("path", ["/403-script", "/silent"])
async def test_echo_needs_an_accepted_upgrade(path: str) -> None:
    async with misbehaving() as server:
        seen = await probe_echo(Attempt(url=server.url(path), timeout_s=0.1), step="1.3")
    assert seen.outcome is Outcome.NOT_RUN
    assert seen.failure is not None
    assert seen.failure.reason is Reason.SKIPPED


async def test_echo_keeps_to_its_budget() -> None:
    async with misbehaving(silent=after(pauses_for_long)) as server:
        started = time.perf_counter()
        facts = echo_of(await probe_echo(Attempt(url=server.url("/silent"), timeout_s=0.8), step="1.3"))
        spent = time.perf_counter() - started
    assert facts.echoes is None
    assert spent < 1.1


async def pauses_for_long(peer: Peer) -> None:
    while await peer.reader.read(65_536):
        pass
