"""A small real-time service: prices for whoever subscribes, events for everybody who is connected.

It knows nothing of the lab: a copy of this file is the application of the deployment and runs alone, with nothing but
the standard library and websockets.

    GET  /ws        WebSocket. {"type": "subscribe", "topic": "ticks"} starts prices on this socket,
                    {"type": "publish", ...} goes to every socket, anything else comes back as it was sent.
    POST /publish   on the second port: the JSON body goes to every socket.
    GET  /publish   on the second port: the latest events, for a page that was away.
    GET  /healthz   on the second port.
"""

import argparse
import asyncio
import json
import logging
import math
import time
from collections import deque
from collections.abc import Callable
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosedError
from websockets.http11 import Request, Response

log = logging.getLogger("ticker")

TICK_S = 0.5
SYMBOLS = {"ALDER": 184.0, "BIRCH": 62.5, "CEDAR": 917.0}
MAX_BODY_BYTES = 65536
RECENT = 12
HTTP_TIMEOUT_S = 5.0


class Bus:
    """The line to the other instances: what one of them publishes, all of them deliver."""

    def __init__(self, address: str, deliver: Callable[[str], None]) -> None:
        self.host, _, self.port = address.rpartition(":")
        self.deliver = deliver
        self.writer: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        """Stay connected; deliver each event that another instance published."""
        while True:
            try:
                reader, self.writer = await asyncio.open_connection(self.host, int(self.port), limit=8 * MAX_BODY_BYTES)
                log.info("bus connected to %s:%s", self.host, self.port)
                async for line in reader:
                    self.deliver(json.loads(line))
                log.warning("bus connection ended")
            except (OSError, ValueError) as error:
                log.warning("bus unavailable: %s", error)
            self.writer = None
            await asyncio.sleep(0.05)

    def send(self, text: str) -> None:
        """Hand one event to the other instances."""
        if self.writer is None:
            log.error("bus is down, an event stays on this instance")
            return
        self.writer.write(json.dumps(text).encode() + b"\n")


