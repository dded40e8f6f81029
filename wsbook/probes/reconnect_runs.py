"""How often each function of a page runs: V8's precise coverage, whose counts begin anew with every reading.

The counts of a handler of ours that runs once for each message come in the same reading, so that the two agree exactly.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

__all__ = ["Counts", "Runs", "repeated"]

_HEARD, _KIND = "wsbookHeard", "wsbookKind"
_OURS = "wsbook-reconnect.js"
_MOST_FUNCTIONS, _FEWEST_MESSAGES = 20_000, 3

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


def _messages(counts: Counts) -> dict[str, int]:
    """Return how many messages came: of each kind that reconnect_page.js tells apart, and all of them."""
    return {name: count for (name, url, _), count in counts.items() if url.endswith(_OURS) and name.startswith((_HEARD, _KIND))}


def _steady(readings: Sequence[Counts], key: tuple[str, str, int], kind: str) -> int | None:
    """Return how often a function ran for each message of a kind when that was the same whole number in every reading, None otherwise."""
    ratios = [counts[key] / _messages(counts)[kind] for counts in readings]
    whole = {round(ratio) for ratio in ratios}
    return whole.pop() if len(whole) == 1 and all(abs(ratio - round(ratio)) <= 0.1 for ratio in ratios) else None


def repeated(before: Sequence[Counts], after: Sequence[Counts]) -> tuple[tuple[str, float, float], ...]:
    """Return the functions that ran once for each message, or each of a kind, before and more often after, with both numbers.

    Each side needs two readings with three messages or more: what grows with the data, such as a loop over all that was received, is not
    the same in both, and a list that is fetched once is in one of them only.
    """
    readings = [_messages(counts) for counts in (*before, *after)]
    if min(len(before), len(after)) < 2:
        return ()
    kinds = [kind for kind in readings[0] if all(reading.get(kind, 0) >= _FEWEST_MESSAGES for reading in readings)]
    found = []
    for key in after[0]:
        runs = [_steady(after, key, kind) for kind in kinds if not key[1].endswith(_OURS) and _steady(before, key, kind) == 1]
        if runs and 1 not in runs and (more := [count for count in runs if count is not None]):  # 1: it goes with another kind
            found.append((_shown(key), 1.0, float(min(more))))
    return tuple(sorted(found, key=lambda entry: -entry[2])[:5])


def _shown(key: tuple[str, str, int]) -> str:
    name, url, position = key
    file = re.sub(r"[?#].*", "", url).rstrip("/").rpartition("/")[2] or "the page"
    return f"{name or 'function'} ({file}, character {position})"
