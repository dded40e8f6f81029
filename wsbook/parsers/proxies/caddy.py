"""Caddyfile to routes and defects.

Caddy forwards Upgrade and Connection by itself and has no idle limit, so what matters is which handler a path reaches, stripped prefixes,
deleted headers, the transport and affinity. Handlers are tried in Caddy's directive order: handle and handle_path (longest path
first), route, reverse_proxy; inside a route block in the order written. serves follows artifact.plausible when no path is known.
Source: caddyserver.com, Caddyfile directives (directive order, sorting) and reverse_proxy.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from wsbook.errors import UnreadableInputError
from wsbook.facts import Facts, Fix, PatternFacts, RouteFacts, Setting, TextFacts
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
from wsbook.parsers.proxies.caddy_fixes import (
    fix_exact_matcher,
    fix_handle_path,
    fix_handshake_matcher,
    fix_headers,
    fix_lifetime,
    fix_plain_to_tls,
    fix_read_timeout,
    fix_stickiness,
    fix_versions,
)
from wsbook.parsers.proxies.caddy_matchers import asks_for_upgrade, header_tests, matcher_of, matches, path_patterns, written_at
from wsbook.parsers.proxies.caddy_tree import Node, expand, parse_nodes
from wsbook.parsers.proxies.edits import Edits, joined

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
    """One handler that answers, with every block around it, outermost first. before: other directives of these blocks."""

    node: Node
    around: tuple[Node, ...]
    named: dict[str, Node]
    site: str
    before: tuple[Node, ...] = ()

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
    before: tuple[Node, ...] = (),
    ordered: bool = False,
) -> Iterator[_Leaf]:
    nodes = expand(block, snippets)
    before = (*before, *(n for n in nodes if n.name == "request_header"))
    names = {**named, **{n.name: n for n in nodes if n.name.startswith("@")}}
    handlers = [n for n in nodes if n.name in _CONTAINERS or n.name in _TERMINAL]
    rewriters = tuple(n for n in nodes if n.name in ("uri", "rewrite"))
    for node in handlers if ordered else sorted(handlers, key=_rank):
        if node.name in _CONTAINERS and node.block is not None:
            inner = list(
                _inside(node.block, (*around, *rewriters, node), names, snippets, site, before=before, ordered=node.name == "route")
            )
            yield from inner or [_Leaf(node=node, around=(*around, *rewriters), named=names, site=site)]
        else:
            yield _Leaf(node=node, around=(*around, *rewriters), named=names, site=site, before=before)


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
    for node in _header_lines(leaf, name):
        text = _put(node, name)
        if text is not None and (value.value == "forwarded" or node.name == "header_up"):
            value = Setting(value=text[:100], file=artifact.name, line=node.line)
    return value


def _header_lines(leaf: _Leaf, name: str) -> list[Node]:
    """Return what changes a request header on its way: request_header of the site first, then header_up."""
    before = [n for n in leaf.before if n.name == "request_header" and (name == "host" or not matcher_of(n))]
    inside = [n for n in leaf.node.block or () if n.name == "header_up"]
    return [n for n in (*before, *inside) if _put(n, name) is not None]


def _put(node: Node, name: str) -> str | None:
    """Return what a line makes of a header: absent, forwarded, or a literal; None when it is about another one."""
    words = node.words[2:] if matcher_of(node) else node.words[1:]
    if not words:
        return None
    field, values = words[0].lower(), words[1:]
    if field.startswith("-"):
        return "absent" if fnmatchcase(name, field[1:]) else None
    if field.lstrip("+>?") != name or not values:
        return None
    if len(values) > 1:
        return values[1]
    own = (
        f"{{http.request.header.{name}}}",
        f"{{header.{name}}}",
        "{host}",
        "{hostport}",
        "{http.request.host}",
        "{http.request.hostport}",
    )
    return "forwarded" if values[0].lower() in own else values[0]


def _spoiling(leaf: _Leaf) -> list[Node]:
    """Return the lines that take an opening handshake's headers away. Caddy asks the request of the client whether it is one."""
    return [
        node
        for name, needed in (("upgrade", "websocket"), ("connection", "upgrade"))
        for node in _header_lines(leaf, name)
        if (put := _put(node, name)) != "forwarded" and needed not in (put or "").lower()
    ]


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
        fixes=_fixes(leaf, artifact),
    )


