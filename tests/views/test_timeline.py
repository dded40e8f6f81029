"""The picture and the table of the timeline: lanes by name, what is bad by colour, no text of a peer as markup."""

import json
from datetime import UTC, datetime

import pytest

from views.samples import HOSTILE, everything
from wsbook.facts import SignatureFacts, UpgradeFacts
from wsbook.observation import Observation, Source
from wsbook.views.charts_timeline import plot_timeline
from wsbook.views.tables import table_events

T0 = datetime(2026, 11, 27, 13, 0, tzinfo=UTC)
TRIED = Observation(
    source=Source(step="1.3", probe="upgrade", hop="endpoint"),
    observed_at=T0,
    duration_s=2.0,
    facts=UpgradeFacts(url="ws://x", accepted=False, status=400),
)


def logged(*times: float, text: str = "rejected") -> Observation:
    facts = SignatureFacts(signature="s", program="p", count=len(times), text=text, times=tuple(T0.timestamp() + at for at in times))
    return Observation(source=Source(step="1.4", probe="backend_log", artifact="app.log", line=3), observed_at=T0, facts=facts)


def test_the_title_counts_what_the_picture_shows() -> None:
    picture = plot_timeline([TRIED, logged(1.0, 2.0)])
    assert picture is not None
    assert picture.text == "3 events in 2 lanes over 2.0 s, 1 of them refused, failed or an error"
    assert picture.json["layout"]["yaxis"]["ticktext"] == ["1.3 direct test", "app.log"]
    assert {trace["marker"]["line"]["color"] for trace in picture.json["data"] if "marker" in trace} == {"#D55E00", "#56B4E9"}


def test_another_day_is_in_the_table_and_not_in_the_picture() -> None:
    seen = [TRIED, logged(1.0, -86_400.0)]
    picture = plot_timeline(seen)
    assert picture is not None
    assert picture.text.endswith("; 1 other period in the report")
    assert list(table_events(seen)["time (UTC)"]) == ["2026-11-26 13:00:00.000", "13:00:00.000", "13:00:01.000"]


def test_nothing_with_an_instant_draws_nothing() -> None:
    assert plot_timeline([]) is None
    assert table_events([]).empty


def test_no_text_of_a_peer_is_markup() -> None:
    picture = plot_timeline([*everything(HOSTILE), logged(1.0, text=HOSTILE)])
    assert picture is not None
    assert "<img" not in json.dumps(picture.json)
    assert "hovertemplate" not in json.dumps(picture.json)


@pytest.mark.parametrize("count", [10, 5000])
def test_thousands_of_lines_make_no_larger_picture(count: int) -> None:
    picture = plot_timeline([logged(*(index / 10 for index in range(count)))])
    assert picture is not None
    assert len(json.dumps(picture.json)) < 40_000
