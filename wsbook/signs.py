"""What marks a request in somebody's log: the words in WebSocket paths, and the mark of our own probe. No I/O.

Every attempt carries a mark of its own, made of its Sec-WebSocket-Key. Logs show it in the User-Agent; logs that print only the path
show it in the query of the one variant that carries it there.
"""

import base64
import binascii
import re

__all__ = ["MARK_BYTES", "PATH_WORDS", "PROBE", "QUERY_NAME", "agent_mark", "find_marks", "is_socket_path", "mark_of_key"]

PROBE = "wsbook"
"""Our own product name: in the User-Agent, in random paths and as the name of the marking query parameter."""
QUERY_NAME = PROBE
MARK_BYTES = 4
_MARKS = (
    re.compile(rf"{PROBE}/[\w.+-]+ \(([0-9a-f]{{8}})\)"),
    re.compile(rf"[?&]{QUERY_NAME}=([0-9a-f]{{8}})(?![0-9a-f])"),
    re.compile(rf"/{PROBE}-([0-9a-f]{{12}})(?![0-9a-f])"),
)
"""In the User-Agent, in the query, and in the path of the variant that asks for a path that nobody serves."""

PATH_WORDS = frozenset(
    (
        *("ws", "wss", "websocket", "websockets", "socket", "sockets", "sock", "sockjs", "live", "cable", "hub", "hubs", "realtime"),
        *("stream", "events", "signalr", "graphql", "mqtt", "stomp"),
    )
)
"""A path that has one of these as a word is likely one of WebSockets: what the products' own documentation calls them."""
_EDGE = re.compile(r"[/_.-]")


def is_socket_path(path: str) -> bool:
    """Tell whether a path has a word that only paths of WebSockets usually have."""
    return not PATH_WORDS.isdisjoint(_EDGE.split(path.partition("?")[0].lower()))


def mark_of_key(key: str) -> str:
    """Return the mark that belongs to a Sec-WebSocket-Key: the first 4 of its bytes in hexadecimal, "" when the key is no base64."""
    try:
        return base64.b64decode(key, validate=True)[:MARK_BYTES].hex()
    except (binascii.Error, ValueError):
        return ""


def agent_mark(mark: str) -> str:
    """Return the comment (RFC 9110 section 10.1.5) that carries a mark behind our product name, with its space; "" for no mark."""
    return f" ({mark})" if len(mark) == 2 * MARK_BYTES else ""


def find_marks(text: str) -> tuple[str, ...]:
    """Return the marks of our probe that a log line or a request shows, that of the User-Agent first; () when it shows none."""
    if PROBE not in text:
        return ()
    return tuple(found[1] for pattern in _MARKS if (found := pattern.search(text)))
