"""The lives of connections in a program's log: openings and closings paired by what names the connection. Must not judge an age.

A line without a name pairs only while exactly one connection is open. Peers' addresses, ids and process names all count as names.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from wsbook.facts import ClosingsFacts, SessionFacts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.instants import find_age, find_count, find_instant, find_silence, parse_instant
from wsbook.parsers.pages import Page
from wsbook.signs import PROBE, find_marks

__all__ = ["WORDS", "Lives"]

SESSIONS = 2_000
"""Connection lives kept one by one of one log."""
CLOSINGS = 20_000
OPEN = 100_000
WORDS = ("clos", "open", "onnect", "nded", "inished", "tarted", "stablish", "pgraded", "left", "joined", "accept", "CONNECT")
"""A line about the beginning or end of a connection has one of these."""

SUBJECTS = ("", "client ", "connection ", "socket ", "user ", "websocket ", "session ", "ws ", "ws_", "ws.", "websocket_")
OPENED = frozenset(
    subject + verb
    for subject in SUBJECTS
    for verb in ("open", "opened", "connect", "connected", "accepted", "connection", "established", "upgraded")
)
CLOSED = frozenset(
    subject + verb
    for subject in SUBJECTS
    for verb in ("close", "closed", "disconnect", "disconnected", "disconnection", "ended", "terminated")
)
EVENT_KEYS = ("ev", "event", "type", "msg", "message", "action", "name", "state")
ID_KEYS = (
    *(
        "id",
        "conn",
        "conn_id",
        "connection",
        "connection_id",
        "connectionId",
        "socket",
        "socket_id",
        "socketId",
        "sid",
        "client",
        "client_id",
    ),
    *("clientId", "session", "session_id", "sessionId", "remote", "remote_addr", "remoteAddress", "peer", "user", "request_id"),
)
TIME_KEYS = ("t", "ts", "time", "timestamp", "@timestamp", "at", "datetime", "date")
CODE_KEYS = ("code", "close_code", "closeCode", "status")

SUBJECT = re.compile(r"socket|\bws\b|WS(?:DIS)?CONNECT|client|connection|\bconn\b|peer|user|session|CONNECT(?:ED)? ", re.IGNORECASE)
OTHERS = re.compile(r"postgres|mysql|mongo|redis|database|\bsql|kafka|upstream|\bpool\b|listener|\bfile\b|smtp|ldap", re.IGNORECASE)
"""Connections that are none of clients."""
VERB = re.compile(
    r"(?P<end>\b(?:disconnect(?:ed|ion|ing|s)?|clos(?:ed|ing|e|es)|terminated|WSDISCONNECT|has left|Finished|exceeded timeout"
    r"|ConnectionClosed|connection_closed)\b)"
    r"|(?P<begin>\b(?:connected|open(?:ed)?|accept(?:ed|ing)|established|new (?:client |websocket )?connection|WSCONNECT"
    r"|WebSocket CONNECT|joined|upgraded)\b"
    r"|\bStarted (?=GET .{0,300}\[WebSocket\]))",
    re.IGNORECASE,
)
NAMES = (
    re.compile(r"(?P<id>(?:\d{1,3}\.){3}\d{1,3}:\d{1,5}|\[[0-9a-f:]{2,40}\]:\d{1,5})"),
    re.compile(r"\('(?P<id>[0-9a-f.:]{3,40}', \d{1,5})\)"),
    re.compile(r"(?P<id>#PID<[\d.]+>|(?<= )<\d+\.\d+\.\d+>)"),
    re.compile(
        r"\b(?:(?:conn|connection|socket|client|session|user)(?:[_ ]?id)?|s?id|as)\b[=:#\"'\[( ]{1,4}"
        r"(?P<id>(?=[\w-]*[\d_-]|(?-i:[A-Za-z]*[A-Z]))[\w-]{1,64})",
        re.IGNORECASE,
    ),
    re.compile(r"\bfor (?P<id>[0-9a-f.:]{7,40}) at\b"),
)
"""What names a connection, surest first."""
CODE = re.compile(r"(?:code|status)[=: (\[]{1,3}(?P<code>[1-4]\d{3})\b|\bclose[d:]? (?P<close>[1-4]\d{3})\b", re.IGNORECASE)


class Lives:
    """Pairs the openings and closings of connections."""

    def __init__(self) -> None:
        self._open: dict[str, float | None] = {}
        self._marks: dict[str, tuple[str, ...]] = {}
        self._done: list[tuple[int, SessionFacts]] = []
        self._times: list[float] = []
        self._ages: list[float | None] = []
        self._first = self._last = 0

    def page(self, page: Page) -> None:
        """Read the lines of a page."""
        for line, number in zip(page.lines, page.numbers, strict=True):
            if PROBE in line and len(self._marks) < OPEN and (marks := find_marks(line[:2000])):
                self._marks[_name(line[:2000])] = marks
            if any(word in line for word in WORDS):
                event = _json_event(line) if line[:1] == "{" else _text_event(line[:2000])
                if event:
                    self._event(*event, line[:2000], number)

    def _event(self, begins: bool, name: str, at: float | None, code: int | None, line: str, number: int) -> None:
        if begins:
            if len(self._open) < OPEN:
                self._open[name or f"line {number}"] = at
            return
        if not name and len(self._open) == 1:
            name = next(iter(self._open))
        since, marks = self._open.pop(name, None), self._marks.pop(name, ()) if name else ()
        age_s = find_age(line)
        if age_s is None and at is not None and since is not None:
            age_s = max(0.0, at - since)
        if at is not None and len(self._times) < CLOSINGS:
            self._times.append(at)
            self._ages.append(age_s)
            self._first, self._last = self._first or number, number
        if age_s is not None and len(self._done) < SESSIONS:
            ended = "close" if code not in (None, 1006) else "unknown"
            self._done.append(
                (
                    number,
                    SessionFacts(
                        url="",
                        age_s=age_s,
                        close_code=code,
                        ended=ended,
                        idle_s=find_silence(line),
                        frame_count=find_count(line),
                        ended_at=at,
                        marks=marks,
                    ),
                )
            )

    def observations(self, *, step: str, artifact: str) -> Iterator[Observation]:
        """Yield a SessionFacts for each life, one ClosingsFacts for all closings that have an instant."""
        for number, facts in self._done:
            source = Source(step=step, probe="backend_log", artifact=artifact, line=number, line_end=number)
            yield observed(source, facts, duration_s=facts.age_s or 0)
        if self._times:
            source = Source(step=step, probe="backend_log", artifact=artifact, line=self._first, line_end=self._last)
            yield observed(source, ClosingsFacts(times=tuple(self._times), ages_s=tuple(self._ages)))


Event = tuple[bool, str, float | None, int | None]
"""Whether a connection begins, its name or "", the instant, the close code."""


def _json_event(line: str) -> Event | None:
    try:
        entry: Any = msgspec.json.decode(line.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    event = next((str(entry[key]).strip().lower() for key in EVENT_KEYS if key in entry), "")
    if event not in OPENED and event not in CLOSED:
        return None
    name = next((str(entry[key]) for key in ID_KEYS if key in entry), "")
    at = next((time for key in TIME_KEYS if (time := parse_instant(entry.get(key))) is not None), None)
    code = next((entry[key] for key in CODE_KEYS if isinstance(entry.get(key), int)), None)
    return (event in OPENED, name, at, code) if name or event in CLOSED else None


def _name(line: str) -> str:
    return next((one["id"] for pattern in NAMES if (one := pattern.search(line))), "")


def _text_event(line: str) -> Event | None:
    found = VERB.search(line)
    code = CODE.search(line)
    subject = SUBJECT.search(line) or (found and found["end"] and code)
    if not found or not subject or OTHERS.search(line):
        return None
    return bool(found["begin"]), _name(line), find_instant(line), int(code["code"] or code["close"]) if code else None
