"""Executed notebooks as parts of the report: the outputs of each step, and every cell as HTML.

A notebook is a file, and files are not trusted: no HTML of an output is ever used, tables are built again from their cells,
pictures stand in img elements, plots in JSON that only plotly reads.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from wsbook import markup
from wsbook.report.parts import scrolling
from wsbook.words import cap, plain

__all__ = ["Output", "code_cells", "count_plots", "outputs_by_step", "plot_html", "read_notebook", "table_html"]

_LARGEST_BYTES = 20_000_000
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_PLOTLY, _TABLE, _SVG = "application/vnd.plotly.v1+json", "application/vnd.wsbook.table+json", "image/svg+xml"
_DARK_TEXT = "<style>@media (prefers-color-scheme:dark){text[style*='rgb(118, 118, 118)']{fill:#e4e7ea !important}}</style>"


class Output(Struct, frozen=True, kw_only=True):
    """One view of a step as a notebook kept it: plot, a table, a text. data holds it by MIME type."""

    step: str
    view: str
    data: dict[str, Any]


def read_notebook(path: Path) -> dict[str, Any] | None:
    """Return a notebook; None when it is too large or no notebook."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get("cells"), list) else None


def _joined(value: Any) -> str:
    return "".join(str(part) for part in value) if isinstance(value, list) else str(value)


def _outputs(cell: Any) -> Iterator[dict[str, Any]]:
    kept = cell.get("outputs") if isinstance(cell, dict) else None
    yield from (output for output in kept or () if isinstance(output, dict))


def outputs_by_step(notebooks: list[dict[str, Any]]) -> dict[str, list[Output]]:
    """Return the marked outputs of each step in order; a later notebook's replace an earlier one's of the same name."""
    found: dict[str, dict[str, Output]] = {}
    for notebook in notebooks:
        for cell in notebook["cells"]:
            for output in _outputs(cell):
                marked, data = _marks(output), output.get("data")
                if marked.get("step") and isinstance(data, dict):
                    step, view = str(marked["step"]), str(marked.get("view", ""))
                    found.setdefault(step, {})[view] = Output(step=step, view=view, data=data)
    return {step: list(views.values()) for step, views in found.items()}


def count_plots(notebooks: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """Return how many plots there are, and how many of them have a still picture."""
    bundles = [output.get("data") for notebook in notebooks for cell in notebook["cells"] for output in _outputs(cell)]
    plots = [data for data in bundles if isinstance(data, dict) and _PLOTLY in data]
    return len(plots), sum(_SVG in data or "image/png" in data for data in plots)


def table_html(content: Any, label: str = "table") -> str:
    """Return a stored table as HTML; "" when it is not of the form that show.py writes. label: names it for screen readers."""
    if not isinstance(content, dict) or not all(isinstance(content.get(name), list) for name in ("columns", "rows")):
        return ""
    columns = [str(name) for name in content["columns"]]
    rows = [[str(cell) for cell in row] for row in content["rows"] if isinstance(row, list) and len(row) == len(columns)]
    numeric = [bool(one) for one in content.get("numeric") or ()][: len(columns)]
    more = markup.element("p", markup.text(str(content["more"])), class_="soft") if content.get("more") else ""
    return scrolling(markup.table(columns, rows, numeric), label) + more


def _still(data: dict[str, Any], words: str) -> str:
    svg = _joined(data[_SVG]) if _SVG in data else ""
    if not svg.lstrip().startswith("<svg"):
        return ""
    end = svg.index(">", svg.index("<svg")) + 1
    packed = base64.b64encode((svg[:end] + _DARK_TEXT + svg[end:]).encode()).decode()
    return f'<img class="still"{markup.attributes(alt=words)} src="data:image/svg+xml;base64,{packed}">'


def _plot_json(plot: dict[str, Any]) -> str:
    """Return data and layout for the page: the title stands in the caption; no < can end the script element."""
    layout = {key: value for key, value in dict(plot.get("layout") or {}).items() if key not in ("title", "width", "images")}
    margin = dict(layout.get("margin") or {})
    layout["margin"] = {**margin, "t": max(int(margin.get("t", 44)) - 30, 14)}
    height = layout.get("height")
    if isinstance(height, int | float):
        layout["height"] = max(90, min(1200, height - 30))
    return json.dumps({"data": plot.get("data") or [], "layout": layout}).replace("<", "\\u003c").replace("\u2028", "\\u2028")


def plot_html(data: dict[str, Any]) -> str:
    """Return a plot as a figure: its finding, a still picture when there is one, and the JSON that makes it live; "" when none."""
    plot = data.get(_PLOTLY)
    if not isinstance(plot, dict):
        return ""
    words = cap(_joined(data.get("text/plain", "plot")), 240)
    script = f'<script type="application/json">{_plot_json(plot)}</script>'
    return f'<figure data-plot="1"><figcaption>{markup.text(words)}</figcaption>{_still(data, words)}{script}</figure>'


def _marks(output: dict[str, Any]) -> dict[str, Any]:
    metadata = output.get("metadata")
    marked = metadata.get("wsbook") if isinstance(metadata, dict) else None
    return marked if isinstance(marked, dict) else {}


def _place(marked: dict[str, Any]) -> str:
    """Return the part of the page that shows a marked output, "" when none does."""
    return f"step-{marked['step']}" if marked.get("step") else "time" if marked.get("view") in ("timeline", "events") else ""


def _output_html(output: dict[str, Any]) -> str:
    """Return one output of a cell; plots of steps stand with their step and are only linked here."""
    data = output.get("data")
    if output.get("output_type") == "error":
        trace = _ANSI.sub("", "\n".join(str(line) for line in output.get("traceback") or ()))
        return markup.preformatted(trace[-4000:] or str(output.get("evalue")))
    if output.get("output_type") == "stream":
        return markup.preformatted(_ANSI.sub("", _joined(output.get("text", "")))[:4000])
    if not isinstance(data, dict):
        return ""
    text, place = _joined(data.get("text/plain", ""))[:8000], _place(_marks(output))
    if place and (_PLOTLY in data or place == "time"):
        link = markup.element("a", markup.text(cap(text, 200)), href=f"#{place}")
        return markup.element("p", f"{'plot' if _PLOTLY in data else 'table'}: {link}", class_="soft")
    return plot_html(data) or table_html(data.get(_TABLE)) or markup.preformatted(text)


def _prose(source: str) -> str:
    """Return markdown with its folded parts opened and its headings two levels down."""
    printable = "\n".join(plain(line) for line in source.splitlines())
    opened = re.sub(r"</?details>|</summary>", "", printable).replace("<summary>", "Aside: ")
    return re.sub(r"^#", "###", opened, flags=re.MULTILINE)


def code_cells(notebook: dict[str, Any]) -> str:
    """Return every cell of a notebook as HTML: prose rendered without HTML of its own, code, outputs."""
    from markdown_it import MarkdownIt

    prose = MarkdownIt("commonmark", {"html": False}).disable("image")
    parts = []
    for cell in notebook["cells"]:
        if not isinstance(cell, dict):
            continue
        source = _joined(cell.get("source", ""))[:20_000]
        if cell.get("cell_type") == "markdown":
            parts.append(markup.element("div", prose.render(_prose(source)), class_="cell prose"))
        elif cell.get("cell_type") == "code":
            shown = markup.preformatted(source, class_="code") + "".join(_output_html(output) for output in _outputs(cell))
            parts.append(markup.element("div", shown, class_="cell"))
    return "".join(parts)
