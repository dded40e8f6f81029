"""A change of configuration files as a unified diff. Knows no product: what to change is said by the modules that do."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping

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
        own = [change for change in all_changes if change.file == file]
        parts.append("\n".join(_diff(file, _lines(before), _lines(apply_changes(before, own)), own)))
    return Fix(causes=tuple(causes), changes=all_changes, diff="\n".join(parts))


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")


def _diff(file: str, before: list[str], after: list[str], changes: Iterable[Change]) -> Iterator[str]:
    """Yield the lines of a unified diff. Only what lies around the changes is compared, so that large files cost little."""
    places = [change.line for change in changes] + [change.line + change.removed for change in changes]
    start, end = max(0, min(places) - 1 - 2 * _CONTEXT), max(places) + 2 * _CONTEXT
    parts = before[start:end], after[start : end + len(after) - len(before)]
    for number, line in enumerate(difflib.unified_diff(*parts, f"{file}.orig", file, n=_CONTEXT, lineterm="")):
        yield _HUNK.sub(lambda m: m[1] + str(int(m[2]) + start), line) if number > 1 and line.startswith("@@") else line


_HUNK = re.compile(r"(@@ -|\+)(\d+)(?=[ ,])")
