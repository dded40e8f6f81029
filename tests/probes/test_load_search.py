"""The search over servers that are a formula."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from wsbook.facts import Knee, LoadRun
from wsbook.probes.load_search import Search, find_knee, seconds_for, why_broken

Model = Callable[[float, int], LoadRun]
"""The run at a rate, the so-manieth try."""


def run(rate: float, *, p99_s: float | None = 0.001, lost: int = 0, unsent: int = 0, void: str = "", opened: int = 10) -> LoadRun:
    sent = round(rate * 2)
    return LoadRun(
        rate=rate, size_bytes=64, connections=10, duration_s=2.0, sent=sent, received=sent - lost, lost=lost, unsent=unsent,
        duplicated=0, reordered=0, p50_s=p99_s, p99_s=p99_s, asked=10, opened=opened, void=void,
    )  # fmt: skip


def queue(capacity: float, base_s: float = 0.001) -> Model:
    """Return a server that does so many per second: beyond, its queue grows as long as the run lasts."""
    return lambda rate, _: run(rate, p99_s=base_s if rate <= capacity else base_s + 2.0 * (rate / capacity - 1))


async def hunt(model: Model, search: Search | None = None) -> tuple[Knee, list[float]]:
    knee, rates = await hunted(model, search)
    assert knee is not None
    return knee, rates


async def hunted(model: Model, search: Search | None = None) -> tuple[Knee | None, list[float]]:
    rates: list[float] = []

    async def attempt(rate: float) -> LoadRun:
        rates.append(rate)
        return model(rate, len(rates))

    async def alone() -> LoadRun:
        return model(1.0, 0)

    return await find_knee(attempt, search or Search(), alone=alone), rates


@given(st.floats(150.0, 500_000.0))
async def test_the_capacity_of_a_queue_is_found_within_the_precision(capacity: float) -> None:
    knee, rates = await hunt(queue(capacity))
    assert knee.broke_at is not None
    assert capacity / 1.1 <= knee.rate <= capacity * 1.03  # so little beyond, the queue stays below the floor of 50 ms
    assert knee.broke_at > capacity and knee.broke_at / knee.rate <= 1.1
    assert len(rates) < 30


async def test_what_breaks_is_said() -> None:
    knee, _ = await hunt(queue(1000))
    assert "p99" in knee.why and "above 50 ms" in knee.why and knee.bound_s is None


async def test_a_bound_is_kept_and_may_be_of_another_percentile() -> None:
    latency = lambda rate, _: run(rate, p99_s=rate / 10_000)  # noqa: E731
    knee, _ = await hunt(latency, Search(bound_s=0.1, at="p50"))
    assert knee.rate == pytest.approx(1000, rel=0.1) and knee.rate <= 1000
    assert (knee.bound_s, knee.at) == (0.1, "p50") and knee.why.startswith("p50")


async def test_loss_and_what_could_not_leave_break_a_rate() -> None:
    losing, _ = await hunt(lambda rate, _: run(rate, lost=3 if rate > 700 else 0))
    stuck, _ = await hunt(lambda rate, _: run(rate, unsent=3 if rate > 700 else 0))
    assert losing.rate <= 700 < (losing.broke_at or 0) and "3 of" in losing.why and "were lost" in losing.why
    assert stuck.rate <= 700 < (stuck.broke_at or 0) and "could not leave" in stuck.why


async def test_a_first_rate_that_is_too_high_is_left_downwards() -> None:
    knee, rates = await hunt(queue(20), Search(start=400))
    assert knee.rate == pytest.approx(20, rel=0.1) and rates[0] == 400


async def test_a_peer_far_away_is_not_slow() -> None:
    knee, _ = await hunt(queue(1000, base_s=0.3))
    assert 1000 <= knee.rate <= 1350  # 0.9 s are its limit, which the queue reaches a little beyond


async def test_no_rate_holds() -> None:
    knee, _ = await hunt(lambda rate, _: run(rate, lost=1))
    assert (knee.rate, knee.broke_at) == (0.0, 1.0)


async def test_the_highest_rate_may_hold() -> None:
    knee, rates = await hunt(queue(math.inf), Search(most=1000))
    assert (knee.rate, knee.broke_at, rates) == (1000, None, [100, 200, 400, 800, 1000])
    assert knee.why == "the highest rate tried held"


async def test_one_busy_moment_is_no_limit() -> None:
    knee, rates = await hunt(lambda rate, turn: run(rate, lost=5 if turn == 3 else 0), Search(most=800))
    assert knee.rate == 800 and rates.count(400) == 2


async def test_a_void_run_is_the_generators_limit_and_not_the_servers() -> None:
    knee, _ = await hunt(lambda rate, _: run(rate, void="the generator was 8 ms late" if rate > 3000 else ""))
    assert knee.broke_at is None and 3000 / 1.1 <= knee.rate <= 3000
    assert knee.why == "the generator itself did no more: the generator was 8 ms late"


async def test_beyond_a_void_run_the_server_may_break_earlier() -> None:
    knee, _ = await hunt(lambda rate, _: run(rate, void="late" if rate > 3000 else "", lost=int(rate > 2000)))
    assert knee.broke_at is not None and knee.rate <= 2000 < knee.broke_at


async def test_where_the_machine_has_no_time_nothing_lower_is_tried() -> None:
    assert await hunted(lambda rate, _: run(rate, void="late")) == (None, [100, 100])
    knee, _ = await hunt(lambda rate, _: run(rate, void="late" if rate > 500 else ""), Search(start=8000))
    assert 450 < knee.rate <= 500


async def test_the_time_is_kept() -> None:
    knee, rates = await hunt(queue(math.inf), Search(total_s=0.0))
    assert rates == [100] and knee.rate == 100 and knee.why == "0 µs were over"


@pytest.mark.parametrize(("rate", "seconds"), [(1, 30), (100, 2), (50, 4), (10_000, 2)])
def test_each_try_has_enough_messages(rate: float, seconds: float) -> None:
    assert seconds_for(rate, 2.0) == seconds


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (run(100), ""),
        (run(100, opened=8), "2 of 10 connections did not open"),
        (run(100, p99_s=None), "nothing came back"),
        (structs.replace(run(100), ended=(("close 1008", 2), ("rst", 1))), "3 of 10 connections ended by close 1008"),
        (run(100, p99_s=0.05), ""),
        (run(100, p99_s=0.0501), "p99 50.1 ms, above 50 ms"),
    ],
)
def test_why_a_run_did_not_hold(one: LoadRun, words: str) -> None:
    assert why_broken(one, 0.05) == words
