"""Apache configuration text to directives with their section and line. Knows the grammar, not what a directive means.

Include and IncludeOptional are followed inside the artifact's folder only, relative to it, as to ServerRoot.
"""

import re
import shlex
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path, PurePosixPath

from msgspec import Struct

from wsbook.errors import UnreadableInputError
from wsbook.parsers.proxies.artifact import MAX_DEPTH, Artifact, text_inside

__all__ = ["Block", "Directive", "Directives", "parse_directives"]

Block = tuple[str, str, int]
"""A section: its name in lower case, its argument, and its number in the order of opening."""

_MAX_DIRECTIVES = 20_000
_MAX_FILES = 200
_MAX_OF_A_NAME = 500
_MAX_INCLUDES = 10


class Directive(Struct, frozen=True, kw_only=True, eq=False):
    """One directive. name in lower case. sections: the blocks around it, outermost first. end: its last line, when it is continued."""

    name: str
    args: tuple[str, ...]
    file: str
    line: int
    end: int
    sections: tuple[Block, ...] = ()

    @property
    def host(self) -> int:
        """The number of the virtual host's block, 0 outside of one."""
        return next((number for name, _, number in self.sections if name == "virtualhost"), 0)

    @property
    def location(self) -> tuple[str, str]:
        """The innermost Location or LocationMatch as (name, path), ("", "") outside of one."""
        return next(((n, a) for n, a, _ in reversed(self.sections) if n in ("location", "locationmatch")), ("", ""))

    @property
    def is_on(self) -> bool:
        """Whether a flag is set."""
        return self.args[:1] != () and self.args[0].lower() == "on"

    @property
    def text(self) -> str:
        """The directive with single spaces."""
        return " ".join((self.name, *self.args))


class Directives(list[Directive]):
    """Directives in order, which are also found by name."""

    @cached_property
    def _names(self) -> dict[str, list[Directive]]:
        found: dict[str, list[Directive]] = {}
        for directive in self:
            found.setdefault(directive.name, []).append(directive)
        return found

    @cached_property
    def _places(self) -> dict[tuple[int, str], list[Directive]]:
        found: dict[tuple[int, str], list[Directive]] = {}
        for directive in self:
            found.setdefault((directive.host, directive.name), []).append(directive)
        return found

    @cached_property
    def main(self) -> "Directives":
        """Those outside of all virtual hosts."""
        return Directives(d for d in self if d.host == 0)

    @cached_property
    def balancers(self) -> dict[str, set[int]]:
        """The numbers of the Proxy blocks of each balancer."""
        found: dict[str, set[int]] = {}
        for directive in self.named("balancermember", "proxyset"):
            for name, argument, number in directive.sections:
                if name == "proxy" and argument.startswith("balancer://"):
                    found.setdefault(argument.removeprefix("balancer://").rstrip("/"), set()).add(number)
        return found

    @cached_property
    def pools(self) -> dict[str, list[Directive]]:
        """Members of balancers that were asked for, by target."""
        return {}

    def of(self, host: int, *names: str) -> list[Directive]:
        """Return those of one host with one of the names, name by name; 500 at most."""
        return [directive for name in names for directive in self._places.get((host, name), ())][:_MAX_OF_A_NAME]

    def named(self, *names: str) -> list[Directive]:
        """Return those with one of the names, name by name."""
        return [directive for name in names for directive in self._names.get(name, ())]


class _Reader:
    """Reads one file after the other and keeps what is open between them."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.found = Directives()
        self.stack: list[Block] = []
        self.number = 0
        self.files = 0

    def read(self, text: str, file: str, depth: int = 0) -> None:
        for line, end, words in _logical_lines(text):
            opened = re.fullmatch(r"<\s*(\w+)\s*(.*?)\s*>", words)
            closed = re.fullmatch(r"</\s*(\w+)\s*>", words)
            if closed and any(name == closed[1].lower() for name, _, _ in self.stack):
                while self.stack.pop()[0] != closed[1].lower():
                    pass
            elif opened:
                self.number += 1
                self.stack.append((opened[1].lower(), opened[2].strip("\"'")[:300], self.number))
                if len(self.stack) > MAX_DEPTH:
                    raise UnreadableInputError(f"{file}:{line}: sections nested deeper than {MAX_DEPTH}")
            elif re.match(r"[A-Za-z]", words) and len(self.found) < _MAX_DIRECTIVES:
                self._take(words, file, line, end, depth)

    def _take(self, words: str, file: str, line: int, end: int, depth: int) -> None:
        name, *args = _words(words)
        inside = name.lower() in ("include", "includeoptional") and args and self.artifact.folder and depth < _MAX_INCLUDES
        for path in _included(self.artifact.folder, args[0]) if inside else ():
            self.files += 1
            text = text_inside(self.artifact.folder, path) if self.files <= _MAX_FILES else None
            if text and "\0" not in text:
                self.read(text, str(path), depth + 1)
        self.found.append(Directive(name=name.lower(), args=tuple(args), file=file, line=line, end=end, sections=tuple(self.stack)))


def parse_directives(artifact: Artifact) -> Directives:
    """Return the directives in order; ends of blocks that were never opened are ignored, includes stand before their Include.

    Raises:
        UnreadableInputError: no directive at all, or nested too deeply.
    """
    reader = _Reader(artifact)
    reader.read(artifact.text, artifact.name)
    if not reader.found:
        raise UnreadableInputError(f"{artifact.name}: no Apache directive in it")
    return reader.found


def _included(folder: str, pattern: str) -> list[Path]:
    """Return what an Include means, in order, as far as it is named inside the folder."""
    root = Path(folder).resolve()
    inside = pattern.removeprefix(str(root) + "/") if len(pattern) <= 300 else ""
    parts = PurePosixPath(inside).parts
    if not parts or parts[0] == "/" or ".." in parts or "\0" in pattern:
        return []
    places = [root]
    for part in parts:
        places = [entry for place in places for entry in _entries(place) if fnmatch(entry.name, part)][:_MAX_FILES]
    return places


def _entries(place: Path) -> list[Path]:
    try:
        return sorted(place.iterdir())
    except OSError:
        return []


def _logical_lines(text: str) -> list[tuple[int, int, str]]:
    """Return (first number, last number, text) with continued lines joined and comments left out."""
    found: list[tuple[int, int, str]] = []
    kept, start = "", 0
    for number, raw in enumerate(text.split("\n"), 1):
        start = start or number
        part = raw.rstrip("\r")[:4000]
        if part.endswith("\\") and len(kept) < 8000:
            kept += part[:-1] + " "
            continue
        line = (kept + part).strip()
        if line and not line.startswith("#"):
            found.append((start, number, line))
        kept, start = "", 0
    if kept.strip() and not kept.lstrip().startswith("#"):
        found.append((start, text.count("\n") + 1, kept.strip()))
    return found


def _words(text: str) -> list[str]:
    if not re.search(r"[\"'\\]", text):
        return text.split()
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    try:
        return list(lexer) or [text]
    except ValueError:
        return text.split()
