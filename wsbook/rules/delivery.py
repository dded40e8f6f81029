"""Who gets which message: broadcasts across instances, one message's way, and losses under load (areas G, I, L)."""

from collections.abc import Iterator

from wsbook.attempt import ONE_BROKEN
from wsbook.evidence import Evidence
from wsbook.facts import BroadcastFacts, LoadFacts, Subscriber, TraceFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.words import duration_text

__all__ = ["judge_delivery"]

_TIME_TO_ARRIVE_S = 0.8
"""A message that was watched for less may still have been on its way, or waiting to be drawn."""


def judge_delivery(evidence: Evidence) -> Iterator[Finding]:
    """Judge broadcasts, traces and load runs."""
    plain = [entry for entry in evidence.of(BroadcastFacts) if ONE_BROKEN not in entry[0].source.changed]
    for seen, broadcast in plain:
        yield from _judge_broadcast(seen, broadcast)
    if not any(one.missed for _, broadcast in plain for one in broadcast.subscribers):
        for seen, broadcast in evidence.of(BroadcastFacts, where=lambda entry: ONE_BROKEN in entry.source.changed):
            yield from _judge_broken(seen, broadcast)
    for seen, trace in evidence.of(TraceFacts):
        yield from _judge_trace(seen, trace)
    for seen, load in evidence.of(LoadFacts):
        yield from _judge_load(seen, load)


def _judge_broadcast(seen: Observation, facts: BroadcastFacts) -> Iterator[Finding]:
    total = len(facts.subscribers)
    missing = [subscriber for subscriber in facts.subscribers if subscriber.missed]
    if not total or not facts.messages:
        return
    if not missing:
        doubled = [subscriber for subscriber in facts.subscribers if subscriber.duplicated]
        if doubled:
            yield from _judge_doubled(seen, facts, doubled)
            return
        yield clear(
            "cluster.no-pubsub-across-workers", f"all {total} subscribers got all {facts.messages} messages", proof(seen, "broadcast")
        )
        return
    if all(len(subscriber.missed) == facts.messages for subscriber in facts.subscribers):
        words = f"none of {total} subscribers got any of {facts.messages} messages"
        yield unknown("client.no-resubscribe-after-reconnect", 0.2, f"{words}; a subscribe message may be needed first", proof(seen, words))
        yield unknown("backend.background-task-died", 0.2, words, proof(seen, words))
        return
    yield from _judge_partial(seen, facts, missing)


def _judge_broken(seen: Observation, facts: BroadcastFacts) -> Iterator[Finding]:
    """One subscriber broke off without a close frame before the messages: do the others, who had them all, still get them?"""
    missing = [subscriber for subscriber in facts.subscribers if subscriber.missed]
    total = len(facts.subscribers)
    if missing:
        words = f"after one subscriber broke off, {len(missing)} of {total} others missed messages"
        yield fault("backend.exception-kills-broadcast", 0.93, words, proof(seen, words))
    elif total:
        words = f"one subscriber broke off, and all {total} others got all {facts.messages} messages"
        yield clear("backend.exception-kills-broadcast", words, proof(seen, words))


def _groups(subscribers: tuple[Subscriber, ...]) -> dict[tuple[int, ...], list[Subscriber]]:
    groups: dict[tuple[int, ...], list[Subscriber]] = {}
    for subscriber in subscribers:
        groups.setdefault(subscriber.missed, []).append(subscriber)
    return groups


