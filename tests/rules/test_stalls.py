"""Quiet connections that are late together, and those that are not."""

import pytest
from msgspec.structs import replace
from observations import findings, seen

from wsbook.facts import PulseFacts, Pulses, Sample, Spell, Watched
from wsbook.finding import Verdict
from wsbook.rules.stalls import stalls_of

BLOCKED = "backend.blocking-call-in-event-loop"
EVERY_S = 0.1


def line(
    stalls: list[tuple[float, float]],
    *,
    offset: float = 0.0,
    place: str = "app",
    instance: str = "",
    seconds: float = 4.0,
    rtt: float = 0.001,
) -> Pulses:
    """Return a connection whose server answers nothing from each begin to its end."""
    sent = [round(offset + EVERY_S * number, 4) for number in range(40)]
    answered = tuple(next((end + 0.001 for begin, end in stalls if begin <= at < end), at + rtt) for at in sent)
    return Pulses(place=place, instance=instance, sent_s=tuple(sent), answered_s=answered, acknowledged=(True,) * len(sent))


def lines(stalls: list[tuple[float, float]], count: int = 4, **options: object) -> tuple[Pulses, ...]:
    return tuple(line(stalls, offset=EVERY_S / count * number, **options) for number in range(count))  # type: ignore[arg-type]


def facts(*connections: Pulses, **options: object) -> PulseFacts:
    return PulseFacts(every_s=EVERY_S, duration_s=4.0, connections=connections, **{"local": ("app", "endpoint"), **options})


TWICE = [(0.5, 0.8), (2.5, 2.8)]
ONCE = [(1.0, 1.8)]
SHORT = [(0.5, 0.56), (1.5, 1.56), (2.5, 2.56)]


def _waiting(*waits: tuple[float, float]) -> tuple[Watched, ...]:
    """Return a server that had no processor in these times."""
    samples = [Sample(at_s=at / 20, ended=0, held=0, waiting_s=sum(min(max(at / 20 - b, 0), e - b) for b, e in waits)) for at in range(80)]
    return (Watched(how="process", place="app", name="python", processes=1, samples=tuple(samples)),)


def _unacknowledged(connections: tuple[Pulses, ...], told: bool | None) -> tuple[Pulses, ...]:
    return tuple(replace(one, acknowledged=(told,) * len(one.sent_s)) for one in connections)


HALF_STALLED = (*lines(TWICE, 2, place="endpoint"), *lines([], 2, place="endpoint"))


def spell(name: str) -> tuple[Spell, ...]:
    return (Spell(name=name, begin_s=0.0, end_s=4.0),)


ROWS = [
    ("nothing", facts(*lines([])), Verdict.CLEAR, 0.6),
    ("two stalls of 300 ms", facts(*lines(TWICE)), Verdict.FAULT, 0.93),
    ("a rhythm", facts(*lines([(at + 0.1, at + 0.4) for at in range(4)])), Verdict.FAULT, 0.93),
    ("one long stall", facts(*lines(ONCE)), Verdict.UNKNOWN, 0.35),
    ("short pauses of a collector", facts(*lines(SHORT)), Verdict.CLEAR, 0.6),
    ("one connection alone is late", facts(line(TWICE), *lines([], 3)), Verdict.CLEAR, 0.6),
    ("slow, but never together", facts(*(line([(0.5 + n / 3, 0.8 + n / 3)], offset=n / 40) for n in range(4))), Verdict.CLEAR, 0.6),
    ("a long way", facts(*lines([], rtt=0.25), local=()), Verdict.CLEAR, 0.6),
    (
        "one of two instances behind a proxy",
        facts(*lines(TWICE, 2, place="endpoint"), *lines([], 2, place="endpoint")),
        Verdict.FAULT,
        0.93,
    ),
    ("one of two named instances", facts(*lines(TWICE, instance="a"), *lines([], instance="b")), Verdict.FAULT, 0.93),
    ("the machine had no processor", facts(*lines(TWICE), servers=_waiting(*TWICE)), Verdict.UNKNOWN, 0.1),
    ("it had one", facts(*lines(TWICE), servers=_waiting()), Verdict.FAULT, 0.93),
    ("we were late ourselves", facts(*lines(TWICE), lags=((0.8, 0.25), (2.8, 0.25))), Verdict.UNKNOWN, 0.1),
    ("a far server that had our pings", facts(*lines(TWICE), local=()), Verdict.FAULT, 0.93),
    ("a network that stood still", facts(*_unacknowledged(lines(TWICE), False), local=()), Verdict.UNKNOWN, 0.1),
    ("a network of which nothing is told", facts(*_unacknowledged(lines(TWICE), None), local=()), Verdict.UNKNOWN, 0.1),
    ("while a flood came", facts(*lines(TWICE), spells=spell("a subscriber floods")), Verdict.CLEAR, 0.6),
    (
        "while messages were published",
        facts(*lines(TWICE), spells=spell("publishing")),
        Verdict.FAULT,
        0.93,
    ),
    ("nobody answers pings", facts(*(replace(one, answered_s=(None,) * 40) for one in lines([]))), Verdict.UNKNOWN, 0.05),
]


@pytest.mark.parametrize(("told", "verdict", "sure"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_stalls(told: PulseFacts, verdict: Verdict, sure: float) -> None:
    found = [one for one in findings(seen(told, step="3.2", probe="pulse")) if one.cause == BLOCKED]
    assert [(one.verdict, one.confidence) for one in found] == [(verdict, sure)]


def test_a_short_watch_is_not_called_clear() -> None:
    assert findings(seen(replace(facts(*lines([])), duration_s=0.5), step="3.2", probe="pulse")) == ()


def test_where_how_long_and_how_often_is_said() -> None:
    told = facts(*lines([(at + 0.1, at + 0.4) for at in range(4)], instance="b"), *lines([], place="endpoint"))
    (found,) = [one for one in findings(seen(told, step="3.2", probe="pulse")) if one.verdict is Verdict.FAULT]
    assert "4 of 4 unrelated quiet connections at app (instance b) stood still together 4 times" in found.summary
    assert "one each 1.0 s" in found.summary
    assert "endpoint was on time" in found.evidence[0].text


@pytest.mark.parametrize("length", [0.15, 0.3, 1.0])
def test_the_length_is_found_to_a_pulse(length: float) -> None:
    (stall,) = stalls_of(facts(*lines([(1.0, 1.0 + length)])))
    assert abs(stall.length_s - length) <= EVERY_S / 4 + 0.005
