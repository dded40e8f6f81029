"""Caddyfile to routes and defects.

Caddy forwards Upgrade and Connection by itself and has no idle limit, so what matters is which handler a path reaches, stripped prefixes,
deleted headers, the transport and affinity. Handlers are tried in Caddy's directive order: handle and handle_path (longest path
first), route, reverse_proxy; inside a route block in the order written. serves follows artifact.plausible when no path is known.
Source: caddyserver.com, Caddyfile directives (directive order, sorting) and reverse_proxy.
"""

from collections.abc import Iterator
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from wsbook.errors import UnreadableInputError
from wsbook.facts import Facts, PatternFacts, RouteFacts, Setting, TextFacts
from wsbook.parsers.proxies.artifact import (
    Artifact,
    Parsed,
    defect,
    hints_at_polling,
    hints_at_websocket,
    plausible,
    require_small,
    seconds,
)
from wsbook.parsers.proxies.caddy_matchers import asks_for_upgrade, header_tests, matcher_of, matches, path_patterns
from wsbook.parsers.proxies.caddy_tree import Node, expand, parse_nodes

__all__ = ["parse_caddy"]

_CONTAINERS = ("handle", "handle_path", "route")
_TERMINAL = ("reverse_proxy", "file_server", "respond", "redir", "php_fastcgi", "error")
_ORDER = {
    "redir": 0,
    "handle": 1,
    "handle_path": 1,
    "route": 2,
    "respond": 3,
    "error": 3,
    "reverse_proxy": 4,
    "php_fastcgi": 5,
    "file_server": 6,
}
_OTHER = (
    "root",
    "encode",
    "log",
    "header",
    "import",
    "tls",
    "try_files",
    "rewrite",
    "uri",
    "basicauth",
    "basic_auth",
    "vars",
    "handle_errors",
)
_MAX_LEAVES = 2_000
_NEW_HOST = (2, 11)
"""From this version on Host is the upstream's when the upstream is https (release notes of 2.11)."""


class _Leaf(Struct, frozen=True, kw_only=True):
    """One handler that answers, with every block around it, outermost first."""

    node: Node
    around: tuple[Node, ...]
    named: dict[str, Node]
    site: str

    @property
    def matchers(self) -> list[tuple[Node, str]]:
        """The blocks and the handler itself that have a matcher."""
        return [(n, m) for n in (*self.around, self.node) if (m := matcher_of(n))]


def parse_caddy(artifact: Artifact) -> Parsed:
    """Return routes and defects of a Caddyfile or a piece of one.

    Raises:
        UnreadableInputError: too large, binary, nested too deeply, or without any directive.
    """
    require_small(artifact, "Caddy")
    leaves = list(islice(_leaves(parse_nodes(artifact), artifact), _MAX_LEAVES))
    facts: list[Facts] = []
    items = 0
    for leaf, serves in _judged(leaves, artifact):
        if leaf.node.name == "reverse_proxy" or serves:
            facts.append(_route(leaf, serves, artifact))
            items += 1
        if leaf.node.name == "reverse_proxy":
            facts += _defects(leaf, serves, artifact)
    text = TextFacts(kind="caddyfile", program="caddy", size_bytes=len(artifact.text.encode()), items=items)
    return Parsed(facts=tuple(facts), text=text)


def _leaves(nodes: tuple[Node, ...], artifact: Artifact) -> Iterator[_Leaf]:
    if not nodes:
        raise UnreadableInputError(f"{artifact.name}: an empty Caddyfile")
    snippets = {n.name: n for n in nodes if n.name.startswith("(") and n.block is not None}
    known = (*_CONTAINERS, *_TERMINAL, *_OTHER)
    loose = [n for n in nodes if n.name in known or n.name.startswith("@")]
    sites = [n for n in nodes if n.block is not None and n.words and n.name not in snippets and n not in loose]
    for site in sites:
        yield from _inside(site.block or (), (), {}, snippets, " ".join(site.words))
    if loose:
        yield from _inside(tuple(loose), (), {}, snippets, "")


