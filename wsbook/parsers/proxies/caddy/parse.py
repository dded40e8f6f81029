"""Caddy configuration, as Caddyfile or JSON, to routes.

Caddy forwards Upgrade and Connection by itself and has no idle limit, so what matters is which handler a path reaches, stripped prefixes,
deleted headers, the transport and affinity. Which handler answers is asked of the JSON that Caddy itself makes of a Caddyfile where it is
installed and takes the file; else the directives are followed. serves follows artifact.plausible when no path is known.
Measured with 2.11: request_header before the proxy takes the handshake away like header_up; {>Name} is no placeholder; read_timeout of the
transport limits silence, stream_timeout the whole life.
"""

from collections.abc import Iterable
from itertools import islice

from msgspec.structs import replace

from wsbook.facts import Facts, Fix, RouteFacts, Setting, TextFacts
from wsbook.parsers.proxies.artifact import Artifact, Parsed, defect, line_defects, require_small, seconds
from wsbook.parsers.proxies.caddy.adapted import judged_by_caddy
from wsbook.parsers.proxies.caddy.defects import balance_of, defects_of, header_lines, refusal
from wsbook.parsers.proxies.caddy.fixes import fix_headers, fix_lifetime, fix_read_timeout
from wsbook.parsers.proxies.caddy.json import is_json
from wsbook.parsers.proxies.caddy.leaves import Leaf, judged, leaves_of, path_seen, put_by, upstreams_of
from wsbook.parsers.proxies.caddy.matchers import path_patterns
from wsbook.parsers.proxies.caddy.native import judged_json
from wsbook.parsers.proxies.caddy.tree import Node, flat, parse_nodes
from wsbook.parsers.proxies.edits import edits_of, joined

__all__ = ["parse_caddy"]

_MAX_LEAVES = 2_000
_MAX_COMPARED = 100
_NEW_HOST = (2, 11)
"""From this version on Host is the upstream's when the upstream is https (release notes of 2.11)."""
_NEEDED = {"upgrade": "websocket", "connection": "upgrade"}


def parse_caddy(artifact: Artifact) -> Parsed:
    """Return routes and defects of a Caddyfile, a piece of one, or a JSON configuration.

    Raises:
        UnreadableInputError: too large, binary, nested too deeply, or without any directive.
    """
    require_small(artifact, "Caddy")
    facts: list[Facts] = []
    items = 0
    judged_leaves = _judged(artifact)
    by_site = _patterns(leaf for leaf, *_ in judged_leaves)
    passed = any(leaf.is_proxy and serves for leaf, serves, _ in judged_leaves)
    for leaf, serves, path in judged_leaves:
        if leaf.is_proxy or serves:
            facts.append(_route(leaf, serves, path, artifact))
            items += 1
        if leaf.is_proxy:
            others = [p for other, patterns in by_site.get(leaf.site, [])[:_MAX_COMPARED] if other is not leaf for p in patterns]
            facts += defects_of(leaf, serves, others, artifact)
        elif serves and not passed and (pattern := refusal(leaf)):
            facts.append(defect(pattern, leaf.node.file or artifact.name, leaf.node.line, " ".join(leaf.node.words)))
    nodes = [] if is_json(artifact.text) else flat(parse_nodes(artifact))
    facts += line_defects("caddy", artifact, ((artifact.name, n.line, " ".join(n.words)) for n in nodes))
    text = TextFacts(kind="caddyfile", program="caddy", size_bytes=len(artifact.text.encode()), items=items)
    return Parsed(facts=tuple(dict.fromkeys(facts)), text=text)


def _patterns(leaves: Iterable[Leaf]) -> dict[str, list[tuple[Leaf, list[str]]]]:
    """Return the path patterns of each handler, by site."""
    found: dict[str, list[tuple[Leaf, list[str]]]] = {}
    for leaf in leaves:
        found.setdefault(leaf.site, []).append((leaf, [p for _, m in leaf.matchers for p in path_patterns(m, leaf.named)]))
    return found


