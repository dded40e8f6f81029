"""Sequence numbers in a log's or console's lines about messages that arrived: what is missing, repeated, late. Must not judge them."""

import re
from collections.abc import Iterator
from itertools import pairwise

from wsbook.facts import NumbersFacts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.pages import Page

__all__ = ["Numbers"]

LINES = 4_000
LINE_CHARS = 300
SPAN = 10_000
"""Numbers further apart count different things."""
ARRIVED = re.compile(r"(?i)\b(?:got|recv|received|receives?|rx|arrived|deliver(?:ed)?|client|onmessage|frame|applied|first|last)\b|<-")
RENEWED = re.compile(r"(?i)\b(?:reconnect(?:ed)?|disconnect(?:ed)?|resumed|back online|offline|closed?)\b")
NUMBER = re.compile(
    r"(?i)\b(?:(?:seq|sequence|n|no|offset|rev|revision|u|event|msg|first|last)\W{0,2}[=:# ]\W{0,2}|(?:rx|recv|got|received) [a-z#]{1,2})"
    r"(?P<numbers>\d{1,9}(?:(?:\.\.|,|-)\d{1,9}){0,40})"
)
PART = re.compile(r"(?P<low>\d{1,9})(?:(?:\.\.|-)(?P<high>\d{1,9}))?")


class Numbers:
    """Reads the numbers of arrivals in order; ranges such as 1..40,52..100 count as all of their numbers."""

    def __init__(self) -> None:
        self._seen = self._first = self._last = 0
        self._spans: list[tuple[int, int, bool]] = []
        self._renewed = False

    def page(self, page: Page) -> None:
        """Read the lines of a page."""
        for line, number in zip(page.lines, page.numbers, strict=True):
            if self._seen >= LINES:
                return
            head = line[:LINE_CHARS]
            self._renewed = self._renewed or RENEWED.search(head) is not None
            found = NUMBER.search(head) if ARRIVED.search(head) else None
            if found is not None:
                self._seen += 1
                self._first, self._last = self._first or number, number
                for part in PART.finditer(found["numbers"]):
                    low, high = int(part["low"]), int(part["high"] or part["low"])
                    self._spans.append((low, max(low, high), self._renewed))
                self._renewed = False

    def observations(self, *, probe: str, step: str, artifact: str) -> Iterator[Observation]:
        """Yield one NumbersFacts when at least three arrivals tell numbers that count one by one, with what breaks the count."""
        spans = self._spans
        steps = [(a[1], b[0], b[2]) for a, b in pairwise(spans) if abs(b[0] - a[1]) < SPAN]
        facts = NumbersFacts(
            arrivals=len(spans),
            missing=sum(low - high - 1 for high, low, renewed in steps if low > high + 1 and not renewed),
            missing_renewed=sum(low - high - 1 for high, low, renewed in steps if low > high + 1 and renewed),
            repeated=sum(low == high for high, low, _ in steps),
            late=sum(low < high for high, low, _ in steps),
        )
        broken = facts.missing or facts.missing_renewed or facts.repeated or facts.late
        if len(spans) >= 2 and broken and len(steps) == len(spans) - 1:
            yield observed(Source(step=step, probe=probe, artifact=artifact, line=self._first, line_end=self._last), facts)
