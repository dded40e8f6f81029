"""Heartbeats that source code sets, with their interval, against the limits of the chain: equal is too late (step 3.4)."""

import re
from collections.abc import Iterator
from math import prod

from wsbook.evidence import Evidence
from wsbook.facts import PatternFacts
from wsbook.finding import Finding
from wsbook.limits import idle_limits
from wsbook.observation import Observation
from wsbook.rules.beats import advice, beat_of
from wsbook.rules.make import fault, proof

__all__ = ["judge_beats_in_code", "seconds_in"]

_CAUSE = "heartbeat.absent-or-too-slow"
_NUMBER = re.compile(r"[=:,(]\s*((?:\d[\d_]*(?:\.\d+)?)(?:\s*\*\s*\d[\d_]*)*)\s*[,;)}\]]*\s*$")
_TOO_SLOW = 0.97
"""From this part of a limit on a heartbeat comes too late, or just so."""
_LONGEST_S = 86_400.0


def seconds_in(excerpt: str, *, milliseconds: bool) -> float | None:
    """Return the interval that a place in code sets, in seconds; None when its last value is no plain number or product."""
    found = _NUMBER.search(" ".join(excerpt.split())[:400])
    if found is None:
        return None
    value = prod(float(part.strip().replace("_", "")) for part in found[1].split("*"))
    seconds = value / 1000 if milliseconds else value
    return seconds if 0 < seconds <= _LONGEST_S else None


def _places(evidence: Evidence) -> Iterator[tuple[Observation, PatternFacts, float]]:
    """Yield the places that set an interval, with it: Python counts in seconds, scripts in milliseconds."""
    for seen, facts in evidence.of(PatternFacts):
        if facts.cause == _CAUSE and not facts.ok:
            every_s = seconds_in(facts.excerpt, milliseconds=not facts.file.endswith(".py"))
            if every_s is not None:
                yield seen, facts, every_s


def judge_beats_in_code(evidence: Evidence) -> Iterator[Finding]:
    """Judge the intervals in code by the shortest configured limit, where no heartbeat was heard that tells more."""
    if beat_of(evidence) is not None:
        return
    limits = [limit for limit in idle_limits(evidence.observations) if limit.of == "silence" and limit.seconds > 0 and limit.serves]
    shortest = min(limits, key=lambda limit: limit.seconds, default=None)
    for seen, facts, every_s in _places(evidence):
        if shortest is not None and every_s >= _TOO_SLOW * shortest.seconds:
            config = next(one for one in evidence.observations if one.id == shortest.observation)
            equal = every_s <= shortest.seconds / _TOO_SLOW
            words = f"the heartbeat comes every {every_s:g} s, and {shortest.product} ends sockets after {shortest.seconds:g} s of silence"
            yield fault(
                _CAUSE,
                0.85,
                f"{words}: {'they race' if equal else 'it comes too late'}",
                proof(seen, facts.excerpt, f"{facts.file}:{facts.line}"),
                proof(config, f"{shortest.product} ends silence after {shortest.seconds:g} s", shortest.place),
                remedy=advice(evidence, shortest.seconds),
            )
