"""What a server still holds when the connections that we opened have ended, and what one of them costs (areas H and L)."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from statistics import median

from msgspec import Struct

from wsbook.evidence import Evidence
from wsbook.facts import CycleFacts, Sample, Watched
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.words import duration_text, size_text

__all__ = ["Cost", "cost_of", "judge_growth"]

_LEAK = "load.fd-limit-or-leak"
_STALE = "backend.stale-connection-registry"
_FEWEST, _SHARE, _NOISES = 4, 0.05, 3
"""Descriptors that stay are a leak from this many on, from this share of the connections, and from this many times the unrest."""
_STEADY = 0.7
"""Share of the waves after which more was held than before."""
_ENOUGH = 200
"""Connections after the warm-up from which on memory that stays means anything: allocators and collectors settle late."""
_DEARER, _EACH_S, _PROPORTION = 1.3, 5e-6, 0.15
"""A message is dearer from this many times on, from this much for each connection that has gone (what the cheapest look at a dead entry
takes an interpreter), and where each half of the waves made at least this part of the difference."""
_WORTH_BYTES = 4096
"""Memory for each ended connection, less is noise of any allocator."""


class Cost(Struct, frozen=True, kw_only=True):
    """What one connection took. None: not told, or not more than the unrest. memory_bytes: of the first wave, while it was held."""

    memory_bytes: float | None = None
    cpu_s: float | None = None


def cost_of(facts: CycleFacts, server: Watched) -> Cost:
    """Return what one connection cost this server; sockets tell how many of ours it had, where a balancer shares them out."""
    first, held = _first(server, lambda one: not one.ended and not one.held), _first(server, lambda one: not one.ended and one.held > 0)
    last = server.samples[-1] if server.samples else None
    if first is None or held is None or last is None:
        return Cost()
    count = (held.sockets or 0) - (first.sockets or 0)
    count = min(count, held.held) if count > 0 else held.held
    memory = _difference(first.memory_bytes, held.memory_bytes, count)
    return Cost(
        memory_bytes=memory if memory and memory > 0 else None,
        cpu_s=_difference(first.cpu_s, last.cpu_s, last.ended * count // held.held),
    )


def _first(server: Watched, wanted: Callable[[Sample], bool]) -> Sample | None:
    return next((one for one in server.samples if wanted(one)), None)


def _difference(before: float | None, after: float | None, share: int) -> float | None:
    return (after - before) / share if before is not None and after is not None and share else None


def judge_growth(evidence: Evidence) -> Iterator[Finding]:
    """Judge every server that was watched over open and close cycles."""
    for seen, facts in evidence.of(CycleFacts):
        found = [finding for server in facts.servers for finding in _judge_server(seen, facts, server)]
        found += [] if any(finding.cause == _LEAK for finding in found) else _judge_refused(seen, facts)
        yield from found
        if facts.blind:
            words = f"{_gone(facts)} connections came and went, and what the server holds was not seen: {facts.blind}"
            yield unknown(_LEAK, 0.05, words, proof(seen, words))
        elif not any(finding.verdict is Verdict.FAULT for finding in found):
            yield from _judge_clear(seen, facts)


def _judge_refused(seen: Observation, facts: CycleFacts) -> Iterator[Finding]:
    """Connections were refused while others were open: is it their number or their rate?"""
    words = f"with {facts.at_once} connections open, more were refused: {facts.why_refused}"
    if facts.after_pause:
        summary = f"{words}; one more opened 1.5 s later, though none had left: a limit of how fast they come"
        yield fault("load.rate-limited", 0.75, summary, proof(seen, summary))
    elif facts.after_leaving:
        summary = f"{words}, 1.5 s later too, and one more opened when one had left: a limit of how many there are"
        yield fault("load.connection-cap", 0.9, summary, proof(seen, summary))


def _gone(facts: CycleFacts) -> int:
    return facts.closed + facts.hung_up + facts.broken


def _judge_server(seen: Observation, facts: CycleFacts, server: Watched) -> Iterator[Finding]:
    yield from _judge_limit(seen, facts, server)
    bottoms = [one for one in server.samples if not one.held and one.ended >= facts.warm_up > 0]
    if len(bottoms) < 3:
        return
    yield from _judge_descriptors(seen, facts, server, bottoms)
    yield from _judge_threads(seen, facts, server, bottoms)
    yield from _judge_events(seen, facts, server)
    yield from _judge_memory(seen, facts, server, bottoms)


def _judge_limit(seen: Observation, facts: CycleFacts, server: Watched) -> Iterator[Finding]:
    most, limit = max((one.descriptors or 0 for one in server.samples), default=0), server.descriptor_limit
    if not limit or most < limit - 3 or not facts.refused:
        return
    words = (
        f"{server.name} at {server.place} may open {limit} descriptors and had {most} when connections were refused: {facts.why_refused}"
    )
    yield fault(_LEAK, 0.95, words, proof(seen, words))


def _judge_descriptors(seen: Observation, facts: CycleFacts, server: Watched, bottoms: Sequence[Sample]) -> Iterator[Finding]:
    held = [one.descriptors for one in bottoms if one.descriptors is not None]
    grown = _growth(server, held, lambda one: one.descriptors, _gone(facts))
    if grown is None:
        return
    waiting = bottoms[-1].close_wait or 0
    left = f", {waiting} of them sockets in CLOSE_WAIT, whose peers have gone" if waiting else ""
    words = (
        f"after {_gone(facts)} connections had come and gone, {server.name} at {server.place} held {held[-1]} descriptors, "
        f"{grown} more than before{left}"
    )
    evident = f"descriptors after each wave: {', '.join(map(str, held[:12]))}"
    yield fault(_LEAK, 0.93 if grown >= 0.15 * _gone(facts) or waiting else 0.85, words, proof(seen, words), proof(seen, evident))


def _judge_threads(seen: Observation, facts: CycleFacts, server: Watched, bottoms: Sequence[Sample]) -> Iterator[Finding]:
    held = [one.threads for one in bottoms if one.threads is not None]
    grown = _growth(server, held, lambda one: one.threads, _gone(facts))
    if grown is not None:
        words = (
            f"after {_gone(facts)} connections had come and gone, {server.name} at {server.place} ran {held[-1]} threads, "
            f"{grown} more than before: handlers go on without their clients"
        )
        yield fault(_STALE, 0.85, words, proof(seen, words), proof(seen, f"threads after each wave: {', '.join(map(str, held[:12]))}"))


def _growth(server: Watched, held: Sequence[int], of: Callable[[Sample], int | None], gone: int) -> int | None:
    """Return by how much a count grew from wave to wave; None where it did not, or not more than chance would have it."""
    if len(held) < 3:
        return None
    before = [value for one in server.samples if not one.ended and not one.held and (value := of(one)) is not None]
    noise = max(before, default=0) - min(before, default=0)
    grown = held[-1] - held[0]
    waves = list(pairwise(held[:-1]))  # the last reading is of no wave: it came after a longer wait
    steady = sum(after > earlier for earlier, after in waves) >= _STEADY * len(waves)
    return grown if grown >= max(_FEWEST, _SHARE * gone, _NOISES * noise) and steady and held[-1] >= 0.8 * max(held) else None


def _judge_events(seen: Observation, facts: CycleFacts, server: Watched) -> Iterator[Finding]:
    """A message that costs more for each connection that has gone: the server still tells them.

    A machine that gets busier makes everything dearer, too, but not in proportion to what has come and gone.
    """
    if len(server.events_s) < 3 or min(map(len, server.events_s)) < 3:
        return
    gone, costs = _gone(facts), _costs(server)
    before, after = costs[0], costs[-1]
    relay = _relay(facts)
    if relay is not None and (server is relay or _dearer(_costs(relay))):  # then the machine got busier
        return
    rises = [later - earlier for earlier, later in pairwise(costs)]
    apart = all(cost > median(server.events_s[0]) for cost in costs[1:])
    if not apart or not _dearer(costs) or after - before < _EACH_S * gone or min(rises) < _PROPORTION * (after - before):
        return
    words = (
        f"one message cost {server.name} at {server.place} {duration_text(before)} of processor time, and {duration_text(after)} after "
        f"{gone} connections had come and gone: it still tells those that have gone"
    )
    evident = f"cost in turns: {', '.join(map(duration_text, costs))}"
    yield fault(_STALE, 0.88, words, proof(seen, words), proof(seen, evident))


def _relay(facts: CycleFacts) -> Watched | None:
    """Return what is in front of others that are watched, None when there is no such: it has no list of whom to tell."""
    front = [one for one in facts.servers if one.place == "endpoint"]
    return front[0] if front and len(facts.servers) > len(front) else None


def _costs(server: Watched) -> list[float]:
    """Return what one message cost in each turn: whatever disturbs makes dearer, so the least count, the second of them."""
    return [sorted(costs)[1] for costs in server.events_s if len(costs) > 1]


def _dearer(costs: Sequence[float]) -> bool:
    return len(costs) > 1 and costs[-1] >= _DEARER * costs[0]


def _judge_memory(seen: Observation, facts: CycleFacts, server: Watched, bottoms: Sequence[Sample]) -> Iterator[Finding]:
    """Memory that stays by the connection, still in the second half of many: something remembers those that have gone."""
    points = [(one.ended, one.memory_bytes) for one in bottoms if one.memory_bytes is not None]
    late = points[len(points) // 2 :]
    if _gone(facts) < _ENOUGH or len(late) < 4:
        return
    slope = _slope(late)
    steady = sum(after > before for (_, before), (_, after) in pairwise(late)) >= 0.6 * (len(late) - 1)
    if slope < _WORTH_BYTES or not steady:
        return
    words = (
        f"{server.name} at {server.place} kept {size_text(int(slope))} of memory for each of the last {late[-1][0] - late[0][0]} "
        f"connections that came and went, {size_text(points[-1][1])} in all"
    )
    late_words = "; its collector may free it later" if server.collected else ""
    yield unknown(_STALE, 0.25 if server.collected else 0.45, words + late_words, proof(seen, words))


def _slope(points: Sequence[tuple[int, int]]) -> float:
    """Return the median of the slopes between all pairs of points (Theil and Sen): a single jump does not move it."""
    slopes = sorted((y2 - y1) / (x2 - x1) for at, (x1, y1) in enumerate(points) for x2, y2 in points[at + 1 :] if x2 > x1)
    return slopes[len(slopes) // 2] if slopes else 0.0


def _judge_clear(seen: Observation, facts: CycleFacts) -> Iterator[Finding]:
    told = [server for server in facts.servers if any(one.descriptors is not None for one in server.samples)]
    if not told or _gone(facts) < 2 * _FEWEST:
        return
    names = ", ".join(f"{server.name} at {server.place}" for server in told[:6])
    words = f"{_gone(facts)} connections came and went, and {names} holds no more descriptors than before"
    dearest = max((cost_of(facts, server) for server in told), key=lambda cost: cost.memory_bytes or 0.0)
    if dearest.memory_bytes:
        words += f"; one idle connection takes about {size_text(int(dearest.memory_bytes))}"
    if dearest.cpu_s:
        words += f" and {duration_text(dearest.cpu_s)} of processor time to come and go"
    yield clear(_LEAK, words, proof(seen, words))
