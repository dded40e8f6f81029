"""What settings of a configuration leave possible when nothing shows more: the table of the last resort, weighed against the rest."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from wsbook.evidence import Evidence
from wsbook.facts import Suspicion, SuspicionFacts, SymptomFacts
from wsbook.finding import DOUBTED, Finding, Verdict
from wsbook.observation import Observation
from wsbook.rules.make import proof, unknown
from wsbook.rules.told import told_causes

__all__ = ["judge_possible"]

_TELLING = 0.33
"""Below this weight a setting is so common that it is worth a word only where a symptom was told, or where nothing else is known."""

_COMMON = 0.15
"""Below this weight it is worth a word only where a symptom was told."""

_HANDFUL = 3
"""Possibilities that are named although nothing that was told fits them."""

_LIMITS = "proxy.idle-timeout"


def judge_possible(evidence: Evidence, found: Iterable[Finding]) -> Iterator[Finding]:
    """Name causes that settings could be, when no other rule speaks about them and nothing is shown.

    Beside what other rules hold possible a setting counts so little that it is a root cause only when a told symptom lifts it.
    """
    known = list(found)
    others = [one for one in known if one.verdict is not Verdict.CLEAR and one.confidence > 0]
    if any(one.verdict is Verdict.FAULT and one.confidence >= DOUBTED for one in others):
        return
    spoken = {_family(one.cause) for one in known}
    share = max((one.confidence for one in others), default=1.0)
    for seen, file, one in _chosen(evidence, spoken, _TELLING if others else _COMMON):
        summary = f"{Path(file).name}:{one.line}: {one.note.rstrip('.')}; possible, not shown"
        yield unknown(one.cause, one.weight * min(1.0, share), summary, proof(seen, one.excerpt, f"{file}:{one.line}"))


def _chosen(evidence: Evidence, spoken: set[str], least: float) -> list[tuple[Observation, str, Suspicion]]:
    """Return the likeliest settings and their files, each cause once: those that fit what was told, and a handful of the rest.

    least: weight from which a setting counts although nothing was told.
    """
    told = told_causes(evidence)
    complaint = evidence.first(SymptomFacts) is not None
    every = [(seen, facts.file, one) for seen, facts in evidence.of(SuspicionFacts) for one in facts.suspicions]
    best: dict[str, tuple[Observation, str, Suspicion]] = {}
    for entry in sorted(every, key=lambda entry: -entry[2].weight):
        if _family(entry[2].cause) not in spoken and (complaint or entry[2].weight >= least):
            best.setdefault(_family(entry[2].cause), entry)
    fitting = [entry for entry in best.values() if entry[2].cause in told]
    return fitting + [entry for entry in best.values() if entry[2].cause not in told][:_HANDFUL]


def _family(cause: str) -> str:
    """Return one name for the idle limits of all products."""
    return _LIMITS if cause.startswith(_LIMITS) and not cause.endswith("silent") else cause
