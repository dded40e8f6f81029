"""The page as a part of an event's way: opened, loaded, and given to its watcher. Judges nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from wsbook.attempt import Attempt
from wsbook.facts import PageEvent, Place
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.browser import MISSING, open_page
from wsbook.probes.browser_visit import BrowserError, BrowserMissingError
from wsbook.probes.page_event import PageWatcher

__all__ = ["PageWatching", "watched_page"]

_PAGE_S, _END_S = 5.0, 1.0


class PageWatching(Protocol):
    """What a trace needs of a page's watcher; times of places are readings of time.perf_counter()."""

    async def event(self, marker: str, window_s: float) -> PageEvent:
        """Return what the page did since the event was set off, waiting window_s at most for what is still to come."""

    async def look_deeper(self) -> None:
        """Watch the exceptions too that the page catches itself, until the next event()."""

    def places(self, marker: str) -> list[Place]:
        """Return the places of the page where the event may have been seen."""


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
    await page.watch(_PAGE_S, until=lambda seen: any(socket.answered_at for socket in seen.sockets))
    watcher = PageWatcher(page, selector)
    stack.push_async_callback(_ended, watcher)
    await watcher.begin(run)
    return watcher


async def _ended(watcher: PageWatcher) -> None:
    """Let go of the page; the browser ends in any case."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            await watcher.end()
