"""The newest frames of a socket, within bounds of number and of text; everything is counted. It must not know who shows them."""

import codecs
from collections import deque
from itertools import islice

from msgspec import Struct
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode

__all__ = ["ROWS", "TEXT_CHARS", "FrameRing", "FrameRow"]

ROWS = 100_000
TEXT_CHARS = 16_384
"""Kept of one frame; hexadecimal digits count as characters."""
ALL_CHARS = 64 * 1024 * 1024


class FrameRow(Struct, frozen=True, kw_only=True, array_like=True):
    """One frame. n: its number on its connection, from 1. at_s: age of the connection. wire_bytes: of the payload as it travelled.

    text: what it says, of a close frame code and reason; is_hex: it carries bytes, and text is their hexadecimal digits. cut: text is
    only the beginning. fin: it ends its message.
    """

    n: int
    at_s: float
    direction: str
    opcode: int
    size_bytes: int
    text: str
    cut: bool
    is_hex: bool
    wire_bytes: int | None
    fin: bool = True


class FrameRing:
    """The newest frames. total counts all that came, dropped those that had to go; received_bytes and sent_bytes sum up payloads."""

    def __init__(self, rows: int = ROWS, chars: int = ALL_CHARS) -> None:
        self.total = self.dropped = 0
        self.received = self.received_bytes = self.sent_bytes = 0
        self._rows: deque[FrameRow] = deque()
        self._limit, self._chars_limit, self._chars = rows, chars, 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._part_is_text = False

    @property
    def sent(self) -> int:
        """Number of frames that we sent."""
        return self.total - self.received

    def add(self, direction: str, frame: WireFrame, at_s: float, wire_bytes: int | None) -> None:
        """Take a frame, as connection.OnFrame tells of it."""
        self.total += 1
        if direction == "received":
            self.received += 1
            self.received_bytes += len(frame.data)
        else:
            self.sent_bytes += len(frame.data)
        text, cut, is_hex = self._said(direction, frame)
        row = FrameRow(
            n=self.total,
            at_s=round(at_s, 6),
            direction=direction,
            opcode=int(frame.opcode),
            size_bytes=len(frame.data),
            text=text,
            cut=cut,
            is_hex=is_hex,
            wire_bytes=wire_bytes,
            fin=frame.fin,
        )
        self._rows.append(row)
        self._chars += len(text)
        while len(self._rows) > self._limit or self._chars > self._chars_limit:
            self._chars -= len(self._rows.popleft().text)
            self.dropped += 1

    def _said(self, direction: str, frame: WireFrame) -> tuple[str, bool, bool]:
        """Return (text, whether it is cut, whether it is hexadecimal)."""
        if frame.opcode is Opcode.CLOSE:
            return _close_text(bytes(frame.data)), False, False
        if direction == "received" and frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._part_is_text = frame.opcode is Opcode.TEXT
            self._decoder.reset()
        if frame.opcode is Opcode.TEXT or (frame.opcode is Opcode.CONT and self._part_is_text):
            data, final = bytes(frame.data[: 4 * TEXT_CHARS]), frame.fin or len(frame.data) > 4 * TEXT_CHARS
            text = self._decoder.decode(data, final) if direction == "received" else data.decode("utf-8", "replace")
            return text[:TEXT_CHARS], len(text) > TEXT_CHARS or len(frame.data) > len(data), False
        data = bytes(frame.data[: TEXT_CHARS // 2])
        return data.hex(), len(frame.data) > len(data), bool(data)

    def after(self, n: int, rows: int, chars: int = ALL_CHARS) -> list[FrameRow]:
        """Return the rows that follow row n, in order: at most so many, with so many characters, but one at least if there is any."""
        found: list[FrameRow] = []
        for row in reversed(self._newest(self.total - n)):
            chars -= len(row.text)
            if len(found) >= rows or (found and chars < 0):
                break
            found.append(row)
        return found

    def _newest(self, count: int) -> list[FrameRow]:
        """Return the last rows, the newest first."""
        return list(islice(reversed(self._rows), max(0, count)))

    def waiting(self, n: int) -> tuple[int, int]:
        """Return (number, characters) of the rows that follow row n and are still here."""
        rows = self._newest(self.total - n)
        return len(rows), sum(len(row.text) for row in rows)

    @property
    def kept(self) -> tuple[FrameRow, ...]:
        """Every row that is still here, in order."""
        return tuple(self._rows)


def _close_text(data: bytes) -> str:
    """Return code and reason of a close frame (RFC 6455 section 5.5.1), "" when it has none."""
    return f"{int.from_bytes(data[:2], 'big')} {data[2:].decode('utf-8', 'replace')}".strip() if len(data) >= 2 else ""
