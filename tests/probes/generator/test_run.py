"""Runs over servers that lose, double, swap, close and lie: every message is accounted exactly."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from generator_servers import Running

from wsbook.attempt import Attempt
from wsbook.errors import UsageError
from wsbook.facts.load import LoadRun
from wsbook.histogram import Histogram
from wsbook.load_merge import count_broadcast_losses
from wsbook.load_plan import LoadPlan
from wsbook.load_split import split_plan
from wsbook.probes.generator import run_plan
from wsbook.probes.generator.progress import Progress

from .conftest import Run

TEMPLATE = '{"id": "{marker}", "fill": "{padding}", "again": "{marker}"}'


@pytest.mark.parametrize("options", [{"rate": 1000.0}, {"window": 3}], ids=["rate", "window"])
def test_a_lossless_echo_loses_nothing(run: Run, engine: str, options: dict[str, float]) -> None:
    seen = run("/echo", engine=engine, **options)
    assert seen.generator is not None and seen.generator.engine == engine
    assert (seen.lost, seen.duplicated, seen.reordered, seen.foreign, seen.unsent) == (0, 0, 0, 0, 0)
    assert seen.sent == seen.received > 100 and (seen.asked, seen.opened, seen.connections) == (4, 4, 4)
    assert seen.lossy == () and seen.ended == () and seen.lossy_count == 0
    if "rate" in options:
        assert seen.sent == 1000 and seen.duration_s == 1.0
    assert None not in (seen.p50_s, seen.p90_s, seen.p99_s, seen.p999_s, seen.max_s)
    assert 0 < (seen.p50_s or 0) <= (seen.p90_s or 0) <= (seen.p99_s or 0) <= (seen.p999_s or 0) <= (seen.max_s or 0)
    assert Histogram.decode(seen.histogram).count == seen.received
    assert sum(m.sent for m in seen.moments) == seen.sent and sum(m.received for m in seen.moments) == seen.received


FAULTS = [
    ("drops", (20, 0, 0)),
    ("doubles", (0, 20, 0)),
    ("swaps", (0, 0, 20)),
]


@pytest.mark.parametrize(("fault", "counts"), FAULTS)
def test_losses_duplicates_and_swaps_are_counted_exactly(run: Run, engine: str, fault: str, counts: tuple[int, int, int]) -> None:
    seen = run(f"/{fault}?every=50", engine=engine)
    assert (seen.lost, seen.duplicated, seen.reordered) == counts
    assert seen.sent == 1000 and seen.received == 1000 - seen.lost and seen.foreign == 0
    assert [(c.number, c.expected, c.lost, c.duplicated, c.reordered) for c in seen.lossy] == [
        (n, 250, counts[0] // 4, counts[1] // 4, counts[2] // 4) for n in range(4)
    ]
    assert all(c.lost_numbers == ((25, 75, 125, 175, 225) if fault == "drops" else ()) for c in seen.lossy)
    assert sum(m.lost for m in seen.moments) == seen.lost and seen.lossy_count == 4


@pytest.mark.parametrize(("fault", "counts"), FAULTS)
@pytest.mark.parametrize("answer", ["", "text"])
def test_texts_are_counted_as_exactly(run: Run, fault: str, counts: tuple[int, int, int], answer: str) -> None:
    seen = run(f"/{fault}?every=50", template=TEMPLATE if answer else "{marker}", size_bytes=300)
    assert (seen.lost, seen.duplicated, seen.reordered, seen.foreign) == (*counts, 0)
    assert seen.size_bytes == (300 if answer else 39) and seen.p50_s is not None


@pytest.mark.parametrize("fault", ["loses", "doubles", "swaps"])
def test_one_in_ten_thousand_is_counted_exactly(run: Run, engine: str, fault: str) -> None:
    before = run("/loses?every=1000000000", window=50, seconds=0.2, engine=engine)
    assert before.lost == 0
    seen = run(f"/{fault}?every=10000", window=100, connections=2, seconds=4.0 if fault == "loses" else 2.0, engine=engine)
    if fault == "loses":
        assert seen.sent > 20_000
        assert abs(seen.lost - seen.sent / 10_000) < 1 and seen.duplicated == seen.reordered == 0
        assert sum(m.lost for m in seen.moments) == seen.lost == sum(c.lost for c in seen.lossy)
    else:
        # of each connection the messages 5,000, 15,000, ... as far as it came
        wanted = [max(0, (c.expected + 4_999) // 10_000) for c in seen.lossy]
        assert [c.duplicated if fault == "doubles" else c.reordered for c in seen.lossy] == wanted and sum(wanted) >= 2
        assert seen.lost == 0


def test_wrapped_answers_of_changing_length_are_found(run: Run) -> None:
    seen = run("/wraps", template='{"id": "{marker}"}')
    assert (seen.sent, seen.received, seen.lost, seen.duplicated, seen.foreign) == (1000, 1000, 0, 0, 0)
    binary = run("/wraps", size_bytes=100)
    assert (binary.received, binary.lost, binary.duplicated, binary.foreign) == (1000, 0, 0, 0)


@pytest.mark.parametrize("path", ["/fragments", "/pings", "/masks", "/echo?welcome=1"])
def test_strange_but_right_frames_are_understood(run: Run, engine: str, path: str) -> None:
    seen = run(path, engine=engine)
    assert (seen.sent, seen.received, seen.lost, seen.duplicated, seen.foreign, seen.ended) == (1000, 1000, 0, 0, 0, ())


@pytest.mark.parametrize("size", [0, 24, 125, 126, 127, 1000, 65_535, 65_536, 200_000])
def test_every_size_of_frame(run: Run, engine: str, size: int) -> None:
    if engine == "compiled" and size > 65_535:
        pytest.skip("left to the numpy path")
    seen = run("/echo", size_bytes=size, rate=50.0, connections=3, engine=engine)
    assert (seen.size_bytes, seen.sent, seen.received, seen.lost, seen.foreign) == (max(24, size), 50, 50, 0, 0)


def test_forged_answers_are_foreign(run: Run, engine: str) -> None:
    seen = run("/forges", rate=400.0, engine=engine)
    assert (seen.sent, seen.received, seen.lost, seen.duplicated) == (400, 400, 0, 0)
    assert seen.foreign == 3 * 400


ENDS = [
    ("/closes?after=50&code=1013", (("close 1013", 4),)),
    ("/resets?after=50", (("rst", 4),)),
    ("/ends?after=50", (("fin", 4),)),
]


@pytest.mark.parametrize(("path", "ended"), ENDS)
def test_connections_that_end_are_counted_by_how(run: Run, engine: str, path: str, ended: tuple[tuple[str, int], ...]) -> None:
    seen = run(path, engine=engine)
    assert seen.ended == ended
    assert 0 < seen.received <= 200 and seen.lost == seen.sent - seen.received and seen.duplicated == 0
    assert seen.duration_s < 1 and {c.ended for c in seen.lossy} <= {ended[0][0].split()[0]}


@pytest.mark.parametrize("path", ["/garbage", "/endless"])
def test_what_is_no_frame_ends_a_connection(run: Run, engine: str, path: str) -> None:
    seen = run(path, engine=engine)
    assert seen.ended == (("garbage", 4),) and 4 <= seen.received <= 40


def test_a_server_that_never_answers(run: Run, engine: str) -> None:
    seen = run("/mute", engine=engine, rate=200.0, drain_s=0.3)
    assert (seen.sent, seen.received, seen.lost, seen.p50_s, seen.histogram) == (200, 0, 200, None, "")
    assert [m.lost for m in seen.moments] == [m.sent for m in seen.moments]


def test_a_window_goes_on_when_messages_get_lost(run: Run, engine: str) -> None:
    seen = run("/drops?every=10", window=1, connections=2, seconds=3.5, engine=engine)
    assert seen.sent > 10 and seen.lost >= 4
    assert seen.lost == sum(c.lost for c in seen.lossy) and all(n % 10 == 5 for c in seen.lossy for n in c.lost_numbers)


def test_a_peer_that_takes_no_more_is_no_lag_of_ours(run: Run, engine: str) -> None:
    seen = run("/deaf", rate=100.0, size_bytes=60_000, connections=1, seconds=2.0, drain_s=0.2, engine=engine)
    assert seen.sent + seen.unsent == 200 and seen.unsent > 20
    assert seen.received == 0 and seen.lost == seen.sent


def test_upgrades_that_are_refused_are_told(run: Run) -> None:
    seen = run("/third", connections=9)
    assert (seen.asked, seen.opened, seen.connections, seen.sent, seen.lost) == (9, 6, 6, 1000, 0)
    assert seen.why_refused == "3 of 9 connections: the endpoint answered the upgrade with 503 Busy"


def test_nobody_there_is_void(server: Running) -> None:
    seen = run_plan(LoadPlan(attempt=Attempt(url="ws://127.0.0.1:9/"), rate=10.0, seconds=0.2, connections=2))
    assert seen.opened == 0 and seen.sent == 0
    assert seen.void.startswith("no connection was opened: 2 of 2 connections: the TCP connection to 127.0.0.1:9 was refused")


def test_a_silent_server_runs_out_of_time(server: Running) -> None:
    attempt = Attempt(url=server.url("/silent"), timeout_s=0.3)
    seen = run_plan(LoadPlan(attempt=attempt, rate=10.0, seconds=0.2, connections=2))
    assert seen.void == "no connection was opened: 2 of 2 connections: the opening handshake was not finished within 300.0 ms"


@pytest.mark.parametrize("own", ["", "&self=1"])
@pytest.mark.parametrize("template", ["", TEMPLATE])
def test_a_broadcast_reaches_every_listener(run: Run, own: str, template: str) -> None:
    seen = run(f"/room?room={random.random()}{own}", answered_by="broadcast", publishers=2, connections=6, rate=300.0, template=template)
    assert (seen.sent, seen.received, seen.lost, seen.duplicated, seen.reordered, seen.foreign) == (300, 1200, 0, 0, 0, 0)
    assert seen.publishers == 2 and seen.p50_s is not None and sum(m.received for m in seen.moments) == 1200


def test_who_misses_a_broadcast_is_named(run: Run) -> None:
    room = f"/room?room={random.random()}&every=20"
    seen = run(room, answered_by="broadcast", publishers=1, connections=5, rate=200.0)
    assert (seen.sent, seen.lost, seen.received) == (200, 10, 790)
    (lossy,) = seen.lossy
    assert (lossy.expected, lossy.lost) == (200, 10) and lossy.lost_numbers == tuple(range(10, 200, 20))
    assert sum(m.lost for m in seen.moments) == 10


def test_a_broadcast_keeps_a_window(run: Run) -> None:
    seen = run(f"/room?room={random.random()}", answered_by="broadcast", publishers=1, connections=3, window=4, seconds=0.5)
    assert seen.sent > 20 and seen.received == 2 * seen.sent and seen.lost == 0


SEQUENCES = [("", (0, 0, 0)), ("drops", (80, 0, 0)), ("doubles", (0, 80, 0)), ("swaps", (0, 0, 80))]


@pytest.mark.parametrize(("fault", "counts"), SEQUENCES)
def test_numbers_of_the_server_are_counted(run: Run, fault: str, counts: tuple[int, int, int]) -> None:
    path = f"/sequence?fault={fault}&every=10&count=200&wait=0.6"
    seen = run(path, answered_by="sequence", sequence="$.data[0].seq", seconds=2.5)
    assert (seen.lost, seen.duplicated, seen.reordered, seen.foreign) == (*counts, 0)
    assert seen.received == 800 - seen.lost and seen.sent == 0 and seen.p50_s is None and seen.histogram == ""


def test_progress_is_told(server: Running) -> None:
    told: list[Progress] = []
    plan = LoadPlan(attempt=Attempt(url=server.url()), rate=200.0, seconds=1.3, connections=2, engine="numpy")
    run_plan(plan, on_progress=told.append)
    assert told[0].phase == "connecting" and [p for p in told if p.phase == "sending" and p.sent > 0 and p.opened == 2]
    assert [p.sent for p in told] == sorted(p.sent for p in told)


def test_a_run_that_is_stopped_keeps_what_it_counted(server: Running, engine: str) -> None:
    told: list[Progress] = []
    plan = LoadPlan(attempt=Attempt(url=server.url()), rate=200.0, seconds=30.0, connections=2, engine=engine)
    seen = run_plan(plan, on_progress=told.append, stop=lambda: any(p.sent > 50 for p in told))
    assert 50 < seen.sent < 3000 and seen.lost == 0 and seen.duration_s < 15
    assert seen.void.startswith("the run was stopped after ")


def test_shards_know_their_connections(run: Run) -> None:
    seen = run("/drops?every=50", first_connection=1000, run="00c0ffee")
    assert [c.number for c in seen.lossy] == [1000, 1001, 1002, 1003] and seen.lost == 20


def test_slow_readers_are_not_counted(run: Run) -> None:
    room = f"/room?room={random.random()}"
    seen = run(room, answered_by="broadcast", connections=3, slow_readers=2, rate=200.0)
    assert (seen.sent, seen.received, seen.lost, seen.slow_readers, seen.opened) == (200, 400, 0, 2, 3)
    echoed = run("/echo", slow_readers=2, slow_bytes_per_s=1000.0, rate=200.0)
    assert (echoed.sent, echoed.received, echoed.lost) == (200, 200, 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate": 0.0}, "either a rate or a window"),
        ({"rate": 1.0, "run": "xyz"}, "eight lower-case hexadecimal digits"),
        ({"rate": 1.0, "answered_by": "broadcast", "publishers": 10}, "fewer publishers than connections"),
        ({"rate": 1.0, "answered_by": "sequence", "sequence": "$..a"}, "not a JSON path"),
        ({"window": 1, "answered_by": "sequence", "sequence": "$.a"}, "a window needs answers"),
        ({"rate": 1.0, "connections": 90_000}, "open files"),
        ({"rate": 1.0, "template": "hello"}, "{marker}"),
        ({"rate": 1.0, "template": "{marker}", "engine": "compiled"}, "compiled engine cannot"),
    ],
)
def test_plans_that_cannot_be_carried_out_are_refused(server: Running, options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        run_plan(LoadPlan(attempt=Attempt(url=server.url()), seconds=0.1, **options))  # type: ignore[arg-type]
    assert words in str(refused.value)


def _side_by_side(plan: LoadPlan, shards: int) -> list[LoadRun]:
    parts = split_plan(plan, shards, run="00c0ffee", begin_at=time.time() + 1.0)
    with ThreadPoolExecutor(shards) as pool:
        return list(pool.map(run_plan, parts))


def test_shards_of_an_echo_send_what_one_run_sends(server: Running) -> None:
    plan = LoadPlan(attempt=Attempt(url=server.url("/drops?every=50")), rate=403.0, seconds=1.0, drain_s=0.5, connections=5, engine="numpy")
    runs = _side_by_side(plan, 2)
    assert sum(run.sent for run in runs) == 403 and sum(run.lost for run in runs) == 10
    assert sorted(c.number for run in runs for c in run.lossy) == [0, 1, 2, 3, 4]
    for run in runs:
        assert sum(Histogram.decode(moment.histogram).count for moment in run.moments if moment.histogram) == run.received


def test_listeners_in_another_shard_hear_the_publisher(server: Running) -> None:
    url = server.url(f"/room?room={random.random()}&every=20")
    plan = LoadPlan(attempt=Attempt(url=url), rate=200.0, seconds=1.0, connections=6, publishers=1, answered_by="broadcast")
    runs = count_broadcast_losses(_side_by_side(plan, 2))
    assert [run.publishers for run in runs] == [1, 0] and sum(run.sent for run in runs) == 200
    assert sum(run.lost for run in runs) == 10 and sum(run.received for run in runs) == 5 * 200 - 10
    assert all(run.foreign == 0 and run.p50_s is not None and run.p50_s < 1 for run in runs)
