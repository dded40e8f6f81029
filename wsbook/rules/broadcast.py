"""Broadcasts to subscribers on several instances: who misses what, and which instance is off the bus (area I)."""

import re
from collections.abc import Iterator

from msgspec.structs import replace

from wsbook.attempt import ONE_BROKEN
from wsbook.evidence import Evidence
from wsbook.facts import AffinityFacts, BroadcastFacts, OutageFacts, RouteFacts
from wsbook.facts.reconnect import OURS
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation
from wsbook.rules.cluster import spread_of
from wsbook.rules.crowding import lost_anyway
from wsbook.rules.departed import departed, judge_broken, judge_departed, judge_late
from wsbook.rules.doubled import judge_doubled
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import GATEWAY
from wsbook.rules.reach import Reach, lost_between, missing_of, reach_of, senders_of
from wsbook.words import quantity

__all__ = ["judge_broadcasts"]

_NO_BUS = "cluster.no-pubsub-across-workers"
_HALF_BUS = "cluster.pubsub-misconfigured"
_MAY_HIDE = 0.05
"""From this chance on it is said that another instance may have had no subscriber."""


def judge_broadcasts(evidence: Evidence) -> Iterator[Finding]:
    """Judge the latest broadcast, and that with a broken subscriber only where the others had everything before.

    One that was repeated without any change, and then came through, tells of what stood in its way.
    """
    plain = [entry for entry in evidence.of(BroadcastFacts) if ONE_BROKEN not in entry[0].source.changed]
    told = [entry for entry in plain if any(one.received for one in entry[1].subscribers)]
    judged = (told or plain)[-1:]
    for seen, facts in judged:
        if facts.subscribers and facts.messages:
            yield from _judge_broadcast(evidence, seen, facts)
    if told and len(plain) > 1:
        yield from judge_late(plain[0], told[-1])
    if not any(missed for _, facts in judged for missed in missing_of(facts).values()):
        for seen, facts in evidence.of(BroadcastFacts, where=lambda entry: ONE_BROKEN in entry.source.changed):
            yield from judge_broken(seen, facts, lost_anyway(evidence))


def _judge_broadcast(evidence: Evidence, seen: Observation, facts: BroadcastFacts) -> Iterator[Finding]:
    missing = [missed for missed in missing_of(facts).values() if missed]
    total = len(facts.subscribers)
    if not missing and any(one.duplicated for one in facts.subscribers):
        yield from judge_doubled(seen, facts)
    elif not missing and departed(facts):
        yield from judge_departed(seen, facts)
    elif not missing:
        yield from _judge_complete(evidence, seen, facts)
    elif status := _stumbles(seen):
        words = f"the application answers {status} when it publishes, and {len(missing)} of {total} subscribers miss messages"
        summary = f"{words}: it stumbles on the way, as over a socket that broke off before"
        yield fault("backend.exception-kills-broadcast", 0.8, summary, proof(seen, words))
        yield unknown("backend.exception-in-handler", 0.35, words, proof(seen, words))
    elif all(len(one.missed) == facts.messages for one in facts.subscribers):
        words = f"none of {total} subscribers got any of {facts.messages} messages"
        yield unknown("client.no-resubscribe-after-reconnect", 0.2, f"{words}; a subscribe message may be needed first", proof(seen, words))
        yield _silenced(evidence, seen, words)
    elif _only_own(facts):
        yield from _judge_echo(seen, facts)
    else:
        yield from _judge_partial(seen, facts, len(missing))


def _silenced(evidence: Evidence, seen: Observation, words: str) -> Finding:
    """Nobody gets anything: where the page had got some of our messages before, and then no more, whoever sends has stopped."""
    slug = "backend.background-task-died"
    for page, outage in evidence.of(OutageFacts):
        heard = any(kind.endswith(OURS) for kind, _ in outage.heard_before)
        if heard and outage.control_before is False:
            before = "the page had got messages that were published before, and then no more on the same connection"
            return fault(slug, 0.72, f"{words}; {before}", proof(seen, words), proof(page, before))
    return unknown(slug, 0.2, words, proof(seen, words))


