"""What load runs and pages under load show, from hand-made runs."""

from typing import Any

import pytest
from msgspec.structs import replace
from observations import findings, roots, seen, verdicts

from wsbook.facts import (
    Generator,
    Knee,
    LoadFacts,
    LoadRun,
    LossyConnection,
    Moment,
    PageLoadFacts,
    PageMoment,
    Place,
    Sample,
    Spell,
    Threshold,
    TraceFacts,
    Watched,
)
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation

LOST, TWICE, MOVED = "message.lost", "message.duplicated", "message.out-of-order"
SLOW, CAP, RATE, COST = (
    "load.slow-consumer-no-backpressure",
    "load.connection-cap",
    "load.rate-limited",
    "load.broadcast-cost",
)
FILES, PORTS, KERNEL = "load.fd-limit-or-leak", "load.ephemeral-ports", "load.kernel-network-limits"
BLOCKED, EACH, SHOWN = "backend.blocking-call-in-event-loop", "client.render-per-message", "client.not-rendered"


def run(**more: Any) -> LoadRun:
    """Return a run in which everything came back, but for what is said; received follows from sent and lost."""
    given = {"rate": 1000.0, "size_bytes": 64, "connections": 10, "duration_s": 10.0, "sent": 10_000, "duplicated": 0, "reordered": 0}
    given |= {"lost": 0, "p50_s": 0.001, "p99_s": 0.004, "max_s": 0.01} | more
    given.setdefault("received", given["sent"] - given["lost"])
    return LoadRun(**given)


def load(*runs: LoadRun, **more: Any) -> Observation:
    return seen(LoadFacts(runs=runs, **more), step="4.2", probe="load")


def server(busy: float = 0.2, seconds: int = 10, *, grows: int = 0, files: int = 20, limit: int | None = None) -> Watched:
    samples = tuple(
        Sample(at_s=float(at), ended=0, held=10, cpu_s=busy * at, memory_bytes=(50 << 20) + grows * at, descriptors=files, waiting_s=0.0)
        for at in range(seconds + 1)
    )
    return Watched(how="process", place="endpoint", name="server.py", processes=1, samples=samples, descriptor_limit=limit)


def starved() -> Watched:
    """Return a server that waited for a processor for most of a second."""
    rows = [(0.0, 0.0), (0.5, 0.0), (1.9, 0.9), (2.4, 0.9)]
    samples = tuple(
        Sample(at_s=at, ended=0, held=10, cpu_s=0.1, memory_bytes=50 << 20, descriptors=20, waiting_s=waited) for at, waited in rows
    )
    return Watched(how="process", place="endpoint", name="server.py", processes=1, samples=samples)


def ended(code: int | None, how: str = "close") -> LossyConnection:
    return LossyConnection(number=3, expected=1000, lost=400, duplicated=0, reordered=0, ended=how, close_code=code)


def moments(*stalls: tuple[float, float], seconds: float = 20.0, rate: int = 1000, width_s: float = 0.5) -> tuple[Moment, ...]:
    """Return moments of a run in which an open loop's messages wait through stalls, given as (begin, length)."""
    due = [number / rate for number in range(round(seconds * rate))]
    return waiting(
        due, [0.001 + max((at + long - one for at, long in stalls if at <= one < at + long), default=0.0) for one in due], width_s
    )


