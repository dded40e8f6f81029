"""Gateway API to routes and defects: HTTPRoute, and the policies of implementations that are attached to it.

The most specific match wins, an exact path before the longest prefix. What a route is silent about is the implementation's affair, which
the class of the Gateway tells. Source: gateway-api.sigs.k8s.io; gateway.envoyproxy.io, BackendTrafficPolicy.
"""

from collections.abc import Iterator

from wsbook.facts import Facts, PatternFacts, RouteFacts
from wsbook.parsers.proxies.artifact import Artifact, defect, hints_at_polling
from wsbook.parsers.proxies.envoy.model import duration_s
from wsbook.parsers.proxies.kubernetes.annotations import replicas_of
from wsbook.parsers.proxies.kubernetes.objects import World
from wsbook.parsers.proxies.passing import FORWARDED, passing_route, set_at
from wsbook.parsers.proxies.path_tests import PathTest, candidate_for, rewrites_badly
from wsbook.parsers.proxies.request_headers import header_defect
from wsbook.parsers.proxies.routing import choose, falls_through
from wsbook.parsers.proxies.trees.edits import fix_of, reword
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["judge_gateway"]

_KINDS = {"Exact": "exact", "PathPrefix": "segments", "RegularExpression": "regex"}
_PRODUCTS = (
    ("gke-", "gcp-backend"),
    ("istio", "istio-envoy"),
    ("traefik", "traefik"),
    ("kong", "kong"),
    ("nginx", "ingress-nginx"),
    ("haproxy", "haproxy-ingress"),
    ("aws-alb", "aws-alb"),
    ("azure-alb", "azure-app-gateway"),
)
"""Beginning or part of a GatewayClass → what stands behind it; others are built on Envoy mostly."""


def judge_gateway(world: World, artifact: Artifact) -> Iterator[Facts]:
    """Yield routes and defects of HTTPRoutes and of the policies beside them."""
    product = _product(world)
    rules = [(thing, rule, test) for thing in world.of("HTTPRoute") for rule in thing.each("spec", "rules") for test in _tests(rule)]
    rules.sort(key=lambda entry: (entry[2].kind != "exact", -len(entry[2].text)))
    candidates = [
        candidate_for((test,), words=f"{_target(rule)} {_hosts(thing)}", group=_hosts(thing), possible=not _redirects(rule))
        for thing, rule, test in rules
    ]
    path = artifact.endpoint_path.partition("?")[0]
    judged = choose(candidates, path, artifact.endpoint_host)
    for (_, rule, test), serves in zip(rules, judged, strict=True):
        yield _route(rule, test, serves, product, artifact)
        if serves is not False:
            yield from _rule_defects(rule, test, product, world, artifact)
    if (open_one := falls_through(candidates, judged)) is not None:
        yield defect(
            "route.catch-all", artifact.name, rules[open_one][1].line, f"rule {rules[open_one][2].text} → {_target(rules[open_one][1])}"
        )
    if path and rules and not any(serves is not False for serves in judged):
        yield defect("k8s.no-rule", artifact.name, rules[0][1].line, f"no rule takes {path}")
    yield from _exact_defects([(rule, test) for _, rule, test in rules], artifact)
    yield from _policies(world, artifact)


def _product(world: World) -> str:
    said = next((name for gateway in world.of("Gateway") if (name := gateway.at("spec", "gatewayClassName"))), "")
    return next((product for part, product in _PRODUCTS if part in said), "envoy" if said else "gateway")


def _hosts(thing: Node) -> str:
    return ",".join(sorted(host.text for host in thing.each("spec", "hostnames")))


def _target(rule: Node) -> str:
    first = next(iter(rule.each("backendRefs")), None)
    return first.at("name") if first else ""


def _tests(rule: Node) -> list[PathTest]:
    found = []
    for match in rule.each("matches"):
        kind = _KINDS.get(match.at("path", "type") or "PathPrefix", "segments")
        sure = not match.each("queryParams") and not match.each("headers")
        found.append(PathTest(kind=kind, text=match.at("path", "value") or "/", sure=sure))
    return found or [PathTest(kind="segments")]


def _filters(rule: Node, kind: str) -> Iterator[Node]:
    for one in rule.each("filters"):
        if one.at("type") == kind:
            yield one.get("urlRewrite" if kind == "URLRewrite" else kind[:1].lower() + kind[1:]) or one


def _redirects(rule: Node) -> bool:
    return any(True for _ in _filters(rule, "RequestRedirect"))


def _route(rule: Node, test: PathTest, serves: bool | None, product: str, artifact: Artifact) -> RouteFacts:
    path = artifact.endpoint_path.partition("?")[0]
    removed = next(
        (one for f in _filters(rule, "RequestHeaderModifier") for one in f.each("remove") if one.text.lower() in ("upgrade", "connection")),
        None,
    )
    host = next((node for f in _filters(rule, "URLRewrite") if (node := f.get("hostname"))), None)
    return passing_route(
        artifact,
        product=product,
        line=rule.line,
        matcher=f"rule {test.kind} {test.text}",
        serves=serves,
        upstream=_target(rule),
        upstream_path=_path_behind(rule, test, path) if path and serves else None,
        upgrade=set_at(artifact, removed, "absent") if removed else FORWARDED,
        host=set_at(artifact, host) if host else FORWARDED,
        balance="cookie" if rule.get("sessionPersistence") else "roundrobin",
    )


