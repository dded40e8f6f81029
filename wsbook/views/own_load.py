"""A load of one's own in a notebook: its form, and what came of it. Nothing of it is recorded."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from wsbook.observation import Observation
from wsbook.steps.own_load import OwnLoad, own_load_command, send_own_load
from wsbook.target import Target
from wsbook.views import charts_load, charts_moments, show, tables
from wsbook.views.show import Shown
from wsbook.words import cap

__all__ = ["show_own_load"]


def show_own_load(target: Callable[[], Target], *, live: bool) -> None:
    """Show the form and what came of it; where nobody can use a form, the command that sends the same. target: that of the moment."""
    if not live:
        show.show(lambda: show.bundle_line(f"a load of your own: {own_load_command(target())}"), view="own load")
        return
    from wsbook.views.controls import LoadForm

    seen: list[Observation] = []
    shown: list[Shown] = []

    async def run(figures: Mapping[str, float]) -> None:
        wanted = msgspec.convert(figures, OwnLoad)
        seen[:] = [await send_own_load(target(), wanted, form.progress)]
        for one in shown:
            one.refresh()

    form = LoadForm(msgspec.to_builtins(OwnLoad()), run)
    form.show()
    shown += [show.show(lambda: _own_picture(seen), live=True), show.show(lambda: _own_table(seen), live=True)]


def _own_picture(seen: list[Observation]) -> Mapping[str, Any]:
    """Return what came of a load of one's own; the reason when nothing was sent, and a blank before the first."""
    drawn = (plot(seen) for plot in (charts_moments.plot_moments, charts_load.plot_load))
    picture = next((one for one in drawn if one is not None), None)
    reason = next((one.failure.message for one in seen if one.failure), "")
    return show.bundle_picture(picture) if picture else show.bundle_line(cap(reason, 300))


def _own_table(seen: list[Observation]) -> Mapping[str, Any]:
    return show.bundle_table(tables.table_load(seen), "")
