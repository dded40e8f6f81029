"""Azure: App Service with its switch, Application Gateway, and Front Door, from the command line's JSON, ARM and Terraform.

Source: learn.microsoft.com, App Service (WebSockets), Application Gateway (WebSocket support, HTTP settings), Front Door.
"""

from collections.abc import Iterator

from wsbook.facts import Facts
from wsbook.parsers.proxies.artifact import Artifact, defect
from wsbook.parsers.proxies.clouds.trees import resources
from wsbook.parsers.proxies.passing import FORWARDED, passing_route, set_at
from wsbook.parsers.proxies.trees.edits import fix_of, put_pair, reword
from wsbook.parsers.proxies.trees.yaml import Node

__all__ = ["judge_azure"]

_APPS = (
    *("azurerm_linux_web_app", "azurerm_windows_web_app", "azurerm_app_service", "azurerm_linux_web_app_slot"),
    *("Microsoft.Web/sites", "Microsoft.Web/sites/config"),
)
_DISABLED = ("proxy.websocket-support-disabled",)
_SETTINGS = ("backend_http_settings_collection", "backend_http_settings", "backend_settings_collection")


def judge_azure(trees: list[Node], artifact: Artifact) -> Iterator[Facts]:
    """Yield what Azure's services do with WebSockets."""
    switches = [n for tree in trees for key, n in tree.walk() if key in ("web_sockets_enabled", "websockets_enabled") and n.text]
    for switch in switches[:3]:
        on = switch.text.lower() == "true"
        yield passing_route(artifact, product="azure-app-service", line=switch.line, matcher="app", upgrade=FORWARDED if on else None)
        if not on:
            fix = fix_of(artifact, _DISABLED, reword(artifact, switch.line, switch.text, "true"))
            yield defect("azure.websockets-off", artifact.name, switch.line, f"webSocketsEnabled: {switch.text}", fix)
    for app in resources(trees, *_APPS) if not switches else []:
        config = app.get("site_config")
        yield passing_route(artifact, product="azure-app-service", line=app.line, matcher="app", upgrade=None, connection=None)
        key = "websockets_enabled" if any(tree.get("resource") for tree in trees) else "webSocketsEnabled"
        fix = fix_of(artifact, _DISABLED, put_pair(artifact, config, key, "true")) if key == "webSocketsEnabled" else None
        yield defect("azure.websockets-not-set", artifact.name, (config or app).line, "webSocketsEnabled is not set: false", fix)
    yield from _gateway(trees, artifact)
    for door in resources(trees, "azurerm_frontdoor", "Microsoft.Network/frontDoors"):
        yield passing_route(artifact, product="azure-front-door", line=door.line, matcher="classic", upgrade=None, connection=None)
        yield defect("azure.front-door-classic", artifact.name, door.line, "Front Door (classic)")


def _gateway(trees: list[Node], artifact: Artifact) -> Iterator[Facts]:
    settings = [one for tree in trees for key, node in tree.walk() if key in _SETTINGS for one in (node.items or [node])]
    for one in settings[:50]:
        inner = one.get("properties") or one
        limit, affinity = inner.get("request_timeout"), inner.get("cookie_based_affinity")
        yield passing_route(
            artifact,
            product="azure-app-gateway",
            line=limit.line if limit else one.line,
            matcher=f"HTTP settings {one.at('name')}".strip(),
            serves=None if len(settings) > 1 else True,
            idle=set_at(artifact, limit) if limit is not None and limit.number else None,
            balance="cookie" if affinity is not None and affinity.text == "Enabled" else "roundrobin",
        )
        if affinity is not None and affinity.text == "Disabled":
            yield defect("aws.no-stickiness-perhaps", artifact.name, affinity.line, "cookieBasedAffinity: Disabled")
        picks, host = inner.get("pick_host_name_from_backend_address"), inner.get("host_name")
        for node in (picks, host):
            if node is not None and node.text.lower() not in ("false", "", "null"):
                yield defect("k8s.host-replaced", artifact.name, node.line, f"host name of the backend: {node.text}")
                break
