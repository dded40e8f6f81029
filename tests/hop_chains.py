"""Chains of real proxies in front of real servers, for tests of hop comparison: one process a product serves every chain at once.

    async with running([Chain("aiohttp", (Hop("nginx"), Hop("haproxy", "drop")))]) as targets: ...

A hop names its product and how it is broken (hop_products.py); hops run from the application outwards, and the last is the endpoint.
"""

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import trustme
import uvicorn
from aiohttp import web
from hop_products import PRODUCTS, Hop, Place, load_modules, passthrough, user_lines
from websockets.asyncio.server import serve

from wsbook.programs import clean_environment, find_program, free_ports
from wsbook.target import Target, parse_target

PATHS = {"socket.io": "/socket.io/?EIO=4&transport=websocket"}
ORIGIN = "https://shop.example"


class Chain(NamedTuple):
    """app: kind of server in APPS. tls: every hop listens with TLS, of a private authority, and encrypts again to the next proxy."""

    app: str
    hops: tuple[Hop, ...]
    tls: bool = False

    @property
    def name(self) -> str:
        words = [self.app, *(f"{hop.product}{f'!{hop.broken}' if hop.broken else ''}" for hop in self.hops)]
        return f"{' < '.join(words)}{' tls' if self.tls else ''}"


def _write_tls(folder: Path) -> None:
    folder.chmod(0o711)  # Apache's workers give up root's rights
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    for name, content in (("cert.pem", chain), ("key.pem", leaf.private_key_pem.bytes())):
        (folder / name).write_bytes(content)
    (folder / "server.pem").write_bytes(chain + leaf.private_key_pem.bytes())


async def _websockets_app(stack: contextlib.AsyncExitStack) -> int:
    async def session(socket: object) -> None:
        await socket.send("hello")  # type: ignore[attr-defined]
        await socket.wait_closed()  # type: ignore[attr-defined]

    def check(connection: object, request: object) -> object:
        path, asked = request.path.partition("?")[0], request.headers  # type: ignore[attr-defined]
        if path != "/ws":
            return connection.respond(404, f"no route for {path}\n")  # type: ignore[attr-defined]
        if asked.get("Cookie", "") != "session=1":
            return connection.respond(401, "who are you\n")  # type: ignore[attr-defined]
        return None

    server = await stack.enter_async_context(
        serve(session, "127.0.0.1", 0, process_request=check, subprotocols=["ticker.v2"], compression=None)  # type: ignore[arg-type]
    )
    return int(server.sockets[0].getsockname()[1])


