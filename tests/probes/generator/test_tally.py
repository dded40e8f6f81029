"""The account against plain counting, for any order of arrival; gaps against sets."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.attempt import Attempt
from wsbook.load_plan import LoadPlan
from wsbook.probes.generator import tally as module
from wsbook.probes.generator.gaps import Gaps
from wsbook.probes.generator.losses import losses_of
from wsbook.probes.generator.tally import Tally, interval_of

ATTEMPT = Attempt(url="ws://127.0.0.1:9/")
ARRIVALS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), max_size=120)


def tally_of(**options: object) -> Tally:
    settings: dict[str, object] = {"connections": 3, "rate": 10.0} | options
    return Tally(LoadPlan(attempt=ATTEMPT, **settings), "00000000")  # type: ignore[arg-type]


def array(values: list[int]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array(values, np.int64)


def counted_plainly(arrivals: list[tuple[int, int]]) -> tuple[list[bool], Counter[int], Counter[int], Counter[int]]:
    """Return which are first copies, and received, duplicated and reordered by connection."""
    seen, highest = set[tuple[int, int]](), dict[int, int]()
    first, received, duplicated, reordered = list[bool](), Counter[int](), Counter[int](), Counter[int]()
    for connection, number in arrivals:
        first.append((connection, number) not in seen)
        seen.add((connection, number))
        received[connection] += first[-1]
        duplicated[connection] += not first[-1]
        reordered[connection] += first[-1] and number < highest.get(connection, -1)
        highest[connection] = max(number, highest.get(connection, -1))
    return first, received, duplicated, reordered


@given(ARRIVALS, st.lists(st.integers(0, 120), max_size=5))
def test_any_order_is_counted_as_by_hand(arrivals: list[tuple[int, int]], cuts: list[int]) -> None:
    account, first = tally_of(), list[bool]()
    places = sorted({0, len(arrivals), *(cut for cut in cuts if cut < len(arrivals))})
    for begin, end in pairwise(places):
        who, numbers = (array(list(column)) for column in zip(*arrivals[begin:end], strict=True))
        first += account.take(who, who, numbers).tolist()
    wanted, received, duplicated, reordered = counted_plainly(arrivals)
    assert first == wanted
    assert account.received.tolist() == [received[n] for n in range(3)]
    assert account.duplicated.tolist() == [duplicated[n] for n in range(3)]
    assert account.reordered.tolist() == [reordered[n] for n in range(3)]
    account.sent[:] = account.offered[:] = 31
    losses = losses_of(account)
    assert losses.lost.tolist() == [31 - received[n] for n in range(3)]
    missing = [sorted(set(range(31)) - {number for who, number in arrivals if who == n}) for n in range(3)]
    assert [list(losses.first_numbers(n)) for n in range(3)] == [numbers[:20] for numbers in missing]
    found = [set[int](), set[int](), set[int]()]
    for sender, start, end in losses.ranges():
        found[sender] |= set(range(start, end))
    assert [sorted(numbers) for numbers in found] == missing
    assert account.open_gaps == sum(len(gaps.starts) for gaps in account.gaps.values())


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 6)), max_size=12), st.lists(st.integers(0, 120), max_size=60))
def test_gaps_are_sets(ranges: list[tuple[int, int]], numbers: list[int]) -> None:
    gaps, plain, at = Gaps(), set[int](), 0
    for skip, length in ranges:
        gaps.add(at + skip, at + skip + length)
        plain |= set(range(at + skip, at + skip + length))
        at += skip + length
    for number in numbers:
        assert gaps.fill(number) == (number in plain)
        plain.discard(number)
    assert gaps.count == len(plain) and gaps.first(7) == sorted(plain)[:7]


def test_a_servers_own_numbers_begin_anywhere() -> None:
    account = tally_of(answered_by="sequence", sequence="$.n", rate=0.0)
    who = array([0, 0, 0, 1, 1])
    assert account.take(who, who, array([1000, 1001, 1003, 2**52, 5])).tolist() == [True, True, True, True, False]
    losses = losses_of(account)
    assert (losses.lost.tolist(), losses.expected.tolist(), losses.first_numbers(0)) == ([1, 0, 0], [4, 1, 0], (1002,))


def test_a_leap_costs_no_memory() -> None:
    account = tally_of(answered_by="sequence", sequence="$.n", rate=0.0)
    who = array([0, 0])
    account.take(who, who, array([0, 2**52]))
    assert losses_of(account).lost[0] == 2**52 - 1 and account.open_gaps == 1


def test_open_gaps_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_GAPS", 10)
    account, numbers = tally_of(), array(list(range(0, 100, 2)))
    who = np.zeros(50, np.int64)
    account.take(who, who, numbers)
    account.sent[0] = 99
    assert account.open_gaps == 10 and losses_of(account).lost[0] == 49
    account.take(who[:2], who[:2], array([1, 97]))
    assert (account.reordered[0], account.duplicated[0], losses_of(account).lost[0]) == (1, 1, 48)


def test_publishers_of_other_shards_get_columns_as_they_are_heard() -> None:
    account = tally_of(answered_by="broadcast", publishers=1)
    account.one(1, 1 * account.columns + 0, 3)
    assert [account.column(n) for n in (0, 50, 60, 50, 70)] == [0, 1, 2, 1, 3]
    assert account.columns == 4 and account.upcoming.tolist() == [0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]
    account.sent[0] = account.offered[0] = 5
    assert losses_of(account).lost.tolist() == [0, 4, 5]


@pytest.mark.parametrize(
    ("seconds", "interval"), [(1, 0.05), (2, 0.05), (4, 0.1), (10, 0.25), (20, 0.5), (40, 1), (60, 1), (600, 2), (86_400, 288)]
)
def test_intervals_fit_the_run(seconds: float, interval: float) -> None:
    assert interval_of(seconds) == interval and seconds / interval <= 300


def test_latencies_go_to_the_interval_in_which_they_were_due() -> None:
    account = tally_of(seconds=1.0)
    account.begin_ns = 1_000
    step = account.interval_ns
    account.time(array([1_000, 1_000 + step]), array([6_000, 1_000 + 3 * step]))
    assert [h and h.max for h in account.by_due[:3]] == [5_000, 2 * step, None]
    assert account.arrived[:4].tolist() == [1, 0, 0, 1] and account.latencies.max == 2 * step
