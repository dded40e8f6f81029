"""The form of a target: the same parameters as papermill's, secrets as references, and target.toml beside the notebook."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ipywidgets as w
import pytest

from wsbook.folder import read_investigation
from wsbook.secret import SEALED
from wsbook.symptoms import symptoms
from wsbook.views.controls import Form
from wsbook.views.controls.fields import Field
from wsbook.views.workbook import PARAMETERS

CONFIG = "server {\n  location /ws { proxy_pass http://app; }\n}\n"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in {*filter(lambda name: name.startswith(SEALED), os.environ), *(f"{SEALED}{number}" for number in range(1, 5))}:
        monkeypatch.setenv(name, "")  # what other tests left is away meanwhile, and what a test moves into the environment goes with it
        monkeypatch.delenv(name)
    return tmp_path


def form_of(**parameters: Any) -> tuple[Form, list[Mapping[str, Any]]]:
    ran: list[Mapping[str, Any]] = []

    async def run(typed: Mapping[str, Any]) -> None:
        ran.append(typed)

    return Form({**PARAMETERS, **parameters}, "ws://127.0.0.1:1/ws", run), ran


async def press_enter(form: Form) -> None:
    form._url._handle_msg({"content": {"data": {"method": "custom", "content": {"event": "submit"}}}, "buffers": []})
    assert form._task is not None
    await asyncio.wait([form._task], timeout=5)


def test_what_is_not_touched_is_what_was_given() -> None:
    given = {**PARAMETERS, "url": "wss://shop.test/ws", "subprotocols": "a; b", "budget": "standard", "owned": True, "record": "r"}
    assert form_of(**given)[0].parameters == given


async def test_enter_runs_with_what_is_typed_and_secrets_become_references() -> None:
    form, ran = form_of()
    form._url.value = "wss://shop.test/ws?token=abcdefgh1"
    form._fields["headers"].value = "X-Debug: 1"
    form._fields["trigger"].value = "POST http://shop.test/p?key=abcdefgh2 {marker}"
    await press_enter(form)
    assert ran[0]["url"] == form._url.value == "wss://shop.test/ws?token=${env:WSBOOK_SECRET_1}"
    assert ran[0]["trigger"] == "POST http://shop.test/p?key=${env:WSBOOK_SECRET_2} {marker}"
    assert ran[0]["headers"] == "X-Debug: 1"
    assert os.environ["WSBOOK_SECRET_1"] == "abcdefgh1"
    assert not [state for state in states(form) if "abcdefgh" in state]


def states(form: Form) -> list[str]:
    """Return the state of every control of the form, which Jupyter may save with the notebook."""
    seen, left = [], [form._view]
    while left:
        one = left.pop()
        seen.append(str(one.get_state()))
        left += one.children if isinstance(one, w.Box) else ()
    assert len(seen) > 50
    return seen


@pytest.mark.parametrize("typed", ["https://shop.test/ws?token=abcdefgh1", "wss://shop.test/ws?token=abcdefgh1 "])
def test_what_is_said_of_an_address_does_not_repeat_its_secret(typed: str) -> None:
    form, _ = form_of(url=typed)
    said = [form._meant.description, form._meant.tooltip, *(part.value for part in form._parts.children)]
    assert form._meant.description.startswith("Use wss://shop.test/ws?token=***")
    assert not [text for text in said if "abcdefgh" in text]


async def test_what_is_no_endpoint_does_not_run_and_what_was_meant_is_offered() -> None:
    form, ran = form_of()
    form._url.value = "https://shop.test/ws"
    form._url._handle_msg({"content": {"data": {"method": "custom", "content": {"event": "submit"}}}, "buffers": []})
    assert form._task is None and ran == [] and form._button.disabled
    assert form._meant.description == "Use wss://shop.test/ws"
    form._meant.click()
    assert form._url.value == "wss://shop.test/ws"
    assert not form._button.disabled and form._meant.layout.display == "none"


async def test_the_target_is_saved_beside_the_notebook_with_what_was_handed_over(place: Path) -> None:
    form, _ = form_of(url="wss://shop.test/ws", budget="standard")
    handed = form.handed
    handed._text.value = CONFIG
    handed._keep.click()
    assert not form._fields["configs"].value.startswith(str(place))
    form._save.click()
    assert form._label.value == f"saved as {place}/target.toml"
    stored = read_investigation(place)
    assert stored is not None and stored.budget == "standard"
    assert stored.target.configs == (str(place / "artifacts" / "nginx.conf"),)
    assert (place / "artifacts" / "nginx.conf").read_text() == CONFIG
    assert form._fields["configs"].value == stored.target.configs[0]


def test_a_target_that_cannot_be_used_is_not_saved(place: Path) -> None:
    form, _ = form_of(url="wss://shop.test/ws", forward_proxy="nonsense")
    form._save.click()
    assert form._label.value.startswith("✗ URL 'nonsense' has no scheme")
    assert not (place / "target.toml").exists()


def test_a_saved_secret_is_a_reference_and_it_is_said_that_it_is_needed_again(place: Path) -> None:
    form, _ = form_of(url="wss://shop.test/ws?token=abcdefgh1")
    form._save.click()
    assert "must be typed again" in form._label.value
    assert "abcdefgh1" not in (place / "target.toml").read_text()


def test_a_symptom_is_typed_or_chosen_from_the_list() -> None:
    field = Field("symptom", "1006 after lunch")
    assert field.widget.options == tuple(one.title for one in symptoms().values())
    assert field.value == "1006 after lunch"
    field.value = field.widget.options[9]
    assert field.value == "502 Bad Gateway"
