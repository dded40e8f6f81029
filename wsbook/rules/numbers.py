"""Sequence numbers that logs tell of arrivals (area G): hints only, because a log may mix several channels and clients."""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import NumbersFacts
from wsbook.finding import Finding
from wsbook.rules.make import proof, unknown
from wsbook.words import quantity

__all__ = ["judge_numbers"]

_MOST = 0.5
"""Where more of the arrivals break the count, the numbers do not count one by one."""


def judge_numbers(evidence: Evidence) -> Iterator[Finding]:
    """Numbers missing over a reconnect were not fetched afterwards; missing without one, they are lost; others are copies or late."""
    for seen, facts in evidence.of(NumbersFacts):
        if facts.repeated + facts.late > _MOST * facts.arrivals + 1:
            continue
        for slug, count, likely, words in (
            ("client.no-catch-up-after-reconnect", facts.missing_renewed, 0.45, "missing after a reconnect"),
            ("message.lost", facts.missing, 0.42, "missing without a reconnect"),
            ("message.out-of-order", facts.late, 0.4, "after a later one"),
            ("message.duplicated", facts.repeated, 0.35, "told again"),
        ):
            if count:
                summary = f"{quantity(count, 'number')} {words} among {quantity(facts.arrivals, 'arrival')}"
                yield unknown(slug, likely, summary, proof(seen, summary))
