"""Traefik to routes and defects: static and dynamic files in YAML and TOML, labels of compose files, and its Kubernetes objects.

Traefik passes upgrades on by itself and closes no tunnel for silence: its read, write and idle timeouts end with the handshake, when the
connection is taken over (Go, net/http Hijack). What matters is which router a path reaches, what its middlewares do to it, where the
service points, and whether it is sticky. Source: doc.traefik.io; observed in its issues on idleTimeout.
"""

import re
from collections.abc import Iterator

from wsbook.errors import UnreadableInputError
from wsbook.facts import Change, Facts, Fix, RouteFacts, Setting, TextFacts
from wsbook.parsers.proxies.artifact import Artifact, Parsed, require_small
from wsbook.parsers.proxies.passing import limited, mended, passing_route
from wsbook.parsers.proxies.routing import Candidate, choose
from wsbook.parsers.proxies.traefik.compose import container_defects, read_compose
from wsbook.parsers.proxies.traefik.defects import router_defects, static_defects
from wsbook.parsers.proxies.traefik.model import Config, Router, lowered, merge, planted, read_config
from wsbook.parsers.proxies.traefik.paths import applied, path_behind, request_header
from wsbook.parsers.proxies.trees.edits import fix_of
from wsbook.parsers.proxies.trees.toml import looks_like_toml, parse_toml
from wsbook.parsers.proxies.trees.yaml import Node, parse_documents

__all__ = ["judge_config", "parse_traefik"]


def parse_traefik(artifact: Artifact) -> Parsed:
    """Return routes and defects of a Traefik configuration or a piece of one.

    Raises:
        UnreadableInputError: too large, binary, neither YAML nor TOML, nested too deeply.
    """
    require_small(artifact, "Traefik")
    if looks_like_toml(artifact.text):
        return _parsed(artifact, judge_config(read_config(lowered(parse_toml(artifact))), artifact))
    documents = parse_documents(artifact)
    if any(document.at("kind") for document in documents):
        from wsbook.parsers.proxies.kubernetes.parse import parse_kubernetes

        return parse_kubernetes(artifact)
    if not any(document.pairs or document.items for document in documents):
        raise UnreadableInputError(f"{artifact.name}: no Traefik configuration in it")
    facts: list[Facts] = []
    for document in documents:
        facts += _document(document, artifact)
    return _parsed(artifact, facts)


def _parsed(artifact: Artifact, facts: Iterator[Facts] | list[Facts]) -> Parsed:
    found = tuple(limited(facts))
    items = sum(isinstance(f, RouteFacts) for f in found)
    return Parsed(facts=found, text=TextFacts(kind="traefik", program="traefik", size_bytes=len(artifact.text.encode()), items=items))


def _document(document: Node, artifact: Artifact) -> Iterator[Facts]:
    compose = read_compose(document)
    if compose is None:
        flags = [(o.text[2:].partition("=")[0], _flag(o)) for o in document.each("args") + document.each("command") if o.text[:2] == "--"]
        yield from judge_config(read_config(merge([lowered(document), planted(flags)])), artifact)
        return
    config = compose.config
    yield from judge_config(config, artifact)
    yield from container_defects(compose, artifact)


def _flag(node: Node) -> Node:
    return Node(value=node.text.partition("=")[2] or "true", line=node.line)


def judge_config(config: Config, artifact: Artifact) -> Iterator[Facts]:
    """Yield the routes, then the defects of those that serve, or could."""
    path = artifact.endpoint_path.partition("?")[0]
    routers = sorted(config.routers, key=lambda r: (-r.priority, _redirects(r, config), not r.tls))
    candidates = [candidate_of(router, config) for router in routers]
    judged = choose(candidates, path, artifact.endpoint_host, mixed=True)
    for router, serves, mend in sorted(zip(routers, judged, mended(judged), strict=True), key=lambda entry: entry[0].line):
        yield _route(router, serves, config, artifact, path, mend=mend)
    entries = config.tree.get("entrypoints")
    if not routers and entries is not None:
        yield passing_route(artifact, product="traefik", line=entries.line, matcher="entry points", serves=None)
    yield from router_defects(routers, candidates, judged, config, artifact, path)
    yield from static_defects(config, artifact)


def _redirects(router: Router, config: Config) -> bool:
    return any(kind.startswith("redirect") for kind, _ in applied(router, config))


def _kept(setting: Setting, name: str, artifact: Artifact) -> Fix | None:
    """Return the change that takes away the line which takes a header away; None where the line says more."""
    lines = artifact.text.split("\n")
    line = lines[setting.line - 1] if 0 < setting.line <= len(lines) else ""
    if setting.value == "forwarded" or not re.fullmatch(
        rf"\s*(?:-\s*)?[\"']?(?:[\w.-]*\.)?{name}[\"']?\s*[:=][^,{{}}]*", line, re.IGNORECASE
    ):
        return None
    return fix_of(artifact, ("proxy.upgrade-header-missing",), Change(file=artifact.name, line=setting.line, removed=1))


def candidate_of(router: Router, config: Config) -> Candidate:
    """Return a router as one of several that compete for a path."""
    rule = router.rule
    first = rule.paths[0] if rule.paths and "{" not in rule.paths[0] and "(" not in rule.paths[0] else ""
    return Candidate(
        fits=rule.fits if not router.tcp else lambda _: True,
        words=" ".join((*rule.paths, router.name, router.service, rule.host)),
        sample=first,
        group=rule.host,
        open=not rule.paths or rule.paths == ("/",),
        able=rule.asks_for_upgrade,
        possible=router.service not in ("api@internal", "noop@internal", "ping@internal") and not _redirects(router, config),
    )


def _route(router: Router, serves: bool | None, config: Config, artifact: Artifact, path: str, *, mend: bool) -> RouteFacts:
    service = config.services.get(router.service)
    urls = [url for url, _ in service.servers] if service else []
    return passing_route(
        artifact,
        product="traefik",
        line=router.line,
        matcher=f"router {router.name} {router.rule.text}".strip()[:200],
        serves=serves,
        upstream=urls[0] if urls else router.service,
        upstream_path=path_behind(router, config, path) if path and serves else None,
        upgrade=request_header(router, config, "upgrade", artifact),
        connection=request_header(router, config, "connection", artifact),
        host=request_header(router, config, "host", artifact),
        balance="cookie" if service and service.sticky else "roundrobin",
        fixes=tuple(_kept(request_header(router, config, name, artifact), name, artifact) for name in ("upgrade", "connection") if mend),
        servers=max(len(urls), service.replicas) if service and urls else None,
    )
