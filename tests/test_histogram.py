"""Counts, quantiles and merges against plain sorting; the exported form against the hdrhistogram package."""

import base64
import math
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.errors import UnreadableInputError, UsageError
from wsbook.histogram import Histogram

LATENCIES = st.lists(st.integers(0, 2**41) | st.integers(0, 4096), max_size=300)
QUANTILES = (0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0)


def histogram_of(values: list[int], precision_bits: int = 10) -> Histogram:
    made = Histogram(precision_bits)
    made.record(np.array(values, np.int64))
    return made


def nearest_rank(values: list[int], q: float) -> int:
    return sorted(values)[max(1, math.ceil(round(q * len(values), 6))) - 1]


def oracle_of(values: list[int], digits: int = 3) -> HdrHistogram:
    made = HdrHistogram(1, 2**42, digits)
    for value in values:
        made.record_value(value)
    return made


@settings(deadline=None)
@given(LATENCIES)
def test_quantiles_are_within_the_tenth_of_a_percent(values: list[int]) -> None:
    made = histogram_of(values)
    for q in QUANTILES:
        if not values:
            assert made.quantile(q) is None
        else:
            assert made.quantile(q) == pytest.approx(nearest_rank(values, q), rel=0.001)
    assert made.count == len(values)
    assert (made.min, made.max) == ((min(values), max(values)) if values else (None, None))


@pytest.mark.parametrize(("bits", "error"), [(10, 0.0005), (7, 0.004), (5, 0.016), (1, 0.25)])
def test_precision_is_what_the_bits_say(bits: int, error: float) -> None:
    values = np.geomspace(1, 2**60, 20_000).astype(np.int64).tolist()
    made = histogram_of(values, bits)
    worst = max(abs((made.quantile(q) or 0) / nearest_rank(values, q) - 1) for q in np.linspace(0.001, 0.999, 200).tolist())
    assert error / 10 < worst <= error


@settings(deadline=None)
@given(LATENCIES, LATENCIES)
def test_sums_are_what_one_histogram_of_both_has(one: list[int], other: list[int]) -> None:
    both, whole = histogram_of(one) + histogram_of(other), histogram_of(one + other)
    assert (both.counts == whole.counts).all()
    assert (both.min, both.max, both.encode()) == (whole.min, whole.max, whole.encode())


def test_many_values_at_once_count_as_one_by_one() -> None:
    values = np.random.default_rng(7).lognormal(13, 3, 20_000).astype(np.int64)
    at_once, in_parts = Histogram(), Histogram()
    at_once.record(values)
    for part in np.array_split(values, 40):
        in_parts.record(part)
    assert (at_once.counts == in_parts.counts).all()
    assert at_once.count == 20_000


@settings(deadline=None)
@given(LATENCIES)
def test_the_exported_form_is_read_by_the_other_implementation(values: list[int]) -> None:
    read, oracle = HdrHistogram.decode(histogram_of(values).encode()), oracle_of(values)
    assert read.get_total_count() == len(values)
    assert [read.get_value_at_percentile(q * 100) for q in QUANTILES] == [oracle.get_value_at_percentile(q * 100) for q in QUANTILES]


@pytest.mark.parametrize("digits", [1, 2, 3, 4, 5])
@settings(max_examples=20, deadline=None)
@given(values=LATENCIES)
def test_what_the_other_implementation_exported_is_read(digits: int, values: list[int]) -> None:
    read = Histogram.decode(oracle_of(values, digits).encode().decode())
    assert read.count == len(values)
    for q in QUANTILES[1:-1] if values else ():
        assert read.quantile(q) == pytest.approx(nearest_rank(values, q), rel=10 ** -min(3, digits), abs=0.6)


@settings(deadline=None)
@given(LATENCIES)
def test_coming_back_from_text_keeps_every_count(values: list[int]) -> None:
    made = histogram_of(values)
    back = Histogram.decode(made.encode())
    assert back.encode() == made.encode()
    assert back.count == made.count
    # below 1024 ns the text has whole nanoseconds, as have these values
    assert (back.counts == made.counts).all()


def test_coarse_ones_export_where_their_bins_are() -> None:
    values = [1000, 50_000, 50_000, 7_000_000]
    back = Histogram.decode(histogram_of(values, 5).encode())
    assert back.count == 4
    assert back.quantile(0.5) == pytest.approx(50_000, rel=0.032)


