"""Pings at a steady pace on quiet connections, beside everything else that a step does: when all are late together, something stood still.

Pings leave by the clock, whether the last pong came or not, so that a stall shows in every ping that falls into it. Our own lateness is
measured beside. This module must not know what a stall means.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import PulseFacts, Pulses, Sample, Spell, UpgradeFacts, Watched
from wsbook.observation import Failure, Observation, Source, observed
from wsbook.probes.burden import is_local
from wsbook.probes.endings import close_all, why_not_open
from wsbook.probes.instances import named_by, signals_of
from wsbook.probes.process_watch import Server
from wsbook.probes.socket import Socket
from wsbook.probes.upgrade import open_socket
from wsbook.probes.watching import find_servers

__all__ = ["PulseWatch", "pulses"]

MOST_CONNECTIONS = 32
_MOST_PINGS = 3_000
"""For each connection."""
_PATIENCE_S = 10.0
_ASK_S = 0.08
"""After so long without a pong, and again and again, the system is asked whether the peer has the ping at all."""
_TICK_S, _WORTH_S = 0.01, 0.01
_MOST_LAGS = 2_000
_READ_S = 0.05


class _Line:
    """One quiet connection and its pings."""

    def __init__(self, socket: Socket, place: str, signals: dict[str, str]) -> None:
        self.socket, self.place, self.signals = socket, place, signals
        self.sent_s: list[float] = []
        self.answered_s: list[float | None] = []
        self.acknowledged: list[bool | None] = []
        self.open: set[asyncio.Task[None]] = set()

    def ping(self, begin: float) -> None:
        """Send one ping and note its pong, whenever it comes."""
        number = len(self.sent_s)
        self.sent_s.append(time.perf_counter() - begin)
        self.answered_s.append(None)
        self.acknowledged.append(None)
        task = asyncio.ensure_future(self._await(number))
        self.open.add(task)
        task.add_done_callback(self.open.discard)

    async def _await(self, number: int) -> None:
        ping = asyncio.ensure_future(self.socket.ping(_PATIENCE_S))
        try:
            while not (await asyncio.wait({ping}, timeout=_ASK_S))[0]:
                flight = self.socket.flight()
                if flight is not None:
                    self.acknowledged[number] = flight.unacked == 0
            took_s = ping.result()
        finally:
            ping.cancel()
        self.answered_s[number] = None if took_s is None else self.sent_s[number] + took_s

    def result(self, sign: str) -> Pulses:
        return Pulses(
            place=self.place,
            instance=self.signals.get(sign, ""),
            sent_s=tuple(round(at, 4) for at in self.sent_s),
            answered_s=tuple(None if at is None else round(at, 4) for at in self.answered_s),
            acknowledged=tuple(self.acknowledged),
        )


class PulseWatch:
    """The pings while they run. spell() says what else is done meanwhile; observation() is what was seen."""

    def __init__(self, lines: Sequence[_Line], source: Source, every_s: float, failure: Failure | None, local: Sequence[str]) -> None:
        self._lines, self._source, self._every_s, self._failure = lines, source, every_s, failure
        self._local = tuple(local)
        self._begin = time.perf_counter()
        self._duration_s = 0.0
        self._spells: list[Spell] = []
        self._lags: list[tuple[float, float]] = []
        self._waits: dict[str, tuple[Server, list[Sample]]] = {}

    @property
    def _now_s(self) -> float:
        return time.perf_counter() - self._begin

    @contextmanager
    def spell(self, name: str) -> Iterator[None]:
        """Note what is done from here to the end of the block."""
        begin_s = self._now_s
        try:
            yield
        finally:
            self._spells.append(Spell(name=name, begin_s=round(begin_s, 4), end_s=round(self._now_s, 4)))

    def observation(self) -> Observation:
        """Return what was seen so far."""
        if not self._lines:
            return observed(self._source, None, failure=self._failure)
        sign = named_by([line.signals for line in self._lines])
        facts = PulseFacts(
            every_s=self._every_s,
            duration_s=self._duration_s or self._now_s,
            connections=tuple(line.result(sign) for line in self._lines),
            spells=tuple(self._spells),
            lags=tuple(self._lags),
            local=self._local,
            servers=tuple(_waited(place, *seen) for place, seen in self._waits.items()),
        )
        return observed(self._source, facts, duration_s=facts.duration_s)

    async def run(self) -> None:
        """Ping until cancelled, each connection in its turn."""
        self._begin = time.perf_counter()
        share_s = self._every_s / max(1, len(self._lines))
        turn = 0
        while turn < _MOST_PINGS * len(self._lines):
            line = self._lines[turn % len(self._lines)]
            if line.socket.ended == "open":
                line.ping(self._begin)
            turn += 1
            await asyncio.sleep(max(0.0, self._begin + turn * share_s - time.perf_counter()))

    async def mind(self, servers: Sequence[tuple[str, Server]]) -> None:
        """Note our own lags, and how long the servers' main threads have waited for a processor, until cancelled."""
        self._waits = {place: (server, []) for place, server in servers}
        read = 0.0
        while True:
            due = time.perf_counter() + _TICK_S
            await asyncio.sleep(_TICK_S)
            late_s = time.perf_counter() - due
            if late_s > _WORTH_S and len(self._lags) < _MOST_LAGS:
                self._lags.append((round(self._now_s, 4), round(late_s, 4)))
            if self._now_s >= read:
                read = self._now_s + _READ_S
                for server, samples in self._waits.values():
                    if len(samples) < _MOST_PINGS:
                        samples.append(Sample(at_s=round(self._now_s, 4), ended=0, held=0, waiting_s=server.waiting_s()))

    def stop(self) -> None:
        """Take no more pings into account."""
        self._duration_s = self._now_s