def _inside(
    block: tuple[Node, ...],
    around: tuple[Node, ...],
    named: dict[str, Node],
    snippets: dict[str, Node],
    site: str,
    *,
    ordered: bool = False,
) -> Iterator[_Leaf]:
    nodes = expand(block, snippets)
    names = {**named, **{n.name: n for n in nodes if n.name.startswith("@")}}
    handlers = [n for n in nodes if n.name in _CONTAINERS or n.name in _TERMINAL]
    rewriters = tuple(n for n in nodes if n.name in ("uri", "rewrite"))
    for node in handlers if ordered else sorted(handlers, key=_rank):
        if node.name in _CONTAINERS and node.block is not None:
            inner = list(_inside(node.block, (*around, *rewriters, node), names, snippets, site, ordered=node.name == "route"))
            yield from inner or [_Leaf(node=node, around=(*around, *rewriters), named=names, site=site)]
        else:
            yield _Leaf(node=node, around=(*around, *rewriters), named=names, site=site)


def _rank(node: Node) -> tuple[int, int, int]:
    matcher = matcher_of(node)
    return _ORDER.get(node.name, 9), 0 if matcher else 1, -len(matcher) if matcher.startswith("/") else -1000


def _judged(leaves: list[_Leaf], artifact: Artifact) -> list[tuple[_Leaf, bool | None]]:
    path = artifact.endpoint_path.partition("?")[0]
    if path:
        return _by_path(leaves, path)
    proxies = [leaf for leaf in leaves if leaf.node.name == "reverse_proxy"]
    judged = plausible(
        [any(asks_for_upgrade(m, leaf.named) for _, m in leaf.matchers) for leaf in proxies],
        [max((hints_at_websocket(" ".join((m, *path_patterns(m, leaf.named)))) for _, m in leaf.matchers), default=0) for leaf in proxies],
        [not leaf.matchers for leaf in proxies],
    )
    return list(zip(proxies, judged, strict=True))


def _by_path(leaves: list[_Leaf], path: str) -> list[tuple[_Leaf, bool | None]]:
    """Return per site the first handler that takes the path; after one that cannot be told, the rest are None."""
    taken: dict[str, bool | None] = {}
    found = []
    for leaf in leaves:
        done = taken.get(leaf.site, False)
        values = [matches(m, leaf.named, path) for _, m in leaf.matchers]
        value = False if False in values else None if None in values else True
        here = False if done or value is False else None if done is None else value
        taken[leaf.site] = True if done or here else None if done is None or here is None else False
        found.append((leaf, here))
    return found


def _upstreams(node: Node) -> list[str]:
    words = node.words[2:] if matcher_of(node) else node.words[1:]
    to = [w for child in node.block or () if child.name == "to" for w in child.words[1:]]
    return [w for w in (*words, *to) if w != "*"]


def _upstream_path(leaf: _Leaf, path: str) -> str | None:
    for node in (*leaf.around, leaf.node):
        if node.name == "handle_path":
            prefix = matcher_of(node).removesuffix("*").rstrip("/")
            path = path[len(prefix) :] if prefix and path.lower().startswith(prefix.lower()) else path
        elif node.name == "uri" and "strip_prefix" in node.words:
            path = path.removeprefix(node.words[-1])
        elif node.name in ("uri", "rewrite"):
            if node.name == "uri" or "{" in node.words[-1] or (len(node.words) > 2 and node.words[1].startswith("@")):
                return None
            path = node.words[-1]
    return path if path.startswith("/") else "/" + path


def _header(leaf: _Leaf, name: str, artifact: Artifact) -> Setting:
    value = Setting(value="forwarded", default=True)
    for line in [n for n in leaf.node.block or () if n.name == "header_up" and len(n.words) > 1]:
        word = line.words[1].lower()
        if word == f"-{name}":
            value = Setting(value="absent", file=artifact.name, line=line.line)
        elif word == name and len(line.words) > 2:
            own = line.words[2].lower() in (
                f"{{>{name}}}",
                f"{{http.request.header.{name}}}",
                f"{{header.{name}}}",
                "{host}",
                "{http.request.host}",
            )
            value = Setting(value="forwarded" if own else line.words[2][:100], file=artifact.name, line=line.line)
    return value


