"""The offset of another clock, against simulated clocks whose truth is known."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.clocks import Pair, estimate_offset, read_grain


def _pairs(offset_s: float, *, out_s: float, back_s: float, drift: float = 0.0, grain_s: float = 0.0, count: int = 20) -> list[Pair]:
    """Return what is seen of a clock that was offset_s ahead in the middle, over 20 s; delays vary from a half to twice of these."""
    draw, pairs = random.Random(1), []
    for number in range(count):
        sent = 1000.0 + number + draw.random()
        stamped = sent + out_s * draw.uniform(0.5, 2)
        theirs = stamped + offset_s + drift * (stamped - 1010.0)
        stamp = theirs // grain_s * grain_s if grain_s else theirs
        pairs.append(Pair(sent=sent, stamp=stamp, received=stamped + back_s * draw.uniform(0.5, 2), grain_s=grain_s))
    return pairs


@pytest.mark.parametrize(
    ("offset_s", "out_s", "back_s", "drift", "grain_s", "most_s"),
    [
        (3.0, 0.001, 0.001, 0.0, 0.0, 0.003),
        (-3.0, 0.002, 0.050, 0.0, 0.0, 0.03),
        (3.0, 0.080, 0.001, 0.0, 0.001, 0.05),
        (3.0, 0.002, 0.002, 2e-5, 0.0, 0.005),
        (3.0, 0.001, 0.004, 1e-3, 0.0, 0.005),
        (-0.2, 0.001, 0.004, -2e-3, 0.001, 0.005),
        (3.0, 0.005, 0.005, 0.0, 1.0, 0.1),
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.002),
    ],
    ids=["ahead", "behind, slow answers", "slow requests", "drifts a little", "drifts fast", "lags and drifts", "whole seconds", "ours"],
)
def test_the_truth_lies_within_the_error(offset_s: float, out_s: float, back_s: float, drift: float, grain_s: float, most_s: float) -> None:
    found = estimate_offset(_pairs(offset_s, out_s=out_s, back_s=back_s, drift=drift, grain_s=grain_s))
    assert found is not None and found.steady and found.pairs == 20
    assert abs(found.offset_s - (offset_s + drift * (found.at - 1010.0))) <= found.error_s <= most_s
    if abs(drift) >= 1e-3:
        assert found.drift == pytest.approx(drift, rel=0.3)


def test_one_pair_is_an_answer_too_and_no_pair_is_none() -> None:
    found = estimate_offset([Pair(sent=10.0, stamp=13.05, received=10.1)])
    assert found is not None and found.offset_s == pytest.approx(3.0) and found.error_s == pytest.approx(0.05, abs=1e-4)
    assert estimate_offset([]) is None and estimate_offset([Pair(sent=10.0, stamp=13.0, received=9.0)]) is None


def test_a_clock_that_was_set_is_not_steady_and_as_wide_as_all_that_was_seen() -> None:
    pairs = [*_pairs(3.0, out_s=0.001, back_s=0.001, count=5), *_pairs(-2.0, out_s=0.001, back_s=0.001, count=5)]
    found = estimate_offset(pairs)
    assert found is not None and not found.steady
    assert found.offset_s - found.error_s <= -2.0 and found.offset_s + found.error_s >= 3.0


@pytest.mark.parametrize("zone_s", [7200.0, -34200.0, -20 * 365 * 86400.0, 0.0])
def test_time_zones_say_nothing_of_a_clock(zone_s: float) -> None:
    pairs = [Pair(sent=10.0 * n, stamp=10.0 * n + 0.01 + 3.0 + zone_s, received=10.0 * n + 0.02) for n in range(5)]
    found = estimate_offset(pairs, zones=True)
    assert found is not None and found.zone_s == zone_s and found.offset_s == pytest.approx(3.0, abs=0.02)
    assert found.ours(pairs[2].stamp) == pytest.approx(20.01, abs=0.02)


@given(
    st.floats(-100, 100),
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12),
    st.sampled_from([0.0, 0.001, 1.0]),
)
def test_the_truth_is_never_left_out(offset_s: float, moments: list[tuple[float, float, float]], grain_s: float) -> None:
    pairs = []
    for sent, out_s, back_s in moments:
        theirs = sent + out_s + offset_s
        stamp = theirs // grain_s * grain_s if grain_s else theirs
        pairs.append(Pair(sent=sent, stamp=stamp, received=sent + out_s + back_s, grain_s=grain_s))
    found = estimate_offset(pairs)
    assert found is not None and abs(found.offset_s - offset_s) <= found.error_s + 1e-6


def test_the_grain_of_stamps() -> None:
    assert [read_grain([base + step for base in (1.7e9, 1.7e9 + 61)]) for step in (0.0, 0.25, 0.123, 0.12345)] == [1.0, 0.01, 0.001, 0.0]
