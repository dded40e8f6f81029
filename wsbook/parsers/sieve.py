"""Picks the lines of a block that show one of many signs, without reading the others. Must not know what a sign means.

Two engines give the same lines: Hyperscan where it is installed (extra `fast`), Python's regular expressions elsewhere.
"""

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np

from wsbook.literals import has_fast_engine, ways_to_match

__all__ = ["Sieve", "number_lines"]

FEED = 10
QUICK_BYTES = 350
"""Longer expressions may take Hyperscan seconds to compile."""


class Sieve:
    """Finds lines by signs: regular expressions over bytes that both engines know, case ignored, which match neither nothing nor a feed.

    slow: signs in Python's notation, which may pick a few lines more than they should. unless: lines that this sieve picks are left out.
    fast: use Hyperscan; None where it is installed.
    """

    def __init__(
        self, signs: Iterable[bytes], *, slow: Iterable[bytes] = (), unless: "Sieve | None" = None, fast: bool | None = None
    ) -> None:
        self.signs = tuple(dict.fromkeys(signs))
        self.fast = has_fast_engine() if fast is None else fast
        self._loose = tuple(sign for sign in slow if self.fast and len(sign) <= QUICK_BYTES)
        self._slow = tuple(re.compile(sign, re.IGNORECASE) for sign in slow if sign not in self._loose)
        self.unless = unless

    def lines(self, block: memoryview) -> list[tuple[int, int]]:
        """Return (beginning, end without the feed) of each line that shows a sign. block: whole lines, each with its feed."""
        if not self.signs or not block:
            return []
        text = block.obj if isinstance(block.obj, bytearray) else bytes(block)
        found = _lines_at(text, len(block), self._ends(block))
        for pattern in self._slow:
            places = (place for match in pattern.finditer(block) for place in (match.start() + 1, match.end()))
            found = sorted({*found, *_lines_at(text, len(block), places)})
        if self.unless is not None and found:
            left_out = set(self.unless.lines(block))
            found = [place for place in found if place not in left_out]
        return found

    def _ends(self, block: memoryview) -> Iterable[int]:
        return self._scan(block) if self.fast else self._search(block)

    def _search(self, block: memoryview) -> list[int]:
        """Return where signs end, one for each line and sign; the literal in each is sought first, which is much quicker."""
        text, ends = bytes(block).lower(), []
        for literal, pattern in self._literals:
            place = text.find(literal)
            while 0 <= place < len(text):
                begin, end = text.rfind(b"\n", 0, place) + 1, text.find(b"\n", place) + 1 or len(text)
                if found := pattern.search(text, begin, end):
                    ends.append(found.end())
                place = text.find(literal, end)
        return sorted(ends)

    @cached_property
    def _literals(self) -> list[tuple[bytes, re.Pattern[bytes]]]:
        """Return, for each alternative of each sign, the longest literal that its matches hold, and the sign."""
        return [
            (max(way, key=len, default="").encode("latin-1").lower(), re.compile(sign, re.IGNORECASE))
            for sign in self.signs
            for way in ways_to_match(sign.decode("latin-1"), str)
        ]

    @cached_property
    def _database(self) -> Any:
        import hyperscan

        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        loose = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_PREFILTER
        flags = [hyperscan.HS_FLAG_CASELESS] * len(self.signs) + [loose] * len(self._loose)
        database.compile(expressions=[*self.signs, *self._loose], ids=list(range(len(flags))), flags=flags)
        return database

    def _scan(self, block: memoryview) -> list[int]:
        ends: list[int] = []
        self._database.scan(block, match_event_handler=lambda _id, _start, end, _flags, _context: ends.append(end))
        return ends


def _lines_at(text: bytes | bytearray, size: int, ends: Iterable[int]) -> list[tuple[int, int]]:
    """Return the lines in which matches end; ends ascend."""
    found, last = [], -1
    for end in ends:
        place = end - 1
        if place > last:
            last = text.find(b"\n", place, size)
            found.append((text.rfind(b"\n", 0, place) + 1, last))
    return found


def number_lines(block: memoryview, places: Iterable[tuple[int, int]], first: int) -> tuple[list[int], int]:
    """Return the 1-based numbers of the lines that begin at these ascending places, and how many lines the block has.

    first: lines before this block.
    """
    data = np.frombuffer(block, dtype=np.uint8) == FEED
    numbers, seen, count = [], 0, 0
    for begin, _ in places:
        count += int(np.count_nonzero(data[seen:begin]))
        seen = begin
        numbers.append(first + count + 1)
    return numbers, count + int(np.count_nonzero(data[seen:]))
