"""What changed between two judgements: verdicts of steps, root causes, and every fault. Pure.

Figures in sentences change from run to run and are no change of what is said; so a summary counts as changed only when its
words do.
"""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from wsbook.finding import Finding, StepVerdict, Verdict

__all__ = ["Change", "Difference", "difference"]

_FIGURES = re.compile(r"wsbook-lab-\w+|[+±]?\d[\d.,:]*(?:\s?(?:µs|ms|s|min|h|%|B|KiB|MiB|msg/s|/s)\b)?")
_CERTAINTY = 0.02
"""A smaller change of confidence tells nothing."""


class Change(Struct, frozen=True, kw_only=True):
    """Something that both judgements name and say differently. what: verdict, confidence or summary."""

    cause: str
    what: str
    before: str
    after: str


class Difference(Struct, frozen=True, kw_only=True):
    """What differs. steps: step → verdicts before and after, "" where it was not judged. gone, new: root causes by slug.

    appeared, vanished: faults and candidates, root or not, of which the other judgement knows nothing.
    """

    steps: dict[str, tuple[str, str]]
    gone: tuple[str, ...]
    new: tuple[str, ...]
    appeared: tuple[Finding, ...]
    vanished: tuple[Finding, ...]
    changed: tuple[Change, ...]

    @property
    def any(self) -> bool:
        """Whether anything differs."""
        return bool(self.steps or self.gone or self.new or self.appeared or self.vanished or self.changed)


def difference(
    before: tuple[Iterable[Finding], Iterable[StepVerdict]], after: tuple[Iterable[Finding], Iterable[StepVerdict]]
) -> Difference:
    """Return what differs between two judgements, each its findings and the verdicts of its steps."""
    old, new = _suspects(before[0]), _suspects(after[0])
    was, now = ({step.step: step.verdict.value for step in steps} for steps in (before[1], after[1]))
    pairs = {step: (was.get(step, ""), now.get(step, "")) for step in {**was, **now}}
    roots, now_roots = ([slug for slug, finding in found.items() if finding.root] for found in (old, new))
    return Difference(
        steps={step: pair for step, pair in pairs.items() if pair[0] != pair[1]},
        gone=tuple(slug for slug in roots if slug not in now_roots),
        new=tuple(slug for slug in now_roots if slug not in roots),
        appeared=tuple(finding for slug, finding in new.items() if slug not in old and _notable(finding)),
        vanished=tuple(finding for slug, finding in old.items() if slug not in new and _notable(finding)),
        changed=tuple(change for slug in old if slug in new for change in _changes(old[slug], new[slug])),
    )


def _notable(finding: Finding) -> bool:
    return finding.root or finding.verdict is Verdict.FAULT


def _suspects(findings: Iterable[Finding]) -> Mapping[str, Finding]:
    """Return what may be wrong by cause: its fault before its possibility, the surer before the less sure."""
    found: dict[str, Finding] = {}
    for finding in sorted(findings, key=lambda one: (one.verdict is not Verdict.FAULT, -one.confidence)):
        if finding.verdict in (Verdict.FAULT, Verdict.UNKNOWN) or finding.root:
            found.setdefault(finding.cause, finding)
    return found


def _changes(before: Finding, after: Finding) -> Iterable[Change]:
    if not (_notable(before) or _notable(after)):
        return
    if before.verdict is not after.verdict:
        yield Change(cause=before.cause, what="verdict", before=before.verdict.value, after=after.verdict.value)
    if abs(before.confidence - after.confidence) >= _CERTAINTY:
        yield Change(cause=before.cause, what="confidence", before=f"{before.confidence:.0%}", after=f"{after.confidence:.0%}")
    if _FIGURES.sub("#", before.summary) != _FIGURES.sub("#", after.summary):
        yield Change(cause=before.cause, what="summary", before=before.summary, after=after.summary)
