"""TOML text to the same tree that YAML becomes, with the lines where keys stand. The reader of TOML tells no lines: they are looked up."""

import re
from typing import Any

import tomli

from wsbook.errors import UnreadableInputError
from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["looks_like_toml", "parse_toml"]

_HEADER = re.compile(r"^\s*\[{1,2}\s*([^\[\]]+?)\s*\]{1,2}\s*(?:#.*)?$")
_PAIR = re.compile(r"^\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
_MAX_DEPTH = 40


def looks_like_toml(text: str) -> bool:
    """Tell whether the first line that says something is a table or a pair of TOML."""
    first = next((line for line in text.split("\n") if line.strip() and not line.lstrip().startswith(("#", ";"))), "")
    return bool(_HEADER.match(first) or _PAIR.match(first))


def parse_toml(artifact: Artifact) -> Node:
    """Return the tree of a TOML text.

    Raises:
        UnreadableInputError: no valid TOML, or nested too deeply.
    """
    try:
        value = tomli.loads(artifact.text)
    except (ValueError, RecursionError) as error:
        raise UnreadableInputError(f"{artifact.name}: no valid TOML: {' '.join(str(error).split())[:150]}") from error
    return _node(value, (), _places(artifact.text), 1)


def _parts(key: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.findall(r"[\w-]+|\"[^\"]*\"|'[^']*'", key))


def _places(text: str) -> dict[tuple[str, ...], list[int]]:
    """Return for the path of keys the lines where it stands, in order."""
    found: dict[tuple[str, ...], list[int]] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            table = _parts(header[1])
            found.setdefault(table, []).append(number)
        elif pair := _PAIR.match(line):
            found.setdefault((*table, *_parts(pair[1])), []).append(number)
    return found


def _node(value: Any, path: tuple[str, ...], places: dict[tuple[str, ...], list[int]], line: int) -> Node:
    if len(path) > _MAX_DEPTH:
        raise RecursionError
    lines = places.get(path)
    line = (lines.pop(0) if len(lines) > 1 else lines[0]) if lines else line
    if isinstance(value, dict):
        return Node(value={str(k): _node(v, (*path, str(k)), places, line) for k, v in value.items()}, line=line)
    if isinstance(value, list):
        return Node(value=[_node(v, path, places, line) for v in value], line=line)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return Node(value=text, line=line)
