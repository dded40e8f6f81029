"""What comes back, read in bulk and accounted in bulk; whatever is unusual is read frame by frame. It must not know what is due when.

Everything readable is read into one buffer, connection after connection, so that a round of many small answers is one array. Reading,
looking at the headers and accounting are apart: the first two happen in each round, the last when there is time or enough to do.
"""

import ssl
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wsbook.probes.generator.line import Line
from wsbook.probes.generator.marks import Mark, find_marks
from wsbook.probes.generator.reader import Broken, Closed, Message, Pinged, Reader
from wsbook.probes.generator.shape import Shape, shape_of

__all__ = ["Account", "Receiver"]

_BUFFER_BYTES, _READ_BYTES = 4_194_304, 262_144
_LEARN_MOST = 100
"""Times that the pattern of answers may change, before every message is read by itself."""

Numbers = NDArray[np.int64]
_TRY_AGAIN = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Account(Protocol):
    """What the receiver hands on; the kinds of correlation differ in it."""

    def marked(self, owners: Numbers, connections: Numbers, numbers: Numbers, due_ns: Numbers, at_ns: Numbers) -> None:
        """Take marked messages of this run in the order in which they came. owners: who received; connections: who sent, by number over
        all shards; due_ns: since the epoch, as they say; at_ns: CLOCK_MONOTONIC."""

    def numbered(self, payload: bytes, text: bool) -> int | None:
        """Return the server's own number of a message; None when it has none, or when numbers are not what is counted."""

    def foreign(self, count: int) -> None:
        """Take messages that are none of ours."""


