"""How the page's own client speaks the dialect of its endpoint, as a browser or the source shows it. Pure; judges nothing."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from wsbook.evidence import Evidence
from wsbook.facts import EndpointFacts, RecordingFacts, SessionFacts, UpgradeFacts
from wsbook.finding import Proof
from wsbook.observation import Observation
from wsbook.rules.make import proof
from wsbook.wire.dialects.detect import recognise
from wsbook.wire.heartbeats import manner_of

__all__ = ["PLAIN", "answers_as_client", "is_by_hand", "sockets_alone"]

PLAIN = frozenset({"native", "ws", "reconnecting-websocket", "partysocket", "react-use-websocket"})
"""Clients that hand the application each message as it came."""
_SESSION = {"engine.io": "sid", "signalr": "id"}
"""The parameter by which a WebSocket continues a session that other requests began."""
_BROWSERS = frozenset({"browser", "har"})


def sockets_alone(evidence: Evidence, dialect: str) -> Proof | None:
    """Return what shows that the page's client opens a session by one WebSocket, None when other requests may begin it."""
    session = _SESSION.get(dialect)
    opened = [(seen, facts) for seen, facts in _of_browsers(evidence) if _names(facts.url, dialect)]
    if session is None or any(session in _query(facts.url) for _, facts in opened) or _polls(evidence, opened):
        return None
    if shown := next(((seen, facts) for seen, facts in opened if facts.accepted), None):
        return proof(shown[0], f"the browser opened {urlsplit(shown[1].url).path} without {session}=")
    dialled = [(seen, facts) for seen, facts in evidence.of(EndpointFacts) if facts.side == "frontend" and facts.library != "sse"]
    if dialled and all(is_by_hand(facts, dialect) for _, facts in dialled):
        return proof(dialled[0][0], dialled[0][1].expression, f"{dialled[0][1].file}:{dialled[0][1].line}")
    return None


def answers_as_client(evidence: Evidence, dialect: str) -> bool | None:
    """Tell whether the page said on its socket what the dialect's client says there; None when nobody saw what it said."""
    answered = None
    for seen, facts in evidence.of(SessionFacts):
        words = manner_of(dialect, facts.url).after_first
        if seen.source.probe in _BROWSERS and facts.frames and words and _names(facts.url, dialect):
            answered = answered or any(frame.direction == "sent" and frame.text in words for frame in facts.frames)
    return answered


def is_by_hand(facts: EndpointFacts, dialect: str) -> bool:
    """Whether a plain client dials a URL with the query that the dialect's own client would make."""
    query = (facts.url or facts.expression).partition("?")[2]
    return facts.library in PLAIN and bool(query) and _names(f"/?{query}", dialect)


def _names(url: str | None, dialect: str) -> bool:
    """Whether path and query of a URL are the dialect's."""
    parts = urlsplit(url or "")
    return any(clue.dialect == dialect for clue in recognise(f"{parts.path}?{parts.query}"))


def _query(url: str) -> frozenset[str]:
    return frozenset(parse_qs(urlsplit(url).query, keep_blank_values=True))


def _of_browsers(evidence: Evidence) -> Iterator[tuple[Observation, UpgradeFacts]]:
    return ((seen, facts) for seen, facts in evidence.upgrades if seen.source.probe in _BROWSERS)


def _polls(evidence: Evidence, opened: list[tuple[Observation, UpgradeFacts]]) -> bool:
    """Whether plain requests went to the same path in a recording."""
    paths = {urlsplit(facts.url).path for _, facts in opened}
    return any(urlsplit(one.url).path in paths for _, facts in evidence.of(RecordingFacts) for one in facts.companions)
