"""How rules say what they judged: findings filled from the catalogue. Judges nothing itself."""

from collections.abc import Iterable

from wsbook.causes import cause
from wsbook.finding import Finding, Proof, Verdict
from wsbook.observation import Observation

__all__ = ["clear", "fault", "proof", "unknown"]

_QUOTE = 240


def proof(seen: Observation, text: str, where: str = "") -> Proof:
    """Return one piece of evidence from an observation; the quoted text is capped."""
    return Proof(text=text if len(text) <= _QUOTE else f"{text[:_QUOTE]}…", observation=seen.id, where=where or seen.source.where)


def _finding(slug: str, verdict: Verdict, confidence: float, summary: str, evidence: Iterable[Proof], remedy: str, check: str) -> Finding:
    entry = cause(slug)
    return Finding(
        cause=slug,
        step=entry.step,
        verdict=verdict,
        severity=entry.severity,
        confidence=round(confidence, 3),
        summary=summary,
        evidence=tuple(evidence),
        remedy=remedy or entry.remedy,
        check=check or entry.test,
        reference=entry.references[0] if entry.references else "",
    )


def fault(slug: str, confidence: float, summary: str, *evidence: Proof, remedy: str = "", check: str = "") -> Finding:
    """Return that a cause is present. remedy and check default to the catalogue's."""
    return _finding(slug, Verdict.FAULT, confidence, summary, evidence, remedy, check)


def clear(slug: str, summary: str, *evidence: Proof, confidence: float = 0.9) -> Finding:
    """Return that a cause was looked for and is not there."""
    return _finding(slug, Verdict.CLEAR, confidence, summary, evidence, "", "")


def unknown(slug: str, confidence: float, summary: str, *evidence: Proof) -> Finding:
    """Return that a cause is possible and could not be told from others; confidence is how likely it is."""
    return _finding(slug, Verdict.UNKNOWN, confidence, summary, evidence, "", "")
