"""Parts of a plan send together what it sends alone."""

from collections import Counter

import pytest
from fake_engine import counts
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.attempt import Attempt
from wsbook.errors import UsageError
from wsbook.load_plan import LoadPlan, check_plan
from wsbook.load_split import messages_due, split_plan

ATTEMPT = Attempt(url="ws://127.0.0.1:1/ws")
BEGIN = 1_800_000_000.0


def plan(**fields) -> LoadPlan:
    return LoadPlan(attempt=ATTEMPT, **{"rate": 100.0, "seconds": 3.0, **fields})


@settings(deadline=None)
@given(
    connections=st.integers(1, 400),
    shards=st.integers(1, 40),
    rate=st.floats(0.5, 50_000),
    seconds=st.floats(0.05, 60),
    slow=st.integers(0, 50),
)
def test_parts_of_an_echo_send_the_same_messages(connections: int, shards: int, rate: float, seconds: float, slow: int) -> None:
    whole = plan(connections=connections, rate=rate, seconds=seconds, slow_readers=slow)
    shards = min(shards, connections)
    if messages_due(rate, seconds) < connections:
        shards = 1
    parts = split_plan(whole, shards, run="0badcafe", begin_at=BEGIN)
    assert len(parts) == shards
    assert [pair for part in parts for pair in counts(check_plan(part))] == counts(whole)
    assert sum(part.slow_readers for part in parts) == slow
    assert sum(part.rate for part in parts) == pytest.approx(messages_due(rate, seconds) / seconds)
    assert {part.run for part in parts} == {"0badcafe"}
    assert {part.seconds for part in parts} == {seconds}


@settings(deadline=None)
@given(listeners=st.integers(1, 300), publishers=st.integers(1, 20), shards=st.integers(1, 30))
def test_parts_of_a_broadcast_keep_its_publishers_together(listeners: int, publishers: int, shards: int) -> None:
    whole = plan(connections=listeners + publishers, answered_by="broadcast", publishers=publishers)
    parts = split_plan(whole, min(shards, listeners), run="0badcafe", begin_at=BEGIN)
    assert [part.publishers for part in parts] == [publishers] + [0] * (len(parts) - 1)
    assert parts[0].rate == whole.rate
    numbers = [part.first_connection + i for part in parts for i in range(part.connections)]
    assert numbers == list(range(whole.connections))
    assert parts[0].connections > publishers
    assert {part.begin_at for part in parts} == {BEGIN}
    for part in parts:
        check_plan(part)


def test_parts_take_turns_at_the_pace_of_the_whole() -> None:
    whole = plan(connections=12, rate=120.0, connect_rate=60.0)
    parts = split_plan(whole, 4, run="0badcafe", begin_at=BEGIN)
    instants = Counter(
        round((part.begin_at - BEGIN + k / part.rate) * 120) for part in parts for k in range(messages_due(part.rate, part.seconds))
    )
    assert instants == Counter(range(360))
    assert [part.connect_rate for part in parts] == [15.0] * 4


def test_a_window_and_a_sequence_are_split_by_connections_alone() -> None:
    for whole in (plan(connections=5, rate=0.0, window=8), plan(connections=5, rate=0.0, answered_by="sequence", sequence="$.seq")):
        parts = split_plan(whole, 2, run="0badcafe", begin_at=BEGIN)
        assert [(part.connections, part.first_connection, part.window, part.rate) for part in parts] == [
            (3, 0, whole.window, 0.0),
            (2, 3, whole.window, 0.0),
        ]


@pytest.mark.parametrize(
    ("whole", "shards", "said"),
    [
        (plan(connections=3), 4, "4 shards for 3 connections"),
        (plan(connections=3), 0, "0 shards for 3 connections"),
        (plan(connections=4, answered_by="broadcast"), 4, "4 shards for 3 listening connections"),
        (plan(connections=100, rate=10.0, seconds=1.0), 2, "fewer messages than it has connections"),
        (plan(connections=0), 1, "connections 0 is not within"),
    ],
)
def test_what_cannot_be_split_is_one_sentence(whole: LoadPlan, shards: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        split_plan(whole, shards, run="0badcafe", begin_at=BEGIN)


def test_a_plan_is_split_far_within_a_second() -> None:
    parts = split_plan(plan(connections=100_000, rate=1_000_000.0), 256, run="0badcafe", begin_at=BEGIN)
    assert sum(part.connections for part in parts) == 100_000
