"""A refusal that says why in words of its own: reasons.toml knows how people write it, this module applies it (areas F and L).

Heard are short texts only: a body that is no page, a close reason, or the first message before a close. Known texts of known programs
stand in signatures.toml, and Origin has rules of its own.
"""

import re
from collections.abc import Iterator
from functools import cache

from msgspec import Struct, convert

from wsbook.datafile import read_table
from wsbook.evidence import Evidence
from wsbook.facts import UpgradeFacts
from wsbook.finding import Finding
from wsbook.rules.entry import entry_of, speaks_of_origin
from wsbook.rules.make import fault, proof
from wsbook.rules.outcome import Seen, baseline, refusals

__all__ = ["Reason", "judge_reasons", "known_reasons"]

_LONGEST = 400
"""A longer body is a page about something, no reason."""
_CREDENTIALS = ("authorization", "cookie")


class Reason(Struct, frozen=True, kw_only=True):
    """One row of reasons.toml; see there."""

    cause: str
    confidence: float
    match: str
    words: str
    source: str
    unless: str = ""
    needs: str = ""

    def fits(self, text: str, facts: UpgradeFacts) -> bool:
        """Tell whether a refusal gives this reason."""
        if self.needs == "subprotocol" and not facts.request_header("sec-websocket-protocol") and "subprotocol" not in text.lower():
            return False
        return bool(re.search(self.match, text, re.IGNORECASE)) and not (self.unless and re.search(self.unless, text, re.IGNORECASE))


@cache
def known_reasons() -> tuple[Reason, ...]:
    """Return every row, in order."""
    return tuple(convert(row, Reason) for row in read_table("rules/reasons.toml")["reason"])


def judge_reasons(evidence: Evidence) -> Iterator[Finding]:
    """Judge the words of refusals before the 101 and right after it, seen at the endpoint, in a browser or in a recording."""
    for seen, facts in _turned_away(evidence):
        text = _said(facts)
        if not text or speaks_of_origin(facts):
            continue
        for reason in known_reasons():
            if reason.fits(text, facts):
                sure = 0.5 * reason.confidence if reason.cause == "auth.credential-not-sent" and _sent(facts) else reason.confidence
                words = f"the refusal says why: {reason.words} (“{text[:120]}”)"
                yield fault(reason.cause, sure, words, proof(seen, text))
                break


def _turned_away(evidence: Evidence) -> list[Seen]:
    """Return the refusals, and the endpoint's own attempts that were accepted and sent away at once."""
    watched = evidence.attempts(step="3.3")
    own = watched[-1] if watched else baseline(evidence)
    return [*refusals(evidence), *([own] if own is not None and own[1].accepted and entry_of(own).refused else [])]


def _sent(facts: UpgradeFacts) -> bool:
    return any(facts.request_header(name) for name in _CREDENTIALS)


def _said(facts: UpgradeFacts) -> str:
    """Return the words of a refusal, "" when it has none or is a page."""
    if facts.accepted:
        return " ".join(filter(None, (facts.close_reason, facts.first_message)))[:_LONGEST]
    body = facts.body.strip()
    return "" if len(body) > _LONGEST or body.startswith("<") else body
