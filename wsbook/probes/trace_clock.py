"""Other clocks that show while events pass: a log's own stamps, the Date of HTTP answers, instants in messages. Judges nothing.

Every pair is of our sending, their stamp and our receiving; ours are readings of time.perf_counter(), theirs epoch seconds, which the
system's clock joins once for the run.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime

import msgspec
from msgspec.structs import replace

from wsbook.clocks import Offset, Pair, estimate_offset, read_grain
from wsbook.facts import ClockFacts, Headers, Place
from wsbook.probes.trace_content import message_of
from wsbook.probes.trace_log import Instant
from wsbook.probes.trace_watch import Watch

__all__ = ["Clocks", "with_clock"]

_FINE_S = 0.011
"""Stamps that are cut off to more say less than when we saw the line."""
_TELLING_S = 0.25
"""An offset that may be none is not worth telling when it is not known better."""
_MEMBERS, _LARGEST = 60, 65_536
_TIMED = frozenset({"ts", "time", "timestamp", "at", "date", "sentat", "createdat", "created", "servertime", "publishedat", "emittedat"})


class Clocks:
    """The clocks of one run."""

    def __init__(self, instant: Instant | None) -> None:
        self._instant = instant
        self._epoch = time.time() - time.perf_counter()
        self._dates: dict[str, list[Pair]] = {}
        self._logs: dict[str, Offset] = {}

    def date(self, place: str, headers: Headers, sent: float, received: float) -> None:
        """Take the Date of an HTTP answer, which has whole seconds (RFC 9110 section 6.6.1)."""
        value = next((value for name, value in headers if name.lower() == "date"), "")
        try:
            stamp = parsedate_to_datetime(value).timestamp()
        except (ValueError, TypeError, OverflowError):
            return
        pair = Pair(sent=sent + self._epoch, stamp=stamp, received=received + self._epoch, grain_s=1.0)
        self._dates.setdefault(place, []).append(pair)

    def log_places(self, watch: Watch, sent: Mapping[int, float]) -> dict[int, tuple[float, float]]:
        """Return event → (reading of our clock, error) from a log's own stamps, nothing where they are too coarse or contradict ours."""
        stamps = [stamped for stamped in watch.stamps if stamped.number in sent]
        grain_s = read_grain([stamped.stamp for stamped in stamps])
        pairs = [
            Pair(
                sent=sent[one.number] + self._epoch,
                stamp=one.stamp,
                received=one.seen_at + self._epoch,
                grain_s=max(grain_s, 1e-6),
            )
            for one in stamps
        ]
        offset = estimate_offset(pairs, zones=True)
        if offset is None:
            return {}
        self._logs[watch.name] = offset
        if grain_s > _FINE_S or not offset.steady:
            return {}
        return {one.number: self._stamped(one.stamp + grain_s / 2, grain_s, offset, sent[one.number], one.seen_at) for one in stamps}

    def _stamped(self, stamp: float, grain_s: float, offset: Offset, sent: float, seen: float) -> tuple[float, float]:
        """Return what the stamp says, cut to what cannot be otherwise: after the sending, before we saw the line."""
        middle, half = offset.ours(stamp) - self._epoch, offset.error_s + grain_s / 2
        low, high = max(sent, middle - half), min(seen, middle + half)
        return ((low + high) / 2, (high - low) / 2) if low <= high else (seen, 0.0)

    def facts(self, sockets: Sequence[Watch], sent: Mapping[int, float]) -> Iterator[ClockFacts]:
        """Yield every clock that can be told."""
        for place, pairs in self._dates.items():
            yield from _told(place, estimate_offset(pairs))
        for name, offset in self._logs.items():
            yield from _told(name, offset)
        for name, pairs in self._in_messages(sockets, sent).items():
            if len(pairs) > 1 and len({pair.stamp for pair in pairs}) > 1:
                yield from _told(name, estimate_offset(_grained(pairs), zones=True), steady=True)

    def _in_messages(self, sockets: Sequence[Watch], sent: Mapping[int, float]) -> dict[str, list[Pair]]:
        found: dict[str, list[Pair]] = {}
        if self._instant is None:
            return found
        for watch in sockets[:1]:
            for number, content in watch.contents.items():
                for path, stamp in _instants(content, self._instant) if number in sent else ():
                    pair = Pair(sent=sent[number] + self._epoch, stamp=stamp, received=watch.first[number] + self._epoch)
                    found.setdefault(f"message {path}", []).append(pair)
        return found


def _grained(pairs: Sequence[Pair]) -> list[Pair]:
    grain_s = max(read_grain([pair.stamp for pair in pairs]), 1e-6)
    return [replace(pair, grain_s=grain_s) for pair in pairs]


def _told(place: str, offset: Offset | None, steady: bool = False) -> Iterator[ClockFacts]:
    if offset is None or (steady and not offset.steady):
        return
    if abs(offset.offset_s) > offset.error_s or (offset.pairs > 1 and offset.error_s <= _TELLING_S):
        yield ClockFacts(place=place, offset_s=offset.offset_s, error_s=offset.error_s, pairs=offset.pairs)


def _instants(content: str | bytes, instant: Instant) -> Iterator[tuple[str, float]]:
    """Yield (path, epoch seconds) of members that are named like an instant, in an object or the objects in it."""
    try:
        value = msgspec.json.decode(message_of(content[:_LARGEST]))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return
    for path, name, member in _members(value):
        timed = name.lower().replace("_", "").replace("-", "") in _TIMED
        found = instant(_as_text(member)) if timed and isinstance(member, str | int | float) and not isinstance(member, bool) else None
        if found is not None:
            yield path, found


def _as_text(member: str | int | float) -> str:
    """Return a member as the finder of instants reads them: numbers in seconds or milliseconds since 1970."""
    return member[:60] if isinstance(member, str) else f"{member:.6f}".rstrip("0").rstrip(".")


def _members(value: object) -> Iterable[tuple[str, str, object]]:
    outer = list(value.items())[:_MEMBERS] if isinstance(value, dict) else []
    yield from ((f"$.{name}"[:60], str(name), member) for name, member in outer)
    for name, inner in outer:
        if isinstance(inner, dict):
            yield from ((f"$.{name}.{key}"[:60], str(key), member) for key, member in list(inner.items())[:_MEMBERS])


def with_clock(place: Place, at: tuple[float, float] | None, sent_at: float) -> Place:
    """Return the place with the time that its own clock gives, and how far that may be off; unchanged without one."""
    return place if at is None or place.at_s is None else replace(place, at_s=max(0.0, at[0] - sent_at), error_s=at[1])
