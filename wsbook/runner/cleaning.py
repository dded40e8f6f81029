"""What becomes of an executed notebook before it is kept: no widget state, no secret, failed cells marked. Runs nothing."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from wsbook.redact import Redactor
from wsbook.whole import write_atomically

__all__ = ["MARK_TAG", "clean", "mark", "write_notebook"]

_WIDGET_MIMES = ("application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json")
MARK_TAG = "papermill-error-cell-tag"
"""Papermill removes cells with this tag when it runs a notebook again."""


def mark(notebook: dict[str, Any], failed: Collection[str]) -> None:
    """Put a note at the top and before each failed cell in the place of papermill's, so that nobody takes this for complete."""
    notebook["cells"] = [cell for cell in notebook["cells"] if MARK_TAG not in cell["metadata"].get("tags", ())]
    if not failed:
        return
    note = {"cell_type": "markdown", "metadata": {"tags": [MARK_TAG]}}
    cells: list[dict[str, Any]] = [{**note, "id": "failed-top", "source": f"**Not complete**: {len(failed)} of the cells failed."}]
    for cell in notebook["cells"]:
        if cell.get("id") in failed:
            cells.append({**note, "id": f"failed-{cell['id']}"[:64], "source": "**The next cell failed.**"})
        cells.append(cell)
    notebook["cells"] = cells


def clean(notebook: dict[str, Any], redactor: Redactor) -> None:
    """Drop widget state and hide secrets in outputs and parameters; our own cells stay as they are."""
    notebook["metadata"].pop("widgets", None)
    kept = notebook["metadata"].get("papermill", {})
    if kept:
        notebook["metadata"]["papermill"] = redactor.value(
            {k: v for k, v in kept.items() if k not in ("environment_variables", "input_path", "output_path")}
        )
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            for mime in _WIDGET_MIMES:
                output.get("data", {}).pop(mime, None)
        if cell.get("outputs"):
            cell["outputs"] = redactor.value(cell["outputs"])
        if "injected-parameters" in cell.get("metadata", {}).get("tags", ()):
            cell["source"], cell["id"] = redactor.text(cell["source"]), "injected-parameters"


def write_notebook(notebook: dict[str, Any], path: Path) -> None:
    """Write a notebook file atomically."""
    write_atomically(path, (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode())
