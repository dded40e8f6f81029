"""The forms: what is typed reaches what runs, and what goes wrong is said."""

import asyncio
from collections.abc import Mapping

import pytest

from wsbook.errors import UsageError
from wsbook.views.controls import LoadForm


def form_of(outcome: Exception | None = None) -> tuple[LoadForm, list[Mapping[str, float]]]:
    ran: list[Mapping[str, float]] = []

    async def run(figures: Mapping[str, float]) -> None:
        ran.append(figures)
        if outcome is not None:
            raise outcome

    return LoadForm({"rate": 500.0, "connections": 10}, run), ran


async def click(form: LoadForm) -> None:
    form._button.click()
    assert form._task is not None
    await asyncio.wait([form._task], timeout=5)


async def test_the_figures_as_typed_are_sent() -> None:
    form, ran = form_of()
    form._fields["rate"].value = 750
    await click(form)
    assert ran == [{"rate": 750.0, "connections": 10}]
    assert form._label.value == "done"
    assert not form._button.disabled and form._stop.disabled


@pytest.mark.parametrize(
    ("error", "words"),
    [(UsageError("rate -1 is not within 0..9"), "✗ rate -1 is not within 0..9"), (KeyError("x"), "✗ error in wsbook: KeyError: 'x'")],
)
async def test_what_goes_wrong_is_said_in_the_form(error: Exception, words: str) -> None:
    form, _ = form_of(error)
    await click(form)
    assert form._label.value == words
    assert not form._button.disabled
