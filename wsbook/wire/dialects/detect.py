"""Which dialect an endpoint speaks, from what is known of it without asking: its URL, what it said, what its client is."""

import re
from collections.abc import Iterable

from msgspec import Struct

from wsbook.wire.dialects import engineio, graphql, signalr, small, sockjs, stomp
from wsbook.wire.dialects.objects import parse_object

__all__ = ["DIALECTS", "Clue", "recognise"]

DIALECTS = ("engine.io", "sockjs", "signalr", "graphql", "stomp", "phoenix", "actioncable", "mqtt")

_BY_LIBRARY = {
    "socket.io": "engine.io",
    "engine.io": "engine.io",
    "sockjs": "sockjs",
    "signalr": "signalr",
    "graphql-ws": "graphql",
    "subscriptions-transport-ws": "graphql",
    "stomp": "stomp",
    "phoenix": "phoenix",
    "actioncable": "actioncable",
    "mqtt": "mqtt",
}
"""A library of the frontend or backend → what it speaks."""

_BY_URL = (
    ("engine.io", re.compile(r"/(?:socket|engine)\.io(?:/|$|\?)|[?&]EIO=\d")),
    ("sockjs", re.compile(r"/[0-9]{3}/[a-z0-9_]{6,}/(?:websocket|xhr)|/sockjs(?:[/?]|$)", re.IGNORECASE)),
    ("phoenix", re.compile(r"[?&]vsn=\d|/live/websocket|^/socket/websocket")),
    ("actioncable", re.compile(r"/cable(?:\?|$)")),
    ("signalr", re.compile(r"/signalr(?:[/?]|$)|[?&]negotiateVersion=", re.IGNORECASE)),
    ("graphql", re.compile(r"/(?:graphql|subscriptions)(?:[/?]|$)")),
    ("mqtt", re.compile(r"/mqtt(?:[/?]|$)")),
)
_BY_SUBPROTOCOL = (
    ("graphql", re.compile(r"graphql-(?:transport-)?ws$")),
    ("stomp", re.compile(r"v1[0-2]\.stomp$")),
    ("actioncable", re.compile(r"actioncable-")),
    ("mqtt", re.compile(r"mqtt(?:v3\.1)?$")),
)


class Clue(Struct, frozen=True, kw_only=True):
    """A dialect and why it is believed to be spoken. basis: said (the endpoint's own words), asked (its client), path."""

    dialect: str
    why: str
    basis: str


def _by_message(text: str) -> str:
    if engineio.open_of(engineio.parse_packet(text)):
        return "engine.io"
    if sockjs.parse_frame(text).kind == "open":
        return "sockjs"
    if small.welcome(text)[0] == "welcome":
        return "actioncable"
    if graphql.parse_message(text).type in ("connection_ack", "ka"):
        return "graphql"
    if stomp.parse_frame(text).command in ("CONNECTED", "ERROR"):
        return "stomp"
    return "signalr" if any(record.kind == "ping" for record in signalr.parse_records(text)) else ""


def _by_body(body: str) -> str:
    """Recognise a server by the refusal of a plain upgrade."""
    found = parse_object(body)
    if isinstance(found.get("code"), int) and isinstance(found.get("message"), str) and len(found) <= 3 and 0 <= found["code"] <= 5:
        return "engine.io"
    if "Engine.IO protocols" in body or "unsupported version of the Socket.IO" in body:
        return "engine.io"
    if "Welcome to SockJS" in body:
        return "sockjs"
    return "signalr" if body.strip() in ("No Connection with that ID", "Connection ID required") else ""


def recognise(
    resource: str,
    *,
    subprotocols: Iterable[str] = (),
    first_message: str | None = None,
    body: str = "",
    libraries: Iterable[str] = (),
) -> tuple[Clue, ...]:
    """Return the dialects that an endpoint seems to speak, surest first: what it said, what it is asked for, what its client is.

    resource: path and query. body: of a refused upgrade. libraries: names as EndpointFacts has them.
    """
    found: dict[str, Clue] = {}

    def note(dialect: str, why: str, basis: str) -> None:
        if dialect:
            found.setdefault(dialect, Clue(dialect=dialect, why=why, basis=basis))

    note(_by_message(first_message or ""), "its first message", "said")
    note(_by_body(body), "the body of its refusal", "said")
    for offered in subprotocols:
        for dialect, pattern in _BY_SUBPROTOCOL:
            if pattern.match(offered):
                note(dialect, f"the subprotocol {offered}", "asked")
    for library in libraries:
        note(_BY_LIBRARY.get(library, ""), f"the client library {library}", "asked")
    for dialect, pattern in _BY_URL:
        if pattern.search(resource):
            note(dialect, f"the path {resource[:60]}", "path")
    return tuple(found.values())
