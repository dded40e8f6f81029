"""Platforms that bring their own proxy: Fly, and hosts whose proxy tunnels nothing.

Source: fly.io/docs, configuration reference; vercel.com, rewrites.
"""

import re
from collections.abc import Iterator

from wsbook.facts import Facts
from wsbook.parsers.proxies.artifact import Artifact, defect, hints_at_websocket
from wsbook.parsers.proxies.clouds.trees import blocks, resources
from wsbook.parsers.proxies.passing import passing_route, set_at
from wsbook.parsers.proxies.trees.edits import fix_of, reword
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["judge_platforms"]


_WITHOUT_UPGRADE = {
    "aws_apprunner_service": "App Runner",
    "AWS::AppRunner::Service": "App Runner",
    "aws_lambda_function_url": "Lambda function URL",
    "google_api_gateway_gateway": "API Gateway of Google Cloud",
    "google_cloudfunctions_function": "Cloud Functions",
    "azurerm_static_web_app": "Static Web Apps",
    "azurerm_static_site": "Static Web Apps",
    "azurerm_linux_function_app": "Function Apps",
}
"""Resources whose front end passes requests and no upgrades; source: each vendor's page on quotas and protocols."""


def judge_platforms(trees: list[Node], artifact: Artifact) -> Iterator[Facts]:
    """Yield what a platform's file says of its proxy."""
    for kind, name in _WITHOUT_UPGRADE.items():
        for body in resources(trees, kind):
            yield passing_route(artifact, product="platform", line=body.line, matcher=name, upgrade=None, connection=None)
            yield defect("platform.without-upgrade", artifact.name, body.line, name)
    yield from _container_apps(trees, artifact)
    for tree in trees:
        for service in [*blocks(tree, "http_service"), *blocks(tree, "services")]:
            if service.get("internal_port") is not None:
                yield from _fly(service, tree, artifact)
        for key in ("rewrites", "redirects", "routes"):
            yield from _static_host(tree, key, artifact)


def _fly(service: Node, tree: Node, artifact: Artifact) -> Iterator[Facts]:
    options = [service.get("http_options"), *(port.get("http_options") for port in blocks(service, "ports"))]
    idle = next((node for one in options if one is not None and (node := one.get("idle_timeout"))), None)
    port = service.get("internal_port") or service
    yield passing_route(
        artifact,
        product="fly",
        line=service.line,
        matcher=f"internal port {port.text}",
        upstream=port.text,
        idle=set_at(artifact, idle) if idle is not None and idle.number else None,
    )
    for one in options:
        h2 = one.get("h2_backend") if one is not None else None
        if h2 is not None and h2.text == "true":
            fix = fix_of(artifact, ("proxy.h2-to-upstream",), reword(artifact, h2.line, "true", "false"))
            yield defect("gcp.h2-to-upstream", artifact.name, h2.line, "h2_backend = true", fix)
    cap = service.get("concurrency", "hard_limit")
    if cap is not None and (cap.number or 1e9) <= 250 and service.at("concurrency", "type") != "requests":
        yield defect("fly.connection-cap", artifact.name, cap.line, f"hard_limit = {cap.text}")
    told = tree.at("env", "port")
    if told and told != port.text:
        fix = fix_of(artifact, ("proxy.upstream-unreachable",), reword(artifact, port.line, port.text, told))
        yield defect("fly.port-mismatch", artifact.name, port.line, f"internal_port {port.text}, PORT {told}", fix)


def _container_apps(trees: list[Node], artifact: Artifact) -> Iterator[Facts]:
    """Yield the ingress of Azure Container Apps: HTTP/2 transport, and limits of what is silent."""
    for body in resources(trees, "azurerm_container_app", "Microsoft.App/containerApps"):
        ingress = body.get("ingress") or body.get("configuration", "ingress")
        transport = ingress.get("transport") if ingress is not None else None
        line = (ingress or body).line
        yield passing_route(artifact, product="azure-container-apps", line=line, matcher="ingress")
        if transport is not None and transport.text.lower() == "http2":
            fix = fix_of(artifact, ("proxy.h2-to-upstream",), reword(artifact, transport.line, transport.text, "auto"))
            yield defect("gcp.h2-to-upstream", artifact.name, transport.line, "transport http2", fix)


def _static_host(tree: Node, key: str, artifact: Artifact) -> Iterator[Facts]:
    """Yield rewrites to another server by hosts of static sites and functions, whose proxies tunnel no upgrade."""
    for one in tree.each(key)[:200]:
        source, target = one.at("source") or one.at("from") or one.at("src"), one.get("destination") or one.get("to") or one.get("dest")
        if target is not None and re.match(r"(?:https?|wss?)://", target.text) and hints_at_websocket(source) == 2:
            yield passing_route(artifact, product="static-host", line=one.line, matcher=f"rewrite {source}", upgrade=None, connection=None)
            yield defect("host.rewrite-without-upgrade", artifact.name, one.line, f"{source} → {target.text}")