def waiting(due: list[float], late: list[float], width_s: float) -> tuple[Moment, ...]:
    """Return the moments of messages that were due at these instants and came so much later."""
    last = max(at + took for at, took in zip(due, late, strict=True))
    rows = []
    for number in range(int(last / width_s) + 1):
        begin, end = number * width_s, (number + 1) * width_s
        took = sorted(took for at, took in zip(due, late, strict=True) if begin <= at < end)
        came = sum(begin <= at + took < end for at, took in zip(due, late, strict=True))
        told = {"p50_s": took[len(took) // 2], "p99_s": took[int(0.99 * len(took))], "max_s": took[-1]} if took else {}
        rows.append(Moment(at_s=end, sent=len(took), received=came, **told))
    return tuple(rows)


def batched(every_s: float, seconds: float = 2.0, rate: int = 100) -> tuple[Moment, ...]:
    """Return moments of a server that sends once in every_s what came meanwhile."""
    due = [number / rate for number in range(round(seconds * rate))]
    return waiting(due, [every_s - at % every_s for at in due], 0.05)


def growing(seconds: float = 20.0, rate: int = 1000, width_s: float = 0.5) -> tuple[Moment, ...]:
    """Return moments of a server that does half of what it is asked."""
    due = [number / rate for number in range(round(seconds * rate))]
    return waiting(due, [0.001 + at for at in due], width_s)


def short(*stalls: tuple[float, float], **more: Any) -> LoadRun:
    """Return a run of 2 s at 100 messages a second, in moments of 50 ms, that stood still so."""
    rows = moments(*stalls, seconds=2.0, rate=100, width_s=0.05)
    worst = max((length for _, length in stalls), default=0.002)
    return run(**{"rate": 100.0, "duration_s": 2.0, "sent": 200, "moments": rows, "p99_s": worst, "generator": calm()} | more)


def calm(lag_s: float = 0.001) -> Generator:
    return Generator(engine="numpy", cpu_s=2.0, busy=0.2, lag_p99_s=lag_s, lag_max_s=lag_s)


TEN = LossyConnection(number=4, expected=1000, lost=3, duplicated=0, reordered=0, lost_numbers=(17, 18, 40))

LATE = LossyConnection(number=1, expected=1000, lost=400, duplicated=0, reordered=0, lost_numbers=(600, 601, 602))

ROWS: list[tuple[str, Observation, list[str]]] = [
    # messages
    ("nothing lost", load(run()), []),
    ("one lost", load(run(lost=1, lossy=(TEN,), lossy_count=1)), [LOST]),
    ("the last ones did not come in time", load(run(lost=400, lossy=(LATE,))), []),
    ("lost at the higher rate", load(run(rate=100), run(lost=30)), [LOST]),
    ("copies", load(run(duplicated=1)), [TWICE]),
    ("out of order", load(run(reordered=2)), [MOVED]),
    ("void", load(run(lost=500), void="the generator was late"), []),
    ("every run void", load(run(lost=500, void="the generator was late")), []),
    ("one of two runs void", load(run(), run(lost=500, void="the generator was late")), []),
    ("no run", load(), []),
    ("sent away for the rate", load(run(lost=3, ended=(("close 4429", 1),))), ["load.rate-limited"]),
    ("closed as usual", load(run(ended=(("close 1000", 1),))), []),
    ("no message left", load(run(sent=0, received=0, asked=4, opened=4, ended=(("garbage", 4),))), []),
    ("lost in our own trouble", load(run(lost=500, spells=(Spell(name="cut rst", begin_s=1, end_s=2),))), []),
    ("lost while we watched", load(run(lost=500, spells=(Spell(name="idle", begin_s=1, end_s=2),))), [LOST]),
    ("a server's own numbers", load(run(answered_by="sequence", rate=0, sent=0, received=9_990, lost=10)), [LOST]),
    ("closed for the size of a message", load(run(lost=400, lossy=(ended(1009),))), ["frame.message-too-big"]),
    ("closed for the rate", load(run(lost=400, lossy=(ended(1013),))), [RATE]),
    ("closed by an exception", load(run(lost=400, lossy=(ended(1011),))), ["backend.exception-in-handler"]),
    ("broken off", load(run(lost=400, lossy=(ended(None, "rst"),))), []),
    ("closed for being idle", load(run(lost=400, lossy=(ended(1001),))), []),
    ("more lost than on those that ended", load(run(lost=500, lossy=(ended(1013),))), [LOST]),
    ("a threshold is for who set it", load(run(), thresholds=(Threshold(text="p99 < 1 ms", value="4 ms", holds=False),)), []),
    # what could not leave
    ("a busy server takes no more", load(run(unsent=4000, sent=6000, servers=(server(0.99),))), []),
    ("a few could not leave", load(run(unsent=20)), []),
    # slow readers
    ("slow readers cost others their messages", load(run(), run(lost=50, slow_readers=2)), [SLOW]),
    ("slow readers hold the others up", load(run(), run(p99_s=3.0, slow_readers=2)), [SLOW]),
    ("slow readers, the others on time", load(run(), run(p99_s=0.005, slow_readers=2)), []),
    ("slow readers alone", load(run(p99_s=3.0, slow_readers=2)), []),
    # connections
    ("all opened", load(run(asked=100, opened=100, connect_s=0.2)), []),
    ("the same number twice", load(*[run(asked=n, opened=50, why_refused="503 refused") for n in (100, 200)]), [CAP]),
    ("one number less by one", load(*[run(asked=100, opened=n, why_refused="503 refused") for n in (50, 51)]), [CAP]),
    ("another number each time", load(*[run(asked=100, opened=n, why_refused="503 refused") for n in (20, 60)]), [RATE]),
    ("once", load(run(asked=100, opened=50, why_refused="503 refused")), [CAP]),
    ("too many requests", load(run(asked=100, opened=50, why_refused="HTTP 429")), [RATE]),
    ("none at all", load(run(asked=100, opened=0, sent=0, why_refused="503 refused")), []),
    ("files", load(run(asked=100, opened=50, why_refused="reset", servers=(server(files=1023, limit=1024),))), [FILES]),
    ("files far from the limit", load(run(asked=100, opened=50, why_refused="reset", servers=(server(files=90, limit=1024),))), [CAP]),
    ("ports", load(run(asked=30_000, opened=28_231, why_refused="[Errno 99] Cannot assign requested address")), [PORTS]),
    ("our own files", load(run(asked=2000, opened=1000, why_refused="[Errno 24] Too many open files")), []),
    ("a SYN sent again after 1 s", load(run(asked=500, opened=500, connect_p50_s=0.002, connect_p99_s=1.03)), [KERNEL]),
    ("a SYN sent again after 3 s", load(run(asked=500, opened=500, connect_p50_s=0.002, connect_p99_s=3.1)), [KERNEL]),
    ("slow handshakes", load(run(asked=500, opened=500, connect_p50_s=0.9, connect_p99_s=1.9)), []),
    ("handshakes of no such time", load(run(asked=500, opened=500, connect_p50_s=0.002, connect_p99_s=1.6)), []),
    # broadcasts
    (
        "later the more listen",
        load(
            run(answered_by="broadcast", publishers=1, rate=20, connections=51, sent=200, received=10_000),
            run(
                answered_by="broadcast",
                publishers=1,
                rate=20,
                connections=501,
                sent=200,
                received=100_000,
                p99_s=2.0,
                servers=(server(1.0),),
            ),
        ),
        [COST],
    ),
    (
        "busy and on time",
        load(
            run(answered_by="broadcast", publishers=1, rate=20, connections=51, sent=200, received=10_000),
            run(answered_by="broadcast", publishers=1, rate=20, connections=501, sent=200, received=100_000, servers=(server(1.0),)),
        ),
        [],
    ),
    # standstills
    ("steady", load(run(duration_s=20, moments=moments())), []),
    ("one stall of 1 s", load(run(duration_s=20, moments=moments((8.2, 1.0)), generator=calm())), [BLOCKED]),
    ("two of 0.6 s", load(run(duration_s=20, moments=moments((4.1, 0.6), (12.1, 0.6)), generator=calm())), [BLOCKED]),
    ("two of 0.4 s", load(run(duration_s=20, moments=moments((4.1, 0.4), (12.1, 0.4)), generator=calm())), []),
    ("one of 0.4 s", load(run(duration_s=20, moments=moments((8.2, 0.4)), generator=calm())), []),
    ("of 0.1 s each", load(run(duration_s=20, moments=moments((4.1, 0.1), (12.1, 0.1)), generator=calm())), []),
    ("our own", load(run(duration_s=20, moments=moments((8.2, 1.0)), generator=calm(0.9))), []),
    ("overload", load(run(duration_s=20, moments=growing(), generator=calm())), []),
    ("a short run that is steady", load(short()), []),
    ("a short run that stands for 1 s", load(short((0.42, 1.0))), [BLOCKED]),
    ("to its end", load(short((1.5, 1.0))), [BLOCKED]),
    ("nearly from its begin", load(short((0.1, 1.0))), [BLOCKED]),
    ("for half a second", load(short((0.7, 0.5))), [BLOCKED]),
    ("for 0.4 s", load(short((0.7, 0.4))), []),
    ("by our own lag", load(short((0.7, 1.0), generator=calm(0.6))), []),
    ("and loses some", load(short((0.7, 1.0), lost=3, lossy=(TEN,))), [LOST]),
    ("without a processor", load(short((0.7, 1.0), servers=(starved(),))), []),
    ("with moments that tell nothing", load(short((0.7, 1.0), moments=())), []),
    ("batches of 0.2 s", load(run(rate=100, duration_s=2, sent=200, p99_s=0.2, moments=batched(0.2), generator=calm())), []),
    ("batches of 1 s", load(run(rate=100, duration_s=2, sent=200, p99_s=1.0, moments=batched(1.0), generator=calm())), []),
]


@pytest.mark.parametrize(("observation", "causes"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_load_run(observation: Observation, causes: list[str]) -> None:
    assert roots(observation) == causes


@pytest.mark.parametrize("row", ["void", "every run void", "no message left", "lost in our own trouble"])
def test_what_says_nothing_is_not_clear(row: str) -> None:
    observation = next(entry[1] for entry in ROWS if entry[0] == row)
    assert {one.verdict for one in findings(observation)} <= {Verdict.UNKNOWN}
    assert verdicts(observation)["4.2"] != "fault"


def test_a_void_run_has_its_sentence() -> None:
    observation = load(run(lost=500), void="the generator itself was 40 ms late")
    assert verdicts(observation)["4.2"] == "unknown"
    assert findings(observation)[0].summary == (
        "nothing is known of how much it carries: the generator itself was 40 ms late; "
        "500 of 10,000 messages did not come back all the same"
    )


@pytest.mark.parametrize(
    ("counted", "slug", "verdict", "sure"),
    [
        ({"lost": 3}, LOST, Verdict.UNKNOWN, 0.4),
        ({"duplicated": 3}, TWICE, Verdict.FAULT, 0.75),
        ({"reordered": 3}, MOVED, Verdict.FAULT, 0.75),
        ({}, LOST, Verdict.UNKNOWN, 0.0),
    ],
)
def test_a_late_generator_makes_no_copies_and_changes_no_order(counted: dict[str, int], slug: str, verdict: Verdict, sure: float) -> None:
    found = findings(load(run(**counted), void="the generator itself was 40 ms late"))
    assert [(one.cause, one.verdict, one.confidence) for one in found] == [(slug, verdict, sure)]


@pytest.mark.parametrize(
    ("observation", "confidence"),
    [
        (load(short((0.42, 1.0))), 0.65),
        (load(short((0.42, 0.6))), 0.5),
        (load(short((0.2, 0.5), (1.2, 0.5))), 0.8),
        (load(short((0.2, 0.35), (1.2, 0.35))), 0.45),
        (load(short((0.42, 0.35))), 0.3),
        (load(short((0.7, 1.0), generator=calm(0.6))), 0.05),
        (load(run(rate=100, p99_s=0.95)), 0.3),
    ],
)
def test_a_standstill_is_as_sure_as_it_is_long_and_seen_again(observation: Observation, confidence: float) -> None:
    assert [one.confidence for one in findings(observation) if one.cause == BLOCKED] == [confidence]


@pytest.mark.parametrize(
    ("one", "verdict"),
    [
        (run(rate=100, p99_s=0.95), "unknown"),
        (run(rate=100, p99_s=0.45), "clear"),
        (run(rate=100, p99_s=None), "clear"),
        (run(rate=100, p99_s=0.95, servers=(server(0.99),)), "unknown"),
        (run(rate=9000, p99_s=0.95, searched=True), "clear"),
    ],
)
def test_a_hundredth_that_is_half_a_second_late_is_not_clear(one: LoadRun, verdict: str) -> None:
    assert verdicts(load(one))["4.2"] == verdict


def test_losses_are_counted_and_placed() -> None:
    found = findings(load(run(rate=100, sent=1000), run(lost=3, sent=30_000, lossy=(TEN,), lossy_count=1)))[0]
    assert found.summary == (
        "3 of 30,000 messages were lost (1 in 10,000), the first at 1,000 messages/s over 10 connections: "
        "1 connection misses some, such as number 17, 18, 40 of connection 4; up to 100 messages/s none"
    )


def test_a_clear_run_says_how_far_it_holds() -> None:
    found = findings(load(run(), knee=Knee(rate=4000, broke_at=8000, why="p99 rose to 900 ms")))
    assert any("it holds up to 4,000 messages/s; at 8,000 p99 rose to 900 ms" in one.summary for one in found)


# The page


def page(
    frames: int,
    changes: int,
    *,
    shown: int | None = None,
    pictures: int = 600,
    behind_s: float | None = 0.05,
    delay_s: float = 0.01,
    long_s: float = 0.0,
    layout: float | None = None,
    handled: int | None = None,
    **more: Any,
) -> Observation:
    ten = {
        "frames": frames,
        "handled": frames if handled is None else handled,
        "shown": frames if shown is None else shown,
        "changes": changes,
        "pictures": pictures,
    }
    work = {} if layout is None else {"busy_s": 0.95, "layout_s": 0.95 * layout}
    rows = tuple(
        PageMoment(at_s=at + 1.0, **{name: count // 10 for name, count in ten.items()}, long_s=long_s / 10, **work) for at in range(10)
    )
    facts = PageLoadFacts(
        rate=frames / 10, sent=frames, browser="Chromium", moments=rows, behind_s=behind_s, delay_p99_s=delay_s, due=frames, **more
    )
    return seen(facts, step="4.2", probe="page_load")


@pytest.mark.parametrize(
    ("observation", "causes"),
    [
        (page(5000, 600), []),
        (page(5000, 5000, pictures=200, behind_s=None), [EACH]),
        (page(5000, 5000, pictures=300, behind_s=3.0), [EACH]),
        (page(5000, 5000, pictures=300, long_s=7.0), [EACH]),
        (page(5000, 5000, pictures=300, delay_s=1.2), [EACH]),
        (page(5000, 5000), []),
        (page(5000, 5000, pictures=300, behind_s=None, layout=0.6), [EACH]),
        (page(5000, 5000, pictures=300, behind_s=None, layout=0.02), []),
        (page(100, 100, pictures=110, behind_s=None, layout=0.6), [EACH]),
        (page(5000, 300, pictures=300, behind_s=3.0, layout=0.6), []),
        (page(5000, 900, shown=2500, layout=0.1, draw_p99_s=7.0), []),
        (page(5000, 120, shown=100, layout=0.05, draw_p99_s=1.2), []),
        (page(5000, 900, layout=0.1, draw_p50_s=1.2, draw_p99_s=1.205, behind_s=1.21), []),
        (page(300, 300, pictures=300, behind_s=3.0), []),
        (page(5000, 600, behind_s=3.0), []),
        (page(5000, 600, shown=60), []),
        (page(5000, 0, shown=0), [SHOWN]),
        (page(5000, 0, shown=0, handled=0), ["client.listener-attached-late"]),
        (page(5000, 0, shown=0, handled=0, unseen=("handlers of a worker's socket",)), []),
        (page(20, 20), []),
        (page(5000, 10, shown=10, pictures=0), []),
        (page(5000, 5000, pictures=200, behind_s=None, void="the browser ended"), []),
    ],
)
def test_a_page_under_load(observation: Observation, causes: list[str]) -> None:
    assert roots(observation) == causes


@pytest.mark.parametrize("observation", [page(20, 20), page(5000, 10, shown=10, pictures=0), page(5000, 600, void="no browser")])
def test_a_page_that_was_not_seen_is_unknown(observation: Observation) -> None:
    assert {one.verdict for one in findings(observation)} == {Verdict.UNKNOWN}
    assert verdicts(observation)["4.2"] == "unknown"


@pytest.mark.parametrize(
    ("draw_p50_s", "draw_p99_s", "behind_s", "verdict"),
    [(1.2, 1.205, 1.21, "clear"), (3.5, 7.0, 1.21, "unknown"), (1.2, 1.205, 3.0, "unknown"), (0.02, 0.05, 1.21, "unknown")],
)
def test_a_delay_that_is_the_same_for_all_is_no_backlog(draw_p50_s: float, draw_p99_s: float, behind_s: float, verdict: str) -> None:
    seen = page(5000, 900, layout=0.1, draw_p50_s=draw_p50_s, draw_p99_s=draw_p99_s, behind_s=behind_s)
    assert verdicts(load(run()), seen)["4.2"] == verdict


def test_a_load_that_says_nothing_leaves_the_step_open_though_the_page_is_well() -> None:
    void = load(run(), void="the generator itself was 40 ms late")
    assert verdicts(void, page(5000, 600))["4.2"] == "unknown"
    assert verdicts(load(run()), page(5000, 600))["4.2"] == "clear"


# What came to subscriber and page


def flow(
    *moments: tuple[int, int], sent: int = 150, changes: int | None = None, last: bool | None = None, pictures: int = 30, **more: Any
) -> Observation:
    """Return a page to which 100 messages a second were sent for 1.5 s; moments of 0.5 s as (due, frames)."""
    rows = tuple(
        PageMoment(at_s=(number + 1) / 2, due=due, frames=came, handled=came, shown=came, changes=came, pictures=pictures)
        for number, (due, came) in enumerate(moments)
    )
    due, came = (sum(one) for one in zip(*moments, strict=True))
    if changes is not None:
        rows = (*rows[:-1], replace(rows[-1], changes=changes - sum(one.changes for one in rows[:-1])))
    given = {"behind_s": 0.01, "delay_p99_s": 0.01, "draw_p99_s": 0.001} | more
    facts = PageLoadFacts(
        rate=100, sent=sent, browser="Chromium", moments=rows, due=due, handled=came, shown=came, last_shown=last, **given
    )
    return seen(facts, step="4.2", probe="page_load")


WHOLE = ((50, 50), (50, 50), (50, 50))

SHORT = ((33, 28), (32, 36), (36, 39))

STOOD = ((50, 50), (44, 44), (0, 0), (56, 56))


def traced(count: int) -> Observation:
    """Return a traced event that came to the endpoint so often."""
    places = (Place(name="trigger", kind="trigger", at_s=0.0, count=1), Place(name="endpoint", kind="endpoint", at_s=0.01, count=count))
    return seen(TraceFacts(marker="m", places=places, trigger="http"), step="4.1", probe="trace")


@pytest.mark.parametrize(
    ("observation", "slug", "verdict", "confidence"),
    [
        (flow(*WHOLE), LOST, None, 0.0),
        (flow(*SHORT, last=True), LOST, "fault", 0.75),
        (flow(*SHORT), LOST, "fault", 0.75),
        (flow((50, 50), (44, 44)), LOST, "unknown", 0.3),
        (flow((50, 50), (50, 50), (49, 49)), LOST, "unknown", 0.3),
        (flow((50, 50), (50, 50), (49, 49), last=True), LOST, "fault", 0.75),
        (flow((50, 30), (50, 33), (50, 31), last=True), LOST, "fault", 0.75),
        (flow((10, 10), (10, 10), (30, 30), last=True), LOST, "unknown", 0.4),
        (flow((50, 50), (50, 20), (50, 0)), LOST, "unknown", 0.3),
        (flow(*SHORT, behind_s=None), LOST, "fault", 0.75),
        (flow((33, 30), (37, 38), (43, 37), (1, 0), behind_s=None, last=False), LOST, "fault", 0.75),
        (flow(*SHORT, (0, 0), (0, 0), (20, 20), behind_s=None), LOST, "unknown", 0.3),
        (flow(*SHORT, void="the browser ended"), LOST, None, 0.0),
        (flow((0, 0), (0, 0), (0, 0)), LOST, None, 0.0),
        (flow(*STOOD, behind_s=None), LOST, None, 0.0),
        (flow(*WHOLE, copies=150), TWICE, "fault", 0.75),
        (flow(*WHOLE, copies=1), TWICE, "unknown", 0.4),
        (flow(*WHOLE, changes=293), TWICE, "unknown", 0.25),
        (flow(*WHOLE, changes=200), TWICE, None, 0.0),
        (flow(*STOOD, behind_s=None), BLOCKED, "unknown", 0.45),
        (flow((50, 50), (0, 0), (0, 0), (100, 100)), BLOCKED, "fault", 0.65),
        (flow((50, 50), (50, 50), (10, 10), (0, 0), (40, 40), behind_s=None), BLOCKED, "unknown", 0.45),
        (flow((50, 50), (50, 50), (45, 45), (0, 0), (5, 5)), BLOCKED, None, 0.0),
        (flow(*WHOLE), BLOCKED, None, 0.0),
        (flow((0, 0), (100, 100), (0, 0), (50, 50)), BLOCKED, None, 0.0),
        (flow((50, 50), (44, 0), (50, 0), (6, 106)), BLOCKED, None, 0.0),
        (flow((50, 50), (44, 44), (0, 0), (5, 5), last=True), BLOCKED, None, 0.0),
        (flow(*STOOD, unseen=("when messages came cannot be told: no subscriber beside the page",)), BLOCKED, None, 0.0),
    ],
)
def test_what_came_is_compared_with_what_was_sent(observation: Observation, slug: str, verdict: str | None, confidence: float) -> None:
    found = [(str(one.verdict), one.confidence) for one in findings(observation) if one.cause == slug]
    assert found == ([(verdict, confidence)] if verdict else [])
    assert not verdict or verdicts(observation)["4.2"] == verdict


@pytest.mark.parametrize(("count", "verdict"), [(1, None), (2, "fault")])
def test_a_document_that_changes_twice_is_judged_beside_the_trace(count: int, verdict: str | None) -> None:
    found = [str(one.verdict) for one in findings(flow(*WHOLE, changes=293), traced(count)) if one.cause == TWICE and _of_page(one)]
    assert found == ([verdict] if verdict else [])


def _of_page(finding: Finding) -> bool:
    return any(proof.text.startswith("the document changed") for proof in finding.evidence)


def test_a_void_run_shows_a_long_standstill_all_the_same() -> None:
    spoilt = {"generator": calm(0.02), "void": "the generator itself was 16 ms late"}
    assert roots(load(short((0.42, 1.0), **spoilt), void="all 1 runs are void")) == [BLOCKED]
    assert roots(load(short((0.42, 1.0), **spoilt), short())) == [BLOCKED]
    assert roots(load(short((0.42, 0.4), **spoilt))) == []
    assert roots(load(short((0.42, 1.0), **(spoilt | {"generator": calm(0.6)})))) == []
    assert roots(load(short((0.42, 1.0), **(spoilt | {"generator": None})))) == []


def test_a_page_that_stands_from_its_begin_is_judged_where_messages_come_one_by_one() -> None:
    early = flow((20, 20), (0, 0), (0, 0), (130, 130), (50, 50), behind_s=None)
    assert roots(early) == []
    assert roots(load(run(p50_s=0.002)), early) == [BLOCKED]


def test_one_short_standstill_of_a_page_may_be_the_machines() -> None:
    found = findings(load(run(p50_s=0.002)), flow((20, 20), (0, 0), (80, 80), (50, 50), behind_s=None))
    assert [(str(one.verdict), one.confidence) for one in found if one.cause == BLOCKED] == [("unknown", 0.45)]


@pytest.mark.parametrize("p50_s", [0.002, 0.2])
def test_a_page_that_stood_with_its_subscriber_is_not_called_slow(p50_s: float) -> None:
    found = findings(load(run(p50_s=p50_s)), flow(*STOOD, behind_s=None))
    assert [str(one.verdict) for one in found if one.cause == BLOCKED] == ["unknown"]
    assert not [one for one in found if one.cause == EACH]


@pytest.mark.parametrize(("delay_s", "causes"), [(0.02, [LOST]), (0.9, [EACH, LOST])])
def test_a_page_that_waits_for_what_is_lost_is_not_called_slow(delay_s: float, causes: list[str]) -> None:
    rows = ((33, 30), (37, 38), (43, 37), (1, 0))
    assert sorted(roots(flow(*rows, behind_s=None, pictures=15, delay_p99_s=delay_s))) == causes
