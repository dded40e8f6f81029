"""The picture of a grid of runs: latency over rates and numbers of connections, or sizes. Judges nothing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import log10
from typing import Any

import numpy as np
import plotly.graph_objects as go

from wsbook.facts import Knee, LoadRun
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.views.charts_load import void_title
from wsbook.views.drawing import INK, VERDICT_COLOURS, Picture, figure, label, picture
from wsbook.views.tables.load import counting, knee_of, rate_of, rate_text, runs_of
from wsbook.words import duration_text, quantity, size_text

__all__ = ["plot_grid"]

_FAULT = VERDICT_COLOURS[Verdict.FAULT]
_SHADES = [[0, "rgba(0,114,178,0.05)"], [1, "rgba(0,114,178,0.38)"]]
_NOTE = {"showarrow": False, "font": {"size": 12}}
_MOST_ROWS, _MOST_COLUMNS = 12, 12


def _grid_of(runs: Sequence[LoadRun]) -> tuple[str, dict[tuple[float, int], LoadRun]] | None:
    """Return ("connections" or "size", (rate, that) → run) of runs that vary in both; None when they vary in one only."""
    by_connections = len({run.connections for run in runs}) >= len({run.size_bytes for run in runs})
    kept = Counter(run.size_bytes if by_connections else run.connections for run in runs).most_common(1)
    other = "size_bytes" if by_connections else "connections"
    chosen = [run for run in runs if getattr(run, other) == kept[0][0]] if kept else []
    cells = {(rate_of(run), run.connections if by_connections else run.size_bytes): run for run in chosen}
    if len({rate for rate, _ in cells}) < 2 or len({row for _, row in cells}) < 2:
        return None
    return ("connections" if by_connections else "size"), cells


def _cell(run: LoadRun | None) -> str:
    if run is None:
        return ""
    if run.void:
        return "void"
    lost = f"✗ {run.lost:,} lost" if run.lost else ""
    return "<br>".join(filter(None, [duration_text(run.p99_s) if run.p99_s is not None else "nothing came", lost]))


def _cell_hover(run: LoadRun | None) -> str:
    if run is None:
        return ""
    if run.void:
        return f"void: {label(run.void, 80)}"
    where = f"{rate_text(rate_of(run))}/s over {quantity(run.connections, 'connection')}, {size_text(run.size_bytes)}"
    times = ", ".join(f"{name} {duration_text(value)}" for name, value in (("p50", run.p50_s), ("p99", run.p99_s), ("max", run.max_s)))
    return f"{where}<br>{times}<br>{run.lost:,} of {run.sent:,} lost"


def _grid_title(cells: Iterable[LoadRun]) -> str:
    runs = list(cells)
    counted, voids = counting(runs), sum(bool(run.void) for run in runs)
    void = f"; {voids} void" if voids else ""
    lossy = [run for run in counted if run.lost]
    if not counted:
        return void_title(runs)
    if lossy:
        first = min(lossy, key=rate_of)
        return f"{len(lossy)} of {quantity(len(runs), 'run')} lost messages, the slowest at {rate_text(rate_of(first))} a second{void}"
    worst = max(counted, key=lambda run: run.p99_s or 0.0)
    return f"nothing lost in {quantity(len(counted), 'run')}; p99 up to {duration_text(worst.p99_s)} at {rate_text(rate_of(worst))}/s{void}"


def _knee_line(drawn: go.Figure, rates: Sequence[float], knee: Knee | None, rows: int) -> None:
    """Draw between which columns the server stops to keep up."""
    if knee is None:
        return
    at = sum(rate <= knee.rate for rate in rates) - 0.5
    drawn.add_shape(type="line", x0=at, x1=at, y0=-0.5, y1=rows - 0.5, line={"color": INK, "dash": "dash", "width": 2})
    drawn.add_annotation(x=at, y=rows - 0.5, yanchor="bottom", text=f"keeps up to {rate_text(knee.rate)}/s", **_NOTE)


def plot_grid(observations: Iterable[Observation]) -> Picture | None:
    """Draw p99 over rates and numbers of connections, or sizes, in words as well as in colour; runs that do not count are grey."""
    observations = tuple(observations)
    grid = _grid_of(runs_of(observations))
    if grid is None:
        return None
    kind, cells = grid
    title = _grid_title(cells.values())
    rates, rows = sorted({rate for rate, _ in cells})[:_MOST_COLUMNS], sorted({row for _, row in cells})[:_MOST_ROWS]
    table = [[cells.get((rate, row)) for rate in rates] for row in rows]
    drawn = figure(title, 120 + 46 * len(rows), margin={"t": 66})
    names = [f"{row:,}" if kind == "connections" else size_text(row) for row in rows]
    fields: dict[str, Any] = {"x": list(range(len(rates))), "y": list(range(len(rows))), "showscale": False, "xgap": 2, "ygap": 2}
    p99 = [[log10(run.p99_s) if run and not run.void and run.p99_s else np.nan for run in line] for line in table]
    void = [[1.0 if run and (run.void or not run.p99_s) else np.nan for run in line] for line in table]
    grey = [[0, "rgba(128,128,128,0.18)"], [1, "rgba(128,128,128,0.18)"]]
    drawn.add_trace(go.Heatmap(z=np.array(void, dtype="f4"), colorscale=grey, hoverinfo="skip", **fields))
    drawn.add_trace(
        go.Heatmap(
            z=np.array(p99, dtype="f4"),
            colorscale=_SHADES,
            hovertext=[[_cell_hover(run) for run in line] for line in table],
            hoverinfo="text",
            **fields,
        )
    )
    for y, line in enumerate(table):
        for x, run in enumerate(line):
            if run is not None:
                drawn.add_annotation(x=x, y=y, text=_cell(run), **_NOTE)
            if run is not None and run.lost and not run.void:
                box = {"x0": x - 0.48, "x1": x + 0.48, "y0": y - 0.46, "y1": y + 0.46}
                drawn.add_shape(type="rect", line={"color": _FAULT, "width": 2}, **box)
    _knee_line(drawn, rates, knee_of(observations), len(rows))
    first = next(iter(cells.values()))
    same = f"{size_text(first.size_bytes)} each" if kind == "connections" else quantity(first.connections, "connection")
    words = f"messages per second, {same}; in the cells: p99"
    drawn.update_xaxes(title={"text": words}, tickvals=fields["x"], ticktext=[rate_text(rate) for rate in rates], showgrid=False)
    drawn.update_yaxes(title={"text": kind}, tickvals=fields["y"], ticktext=names, showgrid=False)
    return picture(drawn, title)
