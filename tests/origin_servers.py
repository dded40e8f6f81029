"""Servers that judge Origin, each library in its own way, and doors of our own for everything that a check can get wrong.

One aiohttp application has a path for each way; the other libraries stand beside it, all in this process.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable

import uvicorn
from aiohttp import WSCloseCode, web
from dialect_servers import serving, socketio_application
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from wsbook.programs import free_ports

OWN = "https://shop.example.com"
COOKIE = "Cookie: session=alice"
FORBIDDEN = "forbidden"

Door = Callable[[web.Request], str | None]
"""Returns how a request is refused: a status, close CODE, say TEXT, or None to let it in."""


def origin_of(request: web.Request) -> str | None:
    return request.headers.get("Origin")


def knows(request: web.Request) -> bool:
    return request.cookies.get("session") == "alice"


def listed(*origins: str | None, refusal: str = "403") -> Door:
    return lambda request: None if origin_of(request) in origins else refusal


def matching(pattern: str) -> Door:
    return lambda request: None if origin_of(request) is None or re.search(pattern, origin_of(request) or "") else "403"


def both(*doors: Door) -> Door:
    return lambda request: next(filter(None, (door(request) for door in doors)), None)


def logged_in(refusal: str) -> Door:
    return lambda request: None if knows(request) else refusal


def own_host(request: web.Request) -> str | None:
    origin = origin_of(request)
    return None if origin is None or origin.partition("://")[2] == request.host else "403"


def with_bearer(request: web.Request) -> str | None:
    return None if request.headers.get("Authorization") == "Bearer secret-token" else "401"


def with_token(request: web.Request) -> str | None:
    return None if request.query.get("token") == "s3cret-t0ken" else "403"


DOORS: dict[str, Door] = {
    "exact": listed(OWN, None),
    "exact-strict": listed(OWN),
    "elsewhere": listed("https://app.elsewhere.example", None),
    "elsewhere-strict": listed("https://app.elsewhere.example"),
    "slash": listed(f"{OWN}/"),
    "port": listed(f"{OWN}:443"),
    "scheme": listed("http://shop.example.com"),
    "bare": listed("shop.example.com"),
    "www": listed("https://www.shop.example.com", None),
    "parent": listed("https://example.com"),
    "begins": matching(r"^https://shop\.example\.com"),
    "ends": matching(r"example\.com$"),
    "dot": matching(r"^https://shop.example\.com$"),
    "sub-domains": matching(r"^https://([\w-]+\.)*example\.com$"),
    "null": listed(OWN, None, "null"),
    "null-cookie": both(listed(OWN, None, "null"), logged_in("401")),
    "not-found": listed("https://app.elsewhere.example", None, refusal="404"),
    "bad-request": listed("https://app.elsewhere.example", None, refusal="400"),
    "close-4403": listed("https://app.elsewhere.example", None, refusal="close 4403"),
    "says-no": listed("https://app.elsewhere.example", None, refusal='say {"type": "error", "message": "origin not allowed"}'),
    "foreign-close": listed(OWN, None, refusal="close 1008"),
    "same-host": own_host,
    "cookie-any": logged_in("401"),
    "cookie-any-close": logged_in("close 4401"),
    "cookie-checked": both(logged_in("401"), listed(OWN)),
    "cookie-begins": both(logged_in("401"), matching(r"^https://shop\.example\.com")),
    "bearer": with_bearer,
    "token": with_token,
    "cookie-and-token": both(logged_in("401"), with_token),
    "public": lambda request: None,
    "user-or-guest": lambda request: None,
    "nobody": lambda request: "403",
    "login": lambda request: "401",
    "away": lambda request: "301",
    "broken": lambda request: "502",
}


async def _enter(request: web.Request) -> web.StreamResponse:
    name = request.match_info["door"]
    if name not in DOORS:
        raise web.HTTPNotFound(text="no such door")
    said = DOORS[name](request)
    if said is not None and said.isdigit():
        headers = {"Location": "/login"} if said == "301" else {}
        return web.Response(status=int(said), text=FORBIDDEN, headers=headers)
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    if said is not None and said.startswith("close"):
        await socket.close(code=WSCloseCode.POLICY_VIOLATION if said.endswith("1008") else int(said[6:]))
    elif said is not None:
        await socket.send_str(said.removeprefix("say "))
        await socket.close(code=4401)
    elif name == "user-or-guest":
        await socket.send_json({"type": "welcome", "user": "alice" if knows(request) else None, "serial": id(request)})
    async for _ in socket:
        pass
    return socket


@contextlib.asynccontextmanager
async def doors() -> AsyncIterator[int]:
    """Serve every door of ours; yield the port."""
    application = web.Application()
    application.router.add_get("/{door}", _enter)
    async with serving(application) as port:
        yield port


@contextlib.asynccontextmanager
async def limited(answers: int, status: int) -> AsyncIterator[int]:
    """Serve one door that everybody may enter until so many have, and then answers that it is busy, or forbids."""
    entered: list[web.Request] = []

    async def enter(request: web.Request) -> web.StreamResponse:
        entered.append(request)
        if len(entered) > answers:
            return web.Response(status=status)
        return await _enter(request)

    application = web.Application()
    application.router.add_get("/{door}", enter)
    async with serving(application) as port:
        yield port


@contextlib.asynccontextmanager
async def of_websockets(origins: list[str | None] | None, *, cookie: bool = False) -> AsyncIterator[int]:
    """Serve with the library websockets and its own check."""

    def check(connection: ServerConnection, request: Request) -> Response | None:
        known = "session=alice" in request.headers.get("Cookie", "")
        return None if known or not cookie else connection.respond(401, "who are you\n")

    async def session(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serve(session, "127.0.0.1", 0, origins=origins, process_request=check) as server:  # type: ignore[arg-type]
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def of_tornado(*, check: bool) -> AsyncIterator[int]:
    """Serve with Tornado: its own check of the same host, or the usual way to switch it off; a cookie is asked for."""
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.web import Application, HTTPError
    from tornado.websocket import WebSocketHandler

    class Handler(WebSocketHandler):
        def prepare(self) -> None:
            if self.get_cookie("session") != "alice":
                raise HTTPError(403)

        def check_origin(self, origin: str) -> bool:
            return super().check_origin(origin) if check else True

        def on_message(self, message: str | bytes) -> None:
            pass

    server = HTTPServer(Application([("/ws", Handler)]))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    try:
        yield sockets[0].getsockname()[1]
    finally:
        server.stop()
        await server.close_all_connections()


async def _starlette(scope: dict, receive: Callable, send: Callable) -> None:
    """Answer as Starlette does: what is closed before it is accepted is a 403, an unknown path, a wrong Origin or a missing login alike."""
    if scope["type"] != "websocket":
        return
    await receive()
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    known = "session=alice" in headers.get("cookie", "")
    wrong = headers.get("origin") not in (None, "https://app.elsewhere.example")
    refused = {"/listed": wrong, "/cookie": not known}
    if refused.get(scope["path"], True):
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


@contextlib.asynccontextmanager
async def of_asgi() -> AsyncIterator[int]:
    """Serve with uvicorn as a Starlette application behaves."""
    port = free_ports(["uvicorn"])["uvicorn"]
    server = uvicorn.Server(uvicorn.Config(_starlette, host="127.0.0.1", port=port, ws="wsproto", lifespan="off", log_level="critical"))
    task = asyncio.create_task(server._serve())
    for _ in range(500):
        if server.started:
            break
        await asyncio.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = server.force_exit = True
        await task


@contextlib.asynccontextmanager
async def of_socketio(allowed: str | list[str] | None) -> AsyncIterator[int]:
    """Serve with python-socketio; None leaves its default, the same origin."""
    async with serving(socketio_application(cors_allowed_origins=allowed)) as port:
        yield port
