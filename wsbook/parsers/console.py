"""Text copied from a browser's console or a client's terminal: known texts, handshakes and closings that it names. Must not judge them.

What clients print stands in console.toml.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from wsbook.datafile import read_table
from wsbook.facts import SessionFacts, TextFacts, UpgradeFacts
from wsbook.observation import Failure, Observation, Source, observed
from wsbook.parsers.failures import find_failure
from wsbook.parsers.instants import find_age, find_count, find_silence
from wsbook.parsers.logs.copies import Copies
from wsbook.parsers.logs.numbers import Numbers
from wsbook.parsers.pages import pages
from wsbook.parsers.texts import ANSI, scan_page, tally_observations
from wsbook.signatures import Tally, matcher

__all__ = ["parse_console"]

LIMIT = 500
"""Handshakes and closings kept of one console."""
LINE_CHARS = 2_000
WORDS = re.compile(r"(?i)clos|websocket|wss?:|disconnect|handshake|upgrade|response|status|\bcode\b|received \d|sent \d")
"""A line without any of these names neither a handshake nor a closing."""
FRAME = re.compile(r"\s*(?:\S.{0,200} )?@ \S{1,500}:\d+\s*|\s*[\w.$/<*]{0,100}@(?:https?|file|webpack|blob|moz-extension):\S{1,500}:\d+\s*")
"""A place in code, as browsers list them below what was said: names of functions and files are no messages."""
URL = re.compile(r"(?i)\bwss?://[^\s'\"<>)\]},;]{1,500}(?<![.:])")
BY = {"received": "peer", "sent": "us"}


@cache
def _table() -> dict[str, tuple[re.Pattern[str], ...]]:
    table = read_table("parsers/console.toml")
    return {name: tuple(re.compile(row["regex"], re.IGNORECASE) for row in rows) for name, rows in table.items()}


def _find(name: str, line: str) -> dict[str, str] | None:
    found = next(filter(None, (pattern.search(line) for pattern in _table()[name])), None)
    return None if found is None else {key: value for key, value in found.groupdict().items() if value is not None}


def _upgrade(line: str) -> UpgradeFacts | None:
    found = _find("failed", line)
    if found is None:
        return None
    status, anywhere = found.get("status") or found.get("status2"), URL.search(line)
    url = found.get("url") or (anywhere[0] if anywhere else "")
    return UpgradeFacts(url=url[:500], accepted=False, status=int(status) if status else None, error_text=line.strip()[:500])


def _failure(facts: UpgradeFacts | SessionFacts) -> Failure | None:
    """Return why a handshake got no answer, None where it got one or the line does not tell."""
    return find_failure(facts.error_text) if isinstance(facts, UpgradeFacts) and facts.status is None else None


def _session(line: str) -> SessionFacts | None:
    found = _find("closed", line)
    if found is None or "handshake" in line:
        return None
    code, anywhere = int(found.get("code", "1006")), URL.search(line)
    return SessionFacts(
        url=anywhere[0] if anywhere else "",
        close_code=code,
        close_reason=found.get("reason", "").strip(" \"'"),
        ended="unknown" if code == 1006 else "close",
        closed_by=BY.get(found.get("by", "").lower(), ""),
        age_s=find_age(line),
        idle_s=find_silence(line),
        frame_count=find_count(line),
        error_text=line.strip()[:500],
    )


def _is_spoken(line: str) -> bool:
    """Tell whether a program says something with a line; some only show what passes, or where in the code it passes."""
    if "@" in line and FRAME.fullmatch(line[:LINE_CHARS]):
        return False
    return not (("-client:" in line or "DEBUG:" in line) and _find("verbose", line[:LINE_CHARS]) is not None)


def _named(lines: list[str], offset: int) -> Iterator[tuple[int, UpgradeFacts | SessionFacts]]:
    for index, line in enumerate(lines):
        shown = ANSI.sub("", line[:LINE_CHARS])
        if WORDS.search(shown):
            facts = _upgrade(shown) or _session(shown)
            if facts is not None:
                yield offset + index + 1, facts


def parse_console(lines: Iterable[str], *, artifact: str, step: str = "1.2") -> list[Observation]:
    """Return what a console's text holds: SignatureFacts, UpgradeFacts of failed handshakes, SessionFacts of closings, one TextFacts."""
    search, tally, copies = matcher("browser_console"), Tally(), Copies()
    numbers = Numbers()
    named: list[tuple[int, UpgradeFacts | SessionFacts]] = []
    count = size = known = 0
    for page in pages(lines):
        spoken = [_is_spoken(line) for line in page.lines]
        known += len(scan_page(page.where(spoken, True), search, tally))
        copies.page(page)
        numbers.page(page)
        if len(named) < LIMIT:
            named += list(_named(page.lines, count))[: LIMIT - len(named)]
        count += page.count
        size += page.size_bytes
    whole = TextFacts(kind="browser_console", size_bytes=size, items=count, unparsed=count - known)

    def source(first: int, last: int) -> Source:
        return Source(step=step, probe="console", artifact=artifact, line=first, line_end=last)

    return [
        *tally_observations(tally, probe="console", step=step, artifact=artifact),
        *(observed(source(number, number), facts, failure=_failure(facts)) for number, facts in named),
        *copies.observations(probe="console", step=step, artifact=artifact),
        *numbers.observations(probe="console", step=step, artifact=artifact),
        observed(source(1 if count else 0, count), whole),
    ]
