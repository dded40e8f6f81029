"""What a browser showed of each socket beside what was really answered: the table of step 1.2."""

from collections.abc import Iterable

import pandas as pd

from wsbook.describe import outcome_text
from wsbook.facts import CookieFacts, PageFacts, SessionFacts, UpgradeFacts
from wsbook.observation import Observation, Outcome
from wsbook.views.tables.frames import frame, rows_of
from wsbook.words import cap

__all__ = ["table_browser", "table_cookies"]

_COLUMNS = ("browser", "URL", "it showed", "really answered", "cookies held back", "what flips it")

_NAMES = {"browser": "Chromium", "firefox": "Firefox"}


def _short(browser: str) -> str:
    """Return name and main version: ``Chromium 156``."""
    return browser.partition(".")[0]


def _times(browser: str, count: int) -> str:
    return f"{browser}, {count} times" if count > 1 else browser


def _told(seen: Observation) -> bool:
    """Whether a browser or a recording of one tells of a handshake."""
    return isinstance(seen.facts, UpgradeFacts) and (seen.source.probe == "browser" or bool(seen.source.artifact))


def _hop(seen: Observation) -> str:
    return "recording" if seen.source.artifact else seen.source.hop


def _showed(seen: Observation, session: SessionFacts | None) -> str:
    """Return what the browser lets a person see: its error text, or how the open socket fares."""
    facts = seen.facts
    if not isinstance(facts, UpgradeFacts):
        return ""
    if not facts.accepted:
        text = facts.error_text or (seen.failure.message if seen.failure else outcome_text(facts))
        return text.replace(facts.url, "…")
    if session is None or session.ended == "open":
        return "open"
    return session.error_text or f"closed {session.close_code if session.close_code is not None else ''} {session.close_reason}".strip()


def _answered(again: list[Observation]) -> str:
    """Return what was really answered to the same request: status, who answered, and the beginning of the body."""
    if not again:
        return ""
    first = again[0]
    if first.outcome is Outcome.NOT_RUN or not isinstance(first.facts, UpgradeFacts):
        return first.failure.message if first.failure else ""
    if first.facts.status is None and first.failure:
        return first.failure.message
    by = first.facts.header("server")
    lost = f" ({'; '.join(first.source.changed)})" if first.source.changed else ""
    body = f": {first.facts.body}" if first.facts.body else ""
    return f"{outcome_text(first.facts)}{f' by {by}' if by else ''}{lost}{body}"


def _accepted(seen: Observation) -> str:
    """Return the answer that the browser itself accepted."""
    facts = seen.facts
    if not isinstance(facts, UpgradeFacts) or not facts.accepted:
        return ""
    by = facts.header("server")
    return f"{outcome_text(facts)}{f' by {by}' if by else ''}"


def _flips(again: list[Observation]) -> str:
    if not again or not isinstance(again[0].facts, UpgradeFacts):
        return ""
    before = again[0].facts.accepted
    changed = [seen for seen in again[1:] if isinstance(seen.facts, UpgradeFacts) and seen.facts.accepted != before]
    words = [f"{seen.source.changed[-1]} → {outcome_text(seen.facts)}" for seen in changed if isinstance(seen.facts, UpgradeFacts)]
    return "; ".join(words) or (f"none of {len(again) - 1} changes" if len(again) > 1 else "")


def table_browser(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return one row for each attempt: browser, URL, what it showed, what was really answered, cookies held back, what flips it.

    Attempts that are alike in all of that share a row; the browser's name then says how many they are.
    """
    seen_all = tuple(observations)
    names = {seen.source.hop: facts.browser for seen, facts in rows_of(seen_all, PageFacts)}
    sessions = {(seen.source.hop, facts.url): facts for seen, facts in rows_of(seen_all, SessionFacts) if seen.source.probe == "browser"}
    cookies = {(seen.source.hop, facts.url): facts for seen, facts in rows_of(seen_all, CookieFacts)}
    again: dict[tuple[str, str], list[Observation]] = {}
    for seen in seen_all:
        if seen.source.probe == "repeated" and isinstance(seen.facts, UpgradeFacts):
            again.setdefault((seen.source.hop, seen.facts.url), []).append(seen)
    counted: dict[tuple[str, ...], int] = {}
    for seen, page in rows_of(seen_all, PageFacts):
        if seen.failure is not None:
            counted[_short(page.browser), cap(page.url, 80), cap(seen.failure.message, 160), "", "", ""] = 1
    for seen in filter(_told, seen_all):
        url = seen.facts.url if isinstance(seen.facts, UpgradeFacts) else ""
        place = (_hop(seen), f"ws{url[4:]}" if url.startswith("http") else url)
        held = [one for one in cookies[place].cookies if not one.sent] if place in cookies else []
        row = (
            _short(names.get(seen.source.hop, "")) or seen.source.artifact or _NAMES.get(seen.source.hop, seen.source.hop),
            cap(url, 80),
            cap(_showed(seen, sessions.get(place)), 160),
            cap(_answered(again.get(place, [])) or _accepted(seen), 160),
            cap(", ".join(f"{one.name} ({'; '.join(one.held_back)})" for one in held), 160),
            cap(_flips(again.get(place, [])), 160),
        )
        counted[row] = counted.get(row, 0) + 1
    rows = [{**dict(zip(_COLUMNS, row, strict=True)), "browser": _times(row[0], times)} for row, times in counted.items()]
    return frame(rows, _COLUMNS)


def table_cookies(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each cookie that the browser considered for a socket, and why it was held back."""
    rows = [
        {
            "URL": cap(facts.url, 80),
            "cookie": cap(one.name, 60),
            "domain": cap(one.domain, 60),
            "path": cap(one.path, 40),
            "sent": "sent" if one.sent else "held back",
            "why": cap("; ".join(one.held_back), 160),
        }
        for _, facts in rows_of(observations, CookieFacts)
        for one in facts.cookies
    ]
    return frame({tuple(row.values()): row for row in rows}.values(), ["URL", "cookie", "domain", "path", "sent", "why"])
