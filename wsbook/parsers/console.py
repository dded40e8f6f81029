"""Text copied from a browser's console: known texts, and the handshakes and closings that it names. Must not judge them."""

import re
from collections.abc import Iterable, Iterator

from wsbook.facts import SessionFacts, TextFacts, UpgradeFacts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.pages import pages
from wsbook.parsers.texts import scan_page, tally_observations
from wsbook.signatures import Tally, matcher

__all__ = ["parse_console"]

LIMIT = 500
"""Handshakes and closings kept of one console."""
FAILED = re.compile(r"WebSocket connection to ['\"]?(?P<url>wss?://[^'\"\s]+)['\"]? failed:? ?(?P<why>.*)", re.IGNORECASE)
FIREFOX = re.compile(r"establish a connection to the server at (?P<url>wss?://\S+?)\.?\s*$", re.IGNORECASE)
STATUS = re.compile(r"(?:response code|status(?: code)?)\D{0,4}(?P<status>[1-5]\d\d)\b", re.IGNORECASE)
CLOSED = re.compile(
    r"(?:clos\w*|disconnect\w*|event)\b.{0,80}?\b(?:code|status code)?[\"': =]{1,4}(?P<code>1\d{3}|[34]\d{3})\b"
    r"(?:.{0,12}reason[\"': =]{1,4}(?P<reason>[^\"',}\n]{0,120}))?",
    re.IGNORECASE,
)


def _upgrade(line: str) -> UpgradeFacts | None:
    found = FAILED.search(line) or FIREFOX.search(line)
    if not found:
        return None
    why = found.groupdict().get("why") or ""
    status = STATUS.search(why)
    return UpgradeFacts(
        url=found["url"][:500], accepted=False, status=int(status["status"]) if status else None, error_text=line.strip()[:500]
    )


def _session(line: str) -> SessionFacts | None:
    found = CLOSED.search(line[:1000])
    if not found or "handshake" in line:
        return None
    code = int(found["code"])
    ended = "unknown" if code == 1006 else "close"
    return SessionFacts(url="", close_code=code, close_reason=(found["reason"] or "").strip(), ended=ended, error_text=line.strip()[:500])


def _named(lines: list[str], offset: int) -> Iterator[tuple[int, UpgradeFacts | SessionFacts]]:
    for index, line in enumerate(lines):
        if "lose" in line or "ws" in line or "isconnect" in line:
            facts = _upgrade(line) or _session(line)
            if facts is not None:
                yield offset + index + 1, facts


def parse_console(lines: Iterable[str], *, artifact: str, step: str = "1.2") -> list[Observation]:
    """Return what a console's text holds: SignatureFacts, UpgradeFacts of failed handshakes, SessionFacts of closings, one TextFacts."""
    search, tally = matcher("browser_console"), Tally()
    named: list[tuple[int, UpgradeFacts | SessionFacts]] = []
    count = size = known = 0
    for page in pages(lines):
        known += len(scan_page(page, search, tally))
        if len(named) < LIMIT:
            named += list(_named(page.lines, count))[: LIMIT - len(named)]
        count += page.count
        size += page.size_bytes
    whole = TextFacts(kind="browser_console", size_bytes=size, items=count, unparsed=count - known)

    def source(first: int, last: int) -> Source:
        return Source(step=step, probe="console", artifact=artifact, line=first, line_end=last)

    return [
        *tally_observations(tally, probe="console", step=step, artifact=artifact),
        *(observed(source(number, number), facts) for number, facts in named),
        observed(source(1 if count else 0, count), whole),
    ]
