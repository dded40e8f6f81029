"""Runs the notebooks with papermill in this process, one after the other, each in a kernel that is started ahead.

Writes executed notebooks into the record, cleaned: no widget state, no secret, failed cells marked, a picture beside every
plot. Judges nothing; the notebooks do, through the case.
"""

import json
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from msgspec import Struct

from wsbook.datafile import shipped_folder
from wsbook.record import Record
from wsbook.redact import Redactor
from wsbook.runner.cleaning import clean, mark, write_notebook
from wsbook.target import Budget

__all__ = [
    "NotebookRun",
    "Progress",
    "RunSummary",
    "cell_timeout_s",
    "chosen_notebooks",
    "execute_notebook",
    "kernel_environ",
    "notebook_folder",
    "notebook_steps",
    "prepare",
    "run_document",
    "run_notebooks",
    "step_of",
    "without_grammars",
]

_SPARE_S = 60.0
_AHEAD = 3
"""Kernels alive at a time, the running one included: a short notebook is over before the kernel that it starts is ready."""
_WAITING = {"3.4"}
"""Steps that mostly wait: pictures are drawn beside them, and beside no step that a busy browser would disturb."""


class Progress(Struct, frozen=True, kw_only=True):
    """Where a run is: notebook, its step ("" between steps), and how many cells of how many are done."""

    notebook: str
    step: str
    cell: int
    cells: int


class NotebookRun(Struct, frozen=True, kw_only=True):
    """One executed notebook. failed_cells: ids; problem: the first failure in one sentence, "" when there is none."""

    name: str
    notebook: dict[str, Any]
    failed_cells: tuple[str, ...] = ()
    problem: str = ""
    duration_s: float = 0.0


class RunSummary(Struct, frozen=True, kw_only=True):
    """A whole run. pictures: plots that got a static picture; spent_s: what the time went to, in seconds."""

    notebooks: tuple[NotebookRun, ...]
    pictures: int
    duration_s: float
    spent_s: dict[str, float]

    @property
    def complete(self) -> bool:
        """Whether no cell failed."""
        return not any(run.failed_cells for run in self.notebooks)


def prepare() -> None:
    """Import what running notebooks takes, in a thread: whoever calls this has a lab to start meanwhile."""
    without_grammars()
    threading.Thread(target=import_module, args=("wsbook.runner.kernels",), name="imports").start()


def notebook_folder() -> Path:
    """Return the folder of the notebooks.

    Raises:
        UsageError: they are not installed.
    """
    return shipped_folder("notebooks")


