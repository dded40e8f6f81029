"""Google Cloud outside Kubernetes: backend services, Cloud Run and App Engine, from gcloud's output, Terraform and their own files.

Source: cloud.google.com, backend services overview; Cloud Run, using WebSockets; App Engine flexible environment.
"""

from collections.abc import Iterator

from wsbook.facts import Facts
from wsbook.parsers.proxies.artifact import Artifact, defect, seconds
from wsbook.parsers.proxies.clouds.trees import resources
from wsbook.parsers.proxies.kubernetes.google import lifetime_defect
from wsbook.parsers.proxies.passing import passing_route, set_at
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["judge_google_backends"]

_BACKENDS = ("google_compute_backend_service", "google_compute_region_backend_service")
_RUN = ("google_cloud_run_v2_service", "google_cloud_run_service")


def judge_google_backends(trees: list[Node], artifact: Artifact) -> Iterator[Facts]:
    """Yield backends and services with the age that they allow a WebSocket."""
    backends = resources(trees, *_BACKENDS)
    backends += [
        t
        for tree in trees
        for t in (tree.items or [tree])
        if "backendService" in t.at("kind") or (t.get("timeout_sec") and t.get("backends"))
    ]
    for backend in backends:
        yield from _backend(backend, artifact)
    for service in resources(trees, *_RUN):
        yield from _run(service, artifact)
    for tree in trees:
        standard = tree.get("runtime") is not None and tree.at("env").lower() not in ("flex", "flexible") and not tree.get("services")
        if standard and any(tree.get(key) is not None for key in ("handlers", "instance_class", "automatic_scaling")):
            runtime = tree.get("runtime") or tree
            yield passing_route(
                artifact, product="app-engine", line=runtime.line, matcher="standard environment", upgrade=None, connection=None
            )
            yield defect("gcp.app-engine-standard", artifact.name, runtime.line, f"runtime: {runtime.text}")


def _backend(backend: Node, artifact: Artifact) -> Iterator[Facts]:
    limit = backend.get("timeout_sec")
    affinity = backend.at("session_affinity").upper()
    yield passing_route(
        artifact,
        product="gcp-backend",
        line=limit.line if limit else backend.line,
        matcher=f"backend service {backend.at('name')}".strip(),
        lifetime=set_at(artifact, limit) if limit is not None and limit.number else None,
        balance="cookie" if "COOKIE" in affinity else "hash" if affinity.startswith("CLIENT_IP") else "roundrobin",
    )
    yield from lifetime_defect(limit, backend, artifact)
    protocol = backend.get("protocol")
    if protocol is not None and protocol.text.upper() in ("HTTP2", "GRPC", "H2C"):
        yield defect("gcp.h2-to-upstream", artifact.name, protocol.line, f"protocol {protocol.text}")
    drain = backend.get("connection_draining", "draining_timeout_sec") or backend.get("connection_draining_timeout_sec")
    if drain is not None and (drain.number or 0) < 30:
        yield defect("aws.short-drain", artifact.name, drain.line, f"connection draining {drain.text} s")


def _run(service: Node, artifact: Artifact) -> Iterator[Facts]:
    found = next((node for key, node in service.walk() if key in ("timeout", "timeout_seconds") and node.text), None)
    value = seconds(found.text) if found is not None else None
    lifetime = set_at(artifact, found, f"{value:g}") if found is not None and value is not None else None
    yield passing_route(artifact, product="cloud-run", line=found.line if found else service.line, matcher="service", lifetime=lifetime)
    if (value or 300) <= 3600:
        yield defect("gcp.run-timeout", artifact.name, found.line if found else service.line, f"timeout {value or 300:g} s")
    port = next((node for key, node in service.walk() if key == "name" and node.text == "h2c"), None)
    if port is not None:
        yield defect("gcp.h2-to-upstream", artifact.name, port.line, "port h2c")
