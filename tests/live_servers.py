"""Real servers that tell every message to everybody, healthy or with one fault each, as processes of their own.

Run as a script, ``live_servers.py FRAMEWORK FAULT`` serves on a free port of loopback, which is the first line of its output; POST /emit
publishes its body.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

NODE = Path(__file__).parent / "node"
FAULTS = ("", "sequential", "blocking", "keeps-files", "keeps-entries", "aborts")


@asynccontextmanager
async def serving(framework: str, fault: str = "") -> AsyncIterator[tuple[str, str]]:
    """Yield (socket URL, URL to publish at) of a server that ends with the block."""
    script = [str(NODE / "live.mjs")] if framework == "node" else [__file__, framework]
    program = "node" if framework == "node" else sys.executable
    process = await asyncio.create_subprocess_exec(
        program, *script, fault, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            port = int(await process.stdout.readline())
        yield f"ws://127.0.0.1:{port}/ws", f"http://127.0.0.1:{port}/emit"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


class Hub:
    """Who is connected, and how a message is told to them. send: of a peer, raises when it has gone."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.peers: dict[Any, Callable[[str], Awaitable[None]]] = {}
        self.kept: list[Any] = []
        self.outbox: asyncio.Queue[str] = asyncio.Queue()
        self.tasks: set[asyncio.Task[None]] = set()

    def join(self, peer: Any, send: Callable[[str], Awaitable[None]]) -> None:
        self.peers[peer] = send
        if self.fault == "keeps-files":
            self.kept.append(Path("/dev/null").open())  # noqa: SIM115 - that it is closed by nobody is the fault

    def leave(self, peer: Any) -> None:
        if self.fault not in ("keeps-entries", "aborts"):
            self.peers.pop(peer, None)

    def tell(self, text: str) -> None:
        if self.fault in ("sequential", "aborts"):
            self.outbox.put_nowait(text)
            return
        for peer, send in list(self.peers.items()):
            task = asyncio.ensure_future(self._tell_one(peer, send, text))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _tell_one(self, peer: Any, send: Callable[[str], Awaitable[None]], text: str) -> None:
        try:
            await send(text)
        except Exception:
            self.leave(peer)

    async def run(self) -> None:
        """Do what the fault does all the time."""
        if self.fault == "blocking":
            while True:
                await asyncio.sleep(0.6)
                time.sleep(0.3)  # noqa: ASYNC251 - the fault
        while True:
            text = await self.outbox.get()
            for peer, send in list(self.peers.items()):
                if self.fault == "aborts":
                    with contextlib.suppress(Exception):
                        await self._all(text)
                    break
                await self._tell_one(peer, send, text)

    async def _all(self, text: str) -> None:
        for send in list(self.peers.values()):
            await send(text)


async def _websockets(hub: Hub) -> int:
    from websockets.asyncio.server import ServerConnection, serve

    async def session(peer: ServerConnection) -> None:
        hub.join(peer, peer.send)
        try:
            async for message in peer:
                hub.tell(str(message))
        finally:
            hub.leave(peer)

    server = await serve(session, "127.0.0.1", 0, compression=None)
    return int(server.sockets[0].getsockname()[1])


async def _aiohttp(hub: Hub) -> int:
    from aiohttp import web

    async def session(request: web.Request) -> web.WebSocketResponse:
        peer = web.WebSocketResponse()
        await peer.prepare(request)
        hub.join(peer, peer.send_str)
        try:
            async for message in peer:
                hub.tell(message.data)
        finally:
            hub.leave(peer)
        return peer

    async def emit(request: web.Request) -> web.Response:
        hub.tell(await request.text())
        return web.Response(text="sent")

    app = web.Application()
    app.add_routes([web.get("/ws", session), web.post("/emit", emit)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return int(runner.addresses[0][1])


async def _uvicorn(hub: Hub, implementation: str) -> int:
    import socket

    import uvicorn

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            body = b""
            while (event := await receive())["type"] == "http.request":
                body += event.get("body", b"")
                if not event.get("more_body"):
                    break
            hub.tell(body.decode())
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"sent"})
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            key = object()
            hub.join(key, lambda text: send({"type": "websocket.send", "text": text}))
            try:
                while (event := await receive())["type"] == "websocket.receive":
                    hub.tell(event.get("text") or "")
            finally:
                hub.leave(key)

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws=implementation, lifespan="off"))
    hub.kept.append(asyncio.ensure_future(server.serve(sockets=[listener])))
    return int(listener.getsockname()[1])


async def _tornado(hub: Hub) -> int:
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.web import Application, RequestHandler
    from tornado.websocket import WebSocketHandler

    class Session(WebSocketHandler):
        def open(self) -> None:
            hub.join(self, self.write_message)

        def on_message(self, message: str | bytes) -> None:
            hub.tell(str(message))

        def on_close(self) -> None:
            hub.leave(self)

    class Emit(RequestHandler):
        def post(self) -> None:
            hub.tell(self.request.body.decode())

    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(Application([("/ws", Session), ("/emit", Emit)])).add_sockets(sockets)
    return int(sockets[0].getsockname()[1])


async def _main(framework: str, fault: str) -> None:
    hub = Hub(fault)
    starts: dict[str, Callable[[Hub], Awaitable[int]]] = {
        "websockets": _websockets,
        "aiohttp": _aiohttp,
        "tornado": _tornado,
        "uvicorn": lambda hub: _uvicorn(hub, "websockets-sansio"),
        "uvicorn-wsproto": lambda hub: _uvicorn(hub, "wsproto"),
    }
    print(await starts[framework](hub), flush=True)
    await hub.run()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2]))
