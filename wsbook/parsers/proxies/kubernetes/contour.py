"""Objects of further controllers to routes and defects: of Contour, Emissary, NGINX Inc. (VirtualServer) and OpenShift.

Contour and Emissary refuse upgrades unless the route allows them; Emissary replaces the prefix by / unless told otherwise.
Source: projectcontour.io, emissary-ingress.dev, docs.nginx.com, docs.openshift.com.
"""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from wsbook.facts import Facts, Fix, PatternFacts, Setting
from wsbook.parsers.proxies.artifact import Artifact, defect, hints_at_polling, seconds
from wsbook.parsers.proxies.kubernetes.annotations import replicas_of
from wsbook.parsers.proxies.kubernetes.objects import World, annotations_of
from wsbook.parsers.proxies.passing import passing_route, set_at
from wsbook.parsers.proxies.path_tests import PathTest, candidate_for, rewrites_badly
from wsbook.parsers.proxies.routing import choose
from wsbook.parsers.proxies.trees.edits import fix_of, put_pair, reword
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["judge_contour"]

_OPENSHIFT = "haproxy.router.openshift.io/"
_DISABLED = ("proxy.websocket-support-disabled",)


class _Way(Struct, frozen=True, kw_only=True):
    """One route of any of these objects. allowed: whether it lets upgrades pass, None always. rewrite: what replaces the prefix."""

    product: str
    node: Node
    test: PathTest
    host: str
    upstream: str
    allowed: bool | None = None
    fix: Fix | None = None
    idle: Setting | None = None
    timeout: Node | None = None
    rewrite: str | None = None
    balance: str = "roundrobin"
    http2: Node | None = None
    server_timeout: Node | None = None


def judge_contour(world: World, artifact: Artifact) -> Iterator[Facts]:
    """Yield routes and defects of these objects, each kind for itself."""
    for ways in (
        [w for thing in world.of("HTTPProxy", "IngressRoute") for w in _contour(thing, artifact)],
        [w for thing in world.of("Mapping", "AmbassadorMapping") for w in _emissary(thing, artifact)],
        [w for thing in world.of("VirtualServer") for w in _virtual_server(thing, artifact)],
        [w for thing in world.of("Route") for w in _openshift(thing, artifact)],
    ):
        yield from _judge(sorted(ways, key=lambda w: (w.test.kind != "exact", -len(w.test.text))), world, artifact)


def _judge(ways: list[_Way], world: World, artifact: Artifact) -> Iterator[Facts]:
    candidates = [candidate_for((w.test,), words=f"{w.upstream} {w.host}", group=w.host, able=bool(w.allowed)) for w in ways]
    path = artifact.endpoint_path.partition("?")[0]
    for way, serves in zip(ways, choose(candidates, path, artifact.endpoint_host), strict=True):
        yield passing_route(
            artifact,
            product=way.product,
            line=way.node.line,
            matcher=f"{way.test.kind} {way.test.text}",
            serves=serves,
            upstream=way.upstream,
            upstream_path=_path_behind(way, path) if path and serves else None,
            upgrade=Setting(value="forwarded", default=way.allowed is None) if way.allowed is not False else None,
            idle=way.idle,
            balance=way.balance,
        )
        if serves is not False:
            yield from _defects(way, serves, world, artifact)


def _path_behind(way: _Way, path: str) -> str | None:
    if way.rewrite is None or way.rewrite == way.test.text:
        return path
    return way.rewrite.rstrip("/") + "/" + path[len(way.test.text) :].lstrip("/") if way.test.kind != "regex" else None


def _defects(way: _Way, serves: bool | None, world: World, artifact: Artifact) -> Iterator[PatternFacts]:
    line = way.node.line
    if way.allowed is False:
        pattern = "envoy.upgrade-not-enabled" if serves else "envoy.upgrade-not-enabled-perhaps"
        yield defect(pattern, artifact.name, line, f"{way.product} {way.test.text}: WebSockets are not allowed", way.fix)
    if way.timeout is not None:
        yield defect("envoy.route-timeout", artifact.name, way.timeout.line, f"timeout {way.timeout.text}")
    if way.server_timeout is not None:
        yield defect("openshift.server-timeout", artifact.name, way.server_timeout.line, f"timeout {way.server_timeout.text}")
    if way.rewrite is not None and (pattern := rewrites_badly((replace(way.test, kind="segments"),), way.rewrite, artifact)):
        yield defect(pattern, artifact.name, line, f"{way.test.text} → {way.rewrite}")
    if way.http2 is not None:
        fix = fix_of(artifact, ("proxy.h2-to-upstream",), reword(artifact, way.http2.line, f": {way.http2.text}", ": http/1.1"))
        yield defect("k8s.h2-to-upstream", artifact.name, way.http2.line, f"protocol {way.http2.text}", fix)
    polled = hints_at_polling(f"{way.test.text} {artifact.endpoint_path}")
    copies = replicas_of(way.upstream.partition(":")[0], world)
    if way.balance == "roundrobin" and (polled or (copies or 0) > 1) and copies != 1:
        yield defect("k8s.no-stickiness" if polled else "balance.no-stickiness-perhaps", artifact.name, line, f"path {way.test.text}")


def _limit(node: Node | None, artifact: Artifact, unit: str = "s") -> Setting | None:
    """Return an idle limit; infinity is none at all."""
    if node is None:
        return None
    value = 0.0 if node.text in ("infinity", "infinite") else seconds(node.text, default_unit=unit)
    return set_at(artifact, node, f"{value:g}") if value is not None else None


