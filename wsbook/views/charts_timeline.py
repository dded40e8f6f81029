"""The picture of everything observed in order of time: a lane for each place, a mark for each event. Judges nothing."""

from collections.abc import Iterable

import plotly.graph_objects as go

from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.timeline import Event, Period, timeline
from wsbook.views.drawing import CONTROL, RECEIVED, SENT, VERDICT_COLOURS, Picture, column, figure, label, picture, row_names
from wsbook.words import duration_text, instant_text, quantity

__all__ = ["plot_timeline"]

_COLOURS = {"probe": SENT, "browser": SENT, "message": CONTROL, "log": RECEIVED, "recording": RECEIVED}
_BAD = VERDICT_COLOURS[Verdict.FAULT]
_Row = tuple[int, Event]


def plot_timeline(observations: Iterable[Observation]) -> Picture | None:
    """Draw the time in which the investigation looked, else the period of which most is told; None when nothing carries an instant."""
    periods = timeline(observations).periods
    period = max(periods, key=lambda one: (one.ours, one.count), default=None)
    if period is None:
        return None
    bad = sum(event.bad for _, event in period.ordered)
    shown = f"{quantity(period.count, 'event')} in {quantity(len(period.lanes), 'lane')}"
    title = f"{shown} over {duration_text(period.end_s - period.begin_s)}, {bad} of them refused, failed or an error"
    drawn = figure(title, 92 + 19 * len(period.lanes), margin={"r": 14})
    groups: dict[str, list[_Row]] = {}
    for row, lane in enumerate(period.lanes):
        for event in lane.events:
            groups.setdefault(_BAD if event.bad else _COLOURS[lane.kind], []).append((row, event))
    for colour, rows in sorted(groups.items(), key=lambda one: one[0] == _BAD):
        _marks(colour, rows, period, drawn)
    row_names(drawn, [lane.name for lane in period.lanes])
    begin = period.ordered[0][1].instant
    drawn.update_xaxes(title={"text": f"s since {instant_text(begin, date=period.dated)} UTC"})
    others = f"; {quantity(len(periods) - 1, 'other period')} in the report" if len(periods) > 1 else ""
    return picture(drawn, f"{title}{others}")


def _marks(colour: str, rows: list[_Row], period: Period, drawn: go.Figure) -> None:
    """Add the events of one colour: a line as long as each lasted, and a mark at its begin that tells it."""
    lasting = [(row, event) for row, event in rows if event.lasted_s > 0]
    if lasting:
        ends = [at for _, event in lasting for at in (event.begin_s - period.begin_s, event.end_s - period.begin_s, None)]
        levels = [level for row, _ in lasting for level in (float(row), float(row), None)]
        line = {"color": colour, "width": 9}
        drawn.add_trace(go.Scatter(x=column(ends), y=column(levels), mode="lines", line=line, opacity=0.45, hoverinfo="skip"))
    drawn.add_trace(
        go.Scatter(
            x=column([event.begin_s - period.begin_s for _, event in rows]),
            y=column([float(row) for row, _ in rows]),
            mode="markers",
            marker={"symbol": "line-ns", "size": 10, "line": {"width": 2, "color": colour}},
            hovertext=[f"+{duration_text(event.begin_s - period.begin_s)} {label(event.what, 110)}" for _, event in rows],
            hoverinfo="text",
        )
    )
