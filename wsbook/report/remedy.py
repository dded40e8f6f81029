"""Remedies and checks of findings taken apart: words, snippets, commands, and the edits that a unified diff asks for. Knows no HTML."""

import re
from textwrap import dedent

from msgspec import Struct

__all__ = ["Edit", "check_parts", "edits_of", "is_diff", "new_lines", "remedy_parts"]

_FILE = re.compile(r"^\+\+\+ (?P<path>[^\t\n]+)")
_HUNK = re.compile(r"^@@ -(?P<start>\d+)(?:,(?P<count>\d+))? \+\d+(?:,\d+)? @@")


class Edit(Struct, frozen=True, kw_only=True):
    """One change of a file: removed lines from line on (1-based) give way to the inserted ones; without any they come before this line."""

    path: str
    line: int
    removed: int
    inserted: tuple[str, ...]


def remedy_parts(remedy: str) -> list[tuple[str, str]]:
    """Return the remedy in order as ("words" | "snippet", text); lines that are indented or begin with + or - are a snippet."""
    parts: list[tuple[str, list[str]]] = []
    for line in remedy.strip("\n").splitlines():
        kind = "snippet" if line[:1] in ("+", "-", " ", "\t", "@") and line.strip() else "words"
        if not parts or (line.strip() and parts[-1][0] != kind):
            parts.append((kind, []))
        parts[-1][1].append(line)
    return [(kind, dedent("\n".join(lines)).strip("\n")) for kind, lines in parts]


def check_parts(check: str) -> list[tuple[str, str]]:
    """Return the check line by line as ("words" | "command", text): sentences end with a full stop."""
    lines = [line.strip() for line in check.splitlines() if line.strip()]
    return [("words" if line.endswith(".") else "command", line) for line in lines]


def is_diff(snippet: str) -> bool:
    """Tell whether a snippet is a unified diff, which patch and git understand."""
    return snippet.startswith("--- ")


def new_lines(snippet: str) -> str:
    """Return what is to be pasted: a unified diff as it is, of anything else the new lines alone."""
    if is_diff(snippet):
        return snippet
    return "\n".join(line[1:].removeprefix(" ") if line[:1] == "+" else line for line in snippet.splitlines() if line[:1] != "-")


def edits_of(snippet: str) -> list[Edit]:
    """Return the edits of a unified diff, the lines that stay left out; none for other snippets."""
    edits: list[Edit] = []
    path, line, removed, inside = "", 0, 0, False
    inserted: list[str] = []

    def end() -> None:
        nonlocal removed, inserted
        if removed or inserted:
            edits.append(Edit(path=path, line=line - removed, removed=removed, inserted=tuple(inserted)))
        removed, inserted = 0, []

    for text in snippet.splitlines() if is_diff(snippet) else ():
        if found := _HUNK.match(text):
            end()
            inside = True
            line = int(found["start"]) + (found["count"] == "0")
        elif not inside or text.startswith("--- "):
            end()
            inside = False
            path = found["path"] if (found := _FILE.match(text)) else path
        elif text[:1] == "-":
            if inserted:
                end()
            removed, line = removed + 1, line + 1
        elif text[:1] == "+":
            inserted.append(text[1:])
        elif text[:1] != "\\":  # "No newline at end of file" is no line
            end()
            line += 1
    end()
    return edits
