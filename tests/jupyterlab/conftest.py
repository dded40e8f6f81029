"""One JupyterLab for all tests of this folder, and a browser for each."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from conftest import find
from jupyter_page import Server, jupyterlab


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with jupyterlab(tmp_path_factory.mktemp("jupyterlab")) as server:
        yield server


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """JupyterLab; the kernels that a test started end with it."""
    yield running
    running.end_kernels()


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=find("chromium"), args=["--no-sandbox"])
        yield started
        await started.close()
