"""The ticker on Socket.IO: python-socketio, on aiohttp."""

import argparse
import asyncio
import json
import logging
from collections import deque
from typing import Any

import socketio
from aiohttp import web
from ticker import Bus, arguments, ticks

TICKS = "ticks"
RECENT = 12


def make_server(origins: list[str]) -> socketio.AsyncServer:
    """Return the Socket.IO server: subscribe gives prices, any event that nobody handles comes back."""
    sio = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins=origins)

    @sio.event
    async def subscribe(sid: str, command: dict[str, Any]) -> None:
        await sio.enter_room(sid, TICKS)
        await sio.emit("subscribed", {"type": "subscribed", "topic": command.get("topic")}, to=sid)

    @sio.on("*")
    async def echo(event: str, sid: str, *data: Any) -> None:
        await sio.emit(event, data, to=sid)

    return sio


async def tick(sio: socketio.AsyncServer) -> None:
    """Send prices to the subscribers."""
    async for prices in ticks():
        await sio.emit("tick", prices, room=TICKS)


def make_app(options: argparse.Namespace) -> web.Application:
    """Return the application: Socket.IO at its own path, and its HTTP companions."""
    sio = make_server(options.allow_origin)
    recent: deque[str] = deque(maxlen=RECENT)
    routes = web.RouteTableDef()

    def deliver(text: str) -> None:
        recent.append(text)
        sio.start_background_task(sio.emit, "event", json.loads(text))

    bus = Bus(options.bus, deliver)

    @sio.on("publish")
    async def on_publish(_sid: str, event: dict[str, Any]) -> None:
        bus.publish(json.dumps(event))

    @routes.post("/publish")
    async def publish(request: web.Request) -> web.Response:
        try:
            await request.json()
        except ValueError:
            raise web.HTTPBadRequest(text="the body is not JSON") from None
        bus.publish(await request.text())
        return web.json_response({"instance": options.name}, status=202)

    @routes.get("/publish")
    async def latest(_request: web.Request) -> web.Response:
        return web.json_response({"events": [json.loads(text) for text in recent]})

    @routes.get("/healthz")
    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"instance": options.name}, status=200 if bus.ready else 503)

    async def name_instance(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Instance"] = options.name

    async def start(_app: web.Application) -> None:
        sio.start_background_task(tick, sio)
        sio.start_background_task(bus.run)

    app = web.Application()
    sio.attach(app)
    app.add_routes(routes)
    app.on_response_prepare.append(name_instance)
    app.on_startup.append(start)
    return app


async def serve(options: argparse.Namespace) -> None:
    """Serve on both ports until the process is stopped."""
    runner = web.AppRunner(make_app(options))
    await runner.setup()
    for port in (options.port, options.http_port):
        await web.TCPSite(runner, options.host, port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(serve(arguments()))
