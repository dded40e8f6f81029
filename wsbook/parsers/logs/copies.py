"""Deliveries that a log tells more than once: the same by several processes, or the same several times by one. Must not judge them."""

import re
from collections.abc import Iterator
from itertools import pairwise

from wsbook.facts import CopiesFacts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.pages import Page

__all__ = ["Copies"]

LINES = 4_000
LINE_CHARS = 300
NEAR_LINES = 12
"""Lines further apart tell of different deliveries."""
DELIVERY = re.compile(
    r"\b(?:publish|emit|broadcast|push|send|sent|deliver|receiv|recv|render|toast|notif|show|handl|append|message|event|frame|msg|tick|update)"
)
BEAT = re.compile(
    r"(?i)\b(?:ping|pong|health|ready|metrics|heart-?beat|keep-?alive|open|close[ds]?|connect\w*|retry|error|warn\w*|fail\w*|GET|POST)\b"
)
CLOCK = re.compile(r"[\[(]?(?:\d{4}[-/]\d\d[-/]\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?[\])]?,?")
NUMBERED = re.compile(r"\d")


class Copies:
    """Collects lines that are equal but for their time and, at most, for who wrote them."""

    def __init__(self) -> None:
        self._seen = 0
        self._lines: dict[str, list[tuple[int, str]]] = {}

    def page(self, page: Page) -> None:
        """Read the lines of a page."""
        for line, number in zip(page.lines, page.numbers, strict=True):
            if self._seen >= LINES:
                return
            if DELIVERY.search(line[:LINE_CHARS].lower()) and not BEAT.search(line[:LINE_CHARS]):
                self._seen += 1
                source, _, said = " ".join(CLOCK.sub("", line[:LINE_CHARS]).split()).partition(" ")
                if NUMBERED.search(said):
                    self._lines.setdefault(said, []).append((number, source))

    def observations(self, *, probe: str, step: str, artifact: str) -> Iterator[Observation]:
        """Yield one CopiesFacts when deliveries are told more than once close together."""
        near = {said: rows for said, rows in self._lines.items() if any(b - a <= NEAR_LINES for (a, _), (b, _) in pairwise(rows))}
        if not near:
            return
        first = min(near, key=lambda said: near[said][0])
        sources = {said: {source for _, source in rows} for said, rows in near.items()}
        place = Source(step=step, probe=probe, artifact=artifact, line=near[first][0][0], line_end=near[first][-1][0])
        by_sources = sum(len(names) > 1 for names in sources.values())
        yield observed(
            place,
            CopiesFacts(
                told=len(self._lines),
                by_sources=by_sources,
                by_one=len(near) - by_sources,
                most=max(len(rows) for rows in near.values()),
                text=first,
            ),
        )
