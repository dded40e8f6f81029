"""How often investigations name the cause that was planted: trials in, tables out. Pure; it runs no trial."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from msgspec import Struct

from wsbook.causes import AREAS

__all__ = ["SCHEMA", "AreaScore", "Reliability", "Trial", "accuracy", "by_area", "reliability"]

SCHEMA = "wsbook.accuracy/1"

_STEPS = (0.0, 0.3, 0.5, 0.7, 0.9, 1.01)
"""Borders of the classes of confidence."""


class Trial(Struct, frozen=True, kw_only=True):
    """One investigation with a known answer.

    kind: lab, combination or artifact. name: the fault, the faults joined by +, or the case; "" for the healthy lab. cause: what should be
    named, "" nothing. also: causes that are true as well; of a combination those that were planted beside. named: root causes that are
    faults, surest first; sure: their confidences. problem: why it could not run.
    """

    kind: str
    name: str
    cause: str
    named: tuple[str, ...] = ()
    sure: tuple[float, ...] = ()
    also: tuple[str, ...] = ()
    seconds: float = 0.0
    problem: str = ""

    @property
    def first(self) -> bool:
        """Whether the planted cause comes first, or nothing was named where nothing is wrong."""
        return self.named[:1] == ((self.cause,) if self.cause else ()) and not self.problem

    @property
    def among_three(self) -> bool:
        """Whether the planted cause is among the first three."""
        return self.cause in self.named[:3] if self.cause else self.first

    @property
    def complete(self) -> bool:
        """Whether every cause that was planted is named, and nothing else."""
        return set(self.named) == {self.cause, *self.also} and not self.problem

    @property
    def right(self) -> bool:
        """Whether it ended as it should: of a combination complete, else first."""
        return self.complete if self.kind == "combination" else self.first


class AreaScore(Struct, frozen=True, kw_only=True):
    """The trials of one area of the catalogue. seconds: their median."""

    area: str
    trials: int
    first: int
    among_three: int
    seconds: float

    @property
    def missed(self) -> int:
        """Trials whose cause is not among the first three."""
        return self.trials - self.among_three


class Reliability(Struct, frozen=True, kw_only=True):
    """What was said with a confidence from low up to high: how many causes, and how many of them were true."""

    low: float
    high: float
    said: int
    true: int


def _ran(trials: Iterable[Trial]) -> list[Trial]:
    return [trial for trial in trials if not trial.problem]


def _score(area: str, trials: Sequence[Trial]) -> AreaScore:
    return AreaScore(
        area=area,
        trials=len(trials),
        first=sum(trial.first for trial in trials),
        among_three=sum(trial.among_three for trial in trials),
        seconds=round(median(trial.seconds for trial in trials), 1) if trials else 0.0,
    )


def by_area(trials: Iterable[Trial]) -> list[AreaScore]:
    """Return the score of each area that was tried, in the catalogue's order; trials without a cause, or that did not run, are left out."""
    faulty = [trial for trial in _ran(trials) if trial.cause]
    own = {area: [trial for trial in faulty if trial.cause.partition(".")[0] == area] for area in AREAS}
    return [_score(area, ones) for area, ones in own.items() if ones]


def reliability(trials: Iterable[Trial]) -> list[Reliability]:
    """Return how often what was said with some confidence was true. A cause that is true as well counts as true."""
    ran = _ran(trials)
    said = [(sure, cause in (trial.cause, *trial.also)) for trial in ran for cause, sure in zip(trial.named, trial.sure, strict=True)]
    classes = []
    for low, high in pairwise(_STEPS):
        inside = [true for sure, true in said if low <= sure < high]
        classes.append(Reliability(low=low, high=min(high, 1.0), said=len(inside), true=sum(inside)))
    return classes


def accuracy(trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the document of all trials, by kind: scores by area and in all, false alarms, reliability, and every trial that missed."""
    kinds = {kind: [trial for trial in trials if trial.kind == kind] for kind in ("lab", "combination", "artifact")}
    scores = {kind: _of_kind(own) for kind, own in kinds.items() if kind != "combination"}
    return {"schema": SCHEMA, **scores, "combination": _of_combinations(kinds["combination"])}


def _of_combinations(trials: Sequence[Trial]) -> dict[str, Any]:
    ran = _ran(trials)
    planted = {trial.name: {trial.cause, *trial.also} for trial in ran}
    return {
        "trials": len(ran),
        "all_named": sum(planted[trial.name] <= set(trial.named) for trial in ran),
        "nothing_invented": sum(set(trial.named) <= planted[trial.name] for trial in ran),
        "not_complete": {trial.name: list(trial.named) for trial in ran if not trial.complete},
        "not_run": {trial.name: trial.problem for trial in trials if trial.problem},
    }


def _of_kind(trials: Sequence[Trial]) -> dict[str, Any]:
    ran = _ran(trials)
    faulty, healthy = [trial for trial in ran if trial.cause], [trial for trial in ran if not trial.cause]
    return {
        "areas": {score.area: _plain(score) for score in by_area(ran)},
        "all": _plain(_score("", faulty)),
        "healthy": {"trials": len(healthy), "false_alarms": sum(not trial.first for trial in healthy)},
        "reliability": [{"low": one.low, "high": one.high, "said": one.said, "true": one.true} for one in reliability(ran)],
        "not_first": {trial.name: list(trial.named[:3]) for trial in ran if not trial.first},
        "not_run": {trial.name: trial.problem for trial in trials if trial.problem},
    }


def _plain(score: AreaScore) -> dict[str, Any]:
    return {"trials": score.trials, "first": score.first, "among_three": score.among_three, "median_s": score.seconds}
