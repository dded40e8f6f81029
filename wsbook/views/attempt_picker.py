"""The control beside a waterfall of attempts: which are compared, against which, on one axis or each on its own.

What is offered travels by messages, so that no notebook keeps it in its widget state.
"""

from collections.abc import Callable, Iterable
from typing import Any

import anywidget

from wsbook.observation import Observation
from wsbook.views.attempts import attempt_names, attempts_of, baseline_of, ending
from wsbook.views.modules import css, esm

__all__ = ["AttemptPicker"]

_SHOWN, _MOST = 14, 200
"""Attempts that are shown before anybody chooses, and that can be chosen from."""


class AttemptPicker(anywidget.AnyWidget):
    """Attempts to choose from. changed: called when somebody chose."""

    _esm = esm("attempts.js")
    _css = css("frames.css", "attempts.css")

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._changed = changed
        self.content: dict[str, Any] = {"attempts": [], "chosen": [], "baseline": 0, "own_axis": False}
        self.on_msg(self._heard)

    def take(self, observations: Iterable[Observation]) -> None:
        """Offer these attempts; when they are others than before, the choice begins anew."""
        tried = attempts_of(observations)[:_MOST]
        names = attempt_names(tried)
        offered = [{"name": name, "ending": ending(seen)} for name, seen in zip(names, tried, strict=True)]
        if [one["name"] for one in self.content["attempts"]] != names:
            self.content = {
                "attempts": offered,
                "chosen": list(range(len(tried)))[:_SHOWN],
                "baseline": baseline_of(tried),
                "own_axis": False,
            }
        else:
            self.content = {**self.content, "attempts": offered}
        self._tell()

    @property
    def choice(self) -> dict[str, Any]:
        """What is chosen, as plot_stages takes it."""
        return {name: self.content[name] for name in ("chosen", "baseline", "own_axis")}

    def _tell(self) -> None:
        self.send({"kind": "attempts", **self.content})

    def _heard(self, _: Any, asked: Any, buffers: Any) -> None:
        kind = asked.get("kind") if isinstance(asked, dict) else ""
        if kind == "ask":
            self._tell()
        elif kind == "choose" and self.content["attempts"]:
            self._choose(asked)
            self._changed()

    def _choose(self, asked: dict[str, Any]) -> None:
        known = range(len(self.content["attempts"]))
        wanted, baseline = asked.get("chosen"), asked.get("baseline")
        if isinstance(wanted, list):
            self.content["chosen"] = [one for one in wanted if one in known]
        if baseline in known:
            self.content["baseline"] = baseline
        self.content["own_axis"] = bool(asked.get("own_axis"))
