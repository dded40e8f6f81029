"""The probes that take their time, against the real deployment: page, proxy, two instances, and three of its faults."""

from collections.abc import Iterator

import pytest
from conftest import needs
from msgspec.structs import replace

from wsbook.attempt import Attempt, attempt_for
from wsbook.facts import BroadcastFacts, IdleFacts, LoadFacts, PageFacts, SessionFacts, TraceFacts
from wsbook.lab import Lab, start_lab
from wsbook.load_plan import LoadPlan
from wsbook.probes.broadcast import probe_broadcast
from wsbook.probes.browser import probe_page
from wsbook.probes.idle import probe_idle
from wsbook.probes.load import AUTO, grid, probe_load
from wsbook.probes.trace import probe_trace


@pytest.fixture(scope="module")
def healthy() -> Iterator[Lab]:
    with start_lab() as lab:
        yield lab


def _attempt(lab: Lab) -> Attempt:
    return attempt_for(lab.target(), 5.0)


def _hops(lab: Lab) -> list[Attempt]:
    return [replace(_attempt(lab), url=hop.url, hop=hop.name) for hop in lab.target().hops]


async def test_every_subscriber_of_both_instances_gets_every_event(healthy: Lab) -> None:
    target = healthy.target()
    seen = await probe_broadcast(
        _attempt(healthy), subscribers=4, messages=5, trigger=target.trigger, message="", step="3.2", hops=_hops(healthy)
    )
    assert isinstance(seen.facts, BroadcastFacts) and seen.failure is None
    assert {(s.received, s.duplicated, s.reordered) for s in seen.facts.subscribers} == {(5, (), 0)}
    assert len({s.instance for s in seen.facts.subscribers}) == 2


async def test_an_event_passes_every_place_in_order(healthy: Lab) -> None:
    target = healthy.target()
    found = await probe_trace(
        _attempt(healthy), trigger=target.trigger, message="", hops=_hops(healthy), logs=target.logs, step="4.1", repeats=2, budget_s=4.0
    )
    traces = [seen for seen in found if isinstance(seen.facts, TraceFacts)]
    assert len(traces) == 2
    for seen in traces:
        assert isinstance(seen.facts, TraceFacts) and seen.failure is None
        counts = {place.name: place.count for place in seen.facts.places if not place.name.startswith("log")}
        assert counts == {"trigger": 1, "trigger answered": 1, "app": 1, "app-b": 1, "endpoint": 1}


async def test_small_rates_come_back_complete(healthy: Lab) -> None:
    plan = LoadPlan(attempt=_attempt(healthy), connections=2, size_bytes=200, seconds=0.5, answered_by=AUTO)
    seen = await probe_load(grid(plan, rates=(50.0, 200.0)), step="4.2")
    assert isinstance(seen.facts, LoadFacts)
    assert [(s.sent, s.lost, s.duplicated, s.reordered) for s in seen.facts.runs] == [(25, 0, 0, 0), (100, 0, 0, 0)]


@needs("chromium")
async def test_the_page_opens_one_socket_and_draws_what_comes(healthy: Lab) -> None:
    found = await probe_page(healthy.page_url, step="1.2", watch_s=2.0)
    page, session = found[0].facts, found[2].facts
    assert isinstance(page, PageFacts) and isinstance(session, SessionFacts)
    assert (page.status, page.sockets) == (200, 1) and page.changes > 0
    assert session.ended == "open" and session.frame_count >= 3


@pytest.mark.parametrize("fault", ["proxy.idle-timeout"])
async def test_the_idle_limit_is_measured_and_is_not_the_applications(fault: str) -> None:
    with start_lab(fault) as lab:
        died, busy, _ = await probe_idle(_attempt(lab), rungs_s=(4.0,), step="3.4", traffic=("none", "client"))
        inner, _ = await probe_idle(_hops(lab)[0], rungs_s=(3.5,), step="3.4")
    assert isinstance(died.facts, IdleFacts) and isinstance(busy.facts, IdleFacts) and isinstance(inner.facts, IdleFacts)
    assert not died.facts.survived and died.facts.lived_s == pytest.approx(3.0, abs=0.15)
    assert busy.facts.survived and inner.facts.survived


async def test_instances_without_a_bus_and_messages_in_a_hurry() -> None:
    with start_lab("cluster.no-pubsub-across-workers") as lab:
        seen = await probe_broadcast(
            _attempt(lab), subscribers=4, messages=4, trigger=None, message='{"type": "publish", "text": "{marker}"}', step="3.2"
        )
    assert isinstance(seen.facts, BroadcastFacts)
    own = seen.facts.publisher_instance
    assert {(s.instance == own, s.received) for s in seen.facts.subscribers} == {(True, 4), (False, 0)}
    with start_lab("message.lost") as lab:
        plan = LoadPlan(attempt=_attempt(lab), connections=1, size_bytes=100, seconds=0.5, answered_by=AUTO)
        ramp = await probe_load(grid(plan, rates=(20.0, 1000.0)), step="4.2")
    assert isinstance(ramp.facts, LoadFacts)
    slow, fast = ramp.facts.runs
    assert slow.lost <= 1 and fast.lost > fast.sent / 2  # a busy machine may send two messages at once
