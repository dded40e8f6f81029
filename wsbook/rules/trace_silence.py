"""Marked events that no socket got: none was published, none was passed on, or it goes to connections that are gone (areas F, G and H)."""

import re
from collections.abc import Iterator
from statistics import median

from wsbook.evidence import Evidence
from wsbook.facts import EchoFacts, LogLine
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.trace_places import Spot, Trace
from wsbook.signatures import signatures
from wsbook.words import cap, duration_text, quantity

__all__ = ["judge_silence"]

_SILENT = "message.never-published"
_LOST = "message.lost"
_HALF_BUS = "cluster.pubsub-misconfigured"
_STALE = "backend.stale-connection-registry"
_BROKE = "backend.exception-kills-broadcast"
_TOLD = 0.3
"""A text that is less likely to come of connections that are gone tells nothing of them."""
_SENDS = re.compile(
    r"(?<![\w/.?&=-])(?:sen[dt]\b|sending|deliver|broadcast|emit|publish|push|notif|fan-?out|dispatch)"
    r"|\bto (?:all |\d+ )(?:\w+ )?(?:socket|client|connection|subscriber|session|user|recipient|peer|listener)",
    re.IGNORECASE,
)
"""Words of a program that tells its sockets something; in the path of a request they are only its name."""
_QUOTED = re.compile(r"\{.*\}|\"[^\"]*\"")
"""What a line repeats of a request."""
_TOOK = {
    "redis": "the broker took the event",
    "command": "the command ended well",
    "message": "the message left",
    "socket": "the message left",
}
"""How the event was set off, by the kind of the trigger, where that is not an answered request."""


def _first(trace: Trace) -> Observation:
    return trace.events[0][0]


def _ratio(count: int, trace: Trace) -> str:
    return f"{count} of {quantity(len(trace.events), 'event')}"


def judge_silence(evidence: Evidence, trace: Trace) -> Iterator[Finding]:
    """No socket got any event: was none published, was none passed on, or is nobody subscribed?"""
    seen, patient = _first(trace), trace.patient
    watched = _watchers(trace)
    if not patient:
        words = f"{watched} did not get the event within {duration_text(seen.duration_s)}, when watching ended"
        yield unknown(_LOST, 0.1, words, proof(seen, words))
        return
    broker = next((spot for spot in trace.of_kind("broker") if spot.seen), None)
    logged = next((spot for spot in trace.of_kind("log") if spot.seen), None)
    words = f"{_accepted(trace)}, and {watched} got none of {quantity(len(trace.events), 'event')}"
    if _answers_its_sender(evidence, trace):
        summary = f"{words}: the endpoint may answer the sender alone; give a trigger or message that everybody should receive"
        yield unknown(_LOST, 0.05, summary, proof(seen, words))
    elif broker is not None:
        yield from _judge_behind_broker(trace, broker, words)
    elif logged is not None and not _failed_lines(trace):
        yield from _judge_behind_log(trace, logged, words)
    elif (failed := _failed_lines(trace)) and trace.trigger != "redis":
        yield from _judge_failing(trace, failed, words)
    else:
        yield from _judge_never(evidence, trace, words)


def _watchers(trace: Trace) -> str:
    names = [spot.where for spot in trace.sockets]
    page = ["the page"] if _page_listens(trace) else []
    return ", ".join([*names[:4], *page])


def _accepted(trace: Trace) -> str:
    """Say how the trigger was answered."""
    answers = [at_s for spot in trace.of_kind("answer") for at_s in spot.times if at_s is not None]
    took = f" after {duration_text(median(answers))}" if answers else ""
    return f"{_TOOK.get(trace.trigger, 'the trigger was accepted' if answers else 'the trigger was sent')}{took}"


def _answers_its_sender(evidence: Evidence, trace: Trace) -> bool:
    """Whether the event was a message that may have come back to whoever sent it, which nobody watched."""
    told = evidence.first(EchoFacts)
    echoes = told is not None and told[1].echoes is True
    return trace.trigger in ("message", "socket") or (not trace.trigger and not trace.of_kind("answer") and echoes)


def _subscribed(evidence: Evidence, trace: Trace) -> bool:
    """Whether somebody was watched who would have asked for the event: the page, or sockets that were told what to subscribe to."""
    return _page_listens(trace) or bool(evidence.target.message)


def _page_listens(trace: Trace) -> bool:
    """Whether the page was watched, on a socket that was open."""
    return "frame" in trace.page and not trace.page["frame"].ended


def _judge_behind_broker(trace: Trace, broker: Spot, words: str) -> Iterator[Finding]:
    carried = f"the broker carried {_ratio(len(broker.seen), trace)} after {duration_text(broker.typical_s)}"
    yield from _judge_channel(trace, f"{words}, although {carried}")


def _failed_lines(trace: Trace) -> list[tuple[int, LogLine]]:
    """Return (event, line) of what the logs say of sending to connections that are gone, when they do so at most events."""
    lines = [(number, line) for number, (_, facts) in enumerate(trace.events) for line in facts.said if _of_gone(line)]
    return lines if 2 * len({number for number, _ in lines}) > len(trace.events) else []


def _of_gone(line: LogLine) -> bool:
    known = (signatures()[name].causes for name in line.signatures if name in signatures())
    return any(slug == _STALE and weight >= _TOLD for causes in known for slug, weight in causes)


