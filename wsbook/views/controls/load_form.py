"""The form of a load of one's own. Knows nothing of how it is sent."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import ipywidgets as w

from wsbook.views.controls.running import Running
from wsbook.views.show import show_widget

__all__ = ["LoadForm"]

_FIGURES = {"rate": "messages/s", "connections": "connections", "size_bytes": "size (B)", "seconds": "seconds"}
_MOST = 10_000_000


class LoadForm(Running):
    """The form of a load of one's own. run: what the button starts, with the figures by their names."""

    def __init__(self, figures: Mapping[str, float], run: Callable[[Mapping[str, float]], Awaitable[None]]) -> None:
        super().__init__("Send this load")
        self._run = run
        self._fields = {name: self._figure(name, value) for name, value in figures.items()}

    def _figure(self, name: str, value: float) -> Any:
        kind = w.BoundedIntText if isinstance(value, int) else w.BoundedFloatText
        style = {"description_width": "initial"}
        return kind(value=value, min=0, max=_MOST, description=_FIGURES.get(name, name), style=style, layout=w.Layout(width="13em"))

    async def _go(self) -> None:
        await self._run({name: field.value for name, field in self._fields.items()})
        self.progress("", 1.0)

    def show(self) -> None:
        """Display the form."""
        first = w.HBox([*self._fields.values(), self._button, self._stop], layout=w.Layout(flex_flow="row wrap"))
        show_widget(w.VBox([first, self._state]), "form of a load of one's own; run the cell to use it")
