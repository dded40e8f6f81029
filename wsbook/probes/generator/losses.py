"""What is missing at the end of a run, by connection, stream and number. Pure."""

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from wsbook.probes.generator.tally import UNKNOWN, Numbers, Tally

__all__ = ["Losses", "losses_of"]

_NUMBERS_KEPT = 20


class Losses(Struct, frozen=True, kw_only=True):
    """By index: lost, expected, and touched: whether not everything came exactly once and in order. ends: of each stream, the number up to
    which messages were sent."""

    tally: Tally
    lost: Numbers
    expected: Numbers
    touched: NDArray[np.bool_]
    ends: Numbers

    def first_numbers(self, index: int) -> tuple[int, ...]:
        """Return the first numbers that a connection did not get; of several publishers, those of the first that lacks any come first."""
        found: list[int] = []
        columns = self.tally.columns
        for stream in range(index * columns, (index + 1) * columns):
            gaps = self.tally.gaps.get(stream)
            found += gaps.first(_NUMBERS_KEPT) if gaps else []
            start = int(self.tally.upcoming[stream])
            found += range(start, min(int(self.ends[stream]), start + _NUMBERS_KEPT))
            if len(found) >= _NUMBERS_KEPT:
                break
        return tuple(found[:_NUMBERS_KEPT])

    def ranges(self) -> Iterator[tuple[int, int, int]]:
        """Yield (index of the sender, number, number after the last) of everything missing that this run sent itself."""
        tally = self.tally
        own = max(1, tally.publishers)
        for stream, gaps in tally.gaps.items():
            if tally.plan.answered_by == "echo" or stream % tally.columns < tally.publishers:
                sender = stream % tally.columns if tally.plan.answered_by == "broadcast" else stream
                yield from ((sender, start, end) for start, end in zip(gaps.starts, gaps.ends, strict=True))
        if tally.plan.answered_by == "sequence":
            return
        for stream in np.flatnonzero(self.ends > tally.upcoming).tolist():
            column = stream % tally.columns
            if tally.plan.answered_by == "echo" or column < own:
                sender = column if tally.plan.answered_by == "broadcast" else stream
                yield sender, int(tally.upcoming[stream]), int(self.ends[stream])


def _ends(tally: Tally) -> Numbers:
    """Return, of each stream, the number up to which messages were sent; where others know it, that up to which they came."""
    kind = tally.plan.answered_by
    if kind == "echo":
        return tally.sent
    if kind == "sequence":
        return tally.upcoming
    ends = tally.upcoming.reshape(-1, tally.columns).copy()
    ends[: tally.publishers, : tally.publishers] = 0
    ends[tally.publishers :, : tally.publishers] = tally.sent[: tally.publishers]
    return ends.ravel()


def losses_of(tally: Tally) -> Losses:
    """Return what is missing."""
    ends = _ends(tally)
    missing = np.maximum(ends - np.where(tally.upcoming == UNKNOWN, 0, tally.upcoming), 0)
    missing[tally.upcoming == UNKNOWN] = 0
    for stream, gaps in tally.gaps.items():
        missing[stream] += gaps.count
    for stream, count in tally.beyond.items():
        missing[stream] += count
    by_connection = missing.reshape(-1, tally.columns).sum(axis=1)
    expected = np.maximum(ends - tally.base, 0).reshape(-1, tally.columns).sum(axis=1)
    touched = (by_connection > 0) | (tally.duplicated > 0) | (tally.reordered > 0)
    return Losses(tally=tally, lost=by_connection, expected=expected, touched=touched, ends=ends)
