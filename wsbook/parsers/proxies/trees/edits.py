"""Changes of a YAML or JSON file, line by line, with its own indentation. Knows no product.

Each function returns None where the notation leaves no place for the change that is sure to be right.
"""

from wsbook.facts import Change, Fix
from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.fixing import make_fix
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["add_line_like", "drop_pair", "fix_of", "put_pair", "replace_value", "reword"]

_LARGE = 300_000
"""Larger files get no fixes: each needs the whole text compared."""


def replace_value(artifact: Artifact, node: Node | None, value: str) -> Change | None:
    """Return the change of one scalar; value as it stands in the file, with its quotes."""
    lines = artifact.text.split("\n")
    if node is None or not isinstance(node.value, str) or node.end_line != node.line or not 0 < node.line <= len(lines):
        return None
    line = lines[node.line - 1]
    if node.end_column <= node.column or node.end_column > len(line):
        return None
    return Change(file=artifact.name, line=node.line, removed=1, added=(line[: node.column] + value + line[node.end_column :],))


def put_pair(artifact: Artifact, mapping: Node | None, key: str, *value: str) -> Change | None:
    """Return the change that gives a mapping a further key. value: what stands behind the colon, then deeper lines relative to the key.

    In braces only a value of one line can be added. A key that is there already gets the value instead.
    """
    if mapping is None or not isinstance(mapping.value, dict) or not 0 < mapping.line <= mapping.end_line:
        return None
    if key in mapping.value:
        return replace_value(artifact, mapping.value[key], value[0]) if len(value) == 1 else None
    if mapping.flow:
        return _put_in_braces(artifact, mapping, key, value)
    if not mapping.value:
        return None
    margin = " " * mapping.column
    first, *rest = value
    added = (f"{margin}{key}: {first}".rstrip(), *(margin + line for line in rest))
    return Change(file=artifact.name, line=mapping.end_line + 1, added=added)


def _put_in_braces(artifact: Artifact, mapping: Node, key: str, value: tuple[str, ...]) -> Change | None:
    lines = artifact.text.split("\n")
    line = lines[mapping.line - 1] if mapping.line <= len(lines) else ""
    if len(value) != 1 or line[mapping.column : mapping.column + 1] != "{":
        return None
    quoted = f'"{key}"' if line[mapping.column + 1 :].lstrip()[:1] in ('"', "") and not key.startswith('"') else key
    comma = ", " if mapping.value else ""
    changed = f"{line[: mapping.column + 1]}{quoted}: {value[0]}{comma}{line[mapping.column + 1 :]}"
    return Change(file=artifact.name, line=mapping.line, removed=1, added=(changed.rstrip(),))


def drop_pair(artifact: Artifact, mapping: Node | None, key: str) -> Change | None:
    """Return the change that takes a key and its value away; in blocks only, and not the last or a list item's first key."""
    node = mapping.value.get(key) if mapping is not None and isinstance(mapping.value, dict) else None
    if mapping is None or node is None or mapping.flow or len(mapping.value) < 2 or not 0 < node.key_line <= node.end_line:
        return None
    lines = artifact.text.split("\n")
    if node.end_line > len(lines) or not lines[node.key_line - 1].lstrip().lstrip("\"'").startswith(key):
        return None
    return Change(file=artifact.name, line=node.key_line, removed=node.end_line - node.key_line + 1)


def reword(artifact: Artifact, line: int, old: str, new: str) -> Change | None:
    """Return the change of one line in which old stands exactly once."""
    lines = artifact.text.split("\n")
    if not old or not 0 < line <= len(lines) or lines[line - 1].count(old) != 1:
        return None
    return Change(file=artifact.name, line=line, removed=1, added=(lines[line - 1].replace(old, new),))


def add_line_like(artifact: Artifact, line: int, old: str, new: str) -> Change | None:
    """Return the change that repeats a line with one word in it changed, below it."""
    changed = reword(artifact, line, old, new)
    return Change(file=artifact.name, line=line + 1, added=changed.added) if changed else None


def fix_of(artifact: Artifact, causes: tuple[str, ...], *changes: Change | None) -> Fix | None:
    """Return the fix of one file; None when any of the changes could not be made."""
    made = [change for change in changes if change is not None]
    if len(artifact.text) > _LARGE or not made or len(made) < len(changes):
        return None
    return make_fix(causes, made, {artifact.name: artifact.text})
