"""Which client library understands which server library, on top of RFC 6455. Knows dialects, no code."""

__all__ = ["LISTENERS", "is_foreign", "speaks", "versions_meet"]

LISTENERS = frozenset({"uvicorn", "hypercorn", "granian", "gunicorn", "daphne", "node", "go", "docker", "compose", "rust"})
"""What only opens a port; what is offered on it, other facts say."""

_OWN_TRANSPORT = frozenset({"socket.io", "sockjs", "signalr"})
"""Libraries whose servers refuse what does not begin as they do, and whose clients no other server understands."""

_SUBPROTOCOL = frozenset({"graphql-ws", "subscriptions-transport-ws", "stomp", "phoenix", "actioncable", "mqtt", "pusher", "centrifuge"})
"""Libraries that speak their own messages on a plain socket: a hand-written client may speak them too."""

_SERVERS_OF_THEIR_OWN = frozenset({"supabase", "ably", "pusher", "mqtt", "meteor", "partysocket", "centrifuge", "sse"})
"""Clients whose server is a product of its own and hardly ever in the code beside them."""


def is_foreign(library: str) -> bool:
    """Whether a client's server is not expected in the backend's code."""
    return library in _SERVERS_OF_THEIR_OWN


def speaks(dialled: str, offered: str, path: str | None) -> bool:
    """Whether a client's library can talk to a server's. path: that is dialled; SockJS and Socket.IO have a plain door."""
    if dialled == offered:
        return True
    if offered in _OWN_TRANSPORT and dialled not in _OWN_TRANSPORT:
        return _plain_door(offered, path or "")
    if dialled in _OWN_TRANSPORT:
        return False
    if dialled in _SUBPROTOCOL and offered in _SUBPROTOCOL:
        return False
    return dialled not in ("phoenix", "actioncable") or offered not in ("websockets", "fastapi", "spring", "gorilla")


def _plain_door(offered: str, path: str) -> bool:
    """SockJS answers plain sockets below /websocket; a hand-written Socket.IO or SignalR client dials its path."""
    if offered == "sockjs":
        return path.rstrip("/").endswith("/websocket")
    return offered == "signalr" or "socket.io" in path


def versions_meet(dialled: str, offered: str) -> bool:
    """Whether two sides have a protocol major in common; what is not known is no obstacle."""
    return not dialled or not offered or bool(set(dialled.split(",")) & set(offered.split(",")))
