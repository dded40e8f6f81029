"""A live workbook: one step runs again with a change, everything follows, and what is stopped leaves all as it was."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from wsbook.case import Case
from wsbook.errors import SecretMissingError, UsageError
from wsbook.facts import TextFacts
from wsbook.folder import write_investigation
from wsbook.observation import Source, observed
from wsbook.steps import STEPS, Looking, Step
from wsbook.target import parse_target
from wsbook.views import show, workbook
from wsbook.views.controls import StepControls
from wsbook.views.workbook import PARAMETERS, Workbook, open_workbook

GIVEN = {**PARAMETERS, "url": "ws://127.0.0.1:9/ws"}


@pytest.fixture(autouse=True)
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was displayed; nothing is drawn."""
    bundles: list[Any] = []
    monkeypatch.setattr(show, "_display", lambda bundle, **_: bundles.append(bundle))
    return bundles


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Steps 1.1 and 1.3 tell the origin that they were run with, 1.3 only while the gate is open."""
    gate = asyncio.Event()
    gate.set()

    def planted(number: str) -> Callable[[Looking], Any]:
        async def look(look: Looking) -> None:
            look.progress("asking", 0.5)
            if number == "1.3":
                look.add(observed(Source(step=number, probe="begun"), TextFacts(kind="backend_log", program="half")))
                await gate.wait()
            told = TextFacts(kind="backend_log", program=look.target.origin)
            look.add(observed(Source(step=number, probe="told"), told))

        return look

    for number in ("1.1", "1.3"):
        monkeypatch.setitem(STEPS, number, Step(number=number, title="planted", question="?", look=planted(number)))
    return gate


@pytest.fixture
async def book(gate: asyncio.Event, tmp_path: Path) -> AsyncIterator[Workbook]:
    case = Case.open(**{**GIVEN, "record": str(tmp_path / "record")})
    book = Workbook("1", case, GIVEN, live=True)
    book.form()
    await book.step("1.1")
    await book.step("1.3")
    yield book
    book.case.close()


async def until(controls: StepControls, words: str) -> None:
    """Wait until controls tell what goes on in these words."""
    said = asyncio.Event()
    controls._label.observe(lambda change: said.set() if words in change["new"] else None, "value")
    await asyncio.wait_for(said.wait(), timeout=5)


def told(book: Workbook, step: str) -> list[str]:
    view = next(view for view in book._views if view.step == step)
    return [seen.facts.program for seen in view.result.observations if isinstance(seen.facts, TextFacts) and seen.source.probe == "told"]


async def test_a_change_reaches_the_step_and_the_other_forms(book: Workbook) -> None:
    await book.step_again("1.3", {"origin": "https://a.test"})
    assert (told(book, "1.3"), told(book, "1.1")) == (["https://a.test"], [""])
    assert book._form is not None and book._form.parameters["origin"] == "https://a.test"
    assert book.case.record is None
    await book.step_again("1.3", {"url": "ws://127.0.0.1:9/other"})
    assert "another endpoint" in book._controls["1.1"]._label.value


async def test_nothing_changed_runs_in_the_same_record(book: Workbook) -> None:
    await book.step_again("1.3", {})
    assert book.case.record is not None
    assert [seen.source.step for seen in book.case.record.observations()] == ["1.1", "1.3", "1.3"]


@pytest.mark.parametrize("changes", [{}, {"origin": "https://a.test"}])
async def test_what_is_stopped_leaves_everything_as_it_was(book: Workbook, gate: asyncio.Event, changes: dict[str, str]) -> None:
    before, record = book.case.evidence.observations, book.case.record
    gate.clear()
    controls = book._controls["1.3"]
    for name, value in changes.items():
        controls._fields[name].value = value
    controls._button.click()
    await until(controls, "asking")
    controls._stop.click()
    await asyncio.wait([controls._task], timeout=5)
    assert controls._label.value == "stopped; the views show what was seen so far"
    assert sorted(seen.id for seen in book.case.evidence.observations) == sorted(seen.id for seen in before)
    assert book.case.done("1.3") and record is not None and record.done().keys() == {"1.1", "1.3"}
    assert len(record.observations()) == len(before)
    assert told(book, "1.3") == [""]


async def test_runs_come_one_after_another(book: Workbook, gate: asyncio.Event) -> None:
    gate.clear()
    first, second = book._controls["1.3"], book._controls["1.1"]
    first._button.click()
    await until(first, "asking")
    second._button.click()
    await until(second, "waiting")
    gate.set()
    await asyncio.wait([first._task, second._task], timeout=5)
    assert [controls._label.value.partition(" after")[0] for controls in (first, second)] == ["✓ clear as before"] * 2


async def test_a_change_that_cannot_be_used_changes_nothing(book: Workbook) -> None:
    case = book.case
    with pytest.raises(UsageError, match="does not exist"):
        await book.step_again("1.3", {"ca_file": "/not/there.pem"})
    assert book.case is case and told(book, "1.3") == [""]


async def test_the_form_runs_the_phase_with_other_parameters(book: Workbook) -> None:
    assert book._form is not None
    await book.again({**book._form.parameters, "origin": "https://b.test"})
    assert (told(book, "1.1"), told(book, "1.3")) == (["https://b.test"], ["https://b.test"])
    assert book._controls["1.1"].values["url"] == GIVEN["url"]
    assert book._controls["1.3"].changes == {}


async def test_the_lab_stays_when_a_step_of_it_was_changed(gate: asyncio.Event) -> None:
    book = Workbook("1", Case.open(), PARAMETERS, live=True)
    try:
        book.form()
        await book.step("1.3")
        lab, url = book.case._lab, book.case.target.url
        await book.step_again("1.3", {"origin": "https://a.test"})
        assert book._form is not None and book._form.parameters["url"] == url
        await book.again({**book._form.parameters, "origin": "https://b.test"})
        assert told(book, "1.3") == ["https://b.test"]
        assert book.case._lab is lab is not None
    finally:
        book.case.close()


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "ws://127.0.0.1:9/kept"),
        ({"url": "ws://127.0.0.1:9/given"}, "ws://127.0.0.1:9/given"),
        ({"budget": "standard"}, "ws://127.0.0.1:9/kept"),
    ],
)
def test_without_a_target_that_of_the_folder_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_investigation(tmp_path, parse_target("ws://127.0.0.1:9/kept"), budget="standard")
    book = open_workbook("1", given)
    assert book.case.target.url == url
    assert book.case.budget.name == ("quick" if "url" in given else "standard")


async def test_a_secret_that_is_not_there_can_be_typed_in_the_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: asyncio.Event
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOT_THERE", raising=False)
    write_investigation(tmp_path, parse_target("ws://127.0.0.1:9/ws", headers=["Cookie: env:NOT_THERE"]))
    with pytest.raises(SecretMissingError):
        open_workbook("1")
    book = open_workbook("1", {"__vsc_ipynb_file__": "x.ipynb"})
    book.form()
    await book.step("1.3")
    form = book._form
    assert form is not None and form._label.value.startswith("✗ the variable NOT_THERE is not set")
    monkeypatch.setenv("NOT_THERE", "here-now")
    await book.again(form.parameters)
    assert book.case.target.headers == (("Cookie", "${env:NOT_THERE}"),)
    assert form._label.value == "done"


async def test_the_first_notebook_shows_suspects_and_the_others_only_what_was_looked_at(
    gate: asyncio.Event, tmp_path: Path, shown: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {**GIVEN, "record": str(tmp_path / "record")}
    first = Workbook("0", Case.open(**given), given, live=False)
    await first.suspects()
    words = "".join(str(bundle["text/plain"]) for bundle in shown)
    assert "cheapest test" in words and "to look at next: step" in words and first.case.looked == ()

    monkeypatch.setenv("WSBOOK_UNTIL_SURE", "1")
    looked: list[Any] = []

    async def find(case: Case, tell: Any) -> None:
        looked.append(await case.run("1.3"))

    monkeypatch.setattr(workbook, "find_cause", find)
    await Workbook("0", Case.open(**given), given, live=False).suspects()
    assert [result.step for result in looked] == ["1.3"]
    later = Workbook("1", Case.open(**given), given, live=False)
    assert [(await later.step(step)).result.duration_s > 0 for step in ("1.1", "1.3")] == [False, True]
    assert later.case.looked == ("1.3",)
