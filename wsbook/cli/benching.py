"""wsbook bench: does the investigation name what was planted, and nothing where nothing is wrong? The lab, and artifact samples.

Runs the steps without notebooks.
"""

import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from msgspec import DecodeError, Struct, ValidationError, convert
from msgspec.json import decode
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from wsbook import __version__
from wsbook.accuracy import KINDS, AreaScore, Trial, accuracy, by_area, joined, reliability
from wsbook.case import Case, Judgement
from wsbook.causes import AREAS
from wsbook.datafile import shipped_folder
from wsbook.errors import UnreadableInputError, UsageError
from wsbook.finding import Severity, Verdict
from wsbook.inquiry import find_cause
from wsbook.lab import COMBINATIONS, FAULTS, STACKS
from wsbook.lab.faults import find_fault
from wsbook.parsers.read import read_text
from wsbook.parsers.symptom import parse_symptom
from wsbook.steps import BESIDE, STEPS
from wsbook.target import Budget, Target
from wsbook.whole import write_atomically

__all__ = ["Bench", "chosen_kinds", "read_trials", "sampled", "show_bench", "write_accuracy"]

_SAMPLES = "faults_*.jsonl", "healthy_*.jsonl"


class _Sample(Struct, frozen=True, kw_only=True):
    """A line of data/samples/cases. cause "": nothing is wrong. also: causes that are true as well."""

    id: str
    kind: str
    cause: str
    artifact: str
    symptom: str = ""
    also: tuple[str, ...] = ()


