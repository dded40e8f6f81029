"""Logs of any program, line by line: known texts, their instants, and connection lives in JSON lines. Must not judge what it finds."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from wsbook.facts import SessionFacts, TextFacts
from wsbook.observation import Observation, Source, observed
from wsbook.parsers.instants import find_instant, parse_instant
from wsbook.signatures import Matcher, Tally, matcher

__all__ = ["BATCH_LINES", "batched", "parse_backend_log", "tally_observations"]

BATCH_LINES = 20_000
SESSIONS = 2_000
"""Connection lives kept of one log."""
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
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


def batched(lines: Iterable[str], size: int = BATCH_LINES) -> Iterator[list[str]]:
    """Yield lists of at most size lines, in which a line break counts as a space."""
    source = iter(lines)
    while batch := list(islice(source, size)):
        yield batch if not any("\n" in line for line in batch) else [line.replace("\n", " ") for line in batch]


def tally_observations(tally: Tally, *, probe: str, step: str, artifact: str) -> Iterator[Observation]:
    """Yield one observation per signature found."""
    for first, last, facts in tally.facts():
        yield observed(Source(step=step, probe=probe, artifact=artifact, line=first, line_end=last), facts)


def parse_backend_log(lines: Iterable[str], *, artifact: str, step: str = "1.4") -> list[Observation]:
    """Return what a program's log holds: SignatureFacts by signature, SessionFacts of connections, one TextFacts for the whole.

    lines: without line ends; any number, read once and never kept.
    """
    search, tally, lives = matcher("backend_log"), Tally(), _Lives()
    count = size = known = 0
    for batch in batched(lines):
        known += scan_batch(batch, count, search, tally)
        lives.read(batch, count)
        count += len(batch)
        size += sum(map(len, batch)) + len(batch)
    program = next((facts.program for _, _, facts in tally.facts()), "")
    whole = TextFacts(kind="backend_log", program=program, size_bytes=size, items=count, unparsed=count - known)
    return [
        *tally_observations(tally, probe="backend_log", step=step, artifact=artifact),
        *lives.observations(step=step, artifact=artifact),
        observed(Source(step=step, probe="backend_log", artifact=artifact, line=1 if count else 0, line_end=count), whole),
    ]


def scan_batch(batch: list[str], offset: int, search: Matcher, tally: Tally) -> int:
    """Add the known texts of a batch to the tally and return how many lines held one. offset: lines before this batch."""
    if any("\x1b" in line for line in batch):
        batch = [ANSI.sub("", line) for line in batch]
    seen = set()
    for hit in search.scan(batch):
        seen.add(hit.index)
        tally.add(hit, offset + hit.index + 1, find_instant(batch[hit.index]))
    return len(seen)


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
