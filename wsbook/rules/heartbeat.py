"""The peer's heartbeats: does it notice a client that is gone, how long does it wait, and does it beat within the limits? (step 3.4)"""

import math
from collections.abc import Iterator

from msgspec.structs import replace

from wsbook.evidence import Evidence
from wsbook.facts import HalfOpenFacts
from wsbook.finding import Finding, Severity
from wsbook.limits import Limit, idle_limits
from wsbook.observation import Observation
from wsbook.rules.beats import Heard, advice, beat_of, heard, relation, round_trip
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.rungs import longest_silence, rungs_at, silence_at

__all__ = ["judge_heartbeat"]

_HALF_OPEN = "heartbeat.none-half-open"
_TOO_SHORT = "heartbeat.timeout-too-short"
_ONE_SIDED = "heartbeat.one-direction-only"
_TINY_S, _SHORT_S = 1.0, 4.5
"""A patience below the first cuts living clients at every pause; below the second on slow networks."""
_TRIPS = 4
"""A patience of fewer round trips than this is spent on the way."""
_SOONER = 0.9
"""What ends before this part of the life of a socket that is alive was not ended by the same."""
_IGNORED = 3
"""So many heartbeats without an answer, and the server does not mind."""
_WATCHED_S = 70.0
"""Longer than the usual intervals of servers that check their clients."""


def judge_heartbeat(evidence: Evidence) -> Iterator[Finding]:
    """Judge what the peer does about a client that answers nothing, what it announces, and its heartbeat against configured limits."""
    yield from _judge_patience(evidence)
    yield from _judge_half_open(evidence)
    yield from _judge_announced(evidence)
    yield from _judge_configured(evidence)


def _judge_patience(evidence: Evidence) -> Iterator[Finding]:
    mutes, answered = heard(evidence, answered=False), heard(evidence, answered=True)
    for mute in mutes:
        twin = next((one for one in answered if one[0].source.hop == mute[0].source.hop), None)
        if mute[1].patience_s is not None and twin is not None and _outlives(twin, mute):
            yield from _judge_noticed(evidence, mute, mute[1].patience_s)
            return
    kept = [mute for mute in mutes if mute[1].ended == "open"]
    if kept and not any(mute[1].patience_s is not None for mute in mutes):
        yield from _judge_unnoticed(kept[0])


def _judge_half_open(evidence: Evidence) -> Iterator[Finding]:
    """What the server does with a connection on which nothing passes any more, where no limit of silence ends it first."""
    limit = silence_at(rungs_at(evidence, "endpoint"))
    lived_s = min((facts.age_s for _, facts in heard(evidence, answered=True, hop="endpoint")), default=math.inf)
    sooner_s = _SOONER * min(lived_s, limit.low_s if limit else math.inf)  # else it ended as one does that lives
    for seen, facts in evidence.of(HalfOpenFacts):
        if facts.noticed_s is not None and facts.noticed_s < sooner_s:
            words = f"a connection on which nothing passes any more is ended after {facts.noticed_s:.3g} s"
            yield clear(_HALF_OPEN, words, proof(seen, words))
        elif facts.noticed_s is None and facts.watched_s >= _WATCHED_S:
            words = f"a connection on which nothing passes any more is kept for {facts.watched_s:.3g} s at least"
            yield unknown(_HALF_OPEN, 0.3, f"{words}: the server takes a client that is gone for one that is silent", proof(seen, words))


def _outlives(twin: Heard, mute: Heard) -> bool:
    """Tell whether the connection that answers lived on where the other one was ended."""
    return twin[1].age_s > mute[1].age_s + max(0.2, 0.05 * mute[1].age_s)


def _judge_noticed(evidence: Evidence, mute: Heard, patience_s: float) -> Iterator[Finding]:
    seen, facts = mute
    code = f" with {facts.close_code} {facts.close_reason}".rstrip() if facts.close_code is not None else ""
    words = f"a heartbeat ({facts.kind}) that is not answered ends the connection ({facts.ended}{code}) after {patience_s:.2g} s"
    evident = proof(seen, words)
    yield clear(_HALF_OPEN, f"the server notices a client that is gone within {facts.age_s:.3g} s: {words}", evident)
    trip_s = round_trip(evidence)
    yield from _judge_seconds(mute, patience_s, trip_s, words)


