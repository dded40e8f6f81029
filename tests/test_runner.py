"""Running notebooks: failures are marked and stop nothing else, secrets and widget state stay out, plots get pictures."""

import itertools
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wsbook.record import Record
from wsbook.runner import Progress, execute_notebook, kernels, run_notebooks
from wsbook.runner import execute as runner
from wsbook.runner.pictures import Painter, can_paint
from wsbook.target import parse_target

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
PLOT = {
    "application/vnd.plotly.v1+json": {"data": [{"type": "bar", "x": [1, 2], "y": [1, 3]}], "layout": {"height": 200}},
    "text/plain": "a plot",
}


@pytest.fixture(autouse=True)
def small_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels here need nothing of wsbook, so they import nothing ahead."""
    pytest.importorskip("papermill")
    monkeypatch.setattr("wsbook.runner.kernels._WARM", "--IPKernelApp.exec_lines=pass")


def write(path: Path, *sources: str, tags: dict[int, list[str]] | None = None) -> Path:
    def cell(index: int, source: str) -> dict[str, Any]:
        metadata = {"tags": (tags or {})[index]} if index in (tags or {}) else {}
        return {"cell_type": "code", "id": f"c{index}", "metadata": metadata, "source": source, "outputs": [], "execution_count": None}

    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
    content = {"cells": [cell(i, s) for i, s in enumerate(sources)], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(content))
    return path


def text_of(notebook: dict[str, Any], cell: str) -> str:
    (found,) = [one for one in notebook["cells"] if one.get("id") == cell]
    return "".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in found["outputs"])


def test_a_failed_cell_is_marked_and_stops_nothing(tmp_path: Path) -> None:
    done = execute_notebook(write(tmp_path / "n.ipynb", "1 / 0", "print('after')"), {})
    assert done.failed_cells == ("c0",)
    assert done.problem.endswith("ZeroDivisionError: division by zero")
    assert text_of(done.notebook, "c1") == "after\n"
    marks = [cell["source"] for cell in done.notebook["cells"] if cell["cell_type"] == "markdown"]
    assert marks == ["**Not complete**: 1 of the cells failed.", "**The next cell failed.**"]


def test_a_case_that_does_not_open_ends_its_notebook(tmp_path: Path) -> None:
    path = write(tmp_path / "n.ipynb", "raise ValueError('no target')", "print('after')", tags={0: ["open"]})
    done = execute_notebook(path, {})
    assert done.failed_cells == ("c0",)
    assert text_of(done.notebook, "c1") == ""


@pytest.mark.parametrize(
    ("source", "word"), [("import time; time.sleep(30)", "CellTimeoutError"), ("import os; os._exit(3)", "DeadKernelError")]
)
def test_a_hanging_cell_and_a_dead_kernel_are_stamped(tmp_path: Path, source: str, word: str) -> None:
    done = execute_notebook(write(tmp_path / "n.ipynb", source, "print('after')"), {}, timeout_s=2)
    assert done.failed_cells == ("c0",)
    assert word in done.problem
    assert word in json.dumps(done.notebook)
    assert text_of(done.notebook, "c1") == ""


@pytest.mark.parametrize(("often", "runs"), [(1, True), (2, False)])
def test_a_kernel_that_ends_before_it_is_ready_is_started_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, often: int, runs: bool
) -> None:
    """As one does whose port somebody else has taken meanwhile."""
    started = itertools.count(1)

    def start(self: kernels.Ready) -> None:
        begin(self)
        if next(started) <= often:
            self.manager.signal_kernel(signal.SIGKILL)

    begin = kernels.Ready._start
    monkeypatch.setattr(kernels.Ready, "_start", start)
    done = execute_notebook(write(tmp_path / "n.ipynb", "print('ran')"), {})
    assert next(started) == 3  # the first and one more
    assert text_of(done.notebook, "c0") == ("ran\n" if runs else "")
    assert bool(done.problem) is not runs


def test_widget_state_and_secrets_stay_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WS_TOKEN", "hunter2-hunter2")
    sources = ("headers: str = ''", "import os, ipywidgets as w\nprint(os.environ['WS_TOKEN'])\nw.Password(value='typed-secret')")
    path = write(tmp_path / "n.ipynb", *sources, tags={0: ["parameters"]})
    done = execute_notebook(path, {"headers": "Authorization: Bearer ${env:WS_TOKEN}", "url": "ws://u:paSSw0rd@h/"})
    for cell in done.notebook["cells"]:
        if cell.get("id") == "c1":
            cell["source"] = ""
    text = json.dumps(done.notebook)
    assert not any(secret in text for secret in ("hunter2", "typed-secret", "paSSw0rd", "widget-view"))
    assert "${env:WS_TOKEN}" in text


def test_kernels_know_that_they_run_in_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "lab.ipynb")
    source = "import os; print(os.environ['WSBOOK_BATCH'], os.environ.get('JPY_SESSION_NAME'), os.getcwd())"
    done = execute_notebook(write(tmp_path / "n.ipynb", source), {}, folder=tmp_path)
    assert text_of(done.notebook, "c0") == f"1 None {tmp_path}\n"


def test_modules_that_lie_in_the_record_are_not_imported(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("ours = True")
    (tmp_path / "found_only_here.py").write_text("")
    source = "import colorsys, importlib.util\nprint(hasattr(colorsys, 'ours'), importlib.util.find_spec('found_only_here'))"
    done = execute_notebook(write(tmp_path / "n.ipynb", source), {}, folder=tmp_path)
    assert text_of(done.notebook, "c0") == "False None\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three small notebooks instead of the real ones."""
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    write(notebooks / "01_a.ipynb", "record = ''", "1 / 0", tags={0: ["parameters"], 1: ["step-1.3"]})
    write(notebooks / "02_b.ipynb", "record = ''", "print(record)", tags={0: ["parameters"], 1: ["step-2.1"]})
    write(notebooks / "05_findings.ipynb", "import os; print(os.environ.get('WSBOOK_STEPS'))")
    monkeypatch.setattr(runner, "notebook_folder", lambda: notebooks)
    record = tmp_path / "record"
    Record.create(record, parse_target("ws://127.0.0.1:9/ws"))
    return record


