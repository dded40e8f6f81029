"""Kubernetes objects to routes and defects: Ingress with its annotations, Service, and BackendConfig.

ingress-nginx forwards upgrades by itself and closes a tunnel after proxy-read-timeout (60 seconds of silence by default); the NGINX Inc.
controller needs nginx.org/websocket-services. An annotation counts only with the right prefix, as a string, on the Ingress itself.
Source: kubernetes.github.io/ingress-nginx annotations; docs.nginx.com/nginx-ingress-controller; AWS Load Balancer Controller annotations.
"""

import re
from collections.abc import Iterator

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
    try_regex,
)
from wsbook.parsers.proxies.yaml_tree import Node, parse_documents

__all__ = ["parse_kubernetes"]

_COMMUNITY = "nginx.ingress.kubernetes.io/"
_COMPANY = "nginx.org/"
_AWS = "alb.ingress.kubernetes.io/"
_KNOWN = frozenset(
    (
        *("proxy-read-timeout", "proxy-send-timeout", "proxy-connect-timeout", "proxy-http-version", "proxy-buffering"),
        *("affinity", "session-cookie-name", "rewrite-target", "upstream-hash-by", "websocket-services", "backend-protocol"),
        *("use-regex", "configuration-snippet", "server-snippets"),
    )
)
_SECONDS = ("proxy-read-timeout", "proxy-send-timeout", "proxy-connect-timeout")
_MAX_OBJECTS = 2_000


def parse_kubernetes(artifact: Artifact) -> Parsed:
    """Return routes and defects of Kubernetes objects, or of a piece of one that holds annotations.

    Raises:
        UnreadableInputError: too large, binary, no YAML, nested too deeply.
    """
    require_small(artifact, "Kubernetes")
    objects = [thing for document in parse_documents(artifact) for thing in _objects(document)]
    facts: list[Facts] = []
    for thing in objects[:_MAX_OBJECTS]:
        kind = _kind(thing)
        if kind in ("Ingress", ""):
            facts += _ingress(thing, artifact)
        else:
            facts += _misplaced(thing, artifact)
        if kind == "Service":
            facts += _service(thing, artifact)
        if kind in ("BackendConfig", "GCPBackendPolicy"):
            facts += _google(thing, artifact)
    routes = sum(isinstance(f, RouteFacts) for f in facts)
    return Parsed(
        facts=tuple(facts), text=TextFacts(kind="k8s_ingress", program="kubernetes", size_bytes=len(artifact.text.encode()), items=routes)
    )


def _objects(document: Node) -> list[Node]:
    """Return the objects of a document: those of a List, else itself."""
    listed = document.get("items") if _kind(document) == "List" else None
    return listed.items if listed else [document]


def _kind(thing: Node) -> str:
    kind = thing.get("kind")
    return kind.text if kind else ""


def _annotations(thing: Node) -> dict[str, Node]:
    found = thing.get("metadata", "annotations") or thing.get("annotations")
    return found.pairs if found else {}


def _setting(node: Node | None, value: str | None, artifact: Artifact) -> Setting:
    return Setting(value=value, file=artifact.name if node else "", line=node.line if node else 0, default=node is None)


def _ingress(thing: Node, artifact: Artifact) -> Iterator[Facts]:
    annotations = _annotations(thing)
    if not annotations and thing.get("spec") is None:
        return
    paths = _paths(thing)
    judged: list[bool | None] = _serving([p for p, _, _ in paths], annotations, artifact)
    for (path, service, line), serves in zip(paths, judged, strict=True):
        yield _route(path, service, line, serves, annotations, artifact)
    yield from _annotation_defects(annotations, artifact)
    yield from _ingress_defects(thing, annotations, artifact)


def _paths(thing: Node) -> list[tuple[str, str, int]]:
    """Return (path, service, line) of every rule; one entry for a piece without rules."""
    found = []
    rules = thing.get("spec", "rules")
    for rule in rules.items if rules else []:
        listed = rule.get("http", "paths")
        for entry in listed.items if listed else []:
            path, service = entry.get("path"), entry.get("backend", "service", "name") or entry.get("backend", "serviceName")
            found.append((path.text if path else "/", service.text if service else "", entry.line))
    return found or [("/", "", thing.line)]


