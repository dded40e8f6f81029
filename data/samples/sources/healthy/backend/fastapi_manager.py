"""FastAPI: a manager whose broadcast survives clients that are gone, and a loop that survives its source."""

import asyncio
import logging
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

log = logging.getLogger(__name__)


class Manager:
    def __init__(self) -> None:
        self.active: list[WebSocket] = []

    async def connect(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.active.append(websocket)

    def disconnect(self, websocket: WebSocket) -> None:
        if websocket in self.active:
            self.active.remove(websocket)

    async def broadcast(self, text: str) -> None:
        async def one(websocket: WebSocket) -> None:
            try:
                await asyncio.wait_for(websocket.send_text(text), 5)
            except (RuntimeError, WebSocketDisconnect, TimeoutError):
                self.disconnect(websocket)

        await asyncio.gather(*(one(websocket) for websocket in list(self.active)), return_exceptions=True)


manager = Manager()


async def pump() -> None:
    async with httpx.AsyncClient(timeout=5) as client:
        while True:
            try:
                answer = await client.get("https://prices.example/spot")
                answer.raise_for_status()
                await manager.broadcast(answer.text)
            except httpx.HTTPError as error:
                log.warning("prices: %s", error)
            await asyncio.sleep(1)


@asynccontextmanager
async def lifespan(app: FastAPI):
    task = asyncio.create_task(pump())
    yield
    task.cancel()


app = FastAPI(lifespan=lifespan)


@app.websocket("/prices")
async def prices(websocket: WebSocket) -> None:
    await manager.connect(websocket)
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        pass
    finally:
        manager.disconnect(websocket)