def test_a_run_writes_every_notebook_and_what_failed(folder: Path) -> None:
    told: list[Progress] = []
    summary = run_notebooks({}, record=folder, on_progress=told.append)
    assert [run.name for run in summary.notebooks] == ["01_a", "02_b", "05_findings"]
    assert not summary.complete
    assert {path.name for path in folder.glob("*.ipynb")} == {"01_a.ipynb", "02_b.ipynb", "05_findings.ipynb"}
    assert text_of(json.loads((folder / "02_b.ipynb").read_text()), "c1") == f"{folder}\n"
    run = json.loads((folder / "run.json").read_text())
    assert run["complete"] is False
    assert run["failed"][0]["cells"] == ["c1"]
    assert [one.step for one in told if one.notebook == "01_a"] == ["", "", "1.3", ""]


def test_only_the_notebooks_of_chosen_steps_run(folder: Path) -> None:
    summary = run_notebooks({}, record=folder, steps=("2.1",))
    assert [run.name for run in summary.notebooks] == ["02_b", "05_findings"]
    assert text_of(summary.notebooks[-1].notebook, "c0") == "2.1\n"


def test_every_notebook_knows_that_one_sure_cause_is_enough(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import os; print(os.environ.get('WSBOOK_UNTIL_SURE'))"
    for name in ("01_a", "02_b", "05_findings"):
        write(runner.notebook_folder() / f"{name}.ipynb", source)
    monkeypatch.setenv("WSBOOK_UNTIL_SURE", "left over")
    for wanted, said in ((True, "1\n"), (False, "None\n")):
        summary = run_notebooks({}, record=folder, until_sure=wanted)
        assert [text_of(run.notebook, "c0") for run in summary.notebooks] == [said] * 3


@pytest.mark.skipif(not can_paint(), reason="needs kaleido and a browser")
def test_plots_get_a_picture_beside_their_json() -> None:
    notebook = {
        "cells": [
            {"outputs": [{"data": dict(PLOT)}, {"data": {"text/plain": "no plot"}}]},
            {"outputs": [{"data": {**PLOT, "application/vnd.plotly.v1+json": {"data": [{"type": "nonsense"}], "layout": {}}}}]},
        ]
    }
    painter = Painter()
    painter.paint(notebook)
    assert painter.finish() in (1, 2)
    assert notebook["cells"][0]["outputs"][0]["data"]["image/svg+xml"].startswith("<svg")
    assert list(notebook["cells"][0]["outputs"][1]["data"]) == ["text/plain"]


def test_pictures_do_not_take_the_command_line_for_theirs() -> None:
    code = (
        "import sys; sys.argv += ['--log', 'app.log']; from wsbook.runner import pictures; pictures._load_logistro(); print(sys.argv[1:])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("['--log', 'app.log']", "")


def test_without_a_browser_plots_keep_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsbook.runner.pictures.can_paint", lambda: False)
    notebook = {"cells": [{"outputs": [{"data": dict(PLOT)}]}]}
    painter = Painter()
    painter.paint(notebook)
    assert painter.finish() == 0
    assert notebook["cells"][0]["outputs"][0]["data"] == PLOT