class Receiver:
    """Reads lines. answers: (index, marked messages) of each read since they were taken away; ended: called with the line, how it
    ended and its close code; pinged: with the line and what to answer. wants_numbers: whether the server's own numbers are counted."""

    def __init__(
        self,
        account: Account,
        run: bytes,
        shape: Shape | None,
        *,
        wants_numbers: bool,
        ended: Callable[[Line, str, int | None], None],
        pinged: Callable[[Line, bytes], None],
        epoch_ns: int,
    ) -> None:
        self._account, self._run, self._shape, self._epoch_ns = account, run, shape, epoch_ns
        self._wants_numbers, self._ended, self._pinged = wants_numbers, ended, pinged
        self._learnt = 0
        self._array = np.zeros(_BUFFER_BYTES, np.uint8)
        self._view = memoryview(self._array)  # type: ignore[arg-type]
        self._pos = self._checked = 0
        self._owners, self._ends, self._stamps = list[Line](), list[int](), list[int]()
        self._fresh = 0  # of the reads above, those whose headers were looked at
        self._slow: list[tuple[int, int, int, int, int]] = []
        self.answers: list[tuple[int, int]] = []

    @property
    def held(self) -> int:
        """Bytes read and not accounted yet."""
        return self._pos

    def read_all(self, lines: Sequence[Line]) -> None:
        """Read what these lines have: those that hold nothing and get whole frames here, the others in read()."""
        shape, view, clock = self._shape, self._view, time.monotonic_ns
        size, owners, ends, stamps = shape.frame_bytes if shape else 0, self._owners, self._ends, self._stamps
        for line in lines:
            start = self._pos
            unusual = line.rest or line.reader is not None or line.secure or self._shape is not shape or not size
            if unusual or start > _BUFFER_BYTES - _READ_BYTES:
                self.read(line)
                continue
            try:
                got = line.recv_into(view[start : start + _READ_BYTES])
            except OSError as error:
                self._failed(line, error)
                continue
            if got and not got % size:
                self._pos = end = start + got
                owners.append(line)
                ends.append(end)
                stamps.append(clock())
            else:
                self._got(line, start, start, got)

    def read(self, line: Line) -> None:
        """Read what a line has."""
        start, held = self._pos, len(line.rest)
        if start + held + _READ_BYTES > _BUFFER_BYTES:
            self.check()
            self.settle()
            start = 0
        at = start + held
        try:
            got = line.recv_into(self._view[at : at + _READ_BYTES])
        except OSError as error:
            self._failed(line, error)
            return
        self._got(line, start, at, got)

    def _failed(self, line: Line, error: OSError) -> None:
        """Take an error of a read; EPIPE says that a FIN came before the RST (tcp_reset() in Linux)."""
        if not isinstance(error, _TRY_AGAIN):
            self._end(line, "fin" if isinstance(error, BrokenPipeError) else "rst", None)

    def read_rest(self, line: Line) -> None:
        """Read what came together with the answer to the opening handshake."""
        if line.rest:
            data, line.rest = line.rest, b""
            self._carefully(line, data, time.monotonic_ns())

    def _got(self, line: Line, start: int, at: int, got: int) -> None:
        """Take so many bytes that were read to a place behind room for those that the line held."""
        if not got:
            self._end(line, "fin", None)
            return
        stamp = time.monotonic_ns()
        if at > start:
            self._view[start:at] = line.rest
            line.rest = b""
        shape, end = self._shape, at + got
        if shape is None or line.reader is not None:
            self._carefully(line, bytes(self._view[start:end]), stamp)
        else:
            self._quickly(line, shape, start, end, stamp)
        if line.ended == "open" and isinstance(line.sock, ssl.SSLSocket) and line.sock.pending():
            self.read(line)

    def _quickly(self, line: Line, shape: Shape, start: int, end: int, stamp: int) -> None:
        """Note the whole frames from start to end; keep what is left over."""
        left = (end - start) % shape.frame_bytes
        rest = bytes(self._view[end - left : end]) if left else b""
        if end - left > start:
            self._pos = end - left
            self._owners.append(line)
            self._ends.append(self._pos)
            self._stamps.append(stamp)
        if not rest:
            return
        if shape.begins(rest):
            line.rest = rest
        else:
            self._carefully(line, rest, stamp)

    def check(self) -> None:
        """Look at the headers of what was read since the last time; what has others is read again, frame by frame."""
        start, shape = self._checked, self._shape
        if self._pos == start or shape is None:
            return
        fresh = range(self._fresh, len(self._owners))
        if shape.fits(self._array[start : self._pos]):
            for place in fresh:
                end = self._ends[place]
                self.answers.append((self._owners[place].index, (end - start) // shape.frame_bytes))
                start = end
            self._checked, self._fresh = self._pos, len(self._owners)
            return
        reads: list[tuple[Line, bytes, int]] = []
        for place in fresh:
            line, end = self._owners[place], self._ends[place]
            reads.append((line, bytes(self._view[start:end]), self._stamps[place]))
            start = end
        del self._owners[fresh.start :], self._ends[fresh.start :], self._stamps[fresh.start :]
        self._pos = self._checked
        self.settle()
        self._again(reads)

    def _again(self, reads: Sequence[tuple[Line, bytes, int]]) -> None:
        """Read frame by frame what was read before, and what its lines have held back since."""
        rests = {line: (line.rest, stamp) for line, _, stamp in reads}
        for line in rests:
            line.rest = b""
        for line, data, stamp in (*reads, *((line, *held) for line, held in rests.items())):
            if data and line.ended == "open":
                self._carefully(line, data, stamp)

    def settle(self) -> None:
        """Account everything whose headers were looked at, and make room."""
        self._settle_slow()
        if not self._checked or self._shape is None:
            return
        frame_bytes = self._shape.frame_bytes
        now_ns = time.monotonic_ns() + self._epoch_ns
        connections, numbers, due_ns, ours = self._shape.read(self._array[: self._checked], self._run, now_ns)
        counts = np.diff(np.array(self._ends[: self._fresh]), prepend=0) // frame_bytes
        owners = np.repeat(np.array([line.index for line in self._owners[: self._fresh]]), counts)
        stamps = np.repeat(np.array(self._stamps[: self._fresh]), counts)
        assert self._pos == self._checked, "reads are looked at before they are settled"
        self._owners.clear()  # the lists stay: a round of reads holds on to them
        self._ends.clear()
        self._stamps.clear()
        self._pos = self._checked = self._fresh = 0
        if not ours.all():
            self._account.foreign(int((~ours).sum()))
            owners, connections, numbers, due_ns, stamps = (a[ours] for a in (owners, connections, numbers, due_ns, stamps))
        if len(owners):
            self._account.marked(owners, connections, numbers, due_ns, stamps)

    def _settle_slow(self) -> None:
        if self._slow:
            owners, connections, numbers, due_ns, stamps = np.array(self._slow, np.int64).T
            self._slow = []
            self._account.marked(owners, connections, numbers, due_ns, stamps)

    def _carefully(self, line: Line, data: bytes, stamp: int) -> None:
        """Read frame by frame what is not of the known shape."""
        if self._pos:
            self.check()
            self.settle()
        data, line.rest = line.rest + data, b""  # looking at what was read before may have left some
        reader = line.reader or Reader()
        marked = 0
        for taken in reader.feed(data):
            match taken:
                case Message():
                    marked += self._message(line, taken, stamp)
                case Pinged(payload=payload):
                    self._pinged(line, payload)
                case Closed(code=code):
                    self._end(line, "close", code)
                case Broken():
                    self._end(line, "garbage", None)
        if marked:
            self.answers.append((line.index, marked))
        rest = reader.rest
        line.reader = reader if rest is None or (rest and self._shape is None) else None
        line.rest = rest if rest and line.reader is None else b""

    def _message(self, line: Line, message: Message, stamp: int) -> int:
        """Take one message; return how many marks it had."""
        if self._wants_numbers:
            number = self._account.numbered(message.payload, message.text)
            if number is None:
                self._account.foreign(1)
            else:
                self._slow.append((line.index, line.index, number, 0, stamp))
            return 0
        marks = find_marks(message.payload, self._run, stamp + self._epoch_ns)
        if not marks:
            self._account.foreign(1)
        for mark in marks:
            self._slow.append((line.index, mark.connection, min(mark.number, 2**62), mark.due_ns, stamp))
        self._learn(message, marks)
        return len(marks)

    def _learn(self, message: Message, marks: list[Mark]) -> None:
        """Take the message as the pattern of those to come."""
        shape = shape_of(message, marks)
        if shape is None or shape == self._shape:
            return
        self._learnt += 1
        self._shape = shape if self._learnt < _LEARN_MOST else None

    def _end(self, line: Line, how: str, code: int | None) -> None:
        if line.ended == "open":
            self._ended(line, "rst" if how == "fin" and line.reset else how, code)
