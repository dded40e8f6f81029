"""Answers that are all alike, read many at once: a view over the received bytes. It must not know sockets or accounts."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from wsbook.probes.generator.marks import HEADER, HEADER_BYTES, MARK_BYTES, Mark, read_text
from wsbook.probes.generator.reader import Message

__all__ = ["Shape", "echoed", "shape_of"]

MOST_BYTES = 65_536
"""Larger frames are read one by one: so few come in one read that a view saves nothing."""

Numbers = NDArray[np.int64]


class Shape(Struct, frozen=True, kw_only=True):
    """Frames of one length and one header with the mark in one place. frame_bytes: header and payload; at: of the mark in the frame."""

    header: bytes
    frame_bytes: int
    at: int
    text: bool

    def begins(self, data: bytes) -> bool:
        """Tell whether data, shorter than a frame, may be the begin of one."""
        return self.header.startswith(data[: len(self.header)])

    def fits(self, data: NDArray[np.uint8]) -> bool:
        """Tell whether whole frames, one after the other, all have this header."""
        rows = data.reshape(-1, self.frame_bytes)[:, : len(self.header)]
        return bool((rows == np.frombuffer(self.header, np.uint8)).all())

    def read(self, data: NDArray[np.uint8], run: bytes, now_ns: int) -> tuple[Numbers, Numbers, Numbers, NDArray[np.bool_]]:
        """Return connections, numbers, due times (ns since the epoch) of whole frames, and which of them are marked by this run."""
        rows = data.reshape(-1, self.frame_bytes)
        if self.text:
            wanted = np.frombuffer(b"wsbook-" + run.hex().encode(), np.uint8)
            ours = (rows[:, self.at : self.at + len(wanted)] == wanted).all(axis=1)
            *found, good = read_text(rows[:, self.at + len(wanted) : self.at + MARK_BYTES], now_ns)
            return found[0], found[1], found[2], ours & good
        fields = rows[:, self.at : self.at + HEADER_BYTES].view(HEADER)[:, 0]
        ours = fields["run"] == int.from_bytes(run, "little")
        values = (fields[name].astype(np.int64) for name in ("connection", "number", "due"))
        return next(values), next(values), next(values), ours


def echoed(payload_bytes: int, at: int, text: bool) -> Shape | None:
    """Return the shape of messages that come back as they left, None of large ones."""
    length = payload_bytes
    size = length.to_bytes(1, "big") if length < 126 else b"\x7e" + length.to_bytes(2, "big") if length < MOST_BYTES else b""
    header = bytes((0x81 if text else 0x82,)) + size
    return Shape(header=header, frame_bytes=len(header) + length, at=len(header) + at, text=text) if size else None


def shape_of(message: Message, marks: list[Mark]) -> Shape | None:
    """Return the shape that a message has, None when it cannot be a pattern for others."""
    frame_bytes = len(message.header) + message.length
    if not message.header or len(marks) != 1 or frame_bytes > MOST_BYTES:
        return None
    return Shape(header=message.header, frame_bytes=frame_bytes, at=len(message.header) + marks[0].at, text=marks[0].text)
