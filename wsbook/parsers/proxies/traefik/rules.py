"""Traefik's rules: the expression that a router matches requests with, in the notation of versions 2 and 3.

Hosts are taken as fitting: which one is asked for is not known here. Source: doc.traefik.io, routers, rule.
"""

import re
from functools import cache
from typing import Any

from msgspec import Struct

from wsbook.parsers.proxies.artifact import try_regex

__all__ = ["Rule", "parse_rule"]

_TOKEN = re.compile(r"\s*(?:(&&|\|\||!|\(|\)|,)|([A-Za-z]\w*)(?=\s*\()|`([^`]*)`|\"((?:[^\"\\]|\\.)*)\")")
_MAX_TOKENS = 500
_MAX_DEPTH = 50
_UPGRADE = {"upgrade": ("websocket",), "connection": ("upgrade", "keep-alive, upgrade"), "sec-websocket-version": ("13",)}

Token = tuple[str, str]
Call = tuple[str, tuple[str, ...], bool]
Tree = tuple[Any, ...] | None
Read = tuple[int, Tree]


class Rule(Struct, frozen=True, kw_only=True):
    """One rule. calls: (matcher in small letters, arguments, negated) in order. tree: nested tuples; None: it cannot be read."""

    text: str
    tree: Tree
    calls: tuple[Call, ...] = ()

    @property
    def host(self) -> str:
        """The hosts that it asks for, "" for any."""
        names = [a for name, args, off in self.calls if name in ("host", "hostregexp", "hostheader", "hostsni") and not off for a in args]
        return "" if "*" in names else ",".join(sorted(names)).lower()

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths, prefixes and expressions that it asks for."""
        return tuple(a for name, args, off in self.calls if name.startswith("path") and not off for a in args)

    @property
    def asks_for_upgrade(self) -> bool:
        """Whether it takes handshakes alone."""
        return any(n.startswith("header") and args[:1] and args[0].lower() in _UPGRADE and not off for n, args, off in self.calls)

    def fits(self, path: str) -> bool | None:
        """Whether it takes the opening handshake for a path; None unknown."""
        return _value(self.tree, path) if self.tree is not None else None


@cache
def parse_rule(text: str) -> Rule:
    """Return a rule as an expression."""
    tokens = _tokens(text)
    calls: list[Call] = []
    at, tree = _either(tokens, 0, calls, negated=False, depth=0) if tokens else (0, None)
    return Rule(text=text, tree=tree if at == len(tokens) else None, calls=tuple(calls))


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    position = 0
    text = text.strip()[:4000]
    while position < len(text) and len(found) < _MAX_TOKENS:
        match = _TOKEN.match(text, position)
        if match is None:
            return []
        kind = "sign" if match[1] else "name" if match[2] else "text"
        found.append((kind, next(g for g in match.groups() if g is not None)))
        position = match.end()
    return found


def _either(tokens: list[Token], at: int, calls: list[Call], *, negated: bool, depth: int) -> Read:
    at, left = _both(tokens, at, calls, negated=negated, depth=depth)
    while tokens[at : at + 1] == [("sign", "||")]:
        at, right = _both(tokens, at + 1, calls, negated=negated, depth=depth)
        left = ("or", left, right)
    return at, left


def _both(tokens: list[Token], at: int, calls: list[Call], *, negated: bool, depth: int) -> Read:
    at, left = _single(tokens, at, calls, negated=negated, depth=depth)
    while tokens[at : at + 1] == [("sign", "&&")]:
        at, right = _single(tokens, at + 1, calls, negated=negated, depth=depth)
        left = ("and", left, right)
    return at, left


def _single(tokens: list[Token], at: int, calls: list[Call], *, negated: bool, depth: int) -> Read:
    kind, text = tokens[at] if at < len(tokens) and depth <= _MAX_DEPTH else ("end", "")
    if (kind, text) == ("sign", "!"):
        at, inner = _single(tokens, at + 1, calls, negated=not negated, depth=depth + 1)
        return at, ("not", inner)
    if (kind, text) == ("sign", "("):
        at, inner = _either(tokens, at + 1, calls, negated=negated, depth=depth + 1)
        return at + 1, inner
    if kind != "name":
        return len(tokens) + 1, None
    arguments: list[str] = []
    at += 2
    while at < len(tokens) and tokens[at] != ("sign", ")"):
        if tokens[at][0] == "text":
            arguments.append(tokens[at][1])
        at += 1
    calls.append((text.lower(), tuple(arguments), negated))
    return at + 1, ("call", text.lower(), tuple(arguments))


def _value(tree: Tree, path: str) -> bool | None:
    if tree is None:
        return None
    if tree[0] == "call":
        return _call(tree[1], tree[2], path)
    if tree[0] == "not":
        inner = _value(tree[1], path)
        return None if inner is None else not inner
    left, right = _value(tree[1], path), _value(tree[2], path)
    ends = tree[0] == "or"
    if left is ends or right is ends:
        return ends
    return None if left is None or right is None else not ends


def _call(name: str, arguments: tuple[str, ...], path: str) -> bool | None:
    if name.startswith("host"):
        return True
    if name == "method":
        return "GET" in arguments
    if name in ("headers", "header") and len(arguments) == 2:
        known = _UPGRADE.get(arguments[0].lower())
        return None if known is None else arguments[1] in ("websocket", "Upgrade", "13")
    if name in ("headersregexp", "headerregexp") and len(arguments) == 2:
        known = _UPGRADE.get(arguments[0].lower())
        regex = try_regex(arguments[1])
        return None if known is None or regex is None else any(regex.search(k) or regex.search(k.title()) for k in known)
    if name in ("path", "pathprefix", "pathregexp"):
        return _path(name, arguments, path)
    return None


def _path(name: str, arguments: tuple[str, ...], path: str) -> bool | None:
    judged: list[bool | None] = []
    for wanted in arguments:
        if "{" in wanted or name == "pathregexp":
            plain = re.sub(r"\{[\w-]*:?([^{}]*)\}", lambda m: f"(?:{m[1] or '[^/]+'})", wanted)
            regex = try_regex(plain if name == "pathregexp" else "^" + plain + ("$" if name == "path" else ""))
            judged.append(bool(regex.search(path[:500])) if regex else None)
        else:
            judged.append(path == wanted if name == "path" else path.startswith(wanted))
    return True if True in judged else None if None in judged else False
