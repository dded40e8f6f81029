"""Pages that reconnect in their own ways, and the server behind them: prices for whoever subscribes, news for everybody.

Each page is a script; the names are those of its habits.
"""

import asyncio
import contextlib
import http
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

__all__ = ["MESSAGE", "PAGES", "serving"]

MESSAGE = '{"op": "say", "text": "{marker}"}'
TICK_S = 0.25

_PAGE = """<!doctype html><title>{name}</title><ul id=list></ul>{libraries}<script>
const show = (data) => {{ const m = JSON.parse(data); if (m.op === "said") list.append(m.text + " "); }};
const subscribe = (ws) => ws.send(JSON.stringify({{ op: "subscribe", room: "prices" }}));
const recent = async () => {{
  for (const text of await (await fetch("/recent")).json()) if (!list.textContent.includes(text)) list.append(text + " ");
}};
const url = `ws://${{location.host}}/feed`;
{script}
</script>"""

_LOOP = """
let tries = 0;
function connect() {{
  const ws = new WebSocket(url);
  ws.onopen = () => {{ {opened} tries = 0; }};
  ws.onmessage = (event) => show(event.data);
  ws.onclose = () => {{ {closed} }};
}}
connect();
"""


def _loop(closed: str, opened: str = "subscribe(ws); recent();") -> str:
    return _LOOP.format(closed=closed, opened=opened)


_BACKOFF = "setTimeout(connect, Math.random() * 250 + 250 * 2 ** Math.min(tries++, 7));"

PAGES: dict[str, str] = {
    "healthy": _loop(_BACKOFF),
    "watchdog": """
let ws, heard;
setInterval(() => { if (ws && ws.readyState === 1 && Date.now() - heard > 20000) ws.close(); }, 5000);
"""
    + _loop(_BACKOFF, "heard = Date.now(); subscribe(ws); recent();")
    .replace("const ws =", "ws =")
    .replace("show(event.data)", "{ heard = Date.now(); show(event.data); }"),
    "none": _loop(""),
    "immediate": _loop("connect();"),
    "constant": _loop("setTimeout(connect, 2000);"),
    "constant-jitter": _loop("setTimeout(connect, 1000 + 1000 * Math.random());"),
    "linear": _loop("setTimeout(connect, 400 * ++tries);"),
    "uncapped": _loop("setTimeout(connect, 300 * 3 ** tries++);"),
    "patient-no-catch-up": _loop("setTimeout(connect, 300 * 5 ** tries++);", "subscribe(ws);"),
    "gives-up": _loop("if (tries++ < 3) setTimeout(connect, 300 * tries);"),
    "watched": """
let ws;
function connect() { ws = new WebSocket(url); ws.onopen = () => { subscribe(ws); recent(); }; ws.onmessage = (event) => show(event.data); }
setInterval(() => { if (ws.readyState === 3) connect(); }, 20000);
connect();
""",
    "duplicated": """
const feed = new EventTarget();
"""
    + _loop(_BACKOFF, "subscribe(ws); recent(); feed.addEventListener('news', (event) => show(event.detail));").replace(
        "show(event.data)", "feed.dispatchEvent(new CustomEvent('news', { detail: event.data }))"
    ),
    "twice-subscribed": _loop(_BACKOFF)
    .replace(
        "ws.onmessage = (event) => show(event.data);",
        "for (let i = 0; i <= opens; i++) ws.addEventListener('message', (event) => show(event.data)); opens++;",
    )
    .replace("let tries", "let opens = 0, tries"),
    "no-resubscribe": "let first = true;" + _loop(_BACKOFF, "if (first) subscribe(ws); first = false; recent();"),
    "no-catch-up": _loop(_BACKOFF, "subscribe(ws);"),
    "leaky": _loop(_BACKOFF).replace("ws.onclose = () => {", "ws.onerror = () => { setTimeout(connect, 700); }; ws.onclose = () => {"),
    "only-clean": _loop(_BACKOFF).replace("ws.onclose = () => {", "ws.onclose = (event) => { if (!event.wasClean) return;"),
    "reloads": _loop("setTimeout(() => location.reload(), 1500);"),
}


class _Server:
    def __init__(self, pages: Mapping[str, str], files: Mapping[str, str], refused: int = 0) -> None:
        self.pages, self.files, self.refused = pages, files, refused
        self.subscribed: set[ServerConnection] = set()
        self.every: set[ServerConnection] = set()
        self.said: deque[str] = deque(maxlen=50)

    def answer(self, socket: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if "upgrade" in request.headers:
            return socket.respond(http.HTTPStatus(self.refused), "no sockets here\n") if self.refused else None
        name = path.strip("/")
        if name in self.files:
            return _response(self.files[name], "text/javascript")
        if path == "/recent":
            return _response(json.dumps(list(self.said)), "application/json")
        if name not in self.pages:
            return socket.respond(http.HTTPStatus.NOT_FOUND, "nothing here\n")
        libraries = "".join(f'<script src="/{file}"></script>' for file in self.files)
        return _response(_PAGE.format(name=name, libraries=libraries, script=self.pages[name]), "text/html; charset=utf-8")

    async def session(self, socket: ServerConnection) -> None:
        self.every.add(socket)
        with contextlib.suppress(ConnectionClosed, ValueError):
            async for text in socket:
                message = json.loads(text)
                if message["op"] == "subscribe":
                    self.subscribed.add(socket)
                elif message["op"] == "say":
                    self.said.append(message["text"])
                    broadcast(self.every, json.dumps({"op": "said", "text": message["text"]}))
        self.every.discard(socket)
        self.subscribed.discard(socket)

    async def tick(self) -> None:
        for number in itertools.count():
            await asyncio.sleep(TICK_S)
            broadcast(self.subscribed, json.dumps({"op": "price", "seq": number}))


def _response(body: str, kind: str) -> Response:
    data = body.encode()
    return Response(200, "OK", Headers({"Content-Type": kind, "Content-Length": str(len(data)), "Connection": "close"}), data)


@contextlib.asynccontextmanager
async def serving(pages: Mapping[str, str] = PAGES, files: Mapping[str, str] | None = None, *, refused: int = 0) -> AsyncIterator[str]:
    """Yield host:port of the server; each page is at its name, the socket at /feed, files at their names.

    refused: status that every upgrade gets, 0 lets them in.
    """
    server = _Server(pages, files or {}, refused)
    async with serve(server.session, "127.0.0.1", 0, process_request=server.answer, ping_interval=None) as listening:
        ticking = asyncio.ensure_future(server.tick())
        try:
            yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        finally:
            ticking.cancel()
