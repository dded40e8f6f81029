"""The frames of a session on their way to a browser, in batches, as fast as the browser takes them. It must not know the widget."""

import time

import msgspec

from wsbook.probes.console_session import ConsoleSession

__all__ = ["FrameStream"]

_BATCH_ROWS, _BATCH_CHARS = 2_000, 1 << 20
_UNTOLD_ROWS, _UNTOLD_CHARS = 20_000, 16 << 20
"""More than this waits for the browser, and we read no more until half of it is gone."""
_ON_THE_WAY = 4
"""Batches that the browser has not confirmed."""
_GONE_S = 5.0
"""A browser that confirms nothing for so long is not waited for."""


class FrameStream:
    """What of one session has been told to the browser, and whether the browser keeps up."""

    def __init__(self, session: ConsoleSession, connection: int) -> None:
        self.session, self.connection = session, connection
        self.lost = 0
        self._told = 0
        self._sent: list[int] = []
        self._heard = time.monotonic()

    def confirm(self, n: int) -> None:
        """Note that the browser has the rows up to n."""
        self._sent = [last for last in self._sent if last > n]
        self._heard = time.monotonic()
        self.session.changed.set()

    def again(self) -> None:
        """Tell everything that is kept once more: another view has come."""
        self._told = self.lost = 0
        self._sent.clear()
        self.confirm(0)

    @property
    def watched(self) -> bool:
        """Whether somebody confirms what is told."""
        return not self._sent or time.monotonic() - self._heard < _GONE_S

    @property
    def complete(self) -> bool:
        """Whether everything has been told."""
        return self._told >= self.session.ring.total

    def hold(self) -> None:
        """Read on or not, as the browser keeps up."""
        if not self.watched:
            self.session.slow(False)
            return
        rows, chars = self.session.ring.waiting(self._told)
        if rows > _UNTOLD_ROWS or chars > _UNTOLD_CHARS:
            self.session.slow(True)
        elif rows < _UNTOLD_ROWS // 2 and chars < _UNTOLD_CHARS // 2:
            self.session.slow(False)

    def batch(self) -> bytes:
        """Return the next rows as JSON; b"" when there are none, or too many are on their way."""
        if len(self._sent) >= _ON_THE_WAY:
            return b""
        rows = self.session.ring.after(self._told, _BATCH_ROWS, _BATCH_CHARS)
        if not rows:
            return b""
        self.lost += rows[0].n - self._told - 1
        self._told = rows[-1].n
        self._sent.append(self._told)
        return msgspec.json.encode(rows)
