"""Servers of the dialects for tests: the real libraries in Node and Python, and small ones of our own where no library is at hand."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web
from conftest import REQUIRED

NODE = Path(__file__).parent / "node"


def needs_node(*packages: str) -> pytest.MarkDecorator:
    """Mark a test that needs npm packages below tests/node: it skips with their names, or fails when WSBOOK_REQUIRE names one."""
    missing = [name for name in packages if not (NODE / "node_modules" / name).is_dir()] + ([] if shutil.which("node") else ["node"])
    if REQUIRED.intersection(missing):
        return pytest.mark.usefixtures("required_program_missing")
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}: npm install --prefix tests/node")


@contextlib.asynccontextmanager
async def node(kind: str, script: str = "server.mjs") -> AsyncIterator[int]:
    """Run one of the servers of a script of tests/node; yield its port."""
    program = shutil.which("node")
    assert program
    process = await asyncio.create_subprocess_exec(program, str(NODE / script), kind, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout
        yield int(await asyncio.wait_for(process.stdout.readline(), 10))
    finally:
        process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def serving(application: web.Application) -> AsyncIterator[int]:
    """Serve an aiohttp application on a free port."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def socketio_application(**options: object) -> web.Application:
    """Return python-socketio's server as an application."""
    import socketio

    server = socketio.AsyncServer(async_mode="aiohttp", **{"cors_allowed_origins": "*", **options})
    application = web.Application()
    server.attach(application)
    return application


@contextlib.asynccontextmanager
async def round_robin(*ports: int) -> AsyncIterator[int]:
    """Pass each new connection on to the next of the ports, as a balancer without affinity does."""
    turn = 0

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal turn
        turn += 1
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", ports[turn % len(ports)])
        await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0.05)  # connections that are just ending


class Hub:
    """A SignalR hub as the specification describes it. transports offered; connections known to this process."""

    def __init__(self, *, transports: tuple[str, ...] = ("WebSockets", "LongPolling"), status: int = 200, closes: str = "") -> None:
        self.transports, self.status, self.closes = transports, status, closes
        self.tokens: set[str] = set()

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/hub/negotiate", self.negotiate)
        application.router.add_get("/hub", self.connect)
        application.router.add_delete("/hub", self.end)
        return application

    async def negotiate(self, request: web.Request) -> web.Response:
        if self.status != 200:
            return web.Response(status=self.status)
        token = f"token-{id(self)}-{len(self.tokens)}"
        self.tokens.add(token)
        transports = [{"transport": name, "transferFormats": ["Text"]} for name in self.transports]
        return web.json_response({"connectionToken": token, "connectionId": "c", "negotiateVersion": 1, "availableTransports": transports})

    def _unknown(self, request: web.Request) -> web.Response | None:
        known = request.query.get("id") in self.tokens or "id" not in request.query
        return None if known else web.Response(status=404, text="No Connection with that ID")

    async def end(self, request: web.Request) -> web.Response:
        return self._unknown(request) or web.Response(status=202)

    async def connect(self, request: web.Request) -> web.StreamResponse:
        if refused := self._unknown(request):
            return refused
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT and "protocol" in message.data:
                await socket.send_str("{}\x1e")
                if self.closes:
                    await socket.send_str(json.dumps({"type": 7, "error": self.closes}) + "\x1e")
        return socket


def talking(answers: dict[str, str], *, protocols: tuple[str, ...] = (), greeting: str = "", binary: bytes = b"") -> web.Application:
    """Return a WebSocket server that answers a message which holds a key with its value, greets, or answers everything with bytes."""

    async def connect(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=protocols)
        await socket.prepare(request)
        if greeting:
            await socket.send_str(greeting)
        async for message in socket:
            if binary:
                await socket.send_bytes(binary)
            for key, value in answers.items():
                if message.type is WSMsgType.TEXT and key in message.data:
                    await socket.send_str(value)
        return socket

    application = web.Application()
    application.router.add_get("/{path:.*}", connect)
    return application
