"""wsbook run: a target, the notebooks over it, and the table at the end. Knows no WebSocket."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from shlex import join
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console

from wsbook.case import Case
from wsbook.cli.following import following
from wsbook.cli.progress import progress_of
from wsbook.cli.terminal import show_causes, show_head, show_outcome, show_steps
from wsbook.cli.trust import Allowed, demands, require_here
from wsbook.errors import UsageError
from wsbook.found_hops import with_found_hops
from wsbook.parameters import parameters_of, redactor_of, require_files, target_from
from wsbook.record import Record, require_unused
from wsbook.report import write_report
from wsbook.runner import prepare, run_notebooks
from wsbook.steps import STEPS
from wsbook.target import Budget, Target
from wsbook.whole import hold_folder, remove_leftovers

__all__ = ["Request", "investigate"]

_TRIAGE = "0"


class Request(Struct, frozen=True, kw_only=True):
    """What the user asked for. parameters: texts as in the notebooks. steps: "" means all. out: None means a new folder.

    until_sure: look at what separates the suspects, until one cause is sure. follow: watch the logs meanwhile, and read them again at the
    end, with what the later steps left in them.
    """

    parameters: dict[str, Any]
    budget: str = "quick"
    fault: str = ""
    steps: str = ""
    out: Path | None = None
    command: tuple[str, ...] = ()
    follow: bool = False
    until_sure: bool = False


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
        yield with_found_hops(target), ""
        return
    begun = _begun(request)
    if begun is not None and not begun.lab():
        if request.fault:
            raise UsageError(f"{request.out} holds the record of another target; choose another folder with --out")
        yield _continued(begun, request), ""
        return
    from wsbook.lab import start_lab

    symptom = str(request.parameters.get("symptom", "")) or (begun.target().symptom if begun else "")
    with start_lab(_fault(request, begun)) as lab:
        yield replace(lab.target(), symptom=symptom), lab.fault or "healthy"


def _begun(request: Request) -> Record | None:
    """Return the record that is continued, None when a new one is made."""
    record = Record(request.out) if request.out is not None else None
    return record if record is not None and record.exists else None


def _fault(request: Request, begun: Record | None) -> str:
    """Return the fault that the lab shall have: as asked for, or that of the lab whose record is continued."""
    recorded = begun.lab() if begun else ""
    if request.fault and recorded and request.fault != recorded:
        raise UsageError(f"{request.out} holds the record of the lab with {recorded}; choose another folder with --out")
    return request.fault or recorded.replace("healthy", "")


def _continued(begun: Record, request: Request) -> Target:
    """Return the target of a record that is continued by its folder alone, which somebody else may have written."""
    target = begun.target()
    for demand in demands(target, Allowed(load=bool(request.parameters.get("owned")))):
        raise UsageError(f"{demand.words}; to continue it, give the endpoint and its options again")
    require_here(target)
    return target_from({name: value for name, value in parameters_of(target).items() if value})


def _steps(request: Request, record: Record) -> tuple[str, ...]:
    """Return the steps to run: those asked for, or those that a record was begun with and not brought to its end; () means all."""
    asked = _chosen(request.steps, str(request.parameters.get("symptom", "")))
    run = record.read_json("run.json")
    ended = isinstance(run, dict) and run.get("complete") is True
    return asked or (() if ended else record.steps())


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


def investigate(request: Request, console: Console) -> dict[str, Any]:
    """Run the notebooks over a target, show the outcome, and return findings.json with the record's place and what failed.

    Raises:
        UsageError: something that was asked for cannot be done.
    """
    Budget.named(request.budget)
    asked = _chosen(request.steps, request.parameters.get("symptom", ""))
    if asked and request.until_sure:
        raise UsageError("--steps says what to look at, and --until-sure lets that be chosen; give one of them")
    started = time.monotonic()
    prepare()
    with _subject(request) as (target, lab):
        if target.hops and not lab and not request.parameters.get("hops"):
            places = ", ".join(f"{hop.name} {hop.url}" for hop in target.hops)
            console.print(f"hops that the configurations name: {redactor_of(target).text(places)}", style="#999999", markup=False)
        folder, redactor = _folder(request, target).absolute(), redactor_of(target)
        require_unused(folder)
        with hold_folder(folder) as holding:
            remove_leftovers(folder)
            command = join(map(redactor.text, request.command))  # before quoting, which could hide a secret from the redactor
            record = Record.create(folder, target, redactor, budget=request.budget, command=command, lab=lab, steps=asked)
            if record.done():
                console.print(f"continued  finished before: {', '.join(record.done())}", style="#999999", markup=False)
            budget = record.budget()
            parameters = {**parameters_of(target), "budget": budget, "record": str(folder)}
            with progress_of(console) as progress, following(target.logs, console) if request.follow else nullcontext():
                chosen = _steps(request, record)
                summary = run_notebooks(
                    parameters, record=folder, steps=chosen, until_sure=request.until_sure, holding=(holding,), on_progress=progress
                )
            case = Case.resume(folder)
            if request.follow and case.done("1.4"):
                asyncio.run(case.run("1.4"))
            judgement = case.judge()
            report = write_report(folder)
    show_head(console, judgement.target, case.evidence.observations, budget, time.monotonic() - started)
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
