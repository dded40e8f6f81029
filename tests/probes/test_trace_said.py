"""Which lines of a log are kept beside an event."""

import pytest

from wsbook.facts import LogLine
from wsbook.probes.trace_said import said_meanwhile
from wsbook.probes.trace_watch import Run, Watch

SPANS = {number: (10.0 + number, 10.01 + number) for number in range(4)}
CLOSED = "WARNING notify user=42 failed: Cannot write to closing transport"


def log(*overheard: tuple[float, str]) -> Watch:
    watch = Watch("log a", "log", Run(marker="wsbook-0", set_off=4))
    for at, line in overheard:
        watch.overhear(line, at)
    return watch


def texts(said: dict[int, tuple[LogLine, ...]]) -> dict[int, list[str]]:
    return {number: [one.text for one in lines] for number, lines in said.items() if lines}


ROWS = [
    ("after each trigger", [(10.02 + n, CLOSED) for n in range(4)], {n: [CLOSED] for n in range(4)}),
    ("after one", [(11.02, CLOSED)], {1: [CLOSED]}),
    ("long after the answer", [(10.9 + n, CLOSED) for n in range(4)], {}),
    ("all the time", [(10.02 + n / 4, CLOSED) for n in range(16)], {}),
    ("in a burst after them", [(10.02 + n, CLOSED) for n in range(4)] + [(13.5, CLOSED)] * 50, {n: [CLOSED] for n in range(4)}),
    ("of other things", [(10.02, "ERROR could not read the price list")], {}),
    ("nothing", [], {}),
]


@pytest.mark.parametrize(("overheard", "kept"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_lines_that_stand_beside_events(overheard: list[tuple[float, str]], kept: dict[int, list[str]]) -> None:
    assert texts(said_meanwhile([log(*overheard)], SPANS)) == kept


def test_lines_with_the_marker_are_quoted() -> None:
    watch = log()
    watch.note([2], 12.005)
    watch.quote([2], "order 2 accepted", 12.005)
    watch.quote([3], "not seen here", 12.005)
    (line,) = said_meanwhile([watch], SPANS)[2]
    assert line.marked and line.text == "order 2 accepted" and line.at_s == pytest.approx(0.005)


def test_a_talkative_log_is_bounded() -> None:
    watch = log(*[(10.02, f"{CLOSED} {number}") for number in range(1000)])
    for number in range(9):
        watch.note([0], 10.01)
        watch.quote([0], f"line {number}", 10.01)
    assert len(watch.overheard) == 40 and len(said_meanwhile([watch], SPANS)[0]) == 6
