"""Requests for one socket path that were accepted before and are refused for want of rights since: a credential ran out (step 3.2)."""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import AccessFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import fault, proof
from wsbook.words import quantity

__all__ = ["judge_expired"]

Row = tuple[Observation, AccessFacts]
_REFUSED = frozenset({401, 403})
_FEWEST = 2
"""Refusals in a row that are no coincidence."""


def judge_expired(evidence: Evidence) -> Iterator[Finding]:
    """Judge the requests of each path of each log: are all refusals later than all upgrades, and repeated?"""
    paths: dict[tuple[str, str], list[Row]] = {}
    for seen, facts in evidence.of(AccessFacts):
        if not facts.marked and (facts.status == 101 or facts.status in _REFUSED):
            paths.setdefault((seen.source.artifact, facts.path), []).append((seen, facts))
    for (_, path), rows in paths.items():
        opened = [row for row in rows if row[1].status == 101]
        refused = [row for row in rows if row[1].status in _REFUSED]
        count = sum(facts.count for _, facts in refused)
        if opened and count >= _FEWEST and _last(opened) < _first(refused):
            words = f"{path} was accepted, and {quantity(count, 'later request')} refused for want of rights, none accepted since"
            yield fault("auth.token-expired-on-reconnect", 0.62, words, proof(refused[0][0], refused[0][1].text))


def _last(rows: list[Row]) -> int:
    return max(seen.source.line_end or 0 for seen, _ in rows)


def _first(rows: list[Row]) -> int:
    return min(seen.source.line or 0 for seen, _ in rows)
