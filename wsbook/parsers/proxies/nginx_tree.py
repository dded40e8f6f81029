"""nginx configuration text to a tree of directives with file and line. Knows the grammar, not what a directive means.

The lexer is crossplane's. The tree is built here because crossplane's parser reads files only and refuses the fragments that people paste.
"""

import io
import re
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from crossplane.lexer import _lex_file_object as lex  # its public lex() takes a file name only
from msgspec import Struct

from wsbook.errors import UnreadableInputError
from wsbook.parsers.proxies.artifact import MAX_BYTES, MAX_DEPTH, Artifact

__all__ = ["Directive", "parse_tree", "walk"]

_MAX_FILES = 100
_DUMP = re.compile(r"^# configuration file (\S+):\s*$", re.MULTILINE)
_PREFIX = "/etc/nginx/"


class Directive(Struct, frozen=True, kw_only=True):
    """One directive. block: None when it ends with a semicolon."""

    name: str
    args: tuple[str, ...]
    file: str
    line: int
    block: "tuple[Directive, ...] | None" = None

    def all(self, name: str) -> "list[Directive]":
        """Return the directives of this name directly in the block."""
        return [d for d in self.block or () if d.name == name]

    def last(self, name: str) -> "Directive | None":
        """Return the last one of this name directly in the block; it is the one in force."""
        return next(iter(reversed(self.all(name))), None)


class _Reader:
    """Reads files of one configuration: the text given, the parts of an ``nginx -T`` dump, and includes inside the folder."""

    def __init__(self, artifact: Artifact) -> None:
        self.parts, self.main = _split_dump(artifact)
        self.folder = Path(artifact.folder).resolve() if artifact.folder else None
        self.read = 0
        self.missing = 0

    def included(self, pattern: str) -> list[tuple[str, str]]:
        """Return (name, text) of the files that an include names; counts it as missing when there is none."""
        full = pattern if pattern.startswith("/") else _PREFIX + pattern
        self.read += 1
        if self.read > _MAX_FILES or len(pattern) > 300:
            return []
        found = [(n, t) for n, t in self.parts.items() if fnmatchcase(n, full) or n == pattern] or self._from_folder(pattern)
        self.missing += not found
        return found

    def _from_folder(self, pattern: str) -> list[tuple[str, str]]:
        if self.folder is None:
            return []
        relative = pattern.removeprefix(str(self.folder) + "/").removeprefix(_PREFIX).lstrip("/")
        if not relative or ".." in PurePosixPath(relative).parts or "**" in relative:
            return []
        found = []
        for path in sorted(self.folder.glob(relative))[:_MAX_FILES]:
            if self.read > _MAX_FILES or not path.resolve().is_relative_to(self.folder) or not path.is_file():
                continue
            self.read += 1
            with path.open("rb") as file:
                found.append((str(path), file.read(MAX_BYTES).decode("utf-8", "replace")))
        return found


def _split_dump(artifact: Artifact) -> tuple[dict[str, str], str]:
    """Return the parts of an ``nginx -T`` dump and the name of the main one; ({}, "") for a plain file."""
    marks = list(_DUMP.finditer(artifact.text))
    if not marks:
        return {}, ""
    ends = [m.start() for m in marks[1:]] + [len(artifact.text)]
    return {m[1]: artifact.text[m.end() + 1 : end] for m, end in zip(marks, ends, strict=True)}, marks[0][1]


def _parse(text: str, file: str, reader: _Reader, depth: int = 0) -> tuple[Directive, ...]:
    """Return the directives of one file; surplus and missing braces are tolerated, since people paste pieces."""
    if depth > MAX_DEPTH:
        raise UnreadableInputError(f"{file}: includes or blocks nested deeper than {MAX_DEPTH}")
    stack: list[tuple[list[str], int, list[Directive]]] = [([], 0, [])]
    words: list[str] = []
    line = 0
    for word, at, quoted in lex(io.StringIO(text)):
        if word.startswith("#") and not quoted:
            continue
        if word == "{" and not quoted:
            stack.append((words, line or at, []))
            words = []
            if len(stack) > MAX_DEPTH:
                raise UnreadableInputError(f"{file}:{at}: blocks nested deeper than {MAX_DEPTH}")
        elif word == "}" and not quoted:
            if len(stack) > 1:
                _close(stack, file)
            words = []
        elif word == ";" and not quoted:
            stack[-1][2].extend(_simple(words, file, line, reader, depth))
            words = []
        else:
            line = at if not words else line
            words.append(word)
    if words:
        stack[-1][2].extend(_simple(words, file, line, reader, depth))
    while len(stack) > 1:
        _close(stack, file)
    return tuple(stack[0][2])


def _close(stack: list[tuple[list[str], int, list[Directive]]], file: str) -> None:
    words, line, body = stack.pop()
    name, *args = words or [""]
    stack[-1][2].append(Directive(name=name, args=tuple(args), file=file, line=line, block=tuple(body)))


def _simple(words: list[str], file: str, line: int, reader: _Reader, depth: int) -> list[Directive]:
    if not words:
        return []
    if words[0] == "include" and len(words) == 2:
        found = [d for name, text in reader.included(words[1]) for d in _parse(text, name, reader, depth + 5)]
        if found:
            return found
    return [Directive(name=words[0], args=tuple(words[1:]), file=file, line=line)]


def parse_tree(artifact: Artifact) -> tuple[Directive, int]:
    """Return the configuration as one nameless block, and how many includes could not be read.

    Raises:
        UnreadableInputError: nested too deeply.
    """
    reader = _Reader(artifact)
    text, file = (reader.parts[reader.main], reader.main) if reader.main else (artifact.text, artifact.name)
    return Directive(name="", args=(), file=file, line=1, block=_parse(text, file, reader)), reader.missing


def walk(root: Directive) -> list[Directive]:
    """Return every directive below root, outer before inner."""
    found, waiting = [], [root]
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting.extend(reversed(current.block or ()))
    return found[1:]
