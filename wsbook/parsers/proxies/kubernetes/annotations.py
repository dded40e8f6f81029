"""Annotations that do not count, and those that break a WebSocket, with their fixes."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wsbook.facts import Fix, PatternFacts
from wsbook.parsers.proxies.artifact import Artifact, defect, hints_at_polling, hints_at_websocket
from wsbook.parsers.proxies.kubernetes.objects import Controller, World, annotations_of, controller_of, controllers, kind_of, matches_labels
from wsbook.parsers.proxies.trees.edits import fix_of, put_pair, reword
from wsbook.parsers.proxies.trees.yaml import Node
from wsbook.parsers.proxies.upstreams import tls_port_defect

if TYPE_CHECKING:
    from wsbook.parsers.proxies.kubernetes.ingress import IngressPath

__all__ = ["annotation_defects", "config_defects", "misplaced", "path_defects", "replicas_of"]

_COMMUNITY = "nginx.ingress.kubernetes.io/"
_COMPANY = "nginx.org/"
_SECONDS = ("proxy-read-timeout", "proxy-send-timeout", "proxy-connect-timeout")
_IGNORED = ("proxy.k8s-annotation-ignored",)
_OTHERS = re.compile(r"haproxy|traefik|kong|alb|appgw|gce|contour|nginx\.com|openshift|azure|aws|google|gke|istio|ambassador")
_NOT_TEXT = re.compile(r"[\d.]+|true|false|yes|no|on|off|null|~", re.IGNORECASE)


def _at(pattern: str, key: str, node: Node, artifact: Artifact, fix: Fix | None = None) -> PatternFacts:
    return defect(pattern, artifact.name, node.line, f"{key}: {node.text}"[:300], fix)


def annotation_defects(thing: Node, artifact: Artifact, config: Node | None) -> Iterator[PatternFacts]:
    """Yield what is wrong with the annotations of one Ingress. config: the controller's own settings, None unknown."""
    controller, sure = controller_of(thing)
    notes = annotations_of(thing)
    for key, node in list(notes.pairs.items())[:500]:
        yield from _ignored(key, node, controller, sure, artifact)
    if controller.product == "aws-alb":
        yield from _alb(notes.pairs, artifact)
    if controller.product == "ingress-nginx":
        yield from _community(notes.pairs, thing, config, artifact)
    for name, expression in [controller.http2] if controller.http2 else []:
        found = notes.pairs.get(controller.prefix + name)
        if found is not None and re.search(expression, found.text):
            change = reword(artifact, found.line, found.text, "HTTP1" if "version" in name else "HTTP")
            yield _at("k8s.h2-to-upstream", name, found, artifact, fix_of(artifact, ("proxy.h2-to-upstream",), change))


def _alb(notes: dict[str, Node], artifact: Artifact) -> Iterator[PatternFacts]:
    check, codes = notes.get("alb.ingress.kubernetes.io/healthcheck-path"), notes.get("alb.ingress.kubernetes.io/success-codes")
    if check is not None and hints_at_websocket(check.text) == 2 and not (codes and re.search(r"4\d\d|101|-4|-5", codes.text)):
        yield _at("aws.health-check-on-socket", "healthcheck-path", check, artifact)
    signed = notes.get("alb.ingress.kubernetes.io/auth-type")
    if signed is not None and signed.text in ("oidc", "cognito"):
        yield _at("aws.rule-authenticates", "auth-type", signed, artifact)
    if (web := notes.get("alb.ingress.kubernetes.io/wafv2-acl-arn")) is not None:
        yield _at("firewall.web-rules", "wafv2-acl-arn", web, artifact)


