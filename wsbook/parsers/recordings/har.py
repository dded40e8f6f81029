"""HTTP Archive recordings of browsers, test tools and intercepting proxies: their WebSockets and what accompanies them. Must not judge.

Chrome and Edge write messages in epoch seconds and the socket's life as the entry's time, of which the part after the last message is the
time to receive, 0 while the socket is open; HTTP Toolkit writes the life too and adds how it closed.
mitmproxy writes seconds and Playwright milliseconds, both with the time of the handshake only; Firefox and Safari write no messages.
Sources: DevTools HARLog.ts, httptoolkit-ui har.ts, mitmproxy savehar.py, Playwright harTracer.ts.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

import msgspec
from msgspec import Raw, Struct

from wsbook.facts import Frame, Headers, SessionFacts, TextFacts
from wsbook.observation import Failure, Observation, Reason, Source, observed
from wsbook.parsers.failures import find_failure
from wsbook.parsers.instants import find_instant
from wsbook.parsers.recordings.har_companions import is_companion, recording_facts
from wsbook.parsers.recordings.har_format import (
    Content,
    Entry,
    Log,
    Message,
    Pair,
    Response,
    decode_har,
    messages_of,
    raw_size,
    raw_text,
    seconds_of,
)
from wsbook.parsers.recordings.recorded import Exchange, Known, body_observations, is_upgrade, upgrade_facts
from wsbook.wire.messages import errors_in

__all__ = ["parse_har"]

FRAMES = 2_000
"""Frames kept of one socket."""
ALL_FRAMES = 20_000
"""Frames kept of a recording."""
FRAME_CHARS = 4_000
ALL_CHARS = 8_000_000
"""Characters of frames kept of a recording."""
SOCKETS = 2_000
TEXTS = 2_000
GREETING = re.compile(r'4?0(?:/[^,]{0,80},)?\{"sid"')
"""Engine.IO's open packet and Socket.IO's connect packet."""
TAIL = 200
"""Last messages of a long socket that are searched for errors."""
HEADER_CHARS = 2_048
HEADERS_CHARS = 32_768
CLOSE_OPCODE = 8
LIVES = ("webinspector", "chrome", "edge", "http toolkit", "wsbook")
"""Recorders whose time of an entry is the whole life of the socket."""
TOOLS = ("webinspector", "chrome", "edge", "wsbook")
"""Developer tools of Chrome and its kin, and our console, which writes as they do."""
HUNG_S = 5.0
SECRET = frozenset(("authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token"))


class _Budget(Struct):
    """What may still be kept of a recording."""

    frames: int = ALL_FRAMES
    chars: int = ALL_CHARS


def _headers(pairs: list[Pair] | None) -> Headers:
    """Return headers within bounds; of secrets only the length stays."""
    kept: list[tuple[str, str]] = []
    left = HEADERS_CHARS
    for pair in (pairs or [])[:200]:
        name, value = pair.name[:256], str(pair.value)
        value = f"({len(value)} characters)" if name.lower() in SECRET else value[:HEADER_CHARS]
        left -= len(value)
        if left < 0:
            break
        kept.append((name, value))
    return tuple(kept)


def _is_socket(entry: Entry) -> bool:
    return entry.resource == "websocket" or entry.messages is not None


def _exchange(entry: Entry) -> Exchange:
    response = entry.response or Response()
    status = int(response.status) if response.status is not None and 100 <= response.status <= 599 else None
    content = response.content or Content()
    return Exchange(
        url=entry.request.url[:2000],
        method=entry.request.method[:20],
        status=status,
        reason=response.statusText or "",
        http_version=(response.httpVersion or entry.request.httpVersion or "")[:20] if status else "",
        request_headers=_headers(entry.request.headers),
        headers=_headers(response.headers),
        body=_body(content),
        body_bytes=int(content.size) if content.size is not None and 0 <= content.size < 1e15 else None,
        error_text=_error_text(entry),
        peer=(entry.serverIPAddress or "")[:100] or None,
        proof=any(message.type != "error" for message in messages_of(entry.messages, 0, 3)),
    )


def _error_text(entry: Entry) -> str:
    """Return what the recorder said: of the request, of its answer, or in messages of the type error."""
    response = entry.response or Response()
    said = (raw_text(raw)[:500] for raw in (entry.failure, entry.error, response.failure, response.error))
    shown = (raw_text(message.data)[:500] for message in messages_of(entry.messages, -3) if message.type == "error")
    return next(filter(None, (*said, *shown)), "")


def _body(content: Content) -> str:
    raw = content.text
    if raw_size(raw) > 1_000_000 or content.encoding == "base64":
        return ""
    return raw_text(raw)[:8192]


def _frames(messages: list[Message], start: float, budget: _Budget) -> tuple[Frame, ...]:
    frames = []
    for message in messages:
        if message.type == "error":
            continue
        written = raw_size(message.data)
        size = message.size if message.size is not None and 0 <= message.size < 1e15 else written
        text = raw_text(message.data)[:FRAME_CHARS] if written < 65_536 and budget.chars > 0 else ""
        budget.chars -= len(text)
        direction = "sent" if message.type in ("send", "request", "sent") else "received"
        at_s = max(0.0, seconds_of(message.time) - start)
        frames.append(Frame(at_s=at_s, direction=direction, opcode=message.opcode, size_bytes=size, text=text))
    budget.frames -= len(frames)
    return tuple(frames)


class _Closing(Struct):
    """How a recorder says that a socket ended. at_s: epoch seconds, None unknown."""

    code: int | None = None
    reason: str = ""
    at_s: float | None = None
    aborted: bool = False


def _closing(entry: Entry) -> _Closing:
    """Return how a socket ended: HTTP Toolkit tells it, others record the close frame (RFC 6455 section 5.5.1) at best."""
    if bytes(entry.close) not in (b"", b"null"):
        return _told_closing(entry.close)
    for message in messages_of(entry.messages, -3):
        text = raw_text(message.data) if message.opcode == CLOSE_OPCODE else ""
        if len(text) >= 2 and ord(text[0]) < 256 and ord(text[1]) < 256:
            code = ord(text[0]) * 256 + ord(text[1])
            if 1000 <= code <= 4999:
                return _Closing(code=code, reason=text[2:125], at_s=seconds_of(message.time))
        if text[:4].isdecimal() and text[:4].isascii():
            return _Closing(code=int(text[:4]), reason=text[4:125].strip(" :,"), at_s=seconds_of(message.time))
    return _Closing()


def _told_closing(raw: Raw) -> _Closing:
    class Told(Struct):
        code: int | None = None
        reason: str | None = ""
        timestamp: float | None = None

    try:
        told = msgspec.json.decode(raw, type=Told | str, strict=False)
    except (msgspec.DecodeError, RecursionError):
        return _Closing()
    if isinstance(told, str):
        return _Closing(aborted=told == "aborted")
    code = told.code if told.code is not None and 1000 <= told.code <= 4999 else None
    return _Closing(code=code, reason=(told.reason or "")[:125], at_s=told.timestamp)


def _is_open(entry: Entry, program: str) -> bool:
    """Tell whether developer tools still saw the socket open."""
    return program.lower().startswith(TOOLS) and entry.timings is not None and (entry.timings.receive or 0.0) <= 0


def _age(entry: Entry, closing: _Closing, opened: float, last_s: float | None, program: str) -> float | None:
    """Return the life of a socket; the time of an entry counts where it covers the messages or the recorder is known to mean the life."""
    if closing.at_s is not None and closing.at_s >= opened:
        return closing.at_s - opened
    spent = entry.time / 1000 if entry.time and entry.time > 0 else 0.0
    means_life = program.lower().startswith(LIVES) or (last_s is not None and last_s > 1)
    return spent if spent and means_life and spent >= (last_s or 0.0) - 0.5 else None


def _ended(closing: _Closing, still: bool) -> str:
    """Return how a socket ended, as SessionFacts say it."""
    if closing.aborted or closing.code not in (None, 1006):
        return "rst" if closing.aborted else "close"
    return "open" if still and closing.code is None else "unknown"


def _session(entry: Entry, exchange: Exchange, program: str, budget: _Budget) -> SessionFacts:
    messages = messages_of(entry.messages, 0, min(FRAMES, budget.frames))
    ends = [seconds_of(message.time) for message in messages_of(entry.messages, -1)]
    started = find_instant(entry.startedDateTime) or (seconds_of(messages[0].time) if messages else 0.0)
    opened = min([started, *(seconds_of(message.time) for message in messages[:1])])
    last_s = ends[0] - opened if ends else None
    closing, still = _closing(entry), _is_open(entry, program)
    age = None if still else _age(entry, closing, opened, last_s, program)
    return SessionFacts(
        url=exchange.url,
        frames=_frames(messages, opened, budget),
        frame_count=len(entry.messages or ()),
        ended=_ended(closing, still),
        close_code=closing.code,
        close_reason=closing.reason,
        age_s=age,
        idle_s=max(0.0, age - last_s) if age is not None and last_s is not None else None,
        error_text=exchange.error_text[:500],
    )


def _when(entry: Entry) -> datetime | None:
    at = find_instant(entry.startedDateTime)
    return datetime.fromtimestamp(at, UTC) if at is not None and 0 <= at < 4e9 else None


def _failure(exchange: Exchange, spent_s: float) -> Failure:
    """Return why there was no answer; stage "" where a recording does not tell how far the attempt came."""
    if exchange.error_text:
        unknown = Failure(stage="", reason=Reason.CLOSED, message=exchange.error_text)
        return find_failure(exchange.error_text) or unknown
    message = f"no answer was recorded within {spent_s:.1f} s" if spent_s else "no answer was recorded"
    hung = spent_s >= HUNG_S
    return Failure(stage="upgrade" if hung else "", reason=Reason.TIMEOUT if hung else Reason.CLOSED, message=message)


def _sockets(log: Log) -> Iterator[tuple[Entry, Exchange]]:
    for entry in log.entries:
        if _is_socket(entry):
            yield entry, _exchange(entry)
        elif entry.request.url[:3].lower() in ("ws:", "wss") or _may_upgrade(entry):
            exchange = _exchange(entry)
            if is_upgrade(exchange):
                yield entry, exchange


def _may_upgrade(entry: Entry) -> bool:
    asked = any(pair.name.lower() in ("upgrade", ":protocol", "sec-websocket-key") for pair in entry.request.headers or ())
    return asked or (entry.response is not None and entry.response.status == 101)


def _upgrades(sockets: list[tuple[Entry, Exchange]], source: Source, program: str) -> Iterator[Observation]:
    budget = _Budget()
    for entry, exchange in sockets:
        facts = upgrade_facts(exchange)
        spent_s = max(0.0, (entry.time or 0.0) / 1000)
        failure = _failure(exchange, spent_s) if exchange.status is None else None
        yield observed(source, facts, duration_s=spent_s, failure=failure, observed_at=_when(entry))
        if facts.accepted:
            yield observed(source, _session(entry, exchange, program, budget), observed_at=_when(entry))


def _spoken(log: Log, sockets: list[tuple[Entry, Exchange]]) -> list[tuple[Entry, Exchange]]:
    """Return the sockets and their HTTP companions; other requests of the page are not ours."""
    of_sockets = {id(entry) for entry, _ in sockets}
    companions = (entry for entry in log.entries if is_companion(entry) and id(entry) not in of_sockets)
    return [*sockets, *((entry, _exchange(entry)) for entry in islice(companions, SOCKETS))]


def _texts(spoken: list[tuple[Entry, Exchange]]) -> Iterator[tuple[int, str]]:
    """Yield bodies of refusals and the first messages; the greeting of Engine.IO is strange only where nobody asked for it."""
    for entry, exchange in spoken:
        if exchange.body and (exchange.status or 0) >= 400:
            yield 0, exchange.body
        asked = "EIO=" in exchange.url
        for message in messages_of(entry.messages, 0, TAIL):
            if message.type != "error" and raw_size(message.data) < FRAME_CHARS:
                text = raw_text(message.data)
                if not (asked and GREETING.match(text)):
                    yield 0, text


def _late_errors(sockets: list[tuple[Entry, Exchange]]) -> Iterator[Known]:
    """Yield the errors that a server said at the end of a socket of which only the first frames are kept."""
    for entry, _ in sockets:
        for message in messages_of(entry.messages, max(FRAMES, len(entry.messages or ()) - TAIL)):
            if message.type not in ("send", "request", "sent", "error") and raw_size(message.data) < FRAME_CHARS:
                text = raw_text(message.data)
                yield from (Known(error.id, error.causes, text) for error in errors_in(text))


def parse_har(data: bytes, *, artifact: str, step: str = "1.2") -> list[Observation]:
    """Return what a recording holds: UpgradeFacts and SessionFacts of its WebSockets, SignatureFacts of known bodies and of late errors,
    one RecordingFacts, one TextFacts.

    Raises:
        UnreadableInputError: the bytes are no HTTP Archive.
    """
    log = decode_har(data.removeprefix(b"\xef\xbb\xbf"), artifact)
    source = Source(step=step, probe="har", artifact=artifact)
    sockets = list(islice(_sockets(log), SOCKETS))
    whole = TextFacts(kind="har", program=log.program, size_bytes=len(data), items=len(log.entries), unparsed=log.broken)
    spoken = _spoken(log, sockets)
    errors = [f"WebSocket {exchange.url} {exchange.error_text}" for _, exchange in spoken if exchange.error_text][:TEXTS]
    late = list(islice(_late_errors(sockets), TEXTS))
    return [
        *_upgrades(sockets, source, log.program),
        *body_observations(list(islice(_texts(spoken), TEXTS)), source, late, errors=errors),
        observed(source, recording_facts(log, len(sockets))),
        observed(source, whole),
    ]