def _stumbles(seen: Observation) -> str:
    """Return the status with which a trigger failed on the server's side, "" when it did not."""
    if seen.failure is None or seen.failure.stage != "trigger":
        return ""
    found = re.search(r"HTTP (5\d\d)$", seen.failure.message)
    return found[1] if found and int(found[1]) not in GATEWAY else ""


# Everybody has everything


def _judge_complete(evidence: Evidence, seen: Observation, facts: BroadcastFacts) -> Iterator[Finding]:
    """All is there; where nobody was connected to another instance that exists, that says nothing of what goes between them."""
    total = len(facts.subscribers)
    names = sorted({one.instance for one in facts.subscribers if one.instance})
    words = f"all {total} subscribers got all {facts.messages} messages"
    if len(names) == 1 and (others := _other_instances(evidence, names[0])):
        summary = f"{words}, all at instance {names[0]}; nothing is said of {others}, where none of them was connected"
        yield unknown(_NO_BUS, 0.15, summary, proof(seen, summary))
        return
    chance = (len(names) / (len(names) + 1)) ** total if names else 0.0
    hidden = f"; one more instance would have gone unseen with a chance of {chance:.0%}" if len(names) > 1 and chance > _MAY_HIDE else ""
    where = f", on {quantity(len(names), 'instance')} ({', '.join(names[:6])})" if names else ""
    yield clear(_NO_BUS, f"{words}{where}{hidden}", proof(seen, f"{words}{_published(facts)}"))


def _other_instances(evidence: Evidence, met: str) -> str:
    """Return in words which instances are known that are not this one, "" none."""
    names: set[str] = set()
    for _, facts in evidence.of(AffinityFacts):
        spread = spread_of(facts)
        names |= {*spread.others, *(name for name, _ in spread.counts)} - {met}
    servers = max((facts.servers or 0 for _, facts in evidence.of(RouteFacts) if facts.serves), default=0)
    return ", ".join(sorted(names)[:6]) or (f"the other of {servers} configured servers" if servers > 1 else "")


def _published(facts: BroadcastFacts) -> str:
    at = sorted({sender.instance for sender in senders_of(facts) if sender.instance})
    return f", published at {', '.join(at[:6])}" if at else ""


# Nobody has what others sent


def _only_own(facts: BroadcastFacts) -> bool:
    """Whether each message came back to its sender and to nobody else."""
    got = [(number, one.index) for one in facts.subscribers for number in set(range(facts.messages)) - set(one.missed)]
    senders = senders_of(facts)
    return len(facts.subscribers) > 1 and bool(got) and all(senders[number].subscriber == index for number, index in got)


def _judge_echo(seen: Observation, facts: BroadcastFacts) -> Iterator[Finding]:
    """An echo, a room of one's own, or everybody alone on an instance without a bus: only the first two put two on one instance."""
    names = [one.instance for one in facts.subscribers]
    senders = {sender.subscriber for sender in senders_of(facts)}
    alone = len(set(names)) == len(names) and all(names) and len(senders) > 1
    words = f"each message came back to its sender only, to none of {len(facts.subscribers) - 1} others"
    if alone:
        yield unknown(_NO_BUS, 0.4, f"{words}; each of them is alone on its instance", proof(seen, words))
    else:
        summary = f"{words}: the endpoint echoes, or sends to rooms; give a message or trigger that everybody should receive"
        yield unknown(_NO_BUS, 0.05, summary, proof(seen, words))


# Some have, some have not


