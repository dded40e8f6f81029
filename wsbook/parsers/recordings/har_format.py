"""The shape of HTTP Archive 1.2 files with the fields that recorders add for WebSockets. Must not know what they mean for a socket.

Payloads stay raw until they are needed, so that a recording of a million frames costs little more than its bytes. A recording in which
single entries have another shape is read entry by entry, and those are left out.
Format: http://www.softwareishard.com/blog/har-12-spec/
"""

from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct, field

from wsbook.errors import UnreadableInputError

__all__ = [
    "Content",
    "Entry",
    "Log",
    "Message",
    "Pair",
    "Request",
    "Response",
    "decode_har",
    "messages_of",
    "raw_size",
    "raw_text",
    "seconds_of",
]

T = TypeVar("T")


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
    """One message. type: send, receive, or error, whose data is then the browser's text and whose opcode is -1.

    size: of the payload in bytes where the recorder tells it, as our console does; None elsewhere.
    """

    type: str = ""
    time: float = 0.0
    opcode: int = 1
    data: Raw = field(default_factory=Raw)
    size: int | None = field(default=None, name="_sizeBytes")


class Timings(Struct):
    receive: float | None = None


class Entry(Struct):
    """One request. messages: of a socket, see messages_of(). close: HTTP Toolkit's ``_webSocketClose``, an object or the word "aborted"."""

    request: Request = field(default_factory=Request)
    response: Response | None = None
    startedDateTime: str = ""  # noqa: N815
    time: float | None = 0.0
    timings: Timings | None = None
    serverIPAddress: str | None = ""  # noqa: N815
    resource: str | None = field(default="", name="_resourceType")
    messages: list[Raw] | None = field(default=None, name="_webSocketMessages")
    close: Raw = field(default_factory=Raw, name="_webSocketClose")
    failure: Raw = field(default_factory=Raw, name="_failureText")
    error: Raw = field(default_factory=Raw, name="_error")


class Creator(Struct):
    name: str = ""
    version: str = ""


class Log(Struct):
    """A recording. broken: entries left out because their shape is another."""

    entries: list[Entry] = []
    creator: Creator | None = None
    browser: Creator | None = None
    broken: int = 0

    @property
    def program(self) -> str:
        """Name and version of what was recorded, or of what recorded it; "" unknown."""
        maker = self.browser or self.creator
        return f"{maker.name} {maker.version}".strip()[:200] if maker else ""


class _Archive(Struct):
    log: Log


class _LooseLog(Struct):
    entries: list[Raw] = []
    creator: Raw = field(default_factory=Raw)
    browser: Raw = field(default_factory=Raw)


class _LooseArchive(Struct):
    log: _LooseLog


def decode_har(data: bytes, artifact: str) -> Log:
    """Return a recording.

    Raises:
        UnreadableInputError: the bytes are no HTTP Archive, or are cut off.
    """
    try:
        return msgspec.json.decode(data, type=_Archive, strict=False).log
    except msgspec.ValidationError:
        return _loose(data, artifact)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        words = (
            "is cut off in the middle of the recording" if data and "truncated" in str(error) else f"is no HTTP Archive: {str(error)[:200]}"
        )
        raise UnreadableInputError(f"{artifact} {words}") from error


def _loose(data: bytes, artifact: str) -> Log:
    try:
        log = msgspec.json.decode(data, type=_LooseArchive, strict=False).log
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UnreadableInputError(f"{artifact} is no HTTP Archive: {str(error)[:200]}") from error
    entries = [entry for entry in (_part(raw, Entry) for raw in log.entries) if entry is not None]
    if log.entries and not entries:
        raise UnreadableInputError(f"{artifact} is no HTTP Archive: none of its {len(log.entries)} entries has the shape of one")
    broken = len(log.entries) - len(entries)
    return Log(entries=entries, creator=_part(log.creator, Creator), browser=_part(log.browser, Creator), broken=broken)


def _part(raw: Raw, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(raw, type=kind, strict=False) if bytes(raw) else None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def messages_of(raws: list[Raw] | None, start: int = 0, stop: int | None = None) -> list[Message]:
    """Return messages start to stop, those of another shape left out."""
    return [message for message in (_part(raw, Message) for raw in (raws or ())[start:stop]) if message is not None]


def seconds_of(time: float) -> float:
    """Return a message's time in epoch seconds: Playwright writes milliseconds, and a number above 1e11 cannot be seconds."""
    return time / 1000 if time > 1e11 else time


def raw_size(raw: Raw) -> int:
    """Return the bytes of a JSON string without its quotes; escapes count as written."""
    return max(0, len(bytes(raw)) - 2)


def raw_text(raw: Raw) -> str:
    """Return a JSON string as text; of an object its message; "" for what is neither."""
    if not bytes(raw):
        return ""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""
    if isinstance(value, dict):
        return str(next((value[key] for key in ("message", "errorText", "text") if value.get(key)), value))
    return str(value) if value else ""
