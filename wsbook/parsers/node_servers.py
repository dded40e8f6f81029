"""WebSocket servers of Node programs: ws, Socket.IO, SockJS, graphql-ws, subscriptions-transport-ws, NestJS gateways, and what listens."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import EndpointFacts
from wsbook.parsers.evaluate import Scope, strings
from wsbook.parsers.route_paths import template
from wsbook.parsers.scope import Module, Project, pair, short_name
from wsbook.parsers.values import UNKNOWN, is_known

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["node_servers"]

_WS = ("WebSocket.Server", "WebSocketServer", "ws.Server", "WSServer", "Ws.Server", "WSS", "WebSocket.WebSocketServer", "WsServer")
_SOCKET_IO = ("Server", "SocketIO", "SocketIOServer", "socketio.Server", "IOServer", "io.Server", "SocketServer", "SocketIo")
_LISTENS = re.compile(r"\.listen$|^(?:Bun|Deno)\.serve$|^serve$")


def node_servers(module: Module, project: Project) -> Iterator[EndpointFacts]:
    """Yield the servers that one script makes."""
    scope = Scope(module, project)
    if "handleUpgrade" in module.text or ".upgrade(" in module.text:
        yield from _switched(scope)
    for node in module.root.find_all(any=[{"kind": "call_expression"}, {"kind": "new_expression"}]):
        name = short_name(node.field("constructor") or node.field("function"))
        arguments = [c for c in (node.field("arguments") or node).children() if c.is_named() and c.kind() != "comment"]
        library = _library(name, node.kind(), module)
        if library:
            yield _server(library, node, arguments, scope)
        elif name == "WebSocketGateway":
            yield _gateway(node, arguments, scope)
        elif _LISTENS.search(name) and arguments:
            yield from _listener(node, arguments, scope)


def _switched(scope: Scope) -> Iterator[EndpointFacts]:
    """Yield the cases of a switch over the path of an upgrade."""
    for case in scope.module.root.find_all(kind="switch_case"):
        value = case.field("value")
        switch = next((a for a in case.ancestors() if a.kind() == "switch_statement"), None)
        subject = switch.field("value") if switch is not None else None
        path = strings(value, scope)[0].text if value is not None else ""
        if subject is not None and re.search(r"(?i)path|url", subject.text()[:200]) and path.startswith("/") and is_known(path):
            yield _fact("ws", value or case, scope, template(path), None)


def _library(name: str, kind: str, module: Module) -> str:
    text = module.text
    package = module.imports.get(name.partition(".")[0], ("", ""))[0]
    if kind == "new_expression" and (name in _WS or (package in ("ws", "isomorphic-ws") and "Server" in name)):
        graphql = (
            "graphql-ws"
            if re.search(r"['\"]graphql-ws", text)
            else "subscriptions-transport-ws"
            if "subscriptions-transport-ws" in text
            else ""
        )
        return graphql if graphql and re.search(r"useServer|SubscriptionServer", text) else "ws"
    if "socket.io" in text and (
        (kind == "new_expression" and (name in _SOCKET_IO or package == "socket.io"))
        or re.fullmatch(r"require\([\"']socket\.io[\"']\)|socketio|socketIo|socketIO", name)
        or (kind == "call_expression" and package == "socket.io")
    ):
        return "" if re.fullmatch(r"require\([\"']socket\.io[\"']\)", name) and kind == "new_expression" else "socket.io"
    if name.endswith("SubscriptionServer.create"):
        return "subscriptions-transport-ws"
    if name.endswith(("sockjs.createServer", ".installHandlers")):
        return "sockjs"
    return ""


def _server(library: str, node: "SgNode", arguments: "list[SgNode]", scope: Scope) -> EndpointFacts:
    given = [a for a in reversed(arguments) if a.kind() == "object"]
    options = next(
        (a for a in given if pair(a, "path", "prefix", "port", "cors", "noServer", "server", "transports")), given[0] if given else None
    )
    path = _option(options, "path", scope) or _option(options, "prefix", scope)
    if library == "socket.io":
        path = (path or "/socket.io").rstrip("/") + "/"
    legacy = pair(options, "allowEIO3")
    return _fact(
        library,
        node,
        scope,
        template(path) if path else None,
        _port(pair(options, "port"), scope) or _port(arguments[0] if arguments else None, scope),
        bind=_option(options, "host", scope) or "",
        version="3,4" if legacy is not None and legacy.text() == "true" else "",
    )


def _gateway(node: "SgNode", arguments: "list[SgNode]", scope: Scope) -> EndpointFacts:
    """@WebSocketGateway(port?, {path, namespace}): Socket.IO unless the program uses the adapter for ws (https://docs.nestjs.com/websockets/adapter)."""
    plain = any("WsAdapter" in module.text for module in scope.project.modules)
    options = next((a for a in arguments if a.kind() == "object"), None)
    path = _option(options, "path", scope)
    port = _port(arguments[0] if arguments else None, scope)
    if plain:
        return _fact("ws", node, scope, template(path or "/"), port)
    return _fact("socket.io", node, scope, template(path or "/socket.io").rstrip("/") + "/", port)


def _listener(node: "SgNode", arguments: "list[SgNode]", scope: Scope) -> Iterator[EndpointFacts]:
    options = next((a for a in arguments if a.kind() == "object"), None)
    port = _port(arguments[0], scope) or _port(pair(options, "port"), scope)
    host = next((v for a in arguments[1:2] if a.kind() == "string" for v in (strings(a, scope)[0].text,)), "")
    if port:
        yield _fact(
            "node", node, scope, None, port, bind=host or _option(options, "host", scope) or _option(options, "hostname", scope) or ""
        )


def _option(options: "SgNode | None", key: str, scope: Scope) -> str | None:
    node = pair(options, key)
    value = strings(node, scope)[0].text if node is not None else ""
    return value if value and is_known(value) else value.replace(UNKNOWN, "*") if value.strip(UNKNOWN) else None


def _port(node: "SgNode | None", scope: Scope) -> int | None:
    values = [v.text for v in strings(node, scope)] if node is not None and node.kind() != "object" else []
    if node is not None and node.kind() == "call_expression" and not any(v.isdigit() for v in values):
        values = [a.text() for a in (node.field("arguments") or node).children()]  # Number(process.env.PORT), parseInt(…, 10)
        values = [found[1] for text in values if (found := re.search(r"(\d{2,5})['\"]?$", text))]
    return next((int(v) for v in values if v.isascii() and v.isdigit() and 0 < int(v[:6]) < 65536), None)


def _fact(
    library: str, node: "SgNode", scope: Scope, path: str | None, port: int | None, *, bind: str = "", version: str = ""
) -> EndpointFacts:
    return EndpointFacts(
        side="backend",
        library=library,
        file=scope.module.artifact,
        line=node.range().start.line + scope.module.line,
        expression=re.sub(r"\s+", " ", node.text()[:400])[:200],
        path=path,
        port=port,
        bind=bind,
        version=version,
        tls=_speaks_tls(scope.module.text, node.text()) if port is not None else None,
    )


def _speaks_tls(whole: str, call: str) -> bool | None:
    """Whether what listens is an https server; None when the program has both kinds."""
    secure = bool(re.search(r"https['\"]?\)?\.createServer|createSecureServer|SSLApp|\btls\s*:|\bcert\s*[:,]", whole))
    plain = bool(re.search(r"http['\"]?\)?\.(?:createServer|Server)|WebSocketServer\(\s*\{\s*port", whole + call))
    return None if secure and plain else True if secure else False if plain or "express()" in whole else None
