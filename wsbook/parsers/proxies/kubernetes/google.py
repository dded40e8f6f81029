"""Google Cloud's load balancer as Kubernetes objects wire it: BackendConfig, GCPBackendPolicy and the annotations that name them.

timeoutSec of a backend (30 by default) ends every WebSocket at that age, busy or not; it is no idle limit.
Source: cloud.google.com, backend services overview, timeout for WebSockets.
"""

import json
from collections.abc import Iterator

from wsbook.facts import Facts, PatternFacts, Setting
from wsbook.parsers.proxies.artifact import Artifact, defect
from wsbook.parsers.proxies.kubernetes.objects import World, annotations_of, controller_of, name_of
from wsbook.parsers.proxies.passing import passing_route, set_at
from wsbook.parsers.proxies.trees.edits import fix_of, put_pair, reword
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["judge_google", "lifetime_defect"]

_NAMES = ("cloud.google.com/backend-config", "beta.cloud.google.com/backend-config")
_SHORT_S = 3600
_VERY_SHORT_S = 300


def judge_google(world: World, artifact: Artifact) -> Iterator[Facts]:
    """Yield the limits of backends, and wiring that leaves a BackendConfig without effect."""
    configs = {name_of(thing): thing for thing in world.of("BackendConfig")}
    for thing in world.of("BackendConfig", "GCPBackendPolicy"):
        spec = thing.get("spec") or thing
        inner = spec.get("default") or spec
        limit = inner.get("timeoutSec")
        lifetime = set_at(artifact, limit) if limit is not None and limit.number else Setting(value="30", default=True)
        sticky = inner.at("sessionAffinity", "affinityType") or inner.at("sessionAffinity", "type")
        yield passing_route(
            artifact,
            product="gcp-backend",
            line=thing.line,
            matcher=thing.at("kind"),
            serves=None,
            lifetime=lifetime,
            balance="cookie" if "COOKIE" in sticky else "hash" if sticky == "CLIENT_IP" else "roundrobin",
        )
        yield from lifetime_defect(limit, inner, artifact)
    for service in world.of("Service"):
        if service.at("apiVersion").startswith("serving.knative.dev"):
            yield from _knative(service, artifact)
    yield from _wiring(world, configs, artifact)
    if not world.of("BackendConfig", "GCPBackendPolicy") and any(controller_of(t)[0].product == "gcp-backend" for t in world.of("Ingress")):
        yield defect("gcp.timeout-default", artifact.name, world.of("Ingress")[0].line, "no BackendConfig: timeoutSec is 30")


def _knative(service: Node, artifact: Artifact) -> Iterator[Facts]:
    """Yield what Cloud Run makes of a service: each socket is a request with a timeout, and takes a place of its instance."""
    spec = service.get("spec", "template", "spec") or service
    limit, most = spec.get("timeoutSeconds"), spec.get("containerConcurrency")
    lifetime = set_at(artifact, limit) if limit is not None and limit.number else None
    yield passing_route(artifact, product="cloud-run", line=service.line, matcher=f"service {name_of(service)}", lifetime=lifetime)
    if limit is None or (limit.number or 0) <= _SHORT_S:
        yield defect("gcp.run-timeout", artifact.name, (limit or spec).line, f"timeoutSeconds {limit.text if limit else 300}")
    if most is not None and 0 < (most.number or 0) < 100:
        yield defect("fly.connection-cap", artifact.name, most.line, f"containerConcurrency {most.text}")
    if any(one.at("name") == "h2c" for box in spec.each("containers") for one in box.each("ports")):
        yield defect("gcp.h2-to-upstream", artifact.name, spec.line, "port h2c")


def lifetime_defect(limit: Node | None, spec: Node, artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield a limit of age that is short, or not set. limit: the number of seconds; spec: where it belongs."""
    cause = ("proxy.max-lifetime",)
    if limit is None:
        fix = fix_of(artifact, cause, put_pair(artifact, spec, "timeoutSec", "86400"))
        yield defect("gcp.timeout-default", artifact.name, spec.line, "timeoutSec is not set: 30", fix)
    elif 0 < (limit.number or 0) <= _SHORT_S:
        fix = fix_of(artifact, cause, reword(artifact, limit.line, limit.text, "86400"))
        pattern = "gcp.timeout-short" if (limit.number or 0) <= _VERY_SHORT_S else "gcp.timeout-limits"
        yield defect(pattern, artifact.name, limit.line, f"timeoutSec: {limit.text}", fix)


def _wiring(world: World, configs: dict[str, Node], artifact: Artifact) -> Iterator[PatternFacts]:
    named: set[str] = set()
    services = world.of("Service")
    for service in services:
        for key, node in annotations_of(service).pairs.items():
            if key in _NAMES:
                names = _config_names(node.text)
                named |= set(names)
                if not names:
                    yield defect("gcp.backend-config-unreadable", artifact.name, node.line, f"{key}: {node.text}"[:200])
                elif configs and not set(names) & set(configs):
                    yield defect("gcp.backend-config-unknown", artifact.name, node.line, f"{key}: {node.text}"[:200])
    for thing in world.of("Ingress"):
        for key, node in annotations_of(thing).pairs.items():
            if key in _NAMES:
                yield defect("gcp.backend-config-misplaced", artifact.name, node.line, f"{key} on an Ingress")
    loose = [name for name in configs if name not in named]
    if services and loose and not named:
        yield defect("gcp.backend-config-unused", artifact.name, configs[loose[0]].line, f"no Service names BackendConfig {loose[0]}")


def _config_names(text: str) -> list[str]:
    """Return the BackendConfigs that an annotation's JSON names, [] when it is none."""
    try:
        value = json.loads(text[:2000])
    except (ValueError, RecursionError):
        return []
    if not isinstance(value, dict):
        return []
    ports = value.get("ports")
    found = [value.get("default"), *(ports.values() if isinstance(ports, dict) else [])]
    return [name for name in found if isinstance(name, str)]
