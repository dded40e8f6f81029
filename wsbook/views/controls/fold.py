"""A part of a form that is folded until somebody opens it. The Accordion of ipywidgets has no key that opens it; a button has."""

from typing import Any

import ipywidgets as w

__all__ = ["Fold"]


class Fold:
    """A button and what it opens, to be placed as the form likes."""

    def __init__(self, title: str, content: Any, *, tip: str = "") -> None:
        self.content = content
        self.button = w.ToggleButton(description=title, tooltip=tip or title, icon="caret-right", layout=w.Layout(width="auto"))
        self.button.observe(self._turn, "value")
        self._turn()

    def _turn(self, _: Any = None) -> None:
        self.content.layout.display = "flex" if self.button.value else "none"
        self.button.icon = "caret-down" if self.button.value else "caret-right"
