"""What is done around runs of load: plans, repeats, search, troubles on the way, servers watched. The generator itself is a fake."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from load_servers import loaded_server

from wsbook.attempt import Attempt
from wsbook.errors import UsageError
from wsbook.facts import LoadFacts, LoadRun
from wsbook.load_plan import LineFault, LoadPlan
from wsbook.observation import Observation, Outcome, Reason
from wsbook.probes import load
from wsbook.probes.load import AUTO, ENDED_EARLY, Engine, grid, probe_load, ramp
from wsbook.probes.load_line import MOST_RELAYED
from wsbook.probes.load_search import Search
from wsbook.probes.load_thresholds import parse_demand
from wsbook.target import parse_endpoint

Answers = Callable[[LoadPlan], LoadRun]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with loaded_server() as url:
        yield url


def run(plan: LoadPlan, **fields: Any) -> LoadRun:
    sent = round(plan.rate * plan.seconds)
    values: dict[str, Any] = {
        "rate": plan.rate, "size_bytes": plan.size_bytes, "connections": plan.connections, "duration_s": plan.seconds,
        "sent": sent, "received": sent, "lost": 0, "duplicated": 0, "reordered": 0, "p50_s": 0.001, "p99_s": 0.002, "max_s": 0.01,
        "asked": plan.connections, "opened": plan.connections, "window": plan.window, "answered_by": plan.answered_by,
    }  # fmt: skip
    return LoadRun(**(values | fields))


class Fake:
    """A generator that makes up its runs, and the plans that it got."""

    def __init__(self) -> None:
        self.plans: list[LoadPlan] = []
        self.make: Answers = run
        self.lasts_s = 0.0

    async def run_apart(self, plan: LoadPlan, *, told: Callable[[dict[str, Any]], None], stop: asyncio.Event) -> LoadRun:
        self.plans.append(plan)
        told({"phase": "connecting", "at_s": 0.0})
        told({"phase": "sending", "at_s": 0.0, "sent": 0})
        await asyncio.sleep(self.lasts_s)
        made = self.make(plan)
        await asyncio.sleep(0.03)
        return made


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    made = Fake()
    monkeypatch.setattr(load, "run_apart", made.run_apart)
    monkeypatch.setattr(load, "_REST_S", 0.0)
    return made


def plan(url: str = "ws://127.0.0.1:9/", **fields: Any) -> LoadPlan:
    return LoadPlan(attempt=Attempt(url=url), **({"rate": 100.0, "seconds": 1.0, "connections": 4} | fields))


def facts(seen: Observation) -> LoadFacts:
    assert isinstance(seen.facts, LoadFacts), seen
    return seen.facts


async def test_every_plan_is_a_run_in_order(fake: Fake) -> None:
    said: list[tuple[float, str]] = []
    plans = grid(plan(), rates=(50, 200), sizes=(64, 4096), connections=(2, 8))
    seen = await probe_load(plans, step="4.2", on_progress=lambda one, told: said.append((one.rate, told["phase"])))
    made = [(one.connections, one.size_bytes, one.rate) for one in facts(seen).runs]
    assert made == [(c, s, r) for c in (2, 8) for s in (64, 4096) for r in (50, 200)]
    assert said[:2] == [(50, "connecting"), (50, "sending")] and len(said) == 16
    assert (seen.source.step, seen.source.probe, facts(seen).void, facts(seen).errors) == ("4.2", "load", "", ())


def test_a_grid_of_nothing_is_the_plan_itself() -> None:
    assert grid(plan()) == (plan(),)


@pytest.mark.parametrize(
    ("ends", "steps", "rates"),
    [((100, 1600), 5, [100, 200, 400, 800, 1600]), ((100, 1000), 2, [100, 1000]), ((7, 900), 1, [7]), ((1000, 10), 3, [1000, 100, 10])],
)
def test_a_ramp_grows_by_a_factor(ends: tuple[float, float], steps: int, rates: list[float]) -> None:
    assert [one.rate for one in ramp(plan(), *ends, steps)] == rates


async def test_how_messages_come_back_is_asked_once_for_all(fake: Fake, server: str) -> None:
    seen = await probe_load(grid(plan(f"{server}/everybody", answered_by=AUTO, connections=1), rates=(10, 20)), step="4.2")
    assert [(one.answered_by, one.connections) for one in fake.plans] == [("broadcast", 2), ("broadcast", 2)]
    assert len(facts(seen).runs) == 2
    await probe_load([plan(f"{server}/text", answered_by=AUTO)], step="4.2")
    assert (fake.plans[-1].answered_by, fake.plans[-1].template) == ("echo", "{marker} {padding}")


async def test_a_sequence_is_only_listened_to_and_once(fake: Fake, server: str) -> None:
    plans = grid(plan(f"{server}/numbers", answered_by=AUTO, sequence="$.data[0].seq"), rates=(10, 20))
    await probe_load(plans, step="4.2")
    assert [(one.answered_by, one.rate) for one in fake.plans] == [("sequence", 0.0)]


async def test_what_cannot_be_counted_is_not_run(fake: Fake, server: str) -> None:
    seen = await probe_load([plan(f"{server}/mute", answered_by=AUTO)], step="4.2")
    assert seen.outcome is Outcome.NOT_RUN and seen.failure is not None and seen.failure.reason is Reason.NOT_GIVEN
    assert "--send" in seen.failure.message and "--sequence" in seen.failure.message and not fake.plans


async def test_what_is_not_there_is_a_failure(fake: Fake) -> None:
    seen = await probe_load([plan(answered_by=AUTO)], step="4.2")
    assert seen.outcome is Outcome.FAILED and seen.failure is not None and seen.failure.reason is Reason.REFUSED and not fake.plans


async def test_only_loopback_is_loaded_unless_it_is_yours(fake: Fake) -> None:
    far = [plan("ws://shop.example/ws")]
    seen = await probe_load(far, step="4.2")
    assert seen.failure is not None and seen.failure.reason is Reason.NOT_PERMITTED and "--i-own-this" in seen.failure.message
    assert not fake.plans
    assert len(facts(await probe_load(far, step="4.2", owned=True)).runs) == 1


@pytest.mark.parametrize(("seconds", "times"), [(1.0, 2), (60.0, 1)])
async def test_a_short_void_run_is_made_once_more(fake: Fake, seconds: float, times: int) -> None:
    fake.make = lambda one: run(one, void="late" if len(fake.plans) == 1 else "")
    found = facts(await probe_load([plan(seconds=seconds)], step="4.2"))
    assert len(fake.plans) == times and len(found.runs) == 1
    assert found.void == ("" if times == 2 else "late")


async def test_not_every_run_is_made_twice(fake: Fake) -> None:
    fake.make = lambda one: run(one, void="late")
    await probe_load(grid(plan(), rates=range(1, 11)), step="4.2")
    assert len(fake.plans) == 12


async def test_no_extension_is_offered(fake: Fake) -> None:
    offered = plan()
    assert offered.attempt.extensions
    await probe_load([offered], step="4.2")
    assert fake.plans[0].attempt.extensions == ()


async def test_figures_are_void_when_all_runs_are(fake: Fake) -> None:
    fake.make = lambda one: run(one, void="late" if one.rate > 50 else "")
    found = facts(await probe_load(grid(plan(), rates=(50, 100)), step="4.2"))
    assert (found.void, [one.void for one in found.runs]) == ("", ["", "late"])
    found = facts(await probe_load(grid(plan(), rates=(100, 200)), step="4.2"))
    assert found.void == "all 2 runs are void, the last one because late"


async def test_connections_that_did_not_open_are_named(fake: Fake) -> None:
    fake.make = lambda one: run(one, opened=3, why_refused="answered with HTTP 503")
    found = facts(await probe_load([plan()], step="4.2"))
    assert found.errors == ("1 of 4 connections did not open: answered with HTTP 503",)


async def test_stopped_no_other_run_is_begun(fake: Fake) -> None:
    stop = asyncio.Event()
    seen = await probe_load(grid(plan(), rates=(1, 2, 3)), step="4.2", search=Search(), stop=stop, on_progress=lambda *_: stop.set())
    assert len(facts(seen).runs) == 1 and facts(seen).knee is None


async def test_ended_before_it_began_nothing_is_known(fake: Fake) -> None:
    stop = asyncio.Event()
    stop.set()
    found = facts(await probe_load([plan()], step="4.2", stop=stop))
    assert (found.runs, found.void) == ((), "it was ended before a run was begun")


async def test_a_search_is_made_of_runs_and_thresholds_hold_where_it_held(fake: Fake) -> None:
    fake.make = lambda one: run(one, p99_s=0.002 if one.rate <= 1000 else 0.4)
    demands = [parse_demand("p99 < 50 ms"), parse_demand("knee > 500/s")]
    found = facts(await probe_load([plan(rate=0.0)], step="4.2", search=Search(), demands=demands))
    assert found.knee is not None and 900 < found.knee.rate <= 1000 and "above 50 ms" in found.knee.why
    assert [threshold.holds for threshold in found.thresholds] == [True, True]
    assert all(one.rate and one.seconds >= min(30, 200 / one.rate) and not one.window for one in fake.plans[1:])
    assert all(one.drain_s >= 2 * one.seconds for one in fake.plans[1:])
    assert (fake.plans[0].window, fake.plans[0].connections) == (1, 1)
    assert all(one.searched for one in found.runs)
    assert found.runs[0].rate == 100 and len(found.runs) == len(fake.plans) - 1


async def test_a_search_without_a_run_that_counts_found_nothing(fake: Fake) -> None:
    fake.make = lambda one: run(one, void="late")
    found = facts(await probe_load([plan(rate=0.0)], step="4.2", search=Search(), demands=[parse_demand("knee > 500/s")]))
    assert (found.knee, found.errors) == (None, ("no rate was found: late",)) and found.thresholds[0].holds is None


@pytest.mark.parametrize(("runs", "rate"), [(1, None), (2, None), (4, 200.0)])
async def test_a_search_that_is_ended_early_keeps_what_held(fake: Fake, runs: int, rate: float | None) -> None:
    stop = asyncio.Event()

    def make(one: LoadPlan) -> LoadRun:
        if len(fake.plans) == runs:
            stop.set()
        return run(one, void="ended early" if stop.is_set() else "")

    fake.make = make
    found = facts(await probe_load([plan(rate=0.0)], step="4.2", search=Search(), stop=stop))
    assert len(fake.plans) == runs and ENDED_EARLY in found.errors
    assert (found.knee and (found.knee.rate, found.knee.broke_at, found.knee.why)) == (rate and (rate, None, ENDED_EARLY))


async def test_thresholds_are_held_against_planned_runs(fake: Fake) -> None:
    fake.make = lambda one: run(one, lost=int(one.rate / 10), received=one.rate - one.rate / 10)
    found = facts(await probe_load([plan()], step="4.2", demands=[parse_demand("loss < 5 %")]))
    assert [(one.value, one.holds) for one in found.thresholds] == [("10 %", False)]


async def test_troubles_come_at_their_time_on_a_relay_between(fake: Fake, server: str) -> None:
    fake.lasts_s = 0.9
    faults = (
        LineFault(at_s=0.0, how="delay", value="0.02"),
        LineFault(at_s=0.2, how="stall", for_s=0.3),
        LineFault(at_s=0.6, how="cut", value="fin"),
    )
    found = facts(await probe_load([plan(f"{server}/echo?a=1", faults=faults)], step="4.2"))
    (made,), dialled = found.runs, fake.plans[-1]
    assert dialled.faults == () and dialled.attempt.endpoint.port != parse_endpoint(server).port
    assert dialled.attempt.endpoint.resource == "/echo?a=1" and dialled.attempt.host_header == server.removeprefix("ws://")
    spells = {spell.name: (spell.begin_s, spell.end_s) for spell in made.spells}
    assert set(spells) == {"delay 20 ms", "stall", "cut fin"}
    assert spells["stall"] == pytest.approx((0.2, 0.5), abs=0.15) and spells["cut fin"] == pytest.approx((0.6, 0.6), abs=0.15)
    assert spells["delay 20 ms"] == pytest.approx((0.0, 0.9), abs=0.3)


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        (Attempt(url="wss://localhost:8443/x?y=1"), {"host_header": "localhost:8443", "server_name": "localhost", "via": None}),
        (Attempt(url="ws://u:p@localhost/x", address="127.0.0.1"), {"host_header": "localhost", "address": None}),
        (Attempt(url="wss://localhost/x", via="http://u:p@127.0.0.1:3128"), {"url": "wss://localhost/x", "host_header": None}),
    ],
)
async def test_by_way_of_the_relay_the_request_stays_the_endpoints(fake: Fake, attempt: Attempt, expected: dict[str, Any]) -> None:
    way = LoadPlan(attempt=attempt, rate=10, seconds=0.1, faults=(LineFault(at_s=0, how="refuse"),))
    await probe_load([way], step="4.2")
    dialled = fake.plans[0].attempt
    assert {name: getattr(dialled, name) for name in expected} == expected
    relay = parse_endpoint(dialled.via or dialled.url)
    assert (relay.host, relay.userinfo) == ("127.0.0.1", "u:p" if "u:p" in attempt.url or attempt.via else "")
    assert relay.port not in (443, 80, 8443, 3128)


async def test_a_relay_that_is_the_bottleneck_makes_figures_void(fake: Fake, server: str) -> None:
    def busy(one: LoadPlan) -> LoadRun:
        time.sleep(0.5)  # the loop that the relay runs in
        return run(one)

    fake.make = busy
    found = facts(await probe_load([plan(f"{server}/echo", faults=(LineFault(at_s=0, how="delay", value="0.01"),))], step="4.2"))
    assert found.void.startswith("the relay that makes the troubles ")
    assert facts(await probe_load([plan(f"{server}/echo")], step="4.2")).void == ""


async def test_the_server_is_watched_on_the_clock_of_the_run(fake: Fake, server: str) -> None:
    fake.lasts_s = 1.2
    (made,) = facts(await probe_load([plan(f"{server}/echo")], step="4.2")).runs
    (watched,) = made.servers
    assert (watched.how, watched.place, watched.processes) == ("process", "endpoint", 1)
    times = [one.at_s for one in watched.samples]
    assert len(times) >= 3 and times == sorted(times) and -0.01 <= times[0] < 0.6 and times[-1] < 3
    assert all(one.memory_bytes and one.descriptors and one.cpu_s is not None for one in watched.samples)


@pytest.mark.parametrize(
    ("fields", "options", "words"),
    [
        ({"rate": 0.0}, {}, "give either a rate or a window"),
        ({"answered_by": "sequence", "sequence": "$.n", "rate": 0.0}, {"search": Search()}, "the rate of a sequence is the server's own"),
        ({"sequence": "$.n", "answered_by": AUTO}, {"search": Search()}, "the rate of a sequence is the server's own"),
        ({"faults": (LineFault(at_s=1, how="stall"),), "connections": MOST_RELAYED + 1}, {}, "at most 500 connections"),
        ({"faults": (LineFault(at_s=1, how="delay", value="soon"),)}, {}, "needs a number"),
        ({"faults": (LineFault(at_s=1, how="cut", value="wire"),)}, {}, "cut fin or cut rst"),
        ({"faults": (LineFault(at_s=1, how="stall"),)}, {"engine": Engine(address="tcp://h:8786")}, "workers of a scheduler cannot reach"),
        ({"connections": 1, "answered_by": "broadcast"}, {}, "two connections at least"),
    ],
)
async def test_plans_that_cannot_be_carried_out(fake: Fake, fields: dict[str, Any], options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        await probe_load([plan(**fields)], step="4.2", **options)
    assert words in str(caught.value) and not fake.plans


async def test_too_many_runs_are_refused(fake: Fake) -> None:
    with pytest.raises(UsageError, match="501 runs were asked for"):
        await probe_load([plan()] * 501, step="4.2")
