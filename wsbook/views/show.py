"""The only module that displays. Every output is a raw bundle: nothing here calls a figure's or a frame's own display.

A bundle always holds text/plain, so that it reads in a terminal, in a diff and without JavaScript.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from IPython import display as _ipython

from wsbook import markup
from wsbook.finding import Finding, StepVerdict, Verdict
from wsbook.views.drawing import Picture
from wsbook.words import MARKS, VERDICT_MIME, verdict_line

__all__ = [
    "PLOTLY_MIME",
    "TABLE_MIME",
    "VERDICT_MIME",
    "WIDGET_MIME",
    "Shown",
    "bundle_card",
    "bundle_line",
    "bundle_picture",
    "bundle_table",
    "bundle_verdicts",
    "bundle_widget",
    "cells_of",
    "show",
    "show_widget",
]

PLOTLY_MIME = "application/vnd.plotly.v1+json"
TABLE_MIME = "application/vnd.wsbook.table+json"
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
_ROWS = 60

Bundle = Mapping[str, Any]
_display: Any = _ipython.display  # IPython's display functions are not annotated


class Shown:
    """A place on the screen that can show something newer."""

    def __init__(self, make: Callable[[], Bundle], handle: Any) -> None:
        self._make = make
        self._handle = handle

    def refresh(self) -> None:
        """Show what make gives now. The empty text between is needed: a plot does not draw over a plot (plotly.py#3053)."""
        if self._handle is not None:
            self._handle.update({"text/plain": ""}, raw=True)
            self._handle.update(dict(self._make()), raw=True)


def show(make: Callable[[], Bundle], *, step: str = "", view: str = "", live: bool = False) -> Shown:
    """Display what make gives. live: the place can be refreshed later; step and view tell the report what the output is."""
    metadata = {"wsbook": {"step": step, "view": view}} if view else {}
    handle = _display(dict(make()), raw=True, metadata=metadata, display_id=True if live else None)
    return Shown(make, handle)


def bundle_widget(widget: Any, otherwise: Bundle) -> Bundle:
    """Return a widget; otherwise is what is shown where no widget can be: in a saved notebook, in a viewer."""
    return {**otherwise, WIDGET_MIME: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}


def show_widget(widget: Any, text: str) -> None:
    """Display a control; where nothing can draw it the text stands in its place, and not its repr with every value that it holds."""
    _display(dict(bundle_widget(widget, bundle_line(text))), raw=True)


def bundle_line(text: str) -> Bundle:
    """Return one line of text."""
    return {"text/plain": text}


def bundle_picture(picture: Picture) -> Bundle:
    """Return a plot with its finding as text."""
    return {PLOTLY_MIME: picture.json, "text/plain": picture.text}


def _cell(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float):
        return (
            f"{value:,.0f}"
            if abs(value) >= 100
            else f"{value:.1f}"
            if abs(value) >= 10
            else f"{value:.2f}"
            if abs(value) >= 0.1
            else f"{value:.3f}"
        )
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def cells_of(table: pd.DataFrame) -> tuple[list[str], list[list[str]], list[bool]]:
    """Return (columns, rows as texts, which columns are numeric) of the first rows of a frame, empty columns left out."""
    rows = [[_cell(value) for value in row] for row in table.head(_ROWS).itertuples(index=False, name=None)]
    kept = [index for index in range(len(table.columns)) if any(row[index] for row in rows)]
    numeric = [pd.api.types.is_numeric_dtype(table.dtypes.iloc[index]) for index in kept]
    return [str(table.columns[index]) for index in kept], [[row[index] for index in kept] for row in rows], numeric


def bundle_table(table: pd.DataFrame, empty: str) -> Bundle:
    """Return a table as escaped HTML, as text, and as cells for the report; the sentence empty when it has no rows."""
    if table.empty:
        return bundle_line(empty)
    columns, rows, numeric = cells_of(table)
    last = len(columns) - 1
    widths = [min(60 if i < last else 200, max(len(row[i]) for row in [columns, *rows])) for i in range(len(columns))]
    lines = [
        "  ".join(cell[:w].rjust(w) if n else cell[:w].ljust(w) for cell, w, n in zip(row, widths, numeric, strict=True)).rstrip()
        for row in [columns, *rows]
    ]
    more = f"first {_ROWS} of {len(table):,} rows" if len(table) > _ROWS else ""
    html = markup.table(columns, rows, numeric) + (markup.element("p", markup.text(more)) if more else "")
    content = {"columns": columns, "rows": rows, "numeric": numeric, "more": more}
    return {"text/plain": "\n".join(filter(None, [*lines, more])), "text/html": html, TABLE_MIME: content}


def bundle_verdicts(steps: tuple[StepVerdict, ...], findings: tuple[Finding, ...]) -> Bundle:
    """Return verdicts as lines that only change when a verdict changes: no time, no port, no count."""
    causes = {s.step: tuple(sorted({f.cause for f in findings if f.step == s.step and f.verdict is Verdict.FAULT})) for s in steps}
    lines = [verdict_line(s.step, s.title, s.verdict, causes[s.step]) for s in steps]
    content = {
        "schema": "wsbook.verdicts/1",
        "steps": {s.step: {"verdict": s.verdict.value, "causes": list(causes[s.step])} for s in steps},
    }
    return {"text/plain": "\n".join(lines), VERDICT_MIME: content}


def bundle_card(finding: Finding, title: str) -> Bundle:
    """Return a root cause as a card: what is wrong, the proof, the fix, how to check it."""
    proof = "\n".join(f"{proof.text}{f'  ({proof.where})' if proof.where else ''}" for proof in finding.proofs[:6])
    fields = (("wrong", finding.summary), ("proof", proof), ("fix", finding.remedy), ("check", finding.check), ("see", finding.reference))
    lines = [(name, value) for name, value in fields if value]
    head = f"{MARKS[finding.verdict]} {finding.cause}  {finding.confidence:.0%}  {title}"
    colour = markup.MARK_COLOURS[MARKS[finding.verdict]]
    return {
        "text/plain": "\n".join([head, *(f"  {name}: {value}" for name, value in lines)]),
        "text/html": markup.card(head, lines, colour=colour),
    }


def bundle_cards(findings: list[Finding], title: Callable[[Finding], str]) -> Bundle:
    """Return the cards of several root causes as one output; a sentence when there are none."""
    if not findings:
        return bundle_line("no root cause was found")
    cards = [bundle_card(finding, title(finding)) for finding in findings]
    return {"text/plain": "\n\n".join(card["text/plain"] for card in cards), "text/html": "".join(card["text/html"] for card in cards)}
