"""Large messages, unusual frames and compression, as the direct test saw them (area G)."""

import re
from collections.abc import Iterator

from msgspec.structs import replace

from wsbook.evidence import Evidence
from wsbook.facts import CompressionFacts, FramingFacts, SessionFacts, SignatureFacts, SizeFacts, Stream, SymptomFacts
from wsbook.finding import PROVEN, Finding, Proof, Severity
from wsbook.observation import Observation
from wsbook.rules.entry import entry_of
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.own_traces import only_ours
from wsbook.wire.limits import limits_between
from wsbook.words import quantity, size_text

__all__ = ["judge_compression", "judge_framing", "judge_sizes"]

_TOO_BIG = "frame.message-too-big"
_PACKET_BYTES = range(1_024, 1_601)
"""Where a packet of the usual size no longer holds a message: 1,500 bytes less what tunnels and headers take."""
_LARGE = re.compile(
    r"\b(?:large|larger|big|bigger|huge|long|longer|size)\b(?! (?:number|amount|scale|share|time|as|enough|list of clients))", re.IGNORECASE
)
_SIZE = re.compile(r"\b(\d+(?:\.\d+)?) ?([km])i?b\b", re.IGNORECASE)
_CONTENT = re.compile(
    r"\b(?:message|payload|frame|packet|image|picture|file|json|upload|document|body|text|event|update|emit|snapshot)\w*",
    re.IGNORECASE,
)
_MEMORY = re.compile(r"\b(?:memory|rss|heap|ram|oom|swap|disk|log)\b", re.IGNORECASE)
"""Words of a symptom that is about the size of messages, or of something else."""
_BROKEN_CODES = frozenset({1002, 1003, 1006, 1007})


# Size


def judge_sizes(evidence: Evidence) -> Iterator[Finding]:
    """Judge the largest message that was taken: a limit is a fault only when somebody is known to need more."""
    seen_at = {seen.source.hop: (seen, facts) for seen, facts in evidence.of(SizeFacts)}
    for hop, (seen, facts) in seen_at.items():
        if hop == "endpoint":
            yield from _judge_limit(evidence, seen, facts, seen_at)


def _judge_limit(
    evidence: Evidence, seen: Observation, facts: SizeFacts, others: dict[str, tuple[Observation, SizeFacts]]
) -> Iterator[Finding]:
    if facts.refused_bytes is None:
        if facts.accepted_bytes:
            words = f"messages up to {size_text(facts.accepted_bytes)} are taken, the largest that was tried"
            yield _info(clear(_TOO_BIG, words, proof(seen, words)))
        return
    if facts.how == "silence" and facts.refused_bytes in _PACKET_BYTES:
        words = f"a message of {facts.accepted_bytes} B is answered, one of {facts.refused_bytes} B is not"
        yield unknown("net.mtu-blackhole", 0.4, words, proof(seen, words))
        return
    words = f"{_sizes(facts)}{_refusal(facts)}{_owner(facts)}{_place(evidence, facts, others)}"
    needed = list(_needed(evidence, facts.accepted_bytes))
    if needed:
        yield fault(_TOO_BIG, 0.85, words, proof(seen, words), *needed, remedy=_remedy(facts))
    else:
        yield _info(clear(_TOO_BIG, f"{words}; nothing seen needs larger ones", proof(seen, words)))


def _info(finding: Finding) -> Finding:
    return replace(finding, severity=Severity.INFO)


def _sizes(facts: SizeFacts) -> str:
    accepted = size_text(facts.accepted_bytes) if facts.accepted_bytes else "none"
    return f"the largest message taken is {accepted} ({facts.accepted_bytes} B), one of {facts.refused_bytes} B is refused"


def _refusal(facts: SizeFacts) -> str:
    if facts.how == "close":
        return f" with close code {facts.close_code}{f' ({facts.close_reason[:60]})' if facts.close_reason else ''}"
    return {"rst": " with a reset", "fin": " by ending the connection", "silence": " in silence"}.get(facts.how, "")


def _owner(facts: SizeFacts) -> str:
    known = limits_between(facts.accepted_bytes, facts.refused_bytes or 0)
    return f", near the default of {' and '.join(limit.product for limit in known)}" if known else ""


def _remedy(facts: SizeFacts) -> str:
    known = limits_between(facts.accepted_bytes, facts.refused_bytes or 0)
    lines = [f"  {limit.product}: {limit.setting} ({size_text(limit.bytes)} a {limit.counts} by default)" for limit in known]
    return "\n".join(["Split the message, or raise the limit where the size is legitimate:", *lines]) if lines else ""


def _place(evidence: Evidence, facts: SizeFacts, others: dict[str, tuple[Observation, SizeFacts]]) -> str:
    """Name the hop that refuses: the outermost one at which a larger message still passes is not it."""
    inner = [(hop.name, others[hop.name][1]) for hop in evidence.target.hops if hop.name in others]
    passing = [name for name, at in inner if at.accepted_bytes > (facts.refused_bytes or 0)]
    refusing = [name for name, at in inner if name not in passing and at.refused_bytes is not None]
    if refusing:
        return f", refused by {refusing[0]} itself"
    return f", {passing[-1]} takes it, so what stands before it refuses" if passing else ""


