"""Known texts in lines, for every parser of lines. Must not know any format."""

import re
from collections.abc import Iterator

from wsbook.observation import Observation, Source, observed
from wsbook.parsers.instants import find_instant, record_instant
from wsbook.parsers.pages import Page
from wsbook.signatures import FastMatcher, Matcher, Tally
from wsbook.signs import find_marks

__all__ = ["scan_page", "tally_observations"]

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
HEADERS = re.compile(r'"[\w-]*headers?"\s*:\s*\{[^{}]*\}', re.IGNORECASE)
"""Header objects of JSON lines: what a client sent is no message of the program that logged it."""

DIRECTIVE = re.compile(r"#(?:Fields|Software|Version|Date|Start-Date|End-Date|Remark): ")
"""Lines of W3C extended logs that describe the log."""


def tally_observations(tally: Tally, *, probe: str, step: str, artifact: str) -> Iterator[Observation]:
    """Yield one observation per signature found."""
    for first, last, facts in tally.facts():
        yield observed(Source(step=step, probe=probe, artifact=artifact, line=first, line_end=last), facts)


def scan_page(page: Page, search: Matcher | FastMatcher, tally: Tally) -> set[int]:
    """Add the known texts of a page to the tally and return the places in it of the lines that held one."""
    lines = page.lines
    if any("\x1b" in line for line in lines):
        lines = [ANSI.sub("", line) for line in lines]
    lines = ["" if line[:1] == "#" and DIRECTIVE.match(line) else line for line in lines]
    lines = [HEADERS.sub('"headers":{}', line) if line[:1] == "{" and "eaders" in line else line for line in lines]
    seen = set()
    for hit in search.scan(lines):
        seen.add(hit.index)
        line = lines[hit.index]
        time = _instant(page, lines, hit.index) if tally.wants_time(hit) else None
        tally.add(hit, page.numbers[hit.index], time, find_marks(line))
    return seen


def _instant(page: Page, lines: list[str], index: int) -> float | None:
    return find_instant(lines[index]) if page.large else record_instant(lines, page.numbers, index)