def _judge_partial(seen: Observation, facts: BroadcastFacts, missing: list[Subscriber]) -> Iterator[Finding]:
    """Subscribers of one process miss the same messages, those of another miss the others: no bus between processes."""
    total = len(facts.subscribers)
    groups = _groups(facts.subscribers)
    instances = {subscriber.instance for subscriber in facts.subscribers if subscriber.instance}
    got = {missed: frozenset(range(facts.messages)) - frozenset(missed) for missed in groups}
    disjoint = len(groups) > 1 and not frozenset.intersection(*got.values())
    by_instance = len(instances) > 1 and all(len({s.instance for s in group}) == 1 for group in groups.values())
    stable = all(len(missed) in (0, facts.messages) for missed in groups)
    words = f"{len(missing)} of {total} subscribers missed some of {facts.messages} messages"
    parts = "; ".join(
        f"{len(group)} subscribers{f' of instance {group[0].instance}' if group[0].instance else ''} got {facts.messages - len(missed)}"
        for missed, group in list(groups.items())[:4]
    )
    evident = proof(seen, parts)
    if by_instance or (disjoint and len(groups) <= max(2, total // 2)):
        confidence = 0.95 if by_instance else 0.85
        summary = f"{words}: each message reaches the sockets of one process only ({len(groups)} groups)"
        yield fault("cluster.no-pubsub-across-workers", confidence, summary, evident)
    elif stable:
        yield fault("cluster.no-pubsub-across-workers", 0.55, f"{words}, the same ones every time", evident)
        yield fault("backend.exception-kills-broadcast", 0.45, f"{words}, the same ones every time", evident)
    else:
        yield fault("message.lost", 0.7, words, evident)


def _judge_doubled(seen: Observation, facts: BroadcastFacts, doubled: list[Subscriber]) -> Iterator[Finding]:
    everywhere = len(doubled) == len(facts.subscribers) and all(len(subscriber.duplicated) >= facts.messages for subscriber in doubled)
    words = f"{len(doubled)} of {len(facts.subscribers)} subscribers got messages more than once"
    if everywhere:
        yield fault("cluster.every-instance-publishes", 0.65, f"{words}, every message each time", proof(seen, words))
    yield fault("message.duplicated", 0.5 if everywhere else 0.75, words, proof(seen, words))


def _judge_trace(seen: Observation, facts: TraceFacts) -> Iterator[Finding]:
    wire = [place for place in facts.places if not place.name.startswith(("log", "page"))]
    lost = [place.name for place in wire if place.at_s is None]
    if wire and not lost:
        last = max(place.at_s or 0.0 for place in wire)
        yield clear(
            "message.lost", f"one message passed {len(wire)} places, the last after {duration_text(last)}", proof(seen, facts.marker)
        )
        yield from _judge_page({place.name: place.at_s for place in facts.places if place.name.startswith("page")}, seen)
    elif lost and len(lost) < len(wire):
        after = [place.name for place in wire if place.at_s is not None]
        enough = seen.duration_s >= _TIME_TO_ARRIVE_S
        words = f"the message reached {after[-1]} and {'never' if enough else f'not within {duration_text(seen.duration_s)}'} {lost[0]}"
        yield (fault if enough else unknown)("message.lost", 0.5 if enough else 0.1, words, proof(seen, words))


def _judge_page(places: dict[str, float | None], seen: Observation) -> Iterator[Finding]:
    """The wire carries the message: what does the page make of it?"""
    if places.get("page frame") is None:
        return
    at_s = places["page frame"]
    if places.get("page handler") is None:
        words = f"the frame reached the page after {duration_text(at_s)}, and no handler took it"
        yield fault("client.listener-attached-late", 0.5, words, proof(seen, words))
    elif places.get("page document") is None and places.get("page screen") is None:
        words = f"the message reached the page after {duration_text(at_s)} and its handler, and the document"
        if (rest_s := seen.duration_s - (places["page handler"] or 0.0)) < _TIME_TO_ARRIVE_S:
            words += f" had not shown it {duration_text(rest_s)} later, when watching ended"
            yield unknown("client.not-rendered", 0.1, words, proof(seen, words))
            return
        words += " never showed it"
        yield fault("client.not-rendered", 0.8, words, proof(seen, words))
    else:
        words = (
            f"the message stands in the page {duration_text(places.get('page document') or places.get('page screen'))} after its trigger"
        )
        yield clear("client.not-rendered", words, proof(seen, words))


def _judge_load(seen: Observation, facts: LoadFacts) -> Iterator[Finding]:
    if facts.void or not facts.steps:
        return
    sent, lost = sum(step.sent for step in facts.steps), sum(step.lost for step in facts.steps)
    doubled, moved = sum(step.duplicated for step in facts.steps), sum(step.reordered for step in facts.steps)
    fastest = max(facts.steps, key=lambda step: step.rate)
    if lost:
        first = next(step for step in facts.steps if step.lost)
        words = f"{lost} of {sent} messages were lost, the first at {first.rate:g} messages/s"
        yield fault("message.lost", 0.9, words, proof(seen, words))
    if doubled:
        yield fault("message.duplicated", 0.85, f"{doubled} of {sent} messages came twice", proof(seen, f"{doubled} duplicates"))
    if moved:
        yield fault("message.out-of-order", 0.85, f"{moved} of {sent} messages came out of order", proof(seen, f"{moved} reordered"))
    if not (lost or doubled or moved) and sent:
        late = f", p99 {duration_text(fastest.p99_s)}" if fastest.p99_s is not None else ""
        yield clear("message.lost", f"{sent} messages up to {fastest.rate:g}/s, none lost{late}", proof(seen, "load"))
