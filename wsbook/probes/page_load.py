"""A page while marked messages come at a rate: what it takes of them, what it shows, and where its main thread's time goes.

The page notes with a small script of ours (page_load.js); the browser's own counters are read beside it; messages are timed by a
subscriber beside the page, because the browser holds back what the page has no time for and tells of it only then. This module must not
know how much is too slow.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import PageLoadFacts
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.browser import MISSING, Page, browser_available, open_page
from wsbook.probes.browser_visit import BrowserError, BrowserMissingError
from wsbook.probes.burden import may_burden, refused
from wsbook.probes.joining import join
from wsbook.probes.keeping import Keeping
from wsbook.probes.marker import find_markers, marker, run_marker
from wsbook.probes.page_load_moments import Notes, moments, quantile
from wsbook.probes.page_load_notes import LoadedPage
from wsbook.probes.publish import Published
from wsbook.probes.upgrade import open_socket
from wsbook.words import quantity

__all__ = ["probe_page_load"]

MOST_RATE, MOST_SECONDS = 2_000.0, 120.0
_LOAD_S, _OPEN_S, _SETTLED_S, _BEGIN_S, _LAST_S = 8.0, 5.0, 0.5, 15.0, 5.0
_QUIET_S, _IN_FLIGHT = 0.6, 32
_MOST_DELAY_S, _LONGER, _EVEN = 5.0, 1.5, 0.8

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
    32 at a time; at most 2,000 a second and 120 s. drain_s: how long the page may work on after the last one; one that shows every
    message after a delay of its own may have that delay beside it, up to 5 s.
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


def _draws(seen: LoadedPage) -> list[float]:
    """Return how long each message took from the page's handler to the document."""
    return [max(0.0, at - seen.taken[number]) for number, at in seen.shown.items() if number in seen.taken]


def _delay_s(seen: LoadedPage) -> float:
    """Return the delay with which the page shows every message alike, 0 where it grows or is that of a few pictures."""
    draws = _draws(seen)
    usual_s, most_s = quantile(draws, 0.5) or 0.0, quantile(draws, 0.99) or 0.0
    return min(_MOST_DELAY_S, usual_s) if usual_s >= max(_QUIET_S / 2, _EVEN * most_s) else 0.0


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
        self._lengths: dict[int, int] = {}
        self._copies = 0
        self._unseen: list[str] = []

    async def follow(self, page: Page, stack: AsyncExitStack, subscribe: str, step: str) -> PageLoadFacts:
        """Publish and note until the page has done with it, or drain_s passed."""
        due = self._heard if await self._subscriber(stack, subscribe, step) else self._sent
        await asyncio.sleep(_SETTLED_S)
        seen = LoadedPage(page)
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
        keeping, _ = await join(socket, subscribe)
        listening = asyncio.ensure_future(self._listen(keeping))
        stack.callback(listening.cancel)
        return True

    async def _listen(self, keeping: Keeping) -> None:
        socket = keeping.socket
        while (data := await socket.receive(60.0)) is not None or socket.ended == "open":
            if data is not None:
                at = socket.answered + socket.last_received_s
                for number in (found := find_markers(data, self.mark)):
                    self._copies += self._lengths.get(number) == len(data)
                    self._lengths.setdefault(number, len(data))
                    self._heard.setdefault(number, at)
                if not found:
                    await keeping.hear(data)

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
                await asyncio.wait(pending, timeout=_LAST_S)
        finally:
            for task in pending:
                task.cancel()

    async def _one(self, number: int) -> None:
        published = await self._publish(marker(self.mark, number))
        if published.failure is None:
            self._sent[number] = published.sent_at
        else:
            self.failure = published.failure

    async def _drained(self, seen: LoadedPage, due: Mapping[int, float]) -> bool:
        """Wait until the page takes and shows nothing more by its own clock; tell whether it came to that within drain_s and its delay."""
        begin = time.perf_counter()
        while time.perf_counter() - begin < self._drain_s + ((delay_s := _delay_s(seen)) and delay_s + _QUIET_S):
            quiet_s = seen.at - max(seen.last, begin)
            enough_s = _QUIET_S if len(seen.taken) >= len(due) else 3 * _QUIET_S
            if quiet_s > max(enough_s, _LONGER * delay_s if len(seen.shown) < len(seen.taken) else 0.0):
                return True
            await asyncio.sleep(0.1)
        return False

    def _facts(self, seen: LoadedPage, begin: float, done: bool, due: Mapping[int, float]) -> PageLoadFacts:
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
        draws = _draws(seen)
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
            copies=self._copies,
            handled=len(seen.taken) if heard else 0,
            shown=len(seen.shown),
            listeners=seen.listeners,
            last_shown=seen.last_shown,
            own_s=round(seen.own_s, 4),
            unseen=(*self._unseen, *seen.unseen),
            void=self._void(seen, due),
        )

    def _void(self, seen: LoadedPage, due: Mapping[int, float]) -> str:
        if not due:
            return "none of the messages reached a subscriber" if self._sent else "no message could be set off"
        if seen.hidden:
            return "the page was hidden, and browsers hold back what hidden pages do"
        if not seen.taken and seen.unseen:
            return seen.unseen[0]
        ended = f"; {quantity(seen.closed, 'socket')} of it ended meanwhile" if seen.closed else ""
        return "" if seen.taken else f"none of {quantity(len(due), 'message')} was given to the page{ended}"
