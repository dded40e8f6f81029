"""ASP.NET Core SignalR: negotiation, the JSON hub protocol's handshake and records.

https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/TransportProtocols.md and HubProtocol.md.
"""

from msgspec import Struct

from wsbook.wire.dialects.objects import number, parse_object, word

__all__ = ["HANDSHAKE", "Negotiated", "Record", "parse_negotiation", "parse_records"]

_END = "\x1e"
HANDSHAKE = '{"protocol":"json","version":1}' + _END
_KINDS = {1: "invocation", 2: "stream item", 3: "completion", 6: "ping", 7: "close"}
_RECORDS = 50


class Negotiated(Struct, frozen=True, kw_only=True):
    """The answer to negotiate. token: what connects, of whichever version. url: where the server sends the client, "" nowhere."""

    token: str = ""
    transports: tuple[str, ...] = ()
    version: int = 0
    url: str = ""
    error: str = ""


class Record(Struct, frozen=True, kw_only=True):
    """One record. kind: handshake, invocation, stream item, completion, ping, close, other, or "" for no record. error: what it says."""

    kind: str
    error: str = ""


def _transport_names(found: object) -> tuple[str, ...]:
    entries = found[:20] if isinstance(found, list) else []
    return tuple(word(entry, "transport", 60) for entry in entries if isinstance(entry, dict) and word(entry, "transport"))


def parse_negotiation(body: str) -> Negotiated | None:
    """Return what a negotiate answer says, None when the body is none."""
    found = parse_object(body)
    token = word(found, "connectionToken") or word(found, "connectionId")
    if not (token or word(found, "url") or word(found, "error")):
        return None
    return Negotiated(
        token=token,
        transports=_transport_names(found.get("availableTransports")),
        version=number(found, "negotiateVersion") or 0,
        url=word(found, "url"),
        error=word(found, "error"),
    )


def _record(text: str) -> Record:
    found = parse_object(text)
    kind = number(found, "type")
    if kind is None:
        alone = text.strip() == "{}" or "error" in found
        return Record(kind="handshake" if alone else "", error=word(found, "error"))
    return Record(kind=_KINDS.get(kind, "other"), error=word(found, "error"))


def parse_records(text: str) -> tuple[Record, ...]:
    """Return the complete records in a text frame; the handshake's answer is an object without a type."""
    return tuple(_record(part) for part in text.split(_END, _RECORDS)[:-1])
