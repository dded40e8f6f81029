"""Sockets and their frames as plain data frames: what happened over time. Judges and displays nothing."""

from collections.abc import Iterable

import pandas as pd

from wsbook.facts import Frame, SessionFacts
from wsbook.observation import Observation
from wsbook.views.tables.frames import frame, milliseconds, rows_of
from wsbook.words import cap, duration_text

__all__ = [
    "OPCODES",
    "direction_word",
    "table_frames",
    "table_sessions",
]

OPCODES = {0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
"""RFC 6455 section 5.2."""


def direction_word(sent: Frame) -> str:
    """Return the frame's direction with its mark."""
    return "▲ sent" if sent.direction.startswith("s") else "▼ received"


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
    """Return the first frames of each socket, the busiest first: time since the upgrade, direction, kind, size, text.

    The socket is named where there are several.
    """
    sockets = sorted((facts for _, facts in rows_of(observations, SessionFacts) if facts.frames), key=lambda one: -one.frame_count)
    rows = [
        {
            "socket": f"{number} {cap(facts.url, 48)}" if len(sockets) > 1 else "",
            "at (ms)": milliseconds(one.at_s),
            "direction": direction_word(one),
            "kind": OPCODES.get(one.opcode, str(one.opcode)),
            "size (B)": one.size_bytes,
            "text": cap(one.text, 100),
        }
        for number, facts in enumerate(sockets, start=1)
        for one in facts.frames[:limit]
    ]
    return frame(rows, ["socket", "at (ms)", "direction", "kind", "size (B)", "text"])
