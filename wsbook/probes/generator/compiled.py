"""The compiled loop's side in Python: whether it suits, its memory, and what it leaves to be decided.

``compiled_loop.py`` sends and receives in slices of 20 ms. Between them numbers out of order go to the account, frames that are none of
our messages to the careful reader, and progress to whoever watches. numba is imported when a loop is prepared, not before.
"""

import contextlib
import ctypes
import os
import select
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from wsbook.attempt import Attempt
from wsbook.histogram import Histogram
from wsbook.load_plan import LoadPlan
from wsbook.probes.generator.line import Line
from wsbook.probes.generator.marks import find_marks
from wsbook.probes.generator.mill import PONG, Mill, client_frame
from wsbook.probes.generator.progress import Progress, Watch
from wsbook.probes.generator.reader import Broken, Closed, Message, Pinged, Reader, Taken
from wsbook.probes.generator.tally import Tally

__all__ = ["drive", "prepare", "suits"]

MOST_PAYLOAD, MOST_MEMORY = 65_535, 1 << 30
_SLICE_NS, _QUIET_NS = 20_000_000, 500_000_000
_CONTROL_BYTES = 131
"""Of a pong, the longest thing beside messages that is sent."""
_FAR = 2**62


def suits(plan: LoadPlan, lines: Sequence[Line]) -> str:
    """Return why the compiled loop cannot carry out the plan over these connections, "" when it can."""
    if sys.platform != "linux" or sys.byteorder != "little":
        return "the compiled loop needs Linux"
    if find_spec("numba") is None:
        return "numba is not installed (extra fast)"
    if plan.answered_by != "echo" or plan.template:
        return "the compiled loop knows echoes of binary messages only"
    if any(line.secure for line in lines):
        return "the compiled loop does not speak TLS"
    if plan.size_bytes > MOST_PAYLOAD or 2 * len(lines) * (plan.size_bytes + 32) > MOST_MEMORY:
        return "the messages are too large for the compiled loop"
    return ""


def prepare(say: Callable[[Progress], None] | None = None) -> None:
    """Compile the loop or take it from numba's cache; takes seconds the first time on a machine.

    Raises:
        ImportError: numba is not there or does not work here.
    """
    if say is not None:
        say(Progress(phase="compiling"))
    plan = LoadPlan(attempt=Attempt(url="ws://127.0.0.1:9/"), connections=1, window=1, seconds=0.01, drain_s=0.0)
    tally = Tally(plan, "00000000")
    loop = _Loop([], plan, tally)
    try:
        loop.advance(0)
    finally:
        loop.close()


def drive(lines: Sequence[Line], plan: LoadPlan, tally: Tally, watch: Watch) -> Tally:
    """Carry out the sending; see ``drive.drive``, whose place it takes. The plan suits."""
    loop = _Loop(lines, plan, tally)
    wall_ns, cpu_ns = time.monotonic_ns(), time.process_time_ns()
    try:
        loop.run(watch)
    finally:
        loop.close()
        tally.wall_s, tally.cpu_s = (time.monotonic_ns() - wall_ns) / 1e9, (time.process_time_ns() - cpu_ns) / 1e9
    return tally


