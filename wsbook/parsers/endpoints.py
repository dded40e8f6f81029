"""Where frontend code opens a real-time connection, and to what URL. Knows client libraries; servers are in offers.py.

The url of an EndpointFacts is what is dialled, without a query that is only partly known; None when host or path cannot be told. A
path may be known without the url, for example when the host is the page's and no page was given.
"""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wsbook.facts import EndpointFacts
from wsbook.parsers.evaluate import HOST, ORIGIN, PROTOCOL, UNKNOWN, Scope, Value, pair, strings

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["HTTP_LIBRARIES", "find_dialled"]

HTTP_LIBRARIES = ("socket.io", "sockjs", "signalr", "sse")
"""Libraries that are given http or https URLs."""

_NATIVE = (
    "WebSocket",
    "ReconnectingWebSocket",
    "ReconnectingWebsocket",
    "RobustWebSocket",
    "Sockette",
    "WebSocketSubject",
    "W3CWebSocket",
    "WS",
)
_HOOKS = ("useWebSocket", "useReconnectingWebSocket", "webSocket", "useWebSocketImplementation")
_SERVER_IMPORT = re.compile(r"""(?:from|require\()\s*["'](?:ws|uWebSockets\.js)["']""")
_UNKNOWNS = f"[{UNKNOWN}{HOST}{PROTOCOL}{ORIGIN}]"
_PARTS = re.compile(rf"(?:(?:\w{{2,8}}|{PROTOCOL}?{UNKNOWN}?):?//|{PROTOCOL}//|{ORIGIN})([^/?#]*)([^?#]*)")


def find_dialled(root: "SgNode", scope: Scope, *, file: str, first_line: int = 1) -> Iterator[EndpointFacts]:
    """Yield the endpoints that one piece of frontend code dials, in order of the code."""
    whole = root.text()
    calls = sorted((*root.find_all(kind="new_expression"), *root.find_all(kind="call_expression")), key=lambda n: n.range().start.index)
    for call in calls:
        name = _name(call)
        reader = _READERS.get(name.rpartition(".")[2])
        if reader is None:
            continue
        arguments = [c for c in (call.field("arguments") or call).children() if c.is_named() and c.kind() != "comment"]
        for library, value, extra in reader(call, name, arguments, scope, whole):
            yield _fact(library, value, extra, scope, file, call.range().start.line + first_line, call.text())


def _name(call: "SgNode") -> str:
    node = call.field("constructor") or call.field("function")
    return re.sub(r"\s+", "", node.text()[-120:]) if node is not None else ""


_Found = Iterator[tuple[str, Value, str]]
"""(library, value, path that the library adds or replaces)."""

_Reader = Callable[["SgNode", str, "list[SgNode]", Scope, str], _Found]


def _native(call: "SgNode", name: str, arguments: "list[SgNode]", scope: Scope, whole: str) -> _Found:
    if call.kind() == "new_expression" and arguments and not (name == "WS" and not _SERVER_IMPORT.search(whole)):
        for value in strings(arguments[0], scope):
            yield "native", value, ""


def _hook(call: "SgNode", name: str, arguments: "list[SgNode]", scope: Scope, whole: str) -> _Found:
    if call.kind() == "call_expression" and arguments:
        node = pair(arguments[0], "url") if arguments[0].kind() == "object" else arguments[0]
        for value in strings(node, scope):
            yield "native", value, ""


def _socket_io(call: "SgNode", name: str, arguments: "list[SgNode]", scope: Scope, whole: str) -> _Found:
    if name not in ("io", "io.connect", "socketIOClient", "socketio", "openSocket", "socketIO") or "emit" in name:
        return
    if name != "io" and "socket.io" not in whole:
        return
    options = next((a for a in arguments if a.kind() == "object"), None)
    given = pair(options, "path")
    path = strings(given, scope)[0].text if given is not None else "/socket.io/"
    bases = strings(arguments[0], scope) if arguments and arguments[0] is not options else [Value(text=_page(scope))]
    for base in bases:
        origin = Value(text=_page(scope), condition=base.condition) if base.text.startswith("/") or base.text == "" else base
        yield "socket.io", origin, path if path.startswith("/") else "/" + path


def _page(scope: Scope) -> str:
    return scope.page.origin if scope.page else ORIGIN


def _sockjs(call: "SgNode", name: str, arguments: "list[SgNode]", scope: Scope, whole: str) -> _Found:
    for value in strings(arguments[0], scope) if arguments else []:
        yield "sockjs", value, ""


def _sse(call: "SgNode", name: str, arguments: "list[SgNode]", scope: Scope, whole: str) -> _Found:
    for value in strings(arguments[0], scope) if arguments else []:
        yield "sse", value, ""


def _signalr(call: "SgNode", name: str, arguments: "list[SgNode]", scope: Scope, whole: str) -> _Found:
    for value in strings(arguments[0], scope) if arguments else []:
        yield "signalr", value, ""


def _phoenix(call: "SgNode", name: str, arguments: "list[SgNode]", scope: Scope, whole: str) -> _Found:
    if call.kind() == "new_expression" and arguments and re.search(r"phoenix", whole, re.IGNORECASE):
        for value in strings(arguments[0], scope):
            yield "phoenix", Value(text=value.text.rstrip("/") + "/websocket", condition=value.condition), ""


def _action_cable(call: "SgNode", name: str, arguments: "list[SgNode]", scope: Scope, whole: str) -> _Found:
    for value in strings(arguments[0], scope) if arguments else [Value(text="/cable")]:
        yield "actioncable", value, ""


