"""Many marked events at once, after single ones: what is lost only then has found a queue full (areas G and L)."""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import BurstFacts, BurstPlace
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.trace_places import TIME_TO_ARRIVE_S, Trace
from wsbook.words import duration_text, quantity

__all__ = ["burst_lost", "judge_burst"]

_WIRE = ("hop", "endpoint")
_ORDERED = ("redis", "message", "socket")
"""Triggers whose events leave on one connection, in order."""
_FEWEST = 5
_MANY_MOVED, _FEW_LOST = 0.2, 0.1
_TAIL, _TAIL_SHARE = 3, 0.2
"""The last events of a burst may still be on their way when its watching ends; so many, and this share of it, are not."""


def judge_burst(evidence: Evidence, trace: Trace) -> Iterator[Finding]:
    """Judge every burst beside the single events of the trace."""
    for seen, facts in evidence.of(BurstFacts):
        taken = facts.sent - facts.refused
        if facts.refused:
            yield from _judge_refused(seen, facts)
        yield from _judge_joined(trace, seen, facts)
        if taken < _FEWEST or facts.watched_s < TIME_TO_ARRIVE_S:
            continue
        yield from _judge_lost(trace, seen, facts, taken)
        yield from _judge_order(trace, seen, facts)
        yield from _judge_copies(trace, seen, facts)


def _burst(facts: BurstFacts) -> str:
    return f"of {quantity(facts.sent, 'event')} within {duration_text(facts.took_s)}"


def _judge_refused(seen: Observation, facts: BurstFacts) -> Iterator[Finding]:
    words = f"{_burst(facts)}, {facts.refused} were not accepted, though single ones are"
    yield unknown("load.rate-limited", 0.35, words, proof(seen, words))


def _singles(trace: Trace, name: str) -> bool:
    """Whether single events came to this place."""
    spot = next((one for one in trace.spots if one.name == name), None)
    return spot is not None and bool(spot.seen) and spot.seen >= trace.patient


def _judge_lost(trace: Trace, seen: Observation, facts: BurstFacts, taken: int) -> Iterator[Finding]:
    whole = [place for place in facts.places if place.kind in (*_WIRE, "broker") and place.received >= taken]
    alone = [place for place in facts.places if place.kind in (*_WIRE, "frame") and _singles(trace, place.name)]
    short = [place for place in alone if burst_lost(facts, place)]
    if not short and (late := next((place for place in alone if place.kind == "frame" and place.received < taken), None)):
        words = f"{_burst(facts)}, the page had got the first {late.received} when watching ended: it is slower than they come"
        yield unknown("client.render-per-message", 0.4, words, proof(seen, words))
    wire = [place for place in facts.places if place.kind in _WIRE]
    if not short:
        if wire and len([place for place in wire if place in whole]) == len(wire):
            words = f"{_burst(facts)}, all {taken} came to {quantity(len(wire), 'place')}"
            yield clear("message.lost", words, proof(seen, words))
        return
    first = short[0]
    numbers = f" (the first is number {first.missing[0]})" if first.missing else ""
    lost = f"{burst_lost(facts, first)} never came to {first.name}{numbers}{_elsewhere(whole, short)}"
    words = f"single events pass, and {_burst(facts)} {lost}"
    broker = next((place for place in whole if place.kind == "broker"), None)
    if broker is not None and len(short) >= len(wire):
        yield fault("message.lost", 0.8, f"{words}: a queue behind the broker drops what finds it full", proof(seen, words))
        yield unknown("load.pubsub-overrun", 0.45, words, proof(seen, words))
        return
    if first.kind == "frame" and burst_lost(facts, first) <= _FEW_LOST * taken:
        yield unknown("message.lost", 0.45, f"{words}: a browser that is busy may not report them all", proof(seen, words))
        return
    yield fault("message.lost", 0.88, f"{words}: what drops them holds a limited number, or takes a limited rate", proof(seen, words))


