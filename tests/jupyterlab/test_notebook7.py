"""The same forms in Jupyter Notebook 7: its kernels are known to be watched, and everything is reached by the keyboard."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import needs
from jupyter_page import Server, jupyterlab, open_notebook, write_notebook

from wsbook.lab import Lab, start_lab

pytest.importorskip("playwright.async_api")
pytest.importorskip("notebook")
pytestmark = [needs("chromium"), pytest.mark.slow]

CELLS = {
    "open": "from wsbook.views.workbook import open_workbook\nbook = open_workbook('1', globals())\nbook.form()",
    "s13": "one = await book.step('1.3')\none.plot()\none.verdict()",
}
_NAME = "() => { const on = document.activeElement; return (on.labels?.[0]?.textContent || on.textContent || on.tagName).trim(); }"


@pytest.fixture(scope="module")
def notebook7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with jupyterlab(tmp_path_factory.mktemp("notebook7"), module="notebook") as server:
        yield server


@pytest.fixture
async def healthy() -> AsyncIterator[Lab]:
    lab = await asyncio.to_thread(start_lab)
    yield lab
    await asyncio.to_thread(lab.stop)


async def test_the_forms_work_with_the_keyboard_alone(notebook7: Server, browser: Any, tmp_path: Path, healthy: Lab) -> None:
    cells = {**CELLS, "open": f"url = {healthy.url + 'x'!r}\n{CELLS['open']}"}
    book = await open_notebook(browser, notebook7, write_notebook(tmp_path, cells), tmp_path)
    await book.run_all()
    page = book.page
    assert "1.3 direct test  fault" in await book.text("s13")
    endpoint = page.get_by_role("textbox", name="endpoint").first
    await endpoint.focus()
    await page.keyboard.press("End")
    await page.keyboard.press("Backspace")
    reached = []
    for _ in range(6):
        await page.keyboard.press("Tab")
        reached.append(await page.evaluate(_NAME))
    assert reached[:4] == ["Run this phase", "Save as target.toml", "Page and handshake", "Way to the application"], reached
    await endpoint.focus()
    await page.keyboard.press("Enter")
    await book.until("s13", "1.3 direct test  clear")
    await page.locator(".widget-label").get_by_text("done", exact=True).wait_for(timeout=60_000)
    await book.shot("notebook7")

    again = page.get_by_role("button", name="Run 1.3 again")
    await again.focus()
    await page.keyboard.press("Tab")
    assert await page.evaluate(_NAME) == "Change"
    await page.keyboard.press("Space")
    await page.get_by_role("textbox", name="endpoint").nth(1).wait_for()
    await page.keyboard.press("Tab")
    assert await page.evaluate(_NAME) == "endpoint"
    await page.keyboard.press("End")
    await page.keyboard.type("x")
    await page.keyboard.press("Enter")
    await page.get_by_text("✓ clear → ✗ fault").wait_for(timeout=60_000)
    await book.dark()
    await book.shot("notebook7-dark")
    assert book.outside == []
