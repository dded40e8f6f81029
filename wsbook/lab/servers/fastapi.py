"""The ticker on FastAPI, served by uvicorn on two ports."""

import asyncio
import json
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response, WebSocket, WebSocketDisconnect, WebSocketException, status
from fastapi.requests import HTTPConnection
from ticker import Bus, arguments, parse_command, ticks

MAX_WAITING = 5000


class Client:
    """One socket. What is sent to it waits in a queue of its own, so that a slow one delays nobody else."""

    def __init__(self, websocket: WebSocket) -> None:
        self.websocket = websocket
        self.subscribed = False
        self.queue: asyncio.Queue[str | bytes] = asyncio.Queue(MAX_WAITING)
        self.closing: asyncio.Task[None] | None = None

    def tell(self, message: str | bytes) -> None:
        """Send soon; give up a client that does not take what waits for it."""
        if not self.queue.full():
            self.queue.put_nowait(message)
        elif self.closing is None:
            self.closing = asyncio.create_task(self.websocket.close(status.WS_1013_TRY_AGAIN_LATER))

    async def send_out(self) -> None:
        """Send what waits, in order."""
        with suppress(WebSocketDisconnect, RuntimeError):  # it has gone meanwhile
            while True:
                message = await self.queue.get()
                await (self.websocket.send_text(message) if isinstance(message, str) else self.websocket.send_bytes(message))


class Hub:
    """The clients of this instance and what they are told."""

    def __init__(self, name: str, bus: str, origins: list[str]) -> None:
        self.name, self.origins = name, origins
        self.clients: set[Client] = set()
        self.recent: deque[str] = deque(maxlen=12)
        self.bus = Bus(bus, self.deliver)

    def deliver(self, text: str) -> None:
        """Tell every client of this instance."""
        self.recent.append(text)
        for client in self.clients:
            client.tell(text)

    async def tick(self) -> None:
        """Send prices to the subscribers."""
        async for tick in ticks():
            for client in self.clients:
                if client.subscribed:
                    client.tell(json.dumps(tick))

    def receive(self, client: Client, message: str | bytes) -> None:
        """Act on one message of a client."""
        command = parse_command(message) if isinstance(message, str) else {}
        if command.get("type") == "subscribe":
            client.subscribed = True
            client.tell(json.dumps({"type": "subscribed", "topic": command.get("topic")}))
        elif command.get("type") == "publish":
            self.bus.publish(str(message))
        else:
            client.tell(message)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep prices and bus going while the application runs."""
    jobs = [asyncio.create_task(app.state.hub.tick()), asyncio.create_task(app.state.hub.bus.run())]
    yield
    for job in jobs:
        job.cancel()


app = FastAPI(title="Ticker", lifespan=lifespan)


def get_hub(connection: HTTPConnection) -> Hub:
    """Return what is shared by all requests."""
    hub: Hub = connection.app.state.hub
    return hub


SharedHub = Annotated[Hub, Depends(get_hub)]


def check_origin(hub: SharedHub, origin: Annotated[str | None, Header()] = None) -> None:
    """Refuse pages of other sites."""
    if origin is not None and origin not in hub.origins:
        raise WebSocketException(status.WS_1008_POLICY_VIOLATION, "origin not allowed")


@app.middleware("http")
async def name_instance(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Name the instance in each answer."""
    response = await call_next(request)
    response.headers["X-Instance"] = get_hub(request).name
    return response


@app.websocket("/ws", dependencies=[Depends(check_origin)])
async def live(websocket: WebSocket, hub: SharedHub) -> None:
    """Serve one socket until it closes."""
    await websocket.accept(headers=[(b"x-instance", hub.name.encode())])
    client = Client(websocket)
    hub.clients.add(client)
    sender = asyncio.create_task(client.send_out())
    try:
        while (event := await websocket.receive())["type"] == "websocket.receive":
            hub.receive(client, event["text"] if event.get("text") is not None else event["bytes"])
    finally:
        hub.clients.discard(client)
        sender.cancel()
        with suppress(asyncio.CancelledError):
            await sender


@app.post("/publish", status_code=status.HTTP_202_ACCEPTED)
async def publish(request: Request, hub: SharedHub) -> dict[str, str]:
    """Tell everybody the JSON body."""
    body = await request.body()
    try:
        json.loads(body)
    except ValueError:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, "the body is not JSON") from None
    hub.bus.publish(body.decode())
    return {"instance": hub.name}


@app.get("/publish")
async def latest(hub: SharedHub) -> dict[str, list[Any]]:
    """Return the latest events, for a page that was away."""
    return {"events": [json.loads(text) for text in hub.recent]}


@app.get("/healthz")
async def healthz(hub: SharedHub, response: Response) -> dict[str, object]:
    """Tell whether this instance can serve."""
    response.status_code = status.HTTP_200_OK if hub.bus.ready else status.HTTP_503_SERVICE_UNAVAILABLE
    return {"instance": hub.name, "sockets": len(hub.clients)}


if __name__ == "__main__":
    options = arguments()
    app.state.hub = Hub(options.name, options.bus, options.allow_origin)
    listeners = [socket.create_server((options.host, port)) for port in (options.port, options.http_port)]
    uvicorn.Server(uvicorn.Config(app)).run(sockets=listeners)
