"""Numbers as people read them."""

import pytest

from wsbook.words import duration_text, size_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "—"),
        (0.0, "0 µs"),
        (0.0009994, "999 µs"),
        (0.0009996, "1 ms"),
        (-0.0009996, "-1 ms"),
        (0.0123, "12.3 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (350.0, "350 s"),
    ],
)
def test_durations_take_the_unit_that_they_round_to(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (None, "—"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (3_700, "3.61 KiB"),
        (1023 << 10, "1023 KiB"),
        (1 << 20, "1 MiB"),
        (1 << 30, "1024 MiB"),
    ],
)
def test_sizes_are_whole_numbers_from_a_hundred_of_a_unit(size_bytes: int | None, text: str) -> None:
    assert size_text(size_bytes) == text
