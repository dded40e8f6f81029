"""A page while marked messages come at a rate: what it takes of them, what it shows, and where its main thread's time goes.

The page notes with a small script of ours (page_load.js); the browser's own counters are read beside it; messages are timed by a
subscriber beside the page, because the browser holds back what the page has no time for and tells of it only then. This module must not
know how much is too slow.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import PageLoadFacts
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.browser import MISSING, Page, browser_available, open_page
from wsbook.probes.browser_visit import BrowserError, BrowserMissingError
from wsbook.probes.burden import may_burden, refused
from wsbook.probes.marker import find_markers, marker, run_marker
from wsbook.probes.page_load_moments import Metrics, Notes, moments, quantile
from wsbook.probes.page_scripts import Listener, Scripts, find_listeners
from wsbook.probes.publish import Published
from wsbook.probes.socket import Socket
from wsbook.probes.upgrade import open_socket
from wsbook.secret import resolve

__all__ = ["probe_page_load"]

MOST_RATE, MOST_SECONDS = 2_000.0, 120.0
_LOAD_S, _OPEN_S, _SETTLED_S, _BEGIN_S, _ASK_S, _END_S = 8.0, 5.0, 0.5, 15.0, 5.0, 2.0
_SAMPLE_S, _QUIET_S, _IN_FLIGHT = 0.25, 0.6, 32
_NEWS_CHARS, _NOTES = 8_000_000, 1_000_000
_WORKER = "the page's sockets belong to a worker or another frame, so that what it does with messages cannot be noted"

Progress = Callable[[str, float], None]
Publish = Callable[[str], Awaitable[Published]]


async def probe_page_load(
    attempt: Attempt,
    *,
    page_url: str,
    publish: Publish,
    rate: float,
    seconds: float,
    step: str,
    subscribe: str = "",
    drain_s: float = 5.0,
    every_s: float = 0.5,
    owned: bool = False,
    executable: str = "",
    on_progress: Progress | None = None,
) -> Observation:
    """Open the page, publish at this rate for so long, and return what the page did in intervals of every_s.

    attempt: how a subscriber beside the page reaches the endpoint, which sends subscribe first; where it opens none, messages count as due
    when they were set off. publish: sets off one message with a marker and says how that went. Messages are set off by the clock, at most
    32 at a time; at most 2,000 a second and 120 s. drain_s: how long the page may work on after the last one.
    """
    source = Source(step=step, probe="page load", hop="browser")
    if not may_burden((attempt,), owned):
        return refused(source, "many messages to a page")
    if not browser_available(executable):
        return not_run(source, Reason.TOOL_MISSING, MISSING)
    begin, run = time.perf_counter(), _Run(attempt, publish, min(rate, MOST_RATE), min(seconds, MOST_SECONDS), drain_s, every_s)
    run.say = on_progress or run.say
    script = (Path(__file__).parent / "page_load.js").read_text(encoding="utf-8")
    script = script.replace("run = RUN", f"run = {msgspec.json.encode(run.mark).decode()}")
    try:
        async with AsyncExitStack() as stack:
            run.say("starting the browser", 0.0)
            opened = open_page(
                page_url, ca_file=attempt.ca_file, executable=executable, trust_urls=(attempt.url,), scripts=(script,), ours=False
            )
            page = await stack.enter_async_context(opened)
            await page.goto(_LOAD_S)
            if not page.loaded:
                return observed(source, None, duration_s=time.perf_counter() - begin, failure=page.failure)
            await page.watch(_OPEN_S, until=lambda seen: any(socket.answered_at for socket in seen.sockets))
            facts = await run.follow(page, stack, subscribe, step)
    except BrowserMissingError:
        return not_run(source, Reason.TOOL_MISSING, MISSING)
    except (BrowserError, TimeoutError, OSError) as error:
        words = str(error).partition("\n")[0][:300] or "it did not answer in time"
        failure = Failure(stage="page", reason=Reason.TIMEOUT, message=f"the browser: {words}")
        return observed(source, None, duration_s=time.perf_counter() - begin, failure=failure)
    return observed(source, facts, duration_s=time.perf_counter() - begin, failure=None if facts.sent else run.failure)


class _Told(msgspec.Struct):
    """What page_load.js tells now and then, in ms since the page began.

    taken and shown are pairs of number and time, long of begin and length.
    """

    at: float
    own: float
    closed: int
    hidden: bool
    taken: list[float]
    shown: list[float]
    batches: list[float]
    pictures: list[float]
    long: list[float]


class _Page:
    """The page under load: what it told, and the browser's counters of it. Times are readings of time.perf_counter()."""

    def __init__(self, page: Page) -> None:
        self.browser = page.browser
        self.listeners: int | None = None
        self.nodes: list[int] = []
        self.last_shown: bool | None = None
        self.unseen: list[str] = []
        self.own_s, self.closed, self.hidden = 0.0, 0, False
        self.at = 0.0
        self.taken: dict[int, float] = {}
        self.shown: dict[int, float] = {}
        self.batches: list[float] = []
        self.pictures: list[float] = []
        self.long: list[tuple[float, float]] = []
        self.metrics: list[Metrics] = []
        self._page, self._driver = page, page.driver
        self._frame: Any = page.driver.main_frame
        self._session: Any = None
        self._binding = f"wsbook{os.urandom(8).hex()}"
        self._origin = 0.0

    async def begin(self) -> None:
        """Begin to note in the document that holds the sockets."""
        self._session = session = await self._driver.context.new_cdp_session(self._driver)
        self.listeners = await self._listeners(session)
        await self._page.look_away()
        await session.send("Performance.enable")
        self._frame = await self._holding()
        self._origin = await self._offset()
        session.on("Runtime.bindingCalled", self._told)
        await session.send("Runtime.addBinding", {"name": self._binding})
        self.nodes.append(int(await self._frame.evaluate(f"LOADED.begin({msgspec.json.encode(self._binding).decode()})")))
        await self.read()

    async def _listeners(self, session: Any) -> int | None:
        """Return how many functions of the page are on its sockets, None when that cannot be told."""
        contexts: list[int] = []

        def made(event: dict[str, Any]) -> None:
            if event["context"].get("auxData", {}).get("isDefault"):
                contexts.append(int(event["context"]["id"]))

        session.on("Runtime.executionContextCreated", made)
        await session.send("Runtime.enable")
        found: list[Listener] | None = None
        with suppress(*_driver_errors()):
            async with asyncio.timeout(_ASK_S):
                found = await find_listeners(session, Scripts(session), contexts)
        await session.send("Runtime.disable")
        return None if found is None else len([one for one in found if one.state <= 1])

    async def _holding(self) -> Any:
        """Return the frame whose document opened sockets, the page's own where none did."""
        for frame in self._driver.frames[:20]:
            with suppress(*_driver_errors()):  # a frame that has gone
                if await frame.evaluate("globalThis.LOADED ? LOADED.sockets : 0"):
                    return frame
        self.unseen.append(_WORKER)
        return self._driver.main_frame

    async def _offset(self) -> float:
        """Return the reading of time.perf_counter() at which the page's clock was 0, from the quickest of some questions."""
        found: list[tuple[float, float]] = []
        for _ in range(5):
            before = time.perf_counter()
            there = float(await self._frame.evaluate("performance.now()")) / 1000
            after = time.perf_counter()
            found.append((after - before, (before + after) / 2 - there))
        return min(found)[1]

    def _told(self, event: dict[str, Any]) -> None:
        """Take what the page tells; a page that says something else is not believed."""
        if event.get("name") != self._binding or len(self.batches) + len(self.taken) + len(self.pictures) > _NOTES:
            return
        with suppress(msgspec.DecodeError, ArithmeticError, TypeError, ValueError):
            news = msgspec.json.decode(str(event["payload"])[:_NEWS_CHARS], type=_Told)
            self.own_s, self.closed, self.hidden = news.own / 1000, news.closed, self.hidden or news.hidden
            self.at = self._at(news.at)
            for kept, pairs in ((self.taken, news.taken), (self.shown, news.shown)):
                kept.update((int(number), self._at(at)) for number, at in zip(pairs[::2], pairs[1::2], strict=False))
            self.batches += map(self._at, news.batches)
            self.pictures += map(self._at, news.pictures)
            lasted = zip(news.long[::2], news.long[1::2], strict=False)
            self.long += [(self._at(since + took), took / 1000) for since, took in lasted]

    def _at(self, ms: float) -> float:
        return self._origin + ms / 1000

    @property
    def last(self) -> float:
        """When the page last took or showed a message for the first time, 0 never."""
        return max((at for seen in (self.taken, self.shown) for at in seen.values()), default=0.0)

    async def read(self) -> None:
        """Read the browser's counters; a page that is too busy answers late, with the values of then."""
        told = {one["name"]: one["value"] for one in (await self._session.send("Performance.getMetrics"))["metrics"]}
        self.metrics.append(
            Metrics(
                at=self._origin + told["Timestamp"] - told["NavigationStart"],
                busy_s=told["TaskDuration"],
                script_s=told["ScriptDuration"],
                layout_s=told["LayoutDuration"] + told["RecalcStyleDuration"],
                heap_bytes=int(told["JSHeapUsedSize"]),
            )
        )

    async def sample(self) -> None:
        """Read the counters until cancelled."""
        with suppress(KeyError):  # a browser without these counters
            while True:
                await asyncio.sleep(_SAMPLE_S)
                await self.read()

    async def end(self, number: int) -> None:
        """Take the rest, and whether the message of this number stands in the document; a page without time for that leaves it open."""
        with suppress(TimeoutError, *_driver_errors()):
            async with asyncio.timeout(_END_S):
                nodes, self.last_shown = await self._frame.evaluate(f"LOADED.end({number})")
                self.nodes.append(int(nodes))