def _from_options(library: str, *keys: str) -> _Reader:
    def read(call: "SgNode", name: str, arguments: "list[SgNode]", scope: Scope, whole: str) -> _Found:
        node = pair(arguments[0], *keys) if arguments else None
        for value in strings(node, scope) if node is not None else []:
            yield library, value, ""

    return read


def _stomp_client(call: "SgNode", name: str, arguments: "list[SgNode]", scope: Scope, whole: str) -> _Found:
    if call.kind() == "call_expression" and name.endswith("Stomp.client") and arguments:
        for value in strings(arguments[0], scope):
            yield "stomp", value, ""
    elif call.kind() == "new_expression":
        yield from _from_options("stomp", "brokerURL")(call, name, arguments, scope, whole)


def _graphql(call: "SgNode", name: str, arguments: "list[SgNode]", scope: Scope, whole: str) -> _Found:
    if "graphql-ws" in whole or name != "createClient":
        if arguments and arguments[0].kind() != "object":
            for value in strings(arguments[0], scope):
                yield "graphql-ws", value, ""
        else:
            yield from _from_options("graphql-ws", "url", "uri")(call, name, arguments, scope, whole)


def _party(call: "SgNode", name: str, arguments: "list[SgNode]", scope: Scope, whole: str) -> _Found:
    host, room = (pair(arguments[0], key) if arguments else None for key in ("host", "room"))
    for value in strings(host, scope) if host is not None else [Value(text=ORIGIN)]:
        bare = re.sub(r"^\w+://", "", value.text)
        local = bare.partition(":")[0] in ("localhost", "127.0.0.1", "0.0.0.0")  # noqa: S104
        path = "/parties/main/" + (strings(room, scope)[0].text if room is not None else UNKNOWN)
        yield "partysocket", Value(text=f"{'ws' if local else 'wss'}://{bare}{path}", condition=value.condition), ""


def _connect(call: "SgNode", name: str, arguments: "list[SgNode]", scope: Scope, whole: str) -> _Found:
    """mqtt.connect, Meteor.connect, DDP.connect, io.connect and Socket.connect of anything that is given a ws URL."""
    if name == "io.connect":
        yield from _socket_io(call, name, arguments, scope, whole)
    library = {"mqtt": "mqtt", "Meteor": "meteor", "DDP": "meteor"}.get(name.partition(".")[0])
    for value in strings(arguments[0], scope) if library and arguments else []:
        if re.match(rf"wss?://|https?://|{_UNKNOWNS}", value.text):
            yield library or "", value, ""


_READERS: dict[str, _Reader] = {
    **dict.fromkeys(_NATIVE, _native),
    **dict.fromkeys(_HOOKS, _hook),
    **dict.fromkeys(("io", "socketIOClient", "socketio", "openSocket", "socketIO"), _socket_io),
    "SockJS": _sockjs,
    "EventSource": _sse,
    "withUrl": _signalr,
    "Socket": _phoenix,
    "createConsumer": _action_cable,
    "client": _stomp_client,
    "Client": _stomp_client,
    **dict.fromkeys(("createClient", "SubscriptionClient", "WebSocketLink"), _graphql),
    **dict.fromkeys(("PartySocket", "usePartySocket"), _party),
    "connect": _connect,
}


def _fact(library: str, value: Value, path: str, scope: Scope, file: str, line: int, text: str) -> EndpointFacts:
    url, seen = _resolved(value.text, library, scope)
    if path:
        scheme, place = _parts(url) if url else ("", "")
        url, seen = (f"{scheme}://{place}{path}" if place and UNKNOWN not in path else None), path
    return EndpointFacts(
        side="frontend",
        library=library,
        file=file,
        line=line,
        expression=re.sub(r"\s+", " ", text)[:200],
        url=url,
        path=seen if seen is not None and not re.search(_UNKNOWNS, seen) else None,
        port=_port(url) if url else None,
        condition=value.condition,
    )


def _port(url: str) -> int | None:
    """Return the port of a URL, the scheme's default when it has none; None when it is no valid URL."""
    try:
        return urlsplit(url).port or {"ws": 80, "http": 80, "wss": 443, "https": 443}.get(urlsplit(url).scheme)
    except ValueError:
        return None


def _parts(url: str) -> tuple[str, str]:
    try:
        return urlsplit(url).scheme, urlsplit(url).netloc
    except ValueError:
        return "", ""


def _resolved(text: str, library: str, scope: Scope) -> tuple[str | None, str | None]:
    """Return (url, path) of an evaluated text; a relative one belongs to the page."""
    if text.startswith("//") and scope.page:
        text = f"{scope.page.scheme}:{text}"
    elif text.startswith("/") and not text.startswith("//"):
        scheme = scope.page.origin if library in HTTP_LIBRARIES and scope.page else ""
        socket = f"{'wss' if scope.page.secure else 'ws'}://{scope.page.authority}" if scope.page else ORIGIN
        text = (scheme or socket) + text
    known, _, _ = text.partition("?")
    parts = _PARTS.match(text)
    path = (parts[2] or "/") if parts and (UNKNOWN not in parts[1]) else None
    if re.search(_UNKNOWNS, known) or not re.match(r"[A-Za-z][\w+.-]*://", known):
        return None, path
    return (text if not re.search(_UNKNOWNS, text) else known)[:2000], path
