"""What kind of message a text is, whatever it carries this time: for counting, and for comparing what is said on two connections.

Pure. Texts are hostile and capped; credentials are left out. It must not know which connection a message was on.
"""

import re
from collections.abc import Mapping

import msgspec

from wsbook.wire.messages import opened

__all__ = ["kind_of", "settled"]

_CHARS = 2_000
_KIND_CHARS, _SETTLED_CHARS = 60, 160
_NAMES = (
    *("type", "event", "op", "kind", "action", "method", "cmd", "command", "msg"),
    *("t", "e", "name", "channel", "topic", "target", "stream"),
)
"""Members by which applications tell messages apart, the most telling first; the value must be a short text or number."""
_SECRET = re.compile(r"(?i)token|secret|passw|auth|jwt|session|cookie|api_?key|signature|credential")
_TOLD = re.compile(
    r"(?i)\b(token|passcode|password|authorization|secret|api_?key)([\"']?\s*[:=]\s*[\"']?)(?:Bearer |Basic )?[^\s\"',;&{}]+"
)
_VARYING = (
    (re.compile(r"eyJ[\w-]{6,}(?:\.[\w-]*){1,2}"), "{token}"),
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "{id}"),
    (re.compile(r"\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z0-9_-]{12,}\b"), "{id}"),
    (re.compile(r"\d+(?:\.\d+)?"), "{n}"),
)
_ENGINE = re.compile(r"\A(?P<packet>[0-6]{1,2})(?:/(?P<space>[\w-]+),)?\d*(?P<rest>[\[{].*|)\Z", re.DOTALL)
"""Engine.IO v4 packet type and Socket.IO v5 packet type with its namespace (socket.io-protocol, "Packet encoding")."""


def _value(text: str) -> object:
    try:
        return msgspec.json.decode(text.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return None


def kind_of(text: str) -> str:
    """Return a short name for messages of this kind: packet and event, the member that tells, a command, or the shape of it."""
    shown = opened(text[:_CHARS]).strip("\x1e\r\n\0 ")
    if engine := _ENGINE.match(shown):
        name = _kind_of_value(_value(engine["rest"])) if engine["rest"] else ""
        return f"{engine['packet']} {name}".strip()[:_KIND_CHARS]
    if re.match(r"[A-Z]{3,20}\n", shown):
        return shown.partition("\n")[0]
    return (_kind_of_value(_value(shown)) or _word(shown))[:_KIND_CHARS]


def _kind_of_value(value: object) -> str:
    if isinstance(value, Mapping):
        told = [
            f"{name}={_named(value[name])}" for name in _NAMES if isinstance(value.get(name), str | int) and len(str(value[name])) <= 40
        ]
        return ", ".join(told[:2]) or "{" + ", ".join(sorted(map(str, value))[:6]) + "}"
    if isinstance(value, list):
        texts = [item for item in value if isinstance(item, str)][-2:]
        return "[" + (", ".join(_steady(text[:30]) for text in texts) or f"{len(value)} values") + "]"
    return ""


def _named(value: object) -> str:
    """Return what names a kind; small numbers are types, as SignalR has them."""
    return str(value) if isinstance(value, int) and 0 <= value < 100 else _steady(str(value))


def _word(text: str) -> str:
    return _steady(text[:30]) if re.fullmatch(r"[\w.:/ -]{1,30}", text) else "text"


def _steady(text: str) -> str:
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return text


def settled(text: str) -> str:
    """Return a message with what varies from one connection to the next replaced by {n}, {id} and {token}."""
    shown = opened(text[:_CHARS]).strip("\x1e\r\n\0 ")
    engine = _ENGINE.match(shown)
    head, rest = (engine["packet"] + (engine["space"] or ""), engine["rest"]) if engine else ("", shown)
    value = _value(rest) if rest[:1] in ("{", "[") else None
    if value is not None:
        rest = msgspec.json.encode(_without_secrets(value)).decode()
    return (head + _steady(_TOLD.sub(r"\1\2{token}", rest)))[:_SETTLED_CHARS]


def _without_secrets(value: object, depth: int = 0) -> object:
    if depth > 8:
        return "…"
    if isinstance(value, Mapping):
        return {
            key: "{token}" if _SECRET.search(str(key)) and isinstance(item, str | int) else _without_secrets(item, depth + 1)
            for key, item in sorted(value.items())
        }
    if isinstance(value, list):
        return [_without_secrets(item, depth + 1) for item in value]
    return value
