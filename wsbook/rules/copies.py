"""Deliveries that a log tells more than once (areas I, J): hints only, because a log may tell one delivery at several places."""

import re
from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import CopiesFacts
from wsbook.finding import Finding
from wsbook.rules.make import proof, unknown

__all__ = ["judge_copies"]

_SENT = re.compile(r"(?i)publish|emit|broadcast|push|send|sent|fan-?out")


def judge_copies(evidence: Evidence) -> Iterator[Finding]:
    """Several writers tell one sending: each may publish it. One writer tells it again: it has several handlers, or gets copies."""
    for seen, facts in evidence.of(CopiesFacts):
        words = f"“{facts.text[:100]}” is told up to {facts.most} times"
        if facts.by_sources and _SENT.search(facts.text):
            yield unknown("cluster.every-instance-publishes", 0.45, f"{words}, by several writers", proof(seen, facts.text))
            yield unknown("message.duplicated", 0.3, f"{words}, by several writers", proof(seen, facts.text))
        elif facts.by_one:
            for slug, likely in (("client.duplicate-listeners", 0.35), ("message.duplicated", 0.3), ("client.double-connect", 0.2)):
                yield unknown(slug, likely, f"{words} by the same writer", proof(seen, facts.text))
