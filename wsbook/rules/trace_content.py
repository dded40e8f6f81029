"""Copies of marked messages, and what differs in them from place to place (areas G, I and J)."""

from collections.abc import Iterator

from wsbook.finding import Finding
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.trace_places import Spot, Trace
from wsbook.words import cap, quantity

__all__ = ["judge_content"]

_TWICE = "message.duplicated"
_EACH = "cluster.every-instance-publishes"
_FORMAT = "message.format-mismatch"


def judge_content(trace: Trace) -> Iterator[Finding]:
    """Judge how often each event came to each place, and whether it is still what it was."""
    yield from _judge_copies(trace)
    yield from _judge_frames(trace)
    yield from _judge_altered(trace)
    yield from _judge_schema(trace)


def _ratio(numbers: int, trace: Trace) -> str:
    return f"{numbers} of {quantity(len(trace.events), 'event')}"


def _copied(spot: Spot) -> list[int]:
    return [number for number, count in enumerate(spot.counts) if count > 1]


def _judge_copies(trace: Trace) -> Iterator[Finding]:
    """One event, several frames on a socket: everywhere alike, at the publishing instance, or from some hop on."""
    doubled = [spot for spot in trace.sockets if _copied(spot)]
    if not doubled:
        return
    first = doubled[0]
    number = _copied(first)[0]
    seen = trace.events[number][0]
    copies = {count for spot in trace.sockets for count in spot.counts if count}
    names = {spot.instance for spot in trace.sockets if spot.instance}
    words = f"{_ratio(len(_copied(first)), trace)} came to {first.where} {first.counts[number]} times"
    others = [spot for spot in trace.sockets if spot not in doubled and spot.seen]
    if not others and len(copies) == 1:
        words = f"every event came to {quantity(len(doubled), 'socket')} {copies.pop()} times"
        if len(names) == first.counts[number]:
            yield fault(_EACH, 0.85, f"{words}, as often as there are instances ({', '.join(sorted(names))})", proof(seen, words))
            yield fault(_TWICE, 0.5, words, proof(seen, words))
            return
        yield unknown(_EACH, 0.3, f"{words}; count the instances", proof(seen, words))
    elif others:
        words += f", and to {others[0].where} once"
    yield fault(_TWICE, 0.8 if len(_copied(first)) > 1 else 0.65, words, proof(seen, words))


def _judge_frames(trace: Trace) -> Iterator[Finding]:
    """The page gets what a socket gets once several times: it holds several sockets, or one is subscribed several times."""
    frame = trace.page.get("frame")
    endpoint = next((spot for spot in trace.sockets if spot.kind == "endpoint"), None)
    if frame is None or endpoint is None or not endpoint.seen:
        return
    more = [number for number in _copied(frame) if endpoint.counts[number] and all(spot.counts[number] <= 1 for spot in trace.sockets)]
    if more and 2 * len(more) > len(frame.seen):
        got = f"came to {endpoint.name} once and to the page in {frame.counts[more[0]]} frames"
        words, over = f"{_ratio(len(more), trace)} {got}", [frame.sockets[number] for number in more]
        seen = trace.events[more[0]][0]
        if any(count > 1 for count in over):
            yield fault("client.double-connect", 0.85, f"{words} over {max(over)} sockets", proof(seen, words))
        elif all(over):
            yield fault(_TWICE, 0.6, f"{words} over one socket: the application counts it as several subscribers", proof(seen, words))
        else:
            yield unknown("client.double-connect", 0.4, f"{words}; count its sockets", proof(seen, words))


def _judge_altered(trace: Trace) -> Iterator[Finding]:
    """The content differs between sockets of one way; where instances differ, each may say the same in its own words."""
    altered = [spot for spot in trace.sockets if spot.altered]
    if not altered:
        return
    first = trace.sockets[0]
    spot = altered[-1]
    number, how = spot.altered[0]
    words = f"{_ratio(len(spot.altered), trace)} differ at {spot.where} from {first.where}: {cap(how, 160)}"
    evident = proof(trace.events[number][0], words)
    one_way = spot.kind == "endpoint" and (not spot.instance or spot.instance == first.instance)
    if one_way and len(spot.altered) == len(spot.seen) > 1:
        yield fault(_FORMAT, 0.55, f"{words}; what lies between them changes it", evident)
    else:
        yield unknown(_FORMAT, 0.2, f"{words}; each socket may be told in its own words", evident)


def _judge_schema(trace: Trace) -> Iterator[Finding]:
    refused = [spot for spot in trace.spots if spot.against_schema]
    if not refused:
        return
    number, how = refused[0].against_schema[0]
    whole = len(refused[0].against_schema) == len(refused[0].seen)
    words = f"{_ratio(len(refused[0].against_schema), trace)} at {refused[0].where} are not of the schema given: {cap(how, 160)}"
    yield fault(_FORMAT, 0.85 if whole else 0.75, words, proof(trace.events[number][0], words))
