"""Every form and field, used as a person uses them: typed, chosen, pasted, run, stopped."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from conftest import needs
from jupyter_page import Notebook, Server, open_notebook, write_notebook

from wsbook.lab import Lab, start_lab

pytest.importorskip("playwright.async_api")
pytestmark = [needs("chromium", "nginx"), pytest.mark.slow]

OPEN = "from wsbook.views.workbook import open_workbook\nbook = open_workbook('2', globals())\nbook.form()\nbook.chain()"
SECRET = "hunter2-hunter2"
CONSOLE = "WebSocket connection to 'ws://shop.test/ws' failed: Error during WebSocket handshake: Unexpected response code: 400"


def step(number: str) -> str:
    more = "one.table('routes')\n" if number == "2.2" else ""
    return f"one = await book.step('{number}')\none.plot()\none.table()\n{more}one.findings()\none.verdict()"


@pytest.fixture
async def broken() -> AsyncIterator[Lab]:
    lab = await asyncio.to_thread(start_lab, "proxy.upgrade-header-missing", proxy="nginx")
    yield lab
    await asyncio.to_thread(lab.stop)


async def opened(browser: Any, server: Server, place: Path, url: str, *steps: str) -> Notebook:
    cells = {"open": f"url = {url!r}\n{OPEN}", **{f"s{number.replace('.', '')}": step(number) for number in steps}}
    book = await open_notebook(browser, server, write_notebook(place, cells), place)
    await book.run_all()
    await book.show("open")
    return book


async def test_a_target_is_typed_chosen_and_pasted(server: Server, browser: Any, tmp_path: Path, broken: Lab) -> None:
    book = await opened(browser, server, tmp_path, "", "2.2")
    page = book.page
    endpoint = page.get_by_role("textbox", name="endpoint").first
    await endpoint.fill(broken.url.replace("ws://", "http://"))
    await page.get_by_role("button", name=f"Use {broken.url}").click()
    await page.get_by_text("scheme ✓ ws, not encrypted").wait_for()

    await page.get_by_role("button", name="Page and handshake").click()
    await page.get_by_role("button", name="Add a header").click()
    await page.get_by_role("textbox", name="header").fill("X-Mine")
    await page.get_by_role("combobox", name="from").select_option("secret")
    await page.get_by_role("textbox", name="secret").fill(SECRET)
    await page.keyboard.press("Tab")
    await page.get_by_text("✓ a reference").wait_for()
    await book.shot("headers")

    await page.get_by_role("button", name="Way to the application").click()
    await page.get_by_role("button", name="Add a hop").click()
    await page.get_by_role("textbox", name="hop").fill("app")
    url = page.get_by_role("textbox", name="at", exact=True)
    await url.fill("http://127.0.0.1:1/ws")
    await page.get_by_text("✗ write ws://127.0.0.1:1/ws").wait_for()
    await url.fill(broken.hops[next(iter(broken.hops))])
    await page.get_by_text("✓ 127.0.0.1, port").first.wait_for()
    await book.shot("hops")

    await page.get_by_title("Files", exact=True).click()
    async with page.expect_file_chooser() as choosing:
        await page.get_by_role("button", name="Choose files").click()
    await (await choosing.value).set_files(list(broken.configs))
    await page.get_by_text("✓ nginx.conf: nginx configuration").wait_for()
    await page.get_by_placeholder("or paste a log").fill(CONSOLE)
    await page.get_by_role("button", name="Keep this text").click()
    await page.get_by_text("✓ console.txt: console of a browser, 1 line → console").wait_for()
    await book.shot("files")

    await endpoint.press("Enter")
    await book.until("s22", "nginx.conf:")
    await page.locator(".widget-label").get_by_text("done", exact=True).wait_for(timeout=60_000)
    said = await book.text("s22")
    assert "proxy.upgrade-header-missing" in said and "app" in said, said
    assert "fault" in said.splitlines()[-1]
    await book.shot("target")
    await page.get_by_role("button", name="Save as target.toml").click()
    await page.get_by_text("saved as").wait_for()
    kept = (book.file.parent / "target.toml").read_text(), await book.save()
    assert broken.url in kept[0] and "artifacts/nginx.conf" in kept[0]
    assert not [text for text in kept if SECRET in text]
    await page.get_by_title("Files", exact=True).click()
    await book.dark()
    await book.shot("target-dark")
    assert book.outside == []


async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer nothing until the client goes."""
    await _.read()
    writer.close()


async def test_a_step_runs_again_with_one_change_and_can_be_stopped(server: Server, browser: Any, tmp_path: Path, broken: Lab) -> None:
    book = await opened(browser, server, tmp_path, broken.url, "1.3")
    page = book.page
    assert "1.3 direct test  fault" in await book.text("s13")
    await book.show("s13")
    await page.get_by_role("button", name="Change").click()
    await book.shot("step-open")
    controls = page.locator(".jp-OutputArea-output", has=page.get_by_role("button", name="Run 1.3 again"))
    url = controls.get_by_role("textbox", name="endpoint")

    await url.fill(broken.hops[next(iter(broken.hops))])
    await controls.get_by_role("textbox", name="Origin").fill(broken.page_url.rstrip("/"))
    await page.get_by_role("button", name="Run 1.3 again").click()
    await page.get_by_text("✗ fault → ✓ clear").wait_for(timeout=60_000)
    assert "changed: endpoint, Origin" in await controls.inner_text()
    assert "1.3 direct test  clear" in await book.text("s13")
    await book.shot("step-flipped")

    hanging = await asyncio.start_server(silent, "127.0.0.1", 0)
    before = await book.text("s13")
    await url.fill(f"ws://127.0.0.1:{hanging.sockets[0].getsockname()[1]}/ws")
    await url.press("Enter")
    await controls.get_by_role("button", name="Stop").click()
    await page.get_by_text("stopped; the views show what was seen so far").wait_for()
    hanging.close()
    assert await book.text("s13") == before

    await controls.get_by_role("textbox", name="CA file").fill("/not/there.pem")
    await page.get_by_role("button", name="Run 1.3 again").click()
    await page.get_by_text("✗ /not/there.pem does not exist").wait_for()
    assert await book.text("s13") == before
    await book.dark()
    await book.shot("step-dark")
    assert book.outside == []
