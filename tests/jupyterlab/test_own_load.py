"""A load of one's own in notebook 4: drawn, and not recorded."""

from typing import Any

import pytest
from conftest import needs
from jupyter_page import Server, open_notebook

pytest.importorskip("playwright.async_api")
pytestmark = [needs("chromium"), pytest.mark.slow]

_SENT = """() => {
  const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
  const outputs = cells.find((cell) => cell.id === 's42-own').outputs.toJSON();
  return outputs.some((output) => output.data?.['text/plain']?.includes('rate (1/s)'));
}"""


async def test_a_load_of_ones_own_is_drawn_and_not_recorded(server: Server, browser: Any) -> None:
    book = await open_notebook(browser, server, "04_realtime_flow.ipynb")
    await book.run_all()
    page = book.page
    await book.show("s41-run")
    await page.locator(".js-plotly-plot .main-svg").first.wait_for(state="visible", timeout=20_000)
    await book.shot("waterfall")
    await book.show("s42-own")
    before = await book.outputs("s42-run")
    await page.get_by_role("button", name="Send this load").click()
    await page.wait_for_function(_SENT, timeout=60_000)
    texts = [output["data"]["text/plain"] for output in await book.outputs("s42-own") if "data" in output]
    await book.shot("own-load")
    assert any("500 a second" in text or "do not count" in text for text in texts), texts
    assert any("rate (1/s)" in text for text in texts), texts
    assert await book.outputs("s42-run") == before
    await book.dark()
    await book.shot("own-load-dark")
    assert book.outside == []
