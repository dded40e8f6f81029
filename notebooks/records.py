"""Make data/records: small records of the lab, of which the tests replay every verdict.

    python notebooks/records.py           run the lab and write them again
    python notebooks/records.py NAME      only this one

Of the executed notebooks only the verdicts are kept. Nothing in them tells of the machine that made them.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

RECORDS = Path(__file__).resolve().parents[1] / "data" / "records"
STEPS = "1.3,2.2"
FAULTS = {"healthy": "", "proxy.upgrade-header-missing": "proxy.upgrade-header-missing"}
"""Record → fault of its lab."""

_KEPT = ("target.toml", "observations.jsonl", "findings.json", "environment.json", "run.json")
_LAB = re.compile(r"(?:/[\w.-]+)*/wsbook-lab-\w+")
_OF_MACHINE = ("system", "cores")
_CHECKED = "nbval-check-output"


def _is_verdict(cell: dict[str, Any]) -> bool:
    return cell["id"].endswith("-verdict") or _CHECKED in cell["metadata"].get("tags", ())


def strip_notebook(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return an executed notebook with the outputs of its verdict cells and no others, and without times."""
    for number, cell in enumerate(notebook["cells"]):
        cell["metadata"] = {"tags": cell["metadata"].get("tags", [])}
        if cell["cell_type"] == "code":
            kept = _is_verdict(cell)
            cell["outputs"], cell["execution_count"] = (cell["outputs"], number) if kept else ([], None)
        if cell["id"] == "injected-parameters":
            cell["source"] = re.sub(r"^record = .*$", 'record = ""', cell["source"], flags=re.MULTILINE)
    notebook["metadata"] = {name: notebook["metadata"][name] for name in ("kernelspec",) if name in notebook["metadata"]}
    return notebook


def keep(made: Path, kept: Path) -> None:
    """Copy what a replay needs of a record into another folder, without a trace of this machine."""
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for name in _KEPT:
        text = _LAB.sub("/lab", (made / name).read_text(encoding="utf-8")).replace(str(made), "/record")
        if name == "environment.json":
            text = json.dumps({key: value for key, value in json.loads(text).items() if key not in _OF_MACHINE}, indent=2) + "\n"
        (kept / name).write_text(text, encoding="utf-8")
    for path in sorted(made.glob("*.ipynb")):
        text = json.dumps(strip_notebook(json.loads(path.read_text(encoding="utf-8"))), indent=1, ensure_ascii=False)
        (kept / path.name).write_text(_LAB.sub("/lab", text) + "\n", encoding="utf-8")


def main(names: list[str]) -> int:
    """Make the records; return the exit code."""
    for name in names or FAULTS:
        with tempfile.TemporaryDirectory(prefix="wsbook-golden-") as folder:
            made = Path(folder) / "record"
            fault = ["--fault", FAULTS[name]] if FAULTS[name] else []
            done = subprocess.run(
                [sys.executable, "-m", "wsbook", "run", *fault, "--steps", STEPS, "--out", str(made)],
                check=False,
                stdout=subprocess.DEVNULL,
            )
            if done.returncode not in (0, 1):
                return done.returncode
            keep(made, RECORDS / name)
        print(f"data/records/{name}: {sum(path.stat().st_size for path in (RECORDS / name).iterdir()) // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