def _judge_joined(trace: Trace, seen: Observation, facts: BurstFacts) -> Iterator[Finding]:
    """Messages of several JSON documents, as they come when many are gathered: a page that reads one in each misses them."""
    joined = next((place for place in facts.places if place.kind in _WIRE and place.joined), None)
    if joined is None:
        return
    words = f"{_burst(facts)}, {joined.name} got {quantity(joined.joined, 'message')} of several JSON documents one after another"
    frame, shown = (next((place for place in facts.places if place.kind == kind), None) for kind in ("frame", "document"))
    if shown is None or frame is None or not _singles(trace, shown.name):
        yield unknown("message.format-mismatch", 0.4, f"{words}: who parses a message as a whole fails", proof(seen, words))
    elif shown.received < 0.5 * frame.received:
        words += f", and the page shows {shown.received} of {frame.received} whose frames it got, though it shows single ones"
        yield fault("message.format-mismatch", 0.75, words, proof(seen, words))
    else:
        yield clear("message.format-mismatch", f"{words}, and the page shows {shown.received}", proof(seen, words))


def burst_lost(facts: BurstFacts, place: BurstPlace) -> int:
    """Return how many events were lost before this place: those that later ones overtook, and a long tail that was watched in vain,
    unless the socket had ended. A page whose socket was another one meanwhile has lost nothing that was sent to it.

    Which triggers were refused is not told, so as many may be missing everywhere. A page takes frames as fast as it handles them: what it
    has not got at the end, after all others, is late.
    """
    if place.ended and place.kind == "frame":
        return 0
    missing = set(place.missing) or set(range(place.received, facts.sent))
    last = max((number for number in range(facts.sent) if number not in missing), default=-1)
    inside = sum(number < last for number in missing)
    tail, late = len(missing) - inside, place.kind not in (*_WIRE, "broker")
    if late or place.ended or tail < max(_TAIL, _TAIL_SHARE * facts.sent) or facts.watched_s - facts.took_s < TIME_TO_ARRIVE_S:
        tail = 0
    return max(0, inside + tail - facts.refused)


def _elsewhere(whole: list[BurstPlace], short: list[BurstPlace]) -> str:
    others = [f"{place.name} got {place.received}" for place in short[1:4]]
    others += [f"{whole[-1].name} got all"] if whole else []
    return f"; {', '.join(others)}" if others else ""


def _judge_order(trace: Trace, seen: Observation, facts: BurstFacts) -> Iterator[Finding]:
    """Requests side by side have no order; what left on one connection has, and so have two places of one instance.

    Requests that were answered one before the other have one as well, give or take neighbours that a busy machine swaps.
    """
    moved = next((place for place in facts.places if place.kind in _WIRE and place.reordered), None)
    if moved is None:
        return
    words = f"{_burst(facts)}, {moved.reordered} came to {moved.name} after a later one"
    steady = [place for place in facts.places if place.kind == "broker" and not place.reordered and place.received]
    if trace.trigger in _ORDERED or steady:
        yield fault("message.out-of-order", 0.8, words, proof(seen, words))
    elif facts.side_by_side == 1 and moved.reordered >= max(_FEWEST, _MANY_MOVED * moved.received):
        summary = f"{words}, though each request was answered before the next left"
        yield fault("message.out-of-order", 0.75, summary, proof(seen, summary))
    else:
        summary = f"{words}; each was a request of its own, so their order is not certain"
        yield unknown("message.out-of-order", 0.1, summary, proof(seen, summary))


def _judge_copies(trace: Trace, seen: Observation, facts: BurstFacts) -> Iterator[Finding]:
    copied = next((place for place in facts.places if place.kind in _WIRE and place.duplicated), None)
    if copied is not None:
        words = f"{_burst(facts)}, {copied.name} got {copied.duplicated} copies too many"
        yield fault("message.duplicated", 0.75, words, proof(seen, words))
