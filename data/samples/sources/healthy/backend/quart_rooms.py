"""Quart: one bounded queue per connection, taken out in finally; a slow reader is left out and closed."""

import asyncio
from collections import defaultdict

from quart import Quart, websocket

app = Quart(__name__)
rooms: dict[str, set[asyncio.Queue[str]]] = defaultdict(set)
ORIGINS = {"https://rooms.example"}


@app.websocket("/rooms/<name>")
async def room(name: str) -> None:
    if websocket.headers.get("Origin") not in ORIGINS:
        await websocket.close(1008)
        return
    queue: asyncio.Queue[str] = asyncio.Queue(maxsize=64)
    rooms[name].add(queue)
    try:
        while True:
            await websocket.send(await queue.get())
    finally:
        rooms[name].discard(queue)
        if not rooms[name]:
            del rooms[name]


async def tell(name: str, text: str) -> None:
    for queue in list(rooms.get(name, ())):
        if queue.full():
            queue.get_nowait()
        queue.put_nowait(text)