def _about_size(text: str, accepted_bytes: int) -> bool:
    """Tell whether a symptom is about messages that are too large; one that names a size must name one that is refused."""
    if not _CONTENT.search(text) or _MEMORY.search(text):
        return False
    told = [float(number) * (1_000 if unit in "kK" else 1_000_000) for number, unit in _SIZE.findall(text)]
    return max(told) * 1.05 > accepted_bytes if told else bool(_LARGE.search(text))


def _needed(evidence: Evidence, accepted_bytes: int) -> Iterator[Proof]:
    """Yield what says that larger messages are needed: a symptom, a log, a recording."""
    ours = only_ours(evidence)
    for seen, told in evidence.of(SymptomFacts):
        if told.close_code == 1009 or _about_size(told.text, accepted_bytes):
            yield proof(seen, f"told: {told.text}")
    for seen, printed in evidence.of(SignatureFacts):
        sure = any(slug == _TOO_BIG and weight >= PROVEN for slug, weight in printed.causes)
        if sure and printed.times and not ours(printed.times, printed.marks):
            yield proof(seen, printed.text)
    for seen, session in evidence.of(SessionFacts):
        if session.close_code == 1009 and session.closed_by != "us":
            yield proof(seen, "close 1009")


# Frames


def judge_framing(evidence: Evidence) -> Iterator[Finding]:
    """Judge what a peer made of unusual frames: at most a warning, because few clients send them."""
    for seen, facts in evidence.of(FramingFacts):
        if seen.source.changed or any(trial.ok is None for trial in facts.trials) or _sends_away(evidence):
            continue  # a peer that answers nothing breaks no rule of its own, and one that closes at once does not look at frames
        broken = [trial for trial in facts.trials if trial.must and trial.ok is False]
        told = [proof(seen, f"{trial.name} (RFC 6455 section {trial.section}): {trial.detail}") for trial in broken]
        if broken:
            summary = (
                f"{len(broken)} of {quantity(len(facts.trials), 'legal frame sequence')} not handled: {broken[0].name}: {broken[0].detail}"
            )
            yield replace(fault("frame.protocol-violation", 0.45, summary, *told[:6]), severity=Severity.WARNING)
        elif any(trial.ok for trial in facts.trials):
            good = sum(trial.ok is True for trial in facts.trials)
            words = f"{good} of {quantity(len(facts.trials), 'unusual frame sequence')} handled as RFC 6455 asks"
            yield clear("frame.protocol-violation", words, proof(seen, words))


def _sends_away(evidence: Evidence) -> bool:
    """Whether the endpoint closes what it has just accepted."""
    watched = evidence.attempts(step="3.3")
    return bool(watched) and watched[-1][1].accepted and entry_of(watched[-1]).refused


# Compression


def judge_compression(evidence: Evidence) -> Iterator[Finding]:
    """Judge the same texts with and without compression: only what fails with it and passes without speaks against it."""
    measured = list(evidence.of(CompressionFacts))
    sound = [seen.source.hop for seen, facts in measured if not _fault_of(facts) and facts.compressed.answered]
    for seen, facts in measured:
        if seen.source.hop != "endpoint" or not facts.compressed.agreed or facts.plain is None:
            continue
        problem = _fault_of(facts)
        if problem:
            inner = f"; at {sound[-1]} they pass, so what stands before it breaks them" if sound else ""
            words = f"with {facts.compressed.agreed} {problem}; without extensions the same texts pass{inner}"
            yield fault("frame.compression-broken", 0.93 if sound else 0.9, words, proof(seen, words))
        elif not _problem(facts.plain, facts.compressed) and (facts.compressed.answered or facts.compressed.received):
            yield clear("frame.compression-broken", _gain(facts), proof(seen, facts.compressed.agreed))


def _fault_of(facts: CompressionFacts) -> str:
    """Return what only the compressed socket suffered, "" nothing or nothing known."""
    return _problem(facts.compressed, facts.plain) if facts.compressed.agreed and facts.plain else ""


def _problem(one: Stream, other: Stream) -> str:
    """Return what went wrong on one socket and not on the other, "" nothing."""
    served = one.close_code is None and 0 < one.answered >= other.answered  # an end after every answer has another reason
    if _broke(one) and not _broke(other) and not served:
        code = f" with {one.close_code}" if one.close_code is not None else ""
        return f"the connection ends ({one.ended}{code}{f': {one.error_text[:80]}' if one.error_text else ''})"
    if other.answered > one.answered == 0 and not _broke(other):
        return f"none of the texts is answered, {other.answered} are"
    return ""


def _broke(stream: Stream) -> bool:
    return stream.ended in ("rst", "fin") or (stream.ended == "close" and stream.close_code in _BROKEN_CODES)


def _gain(facts: CompressionFacts) -> str:
    stream = facts.compressed
    payload, wire = stream.sent_bytes + stream.received_bytes, stream.sent_wire_bytes + stream.received_wire_bytes
    return f"compressed frames pass; {size_text(payload)} of payload took {size_text(wire)}, {wire / max(1, payload):.0%}"
