"""The notebook in JupyterLab, in a real browser: type an endpoint, press the button, see verdict and plot."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import find, needs

from wsbook.lab import start_lab

pytest.importorskip("playwright.async_api")
pytestmark = [needs("chromium"), pytest.mark.slow]

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
TOKEN = "only-for-this-test"
SHOTS = os.environ.get("WSBOOK_SHOTS", "")
"""Folder to keep screenshots in; "" keeps none."""

_CONNECTED = """() => {
  const panel = window.jupyterapp?.shell?.currentWidget;
  const kernel = panel?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus === 'connected' && kernel?.status === 'idle';
}"""
_DONE = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = [...panel.content.model.cells].filter((cell) => cell.type === 'code');
  return cells.every((cell) => cell.executionCount !== null) && panel.sessionContext.session.kernel.status === 'idle';
}"""
_FAULT = """() => {
  const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
  const verdict = cells.find((cell) => cell.id === 's13-verdict').outputs.toJSON()[0];
  return verdict?.data?.['text/plain']?.includes('fault');
}"""
_SENT = """() => {
  const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
  const outputs = cells.find((cell) => cell.id === 's42-own').outputs.toJSON();
  return outputs.some((output) => output.data?.['text/plain']?.includes('rate (1/s)'));
}"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """JupyterLab on a loopback port with a home of its own; ended by its own process group."""
    folder, settings = tmp_path / "notebooks", tmp_path / "settings"
    folder.mkdir()
    settings.mkdir()
    for path in NOTEBOOKS.glob("0*.ipynb"):
        shutil.copy(path, folder)
    news = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    (settings / "overrides.json").write_text(json.dumps(news))
    port = free_port()
    places = {
        name: str(tmp_path / name) for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
    }
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}"]
    options += ["--LabApp.expose_app_in_browser=True", f"--LabApp.app_settings_dir={settings}", f"--ServerApp.root_dir={folder}"]
    options += ["--MappingKernelManager.transport_encryption=auto", "--LabApp.extension_manager=readonly"]
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        env={**os.environ, **places},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.2)
    yield f"http://127.0.0.1:{port}"
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=find("chromium"), args=["--no-sandbox"])
        yield started
        await started.close()


async def opened(browser: Any, address: str, name: str) -> tuple[Any, list[str]]:
    """Open a notebook and run all of its cells; return the page and the requests that left the loopback interface."""
    page = await browser.new_page(viewport={"width": 1280, "height": 1500})
    outside: list[str] = []
    page.on(
        "request",
        lambda request: outside.append(request.url) if not request.url.startswith((address, "data:", "blob:", "ws://127")) else None,
    )
    await page.goto(f"{address}/lab/tree/{name}?token={TOKEN}&reset")
    await page.wait_for_function(_CONNECTED, timeout=90_000)
    await page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    await page.wait_for_function(_DONE, timeout=120_000)
    return page, outside


async def shot(page: Any, name: str) -> None:
    if SHOTS:
        await page.screenshot(path=str(Path(SHOTS) / f"lab-{name}.png"))


async def scroll_to(page: Any, cell: str) -> None:
    """Bring a cell into view by its id; Lab draws only cells near the view."""
    await page.evaluate(
        """async (id) => {
          const content = window.jupyterapp.shell.currentWidget.content;
          const index = content.widgets.findIndex((widget) => widget.model.id === id);
          content.activeCellIndex = index;
          await content.scrollToItem(index, 'start');
        }""",
        cell,
    )


async def outputs(page: Any, cell: str) -> list[dict[str, Any]]:
    text = await page.evaluate(
        """(id) => {
          const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
          return JSON.stringify(cells.find((cell) => cell.id === id).outputs.toJSON());
        }""",
        cell,
    )
    return list(json.loads(text))


async def test_the_button_runs_the_phase_against_another_endpoint(server: str, browser: Any) -> None:
    page, outside = await opened(browser, server, "01_initial_diagnosis.ipynb")
    assert (await outputs(page, "s13-verdict"))[0]["data"]["text/plain"] == "1.3 direct test  clear"
    await scroll_to(page, "open")
    await shot(page, "form")
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
    assert "1.3 direct test  fault" in (await outputs(page, "s13-verdict"))[0]["data"]["text/plain"]
    await shot(page, "after")
    await scroll_to(page, "s13-run")
    drawn = page.locator(".js-plotly-plot .main-svg").last
    await drawn.wait_for(state="visible", timeout=20_000)
    titles = await page.locator(".js-plotly-plot .gtitle").all_text_contents()
    assert any("refused" in title for title in titles), titles
    await shot(page, "plot-light")
    await page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    await page.wait_for_selector('body[data-jp-theme-light="false"]', state="attached")
    await asyncio.sleep(0.5)
    assert (await drawn.bounding_box())["height"] > 100
    await shot(page, "plot-dark")
    await scroll_to(page, "open")
    await asyncio.sleep(0.5)
    await shot(page, "form-dark")
    assert outside == []


async def test_a_load_of_ones_own_is_drawn_and_not_recorded(server: str, browser: Any) -> None:
    page, outside = await opened(browser, server, "04_realtime_flow.ipynb")
    await scroll_to(page, "s41-run")
    await page.locator(".js-plotly-plot .main-svg").first.wait_for(state="visible", timeout=20_000)
    await shot(page, "waterfall")
    await scroll_to(page, "s42-own")
    before = await outputs(page, "s42-run")
    await page.get_by_role("button", name="Send this load").click()
    await page.wait_for_function(_SENT, timeout=60_000)
    texts = [output["data"]["text/plain"] for output in await outputs(page, "s42-own") if "data" in output]
    await shot(page, "own-load")
    assert any("500 a second" in text or "do not count" in text for text in texts), texts
    assert any("rate (1/s)" in text for text in texts), texts
    assert await outputs(page, "s42-run") == before
    await page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    await page.wait_for_selector('body[data-jp-theme-light="false"]', state="attached")
    await asyncio.sleep(0.5)
    await shot(page, "own-load-dark")
    assert outside == []
