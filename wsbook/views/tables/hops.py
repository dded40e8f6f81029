"""The same upgrade hop by hop: how far it gets, who answers, and what each hop changes in the answer."""

from collections.abc import Iterable

import pandas as pd

from wsbook.describe import outcome_text
from wsbook.echoed import request_changes, request_changes_text
from wsbook.finding import Verdict
from wsbook.hops import Place, State, changes_on_the_way, changes_text, find_break, places, writer
from wsbook.observation import Observation
from wsbook.views.tables.frames import frame, milliseconds
from wsbook.views.tables.handshake import answered_s
from wsbook.words import MARKS, cap

__all__ = ["table_hops"]

_MARKS = {
    State.PASSES: MARKS[Verdict.CLEAR],
    State.REFUSES: MARKS[Verdict.FAULT],
    State.SILENT: MARKS[Verdict.FAULT],
    State.UNREACHABLE: MARKS[Verdict.UNKNOWN],
}


def table_hops(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return one row for each place that was tried, the application first and the endpoint last; hops in the order of their attempts.

    What changes in the request is known only of applications that echo it.
    """
    kept = tuple(observations)
    names = dict.fromkeys(seen.source.hop for seen in kept if seen.source.probe == "upgrade" and not seen.source.changed)
    chain = places([name for name in names if name != "endpoint"], kept)
    broken = find_break(chain)
    changed = {name: changes_text(changes) for name, changes in changes_on_the_way(chain, kept)}
    rows = [
        {
            "tried at": place.name,
            "upgrade": f"{_MARKS[place.state]} {_result(place)}",
            "broken": "◀ first broken" if broken is not None and broken.bad.name == place.name else "",
            "time (ms)": milliseconds(answered_s(place.seen)),
            "answer written by": writer(place, chain, kept),
            "changes in the answer": cap(changed.get(place.name, ""), 300),
            "changes in the request": cap(request_changes_text(request_changes(place.facts)), 300),
        }
        for place in chain
    ]
    shown = [] if not any(row["changes in the request"] for row in rows) else ["changes in the request"]
    return frame(rows, ["tried at", "upgrade", "broken", "time (ms)", "answer written by", "changes in the answer", *shown])


def _result(place: Place) -> str:
    if place.facts.status is None and place.seen.failure is not None:
        away = "not reachable from here: " if place.state is State.UNREACHABLE else ""
        return f"{away}{place.seen.failure.reason.value}"
    needs = f" ({'; '.join(place.needs)})" if place.needs else ""
    return f"{outcome_text(place.facts)}{needs}"
