"""Stalls: moments at which everything that one process owes to unrelated connections is late, and comes at once (area H)."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import median

from msgspec import Struct

from wsbook.evidence import Evidence
from wsbook.facts import PulseFacts, Pulses, Watched
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.words import duration_text, quantity

__all__ = ["Stall", "judge_stalls", "stalls_of"]

_BLOCKED = "backend.blocking-call-in-event-loop"
_LATE_S, _LATE_TIMES = 0.04, 5.0
"""A pong is late above this much, and above this many times the usual round trip, more than usual."""
_TOGETHER_S = 0.035
"""Pongs that one process owes leave it within this time once it runs again."""
_WORTH_S = 0.12
"""A shorter stall is what collectors and busy machines do everywhere."""
_LONG_S = 0.5
"""A single stall of this length is worth a word."""
_OURS, _WAITED = 0.4, 0.4
"""Share of a stall in which we ourselves were late, or the process had no processor, from which on it says nothing of the code."""
_PLAIN = ("idle", "publishing")
"""Spells in which nothing burdened the server. What happens in no spell is taken as idle."""
_ENOUGH_S = 1.5
"""Watched shorter, nothing is called clear."""


class Stall(Struct, frozen=True, kw_only=True):
    """One stall. instance: "" unknown. members: connections that were late of those of the place or instance. spell: what we did then.

    excuse: why it says nothing about the server, "" when it does.
    """

    place: str
    instance: str
    begin_s: float
    end_s: float
    members: tuple[int, ...]
    spell: str
    excuse: str = ""

    @property
    def length_s(self) -> float:
        """How long everything stood still."""
        return self.end_s - self.begin_s


class _Late(Struct, frozen=True, kw_only=True):
    connection: int
    sent_s: float
    answered_s: float
    acknowledged: bool | None


# What stood still


def stalls_of(facts: PulseFacts) -> list[Stall]:
    """Return the stalls in order of time, by the connections of one instance or, where nothing tells instances, of one place."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number, one in enumerate(facts.connections):
        groups.setdefault((one.place, one.instance), []).append(number)
    found = [stall for (place, instance), members in groups.items() for stall in _of_group(facts, place, instance, members)]
    return sorted(found, key=lambda stall: (stall.begin_s, stall.place))


def _of_group(facts: PulseFacts, place: str, instance: str, members: Sequence[int]) -> Iterator[Stall]:
    late = sorted((one for number in members for one in _late(number, facts.connections[number])), key=lambda one: one.answered_s)
    for burst in _bursts(late):
        begin_s, end_s = min(one.sent_s for one in burst), max(one.answered_s for one in burst)
        together = tuple(sorted({one.connection for one in burst}))
        if len(together) < 2 or end_s - begin_s < _WORTH_S or (instance and len(together) < len(members)):
            continue
        excuse = _excuse(facts, place, burst, begin_s, end_s)
        yield Stall(
            place=place,
            instance=instance,
            begin_s=begin_s,
            end_s=end_s,
            members=together,
            spell=_spell(facts, begin_s, end_s),
            excuse=excuse,
        )


