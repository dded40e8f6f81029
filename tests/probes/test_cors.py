"""The requests beside a socket at real servers of each dialect: asked as two pages, judged as a browser would."""

import contextlib
from collections.abc import Callable

import pytest
from aiohttp import web
from dialect_servers import needs_node, node, serving
from msgspec.structs import replace
from origin_servers import of_socketio

from wsbook.attempt import attempt_for
from wsbook.evidence import Evidence
from wsbook.facts import CorsFacts
from wsbook.probes.cors import probe_cors
from wsbook.rules.cors import judge_cors
from wsbook.target import parse_target

PAGE, ELSEWHERE = "https://shop.example.com", "https://app.elsewhere.example"
STRICT, OPEN = "origin.not-in-allowlist", "origin.not-checked"
POLLING = "/socket.io/?EIO=4&transport=websocket"
COOKIE = ("Cookie: session=alice",)


def allowing(origin: str | None, *, headers: str = "*", reflect: bool = False, login: bool = False) -> web.Application:
    """Return a SignalR hub that answers negotiate with these CORS headers, to everybody or to those who are logged in."""

    async def negotiate(request: web.Request) -> web.Response:
        allowed = request.headers.get("Origin", "") if reflect else origin
        cors = {"Access-Control-Allow-Origin": allowed, "Access-Control-Allow-Credentials": "true"} if allowed else {}
        if request.method == "OPTIONS":
            return web.Response(status=204, headers={**cors, "Access-Control-Allow-Headers": headers})
        if login and request.cookies.get("session") != "alice":
            return web.json_response({}, status=401, headers=cors)
        body = {"negotiateVersion": 1, "connectionToken": "t", "availableTransports": [{"transport": "WebSockets"}]}
        return web.json_response(body, headers=cors)

    async def hub(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket

    application = web.Application()
    application.router.add_route("*", "/signalr/negotiate", negotiate)
    application.router.add_get("/signalr", hub)
    return application


async def judged(
    port: int, path: str, dialect: str = "signalr", *, origin: str = PAGE, headers: tuple[str, ...] = ()
) -> tuple[CorsFacts, dict[str, str]]:
    """Return what was seen, and cause → verdict."""
    target = parse_target(f"ws://127.0.0.1:{port}{path}", origin=origin, headers=headers)
    seen = replace(await probe_cors(attempt_for(target, 5.0), dialect, step="3.3"), id="3.3-1")
    assert isinstance(seen.facts, CorsFacts)
    return seen.facts, {found.cause: found.verdict.value for found in judge_cors(Evidence(target, [seen]))}


Server = Callable[[], contextlib.AbstractAsyncContextManager[int]]
HEADERS = "x-requested-with, x-signalr-user-agent"
ROWS: list[tuple[str, Server, str, tuple[str, ...], dict[str, str]]] = [
    ("socket.io, the page listed", lambda: of_socketio([PAGE]), POLLING, (), {STRICT: "clear"}),
    ("socket.io, another listed", lambda: of_socketio([ELSEWHERE]), POLLING, (), {STRICT: "fault"}),
    ("hub, the page listed", lambda: serving(allowing(PAGE, headers=HEADERS)), "/signalr", (), {STRICT: "clear"}),
    ("hub, headers by *", lambda: serving(allowing(PAGE)), "/signalr", (), {STRICT: "fault"}),
    ("hub, everybody by *", lambda: serving(allowing("*", headers=HEADERS)), "/signalr", (), {STRICT: "fault"}),
    ("hub, no CORS", lambda: serving(allowing(None)), "/signalr", (), {STRICT: "fault"}),
    ("hub, any site", lambda: serving(allowing("", headers=HEADERS, reflect=True)), "/signalr", (), {STRICT: "clear"}),
    (
        "hub, any site with cookies",
        lambda: serving(allowing("", headers=HEADERS, reflect=True, login=True)),
        "/signalr",
        COOKIE,
        {STRICT: "clear", OPEN: "fault"},
    ),
    (
        "hub, any site, cookies for nothing",
        lambda: serving(allowing("", headers=HEADERS, reflect=True)),
        "/signalr",
        COOKIE,
        {STRICT: "clear", OPEN: "unknown"},
    ),
]


@pytest.mark.parametrize(("server", "path", "headers", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_what_a_page_may_read(server: Server, path: str, headers: tuple[str, ...], expected: dict[str, str]) -> None:
    async with server() as port:
        _, found = await judged(port, path, "signalr" if path == "/signalr" else "engine.io", headers=headers)
    assert found == expected


async def test_a_page_of_the_same_origin_needs_no_cors() -> None:
    async with serving(allowing(None)) as port:
        facts, found = await judged(port, "/signalr", origin=f"http://127.0.0.1:{port}")
    assert facts.same_origin
    assert STRICT not in found


@needs_node("sockjs")
async def test_sockjs_sends_back_whatever_origin_asks() -> None:
    async with node("sockjs") as port:
        facts, found = await judged(port, "/echo/websocket", "sockjs")
    own = next(one for one in facts.trials if one.kind == "request" and one.whose == "own")
    assert (own.status, own.refused, own.speaks) == (200, "", True)
    assert found == {STRICT: "clear"}


@needs_node("socket.io")
async def test_socket_io_without_cors_keeps_polling_from_the_page() -> None:
    async with node("socket.io") as port:
        facts, found = await judged(port, POLLING, "engine.io")
    assert facts.dialect == "engine.io"
    assert found == {STRICT: "fault"}
