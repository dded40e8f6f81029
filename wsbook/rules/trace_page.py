"""What a page makes of marked messages that its browser received: not handled, not understood, not listened to, not shown (area J)."""

import re
from collections.abc import Callable, Iterator

from wsbook.facts import Caught, Named, PageEvent
from wsbook.finding import Finding, Proof
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.trace_places import TIME_TO_ARRIVE_S, Event, Spot, Trace, legs_of, share_of
from wsbook.words import cap, duration_text, quantity

__all__ = ["judge_page"]

_SHOWN = "client.not-rendered"
_THREW = "client.parse-error-swallowed"
_NAME = "client.wrong-event-name"
_FORMAT = "message.format-mismatch"
_PARSING = re.compile(r"SyntaxError|is not valid JSON|Unexpected (token|end|non-whitespace)|JSON\.parse|\bparse\b|decod", re.IGNORECASE)
_BINARY = re.compile(r"\[object (Blob|ArrayBuffer)\]|Unexpected token '?o'?|is not an ArrayBuffer|must be of type (string|Blob)")
"""What becomes of binary data that is taken for text, in the words of V8 and SpiderMonkey."""
_UNREADABLE = re.compile(r"canvas|selector", re.IGNORECASE)
"""What may show a message where nobody can read it."""
_DRAWN_S = 0.25
"""How long after a message its changes are counted; a page that changes as often by itself tells nothing by that."""
_LONGER = 1.5
"""What the page has not shown after so many times the longest delay of what it did show is not only late."""
_STREAMS = ("topic", "channel", "room", "stream", "subject", "destination", "namespace")
"""Members that tell where a message belongs, rather than what it is: their values may be made of numbers."""


def judge_page(trace: Trace) -> Iterator[Finding]:
    """Judge what happened between the page's frame and its document."""
    frame = trace.page.get("frame")
    if frame is None:
        return
    if not frame.seen:
        yield from _judge_unreached(trace, frame)
        return
    if lacking := (trace.every - frame.seen) & trace.patient:
        yield from _judge_frames(trace, frame, lacking)
    shown = _seen(trace, "document") | _seen(trace, "screen")
    hidden = frame.seen - shown
    untaken = hidden - _seen(trace, "handler") if "handler" in trace.page else frozenset()
    if not hidden:
        yield _rendered(trace, shown)
    elif untaken == hidden:
        yield from _judge_untaken(trace, frame, untaken)
    else:
        yield from _judge_hidden(trace, hidden - untaken, shown)


def _seen(trace: Trace, kind: str) -> frozenset[int]:
    return trace.page[kind].seen if kind in trace.page else frozenset()


def _ratio(numbers: frozenset[int], trace: Trace) -> str:
    return f"{len(numbers)} of {quantity(len(trace.events), 'event')}"


def _event(trace: Trace, numbers: frozenset[int]) -> Event:
    return trace.events[min(numbers)]


def _rendered(trace: Trace, shown: frozenset[int]) -> Finding:
    spot = trace.page["screen"] if _seen(trace, "screen") else trace.page["document"]
    most = share_of(legs_of(trace))
    words = f"{_ratio(shown, trace)} stood in the page {duration_text(spot.typical_s)} after the trigger{f'; {most}' if most else ''}"
    if deaf := [spot.name for spot in trace.sockets if not spot.seen]:
        words += f"; our own {'socket' if len(deaf) == 1 else 'sockets'} at {', '.join(deaf[:3])} got none of them"
    return clear(_SHOWN, words, proof(_event(trace, shown)[0], words))


# The frame did not come


def _judge_unreached(trace: Trace, frame: Spot) -> Iterator[Finding]:
    """Our own sockets got the events, and the page got no frame of them."""
    got = max((spot.seen for spot in trace.sockets), key=len, default=frozenset())
    lost = got & trace.patient
    if not lost or _apart(trace) or frame.ended:
        return
    words = (
        f"{_ratio(got, trace)} reached our own sockets and no frame of the page's: its socket is not open, or has asked for other things"
    )
    yield unknown("client.send-before-open", 0.3, words, proof(_event(trace, lost)[0], words))
    yield unknown("message.lost", 0.15, words, proof(_event(trace, lost)[0], words))


def _apart(trace: Trace) -> bool:
    """Whether our own sockets did not all get the same: then the page is one more of those that miss it."""
    return len({spot.seen & trace.patient for spot in trace.sockets}) > 1


def _judge_frames(trace: Trace, frame: Spot, lacking: frozenset[int]) -> Iterator[Finding]:
    endpoint = next((spot for spot in trace.sockets if spot.kind == "endpoint"), None)
    if endpoint is not None and lacking <= endpoint.seen and not _apart(trace):
        words = f"{_ratio(endpoint.seen, trace)} reached {endpoint.where}, and {len(lacking)} of them no frame of the page's"
        yield fault("message.lost", 0.7, words, proof(_event(trace, lacking)[0], words))


