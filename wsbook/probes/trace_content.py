"""How the message that carried an event at one place differs from that at another. Pure; must not know the places.

Messages are hostile: depth, members and words are bounded, and what is too large is compared by its size.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

__all__ = ["altered", "message_of"]

_DIFFERENCES, _WORDS, _DEPTH, _MEMBERS = 6, 40, 20, 5_000
_PREFIX = re.compile(r"\d{1,3}(?:/[\w/-]{0,40},)?\d{0,6}(?=[\[{])")
"""Of a Socket.IO packet (https://socket.io/docs/v4/socket-io-protocol/)."""
_NAME = re.compile(r"[A-Za-z_]\w*\Z")
_NOTHING = object()


def message_of(text: str | bytes) -> str:
    """Return the text that an application sent: of a Socket.IO event its first argument, else all of it."""
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    if (prefix := _PREFIX.match(text)) is None:
        return text
    inner = _decoded(text[prefix.end() :])
    if isinstance(inner, list) and len(inner) > 1 and isinstance(inner[0], str):
        return msgspec.json.encode(inner[1]).decode()
    return text[prefix.end() :]


def altered(first: str | bytes, later: str | bytes) -> str:
    """Return how a later message differs from the first, "" when it says the same.

    JSON is compared by its members, so that spaces and their order do not matter; anything else by its characters or bytes.
    """
    if type(first) is not type(later):
        return f"it came as {'text' if isinstance(later, str) else 'binary'} instead of {'text' if isinstance(first, str) else 'binary'}"
    if first == later:
        return ""
    if isinstance(first, str) and isinstance(later, str):
        ours, theirs = (_decoded(_PREFIX.sub("", text, count=1)) for text in (first, later))
        if ours is not _NOTHING and theirs is not _NOTHING:
            found = list(islice(_differences(ours, theirs, "$", _DEPTH), _DIFFERENCES + 1))
            more = ["and more"] if len(found) > _DIFFERENCES else []
            return "; ".join([*found[:_DIFFERENCES], *more])
    return _characters(first, later)


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _NOTHING


def _differences(ours: Any, theirs: Any, path: str, depth: int) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict) and depth:
        for name in islice(dict.fromkeys((*ours, *theirs)), _MEMBERS):
            place = f"{path}.{name}" if _NAME.match(name) else f"{path}[{_shown(name)}]"
            if name not in theirs:
                yield f"{place[:200]} removed"
            elif name not in ours:
                yield f"{place[:200]} added"
            else:
                yield from _differences(ours[name], theirs[name], place, depth - 1)
    elif isinstance(ours, list) and isinstance(theirs, list) and depth:
        if len(ours) != len(theirs):
            yield f"{path[:200]} has {len(theirs)} instead of {len(ours)} elements"
        for number, (one, other) in enumerate(zip(ours[:_MEMBERS], theirs, strict=False)):
            yield from _differences(one, other, f"{path}[{number}]", depth - 1)
    elif type(ours) is not type(theirs) or ours != theirs:
        yield f"{path[:200]} changed from {_shown(ours)} to {_shown(theirs)}"


def _shown(value: Any) -> str:
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= _WORDS else f"{text[: _WORDS - 1]}…"


def _characters(first: str | bytes, later: str | bytes) -> str:
    size, unit = min(len(first), len(later)), "character" if isinstance(first, str) else "byte"
    place = next((number for number in range(size) if first[number] != later[number]), size)
    if place == size:
        return f"it ends after {len(later)} of {len(first)} {unit}s" if len(later) < len(first) else f"{len(later) - size} {unit}s follow"
    here, there = first[place : place + _WORDS], later[place : place + _WORDS]
    return f"different from {unit} {place} on: {here!r} became {there!r}, {len(later)} of {len(first)} {unit}s"
