"""YAML text to plain values with their lines. Builds nothing but dictionaries, lists and scalars, in bounded memory.

PyYAML's events are used instead of its loader: tags are never followed, an alias is a reference and not a copy, and depth is counted.
"""

import re
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

import yaml  # type: ignore[import-untyped]
from msgspec import Struct

from wsbook.errors import UnreadableInputError
from wsbook.parsers.proxies.artifact import Artifact

__all__ = ["Node", "parse_documents", "renamed"]

_MAX_EVENTS = 200_000
_MAX_DEPTH = 60
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Node(Struct):
    """One value. value: text of a scalar, dict of text to Node, or list of Node. plain: a scalar without quotes.

    line, end_line: 1-based; key_line: of its key, 0 for none. column, end_column: 0-based, of the first character and after the last;
    end_column is of a scalar only. flow: a mapping or list in braces or brackets.
    """

    value: Any
    line: int
    plain: bool = False
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    key_line: int = 0
    flow: bool = False

    def get(self, *path: str) -> "Node | None":
        """Return the value below the keys, None when there is none."""
        node: Node | None = self
        for key in path:
            node = node.value.get(key) if node is not None and isinstance(node.value, dict) else None
        return node

    @property
    def text(self) -> str:
        """The scalar's text, "" for anything else."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def items(self) -> "list[Node]":
        """The list's values, () for anything else."""
        return self.value if isinstance(self.value, list) else []

    @property
    def pairs(self) -> "dict[str, Node]":
        """The mapping's values, {} for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def number(self) -> float | None:
        """The scalar as a number, None when it is none."""
        return float(self.text) if re.fullmatch(r"\d{1,15}(?:\.\d{1,9})?", self.text) else None

    def at(self, *path: str) -> str:
        """Return the text below the keys, "" when there is none."""
        found = self.get(*path)
        return found.text if found else ""

    def each(self, *path: str) -> "list[Node]":
        """Return the list below the keys, [] when there is none."""
        found = self.get(*path)
        return found.items if found else []

    def map(self, *path: str) -> "dict[str, Node]":
        """Return the mapping below the keys, {} when there is none."""
        found = self.get(*path)
        return found.pairs if found else {}

    def walk(self) -> "Iterator[tuple[str, Node]]":
        """Yield (key, value) of every mapping below, in order, each place once; aliases are followed once."""
        seen: set[int] = set()
        waiting = [("", self)]
        while waiting:
            key, node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            yield key, node
            inner = list(node.pairs.items()) if node.pairs else [("", one) for one in node.items]
            waiting.extend(reversed(inner))


def renamed(node: Node, rename: Callable[[str], str]) -> Node:
    """Return a tree with other keys; places stay, and what is shared by aliases stays shared."""
    return _renamed(node, rename, {})


def _renamed(node: Node, rename: Callable[[str], str], done: dict[int, Node]) -> Node:
    if isinstance(node.value, str):
        return node
    if id(node) not in done:
        made = copy(node)
        done[id(node)] = made
        if isinstance(node.value, dict):
            made.value = {rename(key): _renamed(one, rename, done) for key, one in node.value.items()}
        else:
            made.value = [_renamed(one, rename, done) for one in node.value]
    return done[id(node)]


def parse_documents(artifact: Artifact) -> list[Node]:
    """Return the documents of a YAML or JSON text.

    Raises:
        UnreadableInputError: no valid YAML, nested deeper than 60, or more than 200,000 parts.
    """
    documents: list[Node] = []
    stack: list[tuple[Node, list[tuple[str, int]]]] = []
    anchors: dict[str, Node] = {}
    try:
        for count, event in enumerate(yaml.parse(_without_templates(artifact.text), Loader=_LOADER)):
            if count > _MAX_EVENTS or len(stack) > _MAX_DEPTH:
                raise UnreadableInputError(f"{artifact.name}: more parts or deeper nesting than a configuration has")
            _take(event, documents, stack, anchors)
    except (yaml.YAMLError, UnicodeError, ValueError) as error:
        raise UnreadableInputError(f"{artifact.name}: no valid YAML: {' '.join(str(error).split())[:150]}") from error
    return documents


def _without_templates(text: str) -> str:
    """Return a chart's template with its lines of control blank and its values a word, so that lines stay where they are."""
    if "{{" not in text:
        return text
    text = re.sub(r"^[ \t]*\{\{-?[^{}\n]*\}\}[ \t]*$", "", text, flags=re.MULTILINE)
    return re.sub(r"\{\{[^{}\n]*\}\}", "templated", text)


def _take(event: Any, documents: list[Node], stack: list[tuple[Node, list[tuple[str, int]]]], anchors: dict[str, Node]) -> None:
    if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
        node, _ = stack.pop()
        if node.flow:
            node.end_line = event.end_mark.line + 1
        if stack:
            stack[-1][0].end_line = max(stack[-1][0].end_line, node.end_line)
        return
    if not isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent)):
        return
    node = _node(event, anchors)
    _place(node, documents, stack)
    if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
        stack.append((node, []))
    if not isinstance(event, yaml.AliasEvent) and event.anchor:
        anchors[event.anchor] = node


def _node(event: Any, anchors: dict[str, Node]) -> Node:
    line, column, end = event.start_mark.line + 1, event.start_mark.column, event.end_mark
    if isinstance(event, yaml.AliasEvent):
        return anchors.get(event.anchor) or Node(value="", line=line)
    if isinstance(event, yaml.ScalarEvent):
        plain = event.style is None or event.style == ""
        last = end.line if event.style in ("|", ">") and end.column == 0 else end.line + 1
        return Node(value=event.value, line=line, plain=plain, column=column, end_line=last, end_column=end.column)
    value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
    return Node(value=value, line=line, column=column, end_line=line, flow=bool(event.flow_style))


def _place(node: Node, documents: list[Node], stack: list[tuple[Node, list[tuple[str, int]]]]) -> None:
    """Put a value where it belongs: into a list, under the waiting key, or as the next key."""
    if not stack:
        documents.append(node)
        return
    owner, waiting = stack[-1]
    owner.end_line = max(owner.end_line, node.end_line)
    if isinstance(owner.value, list):
        owner.value.append(node)
    elif waiting:
        key, line = waiting.pop()
        node.key_line = node.key_line or line
        owner.value[key] = node
        if key == "<<":
            owner.value.update({k: v for k, v in node.pairs.items() if k not in owner.value})
    else:
        waiting.append((node.text, node.line))
