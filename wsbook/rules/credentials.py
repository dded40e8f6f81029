"""Who a client says it is: a token whose own claim says that its time was over, or a refusal in words after the 101 (step 3.2)."""

from collections.abc import Iterator

from wsbook import attempt as labels
from wsbook.evidence import Evidence
from wsbook.facts import CredentialFacts
from wsbook.finding import Finding
from wsbook.rules.entry import Entry, Kind, entry_of
from wsbook.rules.make import clear, fault, proof
from wsbook.rules.outcome import baseline
from wsbook.wire.messages import errors_in
from wsbook.words import duration_text, quantity

__all__ = ["judge_credentials"]

_SLUG = "auth.token-expired-on-reconnect"
_OF_RIGHTS = frozenset({400, 401, 403, 404, 419, 440, 498})
"""Statuses by which servers refuse a login; 419, 440 and 498 are those of some frameworks for one that is over."""
_CODES_OF_RIGHTS = frozenset({1008, 3000, 3003})
"""Close codes of a policy, and those registered for Unauthorized and Forbidden (IANA, WebSocket Close Code Number Registry)."""


def judge_credentials(evidence: Evidence) -> Iterator[Finding]:
    """Compare the exp claim of each token that was given with the time of the attempt that was refused."""
    tried = evidence.attempts(step="3.3")
    own = tried[-1] if tried else baseline(evidence)
    if own is None:
        return
    entry = entry_of(own)
    yield from _judge_told(entry)
    for seen, facts in evidence.of(CredentialFacts):
        for one in facts.credentials:
            if one.expires_at is None:
                continue
            left_s = one.expires_at - facts.at
            what = f"the token in {one.name} ({one.place})"
            if left_s > 0:
                yield clear(_SLUG, f"{what} is valid for another {_span(left_s)}", proof(seen, f"exp is {_span(left_s)} ahead"))
            elif entry.refused and _speaks_of_rights(entry.kind, entry.facts.status, entry.facts.close_code) and not _cured(evidence):
                words = f"{what} was valid until {_span(-left_s)} before this attempt, which was {entry.words}"
                yield fault(_SLUG, 0.95, words, proof(entry.seen, entry.words), proof(seen, f"exp lies {_span(-left_s)} back"))


def _judge_told(entry: Entry) -> Iterator[Finding]:
    """An accepted socket is told why it is not wanted, in words that a dialect is known to use."""
    said = entry.facts.first_message or ""
    if entry.kind not in (Kind.CLOSED, Kind.DENIED):
        return
    for slug, sure in dict.fromkeys(one for error in errors_in(said) for one in error.causes):
        words = f"right after the 101 the server says “{said[:150]}”"
        yield fault(slug, sure, words, proof(entry.seen, said))


def _span(seconds: float) -> str:
    """Return a span of time in the unit that a person would take."""
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size:
            return quantity(int(seconds // size), unit)
    return duration_text(seconds)


def _speaks_of_rights(kind: Kind, status: int | None, code: int | None) -> bool:
    if kind is Kind.CLOSED:
        return code in _CODES_OF_RIGHTS or (code is not None and 4000 <= code <= 4999)
    return kind is Kind.DENIED or status in _OF_RIGHTS


def _cured(evidence: Evidence) -> bool:
    """Whether a change other than that of the token lets the endpoint accept: then the token is not why it refuses."""
    return any(
        facts.accepted and labels.NO_CREDENTIALS not in seen.source.changed
        for seen, facts in evidence.upgrades
        if seen.source.hop == "endpoint" and seen.source.probe == "upgrade" and seen.source.changed
    )
