"""Pages that bear many messages well or badly, in a real browser; a server in another process sends to them.

What tells them apart, at 400 messages a second for 4 s (two busy cores; shares hold on a quiet machine too, numbers a second grow):

| page               | busy | layout of busy | changes per picture | shown of handled | delay p99 | draw p99 | behind |
|--------------------|------|----------------|---------------------|------------------|-----------|----------|--------|
| healthy            | 0.25 | 0.15           | 1                   | 1                | 0.01 s    | 0.02 s   | 0.00 s |
| render per message | 0.98 | 0.6..0.7       | 5..25               | 1                | 9 s       | 0.06 s   | never  |
| layout per message | 0.95 | 0.3..0.6       | 5..40               | 1                | 5 s       | 0.03 s   | never  |
| slow handler       | 0.95 | 0.00           | 16                  | 1                | 5 s       | 0.01 s   | never  |
| queue              | 0.2  | 0.1            | 1.5                 | 0.5              | 0.04 s    | 7 s      | never  |
| latest only        | 0.1  | 0.05           | 0.2                 | 0.02             | 0.01 s    | 0.1 s    | 0.02 s |
| shows nothing      | 0.1  | 0              | 0                   | 0                | 0.02 s    | none     | 0.00 s |
| no listener        | 0.1  | 0              | 0                   | 0 of 0           | none      | none     | 0.00 s |

A page that keeps up has few changes for each picture and ends with the messages. One that does not is busy all the time and late: by its
layout when it renders once per message, by its scripts when the handler is slow. A queue in the page is seen in what it draws, not in
what it takes. Our measuring takes 3 to 4 % of the main thread at this rate: 1.5 % in our listeners and observers (own_s), the rest in
counting pictures.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from conftest import needs
from page_loads import MESSAGE, PAGES
from page_sites import serving, serving_apart

from wsbook.attempt import Attempt
from wsbook.facts import PageLoadFacts
from wsbook.observation import Observation, Outcome, Reason
from wsbook.probes.browser_start import browser_available, running_browser
from wsbook.probes.marker import marker, run_marker
from wsbook.probes.page_load import probe_page_load
from wsbook.probes.page_load_moments import Metrics, Notes, moments, quantile
from wsbook.probes.publish import Published, SocketPublisher
from wsbook.probes.upgrade import open_socket

RATE, SECONDS = 300.0, 2.5


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with serving_apart(PAGES) as started:
        yield started


def endpoint(origin: str) -> str:
    return f"{origin.replace('http', 'ws')}/feed"


@asynccontextmanager
async def publishing(origin: str) -> AsyncIterator[SocketPublisher]:
    """Yield what publishes on a socket of its own, whose answers are thrown away."""
    _, socket = await open_socket(Attempt(url=endpoint(origin)), step="4.2")
    assert socket is not None

    async def drain() -> None:
        while socket.ended == "open":
            await socket.receive(60.0)

    draining = asyncio.ensure_future(drain())
    try:
        yield SocketPublisher(socket, MESSAGE)
    finally:
        draining.cancel()
        await socket.close()


async def load(origin: str, name: str, *, rate: float = RATE, seconds: float = SECONDS, drain_s: float = 1.5) -> Observation:
    async with publishing(origin) as publisher:
        return await probe_page_load(
            Attempt(url=endpoint(origin)),
            page_url=f"{origin}/{name}",
            publish=publisher.publish,
            rate=rate,
            seconds=seconds,
            step="4.2",
            drain_s=drain_s,
        )


def _facts(seen: Observation) -> PageLoadFacts:
    assert isinstance(seen.facts, PageLoadFacts), seen
    assert seen.facts.void == "" and seen.facts.due >= 0.8 * seen.facts.sent > 0
    return seen.facts


def _share(facts: PageLoadFacts, name: str, of: str = "") -> float:
    """Return a part of the main thread's time: of the time that passed, or of another part."""
    told = [one for one in facts.moments if one.busy_s is not None]
    whole = sum(getattr(one, of) for one in told) if of else len(told) * 0.5
    return sum(getattr(one, name) for one in told) / whole


def _per_picture(facts: PageLoadFacts) -> float:
    return sum(one.changes for one in facts.moments) / max(1, sum(one.pictures for one in facts.moments))


