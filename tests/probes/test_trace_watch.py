"""What a place says of the events that passed it."""

from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from wsbook.facts import BurstPlace
from wsbook.probes.trace_watch import Run, Watch, burst_place


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)))
def test_a_burst_is_counted_exactly(order: list[int], lost: set[int]) -> None:
    came = [number for number in order if number not in lost]
    place = burst_place("endpoint", "endpoint", came, 12, 3)
    assert place.received == 12 - len(lost) and place.missing == tuple(sorted(lost)) and place.duplicated == 3
    assert place.reordered == sum(any(earlier > number for earlier in came[:index]) for index, number in enumerate(came))


def test_copies_swaps_and_losses_of_a_burst() -> None:
    run = Run(marker="wsbook-0", set_off=10)
    watch = Watch("endpoint", "endpoint", run)
    for at, number in enumerate([0, 1, 5, 7, 6, 6, 9, 5]):
        watch.note([number], float(at))
    assert watch.burst(5, 5) == BurstPlace(name="endpoint", kind="endpoint", received=4, duplicated=2, reordered=1, missing=(3,))


def test_messages_of_several_documents_are_counted_in_a_burst() -> None:
    watch = Watch("endpoint", "endpoint", Run(marker="wsbook-0", set_off=10))
    watch.note([0], 0.0, '{"n": 0}')
    watch.note([5, 6], 1.0, '{"n": 5}\n{"n": 6}')
    watch.note([7, 8], 2.0, '[{"n": 7}, {"n": 8}]')
    assert watch.burst(5, 5).joined == 1


def test_events_that_went_side_by_side_have_the_order_of_the_first_place() -> None:
    ranks = {number: rank for rank, number in enumerate([2, 0, 1, 4])}
    assert burst_place("endpoint", "endpoint", [2, 0, 1, 4], 5, ranks=ranks).reordered == 0
    moved = burst_place("endpoint", "endpoint", [0, 2, 3, 1], 5, ranks=ranks)
    assert (moved.reordered, moved.missing) == (1, (4,))  # 2 came after 0; 3 has no order that is known


def test_an_event_that_was_not_set_off_yet_is_not_seen() -> None:
    run = Run(marker="wsbook-0", set_off=1)
    watch = Watch("app", "hop", run)
    watch.note([0, 1, 2], 5.0, "content")
    assert watch.order == [0] and watch.place(1, 4.0).at_s is None and watch.place(0, 4.0).at_s == 1.0
    run.set_off = 2
    watch.note([0, 1], 6.0, "later")
    assert watch.counts == {0: 2, 1: 1} and watch.contents == {0: "content", 1: "later"}


def test_content_is_bounded_and_greetings_are_kept() -> None:
    run = Run(marker="wsbook-0", singles=2)
    watch = Watch("app", "hop", run, (("X-Instance", "node-1"),))
    watch.greet('{"server_id": "b"}')
    run.set_off = 3
    watch.greet("later")
    watch.note([0], 1.0, "x" * 300_000)
    watch.note([1], 1.0, "y")
    watch.note([2], 1.0, "z")
    assert watch.contents == {1: "y"} and watch.greeting == '{"server_id": "b"}' and "node-1" in watch.signals.values()


def test_messages_without_a_marker_are_counted_beside_each_event() -> None:
    run = Run(marker="wsbook-0")
    socket = cast(Any, SimpleNamespace(ended="open"))
    watch = Watch("endpoint", "endpoint", run, socket=socket)
    watch.pass_by("hello")
    run.set_off = 1
    for message in ('{"type": "tick"}', "ping", '{"type": "ping"}', b"\x01"):
        watch.pass_by(message)
    run.set_off = 2
    assert [watch.place(number, 0.0).others for number in range(2)] == [2, 0]
    assert Watch("log a", "log", run).place(0, 0.0).others is None
