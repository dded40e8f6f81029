"""What a message carries: run, connection, number and due time, as 24 bytes or as text. It must not know frames or sockets.

The header is ``run connection number due``: 4 bytes as drawn, then little-endian uint32, uint64, uint64. connection: number of the
sending connection over all shards (plan.first_connection + index); number: from 0 per connection; due: when it should have left, ns since
the epoch.

The text form is ``wsbook-`` and 32 lower-case hexadecimal digits, which probes/marker.py knows as a marker: run 8, connection 5, number 9,
due 10. There due is in µs since the epoch modulo 2**40 (12 days), and the instant nearest to now is meant.
"""

import re
import struct

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

__all__ = ["HEADER", "HEADER_BYTES", "MARK_BYTES", "Mark", "due_near", "find_marks", "read_text", "write_text"]

HEADER = np.dtype([("run", "<u4"), ("connection", "<u4"), ("number", "<u8"), ("due", "<u8")])
HEADER_BYTES = HEADER.itemsize
_HEADER = struct.Struct("<4sIQQ")
MARK_BYTES = len("wsbook-") + 32
_TEXT_MARK = re.compile(rb"wsbook-([0-9a-f]{8})([0-9a-f]{5})([0-9a-f]{9})([0-9a-f]{10})")
_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
_VALUES = np.full(256, 255, np.uint8)
_VALUES[_DIGITS] = np.arange(16)
_WIDTHS = (5, 9, 10)
_AROUND = 2**40

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]


class Mark(Struct, frozen=True):
    """What one message says of itself. due_ns: since the epoch. at: where it stands in the payload; text: in which form."""

    connection: int
    number: int
    due_ns: int
    at: int
    text: bool


def due_near(short_us: int, now_ns: int) -> int:
    """Return the instant in ns since the epoch that a short form means. now_ns: since the epoch."""
    now_us = now_ns // 1000
    return (now_us + (short_us - now_us + _AROUND // 2) % _AROUND - _AROUND // 2) * 1000


def find_marks(payload: bytes, run: bytes, now_ns: int) -> list[Mark]:
    """Return the marks of a run (four bytes) in a message, each once, in order: one in binary form, or any number in text form."""
    at = payload.find(run)
    while 0 <= at <= len(payload) - HEADER_BYTES:
        _, connection, number, due = _HEADER.unpack_from(payload, at)
        if abs(due - now_ns) < 2**50:  # 13 days: four bytes alone may be chance
            return [Mark(connection, number, due, at, False)]
        at = payload.find(run, at + 1)
    wanted, found = run.hex().encode(), dict[tuple[bytes, ...], Mark]()
    for match in _TEXT_MARK.finditer(payload):
        if match[1] == wanted:
            due = due_near(int(match[4], 16), now_ns)
            found.setdefault(match.groups(), Mark(int(match[2], 16), int(match[3], 16), due, match.start(), True))
    return list(found.values())


def write_text(out: Bytes, connections: Numbers, numbers: Numbers, due_ns: Numbers) -> None:
    """Write the 24 digits behind the run into the rows of an array (n, 24)."""
    values = (connections, numbers, (due_ns // 1000) % _AROUND)
    at = 0
    for value, width in zip(values, _WIDTHS, strict=True):
        shifts = np.arange(width - 1, -1, -1, dtype=np.int64) * 4
        out[:, at : at + width] = _DIGITS[(value[:, None] >> shifts) & 15]
        at += width


def read_text(digits: Bytes, now_ns: int) -> tuple[Numbers, Numbers, Numbers, NDArray[np.bool_]]:
    """Return connections, numbers and due times (ns since the epoch) of rows of 24 digits, and which rows are such digits."""
    values = _VALUES[digits]
    good: NDArray[np.bool_] = np.logical_and.reduce(values < 16, axis=1)
    found, at = list[Numbers](), 0
    for width in _WIDTHS:
        weights = 1 << (np.arange(width - 1, -1, -1, dtype=np.int64) * 4)
        found.append(values[:, at : at + width].astype(np.int64) @ weights)
        at += width
    now_us = now_ns // 1000
    due: Numbers = (now_us + (found[2] - now_us + _AROUND // 2) % _AROUND - _AROUND // 2) * 1000
    return found[0], found[1], due, good
