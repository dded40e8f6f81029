"""What an application message means by its text: heartbeat, subscription, an error that a server says, a number in a sequence.

Pure; the knowledge stands in messages.toml. It must not know who saw the message nor judge what it leads to.
"""

import json
import re
from functools import cache

import msgspec
from msgspec import Struct

from wsbook.datafile import read_table

__all__ = ["MessageError", "documents_in", "errors_in", "is_heartbeat", "is_subscription", "number_of", "opened"]

_CHARS = 4_000
"""Characters of a message that are looked at."""
_HEARTBEAT_CHARS = 300
_DOCUMENTS_CHARS = 65_536
_NUMBER = re.compile(
    r'\\?"(?P<name>seq|sequence|seq_?(?:no|num|nr)|sequence_?(?:number|no|id)|sn|offset|msg_?(?:no|seq|num)|message_?(?:no|seq|num|number)'
    r'|event_?(?:no|seq|num|number)|counter|rev|revision|serial|n)\\?"\s*:\s*\\?"?(?P<number>\d{1,15})\b(?![.\d])',
    re.IGNORECASE,
)
_CHANNEL = re.compile(
    r'"(?:channel|topic|room|stream|symbol|product_id|pair|market|ticker|group|destination)\\?"\s*:\s*\\?"(?P<name>[^"\\]{1,80})\\?"',
    re.IGNORECASE,
)


class MessageError(Struct, frozen=True, kw_only=True):
    """An error inside an open socket that a dialect is known to say; causes: (slug, probability)."""

    id: str
    causes: tuple[tuple[str, float], ...]


class _Error(Struct, frozen=True):
    said: MessageError
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None


@cache
def _table() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str], tuple[_Error, ...]]:
    """Return the expressions of heartbeats, of subscriptions, of what may hold an error, and the errors."""
    table = read_table("wire/messages.toml")
    errors = tuple(
        _Error(
            MessageError(id=row["id"], causes=tuple(row["causes"].items())),
            re.compile(row["regex"]),
            re.compile(row["unless"]) if "unless" in row else None,
        )
        for row in table["error"]
    )
    return _any(table["heartbeat"]), _any(table["subscription"]), re.compile(table["hint"]), errors


def _any(rows: list[dict[str, str]]) -> re.Pattern[str]:
    """Return one expression for all rows; a flag at the beginning of a row holds for that row."""
    parts = [re.sub(r"\A\(\?(\w+)\)(.*)\Z", r"(?\1:\2)", row["regex"], flags=re.DOTALL) for row in rows]
    return re.compile("|".join(f"(?:{part})" for part in parts))


def opened(text: str) -> str:
    """Return the first message inside a SockJS array frame, and any other text as it is."""
    if not text.startswith(('a["', '["')) or not text.endswith('"]'):
        return text
    try:
        inside = msgspec.json.decode(text.removeprefix("a").encode("utf-8", "replace"), type=list[str])
    except (msgspec.DecodeError, RecursionError):
        return text
    return inside[0] if len(inside) == 1 else text


def is_heartbeat(text: str, opcode: int = 1) -> bool:
    """Tell whether a message only keeps the connection alive: control frames, and what the dialects use."""
    if opcode in (9, 10):
        return True
    return opcode == 1 and len(text) <= _HEARTBEAT_CHARS and _table()[0].search(opened(text)) is not None


def is_subscription(text: str) -> bool:
    """Tell whether a client asks for messages with this one: subscribe, join, STOMP SUBSCRIBE, graphql start."""
    return _table()[1].search(opened(text[:_CHARS])) is not None


def errors_in(text: str) -> tuple[MessageError, ...]:
    """Return the known errors that a server's message says."""
    shown = opened(text[:_CHARS])
    _, _, hint, errors = _table()
    if not hint.search(shown):
        return ()
    return tuple(error.said for error in errors if error.pattern.search(shown) and not (error.unless and error.unless.search(shown)))


def number_of(text: str) -> tuple[str, int] | None:
    """Return (field and channel, number) of a message that carries a sequence number, None when it carries none."""
    found = _NUMBER.search(text, 0, _CHARS)
    if found is None:
        return None
    channel = _CHANNEL.search(text, 0, _CHARS)
    where = f" of {channel['name']}" if channel else ""
    return found["name"] + where, int(found["number"])


def documents_in(text: str) -> int:
    """Return how many JSON objects or arrays a message is made of, one after another with nothing but white space between; 0 for others."""
    decoder, count, place = json.JSONDecoder(), 0, 0
    while place < len(text):
        if text[place] in " \t\r\n":
            place += 1
            continue
        if text[place] not in "{[" or place > _DOCUMENTS_CHARS:
            return 0
        try:
            _, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            return 0
        count += 1
    return count