def _ignored(key: str, node: Node, controller: Controller, sure: bool, artifact: Artifact) -> Iterator[PatternFacts]:
    prefix, _, name = key.rpartition("/")
    owner = next((c for c in controllers() if c.prefix == prefix + "/"), None)
    known = {n for c in controllers()[:2] for n in (*c.known, *c.idle, *(s for s, _ in c.sticky), *c.http2[:1])}
    if owner is None and name in known and not _OTHERS.search(prefix):
        fix = fix_of(artifact, _IGNORED, reword(artifact, node.key_line, key + ":", _COMMUNITY + name + ":"))
        yield _at("k8s.annotation-prefix", key, node, artifact, fix)
    elif owner is not None and node.plain and node.text and _NOT_TEXT.fullmatch(node.text):
        fix = fix_of(artifact, _IGNORED, reword(artifact, node.line, f": {node.text}", f': "{node.text}"'))
        yield _at("k8s.annotation-not-a-string", key, node, artifact, fix)
    elif owner is not None and owner.unit == "plain" and name in _SECONDS and not node.text.isdigit():
        fix = fix_of(artifact, _IGNORED, reword(artifact, node.line, node.text, str(_plain_seconds(node.text))))
        yield _at("k8s.annotation-unit", key, node, artifact, fix)
    elif owner is controller and _unknown(name, owner):
        yield _at("k8s.annotation-unknown", key, node, artifact)
    elif owner is not None and owner is controller and (near := _misspelt(name, owner)):
        fix = fix_of(artifact, _IGNORED, reword(artifact, node.key_line, key + ":", f"{prefix}/{near}:"))
        yield _at("k8s.annotation-misspelt", key, node, artifact, fix)
    elif owner is controller and sure and prefix + "/" == _COMMUNITY and name in controllers()[1].known and name not in owner.known:
        yield _at("k8s.annotation-of-another", key, node, artifact)
    elif owner is not None and owner is not controller and (sure or prefix + "/" == _COMPANY) and name in _counting(owner):
        needless = name == "websocket-services" and controller.prefix == _COMMUNITY
        yield _at("k8s.annotation-needless" if needless else "k8s.annotation-other-controller", key, node, artifact)


def _unknown(name: str, owner: Controller) -> bool:
    """Whether a controller whose annotations are all known has none of this name."""
    real = {*owner.known, *owner.idle, *(sticky for sticky, _ in owner.sticky), *owner.http2[:1]}
    return (
        owner.complete
        and name not in real
        and not name.startswith(("actions.", "conditions.", "transforms.", "listener-attributes.", "frontend-nlb"))
    )


def _misspelt(name: str, owner: Controller) -> str:
    """Return the annotation that a name is nearly, "" when it is one or like none."""
    wanted = [*owner.idle, *(sticky for sticky, _ in owner.sticky)]
    real = {
        *wanted,
        *owner.known,
        *owner.http2[:1],
        "proxy-next-upstream-timeout",
        "affinity-mode",
        "affinity-canary-behavior",
        "timeout-client",
    }
    near = get_close_matches(name.replace("_", "-"), wanted, n=1, cutoff=0.88) if name not in real else []
    return near[0] if near else ""


def _plain_seconds(text: str) -> int:
    found = re.match(r"(\d{1,6})\s*(ms|s|m|h|d)?", text)
    return int(found[1]) * {"m": 60, "h": 3600, "d": 86400}.get(found[2] or "s", 1) if found else 3600


def _counting(owner: Controller) -> set[str]:
    """Return the annotations whose loss matters to a WebSocket."""
    return {*owner.idle, *(name for name, _ in owner.sticky), *owner.http2[:1], *owner.known, "load-balancer-attributes", "rewrite-target"}


def _community(notes: dict[str, Node], thing: Node, config: Node | None, artifact: Artifact) -> Iterator[PatternFacts]:
    def of(name: str) -> Node | None:
        return notes.get(_COMMUNITY + name)

    vhost, service = of("upstream-vhost"), of("service-upstream")
    if vhost is not None and "$" not in vhost.text:
        yield _at("k8s.host-replaced", "upstream-vhost", vhost, artifact)
    if service is not None and service.text == "true" and (of("affinity") or of("upstream-hash-by")):
        yield _at("k8s.affinity-without-endpoints", "service-upstream", service, artifact)
    canary = of("canary-weight")
    if canary is not None and not of("affinity") and canary.text not in ("0", "100"):
        yield _at("balance.no-stickiness-perhaps", "canary-weight", canary, artifact)
    for name in ("permanent-redirect", "temporal-redirect"):
        if (node := of(name)) is not None:
            yield _at("k8s.redirects", name, node, artifact)
    for name in ("auth-url", "auth-type", "whitelist-source-range"):
        if (node := of(name)) is not None:
            yield _at("k8s.auth-on-handshake", name, node, artifact)
    asked, mode = of("auth-tls-secret"), of("auth-tls-verify-client")
    if asked is not None and (mode is None or mode.text != "off"):
        optional = mode is not None and mode.text.startswith("optional")
        yield _at("tls.client-certificate-requested" if optional else "tls.client-certificate-required", "auth-tls-secret", asked, artifact)
    for name in ("enable-modsecurity", "enable-owasp-core-rules"):
        if (node := of(name)) is not None and node.text == "true":
            yield _at("k8s.firewall-on-handshake", name, node, artifact)
            break
    for name, most, pattern in (
        ("limit-connections", 20, "k8s.connection-cap"),
        ("limit-rps", 10, "k8s.rate-limit"),
        ("limit-rpm", 120, "k8s.rate-limit"),
    ):
        if (node := of(name)) is not None and 0 < (node.number or 0) <= most:
            yield _at(pattern, name, node, artifact)
    hosts = {one.text for entry in thing.each("spec", "tls") for one in entry.each("hosts")}
    for rule in thing.each("spec", "rules"):
        host = rule.get("host")
        if (
            hosts
            and host is not None
            and not any(host.text == h or (h[:2] == "*." and host.text.partition(".")[2] == h[2:]) for h in hosts)
        ):
            yield _at("k8s.tls-host-missing", "host", host, artifact)
    yield from _port_scheme(of("backend-protocol"), thing, artifact)
    forced = of("force-ssl-redirect")
    if forced is not None and forced.text == "true" and not thing.each("spec", "tls"):
        yield _at("k8s.forced-redirect", "force-ssl-redirect", forced, artifact)
    for name in ("configuration-snippet", "server-snippet"):
        if (node := of(name)) is not None:
            yield from _snippet_defects(name, node, config, artifact)


