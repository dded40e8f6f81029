"""Which of many literals each of many lines holds, in one pass over the text. Uses Hyperscan where it is installed (extra `fast`)."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import Any

__all__ = ["LiteralSearch", "has_fast_engine"]


@cache
def has_fast_engine() -> bool:
    """Tell whether Hyperscan is installed."""
    try:
        import hyperscan  # noqa: F401
    except ImportError:
        return False
    return True


class LiteralSearch:
    """Finds literals, given in lower case, with Hyperscan.

    Raises:
        ImportError: Hyperscan is not installed.
    """

    def __init__(self, literals: Sequence[str]) -> None:
        import hyperscan

        self._database: Any = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(expressions=[re.escape(text.encode()) for text in literals], ids=list(range(len(literals))), flags=0)

    def scan(self, lines: Sequence[str]) -> Iterator[tuple[int, set[int]]]:
        """Yield (place of a line, places of the literals that it holds in any case), for lines that hold one; lines hold no line break."""
        data = [line.lower().encode("utf-8", "replace") for line in lines]
        ends = list(accumulate(len(line) + 1 for line in data))
        hits: list[tuple[int, int]] = []
        self._database.scan(b"\n".join(data), match_event_handler=lambda name, _start, end, _flags, _context: hits.append((end, name)))
        line, held = -1, set[int]()
        for end, name in hits:
            if line < 0 or end >= ends[line]:
                if held:
                    yield line, held
                line, held = bisect_right(ends, end - 1, lo=max(line, 0)), set()
            held.add(name)
        if held:
            yield line, held
