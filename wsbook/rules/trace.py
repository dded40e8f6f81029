"""Where marked messages are lost on their way to the sockets: the hop after which they are missing, and why (areas G, H and I).

What the page makes of them is in rules/trace_page.py, copies, order and content are in rules/trace_content.py, events that nobody got in
rules/trace_silence.py.
"""

import re
from collections.abc import Iterator
from itertools import groupby

from wsbook.evidence import Evidence
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import GATEWAY
from wsbook.rules.trace_bursts import judge_burst
from wsbook.rules.trace_content import judge_content
from wsbook.rules.trace_page import judge_page
from wsbook.rules.trace_places import Leg, Spot, Trace, legs_of, share_of, trace_of
from wsbook.rules.trace_silence import judge_silence
from wsbook.words import duration_text, quantity

__all__ = ["judge_trace"]

_SILENT = "message.never-published"
_LOST = "message.lost"
_NO_BUS, _HALF_BUS = "cluster.no-pubsub-across-workers", "cluster.pubsub-misconfigured"
_FEW = 3
"""Fewer events than these are a sample, not a rule."""


def judge_trace(evidence: Evidence) -> Iterator[Finding]:
    """Judge the marked events of a trace: those whose trigger failed, those that were lost, and those that came."""
    trace = trace_of(evidence)
    if trace is None:
        return
    yield from _judge_refused(trace)
    if not trace.events:
        return
    yield from _judge_gone(trace)
    frame = trace.page.get("frame")
    if not trace.sockets and (frame is None or (frame.ended and not frame.seen)):
        yield from _judge_blind(trace)
    elif not any(spot.seen for spot in trace.sockets) and (frame is None or not frame.seen):
        yield from judge_silence(evidence, trace)
    else:
        yield from _judge_wire(trace)
        yield from judge_page(trace)
        yield from judge_content(trace)
    yield from judge_burst(evidence, trace)


def _first(trace: Trace) -> Observation:
    return trace.events[0][0]


def _ratio(count: int, trace: Trace) -> str:
    return f"{count} of {quantity(len(trace.events), 'event')}"


# Triggers that failed


def _judge_refused(trace: Trace) -> Iterator[Finding]:
    """Nothing was set off: it is the trigger that fails, or the application that stumbles while it publishes."""
    if not trace.refused:
        return
    seen = trace.refused[0][0]
    message = seen.failure.message if seen.failure else ""
    total = len(trace.refused) + len(trace.events)
    came = any(place.at_s is not None for _, facts in trace.refused for place in facts.places if place.kind in ("hop", "endpoint", "frame"))
    words = f"{len(trace.refused)} of {quantity(total, 'trigger')} failed: {message}"
    status = re.search(r"HTTP (5\d\d)$", message)
    if status and int(status[1]) not in GATEWAY and came:
        summary = f"{words}, although the event reached some of the sockets: it stumbles on the way, as over one that broke off before"
        yield fault("backend.exception-kills-broadcast", 0.7, summary, proof(seen, words))
    elif status and int(status[1]) not in GATEWAY:
        summary = f"{words}, and nothing was published: the application stumbles over the request"
        yield fault("backend.exception-in-handler", 0.6, summary, proof(seen, words))
    elif not trace.events:
        yield unknown(_SILENT, 0.1, f"{words}: nothing was published, and nothing is known of the way", proof(seen, words))


def _judge_gone(trace: Trace) -> Iterator[Finding]:
    """Sockets that ended while events were on their way: what comes of that is judged where they are watched for longer."""
    for spot in trace.gone:
        words = f"the socket at {spot.where} had ended ({spot.ended}) before {_ratio(len(trace.every - spot.seen), trace)}"
        yield unknown(_LOST, 0.2, words, proof(_first(trace), words))


# Nobody was there to see it


def _judge_blind(trace: Trace) -> Iterator[Finding]:
    held = "stayed open" if trace.gone else "could be opened"
    page = "the page's neither" if "frame" in trace.page else "no page was watched"
    words = f"no socket {held} and {page}, so nothing is known of where events go"
    yield unknown(_LOST, 0.0, words, proof(_first(trace), words))


# Some sockets saw it


