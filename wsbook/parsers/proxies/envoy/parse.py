"""Envoy to routes and defects: bootstrap files and configuration dumps in YAML and JSON, and what is built on Envoy in Kubernetes.

Envoy refuses an upgrade with 403 unless upgrade_configs of the connection manager or the route name it. The first route that matches
wins. A tunnel is closed after stream_idle_timeout (5 minutes by default) or the route's idle_timeout, which counts before it, and at the
age of max_stream_duration; max_connection_duration does not close it, nor does the route's timeout (measured on 1.40; one of
2022 was reported to). Source: envoyproxy.io.
"""

import re
from collections.abc import Iterator

from wsbook.errors import UnreadableInputError
from wsbook.facts import Facts, Fix, RouteFacts, Setting, TextFacts
from wsbook.parsers.proxies.artifact import Artifact, Parsed, require_small, try_regex
from wsbook.parsers.proxies.envoy.defects import manager_defects, route_defects
from wsbook.parsers.proxies.envoy.model import (
    Cluster,
    Route,
    duration_s,
    fits,
    read_clusters,
    read_managers,
    read_routes,
    snaked,
    upgrade_switch,
)
from wsbook.parsers.proxies.passing import FORWARDED, limited, mended, passing_route, set_at, with_long_limits
from wsbook.parsers.proxies.routing import Candidate, choose
from wsbook.parsers.proxies.trees.edits import fix_of, put_pair, replace_value
from wsbook.parsers.proxies.trees.yaml import Node, parse_documents

__all__ = ["parse_envoy"]

_SHORT_S = 900.0


def parse_envoy(artifact: Artifact) -> Parsed:
    """Return routes and defects of an Envoy configuration or a piece of one.

    Raises:
        UnreadableInputError: too large, binary, neither YAML nor JSON, nested too deeply.
    """
    require_small(artifact, "Envoy")
    documents = parse_documents(artifact)
    if any(document.at("kind") and (document.get("spec") or document.get("metadata")) for document in documents):
        from wsbook.parsers.proxies.kubernetes.parse import parse_kubernetes

        return parse_kubernetes(artifact)
    if not any(document.pairs or document.items for document in documents):
        raise UnreadableInputError(f"{artifact.name}: no Envoy configuration in it")
    found = tuple(with_long_limits(list(limited(judge_envoy([snaked(document) for document in documents], artifact))), artifact))
    items = sum(isinstance(f, RouteFacts) for f in found)
    return Parsed(facts=found, text=TextFacts(kind="envoy", program="envoy", size_bytes=len(artifact.text.encode()), items=items))


def judge_envoy(documents: list[Node], artifact: Artifact) -> Iterator[Facts]:
    """Yield the routes in order, then the defects of those that serve the endpoint, or could."""
    clusters = read_clusters(documents)
    routes = list(read_routes(documents))
    candidates = [_candidate(route, clusters) for route in routes]
    judged = choose(candidates, artifact.endpoint_path.partition("?")[0], artifact.endpoint_host)
    for route, serves, mend in zip(routes, judged, mended(judged), strict=True):
        yield _route(route, serves, clusters, artifact, mend=mend)
    yield from route_defects(routes, candidates, judged, clusters, artifact, documents)
    if not routes:
        yield from manager_defects(read_managers(documents), artifact)
        yield from _tunnels(documents, artifact)


def _candidate(route: Route, clusters: dict[str, Cluster]) -> Candidate:
    match = route.node.get("match") or Node(value={}, line=route.node.line)
    kind, _, text = route.rule.partition(" ")
    on, _ = upgrade_switch(route.node.get("route"))
    asked = any(h.at("name").lower() == "upgrade" for h in match.each("headers"))
    words = f"{text} {route.cluster} {route.host}"
    return Candidate(
        fits=lambda path: fits(route, path),
        words=words,
        sample=text if kind in ("path", "prefix", "path_separated_prefix") else "",
        group=route.host,
        open=(kind, text) in (("prefix", "/"), ("any", "")) and not match.each("headers"),
        able=bool(on) or asked or route.node.at("route", "use_websocket") == "true",
        possible=route.action == "route" and match.get("grpc") is None and not re.search(r"grpc", words),
    )


