"""Caddyfile text to a tree of directives with lines. Knows the grammar, not what a directive means.

Source: caddyserver.com, Caddyfile concepts: words split by blanks, quotes and backticks, a brace opens a block only as a word of its own.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from wsbook.errors import UnreadableInputError
from wsbook.parsers.proxies.artifact import MAX_DEPTH, Artifact, text_inside

__all__ = ["Node", "expand", "flat", "parse_nodes"]

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|`[^`]*`|#[^\n]*|\\\r?\n|\n|[^\s"`#][^\s]*|[#"`]')
_MAX_NAME = 200
"""A file's name may not be longer on most systems, by some bytes."""
_MAX_EXPANDED = 5_000
_MAX_IMPORTS = 3
_MAX_FILES = 100


class Node(Struct, frozen=True, kw_only=True):
    """One directive, or a site with its addresses as words. block: None when it has none. file: "" that of the artifact."""

    words: tuple[str, ...]
    line: int
    file: str = ""
    block: "tuple[Node, ...] | None" = None

    @property
    def name(self) -> str:
        """The first word."""
        return self.words[0] if self.words else ""

    def child(self, name: str) -> "Node | None":
        """Return the last directive of this name in the block."""
        return next((n for n in reversed(self.block or ()) if n.name == name), None)


def parse_nodes(artifact: Artifact) -> tuple[Node, ...]:
    """Return the top level of a Caddyfile; surplus and missing braces are tolerated.

    Raises:
        UnreadableInputError: nested too deeply.
    """
    return _nodes(artifact.text, artifact.name, "")


def _nodes(text: str, name: str, file: str) -> tuple[Node, ...]:
    stack: list[tuple[list[str], int, list[Node]]] = [([], 0, [])]
    words: list[str] = []
    line = start = 1
    for match in _TOKEN.finditer(text + "\n"):
        token = match[0]
        if token == "\n":  # noqa: S105
            _add(stack, words, start, file)
            words = []
        elif token == "{":  # noqa: S105
            stack.append((words, start if words else line, []))
            words = []
            if len(stack) > MAX_DEPTH:
                raise UnreadableInputError(f"{name}:{line}: blocks nested deeper than {MAX_DEPTH}")
        elif token == "}":  # noqa: S105
            _add(stack, words, start, file)
            words = []
            if len(stack) > 1:
                _close(stack, file)
        elif not token.startswith(("#", "\\\n", "\\\r")):
            start = start if words else line
            words.append(token[1:-1] if len(token) > 1 and token[0] in '"`' else token)
        line += token.count("\n")
    while len(stack) > 1:
        _close(stack, file)
    return tuple(stack[0][2])


def _add(stack: list[tuple[list[str], int, list[Node]]], words: list[str], line: int, file: str) -> None:
    if words:
        stack[-1][2].append(Node(words=tuple(words), line=line, file=file))


def _close(stack: list[tuple[list[str], int, list[Node]]], file: str) -> None:
    words, line, body = stack.pop()
    stack[-1][2].append(Node(words=tuple(words), line=line, file=file, block=tuple(body)))


def flat(nodes: tuple[Node, ...]) -> Iterator[Node]:
    """Yield nodes and all that are inside them, in the order of the file."""
    for node in nodes:
        yield node
        yield from flat(node.block or ())


def expand(nodes: tuple[Node, ...], snippets: dict[str, Node], folder: str = "", depth: int = 0) -> list[Node]:
    """Return the nodes with imports replaced by what they mean: a snippet, or files inside the folder; three levels deep."""
    found: list[Node] = []
    for node in nodes[:_MAX_EXPANDED]:
        if node.name != "import" or len(node.words) < 2 or depth >= _MAX_IMPORTS or len(found) >= _MAX_EXPANDED:
            found.append(node)
            continue
        snippet = snippets.get(f"({node.words[1]})")
        inner = tuple(_with(n, node.words[2:]) for n in snippet.block or ()) if snippet else _imported(node.words[1], folder)
        found += expand(inner, snippets, folder, depth + 1) if inner else [node]
    return found


def _with(node: Node, arguments: tuple[str, ...]) -> Node:
    """Return a node with the arguments of its import in place of {args[0]} and {args.0}."""
    if not arguments:
        return node
    words = tuple(re.sub(r"\{args(?:\[(\d)\]|\.(\d))\}", lambda m: _argument(arguments, m), word) for word in node.words)
    block = None if node.block is None else tuple(_with(n, arguments) for n in node.block)
    return Node(words=words, line=node.line, file=node.file, block=block)


def _argument(arguments: tuple[str, ...], match: re.Match[str]) -> str:
    index = int(match[1] or match[2])
    return arguments[index] if index < len(arguments) else match[0]


def _imported(pattern: str, folder: str) -> tuple[Node, ...]:
    """Return the nodes of the files that an import means, in order; none outside the folder, links that leave it included."""
    if not folder or ".." in pattern or len(pattern) > 300 or max(map(len, pattern.split("/"))) > _MAX_NAME or "\0" in pattern:
        return ()
    root = Path(folder).resolve()
    inside = pattern.removeprefix(str(root) + "/")
    if inside.startswith("/") or not inside.strip("./"):
        return ()
    found: tuple[Node, ...] = ()
    for path in sorted(root.glob(inside.removeprefix("./").replace("**", "*")))[:_MAX_FILES]:
        text = text_inside(folder, path)
        found += _nodes(text, str(path), str(path)) if text else ()
    return found
