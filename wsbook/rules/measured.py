"""What code only suggests, beside what an experiment showed: the experiment outranks, and a finding that both support carries both."""

from collections.abc import Iterable, Iterator
from types import UnionType

from msgspec.structs import replace

from wsbook.evidence import Evidence
from wsbook.facts import PatternFacts, RehearsalFacts
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation

__all__ = ["with_measurements"]

_DISPROVED = frozenset(
    {
        "client.double-connect",
        "client.duplicate-listeners",
        "client.no-catch-up-after-reconnect",
        "client.no-reconnect",
        "client.no-resubscribe-after-reconnect",
        "client.reconnect-no-backoff",
        "cluster.no-sticky-session",
        "origin.not-checked",
    }
)
"""Causes whose experiment decides: where it found nothing, code that looks like them does no harm in this deployment.

Of the others an experiment sees a part only: a silence of 20 s says nothing of a limit of 60 s. What an accepted upgrade or a whole
broadcast disproves stands in rules/texts.py.
"""
_REFUTED = 0.25
"""What is left of a suggestion that an experiment speaks against."""


def with_measurements(evidence: Evidence, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings; what rests on source code alone is joined with, or lowered by, what was measured of the same cause."""
    known, every = {seen.id: seen for seen in evidence.observations if seen.id}, list(findings)
    shown = {one.cause: one for one in every if one.verdict is Verdict.FAULT and _is_measured(one, known)}
    clear = {one.cause: one for one in every if one.verdict is Verdict.CLEAR and one.cause in _DISPROVED and _is_measured(one, known)}
    suggested = [one for one in every if _is_suggested(one, known)]
    for finding in every:
        if finding in suggested and finding.cause in shown and finding.confidence <= shown[finding.cause].confidence:
            continue  # a surer one stays beside a measurement that is half a guess, and both together are surer still
        if finding.cause in clear and (finding in suggested or _is_suggested(finding, known, PatternFacts | RehearsalFacts)):
            yield _refuted(finding, clear[finding.cause])
        elif shown.get(finding.cause) is finding:
            yield _supported(finding, [one for one in suggested if one.cause == finding.cause])
        else:
            yield finding


def _seen_by(finding: Finding, known: dict[str, Observation]) -> list[Observation]:
    return [known[one.observation] for one in finding.evidence if one.observation in known]


def _is_measured(finding: Finding, known: dict[str, Observation]) -> bool:
    """Whether the first evidence is a look at what runs: that of a file has its name as its artifact."""
    return any(not (seen.source.artifact or isinstance(seen.facts, PatternFacts)) for seen in _seen_by(finding, known)[:1])


def _is_suggested(finding: Finding, known: dict[str, Observation], kinds: type | UnionType = PatternFacts) -> bool:
    """Whether it rests on these kinds of facts alone: a rehearsal shows what a file does, not that anybody is harmed by it."""
    seen = _seen_by(finding, known)
    unsettled = finding.verdict in (Verdict.FAULT, Verdict.UNKNOWN) and finding.confidence > 0
    return unsettled and bool(seen) and all(isinstance(one.facts, kinds) for one in seen)


def _supported(finding: Finding, suggestions: Iterable[Finding]) -> Finding:
    """Return what was measured with the places in the code that explain it behind the measurement."""
    places = tuple(proof for one in suggestions for proof in one.evidence if proof not in finding.evidence)
    return replace(finding, evidence=(*finding.evidence[:8], *places[:4])) if places else finding


def _refuted(finding: Finding, measured: Finding) -> Finding:
    return replace(
        finding,
        verdict=Verdict.UNKNOWN,
        confidence=round(_REFUTED * finding.confidence, 3),
        summary=f"{finding.summary}; measured: {measured.summary}",
        evidence=(*finding.evidence, *measured.evidence[:1]),
    )
