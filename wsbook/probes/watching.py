"""The servers behind an endpoint, read while a probe does something to them: their processes, and a metrics URL. Judges nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import Sample, Watched
from wsbook.probes.burden import is_local
from wsbook.probes.metrics import Meters
from wsbook.probes.process_watch import Reading, Server, find_server

__all__ = ["Watch", "find_servers", "watching"]

_METRICS = "metrics"
_SPARE = 2
"""Descriptors that a server may hold for itself, such as connections that it keeps for the next request."""
_QUIET = 3
"""Pauses in which a server is left alone before messages are published: what the least of them took is its own."""


class _One(Struct, kw_only=True):
    """One server and its readings. spoilt: why they do not belong together, "" when they do."""

    how: str
    place: str
    source: Server | Meters
    samples: list[Sample]
    last: Reading | None = None
    spoilt: str = ""
    started: float | None = None
    events: list[list[float]]


class Watch:
    """The servers that are watched; blind says why there is none, "" when there is one."""

    def __init__(self, servers: list[_One], blind: str) -> None:
        self._servers = servers
        self._begin = time.perf_counter()
        self._blind = blind

    async def sample(self, ended: int, held: int) -> None:
        """Read every server once."""
        for one in self._servers:
            reading = await _read(one)
            if reading is None or one.spoilt:
                continue
            at_s = round(time.perf_counter() - self._begin, 4)
            one.last = reading
            values = {name: getattr(reading, name) for name in Reading.__struct_fields__}
            one.samples.append(Sample(at_s=at_s, ended=ended, held=held, **values))

    async def settle(self, ended: int, timeout_s: float, every_s: float = 0.05) -> None:
        """Wait until no server holds many more descriptors than it did when nothing was held before, at most timeout_s; then read."""
        goals = [_lowest(one.samples) for one in self._servers]
        end = time.perf_counter() + timeout_s
        while self._servers and time.perf_counter() < end:
            readings = [await _read(one) for one in self._servers]
            held = [reading.descriptors if reading else None for reading in readings]
            if all(now is None or goal is None or now <= goal + _SPARE for now, goal in zip(held, goals, strict=True)):
                break
            await asyncio.sleep(every_s)
        await self.sample(ended, 0)

    async def events(self, publish: Callable[[], Awaitable[bool]], count: int, pause_s: float) -> None:
        """Publish some messages and note what each cost every process, less what it does in the same time by itself."""
        quiet = [await self._ran(asyncio.sleep(pause_s)) for _ in range(_QUIET)]
        idle = [min((value for value in spent if value is not None), default=None) for spent in zip(*quiet, strict=True)]
        series: list[list[float]] = [[] for _ in self._servers]
        for _ in range(count):
            ran = await self._ran(_then(publish, pause_s))
            for costs, spent, own in zip(series, ran, idle, strict=True):
                if spent is not None and own is not None:
                    costs.append(round(max(0.0, spent - own), 7))
        for one, costs in zip(self._servers, series, strict=True):
            one.events.append(costs)

    async def _ran(self, act: Awaitable[object]) -> list[float | None]:
        """Return how much processor time each process took while something was done."""
        before = [_running(one) for one in self._servers]
        await act
        after = [_running(one) for one in self._servers]
        return [None if was is None or now is None else now - was for was, now in zip(before, after, strict=True)]

    @property
    def blind(self) -> str:
        """Why nothing was watched."""
        spoilt = next((one.spoilt for one in self._servers if one.spoilt), "")
        return "" if any(one.samples and not one.spoilt for one in self._servers) else spoilt or self._why() or self._blind

    def _why(self) -> str:
        return next((one.source.why for one in self._servers if isinstance(one.source, Meters) and one.source.why), "")

    def results(self) -> tuple[Watched, ...]:
        """Return every server that could be read throughout."""
        return tuple(_watched(one) for one in self._servers if one.samples and not one.spoilt)

    def between(self, begin: float, end: float) -> tuple[Watched, ...]:
        """Return the servers from one moment to another, of time.perf_counter(), with the time of samples counted from the first."""
        first_s, last_s = begin - self._begin, end - self._begin
        cut = (replace(one, samples=_within(one.samples, first_s, last_s)) for one in self.results())
        return tuple(one for one in cut if one.samples)


def _within(samples: Iterable[Sample], first_s: float, last_s: float) -> tuple[Sample, ...]:
    return tuple(replace(one, at_s=round(one.at_s - first_s, 4)) for one in samples if first_s <= one.at_s <= last_s)


def _running(one: _One) -> float | None:
    return one.source.running_s() if isinstance(one.source, Server) else None


async def _then(publish: Callable[[], Awaitable[bool]], pause_s: float) -> None:
    await publish()
    await asyncio.sleep(pause_s)


async def _read(one: _One) -> Reading | None:
    if isinstance(one.source, Server):
        return await asyncio.to_thread(one.source.read)
    reading = await one.source.read()
    if reading is not None and one.samples and one.source.started != one.started:
        one.spoilt = "the metrics URL is answered by several processes, or by one that was restarted: give the URL of a single one"
    one.started = one.source.started
    return reading


def _lowest(samples: Iterable[Sample]) -> int | None:
    told = [one.descriptors for one in samples if one.held == 0 and one.ended and one.descriptors is not None]
    return min(told, default=None)


def _watched(one: _One) -> Watched:
    source = one.source
    return Watched(
        how=one.how,
        place=one.place,
        name=source.name if isinstance(source, Server) else _METRICS,
        processes=source.count if isinstance(source, Server) else 1,
        samples=tuple(one.samples),
        collected=source.collected,
        descriptor_limit=source.descriptor_limit() if isinstance(source, Server) else source.descriptor_limit,
        events_s=tuple(tuple(costs) for costs in one.events) if all(one.events) else (),
    )


async def find_servers(places: Iterable[Attempt]) -> tuple[list[tuple[str, Server]], str]:
    """Return (place, server) for each place whose server runs on this machine, and why another could not be found."""
    found: dict[int, tuple[str, Server]] = {}
    why = ""
    for place in places:
        if not is_local(place):
            why = why or f"{place.endpoint.host} is another machine: give the metrics URL of the server (--metrics)"
            continue
        server = await asyncio.to_thread(find_server, place.endpoint.port)
        if isinstance(server, str):
            why = why or server
        else:
            found.setdefault(place.endpoint.port, (place.hop, server))
    return list(found.values()), why


@asynccontextmanager
async def watching(places: Iterable[Attempt], metrics: str = "", ca_file: str = "") -> AsyncIterator[Watch]:
    """Yield the watch over the servers at these places and behind a metrics URL ("" none)."""
    servers, why = await find_servers(places)
    watched = [_One(how="process", place=place, source=server, samples=[], events=[]) for place, server in servers]
    async with AsyncExitStack() as stack:
        if metrics:
            meters = await stack.enter_async_context(Meters(metrics, ca_file))
            watched.append(_One(how="metrics", place=_METRICS, source=meters, samples=[], events=[]))
        yield Watch(watched, why)