class _Watch:
    """Notes after each step which cause stands first, and since when."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.began = time.monotonic()
        self.first, self.since_s = "", 0.0

    def note(self) -> None:
        """Look at what stands first now."""
        first = next(iter(_outcome(self._case.judge(), "")["named"]), "")
        if first != self.first:
            self.first, self.since_s = first, self.now_s

    @property
    def now_s(self) -> float:
        return round(time.monotonic() - self.began, 2)


_NAMED = {"artifact": (Verdict.FAULT, Verdict.UNKNOWN), "told": (Verdict.FAULT, Verdict.UNKNOWN)}
"""Files alone rarely prove a fault: there a cause that is merely possible is named too."""


def _outcome(judgement: Judgement, kind: str) -> dict[str, Any]:
    """Return the root causes, surest first, with their confidences, and whether each is a fault that breaks updates."""
    roots = [found for found in judgement.findings if found.root and found.verdict in _NAMED.get(kind, (Verdict.FAULT,))]
    return {
        "named": tuple(found.cause for found in roots),
        "sure": tuple(round(found.confidence, 3) for found in roots),
        "severe": tuple(found.verdict is Verdict.FAULT and found.severity is Severity.ERROR for found in roots),
    }


def sampled(names: Sequence[str], count: int) -> list[str]:
    """Return about so many names, spread evenly over all of them; 0 returns all."""
    if not 0 < count < len(names):
        return list(names)
    return [names[index * len(names) // count] for index in range(count)]


def chosen_kinds(only: Iterable[str]) -> tuple[str, ...]:
    """Return the kinds of trials that are wanted, () meaning all of them.

    Raises:
        UsageError: there is no such kind.
    """
    wanted = tuple(only)
    for kind in wanted:
        if kind not in KINDS:
            raise UsageError(f"there are no trials of kind {kind!r}; there are {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if not wanted or kind in wanted)


class Bench(Struct, frozen=True, kw_only=True):
    """Which trials to run. kinds: of KINDS. names: faults or stacks of the lab instead of all, () for all. sample: about so many of each
    kind, 0 for all. rounds: how often each healthy stack is tried. jobs: trials at once."""

    kinds: tuple[str, ...]
    names: tuple[str, ...] = ()
    sample: int = 0
    rounds: int = 3
    jobs: int = 1

    def plan(self) -> list[tuple[str, str, int]]:
        """Return (kind, name, round) of every trial of the lab.

        Raises:
            UsageError: an unknown fault, or faults that cannot be planted together.
        """
        if self.names:
            return [(_kind_of(name, self.kinds), name, 1) for name in self.names]
        every = {"fault": list(FAULTS), "healthy": ["", *STACKS], "together": list(COMBINATIONS), "until-sure": list(FAULTS)}
        rounds = {"healthy": 1 if self.sample else self.rounds}
        return [
            (kind, name, number)
            for kind, names in every.items()
            if kind in self.kinds
            for number in range(1, rounds.get(kind, 1) + 1)
            for name in sampled(names, self.sample)
        ]

    def run(self, console: Console, keep: Callable[[Trial], None]) -> None:
        """Run the trials, with a line of progress each, and hand over what came of it."""
        plan, ended = self.plan(), count(1)

        def told(trial: Trial) -> None:
            words = "not run" if trial.problem else ", ".join(trial.named) or "nothing named"
            line = f"{next(ended)} of {len(plan)}  {trial.kind}  {trial.name or 'healthy'}: {words}"
            console.print(line, style="#999999", highlight=False)
            keep(trial)

        if self.jobs > 1:
            asyncio.run(self._several(plan, told))
        else:
            for one in plan:
                told(_try_lab(*one))
        for kind in ("artifact", "told") if not self.names else ():
            for sample in _samples() if kind in self.kinds else ():
                if kind == "artifact" or sample.symptom:
                    keep(_try_sample(kind, sample))

    async def _several(self, plan: Sequence[tuple[str, str, int]], keep: Callable[[Trial], None]) -> None:
        """Run several trials at once, each in a process of its own: what a lab gives its visitors as secrets stands in the environment."""
        free = asyncio.Semaphore(self.jobs)

        async def run(one: tuple[str, str, int]) -> None:
            async with free:
                keep(await _try_apart(*one))

        async with asyncio.TaskGroup() as tasks:
            for one in plan:
                tasks.create_task(run(one))


async def _try_apart(kind: str, name: str, turn: int) -> Trial:
    """Return what comes of a trial in another process, which ends with ours."""
    command = (sys.executable, "-m", "wsbook", "bench", name, "--only", kind, "--json")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
    try:
        said, _ = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    try:
        (trial,) = decode(said, type=list[Trial])
    except (DecodeError, ValidationError, ValueError):
        return Trial(kind=kind, name=name, cause=find_fault(name).named, round=turn, problem=f"it ended with {process.returncode}")
    return replace(trial, kind=kind, round=turn)


def _kind_of(name: str, kinds: tuple[str, ...]) -> str:
    planted = find_fault(name)
    if planted.healthy:
        return "healthy"
    return "together" if planted.others else "until-sure" if kinds == ("until-sure",) else "fault"


def _try_lab(kind: str, name: str, turn: int) -> Trial:
    planted = find_fault(name)
    told: dict[str, Any] = {"kind": kind, "name": name, "cause": planted.named, "also": planted.others, "round": turn}
    try:
        with Case.open(fault=name) as case:
            watch = _Watch(case)
            asyncio.run(_look(case, watch) if kind != "until-sure" else _find(case, watch))
            outcome = _outcome(case.judge(), kind)
    except (UsageError, LookupError) as error:  # a program that this fault needs is not installed, or two change the same lines
        return Trial(**told, problem=str(error))
    seconds = watch.since_s if outcome["named"] else watch.now_s
    return Trial(**told, **outcome, seconds=seconds, whole_s=watch.now_s)


async def _look(case: Case, watch: _Watch) -> None:
    for step in STEPS:
        case.begin(*BESIDE.get(step, ()))
        await case.run(step)
        watch.note()


async def _find(case: Case, watch: _Watch) -> None:
    await find_cause(case)
    watch.note()


def _samples() -> list[_Sample]:
    folder = shipped_folder("data") / "samples" / "cases"
    paths = [path for pattern in _SAMPLES for path in sorted(folder.glob(pattern))]
    return [decode(line, type=_Sample) for path in paths for line in path.read_bytes().splitlines()]


def _try_sample(kind: str, sample: _Sample) -> Trial:
    """Return what comes of an artifact, alone or with what was told of it."""
    started = time.monotonic()
    symptom = sample.symptom if kind == "told" else ""
    case = Case(Target(url="", symptom=symptom), Budget.named("quick"))
    told: dict[str, Any] = {"kind": kind, "name": sample.id, "cause": sample.cause, "also": sample.also}
    try:
        case.add(*([parse_symptom(symptom, step="0")] if symptom else []), *read_text(sample.artifact, kind=sample.kind))
    except UnreadableInputError as error:
        return Trial(**told, problem=str(error))
    outcome = _outcome(case.judge(), kind)
    return Trial(**told, **outcome, seconds=round(time.monotonic() - started, 2))


def show_bench(console: Console, trials: Sequence[Trial]) -> None:
    """Print a table for each kind, how sure was how right, and the trials that did not end as they should."""
    for kind, title in KINDS.items():
        own = [trial for trial in trials if trial.kind == kind]
        ran = [trial for trial in own if not trial.problem]
        if not own:
            continue
        if kind == "together":
            right = sum(trial.complete for trial in ran)
            console.print(f"{title}: all named and nothing else in {right} of {len(ran)}", highlight=False)
        elif scores := by_area(ran):
            console.print(_score_table(title, scores))
        if healthy := [trial for trial in ran if not trial.cause]:
            console.print(f"nothing wrong: {len(healthy)} tried, {sum(trial.alarm for trial in healthy)} false alarms", highlight=False)
        said = [one for one in reliability(own) if one.said]
        console.print("; ".join(f"{one.low:.0%} to {one.high:.0%} sure: {one.true} of {one.said} true" for one in said), highlight=False)
        for trial in own:
            if line := _missed(trial):
                console.print(line, markup=False, highlight=False)
        console.print()


def _score_table(title: str, scores: Sequence[AreaScore]) -> Table:
    table = Table(title, "tried", "first", "in three", "missed", "median s", box=None, pad_edge=False)
    for score in scores:
        counts = (score.trials, score.first, score.among_three, score.missed)
        table.add_row(AREAS[score.area], *map(str, counts), f"{score.seconds:.1f}")
    return table


def _missed(trial: Trial) -> str:
    """Return what was wrong with a trial, "" when nothing was; a warning where nothing is wrong is told, and is no miss."""
    name = trial.name or "healthy"
    if trial.problem:
        return f"not run: {name}: {trial.problem}"
    if trial.right and (trial.cause or trial.kind != "healthy" or not trial.named):
        return ""
    words = ", ".join(trial.named) or "nothing"
    if not trial.cause:
        return f"{'false alarm' if trial.alarm else 'warned'}: {name}: named {words}"
    return f"{'not complete' if trial.kind == 'together' else 'not first'}: {name} ({trial.cause}): named {words}"


def read_trials(path: Path) -> list[Trial]:
    """Return the trials that a file holds already, none when there is no file.

    Raises:
        UsageError: it is no file of ours.
    """
    if not path.exists():
        return []
    try:
        return convert(decode(path.read_bytes())["trials"], list[Trial])
    except (OSError, DecodeError, ValidationError, KeyError, TypeError) as error:
        raise UsageError(f"{path} holds no trials of wsbook bench; name another file") from error


def write_accuracy(path: Path, before: Iterable[Trial], now: Sequence[Trial]) -> None:
    """Write what the trials gave, with when and where the latest were made; those of before that were not tried again stay.

    Raises:
        UnwritableError: it cannot be written.
    """
    made = {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "wsbook": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
    }
    document = {"made": made, **accuracy(joined(before, now))}
    trials = document.pop("trials")
    rows = ",\n  ".join(json.dumps(trial) for trial in trials)
    text = json.dumps(document, indent=1)[:-2] + f',\n "trials": [\n  {rows}\n ]\n}}\n'
    write_atomically(path, text.encode())
