"""What stands over a step: its parameters, a button that runs it again, and what came of it. Knows nothing of probes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import ipywidgets as w

from wsbook.case import StepResult
from wsbook.finding import Verdict
from wsbook.views.controls.fields import make_fields, on_enter, step_fields, words_of
from wsbook.views.controls.fold import Fold
from wsbook.views.controls.running import Running
from wsbook.views.show import show_widget
from wsbook.words import MARKS, cap, duration_text

__all__ = ["StepControls"]


class StepControls(Running):
    """The controls of one step.

    parameters: those of the case now. run: runs the step with the fields that were changed, by their names, and returns what it said
    before and what it says now.
    """

    def __init__(
        self, step: str, parameters: Mapping[str, Any], run: Callable[[Mapping[str, Any]], Awaitable[tuple[StepResult, StepResult]]]
    ) -> None:
        super().__init__(f"Run {step} again", f"Run step {step} again, with the values that stand under Change", primary=False)
        self.step = step
        self._run = run
        self._fields = make_fields(step_fields(step), parameters)
        self._ran = self.values
        content = w.VBox([field.widget for field in self._fields.values()])
        self._fold = Fold("Change", content, tip=f"Show what step {step} can be run with")
        for field in self._fields.values():
            on_enter(field.widget, self._start)

    @property
    def values(self) -> dict[str, Any]:
        """The values of the step's fields as they are typed now."""
        return {name: field.value for name, field in self._fields.items()}

    @property
    def changes(self) -> dict[str, Any]:
        """The values that are others than those that the step was run with."""
        return {name: value for name, value in self.values.items() if value != self._ran[name]}

    async def _go(self) -> None:
        for field in self._fields.values():
            field.seal()
        values, changes = self.values, self.changes
        before, after = await self._run(changes)
        self._ran = values
        self._label.value = _compared(before, after, [words_of(name) for name in changes])

    def put(self, parameters: Mapping[str, Any], *, ran: bool) -> None:
        """Show other parameters. ran: the step has been run with them; otherwise it is said that it was not."""
        for name, field in self._fields.items():
            field.value = parameters[name]
        if ran:
            self._ran = self.values
            self._label.value = "ready"
        elif self.changes:
            self._label.value = f"! looked at with another {', '.join(map(words_of, self.changes))}; run it again to follow"

    def show(self) -> None:
        """Display the controls."""
        first = w.HBox([self._button, self._stop, self._fold.button, self._state], layout=w.Layout(flex_flow="row wrap"))
        show_widget(w.VBox([first, self._fold.content]), f"controls of step {self.step}; run the cell to use them")


def _compared(before: StepResult, after: StepResult, changed: Sequence[str]) -> str:
    """Return what another run changed, in words: ``✗ fault → ✓ clear after 0.4 s; changed: Origin``."""
    old, new = (f"{MARKS[one.verdict.verdict]} {one.verdict.verdict.value}" for one in (before, after))
    flip = f"{old} → {new}" if old != new else f"{new} as before"
    causes = [cap(finding.cause, 60) for finding in after.findings if finding.verdict is Verdict.FAULT][:3]
    found = f" ({', '.join(causes)})" if causes else ""
    made = f"changed: {', '.join(changed)}" if changed else "nothing was changed"
    return f"{flip}{found} after {duration_text(after.duration_s)}; {made}"
