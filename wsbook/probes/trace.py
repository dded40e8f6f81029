"""Follow one marked event from its trigger over logs and sockets to the page that should show it.

Everything is timed by this machine's clocks: sockets by the kernel's stamps where it gives them, logs every 20 ms, the browser's marks
by the system clock, which the browser shares. This module must not know where an event was lost, only where it was seen.
"""

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import Place, TraceFacts
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.browser import MISSING, Page, open_page
from wsbook.probes.browser_visit import BrowserError, BrowserMissingError
from wsbook.probes.endings import close_all, why_not_open
from wsbook.probes.marker import find_markers, marker, run_marker
from wsbook.probes.publish import Published, Publisher, SocketPublisher, TriggerPublisher, what_is_missing
from wsbook.probes.socket import Socket
from wsbook.probes.upgrade import open_socket
from wsbook.secret import resolve
from wsbook.target import Trigger

__all__ = ["probe_trace"]

_POLL_S, _QUIET_S, _PAGE_S = 0.02, 0.3, 5.0
_LOG_BYTES, _CHUNK_BYTES, _LINE_BYTES = 64_000_000, 1_048_576, 65_536
_PAGE_PLACES = (("frame", "page frame"), ("handler", "page handler"), ("document", "page document"), ("screen", "page screen"))
Progress = Callable[[str, float], None]


class _Watch:
    """One place: the readings of time.perf_counter() at which each sequence number was seen."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: dict[int, list[float]] = {}

    def note(self, numbers: Sequence[int], at: float) -> None:
        for number in numbers:
            self.seen.setdefault(number, []).append(at)

    def place(self, number: int, sent_at: float) -> Place:
        times = self.seen.get(number, [])
        return Place(name=self.name, at_s=max(0.0, times[0] - sent_at) if times else None, count=len(times))


async def _follow_socket(watch: _Watch, socket: Socket, run: str) -> None:
    while (data := await socket.receive(60.0)) is not None or socket.ended == "open":
        if data is not None:
            watch.note(find_markers(data, run), socket.answered + socket.last_received_s)


class _Tail:
    """What is appended to a file from now on, at most 64 MB; a file that is replaced is read to its end, then the new one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        self._file.seek(0, os.SEEK_END)
        self._rest = b""
        self.left = _LOG_BYTES

    def lines(self) -> list[str]:
        """Return the complete lines that were appended since the last call, at most 1 MiB of them."""
        data = self._file.read(_CHUNK_BYTES)
        if not data:
            self._reopen()
            data = self._file.read(_CHUNK_BYTES)
        self.left -= len(data)
        *complete, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_LINE_BYTES:]
        return [line.decode("utf-8", "replace") for line in complete]

    def _reopen(self) -> None:
        """Take the new file when the path names another one, or the start when the file was cut."""
        with suppress(OSError):
            now, held = self._path.stat(), os.fstat(self._file.fileno())
            if (now.st_dev, now.st_ino) != (held.st_dev, held.st_ino):
                self._file.close()
                self._file = self._path.open("rb")
            elif held.st_size < self._file.tell():
                self._file.seek(0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


async def _follow_log(watch: _Watch, tail: _Tail, run: str) -> None:
    try:
        while tail.left > 0:
            await asyncio.sleep(_POLL_S)
            watch.note([number for line in tail.lines() for number in find_markers(line, run)], time.perf_counter())
    finally:
        tail.close()


async def probe_trace(
    attempt: Attempt,
    *,
    trigger: Trigger | None,
    message: str,
    hops: Sequence[Attempt],
    logs: Sequence[str],
    step: str,
    repeats: int = 5,
    budget_s: float,
    page_url: str = "",
    subscribe: str = "",
    on_progress: Progress | None = None,
) -> list[Observation]:
    """Set off marked events one after the other and return one observation each: every place in path order, with times from the sending.

    Places are: trigger (and "trigger answered"), each log, a subscriber at each hop, one at the endpoint, and with page_url the
    page's frame, handler, document and screen. Without trigger the message is sent on a socket of its own. A place that could not be
    watched has an observation of its own instead of an empty place. budget_s bounds the events; opening the places has limits of its own.
    """
    source = Source(step=step, probe="trace", hop=attempt.hop, changed=attempt.changed)
    if missing := what_is_missing(trigger, message):
        return [not_run(source, Reason.NOT_GIVEN, missing)]
    tracer = _Tracer(source, attempt, run_marker(), on_progress or (lambda text, fraction: None))
    async with tracer.watching(hops, logs, page_url, subscribe):
        if tracer.sockets or trigger is not None:
            end = time.monotonic() + budget_s
            with suppress(TimeoutError):
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + budget_s):
                    await tracer.repeat(trigger, message, repeats, end)
    return [*tracer.traces, *tracer.unwatched]


