"""wsbook bench: does the investigation name the lab's faults, and nothing on the healthy lab? And the artifact samples?

Runs the steps without notebooks.
"""

import asyncio
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from wsbook import __version__
from wsbook.accuracy import Trial, accuracy, by_area, reliability
from wsbook.case import Case, Judgement
from wsbook.causes import AREAS
from wsbook.datafile import shipped_folder
from wsbook.errors import UnreadableInputError, UsageError
from wsbook.finding import Verdict
from wsbook.lab.faults import find_fault
from wsbook.parsers.read import read_text
from wsbook.steps import BESIDE, STEPS
from wsbook.target import Budget, Target
from wsbook.whole import write_atomically

__all__ = ["lab_trials", "sample_trials", "sampled", "show_bench", "write_accuracy"]

_SAMPLES = "faults_*.jsonl", "healthy_*.jsonl"


class _Sample(Struct, frozen=True, kw_only=True):
    """A line of data/samples/cases. cause "": nothing is wrong. also: causes that are true as well."""

    id: str
    kind: str
    cause: str
    artifact: str
    symptom: str = ""
    also: tuple[str, ...] = ()


def _named(judgement: Judgement) -> dict[str, float]:
    return {found.cause: round(found.confidence, 3) for found in judgement.findings if found.root and found.verdict is Verdict.FAULT}


def sampled(names: Sequence[str], count: int) -> list[str]:
    """Return about so many names, spread evenly over all of them; 0 returns all."""
    if not 0 < count < len(names):
        return list(names)
    return [names[index * len(names) // count] for index in range(count)]


def lab_trials(faults: Sequence[str], console: Console) -> Iterator[Trial]:
    """Yield one trial of the lab after the other, "" the healthy one, several faults joined by +; a line of progress each.

    Raises:
        UsageError: an unknown fault, or faults that cannot be planted together.
    """
    for fault in faults:
        find_fault(fault)
    for number, fault in enumerate(faults, start=1):
        console.print(f"{number} of {len(faults)}  {fault or 'healthy'}", style="#999999", highlight=False)
        yield _try_lab(fault)


def _try_lab(fault: str) -> Trial:
    started = time.monotonic()
    planted = find_fault(fault)
    kind = "combination" if planted.others else "lab"
    told: dict[str, Any] = {"kind": kind, "name": fault, "cause": planted.named if fault else "", "also": planted.others}
    try:
        with Case.open(fault=fault) as case:
            asyncio.run(_run_steps(case))
            named = _named(case.judge())
    except (UsageError, LookupError) as error:  # a program that this fault needs is not installed, or two change the same lines
        return Trial(**told, seconds=round(time.monotonic() - started, 2), problem=str(error))
    return Trial(**told, named=tuple(named), sure=tuple(named.values()), seconds=round(time.monotonic() - started, 2))


async def _run_steps(case: Case) -> None:
    for step in STEPS:
        case.begin(*BESIDE.get(step, ()))
        await case.run(step)


def sample_trials(console: Console) -> Iterator[Trial]:
    """Yield a trial of each artifact sample that is shipped, the artifact alone, without its symptom."""
    from msgspec.json import decode

    folder = shipped_folder("data") / "samples" / "cases"
    paths = [path for pattern in _SAMPLES for path in sorted(folder.glob(pattern))]
    samples = [decode(line, type=_Sample) for path in paths for line in path.read_bytes().splitlines()]
    console.print(f"{len(samples)} artifacts", style="#999999", highlight=False)
    for sample in samples:
        yield _try_sample(sample)


def _try_sample(sample: _Sample) -> Trial:
    started = time.monotonic()
    case = Case(Target(url=""), Budget.named("quick"))
    told: dict[str, Any] = {"kind": "artifact", "name": sample.id, "cause": sample.cause, "also": sample.also}
    try:
        case.add(*read_text(sample.artifact, kind=sample.kind))
    except UnreadableInputError as error:
        return Trial(**told, problem=str(error))
    named = _named(case.judge())
    return Trial(**told, named=tuple(named), sure=tuple(named.values()), seconds=round(time.monotonic() - started, 2))


def show_bench(console: Console, trials: Sequence[Trial]) -> None:
    """Print the table per area of the catalogue, how sure was how right, and the trials whose cause did not come first."""
    for kind, title in (("lab", "faults of the lab"), ("artifact", "artifact samples")):
        own = [trial for trial in trials if trial.kind == kind]
        if own:
            _show_kind(console, title, own)
    if together := [trial for trial in trials if trial.kind == "combination"]:
        _show_combinations(console, together)


def _show_combinations(console: Console, trials: Sequence[Trial]) -> None:
    console.print(f"faults planted together: all named and nothing else in {sum(one.complete for one in trials)} of {len(trials)}")
    for trial in trials:
        if not trial.complete:
            words = trial.problem or f"named {', '.join(trial.named) or 'nothing'}"
            console.print(f"not complete: {trial.name}: {words}", markup=False, highlight=False)
    console.print()


def _show_kind(console: Console, title: str, trials: Sequence[Trial]) -> None:
    table = Table(title, "tried", "first", "in three", "missed", "median s", box=None, pad_edge=False)
    for score in by_area(trials):
        table.add_row(
            AREAS[score.area], str(score.trials), str(score.first), str(score.among_three), str(score.missed), f"{score.seconds:.1f}"
        )
    console.print(table)
    healthy = [trial for trial in trials if not trial.cause and not trial.problem]
    if healthy:
        console.print(f"nothing wrong: {len(healthy)} tried, {sum(not trial.first for trial in healthy)} false alarms", highlight=False)
    said = [one for one in reliability(trials) if one.said]
    console.print("; ".join(f"{one.low:.0%} to {one.high:.0%} sure: {one.true} of {one.said} true" for one in said), highlight=False)
    for trial in trials:
        if trial.problem:
            console.print(f"not run: {trial.name}: {trial.problem}", markup=False, highlight=False)
        elif not trial.first:
            words = ", ".join(trial.named[:3]) or "nothing"
            what = "not first" if trial.cause else "false alarm"
            console.print(f"{what}: {trial.name or 'healthy'} ({trial.cause}): named {words}", markup=False, highlight=False)
    console.print()


def write_accuracy(path: Path, trials: Sequence[Trial]) -> None:
    """Write what the trials gave, with when and where they were made.

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
    write_atomically(path, (json.dumps({**accuracy(trials), "made": made}, indent=1) + "\n").encode())
