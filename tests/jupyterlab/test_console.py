"""The live console in JupyterLab: connect, talk, close, export; a thousand frames a second, all there and in order."""

import asyncio
import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import needs
from jupyter_page import Notebook, Server, open_notebook
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from wsbook.facts import SessionFacts
from wsbook.parsers.recordings.har import parse_har

pytest.importorskip("playwright.async_api")
pytestmark = [needs("chromium"), pytest.mark.slow]

RATE, SECONDS = 1_000, 6
HOSTILE = '<img src=x onerror="window.ran=1"><script>window.ran=1</script>\u202e\x1b[31m'
_WATCH = """() => {
  window.gaps_ms = [];
  let before = 0;
  const tick = (now) => {
    if (before) window.gaps_ms.push(now - before);
    before = now;
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}"""
_ROWS = "() => document.querySelector('.wsb-console').wsbConsole.rows()"
_RECEIVED = "(count) => document.querySelector('.wsb-console').wsbConsole.rows().filter((r) => r.direction === 'received').length >= count"


async def talks(peer: ServerConnection) -> None:
    try:
        if peer.request is not None and peer.request.path == "/push":
            await pushes(peer)
        elif peer.request is not None and peer.request.path == "/hostile":
            await peer.send(HOSTILE)
            await peer.send("m" * (15 << 20))
        async for message in peer:
            await peer.send(message)
    except ConnectionClosed:
        pass


async def pushes(peer: ServerConnection) -> None:
    """Send numbered messages at the rate, on time whatever a single send takes."""
    loop = asyncio.get_running_loop()
    begin, number = loop.time(), 0
    while number < RATE * SECONDS:
        due = min(RATE * SECONDS, int((loop.time() - begin) * RATE))
        for number in range(number, due):  # noqa: B020 - goes on where it stopped
            await peer.send(json.dumps({"seq": number, "price": number % 97, "text": "an update of an ordinary size"}))
        number = due
        await asyncio.sleep(0.01)


def refuses(peer: ServerConnection, request: Request) -> Response | None:
    return peer.respond(HTTPStatus.FORBIDDEN, "no token") if request.path == "/refused" else None


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with serve(talks, "127.0.0.1", 0, process_request=refuses, max_size=1 << 24) as running:
        yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}"


async def console_on(url: str, browser: Any, server: Server, place: Path) -> Notebook:
    """Open a notebook that holds nothing but a console on this endpoint, and connect nothing yet."""
    code = f'from wsbook.views.workbook import open_workbook\nbook = open_workbook("1", url="{url}")\nbook.console()'
    cell = nbformat.v4.new_code_cell(code, id="console")
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), place / "console.ipynb")
    book = await open_notebook(browser, server, "console.ipynb", place)
    await book.run_all()
    await book.page.locator(".wsb-console").wait_for(timeout=30_000)
    await book.page.wait_for_function("() => document.querySelector('.wsb-url').value !== ''")
    return book


def read(path: Path) -> bytes:
    return path.read_bytes()


async def connect(page: Any) -> None:
    await page.get_by_role("button", name="Connect").click()
    await page.locator('.wsb-console[data-state="open"]').wait_for(timeout=10_000)


