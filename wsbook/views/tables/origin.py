"""Origins against places as plain data frames: who gets in where, with which credentials, and what the requests beside the socket allow."""

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from wsbook import attempt as labels
from wsbook.facts import CorsFacts, UpgradeFacts
from wsbook.observation import Observation
from wsbook.rules.entry import Entry, Kind, entry_of
from wsbook.views.tables.frames import frame, rows_of
from wsbook.words import cap

__all__ = ["Matrix", "cell_text", "matrix_of", "table_cors", "table_origin"]

OWN = "the page's own"
_CREDENTIALS = {labels.NO_CREDENTIALS: "no credentials", labels.ONLY_AMBIENT: "cookies alone"}
_HOSTS = {labels.THE_ENDPOINTS_HOST: "", labels.OTHER_HOST: "another Host"}


class Matrix(NamedTuple):
    """rows: (which Origin, Origin as sent); columns: places with credentials; cells: row and column → what became of it."""

    rows: list[tuple[str, str]]
    columns: list[str]
    cells: dict[tuple[tuple[str, str], str], Entry]


def matrix_of(observations: Iterable[Observation]) -> Matrix:
    """Return the newest attempt of each Origin at each place."""
    tried = list(rows_of(observations, UpgradeFacts))
    public = {seen.source.hop for seen, _ in tried if labels.THE_ENDPOINTS_HOST in seen.source.changed}
    cells: dict[tuple[tuple[str, str], str], Entry] = {}
    for seen, facts in tried:
        changed = seen.source.changed
        which = next((label for label in changed if label not in _CREDENTIALS and label not in _HOSTS), OWN)
        row = which, facts.request_header("origin") or "none"
        cells[row, _column(seen, public)] = entry_of((seen, facts))
    rows = list(dict.fromkeys(row for row, _ in cells))
    ordered = sorted(rows, key=lambda row: (row[0] != OWN, row[0] != labels.THE_SAME_AGAIN))
    return Matrix(ordered, sorted(dict.fromkeys(column for _, column in cells), key=lambda name: not name.startswith("endpoint")), cells)


def _column(seen: Observation, public: set[str]) -> str:
    changed, place = seen.source.changed, seen.source.hop or "endpoint"
    host = next((_HOSTS[label] for label in changed if label in _HOSTS), "its own Host" if place in public else "")
    credentials = next((_CREDENTIALS[label] for label in changed if label in _CREDENTIALS), "")
    return ", ".join(filter(None, (place, host, credentials)))


def cell_text(entry: Entry | None) -> str:
    """Return what became of an attempt, in few words."""
    if entry is None:
        return ""
    facts = entry.facts
    words = {
        Kind.OPEN: "✓ 101",
        Kind.REFUSED: f"✗ {facts.status}",
        Kind.CLOSED: f"✗ 101, closed {facts.close_code or ''}".rstrip(),
        Kind.DENIED: "✗ 101, told no",
        Kind.BUSY: f"busy {facts.status}",
        Kind.NOTHING: "no answer",
    }
    return words[entry.kind]


def table_origin(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the Origin matrix: an Origin a row, a place a column, and beside it what its CORS header says, which decides nothing."""
    matrix = matrix_of(observations)
    rows = []
    for row in matrix.rows:
        entries = {column: matrix.cells.get((row, column)) for column in matrix.columns}
        allowed = next((value for entry in entries.values() if entry and (value := entry.facts.header("access-control-allow-origin"))), "")
        cells = {column: cell_text(entry) for column, entry in entries.items()}
        rows.append({"Origin": cap(row[1], 60), "which": cap(row[0], 60), **cells, "Access-Control-Allow-Origin": cap(allowed, 60)})
    return frame(rows, ["Origin", "which", *matrix.columns, "Access-Control-Allow-Origin"])


def table_cors(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the requests beside the socket: asked as which page, what came, and what a browser makes of it."""
    rows = [
        {
            "dialect": facts.dialect,
            "as a page of": cap(one.origin, 60),
            "request": one.method + (" (preflight)" if one.kind == "preflight" else ""),
            "credentials": "sent" if one.credentials else "",
            "status": "" if one.status is None else str(one.status),
            "CORS headers": cap("; ".join(f"{name}: {value}" for name, value in one.headers), 200),
            "the page's script": cap(_may_read(facts, one.whose, one.refused, one.status), 160),
        }
        for _, facts in rows_of(observations, CorsFacts)
        for one in facts.trials
    ]
    return frame(rows, ["dialect", "as a page of", "request", "credentials", "status", "CORS headers", "the page's script"])


def _may_read(facts: CorsFacts, whose: str, refused: str, status: int | None) -> str:
    if status is None:
        return "no answer"
    if whose == "own" and facts.same_origin:
        return "may read it: the same origin"
    return f"may not: {refused}" if refused else "may read it"
