"""The form of a notebook: type an endpoint, press the button, see verdict and plot."""

import asyncio
from typing import Any

import pytest
from conftest import needs
from jupyter_page import Server, open_notebook

from wsbook.lab import start_lab

pytest.importorskip("playwright.async_api")
pytestmark = [needs("chromium"), pytest.mark.slow]

_FAULT = """() => {
  const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
  const verdict = cells.find((cell) => cell.id === 's13-verdict').outputs.toJSON()[0];
  return verdict?.data?.['text/plain']?.includes('fault');
}"""


async def test_the_button_runs_the_phase_against_another_endpoint(server: Server, browser: Any) -> None:
    book = await open_notebook(browser, server, "01_initial_diagnosis.ipynb")
    await book.run_all()
    page = book.page
    assert (await book.outputs("s13-verdict"))[0]["data"]["text/plain"] == "1.3 direct test  clear"
    await book.show("open")
    await book.shot("form")
    broken = await asyncio.to_thread(start_lab, "proxy.upgrade-header-missing")
    try:
        field = page.locator('input[placeholder*="the bundled lab"]')
        await field.fill("ws:/broken")
        await page.get_by_text("endpoint ✗").wait_for()
        await field.fill(broken.url)
        await page.get_by_text("scheme ✓ ws, not encrypted").wait_for()
        await page.get_by_role("button", name="Run this phase").click()
        await page.wait_for_function(_FAULT, timeout=60_000)
        await page.locator(".widget-label").get_by_text("done", exact=True).wait_for(timeout=60_000)
    finally:
        await asyncio.to_thread(broken.stop)
    assert "1.3 direct test  fault" in (await book.outputs("s13-verdict"))[0]["data"]["text/plain"]
    await book.shot("after")
    await book.show("s13-run")
    drawn = page.locator(".js-plotly-plot .main-svg").last
    await drawn.wait_for(state="visible", timeout=20_000)
    titles = await page.locator(".js-plotly-plot .gtitle").all_text_contents()
    assert any("refused" in title for title in titles), titles
    await book.shot("plot-light")
    await book.dark()
    assert (await drawn.bounding_box())["height"] > 100
    await book.shot("plot-dark")
    await book.show("open")
    await book.shot("form-dark")
    assert book.outside == []
