"""GraphQL over WebSocket: graphql-transport-ws (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md) and its predecessor
graphql-ws (https://github.com/apollographql/subscriptions-transport-ws/blob/master/PROTOCOL.md), whose names are easily confused: the
library graphql-ws speaks graphql-transport-ws.
"""

import json

from msgspec import Struct

from wsbook.wire.dialects.objects import parse_object, word

__all__ = ["INIT", "LEGACY", "TRANSPORT", "Message", "parse_message"]

TRANSPORT, LEGACY = "graphql-transport-ws", "graphql-ws"
INIT = json.dumps({"type": "connection_init", "payload": {}}, separators=(",", ":"))
_ACKNOWLEDGED = frozenset({"connection_ack"})
_ALIVE = frozenset({"ka", "ping", "pong", "connection_keep_alive"})
_REFUSED = frozenset({"connection_error", "error"})


class Message(Struct, frozen=True, kw_only=True):
    """One message. kind: ack, alive, refused, other, or "" for what is no message of these protocols. text: of a refusal."""

    kind: str
    type: str = ""
    text: str = ""


def parse_message(text: str) -> Message:
    """Return the message in a text frame."""
    found = parse_object(text)
    kind_of = word(found, "type", 60)
    if not kind_of:
        return Message(kind="")
    for kind, types in (("ack", _ACKNOWLEDGED), ("alive", _ALIVE), ("refused", _REFUSED)):
        if kind_of in types:
            payload = found.get("payload")
            said = word(payload, "message") if isinstance(payload, dict) else payload[:200] if isinstance(payload, str) else ""
            return Message(kind=kind, type=kind_of, text=said)
    return Message(kind="other", type=kind_of)
