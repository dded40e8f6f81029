"""How the client libraries of a browser are given their URL. Knows libraries; what an expression is, evaluate.py knows."""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from wsbook.parsers.evaluate import Scope, strings
from wsbook.parsers.scope import pair, short_name
from wsbook.parsers.values import HOST, ORIGIN, UNKNOWN, Value, is_known

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["HTTP_LIBRARIES", "Call", "Dialled", "reader_of"]

HTTP_LIBRARIES = ("socket.io", "sockjs", "signalr", "sse", "supabase", "ably")
"""Libraries that are given http or https URLs."""


class Call(Struct, frozen=True, eq=False):
    """A call or construction. name: what is called, package: where its first name is imported from, "" unknown."""

    node: "SgNode"
    name: str
    package: str
    arguments: "tuple[SgNode, ...]"
    scope: Scope

    @property
    def is_new(self) -> bool:
        return bool(self.node.kind() == "new_expression")

    @property
    def options(self) -> "SgNode | None":
        """The first object literal among the arguments, or behind a name among them."""
        return next((found for a in self.arguments if (found := self.literal(a)) is not None), None)

    def literal(self, node: "SgNode | None") -> "SgNode | None":
        """Return the object literal that an expression is or names."""
        if node is None or node.kind() == "object":
            return node
        definitions = self.scope.module.visible(node.text(), node) if node.kind() == "identifier" else []
        found = [d.node for d in definitions if d.node is not None and not d.keys and d.node.kind() == "object"]
        return found[0] if len(found) == 1 else None

    def option(self, *keys: str) -> list[Value]:
        """Return the values of the first of the options that is given, none when none is."""
        node = pair(self.options, *keys)
        return strings(node, self.scope) if node is not None else []

    def first(self) -> list[Value]:
        """Return the values of the first argument, none without one."""
        return strings(self.arguments[0], self.scope) if self.arguments else []


class Dialled(Struct, frozen=True):
    """One URL as a library is given it. path: what the library adds or replaces, "" nothing."""

    library: str
    value: Value
    path: str = ""


_Found = Iterator[Dialled]
_Reader = Callable[[Call], _Found]

_PROTOCOLS = {
    "graphql-transport-ws": "graphql-ws",
    "graphql-ws": "subscriptions-transport-ws",
    "actioncable-v1-json": "actioncable",
    "mqtt": "mqtt",
    "mqttv3.1": "mqtt",
    "v12.stomp": "stomp",
    "v11.stomp": "stomp",
    "v10.stomp": "stomp",
}
"""Subprotocol → the library that speaks it."""


def _native(call: Call) -> _Found:
    if not call.is_new or not call.arguments:
        return
    listed = call.arguments[1].text()[:200] if len(call.arguments) > 1 else ""
    spoken = next((library for name, library in _PROTOCOLS.items() if re.search(rf"""["'`]{re.escape(name)}["'`]""", listed)), "native")
    for value in call.first():
        yield Dialled(spoken, value)


def _rxjs(call: Call) -> _Found:
    for value in call.option("url") or ([] if call.options is not None else call.first()):
        yield Dialled("native", value)


def _hook(call: Call) -> _Found:
    library = "socket.io" if call.options is not None and re.search(r"fromSocketIO\s*:\s*true", call.options.text()[:2000]) else "native"
    values = call.option("url") if call.arguments and call.arguments[0].kind() == "object" else call.first()
    for value in values:
        yield Dialled(library, value, "/socket.io/" if library == "socket.io" else "")


def _given_url(library: str, *keys: str) -> _Reader:
    """Return the reader of a library whose URL is the first argument, or one of the keys of its options."""

    def read(call: Call) -> _Found:
        is_options = bool(call.arguments) and call.literal(call.arguments[0]) is not None
        for value in call.option(*keys) if is_options else call.first():
            yield Dialled(library, value)

    return read


def _socket_io(call: Call) -> _Found:
    by_import = "socket.io" in call.package or "socket.io-client" in call.name
    plain = call.name in ("io", "io.connect", "window.io", "socketIOClient", "socketio", "socketIO", "openSocket")
    if not by_import and not (plain and (call.name in ("io", "window.io", "io.connect") or "socket.io" in call.scope.module.text)):
        return
    if call.is_new and not call.name.endswith("Manager"):
        return
    given = call.option("path")
    path = given[0].text if given else "/socket.io/"
    has_url = bool(call.arguments) and call.arguments[0] is not call.options and call.literal(call.arguments[0]) is None
    for base in call.first() if has_url else [Value(text=_page(call.scope))]:
        host = call.option("hostname", "host") if base.text in ("", "/") else []
        relative = base.text == "" or (base.text.startswith("/") and not base.text.startswith("//"))
        origin = Value(text=_page(call.scope), condition=base.condition) if relative and not host else base
        whole = path if path.startswith(("/", UNKNOWN)) else "/" + path
        yield Dialled("socket.io", origin, whole if not is_known(whole) else whole.rstrip("/") + "/")


