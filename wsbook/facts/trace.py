"""Marked messages on their way from what sets them off to the page that should show them."""

from msgspec import Struct

__all__ = ["BurstFacts", "BurstPlace", "Caught", "ClockFacts", "LogLine", "Named", "PageEvent", "Place", "TraceFacts"]


class Place(Struct, frozen=True, kw_only=True):
    """One place that a marked message should pass. at_s from the trigger, None when it never came; count: how often it was seen.

    kind: trigger, answer, broker, log, hop, endpoint, frame, handler, mark, document or screen; "" in old records. instance: what
    identifies the process that a socket is connected to, "" unknown. altered: how its content differs from that at the nearest socket
    before, without members that are added and values that are new in every event or for every recipient; "" when it does not.
    reshaped: the members that are not there any more, or are of another type. against_schema: what the given JSON Schema refuses in it,
    "" nothing or none given. error_s: how far at_s may be off because another machine's clock gave it; 0 for clocks of this machine.
    ended: how the socket here, or every socket of the page, had ended when the event had not come, such as "close 1001 going away by
    peer"; "" it was open. others: how many messages without any marker came to our socket here until the next event, beside
    heartbeats; None where they were not counted. sockets: over how many sockets of the page it came, 0 not known.
    """

    name: str
    at_s: float | None
    count: int = 0
    kind: str = ""
    instance: str = ""
    altered: str = ""
    against_schema: str = ""
    error_s: float = 0.0
    ended: str = ""
    sockets: int = 0
    reshaped: tuple[str, ...] = ()
    others: int | None = None


class LogLine(Struct, frozen=True, kw_only=True):
    """A line of a log, capped, at_s after the trigger of an event. log: its place. marked: whether it holds the event's marker.
    signatures: ids of the known texts in it that stand for causes."""

    log: str
    at_s: float
    text: str
    marked: bool = False
    signatures: tuple[str, ...] = ()


class Named(Struct, frozen=True, kw_only=True):
    """What a message calls itself: the member and value that tell its type. known: whether the value stands in the page's scripts,
    None when they could not be read. alike: values there that resemble it."""

    member: str
    value: str
    known: bool | None = None
    alike: tuple[str, ...] = ()


class Caught(Struct, frozen=True, kw_only=True):
    """An exception while the page handled a message. swallowed: the page caught it itself. where: url:line:column, counted from 1.
    in_handler: it was thrown under a function that takes the socket's messages; False also when that could not be told."""

    text: str
    where: str = ""
    function: str = ""
    swallowed: bool = False
    in_handler: bool = False


class PageEvent(Struct, frozen=True, kw_only=True):
    """What the page did while a marked message was there.

    exceptions: thrown after its frame came. console: warnings and errors of that time, (level, text). changes: how often the document
    changed within 0.25 s after its frame, or since it was set off when no frame was seen. changes_else_per_s: how often per second it
    changed while no marked message had just come; where that is 0, something was drawn of the message. handlers: functions of the page
    that took the message, as name at url:line. looked_deeper: whether the exceptions that the page catches itself were watched too.
    unseen: what of the page could not be looked at, and why.
    """

    exceptions: tuple[Caught, ...] = ()
    console: tuple[tuple[str, str], ...] = ()
    changes: int = 0
    handlers: tuple[str, ...] = ()
    named: tuple[Named, ...] = ()
    looked_deeper: bool = False
    changes_else_per_s: float = 0.0
    unseen: tuple[str, ...] = ()


class TraceFacts(Struct, frozen=True, kw_only=True, tag="trace"):
    """One marked message from its origin to the last place watched, in path order.

    number, repeats: which of how many events of one run this is. trigger: http, socket, message, command or redis; "" in old records.
    text: what was sent, with its marker, capped. watched_s: how long every place was watched after the trigger. page: None when no page
    was watched. answer: what the trigger was answered, in words, "" nothing. receivers: to how many subscribers beside us a broker gave
    the message, None where none was asked. said: lines of the logs with the marker, and those with a known text, though without it, that
    were written between the trigger and a moment after its answer and hardly ever otherwise.
    """

    marker: str
    places: tuple[Place, ...]
    repeats: int = 1
    number: int = 0
    trigger: str = ""
    text: str = ""
    watched_s: float | None = None
    page: PageEvent | None = None
    answer: str = ""
    receivers: int | None = None
    said: tuple[LogLine, ...] = ()


class BurstPlace(Struct, frozen=True, kw_only=True):
    """What one place saw of a burst: distinct events, more copies of them, and those that came after a later one. ended: how its socket
    had ended, "" when it was open to the end or is none; of a page's frames, how one ended meanwhile, or before one that it opened.
    joined: messages that were several JSON documents, one after another."""

    name: str
    kind: str
    received: int
    duplicated: int = 0
    reordered: int = 0
    missing: tuple[int, ...] = ()
    ended: str = ""
    joined: int = 0


class BurstFacts(Struct, frozen=True, kw_only=True, tag="burst"):
    """Many marked events in quick succession, after single ones. refused: triggers that were not accepted. side_by_side: how many were
    on their way to the application at once; with more than one their order is that at the first place on the wire."""

    sent: int
    took_s: float
    places: tuple[BurstPlace, ...]
    refused: int = 0
    watched_s: float = 0.0
    side_by_side: int = 1


class ClockFacts(Struct, frozen=True, kw_only=True, tag="clock"):
    """How far another clock is ahead of ours, from pairs of request and reply: the true offset lies within offset_s +- error_s."""

    place: str
    offset_s: float
    error_s: float
    pairs: int
