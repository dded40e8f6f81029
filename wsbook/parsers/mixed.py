"""Parts of one paste that are of different kinds: a configuration and the log lines below it. Must not parse anything."""

import re
from pathlib import PurePath

from wsbook.parsers.detect import line_kinds, scores
from wsbook.parsers.lines import split_lines

__all__ = ["split_paste", "unfenced"]

PASTED_NAMES = frozenset(("", ".txt", ".md", ".log", ".out"))
"""Suffixes of files that may hold what somebody copied together; any other name says that a file is of one kind."""
PASTE_CHARS = 65_536
PRINTED = frozenset(("backend_log", "access_log", "browser_console"))
"""Kinds that programs print line by line."""
RECORDED = frozenset(("har", "http_dump"))
CODE = frozenset(("frontend_source", "backend_source"))
WRITTEN_SCORE = 3.5
"""A rest that fits this well is a configuration or code, and not merely lines of a log in an unknown form."""
ERROR_PAGE = re.compile(r"</?(?:html|head|title|body|center|h[1-3]|hr|p)\b", re.IGNORECASE)
FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[\w.+-]*[ \t]*$", re.MULTILINE)
NODE = re.compile(r"\((?:node:|\S*node_modules/)|\bat (?:ClientRequest\.|process\.processTicks)")
"""What stands in stacks of Node and never in those of a browser."""
NOTE = re.compile(r"\s|#|//|--|[*;}\])]|$")
"""How a line begins that no program printed: indented, a comment, the end of a block."""


def unfenced(text: str) -> str:
    """Return a text without what marks code in a message: lines of backticks with the words around them, and one backtick at its ends.

    Lines keep their numbers. What a program printed stays, wherever it stands.
    """
    fences = len(FENCE.findall(text))
    if not fences:
        return text.removeprefix("`").removesuffix("`")
    lines, inside = list[str](), False
    for line in text.splitlines():
        mark = FENCE.fullmatch(line) is not None
        inside ^= mark
        lines.append("" if mark or not (inside or fences % 2 or line_kinds(line) & PRINTED) else line)
    return "\n".join(lines)


def split_paste(text: str, kind: str, name: str = "") -> tuple[tuple[str, str], ...]:
    """Return the parts of a text with their kinds, that of kind first; one part when it is whole. name: of the file, "" unknown.

    A text of which a program printed every line is a log, whatever its words resemble. Lines keep their numbers: what belongs to
    another part is empty.
    """
    lines = split_lines(text)
    if len(text) > PASTE_CHARS or PurePath(name).suffix.lower() not in PASTED_NAMES or kind == "har":
        return ((kind, text),)
    printed = [_is_printed(line, kind) for line in lines]
    log = "\n".join(line if own else "" for line, own in zip(lines, printed, strict=True))
    rest = "\n".join("" if own else line for line, own in zip(lines, printed, strict=True))
    if kind in PRINTED | RECORDED:
        others = PRINTED | RECORDED | (CODE if kind in RECORDED else frozenset())  # a page in an answer is no code of its own
        found = {one: score for one, score in scores("", rest).items() if one not in others}
        other = max(found, key=lambda one: found[one], default="")
        if not other or found[other] < WRITTEN_SCORE:
            return ((kind, text),)
        if other == "frontend_source" and NODE.search(text):
            other = "backend_source"
        return ((kind, "\n".join("" if other in line_kinds(line) else line for line in lines)), (other, rest))
    if not log.strip():
        return ((kind, text),)
    found = {one: score for one, score in scores("", log).items() if one in PRINTED}
    other = max(found, key=lambda one: found[one], default="backend_log")
    return ((kind, rest), (other, log)) if rest.strip() else ((other, text),)


def _is_printed(line: str, kind: str) -> bool:
    if NOTE.match(line):
        return False
    if ERROR_PAGE.match(line):
        return kind not in CODE
    kinds = line_kinds(line)
    return bool(kinds & (PRINTED | RECORDED if kind in RECORDED else PRINTED)) and kinds <= PRINTED | RECORDED