def _late(number: int, one: Pulses) -> Iterator[_Late]:
    took = [answered - sent for sent, answered in zip(one.sent_s, one.answered_s, strict=True) if answered is not None]
    if not took:
        return
    usual = sorted(took)[len(took) // 4]  # a server that stalls half of the time is usually late
    for sent, answered, acknowledged in zip(one.sent_s, one.answered_s, one.acknowledged, strict=True):
        if answered is not None and answered - sent - usual > _LATE_S and answered - sent > _LATE_TIMES * usual:
            yield _Late(connection=number, sent_s=sent, answered_s=answered, acknowledged=acknowledged)


def _bursts(late: Sequence[_Late]) -> Iterator[list[_Late]]:
    """Yield groups of late pongs that came within _TOGETHER_S of the first of them; late is ordered by answered_s."""
    burst: list[_Late] = []
    for one in late:
        if burst and one.answered_s - burst[0].answered_s > _TOGETHER_S:
            yield burst
            burst = []
        burst.append(one)
    if burst:
        yield burst


def _spell(facts: PulseFacts, begin_s: float, end_s: float) -> str:
    """Return what was done when the stall began; a burden counts when it touches any part of it."""
    touched = [spell for spell in facts.spells if spell.begin_s < end_s and begin_s < spell.end_s]
    return next((spell.name for spell in touched if spell.name not in _PLAIN), touched[0].name if touched else _PLAIN[0])


def _excuse(facts: PulseFacts, place: str, burst: Sequence[_Late], begin_s: float, end_s: float) -> str:
    """Return why a stall may not be the server's: ours, the machine's, or the network's."""
    length_s = end_s - begin_s
    ours_s = sum(late for at, late in facts.lags if begin_s <= at <= end_s + 0.02)
    if ours_s > _OURS * length_s:
        return "we ourselves were late"
    waited_s = next((_waited_s(one, begin_s, end_s) for one in facts.servers if one.place == place), 0.0)
    if waited_s > _WAITED * length_s:
        return "the machine had no processor for the server"
    if place not in facts.local and not any(one.acknowledged for one in burst):
        return "the network may have stood still"
    return ""


def _waited_s(server: Watched, begin_s: float, end_s: float) -> float:
    """Return how long the process was ready and had no processor from before the stall to after it."""
    told = [(one.at_s, one.waiting_s) for one in server.samples if one.waiting_s is not None]
    before = [waited for at, waited in told if at <= begin_s]
    after = [waited for at, waited in told if at >= end_s]
    if not told or (not before and not after):
        return 0.0
    return (after[0] if after else told[-1][1]) - (before[-1] if before else told[0][1])


# What it means


def judge_stalls(evidence: Evidence) -> Iterator[Finding]:
    """Judge the pings of quiet connections."""
    for seen, facts in evidence.of(PulseFacts):
        yield from _judge(seen, facts)


def _judge(seen: Observation, facts: PulseFacts) -> Iterator[Finding]:
    stalls = [stall for stall in stalls_of(facts) if stall.spell in _PLAIN]
    shown = [stall for stall in stalls if not stall.excuse]
    place, group = _telling(shown)
    if len(group) >= 2 and _same_members(group):
        yield _fault(seen, facts, place, group, shown)
    elif group and max(stall.length_s for stall in group) >= _LONG_S:
        longest = max(group, key=lambda stall: stall.length_s)
        words = f"{_who(facts, longest)} stood still once, for {duration_text(longest.length_s)}, while we did nothing but ping"
        yield unknown(_BLOCKED, 0.35, words, proof(seen, words))
    elif stalls and len(stalls) > len(shown) and not shown:
        words = f"{quantity(len(stalls), 'stall')} of up to {duration_text(max(one.length_s for one in stalls))}, but {stalls[0].excuse}"
        yield unknown(_BLOCKED, 0.1, words, proof(seen, words))
    else:
        yield from _judge_quiet(seen, facts)


def _telling(stalls: Iterable[Stall]) -> tuple[str, list[Stall]]:
    """Return the place where most time was lost and its stalls, directly at an instance rather than through others."""
    places: dict[tuple[str, str], list[Stall]] = {}
    for stall in stalls:
        places.setdefault((stall.place, stall.instance), []).append(stall)
    if not places:
        return "", []
    best = max(places, key=lambda key: (len(places[key]) >= 2, round(sum(one.length_s for one in places[key]), 1), key[0] != "endpoint"))
    return best[0], places[best]


def _same_members(stalls: Sequence[Stall]) -> bool:
    """Whether most stalls hit the same connections: those of one process."""
    most = max((stall.members for stall in stalls), key=len)
    return sum(set(stall.members) <= set(most) and 2 * len(stall.members) > len(most) for stall in stalls) >= 0.6 * len(stalls)


def _who(facts: PulseFacts, stall: Stall) -> str:
    where = f"at {stall.place}" + (f" (instance {stall.instance})" if stall.instance else "")
    alike = [one for one in facts.connections if (one.place, one.instance) == (stall.place, stall.instance)]
    return f"{len(stall.members)} of {len(alike)} unrelated quiet connections {where}"


def _fault(seen: Observation, facts: PulseFacts, place: str, group: Sequence[Stall], shown: Sequence[Stall]) -> Finding:
    lost_s, usual_s = sum(stall.length_s for stall in group), median(stall.length_s for stall in group)
    gaps = [after.begin_s - before.begin_s for before, after in pairwise(group)]
    rhythm = f", one each {duration_text(median(gaps))}" if gaps and max(gaps) < 1.5 * min(gaps) + 0.1 else ""
    words = (
        f"{_who(facts, group[0])} stood still together {len(group)} times in {duration_text(facts.duration_s)}, "
        f"for {duration_text(usual_s)} each{rhythm}: the process answers nobody meanwhile"
    )
    others = sorted({one.place for one in facts.connections} - {stall.place for stall in shown})
    apart = f"; {', '.join(others)} was on time" if others else ""
    evident = f"{len(group)} stalls of {', '.join(duration_text(stall.length_s) for stall in group[:6])} at {place}{apart}"
    sure = 0.93 if lost_s >= 0.5 and usual_s >= 0.15 else 0.75
    return fault(_BLOCKED, sure, words, proof(seen, evident))


def _judge_quiet(seen: Observation, facts: PulseFacts) -> Iterator[Finding]:
    answered = [
        after - sent for one in facts.connections for sent, after in zip(one.sent_s, one.answered_s, strict=True) if after is not None
    ]
    sent = sum(len(one.sent_s) for one in facts.connections)
    if not sent:
        return
    if len(answered) < 0.5 * sent:
        words = f"{len(answered)} of {sent} pings were answered: stalls of the server cannot be seen"
        yield unknown(_BLOCKED, 0.05, words, proof(seen, words))
    elif facts.duration_s >= _ENOUGH_S:
        words = (
            f"{quantity(len(facts.connections), 'quiet connection')} answered {len(answered)} pings in {duration_text(facts.duration_s)}, "
            f"and never stood still together; the median took {duration_text(median(answered))}"
        )
        yield clear(_BLOCKED, words, proof(seen, words), confidence=0.6)
