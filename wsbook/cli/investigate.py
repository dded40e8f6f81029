"""wsbook run and replay: a target, the notebooks over it, and the table at the end. Knows no WebSocket."""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from shlex import join
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from wsbook.case import Case, parameters_of, redactor_of, require_files, target_from
from wsbook.cli.comparing import difference, show_difference, stored_findings
from wsbook.cli.following import following
from wsbook.cli.terminal import show_causes, show_head, show_outcome, show_steps
from wsbook.errors import UsageError
from wsbook.record import Record
from wsbook.report import write_report
from wsbook.runner import Progress as RunProgress
from wsbook.runner import prepare, run_notebooks
from wsbook.steps import STEPS
from wsbook.target import Budget, Target

__all__ = ["Request", "investigate", "replay_record"]

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
    command: tuple[str, ...] = ()
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


def _onward(lab: str, folder: Path, *, faulty: bool) -> str:
    """Return what may be done next. lab: its fault, "healthy" for none, "" for a target of the user's."""
    if lab == "healthy":
        return (
            "that was the bundled lab; wsbook run wss://… looks at yours, wsbook run --fault proxy.upgrade-header-missing at a broken one"
        )
    if lab:
        return f"that was the bundled lab, which has ended; wsbook lab --fault {lab} holds it open to look at"
    return f"when it is mended, wsbook replay {os.path.relpath(folder)} shows what changed" if faulty else ""


def _say(progress: RunProgress) -> str:
    title = f"{progress.step} {STEPS[progress.step].title}" if progress.step in STEPS else ""
    return f"{progress.notebook:<26} {title}".rstrip()


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[RunProgress], None]]:
    """Yield a function that shows how far the run is: a bar per notebook, or one line a step where the output is no terminal."""
    if not console.is_terminal:
        told: set[str] = set()

        def line(progress: RunProgress) -> None:
            text = _say(progress)
            if progress.step and text not in told:
                told.add(text)
                console.print(text, style="#999999", soft_wrap=True)

        yield line
        return
    with Progress(
        TextColumn("{task.description:<48.48}"), BarColumn(bar_width=24), TimeElapsedColumn(), console=console, transient=True
    ) as bar:
        tasks: dict[str, TaskID] = {}

        def move(progress: RunProgress) -> None:
            if progress.notebook not in tasks:
                tasks[progress.notebook] = bar.add_task(progress.notebook, total=progress.cells)
            bar.update(tasks[progress.notebook], description=_say(progress), completed=progress.cell)

        yield move


def investigate(request: Request, console: Console) -> dict[str, Any]:
    """Run the notebooks over a target, show the outcome, and return findings.json with the record's place and what failed.

    Raises:
        UsageError: something that was asked for cannot be done.
    """
    limits = Budget.named(request.budget)
    steps = _chosen(request.steps, request.parameters.get("symptom", ""))
    started = time.monotonic()
    prepare()
    with _subject(request) as (target, lab):
        folder = _folder(request, target).absolute()
        redactor = redactor_of(target)
        command = join(map(redactor.text, request.command))  # before quoting, which could hide a secret from the redactor
        Record.create(folder, target, redactor, budget=limits.name, command=command, lab=lab)
        parameters = {**parameters_of(target), "budget": limits.name, "record": str(folder)}
        with _progress(console) as progress, following(target.logs, console) if request.follow else nullcontext():
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
    show_outcome(console, str(report), _onward(lab, folder, faulty=judgement.faulty))
    return {
        **judgement.document(),
        "record": str(folder),
        "seconds": round(time.monotonic() - started, 2),
        "incomplete": failures,
    }


def replay_record(folder: Path, console: Console, *, run_command: bool = False) -> dict[str, Any]:
    """Run a record's investigation again in a scratch folder and return what changed: step → [before, after], causes gone and new.

    run_command: the person has read the command that stands in the record as trigger, and lets it run.

    Raises:
        UsageError: the folder is no record, or holds no judgement; or its trigger is a command that nobody has let run.
    """
    record, before = Record(folder), stored_findings(folder)
    target = record.target()
    if target.trigger is not None and target.trigger.kind == "command" and not run_command:
        command = "".join(char if char.isprintable() else "?" for char in target.trigger.body[:300])
        raise UsageError(f"the record's trigger runs a command on this machine: {command}; add --run-command if that is what you want")
    lab = record.lab()
    with tempfile.TemporaryDirectory(prefix="wsbook-replay-") as scratch:
        parameters = {} if lab else {name: value for name, value in parameters_of(target).items() if value}
        fault = "" if lab == "healthy" else lab
        request = Request(parameters=parameters, budget=record.budget(), fault=fault, out=Path(scratch) / "record")
        after = investigate(request, console)
    changes = difference(before, after)
    show_difference(console, changes)
    return changes
