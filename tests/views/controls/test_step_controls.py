"""A step's controls: what is changed reaches the run, and what the run changed is said."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from wsbook.case import StepResult
from wsbook.errors import UsageError
from wsbook.finding import StepVerdict, Verdict
from wsbook.steps import STEPS
from wsbook.views.controls import StepControls
from wsbook.views.controls.fields import groups, step_fields
from wsbook.views.workbook import PARAMETERS


def result(verdict: Verdict) -> StepResult:
    said = StepVerdict(step="1.3", title="direct test", verdict=verdict, summary="")
    return StepResult(step="1.3", title="direct test", observations=(), findings=(), verdict=said, duration_s=0.25)


def controls_of(outcome: Exception | None = None) -> tuple[StepControls, list[Mapping[str, Any]]]:
    ran: list[Mapping[str, Any]] = []

    async def run(changes: Mapping[str, Any]) -> tuple[StepResult, StepResult]:
        ran.append(changes)
        if outcome is not None:
            raise outcome
        return result(Verdict.FAULT), result(Verdict.CLEAR)

    return StepControls("1.3", {**PARAMETERS, "url": "ws://127.0.0.1/ws"}, run), ran


async def click(controls: StepControls) -> None:
    controls._button.click()
    assert controls._task is not None
    await asyncio.wait([controls._task], timeout=5)


async def test_only_what_was_changed_is_told_and_the_flip_is_said() -> None:
    controls, ran = controls_of()
    controls._fields["origin"].value = "https://shop.test"
    await click(controls)
    await click(controls)
    assert ran == [{"origin": "https://shop.test"}, {}]
    controls._fields["origin"].value = ""
    await click(controls)
    assert controls._label.value == "✗ fault → ✓ clear after 250 ms; changed: Origin"


async def test_an_error_is_said_and_the_change_stays_to_be_run() -> None:
    controls, ran = controls_of(UsageError("no"))
    controls._fields["origin"].value = "x"
    await click(controls)
    assert controls._label.value == "✗ no"
    assert controls.changes == {"origin": "x"} and ran == [{"origin": "x"}]


def test_another_target_is_shown_and_said_to_be_new() -> None:
    controls, _ = controls_of()
    controls.put({**PARAMETERS, "url": "ws://127.0.0.1/other"}, ran=False)
    assert controls._label.value == "! looked at with another endpoint; run it again to follow"
    controls.put({**PARAMETERS, "url": "ws://127.0.0.1/third"}, ran=True)
    assert controls.changes == {} and controls._label.value == "ready"


@pytest.mark.parametrize("step", STEPS)
def test_every_step_has_fields_and_they_are_parameters(step: str) -> None:
    names = step_fields(step)
    assert names and set(names) <= set(PARAMETERS)
    assert StepControls(step, PARAMETERS, controls_of()[0]._run).changes == {}


def test_every_parameter_of_a_target_is_in_the_form_once() -> None:
    names = [name for group in groups().values() for name in group]
    assert sorted(names) == sorted(set(PARAMETERS) - {"url", "record"})
