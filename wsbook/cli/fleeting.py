"""wsbook fleet: many targets from a CSV file, one table and one page at the end. Knows no WebSocket."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import to_builtins
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from wsbook.causes import causes
from wsbook.errors import UsageError
from wsbook.finding import Verdict
from wsbook.report.fleet import FleetRow, State, counts_by_cause, fleet_sentence
from wsbook.runner.fleet import FleetPlan, run_fleet
from wsbook.runner.fleet_targets import read_targets
from wsbook.steps import STEPS
from wsbook.target import Budget
from wsbook.words import MARKS, cap, duration_text

__all__ = ["SCHEMA", "command_line", "fleet", "fleet_document", "plan_of", "show_fleet"]

SCHEMA = "wsbook.fleet/1"
_SHOWN = 40
_MOST_WORKERS = 64
_STYLES = {Verdict.CLEAR: "#009E73", Verdict.FAULT: "bold #D55E00"}


def plan_of(source: Path, **options: Any) -> FleetPlan:
    """Return how a fleet is investigated. options: as FleetPlan has them; folder None means one that is named after the file, so that the
    same command goes on where the last one was killed; steps as typed; workers 0 means one for each processor, two at least.

    Raises:
        UsageError: an option cannot be used.
    """
    steps = tuple(name.strip() for name in options.pop("steps", "").split(",") if name.strip())
    for name in steps:
        if name not in STEPS:
            raise UsageError(f"there is no step {name!r}; the steps are {', '.join(STEPS)}")
    workers = options.pop("workers", 0) or max(2, os.cpu_count() or 2)
    folder = options.pop("folder", None) or Path("records") / f"fleet-{source.stem}"
    plan = FleetPlan(folder=folder, source=source.name, steps=tuple(step for step in STEPS if step in steps), workers=workers, **options)
    Budget.named(plan.budget)
    bounds = (("workers", plan.workers, 1, _MOST_WORKERS), ("per-host", plan.per_host, 1, 16), ("per-second", plan.per_second, 0, 1000))
    for name, value, least, most in (*bounds, ("time-limit", plan.limit_s, 0, 86_400)):
        if not least <= value <= most:
            raise UsageError(f"--{name} {value:g} is not within {least:g}..{most:g}")
    return plan


def fleet(source: Path, plan: FleetPlan, console: Console, *, owned: bool = False) -> dict[str, Any]:
    """Investigate the targets of a CSV file, show the outcome, and return it as a document.

    Raises:
        UsageError, UnreadableInputError: the file or a target in it cannot be used. KeyboardInterrupt: after it was said how to go on.
    """
    entries = read_targets(source, owned=owned, elsewhere=bool(plan.dask) and not plan.dask.startswith("local:"))
    own = sum(not entry.same_as for entry in entries)
    new: list[str] = []
    try:
        with _progress(console, own) as tell:

            def on_row(row: FleetRow, left: int) -> None:
                new.append(row.key)
                tell(row, own - left)

            rows = run_fleet(entries, plan, on_row=on_row)
    except KeyboardInterrupt:
        console.print(f"\ninterrupted after {len(new):,} of {own:,} targets; this goes on from there: {_again(plan)}", soft_wrap=True)
        raise
    show_fleet(console, rows, plan, anew=bool(new))
    return fleet_document(rows, plan)


def _again(plan: FleetPlan) -> str:
    return plan.command if "--out" in plan.command else f"{plan.command} --out {plan.folder}"


def fleet_document(rows: Sequence[FleetRow], plan: FleetPlan) -> dict[str, Any]:
    """Return the outcome as --json prints it."""
    return {
        "schema": SCHEMA,
        "folder": str(plan.folder.absolute()),
        "page": str((plan.folder / "fleet.html").absolute()),
        "targets": sum(not row.same_as for row in rows),
        "root_causes": dict(counts_by_cause(rows)),
        "incomplete": sum(row.state is not State.DONE for row in rows if not row.same_as),
        "results": to_builtins(rows),
    }


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[FleetRow, int], None]]:
    """Yield a function that shows a result as it comes: a bar, or one line a target where the output is no terminal."""
    if not console.is_terminal:

        def line(row: FleetRow, number: int) -> None:
            text = f"{number:>5} of {total:,}  {cap(row.url or row.key, 70):<70}  {_outcome(row)}"
            console.print(Text(text), style="#999999", soft_wrap=True)

        yield line
        return
    columns = (
        TextColumn("{task.description:<60.60}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("fleet", total=total)

        def move(row: FleetRow, number: int) -> None:
            bar.update(task, description=f"{cap(row.url or row.key, 34):<34} {_outcome(row)}", completed=number)

        yield move


def _outcome(row: FleetRow) -> str:
    state = "" if row.state is State.DONE else f" ({row.state.value})"
    return f"{MARKS[row.verdict]} {row.causes[0][0] if row.causes else row.verdict.value}{state}"


def show_fleet(console: Console, rows: Sequence[FleetRow], plan: FleetPlan, *, anew: bool) -> None:
    """Print the root causes with their counts, the targets that need somebody, and where everything is."""
    console.print()
    console.print(Text.assemble(("wsbook fleet", "bold"), f"  {plan.source}", (f"   {plan.budget}", "#999999")))
    console.print(Text(f"  {fleet_sentence(rows)}"))
    if counts := counts_by_cause(rows):
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
        table.add_column(justify="right", width=7)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for slug, count in counts:
            table.add_row(f"{count:,}", Text(slug, style="bold"), Text(causes()[slug].title if slug in causes() else ""))
        console.print("\n[bold]Root causes[/]")
        console.print(table)
    _show_rows(console, rows)
    if not anew and rows:
        console.print("\nAll of them had a result before; for a new look choose another folder with --out.")
    console.print(Text.assemble(("\ntable", "bold"), f"   {plan.folder / 'results.csv'}"), soft_wrap=True)
    console.print(Text.assemble(("page", "bold"), f"    {plan.folder / 'fleet.html'}"), soft_wrap=True)


def _show_rows(console: Console, rows: Sequence[FleetRow]) -> None:
    """Print the first targets, those with faults before those that are undecided and those that are clear."""
    order = {Verdict.FAULT: 0, Verdict.UNKNOWN: 1, Verdict.CLEAR: 2}
    ordered = sorted((row for row in rows if not row.same_as), key=lambda row: (order.get(row.verdict, 1), row.line))
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="#999999")
    for name in ("target", "verdict", "what was found", "took"):
        table.add_column(name, overflow="fold", justify="right" if name == "took" else "left")
    for row in ordered[:_SHOWN]:
        words = f"{MARKS[row.verdict]} {row.verdict.value}{'' if row.state is State.DONE else f', {row.state.value}'}"
        found = ": ".join(filter(None, (row.causes[0][0] if row.causes else "", row.problem or row.summary)))
        verdict = Text(words, style=_STYLES.get(row.verdict, "#999999"))
        table.add_row(Text(cap(row.url or row.key, 60)), verdict, Text(cap(found, 160)), duration_text(row.seconds))
    console.print()
    console.print(table)
    if len(ordered) > _SHOWN:
        console.print(f"  and {len(ordered) - _SHOWN:,} more in results.csv")


def command_line() -> str:
    """Return what was typed, to be given again."""
    from shlex import join

    return join(["wsbook", *sys.argv[1:]])
