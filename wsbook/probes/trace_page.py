"""The page as a part of an event's way: opened, loaded, and given to its watcher. Judges nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import PageEvent, Place
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.browser import MISSING, open_page
from wsbook.probes.browser_capture import Capture
from wsbook.probes.browser_sockets import Socket, is_open
from wsbook.probes.browser_visit import BrowserError, BrowserMissingError
from wsbook.probes.instances import Signals, signals_of
from wsbook.probes.page_event import PageWatcher

__all__ = ["PageWatching", "watched_page"]

_PAGE_S, _SOCKET_S, _END_S = 5.0, 3.0, 1.0


class PageWatching(Protocol):
    """What a trace needs of a page's watcher; times of places are readings of time.perf_counter()."""

    async def event(self, marker: str, window_s: float) -> PageEvent:
        """Return what the page did since the event was set off, waiting window_s at most for what is still to come."""

    async def look_deeper(self) -> None:
        """Watch the exceptions too that the page catches itself, until the next event()."""

    def places(self, marker: str) -> list[Place]:
        """Return the places of the page where the event may have been seen."""

    def renewed(self, since: float) -> str:
        """Return how a socket of the page ended since then (epoch seconds), or before one that it opened since; "" when none did."""

    @property
    def sightings(self) -> int:
        """How often the page's places saw any event so far."""

    @property
    def signals(self) -> Signals:
        """What may identify the process that the page's newest socket is connected to."""


class _Watched:
    """The watcher of a page, and how its sockets ended."""

    def __init__(self, watcher: PageWatcher, capture: Capture) -> None:
        self._watcher, self._capture = watcher, capture
        self.event, self.look_deeper = watcher.event, watcher.look_deeper

    def places(self, marker: str) -> list[Place]:
        """Return the watcher's places; one where no event came for want of an open socket says so."""
        found = self._watcher.places(marker)
        return [replace(place, ended=self._ended()) if place.kind == "frame" and not place.count else place for place in found]

    def renewed(self, since: float) -> str:
        """Return how a socket of the page ended since then (epoch seconds), or before one that it opened since; "" when none did."""
        opened = [socket for socket in self._capture.sockets if is_open(socket)]
        ended = sorted((socket for socket in opened if socket.ended_at is not None), key=lambda socket: socket.ended_at or 0.0)
        fresh = any((socket.answered_at or 0.0) >= since for socket in opened)
        return _told(ended[-1]) if ended and (fresh or (ended[-1].ended_at or 0.0) >= since) else ""

    @property
    def sightings(self) -> int:
        """How often the page's places saw any event so far."""
        return len(self._capture.marks)

    @property
    def signals(self) -> Signals:
        """What may identify the process that the page's newest socket is connected to: its answer, and the first message."""
        socket = next((socket for socket in reversed(self._capture.sockets) if is_open(socket)), None)
        if socket is None:
            return {}
        first = next((frame.text for frame in socket.frames if frame.direction == "received" and frame.text), None)
        return signals_of(socket.headers, first)

    def _ended(self) -> str:
        """Return how the last socket ended, "" when one is open or none was."""
        opened = [socket for socket in self._capture.sockets if is_open(socket)]
        last = max(opened, key=lambda socket: socket.ended_at or 0.0, default=None)
        if last is None or any(socket.ended_at is None for socket in opened):
            return ""
        return _told(last)


def _told(socket: Socket) -> str:
    """Return how a socket of the page ended."""
    code = "" if socket.code is None else str(socket.code)
    return " ".join(filter(None, ("close", code, socket.close_reason[:200], "by the page" if socket.by_page else "")))


@asynccontextmanager
async def watched_page(
    page_url: str, attempt: Attempt, source: Source, run: str, selector: str = ""
) -> AsyncIterator[PageWatching | Observation]:
    """Yield the watcher of a page that was loaded and has opened a socket, or had time to; or the observation of why there is none."""
    with contextlib.suppress(BrowserError):  # what a browser says that has died already
        async with AsyncExitStack() as stack:
            yield await _opened(stack, page_url, attempt, source, run, selector)


async def _opened(
    stack: AsyncExitStack, page_url: str, attempt: Attempt, source: Source, run: str, selector: str
) -> PageWatching | Observation:
    try:
        opened = open_page(page_url, ca_file=attempt.ca_file, selector=selector, trust_urls=(attempt.url,))
        page = await stack.enter_async_context(opened)
    except BrowserMissingError:
        return not_run(source, Reason.TOOL_MISSING, MISSING)
    except (BrowserError, TimeoutError, OSError) as error:
        failure = Failure(stage="start", reason=Reason.TIMEOUT, message=f"the browser did not start: {error}"[:500])
        return observed(source, None, failure=failure)
    await page.goto(_PAGE_S)
    if not page.loaded:
        return observed(source, None, failure=page.failure)
    await page.watch(_SOCKET_S, until=lambda seen: any(socket.answered_at for socket in seen.sockets))
    watcher = PageWatcher(page, selector)
    stack.push_async_callback(_ended, watcher)
    await watcher.begin(run)
    return _Watched(watcher, page.capture)


async def _ended(watcher: PageWatcher) -> None:
    """Let go of the page; the browser ends in any case."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            await watcher.end()