@needs("chromium")
async def test_a_page_that_draws_once_per_picture_keeps_up(origin: str) -> None:
    facts = _facts(await load(origin, "healthy"))
    assert facts.handled == facts.due and facts.shown >= 0.98 * facts.handled and facts.last_shown
    assert facts.behind_s is not None and facts.behind_s < 0.5 and facts.listeners == 1
    assert _per_picture(facts) < 1.5 and facts.nodes_before < 20 and facts.nodes_after == pytest.approx(107, abs=10)
    assert sum(one.due for one in facts.moments) == facts.due and sum(one.handled for one in facts.moments) == facts.handled
    assert all(one.heap_bytes for one in facts.moments) and facts.moments[0].at_s == 0.5


@needs("chromium")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["render-per-message", "layout-per-message"])
async def test_a_page_that_lays_out_its_list_for_each_message_spends_its_time_there(origin: str, name: str) -> None:
    facts = _facts(await load(origin, name))
    assert _share(facts, "layout_s", "busy_s") > 0.25 and _per_picture(facts) > 1.5
    assert _share(facts, "busy_s") > 0.5 and facts.delay_p99_s is not None and facts.shown >= 0.9 * facts.handled


@needs("chromium")
@pytest.mark.slow
async def test_a_slow_handler_is_told_by_its_scripts(origin: str) -> None:
    facts = _facts(await load(origin, "slow-handler"))
    assert _share(facts, "script_s", "busy_s") > 0.7 and _share(facts, "layout_s", "busy_s") < 0.1
    assert _share(facts, "busy_s") > 0.8 and facts.delay_p99_s is not None and facts.delay_p99_s > 0.4
    assert facts.behind_s is None or facts.behind_s > 0.4


@needs("chromium")
@pytest.mark.slow
async def test_a_queue_in_the_page_is_seen_in_what_it_draws(origin: str) -> None:
    facts = _facts(await load(origin, "queue"))
    assert facts.handled == facts.due and facts.shown < 0.9 * facts.handled
    assert facts.draw_p99_s is not None and facts.draw_p99_s > 0.8 and facts.behind_s is None and not facts.last_shown
    assert facts.delay_p50_s is not None and facts.delay_p50_s < 0.3


@needs("chromium")
@pytest.mark.slow
async def test_a_page_that_waits_before_it_shows_is_waited_for(origin: str) -> None:
    facts = _facts(await load(origin, "later", rate=100.0, seconds=1.5, drain_s=1.0))
    assert facts.handled == facts.shown == facts.due and facts.last_shown
    assert facts.draw_p50_s is not None and facts.draw_p99_s is not None and facts.behind_s is not None
    assert facts.draw_p50_s > 1.25 and facts.draw_p99_s < facts.draw_p50_s / 0.8 and facts.behind_s > 1.2


@needs("chromium")
@pytest.mark.slow
async def test_a_page_that_shows_the_latest_only_is_not_behind(origin: str) -> None:
    facts = _facts(await load(origin, "latest-only"))
    assert facts.handled == facts.due and 5 <= facts.shown <= 40 and facts.last_shown
    assert facts.behind_s is not None and facts.behind_s < 0.6


@needs("chromium")
@pytest.mark.slow
@pytest.mark.parametrize(("name", "handled"), [("shows-nothing", True), ("no-listener", False)])
async def test_a_page_that_shows_nothing_is_told_from_one_that_takes_nothing(origin: str, name: str, handled: bool) -> None:
    facts = _facts(await load(origin, name))
    assert facts.handled == (facts.due if handled else 0) and facts.shown == 0 and facts.draw_p50_s is None
    assert sum(one.frames for one in facts.moments) == facts.due and sum(one.changes for one in facts.moments) == 0
    assert facts.listeners == int(handled) and facts.last_shown is False


@needs("chromium")
@pytest.mark.slow
async def test_measuring_is_not_the_load(origin: str) -> None:
    """The main thread's time with and without us, in the same browser and at the same rate."""
    with_us = _share(_facts(await load(origin, "healthy")), "busy_s")
    async with publishing(origin) as publisher, running_browser(browser_available(), [], "") as context:
        await context.pages[0].goto(f"{origin}/healthy")
        session = await context.new_cdp_session(context.pages[0])
        await session.send("Performance.enable")

        async def busy() -> float:
            told = {one["name"]: one["value"] for one in (await session.send("Performance.getMetrics"))["metrics"]}
            return float(told["TaskDuration"])

        await asyncio.sleep(1.0)
        before, run = await busy(), run_marker()
        for number in range(int(RATE * SECONDS)):
            await publisher.publish(marker(run, number))
            await asyncio.sleep(1 / RATE)
        without = (await busy() - before) / SECONDS
    assert with_us < without + 0.25


