"""A hostile server and hostile files in JupyterLab: their texts are shown, nothing of them runs, nothing is fetched."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import needs
from hostile_texts import artifacts, refusing
from jupyter_page import NOTEBOOKS, Notebook, Server, open_notebook
from misbehaving import misbehaving

pytest.importorskip("playwright.async_api")
pytestmark = [needs("chromium"), pytest.mark.slow]

_SHOWN = "() => document.querySelectorAll('.jp-OutputArea-output').length"
_EVERY_CELL = """async () => {
  const content = window.jupyterapp.shell.currentWidget.content;
  for (let index = 0; index < content.widgets.length; index += 1) {
    await content.scrollToItem(index, 'start');
    await new Promise((done) => setTimeout(done, 30));
  }
}"""


def given(name: str, folder: Path, parameters: dict[str, str]) -> None:
    """Write a notebook with these parameters."""
    notebook = json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))
    cell = next(cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", ()))
    lines = "".join(cell["source"]).splitlines()
    changed = [f"{name}: str = {parameters[name]!r}" if (name := line.partition(":")[0]) in parameters else line for line in lines]
    cell["source"] = "\n".join(changed)
    (folder / "hostile.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


async def hits(book: Notebook) -> Any:
    return await book.page.evaluate("() => window.hit ?? null")


@pytest.mark.parametrize(
    ("notebook", "looked_at"),
    [("01_initial_diagnosis.ipynb", ("s12-run", "s13-run", "s14-run")), ("05_findings.ipynb", ("roots", "faults", "timeline"))],
    ids=["steps", "findings"],
)
async def test_nothing_hostile_runs(notebook: str, looked_at: tuple[str, ...], server: Server, browser: Any, tmp_path: Path) -> None:
    paths = {name: tmp_path / name for name in artifacts()}
    for name, content in artifacts().items():
        paths[name].write_bytes(content)
    dialogs: list[str] = []
    async with misbehaving(way=refusing) as peer:
        parameters = {"url": peer.url("/way"), "har": str(paths["recording.har"]), "console": str(paths["console.txt"])}
        parameters |= {"logs": f"{paths['app.log']}; {paths['access.log']}", "frontend": str(paths["client.js"])}
        given(notebook, tmp_path, {**parameters, "symptom": "<img src=x onerror=window.hit=20>"})
        book = await open_notebook(browser, server, "hostile.ipynb", source=tmp_path)
        book.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        await book.run_all()
    await book.page.evaluate(_EVERY_CELL)
    shown = await book.page.content()
    assert "window.hit" in shown, "no hostile text was on the page"
    assert await book.page.evaluate(_SHOWN) > 3
    assert (await hits(book), dialogs, book.outside) == (None, [], [])
    assert await book.page.locator(".jp-OutputArea-output :is(iframe, svg[onload], img[onerror], [onmouseover])").count() == 0
    assert await book.page.locator(".jp-OutputArea-output a[href^='javascript' i]").count() == 0
    for cell in looked_at:
        await book.show(cell)
        await book.shot(f"hostile-{cell}")
    await book.dark()
    await book.shot(f"hostile-{notebook[:2]}-dark")
