"""Ingress objects to routes: which rule a path reaches, and what its controller's annotations and defaults say.

ingress-nginx forwards upgrades by itself; the controller of NGINX Inc. needs nginx.org/websocket-services, Contour a list of paths.
Source: kubernetes.io, Ingress (path types); controllers.toml.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from wsbook.facts import Facts, RouteFacts, Setting
from wsbook.parsers.proxies.artifact import Artifact, defect, seconds, try_regex
from wsbook.parsers.proxies.kubernetes.annotations import annotation_defects, config_defects, misplaced, path_defects
from wsbook.parsers.proxies.kubernetes.fixes import ingress_fixes
from wsbook.parsers.proxies.kubernetes.objects import Controller, World, annotations_of, controller_of, kind_of
from wsbook.parsers.proxies.passing import FORWARDED, mended, passing_route, set_at
from wsbook.parsers.proxies.path_tests import expand_groups
from wsbook.parsers.proxies.routing import Candidate, choose, falls_through
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["IngressPath", "judge_ingresses", "judge_pieces", "paths_of"]

_MAX_PATHS = 2_000


class IngressPath(Struct, frozen=True, kw_only=True):
    """One path of an Ingress. kind: its pathType, "" unknown. regex: the path is an expression. port: number or name, "" unknown."""

    thing: Node
    controller: Controller
    sure: bool
    path: str
    node: Node
    host: str = ""
    kind: str = ""
    service: str = ""
    port: str = ""
    port_node: Node | None = None
    regex: bool = False

    def fits(self, wanted: str) -> bool | None:
        """Whether the path takes a request."""
        path = self.path
        if self.regex or ("*" in path and self.controller.product in ("aws-alb", "gcp-backend", "ingress-nginx")):
            pattern = path if self.regex or self.controller.product == "ingress-nginx" else re.escape(path).replace(r"\*", ".*") + "$"
            expression = try_regex("^" + pattern, ignore_case=self.controller.product == "ingress-nginx")
            return bool(expression.search(wanted[:500])) if expression else None
        if self.kind == "Exact":
            return wanted == path
        if self.kind == "Prefix" or self.controller.product not in ("ingress-nginx", "nginx-inc-ingress"):
            return wanted == path.rstrip("/") or wanted.startswith(path.rstrip("/") + "/")
        return wanted.startswith(path)


def judge_ingresses(world: World, artifact: Artifact) -> Iterator[Facts]:
    """Yield the routes of all Ingress objects, which compete with one another, and their defects."""
    config = _controller_config(world)
    things = [*world.of("Ingress"), *_values(world)]
    paths = [path for thing in things for path in paths_of(thing)]
    paths.sort(key=lambda p: (p.kind != "Exact", -len(p.path)))
    candidates = [_candidate(path) for path in paths[:_MAX_PATHS]]
    judged = choose(candidates, artifact.endpoint_path.partition("?")[0], artifact.endpoint_host)
    mends = mended(judged)
    for path, serves, mend in sorted(zip(paths, judged, mends, strict=False), key=lambda entry: entry[0].node.line):
        yield _route(path, serves, config, artifact, _service_notes(path, world), mend=mend)
    if (open_one := falls_through(candidates, judged)) is not None:
        yield defect(
            "route.catch-all", artifact.name, paths[open_one].node.line, f"path {paths[open_one].path} → {paths[open_one].service}"
        )
    for thing in things:
        yield from annotation_defects(thing, artifact, config)
    yield from path_defects(list(zip(paths, judged, strict=False)), world, artifact)
    yield from misplaced(world, artifact)
    if config is not None:
        yield from config_defects(config, artifact)
    if config is not None and not things:
        yield _config_route(config, artifact)


def judge_pieces(world: World, artifact: Artifact) -> Iterator[Facts]:
    """Yield what a piece of an Ingress says that has no kind, or an Ingress without rules."""
    for thing in world.of("", "Ingress"):
        if annotations_of(thing).pairs or thing.get("spec") is not None:
            controller, sure = controller_of(thing)
            yield _route(
                IngressPath(thing=thing, controller=controller, sure=sure, path="/", node=thing), True, None, artifact, {}, mend=True
            )
            yield from annotation_defects(thing, artifact, None)


def _values(world: World) -> list[Node]:
    """Return the ingress sections of a chart's values."""
    found = []
    for document in world.of(""):
        for key, node in document.walk():
            if key == "ingress" and node.pairs and (node.get("annotations") or node.get("hosts")):
                found.append(node)
    return found[:50]


