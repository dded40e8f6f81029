"""Read an HTTP/1.x answer from bytes, within bounds, however strange it is (RFC 9112). No I/O.

It must not know what a WebSocket is: handshake.py judges the answer to an upgrade.
"""

import re
import zlib

from msgspec import Struct

from wsbook.facts import Headers

__all__ = ["BODY_LIMIT_BYTES", "HEAD_LIMIT_BYTES", "Answer", "AnswerReader", "BodyReader", "dechunk", "parse_head", "shown_raw"]

HEAD_LIMIT_BYTES = 65_536
"""Twice the largest limit that common servers put on their own heads (nginx 32 KiB, Node 16 KiB)."""
BODY_LIMIT_BYTES = 65_536
BODY_TEXT_LIMIT = 4_096
RAW_TEXT_LIMIT = 512
HEADERS_LIMIT = 500
_VALUE_LIMIT = 8_192
_INTERIM = frozenset({100, 102, 103})
_STATUS_LINE = re.compile(rb"HTTP/(\d(?:\.\d)?)[ \t]+(\d{3})(?:[ \t]+(.*))?[ \t]*", re.DOTALL)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]{0,1024})?\r?\n")
_START = b"HTTP/"


class Answer(Struct, frozen=True, kw_only=True):
    """The head of an answer. status None: the first line is no status line. defects: departures from the grammar, in words."""

    version: str | None = None
    status: int | None = None
    reason: str = ""
    headers: Headers = ()
    defects: tuple[str, ...] = ()

    def values(self, name: str) -> list[str]:
        """Return every value of a header, in order; the name in lower case."""
        return [value for key, value in self.headers if key.lower() == name]

    def tokens(self, name: str) -> list[str]:
        """Return the comma-separated tokens of a header over all its lines."""
        return [token for value in self.values(name) for part in value.split(",") if (token := part.strip())]


def _text(data: bytes, limit: int = _VALUE_LIMIT) -> str:
    return data.strip(b" \t\r\n")[:limit].decode("latin-1")


def _header_lines(lines: list[bytes]) -> tuple[list[tuple[str, str]], list[str]]:
    headers: list[tuple[str, str]] = []
    defects: list[str] = []
    for line in lines[:HEADERS_LIMIT]:
        name, colon, value = line.partition(b":")
        if line[:1] in (b" ", b"\t") and headers:
            defects.append("a header is folded over two lines (RFC 9112 section 5.2)")
            headers[-1] = (headers[-1][0], f"{headers[-1][1]} {_text(line)}"[:_VALUE_LIMIT])
        elif not colon or not name.strip():
            defects.append(f"a header line has no name: {_text(line, 80)!r}")
        else:
            if name != name.strip():
                defects.append(f"white space before the colon of {_text(name, 80)!r} (RFC 9112 section 5.1)")
            headers.append((_text(name, 256), _text(value)))
    if len(lines) > HEADERS_LIMIT:
        defects.append(f"{len(lines)} header lines, {HEADERS_LIMIT} kept")
    return headers, list(dict.fromkeys(defects))[:20]


def parse_head(head: bytes) -> Answer:
    """Return the answer whose head is given, with or without its last empty line; never raises."""
    lines = [line.removesuffix(b"\r") for line in head.rstrip(b"\r\n").split(b"\n")]
    match = _STATUS_LINE.fullmatch(lines[0])
    if match is None:
        return Answer(defects=(f"no status line: {_text(lines[0], 80)!r}",))
    headers, defects = _header_lines(lines[1:])
    return Answer(
        version=match[1].decode(),
        status=int(match[2]),
        reason=_text(match[3] or b"", 256),
        headers=tuple(headers),
        defects=tuple(defects),
    )


def shown_raw(data: bytes, limit: int = RAW_TEXT_LIMIT) -> str:
    """Return the first bytes as text: printable ASCII and line ends as they are, the rest as ``\\xNN``."""
    return "".join(chr(b) if 0x20 <= b < 0x7F or b in b"\r\n\t" else f"\\x{b:02x}" for b in data[:limit])


