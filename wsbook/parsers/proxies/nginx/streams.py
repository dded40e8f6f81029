"""The stream part of an nginx configuration: TCP is passed on as it comes, WebSockets with it.

Source: nginx.org, ngx_stream_proxy_module (proxy_timeout, 10 minutes between two reads or writes on either side).
"""

import re
from collections.abc import Iterator

from msgspec.structs import replace

from wsbook.facts import Facts, PatternFacts, RouteFacts, Setting
from wsbook.parsers.proxies.artifact import Artifact, hints_at_websocket, seconds
from wsbook.parsers.proxies.nginx.answers import at
from wsbook.parsers.proxies.nginx.reach import Neighbours
from wsbook.parsers.proxies.nginx.tree import Directive
from wsbook.parsers.proxies.nginx.upstreams import Upstreams

__all__ = ["streamed"]

_TIMEOUT_S = "600"
_MAX_ROUTES = 200


def streamed(root: Directive, upstreams: Upstreams, beside: Neighbours, artifact: Artifact) -> list[Facts]:
    """Return the TCP servers as routes, with their defects.

    serves: it listens at the endpoint's port; without a port it is the only server there is, or it leads to one that may serve.
    """
    blocks = [(stream, server) for stream in root.all("stream") for server in stream.all("server") if server.last("proxy_pass")]
    found: list[Facts] = []
    for stream, server in blocks[:_MAX_ROUTES]:
        route = _route(stream, server, upstreams, artifact, beside)
        if len(blocks) == 1 and not beside.listens:
            route = replace(route, serves=True)
        found += [route, *(_defects(stream, server, upstreams, beside) if route.serves else ())]
    return found


def _defects(stream: Directive, server: Directive, upstreams: Upstreams, beside: Neighbours) -> Iterator[PatternFacts]:
    target, limit = server.last("proxy_pass"), server.last("proxy_timeout") or stream.last("proxy_timeout")
    if limit and limit.args and (seconds(limit.args[0]) or 0) < float(_TIMEOUT_S):
        yield at("nginx.stream-timeout", limit)
    told = server.last("proxy_protocol") or stream.last("proxy_protocol")
    tells = bool(told and told.args == ("on",))
    if target and target.args:
        for address in upstreams.addresses(target.args[0]) or [target.args[0]]:
            behind = beside.listener(address, 0)
            if behind and tells != ("proxy_protocol" in behind.flags):
                yield at("nginx.proxy-protocol-unexpected" if tells else "nginx.proxy-protocol-missing", target)
                return


def _route(stream: Directive, server: Directive, upstreams: Upstreams, artifact: Artifact, beside: Neighbours) -> RouteFacts:
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
        serves=_serves(listens, [upstream, *upstreams.addresses(upstream)], artifact, beside),
        upstream=upstream,
        upgrade=passed,
        connection=passed,
        host=passed,
        idle_s=_idle(stream, server),
        balance=block.balance,
        servers=block.servers,
    )


def _serves(listens: list[str], addresses: list[str], artifact: Artifact, beside: Neighbours) -> bool:
    ports = {int(match[1]) for text in listens if (match := re.search(r"(?:^|:)(\d{1,5})$", text))}
    onward = any(beside.listener(address, 0) or hints_at_websocket(address) == 2 for address in addresses)
    return (artifact.endpoint_port or -1) in ports or onward


def _idle(stream: Directive, server: Directive) -> Setting:
    found = server.last("proxy_timeout") or stream.last("proxy_timeout")
    if found is None or not found.args:
        return Setting(value=_TIMEOUT_S, default=True)
    value = seconds(found.args[0])
    return Setting(value=None if value is None else f"{value:g}", file=found.file, line=found.line)
