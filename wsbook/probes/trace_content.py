"""How the messages that carried events at one place differ from those at the places before. Pure; must not know the places.

Messages are hostile: depth, members and words are bounded, and what is too large is compared by its size.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from wsbook.probes.instances import names_process
from wsbook.probes.marker import MARKER

__all__ = ["Alteration", "alterations", "altered", "message_of"]

_DIFFERENCES, _MOST, _WORDS, _DEPTH, _MEMBERS = 6, 200, 40, 20, 5_000
_EXACT = 2**53
"""Integers above are rounded by whoever reads numbers as JavaScript does (ECMA-262, Number.MAX_SAFE_INTEGER)."""
_CUT_CHARS = 8
"""A shorter text may begin another one by chance."""
_PREFIX = re.compile(r"\d{1,3}(?:/[\w/-]{0,40},)?\d{0,6}(?=[\[{])")
"""Of a Socket.IO packet (https://socket.io/docs/v4/socket-io-protocol/)."""
_NAME = re.compile(r"[A-Za-z_]\w*\Z")
_NOTHING = object()


class Alteration(Struct, frozen=True, kw_only=True):
    """What happened to a message on its way, in words. reshaped: members that are gone or of another type."""

    words: str
    reshaped: tuple[str, ...] = ()


class _Change(Struct, frozen=True, kw_only=True):
    """One difference. kind: removed, added, type or value."""

    path: str
    kind: str
    words: str
    ours: Any = None
    theirs: Any = None


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
    return _told(_changes(first, later))


def alterations(places: Sequence[Mapping[int, str | bytes]]) -> list[dict[int, Alteration]]:
    """Return for each place, event by event, what was altered since the place before that is most like it.

    places: event → message, from the first socket on. A member that is added takes nothing away; a value that is new in each event, or
    for each of several recipients, or that names a process, was written for this copy and never was the same. With a single event
    nothing tells what is new in each.
    """
    return [_altered_here(places[:index], here) for index, here in enumerate(places)]


def _altered_here(before: Sequence[Mapping[int, str | bytes]], here: Mapping[int, str | bytes]) -> dict[int, Alteration]:
    found: dict[int, list[_Change]] = {}
    for number, message in here.items():
        against = [_changes(place[number], message) for place in before if number in place]
        found[number] = _not_by_recipient(against) if against else []
    own = _fresh(found)
    kept = {number: [one for one in changes if one.kind != "added" and one.path not in own] for number, changes in found.items()}
    return {number: Alteration(words=_told(changes), reshaped=_reshaped(changes)) for number, changes in kept.items() if changes}


def _reshaped(changes: Sequence[_Change]) -> tuple[str, ...]:
    return tuple(one.path for one in changes if one.kind in ("removed", "type"))[:_DIFFERENCES]


def _not_by_recipient(against: list[list[_Change]]) -> list[_Change]:
    """Return the changes since the place that is most like this one, but for values that are different everywhere."""
    nearest = min(against, key=lambda changes: sum(one.kind != "added" for one in changes))
    if len(against) < 2:
        return nearest
    values: dict[str, set[str]] = {}
    for changes in against:
        for one in changes:
            if one.kind == "value":
                values.setdefault(one.path, set()).add(_plain(one.ours))
    return [one for one in nearest if one.kind != "value" or len(values[one.path]) < len(against)]


def _fresh(found: Mapping[int, list[_Change]]) -> set[str]:
    """Return the paths of values that are new from event to event, and not the old ones cut short or rounded, and names of processes."""
    by_path: dict[str, list[_Change]] = {}
    for changes in found.values():
        for one in changes:
            if one.kind == "value":
                by_path.setdefault(one.path, []).append(one)
    return {
        path
        for path, changes in by_path.items()
        if names_process(path.rpartition(".")[2])
        or (len({_plain(one.theirs) for one in changes}) > 1 and not all(_derived(one.ours, one.theirs) for one in changes))
    }


def _plain(value: Any) -> str:
    """Return a value as text without markers, which are new in every event."""
    text = value if isinstance(value, str) else value.decode("latin-1") if isinstance(value, bytes) else _json(value)
    return MARKER.sub("", text)


def _derived(ours: Any, theirs: Any) -> bool:
    """Whether a value is an old one cut short, or an integer rounded to what a double holds."""
    if isinstance(ours, str | bytes) and isinstance(theirs, type(ours)):
        return _CUT_CHARS <= len(theirs) < len(ours) and ours[: len(theirs)] == theirs
    exact = isinstance(ours, int) and not isinstance(ours, bool) and _EXACT < abs(ours) < 2**64
    return exact and isinstance(theirs, int | float) and float(ours) == float(theirs)


def _told(changes: Sequence[_Change]) -> str:
    more = ["and more"] if len(changes) > _DIFFERENCES else []
    return "; ".join([*(one.words for one in changes[:_DIFFERENCES]), *more])


def _changes(first: str | bytes, later: str | bytes) -> list[_Change]:
    if type(first) is not type(later):
        kinds = [("text" if isinstance(one, str) else "binary") for one in (later, first)]
        return [_Change(path="", kind="type", words=f"it came as {kinds[0]} instead of {kinds[1]}")]
    if first == later:
        return []
    if isinstance(first, str) and isinstance(later, str):
        ours, theirs = (_decoded(_PREFIX.sub("", text, count=1)) for text in (first, later))
        if ours is not _NOTHING and theirs is not _NOTHING:
            return list(islice(_differences(ours, theirs, "$", _DEPTH), _MOST))
    return [_Change(path="", kind="value", words=_characters(first, later), ours=first, theirs=later)]


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _NOTHING


def _differences(ours: Any, theirs: Any, path: str, depth: int) -> Iterator[_Change]:
    shown = path[:200]
    if isinstance(ours, dict) and isinstance(theirs, dict) and depth:
        for name in islice(dict.fromkeys((*ours, *theirs)), _MEMBERS):
            place = f"{path}.{name}" if _NAME.match(name) else f"{path}[{_shown(name)}]"
            if name not in theirs:
                yield _Change(path=place[:200], kind="removed", words=f"{place[:200]} removed")
            elif name not in ours:
                yield _Change(path=place[:200], kind="added", words=f"{place[:200]} added")
            else:
                yield from _differences(ours[name], theirs[name], place, depth - 1)
    elif isinstance(ours, list) and isinstance(theirs, list) and depth:
        if len(ours) != len(theirs):
            words = f"{shown} has {len(theirs)} instead of {len(ours)} elements"
            yield _Change(path=shown, kind="value", words=words, ours=len(ours), theirs=len(theirs))
        for number, (one, other) in enumerate(zip(ours[:_MEMBERS], theirs, strict=False)):
            yield from _differences(one, other, f"{path}[{number}]", depth - 1)
    elif type(ours) is not type(theirs) or ours != theirs:
        words = f"{shown} changed from {_shown(ours)} to {_shown(theirs)}"
        yield _Change(path=shown, kind=_kind(ours, theirs), words=words, ours=ours, theirs=theirs)


def _kind(ours: Any, theirs: Any) -> str:
    """Return what became of a value: where there was none, one is added."""
    alike = type(ours) is type(theirs) or {type(ours), type(theirs)} == {int, float}
    return "value" if alike else "added" if ours is None else "type"


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return type(value).__name__


def _shown(value: Any) -> str:
    text = _json(value)
    return text if len(text) <= _WORDS else f"{text[: _WORDS - 1]}…"


def _characters(first: str | bytes, later: str | bytes) -> str:
    size, unit = min(len(first), len(later)), "character" if isinstance(first, str) else "byte"
    place = next((number for number in range(size) if first[number] != later[number]), size)
    if place == size:
        return f"it ends after {len(later)} of {len(first)} {unit}s" if len(later) < len(first) else f"{len(later) - size} {unit}s follow"
    here, there = first[place : place + _WORDS], later[place : place + _WORDS]
    return f"different from {unit} {place} on: {here!r} became {there!r}, {len(later)} of {len(first)} {unit}s"
