"""How often each function of a page runs: V8's precise coverage, whose counts begin anew with every reading.

The counts of a handler of ours that runs once for each message come in the same reading, so that the two agree exactly.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

__all__ = ["Counts", "Runs", "repeated"]

_HEARD = "wsbookHeard"
_OURS = "wsbook-reconnect.js"
_MOST_FUNCTIONS, _FEWEST_MESSAGES = 20_000, 2

Counts = Counter[tuple[str, str, int]]
"""Runs of each (function, script, position in it)."""


class Runs:
    """Counts the function runs of a page through a session of the browser's protocol; without one nothing is counted."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def start(self) -> None:
        """Begin to count."""
        await self._session.send("Profiler.enable")
        await self._session.send("Profiler.startPreciseCoverage", {"callCount": True, "detailed": False})

    async def take(self) -> Counts:
        """Return the runs since the last reading."""
        answer = await self._session.send("Profiler.takePreciseCoverage")
        found: Counts = Counter()
        for script in answer["result"]:
            url = str(script["url"])[:500]
            for function in script["functions"]:
                ran = function["ranges"][0]
                if ran["count"] and len(found) < _MOST_FUNCTIONS:
                    found[str(function["functionName"])[:80], url, int(ran["startOffset"])] += int(ran["count"])
        return found


def _messages(counts: Counts) -> int:
    return sum(count for (name, url, _), count in counts.items() if name == _HEARD and url.endswith(_OURS))


def _steady(readings: Sequence[Counts], key: tuple[str, str, int]) -> int | None:
    """Return how often a function ran for each message when that was the same whole number in every reading, None otherwise."""
    ratios = {round(counts[key] / _messages(counts), 2) for counts in readings}
    whole = {round(ratio) for ratio in ratios}
    fits = len(whole) == 1 and all(abs(ratio - round(ratio)) <= 0.1 for ratio in ratios)
    return whole.pop() if fits else None


def repeated(before: Sequence[Counts], after: Sequence[Counts]) -> tuple[tuple[str, float, float], ...]:
    """Return the functions that ran once for each message before and more often after, with both numbers.

    Each side needs two readings with two messages or more: what grows with the data, such as a loop over all that was received, is not
    the same in both, and a list that is fetched once is in one of them only.
    """
    if min(len(before), len(after)) < 2 or any(_messages(counts) < _FEWEST_MESSAGES for counts in (*before, *after)):
        return ()
    found = []
    for key in after[0]:
        if key[1].endswith(_OURS) or _steady(before, key) != 1:
            continue
        now = _steady(after, key)
        if now is not None and now > 1:
            found.append((_shown(key), 1.0, float(now)))
    return tuple(sorted(found, key=lambda entry: -entry[2])[:5])


def _shown(key: tuple[str, str, int]) -> str:
    name, url, position = key
    file = re.sub(r"[?#].*", "", url).rstrip("/").rpartition("/")[2] or "the page"
    return f"{name or 'function'} ({file}, character {position})"
