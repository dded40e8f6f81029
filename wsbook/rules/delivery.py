"""Who gets which message: one message's way, and losses under load (areas G and L). Broadcasts are in rules/broadcast.py."""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import LoadFacts, TraceFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.words import duration_text

__all__ = ["judge_delivery"]

_TIME_TO_ARRIVE_S = 0.8
"""A message that was watched for less may still have been on its way, or waiting to be drawn."""


def judge_delivery(evidence: Evidence) -> Iterator[Finding]:
    """Judge traces and load runs."""
    for seen, trace in evidence.of(TraceFacts):
        yield from _judge_trace(seen, trace)
    for seen, load in evidence.of(LoadFacts):
        yield from _judge_load(seen, load)


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
    if facts.void or not facts.runs:
        return
    sent, lost = sum(step.sent for step in facts.runs), sum(step.lost for step in facts.runs)
    doubled, moved = sum(step.duplicated for step in facts.runs), sum(step.reordered for step in facts.runs)
    fastest = max(facts.runs, key=lambda step: step.rate)
    if lost:
        first = next(step for step in facts.runs if step.lost)
        words = f"{lost} of {sent} messages were lost, the first at {first.rate:g} messages/s"
        yield fault("message.lost", 0.9, words, proof(seen, words))
    if doubled:
        yield fault("message.duplicated", 0.85, f"{doubled} of {sent} messages came twice", proof(seen, f"{doubled} duplicates"))
    if moved:
        yield fault("message.out-of-order", 0.85, f"{moved} of {sent} messages came out of order", proof(seen, f"{moved} reordered"))
    if not (lost or doubled or moved) and sent:
        late = f", p99 {duration_text(fastest.p99_s)}" if fastest.p99_s is not None else ""
        yield clear("message.lost", f"{sent} messages up to {fastest.rate:g}/s, none lost{late}", proof(seen, "load"))