def _fixes(leaf: _Leaf, artifact: Artifact) -> tuple[Fix, ...]:
    edits, transport, lifetime = (
        Edits(file=artifact.name, text=artifact.text),
        leaf.node.child("transport"),
        leaf.node.child("stream_timeout"),
    )
    silence = transport.child("read_timeout") if transport else None
    return joined(
        [
            fix_headers(edits, _spoiling(leaf)),
            fix_read_timeout(edits, silence) if silence and len(silence.words) > 1 else None,
            fix_lifetime(edits, lifetime) if lifetime else None,
        ]
    )


def _defects(leaf: _Leaf, serves: bool | None, artifact: Artifact) -> Iterator[PatternFacts]:
    edits = Edits(file=artifact.name, text=artifact.text)

    def at(pattern: str, node: Node, fix: Fix | None) -> PatternFacts:
        return defect(pattern, artifact.name, node.line, " ".join(node.words), fix)

    path = artifact.endpoint_path.partition("?")[0]
    for node, matcher in leaf.matchers:
        patterns = path_patterns(matcher, leaf.named)
        if exact := next((p for p in patterns if _too_exact(p, path, patterns)), ""):
            yield at("caddy.exact-matcher", node, fix_exact_matcher(edits, written_at(node, matcher, leaf.named, "path"), exact))
        if strict := [(name, value) for name, value, problem in header_tests(matcher, leaf.named) if problem]:
            places = [(written_at(node, matcher, leaf.named, "header", *test), *test) for test in strict]
            yield at("caddy.handshake-matcher-too-strict", leaf.named.get(matcher, node), fix_handshake_matcher(edits, places))
    if serves is False:
        return
    for node in leaf.around:
        if node.name == "handle_path" and hints_at_polling(matcher_of(node)):
            yield at("caddy.library-prefix-stripped", node, fix_handle_path(edits, node))
    transport, upstreams = leaf.node.child("transport"), _upstreams(leaf.node)
    versions = transport.child("versions") if transport else None
    if _speaks_h2(leaf.node, versions, upstreams):
        yield at("caddy.h2-to-upstream", versions or leaf.node, fix_versions(edits, versions, leaf.node))
    if any(u.startswith("http://") and u.endswith(":443") for u in upstreams):
        yield at("caddy.plain-to-tls-port", leaf.node, fix_plain_to_tls(edits, leaf.node))
    said = " ".join((*(m for _, m in leaf.matchers), *(p for _, m in leaf.matchers for p in path_patterns(m, leaf.named)), path))
    if len(upstreams) > 1 and _balance(leaf.node, upstreams) not in ("hash", "cookie") and hints_at_polling(said):
        yield at("caddy.no-stickiness", leaf.node, fix_stickiness(edits, leaf.node))


def _speaks_h2(proxy: Node, versions: Node | None, upstreams: list[str]) -> bool:
    """Whether the transport speaks HTTP/2 to the upstream: h2c always, 2 without 1.1 where there is TLS (measured with 2.11)."""
    said = versions.words[1:] if versions else ()
    transport = proxy.child("transport")
    encrypted = any(u.startswith("https://") for u in upstreams) or bool(
        transport and any(n.name.startswith("tls") for n in transport.block or ())
    )
    return any(u.startswith("h2c://") for u in upstreams) or "h2c" in said or ("2" in said and "1.1" not in said and encrypted)


def _too_exact(pattern: str, path: str, patterns: list[str]) -> bool:
    """Whether a path without asterisk leaves the paths below it to another handler although they are meant."""
    below = pattern.rstrip("/")
    if "*" in pattern or pattern == "/" or {f"{below}/*", f"{below}*"} & set(patterns):
        return False
    if path:
        return path != pattern and path.startswith(below + "/")
    return pattern.endswith("/") or hints_at_polling(pattern)
