"""What a page under load noted, made into intervals and delays. Pure: numbers in, facts out."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil, inf

from msgspec import Struct

from wsbook.facts import PageMoment

__all__ = ["Metrics", "Notes", "moments", "quantile"]


class Metrics(Struct, frozen=True, kw_only=True):
    """One reading of the browser's counters; at: time.perf_counter(). Times of the main thread since the page began."""

    at: float
    busy_s: float
    script_s: float
    layout_s: float
    heap_bytes: int


class Notes(Struct, frozen=True, kw_only=True):
    """When what happened, readings of time.perf_counter(). due, taken, shown: of each message by its number. long: (end, s)."""

    due: Mapping[int, float]
    taken: Mapping[int, float]
    shown: Mapping[int, float]
    batches: Sequence[float] = ()
    pictures: Sequence[float] = ()
    long: Sequence[tuple[float, float]] = ()
    metrics: Sequence[Metrics] = ()
    heard: bool = True


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank quantile, None of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def moments(notes: Notes, begin: float, end: float, every_s: float) -> tuple[PageMoment, ...]:
    """Return intervals of every_s from begin to end or a little after; what is noted shortly before falls into the first one.

    heard False: no function of the page takes what is taken.
    """
    count = max(1, ceil((end - begin) / every_s - 1e-9))
    edges = [begin + number * every_s for number in range(1, count + 1)]
    due, taken, shown = (sorted(seen.values()) for seen in (notes.due, notes.taken, notes.shown))
    batches, pictures, long = sorted(notes.batches), sorted(notes.pictures), sorted(notes.long)
    return tuple(
        PageMoment(
            at_s=round(until - begin, 3),
            due=_within(due, since, until),
            frames=(frames := _within(taken, since, until)),
            handled=frames if notes.heard else 0,
            shown=_within(shown, since, until),
            changes=_within(batches, since, until),
            pictures=_within(pictures, since, until),
            long_tasks=_within([at for at, _ in long], since, until),
            long_s=round(sum(lasted for at, lasted in long if since < at <= until), 4),
            heap_bytes=next((one.heap_bytes for one in reversed(notes.metrics) if one.at <= until), None),
            busy_s=_spent(notes.metrics, "busy_s", max(begin, since), until),
            script_s=_spent(notes.metrics, "script_s", max(begin, since), until),
            layout_s=_spent(notes.metrics, "layout_s", max(begin, since), until),
        )
        for since, until in pairwise([-inf, *edges])
    )


def _within(times: Sequence[float], since: float, until: float) -> int:
    return bisect_right(times, until) - bisect_right(times, since)


def _spent(readings: Sequence[Metrics], name: str, since: float, until: float) -> float | None:
    """Return what was spent between two instants, straight lines between the readings; None outside of them."""
    first, last = _at(readings, name, since), _at(readings, name, until)
    return None if first is None or last is None else round(max(0.0, last - first), 4)


def _at(readings: Sequence[Metrics], name: str, at: float) -> float | None:
    for before, after in pairwise(readings):
        if before.at <= at <= after.at:
            share = (at - before.at) / (after.at - before.at) if after.at > before.at else 0.0
            begin, end = float(getattr(before, name)), float(getattr(after, name))
            return begin + share * (end - begin)
    return None