def _judged(artifact: Artifact) -> list[tuple[Leaf, bool | None, str | None]]:
    """Return handlers with whether they answer the handshake, and the path that an upstream gets."""
    if is_json(artifact.text):
        return judged_json(artifact)
    leaves = list(islice(leaves_of(artifact), _MAX_LEAVES))
    path = artifact.endpoint_path.partition("?")[0]
    by_caddy = judged_by_caddy(leaves, artifact) if path else None
    if by_caddy is not None:
        return by_caddy
    return [(leaf, serves, path_seen(leaf, path) if serves and path else None) for leaf, serves in judged(leaves, artifact)]


def _header(leaf: Leaf, name: str, artifact: Artifact) -> Setting:
    value = Setting(value="forwarded", default=True)
    for node in header_lines(leaf, name):
        text = put_by(node, name)
        if text is not None and (value.value == "forwarded" or node.name == "header_up"):
            value = _setting(node, text[:100], artifact)
    return value


def _setting(node: Node, value: str | None, artifact: Artifact) -> Setting:
    return Setting(value=value, file=node.file or artifact.name, line=node.line)


def _spoiling(leaf: Leaf) -> list[Node]:
    """Return the lines that take an opening handshake's headers away. Caddy asks the request of the client whether it is one."""
    return [
        node
        for name, needed in _NEEDED.items()
        for node in header_lines(leaf, name)
        if (put := put_by(node, name)) != "forwarded" and needed not in (put or "").lower() and not node.file
    ]


def _upgrade(leaf: Leaf, name: str, artifact: Artifact) -> Setting:
    """Return what the upstream gets in a handshake header; Caddy 1 passes it only when told to."""
    if leaf.node.name == "proxy" and not leaf.node.child("websocket"):
        return _setting(leaf.node, "absent", artifact)
    return _header(leaf, name, artifact)


def _host(leaf: Leaf, artifact: Artifact) -> Setting:
    seen = _header(leaf, "host", artifact)
    target = next(iter(upstreams_of(leaf.node)), "")
    if seen.default and target.startswith("https://") and artifact.older_than(*_NEW_HOST) is False:
        return Setting(value=target.removeprefix("https://")[:100], default=True)
    return seen


def _duration(node: Node | None, artifact: Artifact) -> Setting:
    if node is None or len(node.words) < 2:
        return Setting(value=None, default=True)
    value = seconds(node.words[1])
    return _setting(node, f"{value:g}" if value is not None else None, artifact)


def _route(leaf: Leaf, serves: bool | None, path: str | None, artifact: Artifact) -> RouteFacts:
    words = " ".join(f"{n.name} {m}" for n, m in leaf.matchers) or leaf.node.name
    file = leaf.node.file or artifact.name
    route = RouteFacts(product="caddy", file=file, line=leaf.node.line, matcher=f"{leaf.site} {words}".strip()[:200], serves=serves)
    if not leaf.is_proxy:
        return route
    upstreams, transport = upstreams_of(leaf.node), leaf.node.child("transport")
    return replace(
        route,
        upstream=", ".join(upstreams[:4])[:200],
        upstream_path=path if serves else None,
        upgrade=_upgrade(leaf, "upgrade", artifact),
        connection=_upgrade(leaf, "connection", artifact),
        host=_host(leaf, artifact),
        http_version=Setting(value="1.1", default=True),
        idle_s=_duration(transport.child("read_timeout") if transport else None, artifact),
        lifetime_s=_duration(leaf.node.child("stream_timeout"), artifact),
        balance=balance_of(leaf.node),
        servers=None if leaf.node.child("dynamic") else len(upstreams),
        fixes=_fixes(leaf, artifact) if serves is not False and not is_json(artifact.text) else (),
    )


def _fixes(leaf: Leaf, artifact: Artifact) -> tuple[Fix, ...]:
    edits, transport, lifetime = (
        edits_of(artifact),
        leaf.node.child("transport"),
        leaf.node.child("stream_timeout"),
    )
    silence = transport.child("read_timeout") if transport else None
    return joined(
        [
            fix_headers(edits, _spoiling(leaf)),
            fix_read_timeout(edits, silence) if silence and len(silence.words) > 1 and not silence.file else None,
            fix_lifetime(edits, lifetime) if lifetime and not lifetime.file else None,
        ]
    )
