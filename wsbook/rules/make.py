"""How rules say what they judged: findings filled from the catalogue. Judges nothing itself."""

from collections.abc import Iterable

from msgspec.structs import replace

from wsbook.causes import cause
from wsbook.finding import Finding, Proof, Verdict
from wsbook.observation import Observation

__all__ = ["clear", "complete", "fault", "proof", "unknown"]

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
        remedy=remedy,
        check=check,
        reference=entry.references[0] if entry.references else "",
    )


def fault(slug: str, confidence: float, summary: str, *evidence: Proof, remedy: str = "", check: str = "") -> Finding:
    """Return that a cause is present. remedy and check: "" leaves them to complete()."""
    return _finding(slug, Verdict.FAULT, confidence, summary, evidence, remedy, check)


def clear(slug: str, summary: str, *evidence: Proof, confidence: float = 0.9) -> Finding:
    """Return that a cause was looked for and is not there."""
    return _finding(slug, Verdict.CLEAR, confidence, summary, evidence, "", "")


def complete(finding: Finding, url: str, repeat: str = "") -> Finding:
    """Return the finding with the catalogue's remedy where a rule had none of its own, and with the command that proves the fix.

    repeat: a shell command that makes the attempt of its evidence again, "" none.
    """
    entry = cause(finding.cause)
    steps = sorted({one.observation.partition("-")[0] for one in finding.evidence if one.observation[:1] in "1234" and one.observation})
    files = list(dict.fromkeys(one.where.rpartition(":")[0] for one in finding.evidence if one.where.rpartition(":")[2].isdigit()))
    again = f"wsbook run {url} --steps {','.join(steps)}" if url and steps else f"wsbook read {files[0]}" if files else ""
    check = finding.check or "\n".join(filter(None, (again, repeat, entry.test)))
    return replace(finding, remedy=finding.remedy or entry.remedy, check=check)


def unknown(slug: str, confidence: float, summary: str, *evidence: Proof) -> Finding:
    """Return that a cause is possible and could not be told from others; confidence is how likely it is."""
    return _finding(slug, Verdict.UNKNOWN, confidence, summary, evidence, "", "")
