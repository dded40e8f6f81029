"""nginx configuration text to a tree of directives with file and lines. Knows the grammar, not what a directive means."""

from collections.abc import Mapping

from msgspec import Struct

from wsbook.errors import UnreadableInputError
from wsbook.parsers.proxies.artifact import MAX_DEPTH, Artifact
from wsbook.parsers.proxies.nginx.files import Files
from wsbook.parsers.proxies.nginx.lexer import words

__all__ = ["Directive", "Tree", "parse_tree", "walk"]

_MAX_INCLUDES = 8
"""Includes nested deeper than this are refused."""
_MAX_WORDS = 120_000
"""A configuration with more is refused."""


class Directive(Struct, frozen=True, kw_only=True, gc=False):
    """One directive. block: None when it ends with a semicolon. named: the block by names. end_line: of its semicolon or closing brace.

    A directive named include that is left in the tree names files that could not be read.
    """

    name: str
    args: tuple[str, ...]
    file: str
    line: int
    end_line: int = 0
    block: "tuple[Directive, ...] | None" = None
    named: "Mapping[str, tuple[Directive, ...]]" = {}

    def all(self, name: str) -> "list[Directive]":
        """Return the directives of this name directly in the block."""
        return list(self.named.get(name, ()))

    def last(self, name: str) -> "Directive | None":
        """Return the last one of this name directly in the block; it is the one in force."""
        found = self.named.get(name)
        return found[-1] if found else None


class Tree(Struct, frozen=True, kw_only=True):
    """A whole configuration.

    root: a nameless block with everything. missing: includes that could not be read and may matter. texts: of all files read, by the
    name that their directives carry.
    """

    root: Directive
    missing: int
    texts: Mapping[str, str]


class _Open(Struct):
    """A block that is not closed yet."""

    words: list[str]
    line: int
    body: list[Directive]


def _parse(text: str, file: str, files: Files, depth: int = 0) -> tuple[Directive, ...]:
    """Return the directives of one file; surplus and missing braces are tolerated, since people paste pieces."""
    if depth > _MAX_INCLUDES:
        raise UnreadableInputError(f"{file}: includes nested deeper than {_MAX_INCLUDES}")
    stack = [_Open([], 0, [])]
    said: list[str] = []
    line = at = 1
    for count, word in enumerate(words(text)):
        if count > _MAX_WORDS:
            raise UnreadableInputError(f"{file}: more than {_MAX_WORDS:,} words, no nginx configuration has so many")
        at = word.line
        if not word.mark:
            line = line if said else at
            said.append(word.text)
            continue
        if word.text == "{":
            stack.append(_Open(said, line if said else at, []))
            if len(stack) > MAX_DEPTH:
                raise UnreadableInputError(f"{file}:{at}: blocks nested deeper than {MAX_DEPTH}")
        else:
            stack[-1].body += _simple(said, file, (line, at), files, depth)
            if word.text == "}" and len(stack) > 1:
                _close(stack, file, at)
        said = []
    stack[-1].body += _simple(said, file, (line, at), files, depth)
    while len(stack) > 1:
        _close(stack, file, text.count("\n") + 1)
    return tuple(stack[0].body)


def _close(stack: list[_Open], file: str, end_line: int) -> None:
    block = stack.pop()
    name, *args = block.words or [""]
    stack[-1].body.append(_block(name, tuple(args), file, (block.line, end_line), tuple(block.body)))


def _block(name: str, args: tuple[str, ...], file: str, lines: tuple[int, int], body: tuple[Directive, ...]) -> Directive:
    named: dict[str, list[Directive]] = {}
    for directive in body:
        named.setdefault(directive.name, []).append(directive)
    groups = {key: tuple(group) for key, group in named.items()}
    return Directive(name=name, args=args, file=file, line=lines[0], end_line=lines[1], block=body, named=groups)


def _simple(said: list[str], file: str, lines: tuple[int, int], files: Files, depth: int) -> list[Directive]:
    if not said:
        return []
    if said[0] == "include" and len(said) == 2:
        found = files.included(said[1])
        if found is not None:
            return [d for name, text in found for d in _parse(text, name, files, depth + 1)]
    return [Directive(name=said[0], args=tuple(said[1:]), file=file, line=lines[0], end_line=lines[1])]


def parse_tree(artifact: Artifact, changed: Mapping[str, str] | None = None) -> Tree:
    """Return the configuration as a tree. changed: texts by file name that take the place of those that are there.

    Raises:
        UnreadableInputError: nested too deeply, or far too many words.
    """
    files = Files(artifact, changed or {})
    block = _parse(files.text, files.main, files)
    root = _block("", (), files.main, (1, files.text.count("\n") + 1), block)
    return Tree(root=root, missing=files.missing, texts=files.texts)


def walk(root: Directive) -> list[Directive]:
    """Return every directive below root, outer before inner."""
    found, waiting = [], [root]
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting.extend(reversed(current.block or ()))
    return found[1:]