def _controller_config(world: World) -> Node | None:
    """Return the settings of ingress-nginx for all Ingress objects, from its ConfigMap or a chart's values."""
    for thing in world.of("ConfigMap"):
        data = thing.get("data")
        if data is not None and any(
            re.match(
                r"proxy-|worker-|use-|allow-snippet|upstream-|keep-alive|ssl-redirect|http2|large-client|client-header|max-worker|enable-",
                key,
            )
            for key in data.pairs
        ):
            return data
    return next((found for document in world.of("") if (found := document.get("controller", "config")) is not None), None)


def paths_of(thing: Node) -> Iterator[IngressPath]:
    """Yield every path of an Ingress, or of a chart's ingress section; one open path for an object without rules."""
    controller, sure = controller_of(thing)
    notes = annotations_of(thing).pairs
    wild = "nginx.ingress.kubernetes.io/rewrite-target" in notes or _text(notes, "nginx.ingress.kubernetes.io/use-regex") == "true"
    count = 0
    for rule in thing.each("spec", "rules") or thing.each("hosts"):
        for entry in rule.each("http", "paths") or rule.each("paths"):
            path, port = entry.get("path"), entry.get("backend", "service", "port") or entry.get("backend", "servicePort")
            number = port and (port if port.text else port.get("number") or port.get("name"))
            count += 1
            text = path.text if path else entry.text or "/"
            yield IngressPath(
                thing=thing,
                controller=controller,
                sure=sure,
                path=text,
                node=entry,
                host=rule.at("host"),
                kind=entry.at("pathType"),
                service=entry.at("backend", "service", "name") or entry.at("backend", "serviceName"),
                port=number.text if number else "",
                port_node=number or None,
                regex=controller.product == "ingress-nginx" and (wild or bool(re.search(r"[(\[|^$\\]|\.\*", text))),
            )
    default = thing.get("spec", "defaultBackend") or thing.get("spec", "backend")
    if default is not None or not count:
        name = (default.at("service", "name") or default.at("serviceName")) if default else ""
        yield IngressPath(thing=thing, controller=controller, sure=sure, path="/", node=default or thing, service=name)


def _text(notes: dict[str, Node], key: str) -> str:
    return notes[key].text if key in notes else ""


def _candidate(path: IngressPath) -> Candidate:
    plain = re.split(r"[(\[*|^$\\]", path.path)[0]
    protocol = any(
        node.text.upper().startswith("GRPC") for key, node in annotations_of(path.thing).pairs.items() if key.endswith("protocol")
    )
    return Candidate(
        fits=path.fits,
        words=f"{path.path} {path.service} {path.host}",
        group=path.host,
        open=plain in ("/", ""),
        able=bool(path.service) and path.service in _listed(path, "nginx.org/websocket-services"),
        possible=not protocol or not path.host.startswith("grpc"),
    )


def _listed(path: IngressPath, key: str) -> list[str]:
    return [name.strip() for name in _text(annotations_of(path.thing).pairs, key).split(",")]


def _connection(notes: dict[str, Node], artifact: Artifact) -> Setting | None:
    """Return what an annotation puts into Connection; None when there is none."""
    node = notes.get("nginx.ingress.kubernetes.io/connection-proxy-header")
    return set_at(artifact, node) if node is not None and node.text and "$" not in node.text else None


def _upgrade(path: IngressPath, artifact: Artifact) -> Setting:
    """Return whether the controller forwards an upgrade; two of them need to be told so."""
    notes = annotations_of(path.thing).pairs
    if path.controller.product == "nginx-inc-ingress":
        key = "nginx.org/websocket-services"
        fits = path.service in _listed(path, key) or (key in notes and not path.service)
        return set_at(artifact, notes[key], "forwarded" if fits else "absent") if key in notes else Setting(value="absent", default=True)
    if path.controller.product == "contour":
        key = next((k for k in ("projectcontour.io/websocket-routes", "contour.heptio.com/websocket-routes") if k in notes), "")
        fits = bool(key) and path.path in _listed(path, key)
        return set_at(artifact, notes[key], "forwarded" if fits else "absent") if key else Setting(value="absent", default=True)
    return FORWARDED


