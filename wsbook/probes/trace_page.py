"""The page as a part of an event's way: what a trace needs of whoever watches it, and the watcher itself. Judges nothing."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from wsbook.attempt import Attempt
from wsbook.facts import PageEvent, Place
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.browser import MISSING, Page, open_page
from wsbook.probes.browser_visit import BrowserError, BrowserMissingError

__all__ = ["PageWatching", "watched_page"]

_PAGE_S = 5.0
_PLACES = (("frame", "page frame"), ("handler", "page handler"), ("document", "page document"), ("screen", "page screen"))


class PageWatching(Protocol):
    """What a trace needs of a page's watcher; times of places are readings of time.perf_counter()."""

    async def begin(self, run: str) -> None:
        """Watch for events whose markers begin so."""

    async def event(self, marker: str, window_s: float) -> PageEvent:
        """Return what the page did since the event was set off, waiting window_s at most for what is still to come."""

    async def look_deeper(self) -> None:
        """Watch the exceptions too that the page catches itself, from now on."""

    def places(self, marker: str) -> list[Place]:
        """Return the places of the page where the event may have been seen."""


class _Marks:
    """The frame, handler, document and screen that the capture has marks of."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._clock = time.time() - time.perf_counter()

    async def begin(self, run: str) -> None:
        """Do nothing: every marker is seen."""

    async def event(self, marker: str, window_s: float) -> PageEvent:
        """Return nothing more than that the page was watched."""
        return PageEvent()

    async def look_deeper(self) -> None:
        """Do nothing."""

    def places(self, marker: str) -> list[Place]:
        """Return the four places."""
        return [self._place(kind, name, marker) for kind, name in _PLACES]

    def _place(self, kind: str, name: str, marker: str) -> Place:
        times = [at for place, seen, at in self._page.capture.marks if (place, seen) == (kind, marker)]
        return Place(name=name, kind=kind, at_s=min(times) - self._clock if times else None, count=len(times))


@asynccontextmanager
async def watched_page(
    page_url: str, attempt: Attempt, source: Source, run: str, selector: str = ""
) -> AsyncIterator[PageWatching | Observation]:
    """Yield the watcher of a page that was loaded and has opened a socket, or had time to; or the observation of why there is none."""
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
    watcher: PageWatching = _Marks(page)
    await watcher.begin(run)
    await page.goto(_PAGE_S)
    if not page.loaded:
        return observed(source, None, failure=page.failure)
    await page.watch(_PAGE_S, until=lambda seen: any(socket.answered_at for socket in seen.sockets))
    return watcher
