"""What phase 4 would have seen, made by hand: messages on their way, bursts, runs of load, pages that fall behind."""

from collections.abc import Sequence
from math import sin
from typing import Any

from views.samples import seen
from wsbook.facts import (
    BurstFacts,
    BurstPlace,
    Caught,
    ClockFacts,
    Generator,
    Knee,
    LoadFacts,
    LoadRun,
    LossyConnection,
    Moment,
    Named,
    PageEvent,
    PageLoadFacts,
    PageMoment,
    Place,
    Sample,
    Spell,
    Threshold,
    TraceFacts,
    Watched,
)
from wsbook.observation import Observation

WAY = (
    ("trigger", "trigger", 0.0),
    ("trigger answered", "answer", 0.0046),
    ("broker", "broker", 0.0012),
    ("log app.log", "log", 0.0031),
    ("app-a", "hop", 0.0019),
    ("app-b", "hop", 0.0024),
    ("endpoint", "endpoint", 0.0033),
    ("page frame", "frame", 0.0041),
    ("page handler", "handler", 0.0052),
    ("mark stored", "mark", 0.0061),
    ("page document", "document", 0.0214),
    ("page screen", "screen", 0.0293),
)
"""Places of a message in path order: name, kind, when it usually comes there."""


def trace(number: int = 0, *, late: float = 1.0, repeats: int = 5, page: PageEvent | None = None, **changes: dict[str, Any]) -> TraceFacts:
    """Return one message; changes: name of a place, with _ for a space, to what is different there; None in at_s loses it."""
    places = tuple(
        Place(**{"name": name, "kind": kind, "at_s": at_s * late, "count": 1, **changes.get(name.replace(" ", "_").replace("-", "_"), {})})
        for name, kind, at_s in WAY
    )
    return TraceFacts(
        marker=f"m{number}",
        places=places,
        repeats=repeats,
        number=number,
        trigger="http",
        text='{"type":"order"}',
        watched_s=3.0,
        page=page,
    )


LOST: dict[str, Any] = {"at_s": None, "count": 0}
ALL_AFTER_THE_FRAME = dict.fromkeys(("page_handler", "mark_stored", "page_document", "page_screen"), LOST)


def healthy(repeats: int = 5) -> list[Observation]:
    """Five messages that all arrive, each a little later than the one before."""
    return [seen("4.1", trace(number, late=1 + 0.12 * number, repeats=repeats)) for number in range(repeats)]


def lost_at_a_hop(lost: Sequence[int] = (1, 3)) -> list[Observation]:
    """Two of five never come to the second instance, and to nothing behind it."""
    gone = dict.fromkeys(("app_b", "endpoint", "page_frame", *ALL_AFTER_THE_FRAME), LOST)
    return [seen("4.1", trace(number, late=1 + 0.1 * number, **(gone if number in lost else {}))) for number in range(5)]


def page_error(text: str = "TypeError: Cannot read properties of undefined (reading 'id')") -> list[Observation]:
    """Every frame comes to the page, whose handler throws."""
    event = PageEvent(
        exceptions=(Caught(text=text, where="http://shop.example/app.js:41:17", function="onOrder", swallowed=True),),
        console=(("warning", text),),
        changes=0,
        handlers=(f"onOrder at {text}",),
        named=(Named(member="type", value="order_update", known=False, alike=("orderUpdate", text)),),
        looked_deeper=True,
    )
    return [seen("4.1", trace(number, page=event, mark_stored=LOST, page_document=LOST, page_screen=LOST)) for number in range(5)]


def far_clock() -> list[Observation]:
    """The log of another machine gives the time of one place, which also saw the message twice."""
    late = {"log_app.log": {"at_s": 0.0032, "error_s": 0.0011}, "app_b": {"count": 2, "altered": "$.price changed", "instance": "b7"}}
    return [
        *(seen("4.1", trace(number, late=1 + 0.1 * number, **late)) for number in range(5)),
        seen("4.1", ClockFacts(place="log app.log", offset_s=3.0124, error_s=0.0011, pairs=40)),
    ]


def burst(missing: int = 13) -> Observation:
    """Fifty events at once, of which the last ones find a full queue behind the second instance."""
    gone = tuple(range(50 - missing, 50))
    places = [
        BurstPlace(name="broker", kind="broker", received=50),
        BurstPlace(name="app-a", kind="hop", received=50, reordered=2),
        BurstPlace(name="app-b", kind="hop", received=50 - missing, missing=gone),
        BurstPlace(name="endpoint", kind="endpoint", received=50, duplicated=3),
        BurstPlace(name="page frame", kind="frame", received=50 - missing, missing=gone),
    ]
    return seen("4.1", BurstFacts(sent=50, took_s=0.11, places=tuple(places), watched_s=3.0))


def moments(
    seconds: int = 20, *, rate: float = 500, usual_s: float = 0.0021, stall_at: int | None = 12, lost: int = 0
) -> tuple[Moment, ...]:
    """Return one interval a second. stall_at: from when the server stands for a second; lost: in that second."""
    made = []
    for at in range(1, seconds + 1):
        wave = 1 + 0.25 * sin(at)
        stalled = stall_at is not None and at == stall_at + 1
        p50 = 0.52 if stalled else usual_s * wave
        p99, most = (0.99, 1.0) if stalled else (usual_s * 3 * wave, usual_s * 9 * wave)
        gone = lost if stalled else 0
        made.append(Moment(at_s=at, sent=int(rate), received=int(rate) - gone, lost=gone, p50_s=p50, p99_s=p99, max_s=most))
    return tuple(made)


