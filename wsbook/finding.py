"""Findings, verdicts and the ranking of root causes. Pure."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from math import prod

from msgspec import Struct
from msgspec.structs import replace

__all__ = ["NOT_RUN", "STEP_TITLES", "Finding", "Proof", "Severity", "StepVerdict", "Verdict", "explains_cause", "rank"]

STEP_TITLES = {
    "1.1": "endpoint in the code",
    "1.2": "browser",
    "1.3": "direct test",
    "1.4": "backend log",
    "2.1": "network",
    "2.2": "proxies",
    "3.1": "frontend",
    "3.2": "backend",
    "3.3": "origin",
    "3.4": "heartbeat",
    "4.1": "trace",
    "4.2": "volume",
}
"""The twelve steps of the investigation, in order."""

NOT_RUN = "not run"
"""The sentence of a step that nobody has looked at yet."""

NOT_A_FAULT = "redherring.not-a-fault"
"""What looks like a fault and is none: a cause of the catalogue, so that it can be the answer."""

PROVEN = 0.5
"""From this confidence on a fault may explain others."""

NEAR = 0.75
"""A fault explains another only when its confidence is at least this part of the other's."""

FAR = 0.4
"""A candidate below this part of the surest finding's confidence is not called a root cause."""

SHOWN, FARTHER = 0.95, 0.5
"""Beside a cause that is as sure as this, the part is larger: what was shown leaves less room for guesses."""

DOUBTED = 0.75
"""Behind faults that are all less sure than this, possibilities stay root causes too: the fault may not be the one that hurts."""

DOUBLE = 2.0
"""How much more likely another look must hold a fault's cause for its likelihood to count instead of the fault's own."""


class Verdict(StrEnum):
    """What a rule or a step says. "Could not look" is UNKNOWN, never CLEAR."""

    CLEAR = "clear"
    FAULT = "fault"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not applicable"
    SKIPPED = "skipped"