def _serving(paths: list[str], annotations: dict[str, Node], artifact: Artifact) -> list[bool | None]:
    wanted = artifact.endpoint_path.partition("?")[0]
    if wanted:
        fitting = [i for i, p in enumerate(paths) if _fits(p, wanted)]
        best = max(fitting, key=lambda i: len(paths[i]), default=None)
        return [i == best for i in range(len(paths))]
    return plausible([False] * len(paths), [hints_at_websocket(p) for p in paths], [re.split(r"[(*]", p)[0] in ("/", "") for p in paths])


def _fits(path: str, wanted: str) -> bool:
    if "(" not in path and "*" not in path:
        return wanted == path or wanted.startswith(path.rstrip("/") + "/")
    regex = try_regex("^" + path)
    return bool(regex and regex.search(wanted[:500]))


def _route(path: str, service: str, line: int, serves: bool | None, annotations: dict[str, Node], artifact: Artifact) -> RouteFacts:
    company = any(k.startswith(_COMPANY) for k in annotations) and not any(k.startswith(_COMMUNITY) for k in annotations)
    listed = annotations.get(_COMPANY + "websocket-services")
    upgrade = Setting(value="forwarded", default=True)
    if company:
        names = [n.strip() for n in listed.text.split(",")] if listed else []
        upgrade = _setting(listed, "forwarded" if service in names or (names and not service) else "absent", artifact)
    product = "aws-alb" if _is_alb(annotations) else "nginx-inc-ingress" if company else "ingress-nginx"
    version = annotations.get(_COMMUNITY + "proxy-http-version")
    return RouteFacts(
        product=product,
        file=artifact.name,
        line=line,
        matcher=f"path {path}",
        serves=serves,
        upstream=service,
        upstream_path=_upstream_path(path, annotations, artifact) if serves else None,
        upgrade=upgrade,
        connection=upgrade,
        host=Setting(value="forwarded", default=True),
        http_version=_setting(version, version.text if version else "1.1", artifact),
        idle_s=_idle(product, annotations, artifact),
        balance=_balance(annotations),
    )


def _is_alb(annotations: dict[str, Node]) -> bool:
    named = annotations.get("kubernetes.io/ingress.class")
    return any(k.startswith(_AWS) for k in annotations) or bool(named and named.text == "alb")


def _idle(product: str, annotations: dict[str, Node], artifact: Artifact) -> Setting:
    if product == "aws-alb":
        attributes = annotations.get(_AWS + "load-balancer-attributes")
        found = re.search(r"idle_timeout\.timeout_seconds\s*=\s*(\d{1,6})", attributes.text) if attributes else None
        return _setting(attributes if found else None, found[1] if found else "60", artifact)
    prefix = _COMPANY if product == "nginx-inc-ingress" else _COMMUNITY
    node = annotations.get(prefix + "proxy-read-timeout")
    value = seconds(node.text) if node and (prefix == _COMPANY or node.text.isdigit()) else None
    return _setting(node, f"{value:g}", artifact) if value is not None else _setting(None, "60", artifact)


def _balance(annotations: dict[str, Node]) -> str:
    affinity = annotations.get(_COMMUNITY + "affinity")
    groups = annotations.get(_AWS + "target-group-attributes")
    if (affinity and affinity.text == "cookie") or (groups and "stickiness.enabled=true" in groups.text.replace(" ", "")):
        return "cookie"
    return "hash" if _COMMUNITY + "upstream-hash-by" in annotations else "roundrobin"


