"""The waterfall of attempts in notebook 1: chosen and compared with the keyboard."""

from typing import Any

import pytest
from conftest import needs
from jupyter_page import Server, open_notebook

pytest.importorskip("playwright.async_api")
pytestmark = [needs("chromium"), pytest.mark.slow]

_DRAWN = """(rows) => {
  const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
  const outputs = cells.find((cell) => cell.id === 's13-run').outputs.toJSON();
  return outputs.some((output) => output.data?.['text/plain']?.endsWith(`; ${rows} attempts compared`));
}"""


async def test_attempts_are_chosen_and_the_picture_follows(server: Server, browser: Any) -> None:
    book = await open_notebook(browser, server, "01_initial_diagnosis.ipynb")
    await book.run_all()
    page = book.page
    await book.show("s13-run")
    await page.locator(".js-plotly-plot .main-svg").first.wait_for(state="visible", timeout=20_000)
    await book.shot("stages-light")
    summary = page.get_by_text("Compare attempts:")
    await summary.focus()
    await summary.press("Enter")
    await page.get_by_role("button", name="only the baseline").click()
    await page.wait_for_function(_DRAWN, arg=1, timeout=20_000)
    cells = await page.evaluate("window.jupyterapp.shell.currentWidget.content.model.cells.length")
    boxes = page.locator(".wsb-attempts input[type=checkbox]:enabled")
    await boxes.nth(0).focus()
    await page.keyboard.press("Space")
    await page.wait_for_function(_DRAWN, arg=2, timeout=20_000)
    await boxes.nth(2).focus()
    await page.keyboard.press("Space")
    await page.wait_for_function(_DRAWN, arg=3, timeout=20_000)
    base = page.locator(".wsb-attempts input[type=radio]").first
    await base.focus()
    for key in ("ArrowDown", "b", "x"):
        await page.keyboard.press(key)
    await page.wait_for_function("document.querySelectorAll('.wsb-attempts input[type=radio]')[1].checked")
    assert await page.evaluate("window.jupyterapp.shell.currentWidget.content.model.cells.length") == cells
    await page.get_by_label("each on an axis of its own").check()
    await page.get_by_text("share of the attempt's own time (%)").first.wait_for(timeout=20_000)
    await book.shot("stages-compared")
    await book.dark()
    await book.shot("stages-dark")
    assert book.outside == []
