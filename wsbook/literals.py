"""Which of many literals each of many lines holds, in one pass over the text. Uses Hyperscan where it is installed (extra `fast`)."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate
from re import _parser as regex_parser  # type: ignore[attr-defined]  # the only way to ask an expression for its literals
from typing import Any

__all__ = ["LiteralSearch", "has_fast_engine", "ways_to_match"]


@cache
def has_fast_engine() -> bool:
    """Tell whether Hyperscan is installed."""
    try:
        import hyperscan  # noqa: F401
    except ImportError:
        return False
    return True


class LiteralSearch:
    """Finds literals, given in lower case, with Hyperscan; and lines that may fit expressions in Python's notation.

    Raises:
        ImportError: Hyperscan is not installed.
    """

    def __init__(self, literals: Sequence[str], expressions: Sequence[str] = ()) -> None:
        import hyperscan

        patterns = [*(re.escape(text.encode()) for text in literals), *(text.encode() for text in expressions)]
        loose = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_PREFILTER
        self._loose = set(range(len(literals), len(patterns)))
        self._database: Any = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        flags = [0] * len(literals) + [loose] * len(expressions)
        self._database.compile(expressions=patterns, ids=list(range(len(patterns))), flags=flags)

    def scan(self, lines: Sequence[str]) -> Iterator[tuple[int, set[int]]]:
        """Yield (place of a line, places of what it holds in any case, expressions after literals), for lines that hold something.

        Lines hold no line break. One that is not in ASCII may fit every expression: bytes are no letters.
        """
        found = self._held(lines)
        if self._loose:
            foreign = {place: set(self._loose) for place, line in enumerate(lines) if not line.isascii()}
            found = iter(sorted(_merged(found, foreign).items())) if foreign else found
        yield from found

    def _held(self, lines: Sequence[str]) -> Iterator[tuple[int, set[int]]]:
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


def _merged(found: Iterable[tuple[int, set[int]]], more: dict[int, set[int]]) -> dict[int, set[int]]:
    """Return what lines hold, by their places."""
    result = dict(more)
    for place, held in found:
        result[place] = result.get(place, set()) | held
    return result


def ways_to_match(regex: str, fold: Callable[[str], str]) -> tuple[tuple[str, ...], ...]:
    """Return, for each alternative of a regular expression, literals that whatever it matches must hold."""
    parsed = list(regex_parser.parse(regex))
    only = parsed[0] if len(parsed) == 1 else None
    ways = only[1][1] if only is not None and str(only[0]) == "BRANCH" else [parsed]
    return tuple(tuple(map(fold, _runs(way))) for way in ways)


def _runs(parsed: Iterable[tuple[object, Any]]) -> list[str]:
    """Return the literal texts of two characters or more that stand outside of options and further alternatives."""
    runs = [""]
    for operation, value in parsed:
        if str(operation) == "LITERAL":
            runs[-1] += chr(value)
        else:
            runs.append("")
    return [text for text in runs if len(text) > 1]
