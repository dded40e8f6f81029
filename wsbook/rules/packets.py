"""Large packets that vanish while small ones arrive (area C)."""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import PacketFacts, PacketTrial
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.words import duration_text, quantity

__all__ = ["judge_packets"]

_SLUG = "net.mtu-blackhole"
_SILENT = frozenset({"stalled", "lost"})
_SMALLEST_MTU, _LARGEST_PACKET = 576, 9_000
"""A size between these may be what a link carries in one packet: IPv4's least, and jumbo frames."""
_USUAL = (1_150, 1_600)
"""What fits into one packet on ordinary links and tunnels, give or take headers."""


def judge_packets(evidence: Evidence) -> Iterator[Finding]:
    """Judge each kind that was sent: is there a size from which on nothing arrives?"""
    for seen, facts in evidence.of(PacketFacts):
        judged = [finding for what in ("request", "message") if (finding := _judge(seen, facts, what))]
        judged += [finding] if (finding := _judge_handshake(seen, facts)) else []
        yield from judged
        passed = [trial for trial in facts.trials if trial.outcome == "answered"]
        if passed and not judged and not any(trial.outcome in _SILENT for trial in facts.trials):
            largest = max(passed, key=lambda trial: trial.size_bytes)
            words = f"a {largest.what} of {largest.size_bytes:,} B arrives like a small one"
            yield clear(_SLUG, words, proof(seen, _say(largest)))


def _say(trial: PacketTrial) -> str:
    took = f" after {duration_text(trial.took_s)}" if trial.took_s is not None else ""
    sent = f", {quantity(trial.unacked, 'segment')} not acknowledged, {trial.retransmits} sent again" if trial.unacked else ""
    arrived = ", all of it acknowledged" if trial.unacked == 0 and trial.outcome == "stalled" else ""
    gap = f", {quantity(trial.out_of_order, 'segment')} of the answer came out of order" if trial.out_of_order else ""
    size = f" of {trial.size_bytes:,} B" if trial.size_bytes else ""
    return f"{trial.what}{size}: {trial.outcome}{took}{sent}{arrived}{gap}"


def _judge_handshake(seen: Observation, facts: PacketFacts) -> Finding | None:
    """Judge a TLS handshake without an answer: the certificate is the first thing that does not fit into one packet."""
    silent = [trial for trial in facts.trials if trial.what == "TLS handshake"]
    gaps = [trial for trial in silent if trial.out_of_order]
    if not silent or len(silent) != len(facts.trials) or not gaps:
        return None
    came = quantity(gaps[0].out_of_order or 0, "later segment")
    words = f"the TLS handshake stalls: {came} of the server's answer came, an earlier one never did"
    return fault(_SLUG, 0.92, words, *(proof(seen, _say(trial)) for trial in silent[:2]))


def _judge(seen: Observation, facts: PacketFacts, what: str) -> Finding | None:
    """Return the finding for requests or for messages; None when all arrive, or when small ones do not arrive either."""
    trials = [trial for trial in facts.trials if trial.what == what]
    passed = [trial for trial in trials if trial.outcome == "answered"]
    silent = [trial for trial in trials if trial.outcome in _SILENT]
    if not passed or not silent:
        return None
    through, first = max(passed, key=lambda t: t.size_bytes), min(silent, key=lambda t: t.size_bytes)
    if through.size_bytes > first.size_bytes or not _SMALLEST_MTU <= first.size_bytes <= _LARGEST_PACKET:
        words = f"a {what} of {first.size_bytes:,} B got no answer, one of {through.size_bytes:,} B did"
        return unknown(_SLUG, 0.15, words, proof(seen, _say(first)), proof(seen, _say(through)))
    lost = [trial for trial in silent if trial.outcome == "lost"]
    words = (
        f"{what}s up to {through.size_bytes:,} B are answered, from {first.size_bytes:,} B on nothing comes within {facts.patience_s:g} s"
    )
    proofs = [proof(seen, _say(trial)) for trial in (through, first, *lost[-1:])]
    if lost:
        told = max(lost, key=lambda trial: trial.retransmits or 0)
        again = f"sent again {told.retransmits} times, never acknowledged"
        return fault(_SLUG, 0.95, f"{words}: {quantity(told.unacked or 0, 'segment')} of {told.mss_bytes} B {again}", *proofs)
    gaps = [trial for trial in silent if trial.out_of_order]
    if gaps:
        came = quantity(gaps[0].out_of_order or 0, "later segment")
        return fault(_SLUG, 0.92, f"{words}: {came} of the answer came, an earlier one never did", *proofs, proof(seen, _say(gaps[0])))
    usual = _USUAL[0] <= first.size_bytes <= _USUAL[1] and through.size_bytes <= _USUAL[1]
    return (fault if usual else unknown)(_SLUG, 0.75 if usual else 0.35, f"{words}, and nobody ends the connection", *proofs)
