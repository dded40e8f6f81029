"""Defects of a Caddy configuration that a route cannot say. Knows what is wrong, not how it is mended."""

import re
from collections.abc import Iterator

from wsbook.facts import Fix, PatternFacts
from wsbook.parsers.proxies.artifact import (
    DROPPED,
    Artifact,
    cause_of,
    defect,
    hints_at_polling,
    hints_at_websocket,
    loopback_of_container,
    usually_plain,
    usually_tls,
)
from wsbook.parsers.proxies.caddy.fixes import (
    fix_exact_matcher,
    fix_handle_path,
    fix_handshake_matcher,
    fix_line,
    fix_plain_to_tls,
    fix_spa,
    fix_stickiness,
    fix_tls_to_plain,
    fix_v1,
    fix_versions,
    fix_without,
)
from wsbook.parsers.proxies.caddy.leaves import Leaf, put_by, upstreams_of
from wsbook.parsers.proxies.caddy.matchers import header_tests, matcher_of, never_holds, path_patterns, written_at
from wsbook.parsers.proxies.caddy.tree import Node
from wsbook.parsers.proxies.edits import Edits, edits_of

__all__ = ["balance_of", "defects_of", "header_lines", "refusal"]


Found = tuple[str, Node, Fix | None]


def header_lines(leaf: Leaf, name: str) -> list[Node]:
    """Return what changes a request header on its way: request_header of the site first, then header_up."""
    before = [n for n in leaf.before if n.name == "request_header" and not matcher_of(n)]
    inside = [n for n in leaf.node.block or () if n.name == "header_up"]
    return [n for n in (*before, *inside) if put_by(n, name) is not None]


def balance_of(node: Node) -> str:
    """Return how a proxy spreads connections: cookie, hash, or Caddy's word; "" with one upstream."""
    policy = node.child("lb_policy") or node.child("policy")
    name = policy.words[1] if policy and len(policy.words) > 1 else "random" if len(upstreams_of(node)) > 1 else ""
    if name in ("cookie", "header", "query"):
        return "cookie" if name == "cookie" else "hash"
    return "hash" if "hash" in name else "roundrobin" if name.endswith("round_robin") else name