def _judge_seconds(one: Heard, patience_s: float, trip_s: float | None, words: str) -> Iterator[Finding]:
    trips = patience_s / trip_s if trip_s else None
    if patience_s < _TINY_S or (trips is not None and trips < _TRIPS):
        held = f"; a round trip takes {trip_s:.2g} s" if trips is not None and trips < _TRIPS else ""
        summary = f"{words}: any pause of the page, the network or a large message is longer{held}"
        yield fault(_TOO_SHORT, 0.85, summary, proof(one[0], words))
    elif patience_s < _SHORT_S:
        yield unknown(_TOO_SHORT, 0.3, f"{words}: a mobile network or a large message may take longer", proof(one[0], words))
    else:
        yield clear(_TOO_SHORT, words, proof(one[0], words))


def _judge_unnoticed(mute: Heard) -> Iterator[Finding]:
    seen, facts = mute
    first_s = facts.first_s if facts.first_s is not None else 0.0
    if facts.kind and facts.beats >= _IGNORED:
        words = f"{facts.beats} heartbeats ({facts.kind}) without an answer in {facts.age_s - first_s:.3g} s, and the connection is kept"
        yield unknown(_HALF_OPEN, 0.35, f"{words}: the server does not notice a client that is gone", proof(seen, words))
    elif not facts.kind and facts.age_s >= _WATCHED_S:
        words = f"no heartbeat of the server in {facts.age_s:.3g} s, and a client that says nothing is kept"
        yield unknown(_HALF_OPEN, 0.3, f"{words}: nothing shows that it notices one that is gone", proof(seen, words))


def _judge_announced(evidence: Evidence) -> Iterator[Finding]:
    """What the server says of its heartbeats, where nothing shorter was measured."""
    for seen, facts in heard(evidence, answered=True)[:1]:
        patience_s, measured = facts.announced_patience_s, [one for one in heard(evidence, answered=False) if one[1].patience_s is not None]
        if patience_s is not None and not measured:
            yield from _judge_seconds(
                (seen, facts), patience_s, round_trip(evidence), f"the server announces that it waits {patience_s:.3g} s for an answer"
            )
        both = facts.announced_s, facts.announced_wanted_s
        if facts.dialect == "stomp" and None not in both and bool(both[0]) != bool(both[1]):
            sends = "the server sends heart-beats and wants none" if both[0] else "the server wants heart-beats and sends none"
            words = f"{sends}: the other direction is watched by nobody"
            yield unknown(_ONE_SIDED, 0.4, words, proof(seen, words))


def _judge_configured(evidence: Evidence) -> Iterator[Finding]:
    """The heartbeat against the shortest configured limit, which need not have been reached while we looked."""
    beat, limit = beat_of(evidence), _shortest(evidence)
    outer = rungs_at(evidence, "endpoint")
    if beat is None or limit is None or silence_at(outer) is not None:
        return
    survived = longest_silence(outer)
    if survived is not None and survived[1].silence_s > 1.05 * limit.seconds:
        return  # the limit of that file does not hold here
    stands = relation(beat, limit.seconds)
    place = proof(_seen(evidence, limit), f"{limit.product} ends silence after {limit.seconds:g} s", limit.place)
    if stands in ("race", "near", "slow"):
        late = "long before" if stands == "slow" else "when, or just before,"
        words = f"{limit.product} ends silent sockets after {limit.seconds:g} s, {late} the server's heartbeat comes: {beat.every}"
        yield fault("heartbeat.absent-or-too-slow", 0.85, words, *beat.proofs, place, remedy=advice(evidence, limit.seconds))
    elif stands == "sooner":
        words = f"the server's heartbeat comes {beat.every}, the shortest configured limit is {limit.seconds:g} s"
        yield replace(clear("heartbeat.absent-or-too-slow", words, place, *beat.proofs), severity=Severity.INFO)


def _shortest(evidence: Evidence) -> Limit | None:
    """Return the shortest limit of a route that is known to serve the endpoint; a default counts as set."""
    limits = [limit for limit in idle_limits(evidence.observations) if limit.of == "silence" and limit.seconds > 0 and limit.serves]
    return min(limits, key=lambda limit: limit.seconds, default=None)


def _seen(evidence: Evidence, limit: Limit) -> Observation:
    return next(seen for seen in evidence.observations if seen.id == limit.observation)
