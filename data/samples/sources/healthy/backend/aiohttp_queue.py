"""aiohttp: a bounded queue and a writer per client; blocking work goes to a thread."""

import asyncio
import time

from aiohttp import WSMsgType, web


def slow_report() -> str:
    time.sleep(0.2)
    return "done"


async def writer(ws: web.WebSocketResponse, queue: asyncio.Queue) -> None:
    while True:
        try:
            await ws.send_str(await queue.get())
        except ConnectionError:
            return


async def handle(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(heartbeat=25)
    await ws.prepare(request)
    queue: asyncio.Queue = asyncio.Queue(maxsize=100)
    task = asyncio.create_task(writer(ws, queue))
    try:
        async for message in ws:
            if message.type == WSMsgType.TEXT:
                await queue.put(await asyncio.to_thread(slow_report))
    finally:
        task.cancel()
    return ws


app = web.Application()
app.router.add_get("/ws", handle)
