"""What the exit codes of all commands mean."""

from typing import Any

__all__ = ["FAULT", "INCOMPLETE", "OK", "USAGE", "exit_code"]

OK, FAULT, USAGE, INCOMPLETE = 0, 1, 2, 3


def exit_code(document: dict[str, Any]) -> int:
    """Return the code of a judgement as findings.json has it."""
    return FAULT if any(finding["verdict"] == "fault" for finding in document["findings"]) else OK
