"""How fast refused attempts follow one another: clients that come back at one short, constant distance know no backoff."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from statistics import median

from wsbook.evidence import Evidence
from wsbook.facts import AccessFacts, ClosingsFacts, SignatureFacts
from wsbook.finding import Finding
from wsbook.rules.make import fault, proof
from wsbook.rules.own_traces import only_ours, without_ours
from wsbook.signs import is_socket_path
from wsbook.words import duration_text

__all__ = ["judge_pace"]

_REFUSED = ("access-", "chrome-status-", "chrome-refused", "connect-refused", "gateway-waited", "uvicorn-403", "nginx-refused")
"""Beginnings of the ids of signatures that tell a refused attempt."""
_SLOW_S = 6.0
"""Attempts this far apart burden nobody."""
_ALIKE = 0.15
"""Distances within this share of their median are one distance."""
_FEWEST = 2
"""Distances that must be known before they mean anything."""
_FEWEST_CROWDED = 5
"""Where most instants are shared, by several clients or by one with several attempts, a short rhythm may be chance."""
_YOUNG_S = 1.0
"""A socket that ended younger did not serve."""


def judge_pace(evidence: Evidence) -> Iterator[Finding]:
    """Judge refused attempts, and sockets that end as soon as they are open."""
    yield from _judge_refused(evidence)
    yield from _judge_requests(evidence)
    for seen, closed in evidence.of(ClosingsFacts):
        ends = [time for time, age in zip(closed.times, closed.ages_s, strict=True) if age is not None and age < _YOUNG_S]
        gaps = [after - before for before, after in pairwise(ends)]
        if gaps and max(gaps) <= _YOUNG_S and len(ends) >= 0.8 * len(closed.times):
            summary = f"{len(ends)} sockets in a row ended as soon as they were open, one each {duration_text(median(gaps))}"
            yield fault("client.reconnect-no-backoff", 0.75 if len(gaps) > _FEWEST else 0.5, summary, proof(seen, summary))


def _judge_requests(evidence: Evidence) -> Iterator[Finding]:
    """Judge the distances between requests for one socket path that were refused alike."""
    others = without_ours(evidence)
    for seen, facts in evidence.of(AccessFacts):
        if facts.status < 400 or facts.marked or not (facts.upgrade or is_socket_path(facts.path)):
            continue
        if gaps := _constant_gaps(others(facts.times)):
            usual = median(gaps)
            summary = (
                f"{facts.count} requests for {facts.path} answered {facts.status}, one each {duration_text(usual)} without a longer pause"
            )
            yield fault("client.reconnect-no-backoff", 0.6 if len(gaps) > _FEWEST else 0.5, summary, proof(seen, facts.text))


def _judge_refused(evidence: Evidence) -> Iterator[Finding]:
    """Judge the distances between the instants of refused attempts in one log."""
    ours, others = only_ours(evidence), without_ours(evidence)
    for seen, facts in evidence.of(SignatureFacts):
        if not facts.signature.startswith(_REFUSED) or ours(facts.times, facts.marks):
            continue
        if gaps := _constant_gaps(others(facts.times)):
            usual = duration_text(median(gaps))
            summary = f"{facts.count} refused attempts, one each {usual} without a longer pause: “{facts.text[:80]}”"
            yield fault("client.reconnect-no-backoff", 0.85 if len(gaps) > _FEWEST else 0.84, summary, proof(seen, facts.text))


def _constant_gaps(times: Iterable[float]) -> list[float]:
    """Return the distances between these instants where they are one distance, else nothing; alike instants are several clients."""
    every = [round(time, 2) for time in times]
    instants = sorted(set(every))
    gaps = [after - before for before, after in pairwise(instants)]
    crowded = len(every) > 2 * len(instants)
    return gaps if len(gaps) >= (_FEWEST_CROWDED if crowded else _FEWEST) and _constant(gaps) else []


def _constant(gaps: list[float]) -> bool:
    """Tell whether at least four in five distances are the median one, and none before the last is far longer."""
    usual = median(gaps)
    alike = sum(abs(gap - usual) <= max(_ALIKE * usual, 0.05) for gap in gaps)
    return usual <= _SLOW_S and alike >= 0.8 * len(gaps)
