"""What steps 2.2 and 3.2 ask of the processes behind the endpoint: which of them answers whom, do sessions hold, who hears whom."""

import asyncio

from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import AffinityFacts, BroadcastFacts, DialectFacts
from wsbook.rules.departed import departed
from wsbook.rules.reach import deaf_to_all, missing_of
from wsbook.steps.looking import Looking, at_hops, baseline, publishing

__all__ = ["look_cluster", "look_delivery"]

_CONNECTIONS = {"quick": 8, "standard": 12, "thorough": 24}
_SECONDS = {"quick": 3.0, "standard": 8.0, "thorough": 20.0}
_FIRST_MESSAGE_S = 0.3
_FORGET_S = 6.0
_FEWEST, _MOST, _ON_EACH = 6, 16, 3
"""Subscribers to a broadcast, and how many of them for each instance that was met: fewer would often miss one."""


async def look_cluster(look: Looking) -> None:
    """Connect several times and hold sessions, where the endpoint accepts upgrades or fails as one with a dead server behind it does."""
    from wsbook.probes.affinity import probe_affinity

    tried = [facts for _, facts in look.evidence.attempts()]
    if not any(facts.accepted or (facts.status or 0) >= 500 for facts in tried):
        return
    spoken = _sessions(look)
    attempt = replace(spoken or baseline(look), first_message_s=_FIRST_MESSAGE_S if any(facts.first_message for facts in tried) else 0.0)
    name = look.budget.name
    look.progress(f"{_CONNECTIONS[name]} connections, to see which instance answers", 0.8)
    seen = await probe_affinity(
        attempt,
        step="2.2",
        connections=_CONNECTIONS[name],
        seconds=_SECONDS[name],
        hops=at_hops(look),
        dialect=_dialect(look, attempt),
        owned=look.target.may_burden,
    )
    look.add(seen)


def _dialect(look: Looking, attempt: Attempt) -> str:
    """Return what the endpoint speaks: as it was asked in step 1.3, else as its path and first message say."""
    from wsbook.wire.dialects.detect import recognise

    asked = {facts.dialect: facts.spoken for _, facts in look.evidence.of(DialectFacts)}
    if asked:
        return next((dialect for dialect, spoken in asked.items() if spoken), "")
    said = next((facts.first_message for _, facts in look.evidence.attempts() if facts.first_message), None)
    return next((clue.dialect for clue in recognise(attempt.endpoint.resource, first_message=said)), "")


def _sessions(look: Looking) -> Attempt | None:
    """Return the attempt at the URL where a dialect was found to be spoken, None when that is the endpoint's own."""
    spoken = [facts for _, facts in look.evidence.of(DialectFacts) if facts.spoken and facts.url != look.target.url]
    return replace(baseline(look), url=spoken[0].url) if spoken else None


async def look_delivery(look: Looking, attempt: Attempt) -> bool:
    """Publish to subscribers on every instance that can be reached; where all heard all, once more with one that broke off.

    Where somebody heard nothing at all, once more later: sockets that we left in other steps may still stand in the way of a loop that
    breaks. Tell whether everybody heard everything while all behaved.
    """
    first = await _look_broadcast(look, attempt, break_one=False)
    if first and (deaf := deaf_to_all(first)):
        heard = f"{deaf} of {len(first.subscribers)} heard nothing"
        look.progress(f"{heard}; once more in {_FORGET_S:g} s, when our earlier sockets are forgotten", 0.5)
        await asyncio.sleep(_FORGET_S)
        first = await _look_broadcast(look, attempt, break_one=False)
    whole = first is not None and not any(missing_of(first).values()) and not departed(first)
    if whole:
        await _look_broadcast(look, attempt, break_one=True)
    return whole


async def _look_broadcast(look: Looking, attempt: Attempt, *, break_one: bool) -> BroadcastFacts | None:
    """Return what the broadcast gave; None where nothing was published."""
    from wsbook.probes.broadcast import probe_broadcast

    message, subscribe = publishing(look.target)
    count = _subscribers(look)
    look.progress(f"publishing to {count} subscribers{', one of which breaks off' if break_one else ''}", 0.7 if break_one else 0.3)
    seen = await probe_broadcast(
        attempt,
        subscribers=count,
        messages=8,
        trigger=look.target.trigger,
        message=message,
        subscribe=subscribe,
        step="3.2",
        hops=at_hops(look),
        sources=_other_addresses(look),
        owned=look.target.owned,
        break_one=break_one,
        from_each=not break_one,
    )
    look.add(seen)
    return seen.facts if isinstance(seen.facts, BroadcastFacts) and seen.facts.messages and seen.failure is None else None


def _other_addresses(look: Looking) -> tuple[str, ...]:
    """Return the addresses of ours from which other instances were met than from the usual one."""
    found = look.evidence.first(AffinityFacts)
    visits = found[1].visits if found else ()
    usual = {visit.instance for visit in visits if visit.series == "plain"}
    return tuple(visit.source for visit in visits if visit.series == "source" and visit.instance and visit.instance not in usual)


def _subscribers(look: Looking) -> int:
    """Return how many subscribers a broadcast needs so that every instance that was met has some."""
    met = {visit.instance for _, facts in look.evidence.of(AffinityFacts) for visit in facts.visits if visit.instance}
    return max(_FEWEST, min(_MOST, _ON_EACH * len(met)))
