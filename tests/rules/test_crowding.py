"""Subscribers beside one that reads nothing, or floods."""

import pytest
from observations import findings, seen

from wsbook.attempt import ONE_FLOODS, ONE_READS_NOTHING
from wsbook.facts import BurstFacts, BurstPlace, CrowdFacts, Neighbour, Sample, Watched
from wsbook.finding import Verdict

SLOW, COST = "load.slow-consumer-no-backpressure", "load.broadcast-cost"
MESSAGES, EVERY_S = 100, 0.01


def neighbour(index: int, late: float | None = 0.01, after: int = MESSAGES, before: float | None = 0.01, ended: str = "") -> Neighbour:
    """Return one to whom each message from after on takes this long; None: never comes."""
    during = tuple(late if number >= after else 0.01 for number in range(MESSAGES))
    return Neighbour(index=index, instance="", before=(before,) * 8, during=during, ended=ended)


def held(index: int, from_number: int = 50, until_s: float = 3.0) -> Neighbour:
    """Return one who gets everything from a message on at this moment."""
    during = tuple(until_s - number * EVERY_S if number >= from_number else 0.01 for number in range(MESSAGES))
    return Neighbour(index=index, instance="", before=(0.01,) * 8, during=during)


def crowd(*neighbours: Neighbour, kind: str = "reads nothing", size: int = 50_000, released: float = 2.9, **options: object) -> CrowdFacts:
    sent = tuple(round(EVERY_S * number, 4) for number in range(MESSAGES))
    return CrowdFacts(
        kind=kind,
        size_bytes=size,
        padded=True,
        neighbours=neighbours or (neighbour(0), neighbour(1)),
        sent_s=sent,
        released_s=released,
        **{"odd_got": MESSAGES, "odd_caught_up": True, **options},
    )


def _grew(by: int) -> tuple[Watched, ...]:
    samples = tuple(Sample(at_s=at, ended=0, held=4, memory_bytes=30_000_000 + more) for at, more in ((0, 0), (2, by), (3, 0)))
    return (Watched(how="process", place="app", name="python", processes=1, samples=samples),)


ROWS = [
    ("all on time, and it was cut off", crowd(odd_ended="close", odd_code=1013, odd_got=3, odd_caught_up=False), SLOW, Verdict.CLEAR, 0.9),
    ("all on time, and its messages were dropped", crowd(odd_got=40), SLOW, Verdict.CLEAR, 0.9),
    ("all on time, and all was kept", crowd(), SLOW, Verdict.UNKNOWN, 0.2),
    ("all was kept in memory", crowd(servers=_grew(4_500_000)), SLOW, Verdict.UNKNOWN, 0.35),
    ("too little to be felt", crowd(size=100), SLOW, Verdict.UNKNOWN, 0.05),
    ("it did not catch up", crowd(odd_caught_up=False, odd_got=3), SLOW, Verdict.UNKNOWN, 0.05),
    ("all wait until it reads", crowd(held(0), held(1)), SLOW, Verdict.FAULT, 0.95),
    ("one waits until it reads", crowd(neighbour(0), held(1)), SLOW, Verdict.FAULT, 0.95),
    ("they wait until it is given up", crowd(held(0, until_s=2.0), odd_ended="rst"), SLOW, Verdict.FAULT, 0.85),
    ("they never get theirs", crowd(neighbour(0), neighbour(1, late=None, after=50)), SLOW, Verdict.FAULT, 0.8),
    (
        "they end themselves",
        crowd(neighbour(0, late=None, after=50, ended="close"), neighbour(1, late=None, after=50, ended="close"), odd_ended="close"),
        SLOW,
        Verdict.UNKNOWN,
        0.05,
    ),
    (
        "one ends, the other never gets its own",
        crowd(neighbour(0, late=None, after=50, ended="close"), neighbour(1, late=None, after=50)),
        SLOW,
        Verdict.FAULT,
        0.8,
    ),
    ("a busy time that ends by itself", crowd(held(0, until_s=1.7)), SLOW, Verdict.UNKNOWN, 0.3),
    ("slow before as well", crowd(neighbour(0, late=2.0, after=0, before=1.0)), SLOW, Verdict.UNKNOWN, 0.2),
    ("a flood, all on time", crowd(kind="floods", odd_sent=200), COST, Verdict.CLEAR, 0.5),
    ("a flood, all late", crowd(held(0), held(1), kind="floods", odd_sent=200), COST, Verdict.UNKNOWN, 0.3),
]


@pytest.mark.parametrize(("facts", "cause", "verdict", "sure"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_crowds(facts: CrowdFacts, cause: str, verdict: Verdict, sure: float) -> None:
    changed = ONE_FLOODS if facts.kind == "floods" else ONE_READS_NOTHING
    found = findings(seen(facts, step="3.2", probe="crowd", changed=changed))
    assert (cause, verdict, sure) in [(one.cause, one.verdict, one.confidence) for one in found]
    assert sum(one.verdict is Verdict.FAULT for one in found) == (verdict is Verdict.FAULT)


@pytest.mark.parametrize(
    "facts",
    [
        crowd(neighbour(0, before=None)),
        CrowdFacts(kind="reads nothing", size_bytes=9, padded=False, neighbours=(), sent_s=(), released_s=0),
    ],
)
def test_nothing_is_said_where_nobody_got_anything_before(facts: CrowdFacts) -> None:
    assert findings(seen(facts, step="3.2", probe="crowd", changed=ONE_READS_NOTHING)) == ()


def test_who_loses_messages_anyway_is_not_slowed_down() -> None:
    """A queue that drops what finds it full drops for everybody, whoever reads."""
    starved = seen(crowd(neighbour(0), neighbour(1, late=None, after=50)), step="3.2", probe="crowd", changed=ONE_READS_NOTHING)
    place = BurstPlace(name="app", kind="hop", received=40, missing=tuple(range(5, 15)))
    burst = seen(BurstFacts(sent=50, took_s=0.1, places=(place,), watched_s=2.0), step="4.1", probe="trace")
    found = {one.cause: one for one in findings(starved, burst)}
    assert (found[SLOW].verdict, found[SLOW].confidence) == (Verdict.UNKNOWN, 0.3)
