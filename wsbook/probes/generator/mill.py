"""Client frames, many at once: headers, fresh masks, marks, padding. It must not know connections' sockets nor time.

Masks come from the system's entropy, one per frame (RFC 6455 section 5.3), and are applied to all frames of a call together.
"""

import os

import numpy as np
from numpy.typing import NDArray

from wsbook.errors import UsageError
from wsbook.probes.generator.marks import HEADER, HEADER_BYTES, MARK_BYTES, write_text

__all__ = ["Mill", "client_frame"]

TEXT, BINARY, CLOSE, PONG = 1, 2, 8, 10
_ENTROPY_BYTES = 65_536
_PLACE = "\0"
"""Stands for the marker while the text is put together; JSON and every other text format forbid it."""

Numbers = NDArray[np.int64]
Bytes = NDArray[np.uint8]


def _header(opcode: int, length: int) -> bytes:
    """Return the header of a masked frame, without the mask."""
    if length < 126:
        return bytes((0x80 | opcode, 0x80 | length))
    if length < 65_536:
        return bytes((0x80 | opcode, 0x80 | 126)) + length.to_bytes(2, "big")
    return bytes((0x80 | opcode, 0x80 | 127)) + length.to_bytes(8, "big")


def client_frame(opcode: int, payload: bytes) -> bytes:
    """Return one masked frame."""
    mask = os.urandom(4)
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(len(payload), "big")
    return _header(opcode, len(payload)) + mask + masked


def _filled(template: str, size_bytes: int) -> str:
    """Return the text with its padding, _PLACE where the marker goes."""
    text = template.replace(_PLACE, "").replace("{marker}", _PLACE)
    plain = text.replace("{padding}", "")
    length = len(plain.encode()) + plain.count(_PLACE) * (MARK_BYTES - 1)
    return text.replace("{padding}", "x" * max(0, size_bytes - length), 1).replace("{padding}", "")


class Mill:
    """Makes the messages of one run. payload_bytes: of each; frame_bytes: with header and mask; base: the payload without its mark, and
    places: where the marks go in it; text: whether these are texts."""

    def __init__(self, run: bytes, size_bytes: int, template: str = "") -> None:
        """run: four bytes. template: with {marker} and {padding}; "" makes binary messages of at least HEADER_BYTES."""
        self.run, self.text = run, bool(template)
        if template:
            blank = b"wsbook-" + run.hex().encode() + b"0" * 24
            parts = _filled(template, size_bytes).encode().split(_PLACE.encode())
            self.places = [sum(len(part) for part in parts[: n + 1]) + n * MARK_BYTES for n in range(len(parts) - 1)]
            self.base = blank.join(parts)
        else:
            self.places = [0]
            self.base = run + bytes(HEADER_BYTES - 4) + os.urandom(max(0, size_bytes - HEADER_BYTES))
        if not self.places:
            raise UsageError("put {marker} into the message, so that its answer can be recognised")
        self.payload_bytes = len(self.base)
        head = _header(TEXT if self.text else BINARY, self.payload_bytes)
        self._head = np.frombuffer(head, np.uint8)
        self._mask_at, self._payload_at = len(head), len(head) + 4
        self.frame_bytes = self._payload_at + self.payload_bytes
        self._row_bytes = -(-self.payload_bytes // 4) * 4
        self._base = np.frombuffer(self.base.ljust(self._row_bytes, b"\0"), np.uint8)
        self._entropy, self._drawn = b"", 0

    def _masks(self, count: int) -> NDArray[np.uint32]:
        wanted = 4 * count
        if self._drawn + wanted > len(self._entropy):
            self._entropy, self._drawn = os.urandom(max(_ENTROPY_BYTES, wanted)), 0
        masks = np.frombuffer(self._entropy, np.uint32, count, self._drawn)
        self._drawn += wanted
        return masks

    def make(self, connections: Numbers, numbers: Numbers, due_ns: Numbers) -> Bytes:
        """Return one frame a row. connections: numbers over all shards; due_ns: since the epoch."""
        count = len(numbers)
        rows = np.empty((count, self._row_bytes), np.uint8)
        rows[:] = self._base
        if self.text:
            digits = np.empty((count, 24), np.uint8)
            write_text(digits, connections, numbers, due_ns)
            for place in self.places:
                rows[:, place + MARK_BYTES - 24 : place + MARK_BYTES] = digits
        else:
            fields = rows[:, :HEADER_BYTES].view(HEADER)[:, 0]
            fields["connection"], fields["number"], fields["due"] = connections, numbers, due_ns
        masks = self._masks(count)
        words = rows.view(np.uint32)
        words ^= masks[:, None]
        frames = np.empty((count, self.frame_bytes), np.uint8)
        frames[:, : self._mask_at] = self._head
        frames[:, self._mask_at : self._payload_at] = masks.view(np.uint8).reshape(count, 4)
        frames[:, self._payload_at :] = rows[:, : self.payload_bytes]
        return frames