def _upstream_path(path: str, annotations: dict[str, Node], artifact: Artifact) -> str | None:
    wanted, target = artifact.endpoint_path.partition("?")[0], annotations.get(_COMMUNITY + "rewrite-target")
    if not wanted or target is None:
        return wanted or None
    regex = try_regex("^" + path)
    match = regex.search(wanted[:500]) if regex else None
    if match is None:
        return None
    return re.sub(r"\$(\d)", lambda m: (match[int(m[1])] or "") if int(m[1]) <= len(match.groups()) else "", target.text)


def _at(pattern: str, key: str, node: Node, artifact: Artifact) -> PatternFacts:
    return defect(pattern, artifact.name, node.line, f"{key}: {node.text}")


def _annotation_defects(annotations: dict[str, Node], artifact: Artifact) -> Iterator[PatternFacts]:
    for key, node in list(annotations.items())[:500]:
        prefix, _, name = key.rpartition("/")
        if (
            name in _KNOWN
            and prefix + "/" not in (_COMMUNITY, _COMPANY)
            and not re.search(r"haproxy|traefik|kong|alb|appgw|gce|contour", prefix)
        ):
            yield _at("k8s.annotation-prefix", key, node, artifact)
        elif prefix + "/" in (_COMMUNITY, _COMPANY):
            if node.plain and re.fullmatch(r"[\d.]+|true|false|yes|no|on|off", node.text, re.IGNORECASE):
                yield _at("k8s.annotation-not-a-string", key, node, artifact)
            elif prefix + "/" == _COMMUNITY and name in _SECONDS and not node.text.isdigit():
                yield _at("k8s.annotation-unit", key, node, artifact)
    if any(k.startswith(_COMMUNITY) for k in annotations):
        for key, node in annotations.items():
            if key.startswith(_COMPANY):
                yield _at("k8s.annotation-other-controller", key, node, artifact)


def _ingress_defects(thing: Node, annotations: dict[str, Node], artifact: Artifact) -> Iterator[PatternFacts]:
    protocol = annotations.get(_COMMUNITY + "backend-protocol")
    if protocol and protocol.text.upper() in ("GRPC", "GRPCS", "HTTP2", "H2"):
        yield _at("k8s.h2-to-upstream", "backend-protocol", protocol, artifact)
    target = annotations.get(_COMMUNITY + "rewrite-target")
    for path, _, line in _paths(thing):
        if (
            target
            and target.text == "/"
            and path.rstrip("/")
            and (hints_at_websocket(path) == 2 or artifact.endpoint_path.startswith(path))
        ):
            yield defect("k8s.rewrite-drops-path", artifact.name, line, f"path {path} → rewrite-target {target.text}")
        if hints_at_polling(path) and _balance(annotations) == "roundrobin":
            yield defect("k8s.no-stickiness", artifact.name, line, f"path {path}")


def _misplaced(thing: Node, artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield Ingress annotations on objects where no controller reads them."""
    spots = (_annotations(thing), (thing.get("spec", "template", "metadata", "annotations") or Node(value={}, line=0)).pairs)
    for key, node in (pair for spot in spots for pair in list(spot.items())[:200]):
        if key.startswith((_COMMUNITY, _COMPANY, _AWS)) and _kind(thing) in ("Service", "Deployment", "Pod", "StatefulSet", "ConfigMap"):
            name = key.rpartition("/")[2]
            if name in _KNOWN or name == "load-balancer-attributes":
                yield _at("k8s.annotation-wrong-object", key, node, artifact)


def _service(thing: Node, artifact: Artifact) -> Iterator[PatternFacts]:
    affinity = thing.get("spec", "sessionAffinity")
    if affinity and affinity.text == "ClientIP":
        yield _at("k8s.client-ip-affinity", "sessionAffinity", affinity, artifact)


def _google(thing: Node, artifact: Artifact) -> Iterator[RouteFacts]:
    limit = thing.get("spec", "timeoutSec") or thing.get("spec", "default", "timeoutSec")
    lifetime = _setting(limit, limit.text if limit and limit.text.isdigit() else "30", artifact)
    yield RouteFacts(product="gcp-backend", file=artifact.name, line=thing.line, matcher=_kind(thing), serves=None, lifetime_s=lifetime)
