"""The account of one run: what was handed to the kernel, what came, in which order and how late. Both loops fill it.

It must not know sockets, frames or how a message carries its number.

A stream is a row of numbered messages that should come to one connection in order: of an echo and of a server's sequence the stream is
the connection's index; of a broadcast it is ``listener * columns + column(publisher)``, and the columns of this shard's own publishers are
their indexes. A stream's account is the number that
should come next and the gaps below it, so memory does not grow with the messages but with what is missing. It is exact while at most
MOST_GAPS gaps are open at once; numbers of later gaps count as lost, and as duplicates if they come after all.
"""

import time
from math import ceil

import numpy as np
from numpy.typing import NDArray

from wsbook.histogram import Histogram
from wsbook.load_plan import LoadPlan
from wsbook.probes.generator.gaps import Gaps

__all__ = ["MOST_GAPS", "Numbers", "Tally", "interval_of"]

Numbers = NDArray[np.int64]
MOST_GAPS = 1_000_000
MOST_PUBLISHERS, MOST_STREAMS = 1000, 20_000_000
_MOST_INTERVALS, _INTERVAL_BITS = 300, 7
UNKNOWN = -1


def interval_of(seconds: float) -> float:
    """Return the length of a run's intervals in s: about forty of a short run, a second each, and never more than 300."""
    for length in (0.05, 0.1, 0.25, 0.5, 1.0):
        if seconds / length <= 40:
            return length
    return float(max(1, ceil(seconds / _MOST_INTERVALS)))


