"""The idle ladder and the peer's heartbeats as plain data frames. Judges and displays nothing."""

from collections.abc import Iterable

import pandas as pd

from wsbook.facts import HalfOpenFacts, HeartbeatFacts, IdleFacts
from wsbook.observation import Observation
from wsbook.views.tables.frames import frame, rows_of
from wsbook.words import cap, duration_text

__all__ = ["TRAFFIC", "table_beats", "table_idle"]

TRAFFIC = {
    "none": "silence",
    "client": "we send",
    "listen": "we only listen",
    "server": "it spoke by itself",
    "ping": "our pings",
    "pong": "our pongs",
}
"""Kinds of traffic in words."""


def _code(code: int | None) -> str:
    return "" if code is None else str(code)


def table_idle(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the rungs of the idle ladder, shortest first, at each place those of silence before the others."""
    found = sorted(rows_of(observations, IdleFacts), key=lambda pair: (pair[1].traffic != "none", pair[1].traffic, pair[1].silence_s))
    rows = [
        {
            "tried": f"{duration_text(facts.silence_s)} {TRAFFIC.get(facts.traffic, facts.traffic)}",
            "survived": "yes" if facts.survived else "no",
            "lived": duration_text(facts.lived_s),
            "ended": facts.ended,
            "code": _code(facts.close_code),
            "reason": cap(facts.close_reason, 80),
            "age": duration_text(facts.age_s),
            "opened after": duration_text(facts.delay_s) if facts.delay_s else "",
            "at": seen.source.hop,
        }
        for seen, facts in found
    ]
    return frame(rows, ["tried", "survived", "lived", "ended", "code", "reason", "age", "opened after", "at"])


def table_beats(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the heartbeats of the peer, on a connection that answers them and on one that does not; and what becomes of a dead one."""
    seen_all = tuple(observations)
    rows = [
        {
            "our side": "answers" if facts.answered else "is mute",
            "heartbeat": facts.kind or "none",
            "came": facts.beats,
            "first": duration_text(facts.first_s),
            "every": duration_text(facts.interval_s or facts.announced_s),
            "unanswered": duration_text(facts.patience_s),
            "ended": facts.ended,
            "code": _code(facts.close_code),
            "reason": cap(facts.close_reason, 80),
            "watched": duration_text(facts.age_s),
            "at": seen.source.hop,
        }
        for seen, facts in rows_of(seen_all, HeartbeatFacts)
    ]
    rows += [
        {
            "our side": "is cut off",
            "unanswered": duration_text(facts.noticed_s),
            "ended": "open" if facts.noticed_s is None else "ended",
            "watched": duration_text(facts.watched_s),
            "at": seen.source.hop,
        }
        for seen, facts in rows_of(seen_all, HalfOpenFacts)
    ]
    return frame(rows, ["our side", "heartbeat", "came", "first", "every", "unanswered", "ended", "code", "reason", "watched", "at"])