class _Tracer:
    """One run: the places watched, and the events followed through them."""

    def __init__(self, source: Source, attempt: Attempt, run: str, say: Progress) -> None:
        self.source, self._attempt, self._run, self._say = source, attempt, run, say
        self.sockets: list[Socket] = []
        self.traces: list[Observation] = []
        self.unwatched: list[Observation] = []
        self._logs: list[_Watch] = []
        self._wire: list[_Watch] = []
        self._page: Page | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._clock = time.time() - time.perf_counter()

    @asynccontextmanager
    async def watching(self, hops: Sequence[Attempt], logs: Sequence[str], page_url: str, subscribe: str) -> AsyncIterator[None]:
        """Watch every place from now on, and let go of all of them at the end."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._end)
            self._say("opening the places to watch", 0.0)
            for log in logs:
                self._watch_log(log)
            for place in (*hops, self._attempt):
                await self._watch_socket(place, subscribe)
            if page_url:
                await self._watch_page(stack, page_url)
            await asyncio.sleep(_POLL_S * 2)
            yield

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await close_all(self.sockets)

    def _start(self, follower: Awaitable[None]) -> None:
        self._tasks.append(asyncio.ensure_future(follower))

    def _watch_log(self, log: str) -> None:
        path = Path(log)
        try:
            if not path.is_file():  # a pipe or a device would block us
                raise FileNotFoundError(errno.ENOENT, "it is no file")
            tail = _Tail(path)
        except OSError as error:
            source = replace(self.source, hop="", artifact=log)
            self.unwatched.append(not_run(source, Reason.UNREADABLE, f"not followed: {log} cannot be read ({error.strerror})"))
            return
        watch = _Watch(f"log {path.name}")
        self._logs.append(watch)
        self._start(_follow_log(watch, tail, self._run))

    async def _watch_socket(self, place: Attempt, subscribe: str) -> None:
        seen, socket = await open_socket(replace(place, first_message_s=0.0), step=self.source.step)
        if socket is None:
            self.unwatched.append(observed(replace(self.source, hop=place.hop), seen.facts, failure=why_not_open(seen)))
            return
        if subscribe:
            await socket.send(resolve(subscribe))
        watch = _Watch(place.hop)
        self.sockets.append(socket)
        self._wire.append(watch)
        self._start(_follow_socket(watch, socket, self._run))

    async def _watch_page(self, stack: AsyncExitStack, page_url: str) -> None:
        source = replace(self.source, hop="browser")
        try:
            opened = open_page(page_url, ca_file=self._attempt.ca_file, trust_urls=(self._attempt.url,))
            page = await stack.enter_async_context(opened)
        except BrowserMissingError:
            self.unwatched.append(not_run(source, Reason.TOOL_MISSING, MISSING))
        except (BrowserError, TimeoutError, OSError) as error:
            failure = Failure(stage="start", reason=Reason.TIMEOUT, message=f"the browser did not start: {error}")
            self.unwatched.append(observed(source, None, failure=failure))
        else:
            await page.goto(_PAGE_S)
            await page.watch(_PAGE_S, until=lambda seen: any(socket.answered_at for socket in seen.sockets))
            self._page = page

    async def repeat(self, trigger: Trigger | None, message: str, repeats: int, end: float) -> None:
        """Set off the events one after the other; the time that is left is shared among them."""
        async with AsyncExitStack() as stack:
            publisher = await self._publisher(stack, trigger, message)
            for number in range(repeats):
                self._say(f"event {number + 1} of {repeats}", 0.1 + 0.9 * number / repeats)
                share_s = max(0.2, (end - time.monotonic()) / (repeats - number))
                published = await publisher.publish(marker(self._run, number))
                try:
                    await self._settle(number, min(share_s, 3.0))
                finally:
                    self.traces.append(self._trace(number, published))

    async def _publisher(self, stack: AsyncExitStack, trigger: Trigger | None, message: str) -> Publisher:
        if trigger is not None:
            return await stack.enter_async_context(TriggerPublisher(trigger, self._attempt))
        _, socket = await open_socket(replace(self._attempt, first_message_s=0.0), step=self.source.step)
        if socket is None:
            return SocketPublisher(self.sockets[-1], message)
        self.sockets.append(socket)
        return SocketPublisher(socket, message)

    async def _settle(self, number: int, most_s: float) -> None:
        """Wait until every socket and the page saw the event and a moment passed without more, or most_s passed.

        Logs get that moment only: many never name what they log about.
        """
        end = time.monotonic() + most_s
        while time.monotonic() < end:
            if all(place.count for place in self._places(number, 0.0)[len(self._logs) :]):
                await asyncio.sleep(min(_QUIET_S, max(0.0, end - time.monotonic())))
                return
            await asyncio.sleep(_POLL_S)

    def _places(self, number: int, sent_at: float) -> list[Place]:
        found = [watch.place(number, sent_at) for watch in (*self._logs, *self._wire)]
        if self._page is not None:
            mark = marker(self._run, number)
            for kind, name in _PAGE_PLACES:
                times = [at for place, seen, at in self._page.capture.marks if (place, seen) == (kind, mark)]
                at_s = max(0.0, min(times) - self._clock - sent_at) if times else None
                found.append(Place(name=name, at_s=at_s, count=len(times)))
        return found

    def _trace(self, number: int, published: Published) -> Observation:
        sent_at = published.sent_at
        places = [Place(name="trigger", at_s=0.0, count=1)]
        if published.answered_at is not None:
            places.append(Place(name="trigger answered", at_s=published.answered_at - sent_at, count=1))
        facts = TraceFacts(marker=marker(self._run, number), places=(*places, *self._places(number, sent_at)))
        return observed(self.source, facts, duration_s=time.perf_counter() - sent_at, failure=published.failure)
