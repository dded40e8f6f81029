"""Frames on their way to the kernel: what it does not take is kept, and its connection is left alone until it is writable again.

It must not know when messages are due, nor what is in them.
"""

import ssl
from collections.abc import Sequence

from wsbook.probes.generator.line import Line
from wsbook.probes.generator.poll import READ, WRITE, Poller

__all__ = ["Outbox"]

_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Outbox:
    """Gives bytes to the kernel, and keeps what it does not take."""

    def __init__(self, poller: Poller, frame_bytes: int) -> None:
        self._poller, self._frame_bytes = poller, frame_bytes

    def hand(self, line: Line, data: memoryview | bytes) -> None:
        """Send frames over a line that is not blocked."""
        try:
            sent = line.send(data)
        except OSError as error:
            self._failed(line, data, error)
            return
        if sent == len(data):
            return
        self._kept(line, data[sent:])

    def hand_each(self, lines: Sequence[Line], ends: Sequence[int], data: memoryview) -> None:
        """Send to each line what ends there: frames of data, counted in frames, one line's after the other's."""
        size, start = self._frame_bytes, 0
        for line, end in zip(lines, ends, strict=True):
            if end == start:
                continue
            part = data[start * size : end * size]
            start = end
            try:
                sent = line.send(part)
            except OSError as error:
                self._failed(line, part, error)
                continue
            if sent != len(part):
                self._kept(line, part[sent:])

    def _failed(self, line: Line, data: memoryview | bytes, error: OSError) -> None:
        """Keep what was not sent: for later, or for good when the line is broken; then reading tells that it ended, but no longer how."""
        self._kept(line, data)
        if not isinstance(error, _LATER):
            line.reset = isinstance(error, ConnectionResetError)
            self._poller.change(line.fd, READ)

    def _kept(self, line: Line, data: memoryview | bytes) -> None:
        line.waiting, line.blocked = bytes(data), True
        line.owed = -(-len(line.waiting) // self._frame_bytes)
        self._poller.change(line.fd, READ | WRITE)

    def control(self, line: Line, frame: bytes) -> None:
        """Send a control frame when nothing waits before it; a peer that does not read would not see it anyway."""
        if not line.blocked:
            self.hand(line, frame)
            line.owed = 0

    def resume(self, line: Line) -> bool:
        """Send what waits over a line that is writable; tell whether all of it left."""
        try:
            sent = line.sock.send(line.waiting)
        except _LATER:
            return False
        except OSError as error:
            line.reset = isinstance(error, ConnectionResetError)
            self._poller.change(line.fd, READ)
            return False
        line.waiting = line.waiting[sent:]
        line.owed = min(line.owed, -(-len(line.waiting) // self._frame_bytes))
        if line.waiting:
            return False
        line.blocked = False
        self._poller.change(line.fd, READ)
        return True