def _host(leaf: _Leaf, artifact: Artifact) -> Setting:
    seen = _header(leaf, "host", artifact)
    target = next(iter(_upstreams(leaf.node)), "")
    if seen.default and target.startswith("https://") and artifact.older_than(*_NEW_HOST) is False:
        return Setting(value=target.removeprefix("https://")[:100], default=True)
    return seen


def _duration(node: Node | None, artifact: Artifact) -> Setting:
    if node is None or len(node.words) < 2:
        return Setting(value=None, default=True)
    value = seconds(node.words[1])
    return Setting(value=f"{value:g}" if value is not None else None, file=artifact.name, line=node.line)


def _balance(node: Node, upstreams: list[str]) -> str:
    policy = node.child("lb_policy")
    name = policy.words[1] if policy and len(policy.words) > 1 else "random" if len(upstreams) > 1 else ""
    if name in ("cookie", "header"):
        return "cookie" if name == "cookie" else "hash"
    return "hash" if "hash" in name else "roundrobin" if name.endswith("round_robin") else name


def _route(leaf: _Leaf, serves: bool | None, artifact: Artifact) -> RouteFacts:
    words = " ".join(f"{n.name} {m}" for n, m in leaf.matchers) or leaf.node.name
    matcher = f"{leaf.site} {words}".strip()[:200]
    route = RouteFacts(product="caddy", file=artifact.name, line=leaf.node.line, matcher=matcher, serves=serves)
    if leaf.node.name != "reverse_proxy":
        return route
    upstreams, transport = _upstreams(leaf.node), leaf.node.child("transport")
    path = artifact.endpoint_path.partition("?")[0]
    return replace(
        route,
        upstream=", ".join(upstreams[:4])[:200],
        upstream_path=_upstream_path(leaf, path) if serves and path else None,
        upgrade=_header(leaf, "upgrade", artifact),
        connection=_header(leaf, "connection", artifact),
        host=_host(leaf, artifact),
        http_version=Setting(value="1.1", default=True),
        idle_s=_duration(transport.child("read_timeout") if transport else None, artifact),
        lifetime_s=_duration(leaf.node.child("stream_timeout"), artifact),
        balance=_balance(leaf.node, upstreams),
        servers=None if leaf.node.child("dynamic") else len(upstreams),
    )


def _defects(leaf: _Leaf, serves: bool | None, artifact: Artifact) -> Iterator[PatternFacts]:
    def at(pattern: str, node: Node) -> PatternFacts:
        return defect(pattern, artifact.name, node.line, " ".join(node.words))

    path = artifact.endpoint_path.partition("?")[0]
    for node, matcher in leaf.matchers:
        if any(_too_exact(p, path) for p in path_patterns(matcher, leaf.named)):
            yield at("caddy.exact-matcher", node)
        if any(problem for _, _, problem in header_tests(matcher, leaf.named)):
            yield at("caddy.handshake-matcher-too-strict", leaf.named.get(matcher, node))
    if serves is False:
        return
    for node in leaf.around:
        if node.name == "handle_path" and hints_at_polling(matcher_of(node)):
            yield at("caddy.library-prefix-stripped", node)
    transport, upstreams = leaf.node.child("transport"), _upstreams(leaf.node)
    versions = transport.child("versions") if transport else None
    if any(u.startswith("h2c://") for u in upstreams) or (versions and "1.1" not in versions.words):
        yield at("caddy.h2-to-upstream", versions or leaf.node)
    if any(u.startswith("http://") and u.endswith(":443") for u in upstreams):
        yield at("caddy.plain-to-tls-port", leaf.node)
    said = " ".join((*(m for _, m in leaf.matchers), path))
    if len(upstreams) > 1 and _balance(leaf.node, upstreams) not in ("hash", "cookie") and hints_at_polling(said):
        yield at("caddy.no-stickiness", leaf.node)


def _too_exact(pattern: str, path: str) -> bool:
    """Whether a path without asterisk leaves the paths below it to another handler although they are meant."""
    if "*" in pattern or pattern == "/":
        return False
    if path:
        return path != pattern and path.startswith(pattern.rstrip("/") + "/")
    return pattern.endswith("/") or hints_at_polling(pattern)
