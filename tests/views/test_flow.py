"""Tables and pictures of messages on their way, and of bursts of them."""

from typing import Any

import pytest

from views import flow_samples as samples
from views.samples import HOSTILE, seen
from wsbook.facts import BurstFacts, BurstPlace, ClockFacts, Place, TraceFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.views import charts_trace, tables
from wsbook.views.drawing import VERDICT_COLOURS, WARNING, Picture
from wsbook.views.tables.trace import kind_of, passings_of, percentile

FAULT = VERDICT_COLOURS[Verdict.FAULT]


def traces(observations: list[Observation]) -> list[TraceFacts]:
    return [one.facts for one in observations if isinstance(one.facts, TraceFacts)]


def words(picture: Picture) -> list[str]:
    return [note["text"] for note in picture.json["layout"].get("annotations", ())]


def drawn(observations: list[Observation]) -> Picture:
    picture = charts_trace.plot_trace(observations)
    assert picture is not None
    assert picture.json["layout"]["title"]["text"] == picture.text
    return picture


@pytest.mark.parametrize(
    ("observations", "title"),
    [
        (samples.healthy(), "5 of 5 messages came to page screen, half within 36.3 ms; longest step 19 ms, to page document"),
        (samples.lost_at_a_hop(), "2 of 5 messages never came to app-b within 3.0 s; last seen at app-a after 2.28 ms"),
        (samples.page_error(), "5 of 5 messages never came to mark stored within 3.0 s; last seen at page handler after 5.2 ms"),
        (samples.far_clock(), "5 of 5 messages came to page screen, half within 35.2 ms; app-b saw one 2 times"),
    ],
)
def test_the_title_of_the_waterfall_says_how_far_messages_came(observations: list[Observation], title: str) -> None:
    assert drawn(observations).text == title


def test_a_message_that_no_place_saw_is_lost_before_the_first() -> None:
    nothing = {name.replace(" ", "_").replace("-", "_"): samples.LOST for name, kind, _ in samples.WAY if kind != "trigger"}
    picture = drawn([seen("4.1", samples.trace(**nothing))])
    assert picture.text == "1 of 1 message never came to broker within 3.0 s; no place before saw it"


def test_the_place_of_the_loss_is_marked_and_what_follows_it_is_not() -> None:
    picture = drawn(samples.lost_at_a_hop())
    assert [text for text in words(picture) if text.startswith("✗")] == ["✗ 2 of 5 lost"]
    assert words(picture).count("not seen") == 6
    (marks,) = [one for one in picture.json["data"] if one.get("marker", {}).get("symbol") == "x"]
    assert marks["marker"]["color"].count(FAULT) == 1


def test_a_log_that_says_nothing_loses_nothing() -> None:
    observations = [seen("4.1", samples.trace(log_app_log=samples.LOST, **{"log_app.log": samples.LOST}))]
    assert not [one for one in passings_of(traces(observations)) if one.lost]
    assert "not seen" in words(drawn(observations))


def test_a_message_in_the_document_but_out_of_sight_is_not_lost() -> None:
    assert not [one for one in passings_of([samples.trace(page_screen=samples.LOST)]) if one.lost]
    both = samples.trace(page_screen=samples.LOST, page_document=samples.LOST)
    assert [one.name for one in passings_of([both]) if one.lost] == ["page document", "page screen"]


def test_what_was_seen_twice_or_altered_is_coloured_and_another_clock_has_a_band() -> None:
    picture = drawn(samples.far_clock())
    bars = [one for one in picture.json["data"] if one["type"] == "bar"]
    assert [one.get("opacity") for one in bars] == [0.3, None]
    assert bars[1]["marker"]["color"].count(WARNING) == 1
    assert "! 2 times, altered" in words(picture)
    assert any("± 1.1 ms by another clock" in text for text in bars[1]["hovertext"])


def test_one_message_alone_has_no_whiskers() -> None:
    assert len(drawn([samples.healthy()[0]]).json["data"]) == 1
    assert charts_trace.plot_steps([samples.healthy()[0]]) is None


def test_steps_are_drawn_from_place_to_place() -> None:
    picture = charts_trace.plot_steps(samples.healthy())
    assert picture is not None
    assert picture.text == "5 messages: the longest step is mark stored → page document, 19 ms in half of them"
    assert picture.json["layout"]["yaxis"]["ticktext"][0] == "trigger → broker"
    assert "type" not in picture.json["layout"]["xaxis"]


def test_steps_of_very_different_length_have_a_logarithmic_axis() -> None:
    late = [samples.trace(number, page_screen={"at_s": 2.0 + number}) for number in range(3)]
    picture = charts_trace.plot_steps([seen("4.1", one) for one in late])
    assert picture is not None
    assert picture.json["layout"]["xaxis"]["type"] == "log"


