"""Runs of shards add up, in whichever grouping."""

import numpy as np
import pytest
from fake_engine import run_plan
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import to_builtins
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts.load import Generator, LoadRun, LossyConnection, Moment
from wsbook.histogram import Histogram
from wsbook.load_merge import MOST_LOSSY, count_broadcast_losses, merge_runs
from wsbook.load_plan import LoadPlan
from wsbook.load_split import split_plan

PLAN = LoadPlan(attempt=Attempt(url="ws://127.0.0.1:1/ws"), connections=10, rate=1000.0, seconds=2.0)
small = st.integers(0, 1000)


def packed(values: list[int]) -> str:
    histogram = Histogram()
    histogram.record(np.array(values, np.float64))
    return histogram.encode()


@st.composite
def moments(draw: st.DrawFn) -> Moment:
    values = draw(st.lists(st.integers(1_000, 10**9), max_size=6))
    highest = max(values) / 1e9 if values else None
    text = packed(values) if values else ""
    return Moment(at_s=1.0, sent=draw(small), received=len(values), lost=draw(small), max_s=highest, histogram=text)


@st.composite
def runs(draw: st.DrawFn) -> LoadRun:
    values = draw(st.lists(st.integers(1_000, 10**9), max_size=20))
    lossy = draw(
        st.lists(st.builds(LossyConnection, number=small, expected=small, lost=small, duplicated=small, reordered=small), max_size=3)
    )
    generator = st.builds(
        Generator,
        engine=st.sampled_from(["numpy", "compiled"]),
        cpu_s=st.integers(0, 9).map(float),
        busy=st.floats(0, 1),
        lag_p99_s=st.floats(0, 1),
        lag_max_s=st.floats(0, 1),
        shards=st.integers(1, 4),
    )
    return LoadRun(
        rate=float(draw(small)),
        size_bytes=64,
        connections=draw(small),
        duration_s=draw(st.floats(0, 9)),
        sent=draw(small),
        received=len(values),
        lost=draw(small),
        duplicated=draw(small),
        reordered=draw(small),
        max_s=max(values) / 1e9 if values else None,
        histogram=packed(values) if values else "",
        moments=tuple(replace(moment, at_s=float(place)) for place, moment in enumerate(draw(st.lists(moments(), max_size=3)), 1)),
        lossy=tuple(lossy),
        lossy_count=len(lossy),
        ended=tuple(sorted(draw(st.dictionaries(st.sampled_from(["fin", "rst", "1006"]), st.integers(1, 5))).items())),
        generator=draw(st.none() | generator),
        missing_shards=tuple(draw(st.lists(st.sampled_from(["a", "b", "c"]), max_size=2, unique=True))),
        why_refused=draw(st.sampled_from(["", "403", "refused"])),
        void=draw(st.sampled_from(["", "too slow", "too slow; stopped"])),
        connect_p99_s=draw(st.none() | st.floats(0, 9)),
    )


@settings(max_examples=60, deadline=None)
@given(a=runs(), b=runs(), c=runs())
def test_merging_is_associative(a: LoadRun, b: LoadRun, c: LoadRun) -> None:
    at_once = to_builtins(merge_runs([a, b, c]))
    assert to_builtins(merge_runs([merge_runs([a, b]), c])) == at_once
    assert to_builtins(merge_runs([a, merge_runs([b, c])])) == at_once


@settings(max_examples=40, deadline=None)
@given(connections=st.integers(1, 40), shards=st.integers(1, 8), rate=st.integers(100, 5000), window=st.booleans())
def test_a_run_that_was_split_is_the_run(connections: int, shards: int, rate: int, window: bool) -> None:
    plan = replace(PLAN, connections=connections, rate=0.0 if window else float(rate), window=4 if window else 0)
    parts = split_plan(plan, min(shards, connections), run="0badcafe", begin_at=0.0)
    alone, merged = run_plan(plan), merge_runs([run_plan(part) for part in parts])
    for name in ("connections", "sent", "received", "lost", "asked", "opened", "max_s", "histogram", "window", "size_bytes"):
        assert getattr(merged, name) == getattr(alone, name), name
    for name in ("p50_s", "p99_s"):
        assert getattr(merged, name) == pytest.approx(getattr(alone, name), rel=1e-3)
        assert getattr(merged.moments[0], name) == pytest.approx(getattr(alone.moments[0], name), rel=1e-3)
    assert [(moment.at_s, moment.sent) for moment in merged.moments] == [(moment.at_s, moment.sent) for moment in alone.moments]
    assert merged.generator is not None and merged.generator.shards == len(parts)


def test_percentiles_are_those_of_all_answers_and_not_the_worst_parts() -> None:
    quick = replace(run_plan(PLAN), histogram=packed([1_000_000] * 990), max_s=0.001, p99_s=0.001)
    slow = replace(run_plan(PLAN), histogram=packed([500_000_000] * 5), max_s=0.5, p99_s=0.5)
    assert merge_runs([quick, slow]).p99_s == pytest.approx(0.001, rel=1e-3)
    assert merge_runs([quick, slow]).max_s == 0.5
    assert merge_runs([quick, replace(slow, histogram="")]).p99_s == 0.5


def test_the_worst_connections_of_all_parts_are_listed() -> None:
    many = [LossyConnection(number=number, expected=10, lost=number % 7, duplicated=0, reordered=0) for number in range(80)]
    halves = [replace(run_plan(PLAN), lossy=tuple(many[half::2]), lossy_count=40) for half in (0, 1)] * 2
    merged = merge_runs(halves)
    assert merged.lossy_count == 160
    assert len(merged.lossy) == MOST_LOSSY
    assert [one.lost for one in merged.lossy] == sorted((one.lost for one in merged.lossy), reverse=True)


def test_what_listening_parts_lost_is_what_the_publisher_sent_them() -> None:
    whole = replace(PLAN, answered_by="broadcast", rate=1.0, seconds=3.0, connections=7, publishers=1)
    made = [run_plan(part) for part in split_plan(whole, 3, run="0badcafe", begin_at=0.0)]
    counted = count_broadcast_losses(made)
    assert [(run.opened, run.lost, run.moments[0].lost) for run in counted] == [(3, 0, 0), (2, 2, 2), (2, 2, 2)]
    merged = merge_runs(counted)
    assert (merged.sent, merged.received, merged.lost, merged.publishers, merged.rate) == (3, 14, 4, 1, 1.0)
    assert count_broadcast_losses(made[1:]) == made[1:]


def test_what_came_late_is_not_lost_in_the_interval_in_which_it_was_due() -> None:
    publishes = replace(run_plan(PLAN), answered_by="broadcast", publishers=1, sent=30)
    due = ((1.0, 10), (2.0, 10), (3.0, 10), (4.0, 0))
    publishes = replace(publishes, moments=tuple(Moment(at_s=at, sent=sent, received=0) for at, sent in due))
    came = (10, 9, 7, 3)  # three of the third second are late; one of the second is lost
    listens = replace(run_plan(PLAN), answered_by="broadcast", publishers=0, opened=1, sent=0, received=29)
    listens = replace(listens, moments=tuple(Moment(at_s=at + 1.0, sent=0, received=count) for at, count in enumerate(came)))
    counted = count_broadcast_losses([publishes, listens])[1]
    assert (counted.lost, [moment.lost for moment in counted.moments]) == (1, [0, 1, 0, 0])


def test_nothing_cannot_be_merged() -> None:
    with pytest.raises(ValueError, match="no runs"):
        merge_runs([])