def _service_notes(path: IngressPath, world: World) -> dict[str, Node]:
    """Return the annotations of the service behind a path, where some controllers look too."""
    service = world.named("Service", path.service)
    return annotations_of(service).pairs if service is not None else {}


def _route(
    path: IngressPath, serves: bool | None, config: Node | None, artifact: Artifact, service: dict[str, Node], *, mend: bool
) -> RouteFacts:
    notes = annotations_of(path.thing).pairs
    upgrade = _upgrade(path, artifact)
    version = notes.get("nginx.ingress.kubernetes.io/proxy-http-version")
    host = notes.get("nginx.ingress.kubernetes.io/upstream-vhost")
    idle = _idle(path, config, artifact, service)
    return passing_route(
        artifact,
        product=path.controller.product,
        line=path.node.line,
        matcher=f"path {path.path}",
        serves=serves,
        upstream=f"{path.service}:{path.port}" if path.port else path.service,
        upstream_path=upstream_path(path, artifact.endpoint_path.partition("?")[0]) if serves else None,
        upgrade=upgrade,
        connection=_connection(notes, artifact) or upgrade,
        host=set_at(artifact, host) if host else FORWARDED,
        http_version=set_at(artifact, version) if version else Setting(value="1.1", default=True),
        idle=idle,
        fixes=ingress_fixes(path.thing, path.controller, path.service, idle, upgrade, artifact) if mend else (),
        lifetime=None if path.controller.product != "gcp-backend" else Setting(value=None),
        balance=balance_of(path),
    )


def _idle(path: IngressPath, config: Node | None, artifact: Artifact, service: dict[str, Node]) -> Setting | None:
    notes, controller = {**service, **annotations_of(path.thing).pairs}, path.controller
    if controller.product == "aws-alb":
        key = controller.prefix + "load-balancer-attributes"
        found = re.search(r"idle_timeout\.timeout_seconds\s*=\s*(\d{1,6})", _text(notes, key))
        return set_at(artifact, notes[key], found[1]) if found else None
    for name in controller.idle:
        node = notes.get(controller.prefix + name)
        value = _seconds(node.text, controller.unit) if node else None
        if node is not None and value is not None:
            return set_at(artifact, node, f"{value:g}")
    node = config.get("proxy-read-timeout") if config and controller.product == "ingress-nginx" else None
    value = _seconds(node.text, "plain") if node else None
    return set_at(artifact, node, f"{value:g}") if node is not None and value is not None else None


def _seconds(text: str, unit: str) -> float | None:
    if unit == "plain":
        return float(text) if re.fullmatch(r"\d{1,9}", text) else None
    return seconds(text, default_unit=unit)


def balance_of(path: IngressPath) -> str:
    """Return cookie, hash or roundrobin."""
    notes = annotations_of(path.thing).pairs
    for name, expression in path.controller.sticky:
        if re.search(expression, _text(notes, path.controller.prefix + name)):
            return "hash" if re.search(r"hash|balance|method", name) else "cookie"
    return "roundrobin"


def upstream_path(path: IngressPath, wanted: str) -> str | None:
    """Return the path that the backend sees; None unknown."""
    notes = annotations_of(path.thing).pairs
    target = notes.get("nginx.ingress.kubernetes.io/rewrite-target") if path.controller.product == "ingress-nginx" else None
    if not wanted or target is None:
        return wanted or None
    regex = try_regex("^" + path.path, ignore_case=True)
    match = regex.search(wanted[:500]) if regex else None
    if match is None:
        return None
    return expand_groups(match, target.text)


def _config_route(config: Node, artifact: Artifact) -> RouteFacts:
    node = config.get("proxy-read-timeout")
    value = _seconds(node.text, "plain") if node else None
    return passing_route(
        artifact,
        product="ingress-nginx",
        line=config.line,
        matcher=f"{kind_of(config) or 'ConfigMap'} of the controller",
        serves=None,
        idle=set_at(artifact, node, f"{value:g}") if node is not None and value is not None else None,
    )
