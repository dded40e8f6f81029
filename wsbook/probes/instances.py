"""What in an answer identifies the backend process that gave it; the names stand in instances.toml. It must not know who asks."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

import msgspec

from wsbook.datafile import read_table
from wsbook.facts import Headers

__all__ = ["binding_cookies", "cookies_of", "instance_of", "named_by", "names_process", "signals_of", "withheld"]

_VALUE = 60
_HEADER = 1_000
_MESSAGE = 16_384
_UNIQUE = 6
"""From so many answers on a value that never comes twice names a request, not a process."""
_OFTEN = 0.8
"""What identifies instances stands in at least this part of the answers."""
_COOKIE = re.compile(r"\s*([^=;\s]+)=\"?([^;\"]*)")
_TIMING = re.compile(r"(?i)\b([\w-]+)\s*;[^,]*?desc\s*=\s*\"?([^\",;]+)")

Signals = Mapping[str, str]
"""What may identify the process: name of the sign → value, the most trusted first."""


@cache
def _known() -> dict[str, tuple[str, ...]]:
    table = read_table("probes/instances.toml")
    return {name: (values,) if isinstance(values, str) else tuple(values) for name, values in table.items()}


@cache
def _edge() -> re.Pattern[str]:
    return re.compile(_known()["edges"][0], re.IGNORECASE)


def instance_of(headers: Headers) -> str:
    """Return what identifies the backend process in one answer's headers, "" when nothing does."""
    return next(iter(signals_of(headers).values()), "")


def signals_of(headers: Headers, message: str | None = None) -> Signals:
    """Return every sign of the process in one answer and in the first message after it."""
    capped = [(name.lower(), value[:_HEADER].strip()) for name, value in headers]
    found = [*_in_headers(capped), *_in_timings(capped), *_in_cookies(capped), *_in_message(message or "")]
    signals: dict[str, str] = {}
    for name, value in found:
        if value.strip():
            signals.setdefault(name, value.strip()[:_VALUE])
    return signals


def _in_headers(headers: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    given = dict(reversed(headers))
    for name in _known()["headers"]:
        value = given.get(name, "").rpartition(",")[2].strip()
        if value and not _edge().match(value):
            yield f"header {name}", value


def _in_timings(headers: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        if name == "server-timing":
            yield from ((f"server-timing {m[1].lower()}", m[2]) for m in _TIMING.finditer(value) if m[1].lower() in _known()["timings"])


def _in_cookies(headers: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in cookies_of(tuple(headers)):
        lower = name.lower()
        if lower in _known()["suffixes"] and "." in value:
            yield f"cookie {lower}", value.rpartition(".")[2]
        elif _names_instance(lower):
            yield f"cookie {lower}", value


def _names_instance(cookie: str) -> bool:
    known = _known()
    named = cookie in known["cookies"] or cookie.endswith(known["endings"]) or re.fullmatch(r"_[0-9a-f]{5}", cookie) is not None
    return named and cookie not in known["opaque"]


def cookies_of(headers: Headers) -> list[tuple[str, str]]:
    """Return (name, value) of each cookie that an answer sets."""
    set_on_us = (value for name, value in headers if name.lower() == "set-cookie")
    return [(match[1], match[2].strip()) for value in set_on_us if (match := _COOKIE.match(value))]


def withheld(headers: Headers, path: str, secure: bool) -> dict[str, str]:
    """Return name → attribute of each cookie that a browser would not send to a path (RFC 6265 sections 5.1.4 and 5.4)."""
    kept_back: dict[str, str] = {}
    for value in (value for name, value in headers if name.lower() == "set-cookie"):
        attributes = {part.partition("=")[0].strip().lower(): part.partition("=")[2].strip() for part in value.split(";")[1:]}
        place, match = attributes.get("path", ""), _COOKIE.match(value)
        fits = not place.startswith("/") or path == place or path.startswith(place if place.endswith("/") else f"{place}/")
        if match and not fits:
            kept_back[match[1]] = f"Path={place[:40]}"
        elif match and "secure" in attributes and not secure:
            kept_back[match[1]] = "Secure"
    return kept_back


def binding_cookies(names: Iterable[str]) -> tuple[str, ...]:
    """Return those cookies that are known to bind a client to an instance, whether their value tells which or not."""
    known = _known()
    return tuple(name for name in names if _names_instance(name.lower()) or name.lower() in (*known["opaque"], *known["suffixes"]))


def _in_message(message: str) -> Iterator[tuple[str, str]]:
    if not message.lstrip().startswith("{"):
        return
    try:
        said = msgspec.json.decode(message[:_MESSAGE])
    except msgspec.DecodeError:
        return
    values = {**dict(_fields(said, 1)), **dict(_fields(said, 0))}
    yield from ((f"first message {name}", values[name]) for name in _known()["messages"] if name in values)


def names_process(member: str) -> bool:
    """Tell whether a member of this name says in messages which process sent them."""
    return re.sub(r"[_-]", "", member.lower()) in _known()["messages"]


def _fields(said: object, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the plain values of an object, or of the objects in it."""
    for name, value in said.items() if isinstance(said, dict) else ():
        if depth:
            yield from _fields(value, depth - 1)
        elif isinstance(value, str | int) and not isinstance(value, bool) and 0 < len(str(value)) <= _VALUE:
            yield re.sub(r"[_-]", "", name.lower()), str(value)


def named_by(answers: Iterable[Signals]) -> str:
    """Return the sign that tells these answers' processes apart best, "" when none does.

    It stands in most answers and is not new in each of them. Of several the one with most values is taken: a name of the proxy in
    front is the same everywhere.
    """
    seen = list(answers)
    names = list(dict.fromkeys(name for one in seen for name in one))
    values = {name: [one[name] for one in seen if name in one] for name in names}
    fit = [name for name in names if len(values[name]) >= _OFTEN * len(seen) and not _names_requests(values[name])]
    return max(fit, key=lambda name: (len(set(values[name])), -names.index(name)), default="")


def _names_requests(values: list[str]) -> bool:
    return len(values) >= _UNIQUE and len(set(values)) == len(values)
