"""Terraform's notation to the same tree that YAML becomes. Expressions stay text; blocks of one name become a list when there are several.

Source: github.com/hashicorp/hcl, native syntax.
"""

import re

from wsbook.errors import UnreadableInputError
from wsbook.parsers.proxies.artifact import MAX_DEPTH, Artifact
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["looks_like_hcl", "parse_hcl"]

_TOKEN = re.compile(
    r"(?P<skip>[ \t\r]+|#[^\n]*|//[^\n]*|/\*.*?\*/)|(?P<line>\n)"
    r"|(?P<heredoc><<[-~]?(?P<mark>\w{1,40})\n(?:[^\n]*\n){0,200}?[ \t]*(?P=mark)$)"
    r"|(?P<text>\"(?:[^\"\\\n]|\\.)*\")|(?P<word>[A-Za-z_][\w.\-\[\]*]*)|(?P<number>\d[\d.]*)|(?P<sign>[{}\[\](),=:])|(?P<other>[^\s\w])",
    re.DOTALL | re.MULTILINE,
)
_MAX_TOKENS = 200_000
_BLOCK = re.compile(r"^\s*(?:resource|module|data|provider|variable|terraform|output|locals)\b[^\n=]*\{", re.MULTILINE)

Token = tuple[str, str, int]


def looks_like_hcl(text: str) -> bool:
    """Tell whether a text has a block as Terraform writes it."""
    return bool(_BLOCK.search(text))


def parse_hcl(artifact: Artifact) -> Node:
    """Return the tree; a block with labels stands below its type and labels.

    Raises:
        UnreadableInputError: nested too deeply, or more parts than a configuration has.
    """
    tokens = _tokens(artifact)
    return _Reader(tokens, artifact.name).body(0)


def _tokens(artifact: Artifact) -> list[Token]:
    found: list[Token] = []
    line = 1
    for match in _TOKEN.finditer(artifact.text):
        kind = match.lastgroup or ""
        kind = "text" if match["heredoc"] else kind
        if kind != "skip":
            found.append((kind, match[0], line))
        line += match[0].count("\n")
        if len(found) > _MAX_TOKENS:
            raise UnreadableInputError(f"{artifact.name}: more parts than a configuration has")
    return found


class _Reader:
    """Walks the tokens once."""

    def __init__(self, tokens: list[Token], name: str) -> None:
        self._tokens, self._at, self._name = tokens, 0, name

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "", self._tokens[-1][2] if self._tokens else 1)

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def body(self, depth: int) -> Node:
        """Read attributes and blocks up to the closing brace or the end."""
        if depth > MAX_DEPTH:
            raise UnreadableInputError(f"{self._name}: nested too deeply")
        node = Node(value={}, line=self._peek()[2])
        while self._peek()[0] != "end":
            kind, text, line = self._next()
            if (kind, text) == ("sign", "}"):
                break
            if kind in ("word", "text"):
                self._entry(node, text.strip('"'), line, depth)
        return node

    def _entry(self, node: Node, key: str, line: int, depth: int) -> None:
        labels: list[str] = []
        while self._peek()[0] in ("text", "word"):
            labels.append(self._next()[1].strip('"'))
        kind, text, _ = self._peek()
        if kind == "sign" and text in "=:":
            self._at += 1
            value = self.value(depth + 1)
            value.key_line = line
            node.value[key] = value
        elif (kind, text) == ("sign", "{"):
            self._at += 1
            _plant(node, [key, *labels], self.body(depth + 1), line)

    def value(self, depth: int) -> Node:
        """Read one value; an expression is its text up to the end of the line or a comma."""
        if depth > MAX_DEPTH:
            raise UnreadableInputError(f"{self._name}: nested too deeply")
        kind, text, line = self._peek()
        if (kind, text) == ("sign", "["):
            self._at += 1
            return Node(value=self._list(depth), line=line)
        if (kind, text) == ("sign", "{"):
            self._at += 1
            return self.body(depth + 1)
        parts: list[str] = []
        nested = 0
        while self._peek()[0] != "end":
            kind, text, _ = self._peek()
            if nested <= 0 and (kind == "line" or (kind == "sign" and text in ",]}")):
                break
            nested += (text in ("(", "[", "{") and kind == "sign") - (text in (")", "]", "}") and kind == "sign")
            parts.append(text)
            self._at += 1
        words = "".join(parts)
        return Node(value=words.strip('"') if words.count('"') <= 2 else words, line=line)

    def _list(self, depth: int) -> list[Node]:
        found: list[Node] = []
        while self._peek()[0] != "end":
            kind, text, _ = self._peek()
            if (kind, text) == ("sign", "]"):
                self._at += 1
                break
            if kind == "line" or (kind, text) == ("sign", ","):
                self._at += 1
                continue
            before = self._at
            found.append(self.value(depth + 1))
            if self._at == before:
                self._at += 1
        return found


def _plant(node: Node, path: list[str], body: Node, line: int) -> None:
    for name in path[:-1]:
        inner = node.value.get(name)
        if inner is None or not isinstance(inner.value, dict):
            inner = Node(value={}, line=line)
            node.value[name] = inner
        node = inner
    before = node.value.get(path[-1])
    body.key_line = line
    if before is None:
        node.value[path[-1]] = body
    elif isinstance(before.value, list):
        before.value.append(body)
    else:
        node.value[path[-1]] = Node(value=[before, body], line=before.line)