def _judge_failing(trace: Trace, failed: list[tuple[int, LogLine]], words: str) -> Iterator[Finding]:
    """The application says after the trigger that it cannot send, and the sockets that are open get nothing."""
    number, line = failed[0]
    count = len({number for number, _ in failed})
    said = f"{line.log} says “{cap(line.text, 160)}” {duration_text(line.at_s)} after the trigger"
    often = f" (so after {_ratio(count, trace)})" if len(trace.events) > 1 else ""
    summary = f"{words}; {said}{often}: it is sent to a connection that is gone, and not to those that are open"
    evident = (proof(trace.events[number][0], summary), proof(trace.events[number][0], line.text, line.log))
    yield fault(_STALE, 0.82 if count >= 2 else 0.65, summary, *evident)
    yield unknown(_BROKE, 0.3, f"{words}; {said}: it may stop at the first connection that fails", *evident)
    yield unknown(_SILENT, 0.1, f"{words}; {said}, which may be another message's", *evident)


def _judge_behind_log(trace: Trace, log: Spot, words: str) -> Iterator[Finding]:
    """A log names the event: does it say that it was sent, or only that it was taken?"""
    summary = f"{words}, although {log.name} names {_ratio(len(log.seen), trace)} after {duration_text(log.typical_s)}"
    lines = [(number, line) for number, (_, facts) in enumerate(trace.events) for line in facts.said if line.marked]
    sends = next((line for _, line in lines if _says_sent(line, trace)), None)
    live = _live(trace)
    if lines and sends is None:
        number, line = lines[0]
        told = f"{words}; {line.log} says “{cap(line.text, 120)}”, and no line that it was sent{live}"
        evident = proof(trace.events[number][0], told)
        yield fault(_SILENT, 0.7 if live else 0.6, f"{told}: it was taken, and not published", evident)
        yield unknown(_STALE, 0.1 if live else 0.3, f"{told}: it may go to connections that are not these", evident)
        return
    if sends is not None:
        summary = f"{summary}, as “{cap(sends.text, 120)}”"
    evident = proof(_first(trace), summary)
    yield fault(_STALE, 0.5 if live else 0.6, f"{summary}{live}: the application sends it to connections that are not these", evident)
    yield unknown(_SILENT, 0.35, f"{summary}: it may only have logged the request", evident)
    yield unknown(_BROKE, 0.3, summary, evident)


def _says_sent(line: LogLine, trace: Trace) -> bool:
    """Whether a line speaks of sending by itself, not in what it repeats of the trigger; structured lines are read as they are."""
    text = line.text
    for _, facts in trace.events:
        text = text.replace(facts.text, " ") if facts.text else text
    return _SENDS.search(text if text.lstrip().startswith("{") else _QUOTED.sub(" ", text)) is not None


def _live(trace: Trace) -> str:
    """Say how many other messages came to our sockets meanwhile, which the server knows then; "" none, or nobody counted."""
    others = sum(spot.others for spot in trace.sockets)
    return f"; {quantity(others, 'other message')} came to the same sockets meanwhile" if others else ""


def _judge_never(evidence: Evidence, trace: Trace, words: str) -> Iterator[Finding]:
    seen = _first(trace)
    silent = [spot.name for spot in (*trace.of_kind("broker"), *trace.of_kind("log"))]
    nor = f"; {', '.join(silent[:3])} {'knows' if len(silent) == 1 else 'know'} nothing of it" if silent else ""
    live = _live(trace)
    summary = f"{words}{nor}{live}: nothing was published"
    if trace.trigger == "redis":
        yield from _judge_channel(trace, words)
    elif _subscribed(evidence, trace):
        yield fault(_SILENT, _sure_of_silence(trace, looked=bool(silent), live=bool(live)), summary, proof(seen, f"{words}{nor}{live}"))
        if not live:
            whose = f"{words}{nor}: it may go to connections that are gone; give the application's log"
            yield unknown(_STALE, 0.2, whose, proof(seen, f"{words}{nor}"))
    else:
        yield unknown(
            _SILENT,
            0.4,
            f"{summary}, or not for sockets that have not subscribed; give --send with what they send first",
            proof(seen, words),
        )
        yield unknown("client.no-resubscribe-after-reconnect", 0.1, f"{words}; a subscribe message may be needed first", proof(seen, words))


def _sure_of_silence(trace: Trace, *, looked: bool, live: bool) -> float:
    """Return how sure it is that nothing was published: sockets alone cannot tell that from what is sent past them."""
    sure = 0.6 + 0.1 * looked + 0.05 * live
    few = len(trace.events) < 2
    return sure - 0.05 * few - (0.0 if trace.page and trace.sockets else 0.05)


def _judge_channel(trace: Trace, words: str) -> Iterator[Finding]:
    """An event on a broker's channel that no socket got: does anybody listen there?"""
    receivers = [facts.receivers for _, facts in trace.events if facts.receivers is not None]
    if receivers and not any(receivers):
        summary = f"{words}: the broker had no subscriber for that channel to give it to"
        yield fault(_HALF_BUS, 0.9, summary, proof(_first(trace), summary))
        return
    heard = f", which {max(receivers)} did" if receivers else ""
    summary = f"{words}: no process that holds these sockets listens to the channel{heard}, or passes on what it hears"
    yield fault(_HALF_BUS, 0.7, summary, proof(_first(trace), summary))
