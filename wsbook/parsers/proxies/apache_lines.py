"""Apache configuration text to directives with their section and line. Knows the grammar, not what a directive means."""

import re
import shlex

from msgspec import Struct

from wsbook.errors import UnreadableInputError
from wsbook.parsers.proxies.artifact import MAX_DEPTH, Artifact

__all__ = ["Directive", "parse_directives"]


class Directive(Struct, frozen=True, kw_only=True):
    """One directive. name in lower case. sections: the blocks around it, outermost first, as (name, argument, number of the block)."""

    name: str
    args: tuple[str, ...]
    line: int
    sections: tuple[tuple[str, str, int], ...] = ()

    @property
    def host(self) -> int:
        """The number of the virtual host's block, 0 outside of one."""
        return next((number for name, _, number in self.sections if name == "virtualhost"), 0)

    @property
    def location(self) -> tuple[str, str]:
        """The innermost Location or LocationMatch as (name, path), ("", "") outside of one."""
        return next(((n, a) for n, a, _ in reversed(self.sections) if n in ("location", "locationmatch")), ("", ""))

    @property
    def text(self) -> str:
        """The directive with single spaces."""
        return " ".join((self.name, *self.args))


def parse_directives(artifact: Artifact) -> list[Directive]:
    """Return the directives in order; ends of blocks that were never opened are ignored.

    Raises:
        UnreadableInputError: no directive at all, or nested too deeply.
    """
    found: list[Directive] = []
    stack: list[tuple[str, str, int]] = []
    number = 0
    for line, text in _logical_lines(artifact.text):
        opened = re.fullmatch(r"<\s*(\w+)\s*(.*?)\s*>", text)
        closed = re.fullmatch(r"</\s*(\w+)\s*>", text)
        if closed and any(name == closed[1].lower() for name, _, _ in stack):
            while stack.pop()[0] != closed[1].lower():
                pass
        elif opened:
            number += 1
            stack.append((opened[1].lower(), opened[2].strip("\"'")[:300], number))
            if len(stack) > MAX_DEPTH:
                raise UnreadableInputError(f"{artifact.name}:{line}: sections nested deeper than {MAX_DEPTH}")
        elif re.match(r"[A-Za-z]", text):
            name, *args = _words(text)
            found.append(Directive(name=name.lower(), args=tuple(args), line=line, sections=tuple(stack)))
    if not found:
        raise UnreadableInputError(f"{artifact.name}: no Apache directive in it")
    return found


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Return (number, text) with continued lines joined and comments left out."""
    found: list[tuple[int, str]] = []
    kept, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        start = start or number
        part = raw[:4000]
        if part.endswith("\\") and len(kept) < 8000:
            kept += part[:-1] + " "
            continue
        line = (kept + part).strip()
        if line and not line.startswith("#"):
            found.append((start, line))
        kept, start = "", 0
    return found


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    try:
        return list(lexer) or [text]
    except ValueError:
        return text.split()
