"""The only place that builds HTML for notebooks and report. Everything that it is given is escaped.

Knows nothing of observations, pandas or files: texts in, HTML out.
"""

from collections.abc import Iterable, Sequence
from html import escape

from wsbook.words import cap, plain

__all__ = ["MARK_COLOURS", "PLOT_STYLE", "attributes", "card", "element", "preformatted", "table", "text"]

MARK_COLOURS = {"✓": "#009E73", "✗": "#D55E00", "?": "#999999", "·": "#999999", "–": "#999999", "!": "#E69F00"}
MARK_COLOURS |= {"▲": "#0072B2", "▼": "#56B4E9", "◆": "#CC79A7", "◀": "#D55E00"}
"""Mark at the begin of a cell → its colour (Okabe and Ito); the words beside it keep the colour of text."""

NO_MATH = "mathjax_ignore tex2jax_ignore"
"""Classes that keep JupyterLab from typesetting dollar signs in source code as formulas."""

PLOT_STYLE = (
    "<style>body[data-jp-theme-light='false'] .js-plotly-plot text[style*='rgb(118, 118, 118)']{fill:#d4d4d4 !important}"
    "body[data-jp-theme-light='true'] .js-plotly-plot text[style*='rgb(118, 118, 118)']{fill:#555 !important}</style>"
)
"""Gives the text of plots in JupyterLab the contrast of the theme; constant, holds no data."""


def text(value: str) -> str:
    """Return a text of anybody's, printable and escaped."""
    return escape(plain(value), quote=True)


def attributes(**values: str) -> str:
    """Return HTML attributes, values escaped; a trailing underscore is dropped (class_)."""
    return "".join(f' {name.rstrip("_").replace("_", "-")}="{text(value)}"' for name, value in values.items())


def element(tag: str, content: str, **values: str) -> str:
    """Return an element around content, which is HTML already; the attributes' values are escaped."""
    return f"<{tag}{attributes(**values)}>{content}</{tag}>"


def _cell(value: str) -> str:
    """Return a cell's text with its leading mark coloured."""
    colour = MARK_COLOURS.get(value[:1])
    if colour is None or (len(value) > 1 and value[1] != " "):
        return text(value)
    return element("span", text(value[0]), style=f"color:{colour};font-weight:700") + text(value[1:])


_SHORT, _SENTENCE = 14, 60
"""Characters of a cell that is not broken, and of one that needs room."""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[bool] = (), ids: Sequence[str] = ()) -> str:
    """Return a table of texts; numeric columns are aligned right with figures of one width.

    Short cells stay on one line, and columns of sentences keep room enough for them, however narrow the screen. ids: of the rows, "" none.
    """
    rows = list(rows)
    right = [*numeric, *[False] * (len(columns) - len(numeric))]
    longest = [max((len(row[i]) for row in rows if i < len(row)), default=0) for i in range(len(columns))]
    style = [
        ("text-align:right;font-variant-numeric:tabular-nums" if one else "text-align:left")
        + (";white-space:nowrap" if length <= _SHORT else ";min-width:22ch" if length > _SENTENCE else "")
        for one, length in zip(right, longest, strict=True)
    ]
    head = "".join(element("th", text(name), scope="col", style=style[i]) for i, name in enumerate(columns))
    named = [{"id": one} if one else {} for one in [*ids, *[""] * (len(rows) - len(ids))]]
    cells = ("".join(element("td", _cell(cell), style=style[i]) for i, cell in enumerate(row)) for row in rows)
    body = "".join(element("tr", inside, **values) for inside, values in zip(cells, named, strict=True))
    return element("table", f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>", class_=f"wsbook {NO_MATH}")


def preformatted(value: str, **values: str) -> str:
    """Return a block of text with its line breaks."""
    return element("pre", text("\n".join(plain(line) for line in value.splitlines())), **values)


_BROKEN_BETWEEN_WORDS = "margin:2px 0;white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere"
"""JupyterLab breaks preformatted text anywhere."""


def card(title: str, lines: Iterable[tuple[str, str]], *, colour: str = "#D55E00") -> str:
    """Return a card with a coloured edge: title, then (label, text) lines; a text with line breaks keeps them."""
    body = ""
    for name, value in lines:
        shown = preformatted(value, style=_BROKEN_BETWEEN_WORDS) if "\n" in value else text(cap(value, 600))
        body += element("dt", text(name), style="font-weight:600;margin-top:6px") + element("dd", shown, style="margin-left:0")
    head = element("div", text(title), style="font-weight:700;font-size:1.1em")
    frame = f"border-left:4px solid {colour};padding:4px 14px;margin:10px 0;max-width:72ch"
    return element("div", head + element("dl", body, style="margin:4px 0"), style=frame, class_=f"wsbook-card {NO_MATH}")