def _driver_errors() -> tuple[type[Exception], ...]:
    """Return what the browser's driver raises for a page or frame that has gone or does not answer."""
    from playwright.async_api import Error

    return (Error, TimeoutError, KeyError)


class _Run:
    """One page under one load."""

    def __init__(self, attempt: Attempt, publish: Publish, rate: float, seconds: float, drain_s: float, every_s: float) -> None:
        self.mark = run_marker()
        self.failure: Failure | None = None
        self.say: Progress = lambda text, fraction: None
        self._attempt, self._publish, self._rate, self._seconds = attempt, publish, rate, seconds
        self._drain_s, self._every_s = drain_s, every_s
        self._sent: dict[int, float] = {}
        self._heard: dict[int, float] = {}
        self._unseen: list[str] = []

    async def follow(self, page: Page, stack: AsyncExitStack, subscribe: str, step: str) -> PageLoadFacts:
        """Publish and note until the page has done with it, or drain_s passed."""
        due = self._heard if await self._subscriber(stack, subscribe, step) else self._sent
        await asyncio.sleep(_SETTLED_S)
        seen = _Page(page)
        async with asyncio.timeout(_BEGIN_S):
            await seen.begin()
        sampling = asyncio.ensure_future(seen.sample())
        begin = time.perf_counter()
        try:
            await self._set_off(begin)
            done = await self._drained(seen, due)
            await seen.end(max(self._sent, default=0))
        finally:
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)
        return self._facts(seen, begin, done, dict(due))

    async def _subscriber(self, stack: AsyncExitStack, subscribe: str, step: str) -> bool:
        """Listen beside the page; tell whether that was possible."""
        _, socket = await open_socket(replace(self._attempt, first_message_s=0.0), step=step)
        if socket is None:
            self._unseen.append("when messages came cannot be told: no subscriber beside the page could be opened")
            return False
        stack.push_async_callback(socket.close)
        if subscribe:
            await socket.send(resolve(subscribe))
        listening = asyncio.ensure_future(self._listen(socket))
        stack.callback(listening.cancel)
        return True

    async def _listen(self, socket: Socket) -> None:
        while (data := await socket.receive(60.0)) is not None or socket.ended == "open":
            if data is not None:
                at = socket.answered + socket.last_received_s
                for number in find_markers(data, self.mark):
                    self._heard.setdefault(number, at)

    async def _set_off(self, begin: float) -> None:
        """Publish by the clock, a few at a time; what is late is set off at once, and nothing after the time is over."""
        pending: set[asyncio.Task[None]] = set()
        total = max(1, round(self._rate * self._seconds))
        try:
            for number in range(total):
                if (wait_s := begin + number / self._rate - time.perf_counter()) > 0:
                    await asyncio.sleep(wait_s)
                if len(pending) >= _IN_FLIGHT:
                    _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                if time.perf_counter() > begin + self._seconds:
                    break
                pending.add(asyncio.ensure_future(self._one(number)))
                if number % max(1, total // 50) == 0:
                    self.say(f"{number} of {total} messages to the page", 0.2 + 0.6 * number / total)
            if pending:
                await asyncio.wait(pending, timeout=_ASK_S)
        finally:
            for task in pending:
                task.cancel()

    async def _one(self, number: int) -> None:
        published = await self._publish(marker(self.mark, number))
        if published.failure is None:
            self._sent[number] = published.sent_at
        else:
            self.failure = published.failure

    async def _drained(self, seen: _Page, due: Mapping[int, float]) -> bool:
        """Wait until the page takes and shows nothing more by its own clock; tell whether it came to that within drain_s."""
        begin = time.perf_counter()
        while time.perf_counter() - begin < self._drain_s:
            quiet_s = seen.at - max(seen.last, begin)
            if quiet_s > (_QUIET_S if len(seen.taken) >= len(due) else 3 * _QUIET_S):
                return True
            await asyncio.sleep(0.1)
        return False

    def _facts(self, seen: _Page, begin: float, done: bool, due: Mapping[int, float]) -> PageLoadFacts:
        heard = seen.listeners != 0
        notes = Notes(
            due=due,
            taken=seen.taken,
            shown=seen.shown,
            batches=seen.batches,
            pictures=seen.pictures,
            long=seen.long,
            metrics=seen.metrics,
            heard=heard,
        )
        delays = [max(0.0, at - due[number]) for number, at in seen.taken.items() if number in due] if heard else []
        draws = [max(0.0, at - seen.taken[number]) for number, at in seen.shown.items() if number in seen.taken]
        last_due = max(due.values(), default=begin)
        return PageLoadFacts(
            rate=self._rate,
            sent=len(self._sent),
            browser=seen.browser,
            moments=moments(notes, begin, max(seen.last, last_due, begin + self._every_s), self._every_s),
            behind_s=round(max(0.0, seen.last - last_due), 4) if done and seen.taken else None,
            delay_p50_s=quantile(delays, 0.5),
            delay_p99_s=quantile(delays, 0.99),
            draw_p50_s=quantile(draws, 0.5),
            draw_p99_s=quantile(draws, 0.99),
            nodes_before=seen.nodes[0],
            nodes_after=seen.nodes[-1],
            due=len(due),
            handled=len(seen.taken) if heard else 0,
            shown=len(seen.shown),
            listeners=seen.listeners,
            last_shown=seen.last_shown,
            own_s=round(seen.own_s, 4),
            unseen=(*self._unseen, *seen.unseen),
            void=self._void(seen, due),
        )

    def _void(self, seen: _Page, due: Mapping[int, float]) -> str:
        if not due:
            return "none of the messages reached a subscriber" if self._sent else "no message could be set off"
        if seen.hidden:
            return "the page was hidden, and browsers hold back what hidden pages do"
        if not seen.taken and not seen.unseen:
            ended = f"; {seen.closed} of its sockets ended meanwhile" if seen.closed else ""
            return f"none of the {len(due)} messages was given to the page{ended}"
        return ""