@pytest.mark.parametrize(
    ("observation", "title"),
    [
        (samples.burst(), "50 events within 110 ms: 13 never came to app-b"),
        (samples.burst(0), "50 events within 110 ms: every place saw all of them, 3 of them again"),
        (
            seen("4.1", BurstFacts(sent=9, refused=4, took_s=1.0, places=(BurstPlace(name="app", kind="hop", received=5),))),
            "5 events within 1.0 s, 4 more refused: every place saw all of them",
        ),
        (
            seen("4.1", BurstFacts(sent=9, took_s=1.0, places=(BurstPlace(name="log a", kind="log", received=5),))),
            "9 events within 1.0 s: every place saw all of them",
        ),
    ],
)
def test_a_burst_names_the_place_that_lost_events(observation: Observation, title: str) -> None:
    picture = charts_trace.plot_burst([observation])
    assert picture is not None
    assert picture.text == title


def test_the_table_counts_over_all_messages() -> None:
    table = tables.table_trace(samples.lost_at_a_hop()).set_index("place")
    assert table.loc["app-a", "seen"] == "5 of 5"
    assert table.loc["app-b", "seen"] == "✗ 3 of 5"
    assert table.loc["app-a", "p50 (ms)"] == pytest.approx(2.28)
    assert table.loc["app-a", "step (ms)"] == pytest.approx(0.7 * 1.2, abs=0.001)
    far = tables.table_trace(samples.far_clock()).set_index("place")
    assert far.loc["app-b", ["seen", "instance", "altered"]].tolist() == ["5 of 5, up to 2 times", "b7", "$.price changed"]
    assert far.loc["log app.log", "clock (±)"] == "1.1 ms"


def test_bursts_and_clocks_have_their_rows() -> None:
    rows = tables.table_burst([samples.burst()]).set_index("place")
    assert rows.loc["app-b", ["received", "lost"]].tolist() == [37, "✗ 13"]
    assert rows.loc["app-b", "which never came"].startswith("37, 38, 39")
    assert rows.loc["endpoint", "twice"] == 3
    (clock,) = tables.table_clocks(samples.far_clock()).to_dict("records")
    assert (clock["ahead (ms)"], clock["± (ms)"], clock["from"]) == (3012.4, 1.1, "40 pairs")


def test_what_the_page_did_is_counted_over_the_messages() -> None:
    rows = tables.table_page_events(samples.page_error("boom")).to_dict("records")
    assert {row["messages"] for row in rows} == {5}
    assert rows[0] == {
        "in the page": "exception, caught by the page",
        "text": "boom",
        "where": "onOrder http://shop.example/app.js:41:17",
        "messages": 5,
    }
    assert any(row["where"] == "stands in no script, alike: orderUpdate, boom" for row in rows)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("trigger", "", "trigger"),
        ("trigger answered", "", "answer"),
        ("log a.log", "", "log"),
        ("app", "", "hop"),
        ("page handler", "", "handler"),
        ("app", "endpoint", "endpoint"),
    ],
)
def test_old_records_tell_the_kind_of_a_place_by_its_name(name: str, kind: str, expected: str) -> None:
    assert kind_of(Place(name=name, at_s=None, kind=kind)) == expected


@pytest.mark.parametrize(
    ("values", "share", "expected"), [([], 0.5, None), ([3.0], 0.9, 3.0), ([1.0, 2.0], 0.5, 1.5), ([1.0, 2.0, 9.0], 1.0, 9.0)]
)
def test_percentiles_lie_between_values(values: list[float], share: float, expected: float | None) -> None:
    assert percentile(values, share) == expected


def _hostile() -> list[Observation]:
    place: dict[str, Any] = {"at_s": 0.01, "count": 2, "altered": HOSTILE, "against_schema": HOSTILE, "instance": HOSTILE}
    places = (Place(name=HOSTILE, **place), Place(name=f"{HOSTILE}2", at_s=None), Place(name=f"page {HOSTILE}", at_s=0.02))
    bursts = BurstFacts(sent=2, took_s=0.1, places=(BurstPlace(name=HOSTILE, kind=HOSTILE, received=1, missing=(1,)),))
    clock = ClockFacts(place=HOSTILE, offset_s=1, error_s=1, pairs=1)
    messages = [TraceFacts(marker=HOSTILE, places=places, number=number) for number in range(2)]
    return [*(seen("4.1", one) for one in (*messages, bursts, clock)), *samples.page_error(HOSTILE)]


@pytest.mark.parametrize("plot", [charts_trace.plot_trace, charts_trace.plot_steps, charts_trace.plot_burst])
def test_names_of_places_are_no_markup(plot: Any) -> None:
    picture = plot(_hostile())
    text = str(picture.json)
    assert "<img" not in text and "<script" not in text and "&lt;img" in text


def test_many_places_stay_within_bounds() -> None:
    places = tuple(Place(name=f"hop {number}", at_s=number / 1000, count=1) for number in range(90))
    picture = drawn([seen("4.1", TraceFacts(marker="m", places=places))])
    assert picture.json["layout"]["height"] < 900


def test_a_burst_that_ran_out_of_sight_lost_nothing() -> None:
    seen_by = [BurstPlace(name=f"page {kind}", kind=kind, received=count) for kind, count in (("document", 9), ("screen", 4))]
    burst = seen("4.1", BurstFacts(sent=9, took_s=1.0, places=tuple(seen_by)))
    picture = charts_trace.plot_burst([burst])
    assert picture is not None
    assert picture.text == "9 events within 1.0 s: every place saw all of them"
    assert tables.table_burst([burst])["lost"].tolist() == ["0", "0"]
