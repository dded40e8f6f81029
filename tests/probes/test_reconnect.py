"""Pages with habits of their own are interrupted in a real browser, and judged by what they did."""

import asyncio
import time
from collections import Counter

import pytest
from conftest import needs
from msgspec.structs import replace
from reconnect_pages import MESSAGE, serving

from wsbook.attempt import attempt_for
from wsbook.evidence import Evidence
from wsbook.facts import OutageFacts
from wsbook.facts.reconnect import is_final
from wsbook.finding import Verdict
from wsbook.observation import Observation, Outcome, Reason
from wsbook.probes.reconnect import probe_outages
from wsbook.probes.reconnect_plans import Outage, lanes
from wsbook.probes.reconnect_runs import Counts, repeated
from wsbook.rules.reconnect import judge_reconnect
from wsbook.target import Target, parse_target

REFUSED = Outage(way="rst", answer="refuse", most_s=4.0, back_s=4.0)
PUBLISHED = replace(REFUSED, publishes=True)
GONE = Outage(way="close", answer="open", close_code=1001, most_s=3.0, back_s=0.0)
STALLED = Outage(way="stall", answer="open", most_s=1.0, back_s=0.0)


def target(host: str, page: str) -> Target:
    return parse_target(f"ws://{host}/feed", page_url=f"http://{host}/{page}", message=MESSAGE)


async def interrupted(page: str, *outages: Outage) -> tuple[Target, list[Observation]]:
    async with serving() as host:
        there = target(host, page)
        found = await probe_outages(
            there.page_url, there.url, outages, step="3.1", publishing=attempt_for(there, 5.0), message=there.message
        )
    return there, found


HABITS = [
    ("watchdog", (REFUSED, STALLED), set()),
    ("duplicated", (REFUSED,), {"client.duplicate-listeners"}),
    ("uncapped", (PUBLISHED,), set()),
    ("patient-no-catch-up", (PUBLISHED,), {"client.no-catch-up-after-reconnect"}),
]


@pytest.mark.slow
@needs("chromium")
@pytest.mark.parametrize(("page", "outages", "faults"), HABITS, ids=[habit[0] for habit in HABITS])
async def test_a_page_is_judged_by_what_it_did(page: str, outages: tuple[Outage, ...], faults: set[str]) -> None:
    there, found = await interrupted(page, *outages)
    assert [seen.outcome for seen in found] == [Outcome.ANSWERED] * len(outages)
    told = list(judge_reconnect(Evidence(there, found)))
    assert {one.cause for one in told if one.verdict is Verdict.FAULT} == faults
    assert {one.cause for one in told if one.verdict is Verdict.CLEAR} >= {"client.no-reconnect"} - faults


@pytest.mark.slow
@needs("chromium")
@pytest.mark.parametrize(("page", "verdict"), [("healthy", Verdict.CLEAR), ("none", Verdict.FAULT)])
async def test_a_page_that_is_refused_is_seen_with_a_socket_of_ours(page: str, verdict: Verdict) -> None:
    async with serving(refused=426) as host:
        there = target(host, page)
        stood_in = await probe_outages(there.page_url, there.url, [REFUSED], step="3.1", stand_in=True)
        refused = await probe_outages(there.page_url, there.url, [GONE], step="3.1")
    assert [isinstance(seen.facts, OutageFacts) and seen.facts.stood_in for seen in stood_in] == [True]
    told = {one.cause: one.verdict for one in judge_reconnect(Evidence(there, stood_in))}
    assert told["client.no-reconnect"] is verdict
    assert [seen.outcome for seen in refused] == [Outcome.NOT_RUN]


@needs("chromium")
async def test_a_page_that_dials_elsewhere_is_no_observation_of_the_endpoint() -> None:
    async with serving() as host, serving() as other:
        there = target(host, "healthy")
        (seen,) = await probe_outages(there.page_url, f"ws://{other}/feed", [GONE], step="3.1")
    assert seen.outcome is Outcome.NOT_RUN
    assert seen.failure is not None and f"ws://{host}/feed" in seen.failure.message


