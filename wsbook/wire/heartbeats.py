"""What a client says by itself to stay connected, and what a server announces of its heartbeats, dialect by dialect.

Pure; the knowledge stands in heartbeats.toml. It must not know who holds the connection nor judge what is right.
"""

import re
from functools import cache

from msgspec import Struct, convert

from wsbook.datafile import read_table
from wsbook.wire.dialects import engineio, stomp
from wsbook.wire.dialects.objects import number, parse_json, parse_object
from wsbook.wire.messages import is_heartbeat

__all__ = ["Announced", "Manner", "announced", "answer_to", "dialect_of", "heartbeat_kind", "manner_of"]

_CHARS = 400
_LONGEST_S = 86_400.0
_OPEN = "0"
_WE_SEND_MS = _WE_WANT_MS = 10_000
"""What our STOMP CONNECT offers in its heart-beat header."""


class Manner(Struct, frozen=True, kw_only=True):
    """What a client of a dialect says by itself; fields as in heartbeats.toml. record: what ends each of its messages."""

    dialect: str
    source: str
    wants: str = ""
    hello: tuple[str, ...] = ()
    after_first: tuple[str, ...] = ()
    beat: str = ""
    beat_s: float = 0.0
    answers: tuple[tuple[str, str], ...] = ()
    record: str = ""


class Announced(Struct, frozen=True, kw_only=True):
    """What a server says of heartbeats, in seconds; 0 never, None not said.

    beats_s: how often it beats. patience_s: how long it waits for an answer, or for our beat when wanted_s is past. wanted_s: how often
    it wants to hear of us.
    """

    beats_s: float | None = None
    patience_s: float | None = None
    wanted_s: float | None = None


@cache
def _manners() -> tuple[Manner, ...]:
    return convert(read_table("wire/heartbeats.toml")["manner"], tuple[Manner, ...])


def manner_of(dialect: str, url: str = "") -> Manner:
    """Return what a client of the dialect says by itself at this URL; that of an unknown protocol for an unknown dialect."""
    fitting = (one for one in _manners() if one.dialect == dialect and one.wants in url)
    return next(fitting, _manners()[-1])


def dialect_of(message: str) -> str:
    """Return the dialect of a server's first message as far as it decides about heartbeats, "" unknown."""
    found = parse_object(message[:4_000])
    if found.get("event") == "pusher:connection_established":
        return "pusher"
    return "centrifugo" if isinstance(found.get("connect"), dict) and "client" in found["connect"] else ""


def answer_to(manner: Manner, message: str | bytes) -> str | None:
    """Return what a client answers to a server's heartbeat; None when the message is none, or wants no answer."""
    if isinstance(message, bytes) or len(message) > _CHARS:
        return None
    for pattern, reply in manner.answers:
        if found := re.search(pattern, message):
            return found.expand(reply)
    return None


def heartbeat_kind(dialect: str, text: str, opcode: int) -> str:
    """Return what kind of heartbeat a frame of the peer is: ping, the dialect's name, text; "" when it is none.

    Of an unknown protocol only what says so in words is one: a message "2" may be a price.
    """
    if opcode == 9:  # RFC 6455 section 5.5.2
        return "ping"
    if opcode != 1 or not is_heartbeat(text):
        return ""
    return dialect or ("text" if re.search(r"(?i)ping|beat|alive|\bhb\b|\bka\b", text) else "")


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None or milliseconds < 0 else min(_LONGEST_S, milliseconds / 1000)


def announced(dialect: str, message: str, url: str = "") -> Announced | None:
    """Return what a server's message announces of heartbeats; None when it announces nothing."""
    if dialect == "engine.io" and message[:1] == _OPEN:
        return _of_engineio(message, url)
    if dialect == "stomp":
        return _of_stomp(message)
    if dialect == "pusher":
        return _of_pusher(message)
    return None


def _of_engineio(message: str, url: str) -> Announced | None:
    """Version 4: the server pings. Version 3: the client does."""
    opened = engineio.open_of(engineio.parse_packet(message))
    if opened is None:
        return None
    interval, patience = opened.ping_interval_s, opened.ping_timeout_s
    if "EIO=3" in url:
        return Announced(beats_s=0.0, patience_s=patience, wanted_s=interval)
    return Announced(beats_s=interval, patience_s=patience)


def _of_stomp(message: str) -> Announced | None:
    """Return what was agreed: the larger of what one side can do and the other wants (STOMP 1.2, heart-beating)."""
    frame = stomp.parse_frame(message)
    if frame.command != "CONNECTED":
        return None
    sends, wants = stomp.beats(frame.header("heart-beat")) or (0, 0)
    return Announced(
        beats_s=_seconds(max(sends, _WE_WANT_MS) if sends else 0),
        wanted_s=_seconds(max(wants, _WE_SEND_MS) if wants else 0),
    )


def _of_pusher(message: str) -> Announced | None:
    found = parse_object(message[:4_000])
    if found.get("event") != "pusher:connection_established":
        return None
    data = found.get("data")
    said = parse_json(data) if isinstance(data, str) else data
    limit = number(said, "activity_timeout") if isinstance(said, dict) else None
    return Announced(wanted_s=None if limit is None else min(_LONGEST_S, float(limit)))
