"""Istio's objects to routes and defects: VirtualService, DestinationRule, EnvoyFilter, and the names of a service's ports.

Istio lets upgrades pass by itself and sets neither a route timeout nor a stream idle timeout unless told to; what breaks them is HTTP/2
to the application, by h2UpgradePolicy or by the name of a port. Source: istio.io, traffic management and protocol selection.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from wsbook.facts import Facts, Fix, PatternFacts, RouteFacts, Setting
from wsbook.parsers.proxies.artifact import Artifact, defect, hints_at_polling
from wsbook.parsers.proxies.envoy.model import duration_s, snaked, upgrade_switch
from wsbook.parsers.proxies.kubernetes.annotations import replicas_of
from wsbook.parsers.proxies.kubernetes.objects import World, matches_labels, pods_of
from wsbook.parsers.proxies.passing import FORWARDED, passing_route, set_at
from wsbook.parsers.proxies.path_tests import PathTest, candidate_for, fits_glob, rewrites_badly
from wsbook.parsers.proxies.request_headers import header_defect
from wsbook.parsers.proxies.routing import choose, falls_through, shadows
from wsbook.parsers.proxies.trees.edits import drop_pair, fix_of, reword
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["judge_istio"]

_H2_NAMES = ("http2", "grpc", "h2c", "grpc-web")
_H2_PROTOCOLS = (*_H2_NAMES, "kubernetes.io/h2c")


def judge_istio(world: World, artifact: Artifact) -> Iterator[Facts]:
    """Yield routes of virtual services, and defects of whatever they lead to."""
    if not world.of("Ingress", "HTTPRoute", "VirtualService", "DestinationRule") and world.of("Service"):
        yield from (_perhaps(one) for one in _port_defects(set(), world, artifact) if one.pattern == "istio.port-name-h2")
    if not world.of(
        "VirtualService", "DestinationRule", "EnvoyFilter", "Gateway", "RequestAuthentication", "AuthorizationPolicy"
    ) or world.of("HTTPRoute"):
        return
    routes = [(thing, route) for thing in world.of("VirtualService") for route in thing.each("spec", "http")]
    tests = [_tests(route) for _, route in routes]
    candidates = [
        candidate_for(
            test,
            words=f"{_target(route)} {' '.join(host.text for host in thing.each('spec', 'hosts'))}",
            group=_hosts(thing),
            possible=route.get("redirect") is None and route.get("directResponse") is None,
        )
        for (thing, route), test in zip(routes, tests, strict=True)
    ]
    judged = choose(candidates, artifact.endpoint_path.partition("?")[0], artifact.endpoint_host)
    for (_, route), test, serves in zip(routes, tests, judged, strict=True):
        yield _route(route, test, serves, world, artifact)
        if serves is not False:
            yield from _route_defects(route, test, world, artifact)
    if (open_one := falls_through(candidates, judged)) is not None:
        yield _found("route.catch-all", routes[open_one][1], f"route to {_target(routes[open_one][1])}", artifact)
    for late, early in shadows(candidates):
        words = f"the route at line {routes[early][1].line} comes first and takes what this one is for"
        yield _found("envoy.route-shadowed", routes[late][1], words, artifact)
    targets = {_target(route) for (_, route), serves in zip(routes, judged, strict=True) if serves is not False}
    for rule in world.of("DestinationRule"):
        if not targets or _same_host(rule.at("spec", "host"), targets):
            yield from _rule_defects(rule, artifact, world)
    yield from _port_defects(targets, world, artifact)
    yield from _gateways(world, artifact)
    yield from _access(world, artifact)
    for thing in world.of("EnvoyFilter"):
        yield from _patches(thing, artifact, alone=not routes)


def _found(pattern: str, node: Node, words: str, artifact: Artifact, fix: Fix | None = None) -> PatternFacts:
    return defect(pattern, artifact.name, node.line, words[:300], fix)


def _perhaps(found: PatternFacts) -> PatternFacts:
    """Return the same defect for a cluster of which nobody knows whether it has a mesh."""
    return replace(defect("istio.port-name-h2-perhaps", found.file, found.line, found.excerpt), fix=found.fix)


def _hosts(thing: Node) -> str:
    names = sorted(host.text for host in thing.each("spec", "hosts"))
    return "" if "*" in names else ",".join(names)


def _target(route: Node) -> str:
    first = next(iter(route.each("route")), None)
    return first.at("destination", "host") if first else ""


def _same_host(host: str, targets: set[str]) -> bool:
    return any(host == t or host.partition(".")[0] == t.partition(".")[0] for t in targets) or host.startswith("*")


def _tests(route: Node) -> tuple[PathTest, ...]:
    found = []
    for match in route.each("match"):
        uri = match.get("uri")
        sure = not (match.get("queryParams") or match.get("sourceLabels") or _header_unsure(match))
        kind = next((k for k in ("exact", "prefix", "regex") if uri and uri.get(k)), "prefix")
        found.append(PathTest(kind=kind, text=uri.at(kind) if uri else "/", sure=sure))
    return tuple(found)


def _header_unsure(match: Node) -> bool:
    headers = match.map("headers")
    return any(name.lower() != "upgrade" or (node.at("exact") or "websocket") != "websocket" for name, node in headers.items())


def _route(route: Node, tests: tuple[PathTest, ...], serves: bool | None, world: World, artifact: Artifact) -> RouteFacts:
    path = artifact.endpoint_path.partition("?")[0]
    authority = route.get("rewrite", "authority")
    removed = next((one for one in route.each("headers", "request", "remove") if one.text.lower() in ("upgrade", "connection")), None)
    first = next(iter(route.each("route")), None)
    return passing_route(
        artifact,
        product="istio-envoy",
        line=route.line,
        matcher=f"http route {', '.join(f'{t.kind} {t.text}' for t in tests) or 'any'}"[:200],
        serves=serves,
        upstream=f"{_target(route)}:{first.at('destination', 'port', 'number')}".rstrip(":") if first else "",
        upstream_path=_path_behind(route, tests, path) if path and serves else None,
        upgrade=set_at(artifact, removed, "absent") if removed else FORWARDED,
        host=set_at(artifact, authority) if authority else FORWARDED,
        idle=_filter_idle(world, artifact),
        balance=_balance(_target(route), world),
    )


def _path_behind(route: Node, tests: tuple[PathTest, ...], path: str) -> str | None:
    target = route.get("rewrite", "uri")
    if target is None:
        return None if route.get("rewrite", "uriRegexRewrite") else path
    test = next((t for t in tests if t.fits(path)), PathTest())
    if test.kind == "prefix":
        return target.text + path[len(test.text) :]
    return target.text if test.kind == "exact" else None


def _balance(host: str, world: World) -> str:
    for rule in world.of("DestinationRule"):
        hashed = rule.get("spec", "trafficPolicy", "loadBalancer", "consistentHash")
        if hashed is not None and _same_host(rule.at("spec", "host"), {host}):
            return "cookie" if hashed.get("httpCookie") else "hash"
    return "roundrobin"


def _filter_idle(world: World, artifact: Artifact) -> Setting | None:
    for thing in world.of("EnvoyFilter"):
        for key, node in snaked(thing.get("spec") or thing).walk():
            limit = duration_s(node) if key in ("stream_idle_timeout", "idle_timeout") else None
            if limit is not None:
                return set_at(artifact, node, f"{limit:g}")
    return None


def _route_defects(route: Node, tests: tuple[PathTest, ...], world: World, artifact: Artifact) -> Iterator[PatternFacts]:
    first = next(iter(route.each("route")), None)
    subset = first.get("destination", "subset") if first is not None else None
    known = {one.at("name") for rule in world.of("DestinationRule") for one in rule.each("spec", "subsets")}
    if subset is not None and known and subset.text not in known:
        yield _found("istio.subset-unknown", subset, f"subset {subset.text} is not among {', '.join(sorted(known))}", artifact)
    timeout = route.get("timeout")
    limit = duration_s(timeout)
    if timeout is not None and limit and limit <= 3600:
        fix = fix_of(artifact, ("proxy.idle-timeout-envoy",), reword(artifact, timeout.line, timeout.text, "0s"))
        yield _found("envoy.route-timeout", timeout, f"timeout {timeout.text}", artifact, fix)
    authority = route.get("rewrite", "authority")
    if authority is not None:
        fix = fix_of(artifact, ("origin.proxy-rewrites-host",), drop_pair(artifact, route.get("rewrite"), "authority"))
        yield _found("envoy.host-rewritten", authority, f"authority {authority.text}", artifact, fix)
    for name, value in route.map("headers", "request", "set").items():
        if found := header_defect(name, value, artifact):
            yield found
    if any(test.kind == "exact" for test in tests) and not artifact.endpoint_path:
        pattern = "k8s.exact-path" if any(hints_at_polling(t.text) for t in tests) else "route.exact-perhaps"
        yield _found(pattern, route, f"exact {tests[0].text}", artifact)
    target = route.get("rewrite", "uri")
    pattern = rewrites_badly(tests, target.text, artifact) if target is not None else ""
    if target is not None and pattern:
        yield _found(pattern, target, f"{tests[0].text} → {target.text}", artifact)
    polled = any(hints_at_polling(test.text) for test in tests) or hints_at_polling(artifact.endpoint_path)
    host = _target(route).partition(".")[0]
    copies = replicas_of(host, world)
    if _balance(_target(route), world) == "roundrobin" and (polled or (copies or 0) > 1) and copies != 1:
        yield _found(
            "istio.no-stickiness" if polled else "balance.no-stickiness-perhaps", route, f"{_target(route)}: no consistentHash", artifact
        )


def _rule_defects(rule: Node, artifact: Artifact, world: World) -> Iterator[PatternFacts]:
    for key, node in (rule.get("spec") or rule).walk():
        if key == "h2UpgradePolicy" and node.text == "UPGRADE":
            fix = fix_of(artifact, ("proxy.h2-to-upstream",), reword(artifact, node.line, "UPGRADE", "DO_NOT_UPGRADE"))
            yield _found("istio.h2-upgrade-policy", node, f"h2UpgradePolicy: UPGRADE for {rule.at('spec', 'host')}", artifact, fix)
        elif key == "tls" and node.at("mode") in ("SIMPLE", "MUTUAL") and not node.at("sni") and _inside(rule.at("spec", "host")):
            fix = fix_of(artifact, ("endpoint.tls-to-plain-port",), reword(artifact, node.value["mode"].line, node.at("mode"), "DISABLE"))
            yield _found("istio.tls-to-service", node, f"tls mode {node.at('mode')} for {rule.at('spec', 'host')}", artifact, fix)
        elif key == "maxConnections" and 0 < (node.number or 0) < 1000:
            yield _found("envoy.connection-cap", node, f"maxConnections: {node.text}", artifact)
        elif key == "maxConnectionDuration" and duration_s(node):
            yield _found("istio.connection-duration", node, f"maxConnectionDuration: {node.text}", artifact)
    pods = [pods_of(work).map("metadata", "labels") for work in world.workloads]
    for subset in rule.each("spec", "subsets"):
        labels = subset.map("labels")
        if pods and labels and not any(matches_labels(labels, pod) for pod in pods):
            yield _found("istio.subset-empty", subset, f"subset {subset.at('name')} matches no pod", artifact)


def _inside(host: str) -> bool:
    """Tell whether a host is a service of the cluster."""
    return "." not in host or host.endswith((".local", ".svc"))


def _port_defects(targets: set[str], world: World, artifact: Artifact) -> Iterator[PatternFacts]:
    for service in world.of("Service"):
        name = service.at("metadata", "name")
        if targets and name not in {t.partition(".")[0] for t in targets}:
            continue
        for port in service.each("spec", "ports"):
            label, protocol = port.get("name"), port.get("appProtocol")
            said = protocol.text.lower() if protocol else label.text.lower() if label else ""
            h2 = said in _H2_PROTOCOLS or said.startswith(tuple(f"{one}-" for one in _H2_NAMES))
            place = protocol or label or port
            if h2 and len(service.each("spec", "ports")) == 1:
                new = "http" if protocol else f"http-{said.partition('-')[2]}".rstrip("-")
                fix = fix_of(artifact, ("proxy.h2-to-upstream",), reword(artifact, place.line, f": {place.text}", f": {new}"))
                yield _found("istio.port-name-h2", place, f"service {name}: port {said}", artifact, fix)
            elif said.startswith("tcp") and world.of("VirtualService") and targets:
                yield _found("istio.port-name-tcp", place, f"service {name}: port {said}", artifact)


def _gateways(world: World, artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield what the servers of a gateway do: a redirect on the plain port, and hosts that no virtual service has."""
    for gateway in world.of("Gateway"):
        hosts = {host.text.rpartition("/")[2] for server in gateway.each("spec", "servers") for host in server.each("hosts")}
        for server in gateway.each("spec", "servers"):
            mode = server.get("tls", "mode")
            if mode is not None and mode.text in ("MUTUAL", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"):
                pattern = "tls.client-certificate-requested" if mode.text.startswith("OPTIONAL") else "tls.client-certificate-required"
                yield _found(pattern, mode, f"port {server.at('port', 'number')}: {mode.text}", artifact)
            redirect = server.get("tls", "httpsRedirect")
            if redirect is not None and redirect.text == "true":
                yield _found("gateway.plain-redirected", redirect, f"port {server.at('port', 'number')}: httpsRedirect", artifact)
        for thing in world.of("VirtualService"):
            named = {host.text for host in thing.each("spec", "hosts")}
            bound = any(one.text.rpartition("/")[2] == gateway.at("metadata", "name") for one in thing.each("spec", "gateways"))
            if bound and hosts and not any(_covers(wide, host) or _covers(host, wide) for wide in hosts for host in named):
                yield _found("gateway.hosts-differ", thing, f"{', '.join(sorted(named))} is not among {', '.join(sorted(hosts))}", artifact)


def _access(world: World, artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield policies that refuse a handshake: a token that only a header carries, and rules without the WebSocket's path or GET."""
    path = artifact.endpoint_path.partition("?")[0]
    required = any(key == "requestPrincipals" for thing in world.of("AuthorizationPolicy") for key, _ in thing.walk())
    for thing in world.of("RequestAuthentication") if required else []:
        for rule in thing.each("spec", "jwtRules"):
            if not rule.each("fromParams") and not rule.each("fromCookies"):
                yield _found("envoy.token-in-header", rule, f"issuer {rule.at('issuer')}", artifact)
    for thing in world.of("AuthorizationPolicy"):
        action = thing.at("spec", "action") or "ALLOW"
        operations = [to.get("operation") for rule in thing.each("spec", "rules") for to in rule.each("to")]
        lists = [[p.text for p in one.each("paths")] for one in operations if one is not None]
        methods = [m.text for one in operations if one is not None for m in one.each("methods")]
        listed = [text for one in lists for text in one]
        if action == "ALLOW" and listed and all(lists) and path and not any(fits_glob(p, path) for p in listed):
            yield _found("istio.policy-without-path", thing, f"paths {', '.join(listed)}", artifact)
        elif action == "ALLOW" and methods and "GET" not in methods and "*" not in methods:
            yield _found("istio.policy-without-path", thing, f"methods {', '.join(methods)}", artifact)
        elif action == "ALLOW" and listed and all(lists) and not path:
            yield _found("istio.policy-perhaps", thing, f"paths {', '.join(listed)}", artifact)
        elif action == "DENY" and path and any(fits_glob(p, path) for p in listed):
            yield _found("istio.policy-without-path", thing, f"denies {', '.join(listed)}", artifact)


def _covers(wide: str, host: str) -> bool:
    return wide in ("*", host) or (wide.startswith("*.") and host.endswith(wide[1:]))


def _patches(thing: Node, artifact: Artifact, *, alone: bool) -> Iterator[Facts]:
    for patch in thing.each("spec", "configPatches"):
        value = patch.get("patch", "value")
        if value is None:
            continue
        for _, node in snaked(value).walk():
            on, place = upgrade_switch(node)
            if on is False and place is not None:
                yield _found("envoy.upgrade-disabled", place, "enabled: false", artifact)
            limit = duration_s(node.get("stream_idle_timeout") or node.get("idle_timeout"))
            place = node.get("stream_idle_timeout") or node.get("idle_timeout")
            if alone and place is not None and limit is not None:
                idle = set_at(artifact, place, f"{limit:g}")
                yield passing_route(artifact, product="istio-envoy", line=place.line, matcher="EnvoyFilter", serves=None, idle=idle)
            route_limit = duration_s(node.get("route", "timeout"))
            if route_limit:
                yield _found("envoy.route-timeout", node.get("route", "timeout") or node, f"timeout {route_limit:g} s", artifact)
