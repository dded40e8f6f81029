"""Demands in words, and what they say of runs."""

from typing import Any

import pytest

from wsbook.errors import UsageError
from wsbook.facts import Knee, LoadRun, Sample, Watched
from wsbook.probes.load_thresholds import judge_demands, parse_demand, parse_seconds


def run(**fields: Any) -> LoadRun:
    values: dict[str, Any] = {"rate": 100, "size_bytes": 64, "connections": 2, "duration_s": 10, "sent": 1000, "received": 1000}
    values |= {"lost": 0, "duplicated": 0, "reordered": 0, "p50_s": 0.001, "p99_s": 0.02, "max_s": 0.1, "asked": 2, "opened": 2}
    return LoadRun(**(values | fields))


SERVER = Watched(
    how="process",
    place="endpoint",
    name="python",
    processes=1,
    samples=tuple(Sample(at_s=at, ended=0, held=2, cpu_s=cpu, memory_bytes=int(at * 1e6)) for at, cpu in ((1, 0.1), (2, 0.2), (3, 1.0))),
)

ROWS: list[tuple[str, list[LoadRun], bool | None, str]] = [
    ("p99 < 50 ms", [run()], True, "20 ms"),
    ("p99<20ms", [run()], False, "20 ms"),
    ("p99 <= 20 ms", [run()], True, "20 ms"),
    ("p99 < 50 ms", [run(), run(p99_s=0.3)], False, "300 ms"),
    ("p99 < 50 ms", [run(), run(p99_s=0.3, void="late")], True, "20 ms"),
    ("p99 < 50 ms", [run(void="late")], None, "not known"),
    ("p99 < 50 ms", [], None, "not known"),
    ("p99 < 50 ms", [run(received=0, lost=1000, p99_s=None)], False, "nothing came back"),
    ("p99.9 < 1 s", [run()], None, "not known"),
    ("p99.9 < 1 s", [run(p999_s=0.9)], True, "900 ms"),
    ("max < 100 us", [run()], False, "100 ms"),
    ("connect p99 < 10 ms", [run(connect_p99_s=0.002)], True, "2 ms"),
    ("loss < 0.1 %", [run(lost=1, received=999)], False, "0.1 %"),
    ("loss <= 0.1%", [run(lost=1, received=999)], True, "0.1 %"),
    ("loss < 0.002", [run(lost=1, received=999)], True, "0.1 %"),
    ("loss < 1 %", [run(sent=0, received=0)], None, "not known"),
    ("lost = 0", [run(), run(lost=2)], False, "2"),
    ("duplicated == 0", [run()], True, "0"),
    ("reordered = 0", [run(reordered=1)], False, "1"),
    ("unsent = 0", [run(unsent=12000)], False, "12,000"),
    ("refused = 0", [run(opened=1)], False, "1"),
    ("opened >= 2", [run(), run(opened=1)], False, "1"),
    ("ended = 0", [run(ended=(("fin", 1), ("rst", 2)))], False, "3"),
    ("received > 999", [run()], True, "1,000"),
    ("rate >= 100/s", [run(), run(received=900)], False, "90/s"),
    ("cpu < 50 %", [run(servers=(SERVER,))], False, "80 %"),
    ("cpu < 50 %", [run()], None, "not known"),
    ("memory < 3 MiB", [run(servers=(SERVER,))], True, "2.86 MiB"),
    ("knee > 500/s", [run()], True, "800/s"),
    ("knee > 1000", [run()], False, "800/s"),
]


@pytest.mark.parametrize(("text", "runs", "holds", "value"), ROWS)
def test_a_demand_holds_in_the_worst_run_that_counts(text: str, runs: list[LoadRun], holds: bool | None, value: str) -> None:
    (threshold,) = judge_demands([parse_demand(text)], runs, Knee(rate=800))
    assert (threshold.text, threshold.value, threshold.holds) == (text, value, holds)


def test_a_knee_that_was_not_looked_for_is_not_known() -> None:
    (threshold,) = judge_demands([parse_demand("knee > 500/s")], [run()], None)
    assert threshold.holds is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("p99", "is not of the form 'p99 < 50 ms'"),
        ("p99 < fast", "is not of the form"),
        ("p99 ~ 5 ms", "is not of the form"),
        ("p98 < 5 ms", "names no figure; the figures are p50"),
        ("p99 < 50", "needs a unit of p99: us, µs, ms, s, min"),
        ("p99 < 50 %", "needs a unit of p99"),
        ("loss < 5 ms", "needs a unit of loss: %, none"),
        ("lost = 1 %", "needs a unit of lost: none"),
        ("memory < 5", "needs a unit of memory: B, KiB"),
    ],
)
def test_what_is_no_demand_says_what_would_be(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_demand(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("50ms", 0.05), ("1.5 s", 1.5), ("2", 2.0), ("200 µs", 0.0002), ("1 min", 60.0), (".5s", 0.5)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "fast", "5 parsecs", "-1 s", "1e3"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="is no duration"):
        parse_seconds(text)
