"""Slow readers beside the counted connections: they ask for messages and read little or nothing, in a thread of their own.

It must not know the account: nothing of theirs is counted.
"""

import ssl
import threading
import time
from collections.abc import Sequence
from types import TracebackType

import numpy as np

from wsbook.load_plan import LoadPlan
from wsbook.probes.generator.line import Line
from wsbook.probes.generator.mill import Mill

__all__ = ["SlowReaders"]

_TURN_S = 0.05
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class SlowReaders:
    """Runs them while it is entered. Of an echo they send at the pace of the others, as long as the peer takes it; of a broadcast and of a
    sequence they only listen."""

    def __init__(self, plan: LoadPlan, run: str, lines: Sequence[Line]) -> None:
        self._plan, self._lines = plan, [line for line in lines if line.ended == "open"]
        self._mill = Mill(bytes.fromhex(run), plan.size_bytes, plan.template) if plan.answered_by == "echo" else None
        self._pace = plan.rate / plan.connections if plan.rate else plan.window / _TURN_S
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slow readers", daemon=True)

    def __enter__(self) -> "SlowReaders":
        if self._lines:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        if self._lines:
            self._thread.join()

    def _run(self) -> None:
        begin, turn_s, read = time.monotonic(), _TURN_S, 0.0
        while not self._stop.wait(turn_s):
            spent = time.monotonic() - begin
            allowance = int(spent * self._plan.slow_bytes_per_s - read)
            read += allowance
            for line in self._lines:
                if self._stop.is_set():
                    return
                self._read(line, min(allowance, 1_048_576))
                if self._mill is not None and line.ended == "open":
                    self._write(line, int(spent * self._pace), self._mill)

    def _read(self, line: Line, allowance: int) -> None:
        while allowance > 0 and line.ended == "open":
            try:
                data = line.sock.recv(min(allowance, 65_536))
            except _LATER:
                return
            except OSError:
                line.ended = "rst"
                return
            allowance -= len(data)
            if not data:
                line.ended = "fin"

    def _write(self, line: Line, due: int, mill: Mill) -> None:
        """Send what is due, at most a handful; a line that takes no more is left alone from then on."""
        count = min(due - line.offered, 64)
        if line.blocked or count <= 0:
            return
        numbers = np.arange(line.offered, line.offered + count, dtype=np.int64)
        frames = mill.make(np.full(count, self._plan.first_connection + line.index), numbers, np.full(count, time.time_ns()))
        try:
            line.blocked = line.sock.send(frames.tobytes()) < frames.size
        except _LATER:
            line.blocked = True
        except OSError:
            line.ended = "rst"
        line.offered += count
