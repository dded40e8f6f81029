"""Defects of Envoy's routes, filters and clusters, with their fixes."""

from collections.abc import Iterator, Sequence

from wsbook.facts import Fix, PatternFacts
from wsbook.parsers.proxies.artifact import Artifact, defect, hints_at_polling, loopback_of_container
from wsbook.parsers.proxies.envoy.model import Cluster, Manager, Route, duration_s, upgrade_switch
from wsbook.parsers.proxies.request_headers import header_defect
from wsbook.parsers.proxies.routing import Candidate, falls_through, shadows
from wsbook.parsers.proxies.trees.edits import drop_pair, fix_of, put_pair, replace_value, reword
from wsbook.parsers.proxies.trees.yaml import Node
from wsbook.parsers.proxies.upstreams import tls_port_defect

__all__ = ["cluster_defects", "manager_defects", "route_defects"]

_DISABLED = "proxy.websocket-support-disabled"


def _found(pattern: str, node: Node, words: str, artifact: Artifact, fix: Fix | None = None) -> PatternFacts:
    return defect(pattern, artifact.name, node.line, words[:300], fix)


def route_defects(
    routes: Sequence[Route],
    candidates: Sequence[Candidate],
    judged: Sequence[bool | None],
    clusters: dict[str, Cluster],
    artifact: Artifact,
    documents: list[Node],
) -> Iterator[PatternFacts]:
    """Yield what is wrong with the routes that serve the endpoint or may, and with those that never get it."""
    path = artifact.endpoint_path.partition("?")[0]
    if path and routes and not any(serves is not False for serves in judged):
        yield _found("envoy.no-route", routes[0].virtual_host, f"no route takes {path}", artifact)
    for late, early in shadows(candidates):
        if routes[early].cluster == routes[late].cluster and not routes[late].node.each("route", "upgrade_configs"):
            continue
        words = f"route {routes[early].rule} comes first and takes what route {routes[late].rule} is for"
        yield _found("envoy.route-shadowed", routes[late].node.get("match") or routes[late].node, words, artifact)
    if (open_one := falls_through(candidates, judged)) is not None:
        yield _found("route.catch-all", routes[open_one].node, f"route {routes[open_one].rule}", artifact)
    for route, serves in zip(routes, judged, strict=True):
        if serves is not False and route.action != "route":
            pattern = "envoy.route-redirects" if route.action == "redirect" else "envoy.route-answers-itself"
            yield _found(pattern, route.node.get(route.action) or route.node, f"route {route.rule}", artifact)
        elif serves is not False:
            yield from _switch_defects(route, serves, artifact)
            yield from _action_defects(route, clusters, artifact, path)
            yield from _filter_defects(route, path, artifact)
            yield from _listener_defects(route, artifact)
    used = {route.cluster for route, serves in zip(routes, judged, strict=True) if serves is not False}
    known = bool(clusters) and not any(d.get("dynamic_resources", "cds_config") for d in documents)
    for name in sorted(used):
        if name in clusters:
            polled = [r for r, serves in zip(routes, judged, strict=True) if serves is not False and r.cluster == name]
            yield from cluster_defects(clusters[name], polled, artifact, path)
        elif known and name:
            route = next(r for r in routes if r.cluster == name)
            yield _found("envoy.cluster-unknown", route.node.get("route", "cluster") or route.node, name, artifact)


def _switch_defects(route: Route, serves: bool | None, artifact: Artifact) -> Iterator[PatternFacts]:
    on, place = upgrade_switch(route.node.get("route"))
    manager = route.manager.node
    if on is None and manager is not None:
        on, place = upgrade_switch(manager)
    if on is None and manager is None:
        yield _found("envoy.upgrade-perhaps-elsewhere", route.node, f"no upgrade_configs for route {route.rule}", artifact)
    if on or (on is None and manager is None):
        return
    if place is not None:
        fix = fix_of(artifact, (_DISABLED,), replace_value(artifact, place, "true"))
        yield _found("envoy.upgrade-disabled", place, f"route {route.rule}: enabled false", artifact, fix)
    elif manager is not None:
        value = '[{"upgrade_type": "websocket"}]' if manager.flow else "[{upgrade_type: websocket}]"
        key = "upgradeConfigs" if '"routeConfig"' in artifact.text else "upgrade_configs"
        fix = fix_of(artifact, (_DISABLED,), put_pair(artifact, manager, key, value))
        pattern = "envoy.upgrade-not-enabled" if serves else "envoy.upgrade-not-enabled-perhaps"
        yield _found(pattern, manager, f"no upgrade_configs for route {route.rule}", artifact, fix)


