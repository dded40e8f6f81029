"""The frames of a recording in notebook 1: picture and table that follow each other, one socket after the other."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import needs
from jupyter_page import NOTEBOOKS, Server, open_notebook

pytest.importorskip("playwright.async_api")
pytestmark = [needs("chromium"), pytest.mark.slow]

NAME = "01_initial_diagnosis.ipynb"
HOSTILE = "<img src=x onerror='window.hit=1'><script>window.hit=1</script>"


def entry(path: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one socket as Chrome records it."""
    headers = [{"name": "Upgrade", "value": "websocket"}, {"name": "Connection", "value": "Upgrade"}]
    return {
        "_resourceType": "websocket",
        "_webSocketMessages": messages,
        "startedDateTime": "2026-03-12T10:00:00.000Z",
        "time": 14_000,
        "request": {"method": "GET", "url": f"wss://live.shop.test/{path}", "headers": headers},
        "response": {"status": 101, "statusText": "Switching Protocols", "headers": headers, "httpVersion": "HTTP/1.1"},
    }


def message(at_s: float, kind: str, data: str, opcode: int = 1) -> dict[str, Any]:
    return {"type": kind, "time": 1773309600.0 + at_s, "opcode": opcode, "data": data}


def recording(folder: Path) -> Path:
    """Write a recording of two sockets, of which the first is busier and silent for some seconds in the middle."""
    prices = [message(0.5 + n * 0.02 + (6.0 if n > 150 else 0.0), "receive", json.dumps({"price": n, "note": HOSTILE})) for n in range(300)]
    asked = [message(0.3, "send", '{"op":"subscribe"}')]
    chat = [message(0.1 * n, "receive" if n % 2 else "send", f"chat {n}") for n in range(1, 9)]
    file = folder / "session.har"
    log = {"version": "1.2", "creator": {"name": "WebInspector", "version": "1"}}
    file.write_text(json.dumps({"log": {**log, "entries": [entry("chat", chat), entry("feed", asked + prices)]}}))
    return file


def notebook(folder: Path, har: Path) -> Path:
    """Write the notebook with the recording as its parameter; return its folder."""
    book = json.loads((NOTEBOOKS / NAME).read_text(encoding="utf-8"))
    (cell,) = [cell for cell in book["cells"] if "parameters" in cell["metadata"].get("tags", ())]
    cell["source"] = [line.replace('har: str = ""', f'har: str = "{har}"') for line in "".join(cell["source"]).splitlines(True)]
    assert str(har) in "".join(cell["source"])
    (folder / NAME).write_text(json.dumps(book), encoding="utf-8")
    return folder


async def test_a_recordings_frames_are_explored(server: Server, browser: Any, tmp_path: Path) -> None:
    book = await open_notebook(browser, server, NAME, notebook(tmp_path, recording(tmp_path)))
    await book.run_all()
    page = book.page
    await book.show("s12-run")
    view = page.locator(".wsb-recorded")
    await view.locator(".wsb-rows .wsb-row").first.wait_for(timeout=20_000)
    assert "1 sent, 300 received" in await view.locator(".wsb-status").inner_text()
    await book.shot("frames-light")

    await view.locator(".wsb-search").fill('"price": 17\\d')
    await view.get_by_role("button", name="Regular expression").click()
    await page.wait_for_function("document.querySelector('.wsb-recorded .wsb-found').textContent === '10 matches'")
    await view.locator(".wsb-search").press("Enter")
    grid = view.locator(".wsb-grid")
    await grid.focus()
    await grid.press("Enter")
    assert '"price": 170' in await view.locator(".wsb-payload").inner_text()
    await book.shot("frames-detail")

    cells = await page.evaluate("window.jupyterapp.shell.currentWidget.content.model.cells.length")
    for key in ("d", "d", "a", "b", "x", "ArrowDown", "Shift+Enter", "Escape"):
        await grid.press(key)
    assert await page.evaluate("window.jupyterapp.shell.currentWidget.content.model.cells.length") == cells
    await view.locator(".wsb-search").press("Escape")

    box = await view.locator(".wsb-canvas").bounding_box()
    await page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 60)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.85, box["y"] + 70, steps=4)
    await page.mouse.up()
    await page.wait_for_function("/; \\d+ shown/.test(document.querySelector('.wsb-recorded .wsb-status').textContent)")
    await book.shot("frames-range")
    await book.dark()
    await book.shot("frames-dark")

    await view.get_by_label("Socket").select_option("1")
    await page.wait_for_function("document.querySelector('.wsb-recorded .wsb-status').textContent.startsWith('4 sent, 4 received')")
    assert await page.evaluate("window.hit") is None
    assert "price" not in json.dumps((await book.outputs("s12-run"))[0]["data"].get("application/vnd.jupyter.widget-view+json"))
    assert book.outside == []


async def test_the_button_fills_the_view_again(server: Server, browser: Any, tmp_path: Path) -> None:
    har = recording(tmp_path)
    book = await open_notebook(browser, server, NAME, notebook(tmp_path, har))
    await book.run_all()
    page = book.page
    await book.show("s12-run")
    await page.locator(".wsb-recorded .wsb-rows .wsb-row").first.wait_for(timeout=20_000)
    log = json.loads(har.read_text())["log"]
    log["entries"] = log["entries"][:1]
    har.write_text(json.dumps({"log": log}))
    await book.show("open")
    await page.get_by_role("button", name="Run this phase").click()
    await page.locator(".widget-label").get_by_text("done", exact=True).wait_for(timeout=60_000)
    await book.show("s12-run")
    await page.wait_for_function(
        "document.querySelector('.wsb-recorded .wsb-status')?.textContent.startsWith('4 sent, 4 received')", timeout=20_000
    )
    assert book.outside == []
