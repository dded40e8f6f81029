"""The views of a step: static where a notebook runs by itself, widgets where somebody explores, both of the newest result."""

from typing import Any

import pytest
from msgspec.structs import replace

from views.samples import attempt, seen
from wsbook.case import StepResult
from wsbook.facts import Frame, SessionFacts
from wsbook.finding import StepVerdict, Verdict
from wsbook.observation import Observation
from wsbook.views import show
from wsbook.views.show import PLOTLY_MIME, TABLE_MIME, WIDGET_MIME
from wsbook.views.step_view import StepView


class Handle:
    """A place on the screen that remembers what was shown there."""

    def __init__(self, bundle: dict[str, Any], name: str) -> None:
        self.bundles = [bundle]
        self.name = name

    def update(self, bundle: dict[str, Any], raw: bool) -> None:
        self.bundles.append(bundle)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Handle]:
    handles: list[Handle] = []

    def display(bundle: dict[str, Any], **options: Any) -> Handle:
        handles.append(Handle(bundle, (options["metadata"].get("wsbook") or {}).get("view", "")))
        return handles[-1]

    monkeypatch.setattr(show, "_display", display)
    return handles


def socket(count: int, url: str = "ws://shop.example/ws") -> Observation:
    frames = tuple(Frame(at_s=n / 10, direction="received", opcode=1, size_bytes=5, text="hello") for n in range(count))
    return seen("1.2", SessionFacts(url=url, frames=frames, frame_count=count))


def result(*observations: Observation) -> StepResult:
    verdict = StepVerdict(step="1.2", title="browser", verdict=Verdict.CLEAR, summary="")
    return StepResult(step="1.2", title="browser", observations=observations, findings=(), verdict=verdict)


def kinds(bundle: dict[str, Any]) -> set[str]:
    return set(bundle) & {WIDGET_MIME, PLOTLY_MIME, TABLE_MIME}


@pytest.mark.parametrize(
    ("observations", "live", "expected"),
    [
        ([socket(3)], False, [{PLOTLY_MIME}, {TABLE_MIME}]),
        ([socket(3)], True, [{WIDGET_MIME, PLOTLY_MIME}]),
        ([attempt(400, step="1.2")], False, [{PLOTLY_MIME}]),
        ([attempt(400, step="1.2")], True, [{PLOTLY_MIME}]),
        ([], False, [set()]),
        ([], True, [set()]),
    ],
)
def test_frames_are_a_widget_only_where_they_can_be_explored(
    shown: list[Handle], observations: list[Observation], live: bool, expected: list[set[str]]
) -> None:
    StepView("1.2", result(*observations), live).frames()
    assert [kinds(handle.bundles[-1]) for handle in shown] == expected
    assert all(handle.bundles[-1]["text/plain"] for handle in shown)


def test_the_widget_follows_the_newest_result(shown: list[Handle]) -> None:
    view = StepView("1.2", result(), True)
    view.frames()
    assert kinds(shown[0].bundles[-1]) == set()
    view.refresh(result(socket(4)))
    assert WIDGET_MIME in shown[0].bundles[-1]
    assert shown[0].bundles[-1]["text/plain"].startswith("0 frames sent, 4 received")


@pytest.mark.parametrize(("live", "expected"), [(False, [{PLOTLY_MIME}]), (True, [{WIDGET_MIME}, {PLOTLY_MIME}])])
def test_attempts_have_a_control_only_where_somebody_can_use_it(shown: list[Handle], live: bool, expected: list[set[str]]) -> None:
    tried = [replace(attempt(101), id="a"), attempt(400, "no Origin")]
    StepView("1.3", replace(result(*tried), step="1.3"), live).stages()
    assert [kinds(handle.bundles[-1]) for handle in shown] == expected
    assert shown[-1].name == "plot stages"
    assert shown[-1].bundles[-1]["text/plain"].endswith("2 attempts compared")


def test_the_table_of_frames_names_sockets_where_there_are_several(shown: list[Handle]) -> None:
    view = StepView("1.2", result(socket(1, "ws://a/quiet"), socket(2, "ws://a/busy")), False)
    view.table("frames")
    table = shown[0].bundles[0][TABLE_MIME]
    assert [row[0] for row in table["rows"]] == ["1 ws://a/busy", "1 ws://a/busy", "2 ws://a/quiet"]
    view.refresh(result(socket(1)))
    assert shown[0].bundles[-1][TABLE_MIME]["columns"][0] == "at (ms)"
