"""What the logs said while an event was on its way: lines with its marker, and known texts without it. Must not know what they mean."""

from collections import Counter
from collections.abc import Mapping, Sequence

from wsbook.facts import LogLine
from wsbook.probes.trace_watch import Watch
from wsbook.signatures import Hit, matcher

__all__ = ["MOMENT_S", "said_meanwhile"]

MOMENT_S = 0.3
"""How long after the answer what a line says may still be about the event."""
_LINES, _OFTEN = 6, 2
"""Lines kept of each log and event, and how many times more often than otherwise a text must stand beside events."""

Spans = Mapping[int, tuple[float, float]]
"""Event → when it was set off, and when it was answered, by time.perf_counter()."""


def said_meanwhile(logs: Sequence[Watch], spans: Spans) -> dict[int, tuple[LogLine, ...]]:
    """Return what each event's log lines were. A text that stands in a log as often while no event passes tells nothing of events."""
    said: dict[int, tuple[LogLine, ...]] = {}
    for watch in logs:
        for number, lines in _said_in(watch, spans).items():
            said[number] = (*said.get(number, ()), *lines[:_LINES])
    return said


def _said_in(watch: Watch, spans: Spans) -> dict[int, list[LogLine]]:
    found: dict[int, list[LogLine]] = {number: [] for number in spans}
    for number, (begin, _) in spans.items():
        for at, text in watch.quotes.get(number, ()):
            found[number].append(LogLine(log=watch.name, at_s=max(0.0, at - begin), text=text.strip(), marked=True))
    last = max((end for _, end in spans.values()), default=0.0) + MOMENT_S  # a burst comes after, with many lines of its own
    overheard = [(at, line) for at, line in watch.overheard if at <= last]
    lines = [line for _, line in overheard]
    hits = [hit for hit in matcher("backend_log", fast=False).scan(lines) if hit.signature.causes] if lines else []
    beside = {index: _event_at(at, spans) for index, (at, _) in enumerate(overheard)}
    steady = _steady(hits, beside)
    known: dict[int, list[str]] = {}
    for hit in hits:
        if hit.signature.id not in steady:
            known.setdefault(hit.index, []).append(hit.signature.id)
    for index, names in known.items():
        if (here := beside[index]) is not None:
            at_s = overheard[index][0] - spans[here][0]
            found[here].append(LogLine(log=watch.name, at_s=at_s, text=lines[index].strip(), signatures=tuple(names)))
    return found


def _event_at(at: float, spans: Spans) -> int | None:
    """Return the last event whose time a line was written in, None when in nobody's."""
    return max((number for number, (begin, end) in spans.items() if begin <= at <= end + MOMENT_S), default=None)


def _steady(hits: Sequence[Hit], beside: Mapping[int, int | None]) -> set[str]:
    """Return the signatures that are found nearly as often while no event is on its way."""
    inside = Counter(hit.signature.id for hit in hits if beside[hit.index] is not None)
    outside = Counter(hit.signature.id for hit in hits if beside[hit.index] is None)
    return {name for name in outside if inside[name] < _OFTEN * outside[name]}
