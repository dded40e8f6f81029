"""The ticker on aiohttp."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import WSCloseCode, WSMsgType, web
from ticker import Bus, arguments, parse_command, ticks

log = logging.getLogger("ticker")

HEARTBEAT_S = 20.0
MAX_WAITING = 5000

routes = web.RouteTableDef()


class Member:
    """One socket and the queue that waits for it, so that a slow one delays nobody else."""

    def __init__(self, ws: web.WebSocketResponse) -> None:
        self.ws = ws
        self.subscribed = False
        self.queue: asyncio.Queue[str | bytes] = asyncio.Queue(MAX_WAITING)
        self.closing: asyncio.Task[bool] | None = None

    def tell(self, message: str | bytes) -> None:
        """Send soon; give up a member that does not take what waits for it."""
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            self.closing = self.closing or asyncio.create_task(self.ws.close(code=WSCloseCode.TRY_AGAIN_LATER))

    async def send_out(self) -> None:
        """Send what waits, in order."""
        with suppress(ConnectionError):  # it has gone meanwhile
            while True:
                message = await self.queue.get()
                await (self.ws.send_str(message) if isinstance(message, str) else self.ws.send_bytes(message))


class Room:
    """Who is connected to this instance."""

    def __init__(self, name: str, bus: str, origins: list[str]) -> None:
        self.name, self.origins = name, frozenset(origins)
        self.members: set[Member] = set()
        self.recent: deque[str] = deque(maxlen=12)
        self.bus = Bus(bus, self.deliver)

    def deliver(self, text: str) -> None:
        """Tell everybody here."""
        self.recent.append(text)
        for member in self.members:
            member.tell(text)

    async def tick(self) -> None:
        """Send prices to the subscribers."""
        async for tick in ticks():
            for member in self.members:
                if member.subscribed:
                    member.tell(json.dumps(tick))

    def receive(self, member: Member, data: str | bytes) -> None:
        """Act on one message."""
        command = parse_command(data) if isinstance(data, str) else {}
        if command.get("type") == "subscribe":
            member.subscribed = True
            member.tell(json.dumps({"type": "subscribed", "topic": command.get("topic")}))
        elif command.get("type") == "publish":
            self.bus.publish(str(data))
        else:
            member.tell(data)


ROOM = web.AppKey("room", Room)


@routes.get("/ws")
async def websocket_handler(request: web.Request) -> web.WebSocketResponse:
    """Serve one socket until it closes."""
    room = request.app[ROOM]
    if request.headers.get("Origin", "") not in room.origins | {""}:
        raise web.HTTPForbidden(text="origin not allowed")
    ws = web.WebSocketResponse(heartbeat=HEARTBEAT_S)
    await ws.prepare(request)
    member = Member(ws)
    room.members.add(member)
    sender = asyncio.create_task(member.send_out())
    try:
        async for msg in ws:
            if msg.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                room.receive(member, msg.data)
            elif msg.type is WSMsgType.ERROR:
                log.warning("connection closed with exception %s", ws.exception())
    finally:
        sender.cancel()
        room.members.discard(member)
    return ws


@routes.post("/publish")
async def publish(request: web.Request) -> web.Response:
    """Tell everybody the JSON body."""
    try:
        await request.json()
    except ValueError:
        raise web.HTTPBadRequest(text="the body is not JSON") from None
    request.app[ROOM].bus.publish(await request.text())
    return web.json_response({"instance": request.app[ROOM].name}, status=202)


@routes.get("/publish")
async def latest(request: web.Request) -> web.Response:
    """Return the latest events, for a page that was away."""
    return web.json_response({"events": [json.loads(text) for text in request.app[ROOM].recent]})


@routes.get("/healthz")
async def healthz(request: web.Request) -> web.Response:
    """Tell whether this instance can serve."""
    room = request.app[ROOM]
    return web.json_response({"instance": room.name, "sockets": len(room.members)}, status=200 if room.bus.ready else 503)


async def background(app: web.Application) -> AsyncIterator[None]:
    """Keep prices and bus going while the application runs."""
    jobs = [asyncio.create_task(app[ROOM].tick()), asyncio.create_task(app[ROOM].bus.run())]
    yield
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)


async def name_instance(request: web.Request, response: web.StreamResponse) -> None:
    """Name the instance in each answer."""
    response.headers["X-Instance"] = request.app[ROOM].name


async def main() -> None:
    """Serve until the process is stopped."""
    options = arguments()
    app = web.Application()
    app[ROOM] = Room(options.name, options.bus, options.allow_origin)
    app.add_routes(routes)
    app.cleanup_ctx.append(background)
    app.on_response_prepare.append(name_instance)
    runner = web.AppRunner(app)
    await runner.setup()
    for port in (options.port, options.http_port):
        await web.TCPSite(runner, options.host, port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(main())
