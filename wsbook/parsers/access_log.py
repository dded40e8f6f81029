"""Access logs of proxies and servers: alike requests grouped, known texts found. Must not judge what a status means.

Lines are matched against the notations in access_formats.toml; the notation that fitted last is tried first.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from msgspec import Struct

from wsbook.facts import AccessFacts, TextFacts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.instants import find_instant, find_seconds, parse_instant
from wsbook.parsers.texts import batched, scan_batch, tally_observations
from wsbook.signatures import Tally, matcher

__all__ = ["Line", "Requests", "parse_access_log", "read_line"]

GROUPS = 5_000
"""Groups kept of one log; requests beyond them are only counted."""
SAMPLES = 1_000
PATH_CHARS = 200
MARK = "wsbook"
"""Our own probe's user agent, and the name of its query parameter."""
TIMES = re.compile(
    r"(?:rt|request_time|urt|upstream_response_time|dur|duration|time)[=:]\"?(?P<d>\d+(?:\.\d+)?)(?P<u>ms|s)?|(?<=\s)(?P<bare>\d+\.\d{3})(?=\s|$)|D=(?P<us>\d+)"
)
UPGRADE = re.compile(r"upgrade[=:\"' ]+(?P<u>websocket|-|h2c)", re.IGNORECASE)
UPSTREAM = re.compile(r"(?:upstream(?:_addr)?|ups?|backend|ua)[=:\"' ]+(?P<u>(?:https?://)?[\w.-]+:\d+[^\s\"',]*)")
HOST = re.compile(r"^[a-z]+://[^/?]*")
NUMBER = re.compile(r"(?<=/)(?:\d+|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{24,64})(?=/|$)")


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


class Format(Struct, frozen=True, dict=True):
    """One notation of access_formats.toml. unit: of bare durations; begins: its instant is the beginning of the request, not the end."""

    program: str
    contains: str
    pattern: re.Pattern[str]
    unit: str
    begins: bool


@cache
def formats() -> tuple[tuple[Format, ...], dict[str, list[str]], dict[str, str]]:
    """Return the line notations, the field names of JSON lines, and the units of those fields."""
    table = tomllib.loads(files("wsbook.parsers").joinpath("access_formats.toml").read_text(encoding="utf-8"))
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
    unit = units.get(name, "s")
    return find_seconds(str(value), unit) if value is not None else None


def _json_line(line: str) -> Line | None:
    try:
        entry = msgspec.json.decode(line.encode("utf-8", "replace"))
    except msgspec.DecodeError:
        return None
    if not isinstance(entry, dict):
        return None
    _, names, units = formats()
    got = {key: _field(entry, names[key]) for key in names}
    path, status = got["path"][1], got["status"][1]
    if path is None or not str(status).isdigit():
        return None
    upgrade = got["upgrade"][1]
    return Line(
        program="caddy" if "request" in entry and "logger" in entry else "traefik" if "DownstreamStatus" in entry else "",
        method=str(got["method"][1] or ""),
        path=str(path),
        status=int(status),
        version=str(got["version"][1] or "").removeprefix("HTTP/"),
        duration_s=_seconds(*got["duration"], units),
        time=parse_instant(got["time"][1]),
        termination=str(got["termination"][1] or "").strip("-"),
        upstream=str(got["upstream"][1] or ""),
        upgrade=None if upgrade is None else str(upgrade).lower() == "websocket",
    )


def _upgrade(part: dict[str, str | None], line: str) -> bool | None:
    if part.get("accepted") or '"WebSocket ' in line or part.get("scheme") in ("ws", "wss") or part.get("status") == "101":
        return True
    found = UPGRADE.search(line)
    return found["u"].lower() == "websocket" if found else None