def _ngx_socket_io(call: Call) -> _Found:
    for value in call.option("url"):
        options = pair(call.options, "options")
        path = pair(options, "path")
        yield Dialled("socket.io", value, (strings(path, call.scope)[0].text.rstrip("/") if path is not None else "/socket.io") + "/")


def _page(scope: Scope) -> str:
    return scope.page.origin if scope.page else ORIGIN


def _phoenix(call: Call) -> _Found:
    if call.is_new and (call.package == "phoenix" or re.search(r"phoenix", call.scope.module.text[:200_000], re.IGNORECASE)):
        for value in call.first():
            yield Dialled("phoenix", Value(text=value.text.rstrip("/") + "/websocket", condition=value.condition))


def _action_cable(call: Call) -> _Found:
    for value in call.first() or [Value(text="/cable")]:
        yield Dialled("actioncable", value)


def _stomp(call: Call) -> _Found:
    if not call.is_new and re.search(r"(?i)stomp\w*\.client$", call.name):
        for value in call.first():
            yield Dialled("stomp", value)
    elif call.is_new or call.name.endswith(".configure"):
        for value in call.option("brokerURL"):
            yield Dialled("stomp", value)


def _create_client(call: Call) -> _Found:
    if "supabase" in call.package or (not call.package and "supabase" in call.scope.module.text):
        for value in call.first():
            yield Dialled("supabase", value, "/realtime/v1/websocket")
    elif call.package in ("graphql-ws", "") and "graphql-ws" in call.scope.module.text:
        for value in call.option("url"):
            yield Dialled("graphql-ws", value)


def _transport_ws(call: Call) -> _Found:
    if call.is_new and not (call.arguments and call.arguments[0].kind() == "new_expression"):
        for value in call.option("uri", "url") or call.first():
            yield Dialled("subscriptions-transport-ws", value)


def _party(call: Call) -> _Found:
    room = call.option("room")
    for value in call.option("host") or [Value(text=ORIGIN)]:
        bare = re.sub(r"^\w+://", "", value.text)
        local = bare.partition(":")[0] in ("localhost", "127.0.0.1", "0.0.0.0")  # noqa: S104
        path = "/parties/main/" + (room[0].text if room else UNKNOWN)
        yield Dialled("partysocket", Value(text=f"{'ws' if local else 'wss'}://{bare}{path}", condition=value.condition))


def _pusher(call: Call) -> _Found:
    """pusher-js and Laravel Echo: the URL is put together from wsHost, the port of its scheme, and the key."""
    broadcaster = _one(call, "broadcaster")
    if call.name.endswith("Echo") and broadcaster == "socket.io":
        for value in call.option("host"):
            yield Dialled("socket.io", value, "/socket.io/")
        return
    key = _one(call, "key") if call.name.endswith("Echo") else (call.first() or [Value()])[0].text
    cluster = _one(call, "cluster")
    secure = _secure(call)
    host = _one(call, "wsHost", "httpHost") or (f"ws-{cluster}.pusher.com" if cluster else HOST if broadcaster == "reverb" else "")
    port = _one(call, "wssPort" if secure else "wsPort")
    if host:
        default = "443" if secure else "80"
        place = f"{host}:{port}" if port and port != default else host
        path = f"{_one(call, 'wsPath')}/app/{key or UNKNOWN}"
        yield Dialled("pusher", Value(text=f"{'wss' if secure else 'ws'}://{place}{path}"))


def _one(call: Call, *keys: str) -> str:
    values = call.option(*keys)
    return values[0].text if values else ""


def _secure(call: Call) -> bool:
    node = pair(call.options, "forceTLS", "encrypted")
    if node is not None and node.kind() in ("true", "false"):
        return bool(node.kind() == "true")
    return call.scope.page is None or call.scope.page.secure


def _centrifuge(call: Call) -> _Found:
    if call.arguments and call.arguments[0].kind() == "array":
        for item in call.arguments[0].children():
            endpoint = pair(item, "endpoint") if item.kind() == "object" else None
            if endpoint is not None and re.search(r"websocket", item.text()[:300]):
                for value in strings(endpoint, call.scope):
                    yield Dialled("centrifuge", value)
    else:
        for value in call.first():
            yield Dialled("centrifuge", value)


def _connect(call: Call) -> _Found:
    """mqtt.connect, Meteor.connect, DDP.connect, io.connect, and connectSocket of mini programs."""
    if call.name in ("io.connect", "socketio.connect") or call.package.startswith("socket.io"):
        yield from _socket_io(call)
        return
    root = call.name.partition(".")[0]
    library = {"mqtt": "mqtt", "Meteor": "meteor", "DDP": "meteor"}.get(call.package or root) or {"Meteor": "meteor", "DDP": "meteor"}.get(
        root
    )
    for value in call.first() if library else []:
        if re.match(r"wss?://|https?://", value.text) or not is_known(value.text):
            yield Dialled(library or "", value)


