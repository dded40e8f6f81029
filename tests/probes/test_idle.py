"""The idle ladder against servers that end idle connections in every way."""

import asyncio
import http
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from wsbook.attempt import Attempt
from wsbook.errors import UsageError
from wsbook.facts import HeartbeatFacts, IdleFacts, UpgradeFacts
from wsbook.observation import Observation, Outcome
from wsbook.probes import idle
from wsbook.probes.idle import ladder, probe_idle

Ending = Callable[[ServerConnection], Awaitable[None]]
LIMIT_S = 0.6


async def _by_close(peer: ServerConnection) -> None:
    await peer.close(1001, "idle too long")


async def _by_fin(peer: ServerConnection) -> None:
    peer.transport.close()


async def _by_rst(peer: ServerConnection) -> None:
    peer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.transport.abort()


async def _by_silence(peer: ServerConnection) -> None:
    peer.transport.pause_reading()


async def _never(peer: ServerConnection) -> None:
    await peer.wait_closed()


@asynccontextmanager
async def server(ending: Ending, *, push_s: float = 0.0, ping_s: float | None = None) -> AsyncIterator[str]:
    """Yield the URL of a server that ends connections after LIMIT_S without any frame from the client."""

    async def handler(peer: ServerConnection) -> None:
        heard = time.monotonic()
        take = peer.protocol.receive_data

        def watch(data: bytes) -> None:
            nonlocal heard
            heard = time.monotonic()
            take(data)

        peer.protocol.receive_data = watch
        pushed = time.monotonic()
        while time.monotonic() - heard < LIMIT_S or ending is _never:
            await asyncio.sleep(0.01)
            if push_s and time.monotonic() - pushed > push_s:
                pushed = time.monotonic()
                await peer.send("news")
            if peer.state.name != "OPEN":
                return
        await ending(peer)
        await asyncio.wait_for(peer.wait_closed(), 10)

    async with serve(handler, "127.0.0.1", 0, ping_interval=ping_s, close_timeout=0.2) as running:
        yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/"


def _all(found: list[Observation]) -> list[IdleFacts]:
    """Return the rungs; the peer's heartbeats are another question."""
    assert all(isinstance(seen.facts, IdleFacts | HeartbeatFacts) for seen in found), found
    return [seen.facts for seen in found if isinstance(seen.facts, IdleFacts)]


@pytest.mark.parametrize(
    ("ending", "ended", "code"),
    [(_by_close, "close", 1001), (_by_fin, "fin", None), (_by_rst, "rst", None)],
)
async def test_a_seen_death_gives_the_limit_itself(ending: Ending, ended: str, code: int | None) -> None:
    async with server(ending) as url:
        short, long = _all(await probe_idle(Attempt(url=url), rungs_s=(0.3, 1.5), step="3.4"))
    assert (short.survived, short.ended) == (True, "open") and short.lived_s == pytest.approx(0.3, abs=0.25)
    assert (long.survived, long.ended, long.close_code) == (False, ended, code)
    assert long.lived_s == pytest.approx(LIMIT_S, abs=0.15)
    assert long.traffic == "none"


async def test_a_silent_death_is_noticed_by_speaking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "PROOF_S", 0.3)
    async with server(_by_silence) as url:
        short, long = _all(await probe_idle(Attempt(url=url), rungs_s=(0.3, 1.0), step="3.4"))
    assert short.survived
    assert (long.survived, long.ended) == (False, "silence")
    assert long.lived_s >= 1.0


async def test_a_silent_death_is_bracketed_closer_while_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "PROOF_S", 0.3)
    async with server(_by_silence) as url:
        found = _all(await probe_idle(Attempt(url=url), rungs_s=(0.4, 1.0, 2.5), step="3.4"))
    tried = [facts.silence_s for facts in found if facts.silence_s not in (0.4, 1.0, 2.5) and not facts.survived]
    assert len(found) == 7
    assert LIMIT_S <= min(tried) < 0.8


