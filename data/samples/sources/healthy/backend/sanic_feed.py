"""Sanic: the request is an argument of every handler; work that blocks runs in a thread."""

import asyncio

import requests
from sanic import Request, Sanic, Websocket

app = Sanic("feed")
app.config.WEBSOCKET_PING_INTERVAL = 20


def report(room: str) -> str:
    answer = requests.get("http://stats.internal/report", params={"room": room}, timeout=10)
    answer.raise_for_status()
    return answer.text


@app.websocket("/feed/<room>")
async def feed(request: Request, ws: Websocket, room: str) -> None:
    async for _ in ws:
        try:
            await ws.send(await asyncio.to_thread(report, room))
        except requests.RequestException:
            await ws.send("unavailable")