def _path_behind(rule: Node, test: PathTest, path: str) -> str | None:
    for one in _filters(rule, "URLRewrite"):
        full, prefix = one.get("path", "replaceFullPath"), one.get("path", "replacePrefixMatch")
        if full is not None:
            return full.text
        if prefix is not None and test.kind == "segments":
            rest = path[len(test.text.rstrip("/")) :].lstrip("/")
            return (prefix.text.rstrip("/") + "/" + rest) if rest else prefix.text or "/"
    return path


def _rule_defects(rule: Node, test: PathTest, product: str, world: World, artifact: Artifact) -> Iterator[PatternFacts]:
    for key in ("request", "backendRequest"):
        node = rule.get("timeouts", key)
        limit = duration_s(node)
        if node is not None and limit and limit <= 3600:
            pattern = "envoy.route-timeout" if product == "envoy" else "gateway.request-timeout"
            fix = fix_of(artifact, ("proxy.max-lifetime",), reword(artifact, node.line, node.text, "0s"))
            yield defect(pattern, artifact.name, node.line, f"timeouts.{key}: {node.text}", fix)
            break
    for one in _filters(rule, "URLRewrite"):
        host, prefix = one.get("hostname"), one.get("path", "replacePrefixMatch")
        if host is not None:
            yield defect("k8s.host-replaced", artifact.name, host.line, f"hostname: {host.text}")
        pattern = rewrites_badly((test,), prefix.text, artifact) if prefix is not None else ""
        if prefix is not None and pattern:
            yield defect(pattern, artifact.name, prefix.line, f"{test.text} → {prefix.text}")
    for one in _filters(rule, "RequestHeaderModifier"):
        given = [(pair.at("name"), pair.get("value")) for pair in [*one.each("set"), *one.each("add")]]
        given += [(name.text, Node(value="", line=name.line)) for name in one.each("remove")]
        yield from (found for name, value in given if value is not None and (found := header_defect(name, value, artifact)))
    yield from _target_defects(rule, test, world, artifact)


def _target_defects(rule: Node, test: PathTest, world: World, artifact: Artifact) -> Iterator[PatternFacts]:
    polled = hints_at_polling(f"{test.text} {artifact.endpoint_path}")
    if rule.get("sessionPersistence") is None and (replicas_of(_target(rule), world) or 0) > 1:
        yield defect("k8s.no-stickiness" if polled else "balance.no-stickiness-perhaps", artifact.name, rule.line, f"path {test.text}")
    for ref in rule.each("backendRefs"):
        service = world.named("Service", ref.at("name"))
        ports = service.each("spec", "ports") if service else []
        port = ref.get("port")
        if port is not None and ports and port.text not in {one.at("port") for one in ports}:
            fix = fix_of(
                artifact,
                ("proxy.upstream-unreachable",),
                reword(artifact, port.line, port.text, ports[0].at("port")) if len(ports) == 1 else None,
            )
            words = f"service {ref.at('name')} has no port {port.text}"
            yield defect("k8s.service-port-unknown", artifact.name, port.line, words, fix)
        for one in ports:
            protocol = one.get("appProtocol")
            if protocol is not None and protocol.text in ("kubernetes.io/h2c", "grpc", "http2"):
                fix = fix_of(artifact, ("proxy.h2-to-upstream",), reword(artifact, protocol.line, protocol.text, "kubernetes.io/ws"))
                yield defect("istio.port-name-h2", artifact.name, protocol.line, f"appProtocol: {protocol.text}", fix)


def _exact_defects(rules: list[tuple[Node, PathTest]], artifact: Artifact) -> Iterator[PatternFacts]:
    for rule, test in rules:
        if test.kind == "exact" and not test.text.endswith("/") and not artifact.endpoint_path:
            pattern = "k8s.exact-path" if hints_at_polling(test.text) else "route.exact-perhaps"
            yield defect(pattern, artifact.name, rule.line, f"Exact {test.text}")


def _policies(world: World, artifact: Artifact) -> Iterator[Facts]:
    """Yield what Envoy Gateway's policies say about upgrades and limits."""
    for policy in world.of("BackendTrafficPolicy"):
        upgrades = policy.get("spec", "httpUpgrade")
        if upgrades is not None and upgrades.items and not any(one.at("type").lower() == "websocket" for one in upgrades.items):
            yield defect("envoy.upgrade-disabled", artifact.name, upgrades.line, "httpUpgrade without websocket")
        for name, pattern in (("requestTimeout", "envoy.route-timeout"), ("maxConnectionDuration", "istio.connection-duration")):
            node = policy.get("spec", "timeout", "http", name)
            if node is not None and 0 < (duration_s(node) or 0) <= 3600:
                yield defect(pattern, artifact.name, node.line, f"{name}: {node.text}")
    for policy in world.of("ClientTrafficPolicy"):
        node = policy.get("spec", "timeout", "http", "streamIdleTimeout")
        limit = duration_s(node)
        if node is not None and limit is not None:
            idle = set_at(artifact, node, f"{limit:g}")
            yield passing_route(artifact, product="envoy", line=node.line, matcher="ClientTrafficPolicy", serves=None, idle=idle)