def _action_defects(route: Route, clusters: dict[str, Cluster], artifact: Artifact, path: str) -> Iterator[PatternFacts]:
    action = route.node.get("route") or Node(value={}, line=route.node.line)
    limit = duration_s(action.get("timeout"))
    if limit is None:
        fix = fix_of(artifact, ("proxy.idle-timeout-envoy",), put_pair(artifact, action, "timeout", '"0s"' if action.flow else "0s"))
        yield _found("envoy.route-timeout-default", action, f"route {route.rule}: no timeout set, 15 s holds", artifact, fix)
    elif 0 < limit <= 3600:
        fix = fix_of(artifact, ("proxy.idle-timeout-envoy",), replace_value(artifact, action.get("timeout"), "0s"))
        yield _found("envoy.route-timeout", action.get("timeout") or action, f"timeout {limit:g} s", artifact, fix)
    for key in ("host_rewrite_literal", "host_rewrite", "auto_host_rewrite", "host_rewrite_header", "host_rewrite_path_regex"):
        node = action.get(key)
        if node is not None and node.text != "false":
            fix = fix_of(artifact, ("origin.proxy-rewrites-host",), drop_pair(artifact, action, key))
            yield _found("envoy.host-rewritten", node, f"{key} {node.text}", artifact, fix)
    yield from _header_defects(route, artifact)
    prefix, match = action.get("prefix_rewrite"), route.node.get("match") or route.node
    if match.get("path") is not None and not path:
        fix = fix_of(artifact, ("proxy.ws-location-missing",), reword(artifact, match.line, "path:", "prefix:"))
        pattern = "k8s.exact-path" if hints_at_polling(match.at("path")) else "route.exact-perhaps"
        yield _found(pattern, match.get("path") or match, f"path {match.at('path')}", artifact, fix)
    if prefix is not None:
        yield from _prefix_defects(prefix, match, artifact, path)


def _header_defects(route: Route, artifact: Artifact) -> Iterator[PatternFacts]:
    for level in (route.node, route.virtual_host):
        for one in level.each("request_headers_to_add"):
            value = one.get("header", "value")
            if value is not None and (found := header_defect(one.at("header", "key"), value, artifact)):
                yield found
        for name in level.each("request_headers_to_remove"):
            if found := header_defect(name.text, Node(value="", line=name.line), artifact):
                yield found


def _prefix_defects(prefix: Node, match: Node, artifact: Artifact, path: str) -> Iterator[PatternFacts]:
    matched = match.at("prefix") or match.at("path_separated_prefix")
    cause = ("proxy.path-rewrite-wrong",)
    if hints_at_polling(matched) and not hints_at_polling(prefix.text):
        yield _found("envoy.library-prefix-stripped", prefix, f"{matched} → {prefix.text}", artifact)
    elif match.get("prefix") is not None and matched.strip("/") and prefix.text.endswith("/") and not matched.endswith("/"):
        fix = fix_of(artifact, cause, replace_value(artifact, match.get("prefix"), f'"{matched}/"'))
        yield _found("envoy.slash-doubled", prefix, f"prefix {matched} becomes {prefix.text}: {matched}/a reaches //a", artifact, fix)
    elif matched.strip("/") and (not path or path.startswith(matched)) and matched.endswith("/") is prefix.text.endswith("/"):
        yield _found("rewrite.prefix-replaced", prefix, f"{matched} → {prefix.text}", artifact)
    elif matched.endswith("/") and not prefix.text.endswith("/"):
        yield _found("envoy.slash-glued", prefix, f"{matched}a becomes {prefix.text}a", artifact)


def _filter_defects(route: Route, path: str, artifact: Artifact) -> Iterator[PatternFacts]:
    manager = route.manager.node
    if manager is None:
        return
    exempt = {**route.virtual_host.map("typed_per_filter_config"), **route.node.map("typed_per_filter_config")}
    for one in manager.each("http_filters")[:100]:
        name, config = one.at("name"), one.get("typed_config") or one
        if name in exempt or "websocket" in name:
            continue
        if name.endswith(".buffer"):
            yield _found("envoy.buffer-filter", one, name, artifact)
        elif "ext_authz" in name or name.endswith((".rbac", ".oauth2", ".lua", ".wasm", "waf")):
            if not name.endswith((".lua", ".wasm")):
                yield _found("envoy.auth-on-handshake", one, name, artifact)
        elif "local_ratelimit" in name:
            yield from _bucket_defects(config, artifact)
        elif "jwt_authn" in name:
            yield from _token_defects(config, path or route.rule.partition(" ")[2], artifact)
    small = manager.get("max_request_headers_kb")
    if small is not None and (small.number or 60) < 8:
        yield _found("envoy.small-headers", small, f"max_request_headers_kb {small.text}", artifact)


