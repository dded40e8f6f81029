"""What a router's middlewares do to a request: its path and its headers. Source: doc.traefik.io, HTTP middlewares."""

from wsbook.facts import Setting
from wsbook.parsers.proxies.artifact import Artifact, try_regex
from wsbook.parsers.proxies.passing import FORWARDED, set_at
from wsbook.parsers.proxies.path_tests import expand_groups
from wsbook.parsers.proxies.traefik.model import Config, Router, words_of
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["applied", "path_behind", "request_header"]

_MAX_STEPS = 20
"""Middlewares of one router beyond these are left out."""


def applied(router: Router, config: Config, depth: int = 0) -> list[tuple[str, Node]]:
    """Return (kind, settings) of the middlewares of a router in their order, chains unfolded; those that are not known are left out."""
    return _unfolded([name for name, _ in router.middlewares], config, depth)


def _unfolded(names: list[str], config: Config, depth: int) -> list[tuple[str, Node]]:
    found: list[tuple[str, Node]] = []
    for name in names[:_MAX_STEPS]:
        kind, node = config.middlewares.get(name, ("", None))
        if kind == "chain" and node is not None and depth < 5:
            found += _unfolded([word.partition("@")[0].lower() for word, _ in words_of(node.get("middlewares"))], config, depth + 1)
        elif node is not None:
            found.append((kind, node))
    return found[:_MAX_STEPS]


def path_behind(router: Router, config: Config, path: str) -> str | None:
    """Return the path that the backend sees; None when an expression cannot be followed."""
    seen: str | None = path
    for kind, node in applied(router, config):
        if seen is not None:
            seen = _changed(kind, node, seen)
    return seen


def _changed(kind: str, node: Node, path: str) -> str | None:
    if kind == "stripprefix":
        prefix = next((word for word, _ in words_of(node.get("prefixes")) if path.startswith(word)), "")
        return "/" + path[len(prefix) :].lstrip("/") if prefix else path
    if kind == "addprefix":
        return node.at("prefix").rstrip("/") + path
    if kind == "replacepath":
        return node.at("path") or path
    if kind in ("stripprefixregex", "replacepathregex"):
        return _by_regex(kind, node, path)
    return path


def _by_regex(kind: str, node: Node, path: str) -> str | None:
    texts = [word for word, _ in words_of(node.get("regex"))] if kind == "stripprefixregex" else [node.at("regex")]
    for text in texts[:20]:
        regex = try_regex(text)
        if regex is None:
            return None
        match = regex.search(path[:500])
        if match and kind == "stripprefixregex":
            return "/" + path[match.end() :].lstrip("/") if match.start() == 0 else path
        if match:
            return path[: match.start()] + expand_groups(match, node.at("replacement")) + path[match.end() :]
    return path


def request_header(router: Router, config: Config, name: str, artifact: Artifact) -> Setting:
    """Return what the backend receives in a request header."""
    found = FORWARDED
    for kind, node in applied(router, config):
        given = node.get("customrequestheaders", name.lower()) if kind == "headers" else None
        if given is not None:
            found = set_at(artifact, given, given.text or "absent")
    return found
