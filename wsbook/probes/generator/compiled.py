"""The compiled loop's side in Python: whether it suits a plan, its memory, and what it leaves to be decided.

``compiled_loop.py`` sends and receives in slices of time. Between them numbers out of order go to the account, frames that are none of
our messages to the careful reader, and progress to whoever watches. numba is imported when the loop is prepared, not before.
"""

import contextlib
import ctypes
import gc
import os
import select
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from wsbook.attempt import Attempt
from wsbook.histogram import Histogram
from wsbook.load_plan import LoadPlan
from wsbook.probes.generator.compiled_books import BOOKS, EVENT, LINE
from wsbook.probes.generator.correlate import correlation_of
from wsbook.probes.generator.line import Line
from wsbook.probes.generator.marks import find_marks
from wsbook.probes.generator.mill import CLOSE, PONG, Mill, client_frame
from wsbook.probes.generator.progress import Progress, Watch
from wsbook.probes.generator.reader import Broken, Closed, Message, Pinged, Reader, Taken
from wsbook.probes.generator.send import Schedule
from wsbook.probes.generator.tally import Tally
from wsbook.probes.generator.windows import Windows

__all__ = ["drive", "prepare", "suits"]

MOST_PAYLOAD, MOST_MEMORY = 65_535, 1 << 30
_SLICE_NS, _TICK_NS = 20_000_000, 10_000_000
"""Of a rate, how long a slice is; of a window, which ticks are held against the clock: their lateness is the generator's lag."""
_STOPPED_NS = 500_000_000
_SECOND_COPY_NS, _SECOND_COPY_MOST_NS = 50_000_000, 500_000_000
"""As drive.py has them."""
_CONTROL_BYTES = 131
"""Of a pong, the longest thing beside messages that is sent."""
_FAR = 2**62
_LOOP = "wsbook.probes.generator.compiled_loop"


def suits(plan: LoadPlan, lines: Sequence[Line]) -> str:
    """Return why the compiled loop cannot carry out the plan over these connections, "" when it can."""
    if sys.platform != "linux" or sys.byteorder != "little":
        return "it needs Linux on a little-endian machine"
    if plan.answered_by != "echo" or plan.template:
        return "it knows echoes of binary messages only"
    if plan.attempt.endpoint.secure or any(line.secure for line in lines):
        return "it does not speak TLS"
    if plan.size_bytes > MOST_PAYLOAD or 2 * len(lines) * (plan.size_bytes + 32) > MOST_MEMORY:
        return "the messages are too large"
    if any(line.blocked for line in lines):
        return "a connection took no more before the begin"
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        return "NUMBA_DISABLE_JIT is set"
    return ""


def prepare(say: Callable[[Progress], None] | None = None) -> str:
    """Compile the loop, or take it from numba's cache; the first time on a machine it takes seconds.

    Returns: why there is none here, "" when there is.
    """
    if say is not None:
        say(Progress(phase="compiling"))
    plan = LoadPlan(attempt=Attempt(url="ws://127.0.0.1:9/"), connections=1, window=1, seconds=0.01, drain_s=0.0)
    try:
        loop = _Loop([], plan, Tally(plan, "00000000"), Watch())
        try:
            loop.advance(0)
        finally:
            loop.close()
    except Exception as error:  # numba's own refusals of an interpreter, of numpy, of code and of a system have no common class
        return f"numba does not work here: {type(error).__name__}: {error}"[:300]
    return ""


def drive(lines: Sequence[Line], plan: LoadPlan, tally: Tally, watch: Watch) -> Tally:
    """Carry out the sending; see ``drive.drive``, whose place it takes for plans that suit."""
    loop = _Loop(lines, plan, tally, watch)
    collected = gc.isenabled()
    gc.disable()  # a collection would make us late
    try:
        loop.run()
    finally:
        loop.close()
        if collected:
            gc.enable()
    return tally


