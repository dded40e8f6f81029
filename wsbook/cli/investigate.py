"""wsbook run: a target, the notebooks over it, and the table at the end. Knows no WebSocket."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console

from wsbook.case import Case, parameters_of, redactor_of, require_files, target_from
from wsbook.cli.following import following
from wsbook.cli.progress import progress_of
from wsbook.cli.terminal import show_causes, show_head, show_outcome, show_steps
from wsbook.errors import UsageError
from wsbook.record import Record
from wsbook.report import write_report
from wsbook.runner import run_notebooks
from wsbook.steps import STEPS
from wsbook.target import Budget, Target

__all__ = ["Request", "investigate"]

_TRIAGE = "0"


class Request(Struct, frozen=True, kw_only=True):
    """What the user asked for. parameters: texts as in the notebooks. steps: "" means all. out: None means a new folder.

    follow: watch the logs meanwhile, and read them again at the end, with what the later steps left in them.
    """

    parameters: dict[str, Any]
    budget: str = "quick"
    fault: str = ""
    steps: str = ""
    out: Path | None = None
    command: str = ""
    follow: bool = False


def _chosen(steps: str, symptom: str) -> tuple[str, ...]:
    """Return the wanted steps, () for all; what somebody told is heard in every choice.

    Raises:
        UsageError: there is no such step.
    """
    names = tuple(name.strip() for name in steps.split(",") if name.strip())
    for name in names:
        if name not in STEPS:
            raise UsageError(f"there is no step {name!r}; the steps are {', '.join(STEPS)}")
    return (_TRIAGE, *names) if names and symptom and _TRIAGE not in names else names


@contextmanager
def _subject(request: Request) -> Iterator[tuple[Target, str]]:
    """Yield the target, and the fault of the lab that was started for it ("healthy" for none, "" for a target of the user's)."""
    if set(request.parameters) - {"symptom", "owned"}:
        if request.fault:
            raise UsageError("--fault belongs to the lab; leave the endpoint and the other parts of a target out")
        target = target_from(request.parameters)
        require_files(target)
        yield target, ""
        return
    from wsbook.lab import start_lab

    with start_lab(request.fault) as lab:
        yield replace(lab.target(), symptom=str(request.parameters.get("symptom", ""))), request.fault or "healthy"


def _folder(request: Request, target: Target) -> Path:
    if request.out is not None:
        return request.out
    endpoint = target.endpoint
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S")
    return Path("records") / f"{now}-{endpoint.host.replace(':', '-') if endpoint else 'artifacts'}"


def investigate(request: Request, console: Console) -> dict[str, Any]:
    """Run the notebooks over a target, show the outcome, and return findings.json with the record's place and what failed.

    Raises:
        UsageError: something that was asked for cannot be done.
    """
    limits = Budget.named(request.budget)
    steps = _chosen(request.steps, request.parameters.get("symptom", ""))
    started = time.monotonic()
    with _subject(request) as (target, lab):
        folder = _folder(request, target).absolute()
        Record.create(folder, target, redactor_of(target), budget=limits.name, command=request.command, lab=lab)
        parameters = {**parameters_of(target), "budget": limits.name, "record": str(folder)}
        with progress_of(console) as progress, following(target.logs, console) if request.follow else nullcontext():
            summary = run_notebooks(parameters, record=folder, steps=steps, on_progress=progress)
    case = Case.resume(folder)
    if request.follow and case.done("1.4"):
        asyncio.run(case.run("1.4"))
    judgement = case.judge()
    report = write_report(folder)
    show_head(console, judgement.target, case.evidence.observations, limits.name, time.monotonic() - started)
    show_steps(console, judgement.steps)
    show_causes(console, judgement.findings)
    failures = [f"{run.name}: {run.problem}" for run in summary.notebooks if run.failed_cells]
    for failure in failures:
        console.print(f"\nnot completed: {failure}", markup=False, soft_wrap=True)
    show_outcome(console, str(report))
    return {
        **judgement.document(),
        "record": str(folder),
        "seconds": round(time.monotonic() - started, 2),
        "incomplete": failures,
    }
