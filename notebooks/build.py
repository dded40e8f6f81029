"""Make the notebooks from notebooks/source: deterministic, stripped, with own cell ids.

    python notebooks/build.py            write the notebooks; stored verdicts of unchanged cells are kept
    python notebooks/build.py --check    exit 1 when a notebook differs from its source
    python notebooks/build.py --execute  run them against the lab and store the verdicts of the checked cells

A source is a Python file in percent format: ``# %% [markdown] id=NAME`` or ``# %% id=NAME tags=A,B`` begins a cell,
``# %% include FILE`` puts the cells of another source there.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "source"
CHECKED = "nbval-check-output"
_MARKER = re.compile(r"^# %% ?(?P<rest>.*)$")
_METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}

Cell = dict[str, Any]


def _cell(marker: str, lines: list[str]) -> Cell:
    markdown = marker.startswith("[markdown]")
    fields = dict(part.split("=", 1) for part in marker.split() if "=" in part)
    tags = fields.get("tags", "")
    body = [re.sub(r"^# ?", "", line) for line in lines] if markdown else lines
    text = "\n".join(body).strip("\n")
    cell: Cell = {
        "cell_type": "markdown" if markdown else "code",
        "id": fields["id"],
        "metadata": {"tags": tags.split(",")} if tags else {},
    }
    if not markdown:
        cell |= {"execution_count": None, "outputs": []}
    if "parameters" in tags.split(","):
        cell["metadata"]["jupyter"] = {"source_hidden": True}  # the form shows them; it belongs on the first screen
    return cell | {"source": text.splitlines(keepends=True)}


def read_cells(path: Path) -> list[Cell]:
    """Return the cells of a source in order; each has an id that is unique in its notebook."""
    cells: list[Cell] = []
    marker, lines = "", []
    for line in [*path.read_text(encoding="utf-8").splitlines(), "# %% end"]:
        match = _MARKER.match(line)
        if match is None:
            lines.append(line)
            continue
        if marker.startswith("include "):
            cells += read_cells(path.with_name(marker.split()[1]))
        elif marker:
            cells.append(_cell(marker, lines))
        marker, lines = match["rest"], []
    return cells


def _keep_verdicts(cells: list[Cell], notebook: Path) -> None:
    """Carry over the stored output of checked cells whose source is as it was."""
    if not notebook.exists():
        return
    before = {cell["id"]: cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]}
    for cell in cells:
        old = before.get(cell["id"], {})
        if CHECKED in cell["metadata"].get("tags", ()) and old.get("source") == cell["source"]:
            cell["outputs"], cell["execution_count"] = old["outputs"], old["execution_count"]


def render(cells: list[Cell]) -> str:
    """Return the text of a notebook file."""
    ordered = [{key: cell[key] for key in sorted(cell)} for cell in cells]
    return json.dumps({"cells": ordered, "metadata": _METADATA, "nbformat": 4, "nbformat_minor": 5}, indent=1, ensure_ascii=False) + "\n"


def build(name: str) -> str:
    """Return the text of the notebook of one source, with the verdicts that the present file stores."""
    cells = read_cells(SOURCE / f"{name}.py")
    _keep_verdicts(cells, HERE / f"{name}.ipynb")
    return render(cells)


def names() -> list[str]:
    """Return the names of the notebooks in order."""
    return sorted(path.stem for path in SOURCE.glob("[0-9]*.py"))


def execute(name: str) -> str:
    """Return the text of the notebook after a run against the lab, with nothing stored but the checked cells' outputs.

    Raises:
        RuntimeError: a cell failed.
    """
    from wsbook.runner import execute_notebook

    done = execute_notebook(HERE / f"{name}.ipynb", {})
    if done.failed_cells:
        raise RuntimeError(f"{name}: {', '.join(done.failed_cells)} failed: {done.problem}")
    cells = read_cells(SOURCE / f"{name}.py")
    executed = {cell["id"]: cell for cell in done.notebook["cells"]}
    count = 0
    for cell in cells:
        count += cell["cell_type"] == "code"
        if CHECKED in cell["metadata"].get("tags", ()):
            outputs = [{**output, "metadata": {}} for output in executed[cell["id"]]["outputs"]]
            cell["outputs"] = json.loads(json.dumps(outputs))
            cell["execution_count"] = count
    return render(cells)


def main(arguments: list[str]) -> int:
    """Build, check or execute; return the exit code."""
    differing = []
    for name in names():
        path = HERE / f"{name}.ipynb"
        text = build(name)
        if "--check" in arguments:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                differing.append(name)
            continue
        path.write_text(text, encoding="utf-8")
        if "--execute" in arguments:
            path.write_text(execute(name), encoding="utf-8")
            print(f"{name}: executed")
    for name in differing:
        print(f"{name}.ipynb differs from source/{name}.py; run python notebooks/build.py")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
