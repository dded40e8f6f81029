"""Echo clients of Python's WebSocket libraries: each keeps W messages of every connection in flight and prints how many came back and
its CPU seconds meanwhile.

    python python_clients.py LIBRARY PORT CONNECTIONS WINDOW SIZE SECONDS

LIBRARY: websockets, aiohttp or picows; the last two on uvloop where it is installed. They count and nothing else, as such scripts do.
"""

import asyncio
import sys
import time
from collections.abc import Coroutine
from typing import Any


class Load:
    """What is sent, and how many came back."""

    def __init__(self, port: int, connections: int, window: int, size: int, seconds: float) -> None:
        self.url, self.connections, self.window = f"ws://127.0.0.1:{port}/", connections, window
        self.message, self.seconds, self.answered, self.until, self.begin_cpu_s = bytes(size), seconds, 0, 0.0, 0.0

    def start(self) -> None:
        """Begin the time of sending."""
        self.begin_cpu_s, self.until = time.process_time(), time.perf_counter() + self.seconds

    def answer(self) -> bool:
        """Count an answer and tell whether another message is to follow."""
        self.answered += 1
        return time.perf_counter() < self.until


async def websockets_client(load: Load) -> None:
    """One task a connection over ``websockets.connect``, without compression."""
    from websockets.asyncio.client import connect

    options: dict[str, Any] = {"compression": None, "ping_interval": None, "max_queue": None, "open_timeout": 30}
    lines = [await connect(load.url, **options) for _ in range(load.connections)]

    async def run(line: Any) -> None:
        for _ in range(load.window):
            await line.send(load.message)
        left = load.window
        while left:
            await line.recv()
            if load.answer():
                await line.send(load.message)
            else:
                left -= 1

    load.start()
    await asyncio.gather(*map(run, lines))


async def aiohttp_client(load: Load) -> None:
    """One task a connection over ``ClientSession.ws_connect``, without compression."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        lines = [await session.ws_connect(load.url, compress=0, max_msg_size=0) for _ in range(load.connections)]

        async def run(line: Any) -> None:
            for _ in range(load.window):
                await line.send_bytes(load.message)
            left = load.window
            while left:
                await line.receive_bytes()
                if load.answer():
                    await line.send_bytes(load.message)
                else:
                    left -= 1

        load.start()
        await asyncio.gather(*map(run, lines))


async def picows_client(load: Load) -> None:
    """Callbacks on the frame, as picows is meant to be used."""
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

    done, left = asyncio.Event(), load.connections * load.window

    class Client(WSListener):  # type: ignore[misc]
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            nonlocal left
            frame.get_payload_as_memoryview()
            if load.answer():
                transport.send(WSMsgType.BINARY, load.message)
            else:
                left -= 1
                if not left:
                    done.set()

    lines = [(await ws_connect(Client, load.url))[0] for _ in range(load.connections)]
    load.start()
    for transport in lines:
        for _ in range(load.window):
            transport.send(WSMsgType.BINARY, load.message)
    await done.wait()


CLIENTS = {"websockets": websockets_client, "aiohttp": aiohttp_client, "picows": picows_client}


def run(client: Coroutine[Any, Any, None], *, fast: bool) -> None:
    """Run on uvloop where it is wanted and installed."""
    if fast:
        try:
            import uvloop
        except ImportError:
            pass
        else:
            uvloop.run(client)
            return
    asyncio.run(client)


def main() -> None:
    """Run the named client and print how many messages came back, and the CPU seconds since they began to leave."""
    library, port, connections, window, size, seconds = sys.argv[1:]
    load = Load(int(port), int(connections), int(window), int(size), float(seconds))
    run(CLIENTS[library](load), fast=library != "websockets")
    print(load.answered, f"{time.process_time() - load.begin_cpu_s:.6f}")


if __name__ == "__main__":
    main()