def _route(route: Route, serves: bool | None, clusters: dict[str, Cluster], artifact: Artifact, *, mend: bool) -> RouteFacts:
    action = route.node.get("route") or Node(value={}, line=route.node.line)
    cluster = clusters.get(route.cluster)
    path = artifact.endpoint_path.partition("?")[0]
    host = action.get("host_rewrite_literal") or action.get("host_rewrite")
    return passing_route(
        artifact,
        product="envoy",
        line=(route.node.get("match") or route.node).line,
        matcher=f"route {route.rule}",
        serves=serves,
        upstream=route.cluster,
        upstream_path=_path_behind(route, action, path) if path and serves else None,
        upgrade=_header(route, "upgrade", artifact),
        connection=FORWARDED if route.action == "route" else None,
        host=set_at(artifact, host) if host else FORWARDED,
        idle=_idle(route, action, artifact),
        lifetime=_lifetime(route, action, cluster, artifact),
        balance=_balance(action, cluster),
        fixes=(_longer(route, action, artifact),) if mend and route.action == "route" else (),
        servers=cluster.endpoints if cluster else None,
    )


def _header(route: Route, name: str, artifact: Artifact) -> Setting | None:
    """Return what the backend gets; None where the switch decides it, or where there is no backend."""
    if route.action != "route":
        return None
    for level in (route.node, route.virtual_host):
        for one in level.each("request_headers_to_remove"):
            if one.text.lower() == name:
                return set_at(artifact, one, "absent")
    for node in (route.node.get("route"), route.manager.node):
        on, _ = upgrade_switch(node)
        if on is not None:
            return FORWARDED if on else None
    return None


def _idle(route: Route, action: Node, artifact: Artifact) -> Setting | None:
    nodes = (action.get("idle_timeout"), route.manager.node.get("stream_idle_timeout") if route.manager.node else None)
    for node in nodes:
        limit = duration_s(node)
        if node is not None and limit is not None:
            return set_at(artifact, node, f"{limit:g}")
    return None


def _longer(route: Route, action: Node, artifact: Artifact) -> Fix | None:
    """Return the change of a short idle limit, where it is set; else the route's own is added."""
    nodes = (action.get("idle_timeout"), route.manager.node.get("stream_idle_timeout") if route.manager.node else None)
    node = next((one for one in nodes if one is not None), None)
    limit = duration_s(node)
    quote = '"' if action.flow and '"' in artifact.text[:200] else ""
    if node is None:
        change = put_pair(artifact, action, "idle_timeout", f"{quote}3600s{quote}")
    elif limit is not None and 0 < limit <= _SHORT_S:
        change = replace_value(artifact, node, f"{quote}3600s{quote}")
    else:
        return None
    return fix_of(artifact, ("proxy.idle-timeout-envoy",), change)


def _lifetime(route: Route, action: Node, cluster: Cluster | None, artifact: Artifact) -> Setting | None:
    manager = route.manager.node
    nodes = [action.get("max_stream_duration", "max_stream_duration")]
    nodes += [owner.get("common_http_protocol_options", "max_stream_duration") for owner in (manager, cluster and cluster.node) if owner]
    found = [(limit, node) for node in nodes if node is not None and (limit := duration_s(node))]
    if not found:
        return None
    limit, node = min(found, key=lambda pair: pair[0])
    return set_at(artifact, node, f"{limit:g}")


def _balance(action: Node, cluster: Cluster | None) -> str:
    policy = cluster.node.at("lb_policy").upper() if cluster else ""
    hashes = action.each("hash_policy")
    if policy in ("RING_HASH", "MAGLEV") and hashes:
        return "cookie" if any(one.get("cookie") is not None for one in hashes) else "hash"
    return "random" if policy in ("RANDOM", "RING_HASH", "MAGLEV") else "roundrobin"


def _path_behind(route: Route, action: Node, path: str) -> str | None:
    match = route.node.get("match") or route.node
    prefix = action.get("prefix_rewrite")
    if prefix is not None:
        matched = match.at("prefix") or match.at("path_separated_prefix") or match.at("path")
        return prefix.text + path[len(matched) :] if matched or match.get("prefix") is not None else None
    pattern, target = action.at("regex_rewrite", "pattern", "regex"), action.at("regex_rewrite", "substitution")
    if not pattern:
        return path
    regex = try_regex(pattern)
    try:
        return regex.sub(re.sub(r"\\(\d)", r"\\g<\1>", target), path[:500]) if regex else None
    except (re.error, IndexError):
        return None


def _tunnels(documents: list[Node], artifact: Artifact) -> Iterator[RouteFacts]:
    """Yield the TCP proxies of a configuration without HTTP routes: they pass everything and close what is silent for an hour."""
    for document in documents:
        for _, node in document.walk():
            if node.at("@type").endswith("TcpProxy"):
                limit = duration_s(node.get("idle_timeout"))
                idle = node.get("idle_timeout")
                yield passing_route(
                    artifact,
                    product="envoy",
                    line=node.line,
                    matcher="tcp_proxy",
                    upstream=node.at("cluster"),
                    idle=set_at(artifact, idle, f"{limit:g}") if idle and limit is not None else Setting(value="3600", default=True),
                )
