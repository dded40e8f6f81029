"""Logs of any program, line by line: known texts, requests, and connection lives in JSON lines. Must not judge what it finds."""

from collections.abc import Iterable, Iterator

import msgspec

from wsbook.facts import SessionFacts, TextFacts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.access_log import Requests
from wsbook.parsers.instants import parse_instant
from wsbook.parsers.texts import batched, scan_batch, tally_observations
from wsbook.signatures import Tally, matcher

__all__ = ["parse_backend_log"]

SESSIONS = 2_000
"""Connection lives kept of one log."""
OPENED = frozenset(
    ("open", "opened", "connect", "connected", "accepted", "connection", "established", "ws_open", "ws.open", "websocket_open", "upgraded")
)
CLOSED = frozenset(
    ("close", "closed", "disconnect", "disconnected", "disconnection", "ended", "ws_close", "ws.close", "websocket_close", "terminated")
)
EVENT_KEYS = ("ev", "event", "type", "msg", "message", "action", "name", "state")
ID_KEYS = (
    "id",
    "conn",
    "conn_id",
    "connection",
    "connection_id",
    "connectionId",
    "socket",
    "socket_id",
    "sid",
    "client",
    "client_id",
    "session",
)
TIME_KEYS = ("t", "ts", "time", "timestamp", "@timestamp", "at", "datetime", "date")
CODE_KEYS = ("code", "close_code", "closeCode", "status")


def parse_backend_log(lines: Iterable[str], *, artifact: str, step: str = "1.4") -> list[Observation]:
    """Return what a program's log holds: SignatureFacts by signature, AccessFacts of the requests told in
    it, SessionFacts of connections, one TextFacts for the whole.

    lines: without line ends; any number, read once and never kept.
    """
    search, tally, lives, requests = matcher("backend_log", "access_log"), Tally(), _Lives(), Requests("backend_log")
    count = size = known = 0
    for batch in batched(lines):
        known += scan_batch(batch, count, search, tally)
        lives.read(batch, count)
        for index, line in enumerate(batch):
            if "HTTP/" in line or '"WebSocket ' in line or '"status"' in line:
                requests.add(line, count + index + 1)
        count += len(batch)
        size += sum(map(len, batch)) + len(batch)
    program = next((facts.program for _, _, facts in tally.facts()), "")
    whole = TextFacts(kind="backend_log", program=program, size_bytes=size, items=count, unparsed=count - known)
    return [
        *tally_observations(tally, probe="backend_log", step=step, artifact=artifact),
        *requests.observations(step=step, artifact=artifact),
        *lives.observations(step=step, artifact=artifact),
        observed(Source(step=step, probe="backend_log", artifact=artifact, line=1 if count else 0, line_end=count), whole),
    ]


class _Lives:
    """Pairs the openings and closings of connections in JSON lines."""

    def __init__(self) -> None:
        self._open: dict[str, float] = {}
        self._done: list[tuple[int, SessionFacts]] = []

    def read(self, batch: list[str], offset: int) -> None:
        if len(self._done) >= SESSIONS:
            return
        for index, line in enumerate(batch):
            if line[:1] == "{" and ("clos" in line or "open" in line or "onnect" in line or "nded" in line):
                self._line(line, offset + index + 1)

    def _line(self, line: str, number: int) -> None:
        try:
            entry = msgspec.json.decode(line.encode())
        except (msgspec.DecodeError, UnicodeEncodeError):
            return
        if not isinstance(entry, dict):
            return
        event = next((str(entry[key]).strip().lower() for key in EVENT_KEYS if key in entry), "")
        name = next((str(entry[key]) for key in ID_KEYS if key in entry), "")
        at = next((time for key in TIME_KEYS if (time := parse_instant(entry.get(key))) is not None), None)
        if event in OPENED and name and at is not None and len(self._open) < 100_000:
            self._open[name] = at
        elif event in CLOSED:
            self._close(name, at, next((entry[key] for key in CODE_KEYS if isinstance(entry.get(key), int)), None), number)

    def _close(self, name: str, at: float | None, code: int | None, number: int) -> None:
        since = self._open.pop(name, None)
        if since is None or at is None or len(self._done) >= SESSIONS:
            return
        ended = "close" if code not in (None, 1006) else "unknown"
        self._done.append((number, SessionFacts(url="", age_s=max(0.0, at - since), close_code=code, ended=ended)))

    def observations(self, *, step: str, artifact: str) -> Iterator[Observation]:
        for number, facts in self._done:
            yield observed(
                Source(step=step, probe="backend_log", artifact=artifact, line=number, line_end=number), facts, duration_s=facts.age_s or 0
            )
