"""One subscriber that reads nothing, or floods: are the others held up, and what does the server keep for it (areas H and L)?"""

from collections.abc import Iterator
from statistics import median

from wsbook.evidence import Evidence
from wsbook.facts import BurstFacts, CrowdFacts, LoadFacts, Neighbour, Watched
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.trace_bursts import burst_lost
from wsbook.words import duration_text, size_text

__all__ = ["judge_crowds", "late_of", "lost_anyway"]

_SLOW = "load.slow-consumer-no-backpressure"
_COST = "load.broadcast-cost"
_LATE_S, _LATE_TIMES = 0.5, 10.0
"""A message is late above this, and above this many times what was usual while all behaved."""
_FELT_BYTES = 4_500_000
"""A server may not feel before this that a client reads nothing: both systems' buffers (Linux: net.ipv4.tcp_wmem, 4 MiB) lie between."""
_KEPT = 0.5
"""Share of what was published for it by which the server's memory must have grown to be called kept there."""


def late_of(facts: CrowdFacts, one: Neighbour) -> list[int]:
    """Return the messages of during that were late for this neighbour, or never came; without the last ones where its socket ended."""
    usual = [took for took in one.before if took is not None]
    bound = max(_LATE_S, _LATE_TIMES * (median(usual) if usual else 0.0))
    came = [number for number, took in enumerate(one.during) if took is not None]
    end = len(one.during) if not one.ended else max(came, default=-1) + 1
    return [number for number, took in enumerate(one.during[:end]) if took is None or took > bound]


def _gone(facts: CrowdFacts) -> int:
    """Return how many of the others could not get everything because their own sockets ended."""
    return sum(bool(one.ended) and None in one.during for one in facts.neighbours)


def judge_crowds(evidence: Evidence) -> Iterator[Finding]:
    """Judge every look at subscribers beside one that misbehaved."""
    for seen, facts in evidence.of(CrowdFacts):
        if facts.sent_s and all(any(took is not None for took in one.before) for one in facts.neighbours):
            if facts.kind == "reads nothing":
                yield from _judge_starved(seen, facts, lost_anyway(evidence))
            else:
                yield from _judge_flooded(seen, facts)


def _freed(facts: CrowdFacts, one: Neighbour) -> int:
    """Return how many late messages came only when the odd subscriber had been let go."""
    came = ((number, one.during[number]) for number in late_of(facts, one))
    return sum(took is not None and facts.sent_s[number] + took >= facts.released_s for number, took in came)


def lost_anyway(evidence: Evidence) -> bool:
    """Whether messages are lost under load, or of many at once, though everybody reads."""
    runs = any(run.lost and not run.slow_readers and not run.void for _, facts in evidence.of(LoadFacts) for run in facts.runs)
    bursts = [(place, facts) for _, facts in evidence.of(BurstFacts) for place in facts.places if place.kind in ("hop", "endpoint")]
    return runs or any(burst_lost(facts, place) for place, facts in bursts)


