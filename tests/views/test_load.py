"""Tables and pictures of load: what counts, what does not, and where it is named."""

import base64
from typing import Any

import numpy as np
import pytest

from views import flow_samples as samples
from views.samples import HOSTILE, seen
from wsbook.facts import Knee, LoadFacts, LoadRun, LossyConnection, PageLoadFacts, PageMoment, Sample, Spell, Threshold, Watched
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.views import charts_grid, charts_load, charts_moments, tables
from wsbook.views.drawing import VERDICT_COLOURS, Picture
from wsbook.views.step_offers import PLOTS
from wsbook.views.tables.load import rate_of, rate_text, runs_of, shares_of

FAULT = VERDICT_COLOURS[Verdict.FAULT]
EVERY = [samples.stalled(), samples.grid(), samples.ramp(), samples.page_behind()]


def of(*runs: LoadRun, **fields: Any) -> list[Observation]:
    return [seen("4.2", LoadFacts(runs=runs, **fields))]


def words(picture: Picture) -> list[str]:
    return [note["text"] for note in picture.json["layout"].get("annotations", ())]


def series(picture: Picture) -> list[str]:
    return [one["name"] for one in picture.json["data"] if one.get("name")]


@pytest.mark.parametrize("plot", PLOTS["4.2"])
@pytest.mark.parametrize("observation", EVERY)
def test_at_most_five_series_and_the_finding_on_top(plot: Any, observation: Observation) -> None:
    picture = plot([observation])
    if picture is not None:
        assert len(series(picture)) <= 5
        assert picture.json["layout"]["title"]["text"] == picture.text
        assert any(char.isdigit() for char in picture.text)


@pytest.mark.parametrize(
    ("observations", "title"),
    [
        ([samples.ramp()], "240 of 12,000 messages lost at 4,000 a second; it keeps up to 1,900 a second"),
        (of(samples.run(50), samples.run(200)), "nothing lost up to 200 a second, p99 8 ms"),
        (of(samples.run(50), samples.run(200, void="late by 4 ms")), "nothing lost up to 50 a second, p99 8 ms"),
        ([samples.ramp(void="the generator was late by 4 ms")], "the figures do not count: the generator was late by 4 ms"),
        (of(samples.run(50, void="busy"), samples.run(100, void="busy")), "the figures do not count: busy"),
        (of(samples.run(50, sent=0, received=0, p50_s=None, **samples.UNTIMED)), "at 50 a second nothing could be sent"),
        (of(samples.run(0, received=60, seconds=3, p50_s=None, **samples.UNTIMED)), "nothing lost up to 20 a second"),
        (of(samples.run(50), knee=Knee(rate=0, broke_at=40)), "nothing lost up to 50 a second, p99 8 ms; it breaks at 40 a second"),
        (of(samples.run(50), knee=Knee(rate=0)), "nothing lost up to 50 a second, p99 8 ms"),
        ([samples.grid()], "nothing lost up to 8,000 a second, p99 5.11 ms; it keeps up within 50 ms to 3,200 a second"),
    ],
)
def test_the_title_over_the_rate(observations: list[Observation], title: str) -> None:
    picture = charts_load.plot_load(observations)
    assert picture is not None
    assert picture.text == title


@pytest.mark.parametrize("observations", [[samples.ramp(void="late")], of(samples.run(50, void="late", moments=samples.moments()))])
def test_what_does_not_count_is_named_and_never_drawn_as_if_it_did(observations: list[Observation]) -> None:
    picture = charts_load.plot_load(observations)
    assert picture is not None
    assert series(picture) == []
    assert set(words(picture)) == {"void"}
    for plot in (charts_moments.plot_moments, charts_load.plot_tail, charts_load.plot_lossy):
        assert plot(observations) is None


def test_of_a_single_run_its_course_over_time_is_shown() -> None:
    assert charts_load.plot_load(of(samples.run(moments=samples.moments()))) is None
    assert charts_load.plot_load(of(samples.run())) is not None


def test_a_window_run_stands_at_the_rate_that_came_back() -> None:
    run = samples.run(0, window=32, seconds=10)
    assert rate_of(run) == 1000.0
    picture = charts_load.plot_load(of(run))
    assert picture is not None
    assert picture.text.startswith("nothing lost up to 1,000 a second")


def test_the_knee_and_what_lies_behind_it_are_marked() -> None:
    picture = charts_load.plot_load([samples.ramp()])
    assert picture is not None
    assert {"keeps up to 1,900/s", "✗ 240 lost"} <= set(words(picture))
    shaded = [shape for shape in picture.json["layout"]["shapes"] if shape.get("fillcolor") == FAULT]
    assert [shape["x0"] for shape in shaded] == [2300.0]


