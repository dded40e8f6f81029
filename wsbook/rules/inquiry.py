"""What to look at next, and when to stop: which step separates the suspects at the least cost, and when one cause is sure. Pure.

Each step decides some causes and takes some time (experiments.toml). Looking first where the most suspicion is decided in a second finds
a cause soonest on average: of looks with chance p and cost c, those with the larger p/c come first.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from types import MappingProxyType

from msgspec import Struct, convert

from wsbook.causes import causes, explains
from wsbook.datafile import read_table
from wsbook.evidence import Evidence
from wsbook.facts import SymptomFacts, UpgradeFacts
from wsbook.finding import Finding, Severity, Verdict, explains_cause
from wsbook.rules.known import causes_of_status
from wsbook.rules.outcome import baseline, inner_hops
from wsbook.rules.told import told_causes
from wsbook.symptoms import symptom_candidates

__all__ = ["SURE", "Choice", "next_look", "rivals", "settled", "suspects"]

SURE = 0.9
"""From this confidence on a cause is sure: of a hundred findings that say so, ninety-five are true on the bench."""

_PRIOR = {"high": 0.05, "med": 0.03, "low": 0.015}
"""What a cause is suspected for its frequency alone, before anything speaks for it."""
_SPOKEN, _CLEARED, _PASSED = 2.0, 0.05, 0.3
"""How much what was told or answered counts; what is left of a suspicion that a rule refutes, or that a step could have confirmed."""
_LEAST_COST_S = 0.2
_LIVE = 0.02
"""A smaller part of all suspicion stops nobody from being sure."""
_LOGS = "1.4"
_SOON_S, _NEARLY = 3.0, 0.2
"""A look that costs no more is worth taking for what is at least this part as frequent as a cause that it would explain."""
_BUDGETS = ("quick", "standard", "thorough")
_NOTHING: Mapping[str, float] = MappingProxyType({})


class _Experiment(Struct, frozen=True, kw_only=True):
    cost_s: tuple[float, float, float]
    needs: tuple[str, ...]
    decides: tuple[str, ...]
    open: bool = False


class _Table(Struct, frozen=True, kw_only=True):
    steps: dict[str, _Experiment]
    remains: dict[str, tuple[str, ...]]


class Choice(Struct, frozen=True, kw_only=True):
    """A step that would be worth its time.

    cost_s: what it usually takes, or what is left of it. share: part of all suspicion that it decides, 0..1. separates: the likeliest
    suspects among those that it decides, at most four.
    """

    step: str
    cost_s: float
    share: float
    separates: tuple[str, ...]


@cache
def _table() -> _Table:
    return convert(read_table("rules/experiments.toml"), _Table)


@cache
def _matching(patterns: tuple[str, ...]) -> frozenset[str]:
    return frozenset(slug for slug in causes() if any(fnmatchcase(slug, pattern) for pattern in patterns))


def _outcome(evidence: Evidence) -> str:
    """Return what came of the first upgrade, a key of `remains`; "" when none was tried."""
    tried = baseline(evidence)
    if tried is None:
        return ""
    if tried[1].accepted:
        page = [facts.accepted for seen, facts in evidence.of(UpgradeFacts) if seen.source.probe in ("browser", "har")]
        return "browser-only" if page and not any(page) else "accepted"
    if tried[1].status is None:
        return "unreached"
    inside = [seen[1].accepted for _, seen in inner_hops(evidence)]
    return "refused" if not inside else "refused-outside" if any(inside) else "refused-inside"


def _standing(evidence: Evidence, done: Collection[str]) -> frozenset[str]:
    """Return the steps of `done` that still count: logs that were read before a handshake was refused do not tell of that yet."""
    refused = [seen.observed_at for seen, facts in evidence.upgrades if seen.source.probe == "upgrade" and not facts.accepted]
    read = [seen.observed_at for seen in evidence.observations if seen.source.step == _LOGS]
    early = refused and read and max(read) < min(refused)
    return frozenset(done) - {_LOGS} if early else frozenset(done)


def suspects(evidence: Evidence, findings: Iterable[Finding], done: Collection[str] = ()) -> dict[str, float]:
    """Return how much each cause is suspected, in parts of all suspicion, the most suspected first.

    What was told, the status of a refusal, and findings speak for causes; findings that are clear, and steps of `done` that would have
    shown a cause, speak against them. A measurement counts more than anything that was told.
    """
    remains = _table().remains.get(_outcome(evidence))
    weights = {slug: _PRIOR[entry.frequency] for slug, entry in causes().items() if remains is None or slug in _matching(remains)}
    for step in _standing(evidence, done):
        for slug in _decided(step) & set(weights):
            weights[slug] *= _PASSED
    tried = baseline(evidence)
    status = tried[1].status if tried is not None and not tried[1].accepted else None
    spoken = [*causes_of_status(status)] if status is not None else []
    spoken += [candidate for _, facts in evidence.of(SymptomFacts) for candidate in symptom_candidates(facts)]
    for slug, score in spoken:
        if slug in weights:
            weights[slug] += _SPOKEN * score * (weights[slug] / _PRIOR[causes()[slug].frequency])
    for finding in findings:
        if finding.verdict is Verdict.CLEAR:
            weights[finding.cause] = _CLEARED * weights.get(finding.cause, 0.0)
        elif finding.verdict in (Verdict.FAULT, Verdict.UNKNOWN) and finding.root:
            weights[finding.cause] = max(weights.get(finding.cause, 0.0), _SPOKEN * 2 * finding.confidence)
    whole = sum(weights.values()) or 1.0
    return {slug: weight / whole for slug, weight in sorted(weights.items(), key=lambda entry: -entry[1])}


def _decided(step: str) -> frozenset[str]:
    experiment = _table().steps.get(step)
    return _matching(experiment.decides) if experiment else frozenset()


def _possible(evidence: Evidence, done: Collection[str]) -> Iterator[tuple[str, _Experiment]]:
    """Yield the steps that are left and have what they need."""
    tried = baseline(evidence)
    closed = tried is not None and not tried[1].accepted
    looked = _standing(evidence, done)
    for step, experiment in _table().steps.items():
        given = not experiment.needs or any(getattr(evidence.target, name) for name in experiment.needs)
        if step not in looked and given and not (closed and experiment.open):
            yield step, experiment


def next_look(
    evidence: Evidence, findings: Iterable[Finding], done: Collection[str], budget: str = "quick", begun: Mapping[str, float] = _NOTHING
) -> Choice | None:
    """Return the step that decides the most suspicion in a second, None when no step is left that has what it needs.

    begun: steps that are being looked at already → for how many seconds; only what is left of them costs anything.
    """
    weights = suspects(evidence, findings, done)
    best: Choice | None = None
    for step, experiment in _possible(evidence, done):
        decided = [slug for slug in weights if slug in _decided(step)]
        share = sum(weights[slug] for slug in decided)
        cost_s = max(experiment.cost_s[_BUDGETS.index(budget)] - begun.get(step, 0.0), _LEAST_COST_S)
        choice = Choice(step=step, cost_s=cost_s, share=round(share, 3), separates=tuple(decided[:4]))
        if best is None or _worth(choice) > _worth(best):
            best = choice
    return best


def _worth(choice: Choice) -> float:
    return choice.share / choice.cost_s


def settled(evidence: Evidence, findings: Iterable[Finding], done: Collection[str]) -> Finding | None:
    """Return the root cause that is sure, None while more has to be looked at.

    Sure is a fault that breaks updates, with a confidence of SURE, when no step that is left could show what explains it, and when it
    is one of those that what was told stands for, if anything was told.
    """
    ranked = list(findings)
    sure = [
        one for one in ranked if one.root and one.verdict is Verdict.FAULT and one.severity is Severity.ERROR and one.confidence >= SURE
    ]
    told = told_causes(evidence)
    for finding in sure:
        fits = not told or finding.cause in told or any(explains_cause(explains(), finding.cause, slug) for slug in told)
        if fits and not _may_be_explained(evidence, ranked, done, finding.cause):
            return finding
    return None


def _may_be_explained(evidence: Evidence, findings: Collection[Finding], done: Collection[str], cause: str) -> bool:
    """Whether a step that is left could show what is behind a cause: something that is suspected, or nearly as frequent and soon seen."""
    weights, before = suspects(evidence, findings, done), suspects(evidence, (), done)
    for step, experiment in _possible(evidence, done):
        for slug in _decided(step) & set(weights):
            near = experiment.cost_s[0] <= _SOON_S and before.get(slug, 0.0) >= _NEARLY * before.get(cause, 1.0)
            if (near or weights[slug] >= _LIVE) and explains_cause(explains(), slug, cause):
                return True
    return False


def rivals(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the candidates that cannot be told apart with the evidence at hand, the likeliest first; () where the first is sure, or alone.

    They rest on the same observation as the first: faults that were seen in different places may all be true.
    """
    roots = [finding for finding in findings if finding.root and finding.verdict in (Verdict.FAULT, Verdict.UNKNOWN)]
    if not roots or roots[0].confidence >= SURE:
        return ()
    seen = {proof.observation for proof in roots[0].evidence if proof.observation}
    close = [other for other in roots[1:] if seen & {proof.observation for proof in other.evidence}]
    return (roots[0], *close) if close else ()