def _port_scheme(protocol: Node | None, thing: Node, artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield backends whose port does not go with the protocol that they are spoken to in."""
    tls = protocol is not None and protocol.text.upper() in ("HTTPS", "GRPCS")
    for rule in thing.each("spec", "rules"):
        for entry in rule.each("http", "paths"):
            port = entry.get("backend", "service", "port", "number") or entry.get("backend", "servicePort")
            pattern = tls_port_defect(tls=tls, port=port.text) if port is not None else None
            if port is not None and pattern:
                yield _at(pattern, "HTTPS to port" if tls else "HTTP to port", port, artifact)


def config_defects(config: Node, artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield what the controller's own settings break."""
    buffers, header = config.get("large-client-header-buffers"), config.get("client-header-buffer-size")
    for node in (buffers, header):
        if node is not None and re.search(r"(?:^|\s)(?:\d{1,3}|[12]k)$", node.text.strip(), re.IGNORECASE) and buffers in (None, node):
            yield _at("envoy.small-headers", "header buffers", node, artifact)
    for name, most, pattern in (
        ("max-worker-connections", 2048, "k8s.worker-connections"),
        ("worker-shutdown-timeout", 60, "k8s.short-drain"),
    ):
        node = config.get(name)
        value = re.match(r"(\d{1,9})s?$", node.text) if node is not None else None
        if node is not None and value and 0 < int(value[1]) < most:
            yield _at(pattern, name, node, artifact)
    if (node := config.get("use-forwarded-headers")) is not None and node.text == "false":
        yield _at("k8s.forwarded-not-trusted", "use-forwarded-headers", node, artifact)
    if (node := config.get("enable-modsecurity")) is not None and node.text == "true":
        yield _at("k8s.firewall-on-handshake", "enable-modsecurity", node, artifact)
    if (node := config.get("proxy-http-version")) is not None and node.text == "1.0":
        yield _at("k8s.http-1.0", "proxy-http-version", node, artifact)


def _snippet_defects(name: str, node: Node, config: Node | None, artifact: Artifact) -> Iterator[PatternFacts]:
    allowed = config.at("allow-snippet-annotations") if config else ""
    if re.search(r"proxy_(?:set_header|read_timeout|send_timeout|http_version)|upgrade", node.text, re.IGNORECASE) and allowed != "true":
        facts = _at("k8s.snippet-refused" if allowed == "false" else "k8s.snippet-perhaps-refused", name, node, artifact)
        yield replace(facts, excerpt=" ".join(facts.excerpt.split()))
    breaks = re.search(
        r"proxy_set_header\s+(?:Upgrade|Connection)\s+(?:\"\"|''|\"?close\"?|keep-alive)\s*;|more_clear_input_headers[^;]*\b(?:Upgrade|Connection)\b",
        node.text,
        re.IGNORECASE,
    )
    if breaks:
        yield defect("k8s.snippet-drops-upgrade", artifact.name, node.line, " ".join(breaks[0].split()))
    if re.search(r"\breturn\s+30[1278]\b|\brewrite\s[^;]*\b(?:redirect|permanent)\s*;", node.text):
        yield defect("k8s.snippet-redirects", artifact.name, node.line, " ".join(node.text.split())[:200])


def path_defects(paths: Sequence[tuple["IngressPath", bool | None]], world: World, artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield what is wrong with the paths of all Ingress objects."""
    from wsbook.parsers.proxies.kubernetes.ingress import balance_of

    wanted = artifact.endpoint_path.partition("?")[0]
    ruled = [path for path, _ in paths if path.node is not path.thing]
    if wanted and ruled and not any(serves is not False for _, serves in paths):
        yield defect("k8s.no-rule", artifact.name, ruled[0].node.line, f"no rule takes {wanted}")
    for path, serves in paths:
        yield from _exact_defects(path, serves, wanted, artifact)
        if serves is False:
            continue
        yield from _rewrite_defects(path, artifact)
        copies, polled = replicas_of(path.service, world), hints_at_polling(f"{path.path} {wanted}")
        if balance_of(path) == "roundrobin" and (polled or (copies or 0) > 1) and copies != 1:
            fix = None
            if path.controller.product == "ingress-nginx":
                fix = fix_of(
                    artifact,
                    ("cluster.no-sticky-session",),
                    put_pair(artifact, annotations_of(path.thing), _COMMUNITY + "affinity", '"cookie"'),
                )
            yield defect(
                "k8s.no-stickiness" if polled else "balance.no-stickiness-perhaps", artifact.name, path.node.line, f"path {path.path}", fix
            )


def replicas_of(service: str, world: World) -> int | None:
    """Return how many pods stand behind a service; None unknown."""
    thing = world.named("Service", service)
    selector = thing.map("spec", "selector") if thing else {}
    for work in world.workloads:
        if matches_labels(selector, work.map("spec", "template", "metadata", "labels")):
            count = work.get("spec", "replicas")
            scaled = any(
                scaler.at("spec", "scaleTargetRef", "name") == work.at("metadata", "name") for scaler in world.of("HorizontalPodAutoscaler")
            )
            return None if scaled else int(count.number) if count and count.number else 1
    return None


def _exact_defects(path: "IngressPath", serves: bool | None, wanted: str, artifact: Artifact) -> Iterator[PatternFacts]:
    if path.kind != "Exact":
        return
    fix = fix_of(artifact, ("proxy.ws-location-missing",), reword(artifact, _line_of(path.node, "pathType"), "Exact", "Prefix"))
    library = hints_at_polling(path.path) and not path.path.endswith("/")
    below = wanted and serves is False and hints_at_websocket(path.path) == 2 and wanted.startswith(path.path)
    if library or below:
        yield defect("k8s.exact-path", artifact.name, path.node.line, f"path {path.path}, pathType Exact", fix)
    elif serves is not False and not wanted and path.path.strip("/"):
        yield defect("route.exact-perhaps", artifact.name, path.node.line, f"path {path.path}, pathType Exact", fix)


def _line_of(node: Node, key: str) -> int:
    found = node.get(key)
    return found.line if found else 0


def _rewrite_defects(path: "IngressPath", artifact: Artifact) -> Iterator[PatternFacts]:
    from wsbook.parsers.proxies.kubernetes.ingress import upstream_path

    target = annotations_of(path.thing).pairs.get(_COMMUNITY + "rewrite-target")
    if target is None or path.controller.product != "ingress-nginx":
        return
    plain = re.split(r"[(\[*|^$\\]", path.path)[0].rstrip("/")
    seen = upstream_path(path, f"{plain}/zz9")
    words = f"path {path.path} → rewrite-target {target.text}"
    if hints_at_polling(plain) and seen is not None and not hints_at_polling(seen):
        yield defect("k8s.library-path-rewritten", artifact.name, path.node.line, words)
    elif (
        plain
        and seen is not None
        and "zz9" not in seen
        and (hints_at_websocket(path.path) == 2 or artifact.endpoint_path.startswith(plain))
    ) or (not plain and seen is not None and "zz9" not in seen):
        yield defect("k8s.rewrite-drops-path", artifact.name, path.node.line, words)


def misplaced(world: World, artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield Ingress annotations on objects where no controller reads them."""
    for thing in world.of("Service", "Deployment", "Pod", "StatefulSet", "ConfigMap"):
        spots = (annotations_of(thing).pairs, thing.map("spec", "template", "metadata", "annotations"))
        for key, node in (pair for spot in spots for pair in list(spot.items())[:200]):
            prefix, _, name = key.rpartition("/")
            owner = next(
                (c for c in controllers() if c.prefix == prefix + "/" and c.product in ("ingress-nginx", "nginx-inc-ingress", "aws-alb")),
                None,
            )
            if owner is not None and name in _counting(owner) and not (owner.product == "aws-alb" and kind_of(thing) == "Service"):
                yield _at("k8s.annotation-wrong-object", key, node, artifact)