def test_over_time_losses_troubles_and_the_server_share_the_axis() -> None:
    picture = charts_moments.plot_moments([samples.stalled()])
    assert picture is not None
    assert picture.text == "at 500 a second over 10 connections half came within 2 ms, p99 rose to 990 ms at 13 s; 38 lost"
    assert series(picture) == ["max", "p99", "p50", "processor", "memory"]
    assert {one.get("yaxis", "y") for one in picture.json["data"]} == {"y", "y2", "y3", "y4"}
    assert "delay 20 ms" in words(picture)
    assert picture.json["layout"]["xaxis"]["anchor"] == "y4"


def test_an_interval_of_which_nothing_came_is_a_gap() -> None:
    gone = (*samples.moments(3), samples.Moment(at_s=4, sent=500, received=0, lost=500), *samples.moments(1))
    picture = charts_moments.plot_moments(of(samples.run(moments=gone, lost=500)))
    assert picture is not None
    drawn = np.frombuffer(base64.b64decode(picture.json["data"][0]["y"]["bdata"]), dtype="f4")
    assert np.isnan(drawn).tolist() == [False, False, False, True, False]
    assert picture.json["data"][0]["mode"] == "lines+markers"  # the last interval stands alone


def test_where_nobody_knows_when_messages_were_due_their_number_is_drawn() -> None:
    told = tuple(samples.Moment(at_s=at, sent=0, received=20 + at) for at in range(1, 9))
    run = samples.run(0, received=196, seconds=8, answered_by="sequence", moments=told, p50_s=None, **samples.UNTIMED)
    picture = charts_moments.plot_moments(of(run))
    assert picture is not None
    assert picture.text == "196 messages came in 8.0 s; nothing lost"
    assert series(picture) == ["received"]


def test_without_a_server_there_is_no_panel_for_it() -> None:
    picture = charts_moments.plot_moments(of(samples.run(moments=samples.moments())))
    assert picture is not None
    assert series(picture) == ["max", "p99", "p50"]
    assert "yaxis2" not in picture.json["layout"]


@pytest.mark.parametrize(
    ("observation", "title", "cells"),
    [
        (samples.grid(), "1 of 12 runs lost messages, the slowest at 8,000 a second; 1 void", {"void", "35.5 ms<br>✗ 412 lost", "4.8 ms"}),
        (samples.grid(void=False), "1 of 12 runs lost messages, the slowest at 8,000 a second", {"35.5 ms<br>✗ 412 lost"}),
    ],
)
def test_the_grid_has_words_in_its_cells(observation: Observation, title: str, cells: set[str]) -> None:
    picture = charts_grid.plot_grid([observation])
    assert picture is not None
    assert picture.text == title
    assert cells <= set(words(picture))
    outlined = [shape for shape in picture.json["layout"]["shapes"] if shape["type"] == "rect"]
    assert [shape["line"]["color"] for shape in outlined] == [FAULT]
    (knee,) = [shape for shape in picture.json["layout"]["shapes"] if shape["type"] == "line"]
    assert knee["x0"] == 2.5


@pytest.mark.parametrize(
    ("runs", "axis"),
    [
        ([samples.run(rate, size_bytes=size) for rate in (10, 20) for size in (64, 4096)], "size"),
        ([samples.run(rate, number) for rate in (10, 20) for number in (1, 2)], "connections"),
        ([samples.run(rate) for rate in (10, 20, 30)], None),
        ([samples.run(10, number) for number in (1, 2)], None),
    ],
)
def test_a_grid_needs_two_dimensions(runs: list[LoadRun], axis: str | None) -> None:
    picture = charts_grid.plot_grid(of(*runs))
    assert (picture.json["layout"]["yaxis"]["title"]["text"] if picture else None) == axis


def test_the_tail_ends_where_single_messages_would_decide() -> None:
    picture = charts_load.plot_tail(of(samples.run(100, seconds=1)))
    assert picture is not None
    assert picture.text == "at 100 a second, 99 % of the messages came within 8 ms"


def test_of_many_rates_five_tails_are_drawn() -> None:
    picture = charts_load.plot_tail(of(*(samples.run(rate) for rate in range(10, 130, 10))))
    assert picture is not None
    assert series(picture) == ["10/s", "40/s", "70/s", "90/s", "120/s"]


def test_connections_that_lost_are_sorted_and_counted() -> None:
    picture = charts_load.plot_lossy([samples.stalled()])
    assert picture is not None
    assert picture.text == "8 of 10 connections missed or muddled messages; the worst, 0, lost 9 of 1,000"
    assert series(picture) == ["lost", "twice"]
    many = tuple(LossyConnection(number=n, expected=9, lost=n % 7, duplicated=1, reordered=0) for n in range(150))
    picture = charts_load.plot_lossy(of(samples.run(connections=400, lost=9, lossy=many, lossy_count=300)))
    assert picture is not None
    assert picture.text.startswith("300 of 400 connections")
    assert len(picture.json["data"][0]["x"]) == 100
    assert "the worst 100 of 300" in picture.json["layout"]["xaxis"]["title"]["text"]


