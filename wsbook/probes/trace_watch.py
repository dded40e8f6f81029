"""Places that a marked event should pass, and when it was seen there. Must not know how an event is set off, nor what is right.

All times are readings of time.perf_counter(): sockets by the kernel's stamps where it gives them. A peer is hostile: only events that
have been set off count, times and contents are kept of the first sighting alone.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from wsbook.facts import BurstPlace, Headers, Place
from wsbook.probes.connection import Socket
from wsbook.probes.endings import ending_of
from wsbook.probes.instances import Signals, signals_of
from wsbook.probes.keeping import Keeping
from wsbook.probes.marker import find_markers
from wsbook.wire.messages import documents_in, is_heartbeat

__all__ = ["Run", "Stamped", "Watch", "follow_socket"]

_CONTENT_BYTES, _ALL_CONTENT_BYTES = 262_144, 16_000_000
_GREETING = 16_384
_QUOTES, _HEARD, _ALL_HEARD = 4, 40, 500


class Run(Struct, kw_only=True):
    """One run of events. marker: what all its markers begin with. set_off: how many events have left; singles: how many of them, from
    the first on, are kept with their content."""

    marker: str
    set_off: int = 0
    singles: int = 1_000


class Stamped(Struct, frozen=True, kw_only=True):
    """An instant of another clock beside a sighting: epoch seconds as it was written."""

    number: int
    stamp: float
    seen_at: float


class Watch:
    """One place: when each event was seen there first, how often, in which order, and what carried it."""

    def __init__(self, name: str, kind: str, run: Run, headers: Headers = (), socket: Socket | None = None) -> None:
        self.name, self.kind, self._run, self._headers = name, kind, run, headers
        self._socket = socket
        self.first: dict[int, float] = {}
        self.counts: Counter[int] = Counter()
        self.order: list[int] = []
        self.contents: dict[int, str | bytes] = {}
        self.stamps: list[Stamped] = []
        self.greeting: str | None = None
        self.quotes: dict[int, list[tuple[float, str]]] = {}
        self.overheard: list[tuple[float, str]] = []
        self.others: Counter[int] = Counter()
        self.joined: Counter[int] = Counter()
        self._bytes_left = _ALL_CONTENT_BYTES
        self._heard: Counter[int] = Counter()

    @property
    def signals(self) -> Signals:
        """What may identify the process at the other end of a socket."""
        return signals_of(self._headers, self.greeting)

    def note(self, numbers: Sequence[int], at: float, content: str | bytes | None = None) -> None:
        """Take the events that were seen at once; content: the message that carried them."""
        if len(numbers) > 1 and isinstance(content, str) and documents_in(content) > 1:
            self.joined[max(numbers)] += 1
        for number in numbers:
            if number >= self._run.set_off:
                continue
            self.counts[number] += 1
            if number in self.first:
                continue
            self.first[number] = at
            self.order.append(number)
            if content is not None and number < self._run.singles and len(content) <= min(_CONTENT_BYTES, self._bytes_left):
                self._bytes_left -= len(content)
                self.contents[number] = content

    def greet(self, data: str | bytes) -> None:
        """Take what came before any event: it may name the process."""
        if self.greeting is None and isinstance(data, str) and not self._run.set_off:
            self.greeting = data[:_GREETING]

    def quote(self, numbers: Sequence[int], line: str, at: float) -> None:
        """Keep a line with the events that it names, the first few of each."""
        for number in numbers:
            if number in self.first and number < self._run.singles and len(self.quotes.setdefault(number, [])) < _QUOTES:
                self.quotes[number].append((at, line))

    def overhear(self, line: str, at: float) -> None:
        """Take a line without any marker; so many are kept of an event's time."""
        if self._heard[self._run.set_off] < _HEARD and len(self.overheard) < _ALL_HEARD:
            self._heard[self._run.set_off] += 1
            self.overheard.append((at, line))

    def pass_by(self, data: str | bytes) -> None:
        """Count a message without any marker that came after an event had been set off, unless it only keeps the socket alive."""
        if self._run.set_off and not (isinstance(data, str) and is_heartbeat(data)):
            self.others[self._run.set_off - 1] += 1

    def place(self, number: int, sent_at: float) -> Place:
        """Return when and how often one event was seen here."""
        at = self.first.get(number)
        others = self.others[number] if self._socket is not None else None
        if at is None:
            ended = ending_of(self._socket) if self._socket else ""
            return Place(name=self.name, kind=self.kind, at_s=None, ended=ended, others=others)
        return Place(name=self.name, kind=self.kind, at_s=max(0.0, at - sent_at), count=self.counts[number], others=others)

    def came(self, first: int, count: int) -> list[int]:
        """Return the events from first on in the order in which they came, the first of them as 0."""
        return [number - first for number in self.order if first <= number < first + count]

    def burst(self, first: int, count: int, ranks: Mapping[int, int] | None = None) -> BurstPlace:
        """Return what was seen of the events from first on. ranks: as in burst_place()."""
        order = self.came(first, count)
        seen = burst_place(self.name, self.kind, order, count, sum(self.counts[first + n] - 1 for n in order), ranks)
        joined = sum(times for number, times in self.joined.items() if number >= first)
        return replace(seen, joined=joined, ended=ending_of(self._socket) if self._socket else "")


def burst_place(
    name: str, kind: str, order: Sequence[int], count: int, duplicated: int = 0, ranks: Mapping[int, int] | None = None
) -> BurstPlace:
    """Return what a place saw of a burst. order: distinct events, from 0, as they came. ranks: their right order, None that of their
    numbers; events without a rank have no place in it."""
    highest, late = -1, 0
    for rank in order if ranks is None else [ranks[number] for number in order if number in ranks]:
        late += rank < highest
        highest = max(highest, rank)
    missing = tuple(sorted(set(range(count)) - set(order)))
    return BurstPlace(name=name, kind=kind, received=len(order), duplicated=duplicated, reordered=late, missing=missing)


async def follow_socket(watch: Watch, keeping: Keeping, run: Run) -> None:
    """Read a socket until it ends, and answer its server's heartbeats."""
    socket = keeping.socket
    while (data := await socket.receive(60.0)) is not None or socket.ended == "open":
        if data is None:
            continue
        if numbers := find_markers(data, run.marker):
            watch.note(numbers, socket.answered + socket.last_received_s, data)
        else:
            watch.greet(data)
            await keeping.hear(data)
            watch.pass_by(data)
