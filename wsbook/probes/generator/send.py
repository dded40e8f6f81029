"""What leaves when: by the clock, or nothing at all. It must not know how answers are read.

A message that the kernel does not take waits, and its connection is left alone until it is writable again: that is the peer's doing and no
lag of ours. What is due meanwhile is not kept; it is made when it can leave, because the clock tells what it was.
"""

import time
from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wsbook.load_plan import LoadPlan
from wsbook.load_split import messages_due
from wsbook.probes.generator.line import Line
from wsbook.probes.generator.mill import Mill
from wsbook.probes.generator.outbox import Outbox
from wsbook.probes.generator.tally import Tally

__all__ = ["ByClock", "Listening", "Schedule"]

Numbers = NDArray[np.int64]
_NEVER_NS = 2**62
_BLOCK_BYTES, _BLOCK_MOST = 1_048_576, 512
_PUSH_BYTES, _PUSH_MOST = 4_194_304, 8192
_TURN_MOST = 256
"""Messages sent one by one before what came is read."""


class Schedule:
    """When messages are due: message k at begin + k / rate, on sender k mod count. positions: of the senders' indexes among them, -1 of
    other connections."""

    def __init__(self, plan: LoadPlan, senders: Sequence[Line], begin_ns: int) -> None:
        self.begin_ns, self.count, self.step_ns = begin_ns, len(senders), 1e9 / plan.rate
        self.total = messages_due(plan.rate, plan.seconds)
        self.positions = np.full(plan.connections, -1, np.int64)
        self.positions[[line.index for line in senders]] = np.arange(self.count)

    def due(self, k: int) -> int:
        """Return when message k is due, CLOCK_MONOTONIC in ns."""
        return self.begin_ns + -int(-k * self.step_ns // 1)

    def reached(self, now_ns: int) -> int:
        """Return how many messages are due."""
        if now_ns < self.begin_ns:
            return 0
        reached = min(self.total, int((now_ns - self.begin_ns) / self.step_ns) + 1)
        return reached - 1 if self.due(reached - 1) > now_ns else reached

    def of(self, indexes: Numbers, numbers: Numbers) -> Numbers:
        """Return when the messages of these connections and numbers are due."""
        found: Numbers = self.begin_ns + np.ceil((numbers * self.count + self.positions[indexes]) * self.step_ns).astype(np.int64)
        return found

    def shares(self, reached: int) -> Numbers:
        """Return how many messages of each connection are among the first ones."""
        shares = (reached - self.positions + self.count - 1) // self.count
        return np.where(self.positions >= 0, np.maximum(shares, 0), 0)


class ByClock:
    """Sends by the clock. next_ns: when there is something to send again. lags: how late each message was offered that nothing kept
    back, ns. due: by index, how many were due."""

    def __init__(self, plan: LoadPlan, lines: Sequence[Line], mill: Mill, tally: Tally, outbox: Outbox, schedule: Schedule) -> None:
        self._lines, self._mill, self._tally, self._outbox, self.schedule = lines, mill, tally, outbox, schedule
        self._first = plan.first_connection
        self._indexes = np.array([line.index for line in lines], np.int64)
        self._most = max(1, min(_BLOCK_MOST, _BLOCK_BYTES // mill.frame_bytes))
        self._block, self._from, self._to = memoryview(b""), 0, 0
        self._done, self._behind = 0, False
        self.lags = array("q")
        self.next_ns = schedule.begin_ns
        self.precise = schedule.step_ns >= 400_000

    def offered(self) -> Numbers:
        """Return how many messages of each connection may be on their way, by index."""
        return self.schedule.shares(self._done)

    def prepare(self) -> None:
        """Make the next messages while there is time."""
        if self._done >= self._to and self._done < self.schedule.total:
            self._fill()

    def _fill(self) -> None:
        k = np.arange(self._done, min(self._done + self._most, self.schedule.total), dtype=np.int64)
        indexes, numbers = self._indexes[k % len(self._lines)], k // len(self._lines)
        due_ns = self.schedule.of(indexes, numbers) + self._tally.epoch_ns
        self._block = memoryview(self._mill.make(indexes + self._first, numbers, due_ns).reshape(-1))  # type: ignore[arg-type]
        self._from, self._to = self._done, self._done + len(k)

    def go(self, now_ns: int) -> bool:
        """Send what is due, a part of it when it is much; tell whether there is more."""
        if now_ns < self.next_ns and not self._behind:
            return False
        reached = self.schedule.reached(now_ns)
        if self._behind or reached - self._done > len(self._lines):
            self._together(reached)
        else:
            self._singly(min(reached, self._done + _TURN_MOST))
        self.next_ns = self.schedule.due(self._done) if self._done < self.schedule.total else _NEVER_NS
        return self._behind or self._done < reached

    def _singly(self, reached: int) -> None:
        lines, size, count, hand = self._lines, self._mill.frame_bytes, len(self._lines), self._outbox.hand
        for k in range(self._done, reached):
            if k >= self._to:
                self._done = k
                self._fill()
            line = lines[k % count]
            if line.blocked or line.ended != "open":
                continue
            line.offered += 1
            at = (k - self._from) * size
            self.lags.append(time.monotonic_ns() - self.schedule.due(k))
            hand(line, self._block[at : at + size])
        self._done = max(self._done, reached)

    def _together(self, reached: int) -> None:
        """Send all that is due, of each connection at once."""
        self._done = max(self._done, reached)
        free = [line for line in self._lines if not line.blocked and line.ended == "open"]
        shares = self.schedule.shares(reached)
        most = max(1, min(_PUSH_MOST, _PUSH_BYTES // self._mill.frame_bytes) // max(1, len(free)))
        self._behind = False
        for at in range(0, len(free), _PUSH_MOST):
            part = free[at : at + _PUSH_MOST]
            indexes = np.array([line.index for line in part], np.int64)
            owed = shares[indexes] - np.array([line.offered for line in part], np.int64)
            self._behind |= bool((owed > most).any())
            self._push(part, indexes, np.clip(owed, 0, most), count_lag=True)

    def _push(self, part: Sequence[Line], indexes: Numbers, counts: Numbers, *, count_lag: bool) -> None:
        total = int(counts.sum())
        if not total:
            return
        owners = np.repeat(indexes, counts)
        ends = np.cumsum(counts)
        first = np.array([line.offered for line in part], np.int64)
        numbers = np.arange(total) - np.repeat(ends - counts, counts) + np.repeat(first, counts)
        due_ns = self.schedule.of(owners, numbers)
        frames = self._mill.make(owners + self._first, numbers, due_ns + self._tally.epoch_ns)
        view, size, start = memoryview(frames.reshape(-1)), self._mill.frame_bytes, 0  # type: ignore[arg-type]
        stamps = np.zeros(total, np.int64)
        for line, end in zip(part, ends.tolist(), strict=True):
            if end > start:
                line.offered += end - start
                stamps[start:end] = time.monotonic_ns()
                self._outbox.hand(line, view[start * size : end * size])
            start = end
        if count_lag:
            self._tally.lags.record(stamps - due_ns)

    def resumed(self, line: Line) -> None:
        """Send what became due while a line was blocked."""
        most = max(1, _BLOCK_BYTES // self._mill.frame_bytes)
        while not line.blocked and line.ended == "open":
            owed = (self._done - int(self.schedule.positions[line.index]) + len(self._lines) - 1) // len(self._lines) - line.offered
            if owed <= 0:
                return
            self._push([line], np.array([line.index], np.int64), np.array([min(owed, most)], np.int64), count_lag=False)

    def answered(self, answers: Sequence[tuple[int, int]]) -> None:
        """Go by the clock whatever comes."""

    def settled(self) -> None:
        """Go by the clock whatever was accounted."""

    def look(self, now_ns: int) -> None:
        """Account the lags so far."""
        if self.lags:
            self._tally.lags.record(np.frombuffer(self.lags, np.int64).copy())
            self.lags = array("q")

    def finish(self, now_ns: int) -> None:
        """Note what was offered and what was due, at the end of sending."""
        self.look(now_ns)
        self._tally.due[:] = self.schedule.shares(self._done)


class Listening:
    """Sends nothing: the messages are others'."""

    precise = False
    next_ns = _NEVER_NS

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def offered(self) -> Numbers:
        """Return that none of our own are on their way."""
        return self._tally.offered

    def prepare(self) -> None:
        """Make nothing."""

    def go(self, now_ns: int) -> bool:
        """Send nothing."""
        return False

    def answered(self, answers: Sequence[tuple[int, int]]) -> None:
        """Replace nothing."""

    def resumed(self, line: Line) -> None:
        """Nothing of ours was kept back."""

    def look(self, now_ns: int) -> None:
        """Watch nothing."""

    def settled(self) -> None:
        """Replace nothing."""

    def finish(self, now_ns: int) -> None:
        """End nothing."""
