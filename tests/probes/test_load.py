"""The ramp over echo servers that lose, double, swap and stall."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

from wsbook.attempt import Attempt
from wsbook.facts import LoadFacts, LoadRun
from wsbook.observation import Observation, Outcome, Reason
from wsbook.probes import load
from wsbook.probes.load import probe_load


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_QUIET_S", 0.2)
    monkeypatch.setattr(load, "_ECHO_S", 0.4)


@asynccontextmanager
async def echo(fault: str = "") -> AsyncIterator[str]:
    async def handler(peer: ServerConnection) -> None:
        held, number = "", -1
        async for message in peer:
            number += 1
            if fault == "mute":
                continue
            if fault == "drops" and number % 100 == 99:
                continue
            if fault == "swaps" and number % 50 == 10:
                held = str(message)
                continue
            if fault == "stalls" and number == 20:
                await asyncio.sleep(0.4)
            if fault == "blocks" and number == 20:
                time.sleep(0.4)  # noqa: ASYNC251 - the generator shares this loop: it must call itself void
            if fault == "closes" and number == 30:
                await peer.close(1008, "too fast")
                return
            await peer.send(f'{{"echo": {message}}}' if fault == "wraps" else message)
            if fault == "doubles" and number % 100 == 99:
                await peer.send(message)
            if held:
                await peer.send(held)
                held = ""

    async with serve(handler, "127.0.0.1", 0) as running:
        yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/"


async def _ramp(fault: str, rates: tuple[float, ...] = (400.0,), **options: Any) -> Observation:
    settings = {"size_bytes": 100, "connections": 2, "seconds": 1.0, "owned": True} | options
    async with echo(fault) as url:
        return await probe_load(Attempt(url=url), rates=rates, step="4.2", **settings)


def _steps(seen: Observation) -> tuple[LoadRun, ...]:
    assert isinstance(seen.facts, LoadFacts), seen
    return seen.facts.runs


@pytest.mark.parametrize(
    ("fault", "lost", "duplicated", "reordered"),
    [("", 0, 0, 0), ("drops", 4, 0, 0), ("doubles", 0, 4, 0), ("swaps", 0, 0, 8), ("wraps", 0, 0, 0)],
)
async def test_losses_repeats_and_swaps_are_counted(fault: str, lost: int, duplicated: int, reordered: int) -> None:
    (step,) = _steps(await _ramp(fault))
    assert (step.sent, step.connections, step.size_bytes) == (400, 2, 100)
    assert (step.lost, step.duplicated, step.reordered) == (lost, duplicated, reordered)
    assert step.received == step.sent - step.lost
    assert step.p50_s is not None and step.p99_s is not None and step.max_s is not None
    assert 0 < step.p50_s <= step.p99_s <= step.max_s < 1


async def test_every_rate_has_its_step_and_numbers_never_mix() -> None:
    said: list[str] = []
    seen = await _ramp("", rates=(50.0, 200.0, 500.0), seconds=0.4, on_progress=lambda text, _: said.append(text))
    assert [(s.rate, s.sent, s.lost, s.duplicated) for s in _steps(seen)] == [(50, 20, 0, 0), (200, 80, 0, 0), (500, 200, 0, 0)]
    assert said == ["50 messages per second", "200 messages per second", "500 messages per second"]


async def test_a_stall_of_the_peer_shows_in_all_messages_that_were_due_meanwhile() -> None:
    seen = await _ramp("stalls", rates=(100.0,), connections=1)
    (step,) = _steps(seen)
    assert step.lost == 0 and step.max_s == pytest.approx(0.4, abs=0.15)
    assert step.p99_s is not None and step.p99_s > 0.3  # a closed loop would show one slow message in a hundred
    assert isinstance(seen.facts, LoadFacts) and seen.facts.void == ""


async def test_figures_are_void_when_the_generator_itself_was_late() -> None:
    seen = await _ramp("blocks", rates=(20.0,), connections=1, seconds=1.4)
    assert _steps(seen)[0].lag_s >= 0
    slow = load._void(
        LoadRun(
            rate=100,
            size_bytes=1,
            connections=1,
            duration_s=1,
            sent=100,
            received=100,
            lost=0,
            duplicated=0,
            reordered=0,
            p99_s=0.05,
            lag_s=0.04,
        ),
        0.2,
    )
    starved = load._void(
        LoadRun(
            rate=1000,
            size_bytes=1,
            connections=1,
            duration_s=1,
            sent=700,
            received=700,
            lost=0,
            duplicated=0,
            reordered=0,
            p99_s=2.0,
            lag_s=0.01,
        ),
        0.99,
    )
    fine = load._void(
        LoadRun(
            rate=100,
            size_bytes=1,
            connections=1,
            duration_s=1,
            sent=100,
            received=100,
            lost=0,
            duplicated=0,
            reordered=0,
            p99_s=0.5,
            lag_s=0.01,
        ),
        0.99,
    )
    assert "40 ms late" in slow and "whole processor" in starved and fine == ""


async def test_a_void_step_is_repeated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = iter(["late", "", "late", "late again"])
    monkeypatch.setattr(load, "_void", lambda figures, busy: next(reasons))
    seen = await _ramp("", rates=(50.0, 100.0), seconds=0.1)
    assert isinstance(seen.facts, LoadFacts)
    assert (len(seen.facts.runs), seen.facts.void) == (2, "late again")


async def test_connections_that_are_closed_are_named() -> None:
    seen = await _ramp("closes", rates=(200.0, 400.0), connections=1)
    assert isinstance(seen.facts, LoadFacts)
    assert len(seen.facts.runs) == 1 and seen.facts.runs[0].sent < 200
    assert seen.facts.errors == (
        "connection 0 ended (close code 1008) at 200 messages per second",
        "no connection was left before 400 messages per second",
    )


@pytest.mark.parametrize(
    ("fault", "options", "reason", "words"),
    [
        ("mute", {}, Reason.NOT_GIVEN, "does not send messages back"),
        ("", {"owned": False}, Reason.NOT_PERMITTED, "--i-own-this"),
        ("", {"template": "hello"}, Reason.NOT_GIVEN, "{marker}"),
    ],
)
async def test_refusals_say_what_to_provide(fault: str, options: dict[str, Any], reason: Reason, words: str) -> None:
    seen = await _ramp(fault, **options)
    assert seen.outcome is Outcome.NOT_RUN and seen.failure is not None
    assert seen.failure.reason is reason and words in seen.failure.message


async def test_a_template_carries_marker_and_padding() -> None:
    (step,) = _steps(await _ramp("wraps", rates=(50.0,), seconds=0.4, size_bytes=2000, template='{"id": "{marker}", "fill": "{padding}"}'))
    assert (step.sent, step.lost, step.size_bytes) == (20, 0, 2000)


async def test_an_endpoint_that_is_not_there() -> None:
    seen = await probe_load(
        Attempt(url="ws://127.0.0.1:9/"), rates=(10.0,), size_bytes=10, connections=1, seconds=0.1, step="4.2", owned=True
    )
    assert seen.outcome is Outcome.FAILED and seen.facts is None


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50), st.sampled_from([0.01, 0.5, 0.99, 1.0]))
def test_quantiles_are_measured_values(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = load._quantile(ordered, share)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-9