def _short(node: Node | None, unit: str = "s") -> Node | None:
    value = seconds(node.text, default_unit=unit) if node else None
    return node if value and 0 < value <= 3600 else None


def _contour(thing: Node, artifact: Artifact) -> Iterator[_Way]:
    host = thing.at("spec", "virtualhost", "fqdn")
    if not thing.at("apiVersion").startswith(("projectcontour.io", "contour.heptio.com")):
        return
    for route in thing.each("spec", "routes"):
        tests = [
            PathTest(kind=kind if kind != "prefix" else "segments", text=one.at(kind))
            for one in route.each("conditions")
            for kind in ("prefix", "exact", "regex")
            if one.at(kind)
        ]
        service = next(iter(route.each("services")), None)
        allowed = route.at("enableWebsockets") == "true"
        switch = (
            reword(artifact, route.value["enableWebsockets"].line, "false", "true")
            if route.get("enableWebsockets")
            else put_pair(artifact, route, "enableWebsockets", "true")
        )
        protocol = service.get("protocol") if service else None
        yield _Way(
            product="contour",
            node=route,
            test=tests[0] if tests else PathTest(kind="segments", text=route.at("match") or "/"),
            host=host,
            upstream=f"{service.at('name')}:{service.at('port')}" if service else "",
            allowed=allowed,
            fix=None if allowed else fix_of(artifact, _DISABLED, switch),
            idle=_limit(route.get("timeoutPolicy", "idle"), artifact),
            timeout=_short(route.get("timeoutPolicy", "response")),
            rewrite=next((one.at("replacement") for one in route.each("pathRewritePolicy", "replacePrefix")), None),
            balance="cookie" if route.at("loadBalancerPolicy", "strategy") in ("Cookie", "RequestHash") else "roundrobin",
            http2=protocol if protocol is not None and protocol.text in ("h2c", "h2") else None,
        )


def _emissary(thing: Node, artifact: Artifact) -> Iterator[_Way]:
    spec = thing.get("spec") or thing
    old = spec.at("use_websocket") == "true"
    allowed = old or any(one.text.lower() == "websocket" for one in spec.each("allow_upgrade"))
    rewrite = spec.get("rewrite")
    yield _Way(
        product="emissary",
        node=spec,
        test=PathTest(kind="regex" if spec.at("prefix_regex") == "true" else "prefix", text=spec.at("prefix") or "/"),
        host=spec.at("hostname") or spec.at("host"),
        upstream=spec.at("service"),
        allowed=allowed,
        fix=None if allowed else fix_of(artifact, _DISABLED, put_pair(artifact, spec, "allow_upgrade", "[websocket]")),
        idle=_limit(spec.get("idle_timeout_ms"), artifact, "ms"),
        timeout=_short(spec.get("timeout_ms"), "ms"),
        rewrite=None if rewrite is not None and not rewrite.text else rewrite.text if rewrite else "/",
        balance="cookie" if spec.get("load_balancer", "cookie") or spec.get("load_balancer", "header") else "roundrobin",
        http2=spec.get("grpc") if spec.at("grpc") == "true" else None,
    )


def _virtual_server(thing: Node, artifact: Artifact) -> Iterator[_Way]:
    upstreams = {one.at("name"): one for one in thing.each("spec", "upstreams")}
    for route in thing.each("spec", "routes"):
        name = route.at("action", "pass") or route.at("action", "proxy", "upstream")
        upstream = upstreams.get(name) or Node(value={}, line=route.line)
        path = route.at("path") or "/"
        kind = "regex" if path.startswith("~") else "exact" if path.startswith("=") else "prefix"
        yield _Way(
            product="nginx-inc-ingress",
            node=route,
            test=PathTest(kind=kind, text=path.lstrip("~=* ")),
            host=thing.at("spec", "host"),
            upstream=f"{upstream.at('service') or name}:{upstream.at('port')}".rstrip(":"),
            idle=_limit(upstream.get("read-timeout"), artifact),
            rewrite=route.at("action", "proxy", "rewritePath") or None,
            balance="cookie" if upstream.at("sessionCookie", "enable") == "true" or "hash" in upstream.at("lb-method") else "roundrobin",
            http2=upstream.get("type") if upstream.at("type") == "grpc" else None,
        )


def _openshift(thing: Node, artifact: Artifact) -> Iterator[_Way]:
    if not thing.at("apiVersion").startswith("route.openshift.io"):
        return
    notes = annotations_of(thing).pairs
    node = notes.get(_OPENSHIFT + "timeout-tunnel")
    if node is None and thing.at("spec", "tls", "termination") == "passthrough":
        node = notes.get(_OPENSHIFT + "timeout")
    loose = notes.get(_OPENSHIFT + "disable_cookies")
    method = notes.get(_OPENSHIFT + "balance")
    sticky = loose is None or loose.text.lower() != "true" or (method is not None and method.text == "source")
    plain = notes.get(_OPENSHIFT + "timeout")
    yield _Way(
        product="openshift-router",
        server_timeout=plain if node is None else None,
        node=thing,
        test=PathTest(kind="segments", text=thing.at("spec", "path") or "/"),
        host=thing.at("spec", "host"),
        upstream=f"{thing.at('spec', 'to', 'name')}:{thing.at('spec', 'port', 'targetPort')}".rstrip(":"),
        idle=_limit(node, artifact, "ms"),
        rewrite=notes[_OPENSHIFT + "rewrite-target"].text if _OPENSHIFT + "rewrite-target" in notes else None,
        balance="cookie" if sticky else "roundrobin",
    )
