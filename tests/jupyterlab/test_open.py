"""wsbook open as a person uses it: one address, no questions, and nothing left after Ctrl-C."""

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import needs
from jupyter_page import SHOTS


class Opened:
    """A running wsbook open. url: what it printed."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        self.process, self.url = process, url

    def family(self) -> list[psutil.Process]:
        """Return what it started: the server, kernels, and what these started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self) -> str:
        """Press Ctrl-C once; return what is printed until the end."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.stdout is not None
        said = self.process.stdout.read()
        assert self.process.wait(timeout=30) == 0
        return said


@contextmanager
def opened(folder: Path, *options: str) -> Iterator[Opened]:
    command = [sys.executable, "-m", "wsbook", "open", str(folder), "--no-browser", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True) as process:
        try:
            said = ""
            for line in process.stdout or ():
                said += line
                if "Ctrl-C" in line:
                    break
            url = re.search(r"http://127\S+", said)
            assert url, said
            yield Opened(process, url[0])
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(30)


def status(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return int(answer.status)


@pytest.mark.slow
def test_it_serves_the_folder_with_a_token_and_ends_with_one_interrupt(tmp_path: Path) -> None:
    with socket.socket() as taken, opened(tmp_path / "case") as lab:
        taken.close()
        assert (tmp_path / "case" / "target.toml").exists()
        assert status(lab.url) == 200
        bare = re.sub(r"lab/tree.*", "api/contents", lab.url)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            status(bare)
        with opened(tmp_path / "case") as second:
            assert second.url.split("/lab")[0] != lab.url.split("/lab")[0]
            second.interrupt()
        family = lab.family()
        said = lab.interrupt()
        assert "Traceback" not in said
        assert "[y/n]" not in said
        assert not psutil.wait_procs(family, timeout=10)[1]


@pytest.mark.slow
def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = ["open", str(tmp_path / "case"), "--no-browser", "--port", str(taken.getsockname()[1])]
        done = subprocess.run([sys.executable, "-m", "wsbook", *words], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 3
    assert "is not available" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@needs("chromium")
async def test_nothing_is_asked_and_the_lab_of_a_notebook_ends_too(tmp_path: Path, browser: Any) -> None:
    with opened(tmp_path / "case") as lab:
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        outside: list[str] = []
        page.on(
            "request",
            lambda request: None if "//127.0.0.1" in request.url or request.url[:5] in ("data:", "blob:") else outside.append(request.url),
        )
        await page.goto(lab.url)
        await page.wait_for_selector(".jp-RenderedMarkdown h1:has-text('what will be looked at')", timeout=60_000)
        await page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=60_000)
        await page.wait_for_timeout(3_000)
        assert await page.locator(".jp-Dialog, .Toastify__toast").count() == 0
        assert outside == []
        if SHOTS:
            await page.screenshot(path=str(Path(SHOTS) / "open.png"))
        before = len(lab.family())
        await page.click(".lm-MenuBar-item:has-text('Run')")
        await page.click("[data-command='runmenu:run-all']")
        deadline = time.monotonic() + 60
        while len(lab.family()) < before + 3 and time.monotonic() < deadline:  # keeper, proxy, application
            await page.wait_for_timeout(200)
        family = lab.family()
        assert len(family) >= before + 3
        await page.get_by_title("Files", exact=True).click()
        large = {"name": "app.log", "mimeType": "text/plain", "buffer": b"x" * 12 * 2**20}
        async with page.expect_file_chooser() as choosing:
            await page.get_by_role("button", name="Choose files").click()
        await (await choosing.value).set_files(large)
        await page.get_by_text("12 MiB; more than 7 MiB").first.wait_for(timeout=30_000)
        lab.interrupt()
        assert not psutil.wait_procs(family, timeout=15)[1]
