"""YAML text to plain values with their lines. Builds nothing but dictionaries, lists and scalars, in bounded memory.

PyYAML's events are used instead of its loader: tags are never followed, an alias is a reference and not a copy, and depth is counted.
"""

from typing import Any

import yaml  # type: ignore[import-untyped]
from msgspec import Struct

from wsbook.errors import UnreadableInputError
from wsbook.parsers.proxies.artifact import Artifact

__all__ = ["Node", "parse_documents"]

_MAX_EVENTS = 200_000
_MAX_DEPTH = 60
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Node(Struct):
    """One value. value: text of a scalar, dict of text to Node, or list of Node. plain: a scalar without quotes. line: 1-based."""

    value: Any
    line: int
    plain: bool = False

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


def parse_documents(artifact: Artifact) -> list[Node]:
    """Return the documents of a YAML or JSON text.

    Raises:
        UnreadableInputError: no valid YAML, nested deeper than 60, or more than 200,000 parts.
    """
    documents: list[Node] = []
    stack: list[tuple[Node, list[str]]] = []
    anchors: dict[str, Node] = {}
    try:
        for count, event in enumerate(yaml.parse(artifact.text, Loader=_LOADER)):
            if count > _MAX_EVENTS or len(stack) > _MAX_DEPTH:
                raise UnreadableInputError(f"{artifact.name}: more parts or deeper nesting than a configuration has")
            _take(event, documents, stack, anchors)
    except (yaml.YAMLError, UnicodeError, ValueError) as error:
        raise UnreadableInputError(f"{artifact.name}: no valid YAML: {' '.join(str(error).split())[:150]}") from error
    return documents


def _take(event: Any, documents: list[Node], stack: list[tuple[Node, list[str]]], anchors: dict[str, Node]) -> None:
    if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
        stack.pop()
        return
    line = event.start_mark.line + 1
    if isinstance(event, yaml.ScalarEvent):
        node = Node(value=event.value, line=line, plain=event.style is None or event.style == "")
    elif isinstance(event, yaml.AliasEvent):
        node = anchors.get(event.anchor) or Node(value="", line=line)
    elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
        node = Node(value={} if isinstance(event, yaml.MappingStartEvent) else [], line=line)
    else:
        return
    _place(node, documents, stack)
    if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
        stack.append((node, []))
    if not isinstance(event, yaml.AliasEvent) and event.anchor:
        anchors[event.anchor] = node


def _place(node: Node, documents: list[Node], stack: list[tuple[Node, list[str]]]) -> None:
    """Put a value where it belongs: into a list, under the waiting key, or as the next key."""
    if not stack:
        documents.append(node)
        return
    owner, waiting = stack[-1]
    if isinstance(owner.value, list):
        owner.value.append(node)
    elif waiting:
        owner.value[waiting.pop()] = node
    else:
        waiting.append(node.text)
