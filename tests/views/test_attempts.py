"""Attempts beside one another: what differs from the baseline, and who chooses what is compared."""

from typing import Any

import pytest
from msgspec.structs import replace

from views.samples import HOSTILE, attempt
from wsbook.observation import Observation, Stage
from wsbook.views import charts
from wsbook.views.attempt_picker import AttemptPicker
from wsbook.views.attempts import attempt_names, attempts_of, baseline_of, difference_words, differences, durations_of, ending, reference_of


def timed(*changed: str, hop: str = "endpoint", **durations_s: float) -> Observation:
    """Return an accepted attempt whose stages took so long, one after the other."""
    at, stages = 0.0, []
    for name, duration_s in durations_s.items():
        stages.append(Stage(name=name, started_s=at, duration_s=duration_s, ok=True))
        at += duration_s
    return replace(attempt(101, *changed, hop=hop), stages=tuple(stages))


BASE = timed(resolve=0.001, tcp=0.010, upgrade=0.030)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"resolve": 0.001, "tcp": 0.010, "upgrade": 0.030}, ""),
        ({"resolve": 0.0019, "tcp": 0.010, "upgrade": 0.030}, ""),  # nearly twice, and below 1 ms
        ({"resolve": 0.001, "tcp": 0.010, "upgrade": 0.035}, ""),  # 5 ms, and below a quarter
        ({"resolve": 0.001, "tcp": 0.010, "upgrade": 0.0423}, "+12.3 ms upgrade"),
        ({"resolve": 0.001, "tcp": 0.004, "upgrade": 0.080}, "+50 ms upgrade, −6 ms tcp"),
        ({"resolve": 0.001, "tcp": 0.010, "tls": 0.040, "upgrade": 0.030}, "+40 ms tls"),
        ({"resolve": 0.003, "tcp": 0.310, "upgrade": 0.030}, "+300 ms tcp"),  # 2 ms of 343 ms are nothing
        ({"resolve": 0.001, "tcp": 5.0}, "+5.0 s tcp"),  # did not get to the upgrade
        ({"resolve": 0.1, "tcp": 0.2, "upgrade": 0.3}, "+270 ms upgrade, +190 ms tcp"),
    ],
)
def test_what_differs_by_more_than_noise_is_told(other: dict[str, float], words: str) -> None:
    assert difference_words(reference_of([BASE]), timed("x", **other), 2) == words


@pytest.mark.parametrize(
    ("others", "upgrade_s"),
    [
        ([0.002, 0.003, 0.004], 0.070),  # too few to tell
        ([0.002, 0.003, 0.004, 0.003], 0.003),
        ([0.070, 0.071, 0.003, 0.004], 0.070),  # as many are alike
        ([0.070, 0.068, 0.072, 0.071, 5.0], 0.070),
    ],
)
def test_a_baseline_that_most_differ_from_is_itself_the_unusual_one(others: list[float], upgrade_s: float) -> None:
    tried = [timed(tcp=0.01, upgrade=0.070), *(timed("x", tcp=0.01, upgrade=one) for one in others)]
    assert reference_of(tried).durations_s == {"tcp": 0.01, "upgrade": pytest.approx(upgrade_s)}


def test_what_varies_from_attempt_to_attempt_is_no_difference() -> None:
    tried = [timed(tcp=0.001, upgrade=one) for one in (0.010, 0.016, 0.005, 0.012, 0.019, 0.008, 0.4)]
    assert [difference_words(reference_of(tried), one, 2) for one in tried] == ["", "", "", "", "", "", "+390 ms upgrade"]


def test_differences_are_of_every_stage_that_the_other_has() -> None:
    found = differences(durations_of(BASE), timed("x", tcp=0.02, tls=0.5))
    assert list(found) == ["tls", "tcp"]
    assert found["tcp"] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("tried", "names", "baseline"),
    [
        ([attempt(101), attempt(400, "no Origin")], ["endpoint", "no Origin"], 0),
        ([attempt(400, "no Origin"), attempt(101)], ["no Origin", "endpoint"], 1),
        ([attempt(400, "no Origin")], ["no Origin"], 0),
        ([attempt(101, hop="app"), attempt(400, "no key", hop="nginx")], ["app", "nginx: no key"], 0),
    ],
)
def test_attempts_are_called_by_what_they_change(tried: list[Observation], names: list[str], baseline: int) -> None:
    assert attempt_names(tried) == names
    assert baseline_of(tried) == baseline
    assert ending(attempt(101)) == "101 accepted, 33 ms"


