"""Latencies as counts over bins of equal relative width, which merge by addition; exported as HdrHistogram does.

The bin of a value is the upper part of its float64: the exponent and the first bits of the mantissa. With ten of these a bin is 0.1 %
wide and its middle at most 0.05 % from any value in it, and the bins from 1024 ns on are those of an HdrHistogram of three digits.

The exported form is the V2 one, compressed and in Base64, as HdrHistogram's own source documents it (AbstractHistogram.java,
encodeIntoCompressedByteBuffer; ZigZagEncoding.java). This module imports numpy and must not be imported by ``import wsbook``.
"""

import base64
import binascii
import math
import struct
import zlib
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wsbook.errors import UnreadableInputError, UsageError

__all__ = ["Histogram", "bin_of"]

_MANTISSA, _OCTAVES = 52, 64
_ONE = 1023
"""Exponent of 1.0, the first value that has bins of its own; what is below counts as zero."""
_FEW = 4096
"""Samples up to which adding one by one costs less than a pass over all bins."""
_COOKIE, _PACKED_COOKIE, _WORD = 0x1C849303, 0x1C849304, 0x10
_HEADER = struct.Struct(">iiiiqqd")
_DIGITS, _HALF_BITS = 3, 10
_HOUR_NS = 3_600_000_000_000
_MOST_TEXT, _MOST_BYTES, _MOST_COUNT = 4_000_000, 1_000_000, 2**62
"""Of a foreign histogram: characters, bytes when unpacked (65,536 counts of nine bytes are fewer), samples in all."""

Counts = NDArray[np.int64]


def bin_of(values_ns: NDArray[np.float64], precision_bits: int) -> Counts:
    """Return the bin of each value; values in ns, not negative, below 2**64."""
    bins = values_ns.view(np.int64) >> (_MANTISSA - precision_bits)
    bins -= (_ONE << precision_bits) - 1
    np.maximum(bins, 0, out=bins)
    return bins


class Histogram:
    """Counts of values in ns. counts: one per bin, the first of which has what is below 1 ns; precision_bits: bins per octave, as a
    power of two: 10 errs by 0.05 % in 512 KiB, 5 by 1.6 % in 16 KiB. max, min: exact, in ns, None of an empty one."""

    def __init__(self, precision_bits: int = 10) -> None:
        if not 1 <= precision_bits <= 10:
            raise UsageError(f"a histogram of {precision_bits} bits; 1..10 can be had")
        self.precision_bits = precision_bits
        self.counts: Counts = np.zeros((_OCTAVES << precision_bits) + 1, np.int64)
        self.max: float | None = None
        self.min: float | None = None

    def record(self, values_ns: NDArray[Any]) -> None:
        """Count values, given in ns in an array of whole or broken numbers; what is negative counts as zero.

        Raises:
            UsageError: a value is not finite, or not below 2**64.
        """
        if not values_ns.size:
            return
        values = np.maximum(values_ns, 0, dtype=np.float64).ravel()
        high = float(values.max())
        if not high < 2.0**64:
            raise UsageError(f"a latency of {high:g} ns cannot be counted")
        bins = bin_of(values, self.precision_bits)
        if len(bins) <= _FEW:
            np.add.at(self.counts, bins, 1)
        else:
            found = np.bincount(bins)
            self.counts[: len(found)] += found
        self.include(float(values.min()), high)

    def include(self, low: float, high: float) -> None:
        """Note the lowest and the highest of values that somebody else added to counts."""
        self.min = low if self.min is None else min(self.min, low)
        self.max = high if self.max is None else max(self.max, high)

    @property
    def count(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())

    def quantile(self, q: float) -> float | None:
        """Return the nearest-rank quantile in ns, as the middle of its bin; q within 0..1; None of an empty histogram.

        The ends are exact: 0 gives min, 1 gives max.
        """
        if not 0 <= q <= 1:
            raise UsageError(f"quantile {q:g} is not within 0..1")
        reached = np.cumsum(self.counts)
        total = int(reached[-1])
        if not total or self.min is None or self.max is None:
            return None
        rank = max(1, math.ceil(round(q * total, 6)))
        if rank >= total:
            return self.max
        if rank == 1:
            return self.min
        lower, upper = self._edges(np.searchsorted(reached, rank))
        return float(min(max((lower + upper) / 2, self.min), self.max))

    def _edges(self, bins: Any) -> tuple[Any, Any]:
        """Return the lower and the upper edges of bins, in ns; those of the first are zero."""
        bins = np.asarray(bins, np.int64)
        upper = (bins + (_ONE << self.precision_bits)) << (_MANTISSA - self.precision_bits)
        lower = upper - (1 << (_MANTISSA - self.precision_bits))
        return np.where(bins > 0, lower.view(np.float64), 0.0), np.where(bins > 0, upper.view(np.float64), 0.0)

    def __add__(self, other: Self) -> Self:
        """Return what both counted. Both have the same precision."""
        if self.precision_bits != other.precision_bits:
            raise UsageError(f"histograms of {self.precision_bits} and {other.precision_bits} bits cannot be added")
        both = type(self)(self.precision_bits)
        np.add(self.counts, other.counts, out=both.counts)
        for part in (self, other):
            if part.min is not None and part.max is not None:
                both.include(part.min, part.max)
        return both

    def encode(self) -> str:
        """Return the counts in HdrHistogram's V2 form, compressed, in Base64: values in ns, three significant digits."""
        used = np.flatnonzero(self.counts)
        lower, upper = self._edges(used)
        # a bin goes where its middle is; of ten bits that is the same bin, below 1024 ns the whole number under it
        middle = lower if self.precision_bits == 10 else (lower + upper) / 2
        index = _hdr_index(np.minimum(middle, 2.0**63 - 1024).astype(np.int64))
        counts = np.zeros(int(index.max(initial=-1)) + 1, np.int64)
        np.add.at(counts, index, self.counts[used])
        payload = b"".join(_words(counts))
        highest = max(_HOUR_NS, min(int(self.max or 0), 2**63 - 1))
        header = _HEADER.pack(_COOKIE | _WORD, len(payload), 0, _DIGITS, 1, highest, 1.0)
        packed = zlib.compress(header + payload)
        return base64.b64encode(struct.pack(">ii", _PACKED_COOKIE | _WORD, len(packed)) + packed).decode("ascii")

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return the histogram that HdrHistogram's V2 form holds: values in ns, of any number of significant digits.

        Its min and max are the edges of the outermost bins, because the form has none.

        Raises:
            UnreadableInputError: it is not of that form, or larger than any histogram of latencies.
        """
        digits, lowest, payload = _opened(text)
        index, counts = _unpacked(payload)
        found = cls()
        if not len(index):
            return found
        lower, upper = _hdr_edges(index, digits, lowest)
        middle = lower if digits == _DIGITS and lowest == 1 else np.floor((lower + upper) / 2)
        np.add.at(found.counts, bin_of(middle, found.precision_bits), counts)
        found.include(float(lower[0]), float(upper[-1] - 1))
        return found


def _hdr_index(values: Counts) -> Counts:
    """Return the position of whole values in the counts of an HdrHistogram from 1 on with three digits."""
    exponent = np.maximum(np.frexp(values.astype(np.float64))[1] - (_HALF_BITS + 1), 0).astype(np.int64)
    return np.asarray((exponent << _HALF_BITS) + (values >> exponent), np.int64)


def _hdr_edges(index: Counts, digits: int, lowest: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower and the upper edges of the positions in an HdrHistogram of such digits and lowest value.

    Raises:
        UnreadableInputError: one of them is above what such a histogram can count.
    """
    half_bits = math.ceil(math.log2(2 * 10**digits)) - 1
    unit = lowest.bit_length() - 1
    bucket = np.maximum((index >> half_bits) - 1, 0)
    if int(bucket[-1]) + half_bits + 1 + unit > 63:
        raise UnreadableInputError("a histogram of values above 2**63")
    within = index - (bucket << half_bits)
    width = np.ldexp(1.0, (bucket + unit).astype(np.int32))
    return within * width, (within + 1) * width


