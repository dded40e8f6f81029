"""wsbook replay: a record's investigation again, its verdicts compared by nbval, and what became of every step."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct, to_builtins
from msgspec.structs import replace
from rich.console import Console
from rich.text import Text

from wsbook.case import Case
from wsbook.cli.comparing import Judged, comparison, comparison_document, read_judged, show_difference, show_timings
from wsbook.cli.progress import progress_of
from wsbook.cli.terminal import show_outcome
from wsbook.cli.trust import Allowed, require_allowed, require_here
from wsbook.errors import UsageError
from wsbook.finding import STEP_TITLES
from wsbook.parameters import parameters_of, redactor_of, target_from
from wsbook.record import Record
from wsbook.report import write_report
from wsbook.runner.cleaning import write_notebook
from wsbook.runner.pictures import Painter
from wsbook.runner.replay import CellCheck, Replay, replay_notebooks
from wsbook.steps import STEPS
from wsbook.target import Target
from wsbook.whole import hold_folder
from wsbook.words import cap, duration_text, quantity

__all__ = ["replay_record"]


class _Step(Struct, frozen=True, kw_only=True):
    """What became of a step: its verdict and causes in words, before and after."""

    step: str
    same: bool
    before: str
    after: str


@contextmanager
def _subject(record: Record) -> Iterator[Target]:
    """Yield the target to replay: the record's own, or a lab with the same fault."""
    target, lab = record.target(), record.lab()
    if not lab:
        yield target_from({name: value for name, value in parameters_of(target).items() if value})
        return
    from wsbook.lab import start_lab

    with start_lab("" if lab == "healthy" else lab) as running:
        yield replace(running.target(), symptom=target.symptom)


@contextmanager
def _place(out: Path | None) -> Iterator[Path]:
    """Yield the folder of the new record: the given one, which is kept, or one that is removed at the end.

    Raises:
        UsageError: the given folder holds something.
    """
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"{out} is not an empty folder; name another with --out")
        with hold_folder(out.absolute()):
            yield out.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="wsbook-replay-") as scratch:
        yield Path(scratch) / "record"


def _steps_of(record: Record) -> tuple[str, ...]:
    """Return the steps that a record has finished, () when these are all.

    Raises:
        UsageError: it has finished none.
    """
    done = tuple(step for step in STEPS if step in record.done())
    if not done:
        raise UsageError(f"{record.folder} holds no step that was finished; there is nothing to replay")
    return () if len(done) == len(STEPS) else done


def replay_record(folder: Path, console: Console, *, allowed: Allowed, out: Path | None = None) -> dict[str, Any]:
    """Replay a record, show what changed, and return it. out: keep the replay as a record there.

    Raises:
        UsageError: the folder is no record, or it does what nobody allowed, or its files are not here.
    """
    started, record = time.monotonic(), Record(folder)
    before = read_judged(folder)
    if not before.lab:  # of a lab's target nothing is used: it is started here
        require_allowed(before.target, allowed)
        require_here(before.target)
        redactor_of(before.target)  # a secret that is not set is told before anything is made
    steps, budget = _steps_of(record), record.budget()
    with _place(out) as place, _subject(record) as target:
        redactor = redactor_of(target)
        Record.create(place, target, redactor, budget=budget, command=f"replay {folder}", lab=record.lab())
        _show_begin(console, before, record, steps)
        with progress_of(console) as progress:
            replayed = replay_notebooks(
                folder, {**parameters_of(target), "budget": budget}, folder=place, steps=steps, on_progress=progress
            )
        Case.resume(place).judge()
        after = read_judged(place)
        report = _keep(place, replayed) if out is not None else None
    rows = _rows(before, after, replayed, steps)
    document = _document(before, after, replayed, rows, started)
    _show(console, replayed, rows, comparison(before, after), time.monotonic() - started)
    if report is not None:
        show_outcome(console, str(report))
    return {**document, "record": str(out.absolute()) if out is not None else ""}