def _judge_partial(seen: Observation, facts: BroadcastFacts, missing: int) -> Iterator[Finding]:
    reach, total = _telling_reach(facts), len(facts.subscribers)
    words = f"{missing} of {total} subscribers missed some of {facts.messages} messages"
    evident = proof(seen, f"{_parts(facts, reach)}{_published(facts)}")
    few = reach.named or len(reach.groups) <= max(2, total // 2)
    if way := lost_between(facts):
        yield fault("message.lost", 0.85, f"{words}: {way}", evident)
    elif reach.uneven or not few:
        yield from _judge_uneven(facts, words, evident)
    elif len(reach.groups) == 1:
        yield from _judge_one_group(facts, reach, words, evident)
    elif _is_one_deaf(facts, reach):
        yield from _judge_uneven(facts, words, evident)
    else:
        yield from _judge_groups(reach, words, evident)


def _telling_reach(facts: BroadcastFacts) -> Reach:
    """Return what reached whom by name; by what was received where a name stands for several processes, such as a host of workers."""
    reach = reach_of(facts)
    if not reach.named or not reach.uneven:
        return reach
    nameless = replace(
        facts,
        subscribers=tuple(replace(one, instance="") for one in facts.subscribers),
        senders=tuple(replace(sender, instance="") for sender in facts.senders),
        publisher_instance="",
    )
    inferred = reach_of(nameless)
    together = len(inferred.groups) > 1 and all(len(group.members) > 1 for group in inferred.groups)
    return inferred if together and not inferred.uneven else reach


def _parts(facts: BroadcastFacts, reach: Reach) -> str:
    missed = missing_of(facts)
    return "; ".join(
        f"{quantity(len(group.members), 'subscriber')} of {'instance ' if reach.named else ''}{group.name} got "
        f"{facts.messages - min(len(missed[one.index]) for one in group.members)}"
        for group in reach.groups[:6]
    )


def _judge_uneven(facts: BroadcastFacts, words: str, evident: Proof) -> Iterator[Finding]:
    """Instances do not explain it: fixed subscribers miss all, or messages are lost here and there."""
    if any(len(missed) not in (0, facts.messages) for missed in missing_of(facts).values()):
        yield fault("message.lost", 0.7, words, evident)
        return
    yield fault("backend.exception-kills-broadcast", 0.5, f"{words}, the same ones every time", evident)
    if not any(one.instance for one in facts.subscribers):
        yield fault(_NO_BUS, 0.5, f"{words}, the same ones every time", evident)


def _is_one_deaf(facts: BroadcastFacts, reach: Reach) -> bool:
    """Whether a single unnamed subscriber hears nothing: a dead connection looks like that, and so does an instance of its own."""
    missed = missing_of(facts)
    deaf = [group for group in reach.groups if all(len(missed[one.index]) == facts.messages for one in group.members)]
    return not reach.named and len(reach.groups) == 2 and len(deaf) == 1 and len(deaf[0].members) == 1


def _judge_one_group(facts: BroadcastFacts, reach: Reach, words: str, evident: Proof) -> Iterator[Finding]:
    """All subscribers are at one instance and miss the same: is it what other instances publish?"""
    met, senders = reach.groups[0].name, senders_of(facts)
    lost = {senders[number].instance for number, reached in enumerate(reach.sets) if not reached}
    came = {senders[number].instance for number, reached in enumerate(reach.sets) if reached}
    if reach.named and "" not in lost | came and not lost & came and met in came:
        summary = f"{words}: what is published at {', '.join(sorted(lost))} does not reach {met}, where all of them are connected"
        yield fault(_NO_BUS, 0.9, summary, evident)
    else:
        yield fault("message.lost", 0.6, words, evident)
        yield fault(_NO_BUS, 0.45, f"{words}, the same for all of them: another instance may have published those", evident)


def _judge_groups(reach: Reach, words: str, evident: Proof) -> Iterator[Finding]:
    """Groups receive apart: no bus when nothing passes between them, a bus with an instance off it when something does."""
    sure = 0.95 if reach.named else 0.85
    known = {sender for sender in reach.senders if sender is not None}
    if None in reach.senders or not known:
        yield from _judge_sets(reach, words, evident, sure)
        return
    passes = {(a, b): reach.heard(a, b) for a in known for b in range(len(reach.groups))}
    across = [heard for (a, b), heard in passes.items() if a != b]
    if None in passes.values():
        yield fault("message.lost", 0.7, words, evident)
    elif not any(across):
        yield from _judge_no_bus(reach, words, evident, sure)
        if len(known) == 1 and reach.named:
            words = f"{words}: published at {reach.groups[known.pop()].name} alone; perhaps the others do not listen to the bus"
            yield unknown(_HALF_BUS, 0.3, words, evident)
    else:
        yield fault(_HALF_BUS, sure - 0.02 if _is_group(reach, passes) else 0.75, f"{words}: {_off(reach, passes)}", evident)


def _judge_no_bus(reach: Reach, words: str, evident: Proof, sure: float) -> Iterator[Finding]:
    yield fault(_NO_BUS, sure, f"{words}: each message reaches the sockets of one process only ({len(reach.groups)} groups)", evident)
    if not reach.named:
        yield unknown(_HALF_BUS, 0.25, f"{words}: each group may be several instances of which some share a bus", evident)


def _judge_sets(reach: Reach, words: str, evident: Proof, sure: float) -> Iterator[Finding]:
    """It is not known where messages were published: judge by which groups each of them reached."""
    sets, every = set(reach.sets), frozenset(range(len(reach.groups)))
    reached = [one for one in sets if one]
    if all(len(one) == 1 for one in reached):
        yield from _judge_no_bus(reach, words, evident, sure if len(reached) > 1 else sure - 0.07)
        if len(reached) == 1:
            yield unknown(_HALF_BUS, 0.35, f"{words}: {_names(reach, every - reached[0])} may not listen to the bus", evident)
    elif every in sets and frozenset() in sets and len(sets) == 2:
        yield fault(_HALF_BUS, 0.5, f"{words}: some messages reach everybody, the others nobody", evident)
        yield fault("message.lost", 0.5, words, evident)
    else:
        some = "; ".join(f"some reach {_names(reach, one)} only" for one in sorted(reached, key=sorted) if one != every)
        yield fault(_HALF_BUS, 0.85, f"{words}: {some}", evident)


def _names(reach: Reach, places: frozenset[int]) -> str:
    return ", ".join(reach.groups[place].name for place in sorted(places))


def _off(reach: Reach, passes: dict[tuple[int, int], bool | None]) -> str:
    """Say which instances are off the bus, in which direction."""
    apart = _apart(reach, passes)
    words = [f"{reach.groups[place].name} {how}" for place, how in apart.items()]
    if not words:
        broken = [f"{reach.groups[a].name} to {reach.groups[b].name}" for (a, b), heard in passes.items() if not heard]
        words = [f"nothing passes from {', '.join(broken[:6])}"]
    return "; ".join(words)


def _apart(reach: Reach, passes: dict[tuple[int, int], bool | None]) -> dict[int, str]:
    """Return group → how it is cut off from those that hear one another."""
    found: dict[int, str] = {}
    for place in range(len(reach.groups)):
        hears = [heard for (a, b), heard in passes.items() if b == place and a != place]
        tells = [heard for (a, b), heard in passes.items() if a == place and b != place]
        deaf, mute = bool(hears) and not any(hears), bool(tells) and not any(tells)
        if deaf or mute:
            both = "is cut off: it hears none of the others, and they do not hear it"
            found[place] = both if deaf and mute else "hears none of the others" if deaf else "is heard by none of the others"
    return found if len(found) < len(reach.groups) else {}


def _is_group(reach: Reach, passes: dict[tuple[int, int], bool | None]) -> bool:
    """Whether what is off has more than one subscriber, so that it is no broken connection."""
    return all(len(reach.groups[place].members) > 1 for place in _apart(reach, passes))