def _words(counts: Counts) -> list[bytes]:
    """Return counts and, negative, lengths of runs of zeros, each ZigZag and LEB128 of at most nine bytes."""
    words, end = [], 0
    for place in np.flatnonzero(counts).tolist():
        if place - end == 1:
            words.append(b"\0")
        elif place > end:
            words.append(_word(end - place))
        words.append(_word(int(counts[place])))
        end = place + 1
    return words


def _word(value: int) -> bytes:
    rest, found = (value << 1) ^ (value >> 63), bytearray()
    while rest > 127 and len(found) < 8:
        found.append(rest & 127 | 128)
        rest >>= 7
    found.append(rest)
    return bytes(found)


def _opened(text: str) -> tuple[int, int, bytes]:
    """Return significant digits, lowest value and the payload of a compressed histogram."""
    if len(text) > _MOST_TEXT:
        raise UnreadableInputError(f"a histogram of {len(text)} characters; at most {_MOST_TEXT} are read")
    try:
        data = base64.b64decode(text, validate=True)
        cookie, length = struct.unpack_from(">ii", data)
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(data[8:], _MOST_BYTES)
        inner, size, shift, digits, lowest, _, ratio = _HEADER.unpack_from(plain)
    except (binascii.Error, struct.error, zlib.error, ValueError) as error:
        raise UnreadableInputError(f"not a compressed HdrHistogram in Base64: {error}") from None
    payload = plain[_HEADER.size :]
    whole = unpacker.eof and length == len(data) - 8 and size == len(payload)
    if not whole or cookie & ~0xF0 != _PACKED_COOKIE or inner & ~0xF0 != _COOKIE:
        raise UnreadableInputError("not a whole HdrHistogram of the V2 form")
    if shift or ratio != 1.0 or not 1 <= digits <= 5 or not 1 <= lowest <= _HOUR_NS:
        raise UnreadableInputError("an HdrHistogram of values that are no nanoseconds")
    return digits, lowest, payload


def _unpacked(payload: bytes) -> tuple[Counts, Counts]:
    """Return the positions that have counts, in order, and their counts."""
    index, counts, place, at, total = list[int](), list[int](), 0, 0, 0
    while at < len(payload):
        value, at = _read_word(payload, at)
        if value > 0:
            index.append(place)
            counts.append(value)
            total += value
        place += max(1, -value)
        if total > _MOST_COUNT or place > 2**40:
            raise UnreadableInputError("an HdrHistogram with more values than can be counted")
    return np.array(index, np.int64), np.array(counts, np.int64)


def _read_word(payload: bytes, at: int) -> tuple[int, int]:
    """Return the number at a place and the place after it."""
    found = 0
    for turn in range(9):
        if at >= len(payload):
            raise UnreadableInputError("an HdrHistogram that ends in the middle of a count")
        byte = payload[at]
        at += 1
        found |= (byte if turn == 8 else byte & 127) << (7 * turn)
        if byte < 128:
            break
    return (found >> 1) ^ -(found & 1), at