class Severity(StrEnum):
    """How bad it is for the people who wait for updates: error breaks them, warning will, info does not."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


_WEIGHT = {Severity.ERROR: 1.0, Severity.WARNING: 0.75, Severity.INFO: 0.3}
"""How much a severity counts in the order of faults: a sure warning comes before a vague error. Possibilities go by likelihood alone."""


class Proof(Struct, frozen=True, kw_only=True):
    """One piece of evidence: id of the observation, the bytes, header or log line, and file:line where there is one."""

    text: str
    observation: str = ""
    where: str = ""


class Finding(Struct, frozen=True, kw_only=True):
    """A judgement about one cause of the catalogue.

    confidence: 0..1, how sure the rule is that the cause is present. root, explained_by: set by rank(); explained_by holds slugs.
    summary: one sentence with a number and its unit. remedy: text, with a diff or snippet where there is one.
    check: the command that proves the fix. reference: where it is documented.
    """

    cause: str
    step: str
    verdict: Verdict
    severity: Severity
    confidence: float
    summary: str
    root: bool = False
    explained_by: tuple[str, ...] = ()
    evidence: tuple[Proof, ...] = ()
    remedy: str = ""
    check: str = ""
    reference: str = ""

    @property
    def proofs(self) -> tuple[Proof, ...]:
        """The evidence to show: what several looks found at one place stands once."""
        return tuple({(proof.where, proof.text): proof for proof in self.evidence}.values())


class StepVerdict(Struct, frozen=True, kw_only=True):
    """What one of the twelve steps says, in one sentence."""

    step: str
    title: str
    verdict: Verdict
    summary: str


def _strongest(findings: Iterable[Finding]) -> list[Finding]:
    """Join findings of one cause and verdict: the surest one's words, everybody's evidence, agreement raises confidence.

    Different looks that were clear stay apart: each step tells its own.
    """
    joined: dict[tuple[str, Verdict, str], list[Finding]] = {}
    for finding in findings:
        said = finding.summary if finding.verdict is Verdict.CLEAR else ""
        joined.setdefault((finding.cause, finding.verdict, said), []).append(finding)
    return _raised([_joined(group) for group in joined.values()])


def _raised(joined: list[Finding]) -> list[Finding]:
    """A fault whose cause another look holds far more likely (DOUBLE) is as likely as that look says, and is told in its words."""
    likely = {finding.cause: finding for finding in joined if finding.verdict is Verdict.UNKNOWN}

    def raised(fault: Finding) -> Finding:
        other = likely.get(fault.cause)
        if fault.verdict is not Verdict.FAULT or other is None or other.confidence < DOUBLE * fault.confidence:
            return fault
        return replace(other, verdict=fault.verdict, severity=fault.severity, evidence=(*other.evidence, *fault.evidence)[:12])

    return [raised(finding) for finding in joined]


def _joined(group: list[Finding]) -> Finding:
    """Independent looks that agree make surer; the same look twice, such as two logs of one service, does not."""
    best = max(group, key=lambda finding: finding.confidence)
    looks: dict[str, float] = {}
    for finding in group:
        look = finding.evidence[0].observation.partition("-")[0] if finding.evidence else ""
        looks[look] = max(finding.confidence, looks.get(look, 0.0))
    doubt = prod(1.0 - confidence for confidence in looks.values())
    proofs = tuple(dict.fromkeys(proof for finding in sorted(group, key=lambda f: -f.confidence) for proof in finding.evidence))
    told = sorted(group, key=lambda finding: -finding.confidence)
    return replace(
        best,
        confidence=round(min(0.99, max(best.confidence, 1.0 - doubt)), 3),
        evidence=proofs[:12],
        remedy=next((finding.remedy for finding in told if finding.remedy), ""),
        check=next((finding.check for finding in told if finding.check), ""),
    )


def explains_cause(explains: Mapping[str, Iterable[str]], by: str, cause: str) -> bool:
    """Tell whether one cause explains another; "area.*" stands for all of an area."""
    return by != cause and bool({cause, f"{cause.partition('.')[0]}.*"} & set(explains.get(by, ())))


def rank(
    findings: Iterable[Finding],
    explains: Mapping[str, Iterable[str]],
    independent: Callable[[Finding, str], bool] = lambda finding, cause: False,
) -> tuple[Finding, ...]:
    """Return the findings with root and explained_by set, root causes first, surest first.

    Where there is no fault, a text that looks like one and is harmless is the answer, and root. Where faults are in doubt (DOUBTED),
    what is merely possible is root behind them.
    A candidate far less sure than the surest fault is no root: it may be listed, and names nothing.
    explains: slug → slugs of the causes that it explains; "area.*" stands for all of an area. A fault is explained when a proven
    fault (confidence >= PROVEN) that explains it is nearly as sure (NEAR), and so is the root at the end of the explanation; of two that
    explain each other the surer one does. independent: tells whether a finding was seen in such a way that this cause cannot have
    brought it about.
    """
    joined = _strongest(findings)
    faults = {f.cause: f for f in joined if f.verdict is Verdict.FAULT}

    def explained(slug: str) -> tuple[str, ...]:
        return tuple(
            other.cause
            for other in sorted(faults.values(), key=lambda f: (-f.confidence, f.cause))
            if explains_cause(explains, other.cause, slug)
            and other.confidence >= max(PROVEN, NEAR * faults[slug].confidence)
            and not independent(faults[slug], other.cause)
            and not (slug in explains and {other.cause} & set(explains[slug]) and faults[slug].confidence >= other.confidence)
        )

    causes_of = {slug: explained(slug) for slug in faults}

    def ends_near(slug: str, least: float, passed: tuple[str, ...] = ()) -> bool:
        """Tell whether an explanation, followed to its root, ends at a fault that is sure enough."""
        return any(
            ends_near(by, least, (*passed, by)) if causes_of[by] else faults[by].confidence >= least
            for by in causes_of[slug]
            if by not in passed
        )

    surest = max((f.confidence for f in joined if f.verdict in (Verdict.FAULT, Verdict.UNKNOWN)), default=0.0)
    certain = max((f.confidence for f in faults.values()), default=0.0) >= DOUBTED
    allowed = (Verdict.FAULT,) if certain else (Verdict.FAULT, Verdict.UNKNOWN)
    far = FARTHER if surest >= SHOWN else FAR
    ranked = []
    for finding in joined:
        by = causes_of[finding.cause] if finding.verdict is Verdict.FAULT and ends_near(finding.cause, NEAR * finding.confidence) else ()
        candidate = finding.verdict in allowed and finding.confidence > max(0.0, far * surest)
        candidate = candidate and (finding.verdict is Verdict.FAULT or finding.cause not in faults)
        candidate = candidate or (not faults and finding.verdict is Verdict.CLEAR and finding.cause == NOT_A_FAULT)
        ranked.append(replace(finding, root=candidate and not by, explained_by=by))
    return tuple(
        sorted(
            ranked,
            key=lambda f: (
                not f.root,
                f.root and bool(faults) and f.verdict is Verdict.UNKNOWN,
                -f.confidence * (_WEIGHT[f.severity] if f.verdict is Verdict.FAULT else 1.0),
                f.step,
                f.cause,
            ),
        )
    )
