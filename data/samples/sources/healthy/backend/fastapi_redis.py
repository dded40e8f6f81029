"""FastAPI with Redis between the workers: per-client guard, short database sessions, supervised listener."""

import asyncio
import contextlib

import redis.asyncio as redis
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

clients: set[WebSocket] = set()
bus = redis.Redis()


async def listen() -> None:
    while True:
        try:
            async with bus.pubsub() as channel:
                await channel.subscribe("news")
                async for message in channel.listen():
                    await broadcast(message["data"])
        except redis.ConnectionError:
            await asyncio.sleep(1)


async def broadcast(text: str) -> None:
    for client in list(clients):
        try:
            await client.send_text(text)
        except (RuntimeError, WebSocketDisconnect):
            clients.discard(client)


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.listener = asyncio.create_task(listen())
    yield
    app.state.listener.cancel()


app = FastAPI(lifespan=lifespan)


@app.websocket("/ws")
async def endpoint(socket: WebSocket) -> None:
    await socket.accept()
    clients.add(socket)
    try:
        while True:
            await bus.publish("news", await socket.receive_text())
    except WebSocketDisconnect:
        pass
    finally:
        clients.discard(socket)