def _waited(place: str, server: Server, samples: Sequence[Sample]) -> Watched:
    return Watched(how="process", place=place, name=server.name, processes=server.count, samples=tuple(samples), collected=server.collected)


@asynccontextmanager
async def pulses(places: Sequence[Attempt], *, step: str, each: int, every_s: float) -> AsyncIterator[PulseWatch]:
    """Yield the watch over quiet connections, each of them at every place, pinged every every_s while the block runs.

    At most 32 connections. Without any that opened the watch's observation says why.
    """
    source = Source(step=step, probe="pulse", hop=places[0].hop if places else "")
    lines: list[_Line] = []
    failure: Failure | None = None
    tasks: list[asyncio.Task[None]] = []
    try:
        for place in [place for _ in range(each) for place in places][:MOST_CONNECTIONS]:
            seen, socket = await open_socket(replace(place, first_message_s=0.0), step=step)
            if socket is None:
                failure = why_not_open(seen)
                continue
            headers = seen.facts.headers if isinstance(seen.facts, UpgradeFacts) else ()
            lines.append(_Line(socket, place.hop, dict(signals_of(headers, None))))
        local = [place.hop for place in places if is_local(place)]
        servers, _ = await find_servers(place for place in places if is_local(place))
        watch = PulseWatch(lines, source, every_s, failure, local)
        if lines:
            tasks = [asyncio.ensure_future(watch.run()), asyncio.ensure_future(watch.mind(servers))]
            tasks += [asyncio.ensure_future(_drain(line.socket)) for line in lines]
        yield watch
        await _finish(lines, tasks[:1])
        watch.stop()
    finally:
        tasks += [task for line in lines for task in line.open]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await close_all([line.socket for line in lines])


async def _finish(lines: Sequence[_Line], pinging: Sequence["asyncio.Task[None]"]) -> None:
    """Send no more pings, and wait a moment for the pongs that are due."""
    for task in pinging:
        task.cancel()
    due = [task for line in lines for task in line.open]
    if due:
        await asyncio.wait(due, timeout=1.0)


async def _drain(socket: Socket) -> None:
    """Take what the application sends and forget it."""
    while socket.ended == "open":
        await socket.receive(60.0)
