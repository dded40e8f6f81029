"""What a message calls itself: the members by which a page tells which of its functions a message is for.

Pure; texts are hostile and capped. It must not know whether anybody listens for these names.
"""

import re
from collections.abc import Iterator, Mapping

from wsbook.wire.dialects.objects import parse_json
from wsbook.wire.dialects.stomp import parse_frame
from wsbook.wire.messages import opened

__all__ = ["names_in"]

_CHARS, _NAME_CHARS, _NAMES = 16_384, 80, 6
_TELLING = (
    *("type", "event", "eventType", "event_type", "eventName", "event_name", "kind", "action", "op", "method", "cmd", "command"),
    *("evt", "ev", "msgType", "msg_type", "messageType", "message_type"),
    *("target", "topic", "channel", "room", "stream", "subject", "name", "t", "e"),
)
"""Members whose text tells a kind of message, or the stream that it belongs to; the most telling first."""
_INSIDE = ("data", "payload", "message", "msg", "body", "params", "detail", "content", "d")
"""Members that hold the application's own message when a library's stands around it."""
_EVENT = re.compile(r"\A\d{1,2}(?:/(?P<space>[\w/-]{1,60}),)?\d*(?P<rest>\[.*)\Z", re.DOTALL)
"""A Socket.IO event inside an Engine.IO message (socket.io-protocol, "Packet encoding")."""
_WORD = re.compile(r"[^\s{}\[\]\"'`<>]{1,80}\Z")


def names_in(text: str) -> tuple[tuple[str, str], ...]:
    """Return (member, value) of what names a message, the most telling first, at most six: JSON members, a Socket.IO, Phoenix or other
    event at the begin of an array, a SignalR target, STOMP's headers. Empty for anything else, and for values that hold a marker."""
    shown = opened(text[:_CHARS])
    found = dict.fromkeys(_stomp(shown) or _event(shown) or _value(parse_json(shown.strip("\x1e\r\n\0 ")), ""))
    return tuple((member, value) for member, value in found if "wsbook-" not in value)[:_NAMES]


def _stomp(text: str) -> tuple[tuple[str, str], ...]:
    frame = parse_frame(text)
    if frame.command != "MESSAGE":
        return ()
    heads = tuple((name, frame.header(name)[:_NAME_CHARS]) for name in ("destination", "type", "event") if frame.header(name))
    return (*heads, *_value(parse_json(frame.body), "body."))


def _event(text: str) -> tuple[tuple[str, str], ...]:
    found = _EVENT.match(text)
    value = parse_json(found["rest"]) if found else None
    if found is None or not isinstance(value, list) or not value or not _is_name(value[0]):
        return ()
    space = (("namespace", f"/{found['space']}"),) if found["space"] else ()
    inner = _value(value[1], "") if len(value) > 1 and isinstance(value[1], Mapping) else ()
    return (("event", value[0]), *space, *inner)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _WORD.match(value) is not None


def _value(value: object, path: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield what names a JSON value, and then what names the message inside it."""
    if isinstance(value, list):
        yield from _array(value)
    elif isinstance(value, Mapping) and depth < 3:
        yield from ((f"{path}{member}", value[member]) for member in _TELLING if _is_name(value.get(member)))
        for member in _INSIDE:
            inner = value.get(member)
            if isinstance(inner, str) and inner[:1] in ("{", "["):  # Pusher and Action Cable carry JSON in a text
                inner = parse_json(inner)
            if isinstance(inner, Mapping):
                yield from _value(inner, f"{path}{member}.", depth + 1)
        yield from _graphql(value)


def _graphql(value: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the field of a GraphQL subscription: the only name in its data (graphql-ws, "Next")."""
    payload = value.get("payload")
    data = payload.get("data") if value.get("type") in ("next", "data") and isinstance(payload, Mapping) else None
    if isinstance(data, Mapping):
        yield from (("payload.data", str(name)[:_NAME_CHARS]) for name in list(data)[:1])


def _array(value: list[object]) -> Iterator[tuple[str, str]]:
    """Yield the event of an array: Phoenix sends [join, reference, topic, event, payload], others the event first."""
    if len(value) == 5 and _is_name(value[2]) and _is_name(value[3]):
        yield from (("event", str(value[3])), ("topic", str(value[2])))
        yield from _value(value[4], "payload.", 1)
    elif value and _is_name(value[0]):
        yield "[0]", str(value[0])
        for inner in value[1:3]:
            if isinstance(inner, Mapping):
                yield from _value(inner, "", 1)
