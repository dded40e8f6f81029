"""What every plot shares: colours that mean one thing throughout, the template, and how a figure becomes JSON.

Text of peers enters a figure only through label(), which escapes it, and never through a hover template.
"""

from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from msgspec import Struct

from wsbook.finding import Verdict
from wsbook.words import cap

__all__ = [
    "CONTROL",
    "INK",
    "RECEIVED",
    "SENT",
    "STAGE_COLOURS",
    "VERDICT_COLOURS",
    "WARNING",
    "Picture",
    "column",
    "figure",
    "label",
    "picture",
]

# Okabe and Ito, Color Universal Design, 2008
VERDICT_COLOURS = {
    Verdict.CLEAR: "#009E73",
    Verdict.FAULT: "#D55E00",
    Verdict.UNKNOWN: "#999999",
    Verdict.SKIPPED: "#999999",
    Verdict.NOT_APPLICABLE: "#999999",
}
WARNING, SENT, RECEIVED, CONTROL = "#E69F00", "#0072B2", "#56B4E9", "#CC79A7"
STAGE_COLOURS = {
    "resolve": "#C7CED6",
    "tcp": "#A3B1BF",
    "proxy": "#7F92A5",
    "tls": "#5F7A94",
    "upgrade": SENT,
    "first-message": RECEIVED,
}
INK = "#767676"
"""Text and axes: 4.5 : 1 on white; the dark themes of notebook and report give text their own colour."""
_FAINT = "rgba(128,128,128,0.22)"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

_AXIS = {
    "gridcolor": _FAINT,
    "linecolor": "rgba(128,128,128,0.6)",
    "zeroline": False,
    "automargin": True,
    "title": {"standoff": 8, "font": {"size": 12}},
}
_TEMPLATE = go.layout.Template(
    layout={
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": _FONT, "size": 13, "color": INK},
        "title": {"x": 0, "xref": "container", "xanchor": "left", "font": {"size": 15}, "pad": {"l": 8}, "y": 0.98, "yanchor": "top"},
        "margin": {"l": 8, "r": 12, "t": 44, "b": 8},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "hoverlabel": {"font": {"family": _FONT}},
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"},
        "showlegend": False,
        "bargap": 0.35,
    }
)


class Picture(Struct, frozen=True, kw_only=True):
    """A plot ready to be shown: plotly's JSON (data, layout, config) and what it says in one line, which is its title and alt text."""

    json: dict[str, Any]
    text: str


def label(text: str, limit: int = 60) -> str:
    """Return a text of anybody's as plotly can show it: one line, cut, escaped (plotly reads tags in every text)."""
    return escape(cap(text, limit))


def column(values: list[float] | list[float | None]) -> Any:
    """Return numbers as a small array; None becomes a gap. Plotly stores it in base64, a tenth of the size of a list."""
    return np.array([np.nan if value is None else value for value in values], dtype="f4") if values else []


def figure(title: str, height: int, **layout: Any) -> go.Figure:
    """Return an empty figure with our template; title is what the plot has found."""
    return go.Figure(layout={"template": _TEMPLATE, "title": {"text": label(title, 110)}, "height": height, **layout})


def picture(drawn: go.Figure, text: str) -> Picture:
    """Return the figure as a picture; text is its finding, unescaped."""
    content = drawn.to_dict()
    return Picture(json={**content, "config": {"displaylogo": False, "displayModeBar": False}}, text=cap(text, 240))