class Service:
    """The sockets of this instance and what they are told."""

    def __init__(self, name: str, bus: str) -> None:
        self.name = name
        self.sockets: set[ServerConnection] = set()
        self.subscribers: set[ServerConnection] = set()
        self.recent: deque[str] = deque(maxlen=RECENT)
        self.bus = Bus(bus, self.deliver) if bus else None

    def check(self, connection: ServerConnection, request: Request) -> Response | None:
        """Let /ws through; every other path has no route."""
        path = urlsplit(request.path).path
        if path == "/ws":
            return None
        return connection.respond(404, f"ticker: no route for {path}\n")

    def answer(self, connection: ServerConnection, request: Request, response: Response) -> None:
        """Name the instance in each answer, and log request and status."""
        response.headers["X-Instance"] = self.name
        log.info(
            '%s:%s - "%s %s %s" %d host=%s origin=%s upgrade=%s connection=%s forwarded-for=%s agent="%s"',
            *connection.remote_address[:2],
            request.method,
            request.path,
            request.protocol,
            response.status_code,
            *(request.headers.get(name, "-") for name in ("Host", "Origin", "Upgrade", "Connection", "X-Forwarded-For", "User-Agent")),
        )

    async def session(self, socket: ServerConnection) -> None:
        """Serve one socket until it closes."""
        opened = time.monotonic()
        self.sockets.add(socket)
        try:
            async for message in socket:
                await self.receive(socket, message)
        except ConnectionClosedError as error:
            log.warning("%s:%s %s", *socket.remote_address[:2], error)
        finally:
            self.sockets.discard(socket)
            self.subscribers.discard(socket)
            age = time.monotonic() - opened
            log.info("%s:%s closed code=%s reason=%r age=%.3fs", *socket.remote_address[:2], socket.close_code, socket.close_reason, age)

    async def receive(self, socket: ServerConnection, message: str | bytes) -> None:
        """Act on one message of a client."""
        command = parse_command(message)
        if command.get("type") == "subscribe":
            self.subscribers.add(socket)
            await socket.send(json.dumps({"type": "subscribed", "topic": command.get("topic")}))
        elif command.get("type") == "publish":
            self.publish(str(message))
        else:
            await socket.send(message)

    def publish(self, text: str) -> None:
        """Tell every socket, on every instance."""
        self.deliver(text)
        if self.bus:
            self.bus.send(text)

    def deliver(self, text: str) -> None:
        """Tell every socket of this instance, and keep it for pages that were away."""
        self.recent.append(text)
        log.info("event to %d sockets: %s", len(self.sockets), " ".join(text[:200].split()))
        broadcast(self.sockets, text)

    async def tick(self) -> None:
        """Send prices to the subscribers twice a second; the numbers never skip."""
        number = int(time.time() / TICK_S)
        while True:
            number += 1
            await asyncio.sleep(number * TICK_S - time.time())
            broadcast(self.subscribers, json.dumps({"type": "tick", "topic": "ticks", "seq": number, "prices": prices(number)}))

    async def companion(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one plain HTTP request."""
        try:
            async with asyncio.timeout(HTTP_TIMEOUT_S):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                status, answer = self.http(head.split(" ", 2)[:2], await reader.readexactly(body_length(head)))
                log.log(logging.DEBUG if "/healthz" in head else logging.INFO, '"%s" %s', head.partition("\r\n")[0], status)
                writer.write(http_response(status, answer, self.name))
                await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError) as error:
            log.warning("http request not understood: %s", error)
        finally:
            writer.close()

    def http(self, request: list[str], body: bytes) -> tuple[str, dict[str, object]]:
        """Return status and JSON answer for one request."""
        if request == ["GET", "/healthz"]:
            ready = self.bus is None or self.bus.writer is not None
            return ("200 OK" if ready else "503 Service Unavailable"), {"instance": self.name, "sockets": len(self.sockets)}
        if request[-1].partition("?")[0] != "/publish":
            return "404 Not Found", {"error": "no such route"}
        if request[0] == "GET":
            return "200 OK", {"events": [json.loads(text) for text in self.recent]}
        if request[0] != "POST":
            return "405 Method Not Allowed", {"error": "POST or GET it"}
        try:
            json.loads(body)
        except ValueError:
            return "400 Bad Request", {"error": "the body is not JSON"}
        self.publish(body.decode())
        return "202 Accepted", {"instance": self.name}


def parse_command(message: str | bytes) -> dict[str, object]:
    """Return the JSON object in a text message; empty when it is something else."""
    try:
        command = json.loads(message) if isinstance(message, str) else None
    except ValueError:
        return {}
    return command if isinstance(command, dict) else {}


def prices(number: int) -> dict[str, float]:
    """Return the price of each symbol at one tick; every instance computes the same."""
    return {symbol: round(base * (1 + 0.01 * wave(number, i)), 2) for i, (symbol, base) in enumerate(SYMBOLS.items())}


def wave(number: int, phase: int) -> float:
    """Return a smooth curve with some unrest, between about -1.5 and 1.5."""
    return math.sin(number / 17 + 2 * phase) + 0.4 * math.sin(number / (5.3 + phase)) + 0.15 * math.sin(number * (1.7 + phase / 9))


def body_length(head: str) -> int:
    """Return the Content-Length of a request.

    Raises:
        ValueError: it is no number or too large.
    """
    fields = dict(line.lower().split(":", 1) for line in head.split("\r\n")[1:] if ":" in line)
    length = int(fields.get("content-length", "0"))
    if not 0 <= length <= MAX_BODY_BYTES:
        raise ValueError(f"a body of {length} bytes")
    return length


def http_response(status: str, answer: dict[str, object], name: str) -> bytes:
    """Return the bytes of a JSON answer."""
    body = json.dumps(answer).encode() + b"\n"
    headers = ("Content-Type: application/json", f"Content-Length: {len(body)}", f"X-Instance: {name}", "Connection: close")
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "", "")).encode() + body


async def main(options: argparse.Namespace) -> None:
    """Serve until the process is stopped."""
    service = Service(options.name, options.bus)
    origins = [None, *options.allow_origin]
    async with serve(
        service.session,
        options.host,
        options.port,
        process_request=service.check,
        process_response=service.answer,
        origins=origins,
    ):
        await asyncio.start_server(service.companion, options.host, options.http_port)
        async with asyncio.TaskGroup() as jobs:
            jobs.create_task(service.tick())
            if service.bus:
                jobs.create_task(service.bus.run())


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description="The ticker service.")
    parser.add_argument("--name", default="a")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--http-port", type=int, default=8002)
    parser.add_argument("--bus", default="", metavar="HOST:PORT")
    parser.add_argument("--allow-origin", action="append", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    asyncio.run(main(arguments()))
