"""The fields that forms consist of. Which there are stands in fields.toml."""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import ipywidgets as w

from wsbook.datafile import read_table
from wsbook.redact import seal, seal_protocols
from wsbook.secret import has_reference
from wsbook.symptoms import symptoms
from wsbook.views.controls.headers import header_rows
from wsbook.views.controls.hops import hop_rows
from wsbook.views.controls.rows import Rows

__all__ = ["Field", "groups", "make_fields", "on_enter", "step_fields", "words_of"]

_BUDGETS = ("quick", "standard", "thorough")
_SHOWN_WIDTH = "110px"


@cache
def _table() -> dict[str, Any]:
    return read_table("views/controls/fields.toml")


def groups() -> dict[str, list[str]]:
    """Return the groups of the target's form: title → names of fields."""
    return dict(_table()["groups"])


def step_fields(step: str) -> tuple[str, ...]:
    """Return the names of the fields that matter to a step."""
    return tuple(_table()["steps"].get(step, ()))


def words_of(name: str) -> str:
    """Return what stands beside a field."""
    return str(_table()["field"][name]["words"])


class Field:
    """One parameter that can be typed. widget: what is shown; value: as the notebooks' parameter has it."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        about = _table()["field"][name]
        self._kind = about.get("kind", "text")
        self._rows: Rows | None = None
        if self._kind in ("headers", "hops"):
            self._rows = (header_rows if self._kind == "headers" else hop_rows)(str(value))
            self.widget = _beside(about["words"], self._rows.widget)
        else:
            self.widget = self._control(about["words"], about.get("hint", ""))
            self.value = value

    def _control(self, words: str, hint: str) -> Any:
        layout, style = w.Layout(width="98%"), {"description_width": _SHOWN_WIDTH}
        if self._kind == "budget":
            return w.Dropdown(options=_BUDGETS, description=words, tooltip=words, style=style)
        if self._kind == "switch":
            return w.Checkbox(description=words, indent=False, layout=layout)
        if self._kind == "symptom":
            titles = [one.title for one in symptoms().values()]
            return w.Combobox(options=titles, description=words, placeholder=hint, tooltip=hint, layout=layout, style=style)
        return w.Text(description=words, placeholder=hint, tooltip=hint or words, layout=layout, style=style)

    @property
    def value(self) -> Any:
        """What is typed now."""
        return self._rows.value if self._rows else self.widget.value

    @value.setter
    def value(self, value: Any) -> None:
        if self._rows:
            self._rows.value = str(value)
        elif self._kind == "switch":
            self.widget.value = bool(value)
        else:
            self.widget.value = str(value) if self._kind != "budget" or value in _BUDGETS else _BUDGETS[0]

    def observe(self, changed: Callable[[], None]) -> None:
        """Call changed whenever the value is another."""
        if self._rows:
            self._rows.observe(changed)
        else:
            self.widget.observe(lambda _: changed(), "value")

    def seal(self) -> None:
        """Move secrets in the text into the environment, and show references in their place."""
        if self._kind in ("text", "symptom"):
            protocols = self.name == "subprotocols"
            sealed = seal_protocols(self.value.replace(";", ","), os.environ) if protocols else seal(self.value, os.environ)
            if has_reference(sealed) and sealed != self.value:
                self.value = sealed


def _beside(words: str, widget: Any) -> Any:
    label = w.Label(value=words, layout=w.Layout(flex=f"0 0 {_SHOWN_WIDTH}", justify_content="flex-end"))
    widget.layout.flex = "1 1 auto"
    return w.HBox([label, widget])


def make_fields(names: Iterable[str], values: Mapping[str, Any]) -> dict[str, Field]:
    """Return the fields of these names, each with its value."""
    return {name: Field(name, values[name]) for name in names}


def on_enter(widget: Any, act: Callable[[], None]) -> None:
    """Call act when Enter is pressed in a text; other controls are left alone."""
    if isinstance(widget, w.Text):
        widget.on_msg(lambda _, content, __: act() if content.get("event") == "submit" else None)
