"""Windows that do not wait for ever: which messages in flight are given up, so that others may leave. It must not know sockets.

The rule is that of ``by_window.ByWindow``: a message is given up when a whole window overtook it, or when its connection was silent for a
second. If it comes after all it still counts.
"""

from typing import Any

import numpy as np

from wsbook.probes.generator.tally import Numbers, Tally

__all__ = ["Windows"]

_LOOK_NS, _GIVE_UP_NS = 100_000_000, 1_000_000_000


class Windows:
    """Watches the lines of a table (compiled_loop.LINE) that all send, and sets how many messages of each are given up."""

    def __init__(self, tally: Tally, table: Any, window: int) -> None:
        self._tally, self._table, self._window = tally, table, window
        self._index: Numbers = table["index"].copy()
        self._below, self._upcoming, self._received = (np.zeros(len(table), np.int64) for _ in range(3))
        self._moved_ns = np.full(len(table), tally.begin_ns, np.int64)
        self._look_ns = tally.begin_ns + _LOOK_NS

    def look(self, now_ns: int) -> bool:
        """Ten times a second: hold the windows against the account; tell whether one has room that no answer made."""
        if now_ns < self._look_ns:
            return False
        self._look_ns = now_ns + _LOOK_NS
        upcoming, received = self._tally.upcoming[self._index], self._tally.received[self._index]
        outstanding, given = self._tally.offered[self._index] - received, self._table["given"]
        moved = received != self._received
        self._moved_ns[moved] = now_ns
        below = np.maximum(upcoming - received - given, 0)
        overtaken = upcoming - self._upcoming >= self._window
        lost = given + np.where(overtaken, np.minimum(below, self._below), 0)
        silent = now_ns - self._moved_ns >= _GIVE_UP_NS
        lost = np.minimum(np.where(silent, outstanding, lost), outstanding)
        self._moved_ns[silent] = now_ns
        self._below, self._upcoming, self._received = below, upcoming, received
        changed = bool((lost != given).any())
        self._table["given"] = lost
        return changed
