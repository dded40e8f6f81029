"""One step of a notebook on the screen: its picture, its tables, its sentence and its verdict, all of one result.

Shows and nothing else; runs no step and judges nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from wsbook.case import StepResult
from wsbook.facts import SessionFacts
from wsbook.observation import Outcome
from wsbook.views import charts, show, tables
from wsbook.views.show import Shown
from wsbook.views.step_offers import PLOTS, TABLES, WANTING
from wsbook.words import MARKS, cap, duration_text

__all__ = ["StepView"]


class StepView:
    """One step of a notebook: its newest result, and the views that show it."""

    def __init__(self, step: str, result: StepResult, live: bool) -> None:
        self.step = step
        self.result = result
        self._live = live
        self._shown: list[Shown] = []

    def _show(self, make: Callable[[], Mapping[str, Any]], view: str) -> Shown:
        shown = show.show(make, step=self.step, view=view, live=self._live)
        self._shown.append(shown)
        return shown

    def refresh(self, result: StepResult) -> None:
        """Show another result in every view."""
        self.result = result
        for shown in self._shown:
            shown.refresh()

    def _nothing(self, view: str = "") -> str:
        reasons = [cap(seen.failure.message, 160) for seen in self.result.observations if seen.outcome is Outcome.NOT_RUN and seen.failure]
        return f"nothing to show: {'; '.join(dict.fromkeys(reasons)) or WANTING.get(view, 'nothing of this kind was seen')}"

    def _picture(self, name: str) -> Mapping[str, Any]:
        plots = PLOTS.get(self.step, ())
        named = [plot for plot in plots if not name or getattr(plot, "__name__", "") == f"plot_{name}"]
        drawn = (plot(self.result.observations) for plot in named)
        picture = next((one for one in drawn if one is not None), None)
        return show.bundle_picture(picture) if picture else show.bundle_line(self._nothing(f"plot {name}"))

    def plot(self, name: str = "") -> None:
        """Show the step's picture of this name, the first that can be drawn by default, or the sentence why there is none."""
        self._show(lambda: self._picture(name), f"plot {name}".strip())

    def table(self, name: str = "") -> None:
        """Show one of the step's tables by its name in TABLES; the main one, or the first that has rows, by default."""

        def make() -> Mapping[str, Any]:
            known = TABLES[self.step]
            built = (known[key](self.result.observations) for key in ([name] if name else known))
            table = next((one for one in built if not one.empty), pd.DataFrame())
            return show.bundle_table(table, self._nothing(f"table {name}"))

        self._show(make, f"table {name}".strip())

    def frames(self) -> None:
        """Show what each socket carried: where it can be explored, a picture and a table that belong together, else a plot and a table.

        Where no frame was kept, the step's first picture.
        """
        if self._live:
            from wsbook.views.recorded_frames import RecordedFrames, sockets_of

            widget = RecordedFrames()

            def make() -> Mapping[str, Any]:
                sockets = sockets_of(self.result.observations)
                widget.take(sockets)
                return show.bundle_widget(widget, self._picture("frames")) if sockets else self._picture("")

            self._show(make, "frames")
            return
        self.plot()
        if any(facts.frames for _, facts in tables.rows_of(self.result.observations, SessionFacts)):
            self.table("frames")

    def stages(self) -> None:
        """Show where the time of each attempt goes, against the baseline; where it can be explored, with a control that chooses them."""
        if not self._live:
            self.plot("stages")
            return
        from wsbook.views.attempt_picker import AttemptPicker

        picker = AttemptPicker(lambda: drawn.refresh())

        def make() -> Mapping[str, Any]:
            picker.take(self.result.observations)
            picture = charts.plot_stages(self.result.observations, **picker.choice)
            return show.bundle_picture(picture) if picture else show.bundle_line(self._nothing("plot stages"))

        show.show(lambda: show.bundle_widget(picker, {"text/plain": ""}))
        drawn = self._show(make, "plot stages")

    def findings(self) -> None:
        """Show the step's sentence and what was found."""

        def line() -> Mapping[str, Any]:
            verdict = self.result.verdict
            return show.bundle_line(f"{MARKS[verdict.verdict]} {cap(verdict.summary, 400)}  ({duration_text(self.result.duration_s)})")

        def make() -> Mapping[str, Any]:
            table = tables.table_findings(self.result.findings)
            return show.bundle_table(table, "no finding of this step")

        self._show(line, "summary")
        self._show(make, "findings")

    def verdict(self) -> None:
        """Show the verdict in words that only change when the verdict changes."""
        self._show(lambda: show.bundle_verdicts((self.result.verdict,), self.result.findings), "verdict")
