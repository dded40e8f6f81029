"""A change of configuration files as a unified diff. Knows no product: what to change is said by the modules that do."""

import difflib
from collections.abc import Iterable, Mapping

from wsbook.facts import Change, Fix

__all__ = ["apply_changes", "make_fix"]

_CONTEXT = 3


def apply_changes(text: str, changes: Iterable[Change]) -> str:
    """Return a file's text with the changes of that file, whose line numbers all count in the text as it was.

    What is inserted before the same line stands in the order given, and before what replaces that line.
    """
    lines = text.split("\n")
    for change in sorted(changes, key=lambda change: (change.line, change.removed))[::-1]:
        lines[change.line - 1 : change.line - 1 + change.removed] = change.added
    return "\n".join(lines)


def make_fix(causes: Iterable[str], changes: Iterable[Change], texts: Mapping[str, str]) -> Fix:
    """Return the fix with its diff. texts: by file name, every file that is changed."""
    all_changes = tuple(changes)
    parts = []
    for file in dict.fromkeys(change.file for change in all_changes):
        before = texts[file]
        after = apply_changes(before, [change for change in all_changes if change.file == file])
        diff = difflib.unified_diff(_lines(before), _lines(after), f"{file}.orig", file, n=_CONTEXT, lineterm="")
        parts.append("\n".join(diff))
    return Fix(causes=tuple(causes), changes=all_changes, diff="\n".join(parts))


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")
