"""Numbers as people read them, and texts that steer nothing."""

import pytest

from wsbook.words import duration_text, plain, size_text


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb\x9b", "a\\x1b[31mb\\x9b"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("half \ud83d", "half \\ud83d"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("pay\u200dpal", "pay\\u200dpal"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("tab\there\nline", "tab\there\nline"),
        ("\u00fc \u4e2d \u05d1", "\u00fc \u4e2d \u05d1"),
    ],
)
def test_what_steers_or_hides_is_shown_by_its_number(text: str, shown: str) -> None:
    assert plain(text) == shown