def _judge_wire(trace: Trace) -> Iterator[Finding]:
    missing = [spot for spot in trace.sockets if (trace.every - spot.seen) & trace.patient]
    hasty = [spot for spot in trace.sockets if spot not in missing and trace.every - spot.seen]
    frame = trace.page.get("frame")
    reached = [spot for spot in trace.sockets if spot.seen]
    if trace.sockets and not missing and not hasty:
        yield _complete(trace)
    elif missing and not reached:
        words = f"the page got {_ratio(len(frame.seen) if frame else 0, trace)}, and our own {quantity(len(missing), 'socket')} none"
        yield unknown(_LOST, 0.05, f"{words}: they may have to subscribe as the page does", proof(_first(trace), words))
    elif missing:
        yield from _judge_missing(trace, missing)
    elif hasty:
        lost = min(hasty[0].times.index(None), len(trace.events) - 1)
        before = _before(trace, hasty[0])
        took = duration_text(trace.events[lost][0].duration_s)
        words = f"the message reached {before.where if before else 'others'} and not within {took} {hasty[0].where}"
        yield unknown(_LOST, 0.1, words, proof(trace.events[lost][0], words))


def _complete(trace: Trace) -> Finding:
    legs = [leg for leg in legs_of(trace) if not leg.end.startswith("page")]
    last = max(spot.typical_s or 0.0 for spot in trace.sockets)
    most = share_of(legs)
    words = (
        f"{_ratio(len(trace.events), trace)} passed {quantity(len(trace.sockets), 'place')} on the wire, "
        f"the last after {duration_text(last)}{f'; {most}' if most else ''}"
    )
    return clear(_LOST, words, proof(_first(trace), "; ".join(map(_leg_text, legs[:6])) or words))


def _leg_text(leg: Leg) -> str:
    return f"{leg.begin} → {leg.end} median {duration_text(leg.p50_s)}, 90 % {duration_text(leg.p90_s)}"


def _judge_missing(trace: Trace, missing: list[Spot]) -> Iterator[Finding]:
    """Some sockets got what others did not: it stays on an instance, or is lost on the way from one place to the next."""
    groups = _by_instance(trace)
    if groups and _split(trace, groups):
        yield from _judge_instances(trace, groups)
    elif _alternate(trace):
        yield from _judge_alternating(trace)
    else:
        yield from _judge_hop(trace, missing)


# By instance


def _by_instance(trace: Trace) -> dict[str, list[Spot]]:
    """Return the sockets of each instance, the page's too when it is known; none when ours are not or there is only one."""
    frame = trace.page.get("frame")
    page = (frame,) if frame is not None and frame.instance and not frame.ended else ()
    named = sorted((*trace.sockets, *page), key=lambda spot: spot.instance)
    groups = {name: list(spots) for name, spots in groupby(named, key=lambda spot: spot.instance)}
    return groups if "" not in groups and len(groups) > 1 else {}


def _split(trace: Trace, groups: dict[str, list[Spot]]) -> bool:
    """Whether all sockets of an instance saw the same, and what they saw differs from instance to instance."""
    alike = all(len({spot.seen & trace.patient for spot in spots}) == 1 for spots in groups.values())
    return alike and len({spots[0].seen & trace.patient for spots in groups.values()}) > 1


def _judge_instances(trace: Trace, groups: dict[str, list[Spot]]) -> Iterator[Finding]:
    """Each event reached the sockets of some instances only."""
    told = "; ".join(
        f"instance {name} ({', '.join(spot.name for spot in spots)}) got {len(spots[0].seen)}" for name, spots in groups.items()
    )
    each = [sum(number in spots[0].seen for spots in groups.values()) for number in sorted(trace.patient)]
    reached = [count for count in each if count]
    words = f"of {quantity(len(trace.events), 'event')}, {told}"
    evident = proof(_first(trace), words)
    broker = next(iter(trace.of_kind("broker")), None)
    sure = 0.85 if len(trace.events) >= _FEW else 0.75
    if broker is not None:
        carried = f"the broker carried {_ratio(len(broker.seen), trace)}"
        end = "some instances do not listen to it" if broker.seen else "the instance that publishes does not use it"
        yield fault(_HALF_BUS, sure, f"{words}; {carried}: {end}", evident)
    elif len(groups) > 2 and max(reached, default=0) > 1:
        yield fault(_HALF_BUS, sure, f"{words}: some instances are off the bus", evident)
    else:
        where = "that which took it" if _at_home(trace, groups) else "which is another than that of those who miss it"
        summary = f"{words}: each event reaches the sockets of one instance only, {where}"
        yield fault(_NO_BUS, sure, summary, evident)
        yield unknown(_HALF_BUS, 0.3, summary, evident)


