"""JupyterLab on loopback and its page in Chromium, for tests: open a notebook, run it, look at cells and outputs."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

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
_SHOW = """async (id) => {
  const content = window.jupyterapp.shell.currentWidget.content;
  const index = content.widgets.findIndex((widget) => widget.model.id === id);
  content.activeCellIndex = index;
  await content.scrollToItem(index, 'start');
}"""
_OUTPUTS = """(id) => {
  const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
  return JSON.stringify(cells.find((cell) => cell.id === id).outputs.toJSON());
}"""

_HOLDS = """([id, words]) => {
  const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
  const texts = cells.find((cell) => cell.id === id).outputs.toJSON().map((output) => String(output.data?.['text/plain']));
  return texts.join('\\n').includes(words);
}"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_notebook(folder: Path, cells: dict[str, str], name: str = "small.ipynb") -> str:
    """Write a notebook of code cells, id → source, and return its name: what is tested runs without all that surrounds it."""
    made = [
        {"id": id_, "cell_type": "code", "source": text, "metadata": {}, "outputs": [], "execution_count": None}
        for id_, text in cells.items()
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    (folder / name).write_text(json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    return name


class Server:
    """A running JupyterLab. Each notebook that a test opens is a fresh copy in a folder of its own."""

    def __init__(self, address: str, folder: Path, view: str = "lab/tree") -> None:
        self.address = address
        self.folder = folder
        self.view = view
        self._count = 0

    def copy(self, name: str, source: Path = NOTEBOOKS) -> str:
        """Copy a notebook; return its path below the server's root."""
        self._count += 1
        folder = self.folder / f"n{self._count}"
        folder.mkdir()
        shutil.copy(source / name, folder)
        return f"{folder.name}/{name}"

    def files(self, pattern: str) -> list[Path]:
        """Return the files of this name that stand below the server's root."""
        return sorted(self.folder.rglob(pattern))

    def end_kernels(self) -> None:
        """End the kernel of every notebook, with the lab that it holds."""
        for session in self._ask("GET", "/api/sessions"):
            with suppress(OSError):
                self._ask("DELETE", f"/api/sessions/{session['id']}")

    def _ask(self, method: str, path: str) -> Any:
        request = urllib.request.Request(f"{self.address}{path}", method=method, headers={"Authorization": f"token {TOKEN}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")


@contextmanager
def jupyterlab(place: Path, module: str = "jupyterlab") -> Iterator[Server]:
    """Run JupyterLab, or Jupyter Notebook as the module notebook, with a home of its own; end it by its own process group."""
    folder, settings = place / "notebooks", place / "settings"
    folder.mkdir()
    settings.mkdir()
    news = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    (settings / "overrides.json").write_text(json.dumps(news))
    port = free_port()
    names = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
    places = {name: str(place / name) for name in names}
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}"]
    app = "JupyterNotebookApp" if module == "notebook" else "LabApp"
    options += [f"--{app}.expose_app_in_browser=True", f"--{app}.app_settings_dir={settings}", f"--ServerApp.root_dir={folder}"]
    options += ["--MappingKernelManager.transport_encryption=auto", "--LabApp.extension_manager=readonly"]
    process = subprocess.Popen(
        [sys.executable, "-m", module, *options],
        env={**os.environ, **places},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(port)
        yield Server(f"http://127.0.0.1:{port}", folder, "notebooks" if module == "notebook" else "lab/tree")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)


class Notebook:
    """One notebook in the browser. page: Playwright's; outside: requests that left the loopback interface; file: where it is kept."""

    def __init__(self, page: Any, outside: list[str], file: Path) -> None:
        self.page = page
        self.outside = outside
        self.file = file

    async def run_all(self) -> None:
        """Run every cell and wait until all are done."""
        await self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        await self.page.wait_for_function(_DONE, timeout=120_000)

    async def show(self, cell: str) -> None:
        """Bring a cell into view by its id; Lab draws only cells near the view."""
        await self.page.evaluate(_SHOW, cell)

    async def outputs(self, cell: str) -> list[dict[str, Any]]:
        """Return the outputs of a cell as the notebook keeps them."""
        return list(json.loads(await self.page.evaluate(_OUTPUTS, cell)))

    async def text(self, cell: str) -> str:
        """Return what stands as text in the outputs of a cell."""
        return "\n".join(output["data"]["text/plain"] for output in await self.outputs(cell) if "data" in output)

    async def until(self, cell: str, words: str) -> None:
        """Wait until the outputs of a cell hold words."""
        await self.page.wait_for_function(_HOLDS, arg=[cell, words], timeout=60_000)

    async def save(self) -> str:
        """Save the notebook with the states of its widgets, and return what the file then holds."""
        await self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        await self.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
        return self.file.read_text(encoding="utf-8")

    async def dark(self) -> None:
        """Change to the dark theme."""
        await self._theme("JupyterLab Dark", "false")

    async def light(self) -> None:
        """Change to the light theme, which is that of the begin; a test before may have left the dark one."""
        await self._theme("JupyterLab Light", "true")

    async def _theme(self, name: str, light: str) -> None:
        if await self.page.locator(f'body[data-jp-theme-light="{light}"]').count():
            return
        await self.page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", name)
        await self.page.wait_for_selector(f'body[data-jp-theme-light="{light}"]', state="attached")
        await self.page.wait_for_timeout(500)

    async def shot(self, name: str) -> None:
        """Keep a screenshot, where a folder for them is given."""
        if SHOTS:
            await self.page.screenshot(path=str(Path(SHOTS) / f"lab-{name}.png"))


async def open_notebook(browser: Any, server: Server, name: str, source: Path = NOTEBOOKS) -> Notebook:
    """Open a fresh copy of a notebook in JupyterLab and wait for its kernel; nothing is run."""
    page = await browser.new_page(viewport={"width": 1280, "height": 1500})
    outside: list[str] = []
    inside = (server.address, "data:", "blob:", "ws://127")
    page.on("request", lambda request: outside.append(request.url) if not request.url.startswith(inside) else None)
    place = server.copy(name, source)
    await page.goto(f"{server.address}/{server.view}/{place}?token={TOKEN}&reset")
    await page.wait_for_function(_CONNECTED, timeout=90_000)
    book = Notebook(page, outside, server.folder / place)
    await book.light()
    return book
