"""Sockets, messages and load as plain data frames: what happened over time. Judges and displays nothing."""

from collections.abc import Iterable

import pandas as pd

from wsbook.facts import Frame, LoadFacts, SessionFacts, TraceFacts
from wsbook.observation import Observation
from wsbook.views.tables.frames import frame, rows_of
from wsbook.words import cap, duration_text

__all__ = [
    "OPCODES",
    "direction_word",
    "table_frames",
    "table_load",
    "table_sessions",
    "table_trace",
]

OPCODES = {0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
"""RFC 6455 section 5.2."""


def direction_word(sent: Frame) -> str:
    """Return the frame's direction with its mark."""
    return "▲ sent" if sent.direction.startswith("s") else "▼ received"


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def table_sessions(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the life of each open socket: frames, how it ended, by whom, after how long."""
    rows = [
        {
            "socket": cap(facts.url, 60),
            "frames": facts.frame_count,
            "ended": facts.ended,
            "closed by": facts.closed_by or "?",
            "code": "" if facts.close_code is None else str(facts.close_code),
            "age": duration_text(facts.age_s),
            "silent before": duration_text(facts.idle_s),
            "error": cap(facts.error_text, 80),
            "place": seen.source.where,
        }
        for seen, facts in rows_of(observations, SessionFacts)
    ]
    return frame(rows, ["socket", "frames", "ended", "closed by", "code", "age", "silent before", "error", "place"])


def table_frames(observations: Iterable[Observation], limit: int = 200) -> pd.DataFrame:
    """Return the first frames of each socket: time since the upgrade, direction, kind, size, text."""
    rows = [
        {
            "at (ms)": _ms(one.at_s),
            "direction": direction_word(one),
            "kind": OPCODES.get(one.opcode, str(one.opcode)),
            "size (B)": one.size_bytes,
            "text": cap(one.text, 100),
        }
        for _, facts in rows_of(observations, SessionFacts)
        for one in facts.frames[:limit]
    ]
    return frame(rows, ["at (ms)", "direction", "kind", "size (B)", "text"])


def table_trace(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the places a marked message passed: time from the trigger in ms, time from the place before, how often it was seen."""
    rows = []
    for number, (_, facts) in enumerate(rows_of(observations, TraceFacts), start=1):
        before: float | None = 0.0
        for place in facts.places:
            step = None if place.at_s is None or before is None else place.at_s - before
            rows.append(
                {
                    "message": number,
                    "place": place.name,
                    "at (ms)": _ms(place.at_s),
                    "step (ms)": _ms(step),
                    "seen": f"{place.count} times" if place.count != 1 else "once",
                }
            )
            before = place.at_s if place.at_s is not None else before
    return frame(rows, ["message", "place", "at (ms)", "step (ms)", "seen"])


def table_load(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each rate of the ramp: sent, lost, latency percentiles from the intended send time."""
    rows = [
        {
            "rate (1/s)": one.rate,
            "size (B)": one.size_bytes,
            "connections": one.connections,
            "sent": one.sent,
            "lost": one.lost,
            "twice": one.duplicated,
            "out of order": one.reordered,
            "p50 (ms)": _ms(one.p50_s),
            "p99 (ms)": _ms(one.p99_s),
            "max (ms)": _ms(one.max_s),
            "void": facts.void,
        }
        for _, facts in rows_of(observations, LoadFacts)
        for one in facts.runs
    ]
    columns = ["rate (1/s)", "size (B)", "connections", "sent", "lost", "twice", "out of order", "p50 (ms)", "p99 (ms)", "max (ms)"]
    return frame(rows, [*columns, "void"] if any(row["void"] for row in rows) else columns)
