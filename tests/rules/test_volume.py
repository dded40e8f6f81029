"""What load runs and pages under load show, from hand-made runs."""

from typing import Any

import pytest
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
    Sample,
    Spell,
    Threshold,
    Watched,
)
from wsbook.finding import Verdict
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


def ended(code: int | None, how: str = "close") -> LossyConnection:
    return LossyConnection(number=3, expected=1000, lost=400, duplicated=0, reordered=0, ended=how, close_code=code)


def moments(*stalls: tuple[float, float], seconds: float = 20.0, rate: int = 1000, width_s: float = 0.5) -> tuple[Moment, ...]:
    """Return moments of a run in which an open loop's messages wait through stalls, given as (begin, length)."""

    def late(due_s: float) -> float:
        return 0.001 + max((begin + length - due_s for begin, length in stalls if begin <= due_s < begin + length), default=0.0)

    rows = []
    for number in range(int(seconds / width_s)):
        took = sorted(late(number * width_s + turn / rate) for turn in range(int(width_s * rate)))
        rows.append(
            Moment(
                at_s=(number + 1) * width_s,
                sent=len(took),
                received=len(took),
                p50_s=took[len(took) // 2],
                p99_s=took[-5],
                max_s=took[-1],
            )
        )
    return tuple(rows)


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
    ("no message left", load(run(sent=0, received=0, asked=4, opened=4, ended=(("garbage", 4),))), []),
    ("lost in our own trouble", load(run(lost=500, spells=(Spell(name="cut rst", begin_s=1, end_s=2),))), []),
    ("lost while we watched", load(run(lost=500, spells=(Spell(name="idle", begin_s=1, end_s=2),))), [LOST]),
    ("a server's own numbers", load(run(answered_by="sequence", rate=0, sent=0, received=9_990, lost=10)), [LOST]),
    ("closed for the size of a message", load(run(lost=400, lossy=(ended(1009),))), ["frame.message-too-big"]),
    ("closed for the rate", load(run(lost=400, lossy=(ended(1013),))), [RATE]),
    ("closed by an exception", load(run(lost=400, lossy=(ended(1011),))), ["backend.exception-in-handler"]),
    ("broken off", load(run(lost=400, lossy=(ended(None, "rst"),))), [LOST]),
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
    ("two of 0.4 s", load(run(duration_s=20, moments=moments((4.1, 0.4), (12.1, 0.4)), generator=calm())), [BLOCKED]),
    ("one of 0.4 s", load(run(duration_s=20, moments=moments((8.2, 0.4)), generator=calm())), []),
    ("of 0.1 s each", load(run(duration_s=20, moments=moments((4.1, 0.1), (12.1, 0.1)), generator=calm())), []),
    ("our own", load(run(duration_s=20, moments=moments((8.2, 1.0)), generator=calm(0.9))), []),
    ("overload", load(run(duration_s=20, moments=moments((2.0, 18.0)), generator=calm())), []),
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


@pytest.mark.parametrize(("counted", "slug"), [({"lost": 3}, LOST), ({"duplicated": 3}, TWICE), ({"reordered": 3}, MOVED)])
def test_what_a_void_run_counted_is_a_possibility(counted: dict[str, int], slug: str) -> None:
    found = findings(load(run(**counted), void="the generator itself was 40 ms late"))
    assert [(one.cause, one.verdict, one.confidence) for one in found] == [(slug, Verdict.UNKNOWN, 0.4)]


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
