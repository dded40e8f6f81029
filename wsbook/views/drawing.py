"""What every plot shares: colours that mean one thing throughout, the template, and how a figure becomes JSON.

Text of peers enters a figure only through label(), which escapes it, and never through a hover template.
"""

from collections.abc import Iterable, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Any

import numpy as np
import plotly.graph_objects as go
from msgspec import Struct

from wsbook.finding import Verdict
from wsbook.words import cap, duration_text

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
    "end_labels",
    "figure",
    "label",
    "latency_axis",
    "milli",
    "panels",
    "picture",
    "row_names",
    "row_words",
    "swatch",
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
_HUGE = 1e38
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
    if not values:
        return []
    return np.clip(np.array([np.nan if value is None else value for value in values], dtype="f8"), -_HUGE, _HUGE).astype("f4")


def milli(values_s: Iterable[float | None]) -> list[float | None]:
    """Return durations in ms as a logarithmic axis can show them: what is not positive is a gap."""
    return [value * 1000 if value is not None and value > 0 else None for value in values_s]


def figure(title: str, height: int, **layout: Any) -> go.Figure:
    """Return an empty figure with our template; title is what the plot has found."""
    return go.Figure(layout={"template": _TEMPLATE, "title": {"text": label(title, 110)}, "height": height, **layout})


def latency_axis(values_s: Iterable[float | None], title: str = "") -> dict[str, Any]:
    """Return a logarithmic axis for latencies in ms, as long as the values need, whose ticks carry their units."""
    told = [value for value in values_s if value is not None and value > 0] or [0.001]
    low, high = log10(min(told) * 1000) - 0.08, log10(max(told) * 1000) + 0.12
    digits = (1, 2, 5) if high - low < 2.2 else (1,)
    ticks = [digit * 10.0**power for power in range(floor(low), ceil(high) + 1) for digit in digits]
    words = [duration_text(tick / 1000).replace(".0 s", " s") for tick in ticks]
    return {"type": "log", "range": [low, high], "tickvals": ticks, "ticktext": words, "title": {"text": title}}


def swatch(colour: str) -> str:
    """Return a small square of a colour, for a text of a plot."""
    return f'<span style="color:{colour}">■</span>'


def end_labels(drawn: go.Figure, ends: Sequence[tuple[str, str, float]], *, axis: str, span: tuple[float, float], height: float) -> None:
    """Write the name of each series with its colour to the right of its last value, those that would overlap a line apart.

    ends: (name, colour, last value) in the axis's own scale, its logarithm where it is logarithmic; span: the range of the axis; height: of
    its panel, in px.
    """
    gap, below = 15 / max(height, 1), -1.0
    width = (span[1] - span[0]) or 1.0
    places = []
    for name, colour, value in sorted(ends, key=lambda end: end[2]):
        below = max((value - span[0]) / width, below + gap)
        places.append((f"{swatch(colour)} {label(name, 24)}", below))
    over = max(0.0, below - 1)
    look = {"xref": "paper", "yref": f"{axis} domain", "xanchor": "left", "yanchor": "middle", "xshift": 4, "showarrow": False}
    for text, at in places:
        drawn.add_annotation(x=1, y=at - over, text=text, font={"size": 12}, **look)


def row_names(drawn: go.Figure, names: Sequence[str]) -> None:
    """Number the rows of a plot from above, and write their names to the left of them."""
    ticks = {"tickvals": list(range(len(names))), "ticktext": [label(name, 34) for name in names]}
    drawn.update_yaxes(range=[len(names) - 0.4, -0.6], showgrid=False, **ticks)


def row_words(drawn: go.Figure, words: Sequence[str]) -> None:
    """Write a few words to the right of each row, where nothing drawn can meet them; words of peers are escaped before."""
    width = max((len(one) for one in words), default=0)
    drawn.update_layout(margin={"r": min(16 + 7 * width, 230)})
    look = {"xref": "paper", "xanchor": "left", "xshift": 8, "showarrow": False, "font": {"size": 12}}
    for number, text in enumerate(words):
        drawn.add_annotation(x=1, y=number, text=text, **look)


def panels(drawn: go.Figure, parts: Sequence[tuple[str, float]]) -> list[str]:
    """Stack panels over one x axis, from the top; return the names of their y axes.

    parts: (heading, share of the height); a heading stands over its panel's left end, and may hold no text of a peer unescaped.
    """
    gap, total = 0.3, sum(share for _, share in parts) + 0.3 * (len(parts) - 1)
    axis = drawn.layout.template.layout.yaxis.to_plotly_json()
    names, top = [], 1.0
    for number, (heading, share) in enumerate(parts, start=1):
        name, bottom = f"y{number if number > 1 else ''}", max(0.0, top - share / total)
        domain = {"domain": [bottom, top], "anchor": "x"}
        drawn.update_layout({f"yaxis{number if number > 1 else ''}": domain if number == 1 else {**axis, **domain}})
        if heading:
            look = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom", "showarrow": False, "font": {"size": 12}}
            drawn.add_annotation(x=0, y=top, text=heading, **look)
        names.append(name)
        top = bottom - gap / total
    drawn.update_layout(xaxis={"anchor": names[-1]})
    return names


def picture(drawn: go.Figure, text: str) -> Picture:
    """Return the figure as a picture; text is its finding, unescaped."""
    content = drawn.to_dict()
    return Picture(json={**content, "config": {"displaylogo": False, "displayModeBar": False}}, text=cap(text, 240))