def manager_defects(managers: Sequence[Manager], artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield what managers do whose routes are not in the file."""
    for manager in managers:
        nothing = Node(value={}, line=manager.node.line if manager.node else 1)
        route = Route(node=nothing, host="", virtual_host=nothing, manager=manager, action="route")
        yield from _filter_defects(route, "", artifact)
        yield from _listener_defects(route, artifact)


def _bucket_defects(config: Node, artifact: Artifact) -> Iterator[PatternFacts]:
    bucket = config.get("token_bucket")
    interval = duration_s(bucket.get("fill_interval")) if bucket else None
    tokens = bucket.get("max_tokens") if bucket else None
    if bucket is not None and tokens is not None and (tokens.number or 0) / max(interval or 1.0, 1e-3) < 10:
        yield _found("envoy.rate-limit", bucket, f"{tokens.text} tokens in {interval or 0:g} s", artifact)


def _token_defects(config: Node, path: str, artifact: Artifact) -> Iterator[PatternFacts]:
    for rule in config.each("rules")[:200]:
        prefix = rule.at("match", "prefix") or rule.at("match", "path")
        if path.startswith(prefix):
            needed = rule.at("requires", "provider_name")
            provider = config.get("providers", needed)
            if provider is not None and not provider.each("from_params") and not provider.each("from_cookies"):
                yield _found("envoy.token-in-header", rule, f"{prefix} requires {needed} from the Authorization header", artifact)
            return


def _listener_defects(route: Route, artifact: Artifact) -> Iterator[PatternFacts]:
    manager, listener = route.manager.node, route.manager.listener
    codec = manager.get("codec_type") if manager else None
    if codec is not None and codec.text.upper() == "HTTP2":
        yield _found("envoy.listener-h2-only", codec, "codec_type HTTP2", artifact)
    for key, node in listener.walk() if listener else ():
        if key == "require_client_certificate" and (node.text or node.at("value")) == "true":
            yield _found("tls.client-certificate-required", node, "require_client_certificate", artifact)
        if key == "tls_maximum_protocol_version" and node.text in ("TLSv1_0", "TLSv1_1"):
            yield _found("tls.only-outdated", node, f"at most {node.text}", artifact)
        if key == "alpn_protocols" and node.items and not any(o.text in ("http/1.1", "") or "http/1.1" in o.text for o in node.items):
            yield _found("envoy.listener-h2-only", node, f"alpn_protocols {', '.join(o.text for o in node.items)}", artifact)


def cluster_defects(cluster: Cluster, routes: Sequence[Route], artifact: Artifact, path: str) -> Iterator[PatternFacts]:
    """Yield what is wrong with the cluster of a WebSocket's routes."""
    if cluster.http2 is not None:
        allowed = cluster.http2.at("allow_connect") == "true"
        fix = None if allowed else fix_of(artifact, ("proxy.h2-to-upstream",), drop_pair(artifact, cluster.node, "http2_protocol_options"))
        pattern = "envoy.h2-extended-connect" if allowed else "envoy.h2-to-upstream"
        yield _found(pattern, cluster.http2, f"cluster {cluster.name}: http2_protocol_options", artifact, fix)
    elif cluster.auto is not None:
        yield _found("envoy.h2-perhaps", cluster.auto, f"cluster {cluster.name}: auto_config", artifact)
    if cluster.endpoints == 0:
        yield _found("envoy.cluster-empty", cluster.node, f"cluster {cluster.name} has no endpoint", artifact)
    if cluster.address and loopback_of_container(artifact.text, cluster.address):
        yield _found("proxy.loopback-of-container", cluster.node, f"cluster {cluster.name}: {cluster.address}", artifact)
    for port in cluster.ports[:1]:
        if wrong := tls_port_defect(tls=cluster.tls, port=port):
            words = f"cluster {cluster.name}: port {port}, {'with' if cluster.tls else 'without'} TLS"
            yield _found(wrong, cluster.node, words, artifact)
    for limit in cluster.node.each("circuit_breakers", "thresholds"):
        most = limit.get("max_connections") or limit.get("max_requests")
        if most is not None and (most.number or 1024) < 1024:
            yield _found("envoy.connection-cap", most, f"cluster {cluster.name}: {most.text} connections", artifact)
    if cluster.endpoints and not cluster.node.each("circuit_breakers", "thresholds"):
        yield _found("envoy.connection-cap-default", cluster.node, f"cluster {cluster.name}: no circuit_breakers", artifact)
    yield from _stickiness(cluster, routes, artifact, path)


def _stickiness(cluster: Cluster, routes: Sequence[Route], artifact: Artifact, path: str) -> Iterator[PatternFacts]:
    hashing = cluster.node.at("lb_policy").upper() in ("RING_HASH", "MAGLEV")
    for route in routes:
        hashed = (route.node.get("route") or route.node).each("hash_policy")
        polled = hints_at_polling(f"{route.rule} {path}")
        if hashing and not hashed:
            yield _found("envoy.hash-without-policy", cluster.node, f"cluster {cluster.name}: {cluster.node.at('lb_policy')}", artifact)
        elif not (hashing and hashed) and (cluster.endpoints or 0) > 1:
            pattern = "envoy.no-stickiness" if polled else "balance.no-stickiness-perhaps"
            yield _found(pattern, cluster.node, f"cluster {cluster.name}: {cluster.endpoints} endpoints", artifact)
