"""Between the opening handshakes and the first message: subscribe, let welcomes pass, answer pings. It must not know the account."""

import time
from collections.abc import Sequence

from wsbook.probes.generator.line import Line
from wsbook.probes.generator.mill import CLOSE, PONG, TEXT, client_frame
from wsbook.probes.generator.outbox import Outbox
from wsbook.probes.generator.poll import READ, WRITE, new_poller
from wsbook.probes.generator.progress import Watch
from wsbook.probes.generator.receive import Numbers, Receiver

__all__ = ["farewell", "settle_down"]

_QUIET_NS, _MOST_NS = 100_000_000, 1_000_000_000
_SUBSCRIBED_NS = 250_000_000
"""A server may need so long to take a subscription in, at least."""
_FAREWELL_NS = 1_000_000_000


class _Nobody:
    """Counts nothing."""

    def marked(self, owners: Numbers, connections: Numbers, numbers: Numbers, due_ns: Numbers, at_ns: Numbers) -> None:
        """Take nothing."""

    def numbered(self, payload: bytes, text: bool) -> int | None:
        """Return no number."""

    def foreign(self, count: int) -> None:
        """Take nothing."""


class _Round:
    """Reads lines without counting anything."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.by_fd = {line.fd: line for line in lines if line.ended == "open"}
        self.poller = new_poller()
        self.outbox = Outbox(self.poller, 1)
        self._receiver = Receiver(
            _Nobody(),
            b"\0\0\0\0",
            None,
            wants_numbers=False,
            ended=self._end,
            pinged=lambda line, payload: self.outbox.control(line, client_frame(PONG, payload)),
            epoch_ns=0,
        )
        for line in list(self.by_fd.values()):
            self.poller.add(line.fd, READ)
            self._receiver.read_rest(line)

    def _end(self, line: Line, how: str, code: int | None) -> None:
        line.ended, line.close_code = how, code
        self.poller.drop(line.fd)
        del self.by_fd[line.fd]

    def turn(self, until_ns: int) -> bool:
        """Read what is there, after waiting for it; tell whether anything was."""
        self.poller.wait(until_ns, precise=False)
        ready = self.poller.now(1024)
        for fd, events in ready:
            if line := self.by_fd.get(fd):
                if events & WRITE:
                    self.outbox.resume(line)
                if events != WRITE and line.ended == "open":
                    self._receiver.read(line)
        return bool(ready)


def settle_down(lines: Sequence[Line], subscribe: str, watch: Watch) -> None:
    """Send the subscription, if any, and read until nothing comes for a moment, at most a second. Lines may end meanwhile."""
    begin_ns = quiet_ns = time.monotonic_ns()
    quiet_from_ns = begin_ns + (_SUBSCRIBED_NS if subscribe else 0)
    turns = _Round(lines)
    try:
        for line in lines:
            if subscribe and line.ended == "open":
                turns.outbox.hand(line, client_frame(TEXT, subscribe.encode()))
        now_ns = begin_ns
        while now_ns < begin_ns + _MOST_NS and not watch.over(now_ns):
            if turns.turn(min(now_ns + 20_000_000, begin_ns + _MOST_NS)):
                quiet_ns = time.monotonic_ns()
            now_ns = time.monotonic_ns()
            if now_ns - max(quiet_ns, quiet_from_ns) >= (_QUIET_NS if subscribe else _QUIET_NS // 4):
                break
    finally:
        turns.poller.close()


def farewell(lines: Sequence[Line], abort: bool = False) -> None:
    """Close politely: a close frame each, and wait until the server ends the connection, at most a second. abort: do not wait."""
    end_ns = time.monotonic_ns() + (0 if abort else _FAREWELL_NS)
    turns = _Round(lines)
    try:
        for line in list(turns.by_fd.values()):
            line.reader, line.rest = None, b""
            turns.outbox.control(line, client_frame(CLOSE, (1000).to_bytes(2, "big")))
        while turns.by_fd and time.monotonic_ns() < end_ns:
            turns.turn(end_ns)
    finally:
        turns.poller.close()
