"""The headers of a form: a row for each, whose value is a reference wherever it is a secret.

A secret that is typed is moved into the kernel's environment at once; neither a control nor the notebook keeps it.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as w

from wsbook.errors import UsageError
from wsbook.parameters import header_lines
from wsbook.redact import seal_header, seal_whole
from wsbook.secret import has_reference, reference_names
from wsbook.target import parse_header
from wsbook.views.controls.rows import Rows
from wsbook.words import cap

__all__ = ["header_rows"]

_KINDS = {"variable": "env", "file": "file", "text": "", "secret": ""}
_HINTS = {"variable": "NAME of the variable that holds the value", "file": "/path/of/the/file", "text": "value", "secret": ""}
_WHOLE = re.compile(r"\$\{(env|file):([^}\s]+)\}|(env):(\w+)")
_NAME = re.compile(r"[A-Za-z_]\w{0,79}", re.ASCII)
_CHECKED = {"env": lambda name: name in os.environ, "file": lambda name: os.access(name, os.R_OK) and Path(name).is_file()}


def _sealed_value(name: str, value: str) -> str:
    """Return a header's value with what is secret in it moved into the environment."""
    return seal_header(f"{name}:{value}", os.environ).removeprefix(f"{name}:").strip()


class _HeaderRow:
    """One header: its name, where its value is, and the value or its place."""

    def __init__(self, text: str, changed: Callable[[], None]) -> None:
        name, _, value = text.partition(":")
        self._changed = changed
        self._putting = False
        self._name = w.Text(value=name.strip(), placeholder="Authorization", description="header", layout=w.Layout(width="17em"))
        self._kind = w.Dropdown(options=tuple(_KINDS), value="variable", description="from", layout=w.Layout(width="12em"))
        room = {"flex": "1 1 14em", "min_width": "10em"}
        self._value = w.Text(continuous_update=False, description="value", tooltip="value of the header, or its place", layout=room)
        hint = "moved into a variable when you leave the field"
        self._typed = w.Password(continuous_update=False, description="secret", tooltip=hint, placeholder=hint, layout=room)
        self._verdict = w.Label()
        self.controls: tuple[Any, ...] = (self._name, self._kind, self._value, self._typed, self._verdict)
        for control in self.controls[:-1]:
            control.style.description_width = "4em"
        self._put(value.strip())
        for field in (self._name, self._kind, self._value):
            field.observe(self._check, "value")
        self._typed.observe(self._take, "value")
        self._check()

    @property
    def text(self) -> str:
        """Name: value; "" for an empty row."""
        name, value = self._name.value.strip(), self._value.value.strip()
        kind = _KINDS[self._kind.value]
        return f"{name}: {f'${{{kind}:{value}}}' if kind else value}" if name and value else ""

    def _put(self, value: str) -> None:
        """Show a value: its place where it is one reference."""
        self._putting = True
        whole = _WHOLE.fullmatch(value)
        if whole:
            self._kind.value = "variable" if "env" in (whole[1], whole[3]) else "file"
            self._value.value = whole[2] or whole[4]
        elif value:
            self._kind.value = "text"
            self._value.value = value
        self._putting = False

    def _take(self, _: Any = None) -> None:
        """Move a typed secret into the environment."""
        if self._typed.value:
            reference = seal_whole(self._typed.value, os.environ)
            self._typed.value = ""
            self._put(reference)
            self._check()

    def _said(self) -> str:
        if not self.text:
            return "– empty: not used"
        try:
            parse_header(self.text)
        except UsageError as error:
            return f"✗ {cap(str(error), 120)}"
        missing = [name for name in reference_names(self.text.partition(": ")[2]) if not _is_there(name)]
        if missing:
            return f"✗ {cap(missing[0], 60)} is not there; set it before the kernel starts, or choose secret and type it"
        return "✓ a reference; the value is read when dialling" if has_reference(self.text.partition(": ")[2]) else "✓ sent as it stands"

    def _check(self, _: Any = None) -> None:
        if self._putting:
            return
        if self._kind.value == "text" and self._value.value.strip():
            kept = _sealed_value(self._name.value, self._value.value)
            if kept != self._value.value:
                self._put(kept)
        elif self._kind.value == "variable" and self._value.value and not _NAME.fullmatch(self._value.value.strip()):
            self._put(seal_whole(self._value.value.strip(), os.environ))  # no name of a variable: the value itself was typed
        secret = self._kind.value == "secret"
        self._typed.layout.display, self._value.layout.display = ("flex", "none") if secret else ("none", "flex")
        self._value.placeholder = _HINTS[self._kind.value]
        self._verdict.value = self._said()
        self._changed()


def _is_there(reference: str) -> bool:
    kind, _, name = reference.partition(":")
    return bool(_CHECKED[kind](name))


def header_rows(value: str = "") -> Rows:
    """Return the rows of the headers that a text names, as in the notebooks' parameter."""
    return Rows("header", _HeaderRow, header_lines, value)
