"""Thirty endpoints on loopback, each at an address of its own, healthy or with one of five faults, for tests of fleets.

with fleet_servers(30) as targets:
    targets[0].url, targets[0].cause
"""

import asyncio
import base64
import contextlib
import hashlib
import logging
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection, serve


@dataclass(frozen=True)
class FleetTarget:
    """One endpoint, and the root cause that must be named first; "" for a healthy one."""

    url: str
    cause: str


FAULTS = {
    "healthy": "",
    "closed port": "net.not-listening-outside",
    "not found": "endpoint.wrong-path",
    "wrong accept": "handshake.invalid-exchange",
    "bad gateway": "proxy.upstream-unreachable",
    "no credential": "auth.credential-not-sent",
}
KINDS = tuple(FAULTS)
_QUIET = logging.getLogger("fleet_servers")
_QUIET.setLevel(logging.CRITICAL)  # probes break off on purpose


async def _echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def _answer(kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one opening handshake wrongly and close."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        writer.write(_wrong(kind, request))
        await writer.drain()
    writer.close()


def _wrong(kind: str, request: bytes) -> bytes:
    if kind == "wrong accept":
        found = re.search(rb"(?i)sec-websocket-key: *(\S+)", request)
        key = base64.b64encode(hashlib.sha1((found[1] if found else b"") + b"not the GUID").digest())
        return (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + key + b"\r\n\r\n"
        )
    status, body = {
        "not found": (b"404 Not Found", b"Cannot GET /ws"),
        "bad gateway": (b"502 Bad Gateway\r\nServer: nginx", b"<html><center><h1>502 Bad Gateway</h1></center><hr>nginx</html>"),
        "no credential": (b"401 Unauthorized", b"missing token"),
    }[kind]
    head = b"HTTP/1.1 " + status + b"\r\nContent-Type: text/html\r\nContent-Length: " + str(len(body)).encode()
    return head + b"\r\nConnection: close\r\n\r\n" + body


async def _listen(kind: str, address: str, stack: contextlib.AsyncExitStack) -> int:
    """Return the port of an endpoint that serves until the stack is left."""
    if kind == "closed port":
        with socket.socket() as probe:
            probe.bind((address, 0))
            return int(probe.getsockname()[1])
    if kind == "healthy":
        server = await stack.enter_async_context(serve(_echo, address, 0, logger=_QUIET))
        return int(next(iter(server.sockets)).getsockname()[1])
    raw = await stack.enter_async_context(await asyncio.start_server(lambda r, w: _answer(kind, r, w), address, 0))
    return int(raw.sockets[0].getsockname()[1])


@contextmanager
def fleet_servers(count: int, first: int = 1) -> Iterator[list[FleetTarget]]:
    """Yield endpoints at 127.0.7.first and the following, of all kinds in turn, served by a thread until the block ends."""
    targets: list[FleetTarget] = []
    ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def hold() -> None:
        async with contextlib.AsyncExitStack() as stack:
            for number in range(count):
                kind, address = KINDS[number % len(KINDS)], f"127.0.7.{first + number}"
                targets.append(FleetTarget(f"ws://{address}:{await _listen(kind, address, stack)}/ws", FAULTS[kind]))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(hold(),), daemon=True)
    thread.start()
    try:
        assert ready.wait(20)
        yield targets
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()
