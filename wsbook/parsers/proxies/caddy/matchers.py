"""Caddy request matchers, asked about an opening handshake to a path. Knows matchers, not handlers.

Source: caddyserver.com, request matchers: a path matches exactly unless it has an asterisk; letter case does not count in paths but does in
header values.
"""

import re

from wsbook.parsers.proxies.artifact import try_regex
from wsbook.parsers.proxies.caddy.tree import Node

__all__ = ["asks_for_upgrade", "header_tests", "holds_line", "matcher_of", "matches", "never_holds", "path_patterns", "written_at"]

_HANDSHAKE = {"upgrade": "websocket", "connection": "Upgrade"}
_SENT = frozenset((*_HANDSHAKE, "sec-websocket-key", "sec-websocket-version"))
_FIREFOX = "keep-alive, Upgrade"


def matcher_of(node: Node) -> str:
    """Return a directive's matcher word: a path, ``@name``, or "" for every request."""
    word = node.words[1] if len(node.words) > 1 else ""
    return word if word.startswith(("/", "@")) else ""


def _conditions(matcher: str, named: dict[str, Node]) -> list[tuple[str, ...]]:
    """Return the lines of a named matcher, each as words; a path matcher as one such line."""
    if not matcher.startswith("@"):
        return [("path", matcher)] if matcher else []
    node = named.get(matcher)
    if node is None:
        return [("unknown",)]
    if node.block is None:
        return [node.words[1:] or ("unknown",)]
    lines = [c for c in node.block if c.words]
    return [("not", *c.words, *(w for b in c.block or () for w in b.words)) if c.name == "not" and c.block else c.words for c in lines]


def matches(matcher: str, named: dict[str, Node], path: str) -> bool | None:
    """Whether the matcher takes an opening handshake to the path; None when it depends on something else."""
    merged: dict[tuple[str, ...], list[str]] = {}
    for words in _conditions(matcher, named):
        key = words[:2] if words[0] == "header" else words[:1] if words[0] == "path" else words
        merged.setdefault(key, []).extend(words[len(key) :])
    values = [holds_line((*key, *rest), path) for key, rest in merged.items()]
    return False if False in values else None if None in values else True


def holds_line(words: tuple[str, ...], path: str) -> bool | None:
    """Whether one line of a named matcher holds for an opening handshake to the path; None when it depends on something else."""
    kind, rest = words[0], words[1:]
    if kind == "not" and rest:
        value = holds_line(tuple(w for w in rest if w != "not"), path)
        return None if value is None else not value
    if kind == "path":
        return any(_glob(p.lower(), path.lower()) for p in rest)
    if kind == "path_regexp" and rest:
        regex = try_regex(rest[-1])
        return bool(regex.search(path[:500])) if regex else None
    if kind == "method":
        return "GET" in map(str.upper, rest)
    if kind == "protocol" and rest:
        return False if rest[0].lower() == "grpc" else None
    if kind == "header" and len(rest) > 1 and rest[0].lower() == "content-type":
        return False
    if kind == "header" and len(rest) == 1 and rest[0].startswith("!"):
        return False if rest[0][1:].lower() in _SENT else None
    if kind == "header_regexp" and len(rest) > 1 and rest[-2].lower() in _HANDSHAKE:
        regex = try_regex(rest[-1])
        return bool(regex.search(_HANDSHAKE[rest[-2].lower()])) if regex else None
    if kind == "header" and rest and rest[0].lower() in _SENT and set(rest[1:]) <= {"*"}:
        return True
    if kind == "header" and rest and rest[0].lower() in _HANDSHAKE:
        return not rest[1:] or any(_glob(p, _HANDSHAKE[rest[0].lower()]) for p in rest[1:])
    return None


def _glob(pattern: str, text: str) -> bool:
    """Whether a pattern with asterisks fits: at the ends they stand for anything, inside for anything without a slash."""
    body = pattern.strip("*")
    if "*" not in body:
        begins, ends = pattern.endswith("*"), pattern.startswith("*")
        if begins and ends:
            return body in text
        return text.startswith(body) if begins else text.endswith(body) if ends else text == pattern
    parts = [re.escape(part) for part in pattern.split("*")]
    return len(parts) <= 8 and re.fullmatch("[^/]*".join(parts), text) is not None


def never_holds(matcher: str, named: dict[str, Node]) -> bool:
    """Whether a matcher takes no opening handshake whatever its path, for its method or because it wants none of these headers."""
    lines = _conditions(matcher, named)
    return any(w[0] == "method" and "GET" not in map(str.upper, w[1:]) for w in lines) or any(
        w[0] == "header" and len(w) == 2 and w[1].lower().removeprefix("!") in _SENT and w[1].startswith("!") for w in lines
    )


def asks_for_upgrade(matcher: str, named: dict[str, Node]) -> bool:
    """Whether a matcher selects opening handshakes by their headers."""
    return any(w[0] == "header" and len(w) > 1 and w[1].lower() in _HANDSHAKE for w in _conditions(matcher, named))


def path_patterns(matcher: str, named: dict[str, Node]) -> list[str]:
    """Return the path patterns of a matcher."""
    return [p for words in _conditions(matcher, named) if words[0] == "path" for p in words[1:]]


def header_tests(matcher: str, named: dict[str, Node]) -> list[tuple[str, str, bool]]:
    """Return (header, value, problem) of tests of handshake headers; problem: some or all browsers do not pass it."""
    found = []
    for words in _conditions(matcher, named):
        if words[0] == "header" and len(words) == 3 and words[1].lower() in _HANDSHAKE:
            name, value = words[1].lower(), words[2]
            seen = [_HANDSHAKE[name]] + ([_FIREFOX] if name == "connection" else [])
            found.append((words[1], value, not all(_glob(value, s) for s in seen)))
    return found


def written_at(node: Node, matcher: str, named: dict[str, Node], *words: str) -> Node:
    """Return the node whose line holds a matcher's condition that begins with words: a line of the named matcher, or the directive."""
    holder = named.get(matcher)
    if holder is None:
        return node
    inside = [n for n in holder.block or () if n.words[: len(words)] == words]
    return inside[0] if inside else holder
