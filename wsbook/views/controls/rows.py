"""A list in a form, one row of controls for each entry, with buttons that add and remove. Knows nothing of what an entry is."""

from collections.abc import Callable
from typing import Any, Protocol

import ipywidgets as w

__all__ = ["Row", "Rows"]


class Row(Protocol):
    """One entry. text: as the notebooks' parameter has it, "" for an empty row. controls: from left to right."""

    controls: tuple[Any, ...]

    @property
    def text(self) -> str:
        """The entry as it is typed."""


class Rows:
    """A list of entries. make: a row of a text, "" for an empty one; split: the entries in a text."""

    def __init__(
        self, noun: str, make: Callable[[str, Callable[[], None]], Row], split: Callable[[str], list[str]], value: str = ""
    ) -> None:
        self._make = make
        self._split = split
        self._noun = noun
        self._rows: list[Row] = []
        self._told: list[Callable[[], None]] = []
        self._box = w.VBox()
        add = w.Button(description=f"Add a {noun}", tooltip=f"Add a {noun}", icon="plus")
        add.layout = w.Layout(width="auto", align_self="flex-start")
        add.on_click(lambda _: self._add(""))
        self.widget = w.VBox([self._box, add])
        self.value = value

    @property
    def value(self) -> str:
        """The entries, one a line; empty rows left out."""
        return "\n".join(row.text for row in self._rows if row.text)

    @value.setter
    def value(self, text: str) -> None:
        if text != self.value or not self._rows:
            self._rows = [self._make(entry, self._changed) for entry in self._split(text)]
            self._draw()
            self._changed()

    def observe(self, changed: Callable[[], None]) -> None:
        """Call changed whenever an entry is another."""
        self._told.append(changed)

    def _changed(self) -> None:
        for tell in self._told:
            tell()

    def _add(self, text: str) -> None:
        self._rows.append(self._make(text, self._changed))
        self._draw()

    def _remove(self, row: Row) -> None:
        self._rows = [one for one in self._rows if one is not row]
        self._draw()
        self._changed()

    def _draw(self) -> None:
        self._box.children = tuple(self._line(row, number) for number, row in enumerate(self._rows, 1))

    def _line(self, row: Row, number: int) -> Any:
        remove = w.Button(description="Remove", tooltip=f"Remove {self._noun} {number}", icon="trash", layout=w.Layout(width="auto"))
        remove.on_click(lambda _: self._remove(row))
        return w.HBox([*row.controls, remove], layout=w.Layout(flex_flow="row wrap"))
