"""The form of the notebooks, their build, papermill alone, and nbval's ability to notice a changed verdict."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wsbook.parameters import target_from
from wsbook.runner import notebook_steps
from wsbook.steps import BESIDE, STEPS
from wsbook.views.workbook import PARAMETERS

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("0*.ipynb"))
BATCH = {**{name: value for name, value in os.environ.items() if name != "JPY_SESSION_NAME"}, "WSBOOK_BATCH": "1"}


def cells(path: Path, kind: str = "code") -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def tags(cell: dict[str, Any]) -> list[str]:
    return list(cell["metadata"].get("tags", ()))


def run(*arguments: str, folder: Path, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=BATCH, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def test_the_notebooks_are_those_of_their_sources() -> None:
    done = run(str(FOLDER / "build.py"), "--check", folder=FOLDER)
    assert (done.returncode, done.stdout) == (0, "")
    assert [path.stem for path in NOTEBOOKS] == sorted(path.stem for path in (FOLDER / "source").glob("0*.py"))


def test_check_notices_a_notebook_that_was_edited(tmp_path: Path) -> None:
    copy = tmp_path / "notebooks"
    shutil.copytree(FOLDER, copy)
    edited = copy / "02_network_infrastructure.ipynb"
    edited.write_text(edited.read_text().replace("Which hop", "What hop"))
    done = run(str(copy / "build.py"), "--check", folder=copy)
    assert done.returncode == 1
    assert "02_network_infrastructure" in done.stdout


def test_what_is_begun_ahead_is_the_same_without_notebooks() -> None:
    code = "\n".join(source(cell) for path in NOTEBOOKS for cell in cells(path))
    begun: dict[str, tuple[str, ...]] = {}
    waiting: tuple[str, ...] = ()
    for what, step in re.findall(r'await book\.(begin|step)\("([\d.]+)"\)', code):
        if what == "begin":
            waiting = (*waiting, step)
        elif waiting:
            begun[step], waiting = waiting, ()
    assert begun == BESIDE
    order = list(STEPS)
    assert all(order.index(before) < order.index(step) for before, steps in BESIDE.items() for step in steps)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_form(path: Path) -> None:
    code = cells(path)
    every = json.loads(path.read_text())["cells"]
    assert len(code) <= 25
    assert len({cell["id"] for cell in every}) == len(every)
    assert [tags(cell) for cell in code].count(["parameters"]) == 1
    for cell in code:
        text = source(cell)
        assert "parameters" in tags(cell) or len([line for line in text.splitlines() if line.strip()]) <= 8, cell["id"]
        assert not re.search(r"^\s*(def|try|class|!|%|import os)\b|\.\./|['\"]\./", text, re.MULTILINE), cell["id"]
    numbers = [
        node.value
        for cell in code
        if "parameters" not in tags(cell)
        for node in ast.walk(ast.parse(source(cell)))
        if isinstance(node, ast.Constant)
    ]
    assert not [value for value in numbers if isinstance(value, int | float) and not isinstance(value, bool)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_prose_stands_before_every_question_and_nothing_is_stored_but_verdicts(path: Path) -> None:
    prose = sum(len(source(cell).split()) for cell in cells(path, "markdown"))
    assert prose >= 8 * sum(len(source(cell).splitlines()) for cell in cells(path) if "parameters" not in tags(cell)) * 0.7
    for cell in cells(path):
        checked = "nbval-check-output" in tags(cell)
        assert bool(cell["outputs"]) is checked, cell["id"]
        assert (cell["execution_count"] is not None) is checked, cell["id"]
        if checked:
            (output,) = cell["outputs"]
            assert not re.search(r"\d{4,}|\d ms|\d s\b", "".join(output["data"]["text/plain"])), cell["id"]


WORDS = ("upgrade", "handshake", "hop", "ping", "close code", "Origin", "subprotocol", "heartbeat", "masked")
"""Words of this field that somebody who knows HTTP may not know."""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_explains_the_words_that_it_uses(path: Path) -> None:
    prose = "\n".join(source(cell) for cell in cells(path, "markdown"))
    explained = " ".join(re.findall(r"\*\*([^*]+)\*\*", prose))
    used = [word for word in WORDS if re.search(rf"\b{word}s?\b", re.sub(r"`[^`]*`", "", prose))]
    assert [word for word in used if word.rstrip("ed") not in explained] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_parameters_are_the_same_literals_everywhere(path: Path) -> None:
    (cell,) = [cell for cell in cells(path) if tags(cell) == ["parameters"]]
    parsed = ast.parse(source(cell)).body
    found = {node.target.id: ast.literal_eval(node.value) for node in parsed if isinstance(node, ast.AnnAssign)}  # type: ignore[union-attr, arg-type]
    assert len(found) == len(parsed)
    assert found == PARAMETERS


def test_every_parameter_that_describes_the_target_is_understood() -> None:
    known = {name: value for name, value in PARAMETERS.items() if name not in ("budget", "fault", "record")}
    assert target_from({**known, "url": "ws://127.0.0.1:1/ws"}).url == "ws://127.0.0.1:1/ws"


def test_every_step_is_asked_in_some_notebook() -> None:
    assert {step for path in NOTEBOOKS for step in notebook_steps(path)} == set(STEPS)


def test_papermill_shows_help_for_every_parameter() -> None:
    done = run("-m", "papermill", "--help-notebook", str(NOTEBOOKS[1]), folder=FOLDER)
    for name, default in PARAMETERS.items():
        line = next((line for line in done.stdout.splitlines() if line.strip().startswith(f"{name}:")), "")
        assert line, (name, done.stdout, done.stderr)
        assert type(default).__name__ in line
        assert "Unknown type" not in line
    assert done.stdout.count("(default") >= len(PARAMETERS)
    assert "Unable to parse" not in done.stderr + done.stdout


def test_papermill_alone_runs_a_notebook_against_an_endpoint(tmp_path: Path) -> None:
    arguments = ["-m", "papermill", str(NOTEBOOKS[1]), "out.ipynb", "-p", "url", "ws://127.0.0.1:9/ws", "--no-progress-bar"]
    done = run(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    verdicts = [
        output["data"]
        for cell in cells(tmp_path / "out.ipynb")
        for output in cell["outputs"]
        if "application/vnd.wsbook.verdicts+json" in output.get("data", {})
    ]
    steps = {step: said["verdict"] for data in verdicts for step, said in data["application/vnd.wsbook.verdicts+json"]["steps"].items()}
    assert steps["1.3"] == "fault"
    assert set(steps) == {"1.1", "1.2", "1.3", "1.4"}


def test_a_wrong_parameter_is_one_line(tmp_path: Path) -> None:
    done = run("-m", "papermill", str(NOTEBOOKS[1]), "out.ipynb", "-p", "url", "http://x/", "--no-progress-bar", folder=tmp_path)
    assert done.returncode == 1
    assert "UsageError: URL 'http://x/' has the scheme 'http'" in done.stderr
    assert done.stderr.count("workbook.py") == 0


@pytest.mark.slow
def test_nbval_notices_a_changed_verdict(tmp_path: Path) -> None:
    path = tmp_path / "02_network_infrastructure.ipynb"
    text = NOTEBOOKS[2].read_text()
    arguments = ["-m", "pytest", "--nbval-lax", "--nbval-current-env", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(path)]
    path.write_text(text.replace("2.1 network  clear", "2.1 network  fault"))
    changed = run(*arguments, folder=tmp_path)
    assert changed.returncode == 1
    assert "2.1 network  fault" in changed.stdout and "1 failed" in changed.stdout
