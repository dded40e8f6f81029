"""Opens every place that a marked event should pass, and lets go of all of them. Must not know how an event is set off."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from math import inf
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import BurstPlace, Place, UpgradeFacts
from wsbook.observation import Observation, Reason, Source, not_run, observed
from wsbook.probes.endings import close_all, why_not_open
from wsbook.probes.joining import join
from wsbook.probes.marker import find_markers, marker
from wsbook.probes.publish_redis import Channel, listening
from wsbook.probes.socket import Socket
from wsbook.probes.trace_clock import Clocks
from wsbook.probes.trace_log import Instant, Tail, follow_log
from wsbook.probes.trace_page import PageWatching, watched_page
from wsbook.probes.trace_watch import Run, Watch, burst_place, follow_socket
from wsbook.probes.upgrade import open_socket

__all__ = ["Places", "Watched", "places_watched"]

_SUBSCRIBED_S, _READY_S = 0.2, 0.04


class Places:
    """The places of one run in path order: watches of broker, logs and sockets, and the page. broker: its channel's URL when watched."""

    def __init__(self, source: Source, run: Run, instant: Instant | None) -> None:
        self._source, self._run, self._instant = source, run, instant
        self.clocks = Clocks(instant)
        self.sockets: list[Socket] = []
        self._watches: list[Watch] = []
        self.on_wire: list[Watch] = []
        self.page: PageWatching | None = None
        self.broker = ""
        self._blind: list[Observation] = []
        self._channel: Channel | None = None
        self._tails: list[tuple[str, Tail, Watch]] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def watches(self) -> list[Watch]:
        """The watches in path order, but for logs that are not there yet."""
        absent = [watch for _, tail, watch in self._tails if not tail.found]
        return [watch for watch in self._watches if watch not in absent]

    def of(self, number: int, sent_at: float) -> list[Place]:
        """Return every place of one event; times from sent_at."""
        found = [watch.place(number, sent_at) for watch in self.watches]
        return [*found, *(_since(place, sent_at) for place in self._page_places(number))]

    def _page_places(self, number: int) -> list[Place]:
        return self.page.places(marker(self._run.marker, number)) if self.page is not None else []

    def burst(self, first: int, count: int, *, side_by_side: bool, since: float = inf) -> Iterator[BurstPlace]:
        """Yield what each place saw of a burst. Of events that were set off side by side the first place on the wire tells the order.

        since: when it began, in epoch seconds, to tell whether the page's socket is another one.
        """
        told = next(filter(None, (watch.came(first, count) for watch in self.on_wire)), [])
        ranks = {number: rank for rank, number in enumerate(told)} if side_by_side else None
        for watch in self.watches:
            yield watch.burst(first, count, ranks)
        renewed = self.page.renewed(since) if self.page is not None else ""
        yield from (replace(place, ended=renewed if place.kind == "frame" else "") for place in self._page_burst(first, count, ranks))

    def _page_burst(self, first: int, count: int, ranks: Mapping[int, int] | None) -> Iterator[BurstPlace]:
        seen: dict[tuple[str, str], list[tuple[float, int, int]]] = {}
        for number in range(count):
            for place in self._page_places(first + number):
                here = seen.setdefault((place.name, place.kind), [])
                if place.at_s is not None:
                    here.append((place.at_s, number, place.count))
        for (name, kind), found in seen.items():
            if kind != "mark":
                order = [number for _, number, _ in sorted(found)]
                yield burst_place(name, kind, order, count, sum(often - 1 for _, _, often in found), ranks)

    def sightings(self) -> int:
        """Return how often anything of the run was seen anywhere so far."""
        return sum(len(watch.order) for watch in self.watches) + (self.page.sightings if self.page is not None else 0)

    def complete(self, first: int, count: int) -> bool:
        """Tell whether every place but the logs has all of the events from first on."""
        return all(place.received >= count for place in self.burst(first, count, side_by_side=False) if place.kind != "log")

    def unwatched(self) -> list[Observation]:
        """Return the places that could not be watched, or not to the end."""
        absent = [(log, "there is no such file") for log, tail, _ in self._tails if not tail.found]
        full = [(log, "more than 64 MB were appended, of which the rest was not read") for log, tail, _ in self._tails if tail.left <= 0]
        lost = self._channel.failure if self._channel is not None else None
        gone = [observed(replace(self._source, hop="broker"), None, failure=lost)] if lost is not None else []
        return [*self._blind, *gone, *(self._unread(log, why) for log, why in (*absent, *full))]

    def _unread(self, log: str, why: str) -> Observation:
        source = replace(self._source, hop="", artifact=log)
        return not_run(source, Reason.UNREADABLE, f"not followed: {log} cannot be read ({why})")

    def start(self, follower: Awaitable[None]) -> None:
        """Let somebody follow a place until the end."""
        self._tasks.append(asyncio.ensure_future(follower))

    async def end(self) -> None:
        """Follow nothing more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _, tail, _ in self._tails:
            tail.close()
        await close_all(self.sockets)

    async def watch_broker(self, stack: AsyncExitStack, url: str, ca_file: str) -> None:
        """Listen to a Redis channel."""
        watch, source = Watch("broker", "broker", self._run), replace(self._source, hop="broker")
        channel = await stack.enter_async_context(
            listening(url, lambda data, at: watch.note(find_markers(data, self._run.marker), at, data), ca_file)
        )
        if channel.failure is None:
            self.broker, self._channel = url, channel
            self._watches.append(watch)
        elif channel.failure.reason is Reason.TOOL_MISSING:
            self._blind.append(not_run(source, channel.failure.reason, channel.failure.message))
        else:
            self._blind.append(observed(source, None, failure=channel.failure))

    def watch_log(self, log: str, name: str) -> None:
        """Follow a file."""
        try:
            tail = Tail(Path(log))
        except OSError as error:
            self._blind.append(self._unread(log, error.strerror or type(error).__name__))
            return
        watch = Watch(name, "log", self._run)
        self._tails.append((log, tail, watch))
        self._watches.append(watch)
        self.start(follow_log(watch, tail, self._run, self._instant))

    async def watch_socket(self, place: Attempt, kind: str, subscribe: str) -> None:
        """Open a subscriber."""
        seen, socket = await open_socket(replace(place, first_message_s=0.0), step=self._source.step)
        if socket is None:
            self._blind.append(observed(replace(self._source, hop=place.hop), seen.facts, failure=why_not_open(seen)))
            return
        headers = seen.facts.headers if isinstance(seen.facts, UpgradeFacts) else ()
        asked = next((stage.duration_s for stage in seen.stages if stage.name == "upgrade"), None)
        if asked is not None:
            self.clocks.date(place.hop, headers, socket.answered - asked, socket.answered)
        keeping, came = await join(socket, subscribe)
        watch = Watch(place.hop, kind, self._run, headers, socket)
        self.sockets.append(socket)
        self._watches.append(watch)
        self.on_wire.append(watch)
        for message in came:
            watch.greet(message)
        self.start(follow_socket(watch, keeping, self._run))

    async def watch_page(self, stack: AsyncExitStack, page_url: str, attempt: Attempt, selector: str) -> None:
        """Open the page."""
        source = replace(self._source, hop="browser")
        opened = await stack.enter_async_context(watched_page(page_url, attempt, source, self._run.marker, selector))
        if isinstance(opened, Observation):
            self._blind.append(opened)
        else:
            self.page = opened


def _since(place: Place, sent_at: float) -> Place:
    return place if place.at_s is None else replace(place, at_s=max(0.0, place.at_s - sent_at))


def _names(logs: Sequence[str]) -> list[str]:
    """Return how the logs are called: by their file, and their folder where files are called the same."""
    files = [Path(log).name for log in logs]
    return [
        f"log {Path(log).parent.name}/{file}" if files.count(file) > 1 else f"log {file}" for log, file in zip(logs, files, strict=True)
    ]


class Watched(Struct, frozen=True, kw_only=True):
    """What is to be watched beside the endpoint, as in probe_trace()."""

    hops: Sequence[Attempt] = ()
    logs: Sequence[str] = ()
    broker: str = ""
    page_url: str = ""
    subscribe: str = ""
    selector: str = ""
    instant: Instant | None = None


@asynccontextmanager
async def places_watched(source: Source, attempt: Attempt, run: Run, given: Watched) -> AsyncIterator[Places]:
    """Yield every place, watched from now on; all are let go at the end."""
    places = Places(source, run, given.instant)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(places.end)
        if given.broker:
            await places.watch_broker(stack, given.broker, attempt.ca_file)
        for log, name in zip(given.logs, _names(given.logs), strict=True):
            places.watch_log(log, name)
        for place in given.hops:
            await places.watch_socket(place, "hop", given.subscribe)
        await places.watch_socket(attempt, "endpoint", given.subscribe)
        if given.page_url:
            await places.watch_page(stack, given.page_url, attempt, given.selector)
        await asyncio.sleep(_SUBSCRIBED_S if given.subscribe else _READY_S)
        yield places
