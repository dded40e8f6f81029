"""Pictures of several instances: which of them answered each connection, and what each subscriber of a broadcast received.

Judges nothing. Each plot_ function returns None when the observations hold nothing that it could draw.
"""

from collections.abc import Iterable

import numpy as np
import plotly.graph_objects as go

from wsbook.facts import AffinityFacts, BroadcastFacts, Visit
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.rules.cluster import Spread, spread_of
from wsbook.rules.reach import missing_of
from wsbook.views.drawing import CONTROL, RECEIVED, SENT, VERDICT_COLOURS, WARNING, Picture, column, figure, label, picture
from wsbook.views.tables import rows_of
from wsbook.words import quantity

__all__ = ["plot_broadcast", "plot_instances"]

_LOOKS = {
    "plain": ("no cookie", RECEIVED, "circle"),
    "cookie": ("with its cookie", SENT, "square"),
    "source": ("other addresses", CONTROL, "diamond"),
    "direct": ("directly", WARNING, "triangle-up"),
}
"""Series of connections → its name, colour and mark."""
_ROWS = 10


def _title(spread: Spread, total: int) -> str:
    made = quantity(total, "connection")
    stays = {
        "none": f"{made} of one client went to {spread.words}: it is bound to no instance",
        "cookie": f"a client stays at its instance by its cookie; without it, {spread.words}",
        "source": f"a client stays at its instance by its address ({spread.words})",
        "one": f"{made} of one client were all answered by {spread.words.rpartition(' ')[0]}",
    }
    return stays.get(spread.kind, f"{made}, and nothing tells which instance answered")


def _place(visit: Visit) -> str:
    return (label(visit.instance, 24) or "not told") if visit.accepted else f"refused {visit.status or ''}".strip()


def plot_instances(observations: Iterable[Observation]) -> Picture | None:
    """Draw each connection in its order at the instance that answered it, series side by side."""
    found = [facts for _, facts in rows_of(observations, AffinityFacts) if facts.visits]
    if not found or not any(visit.instance for visit in found[-1].visits):
        return None
    facts = found[-1]
    plain = sum(visit.series == "plain" and visit.accepted for visit in facts.visits)
    title = _title(spread_of(facts), plain)
    numbered = list(enumerate(facts.visits, start=1))
    rows = sorted({_place(visit) for visit in facts.visits}, key=lambda row: (row.startswith("refused"), row))[:_ROWS]
    drawn = figure(title, 120 + 34 * len(rows), showlegend=True, legend={"y": -0.45, "yanchor": "top"})
    for series, (name, colour, mark) in _LOOKS.items():
        shown = [(number, visit) for number, visit in numbered if visit.series == series and _place(visit) in rows]
        if shown:
            drawn.add_trace(
                go.Scatter(
                    name=name,
                    x=column([float(number) for number, _ in shown]),
                    y=[_place(visit) for _, visit in shown],
                    mode="markers",
                    marker={"color": colour, "symbol": mark, "size": 11},
                    hovertext=[f"{name}, connection {number}{f' from {visit.source}' if visit.source else ''}" for number, visit in shown],
                    hoverinfo="text",
                )
            )
    drawn.update_xaxes(title={"text": "connection, in order"}, showgrid=False)
    drawn.update_yaxes(type="category", categoryorder="array", categoryarray=rows[::-1], range=[-0.6, len(rows) - 0.4])
    return picture(drawn, title)


def plot_broadcast(observations: Iterable[Observation]) -> Picture | None:
    """Draw how many of the published messages each subscriber received, by instance, of the worst trial when there are several."""
    trials = [facts for _, facts in rows_of(observations, BroadcastFacts) if facts.subscribers]
    if not trials:
        return None
    worst = max(trials, key=lambda one: (sum(map(len, missing_of(one).values())), len(one.subscribers)))
    missing = missing_of(worst)
    missed = sum(bool(missing[one.index]) for one in worst.subscribers)
    instances = {one.instance for one in worst.subscribers if one.instance}
    places = f" over {quantity(len(instances), 'instance')}" if instances else ""
    title = (
        f"{missed} of {len(worst.subscribers)} subscribers missed messages{places}"
        if missed
        else f"all {len(worst.subscribers)} subscribers received all {worst.messages} messages{places}"
    )
    shown = sorted(worst.subscribers, key=lambda one: (one.instance, one.index))
    drawn = figure(title, 270)
    drawn.add_trace(
        go.Bar(
            x=[f"{one.index}<br>{label(one.instance, 14)}" for one in shown],
            y=np.array([one.received for one in shown], dtype="i4"),
            marker={"color": [VERDICT_COLOURS[Verdict.FAULT] if missing[one.index] else RECEIVED for one in shown]},
            text=[f"✗ {len(missing[one.index])}" if missing[one.index] else "" for one in shown],
            textposition="outside",
            hoverinfo="skip",
        )
    )
    drawn.add_hline(
        y=worst.messages, line={"color": SENT, "dash": "dash"}, annotation={"text": f"{worst.messages} published", "yanchor": "bottom"}
    )
    drawn.update_xaxes(title={"text": "subscriber and its instance; ✗ missed"}, type="category")
    drawn.update_yaxes(title={"text": "messages received"}, range=[0, worst.messages * 1.25 + 1])
    return picture(drawn, title)