class _Loop:
    """One run's memory, and what is done between slices."""

    def __init__(self, lines: Sequence[Line], plan: LoadPlan, tally: Tally, watch: Watch) -> None:
        self.code, self.plan, self.tally, self.watch, self.held = import_module(_LOOP), plan, tally, watch, list(lines)
        self.mill = Mill(bytes.fromhex(tally.run), plan.size_bytes)
        self.schedule = Schedule(plan, self.held, tally.begin_ns) if plan.rate else None
        self.account = correlation_of(plan, tally, self.schedule.of if self.schedule else None, lambda: tally.offered)
        self.end_ns = tally.begin_ns + round(plan.seconds * 1e9)
        self.tick_ns, self.full_ns, self.phase = tally.begin_ns, 0, "sending"
        self.timer, self.poller = _timer(), select.epoll()
        self.table = self._table()
        self.memory = self._memory()
        self.books = self._books()
        self.windows = Windows(tally, self.table, plan.window) if plan.window else None
        self.poller.register(self.timer, select.EPOLLIN)
        for place, line in enumerate(self.held):
            self.poller.register(line.fd, select.EPOLLIN)
            if line.rest or line.reader:
                rest, line.rest = line.rest, b""
                self._odd(place, rest, time.monotonic_ns())

    def _table(self) -> Any:
        """Return the lines as the loop sees them."""
        table = np.zeros(max(1, len(self.held)), LINE)
        for place, line in enumerate(self.held):
            table[place]["fd"], table[place]["place"], table[place]["index"], table[place]["alive"] = line.fd, place, line.index, 1
        return table

    def _memory(self) -> dict[str, Any]:
        """Return the arrays of the books by name. Pages that nothing is written to are never there."""
        code, tally = self.code, self.tally
        intervals, fds = len(tally.arrived), [self.timer, *(line.fd for line in self.held)]
        row = max(self.mill.frame_bytes, _CONTROL_BYTES)
        places = np.full(max(fds) + 1, -1, np.int64)
        places[fds[1:]] = np.arange(len(self.held))
        return {
            "base": np.frombuffer(self.mill.base.ljust(len(self.mill.base) + 8, b"\0"), np.uint8),
            "offered": tally.offered,
            "received": tally.received,
            "upcoming": tally.upcoming,
            "arrived": tally.arrived,
            "latencies": tally.latencies.counts,
            "lags": tally.lags.counts,
            "by_due": np.zeros((intervals, len(Histogram(code.COARSE).counts)), np.int64),
            "spans": np.tile(np.array((_FAR, -1), np.int64), (intervals, 1)),
            "places": places,
            "events": np.zeros(code.MOST_EVENTS, EVENT),
            "room": np.zeros(code.ROOM, np.uint8),
            "out": np.zeros(max(code.ROOM, self.mill.frame_bytes) + 8, np.uint8),
            "kept": np.zeros((len(self.table), row), np.uint8),
            "unsent": np.zeros((len(self.table), row), np.uint8),
            "masks": np.zeros(code.MASKS, np.uint32),
            "ready": np.zeros(code.READY + 16, np.uint8),
            "clock": np.zeros(6, np.int64),
        }

    def _books(self) -> Any:
        code, plan, tally, memory = self.code, self.plan, self.tally, self.memory
        values = {
            "senders": len(self.held),
            "payload": self.mill.payload_bytes,
            "window": plan.window,
            "total": self.schedule.total if self.schedule else 0,
            "first": plan.first_connection,
            "begin": tally.begin_ns,
            "end": self.end_ns,
            "epoch": tally.epoch_ns,
            "interval": tally.interval_ns,
            "intervals": len(tally.arrived),
            "poller": self.poller.fileno(),
            "timer": self.timer,
            "run": int.from_bytes(self.mill.run, "little"),
            "period": self.schedule.step_ns if self.schedule else 0.0,
            "row": memory["unsent"].shape[1],
            "due_row": memory["by_due"].shape[1],
            "mask": code.MASKS,
            "touch": 1,
            "lag_low": _FAR,
            "lag_high": -1,
        }
        books = np.zeros(1, BOOKS)
        for name, value in (*values.items(), *((name, array.ctypes.data) for name, array in memory.items())):
            books[name] = value
        return books

    def close(self) -> None:
        """Give the descriptors back; the connections stay open."""
        self.poller.close()
        os.close(self.timer)

    def run(self) -> None:
        """Send, then wait for what is outstanding."""
        cpu_s, begin_ns, now_ns = time.thread_time(), time.monotonic_ns(), time.monotonic_ns()
        last_ns = self._carry_on(now_ns, self.end_ns)
        stopped = self.watch.stopped
        self.tally.end_ns = min(last_ns, self.end_ns)
        if last_ns < self.end_ns:  # nothing more becomes due
            self.books["end"], self.books["total"] = last_ns, self.books["next"]
        if self.schedule:
            self.tally.due[:] = self.schedule.shares(int(self.books[0]["total"]))
        drain_ns = round(self.plan.drain_s * 1e9)
        self.phase = "waiting"
        self._carry_on(last_ns, last_ns + (min(drain_ns, _STOPPED_NS) if stopped else drain_ns))
        self.tally.cpu_s, self.tally.wall_s = time.thread_time() - cpu_s, (time.monotonic_ns() - begin_ns) / 1e9
        self._sum_up()

    def _carry_on(self, now_ns: int, until_ns: int) -> int:
        """Run slices until an instant or until this phase is over; return when that was."""
        stopped = self.watch.stopped
        while now_ns < until_ns and self.table["alive"].any() and self.watch.over(now_ns) == stopped and not self._is_over(now_ns):
            self.advance(self._slice_end(now_ns, until_ns))
            now_ns = time.monotonic_ns()
            if self.windows:
                self._tick(now_ns)
                self.tally.mark(min(now_ns, self.end_ns))
                if self.windows.look(now_ns):
                    self.books["touch"] = 1
            self.watch.tell(now_ns, partial(self._progress, now_ns))
        return now_ns

    def _slice_end(self, now_ns: int, until_ns: int) -> int:
        begin_ns = self.tally.begin_ns
        if now_ns < begin_ns:
            return min(now_ns + _SLICE_NS, begin_ns)
        return min(self.tick_ns if self.windows else now_ns + _SLICE_NS, until_ns)

    def _tick(self, now_ns: int) -> None:
        """Note how late the ticks are that passed: the lag of a loop that has no due times."""
        if now_ns < self.tick_ns:
            return
        passed = np.arange(self.tick_ns, now_ns + 1, _TICK_NS)
        self.tally.lags.record(now_ns - passed)
        self.tick_ns = int(passed[-1]) + _TICK_NS

    def advance(self, until_ns: int) -> None:
        """Run one slice and decide what it left."""
        state, tally = self.books[0], self.tally
        odd = self.code.advance(self.books, self.table, until_ns)
        if state["foreign"]:
            tally.foreign += int(state["foreign"])
            state["foreign"] = 0
        if state["noted"]:
            for event in self.memory["events"][: int(state["noted"])].tolist():
                self._settle(*event)
        if odd:
            start, length = int(state["odd_start"]), int(state["odd_bytes"])
            self._odd(int(state["odd_line"]), self.memory["room"][start : start + length].tobytes(), int(state["came_at"]))

    def _settle(self, kind: int, place: int, number: int, end: int, due_ns: int, at_ns: int) -> None:
        """Count one event of a slice."""
        code, tally, index = self.code, self.tally, self.held[place].index
        if kind == code.GAP:
            tally.gap(index, number, end)
        elif kind == code.LATE:
            if tally.late(index, index, number):
                tally.received[index] += 1
                tally.time(np.array([due_ns]), np.array([at_ns]))
                self.books["touch"] = 1
        else:
            self._ended(place, "fin" if kind == code.FIN else "rst")

    def _ended(self, place: int, how: str, code: int | None = None) -> None:
        line, tally = self.held[place], self.tally
        if line.ended != "open":
            return
        line.ended = tally.ended[line.index] = how
        line.close_code = tally.close_codes[line.index] = code
        if self.table[place]["alive"]:
            self.table[place]["alive"] = 0
            with contextlib.suppress(OSError):
                self.poller.unregister(line.fd)

    def _odd(self, place: int, data: bytes, at_ns: int) -> None:
        """Read bytes of a line carefully, and give the line back to the compiled loop where a frame begins."""
        line, entry = self.held[place], self.table[place]
        reader = line.reader or Reader()
        for taken in reader.feed(data):
            self._taken(place, taken, at_ns)
        rest = reader.rest
        fits = rest is not None and len(rest) < self.mill.frame_bytes - 4
        entry["scalar"], line.reader = int(not fits), None if fits else reader
        if rest and fits:
            self.memory["kept"][place, : len(rest)] = np.frombuffer(rest, np.uint8)
        entry["kept"] = len(rest) if rest and fits else 0
        self.books["touch"] = 1

    def _taken(self, place: int, taken: Taken, at_ns: int) -> None:
        match taken:
            case Message():
                self._message(self.held[place].index, taken, at_ns)
            case Pinged(payload=payload):
                self._control(place, client_frame(PONG, payload))
            case Closed(code=code):
                self._control(place, client_frame(CLOSE, b"" if code == 1005 else code.to_bytes(2, "big")))
                self._ended(place, "close", code)
            case Broken():
                self._ended(place, "garbage")

    def _message(self, index: int, message: Message, at_ns: int) -> None:
        """Count a message that came in an unusual form."""
        marks = find_marks(message.payload, self.mill.run, at_ns + self.tally.epoch_ns)
        if not marks:
            self.account.foreign(1)
        for mark in marks:
            row = (index, mark.connection, min(mark.number, _FAR), mark.due_ns, at_ns)
            self.account.marked(*(np.array([value], np.int64) for value in row))

    def _control(self, place: int, frame: bytes) -> None:
        """Send a control frame when nothing waits before it; a peer that does not read would not see it anyway."""
        entry, line, sent = self.table[place], self.held[place], 0
        if entry["blocked"] or entry["deaf"]:
            return
        with contextlib.suppress(BlockingIOError):
            try:
                sent = line.sock.send(frame)
            except (ConnectionError, TimeoutError):  # reading tells how it ended
                return
        if rest := frame[sent:]:
            self.memory["unsent"][place, : len(rest)] = np.frombuffer(rest, np.uint8)
            entry["waiting"], entry["blocked"], entry["control"] = len(rest), 1, 1
            self.poller.modify(line.fd, select.EPOLLIN | select.EPOLLOUT)

    def _outstanding(self) -> bool:
        alive = self.table["index"][self.table["alive"] > 0]
        return bool((self.tally.offered[alive] > self.tally.received[alive]).any())

    def _is_over(self, now_ns: int) -> bool:
        """Tell, while waiting, whether everything came and no second copies follow."""
        if self.phase == "sending":
            return False
        self._sum_up()
        if self._outstanding():
            self.full_ns = 0
            return False
        self.full_ns = self.full_ns or now_ns
        more_ns = 2 * (self.tally.latencies.max or 0.0)
        return now_ns - self.full_ns >= min(max(more_ns, _SECOND_COPY_NS), _SECOND_COPY_MOST_NS)

    def _progress(self, now_ns: int) -> Progress:
        self._sum_up()
        tally = self.tally
        p99, lag = tally.latencies.quantile(0.99), tally.lags.quantile(0.99)
        return Progress(
            phase=self.phase,
            at_s=max(0.0, (now_ns - tally.begin_ns) / 1e9),
            opened=int((self.table["alive"] > 0).sum()),
            sent=int(tally.sent.sum()),
            received=int(tally.received.sum()),
            outstanding=max(0, int(tally.offered.sum() - tally.received.sum())),
            p99_s=None if p99 is None else p99 / 1e9,
            lag_s=(lag or 0.0) / 1e9,
        )

    def _sum_up(self) -> None:
        """Bring into the account what only the books know."""
        tally, table, state = self.tally, self.table, self.books[0]
        for place, line in enumerate(self.held):
            waiting = int(table[place]["waiting"])
            line.waiting, line.blocked = self.memory["unsent"][place, :waiting].tobytes(), bool(table[place]["blocked"])
            line.owed, line.offered = int(waiting > 0 and not table[place]["control"]), int(tally.offered[line.index])
            tally.sent[line.index] = line.offered - line.owed
        if state["lag_high"] >= 0:
            tally.lags.include(float(max(0, state["lag_low"])), float(state["lag_high"]))
        by_due, spans = self.memory["by_due"], self.memory["spans"]
        for interval in np.flatnonzero(spans[:, 1] >= 0).tolist():
            low, high = spans[interval].tolist()
            found = tally.by_due[interval] or Histogram(self.code.COARSE)
            found.counts += by_due[interval]
            found.include(float(low), float(high))
            tally.latencies.include(float(low), float(high))
            tally.by_due[interval] = found
            by_due[interval], spans[interval] = 0, (_FAR, -1)


def _timer() -> int:
    """Return a timer's descriptor (timerfd_create(2), CLOCK_MONOTONIC, non-blocking); Python has it from 3.13 on."""
    found = ctypes.CDLL(None, use_errno=True).timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    if found < 0:
        raise OSError(ctypes.get_errno(), "no timer could be had")
    return int(found)