def notebook_steps(path: Path) -> tuple[str, ...]:
    """Return the steps that a notebook runs, from the tags of its cells."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return tuple(dict.fromkeys(step for cell in cells if (step := step_of(cell))))


def without_grammars() -> None:
    """Keep nbformat from building grammars that nothing here uses, 2 s of every start (python-jsonschema/jsonschema#1428)."""
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def step_of(cell: Mapping[str, Any]) -> str:
    """Return the step that a cell belongs to, from its tags; "" for none."""
    tags = cell.get("metadata", {}).get("tags", ())
    return next((tag.removeprefix("step-") for tag in tags if tag.startswith("step-")), "")


def kernel_environ(steps: Collection[str], *, until_sure: bool = False) -> dict[str, str]:
    """Return the environment of the kernels: batch, which steps are wanted, and whether one sure cause is enough."""
    kept = {name: value for name, value in os.environ.items() if name not in ("JPY_SESSION_NAME", "WSBOOK_STEPS", "WSBOOK_UNTIL_SURE")}
    wanted = {"WSBOOK_STEPS": ",".join(steps)} if steps else {"WSBOOK_UNTIL_SURE": "1"} if until_sure else {}
    return {**kept, "WSBOOK_BATCH": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1", **wanted}


def execute_notebook(
    path: Path,
    parameters: Mapping[str, Any],
    *,
    folder: Path | None = None,
    ready: Any = None,
    timeout_s: float = 240.0,
    on_cell: Callable[[Any, int, int], None] = lambda cell, index, count: None,
) -> NotebookRun:
    """Run one notebook and return it cleaned; nothing is written.

    folder: where the kernel runs, default the notebook's. ready: a kernel that is started already; it is stopped afterwards.
    timeout_s bounds each cell. A cell that fails, takes too long or kills its kernel is marked, and never raised.
    """
    without_grammars()
    import papermill
    from papermill.exceptions import PapermillExecutionError

    from wsbook.runner.kernels import ENGINE, Ready, Trouble

    started, trouble = time.monotonic(), Trouble()
    kernel = ready or Ready(folder or path.parent, kernel_environ(()))
    options = {"ready": kernel, "trouble": trouble, "on_cell": on_cell}
    try:
        papermill.execute_notebook(
            str(path), None, parameters=dict(parameters), engine_name=ENGINE, progress_bar=False, execution_timeout=timeout_s, **options
        )
    except PapermillExecutionError:
        pass  # noted cell by cell in trouble
    finally:
        kernel.stop()
    notebook = json.loads(json.dumps(trouble.notebook))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    clean(notebook, Redactor.of(map(str, parameters.values())))
    mark(notebook, trouble.failed)
    return NotebookRun(
        name=path.stem,
        notebook=notebook,
        failed_cells=tuple(trouble.failed),
        problem=trouble.problem,
        duration_s=time.monotonic() - started,
    )


def chosen_notebooks(steps: Collection[str]) -> list[Path]:
    """Return the notebooks that run any of the steps, and the last, which judges; all of them for ()."""
    paths = sorted(notebook_folder().glob("[0-9]*.ipynb"))
    return [path for path in paths if not steps or path.stem.startswith("05") or set(notebook_steps(path)) & set(steps)]


def cell_timeout_s(budget: str) -> float:
    """Return how long one cell may take: the whole budget, and time to start and end what it needs."""
    return Budget.named(budget).total_s + _SPARE_S


def run_notebooks(
    case_parameters: Mapping[str, str | bool],
    *,
    record: Path,
    steps: Collection[str] = (),
    until_sure: bool = False,
    holding: Collection[int] = (),
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> RunSummary:
    """Run the notebooks into a record folder, continuing whatever it holds.

    case_parameters: parameters of the notebooks; the record's own is set here. steps: the only ones to run, () for all. until_sure: the
    first notebook looks until one cause is sure, and the others show what it saw. holding: descriptors that hold the folder; kernels
    share them. A cell that fails is marked and the rest still runs. Pictures of plots are added when a browser and kaleido are there.
    """
    without_grammars()
    from wsbook.runner.kernels import Ready
    from wsbook.runner.pictures import Painter

    started = time.monotonic()
    folder = record.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    parameters = {**case_parameters, "record": str(folder)}
    timeout_s = cell_timeout_s(str(parameters.get("budget") or "quick"))
    paths, environ = chosen_notebooks(steps), kernel_environ(steps, until_sure=until_sure)
    (folder / "run.json").unlink(missing_ok=True)  # an earlier run's; this one may be killed
    runs, painter = [], Painter()
    ready: deque[Ready] = deque()
    try:
        for index, path in enumerate(paths):
            while len(ready) < min(_AHEAD, index + 2, len(paths) - index):
                ready.append(Ready(folder, environ, holding))
            current = ready.popleft()

            def tell(cell: Any, number: int, count: int, name: str = path.stem) -> None:
                on_progress(Progress(notebook=name, step=step_of(cell), cell=number, cells=count))

            painter.pause(not (_WAITING & set(notebook_steps(path)) or index + 1 == len(paths)))
            run = execute_notebook(path, parameters, folder=folder, ready=current, timeout_s=timeout_s, on_cell=tell)
            write_notebook(run.notebook, folder / f"{run.name}.ipynb")
            painter.paint(run.notebook)
            runs.append(run)
            on_progress(Progress(notebook=path.stem, step="", cell=len(run.notebook["cells"]), cells=len(run.notebook["cells"])))
    finally:
        for kernel in ready:
            kernel.stop()
        ran_s = time.monotonic() - started
        pictures = painter.finish()
    for run in runs:
        write_notebook(run.notebook, folder / f"{run.name}.ipynb")
    spent = {run.name: round(run.duration_s, 2) for run in runs} | {"pictures": round(time.monotonic() - started - ran_s, 2)}
    summary = RunSummary(notebooks=tuple(runs), pictures=pictures, duration_s=round(time.monotonic() - started, 2), spent_s=spent)
    Record(folder, Redactor.of(map(str, parameters.values()))).write_json("run.json", run_document(summary))
    return summary


def run_document(summary: RunSummary) -> dict[str, Any]:
    """Return the content of run.json."""
    return {
        "schema": "wsbook.run/1",
        "complete": summary.complete,
        "duration_s": summary.duration_s,
        "spent_s": summary.spent_s,
        "pictures": summary.pictures,
        "failed": [
            {"notebook": run.name, "cells": list(run.failed_cells), "problem": run.problem} for run in summary.notebooks if run.failed_cells
        ],
    }