@pytest.mark.parametrize(
    ("behind_s", "title"),
    [
        (4.2, "at 400 a second the page showed 2,050 of 4,000 messages and was done 4.2 s after the last one"),
        (0.01, "at 400 a second the page showed 2,050 of 4,000 messages and was done 10 ms after the last one"),
        (None, "at 400 a second the page showed 2,050 of 4,000 messages and was not done when the watching ended"),
    ],
)
def test_a_page_under_load(behind_s: float | None, title: str) -> None:
    facts = samples.page_behind().facts
    assert isinstance(facts, PageLoadFacts)
    picture = charts_moments.plot_page_load([seen("4.2", PageLoadFacts(**{**samples.fields_of(facts), "behind_s": behind_s}))])
    assert picture is not None
    assert picture.text == title
    assert series(picture) == ["came", "handled", "shown", "animation frames", "main thread"]


def test_of_several_rates_the_one_furthest_behind_is_drawn() -> None:
    calm = PageLoadFacts(
        rate=9000, sent=1, browser="b", behind_s=0.0, moments=(PageMoment(at_s=1, frames=1, handled=1, shown=1, changes=1, pictures=60),)
    )
    picture = charts_moments.plot_page_load([seen("4.2", calm), samples.page_behind()])
    assert picture is not None
    assert picture.text.startswith("at 400 a second")


def test_the_table_of_runs_shows_what_matters() -> None:
    table = tables.table_load([samples.stalled(), samples.ramp(void="late")])
    row = table.iloc[0]
    assert (row["lost"], row["p99 (ms)"], row["our lag"], row["void"]) == ("✗ 38", 480.0, "80 µs", "")
    assert row["server's processor"].endswith("% uvicorn")
    assert table["void"].tolist()[1:] == ["late"] * 6
    assert table["window"].isna().all() and table["twice"].isna().all()


def test_connections_that_did_not_open_or_ended_are_told() -> None:
    table = tables.table_load(of(samples.run(asked=10, opened=7, ended=(("close 1013", 2), ("rst", 1)))))
    assert table["ended"].tolist() == ["3 not opened, 2 close 1013, 1 rst"]


def test_only_runs_that_count_have_lossy_connections() -> None:
    lossy = (LossyConnection(number=4, expected=9, lost=3, duplicated=0, reordered=0, ended="close", close_code=1013, lost_numbers=(1, 2)),)
    (row,) = tables.table_lossy(of(samples.run(lossy=lossy), samples.run(lossy=lossy, void="late"))).to_dict("records")
    assert (row["connection"], row["lost"], row["ended"], row["which were lost"]) == (4, 3, "close 1013", "1, 2, …")


def test_thresholds_say_whether_they_hold() -> None:
    held = [Threshold(text="p99 < 50 ms", value="9 ms", holds=holds) for holds in (True, False, None)]
    assert tables.table_thresholds(of(thresholds=tuple(held)))["verdict"].tolist() == [
        "✓ holds",
        "✗ does not hold",
        "? could not be told",
    ]


def test_the_table_of_a_page_under_load() -> None:
    (row,) = tables.table_page_load([samples.page_behind()]).to_dict("records")
    assert (row["came"], row["shown"], row["behind"], row["elements"]) == (4000, 2050, "4.2 s", "40 → 3,600")


@pytest.mark.parametrize(("rate", "text"), [(0, "0"), (2.5, "2.5"), (50, "50"), (1234.5, "1,234"), (5e6, "5,000,000")])
def test_rates_are_written_whole(rate: float, text: str) -> None:
    assert rate_text(rate) == text


def test_shares_of_a_processor_need_two_readings() -> None:
    readings = tuple(Sample(at_s=at, ended=0, held=0, cpu_s=cpu) for at, cpu in ((0, 1.0), (1, 1.5), (1, 1.6), (2, None)))
    server = Watched(how="process", place="app", name="x", processes=1, samples=readings)
    assert [share for _, share in shares_of(server)] == [0.5, None, None]


def test_a_void_of_all_is_that_of_each() -> None:
    assert [run.void for run in runs_of(of(samples.run(), samples.run(void="own"), void="all"))] == ["all", "own"]


def test_no_text_of_a_peer_is_markup() -> None:
    lossy = (LossyConnection(number=1, expected=9, lost=3, duplicated=0, reordered=0, ended=HOSTILE),)
    spells = (Spell(name=HOSTILE, begin_s=0, end_s=1),)
    named = samples.server(name=HOSTILE, place=HOSTILE)
    run = samples.run(
        lossy=lossy, lost=3, spells=spells, servers=(named,), moments=samples.moments(), why_refused=HOSTILE, histogram=HOSTILE
    )
    observations = [
        *of(run, samples.run(100, void=HOSTILE), samples.run(100, 20, void=HOSTILE), samples.run(50, 20)),
        samples.page_behind(text=HOSTILE),
    ]
    for plot in PLOTS["4.2"]:
        picture = plot(observations)
        assert picture is not None, plot
        assert "<img" not in str(picture.json) and "<script" not in str(picture.json)