def _show_begin(console: Console, before: Judged, record: Record, steps: tuple[str, ...]) -> None:
    made = record.read_json("environment.json")
    when = cap(str(made.get("made_at", "")), 40) if isinstance(made, dict) else ""
    which = f"steps {', '.join(steps)}" if steps else "all steps"
    console.print(Text.assemble(("replay", "bold"), f"  {before.name}", (f"   {which} · recorded {when or 'at no known time'}", "#999999")))


def _keep(place: Path, replayed: Replay) -> Path:
    """Draw the plots and write the report of a replay that is kept; return the report."""
    painter = Painter()
    for run in replayed.summary.notebooks:
        painter.paint(run.notebook)
    painter.finish()
    for run in replayed.summary.notebooks:
        write_notebook(run.notebook, place / f"{run.name}.ipynb")
    return write_report(place)


def _words(said: Any) -> str:
    """Return the verdict and causes of a step as a verdict cell shows them; the record's may hold anything."""
    if not isinstance(said, dict):
        return cap(str(said), 80)
    causes = said.get("causes")
    return cap("  ".join([str(said.get("verdict", "")), *map(str, causes if isinstance(causes, list) else ())]), 160)


def _row(step: str, before: Judged, after: Judged, checks: list[CellCheck]) -> _Step:
    was, now = (next((one.verdict.value for one in judged.steps if one.step == step), "") for judged in (before, after))
    shown = [(check.before.get(step), check.after.get(step)) for check in checks if step in check.before]
    pair = shown[-1] if shown else (was, now)
    same = was == now and all(check.same for check in checks if step in check.before)
    return _Step(step=step, same=same, before=_words(pair[0]), after=_words(pair[1]))


def _rows(before: Judged, after: Judged, replayed: Replay, steps: tuple[str, ...]) -> list[_Step]:
    checks = list(replayed.checks)
    return [_row(step, before, after, checks) for step in steps or STEPS]


def _document(before: Judged, after: Judged, replayed: Replay, rows: list[_Step], started: float) -> dict[str, Any]:
    runs = replayed.summary.notebooks
    compared = comparison_document(comparison(before, after))
    different = [f"{check.notebook}:{check.cell}" for check in replayed.checks if not check.same]
    return {
        **compared,
        "schema": "wsbook.replay/1",
        "same": all(row.same for row in rows) and not (different or compared["gone"] or compared["new"]),
        "replayed": [to_builtins(row) for row in rows],
        "cells": {
            "compared": len(replayed.checks),
            "different": different,
            "unchecked": list(replayed.unchecked),
            "edited": list(replayed.edited),
        },
        "incomplete": [f"{run.name}: {run.problem}" for run in runs if run.failed_cells],
        "seconds": round(time.monotonic() - started, 2),
    }


def _show(console: Console, replayed: Replay, rows: list[_Step], compared: Any, seconds: float) -> None:
    console.print()
    for row in rows:
        title = f"{row.step} {STEP_TITLES.get(row.step, 'triage')}"
        said = row.before if row.same else f"{row.before or 'not judged'} → {row.after or 'not judged'}"
        word, style = ("same", "#999999") if row.same else ("changed", "bold")
        console.print(Text.assemble(f"  {title:<26} ", (f"{word:<8} ", style), said))
    found = compared.difference
    if found.gone or found.new or found.appeared or found.vanished or found.changed:
        show_difference(console, replace(found, steps={}))
    show_timings(console, compared.timings)
    different = sum(not check.same for check in replayed.checks)
    console.print(f"\nnbval  {quantity(len(replayed.checks), 'verdict cell')} compared, {different} differ · {duration_text(seconds)}")
    if replayed.edited:
        console.print(
            f"The record's notebooks differ from those of this version in {quantity(len(replayed.edited), 'cell')};"
            f" ours were run: {cap(', '.join(replayed.edited), 160)}",
            markup=False,
            soft_wrap=True,
        )
    for run in replayed.summary.notebooks:
        if run.failed_cells:
            console.print(f"not completed: {run.name}: {cap(run.problem, 300)}", markup=False, soft_wrap=True)