WORKER = """
const code = `setTimeout(() => { new WebSocket("${url}").onmessage = (event) => postMessage(event.data); }, 400);`;
new Worker(URL.createObjectURL(new Blob([code]))).onmessage = (event) => { shown.textContent = event.data; };
"""
HANGS_UP = "const socket = new WebSocket(url); socket.onopen = () => setTimeout(() => socket.close(), 50); socket.onmessage = () => {};"


@needs("chromium")
@pytest.mark.slow
async def test_why_there_are_no_figures_is_said() -> None:
    pages = {"alone": "document.title = 'no socket'", "worker": WORKER, "hangs-up": HANGS_UP}
    async with serving(pages) as site:
        for name, words in (("alone", "opened no socket"), ("worker", "belong to a worker"), ("hangs-up", "was given to the page")):
            seen = await load(site.origin, name, rate=40, seconds=0.5, drain_s=1.0)
            assert isinstance(seen.facts, PageLoadFacts) and words in seen.facts.void, (name, seen)
        failed = await _probe(endpoint(site.origin), "http://127.0.0.1:9/")
    assert failed.outcome is Outcome.FAILED and failed.failure is not None and failed.failure.stage == "page"


async def _probe(url: str, page_url: str, **options: str) -> Observation:
    async def publish(mark: str) -> Published:
        return Published(sent_at=0.0)

    attempt = Attempt(url=url)
    return await probe_page_load(attempt, page_url=page_url, publish=publish, rate=50, seconds=0.2, step="4.2", drain_s=0.3, **options)


async def test_only_what_is_ours_is_burdened_and_a_browser_is_needed() -> None:
    elsewhere = await _probe("ws://192.0.2.1/", "http://192.0.2.1/")
    assert elsewhere.failure is not None and elsewhere.failure.reason is Reason.NOT_PERMITTED
    without = await _probe("ws://127.0.0.1:9/", "http://127.0.0.1:9/", executable="no-such-browser")
    assert without.failure is not None and without.failure.reason is Reason.TOOL_MISSING


def _metrics(at: float, busy_s: float) -> Metrics:
    return Metrics(at=at, busy_s=busy_s, script_s=busy_s / 2, layout_s=0.0, heap_bytes=int(at))


def test_intervals_hold_what_fell_into_them() -> None:
    notes = Notes(
        due={0: 10.1, 1: 10.2, 2: 10.9},
        taken={0: 10.3, 1: 10.8, 2: 11.4},
        shown={0: 10.3},
        batches=[10.3, 10.31],
        pictures=[10.4, 10.9],
        long=[(10.8, 0.2)],
        metrics=[_metrics(10.0, 1.0), _metrics(10.8, 1.4), _metrics(11.2, 1.8)],
    )
    first, second, third = moments(notes, 10.0, 11.4, 0.5)
    assert (first.due, first.frames, first.handled, first.shown, first.changes, first.pictures, first.long_tasks) == (2, 1, 1, 1, 2, 1, 0)
    assert (second.due, second.frames, second.long_tasks, second.long_s, second.pictures) == (1, 1, 1, 0.2, 1)
    assert (first.busy_s, second.busy_s, third.busy_s) == (pytest.approx(0.25), pytest.approx(0.35), None)
    assert (first.heap_bytes, second.heap_bytes) == (10, 10) and third.frames == 1


def test_nothing_is_handled_where_nobody_listens() -> None:
    (only,) = moments(Notes(due={0: 1.1}, taken={0: 1.2}, shown={}, heard=False), 1.0, 1.5, 0.5)
    assert (only.frames, only.handled, only.busy_s, only.heap_bytes) == (1, 0, None, None)


def test_quantiles_are_by_rank() -> None:
    assert quantile([], 0.5) is None and quantile([3.0, 1.0, 2.0], 0.5) == 2.0 and quantile([1.0, 2.0], 0.99) == 2.0
