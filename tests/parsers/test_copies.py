"""Deliveries told more than once, ages and silences that lines state."""

import pytest

from wsbook.facts import CopiesFacts, NumbersFacts, SessionFacts
from wsbook.parsers.instants import find_age, find_count, find_silence
from wsbook.parsers.read import read_text


def copies(text: str, kind: str = "backend_log") -> CopiesFacts | None:
    return next((seen.facts for seen in read_text(text, kind) if isinstance(seen.facts, CopiesFacts)), None)


def test_several_writers_tell_one_delivery() -> None:
    facts = copies("\n".join(f"[srv-{n}] 10:00:0{n} emit order id=771 to room 12" for n in (1, 2, 3)))
    assert facts is not None
    assert (facts.by_sources, facts.by_one, facts.most, facts.text) == (1, 0, 3, "emit order id=771 to room 12")


def test_one_writer_tells_one_delivery_again() -> None:
    facts = copies("a.js:4 toast #1\na.js:4 toast #2\na.js:4 toast #2\n", "browser_console")
    assert facts is not None
    assert (facts.by_sources, facts.by_one, facts.most, facts.told) == (0, 1, 2, 2)


@pytest.mark.parametrize(
    "text",
    [
        "app emit id=1\napp emit id=2\napp emit id=3",
        "app ping sent id=1\napp ping sent id=1",
        "app emit done\napp emit done",
        "app emit id=1\n" + "app idle\n" * 20 + "app emit id=1",
        "",
    ],
    ids=["different", "heartbeats", "no number", "far apart", "empty"],
)
def test_what_is_no_copy(text: str) -> None:
    assert copies(text) is None


@pytest.mark.parametrize(
    ("line", "age_s", "silence_s", "count"),
    [
        ("close #1 code=1006 age=30.0s msgs=297 lastMsg=0.1s ago", 30.0, 0.1, 297),
        ("closed 1006 after 100.3 s (rx=1 tx=1, last rx 100.1 s ago)", 100.3, 100.1, 1),
        ("disconnected, up=1228s", 1228.0, None, 0),
        ("closed after 2 min", 120.0, None, 0),
        ("closed after 3 retries", None, None, 0),
        ("closed", None, None, 0),
    ],
)
def test_ages_that_lines_state(line: str, age_s: float | None, silence_s: float | None, count: int) -> None:
    assert (find_age(line), find_silence(line), find_count(line)) == (age_s, silence_s, count)


def test_a_stated_age_needs_no_opening() -> None:
    (session,) = [
        seen.facts for seen in read_text("10:02:00 close id=1 code=1006 age=120.0s", "backend_log") if isinstance(seen.facts, SessionFacts)
    ]
    assert (session.age_s, session.close_code) == (120.0, 1006)


def numbers(text: str) -> NumbersFacts | None:
    return next((seen.facts for seen in read_text(text, "backend_log") if isinstance(seen.facts, NumbersFacts)), None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("client got seq=1\nclient got seq=2\nclient got seq=5", NumbersFacts(arrivals=3, missing=2)),
        ("recv seq=1..40,52..100 client=7", NumbersFacts(arrivals=2, missing=11)),
        ("got n=7\nreconnected\ngot n=9", NumbersFacts(arrivals=2, missing_renewed=1)),
        ("got n=7\ngot n=9\ngot n=8", NumbersFacts(arrivals=3, missing=1, late=1)),
        ("got n=7\ngot n=7", NumbersFacts(arrivals=2, repeated=1)),
        ("got n=7\ngot n=8\ngot n=9", None),
        ("sent n=7\nsent n=9", None),
        ("got n=7\ngot n=999999", None),
        ("", None),
    ],
    ids=["gap", "ranges", "gap over a reconnect", "late", "repeated", "in order", "only sent", "other counts", "empty"],
)
def test_numbers_of_arrivals(text: str, expected: NumbersFacts | None) -> None:
    assert numbers(text) == expected
