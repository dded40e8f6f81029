"""Caddy's own JSON: which handler answers an opening handshake, and handlers as directives. Knows the JSON, no Caddyfile.

Routes are tried in order; of a group only the first that matches runs; a terminal route ends the list. A file matcher with a fixed fallback
counts as true, since that is the page itself.
Source: caddyserver.com, JSON config structure, http.servers.routes.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from wsbook.errors import UnreadableInputError
from wsbook.parsers.proxies.caddy.matchers import holds_line
from wsbook.parsers.proxies.caddy.tree import Node

__all__ = [
    "MARK",
    "Answer",
    "Json",
    "Proxy",
    "answers",
    "directive",
    "is_json",
    "lines_of",
    "listens",
    "load",
    "matcher_nodes",
    "proxies",
    "request_headers",
    "rewritten",
    "servers_of",
]

MARK = "X-Wsbook-Line"
"""Header of our own that a handler sets in a copy, by which it is found again."""

_PASSING = frozenset(
    ("headers", "encode", "vars", "rewrite", "subroute", "request_body", "log_append", "templates", "intercept", "push", "map")
)
_MAX_DEPTH = 60
_MAX_ROUTES = 5_000
_MAX_SITES = 100
_NANO = 1_000_000_000

Json = Mapping[str, Any]


class Answer(Struct, frozen=True, kw_only=True):
    """A handler that answers, or may. sure: None, it depends on what is not known. path: as the handler sees it, None unknown."""

    handler: Json
    sure: bool | None
    path: str | None


class Proxy(Struct, frozen=True, kw_only=True):
    """One handler that passes requests on. matchers: the sets of matchers around it, outermost first. before: header handlers before it."""

    handler: Json
    matchers: tuple[tuple[Json, ...], ...]
    before: tuple[Json, ...]
    site: str


class _State(Struct, frozen=True, kw_only=True):
    path: str | None
    query: str
    host: str
    sure: bool = True


def is_json(text: str) -> bool:
    """Whether a text is meant as JSON: a Caddyfile may begin with a brace too, that of its global options."""
    return bool(re.match(r"\s*\{\s*\"", text))


def load(text: str, name: str) -> Json:
    """Return a JSON configuration.

    Raises:
        UnreadableInputError: no JSON object, or nested too deeply.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableInputError(f"{name}: no JSON that Caddy could read: {str(error)[:100]}") from error
    if not isinstance(value, dict):
        raise UnreadableInputError(f"{name}: no JSON object")
    return value


def listens(server: Json, port: int) -> bool:
    """Whether a server listens on a port."""
    return any(str(address).endswith(f":{port}") for address in _list(server.get("listen")))


def servers_of(config: Json) -> list[Json]:
    """Return the HTTP servers; a lone server, or a lone list of routes, counts."""
    http = _dict(_dict(_dict(config).get("apps")).get("http")) or _dict(config.get("http")) or config
    servers: list[Json] = [s for s in _dict(http.get("servers")).values() if isinstance(s, dict)]
    return servers or ([http] if isinstance(http.get("routes"), list) else [])


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value[:_MAX_ROUTES] if isinstance(value, list) else []


def lines_of(config: Json, text: str) -> dict[int, int]:
    """Return the line of each handler by the identity of its object; objects stand in the text in the order in which they were read."""
    places = [text.count("\n", 0, found.start()) + 1 for found in re.finditer(r'"handler"\s*:', text)]
    found: dict[int, int] = {}

    def walk(value: Any, depth: int) -> None:
        if depth > _MAX_DEPTH:
            return
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
            if key == "handler" and len(found) < len(places):
                found[id(value)] = places[len(found)]
            walk(inner, depth + 1)

    walk(config, 0)
    return found


def answers(server: Json, path: str, query: str, host: str) -> list[Answer]:
    """Return what answers the handshake at a server: for each site one, where the host is not known."""
    routes = [_dict(r) for r in _list(server.get("routes"))]
    named = [frozenset(str(h) for m in _list(r.get("match")) for h in _list(_dict(m).get("host"))) for r in routes]
    sites = [names for names in dict.fromkeys(named) if names] if not host else []
    state = _State(path=path, query=query, host=host)
    found: list[Answer] = []
    for names in sites[:_MAX_SITES] or [frozenset()]:
        own = [r for r, there in zip(routes, named, strict=True) if host or not there or there == names]
        found += _run(own, replace(state, host=host or next(iter(sorted(names)), "")), 0)[0]
    return found


