"""Engine.IO versions 3 and 4, and the Socket.IO packets inside (https://socket.io/docs/v4/engine-io-protocol/, socket-io-protocol/).

Knows packets and payloads of text; binary packets are only recognised.
"""

import re

from msgspec import Struct

from wsbook.wire.dialects.objects import number, parse_json, parse_object, texts, word

__all__ = ["CLOSE", "PING", "PROBE", "PROBED", "UPGRADE", "Open", "Packet", "connect_packet", "open_of", "parse_packet", "parse_payload"]

CLOSE, PING, PROBE, PROBED, UPGRADE = "1", "2", "2probe", "3probe", "5"
_SEPARATOR = "\x1e"
_LENGTH = re.compile(r"(\d{1,7}):")
_NAMES = ("open", "close", "ping", "pong", "message", "upgrade", "noop")
_SOCKETIO = ("CONNECT", "DISCONNECT", "EVENT", "ACK", "CONNECT_ERROR", "BINARY_EVENT", "BINARY_ACK")
_PACKETS = 100


class Open(Struct, frozen=True, kw_only=True):
    """What a server says first. max_payload_bytes: None before version 4.1. Times None when it does not say."""

    sid: str
    upgrades: tuple[str, ...] = ()
    ping_interval_s: float | None = None
    ping_timeout_s: float | None = None
    max_payload_bytes: int | None = None


class Packet(Struct, frozen=True, kw_only=True):
    """One packet. kind: open, close, ping, pong, message, upgrade, noop, or "" for something else.

    of a message: socketio is the Socket.IO packet's kind, namespace its namespace, message the text of a CONNECT_ERROR.
    """

    kind: str
    data: str = ""
    socketio: str = ""
    namespace: str = ""
    message: str = ""


def parse_packet(text: str) -> Packet:
    """Return the packet in a text frame."""
    if not text or text[0] not in "0123456":
        return Packet(kind="", data=text[:200])
    kind, data = _NAMES[int(text[0])], text[1:]
    if kind != "message" or data[:1] not in "0123456" or not data:
        return Packet(kind=kind, data=data)
    namespace, rest = "/", data[1:]
    if rest.startswith("/"):
        namespace, _, rest = rest.partition(",")
    said = parse_json(rest) if data[0] == "4" else None
    message = word(said, "message") if isinstance(said, dict) else said[:200] if isinstance(said, str) else ""
    return Packet(kind=kind, data=rest, socketio=_SOCKETIO[int(data[0])], namespace=namespace[:100], message=message)


def parse_payload(text: str) -> tuple[Packet, ...]:
    """Return the packets in the body of a polling answer: version 4 separates them, version 3 counts the characters of each."""
    found: list[str] = []
    if _LENGTH.match(text):
        position = 0
        while (length := _LENGTH.match(text, position)) and len(found) < _PACKETS:
            position = length.end() + int(length[1])
            found.append(text[length.end() : position])
    else:
        found = text.split(_SEPARATOR, _PACKETS)[:_PACKETS]
    return tuple(parse_packet(one) for one in found)


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def open_of(packet: Packet) -> Open | None:
    """Return what an open packet says, None for another packet or one without a session."""
    said = parse_object(packet.data) if packet.kind == "open" else {}
    if not word(said, "sid"):
        return None
    return Open(
        sid=word(said, "sid"),
        upgrades=texts(said, "upgrades"),
        ping_interval_s=_seconds(number(said, "pingInterval")),
        ping_timeout_s=_seconds(number(said, "pingTimeout")),
        max_payload_bytes=number(said, "maxPayload"),
    )


def connect_packet(namespace: str = "/") -> str:
    """Return the packet that asks for a Socket.IO namespace."""
    return "40" if namespace in ("", "/") else f"40{namespace},"
