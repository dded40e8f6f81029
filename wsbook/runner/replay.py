"""Runs a record's notebooks again under nbval, which compares their verdict cells with what the record says.

A record may be somebody else's, so no code of it is run: what runs are the notebooks of this installation, and only the
verdicts that the record's notebooks show are put into their verdict cells. Every cell runs once; what nbval saw becomes the
executed notebooks. Starts no lab and judges nothing.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.json import decode

from wsbook.record import Record
from wsbook.redact import Redactor
from wsbook.report.notebooks import read_notebook
from wsbook.runner.cleaning import clean, mark, write_notebook
from wsbook.runner.execute import (
    NotebookRun,
    Progress,
    RunSummary,
    cell_timeout_s,
    chosen_notebooks,
    kernel_environ,
    run_document,
    step_of,
    without_grammars,
)
from wsbook.words import VERDICT_MIME

__all__ = ["CellCheck", "Replay", "replay_copy", "replay_notebooks"]

CHECKED, IGNORED = "nbval-check-output", "nbval-ignore-output"
_STOP_S = 12.0
_PROBLEM_BYTES = 2_000


class CellCheck(Struct, frozen=True, kw_only=True):
    """A verdict cell as nbval compared it. before, after: its verdicts as {step: {verdict, causes}}, or {"": text} of a line."""

    notebook: str
    cell: str
    same: bool
    before: dict[str, Any]
    after: dict[str, Any]


class Replay(Struct, frozen=True, kw_only=True):
    """A replay: what ran, and every verdict cell that was compared.

    edited: cells of the record, as notebook:cell, whose code is not that of our notebooks. unchecked: verdict cells that ran and were
    not compared, because the record shows no verdict in them.
    """

    summary: RunSummary
    checks: tuple[CellCheck, ...]
    edited: tuple[str, ...]
    unchecked: tuple[str, ...]


class _Told(Struct, frozen=True, kw_only=True):
    """One line of nbval_plugin: a cell begins (fate ""), or how it ended."""

    notebook: str
    cell: str
    fate: str = ""
    problem: str = ""
    duration_s: float = 0.0
    outputs: list[dict[str, Any]] = field(default_factory=list)


class _Copy(Struct, kw_only=True):
    """One notebook that is being replayed, and what was told of its cells."""

    name: str
    notebook: dict[str, Any]
    edited: list[str]
    unchecked: list[str]
    fates: dict[str, _Told] = field(default_factory=dict)


def _text(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value)


def _verdict_of(cell: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the outputs of a cell, of which only the verdict and its text are kept; [] for what has none."""
    kept, outputs = [], cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        data = output.get("data") if isinstance(output, dict) else None
        if isinstance(data, dict) and "text/plain" in data:
            wanted = {"text/plain": _text(data["text/plain"]), **({VERDICT_MIME: data[VERDICT_MIME]} if VERDICT_MIME in data else {})}
            kept.append({"output_type": "display_data", "metadata": {}, "data": wanted})
    return kept