async def _aiohttp_app(stack: contextlib.AsyncExitStack) -> int:
    async def room(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Origin") != ORIGIN or request.host.partition(":")[0] not in ("127.0.0.1", "localhost"):
            raise web.HTTPForbidden(text=f"origin {request.headers.get('Origin')} is not allowed at {request.host}")
        if "room" not in request.query:
            raise web.HTTPBadRequest(text="which room?")
        opened = web.WebSocketResponse()
        await opened.prepare(request)
        await opened.send_str("hello")
        async for _ in opened:
            pass
        return opened

    return await _serve_aiohttp(room, stack)


async def _same_host_app(stack: contextlib.AsyncExitStack) -> int:
    """Let in pages of the host by which it is called, as the checks of many libraries do."""

    async def enter(request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin", "")
        if origin and origin.partition("://")[2].partition(":")[0] != request.host.partition(":")[0]:
            raise web.HTTPForbidden(text="cross-origin")
        return await _open(request)

    return await _serve_aiohttp(enter, stack)


async def _listed_app(stack: contextlib.AsyncExitStack) -> int:
    """Let in users whose page is on the list."""

    async def enter(request: web.Request) -> web.StreamResponse:
        if request.cookies.get("session") != "1":
            raise web.HTTPUnauthorized(text="who are you")
        if request.headers.get("Origin") not in (None, ORIGIN):
            raise web.HTTPForbidden(text="bad origin")
        return await _open(request)

    return await _serve_aiohttp(enter, stack)


async def _public_app(stack: contextlib.AsyncExitStack) -> int:
    return await _serve_aiohttp(_open, stack)


async def _open(request: web.Request) -> web.StreamResponse:
    opened = web.WebSocketResponse()
    await opened.prepare(request)
    async for _ in opened:
        pass
    return opened


async def _echo_app(stack: contextlib.AsyncExitStack) -> int:
    """Say which headers arrived, in the first message or in the refusal, as backends for tests do."""

    async def say(request: web.Request) -> web.StreamResponse:
        said = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
        opened = web.WebSocketResponse(timeout=0.1)
        if not opened.can_prepare(request):
            return web.Response(status=400, text=said)
        await opened.prepare(request)
        await opened.send_str(f"GET {request.path} HTTP/1.1\n{said}")
        async for _ in opened:
            pass
        return opened

    return await _serve_aiohttp(say, stack)


async def _serve_aiohttp(handler: Callable[[web.Request], Awaitable[web.StreamResponse]], stack: contextlib.AsyncExitStack) -> int:
    application = web.Application()
    application.router.add_get("/ws", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return int(runner.addresses[0][1])


async def _asgi(scope: dict, receive: Callable, send: Callable) -> None:
    """Answer as Starlette does: unknown sockets are closed before they are accepted, which is a 403; other requests get 404."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b'{"detail":"Not Found"}'})
    elif scope["type"] == "websocket":
        await receive()
        if scope["path"] != "/ws":
            await send({"type": "websocket.close", "code": 1000})
            return
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})
        while (await receive())["type"] != "websocket.disconnect":
            pass


async def _uvicorn_app(stack: contextlib.AsyncExitStack) -> int:
    port = free_ports(["uvicorn"])["uvicorn"]
    server = uvicorn.Server(uvicorn.Config(_asgi, host="127.0.0.1", port=port, ws="wsproto", lifespan="off", log_level="critical"))
    task = asyncio.create_task(server._serve())

    async def end() -> None:
        server.should_exit = server.force_exit = True
        await task

    stack.push_async_callback(end)
    return port


async def _node_app(stack: contextlib.AsyncExitStack) -> int:
    from dialect_servers import node

    return await stack.enter_async_context(node("socket.io"))


APPS = {
    "same host": _same_host_app,
    "listed": _listed_app,
    "public": _public_app,
    "echo": _echo_app,
    "websockets": _websockets_app,
    "aiohttp": _aiohttp_app,
    "asgi": _uvicorn_app,
    "socket.io": _node_app,
}
QUERIES = {"aiohttp": "?room=1"}


class NotStartedError(Exception):
    """A program ended early or does not listen: somebody else may have taken a port between its choice and the start."""


async def _listening(port: int, programs: list[asyncio.subprocess.Process], folder: Path) -> None:
    for _ in range(500):
        if any(program.returncode is not None for program in programs):
            break
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        except OSError:
            await asyncio.sleep(0.02)
    raise NotStartedError(f"nobody listens at {port}: {_said(folder)}")


async def _settled(pid: Path, folder: Path) -> None:
    """Wait for nginx to have all of its ports: while one is taken, the others accept connections, and then it gives up."""
    for _ in range(200):
        if await asyncio.to_thread(pid.exists):
            return
        await asyncio.sleep(0.02)
    raise NotStartedError(f"nginx did not start: {_said(folder)}")


def _said(folder: Path) -> str:
    return " ".join(path.read_text(errors="replace")[-600:] for kind in ("*.out", "*.log") for path in folder.glob(kind))


async def _start(name: str, parts: list[str], folder: Path, stack: contextlib.AsyncExitStack) -> asyncio.subprocess.Process:
    product = PRODUCTS[name]
    program = find_program(product.program)
    assert program
    modules = load_modules() if name == "apache" else ""
    text = product.head.format(parts="\n".join(parts), user=user_lines(name), modules=modules).replace("@folder@", str(folder))
    config = folder / f"{name}.conf"
    config.write_text(text)
    environment = clean_environment(HOME=str(folder), XDG_DATA_HOME=str(folder), XDG_CONFIG_HOME=str(folder))
    with (folder / f"{name}.out").open("wb") as output:
        process = await asyncio.create_subprocess_exec(*product.argv(program, str(config)), env=environment, stdout=output, stderr=output)

    async def end() -> None:
        if process.returncode is None:
            process.terminate()
        await process.wait()

    stack.push_async_callback(end)
    return process


def _bound() -> socket.socket:
    """Return a socket that holds a port where nobody listens."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    return held


def _places(chain: Chain, app: int, ports: Iterable[int], dead: int) -> list[Place]:
    found: list[Place] = []
    up, up_tls = app, False
    for hop in chain.hops:
        place = Place(hop, next(iter(ports)), up, chain.tls, up_tls, dead)
        found.append(place)
        up, up_tls = place.port, chain.tls
    return found


def _target(chain: Chain, app: int, places: list[Place], ca: str) -> Target:
    path = PATHS.get(chain.app, f"/ws{QUERIES.get(chain.app, '')}")
    scheme, host = ("wss", "localhost") if chain.tls else ("ws", "127.0.0.1")
    inner = [f"hop{number}-{place.hop.product}={scheme}://{host}:{place.port}{path}" for number, place in enumerate(places[:-1], start=1)]
    return parse_target(
        f"{scheme}://{host}:{places[-1].port}{path}",
        origin=ORIGIN,
        headers=["Cookie: session=1"],
        subprotocols=["ticker.v2"] if chain.app == "websockets" else [],
        hops=[f"app=ws://127.0.0.1:{app}{path}", *inner],
        ca_file=ca,
    )


async def _run(chains: list[Chain], stack: contextlib.AsyncExitStack) -> list[Target]:
    """Start everything; what is started ends with the stack."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wsbook-chains-")))
    _write_tls(folder)
    apps = {kind: await APPS[kind](stack) for kind in {chain.app for chain in chains}}
    ports = iter(free_ports(f"{number}" for number in range(sum(len(chain.hops) for chain in chains))).values())
    dead = stack.enter_context(contextlib.closing(_bound()))
    laid = [_places(chain, apps[chain.app], ports, dead.getsockname()[1]) for chain in chains]
    parts: dict[str, list[str]] = {}
    for place in (place for places in laid for place in places):
        product = "haproxy" if place.hop.product == "passthrough" else place.hop.product
        piece = passthrough if place.hop.product == "passthrough" else PRODUCTS[product].piece
        parts.setdefault(product, []).append(piece(place).replace("@folder@", str(folder)))
    for late in (False, True):  # Squid takes a peer that does not listen yet for dead
        started = await asyncio.gather(*(_start(name, own, folder, stack) for name, own in parts.items() if (name == "squid") is late))
        mine = [place.port for places in laid for place in places if (place.hop.product == "squid") is late]
        await asyncio.gather(*(_listening(port, started, folder) for port in mine))
    if "nginx" in parts:
        await _settled(folder / "nginx.pid", folder)
    return [_target(chain, apps[chain.app], places, str(folder / "ca.pem")) for chain, places in zip(chains, laid, strict=True)]


@contextlib.asynccontextmanager
async def running(chains: list[Chain], tries: int = 4) -> AsyncIterator[list[Target]]:
    """Run every chain; yield their targets in order, each with all of its hops."""
    for left in range(tries, 0, -1):
        async with contextlib.AsyncExitStack() as stack:
            try:
                targets = await _run(chains, stack)
            except NotStartedError:
                if left == 1:
                    raise
                continue
            yield targets
            return
