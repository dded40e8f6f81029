"""Caddyfile text to a tree of directives with lines. Knows the grammar, not what a directive means.

Source: caddyserver.com, Caddyfile concepts: words split by blanks, quotes and backticks, a brace opens a block only as a word of its own.
"""

import re

from msgspec import Struct

from wsbook.errors import UnreadableInputError
from wsbook.parsers.proxies.artifact import MAX_DEPTH, Artifact

__all__ = ["Node", "expand", "parse_nodes"]

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|`[^`]*`|#[^\n]*|\\\r?\n|\n|[^\s"`#][^\s]*|[#"`]')
_MAX_EXPANDED = 5_000


class Node(Struct, frozen=True, kw_only=True):
    """One directive, or a site with its addresses as words. block: None when it has none."""

    words: tuple[str, ...]
    line: int
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
    stack: list[tuple[list[str], int, list[Node]]] = [([], 0, [])]
    words: list[str] = []
    line = start = 1
    for match in _TOKEN.finditer(artifact.text + "\n"):
        token = match[0]
        if token == "\n":  # noqa: S105
            _add(stack, words, start)
            words = []
        elif token == "{":  # noqa: S105
            stack.append((words, start if words else line, []))
            words = []
            if len(stack) > MAX_DEPTH:
                raise UnreadableInputError(f"{artifact.name}:{line}: blocks nested deeper than {MAX_DEPTH}")
        elif token == "}":  # noqa: S105
            _add(stack, words, start)
            words = []
            if len(stack) > 1:
                _close(stack)
        elif not token.startswith(("#", "\\\n", "\\\r")):
            start = start if words else line
            words.append(token[1:-1] if len(token) > 1 and token[0] in '"`' else token)
        line += token.count("\n")
    while len(stack) > 1:
        _close(stack)
    return tuple(stack[0][2])


def _add(stack: list[tuple[list[str], int, list[Node]]], words: list[str], line: int) -> None:
    if words:
        stack[-1][2].append(Node(words=tuple(words), line=line))


def _close(stack: list[tuple[list[str], int, list[Node]]]) -> None:
    words, line, body = stack.pop()
    stack[-1][2].append(Node(words=tuple(words), line=line, block=tuple(body)))


def expand(nodes: tuple[Node, ...], snippets: dict[str, Node], depth: int = 0) -> list[Node]:
    """Return the nodes with ``import snippet`` replaced by the snippet's lines, three levels deep."""
    found: list[Node] = []
    for node in nodes[:_MAX_EXPANDED]:
        snippet = snippets.get(f"({node.words[1]})") if node.name == "import" and len(node.words) > 1 else None
        if snippet and depth < 3 and len(found) < _MAX_EXPANDED:
            found += expand(snippet.block or (), snippets, depth + 1)
        else:
            found.append(node)
    return found
