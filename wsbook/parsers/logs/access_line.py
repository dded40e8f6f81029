"""One line of an access log: its notation found, its fields read. Must not judge what a status means.

Lines are matched against the notations in access_formats.toml and those of configurations; the one that fitted last is tried first.
"""

import re
from functools import cache, lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from wsbook.datafile import read_table
from wsbook.parsers.instants import find_instant, find_seconds, parse_instant

__all__ = ["Format", "Line", "formats", "read_line"]

TIMES = re.compile(
    r"(?:rt|request_time|urt|upstream_response_time|dur|duration|time)[=:]\"?(?P<d>\d+(?:\.\d+)?)(?P<u>ms|s)?|(?<=\s)(?P<bare>\d+\.\d{3})(?=\s|$)|D=(?P<us>\d+)"
)
UPGRADE = re.compile(r"upgrade[=:\"' ]+(?P<u>websocket|-|h2c)", re.IGNORECASE)
UPSTREAM = re.compile(r"(?:upstream(?:_addr)?|ups?|backend|ua)[=:\"' ]+(?P<u>(?:https?://)?[\w.-]+:\d+[^\s\"',]*)")
REQUEST = re.compile(r"^(?P<method>[A-Z]+|<BADREQ>) ?(?P<path>\S*)(?: HTTP/(?P<version>[\d.]+))?$")


class Line(Struct, frozen=True):
    """One request as an access log tells it. duration_s, time (epoch seconds): None when not logged. count: of a summary line."""

    program: str
    method: str
    path: str
    status: int
    version: str = ""
    duration_s: float | None = None
    time: float | None = None
    termination: str = ""
    upstream: str = ""
    upgrade: bool | None = None
    count: int = 1


class Format(Struct, frozen=True):
    """One notation: of access_formats.toml, or of a configuration. contains: a text that each of its lines has.

    unit: of bare durations. begins: its instant is the beginning of the request, not the end.
    """

    program: str
    contains: str
    pattern: re.Pattern[str]
    unit: str = "s"
    begins: bool = False


@cache
def formats() -> tuple[tuple[Format, ...], dict[str, list[str]], dict[str, str]]:
    """Return the line notations, the field names of JSON lines, and the units of those fields."""
    table = read_table("parsers/logs/access_formats.toml")
    known = tuple(
        Format(entry["program"], entry["contains"], re.compile(entry["regex"]), entry.get("duration_unit", "s"), entry.get("begins", False))
        for entry in table["format"]
    )
    return known, table["json"], table["units"]


def _field(entry: dict[str, Any], names: list[str]) -> tuple[str, Any]:
    for name in names:
        value: Any = entry
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value not in (None, ""):
            return name, value[0] if isinstance(value, list) and value else value
    return "", None


def _seconds(name: str, value: Any, units: dict[str, str]) -> float | None:
    seconds = find_seconds(str(value), units.get(name, "s")) if value is not None else None
    return None if seconds is None else round(seconds, 6)


def _json_line(line: str) -> Line | None:
    try:
        entry = msgspec.json.decode(line.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    _, names, units = formats()
    got = {key: _field(entry, names[key]) for key in names}
    path, status = got["path"][1], got["status"][1]
    if path is None or not str(status).isdigit():
        return None
    upgrade, envoy = got["upgrade"][1], "response_flags" in entry or "upstream_cluster" in entry
    return Line(
        program=_program(entry, envoy),
        method=str(got["method"][1] or ""),
        path=str(path),
        status=int(status),
        version=str(got["version"][1] or "").removeprefix("HTTP/"),
        duration_s=_seconds(*got["duration"], {"duration": "ms"} if envoy else units),
        time=parse_instant(got["time"][1]),
        termination=str(got["termination"][1] or "").strip("-"),
        upstream=str(got["upstream"][1] or ""),
        upgrade=None if upgrade is None else str(upgrade).lower() == "websocket",
    )


def _program(entry: dict[str, Any], envoy: bool) -> str:
    """Return who writes JSON lines with these fields."""
    if "request" in entry and "logger" in entry:
        return "caddy"
    return "envoy" if envoy else "traefik" if "DownstreamStatus" in entry else ""


def _upgrade(part: dict[str, str | None], line: str) -> bool | None:
    if part.get("accepted") or part.get("scheme") in ("ws", "wss") or part.get("status") == "101" or '"WebSocket ' in line:
        return True
    if (asked := part.get("upgrade")) is not None:
        return asked.lower() == "websocket"
    found = UPGRADE.search(line) if "pgrade" in line else None
    return found["u"].lower() == "websocket" if found else None


@lru_cache(maxsize=4096)
def _instant(text: str) -> float | None:
    return find_instant(text)


def _request(part: dict[str, str | None]) -> dict[str, str | None]:
    """Return the fields with the request line, where the notation has it as a whole, taken apart."""
    if not part.get("request"):
        return part
    found = REQUEST.match(part["request"] or "")
    return {**part, **found.groupdict()} if found else part


def _times(part: dict[str, str | None], line: str, form: Format) -> tuple[float | None, float | None]:
    """Return (instant of the end, duration)."""
    time, duration, begin = _instant(part.get("time") or line), part.get("duration"), part.get("begin")
    seconds = find_seconds(duration, form.unit) if duration else _rest_seconds(part.get("rest") or "")
    if begin and time is not None:
        seconds = max(0.0, time - (find_instant(begin) or time))
    if form.begins and time is not None:
        time += seconds or 0.0
    return time, None if seconds is None else round(seconds, 6)


def _text_line(line: str, form: Format) -> Line | None:
    if form.contains not in line or not (found := form.pattern.search(line)):
        return None
    part = _request(found.groupdict())
    time, duration_s = _times(part, line, form)
    rest, termination = part.get("rest") or "", part.get("termination") or ""
    upstream = UPSTREAM.search(rest) if ":" in rest else None
    status = part.get("status") or ("101" if part.get("accepted") else "0")
    return Line(
        program=form.program,
        method=part.get("method") or ("GET" if part.get("path") else ""),
        path=part.get("path") or "",
        status=int(status) if status.lstrip("-").isdigit() else 0,
        version=part.get("version") or "",
        duration_s=duration_s,
        time=time,
        termination=termination.strip() if termination.strip("-") else "",
        upstream=(part.get("upstream") or (upstream["u"] if upstream else "")).strip("-"),
        upgrade=_upgrade(part, line),
        count=int(part.get("times") or 1),
    )


def _rest_seconds(rest: str) -> float | None:
    found = TIMES.search(rest)
    if not found:
        return None
    if found["us"]:
        return float(found["us"]) / 1e6
    return float(found["bare"]) if found["bare"] else float(found["d"]) / (1000 if found["u"] == "ms" else 1)


def read_line(line: str, known: list[Format] | None = None) -> Line | None:
    """Return one line of an access log, None when no notation fits. known: notations, reordered so that the fitting one comes first."""
    if "{" in line[:200] and line.endswith(("}", "} ")) and (read := _json_line(line[line.index("{") :])):
        return read
    order = known if known is not None else list(formats()[0])
    for index, form in enumerate(order):
        if found := _text_line(line[:4096], form):
            if index:
                order.insert(0, order.pop(index))
            return found
    return None
