"""The hops of a form: a row for each place behind the endpoint, checked while it is typed."""

from collections.abc import Callable
from typing import Any

import ipywidgets as w

from wsbook.errors import UsageError
from wsbook.target import parse_endpoint, parse_hop
from wsbook.views.controls.endpoint import meant_endpoint
from wsbook.views.controls.rows import Rows
from wsbook.words import cap

__all__ = ["hop_rows"]


class _HopRow:
    """One hop: its name and the URL that reaches it directly."""

    def __init__(self, text: str, changed: Callable[[], None]) -> None:
        name, _, url = text.partition("=")
        self._changed = changed
        self._name = w.Text(value=name.strip(), placeholder="app", description="hop", layout=w.Layout(width="13em"))
        room = w.Layout(flex="1 1 18em", min_width="12em")
        self._url = w.Text(value=url.strip(), placeholder="ws://127.0.0.1:8000/ws", description="at", tooltip="URL of the hop", layout=room)
        self._name.style.description_width, self._url.style.description_width = "3em", "2em"
        self._verdict = w.Label()
        self.controls: tuple[Any, ...] = (self._name, self._url, self._verdict)
        for field in (self._name, self._url):
            field.observe(self._check, "value")
        self._check()

    @property
    def text(self) -> str:
        """NAME=URL; "" for an empty row."""
        name, url = self._name.value.strip(), self._url.value.strip()
        return f"{name or 'hop'}={url}" if url else ""

    def _said(self) -> str:
        if not self.text:
            return "– empty: not used"
        try:
            hop = parse_hop(self.text)
        except UsageError as error:
            meant = meant_endpoint(self._url.value)
            return f"✗ {f'write {cap(meant, 80)}' if meant else cap(str(error), 120)}"
        place = parse_endpoint(hop.url)
        return f"✓ {cap(place.host, 40)}, port {place.port}, path {cap(place.path, 40)}"

    def _check(self, _: Any = None) -> None:
        self._verdict.value = self._said()
        self._changed()


def _entries(text: str) -> list[str]:
    return [part.strip() for line in text.splitlines() for part in line.split(";") if part.strip()]


def hop_rows(value: str = "") -> Rows:
    """Return the rows of the hops that a text names, as in the notebooks' parameter."""
    return Rows("hop", _HopRow, _entries, value)