def server(seconds: int = 20, *, share: float = 0.4, name: str = "uvicorn", place: str = "app") -> Watched:
    """Return a server that uses a share of one processor, and gathers memory."""
    samples = tuple(
        Sample(
            at_s=at / 2,
            ended=0,
            held=10,
            cpu_s=3 + share * at / 2 * (1 + 0.02 * sin(at)),
            memory_bytes=(60 << 20) + at * 120_000,
            descriptors=34,
        )
        for at in range(seconds * 2 + 1)
    )
    return Watched(how="process", place=place, name=name, processes=1, samples=samples)


UNTIMED: dict[str, Any] = {"p90_s": None, "p99_s": None, "p999_s": None, "max_s": None}
"""A run of whose messages nobody knows when they were due."""


def run(
    rate: float = 500, connections: int = 10, size_bytes: int = 64, seconds: int = 20, p50_s: float | None = 0.002, **changes: Any
) -> LoadRun:
    """Return one run of load; latencies follow from the median unless they are given."""
    sent = int(rate * seconds) or 10_000
    lost = changes.get("lost", 0)
    values: dict[str, Any] = {
        "rate": rate,
        "size_bytes": size_bytes,
        "connections": connections,
        "duration_s": float(seconds),
        "sent": sent,
        "received": sent - lost,
        "lost": 0,
        "duplicated": 0,
        "reordered": 0,
        "p50_s": p50_s,
        "p90_s": (p50_s or 0) * 1.8,
        "p99_s": (p50_s or 0) * 4,
        "p999_s": (p50_s or 0) * 9,
        "max_s": (p50_s or 0) * 14,
        "lag_s": 0.00008,
        "asked": connections,
        "opened": connections,
        "generator": Generator(engine="numpy", cpu_s=1.2, busy=0.06, lag_p99_s=0.00008, lag_max_s=0.0009),
    }
    return LoadRun(**{**values, **changes})


def stalled(lost: int = 38) -> Observation:
    """One run in which the server stands for a second, and the relay slows the way for three."""
    lossy = tuple(
        LossyConnection(number=number, expected=1000, lost=max(1, 9 - number), duplicated=number == 2, reordered=0, lost_numbers=(601, 602))
        for number in range(8)
    )
    spells = (Spell(name="delay 20 ms", begin_s=4.0, end_s=7.0),)
    one = run(
        lost=lost,
        moments=moments(lost=lost),
        servers=(server(),),
        spells=spells,
        lossy=lossy,
        lossy_count=8,
        p99_s=0.48,
        max_s=1.0,
        p999_s=0.98,
    )
    return seen("4.2", LoadFacts(runs=(one,), thresholds=(Threshold(text="p99 < 50 ms", value="480 ms", holds=False),)))


def grid(*, void: bool = True) -> Observation:
    """Rates and numbers of connections; the highest rate loses, and one run does not count."""
    runs = []
    for connections in (10, 100, 1000):
        for rate in (100.0, 500.0, 2000.0, 8000.0):
            queue = (rate * connections / 2_000_000) ** 2
            lost = 412 if (rate, connections) == (8000.0, 100) else 0
            why = "the generator was late by 4.1 ms at p99" if void and (rate, connections) == (8000.0, 1000) else ""
            servers = (server(share=min(1.0, rate / 8000)),)
            runs.append(run(rate, connections, seconds=5, p50_s=0.0012 * (1 + 40 * queue), lost=lost, void=why, servers=servers))
    return seen("4.2", LoadFacts(runs=tuple(runs), knee=Knee(rate=3200.0, broke_at=4100.0, why="p99 above 50 ms", bound_s=0.05)))


def ramp(*, void: str = "") -> Observation:
    """Rising rates at one size and number of connections, with a knee; void: why none of it counts."""
    rates = (50.0, 200.0, 500.0, 1000.0, 2000.0, 4000.0)
    runs = [run(rate, 10, seconds=3, p50_s=0.001 * (1 + (rate / 1500) ** 4), lost=240 if rate == 4000 else 0, void=void) for rate in rates]
    return seen(
        "4.2", LoadFacts(runs=tuple(runs), void=void, knee=None if void else Knee(rate=1900.0, broke_at=2300.0, why="p99 above 40 ms"))
    )


def page_behind(rate: float = 400.0, text: str = "Chromium") -> Observation:
    """A page that draws each message, with ever more work for one, until it hears no more."""
    made = []
    for at in range(1, 15):
        frames = int(rate) if at <= 10 else 0
        handled = max(60, int(rate) - 40 * at)
        made.append(
            PageMoment(
                at_s=float(at),
                frames=frames,
                handled=handled,
                shown=handled - 5,
                changes=handled,
                pictures=max(2, 60 - 6 * at),
                long_tasks=min(at, 9),
                long_s=min(0.95, 0.09 * at),
                heap_bytes=(20 << 20) + at * 900_000,
            )
        )
    facts = PageLoadFacts(
        rate=rate,
        sent=int(rate) * 10,
        browser=text,
        moments=tuple(made),
        behind_s=4.2,
        delay_p50_s=0.8,
        delay_p99_s=4.1,
        nodes_before=40,
        nodes_after=3600,
    )
    return seen("4.2", facts)


def fields_of(facts: Any) -> dict[str, Any]:
    """Return the fields of a value by name, to make another one of them."""
    return {name: getattr(facts, name) for name in facts.__struct_fields__}