async def test_a_thousand_frames_a_second_are_all_there(server: Server, browser: Any, address: str, tmp_path: Path) -> None:
    book = await console_on(f"{address}/push", browser, server, tmp_path)
    page = book.page
    await page.evaluate(_WATCH)
    await connect(page)
    await page.wait_for_function(_RECEIVED, arg=RATE * 2, timeout=20_000)
    late = await page.evaluate("() => document.querySelector('.wsb-console').wsbConsole.rows().length")
    await page.wait_for_function(_RECEIVED, arg=RATE * SECONDS, timeout=30_000)
    gaps_ms = sorted(await page.evaluate("() => window.gaps_ms"))
    rows = [row for row in await page.evaluate(_ROWS) if row["direction"] == "received"]
    assert [json.loads(row["text"])["seq"] for row in rows] == list(range(RATE * SECONDS))
    assert 2 * RATE <= late < RATE * SECONDS  # shown while they came
    assert await page.locator(".wsb-rows .wsb-row").count() < 60
    median_ms, late_ms = gaps_ms[len(gaps_ms) // 2], gaps_ms[len(gaps_ms) * 95 // 100]
    print(f"between {len(gaps_ms)} frames of the page: median {median_ms:.0f}, 95th percentile {late_ms:.0f}, longest {gaps_ms[-1]:.0f} ms")
    assert median_ms < 100 and late_ms < 500
    await book.shot("console-stream")
    await page.locator(".wsb-search").fill('"seq": 4321,')
    await page.get_by_role("button", name="only matches").click()
    await page.wait_for_function("() => document.querySelector('.wsb-console').wsbConsole.counts().shown === 1")
    await page.locator(".wsb-rows .wsb-row").filter(has_text='"seq": 4321,').click()
    await book.shot("console-search")
    await page.locator(".wsb-search").fill("")
    await page.get_by_role("combobox", name="Direction").select_option("sent")
    await page.wait_for_function("() => document.querySelector('.wsb-console').wsbConsole.counts().shown === 0")
    assert book.outside == []


async def test_a_conversation_by_hand_and_its_export(server: Server, browser: Any, address: str, tmp_path: Path) -> None:
    book = await console_on(f"{address}/echo", browser, server, tmp_path)
    page = book.page
    note, message, form = page.locator(".wsb-note"), page.get_by_role("textbox", name="Message"), page.get_by_label("form", exact=True)
    await connect(page)
    await message.fill("hello")
    await message.press("Enter")
    await note.get_by_text("sent text, 5 B").wait_for()
    await page.keyboard.type("world")  # what was sent is chosen, so that the next key replaces it
    await message.press("Enter")
    await page.wait_for_function(_RECEIVED, arg=2)
    await page.keyboard.press("ArrowUp")
    assert await message.input_value() == "hello"
    await page.keyboard.press("End")
    await page.keyboard.press("ArrowDown")
    assert await message.input_value() == "world"
    await form.select_option("json")
    await message.fill('{"type": "subscribe", "channel": ')
    await message.press("Enter")
    await note.get_by_text("not valid JSON").wait_for()
    await message.fill('{"type":"subscribe","channel":"prices","since":{"id":7}}')
    await message.press("Control+Enter")
    await note.get_by_text("sent text, 56 B").wait_for()
    await form.select_option("hex")
    await message.fill("de ad be ef")
    await page.get_by_role("button", name="Send").click()
    await note.get_by_text("sent binary, 4 B").wait_for()
    await page.get_by_role("button", name="Ping").click()
    await note.get_by_text("pong after").wait_for()
    await page.get_by_label("template").select_option(label="event")
    await message.press("Enter")
    await note.get_by_text("‹event› is still to be filled in").wait_for()
    await page.keyboard.type("price")
    assert await message.input_value() == '42["price",{}]'
    await message.press("Enter")
    await note.get_by_text("sent text, 14 B").wait_for()
    await page.wait_for_function(_RECEIVED, arg=6)
    await page.locator(".wsb-rows .wsb-row").filter(has_text="subscribe").last.click()
    await page.keyboard.press("Enter")
    await page.locator(".wsb-detail").get_by_text("channel").first.wait_for()
    await book.shot("console-conversation")
    code = page.get_by_label("close code")
    await code.fill("1006")
    await page.get_by_role("button", name="Close", exact=True).click()
    await note.get_by_text("1006 stands for a connection that went without a close frame").wait_for()
    await code.fill("4001")
    await page.get_by_label("reason").fill("enough")
    await page.get_by_label("reason").press("Enter")
    await page.locator(".wsb-state").get_by_text("closed by us with 4001").wait_for()
    await page.wait_for_function("() => document.querySelector('.wsb-note').textContent === ''")
    await page.get_by_role("button", name="Export as HAR").click()
    await page.locator(".wsb-file a").wait_for()
    async with page.expect_download() as waiting:
        await page.locator(".wsb-file a").click()
    saved = read(await (await waiting.value).path())
    assert [read(path) for path in server.files("console-*.har")] == [saved]
    (life,) = [seen.facts for seen in parse_har(saved, artifact="console.har") if isinstance(seen.facts, SessionFacts)]
    assert (life.ended, life.close_code, life.close_reason) == ("close", 4001, "enough")
    assert [frame.text for frame in life.frames if frame.direction == "sent" and frame.opcode == 1][-1] == '42["price",{}]'
    await book.shot("console-ended")
    await book.dark()
    await book.shot("console-ended-dark")
    assert book.outside == []


async def test_a_refusal_is_told_and_keys_stay_in_the_console(server: Server, browser: Any, address: str, tmp_path: Path) -> None:
    book = await console_on(f"{address}/refused", browser, server, tmp_path)
    page = book.page
    await page.get_by_role("button", name="Connect").click()
    await page.locator(".wsb-state").get_by_text("403 refused").wait_for(timeout=10_000)
    assert "no token" in await page.locator(".wsb-state").text_content()
    await book.shot("console-refused")
    assert await page.locator(".wsb-stages .wsb-stopped").text_content() != ""
    assert await page.get_by_role("button", name="Send").is_disabled()
    url = page.get_by_role("textbox", name="Endpoint")
    await url.fill("http://nowhere")
    await url.press("Enter")
    await page.locator(".wsb-note").get_by_text("scheme").wait_for()
    await page.get_by_role("textbox", name="Message").click()
    await page.keyboard.type("dd aa bb x m")  # each would be a command of the notebook
    assert await page.get_by_role("textbox", name="Message").input_value() == "dd aa bb x m"
    await page.keyboard.press("Escape")
    assert await page.evaluate("() => document.activeElement.closest('.wsb-console') === null")
    cells = "() => window.jupyterapp.shell.currentWidget.content.model.cells.length"
    assert await page.evaluate(cells) == 1
    await url.fill(f"{address}/echo")
    await url.press("Enter")
    await page.locator('.wsb-console[data-state="open"]').wait_for(timeout=10_000)


async def test_a_hostile_peer_runs_nothing(server: Server, browser: Any, address: str, tmp_path: Path) -> None:
    book = await console_on(f"{address}/hostile", browser, server, tmp_path)
    page = book.page
    await connect(page)
    await page.wait_for_function(_RECEIVED, arg=2, timeout=20_000)
    first, second = (row for row in await page.evaluate(_ROWS) if row["direction"] == "received")
    assert first["text"] == HOSTILE
    assert (second["size"], second["cut"]) == (15 << 20, True) and len(second["text"]) < 20_000
    await page.locator(".wsb-rows .wsb-row").first.click()
    await page.keyboard.press("Enter")
    await page.locator(".wsb-payload").wait_for()
    assert "\u202e" not in await page.locator(".wsb-payload").text_content()
    assert await page.evaluate("() => window.ran") is None
    assert await page.locator(".wsb-console img, .wsb-console script").count() == 0
    await page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    saved = "() => JSON.stringify(window.jupyterapp.shell.currentWidget.content.model.toJSON())"
    assert "onerror" not in await page.evaluate(saved)
    assert book.outside == []
