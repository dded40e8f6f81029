"""The timeline: what carries an instant stands in its lane at that instant by our clock, other days apart, thousands together."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.facts import (
    AccessFacts,
    ClockFacts,
    ClosingsFacts,
    Companion,
    Facts,
    Frame,
    LoggedAttemptFacts,
    MarkedLineFacts,
    PageFacts,
    Place,
    RecordingFacts,
    SessionFacts,
    SignatureFacts,
    Snapshot,
    TextFacts,
    TraceFacts,
    UpgradeFacts,
)
from wsbook.observation import Observation, Reason, Source, not_run
from wsbook.timeline import APART_S, Period, Timeline, timeline

T0 = datetime(2026, 11, 27, 13, 0, tzinfo=UTC)
S0 = T0.timestamp()
DAY = 86_400.0


def seen(
    facts: Facts | None, probe: str = "upgrade", *, step: str = "1.3", at_s: float = 0.0, lasted_s: float = 0.0, **source: Any
) -> Observation:
    return Observation(
        source=Source(step=step, probe=probe, **source),
        observed_at=T0 + timedelta(seconds=at_s),
        duration_s=lasted_s,
        facts=facts,
        id=f"{step}-1",
    )


def signature(*times: float, text: str = "connection rejected", causes: tuple[tuple[str, float], ...] = ()) -> SignatureFacts:
    return SignatureFacts(signature="s", program="p", count=len(times), text=text, causes=causes, times=times)


def log(facts: Facts, artifact: str = "/var/log/app.log", line: int = 7) -> Observation:
    return seen(facts, "backend_log", step="1.4", artifact=artifact, line=line)


def shown(times: Timeline) -> list[tuple[str, str, float, float, str, bool]]:
    return [
        (lane.kind, lane.name, round(event.begin_s - S0, 6), round(event.lasted_s, 6), event.what, event.bad)
        for period in times.periods
        for lane, event in period.ordered
    ]


UP = UpgradeFacts(url="ws://x/ws", accepted=True, status=101)
DOWN = UpgradeFacts(url="ws://x/ws", accepted=False, status=400)
HI = Frame(at_s=0.5, direction="sent", opcode=1, size_bytes=2, text="hi")
PLACES = (Place(name="trigger", at_s=0.0), Place(name="log", at_s=0.2, error_s=0.01), Place(name="page", at_s=None))
MARKED = MarkedLineFacts(mark="abc", program="nginx", path="/ws", status=400, duration_s=0.5, time=S0 + 2.5)


@pytest.mark.parametrize(
    ("observation", "events"),
    [
        (seen(UP, lasted_s=0.3), [("probe", "1.3 direct test", 0.0, 0.3, "101 accepted", False)]),
        (seen(DOWN, at_s=1.0), [("probe", "1.3 direct test", 1.0, 0.0, "400 refused", True)]),
        (not_run(Source(step="1.3", probe="upgrade"), Reason.SKIPPED, "no"), []),
        (log(signature(S0 + 3, S0 + 4)), [("log", "app.log", at, 0.0, "connection rejected", False) for at in (3.0, 4.0)]),
        (log(signature(S0 + 3, causes=(("a.b", 0.5),))), [("log", "app.log", 3.0, 0.0, "connection rejected", True)]),
        (log(signature()), []),
        (log(TextFacts(kind="log")), []),
        (log(MARKED), [("log", "app.log", 2.0, 0.5, "our attempt abc was logged: /ws answered 400 after 500 ms", True)]),
        (
            log(AccessFacts(program="nginx", method="GET", path="/ws", status=101, count=1, durations_s=(60.0,), times=(S0 + 60,))),
            [("log", "app.log", 0.0, 60.0, "GET /ws answered 101", False)],
        ),
        (log(AccessFacts(program="nginx", method="GET", path="/ws", status=101, count=1, times=(S0,), marked=True)), []),
        (
            log(ClosingsFacts(times=(S0, S0 + 1), ages_s=(60.0, None))),
            [
                ("log", "app.log", 0.0, 0.0, "a connection closed after 60.0 s", False),
                ("log", "app.log", 1.0, 0.0, "a connection closed", False),
            ],
        ),
        (
            seen(PageFacts(url="u", browser="b", status=200, console=(("error", "no"),), console_times=(S0 + 1,)), "browser"),
            [
                ("browser", "browser", 0.0, 0.0, "b: page 200, 0 sockets, 1 console line", False),
                ("browser", "browser", 1.0, 0.0, "console error: no", True),
            ],
        ),
        (
            seen(PageFacts(url="u", browser="b", status=200, console=(("error", "no"),), lifecycle=(("hidden", S0 + 2),)), "browser"),
            [
                ("browser", "browser", 0.0, 0.0, "b: page 200, 0 sockets, 1 console line", False),
                ("browser", "browser", 2.0, 0.0, "the page was hidden", False),
            ],
        ),
        (
            seen(
                SessionFacts(url="u", frames=(HI,), frame_count=1, age_s=3.0),
                "har",
                artifact="a.har",
            ),
            [
                ("recording", "a.har", 0.0, 3.0, "u: 1 frame, ended: unknown after 3.0 s", False),
                ("recording", "a.har", 0.5, 0.0, "sent text 2 B: hi", False),
            ],
        ),
        (
            seen(
                RecordingFacts(
                    companions=(Companion(url="/poll", count=3, first_s=S0, last_s=S0 + 9),),
                    snapshots=(Snapshot(url="/s", field="seq", number=4, at_s=S0 + 1), Snapshot(url="/s", field="seq", number=5)),
                ),
                "har",
                artifact="a.har",
            ),
            [
                ("recording", "a.har", 0.0, 9.0, "3 requests to /poll", False),
                ("recording", "a.har", 1.0, 0.0, "/s answered seq 4", False),
            ],
        ),
        (seen(UP, "http_dump", artifact="dump.txt"), []),
        (
            seen(
                TraceFacts(marker="m-0", places=PLACES, watched_s=2.0),
                "trace",
                step="4.1",
            ),
            [
                ("message", "4.1 marked messages", 0.0, 0.0, "m-0 at trigger", False),
                ("message", "4.1 marked messages", 0.2, 0.0, "m-0 at log, ± 10 ms", False),
                ("message", "4.1 marked messages", 2.0, 0.0, "m-0 did not come to page", True),
            ],
        ),
    ],
)
def test_each_kind_of_evidence_stands_at_its_instants(observation: Observation, events: list[tuple[Any, ...]]) -> None:
    assert shown(timeline([observation])) == events


def test_a_line_that_two_known_texts_fit_is_told_once_and_stays_bad() -> None:
    times = timeline([log(signature(S0)), log(signature(S0, causes=(("a.b", 0.5),)))])
    assert [(event.what, event.bad) for _, event in times.periods[0].ordered] == [("connection rejected", True)]


@pytest.mark.parametrize(("gap_s", "periods"), [(APART_S - 1, 1), (APART_S + 1, 2), (DAY, 2), (-3 * DAY, 2)])
def test_other_days_are_periods_of_their_own(gap_s: float, periods: int) -> None:
    times = timeline([seen(UP), log(signature(S0 + gap_s))])
    assert len(times.periods) == periods
    assert [period.ours for period in times.periods].count(True) == 1


def test_many_days_are_joined_and_nothing_is_lost() -> None:
    times = timeline([seen(UP), log(signature(*(S0 - day * DAY for day in range(1, 30))))])
    assert len(times.periods) == 6
    assert times.count == 30


def test_files_without_instants_are_named_and_files_of_one_name_told_apart() -> None:
    config = seen(TextFacts(kind="nginx"), "nginx", step="2.2", artifact="/etc/nginx.conf")
    times = timeline([config, log(signature(S0), "/a/app.log"), log(signature(S0), "/b/app.log")])
    assert times.undated == ("/etc/nginx.conf",)
    assert [lane.name for lane in times.periods[0].lanes] == ["a/app.log", "b/app.log"]
    assert [event.where for _, event in times.periods[0].ordered] == ["app.log:7", "app.log:7"]


def attempt_logged(off_s: float, grain_s: float = 1e-3) -> list[Observation]:
    """Return five refused attempts, each a second after the one before, and their lines in a log whose clock is off."""
    found = []
    for number in range(5):
        stamp = (S0 + number + 0.01 + off_s) // grain_s * grain_s
        line = MarkedLineFacts(mark="m", program="p", path="/ws", status=400, time=stamp)
        found.append(log(LoggedAttemptFacts(mark="m", began=S0 + number, status=400, duration_s=0.02, line=line)))
        found.append(log(line))
    return found


@pytest.mark.parametrize(
    ("off_s", "grain_s", "error_s", "words"),
    [
        (0.0, 1e-3, 0.001, "agrees with ours"),
        (5.0, 1e-3, 0.2, "s ahead of ours"),
        (-5.0, 1e-3, 0.2, "s behind ours"),
        (3600.0, 1e-3, 0.2, "ahead of ours"),
        (7.0, 1.0, 1.0, "ahead of ours"),
    ],
)
def test_a_log_whose_clock_is_known_is_moved_to_ours(off_s: float, grain_s: float, error_s: float, words: str) -> None:
    (lane,) = timeline(attempt_logged(off_s, grain_s)).periods[0].lanes
    assert words in lane.clock
    assert [event.begin_s - S0 for event in lane.events] == pytest.approx([n + 0.01 for n in range(5)], abs=error_s)


def test_a_clock_that_the_trace_knows_moves_its_log_and_no_other() -> None:
    clock = seen(ClockFacts(place="app.log", offset_s=5.0, error_s=0.01, pairs=5), "clock", step="4.1")
    times = timeline([clock, log(signature(S0 + 5)), log(signature(S0 + 5), "other.log")])
    assert {lane.name: lane.events[0].begin_s - S0 for lane in times.periods[0].lanes if lane.kind == "log"} == {
        "app.log": pytest.approx(0.0, abs=1e-6),
        "other.log": 5.0,
    }
    assert [lane.clock for lane in times.periods[0].lanes if lane.name == "other.log"] == ["its clock was not compared with ours"]


def test_a_time_of_day_without_a_date_is_not_dated() -> None:
    dateless = Observation(
        source=Source(step="1.2", probe="http_dump", artifact="d"), observed_at=datetime(1970, 1, 1, 13, tzinfo=UTC), facts=UP
    )
    assert [period.dated for period in timeline([dateless, seen(UP)]).periods] == [False, True]


def check_bounds(period: Period) -> None:
    for lane in period.lanes:
        assert len(lane.events) <= 120
        begins = [event.begin_s for event in lane.events]
        assert begins == sorted(begins)
        assert all(period.begin_s <= event.begin_s and event.end_s <= period.end_s + 1e-6 for event in lane.events)


@pytest.mark.parametrize("alike", [True, False])
def test_thousands_of_events_are_told_together_and_still_counted(alike: bool) -> None:
    texts = ["rejected"] * 5000 if alike else [f"rejected {n}" for n in range(5000)]
    times = timeline(log(signature(S0 + n / 10, text=text, causes=(("a", 0.1),) if n == 4321 else ())) for n, text in enumerate(texts))
    assert times.count == 5000
    check_bounds(times.periods[0])
    assert any(event.bad and "times: " in event.what if alike else event.bad for event in times.periods[0].lanes[0].events)


def test_thousands_of_frames_are_told_by_direction_with_their_sizes() -> None:
    frames = tuple(Frame(at_s=n / 1000, direction="sent" if n % 2 else "received", opcode=1, size_bytes=100) for n in range(2000))
    times = timeline([seen(SessionFacts(url="u", frames=frames, frame_count=2000, age_s=2.0), "browser")])
    told = [event for _, event in times.periods[0].ordered if "frames received" in event.what or "frames sent" in event.what]
    assert sum(event.count for event in told) == 2000
    assert told[0].what == "20 frames received, 1.95 KiB"


@given(st.lists(st.floats(-1e6, 1e6), max_size=200))
def test_every_instant_is_in_a_period_whatever_the_instants(times: list[float]) -> None:
    found = timeline([log(signature(*(S0 + at for at in times)))])
    assert found.count == len(set(times)) or len({round(at, 3) for at in times}) < len(times)
    assert len(found.periods) <= 6
    for period in found.periods:
        check_bounds(period)
