"""What changed between two judgements: steps, causes. Reads findings.json documents, nothing else."""

from pathlib import Path
from typing import Any

from rich.console import Console

from wsbook.errors import UsageError
from wsbook.record import Record

__all__ = ["compare_records", "difference", "show_difference", "stored_findings"]


def stored_findings(folder: Path) -> dict[str, Any]:
    """Return findings.json of a record.

    Raises:
        UsageError: the folder is no record, or holds no judgement.
    """
    record = Record(folder)
    record.target()
    document = record.read_json("findings.json")
    if not isinstance(document, dict) or "steps" not in document:
        raise UsageError(f"{folder} holds no findings.json; finish it first with: wsbook run --out {folder}")
    return document


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return what differs: changed maps step → [verdict before, after]; gone and new are root causes; surer maps cause → confidences."""
    verdicts = {step: [entry["verdict"], after["steps"].get(step, {}).get("verdict", "")] for step, entry in before["steps"].items()}
    old, new = _roots(before), _roots(after)
    return {
        "changed": {step: pair for step, pair in verdicts.items() if pair[0] != pair[1]},
        "gone": [cause for cause in old if cause not in new],
        "new": [cause for cause in new if cause not in old],
        "surer": {cause: [old[cause], new[cause]] for cause in old if cause in new and old[cause] != new[cause]},
    }


def _roots(document: dict[str, Any]) -> dict[str, float]:
    return {found["cause"]: found["confidence"] for found in document["findings"] if found["root"]}


def compare_records(before: Path, after: Path) -> dict[str, Any]:
    """Return what differs between two records.

    Raises:
        UsageError: one of them is no record, or holds no judgement.
    """
    return difference(stored_findings(before), stored_findings(after))


def show_difference(console: Console, changes: dict[str, Any]) -> None:
    """Print what differs, one line each."""
    lines = [f"{step}: {before} → {after}" for step, (before, after) in changes["changed"].items()]
    lines += [f"gone: {cause}" for cause in changes["gone"]] + [f"new: {cause}" for cause in changes["new"]]
    lines += [f"{cause}: {before:.0%} → {after:.0%}" for cause, (before, after) in changes["surer"].items()]
    console.print("\n" + ("\n".join(lines) or "nothing changed"), markup=False, highlight=False)
