"""Picture of how sure was how right: what was said with some confidence, against how much of it was true. Judges nothing."""

from collections.abc import Sequence

import plotly.graph_objects as go

from wsbook.accuracy import CERTAIN, Reliability, certain
from wsbook.views.drawing import INK, SENT, Picture, column, figure, picture

__all__ = ["plot_reliability"]


def plot_reliability(classes: Sequence[Reliability]) -> Picture | None:
    """Draw each class of confidence as a bar, as high as what was true of it, over the line on which sure and right are the same.

    None when nothing was said.
    """
    said = [one for one in classes if one.said]
    if not said:
        return None
    drawn = figure(_title(said), 320, xaxis={"range": [0, 1], "tickformat": ".0%", "title": {"text": "confidence of the finding"}})
    drawn.update_yaxes(range=[0, 1.12], tickformat=".0%", tickvals=[0, 0.25, 0.5, 0.75, 1], title={"text": "of these were true"})
    drawn.add_trace(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": INK, "dash": "dot", "width": 1}, hoverinfo="skip"))
    middle = [(one.low + one.high) / 2 for one in said]
    width = [one.high - one.low - 0.012 for one in said]
    texts = [f"{one.true} of {one.said}" for one in said]
    share = [one.true / one.said for one in said]
    look = {"textposition": "outside", "marker": {"color": SENT, "opacity": 0.75}}
    drawn.add_trace(go.Bar(x=column(middle), y=column(share), width=column(width), text=texts, **look))
    return picture(drawn, _title(said))


def _title(said: Sequence[Reliability]) -> str:
    true, count = certain(said)
    if not count:
        return f"no finding was {CERTAIN:.0%} sure"
    return f"of {count} findings that were at least {CERTAIN:.0%} sure, {true} were true ({true / count:.1%})"