# The frame came, and no handler ran


def _judge_untaken(trace: Trace, frame: Spot, untaken: frozenset[int]) -> Iterator[Finding]:
    seen, facts = _event(trace, untaken)
    words = f"the frame of {_ratio(untaken, trace)} reached the page after {duration_text(frame.typical_s)}, and no handler took it"
    if facts.page is not None and facts.page.handlers:
        summary = f"{words}, although {facts.page.handlers[0]} listens: it was attached later, or to another socket"
        yield fault("client.listener-attached-late", 0.6, summary, proof(seen, summary))
    else:
        yield fault("client.listener-attached-late", 0.5, words, proof(seen, words))


# The handler ran, and the document does not show it


def _judge_hidden(trace: Trace, hidden: frozenset[int], shown: frozenset[int]) -> Iterator[Finding]:
    drawn_s = _slowest_s(trace, shown)
    patient = frozenset(number for number in hidden if _rest_s(trace, number) >= max(TIME_TO_ARRIVE_S, _LONGER * drawn_s))
    if not patient:
        seen = _event(trace, hidden)[0]
        rest = duration_text(_rest_s(trace, min(hidden)))
        others = f"; others took up to {duration_text(drawn_s)}" if shown else ""
        words = f"the document had not shown {_ratio(hidden, trace)} {rest} after the handler, when watching ended{others}"
        yield unknown(_SHOWN, 0.1, words, proof(seen, words))
        return
    for judge in (_judge_exception, _judge_console, _judge_name):
        found = judge(trace, patient, shown)
        if found is not None:
            yield found
            return
    yield _judge_unshown(trace, patient, shown)


def _rest_s(trace: Trace, number: int) -> float:
    """Return how long the page was watched after its handler, or its frame, had the event."""
    seen, facts = trace.events[number]
    watched_s = facts.watched_s if facts.watched_s is not None else seen.duration_s
    return watched_s - _came_s(trace, number)


def _came_s(trace: Trace, number: int) -> float:
    spot = trace.page.get("handler") or trace.page["frame"]
    return spot.times[number] or trace.page["frame"].times[number] or 0.0


def _slowest_s(trace: Trace, shown: frozenset[int]) -> float:
    """Return the longest time from the handler to the document, 0 when nothing was shown."""
    spots = [trace.page[kind] for kind in ("document", "screen") if kind in trace.page]
    first = {number: min(at_s for spot in spots if (at_s := spot.times[number]) is not None) for number in shown}
    return max((at_s - _came_s(trace, number) for number, at_s in first.items()), default=0.0)


def _common(trace: Trace, hidden: frozenset[int], shown: frozenset[int], of: Callable[[PageEvent], list[str]]) -> str:
    """Return what the page did with most of the events that it did not show and with none of those that it did, "" nothing."""
    events = [event for number in sorted(hidden) if (event := trace.page_event(number))]
    deep = [event for event in events if event.looked_deeper]
    usual = {text for number in shown if (event := trace.page_event(number)) for text in of(event)}
    told = dict.fromkeys(text for event in events for text in of(event) if text not in usual)
    likely = [text for text in told if _usual(text, events, of) or _usual(text, deep, of)]
    return likely[0] if likely else ""


def _usual(text: str, events: list[PageEvent], of: Callable[[PageEvent], list[str]]) -> bool:
    return 2 * sum(text in of(event) for event in events) > len(events) > 0


def _judge_exception(trace: Trace, hidden: frozenset[int], shown: frozenset[int]) -> Finding | None:
    """An exception came after each of these events, and after none of the others."""
    text = _common(trace, hidden, shown, lambda event: [_plain(one.text) for one in event.exceptions if _telling(one)])
    if not text:
        return None
    number, one = next((n, e) for n in sorted(hidden) for e in _exceptions(trace, n) if _plain(e.text) == text)
    at = f" at {one.where}" if one.where else ""
    inside = f" in {one.function}" if one.function else ""
    how = "caught and left without a word" if one.swallowed else "not caught"
    threw = f"threw “{cap(one.text, 120)}”{inside}{at}, {how}"
    words = f"the frame of {_ratio(hidden, trace)} reached the page and its handler, which {threw}; nothing was shown"
    proofs = (proof(trace.events[number][0], words), proof(trace.events[number][0], cap(one.text, 200), one.where))
    if _BINARY.search(one.text):
        return fault(_FORMAT, 0.88, f"{words}: it takes binary data for text", *proofs)
    return fault(_THREW, 0.92 if _PARSING.search(one.text) else 0.85, words, *proofs)