class _Loop:
    """One run's memory and what is done between slices."""

    def __init__(self, lines: Sequence[Line], plan: LoadPlan, tally: Tally) -> None:
        from wsbook.probes.generator import compiled_loop

        self.code, self.plan, self.tally, self.held = compiled_loop, plan, tally, list(lines)
        self.mill = Mill(bytes.fromhex(tally.run), plan.size_bytes)
        self.timer = _timer()
        self.poller = select.epoll()
        self.readers: dict[int, Reader] = {}
        self.pongs: dict[int, bytes] = {}
        self.end_ns = tally.begin_ns + round(plan.seconds * 1e9)
        self.table = self._table()
        self.books = self._books()
        self.poller.register(self.timer, select.EPOLLIN)
        for place, line in enumerate(self.held):
            self.poller.register(line.fd, select.EPOLLIN)
            if line.rest:
                self._odd(place, line.rest, time.monotonic_ns())

    def _table(self) -> Any:
        """Return the lines as the loop sees them."""
        table = np.zeros(max(1, len(self.held)), self.code.LINE)
        for place, line in enumerate(self.held):
            table[place]["fd"], table[place]["place"], table[place]["index"], table[place]["alive"] = line.fd, place, line.index, 1
        return table

    def _books(self) -> Any:
        code, tally, size = self.code, self.tally, self.mill.frame_bytes
        intervals, fds = len(tally.arrived), [self.timer, *(line.fd for line in self.held)]
        row = max(size, _CONTROL_BYTES)
        self.memory = {
            "base": np.frombuffer(self.mill.base.ljust(len(self.mill.base) + 8, b"\0"), np.uint8),
            "offered": tally.offered,
            "received": tally.received,
            "upcoming": tally.upcoming,
            "arrived": tally.arrived,
            "latencies": tally.latencies.counts,
            "lags": tally.lags.counts,
            "by_due": np.zeros((intervals, len(Histogram(code.COARSE).counts)), np.int64),
            "spans": np.tile(np.array((_FAR, -1), np.int64), (intervals, 1)),
            "places": np.full(max(fds) + 1, -1, np.int64),
            "events": np.zeros(code.MOST_EVENTS, code.EVENT),
            "room": np.zeros(code.ROOM, np.uint8),
            "out": np.zeros(max(code.ROOM, size) + 8, np.uint8),
            "kept": np.zeros((len(self.table), row), np.uint8),
            "unsent": np.zeros((len(self.table), row), np.uint8),
            "masks": np.zeros(code.MASKS, np.uint32),
            "ready": np.zeros(code.READY + 16, np.uint8),
            "clock": np.zeros(6, np.int64),
        }
        self.memory["places"][fds[1:]] = np.arange(len(self.held))
        books = np.zeros(1, code.BOOKS)
        for name, array in self.memory.items():
            books[name] = array.ctypes.data
        for name, value in self._plan().items():
            books[name] = value
        books["row"], books["due_row"], books["intervals"] = row, self.memory["by_due"].shape[1], intervals
        books["mask"], books["touch"], books["lag_low"], books["lag_high"] = code.MASKS, 1, _FAR, -1
        return books

    def _plan(self) -> dict[str, float]:
        plan, tally = self.plan, self.tally
        return {
            "senders": len(self.held),
            "payload": self.mill.payload_bytes,
            "window": plan.window,
            "total": int(np.ceil(plan.rate * plan.seconds - 1e-9)),
            "first": plan.first_connection,
            "begin": tally.begin_ns,
            "end": self.end_ns,
            "epoch": tally.epoch_ns,
            "interval": tally.interval_ns,
            "poller": self.poller.fileno(),
            "timer": self.timer,
            "run": int.from_bytes(bytes.fromhex(tally.run), "little"),
            "period": 1e9 / plan.rate if plan.rate else 0.0,
        }

    def close(self) -> None:
        """Give the descriptors back; the connections stay open."""
        self.poller.close()
        os.close(self.timer)

    def run(self, watch: Watch) -> None:
        """Send, then wait for what is outstanding."""
        last_ns = self.end_ns + round(self.plan.drain_s * 1e9)
        now_ns = time.monotonic_ns()
        while not watch.over(now_ns) and now_ns < last_ns and not self._done(now_ns):
            watch.tell(now_ns, lambda at_ns=now_ns: self._progress(at_ns))
            self.advance(self._until(now_ns))
            now_ns = time.monotonic_ns()
            self.tally.mark(now_ns)
        self._finish(min(now_ns, self.end_ns))

    def _until(self, now_ns: int) -> int:
        """Return when the next slice ends: at the latest with the interval, with sending, or before it begins."""
        tally, until = self.tally, now_ns + _SLICE_NS
        if now_ns < tally.begin_ns:
            return min(until, tally.begin_ns)
        passed = now_ns - tally.begin_ns
        until = min(until, now_ns - passed % tally.interval_ns + tally.interval_ns)
        return min(until, self.end_ns) if now_ns < self.end_ns else until

    def advance(self, until_ns: int) -> None:
        """Run one slice and decide what it left."""
        state, tally = self.books[0], self.tally
        odd = self.code.advance(self.books, self.table, until_ns)
        tally.foreign += int(state["foreign"])
        state["foreign"] = 0
        for event in self.memory["events"][: int(state["noted"])].tolist():
            self._settle(*event)
        if odd:
            start, length = int(state["odd_start"]), int(state["odd_bytes"])
            self._odd(int(state["odd_line"]), self.memory["room"][start : start + length].tobytes(), int(state["came_at"]))
        for place in [place for place in self.pongs if not self.table[place]["blocked"]]:
            self._pong(place, self.pongs.pop(place))

    def _settle(self, kind: int, place: int, number: int, end: int, due_ns: int, at_ns: int) -> None:
        """Count one event of a slice."""
        code, tally, line = self.code, self.tally, self.held[place]
        if kind == code.GAP:
            tally.gap(line.index, number, end)
        elif kind == code.LATE:
            if tally.late(line.index, line.index, number):
                tally.received[line.index] += 1
                tally.time(np.array([due_ns]), np.array([at_ns]))
                self.books[0]["touch"] = 1
        else:
            self._ended(place, "fin" if kind == code.FIN else "rst")

    def _ended(self, place: int, how: str, code: int | None = None) -> None:
        line, tally = self.held[place], self.tally
        line.ended = tally.ended[line.index] = how
        line.close_code = tally.close_codes[line.index] = code
        if self.table[place]["alive"]:
            self.table[place]["alive"] = 0
            with contextlib.suppress(OSError):
                self.poller.unregister(line.fd)

    def _odd(self, place: int, data: bytes, at_ns: int) -> None:
        """Read bytes of a line carefully, and give the line back to the compiled loop at the next begin of a frame."""
        reader, entry = self.readers.setdefault(place, Reader()), self.table[place]
        for taken in reader.feed(data):
            self._taken(place, taken, at_ns)
        rest = reader.rest
        entry["scalar"] = int(rest is None or len(rest) >= self.mill.frame_bytes - 4)
        if rest is not None and not entry["scalar"]:
            self.memory["kept"][place, : len(rest)] = np.frombuffer(rest, np.uint8)
            entry["kept"] = len(rest)
            del self.readers[place]
        self.books[0]["touch"] = 1

    def _taken(self, place: int, taken: Taken, at_ns: int) -> None:
        if isinstance(taken, Message):
            self._message(self.held[place].index, taken, at_ns)
        elif isinstance(taken, Pinged):
            self.pongs[place] = taken.payload
        elif isinstance(taken, Closed):
            self._ended(place, "close", taken.code)
        elif isinstance(taken, Broken):
            self._ended(place, "garbage")

    def _message(self, index: int, message: Message, at_ns: int) -> None:
        """Count a message that came in an unusual form."""
        tally = self.tally
        marks = find_marks(message.payload, bytes.fromhex(tally.run), at_ns + tally.epoch_ns)
        mark = marks[0] if marks else None
        if mark is None or mark.connection != self.plan.first_connection + index or not 0 <= mark.number < tally.offered[index]:
            tally.foreign += 1
        elif tally.one(index, index, mark.number):
            tally.time(np.array([mark.due_ns - tally.epoch_ns]), np.array([at_ns]))

    def _pong(self, place: int, payload: bytes) -> None:
        """Answer a ping between two messages."""
        frame, sent, line = client_frame(PONG, payload), 0, self.held[place]
        try:
            sent = line.sock.send(frame)
        except BlockingIOError:
            pass
        except OSError:
            return
        if rest := frame[sent:]:
            entry = self.table[place]
            self.memory["unsent"][place, : len(rest)] = np.frombuffer(rest, np.uint8)
            entry["waiting"], entry["blocked"] = len(rest), 1
            self.poller.modify(line.fd, select.EPOLLIN | select.EPOLLOUT)

    def _outstanding(self) -> int:
        alive = [line.index for line in self.held if line.ended == "open"]
        return int((self.tally.offered[alive] - self.tally.received[alive]).sum())

    def _done(self, now_ns: int) -> bool:
        """Tell whether nothing more is to be waited for."""
        if now_ns < self.end_ns:
            return not self.table["alive"].any()
        quiet_from = max(self.end_ns, int(self.books[0]["came_at"]))
        return now_ns - quiet_from > _QUIET_NS or (self._outstanding() == 0 and now_ns - quiet_from > _SLICE_NS)

    def _progress(self, now_ns: int) -> Progress:
        tally = self.tally
        p99, lag = tally.latencies.quantile(0.99), tally.lags.quantile(0.99)
        return Progress(
            phase="sending" if now_ns < self.end_ns else "waiting",
            at_s=max(0.0, (now_ns - tally.begin_ns) / 1e9),
            opened=len(self.held),
            sent=int(tally.offered.sum()),
            received=int(tally.received.sum()),
            outstanding=self._outstanding(),
            p99_s=None if p99 is None else p99 / 1e9,
            lag_s=(lag or 0.0) / 1e9,
        )

    def _finish(self, end_ns: int) -> None:
        """Fill in what the account has only at the end."""
        tally, table, plan = self.tally, self.table, self.plan
        tally.end_ns = end_ns
        for place, line in enumerate(self.held):
            waiting = int(table[place]["waiting"])
            line.waiting, line.blocked = self.memory["unsent"][place, :waiting].tobytes(), bool(table[place]["blocked"])
            line.offered = int(tally.offered[line.index])
            tally.sent[line.index] = line.offered - bool(waiting)
            if plan.rate:
                total = min(int(self.books[0]["total"]), int(np.ceil(plan.rate * max(0, end_ns - tally.begin_ns) / 1e9)))
                tally.due[line.index] = max(0, (total - place + len(self.held) - 1) // len(self.held))
        low, high = int(self.books[0]["lag_low"]), int(self.books[0]["lag_high"])
        if high >= 0:
            tally.lags.include(max(0, low), high)
        for interval, (low, high) in enumerate(self.memory["spans"].tolist()):
            if high >= 0:
                found = tally.by_due[interval] or Histogram(self.code.COARSE)
                found.counts += self.memory["by_due"][interval]
                found.include(low, high)
                tally.latencies.include(low, high)
                tally.by_due[interval] = found


def _timer() -> int:
    """Return a timer's descriptor (timerfd_create(2), CLOCK_MONOTONIC, non-blocking); Python has it from 3.13 on."""
    found = ctypes.CDLL(None, use_errno=True).timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    if found < 0:
        raise OSError(ctypes.get_errno(), "no timer could be had")
    return int(found)
