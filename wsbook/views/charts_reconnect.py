"""The picture of a page that dials again: its attempts after each loss, before a good backoff. Judges nothing.

Each plot_ function returns None when the observations hold nothing that it could draw.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate

import plotly.graph_objects as go

from wsbook.facts import OutageFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.rules.interruptions import shown_outage, spacing_of
from wsbook.spacing import good_backoff
from wsbook.views.drawing import CONTROL, RECEIVED, SENT, VERDICT_COLOURS, WARNING, Picture, column, figure, label, picture
from wsbook.views.tables import rows_of
from wsbook.words import quantity

__all__ = ["plot_outages"]

_COLOURS = (SENT, CONTROL, WARNING, RECEIVED)
_LOSSES, _ATTEMPTS = 4, 40
_FIRST_S, _BASE_S = 0.01, 1.0
"""The axis begins here: a logarithm has no zero. A good backoff begins at a second, which is what most libraries do."""
_GREEN = "rgba(0,158,115,0.16)"
_TICKS = (0.01, 0.1, 1.0, 10.0, 60.0)


def _title(facts: OutageFacts) -> str:
    if not facts.redials:
        return f"no attempt within {facts.watched_s:.2g} s after {shown_outage(facts)}"
    spacing = spacing_of(facts)
    words = {"immediate": "at once, again and again", "constant": f"every {spacing.base_s or 0.0:.2g} s", "single": "once"}
    how = words.get(spacing.kind, "after longer and longer pauses")
    back = f", and is back after {facts.reopened_s:.2g} s" if facts.reopened_s is not None else ""
    return f"{quantity(len(facts.redials), 'attempt')}: the page dials {how}{back}"


def _at(facts: OutageFacts) -> list[float]:
    return [max(_FIRST_S, redial.at_s) for redial in facts.redials[:_ATTEMPTS]]


def _add_good(drawn: go.Figure, count: int) -> None:
    """Draw where the attempts of a good backoff lie: the earliest and the latest time of each."""
    pauses = good_backoff(count, base_s=_BASE_S)
    bounds = [list(accumulate(pause[side] for pause in pauses)) for side in (0, 1)]
    numbers = column([float(number) for number in range(1, count + 1)])
    look = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    drawn.add_trace(go.Scatter(x=column(bounds[0]), y=numbers, showlegend=False, **look))
    drawn.add_trace(go.Scatter(name="a good backoff", x=column(bounds[1]), y=numbers, fill="tonextx", fillcolor=_GREEN, **look))


def _add_loss(drawn: go.Figure, facts: OutageFacts, colour: str) -> None:
    redials = facts.redials[:_ATTEMPTS]
    drawn.add_trace(
        go.Scatter(
            name=label(shown_outage(facts), 60),
            x=column(_at(facts)),
            y=column([float(number) for number in range(1, len(redials) + 1)]),
            mode="lines+markers",
            line={"color": colour, "shape": "hv", "width": 1},
            marker={"color": colour, "size": 9, "symbol": ["circle" if one.fate == "opened" else "x-thin-open" for one in redials]},
            hovertext=[f"{one.at_s:.3g} s: {one.fate}{f' {one.status}' if one.status else ''}" for one in redials],
            hoverinfo="text",
        )
    )


def _chosen(outages: Sequence[OutageFacts]) -> list[OutageFacts]:
    """Return the losses with most attempts, the first that was given none if all were."""
    dialled = sorted((one for one in outages if one.redials), key=lambda one: -len(one.redials))
    return dialled[:_LOSSES] or list(outages[:1])


def plot_outages(observations: Iterable[Observation]) -> Picture | None:
    """Draw the attempts of the page after each loss against time, a good backoff behind them, the longest interruption shaded."""
    outages = [facts for _, facts in rows_of(observations, OutageFacts)]
    if not outages:
        return None
    chosen = _chosen(outages)
    most = max(5, *(len(_at(one)) for one in chosen))
    title = _title(chosen[0])
    drawn = figure(title, 340, showlegend=True, legend={"y": -0.3, "yanchor": "top"})
    _add_good(drawn, min(most, 8))
    for facts, colour in zip(chosen, _COLOURS, strict=False):
        _add_loss(drawn, facts, colour)
    if chosen[0].answer != "open":
        fault = VERDICT_COLOURS[Verdict.FAULT]
        drawn.add_vrect(x0=_FIRST_S, x1=max(2 * _FIRST_S, chosen[0].lasted_s), fillcolor=fault, opacity=0.08, line={"width": 0})
    drawn.update_xaxes(
        title={"text": "seconds after the loss; the interruption is shaded; × failed, ● opened"},
        type="log",
        tickvals=list(_TICKS),
        ticktext=[f"{tick:g} s" for tick in _TICKS],
    )
    drawn.update_yaxes(title={"text": "attempt"}, range=[0, most + 1])
    return picture(drawn, title)
