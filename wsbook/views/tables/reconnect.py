"""What a page did after each interruption of its socket, as a plain data frame. Judges nothing."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from wsbook.facts import OutageFacts
from wsbook.observation import Observation
from wsbook.rules.interruptions import shown_outage, spacing_of
from wsbook.views.tables.frames import frame, rows_of
from wsbook.words import cap

__all__ = ["table_outages"]

_COLUMNS = (
    *("interruption", "noticed (s)", "attempts", "spacing", "back after (s)", "said again", "heard again"),
    *("handler runs", "sockets", "missed"),
)


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _spacing(facts: OutageFacts) -> str:
    if facts.answer == "open" or not facts.redials:
        return ""
    spacing = spacing_of(facts)
    base = f" {spacing.base_s:.2g} s" if spacing.base_s is not None and spacing.kind != "immediate" else ""
    jitter = f" ±{100 * spacing.jitter:.0f} %" if spacing.jitter > 0 else ""
    return f"{spacing.kind}{base}{jitter}"


def _share(before: Iterable[str], after: Iterable[str]) -> str:
    """Return how many of the texts came again, such as "2 of 3"; "" when there were none."""
    wanted, got = set(before), set(after)
    return f"{len(wanted & got)} of {len(wanted)}" if wanted else ""


def _back(facts: OutageFacts) -> str | float | None:
    if facts.reopened_s is None and facts.early_s is not None and facts.way != "stall":
        return f"about {facts.early_s:.2g}, by its clock"
    return _seconds(facts.reopened_s)


def _noticed(facts: OutageFacts) -> str | float | None:
    if facts.noticed_s is None and facts.early_s is not None:
        return f"about {facts.early_s:.2g}, by its clock"
    return _seconds(facts.noticed_s)


def _row(facts: OutageFacts) -> dict[str, Any]:
    back = facts.connected
    runs = f"{facts.runs_before:.2g} → {facts.runs_after:.2g}" if facts.runs_before is not None and facts.runs_after is not None else ""
    repeated = f"; {facts.repeated[0][0]} ×{facts.repeated[0][2]:.2g}" if facts.repeated else ""
    return {
        "interruption": shown_outage(facts),
        "noticed (s)": _noticed(facts),
        "attempts": len(facts.redials),
        "spacing": _spacing(facts),
        "back after (s)": _back(facts),
        "said again": _share(facts.said_before, facts.said_after) if back else "",
        "heard again": _share((name for name, _ in facts.heard_before), (name for name, _ in facts.heard_after)) if back else "",
        "handler runs": cap(f"{runs}{repeated}", 80),
        "sockets": f"{facts.open_before} → {facts.open_sockets}",
        "missed": f"{len(facts.missed)} of {len(facts.published)}" if facts.published and back else "",
    }


def table_outages(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each interruption, in order: when the page noticed, how it dialled, when it was back, and what was then as before."""
    return frame([_row(facts) for _, facts in rows_of(observations, OutageFacts)], _COLUMNS)