def test_counts_above_what_floats_hold_are_kept() -> None:
    made = histogram_of([5000])
    made.counts *= 2**61 - 1
    assert Histogram.decode(made.encode()).count == 2**61 - 1
    assert HdrHistogram.decode(made.encode()).get_total_count() == 2**61 - 1


def test_the_ends_of_the_scale() -> None:
    made = Histogram()
    made.record(np.array([-5, 0, 1, 2**63 - 1], np.int64))
    made.record(np.array([0.25, 1.5]))
    made.record(np.array([2**64 - 2**11], np.uint64))
    made.record(np.empty(0))
    assert (made.count, made.min, made.max) == (7, 0.0, 2.0**64 - 2**11)
    assert made.quantile(0.1) == 0.0
    assert Histogram.decode(made.encode()).count == 7


@pytest.mark.parametrize("value", [math.nan, math.inf, 2.0**64])
def test_what_is_no_latency_is_refused(value: float) -> None:
    made = Histogram()
    with pytest.raises(UsageError, match="cannot be counted"):
        made.record(np.array([1.0, value]))
    assert made.count == 0


def test_misuse_has_a_sentence() -> None:
    with pytest.raises(UsageError, match=r"1\.\.10"):
        Histogram(11)
    with pytest.raises(UsageError, match=r"0\.\.1"):
        Histogram().quantile(99)
    with pytest.raises(UsageError, match="cannot be added"):
        _ = Histogram(5) + Histogram(10)


def packed(plain: bytes, cookie: int = 0x1C849314) -> str:
    body = zlib.compress(plain)
    return base64.b64encode(struct.pack(">ii", cookie, len(body)) + body).decode()


def header(size: int, *, cookie: int = 0x1C849313, shift: int = 0, digits: int = 3, lowest: int = 1, ratio: float = 1.0) -> bytes:
    return struct.pack(">iiiiqqd", cookie, size, shift, digits, lowest, 2**42, ratio)


HOSTILE = {
    "nothing": "",
    "no Base64": "§§§",
    "Base64 of nothing": base64.b64encode(b"abc").decode(),
    "no zlib": base64.b64encode(struct.pack(">ii", 0x1C849314, 4) + b"abcd").decode(),
    "other cookie": packed(header(0), 0x1C849304 + 1),
    "V1": packed(header(0, cookie=0x1C849301)),
    "cut header": packed(header(0)[:20]),
    "cut payload": packed(header(5) + b"\x02"),
    "cut count": packed(header(1) + b"\x82"),
    "cut text": packed(header(1) + b"\x02")[:-8],
    "shifted": packed(header(1, shift=3) + b"\x02"),
    "no digits": packed(header(1, digits=0) + b"\x02"),
    "lowest of zero": packed(header(1, lowest=0) + b"\x02"),
    "of doubles": packed(header(1, ratio=0.5) + b"\x02"),
    "far beyond": packed(header(9) + b"\xff\xff\xff\xff\xff\x03\x02\x02\x02"),
    "beyond the end of numbers": packed(header(10) + b"\xff" * 9 + b"\x02"),
    "too many samples": packed(header(18) + (b"\xfe" + b"\xff" * 7 + b"\x7f") * 2),
    "bomb": packed(header(50_000_000) + bytes(50_000_000)),
    "long text": "A" * 5_000_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_refused_soon(text: str) -> None:
    begin = time.process_time()
    with pytest.raises(UnreadableInputError, match=r"[Hh]istogram"):
        Histogram.decode(text)
    assert time.process_time() - begin < 2


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_payload_is_read_or_refused(payload: bytes) -> None:
    try:
        found = Histogram.decode(packed(header(len(payload)) + payload))
    except UnreadableInputError as error:
        assert str(error)
    else:
        assert (found.quantile(0.5) is None) == (found.count == 0)


def test_a_sample_costs_little() -> None:
    """The bar is 20 ns on a quiet machine; benchmarks/histogram.py measures it beside hdrhistogram."""
    values, made = np.random.default_rng(3).lognormal(13, 1, 65_536).astype(np.int64), Histogram()
    costs = []
    for _ in range(15):
        begin = time.process_time()
        made.record(values)
        costs.append((time.process_time() - begin) / len(values))
    assert sorted(costs)[2] < 40e-9


def test_importing_the_package_imports_no_numpy() -> None:
    code = "import sys, wsbook; sys.exit('numpy' in sys.modules or 'numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
