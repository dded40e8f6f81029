"""HTTP Archive 1.2 recordings of Chrome, Edge, Firefox, Safari and Playwright. Must not judge what they show.

Payloads stay raw until they are needed, so that a recording of a million frames costs little more than its bytes. Chrome writes
frames to ``_webSocketMessages`` with times in epoch seconds, Playwright in milliseconds; Firefox writes none.
Format: http://www.softwareishard.com/blog/har-12-spec/
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from wsbook.errors import UnreadableInputError
from wsbook.facts import Frame, Headers, SessionFacts, TextFacts
from wsbook.observation import Failure, Observation, Reason, Source, observed
from wsbook.parsers.instants import find_instant
from wsbook.parsers.recorded import Exchange, body_observations, is_upgrade, upgrade_facts

__all__ = ["parse_har"]

FRAMES = 2_000
FRAME_CHARS = 4_000
SOCKETS = 2_000
BODIES = 500
COMPANIONS = ("socket.io", "engine.io", "sockjs", "/negotiate", "/longpoll", "signalr", "/cable", "transport=polling")
"""Parts of URLs of the HTTP requests that accompany a WebSocket."""
CLOSE_OPCODE = 8


class Pair(Struct):
    name: str = ""
    value: Any = ""


class Content(Struct):
    size: float | None = None
    mimeType: str | None = ""  # noqa: N815
    text: Raw = field(default_factory=Raw)
    encoding: str | None = None


class Request(Struct):
    method: str = "GET"
    url: str = ""
    httpVersion: str | None = ""  # noqa: N815
    headers: list[Pair] | None = None


class Response(Struct):
    status: float | None = 0
    statusText: str | None = ""  # noqa: N815
    httpVersion: str | None = ""  # noqa: N815
    headers: list[Pair] | None = None
    content: Content | None = None
    failure: Raw = field(default_factory=Raw, name="_failureText")
    error: Raw = field(default_factory=Raw, name="_error")


class Message(Struct):
    type: str = ""
    time: float = 0.0
    opcode: int = 1
    data: Raw = field(default_factory=Raw)


class Entry(Struct):
    request: Request = field(default_factory=Request)
    response: Response | None = None
    startedDateTime: str = ""  # noqa: N815
    time: float | None = 0.0
    serverIPAddress: str | None = ""  # noqa: N815
    resource: str | None = field(default="", name="_resourceType")
    messages: list[Message] | None = field(default=None, name="_webSocketMessages")
    failure: Raw = field(default_factory=Raw, name="_failureText")
    error: Raw = field(default_factory=Raw, name="_error")


class Creator(Struct):
    name: str = ""
    version: str = ""


class Log(Struct):
    entries: list[Entry] = []
    creator: Creator | None = None
    browser: Creator | None = None


class Archive(Struct):
    log: Log


def _headers(pairs: list[Pair] | None) -> Headers:
    return tuple((pair.name[:256], str(pair.value)[:8192]) for pair in (pairs or [])[:500])


def _text(raw: Raw) -> str:
    if not bytes(raw):
        return ""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return ""
    if isinstance(value, dict):
        return str(next((value[key] for key in ("message", "errorText", "text") if value.get(key)), value))
    return str(value) if value else ""


def _raw_size(raw: Raw) -> int:
    """Bytes of a JSON string without its quotes; escapes count as written."""
    return max(0, len(bytes(raw)) - 2)


def _socket(entry: Entry) -> bool:
    return entry.resource == "websocket" or entry.messages is not None


def _exchange(entry: Entry) -> Exchange:
    response = entry.response or Response()
    status = int(response.status or 0)
    error = next(filter(None, map(_text, (entry.failure, entry.error, response.failure, response.error))), "")
    content = response.content or Content()
    return Exchange(
        url=entry.request.url[:2000],
        method=entry.request.method,
        status=status if 100 <= status <= 599 else None,
        reason=response.statusText or "",
        http_version=(response.httpVersion or entry.request.httpVersion or "") if status > 0 else "",
        request_headers=_headers(entry.request.headers),
        headers=_headers(response.headers),
        body=_body(content),
        body_bytes=int(content.size) if content.size is not None and content.size >= 0 else None,
        error_text=error,
        peer=entry.serverIPAddress or None,
        proof=bool(entry.messages),
    )


def _body(content: Content) -> str:
    raw = content.text
    if _raw_size(raw) > 1_000_000 or content.encoding == "base64":
        return ""
    return _text(raw)[:8192]


def _seconds(time: float) -> float:
    """Playwright writes milliseconds; a number above 1e11 cannot be seconds."""
    return time / 1000 if time > 1e11 else time


def _frames(messages: list[Message], start: float) -> tuple[Frame, ...]:
    return tuple(
        Frame(
            at_s=max(0.0, _seconds(message.time) - start),
            direction="sent" if message.type in ("send", "request", "sent") else "received",
            opcode=message.opcode,
            size_bytes=_raw_size(message.data),
            text=_text(message.data)[:FRAME_CHARS] if _raw_size(message.data) < 65536 else "",
        )
        for message in messages[:FRAMES]
    )


def _session(entry: Entry, exchange: Exchange) -> SessionFacts:
    messages = entry.messages or []
    started = find_instant(entry.startedDateTime) or (_seconds(messages[0].time) if messages else 0.0)
    opened = min([started, *(_seconds(message.time) for message in messages[:1])])
    age = entry.time / 1000 if entry.time and entry.time > 0 else None
    last = _seconds(messages[-1].time) - opened if messages else None
    code, reason = _closing(messages)
    return SessionFacts(
        url=exchange.url,
        frames=_frames(messages, opened),
        frame_count=len(messages),
        ended="close" if code not in (None, 1006) else "unknown",
        close_code=code,
        close_reason=reason,
        age_s=age,
        idle_s=max(0.0, age - last) if age is not None and last is not None and age >= last else None,
        error_text=exchange.error_text[:500],
    )


def _closing(messages: list[Message]) -> tuple[int | None, str]:
    """Return code and reason of a recorded close frame (RFC 6455 section 5.5.1)."""
    for message in messages[-3:]:
        text = _text(message.data) if message.opcode == CLOSE_OPCODE else ""
        if len(text) >= 2 and ord(text[0]) < 256 and ord(text[1]) < 256:
            code = ord(text[0]) * 256 + ord(text[1])
            if 1000 <= code <= 4999:
                return code, text[2:125]
        if text[:4].isdigit():
            return int(text[:4]), text[4:125].strip(" :,")
    return None, ""


def _decode(data: bytes, artifact: str) -> Log:
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=Archive, strict=False).log
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UnreadableInputError(f"{artifact} is no HTTP Archive: {str(error)[:200]}") from error


def _when(entry: Entry) -> datetime | None:
    at = find_instant(entry.startedDateTime)
    return datetime.fromtimestamp(at, UTC) if at is not None and 0 <= at < 4e9 else None


def _upgrades(log: Log, source: Source) -> Iterator[Observation]:
    count = 0
    for entry in log.entries:
        if not (_socket(entry) or is_upgrade(exchange_of := _exchange(entry))):
            continue
        exchange = _exchange(entry) if _socket(entry) else exchange_of
        count += 1
        if count > SOCKETS:
            return
        facts = upgrade_facts(exchange)
        failed = exchange.status is None
        failure = (
            Failure(stage="upgrade", reason=_reason(exchange.error_text), message=exchange.error_text or "no answer recorded")
            if failed
            else None
        )
        yield observed(source, facts, duration_s=max(0.0, (entry.time or 0.0) / 1000), failure=failure, observed_at=_when(entry))
        if facts.accepted:
            yield observed(source, _session(entry, exchange), observed_at=_when(entry))


def _reason(text: str) -> Reason:
    table = (
        ("NAME_NOT_RESOLVED", Reason.NAME_NOT_FOUND),
        ("UNKNOWN_HOST", Reason.NAME_NOT_FOUND),
        ("REFUSED", Reason.REFUSED),
        ("TIMED_OUT", Reason.TIMEOUT),
        ("TIMEOUT", Reason.TIMEOUT),
        ("RESET", Reason.RESET),
        ("CERT", Reason.CERTIFICATE),
        ("SSL", Reason.TLS_ALERT),
        ("PROXY", Reason.PROXY_REFUSED),
        ("TUNNEL", Reason.PROXY_REFUSED),
        ("UNREACHABLE", Reason.UNREACHABLE),
        ("BLOCKED", Reason.NOT_PERMITTED),
    )
    upper = text.upper()
    return next((reason for word, reason in table if word in upper), Reason.CLOSED)


def _texts(log: Log) -> Iterator[tuple[int, str]]:
    """Yield error texts and bodies of sockets and of their HTTP companions; other requests of the page are not ours."""
    for entry in log.entries:
        url = entry.request.url.lower()
        if _socket(entry) or url.startswith("ws") or any(part in url for part in COMPANIONS):
            exchange = _exchange(entry)
            if exchange.error_text:
                yield 0, f"WebSocket {exchange.url} {exchange.error_text}"
            if exchange.body and (exchange.status or 0) >= 400:
                yield 0, exchange.body
            for message in (entry.messages or [])[:200]:
                if _raw_size(message.data) < 4096:
                    yield 0, _text(message.data)


def parse_har(data: bytes, *, artifact: str, step: str = "1.2") -> list[Observation]:
    """Return what a recording holds: UpgradeFacts and SessionFacts of its WebSockets, SignatureFacts of known bodies, one TextFacts.

    Raises:
        UnreadableInputError: the bytes are no HTTP Archive.
    """
    log = _decode(data, artifact)
    source = Source(step=step, probe="har", artifact=artifact)
    maker = log.browser or log.creator
    whole = TextFacts(
        kind="har", program=f"{maker.name} {maker.version}".strip() if maker else "", size_bytes=len(data), items=len(log.entries)
    )
    texts = [text for _, text in zip(range(BODIES * 4), _texts(log), strict=False)]
    return [*_upgrades(log, source), *body_observations(texts, source), observed(source, whole)]