def _text_line(line: str, form: Format) -> Line | None:
    if form.contains not in line or not (found := form.pattern.search(line)):
        return None
    part = found.groupdict()
    time = find_instant(part.get("time") or line)
    rest, duration = part.get("rest") or "", part.get("duration")
    seconds = find_seconds(duration, form.unit) if duration else _rest_seconds(rest)
    if part.get("begin") and time is not None:
        seconds = max(0.0, time - (find_instant(part["begin"] or "") or time))
    if form.begins and time is not None:
        time += seconds or 0.0
    upstream = UPSTREAM.search(rest)
    status = part.get("status") or ("101" if part.get("accepted") else "0")
    return Line(
        program=form.program,
        method=part.get("method") or ("GET" if part.get("path") else ""),
        path=part.get("path") or "",
        status=int(status) if status.lstrip("-").isdigit() else 0,
        version=part.get("version") or "",
        duration_s=None if seconds is None else round(seconds, 6),
        time=time,
        termination=(part.get("termination") or "").strip() if part.get("termination") not in ("-", "--", "----") else "",
        upstream=part.get("upstream") or (upstream["u"] if upstream else ""),
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
    if "{" in line[:200] and line.rstrip().endswith("}"):
        found = _json_line(line[line.index("{") :])
        if found:
            return found
    order = known if known is not None else list(formats()[0])
    for index, form in enumerate(order):
        if found := _text_line(line[:4096], form):
            if index:
                order.insert(0, order.pop(index))
            return found
    return None


class _Group:
    def __init__(self, line: Line, number: int, text: str) -> None:
        self.line, self.first, self.last, self.text, self.count = line, number, number, text[:500], 0
        self.durations: list[float] = []
        self.times: list[float] = []
        self.marked = False

    def add(self, line: Line, number: int, text: str) -> None:
        self.count += line.count
        self.last = number
        if line.duration_s is not None and len(self.durations) < SAMPLES:
            self.durations.append(line.duration_s)
        if line.time is not None and len(self.times) < SAMPLES:
            self.times.append(line.time)
        self.marked = self.marked or MARK in text

    def facts(self, path: str) -> AccessFacts:
        line = self.line
        return AccessFacts(
            program=line.program,
            method=line.method,
            path=path,
            status=line.status,
            count=self.count,
            http_version=line.version,
            upgrade=line.upgrade,
            durations_s=tuple(self.durations),
            times=tuple(self.times),
            termination=line.termination,
            upstream=line.upstream,
            marked=self.marked,
            text=self.text,
        )


class Requests:
    """Groups the requests told in lines. probe: name of the parser, for the observations."""

    def __init__(self, probe: str = "access_log") -> None:
        self.probe = probe
        self.groups: dict[tuple[object, ...], _Group] = {}
        self.order = list(formats()[0])
        self.unparsed = self.items = 0

    def add(self, text: str, number: int) -> None:
        """Read one line; what is no request is only counted."""
        line = read_line(text, self.order)
        if line is None:
            self.unparsed += bool(text.strip())
            return
        self.items += 1
        path = NUMBER.sub("*", HOST.sub("", line.path).partition("?")[0][:PATH_CHARS]) or "/"
        key = (line.method, path, line.status, line.version, line.termination, line.upgrade, line.upstream.partition("/")[0])
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) >= GROUPS:
                return
            group = self.groups[key] = _Group(line, number, text)
        group.add(line, number, text)

    def observations(self, *, step: str, artifact: str) -> Iterator[Observation]:
        """Yield one observation per group, in order of first appearance."""
        for key, group in self.groups.items():
            source = Source(step=step, probe=self.probe, artifact=artifact, line=group.first, line_end=group.last)
            yield observed(source, group.facts(str(key[1])))


def parse_access_log(lines: Iterable[str], *, artifact: str, step: str = "1.4") -> list[Observation]:
    """Return what an access log holds: AccessFacts of alike requests, SignatureFacts of known texts, one TextFacts for the whole.

    Identifiers inside paths become "*" and queries are left out, so that alike requests meet in one group; at most 5,000 groups.
    """
    search, tally, groups = matcher("access_log", "backend_log"), Tally(), Requests()
    count = size = 0
    for batch in batched(lines):
        scan_batch(batch, count, search, tally)
        for index, text in enumerate(batch):
            groups.add(text, count + index + 1)
        count += len(batch)
        size += sum(map(len, batch)) + len(batch)
    program = next((group.line.program for group in groups.groups.values() if group.line.program), "")
    whole = TextFacts(kind="access_log", program=program, size_bytes=size, items=groups.items, unparsed=groups.unparsed)
    return [
        *tally_observations(tally, probe="access_log", step=step, artifact=artifact),
        *groups.observations(step=step, artifact=artifact),
        observed(Source(step=step, probe="access_log", artifact=artifact, line=1 if count else 0, line_end=count), whole),
    ]
