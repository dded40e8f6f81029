"""Frames of one server, read carefully: for everything that the vectorised way does not know (RFC 6455 section 5).

No I/O. It must not know marks or accounts. Memory is bounded whatever the peer sends: of a message KEPT_BYTES are kept, the rest is
counted.
"""

from msgspec import Struct

__all__ = ["KEPT_BYTES", "Broken", "Closed", "Message", "Pinged", "Reader", "Taken"]

KEPT_BYTES = 1_048_576
_MOST_FRAME = 2**32
"""A longer frame is no message that anybody sent on purpose: the stream is read as broken."""
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10


class Message(Struct, frozen=True, kw_only=True):
    """A whole text or binary message. payload: the first KEPT_BYTES of it; length: of all. header: of its frame, when it came in one that
    is neither masked nor fragmented; b"" otherwise."""

    text: bool
    payload: bytes
    length: int
    header: bytes = b""


class Pinged(Struct, frozen=True, kw_only=True):
    """A ping, which wants a pong with this payload."""

    payload: bytes


class Closed(Struct, frozen=True, kw_only=True):
    """A close frame. code: 1005 when it had none (RFC 6455 section 7.1.5)."""

    code: int


class Broken(Struct, frozen=True, kw_only=True):
    """What came is no frame that a server may send; nothing after it is read."""

    why: str


Taken = Message | Pinged | Closed | Broken


class Reader:
    """Reads the frames of one connection from any splits of its bytes. over: a close frame or something broken came."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._left = 0  # of the payload that is being read
        self._head: tuple[int, bool, bytes, bytes] | None = None  # opcode, final, mask, header
        self._got = 0  # bytes of that payload, for the mask's place
        self._text, self._parts, self._length, self._kept, self._pieces = False, list[bytes](), 0, 0, 0
        self._inside = False  # a message was begun
        self.over = False

    @property
    def rest(self) -> bytes | None:
        """Bytes that begin a frame when that is all that is held; None in the middle of a payload or of a fragmented message."""
        return None if self._head is not None or self._inside else bytes(self._data)

    def feed(self, data: bytes) -> list[Taken]:
        """Take bytes and return what they complete, in order."""
        self._data += data
        found: list[Taken] = []
        while not self.over:
            taken = self._payload() if self._head is not None else self._header()
            if taken is False:
                break
            if not isinstance(taken, bool):
                found.append(taken)
        return found

    def _broken(self, why: str) -> Broken:
        self.over = True
        self._data.clear()
        return Broken(why=why)

    def _header(self) -> Taken | bool:
        """Read one header; False when it is not whole, True when it is."""
        data = self._data
        if len(data) < 2:
            return False
        opcode, final, short = data[0] & 15, bool(data[0] & 128), data[1] & 127
        size = 2 + (2 if short == 126 else 8 if short == 127 else 0)
        masked = bool(data[1] & 128)
        if why := self._why_broken(data[0], opcode, final, short):
            return self._broken(why)
        if len(data) < size + 4 * masked:
            return False
        length = short if size == 2 else int.from_bytes(data[2:size], "big")
        if length > _MOST_FRAME:
            return self._broken(f"a frame of {length} bytes")
        mask, header = bytes(data[size : size + 4]) if masked else b"", bytes(data[:size])
        del data[: size + 4 * masked]
        self._head, self._left, self._got = (opcode, final, mask, header), length, 0
        if opcode in (_TEXT, _BINARY):
            self._inside, self._text, self._parts = True, opcode == _TEXT, []
            self._length = self._kept = self._pieces = 0
        return True

    def _why_broken(self, first: int, opcode: int, final: bool, short: int) -> str:
        if first & 0x70:
            return "a frame with reserved bits set"
        if opcode in (_CLOSE, _PING, _PONG):
            return "" if final and short <= 125 else "a control frame that is fragmented or too long"
        if opcode not in (_CONTINUATION, _TEXT, _BINARY):
            return f"a frame with the reserved opcode {opcode}"
        if (opcode == _CONTINUATION) != self._inside:
            return "a message inside another" if self._inside else "a continuation of nothing"
        return ""

    def _payload(self) -> Taken | bool:
        """Read what is there of a payload; False when it is not whole."""
        assert self._head is not None
        opcode, final, mask, header = self._head
        if opcode >= _CLOSE:
            return self._control(opcode, mask) if len(self._data) >= self._left else False
        part = bytes(self._data[: self._left])
        del self._data[: len(part)]
        self._keep(part, mask)
        self._left -= len(part)
        if self._left:
            return False
        self._head = None
        self._pieces += 1
        if not final:
            return True
        whole = self._pieces == 1 and not mask
        message = Message(text=self._text, payload=b"".join(self._parts), length=self._length, header=header if whole else b"")
        self._inside, self._parts = False, []
        return message

    def _keep(self, part: bytes, mask: bytes) -> None:
        kept = part[: KEPT_BYTES - self._kept]
        if kept:
            self._parts.append(_unmasked(kept, mask, self._got) if mask else kept)
        self._kept += len(kept)
        self._length += len(part)
        self._got += len(part)

    def _control(self, opcode: int, mask: bytes) -> Taken | bool:
        payload = bytes(self._data[: self._left])
        del self._data[: self._left]
        self._head = None
        payload = _unmasked(payload, mask, 0) if mask else payload
        if opcode == _PING:
            return Pinged(payload=payload)
        if opcode == _PONG:
            return True
        self.over = True
        if len(payload) == 1:
            return self._broken("a close frame with half a code")
        return Closed(code=int.from_bytes(payload[:2], "big") if payload else 1005)


def _unmasked(part: bytes, mask: bytes, at: int) -> bytes:
    """Return a part of a masked payload in clear. at: of its first byte in the payload."""
    turned = mask[at % 4 :] + mask[: at % 4]
    key = (turned * (len(part) // 4 + 1))[: len(part)]
    return (int.from_bytes(part, "big") ^ int.from_bytes(key, "big")).to_bytes(len(part), "big")