def defects_of(leaf: Leaf, serves: bool | None, others: list[str], artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield the defects of one handler that passes requests on. others: path patterns of the other handlers of its site."""
    edits = edits_of(artifact)
    found = [] if leaf.node.name == "proxy" else [*_matcher_defects(leaf, others, artifact, edits)]
    if serves is not False:
        found += [*_upstream_defects(leaf, artifact, edits), *_request_defects(leaf, edits), *_site_defects(leaf, artifact, edits)]
    for pattern, node, fix in found:
        yield defect(pattern, node.file or artifact.name, node.line, " ".join(node.words), fix if not node.file else None)


def _matcher_defects(leaf: Leaf, others: list[str], artifact: Artifact, edits: Edits) -> Iterator[Found]:
    path = artifact.endpoint_path.partition("?")[0]
    for node, matcher in leaf.matchers:
        patterns = path_patterns(matcher, leaf.named)
        if exact := next((p for p in patterns if _too_exact(p, path, [*patterns, *others])), ""):
            yield "caddy.exact-matcher", node, fix_exact_matcher(edits, written_at(node, matcher, leaf.named, "path"), exact)
        if not path and hints_at_websocket(" ".join((matcher, *patterns))) == 2 and never_holds(matcher, leaf.named):
            yield "caddy.condition-never-holds", leaf.named.get(matcher, node), None
        if strict := [(name, value) for name, value, problem in header_tests(matcher, leaf.named) if problem]:
            places = [(written_at(node, matcher, leaf.named, "header", *test), *test) for test in strict]
            yield "caddy.handshake-matcher-too-strict", leaf.named.get(matcher, node), fix_handshake_matcher(edits, places)


def _too_exact(pattern: str, path: str, patterns: list[str]) -> bool:
    """Whether a path without asterisk leaves the paths below it to another handler although they are meant."""
    below = pattern.rstrip("/")
    if "*" in pattern or pattern == "/" or pattern.endswith("/negotiate"):
        return False
    if any(p == f"{below}*" or p.startswith(f"{below}/") for p in patterns if p != pattern):
        return False  # what is below it is thought of
    if path:
        return path != pattern and path.startswith(below + "/")
    return pattern.endswith("/") or hints_at_polling(pattern)


def _upstream_defects(leaf: Leaf, artifact: Artifact, edits: Edits) -> Iterator[Found]:
    proxy, upstreams = leaf.node, upstreams_of(leaf.node)
    for node in leaf.around:
        if node.name == "handle_path" and hints_at_polling(matcher_of(node)):
            yield "caddy.library-prefix-stripped", node, fix_handle_path(edits, node)
        elif node.name == "handle_path" and hints_at_websocket(matcher_of(node)) == 2 and not artifact.endpoint_path:
            yield "caddy.prefix-stripped", node, fix_handle_path(edits, node)
        elif node.name == "uri" and "strip_prefix" in node.words and hints_at_websocket(node.words[-1]) == 2 and not artifact.endpoint_path:
            yield "caddy.prefix-stripped", node, fix_without(edits, "proxy.path-rewrite-wrong", node)
    transport = proxy.child("transport")
    versions = transport.child("versions") if transport else None
    if _speaks_h2(proxy, versions, upstreams):
        yield "caddy.h2-to-upstream", versions or proxy, fix_versions(edits, versions, proxy)
    if any(u.startswith("http://") and u.endswith(":443") for u in upstreams):
        yield "caddy.plain-to-tls-port", proxy, fix_plain_to_tls(edits, proxy)
    tls = next((u for u in upstreams if u.startswith("https://") and usually_plain(u.rpartition(":")[2])), "")
    if tls:
        yield "caddy.tls-to-plain-port" if tls.endswith(":80") else "caddy.tls-to-usual-port", proxy, fix_tls_to_plain(edits, proxy)
    if any(usually_tls(u.rpartition(":")[2]) and not u.startswith("https://") for u in upstreams) and not _has_tls(transport):
        yield "proxy.plain-to-usual-tls-port", proxy, None
    inside = next((u for u in upstreams if re.match(r"https://(?:[\w-]+|\d+(?:\.\d+){3}|\[.*\])(?::\d+)?$", u)), "")
    if inside and not tls and not _has_tls(transport):
        yield "caddy.upstream-address" if re.match(r"https://[\d\[]", inside) else "caddy.upstream-certificate", proxy, None
    if any(loopback_of_container(artifact.text, u) for u in upstreams):
        yield "proxy.loopback-of-container", proxy, None
    path = artifact.endpoint_path.partition("?")[0]
    said = " ".join(
        (*(m for _, m in leaf.matchers), *(p for _, m in leaf.matchers for p in path_patterns(m, leaf.named)), path, *upstreams)
    )
    if len(upstreams) > 1 and balance_of(proxy) not in ("hash", "cookie", "first"):
        yield "caddy.no-stickiness" if hints_at_polling(said) else "proxy.connections-spread", proxy, fix_stickiness(edits, proxy)
    health = proxy.child("health_uri")
    expected = proxy.child("health_status")
    if health and len(health.words) > 1 and not expected and _is_endpoint(health.words[1], path):
        yield "caddy.health-check-of-endpoint", health, None
    if proxy.child("unhealthy_request_count"):
        yield "caddy.few-connections", proxy.child("unhealthy_request_count") or proxy, None


def _has_tls(transport: Node | None) -> bool:
    return bool(transport and any(n.name.startswith("tls") for n in transport.block or ()))


def _is_endpoint(path: str, endpoint: str) -> bool:
    return path == endpoint if endpoint else hints_at_websocket(path) == 2


def _speaks_h2(proxy: Node, versions: Node | None, upstreams: list[str]) -> bool:
    """Whether the transport speaks HTTP/2 to the upstream: h2c always, 2 without 1.1 where there is TLS (measured with 2.11)."""
    said = versions.words[1:] if versions else ()
    transport = proxy.child("transport")
    encrypted = any(u.startswith("https://") for u in upstreams) or bool(
        transport and any(n.name.startswith("tls") for n in transport.block or ())
    )
    return any(u.startswith("h2c://") for u in upstreams) or "h2c" in said or ("2" in said and "1.1" not in said and encrypted)


def _request_defects(leaf: Leaf, edits: Edits) -> Iterator[Found]:
    for name, pattern in DROPPED.items():
        for node in header_lines(leaf, name):
            put = put_by(node, name) or ""
            if put == "absent" or (name in ("origin", "sec-websocket-protocol") and put != "forwarded" and not put.startswith("{")):
                yield pattern, node, fix_without(edits, cause_of(pattern), node)
    for node in header_lines(leaf, "host"):
        put = put_by(node, "host") or ""
        if put not in ("forwarded", "absent") and ("upstream" in put or "{" not in put):
            yield "caddy.host-replaced", node, fix_without(edits, "origin.proxy-rewrites-host", node)
    for node in header_lines(leaf, "x-forwarded-proto"):
        if (put_by(node, "x-forwarded-proto") or "").lower() in ("ws", "wss"):
            fix = fix_line(edits, "proxy.forwarded-headers-wrong", node, lambda raw: re.sub(r"\bws(s?)\b", r"http\1", raw))
            yield "caddy.forwarded-proto-wrong", node, fix


def _site_defects(leaf: Leaf, artifact: Artifact, edits: Edits) -> Iterator[Found]:
    if leaf.behind and leaf.matchers:
        yield "caddy.after-catch-all", leaf.node, None
    swallowing = next((n for n in leaf.around if n.name == "try_files" and not re.match(r"[{=]", n.words[-1])), None)
    behind = bool(leaf.matchers) and any(path_patterns(m, leaf.named) for _, m in leaf.matchers)
    if swallowing and behind:
        yield "caddy.rewritten-before-proxy", swallowing, fix_spa(edits, swallowing)
    if leaf.node.name == "proxy" and not leaf.node.child("websocket"):
        yield "caddy.v1-without-websocket", leaf.node, fix_v1(edits, leaf.node)
    for node in leaf.before:
        if node.name == "rate_limit":
            yield "caddy.rate-limited", node, None
        if node.name == "forward_auth" and not _elsewhere(node, leaf):
            yield "caddy.forward-auth", node, None
    plain = re.match(r"(?:http://|:80(?:\s|$|,))", leaf.site)
    if plain and re.search(r"auto_https\s+off", artifact.text) and "trusted_proxies" not in artifact.text:
        yield "caddy.forwarded-not-trusted", leaf.node, None
    if leaf.node.name == "reverse_proxy" and not leaf.node.child("stream_close_delay") and re.search(r"on_demand", artifact.text):
        yield "caddy.reload-drops", leaf.node, None


def _elsewhere(node: Node, leaf: Leaf) -> bool:
    """Whether a directive's matcher is about other paths than those of a handler, as far as prefixes tell."""
    own = matcher_of(node)
    if not own.startswith("/"):
        return False
    ours = [p for _, m in leaf.matchers for p in path_patterns(m, leaf.named)]
    return bool(ours) and not any(p.rstrip("*").startswith(own.rstrip("*")) or own.rstrip("*").startswith(p.rstrip("*")) for p in ours)


def refusal(leaf: Leaf) -> str:
    """Return the pattern for a handler that surely answers the handshake itself; "" for those that proxy."""
    words = " ".join(leaf.node.words)
    if leaf.node.name == "redir":
        return "caddy.upgrade-redirected"
    if leaf.node.name == "abort" or (leaf.node.name in ("respond", "error") and re.search(r"\b(?:401|403|429|451)\b", words)):
        return "caddy.upgrade-refused"
    return "" if leaf.is_proxy else "caddy.answered-here"
