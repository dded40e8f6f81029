"""The stream part of an nginx configuration: TCP is passed on as it comes, WebSockets with it.

Source: nginx.org, ngx_stream_proxy_module (proxy_timeout, 10 minutes between two reads or writes on either side).
"""

import re

from wsbook.facts import RouteFacts, Setting
from wsbook.parsers.proxies.artifact import Artifact, hints_at_websocket, seconds
from wsbook.parsers.proxies.nginx_servers import Server
from wsbook.parsers.proxies.nginx_tree import Directive
from wsbook.parsers.proxies.nginx_upstreams import Upstreams

__all__ = ["stream_routes"]

_TIMEOUT_S = "600"
_MAX_ROUTES = 200


def stream_routes(root: Directive, upstreams: Upstreams, servers: list[Server], artifact: Artifact) -> list[RouteFacts]:
    """Return the TCP servers. serves: one that listens at the endpoint's port, and without a port the only one there is."""
    blocks = [(stream, server) for stream in root.all("stream") for server in stream.all("server") if server.last("proxy_pass")]
    alone = len(blocks) == 1 and not servers
    return [_route(stream, server, upstreams, artifact, alone=alone) for stream, server in blocks[:_MAX_ROUTES]]


def _route(stream: Directive, server: Directive, upstreams: Upstreams, artifact: Artifact, *, alone: bool) -> RouteFacts:
    target = server.last("proxy_pass")
    listens = [d.args[0] for d in server.all("listen") if d.args]
    upstream = target.args[0] if target and target.args else ""
    block = upstreams.named(upstream)
    passed = Setting(value="forwarded", default=True)
    return RouteFacts(
        product="nginx",
        file=server.file,
        line=server.line,
        matcher=f"stream server {' '.join(listens)}".strip(),
        serves=_serves(listens, upstream, artifact, alone=alone),
        upstream=upstream,
        upgrade=passed,
        connection=passed,
        host=passed,
        idle_s=_idle(stream, server),
        balance=block.balance,
        servers=block.servers,
    )


def _serves(listens: list[str], upstream: str, artifact: Artifact, *, alone: bool) -> bool | None:
    ports = {int(match[1]) for text in listens if (match := re.search(r"(?:^|:)(\d{1,5})$", text))}
    if artifact.endpoint_port and artifact.endpoint_port in ports:
        return True
    return True if alone or hints_at_websocket(upstream) == 2 else False


def _idle(stream: Directive, server: Directive) -> Setting:
    found = server.last("proxy_timeout") or stream.last("proxy_timeout")
    if found is None or not found.args:
        return Setting(value=_TIMEOUT_S, default=True)
    value = seconds(found.args[0])
    return Setting(value=None if value is None else f"{value:g}", file=found.file, line=found.line)