def _verdicts_in(outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what verdict outputs say by step; a line without a step by ""."""
    said: dict[str, Any] = {}
    for output in outputs:
        data = output.get("data") or {}
        content = data.get(VERDICT_MIME)
        steps = content.get("steps") if isinstance(content, dict) else None
        said |= steps if isinstance(steps, dict) else {"": _text(data.get("text/plain", ""))}
    return said


def _is_verdict(cell: Mapping[str, Any]) -> bool:
    return str(cell["id"]).endswith("-verdict") or CHECKED in cell["metadata"].get("tags", ())


def _parameters_cell(parameters: Mapping[str, str | bool]) -> dict[str, Any]:
    source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    return {
        "cell_type": "code",
        "id": "injected-parameters",
        "metadata": {"tags": ["injected-parameters"]},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def replay_copy(ours: Path, stored: Mapping[str, Any] | None, parameters: Mapping[str, str | bool]) -> _Copy:
    """Return one of our notebooks, set to these parameters, with the verdicts that the record's notebook shows to be compared with.

    stored: the record's notebook, None when it has none; nothing of it but verdicts is taken over.
    """
    notebook = json.loads(ours.read_text(encoding="utf-8"))
    theirs = {str(cell.get("id")): cell for cell in (stored or {"cells": ()})["cells"] if isinstance(cell, dict)}
    edited, unchecked, cells = [], [], []
    for cell in notebook["cells"]:
        cells.append(cell)
        cell["source"] = _text(cell["source"])
        if cell["cell_type"] != "code":
            continue
        other = theirs.get(cell["id"], {})
        given = "parameters" in cell["metadata"].get("tags", ())
        if stored is not None and not given and _text(other.get("source", "")) != cell["source"]:
            edited.append(f"{ours.stem}:{cell['id']}")
        _expect(cell, _verdict_of(other) if _is_verdict(cell) else [])
        if _is_verdict(cell) and not cell["outputs"]:
            unchecked.append(f"{ours.stem}:{cell['id']}")
        if given:
            cells.append(_parameters_cell(parameters))
    known = {cell["id"] for cell in cells}
    edited += [f"{ours.stem}:{name[:60]}" for name, cell in theirs.items() if cell.get("cell_type") == "code" and name not in known]
    notebook["cells"] = cells
    return _Copy(name=ours.stem, notebook=notebook, edited=edited, unchecked=unchecked)


def _expect(cell: dict[str, Any], outputs: list[dict[str, Any]]) -> None:
    """Set what nbval compares a cell with; nothing is compared where nothing is expected."""
    tags = [tag for tag in cell["metadata"].get("tags", ()) if tag not in (CHECKED, IGNORED)]
    cell["metadata"]["tags"] = [*tags, CHECKED if outputs else IGNORED]
    cell["outputs"], cell["execution_count"] = outputs, 1 if outputs else None


def _command(folder: Path, names: list[str], timeout_s: float) -> list[str]:
    settings = folder / ".nbval.ini"
    settings.write_text("[pytest]\n", encoding="utf-8")
    options = ["-s", "-q", "--tb=no", "--color=no", "--noconftest", "-c", str(settings), "--rootdir", str(folder)]
    nbval = ["--nbval-lax", "--nbval-current-env", f"--nbval-cell-timeout={timeout_s:g}", "--nbval-kernel-startup-timeout=60"]
    plugins = ["-p", "no:cacheprovider", "-p", "nbval.plugin", "-p", "wsbook.runner.nbval_plugin"]
    return [sys.executable, "-P", "-c", _PYTEST, *plugins, *options, *nbval, *(str(folder / f"{name}.ipynb") for name in names)]


_PYTEST = "import sys; sys.modules['rfc3987_syntax'] = None; import pytest; sys.exit(pytest.main())"
"""pytest without the grammars that nbformat would build, 2 s (python-jsonschema/jsonschema#1428)."""


def _environ(steps: Collection[str]) -> dict[str, str]:
    """Return the environment of pytest and of the kernels that nbval starts: no plugin but ours is loaded."""
    kept = {name: value for name, value in kernel_environ(steps).items() if not name.startswith("PYTEST_")}
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


@contextmanager
def _nbval(folder: Path, names: list[str], steps: Collection[str], timeout_s: float) -> Iterator[Iterator[_Told]]:
    """Yield what is told of every cell as it happens. On the way out pytest ends, and with it its kernels."""
    errors = folder / ".nbval.log"
    with errors.open("wb") as log:
        running = subprocess.Popen(
            _command(folder, names, timeout_s),
            cwd=folder,
            env=_environ(steps),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches us alone, and we end it in order
        )
    assert running.stdin is not None and running.stdout is not None
    try:
        yield (decode(line, type=_Told) for line in running.stdout)
    finally:
        with suppress(BrokenPipeError):
            running.stdin.close()
        try:
            running.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        running.stdout.close()


def _run(copy: _Copy, parameters: Mapping[str, str | bool], unstarted: str) -> NotebookRun:
    """Return a notebook as it was executed, cleaned and with its failures marked. unstarted: why a cell was never run."""
    failed, problem, count = [], "", 0
    for cell in copy.notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        told = copy.fates.get(cell["id"])
        count += 1
        cell["outputs"], cell["execution_count"] = (told.outputs, count) if told else ([], None)
        if told is None or told.fate == "failed":
            failed.append(cell["id"])
            problem = problem or (told.problem if told else unstarted)
    redactor = Redactor.of(map(str, parameters.values()))
    clean(copy.notebook, redactor)
    mark(copy.notebook, failed)
    spent_s = sum(told.duration_s for told in copy.fates.values())
    return NotebookRun(
        name=copy.name, notebook=copy.notebook, failed_cells=tuple(failed), problem=redactor.text(problem), duration_s=round(spent_s, 2)
    )


def _checks(copy: _Copy, expected: Mapping[str, dict[str, Any]]) -> Iterator[CellCheck]:
    for name, before in expected.items():
        told = copy.fates.get(name)
        if told is not None and told.fate in ("same", "different"):
            yield CellCheck(notebook=copy.name, cell=name, same=told.fate == "same", before=before, after=_verdicts_in(told.outputs))


def replay_notebooks(
    record: Path,
    parameters: Mapping[str, str | bool],
    *,
    folder: Path,
    steps: Collection[str] = (),
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Replay:
    """Run the notebooks under nbval into another record folder, and compare their verdict cells with those of a record.

    record: whose verdicts are expected. parameters: of the notebooks; the record parameter is set here. folder: the new record, made
    already. steps: the only ones to run, () for all. A cell that fails is marked and stops no other.
    """
    without_grammars()
    started = time.monotonic()
    given = {**parameters, "record": str(folder.resolve())}
    copies = {path.stem: replay_copy(path, read_notebook(record / path.name), given) for path in chosen_notebooks(steps)}
    expected = {name: _expected(copy.notebook) for name, copy in copies.items()}
    for copy in copies.values():
        write_notebook(copy.notebook, folder / f"{copy.name}.ipynb")
    timeout_s = cell_timeout_s(str(parameters.get("budget") or "quick"))
    with _nbval(folder, list(copies), steps, timeout_s) as lines:
        for told in lines:
            copy = copies[told.notebook]
            if told.fate:
                copy.fates[told.cell] = told
            else:
                on_progress(_progress(copy, told.cell))
    problem = _last_words(folder)
    runs = tuple(_run(copy, given, problem) for copy in copies.values())
    for run in runs:
        write_notebook(run.notebook, folder / f"{run.name}.ipynb")
    spent = {run.name: run.duration_s for run in runs}
    summary = RunSummary(notebooks=runs, pictures=0, duration_s=round(time.monotonic() - started, 2), spent_s=spent)
    Record(folder, Redactor.of(map(str, given.values()))).write_json("run.json", run_document(summary))
    return Replay(
        summary=summary,
        checks=tuple(check for name, copy in copies.items() for check in _checks(copy, expected[name])),
        edited=tuple(cell for copy in copies.values() for cell in copy.edited),
        unchecked=tuple(cell for copy in copies.values() for cell in copy.unchecked),
    )


def _expected(notebook: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {cell["id"]: _verdicts_in(cell["outputs"]) for cell in notebook["cells"] if cell.get("outputs")}


def _progress(copy: _Copy, name: str) -> Progress:
    cells = copy.notebook["cells"]
    index = next((number for number, cell in enumerate(cells) if cell["id"] == name), 0)
    return Progress(notebook=copy.name, step=step_of(cells[index]), cell=index, cells=len(cells))


def _last_words(folder: Path) -> str:
    """Return the last line that pytest and its kernels wrote beside the talk, and remove what they left."""
    log = folder / ".nbval.log"
    lines = log.read_bytes()[-_PROBLEM_BYTES:].decode(errors="replace").strip().splitlines()
    for path in (log, folder / ".nbval.ini"):
        path.unlink(missing_ok=True)
    return f"nbval did not run it: {lines[-1][:300] if lines else 'it said nothing'}"