class Tally:
    """Counts of one run. A loop adds to the arrays itself or through the methods; both see the same memory.

    begin_ns: CLOCK_MONOTONIC when the first message is due; epoch_ns: what makes CLOCK_MONOTONIC the time since the epoch, fixed for
    the run. interval_ns: length of an interval. end_ns: when sending stopped, set by the loop.

    Per connection, by index in the plan (int64): offered: messages given to the kernel or begun (the next number to send); sent: those
    of them that the kernel took wholly, set by the loop at its end; due: messages that were due, of a rate, set at its end; received:
    distinct ones that came; duplicated: further copies; reordered: first copies that came after a later number. ended: "open" or how the
    connection ended: fin, rst or close; close_codes: of a close frame.

    Per stream (int64), columns of them per connection: upcoming: the number above all that came, UNKNOWN before the first of a server's
    sequence; base: the first. gaps: of the streams that have any. beyond: numbers in gaps that could not be kept, by stream.

    foreign: messages that are none of ours. latencies: of first copies, from due to arrival, ns. lags: how late we offered what was due
    and not kept back by the peer, ns; of a window and of listeners, how late a tick of the loop was. arrived: first copies by the interval
    in which they came; by_due: their latencies by the interval in which they were due. marks: of a window, copies of offered at the end of
    each interval. cpu_s, wall_s: of the loop, set by it.
    """

    def __init__(self, plan: LoadPlan, run: str) -> None:
        """run: eight hex digits."""
        self.plan, self.run, size = plan, run, plan.connections
        self.publishers = plan.publishers if plan.answered_by == "broadcast" else 0
        self.columns, self._known = max(1, self.publishers), {plan.first_connection + n: n for n in range(self.publishers)}
        streams = size * self.columns
        self.begin_ns, self.end_ns, self.epoch_ns = 0, 0, time.time_ns() - time.monotonic_ns()
        self.interval_ns = round(interval_of(plan.seconds) * 1e9)
        intervals = ceil((plan.seconds + plan.drain_s + 1.0) * 1e9 / self.interval_ns)
        self.offered, self.sent, self.due = (np.zeros(size, np.int64) for _ in range(3))
        self.received, self.duplicated, self.reordered = (np.zeros(size, np.int64) for _ in range(3))
        self.ended, self.close_codes = ["open"] * size, list[int | None]([None] * size)
        self.upcoming = np.full(streams, UNKNOWN if plan.answered_by == "sequence" else 0, np.int64)
        self.base = np.zeros(streams, np.int64)
        self.gaps: dict[int, Gaps] = {}
        self.beyond: dict[int, int] = {}
        self.open_gaps = 0
        self.foreign = 0
        self.latencies, self.lags = Histogram(), Histogram()
        self.arrived = np.zeros(intervals, np.int64)
        self.by_due: list[Histogram | None] = [None] * intervals
        self.marks: list[Numbers] = []
        self.cpu_s, self.wall_s = 0.0, 0.0

    def take(self, connections: Numbers, streams: Numbers, numbers: Numbers) -> NDArray[np.bool_]:
        """Count messages in the order in which they came; return which are first copies.

        connections: who received each, by index. Numbers of an echo or broadcast are below what was offered: the caller checks.
        """
        order = np.argsort(streams, kind="stable")
        ordered, values = streams[order], numbers[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        lengths = np.diff(np.r_[starts, len(ordered)])
        heads = ordered[starts]
        expected = np.arange(len(ordered)) + np.repeat(self.upcoming[heads] - starts, lengths)
        wrong = values != expected
        first = np.ones(len(order), np.bool_)
        if not wrong.any():
            self.upcoming[heads] += lengths
            np.add.at(self.received, connections, 1)
            return first
        good = ~np.logical_or.reduceat(wrong, starts)
        self.upcoming[heads[good]] += lengths[good]
        for start, length in zip(starts[~good].tolist(), lengths[~good].tolist(), strict=True):
            for place in order[start : start + length].tolist():
                first[place] = self.one(int(connections[place]), int(streams[place]), int(numbers[place]), count=False)
        np.add.at(self.received, connections[first], 1)
        return first

    def one(self, connection: int, stream: int, number: int, *, count: bool = True) -> bool:
        """Count one message and tell whether it is a first copy. count: add it to received."""
        upcoming = int(self.upcoming[stream])
        if upcoming == UNKNOWN:
            self.base[stream] = upcoming = number
        if number >= upcoming:
            if number > upcoming:
                self.gap(stream, upcoming, number)
            self.upcoming[stream] = number + 1
        elif not self.late(connection, stream, number):
            return False
        if count:
            self.received[connection] += 1
        return True

    def column(self, publisher: int) -> int | None:
        """Return the place of a publisher's streams, by its number over all shards; None when there are too many.

        Those of other shards get one as they are heard; then the arrays of streams are new ones.
        """
        found = self._known.get(publisher)
        if found is None and len(self._known) < MOST_PUBLISHERS and len(self.received) * len(self._known) < MOST_STREAMS:
            found = self._known[publisher] = len(self._known)
            if found >= self.columns:
                self._widen(2 * self.columns)
        return found

    def _widen(self, columns: int) -> None:
        before, size = self.columns, len(self.received)
        for name in ("upcoming", "base"):
            wider = np.zeros((size, columns), np.int64)
            wider[:, :before] = getattr(self, name).reshape(size, before)
            setattr(self, name, wider.ravel())
        self.gaps = {stream // before * columns + stream % before: gaps for stream, gaps in self.gaps.items()}
        self.beyond = {stream // before * columns + stream % before: count for stream, count in self.beyond.items()}
        self.columns = columns

    def gap(self, stream: int, start: int, end: int) -> None:
        """Note that the numbers from start up to end were passed over. Ranges of one stream come in ascending order."""
        if self.open_gaps >= MOST_GAPS:
            self.beyond[stream] = self.beyond.get(stream, 0) + end - start
            return
        self.gaps.setdefault(stream, Gaps()).add(start, end)
        self.open_gaps += 1

    def late(self, connection: int, stream: int, number: int) -> bool:
        """Count a message below what was upcoming, and tell whether it is a first copy; received is left to the caller."""
        gaps = self.gaps.get(stream)
        before = len(gaps.starts) if gaps else 0
        if gaps is None or not gaps.fill(number):
            self.duplicated[connection] += 1
            return False
        self.open_gaps += len(gaps.starts) - before
        self.reordered[connection] += 1
        return True

    def time(self, due_ns: Numbers, arrived_ns: Numbers) -> None:
        """Count the latencies of first copies; both by CLOCK_MONOTONIC."""
        if not len(due_ns):
            return
        latencies = arrived_ns - due_ns
        self.latencies.record(latencies)
        self.came(arrived_ns)
        intervals = self.intervals(due_ns)
        if intervals[0] == intervals[-1] and (intervals == intervals[0]).all():
            self._by_due(int(intervals[0])).record(latencies)
            return
        for interval in np.unique(intervals).tolist():
            self._by_due(interval).record(latencies[intervals == interval])

    def came(self, arrived_ns: Numbers) -> None:
        """Count arrivals of first copies by interval."""
        np.add.at(self.arrived, self.intervals(arrived_ns), 1)

    def intervals(self, at_ns: Numbers) -> Numbers:
        """Return the intervals of instants; what is outside goes to the first and the last."""
        found: Numbers = np.clip((at_ns - self.begin_ns) // self.interval_ns, 0, len(self.arrived) - 1)
        return found

    def _by_due(self, interval: int) -> Histogram:
        found = self.by_due[interval]
        if found is None:
            found = self.by_due[interval] = Histogram(_INTERVAL_BITS)
        return found

    def mark(self, now_ns: int) -> None:
        """Keep what was offered at the end of each interval that passed; of a window, by which a lost number finds its interval."""
        while len(self.marks) < min((now_ns - self.begin_ns) // self.interval_ns, len(self.arrived)):
            self.marks.append(self.offered.astype(np.uint32))
