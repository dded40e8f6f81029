"""wsbook bench: does the investigation name the lab's faults, and nothing on the healthy lab? Runs the steps without notebooks."""

import asyncio
import time
from collections.abc import Iterable, Iterator

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from wsbook.case import Case
from wsbook.causes import AREAS
from wsbook.errors import UsageError
from wsbook.lab import FAULTS
from wsbook.lab.faults import find_fault
from wsbook.steps import BESIDE, STEPS

__all__ = ["Trial", "run_bench", "show_bench"]


class Trial(Struct, frozen=True, kw_only=True):
    """One investigation of the lab. fault: "" healthy. named: root causes that are faults, surest first. problem: why it could not run."""

    fault: str
    named: tuple[str, ...]
    seconds: float
    problem: str = ""

    @property
    def cause(self) -> str:
        """The cause that should be named, "" none."""
        return find_fault(self.fault).named if self.fault else ""

    @property
    def first(self) -> bool:
        """Whether the planted fault comes first, or nothing was named on the healthy lab."""
        return self.named[:1] == ((self.cause,) if self.fault else ()) and not self.problem

    @property
    def among_three(self) -> bool:
        """Whether the planted fault is among the first three."""
        return self.cause in self.named[:3] if self.fault else self.first


def run_bench(faults: Iterable[str], console: Console) -> Iterator[Trial]:
    """Yield one trial after the other, the healthy lab ("") included when it is asked for; a line of progress each.

    Raises:
        UsageError: an unknown fault.
    """
    chosen = list(faults) or ["", *FAULTS]
    for fault in chosen:
        if fault and fault not in FAULTS:
            raise UsageError(f"the lab has no fault {fault!r}; see: wsbook lab --list")
    for number, fault in enumerate(chosen, start=1):
        console.print(f"{number} of {len(chosen)}  {fault or 'healthy'}", style="#999999", highlight=False)
        yield _try(fault)


def _try(fault: str) -> Trial:
    started = time.monotonic()
    try:
        with Case.open(fault=fault) as case:
            asyncio.run(_run_steps(case))
            judgement = case.judge()
    except UsageError as error:  # a program that this fault needs is not installed
        return Trial(fault=fault, named=(), seconds=time.monotonic() - started, problem=str(error))
    named = tuple(found.cause for found in judgement.findings if found.root and found.verdict == "fault")
    return Trial(fault=fault, named=named, seconds=round(time.monotonic() - started, 2))


async def _run_steps(case: Case) -> None:
    for step in STEPS:
        case.begin(*BESIDE.get(step, ()))
        await case.run(step)


def show_bench(console: Console, trials: list[Trial]) -> None:
    """Print the table per area of the catalogue, and the faults that were missed."""
    table = Table("area", "faults", "first", "in three", "missed", "median s", box=None, pad_edge=False)
    for area, title in AREAS.items():
        own = [trial for trial in trials if trial.fault.startswith(f"{area}.") and not trial.problem]
        if own:
            seconds = sorted(trial.seconds for trial in own)[len(own) // 2]
            first, three = sum(trial.first for trial in own), sum(trial.among_three for trial in own)
            table.add_row(title, str(len(own)), str(first), str(three), str(len(own) - three), f"{seconds:.1f}")
    console.print(table)
    for trial in trials:
        if trial.problem:
            console.print(f"not run: {trial.fault}: {trial.problem}", markup=False, highlight=False)
        elif not trial.first:
            words = ", ".join(trial.named[:3]) or "nothing"
            console.print(
                f"{'missed' if trial.fault else 'false alarm'}: {trial.fault or 'healthy'}: named {words}", markup=False, highlight=False
            )