def _at_home(trace: Trace, groups: dict[str, list[Spot]]) -> bool:
    """Whether each event reached exactly the instance that its trigger came to."""
    return all(
        {name for name, spots in groups.items() if number in spots[0].seen} == {at}
        for number, at in enumerate(trace.published_at)
        if number in trace.patient
    )


def _alternate(trace: Trace) -> bool:
    """Whether some events reached one socket and not another, and others the reverse: no chain of hops does that."""
    sets = [spot.seen & trace.patient for spot in trace.sockets if spot.seen]
    return any(a - b and b - a for a in sets for b in sets) and not all(len(trace.patient - one) <= 1 for one in sets)


def _judge_alternating(trace: Trace) -> Iterator[Finding]:
    sets = {spot.seen & trace.patient for spot in trace.sockets}
    told = "; ".join(f"{spot.where} got {len(spot.seen)}" for spot in trace.sockets[:6])
    words = f"of {quantity(len(trace.events), 'event')}, {told}"
    evident = proof(_first(trace), words)
    apart = (
        len(sets) == len(set(sets)) and all(not a & b or a == b for a in sets for b in sets) and frozenset().union(*sets) == trace.patient
    )
    if apart:
        yield fault(_NO_BUS, 0.78, f"{words}, never two of them the same one: each event stays on the instance that it came to", evident)
    else:
        yield fault(_LOST, 0.7, f"{words}, sometimes the one and sometimes the other", evident)


# By hop


def _before(trace: Trace, spot: Spot) -> Spot | None:
    """Return the last place before this one that saw more: of the same instance first."""
    place = trace.sockets.index(spot)
    inner = [one for one in (*trace.of_kind("broker"), *trace.sockets[:place]) if len(one.seen) > len(spot.seen)]
    same = [one for one in inner if one.instance and one.instance == spot.instance]
    return next(reversed(same or inner), None)


def _judge_hop(trace: Trace, missing: list[Spot]) -> Iterator[Finding]:
    first = missing[0]
    before = _before(trace, first)
    lost = (trace.every - first.seen) & trace.patient
    more = [spot for spot in trace.sockets if spot is not first and len(spot.seen) > len(first.seen)]
    if before is None and not more:
        before_words, sure = "the trigger was accepted", 0.6
    else:
        before = before or more[0]
        before_words = f"{_ratio(len(before.seen), trace)} reached {before.where} after {duration_text(before.typical_s)}"
        sure = _sure(trace, before, first)
    never = "never" if not first.seen else f"{_ratio(len(lost), trace)} never"
    missed = f"{'it ' if len(trace.events) == 1 else ''}{never}"
    words = f"{before_words}, and {missed} {first.where}{_rest(trace, missing)}"
    evident = _proofs(trace, lost, words)
    yield fault(_LOST, sure, f"{words}{_why(trace, before, first)}", *evident)


def _sure(trace: Trace, before: Spot, first: Spot) -> float:
    count = len(trace.events)
    sure = 0.5 if count == 1 else 0.75 if count < 5 else 0.85
    chain = first.kind == "endpoint" or (before.instance and before.instance == first.instance)
    return sure if chain else sure - 0.15


def _rest(trace: Trace, missing: list[Spot]) -> str:
    frame = trace.page.get("frame")
    page = [f"the page {len(frame.seen)}"] if frame is not None and trace.every - frame.seen else []
    others = [f"{spot.where} {len(spot.seen)}" for spot in missing[1:4]] + page
    return f"; of them {', '.join(others)} got" if others else ""


def _why(trace: Trace, before: Spot | None, first: Spot) -> str:
    if before is None or before.kind == "broker":
        return ""
    if before.instance and before.instance == first.instance:
        return f": both are sockets of instance {before.instance}, so what lies between {before.name} and {first.name} drops it"
    if first.kind == "endpoint" and not first.instance:
        return f": what lies between {before.name} and {first.name} drops it, or the endpoint leads to another instance"
    return ""


def _proofs(trace: Trace, lost: frozenset[int], words: str) -> tuple[Proof, ...]:
    """Return the words and, event by event, the first of those that were lost."""
    marks = [proof(trace.events[number][0], f"{trace.events[number][1].marker}: {_seen_at(trace, number)}") for number in sorted(lost)[:3]]
    return (proof(_first(trace), words), *marks)


def _seen_at(trace: Trace, number: int) -> str:
    return ", ".join(
        f"{spot.name} {duration_text(spot.times[number]) if spot.times[number] is not None else 'never'}"
        for spot in trace.spots
        if spot.kind not in ("trigger", "answer")
    )
