"""Many upgrades at once: the first are accepted, the rest are told to wait (area L). Our experiments are such a burst."""

from collections.abc import Iterator

from wsbook.attempt import CONNECTION_LIST, IPV4_ONLY, NO_ALPN, NO_EXTENSIONS, OTHER_CASE
from wsbook.evidence import Evidence
from wsbook.facts import CycleFacts
from wsbook.finding import Finding
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.outcome import Seen, say

__all__ = ["judge_bursts"]

_BUSY = frozenset({429, 503})
_HARMLESS = (NO_EXTENSIONS, NO_ALPN, IPV4_ONLY, CONNECTION_LIST, OTHER_CASE)
"""Changes that no server answers with one of these statuses."""
_ENOUGH = 3


def judge_bursts(evidence: Evidence) -> Iterator[Finding]:
    """Judge each step's experiment at the endpoint: does it begin with answers and end with nothing but refusals for being busy?"""
    accepted = [seen for seen in evidence.attempts() if seen[1].accepted]
    counted = any(facts.after_leaving and not facts.after_pause for _, facts in evidence.of(CycleFacts))
    steps = dict.fromkeys(seen.source.step for seen, _ in evidence.upgrades)
    for variants in (_variants(evidence, step) for step in steps):
        busy = [seen for seen in variants if seen[1].status in _BUSY]
        if accepted and len(busy) >= _ENOUGH and busy == variants[-len(busy) :] and any(_is_harmless(seen) for seen in busy):
            yield from _judge_burst(variants, busy, accepted[-1], counted=counted)


def _variants(evidence: Evidence, step: str) -> list[Seen]:
    """Return a step's variants that were answered, in the order in which they began."""
    tried = [
        seen
        for seen in evidence.upgrades
        if seen[0].source.step == step and seen[0].source.hop == "endpoint" and seen[0].source.changed and seen[1].status is not None
    ]
    return sorted(tried, key=lambda seen: seen[0].observed_at)


def _is_harmless(seen: Seen) -> bool:
    return any(label in _HARMLESS for label in seen[0].source.changed)


def _judge_burst(variants: list[Seen], busy: list[Seen], good: Seen, *, counted: bool) -> Iterator[Finding]:
    """Judge one burst. counted: open and close cycles have shown that it is the number of connections that is limited, not their rate."""
    status, after = busy[0][1].status, busy[0][1].header("retry-after")
    wait = f", retry after {after[:20]} s" if after else ""
    passed = len(variants) - len(busy)
    summary = f"of {len(variants)} upgrades at once the first {passed} were answered, the other {len(busy)} got {status}{wait}"
    proofs = [proof(good[0], f"alone: {say(*good)}"), *(proof(seen[0], f"{seen[0].source.changed[0]}: {say(*seen)}") for seen in busy[:3])]
    if counted and status == 503:
        yield fault("load.connection-cap", 0.6, summary, *proofs)
        return
    yield fault("load.rate-limited", 0.75 if status == 429 else 0.6, summary, *proofs)
    if status == 503 and not after:
        yield unknown("load.connection-cap", 0.3, summary, *proofs)
