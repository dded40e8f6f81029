"""Logs of any program, line by line: known texts, requests, lives of connections. Must not judge what it finds.

Of a large log only the lines are read that hold a literal of a known text, a sign of WebSockets, or a word of an opening or closing.
"""

import re
from collections.abc import Iterable

from wsbook.facts import TextFacts
from wsbook.literals import has_fast_engine
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.logs.access_line import Format
from wsbook.parsers.logs.access_log import SIGNS, Requests
from wsbook.parsers.logs.copies import Copies
from wsbook.parsers.logs.lives import WORDS, Lives
from wsbook.parsers.logs.numbers import Numbers
from wsbook.parsers.logs.sieve import Sieve
from wsbook.parsers.logs.templates import Templates
from wsbook.parsers.pages import Page, pages
from wsbook.parsers.texts import scan_page, tally_observations
from wsbook.signatures import Tally, index_of, matcher

__all__ = ["parse_backend_log"]

KINDS = ("backend_log", "access_log")
REQUEST = ("HTTP/", '"WebSocket ', '"status"', '"statusCode"', "haproxy[", "GET /", "[GIN]")
"""A line that tells of a request has one of these."""


class _Reading:
    """One log being read. Without Hyperscan every line is read: so many literals are no task for Python's expressions."""

    def __init__(self, known: Iterable[Format]) -> None:
        self.search, self.tally, self.lives, self.requests = matcher(*KINDS), Tally(), Lives(), Requests("backend_log", known)
        self.templates, self.copies, self.numbers = Templates(), Copies(), Numbers()
        self.count = self.size_bytes = self.known = self.skimmed = 0
        self._sieve: Sieve | None = None
        self._sample: list[str] = []

    def sieve(self) -> Sieve | None:
        """Return what picks the lines beyond the first; None reads every line."""
        if self._sieve is None and has_fast_engine():
            literals, expressions = index_of(*KINDS).signs("\n".join(self._sample).lower())
            words = (re.escape(word.encode()) for word in (*WORDS, *literals))
            self._sieve = Sieve((*SIGNS, *words), slow=[expression.encode() for expression in expressions])
            self._sample = []
        return self._sieve

    def page(self, page: Page) -> None:
        """Read the lines of a page."""
        known = scan_page(page, self.search, self.tally)
        self.known += len(known)
        self.lives.page(page)
        for line, number in zip(page.lines, page.numbers, strict=True):
            if any(word in line for word in REQUEST):
                self.requests.add(line, number)
        if not page.sieved:
            self.templates.page(page, known)
            self.copies.page(page)
            self.numbers.page(page)
            self._sample += page.lines[:2000]
        self.count += page.count
        self.size_bytes += page.size_bytes
        self.skimmed += page.count - len(page.lines)


def parse_backend_log(
    lines: Iterable[str], *, artifact: str, step: str = "1.4", known: Iterable[Format] = (), paths: Iterable[str] = ()
) -> list[Observation]:
    """Return what a program's log holds: SignatureFacts by signature, AccessFacts of the requests told in it, SessionFacts and
    ClosingsFacts of connections, TemplateFacts of unknown lines that look like errors, one TextFacts for the whole.

    lines: without line ends; any number, read once and never kept. known: notations of a configuration. paths: not needed here.
    """
    reading = _Reading(known)
    for page in pages(lines, reading.sieve):
        reading.page(page)
    program = next((facts.program for _, _, facts in reading.tally.facts()), "")
    whole = TextFacts(
        kind="backend_log",
        program=program,
        size_bytes=reading.size_bytes,
        items=reading.count,
        unparsed=reading.count - reading.known - reading.skimmed,
        skimmed=reading.skimmed,
    )
    return [
        *tally_observations(reading.tally, probe="backend_log", step=step, artifact=artifact),
        *reading.requests.observations(step=step, artifact=artifact, only_sockets=reading.skimmed > 0),
        *reading.lives.observations(step=step, artifact=artifact),
        *reading.templates.observations(step=step, artifact=artifact),
        *reading.copies.observations(probe="backend_log", step=step, artifact=artifact),
        *reading.numbers.observations(probe="backend_log", step=step, artifact=artifact),
        observed(Source(step=step, probe="backend_log", artifact=artifact, line=1 if reading.count else 0, line_end=reading.count), whole),
    ]
