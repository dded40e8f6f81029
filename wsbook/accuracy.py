"""How often investigations name the cause that was planted: trials in, tables out. Pure; it runs no trial."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from msgspec import Struct, to_builtins

from wsbook.causes import AREAS

__all__ = ["CERTAIN", "KINDS", "SCHEMA", "AreaScore", "Reliability", "Trial", "accuracy", "by_area", "certain", "joined", "reliability"]

SCHEMA = "wsbook.accuracy/1"

KINDS = {
    "fault": "faults of the lab",
    "healthy": "healthy stacks of the lab",
    "together": "faults planted together",
    "until-sure": "faults of the lab, until one cause is sure",
    "artifact": "artifact samples, alone",
    "told": "artifact samples with what was told",
}
"""What is tried, in words."""

CERTAIN = 0.9
"""From this confidence on a finding is to be right nineteen times of twenty."""

_STEPS = (0.0, 0.3, 0.5, 0.7, CERTAIN, 1.01)
"""Borders of the classes of confidence."""


class Trial(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One investigation with a known answer.

    kind: one of KINDS. name: the fault, the faults joined by +, the stack, or the case; "" for the healthy lab. cause: what should be
    named, "" nothing. also: causes that are true as well; of faults planted together those beside the first. named: root causes, surest
    first, of the lab those that are faults; sure: their confidences; severe: whether each is a fault that breaks updates. seconds: until
    the cause that is first in the end stood first, or until all was looked at where none is named; whole_s: the whole investigation.
    round: 2 and more when the same is tried again. problem: why it could not run.
    """

    kind: str
    name: str
    cause: str
    named: tuple[str, ...] = ()
    sure: tuple[float, ...] = ()
    severe: tuple[bool, ...] = ()
    also: tuple[str, ...] = ()
    seconds: float = 0.0
    whole_s: float = 0.0
    round: int = 1
    problem: str = ""

    @property
    def alarm(self) -> bool:
        """Whether a fault that breaks updates was named where nothing is wrong."""
        return not self.cause and any(self.severe)

    @property
    def first(self) -> bool:
        """Whether the planted cause comes first, or no error was named where nothing is wrong."""
        return not self.problem and (self.named[:1] == (self.cause,) if self.cause else not self.alarm)

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
        """Whether it ended as it should: of faults planted together complete, else first."""
        return self.complete if self.kind == "together" else self.first


class AreaScore(Struct, frozen=True, kw_only=True):
    """The trials of one area of the catalogue. seconds: the median until the diagnosis."""

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


def certain(classes: Iterable[Reliability]) -> tuple[int, int]:
    """Return (true, said) of what was said with a confidence of CERTAIN at least."""
    sure = [one for one in classes if one.low >= CERTAIN]
    return sum(one.true for one in sure), sum(one.said for one in sure)


def joined(before: Iterable[Trial], now: Iterable[Trial]) -> list[Trial]:
    """Return all trials, each once: what was tried again replaces what came of it before."""
    return list({(trial.kind, trial.name, trial.round): trial for trial in (*before, *now)}.values())


def accuracy(trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the document of all trials: for each kind its scores, then reliability over all of them, and the trials themselves."""
    kinds = {kind: [trial for trial in trials if trial.kind == kind] for kind in KINDS}
    live = [trial for kind, own in kinds.items() if kind not in ("artifact", "told") for trial in own]
    return {
        "schema": SCHEMA,
        **{kind: _of_kind(kind, own) for kind, own in kinds.items() if own},
        "reliability": [{"low": one.low, "high": one.high, "said": one.said, "true": one.true} for one in reliability(live)],
        "trials": to_builtins(trials),
    }


def _of_kind(kind: str, trials: Sequence[Trial]) -> dict[str, Any]:
    ran = _ran(trials)
    tables = {"together": _of_together, "healthy": _of_healthy}
    missed = {f"{trial.name} {trial.round}" if trial.round > 1 else trial.name: list(trial.named[:3]) for trial in ran if not trial.right}
    not_run = {trial.name: trial.problem for trial in trials if trial.problem}
    return {**tables.get(kind, _of_faults)(ran), "missed": missed, "not_run": not_run}


def _of_together(ran: Sequence[Trial]) -> dict[str, Any]:
    planted = [{trial.cause, *trial.also} for trial in ran]
    return {
        "trials": len(ran),
        "complete": sum(trial.complete for trial in ran),
        "all_named": sum(one <= set(trial.named) for one, trial in zip(planted, ran, strict=True)),
        "nothing_invented": sum(set(trial.named) <= one for one, trial in zip(planted, ran, strict=True)),
    }


def _of_healthy(ran: Sequence[Trial]) -> dict[str, Any]:
    warned = {trial.name: list(trial.named) for trial in ran if trial.named and not trial.alarm}
    stacks = len({trial.name for trial in ran})
    return {"trials": len(ran), "stacks": stacks, "false_alarms": sum(trial.alarm for trial in ran), "warned": warned}


def _of_faults(ran: Sequence[Trial]) -> dict[str, Any]:
    faulty, healthy = [trial for trial in ran if trial.cause], [trial for trial in ran if not trial.cause]
    return {
        "areas": {score.area: _plain(score) for score in by_area(ran)},
        "all": _plain(_score("", faulty)),
        **({"healthy": {"trials": len(healthy), "false_alarms": sum(trial.alarm for trial in healthy)}} if healthy else {}),
    }


def _plain(score: AreaScore) -> dict[str, Any]:
    return {"trials": score.trials, "first": score.first, "among_three": score.among_three, "median_s": score.seconds}