def rows(picture: Any) -> list[str]:
    return [name.rstrip("\u200b") for name in picture.json["layout"]["yaxis"]["categoryarray"]]


def notes(picture: Any) -> list[str]:
    return [note["text"] for note in picture.json["layout"]["annotations"]]


TRIED = [timed("no Origin", tcp=0.01, upgrade=0.03), BASE, timed("IPv6 only", resolve=0.001, tcp=0.1, upgrade=0.03)]


@pytest.mark.parametrize(
    ("choice", "names", "bold"),
    [
        ({}, ["endpoint", "no Origin", "IPv6 only"], ["", "", "+90 ms tcp"]),
        ({"chosen": [2]}, ["endpoint", "IPv6 only"], ["", "+90 ms tcp"]),
        ({"chosen": [], "own_axis": True}, ["endpoint"], [""]),
        ({"chosen": [0, 1, 2], "baseline": 2}, ["IPv6 only", "no Origin", "endpoint"], ["", "−90 ms tcp", "−90 ms tcp"]),
    ],
)
def test_the_baseline_stands_on_top_and_the_others_tell_their_difference(choice: dict[str, Any], names: list[str], bold: list[str]) -> None:
    picture = charts.plot_stages(TRIED, **choice)
    assert picture is not None
    assert rows(picture) == names
    assert [note.partition("<b>")[2].removesuffix("</b>") for note in notes(picture)] == bold


def test_on_an_axis_of_its_own_each_attempt_is_a_hundred_per_cent() -> None:
    picture = charts.plot_stages(TRIED, own_axis=True)
    assert picture is not None
    assert "%" in picture.json["layout"]["xaxis"]["title"]["text"]
    assert [round(note["x"]) for note in picture.json["layout"]["annotations"]] == [100, 100, 100]


def asked(picker: AttemptPicker, **message: Any) -> None:
    picker._heard(picker, {"kind": "choose", **message}, [])


@pytest.mark.parametrize(
    ("message", "choice"),
    [
        ({"chosen": [2], "baseline": 1, "own_axis": True}, {"chosen": [2], "baseline": 1, "own_axis": True}),
        ({"chosen": [0, 9, "x", -1], "baseline": 7}, {"chosen": [0], "baseline": 1, "own_axis": False}),
        ({"chosen": "all"}, {"chosen": [0, 1, 2], "baseline": 1, "own_axis": False}),
    ],
)
def test_a_choice_is_kept_as_far_as_it_is_one(message: dict[str, Any], choice: dict[str, Any]) -> None:
    drawn: list[str] = []
    picker = AttemptPicker(lambda: drawn.append("again"))
    picker.take(TRIED)
    asked(picker, **message)
    assert picker.choice == choice
    assert drawn == ["again"]
    assert charts.plot_stages(TRIED, **picker.choice) is not None


def test_a_repetition_keeps_the_choice_and_other_attempts_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    picker, sent = AttemptPicker(lambda: None), []
    monkeypatch.setattr(picker, "send", sent.append)
    picker.take(TRIED)
    asked(picker, chosen=[2], baseline=1)
    picker.take(TRIED)
    assert picker.choice["chosen"] == [2]
    picker.take([*TRIED, attempt(400, "no key")])
    assert picker.choice == {"chosen": [0, 1, 2, 3], "baseline": 1, "own_axis": False}
    picker._heard(picker, {"kind": "ask"}, [])
    assert [one["name"] for one in sent[-1]["attempts"]] == ["no Origin", "endpoint", "IPv6 only", "no key"]


def test_no_attempt_is_no_choice_and_names_are_printable() -> None:
    picker = AttemptPicker(lambda: pytest.fail("there is nothing to choose"))
    picker.take([])
    asked(picker, chosen=[0])
    picker.take(attempts_of([attempt(101, HOSTILE)]))
    assert not {"\x1b", "\u202e"} & set(picker.content["attempts"][0]["name"])