def _run(routes: Sequence[Json], state: _State, depth: int) -> tuple[list[Answer], _State, bool]:
    """Return what answers, the state after the routes, and whether a request surely ends there."""
    found: list[Answer] = []
    groups: set[str] = set()
    for route in routes:
        group = str(route.get("group") or "")
        value = _matches(_list(route.get("match")), state) if group not in groups else False
        if value is False or depth > _MAX_DEPTH:
            continue
        before = state if value else replace(state, sure=False)
        answered, after, ended = _handlers(_list(route.get("handle")), before, depth)
        found += answered
        if value:
            groups |= {group} - {""}
            state = after
        else:
            state = replace(state, sure=False, path=state.path if after.path == state.path else None)
        if value and (ended or route.get("terminal")):
            return found, state, True
        if any(a.sure is None for a in answered):
            state = replace(state, sure=False)
    return found, state, False


def _handlers(handlers: Sequence[Any], state: _State, depth: int) -> tuple[list[Answer], _State, bool]:
    found: list[Answer] = []
    for handler in map(_dict, handlers):
        kind = handler.get("handler")
        if kind == "subroute":
            answered, state, ended = _run([_dict(r) for r in _list(handler.get("routes"))], state, depth + 1)
            found += answered
            if ended and any(a.sure for a in answered):
                return found, state, True
        elif kind == "rewrite":
            state = replace(state, path=rewritten(handler, state.path))
        elif kind == "authentication" or (kind == "reverse_proxy" and handler.get("handle_response") and not _marked(handler)):
            continue
        elif kind not in _PASSING:
            return [*found, Answer(handler=handler, sure=True if state.sure else None, path=state.path)], state, True
    return found, state, False


def _marked(handler: Json) -> str:
    sets = _dict(_dict(_dict(handler.get("headers")).get("request")).get("set"))
    return str(next(iter(_list(sets.get(MARK))), ""))


def rewritten(handler: Json, path: str | None) -> str | None:
    """Return the path after a rewrite handler; None when it cannot be told."""
    if path is None:
        return None
    prefix, suffix, uri = (str(handler.get(k) or "") for k in ("strip_path_prefix", "strip_path_suffix", "uri"))
    if prefix:
        path = path[len(prefix) :] if path.lower().startswith(prefix.lower()) else path
    if suffix:
        path = path.removesuffix(suffix)
    if uri == "{http.matchers.file.relative}":
        return "/index.html"
    if uri:
        plain = re.sub(r"\{(?:http\.request\.uri(?:\.path)?)\}", lambda _: path or "", uri.partition("?")[0])
        path = plain if "{" not in plain else None
    if handler.get("uri_substring") or handler.get("path_regexp"):
        path = _substituted(handler, path)
    return None if path is None else path if path.startswith("/") else "/" + path


def _substituted(handler: Json, path: str | None) -> str | None:
    for change in map(_dict, _list(handler.get("uri_substring"))):
        path = path.replace(str(change.get("find")), str(change.get("replace", "")), _limit(change.get("limit"))) if path else path
    return None if handler.get("path_regexp") else path


