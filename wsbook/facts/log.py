"""What logs, consoles and other texts hold."""

from msgspec import Struct

__all__ = [
    "AccessFacts",
    "ClosingsFacts",
    "CopiesFacts",
    "LoggedAttemptFacts",
    "MarkedLineFacts",
    "NumbersFacts",
    "SignatureFacts",
    "TemplateFacts",
    "TextFacts",
]


class SignatureFacts(Struct, frozen=True, kw_only=True, tag="signature"):
    """A text that a program is known to print, found in a log, console, or body.

    signature: id in signatures.toml. program: who printed it. count: how often. text: first occurrence, capped at 500 characters.
    captures: named parts of it. causes: (slug, weight 0..1) that it stands for; empty: it is harmless or context.
    times: instants of the occurrences in epoch seconds, first 1,000, () when the text carries none.
    marks: of the workbook's own probe, when every line with this text shows one (wsbook/signs.py).
    """

    signature: str
    program: str
    count: int
    text: str
    causes: tuple[tuple[str, float], ...] = ()
    captures: tuple[tuple[str, str], ...] = ()
    times: tuple[float, ...] = ()
    marks: tuple[str, ...] = ()


class AccessFacts(Struct, frozen=True, kw_only=True, tag="access"):
    """Access-log lines that are alike: same method, path, status, version, termination; our own probe's apart from the others.

    program: nginx, haproxy, … upgrade: whether the request asked for an upgrade, None unknown. durations_s: first 1,000, () when
    not logged. times: epoch seconds of the ends. marked: they are the workbook's own probe's. termination: HAProxy's flags, Envoy's.
    marks: which attempts of the probe, first 1,000 (wsbook/signs.py).
    """

    program: str
    method: str
    path: str
    status: int
    count: int
    http_version: str = ""
    upgrade: bool | None = None
    durations_s: tuple[float, ...] = ()
    times: tuple[float, ...] = ()
    termination: str = ""
    upstream: str = ""
    marked: bool = False
    marks: tuple[str, ...] = ()
    text: str = ""


class TextFacts(Struct, frozen=True, kw_only=True, tag="text"):
    """What an artifact holds as a whole. items: parsed entries; unparsed: lines that no parser knew; program: detected, "" unknown.

    skimmed: lines of a large log that were only counted, because they show no sign of WebSockets and no known text.
    """

    kind: str
    program: str = ""
    size_bytes: int = 0
    items: int = 0
    unparsed: int = 0
    skimmed: int = 0


class ClosingsFacts(Struct, frozen=True, kw_only=True, tag="closings"):
    """The ends of connections that a log tells, first 20,000: instants in epoch seconds, and for each its age, None unknown."""

    times: tuple[float, ...]
    ages_s: tuple[float | None, ...]


class CopiesFacts(Struct, frozen=True, kw_only=True, tag="copies"):
    """Deliveries that a log tells more than once within a few lines, equal but for time and writer.

    told: different deliveries. by_sources: of these, how many several writers tell; by_one: how many one writer tells again.
    most: how often the most repeated one is told. text: the first of them, without time and writer.
    """

    told: int
    by_sources: int
    by_one: int
    most: int
    text: str


class NumbersFacts(Struct, frozen=True, kw_only=True, tag="numbers"):
    """Sequence numbers that lines tell of messages that arrived, in the order of the lines.

    arrivals: numbers or ranges told. missing: numbers left out between two of them; missing_renewed: those with the end of a connection
    between. repeated: numbers told again at once. late: steps back.
    """

    arrivals: int
    missing: int = 0
    missing_renewed: int = 0
    repeated: int = 0
    late: int = 0


class TemplateFacts(Struct, frozen=True, kw_only=True, tag="template"):
    """Lines that no notation and no known text explains, alike but for their variable parts, and that look like errors.

    count: within the first 4,000 such lines. text: the first of them, capped.
    """

    template: str
    count: int
    text: str


class MarkedLineFacts(Struct, frozen=True, kw_only=True, tag="marked-line"):
    """One line that one of our own attempts left in a log. mark: which attempt (wsbook/signs.py). time: epoch seconds, None not logged."""

    mark: str
    program: str
    path: str
    status: int
    duration_s: float | None = None
    time: float | None = None
    upstream: str = ""
    text: str = ""


class LoggedAttemptFacts(Struct, frozen=True, kw_only=True, tag="logged-attempt"):
    """One of our own attempts beside its line in a log; line None: the log was written meanwhile, names user agents, and does not show it.

    began: epoch seconds. status, duration_s: as we saw them, status None without an HTTP answer.
    """

    mark: str
    began: float
    status: int | None
    duration_s: float
    line: MarkedLineFacts | None = None