def _judge_starved(seen: Observation, facts: CrowdFacts, lost_anyway: bool) -> Iterator[Finding]:
    held = [one for one in facts.neighbours if late_of(facts, one)]
    total = len(facts.neighbours)
    if not held and (gone := _gone(facts)):
        words = f"while one subscriber read nothing, the sockets of {gone} of {total} others ended: who is held up was not seen"
        yield unknown(_SLOW, 0.05, words, proof(seen, words))
        return
    if not held:
        yield from _judge_kept(seen, facts)
        return
    freed, missed = sum(_freed(facts, one) > 0 for one in held), sum(None in one.during for one in held)
    worst = max((took for one in held for took in one.during if took is not None), default=None)
    words = f"while one subscriber read nothing, {len(held)} of {total} others got their messages late"
    words += f", up to {duration_text(worst)}" if worst is not None else " or not at all"
    usual = median(took for one in facts.neighbours for took in one.before if took is not None)
    evident = (
        f"{size_text(facts.size_bytes)} each; before, {duration_text(usual)}; {freed} went on when it read again, {missed} missed some"
    )
    if freed:
        words += "; they went on as soon as it read again"
        yield fault(_SLOW, 0.95, words, proof(seen, words), proof(seen, evident))
    elif facts.odd_ended != "open":
        words += "; they went on when the server gave it up"
        yield fault(_SLOW, 0.85, words, proof(seen, words), proof(seen, evident))
    elif missed and lost_anyway:
        summary = f"{words}; but messages are lost under load while everybody reads, too"
        yield unknown(_SLOW, 0.3, summary, proof(seen, summary), proof(seen, evident))
    elif missed:
        yield fault(_SLOW, 0.8, words, proof(seen, words), proof(seen, evident))
    else:
        yield unknown(_SLOW, 0.3, f"{words}, and caught up while it still read nothing", proof(seen, words), proof(seen, evident))


def _judge_kept(seen: Observation, facts: CrowdFacts) -> Iterator[Finding]:
    """The others are on time: did the server drop, cut off, or keep everything for the one that reads nothing?"""
    sent_bytes = len(facts.sent_s) * facts.size_bytes
    words = f"while one subscriber read nothing of {size_text(sent_bytes)}, all {len(facts.neighbours)} others got theirs in time"
    if facts.odd_ended != "open":
        code = f" with {facts.odd_code}" if facts.odd_code is not None else ""
        yield clear(_SLOW, f"{words}, and the server cut it off{code}", proof(seen, words))
    elif not facts.odd_caught_up:
        summary = f"{words}; it read again for a while, and had not caught up"
        yield unknown(_SLOW, 0.05, summary, proof(seen, summary))
    elif facts.odd_got < len(facts.sent_s):
        yield clear(_SLOW, f"{words}; {len(facts.sent_s) - facts.odd_got} messages were dropped for it alone", proof(seen, words))
    elif sent_bytes < _FELT_BYTES:
        yield unknown(
            _SLOW, 0.05, f"{words}; that may fit into the buffers of the way, so the server need not have noticed", proof(seen, words)
        )
    else:
        grown = max((_grown(server) for server in facts.servers), default=0)
        kept = f" ({size_text(grown)} more memory)" if grown > _KEPT * sent_bytes else ""
        summary = f"{words}, and everything was kept for it{kept}: no limit to that showed within {duration_text(facts.released_s)}"
        yield clear(_SLOW, words, proof(seen, words), confidence=0.5)
        yield unknown(_SLOW, 0.35 if kept else 0.2, summary, proof(seen, summary))


def _grown(server: Watched) -> int:
    """Return by how much the server's memory was larger at the height than before, in bytes."""
    told = [one.memory_bytes for one in server.samples[:2] if one.memory_bytes is not None]
    return told[1] - told[0] if len(told) == 2 else 0


def _judge_flooded(seen: Observation, facts: CrowdFacts) -> Iterator[Finding]:
    late = [one for one in facts.neighbours if late_of(facts, one)]
    total = len(facts.neighbours)
    rate = f"{facts.odd_sent} messages in {duration_text(facts.released_s)}"
    ended = "" if facts.odd_ended == "open" else f", and was cut off{f' with {facts.odd_code}' if facts.odd_code is not None else ''}"
    worst = max((took for one in facts.neighbours for took in one.during if took is not None), default=0.0)
    if late and worst:
        words = f"while one subscriber sent {rate}{ended}, {len(late)} of {total} others got theirs up to {duration_text(worst)} late"
        yield unknown(_COST, 0.3, words, proof(seen, words))
    elif not late and not _gone(facts) and facts.odd_sent:
        words = f"while one subscriber sent {rate}{ended}, all {total} others got theirs within {duration_text(worst)}"
        yield clear(_COST, words, proof(seen, words), confidence=0.5)