async def test_without_a_browser_nothing_is_tried() -> None:
    (seen,) = await probe_outages("http://127.0.0.1:1/", "ws://127.0.0.1:1/", [GONE], step="3.1", executable="no-such-browser")
    assert seen.failure is not None and seen.failure.reason is Reason.TOOL_MISSING


@needs("chromium")
async def test_a_run_that_is_cancelled_leaves_nothing() -> None:
    async with serving() as host:
        there = target(host, "healthy")
        told = asyncio.Event()
        running = asyncio.ensure_future(
            probe_outages(there.page_url, there.url, [GONE], step="3.1", on_progress=lambda text, fraction: fraction and told.set())
        )
        await asyncio.wait_for(told.wait(), 30)
        running.cancel()
        begin = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert time.monotonic() - begin < 20


@pytest.mark.parametrize("budget", ["quick", "standard", "thorough"])
def test_two_browsers_at_most_and_within_the_budget(budget: str) -> None:
    first, then = lanes(budget)
    most_s = {"quick": 20.0, "standard": 65.0, "thorough": 200.0}[budget]
    assert len(first) <= 2 and len(then) <= 2
    assert any(one.answer == "refuse" for lane in then or first for one in lane)  # where something is published
    for lane in (*first, *then):
        assert sum(one.most_s + one.back_s + 2 * one.listen_s for one in lane) <= most_s


def test_a_server_of_somebody_else_gets_no_storm() -> None:
    assert not [one for part in lanes("standard", burden=False) for lane in part for one in lane if one.answer == "dismiss"]


def counts(messages: int, *kinds: int, **runs: int) -> Counts:
    heard = {("wsbookHeard", "wsbook-reconnect.js", 0): messages}
    heard |= {(f"wsbookKind{number}", "wsbook-reconnect.js", number): count for number, count in enumerate(kinds, 1)}
    return Counter(heard | {(name, "http://shop.test/app.js?v=1", 7): count for name, count in runs.items()})


RUNS = [
    ("the same", [counts(4, show=4), counts(3, show=3)], [counts(5, show=5), counts(3, show=3)], ()),
    ("twice", [counts(4, show=4), counts(3, show=3)], [counts(5, show=10), counts(3, show=6)], ("show (app.js, character 7)",)),
    ("grows with the data", [counts(4, show=4), counts(3, show=3)], [counts(5, show=10), counts(3, show=9)], ()),
    ("a list that is fetched once", [counts(4, show=4), counts(3, show=3)], [counts(5, show=25), counts(3, show=3)], ()),
    ("not for each message before", [counts(4, show=1), counts(3, show=3)], [counts(5, show=10), counts(3, show=6)], ()),
    ("too few messages", [counts(2, show=2), counts(3, show=3)], [counts(5, show=10), counts(3, show=6)], ()),
    ("only one reading", [counts(4, show=4)], [counts(5, show=10)], ()),
    ("nothing counted", [], [], ()),
    ("of one kind, twice", [counts(7, 4, 3, on=3), counts(8, 4, 4, on=4)], [counts(7, 4, 3, on=6)] * 2, ("on (app.js, character 7)",)),
    ("of one kind, the same", [counts(6, 3, 3, on=3), counts(6, 3, 3, on=3)], [counts(9, 6, 3, on=6)] * 2, ()),
]


@pytest.mark.parametrize(("before", "after", "names"), [row[1:] for row in RUNS], ids=[row[0] for row in RUNS])
def test_functions_that_run_more_often(before: list[Counts], after: list[Counts], names: tuple[str, ...]) -> None:
    assert tuple(name for name, _, _ in repeated(before, after)) == names


def test_interruptions_are_told_in_words() -> None:
    assert REFUSED.shown == "the socket reset, new ones refused"
    assert GONE.shown == "the socket closed with 1001"
    assert not is_final("open", 1001) and is_final("open", 4401) and is_final("403", None)