def _limit(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else -1


def _matches(sets: Sequence[Any], state: _State) -> bool | None:
    values = [_all(_dict(s), state) for s in sets]
    return True if not values or True in values else None if None in values else False


def _all(matchers: Json, state: _State) -> bool | None:
    values = [_one(kind, value, state) for kind, value in matchers.items()]
    return False if False in values else None if None in values else True


def _one(kind: str, value: Any, state: _State) -> bool | None:
    if kind == "host":
        return any(fnmatchcase(state.host, str(h).lower()) for h in _list(value)) if state.host else None
    if kind == "not":
        seen = _matches(_list(value), state)
        return None if seen is None else not seen
    if kind == "file":
        tried = [str(f) for f in _list(_dict(value).get("try_files"))]
        return True if tried and not tried[-1].startswith(("{", "=")) else None
    if state.path is None and kind in ("path", "path_regexp"):
        return None
    values = [holds_line(words, state.path or "/") for words in _lines(kind, value)]
    return False if False in values else None if None in values or not values else True


def _lines(kind: str, value: Any) -> Iterator[tuple[str, ...]]:
    """Yield a JSON matcher as lines of a Caddyfile matcher."""
    if kind in ("path", "method"):
        yield (kind, *map(str, _list(value)))
    elif kind == "path_regexp":
        yield (kind, str(_dict(value).get("pattern", "")))
    elif kind == "header":
        for name, values in _dict(value).items():
            yield (kind, str(name), *map(str, values[:_MAX_ROUTES])) if isinstance(values, list) else (kind, f"!{name}")
    elif kind == "header_regexp":
        yield from ((kind, str(name), str(_dict(v).get("pattern", ""))) for name, v in _dict(value).items())
    elif kind == "not":
        for matchers in map(_dict, _list(value)):
            yield from (("not", *words) for inner, v in matchers.items() for words in _lines(inner, v))
    else:
        yield (kind, value) if isinstance(value, str) else (kind,)


def proxies(config: Json) -> Iterator[Proxy]:
    """Yield every handler that passes requests on, with what is around and before it."""
    for server in servers_of(config):
        site = ", ".join(map(str, _list(server.get("listen"))))
        yield from _proxies(_list(server.get("routes")), (), (), site, 0)


def _proxies(
    routes: Sequence[Any], around: tuple[tuple[Json, ...], ...], before: tuple[Json, ...], site: str, depth: int
) -> Iterator[Proxy]:
    for route in map(_dict, routes if depth < _MAX_DEPTH else ()):
        sets = tuple(map(_dict, _list(route.get("match"))))
        names = [str(h) for s in sets for h in _list(s.get("host"))]
        here, matchers = (", ".join(names[:4]), around) if names else (site, (*around, sets) if sets else around)
        for handler in map(_dict, _list(route.get("handle"))):
            kind = handler.get("handler")
            if kind == "reverse_proxy" and (not handler.get("handle_response") or _marked(handler)):
                yield Proxy(handler=handler, matchers=matchers, before=before, site=here)
            elif kind == "subroute":
                yield from _proxies(_list(handler.get("routes")), matchers, before, here, depth + 1)
            elif kind in ("headers", "rewrite") and not sets:
                before = (*before, handler)


def matcher_nodes(proxy: Proxy) -> list[Node]:
    """Return the matchers around a handler as named matchers; of several alternatives the first stands for all."""
    found = []
    for number, sets in enumerate(proxy.matchers):
        lines = [Node(words=words, line=0) for kind, value in sets[0].items() for words in _lines(kind, value)]
        found.append(Node(words=(f"@{number}",), line=0, block=tuple(lines)))
    return found


def directive(proxy: Proxy, line: int) -> Node:
    """Return a handler as the directive that it would be in a Caddyfile."""
    h = proxy.handler
    transport = _dict(h.get("transport"))
    tls = "tls" in transport
    dials = [f"{'https://' if tls else ''}{_dict(u).get('dial', '')}" for u in _list(h.get("upstreams"))]
    block = [*_header_lines(h, line)]
    policy = _dict(_dict(h.get("load_balancing")).get("selection_policy")).get("policy")
    block += [Node(words=("lb_policy", str(policy)), line=line)] if policy else []
    block += [Node(words=(k, f"{h[k] / _NANO:g}s"), line=line) for k in ("stream_timeout", "stream_close_delay") if _is_number(h.get(k))]
    inner = [Node(words=("versions", *map(str, _list(transport.get("versions")))), line=line)] if transport.get("versions") else []
    inner += [Node(words=("tls",), line=line)] if tls else []
    inner += (
        [Node(words=("read_timeout", f"{transport['read_timeout'] / _NANO:g}s"), line=line)]
        if _is_number(transport.get("read_timeout"))
        else []
    )
    block += [Node(words=("transport", str(transport.get("protocol", "http"))), line=line, block=tuple(inner))] if transport else []
    block += [Node(words=("dynamic", "a"), line=line)] if h.get("dynamic_upstreams") else []
    return Node(words=("reverse_proxy", *dials), line=line, block=tuple(block))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _header_lines(handler: Json, line: int) -> Iterator[Node]:
    for direction, word in (("request", "header_up"), ("response", "header_down")):
        ops = _dict(_dict(handler.get("headers")).get(direction))
        yield from (Node(words=(word, f"-{name}"), line=line) for name in _list(ops.get("delete")))
        for name, values in (*_dict(ops.get("set")).items(), *_dict(ops.get("add")).items()):
            yield Node(words=(word, str(name), *map(str, _list(values)[:1])), line=line)


def request_headers(proxy: Proxy, line: int) -> list[Node]:
    """Return the header handlers before a handler as request_header lines."""
    found = []
    for handler in proxy.before:
        ops = _dict(handler.get("request"))
        found += [Node(words=("request_header", f"-{name}"), line=line) for name in _list(ops.get("delete"))]
        for name, values in _dict(ops.get("set")).items():
            found.append(Node(words=("request_header", str(name), *map(str, _list(values)[:1])), line=line))
    return found
