"""Executed notebooks of a record show their plots and tables to whoever opens them: in JupyterLab untrusted, and as plain HTML offline."""

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import needs
from jupyter_page import Server, open_notebook

pytest.importorskip("playwright.async_api")
pytest.importorskip("kaleido")
pytestmark = [needs("chromium"), pytest.mark.slow]

PLOTLY, SVG = "application/vnd.plotly.v1+json", "image/svg+xml"
_UNTRUSTED = "() => [...window.jupyterapp.shell.currentWidget.content.model.cells].some((cell) => cell.type === 'code' && !cell.trusted)"


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared") / "record"
    command = [sys.executable, "-m", "wsbook", "run", "--fault", "proxy.upgrade-header-missing", "--steps", "1.3,2.2", "--out", folder]
    assert subprocess.run(command, capture_output=True).returncode == 1
    return folder


def bundles(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return (cell id, data) of every output that is shown by its data."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [(cell["id"], output["data"]) for cell in cells for output in cell.get("outputs", ()) if "data" in output]


def notebooks(record: Path) -> list[Path]:
    return sorted(record.glob("0*.ipynb"))


def test_every_plot_has_a_still_picture_and_a_sentence(record: Path) -> None:
    plots = [data for path in notebooks(record) for _, data in bundles(path) if PLOTLY in data]
    assert len(plots) >= 6
    assert all("".join(data[SVG]).startswith("<svg") and "".join(data["text/plain"]).strip() for data in plots)


class _Shown(HTMLParser):
    """What a page shows: pictures in it, tables, and addresses that it would ask."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures, self.tables = 0, 0
        self.asks: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        source = values.get("src") or (values.get("href") if tag == "link" else "") or ""
        self.pictures += tag == "img" and source.startswith("data:image/svg+xml")
        self.tables += tag == "table"
        self.asks += [source] if source and not source.startswith("data:") else []


def test_as_plain_html_every_plot_and_table_is_there_without_a_request(record: Path) -> None:
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    exporting = pytest.importorskip("nbconvert")
    exporter = exporting.HTMLExporter(require_js_url="", jquery_url="", mathjax_url="", mermaid_js_url="", widget_renderer_url="")
    for path in notebooks(record):
        html, _ = exporter.from_filename(str(path))
        shown, data = _Shown(), [data for _, data in bundles(path)]
        shown.feed(html)
        assert shown.pictures == sum(PLOTLY in one for one in data), path.name
        assert shown.tables >= sum("<table" in "".join(one.get("text/html", "")) for one in data), path.name
        assert shown.asks == [], path.name


@pytest.mark.parametrize("name", ["02_network_infrastructure.ipynb", "05_findings.ipynb"])
async def test_opened_without_trust_every_plot_and_table_is_seen(record: Path, server: Server, browser: Any, name: str) -> None:
    book = await open_notebook(browser, server, name, source=record)
    assert await book.page.evaluate(_UNTRUSTED)
    told = bundles(record / name)
    for cell in dict.fromkeys(cell for cell, data in told if PLOTLY in data or "text/html" in data):
        await book.show(cell)
        place = book.page.locator(f'.jp-Notebook-cell[data-windowed-list-index="{await index_of(book.page, cell)}"]')
        plots = sum(PLOTLY in data for one, data in told if one == cell)
        tables = sum("<table" in "".join(data.get("text/html", "")) for one, data in told if one == cell)
        for number in range(plots):
            await place.locator(".js-plotly-plot").nth(number).locator(".main-svg").first.wait_for(state="visible", timeout=20_000)
        for number in range(tables):
            await place.locator("table").nth(number).wait_for(state="visible", timeout=20_000)
    for cell in ("s22-run", "timeline"):
        if any(one == cell for one, _ in told):
            await book.show(cell)
            await book.shot(f"record-{cell}")
            await book.dark()
            await book.show(cell)
            await book.shot(f"record-{cell}-dark")
    assert book.outside == []


async def index_of(page: Any, cell: str) -> int:
    find = "(id) => window.jupyterapp.shell.currentWidget.content.widgets.findIndex((widget) => widget.model.id === id)"
    return int(await page.evaluate(find, cell))
