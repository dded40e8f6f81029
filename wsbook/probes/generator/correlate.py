"""How a message that came is matched with one that was sent: echo, broadcast, or the server's own numbers. It must not know sockets."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wsbook.errors import UsageError
from wsbook.load_plan import LoadPlan
from wsbook.probes.generator.tally import Tally

__all__ = ["Correlation", "correlation_of", "parse_path"]

Numbers = NDArray[np.int64]
Due = Callable[[Numbers, Numbers], Numbers]
_EARLY_NS, _DAY_NS = 1_000_000, 86_400_000_000_000
_MOST_OUTSIDE = 2**36
_MOST_NUMBER = 2**53
"""Above it a JSON number is not exact, so it is no sequence."""
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(\d{1,4})\]|\['([^'\\]{1,100})'\]")


class Correlation:
    """Matches echoes: each message comes back on its own connection.

    schedule: due times (CLOCK_MONOTONIC, ns) of connections' indexes and numbers by the clock, None when a message says itself when it was
    due. offered: how many messages of each connection may be on their way, by index.
    """

    def __init__(self, plan: LoadPlan, tally: Tally, schedule: Due | None, offered: Callable[[], Numbers]) -> None:
        self.plan, self.tally, self._schedule, self._offered = plan, tally, schedule, offered

    def foreign(self, count: int) -> None:
        """Count messages that are none of ours."""
        self.tally.foreign += count

    def numbered(self, payload: bytes, text: bool) -> int | None:
        """Return no number: the server's own do not count here."""
        return None

    def marked(self, owners: Numbers, connections: Numbers, numbers: Numbers, due_ns: Numbers, at_ns: Numbers) -> None:
        """Count marked messages; see receive.Account."""
        mine = owners + self.plan.first_connection == connections
        good = mine & (numbers >= 0) & (numbers < self._offered()[owners])
        due, sane = self._due(owners, numbers, due_ns, at_ns)
        self._count(owners, owners, numbers, due, at_ns, good & sane)

    def _due(self, senders: Numbers, numbers: Numbers, due_ns: Numbers, at_ns: Numbers) -> tuple[Numbers, NDArray[np.bool_]]:
        """Return when messages of our own were due, and for which that can be."""
        if self._schedule is not None:
            return self._schedule(senders, numbers), np.ones(len(numbers), np.bool_)
        due = due_ns - self.tally.epoch_ns
        return due, (due >= self.tally.begin_ns - _EARLY_NS) & (due <= at_ns)

    def _count(self, owners: Numbers, streams: Numbers, numbers: Numbers, due: Numbers, at_ns: Numbers, good: NDArray[np.bool_]) -> None:
        """Count those that are good, the others as foreign."""
        if not good.all():
            self.foreign(int((~good).sum()))
            if not good.any():
                return
            owners, streams, numbers, due, at_ns = (a[good] for a in (owners, streams, numbers, due, at_ns))
        first = self.tally.take(owners, streams, numbers)
        if first.all():
            self.tally.time(due, at_ns)
        else:
            self.tally.time(due[first], at_ns[first])


class _Broadcast(Correlation):
    """Every message comes to every listener; that a publisher hears itself or others is neither expected nor counted.

    Publishers of other shards are known by what is heard of them, and their clocks are theirs.
    """

    def marked(self, owners: Numbers, connections: Numbers, numbers: Numbers, due_ns: Numbers, at_ns: Numbers) -> None:
        listening = owners >= self.plan.publishers
        if not listening.all():
            owners, connections, numbers, due_ns, at_ns = (a[listening] for a in (owners, connections, numbers, due_ns, at_ns))
        if not len(owners):
            return
        who, where = np.unique(connections, return_inverse=True)
        columns = np.array([-1 if (found := self.tally.column(number)) is None else found for number in who.tolist()])[where]
        own = (columns >= 0) & (columns < self.plan.publishers)
        for part, count in ((own, self._own), (~own, self._others)):
            if part.any():
                count(*(array[part] for array in (columns, owners, numbers, due_ns, at_ns)))

    def _own(self, columns: Numbers, owners: Numbers, numbers: Numbers, due_ns: Numbers, at_ns: Numbers) -> None:
        due, sane = self._due(columns, numbers, due_ns, at_ns)
        good = sane & (numbers >= 0) & (numbers < self._offered()[columns])
        self._count(owners, owners * self.tally.columns + columns, numbers, due, at_ns, good)

    def _others(self, columns: Numbers, owners: Numbers, numbers: Numbers, due_ns: Numbers, at_ns: Numbers) -> None:
        due = np.clip(due_ns - self.tally.epoch_ns, at_ns - _DAY_NS, at_ns)
        good = (columns >= 0) & (numbers >= 0) & (numbers < _MOST_OUTSIDE)
        self._count(owners, owners * self.tally.columns + columns, numbers, due, at_ns, good)


class _Sequence(Correlation):
    """The server numbers its messages; nothing is known of when they were due."""

    def __init__(self, *rest: Any) -> None:
        super().__init__(*rest)
        self._path = parse_path(self.plan.sequence)

    def numbered(self, payload: bytes, text: bool) -> int | None:
        """Return the number that stands at the path, whole or as digits in a string."""
        try:
            found: Any = msgspec.json.decode(payload)
            for step in self._path:
                found = found[step]
            number = int(found) if isinstance(found, int | str) and not isinstance(found, bool) else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, IndexError, TypeError, ValueError):
            return None
        return number if number is not None and 0 <= number < _MOST_NUMBER else None

    def marked(self, owners: Numbers, connections: Numbers, numbers: Numbers, due_ns: Numbers, at_ns: Numbers) -> None:
        first = self.tally.take(owners, owners, numbers)
        self.tally.came(at_ns[first])


def parse_path(path: str) -> tuple[str | int, ...]:
    """Return the steps of a singular JSON path such as ``$.a.b[0]['c']`` (RFC 9535 section 2.3.5.1).

    Raises:
        UsageError: it is none.
    """
    steps, at = list[str | int](), 1
    while at < len(path) and (found := _STEP.match(path, at)):
        steps.append(int(found[2]) if found[2] is not None else found[1] or found[3])
        at = found.end()
    if not path.startswith("$") or at != len(path) or not steps:
        raise UsageError(f"sequence {path[:80]!r} is not a JSON path such as $.seq or $.data[0].number")
    return tuple(steps)


def correlation_of(plan: LoadPlan, tally: Tally, schedule: Due | None, offered: Callable[[], Numbers]) -> Correlation:
    """Return what matches the messages of a plan."""
    kind: type[Correlation] = {"echo": Correlation, "broadcast": _Broadcast, "sequence": _Sequence}[plan.answered_by]
    return kind(plan, tally, schedule, offered)
