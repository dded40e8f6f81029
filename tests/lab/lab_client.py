"""What the lab's tests share: plain clients of the deployment, none of them ours."""

import asyncio
import contextlib
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from wsbook.lab import Fault, Lab
from wsbook.lab.proxies import CONFIGS, read_template
from wsbook.lab.servers import SERVERS


def open_socket(lab: Lab, url: str = "", **options: object) -> connect:
    """Return an upgrade attempt as the page's browser would make it; url: empty means the lab's own."""
    url = url or lab.url
    options.setdefault("origin", lab.page_url.rstrip("/"))
    if url.startswith("wss:"):
        options["ssl"] = ssl.create_default_context(cafile=lab.ca_file or None)
    return connect(url, proxy=None, open_timeout=options.pop("open_timeout", 4), **options)


async def answer_of(lab: Lab, url: str = "", **options: object) -> tuple[int, str, str]:
    """Return status, body and X-Instance of one upgrade attempt; redirects are not followed."""
    attempt = open_socket(lab, url, **options)
    attempt.process_redirect = lambda error: error
    try:
        async with attempt as socket:
            return 101, "", socket.response.headers.get("X-Instance", "")
    except InvalidStatus as refused:
        return refused.response.status_code, bytes(refused.response.body or b"").decode(), refused.response.headers.get("X-Instance", "")


async def lifetime(socket: ClientConnection, longest_s: float, send_every_s: float = 0.0) -> float | None:
    """Return how long the socket lives, None when it is still open after longest_s; silent unless send_every_s is given."""
    begin = time.monotonic()
    sender = asyncio.create_task(keep_sending(socket, send_every_s)) if send_every_s else None
    try:
        await asyncio.wait_for(socket.wait_closed(), longest_s)
    except TimeoutError:
        return None
    finally:
        if sender:
            sender.cancel()
    return time.monotonic() - begin


async def keep_sending(socket: ClientConnection, pause_s: float) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await socket.send("still here")
            await asyncio.sleep(pause_s)


def http(url: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Return status and body of one plain request, a POST when there is a body."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, data=body), timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


async def publish(lab: Lab, body: bytes) -> int:
    return (await asyncio.to_thread(http, lab.page_url + "publish", body))[0]


async def received(socket: ClientConnection, wait_s: float = 0.4) -> list[str]:
    """Return what arrives until wait_s pass without anything."""
    messages = []
    try:
        while True:
            messages.append(await asyncio.wait_for(socket.recv(), wait_s))
    except TimeoutError:
        return messages


async def eventually(question: Callable[[], bool], longest_s: float = 3.0) -> bool:
    """Tell whether the question becomes true in time."""
    deadline = time.monotonic() + longest_s
    while not question():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def log(lab: Lab, name: str) -> str:
    """Return the text of one log by its file's name."""
    return next(Path(path) for path in lab.logs if Path(path).name == name).read_text()


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def family(pid: int) -> set[int]:
    """Return a process and everything that descends from it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {pid}
    while grown := {child for child, parent in parents.items() if parent in found} - found:
        found |= grown
    return found


def processes_of(lab: Lab) -> set[int]:
    """Return every process of a running lab: workers included, this process not."""
    return set().union(*(family(pid) for pid in lab.pids.values())) - {os.getpid()}


def original(fault: Fault, file: str) -> str:
    """Return a file of the healthy deployment, or of the stack's own server, as an edit finds it."""
    folder, _, name = file.partition("/")
    if folder == "proxy":
        return read_template({config: proxy for proxy, config in CONFIGS.items()}[name])
    program = ("servers", SERVERS[fault.server].file) if fault.server else ("backend.py",)
    place = ("frontend", name) if folder == "frontend" else program if name.startswith("server.") else (name,)
    return files("wsbook.lab").joinpath(*place).read_text()
