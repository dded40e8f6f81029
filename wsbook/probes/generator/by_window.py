"""Sending by a window: as many messages of each connection as it lets be on their way. It must not know how answers are read."""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wsbook.load_plan import LoadPlan
from wsbook.probes.generator.line import Line
from wsbook.probes.generator.mill import Mill
from wsbook.probes.generator.outbox import Outbox
from wsbook.probes.generator.tally import Tally

__all__ = ["ByWindow"]

Numbers = NDArray[np.int64]
_NEVER_NS = 2**62
_PUSH_BYTES, _PUSH_MOST = 4_194_304, 8192
_GIVE_UP_NS = 1_000_000_000
"""A window does not wait longer than this for a message; if it comes later it still counts as received."""


class ByWindow:
    """Keeps so many messages of each line on their way. next_ns: when sending begins, then never: answers call for more."""

    precise = False

    def __init__(self, plan: LoadPlan, lines: Sequence[Line], mill: Mill, tally: Tally, outbox: Outbox) -> None:
        self._plan, self._mill, self._tally, self._outbox = plan, mill, tally, outbox
        self._lines = {line.index: line for line in lines}
        self._indexes = np.array([line.index for line in lines], np.int64)
        self._flight = np.zeros(plan.connections, np.int64)
        self._given_up, self._below, self._upcoming, self._received = (np.zeros(plan.connections, np.int64) for _ in range(4))
        self._moved_ns = np.full(plan.connections, tally.begin_ns, np.int64)
        self._look_ns = 0
        self._over = False
        self.next_ns = tally.begin_ns

    def offered(self) -> Numbers:
        """Return how many messages of each connection were made, by index."""
        return self._tally.offered

    def prepare(self) -> None:
        """Make nothing ahead: when messages leave is not known before."""

    def go(self, now_ns: int) -> bool:
        """Fill the windows at the begin."""
        if now_ns >= self.next_ns:
            self.next_ns = _NEVER_NS
            self._refill(self._indexes)
        return False

    def answered(self, answers: Sequence[tuple[int, int]]) -> None:
        """Replace what came. answers: (index, messages)."""
        if self._plan.answered_by == "broadcast" or not answers:
            return
        indexes, counts = np.array(answers, np.int64).T
        np.subtract.at(self._flight, indexes, counts)
        self._refill(np.unique(indexes) if len(set(indexes.tolist())) < len(indexes) else indexes)

    def resumed(self, line: Line) -> None:
        """Fill the window of a line that was blocked."""
        self._refill(np.array([line.index], np.int64))

    def _refill(self, indexes: Numbers) -> None:
        if self._over:
            return
        counts = np.maximum(self._plan.window - self._flight[indexes], 0)
        lines = [self._lines[index] for index in indexes.tolist()]
        stopped = [place for place, line in enumerate(lines) if line.blocked or line.ended != "open"]
        if stopped:
            counts[stopped] = 0
        most = max(1, min(_PUSH_MOST, _PUSH_BYTES // self._mill.frame_bytes))
        if len(lines) * self._plan.window <= most:
            self._push(lines, indexes, counts)
            return
        for start, end in _portions(counts, most):
            self._push(lines[start:end], indexes[start:end], counts[start:end])

    def _push(self, lines: Sequence[Line], indexes: Numbers, counts: Numbers) -> None:
        total, offered = int(counts.sum()), self._tally.offered
        if not total:
            return
        if total == len(counts) and counts.max() == 1:  # one each, as most rounds of small windows are
            owners, numbers, places = indexes, offered[indexes], list(range(1, total + 1))
        else:
            ends = np.cumsum(counts)
            owners, places = np.repeat(indexes, counts), ends.tolist()
            numbers = np.arange(total) + np.repeat(offered[indexes] - ends + counts, counts)
        now_ns = np.full(total, time.monotonic_ns() + self._tally.epoch_ns)
        frames = self._mill.make(owners + self._plan.first_connection, numbers, now_ns)
        offered[indexes] += counts
        self._flight[indexes] += counts
        self._outbox.hand_each(lines, places, memoryview(frames.reshape(-1)))  # type: ignore[arg-type]

    def look(self, now_ns: int) -> None:
        """Four times a second: hold the windows against the account, and no longer wait for what does not come."""
        if now_ns < self._look_ns or self._over or self.next_ns != _NEVER_NS:
            return
        self._look_ns = now_ns + 250_000_000
        tally, indexes = self._tally, self._indexes
        upcoming, received = self._heard()
        moved = received != self._received[indexes]
        self._moved_ns[indexes[moved]] = now_ns
        below = np.maximum(upcoming - received - self._given_up[indexes], 0)
        overtaken = upcoming - self._upcoming[indexes] >= self._plan.window
        self._given_up[indexes] += np.where(overtaken, np.minimum(below, self._below[indexes]), 0)
        silent = now_ns - self._moved_ns[indexes] >= _GIVE_UP_NS
        outstanding = tally.offered[indexes] - received
        self._given_up[indexes] = np.minimum(np.where(silent, outstanding, self._given_up[indexes]), outstanding)
        self._moved_ns[indexes[silent]] = now_ns
        self._below[indexes], self._upcoming[indexes], self._received[indexes] = below, upcoming, received
        self._flight[indexes] = outstanding - self._given_up[indexes]
        self._refill(indexes[self._flight[indexes] < self._plan.window])

    def _heard(self) -> tuple[Numbers, Numbers]:
        """Return, of each sender, the number above all that came and how many came; of a broadcast to the listener that got most."""
        tally = self._tally
        if self._plan.answered_by != "broadcast":
            return tally.upcoming[self._indexes], tally.received[self._indexes]
        upcoming = tally.upcoming.reshape(-1, tally.columns)[:, self._indexes].max(axis=0)
        return upcoming, upcoming

    def settled(self) -> None:
        """Replace what the account says has come; of a broadcast, where no read tells it."""
        if self._plan.answered_by == "broadcast" and self.next_ns == _NEVER_NS:
            _, heard = self._heard()
            self._flight[self._indexes] = self._tally.offered[self._indexes] - heard - self._given_up[self._indexes]
            self._refill(self._indexes)

    def finish(self, now_ns: int) -> None:
        """Send no more."""
        self._over = True


def _portions(counts: Numbers, most: int) -> list[tuple[int, int]]:
    """Return ranges of places whose counts add up to about most at most."""
    ends = np.cumsum(counts)
    if not len(ends) or ends[-1] <= most:
        return [(0, len(counts))]
    cuts = np.flatnonzero(np.diff(ends // most)) + 1
    return list(zip([0, *cuts.tolist()], [*cuts.tolist(), len(counts)], strict=True))
