"""Engine.IO sessions of one process, version 4: over long polling, over a WebSocket, and moved from one to the other.

A copy of this file is part of the deployment where the page polls. It knows nothing of the lab, nor of what messages mean.
https://socket.io/docs/v4/engine-io-protocol/
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

PATH = "/engine.io/"
PING_S = 25.0
SEPARATOR = "\x1e"
WAITING_PACKETS = 1000


class Session:
    """What waits to be fetched by one client."""

    def __init__(self) -> None:
        self.packets: asyncio.Queue[str] = asyncio.Queue(WAITING_PACKETS)

    async def fetch(self) -> str:
        """Return all packets that wait, or a ping when none comes for a while."""
        try:
            packets = [await asyncio.wait_for(self.packets.get(), PING_S)]
        except TimeoutError:
            return "2"
        while not self.packets.empty():
            packets.append(self.packets.get_nowait())
        return SEPARATOR.join(packets)


class Sessions:
    """The sessions that began in this process; no other knows them."""

    def __init__(self, name: str, publish: Callable[[str], None]) -> None:
        self.name, self.publish = name, publish
        self.known: dict[str, Session] = {}

    def tell(self, text: str) -> None:
        """Put a message in front of every client of this process; one that fetches nothing misses it."""
        for session in self.known.values():
            if not session.packets.full():
                session.packets.put_nowait(f"4{text}")

    def begin(self) -> tuple[str, str]:
        """Return (id, open packet) of a new session."""
        sid = secrets.token_urlsafe(15)
        self.known[sid] = Session()
        said = {"sid": sid, "upgrades": ["websocket"], "pingInterval": int(PING_S * 1000), "pingTimeout": 20000, "maxPayload": 1000000}
        return sid, f"0{json.dumps(said)}"

    def take(self, sid: str, packet: str) -> None:
        """Act on one packet of a client."""
        if packet == "1":
            self.known.pop(sid, None)
        elif packet.startswith('4{"type": "publish"'):
            self.publish(packet[1:])

    async def application(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket (ASGI)."""
        query = {name: values[0] for name, values in parse_qs(scope.get("query_string", b"").decode()).items()}
        if scope["type"] == "websocket":
            await self.websocket(query.get("sid", ""), receive, send)
        elif scope["type"] == "http":
            status, body = await self.polling(scope, query, receive)
            await self.answer(send, "http.response", status, body)

    async def answer(self, send: Send, kind: str, status: int, body: str) -> None:
        """Send an HTTP answer."""
        headers = [(b"content-type", b"text/plain; charset=UTF-8"), (b"x-instance", self.name.encode())]
        await send({"type": f"{kind}.start", "status": status, "headers": headers})
        await send({"type": f"{kind}.body", "body": body.encode()})

    def unknown(self, sid: str) -> str:
        """Return why a session cannot be used, "" when it can."""
        return "" if sid in self.known else json.dumps({"code": 1, "message": "Session ID unknown"})

    async def polling(self, scope: dict[str, Any], query: dict[str, str], receive: Receive) -> tuple[int, str]:
        """Return status and body of one polling request."""
        sid = query.get("sid", "")
        if scope["path"] != PATH:
            return 404, "no such page"
        if not sid and scope["method"] == "GET":
            return 200, self.begin()[1]
        if refused := self.unknown(sid):
            return 400, refused
        if scope["method"] == "GET":
            return 200, await self.known[sid].fetch()
        body = (await receive()).get("body", b"").decode(errors="replace")
        for packet in body.split(SEPARATOR):
            self.take(sid, packet)
        return 200, "ok"

    async def websocket(self, sid: str, receive: Receive, send: Send) -> None:
        """Carry a session over a WebSocket: a new one, or one that began over polling and is moved."""
        await receive()
        if sid and (refused := self.unknown(sid)):
            await self.answer(send, "websocket.http.response", 400, refused)
            return
        await send({"type": "websocket.accept", "headers": [(b"x-instance", self.name.encode())]})
        moved = bool(sid)
        if not sid:
            sid, opened = self.begin()
            await send({"type": "websocket.send", "text": opened})
        sending = None if moved else asyncio.ensure_future(self.forward(sid, send))
        while (message := await receive())["type"] == "websocket.receive":
            packet = message.get("text") or ""
            if packet == "2probe":
                await send({"type": "websocket.send", "text": "3probe"})
            elif packet == "5" and sending is None:
                sending = asyncio.ensure_future(self.forward(sid, send))
            else:
                self.take(sid, packet)
        if sending is not None:
            sending.cancel()
            self.known.pop(sid, None)

    async def forward(self, sid: str, send: Send) -> None:
        """Send packets as they come, until the socket ends."""
        while sid in self.known:
            for packet in (await self.known[sid].fetch()).split(SEPARATOR):
                await send({"type": "websocket.send", "text": packet})
