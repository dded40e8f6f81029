"""The picture of the Origin matrix. Draws what observations hold, judges nothing."""

from collections.abc import Iterable

import numpy as np
import plotly.graph_objects as go

from wsbook.observation import Observation
from wsbook.rules.entry import Entry
from wsbook.views.drawing import INK, Picture, figure, label, picture
from wsbook.views.tables.origin import OWN, Matrix, cell_text, matrix_of
from wsbook.words import quantity

__all__ = ["plot_origin"]

_COLUMNS = 8


def plot_origin(observations: Iterable[Observation]) -> Picture | None:
    """Draw Origins against places: let in or not, in words as well as in colour; None without attempts."""
    matrix = matrix_of(observations)
    if not matrix.rows:
        return None
    columns = matrix.columns[:_COLUMNS]
    entries = [[matrix.cells.get((row, column)) for column in columns] for row in matrix.rows]
    title = _title(matrix)
    drawn = figure(title, 110 + 26 * len(matrix.rows))
    drawn.add_trace(
        go.Heatmap(
            z=np.array([[_value(entry) for entry in row] for row in entries], dtype="f4"),
            x=["<br>".join(label(part, 24) for part in column.split(", ")) for column in columns],
            y=[_name(row) for row in matrix.rows],
            text=[[label(cell_text(entry), 24) for entry in row] for row in entries],
            texttemplate="%{text}",
            zmin=0,
            zmax=1,
            colorscale=[[0, "rgba(213,94,0,0.28)"], [0.5, "rgba(128,128,128,0.2)"], [1, "rgba(0,158,115,0.28)"]],
            showscale=False,
            xgap=2,
            ygap=2,
            hoverinfo="skip",
            textfont={"color": INK, "size": 12},
        )
    )
    drawn.update_yaxes(autorange="reversed", showgrid=False, tickfont={"size": 12})
    drawn.update_xaxes(showgrid=False, side="top")
    drawn.update_layout(margin={"t": 96})
    return picture(drawn, title)


def _value(entry: Entry | None) -> float:
    if entry is None:
        return np.nan
    return 1.0 if entry.opened else 0.0 if entry.refused else 0.5


def _name(row: tuple[str, str]) -> str:
    """Return how a row is called; two Origins may be cut alike, so which it is stands beside it."""
    return f"{label(row[1], 44)}<br><sup>{label(row[0], 50)}</sup>"


def _title(matrix: Matrix) -> str:
    places = [column for column in matrix.columns if column == "endpoint"] or matrix.columns[:1]
    own = [entry for (row, column), entry in matrix.cells.items() if row[0] == OWN and column in places]
    others = [entry for (row, column), entry in matrix.cells.items() if row[0] != OWN and row[0] != "the same again" and column in places]
    let_in = sum(entry.opened for entry in others)
    said = f"the page's own Origin is {own[-1].kind.value}; " if own else ""
    return f"{said}{let_in} of {quantity(len(others), 'other')} let in at {places[0]}"