class AnswerReader:
    """Collect the bytes of an answer until its head is complete; interim answers (100, 102, 103) are passed over.

    raw: what was received, at most limit bytes until the head is complete. rest: bytes after the head.
    """

    def __init__(self, limit: int = HEAD_LIMIT_BYTES) -> None:
        self.raw = bytearray()
        self.rest = b""
        self.complete = False
        self.interim = 0
        self._limit = limit
        self._searched = 0

    @property
    def too_large(self) -> bool:
        """Whether the limit was reached before the head ended."""
        return not self.complete and len(self.raw) >= self._limit

    @property
    def garbage(self) -> bool:
        """Whether what came cannot become an HTTP answer."""
        head = bytes(self.raw[: len(_START)])
        if not _START.startswith(head):
            return True
        return self.complete and self.answer().status is None

    def feed(self, data: bytes) -> None:
        """Take bytes from the peer; after the head is complete they are left alone."""
        if self.complete:
            self.rest += data
            return
        self.raw += data
        while match := _HEAD_END.search(self.raw, max(0, self._searched - 3)):
            head, rest = bytes(self.raw[: match.end()]), bytes(self.raw[match.end() :])
            if match.end() > self._limit:
                break
            if parse_head(head).status not in _INTERIM:
                self.raw, self.rest, self.complete = bytearray(head), rest, True
                return
            self.raw, self._searched, self._limit = bytearray(rest), 0, self._limit - len(head)
            self.interim += 1
        del self.raw[max(self._limit, 0) :]
        self._searched = len(self.raw)

    def answer(self) -> Answer:
        """Return the head as far as it came; half a status line is none."""
        head = bytes(self.raw)
        return parse_head(head if b"\n" in head else b"")


def dechunk(data: bytes) -> tuple[bytes, bool]:
    """Return the payload of a chunked body and whether its last chunk was seen (RFC 9112 section 7.1); stops where it is broken."""
    parts: list[bytes] = []
    position = 0
    while match := _CHUNK_SIZE.match(data, position):
        size = int(match[1], 16)
        if size == 0:
            return b"".join(parts), True
        parts.append(data[match.end() : match.end() + size])
        position = match.end() + size
        if data[position : position + 2] == b"\r\n":
            position += 2
        elif data[position : position + 1] == b"\n":
            position += 1
        else:
            break
    return b"".join(parts), False


def _inflate(data: bytes, window: int, limit: int) -> bytes:
    """Return at most limit bytes of the decompressed data; what is broken ends it."""
    engine = zlib.decompressobj(window)
    try:
        return engine.decompress(data, limit)
    except zlib.error:
        return b""


class BodyReader:
    """Collect a body up to BODY_LIMIT_BYTES and show it as text."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._data = bytearray()
        self._chunked = "chunked" in [token.lower() for token in answer.tokens("transfer-encoding")]
        length = answer.values("content-length")
        self._length = int(length[0]) if length and re.fullmatch(r"[0-9]{1,18}", length[0]) else None
        self._none = answer.status in (101, 204, 304)

    @property
    def received_bytes(self) -> int:
        """Bytes received, chunk framing included."""
        return len(self._data)

    @property
    def complete(self) -> bool:
        """Whether nothing more is to be read: the body ended, or the limit is reached."""
        if self._none or len(self._data) >= BODY_LIMIT_BYTES:
            return True
        if self._chunked:
            return self._data.endswith((b"\r\n\r\n", b"\n\n")) and dechunk(bytes(self._data))[1]
        return self._length is not None and len(self._data) >= self._length

    def feed(self, data: bytes) -> None:
        """Take bytes from the peer; those beyond the limit, and after an answer that has no body (RFC 9112 section 6.3), are dropped."""
        if self._none:
            return
        limit = BODY_LIMIT_BYTES if self._chunked or self._length is None else min(self._length, BODY_LIMIT_BYTES)
        self._data += data[: max(0, limit - len(self._data))]

    def text(self) -> str:
        """Return at most BODY_TEXT_LIMIT characters: chunks joined, gzip and deflate opened within that bound."""
        data = dechunk(bytes(self._data))[0] if self._chunked else bytes(self._data)
        coding = ",".join(self._answer.tokens("content-encoding")).lower()
        limit = 4 * BODY_TEXT_LIMIT
        if coding in ("gzip", "x-gzip"):
            data = _inflate(data, 16 + zlib.MAX_WBITS, limit)
        elif coding == "deflate":
            data = _inflate(data, zlib.MAX_WBITS, limit) or _inflate(data, -zlib.MAX_WBITS, limit)
        elif coding and coding != "identity" and data:
            return f"({len(data)} bytes with the content coding {coding[:40]}, not opened)"
        return data[:limit].decode("utf-8", "replace")[:BODY_TEXT_LIMIT]
