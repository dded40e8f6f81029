"""SockJS 0.3 (https://sockjs.github.io/sockjs-protocol/sockjs-protocol-0.3.3.html): /info, URLs of sessions, frames."""

import re

from msgspec import Struct

from wsbook.wire.dialects.objects import number, parse_json, parse_object

__all__ = ["Frame", "Info", "base_path", "parse_frame", "parse_info"]

_SESSION = re.compile(r"/[^/.]+/[^/.]+/(?:websocket|xhr(?:_streaming|_send)?|eventsource|htmlfile|jsonp(?:_send)?)$")
_TAIL = re.compile(r"/(?:websocket|info)$")
_KINDS = {"o": "open", "h": "heartbeat", "a": "messages", "m": "messages", "c": "close"}


class Info(Struct, frozen=True, kw_only=True):
    """The answer to /info. websocket, cookie_needed: None when it does not say. entropy: differs from answer to answer."""

    websocket: bool | None = None
    cookie_needed: bool | None = None
    entropy: int | None = None


class Frame(Struct, frozen=True, kw_only=True):
    """One frame. kind: open, heartbeat, messages, close, or "" for something else; code and reason of a close."""

    kind: str
    code: int | None = None
    reason: str = ""


def base_path(path: str) -> str:
    """Return the prefix of a SockJS service from any of its paths, without a slash at the end."""
    path = path.rstrip("/")
    return (_SESSION if _SESSION.search(path) else _TAIL).sub("", path).rstrip("/")


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def parse_info(body: str) -> Info | None:
    """Return what /info says, None when the body is no such answer."""
    found = parse_object(body)
    if not {"websocket", "entropy"} & found.keys():
        return None
    return Info(websocket=_flag(found.get("websocket")), cookie_needed=_flag(found.get("cookie_needed")), entropy=number(found, "entropy"))


def parse_frame(text: str) -> Frame:
    """Return the frame in a text."""
    kind = _KINDS.get(text[:1], "")
    if kind in ("open", "heartbeat"):
        return Frame(kind=kind if text.strip() == text[0] else "")
    if not kind:
        return Frame(kind="")
    said = parse_json(text[1:])
    if kind == "close" and isinstance(said, list) and len(said) == 2 and isinstance(said[0], int):
        return Frame(kind="close", code=said[0], reason=str(said[1])[:200])
    return Frame(kind=kind if kind == "messages" and said is not None else "")