def _telling(one: Caught) -> bool:
    """Whether an exception is about the message: libraries catch many of their own."""
    return one.in_handler or not one.swallowed or bool(_PARSING.search(one.text))


def _exceptions(trace: Trace, number: int) -> tuple[Caught, ...]:
    event = trace.page_event(number)
    return event.exceptions if event else ()


def _plain(text: str) -> str:
    """Return the text of an exception without what differs from message to message."""
    return re.sub(r"wsbook-[\w-]+|\d+|\"[^\"]*\"|'[^']*'|“[^”]*”", "…", text.partition("\n")[0])[:120]


def _judge_name(trace: Trace, hidden: frozenset[int], shown: frozenset[int]) -> Finding | None:
    """The message calls itself by a name that no script of the page holds."""
    wrong = next((one for number in sorted(hidden) for one in _unknown_names(trace.page_event(number))), None)
    if wrong is None or any(wrong in _unknown_names(trace.page_event(number)) for number in shown):
        return None
    seen = _event(trace, hidden)[0]
    alike = f"; they know {', '.join(f'“{cap(one, 40)}”' for one in wrong.alike[:3])}" if wrong.alike else ""
    words = (
        f"the frame of {_ratio(hidden, trace)} reached the page and its handler, "
        f"and calls itself {wrong.member} “{cap(wrong.value, 60)}”, "
        f"which stands in none of the page's scripts{alike}"
    )
    return fault(
        _NAME, 0.88 if wrong.alike else 0.75, words, _named_proof(trace, hidden, words), proof(seen, f"{wrong.member}: {wrong.value}")
    )


def _named_proof(trace: Trace, hidden: frozenset[int], words: str) -> Proof:
    return proof(_event(trace, hidden)[0], words)


def _unknown_names(event: PageEvent | None) -> list[Named]:
    """Return the names that the page does not know, where they tell what a message is; a channel may be made of a number."""
    if event is None:
        return []
    types = [one for one in event.named if one.member.rpartition(".")[2].lower() not in _STREAMS]
    return [one for one in types or event.named if one.known is False]


def _judge_console(trace: Trace, hidden: frozenset[int], shown: frozenset[int]) -> Finding | None:
    """The page says itself that it could not read these."""
    plain = _common(trace, hidden, shown, lambda event: [_plain(text) for _, text in event.console if _PARSING.search(text)])
    if not plain:
        return None
    events = (trace.page_event(number) for number in sorted(hidden))
    text = next(text for event in events if event for _, text in event.console if _plain(text) == plain)
    seen = _event(trace, hidden)[0]
    said = f"says in the console “{cap(text, 120)}”"
    words = f"the frame of {_ratio(hidden, trace)} reached the page and its handler, which {said}; nothing was shown"
    return fault(_FORMAT if _BINARY.search(text) else _THREW, 0.8, words, proof(seen, words))


def _judge_unshown(trace: Trace, hidden: frozenset[int], shown: frozenset[int]) -> Finding:
    """No exception and no wrong name: it is filtered out, or what should show it is not there."""
    seen = _event(trace, hidden)[0]
    events = [event for number in hidden if (event := trace.page_event(number))]
    frame = trace.page["frame"]
    got = f"reached the page after {duration_text(frame.typical_s)} and its handler"
    words = f"{_ratio(hidden, trace)} {got}, and the document never showed {'them' if len(hidden) > 1 else 'it'}"
    blind = next((text for event in events for text in event.unseen if _UNREADABLE.search(text)), "")
    if events and (blind or all(_drew(event) for event in events)):
        why = blind or "though it changes with each of them and hardly otherwise: it may be shown in another form"
        summary = f"{words} with the marker; {why}"
        return unknown(_SHOWN, 0.3, summary, proof(seen, summary))
    known = [one for event in events for one in event.named if one.known]
    if events:
        words += "; no exception" + (", and the page knows its name" if known else "")
    words += f": it is filtered out, or what should show it is not there{_handler(events)}"
    some = f"; the other {len(shown)} it showed" if shown else ""
    return fault(_SHOWN, 0.65 if shown else 0.8, words + some, proof(seen, words + some))


def _drew(event: PageEvent) -> bool:
    """Whether the document changed with this message and is quiet otherwise."""
    return event.changes > 0 and event.changes_else_per_s < 1.0 / _DRAWN_S


def _handler(events: list[PageEvent]) -> str:
    handlers = next((event.handlers for event in events if event.handlers), ())
    return f" (taken by {', '.join(cap(one, 80) for one in handlers[:2])})" if handlers else ""