def _built(call: Call) -> _Found:
    """Code after a build, where names are gone: a call that is given a ws or wss URL, or an http one and the options of Socket.IO."""
    written = call.arguments[0] if call.arguments else None
    if written is None or written.kind() not in ("string", "template_string", "binary_expression", "identifier", "member_expression"):
        return
    if written.kind() in ("string", "template_string", "binary_expression") and re.search(r"wss?:", written.text()[:300]):
        for value in call.first():
            if re.match(r"wss?://", value.text):
                yield Dialled("native", value)
    if call.options is not None and call.options is not call.arguments[0] and pair(call.options, "transports") is not None:
        for value in call.first():
            if re.match(r"https?://", value.text) or not is_known(value.text):
                path = call.option("path")
                yield Dialled("socket.io", value, path[0].text.rstrip("/") + "/" if path else "/socket.io/")


_BY_PACKAGE: dict[str, _Reader] = {
    **dict.fromkeys(
        ("ws", "isomorphic-ws", "websocket", "reconnecting-websocket", "partysocket/ws", "sockette", "robust-websocket"), _native
    ),
    **dict.fromkeys(("websocket-ts", "react-native-websocket", "websocket-as-promised", "universal-websocket-client"), _native),
    "rxjs/webSocket": _rxjs,
    "socket.io-client": _socket_io,
    "sockjs-client": _given_url("sockjs"),
    "sockjs-client/dist/sockjs": _given_url("sockjs"),
    "pusher-js": _pusher,
    "laravel-echo": _pusher,
    "centrifuge": _centrifuge,
    "react-use-websocket": _hook,
    "ngx-socket-io": _ngx_socket_io,
    "subscriptions-transport-ws": _transport_ws,
    "@apollo/client/link/ws": _transport_ws,
    "apollo-link-ws": _transport_ws,
}
"""Package → its reader, whatever the code calls what it imports."""

_BY_NAME: dict[str, _Reader] = {
    **dict.fromkeys(
        ("WebSocket", "ReconnectingWebSocket", "ReconnectingWebsocket", "RobustWebSocket", "Sockette", "W3CWebSocket"), _native
    ),
    **dict.fromkeys(("w3cwebsocket", "ReconnectingSocket", "ReconnectingWs", "WebsocketBuilder"), _native),
    **dict.fromkeys(("WebSocketSubject", "webSocket"), _rxjs),
    **dict.fromkeys(("useWebSocket", "useReconnectingWebSocket", "useSocket"), _hook),
    **dict.fromkeys(("io", "socketIOClient", "socketio", "openSocket", "socketIO", "Manager"), _socket_io),
    "forRoot": _ngx_socket_io,
    "SockJS": _given_url("sockjs"),
    "EventSource": _given_url("sse"),
    "withUrl": _given_url("signalr"),
    "Socket": _phoenix,
    "createConsumer": _action_cable,
    **dict.fromkeys(("client", "Client", "configure", "CompatClient"), _stomp),
    "createClient": _create_client,
    **dict.fromkeys(("SubscriptionClient", "WebSocketLink"), _transport_ws),
    **dict.fromkeys(("PartySocket", "usePartySocket"), _party),
    **dict.fromkeys(("Pusher", "Echo"), _pusher),
    "Centrifuge": _centrifuge,
    **dict.fromkeys(("connect", "connectAsync"), _connect),
    "connectSocket": _given_url("native", "url"),
}
"""Last name of what is called → the reader, for code that imports nothing."""


def reader_of(node: "SgNode", scope: Scope, *, built: bool) -> tuple[Call, _Reader] | None:
    """Return a call and the reader that understands it; None for any other call. built: names may have been shortened."""
    callee = node.field("constructor") or node.field("function")
    name = short_name(callee)
    if built and callee is not None and callee.kind() == "parenthesized_expression":
        name = re.split(r"[,.]", name.strip("()"))[-1]  # (0, a.io)(…)
    package = _package(name, scope)
    last = name.rpartition(".")[2]
    reader = _BY_PACKAGE.get(package) or _BY_NAME.get(last) or (_built if built and name else None)
    if package == "partysocket" and _BY_NAME.get(last) is not _party:
        reader = _native
    if reader is None:
        return None
    arguments = tuple(c for c in (node.field("arguments") or node).children() if c.is_named() and c.kind() != "comment")
    return Call(node, name, package, arguments, scope), reader


def _package(name: str, scope: Scope) -> str:
    """Return the package that the first part of a name is imported from; "" for what the project defines itself."""
    if required := re.match(r"require\([\"']([\w@/.-]+)[\"']\)", name):
        return required[1]
    written, _ = scope.module.imports.get(name.partition(".")[0], ("", ""))
    return written if written and not written.startswith((".", "/", "~")) and not written.startswith("@/") else ""