async def test_chatty_controls_live_where_silence_dies() -> None:
    async with server(_by_fin) as url:
        found = _all(
            await probe_idle(Attempt(url=url), rungs_s=(0.4, 1.2), step="3.4", traffic=("none", "ping", "client"), message="still here")
        )
    assert [(f.traffic, round(f.silence_s, 1) if f.survived else f.silence_s, f.survived) for f in found] == [
        ("none", 0.4, True),
        ("none", 1.2, False),
        ("client", 1.2, True),
        ("ping", 1.2, True),
    ]


@pytest.mark.parametrize(("push_s", "ping_s"), [(0.2, None), (0.0, 0.2)])
async def test_a_server_that_speaks_is_not_silent(push_s: float, ping_s: float | None) -> None:
    async with server(_never, push_s=push_s, ping_s=ping_s) as url:
        (facts,) = _all(await probe_idle(Attempt(url=url), rungs_s=(0.8,), step="3.4"))
    assert (facts.traffic, facts.survived) == ("server", True)


async def test_rungs_run_side_by_side_and_report_progress() -> None:
    said: list[tuple[str, float]] = []
    begin = time.monotonic()
    async with server(_never) as url:
        found = await probe_idle(
            Attempt(url=url, hop="app"),
            rungs_s=(0.2, 0.4, 0.6, 0.8),
            step="3.4",
            on_progress=lambda text, share: said.append((text, share)),
        )
    assert time.monotonic() - begin < 2.0
    assert {(seen.source.hop, seen.source.probe, seen.outcome) for seen in found} == {
        ("app", "idle", Outcome.ANSWERED),
        ("app", "heartbeat", Outcome.ANSWERED),
    }
    assert said and all(0 <= share <= 1 for _, share in said)


async def test_an_endpoint_that_is_not_there_is_said_per_rung() -> None:
    (seen,) = await probe_idle(Attempt(url="ws://127.0.0.1:9/"), rungs_s=(0.5,), step="3.4")
    assert seen.outcome is Outcome.FAILED and seen.failure is not None and not isinstance(seen.facts, IdleFacts)


async def test_a_rung_that_was_refused_keeps_the_status() -> None:
    def refuse(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "slow down")

    async with serve(_never, "127.0.0.1", 0, process_request=refuse) as running:
        url = f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/"
        (seen,) = await probe_idle(Attempt(url=url), rungs_s=(0.5,), step="3.4")
    assert seen.failure is not None and "HTTP 503" in seen.failure.message
    assert isinstance(seen.facts, UpgradeFacts) and seen.facts.status == 503


async def test_cancelling_closes_the_connections() -> None:
    gone = asyncio.Event()

    async def handler(peer: ServerConnection) -> None:
        await peer.wait_closed()
        gone.set()

    async with serve(handler, "127.0.0.1", 0) as running:
        url = f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/"
        task = asyncio.ensure_future(probe_idle(Attempt(url=url), rungs_s=(30.0,), step="3.4"))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), 2)


@pytest.mark.parametrize("longest_s", [0.5, 1.0, 8.0, 75.0, 360.0])
def test_the_ladder_grows_to_its_longest_rung(longest_s: float) -> None:
    rungs = ladder(longest_s)
    assert rungs[-1] == longest_s and list(rungs) == sorted(set(rungs)) and len(rungs) <= 24
    assert all(after / before <= 2.2 for before, after in pairwise(rungs))


@pytest.mark.parametrize(("rungs", "traffic"), [((), ("none",)), ((0.0,), ("none",)), ((1.0,) * 25, ("none",)), ((1.0,), ("smoke",))])
async def test_nonsense_is_refused(rungs: tuple[float, ...], traffic: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        await probe_idle(Attempt(url="ws://127.0.0.1:9/"), rungs_s=rungs, step="3.4", traffic=traffic)
