"""Candidates where nothing is proven: from refusals without a known cause, and from what a person told.

Told is never measured: a told symptom moves candidates up or down and proves nothing.
"""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from wsbook.evidence import Evidence
from wsbook.facts import SymptomFacts, WordsFacts
from wsbook.finding import PROVEN, Finding, Severity, Verdict
from wsbook.observation import Observation
from wsbook.rules.known import causes_of_status
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.outcome import refusals, say
from wsbook.symptoms import symptom_candidates

__all__ = ["is_shown", "judge_refusals", "judge_words", "told_causes", "weigh_told"]

_EXPLAINED = 0.4
"""From this confidence on another rule's explanation of a refusal is better than what its status alone stands for."""

_SHOWN = 0.93
"""From this confidence on a cause is shown, not guessed."""

_GUESS = 0.25
"""What vocabulary alone can be worth: less than any text that is known."""

_CONNECT_STEPS = frozenset({"1.1", "1.2", "1.3", "1.4", "2.1", "2.2", "3.2", "3.3", "4.2"})
"""4.2 too: a limit on the rate or the number of connections refuses upgrades."""


def told_causes(evidence: Evidence) -> frozenset[str]:
    """Return the causes that what was told may stand for."""
    return frozenset(slug for _, facts in evidence.of(SymptomFacts) for slug, _ in symptom_candidates(facts))


def is_shown(found: Iterable[Finding]) -> bool:
    """Tell whether a rule has shown why upgrades fail: then what other answers of the endpoint let guess is not asked for."""
    errors = (one for one in found if one.verdict is Verdict.FAULT and one.severity is Severity.ERROR and one.step in _CONNECT_STEPS)
    return any(one.confidence >= _SHOWN for one in errors)


def judge_refusals(evidence: Evidence, found: Iterable[Finding]) -> Iterator[Finding]:
    """Name the candidates of a refused upgrade that no other rule has an explanation for; none of Origin where that was tried."""
    every = list(found)
    faults = [finding for finding in every if finding.verdict is Verdict.FAULT and finding.step in _CONNECT_STEPS]
    tried = any(finding.cause.startswith("origin.") and finding.verdict is not Verdict.FAULT for finding in every)
    if any(finding.confidence >= _EXPLAINED for finding in faults):
        return
    told: set[int] = set()
    for seen, facts in refusals(evidence):
        if facts.status is not None and facts.status != 101 and facts.status not in told:
            told.add(facts.status)
            likely = [one for one in causes_of_status(facts.status) if not (tried and one[0].startswith("origin."))]
            for slug, prior in likely[:5]:
                yield fault(
                    slug, min(PROVEN - 0.01, prior), f"upgrade {say(seen, facts)}", proof(seen, f"{facts.status} {facts.body[:80]}".strip())
                )


def judge_words(evidence: Evidence, found: Iterable[Finding]) -> Iterator[Finding]:
    """Name what the words of artifacts speak for, when nothing else speaks louder: no fault and no measurement."""
    known = {finding.cause for finding in found if finding.verdict is not Verdict.CLEAR and finding.confidence > 0}
    loud = any(finding.verdict is Verdict.FAULT for finding in found)
    if loud or any(not seen.source.artifact for seen, _ in evidence.upgrades):
        return
    scores: dict[str, tuple[float, Observation]] = {}
    for seen, facts in evidence.of(WordsFacts):
        for slug, score in facts.causes:
            if slug not in known and score > scores.get(slug, (0.0, seen))[0]:
                scores[slug] = score, seen
    for slug, (score, seen) in sorted(scores.items(), key=lambda entry: -entry[1][0])[:6]:
        yield unknown(
            slug, _GUESS * score, "the text resembles known cases of this by its words; nothing in it proves it", proof(seen, _shared(seen))
        )


def _shared(seen: Observation) -> str:
    return f"words in common: {', '.join(seen.facts.shared)}" if isinstance(seen.facts, WordsFacts) and seen.facts.shared else "words alone"


def weigh_told(evidence: Evidence, found: Iterable[Finding]) -> list[Finding]:
    """Return the findings with the told symptom's candidates weighed in: unproven ones that fit rise, new ones are added as UNKNOWN."""
    findings = list(found)
    told = list(evidence.of(SymptomFacts))
    if not told:
        return findings
    scores: dict[str, float] = {}
    for _, facts in told:
        for slug, score in symptom_candidates(facts):
            scores[slug] = max(score, scores.get(slug, 0.0))
    weighed = [_weigh(finding, scores) for finding in findings]
    known = {finding.cause for finding in findings}
    seen, facts = told[0]
    evident = proof(seen, f"told: {facts.text[:160]}", "told")
    ranked = sorted(scores.items(), key=lambda entry: -entry[1])[:6]
    weighed += [
        unknown(slug, min(0.45, 0.5 * score), "fits what was told; not measured", evident) for slug, score in ranked if slug not in known
    ]
    return weighed


def _weigh(finding: Finding, scores: dict[str, float]) -> Finding:
    """A measurement outranks what was told: proven findings stay as they are, clear ones too."""
    score = scores.get(finding.cause, 0.0)
    if finding.verdict is Verdict.CLEAR or not 0 < finding.confidence < 0.9 or not score:
        return finding
    return replace(finding, confidence=round(finding.confidence + (0.9 - finding.confidence) * 0.6 * min(1.0, score), 3))
