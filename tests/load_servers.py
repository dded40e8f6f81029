"""A real server as a process of its own, for what must not share a loop with whoever loads it. The path selects the behaviour.

Run as a script it serves on a free port of loopback, which is the first line of its output.
"""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.http11 import Request, Response

WAYS = ("echo", "text", "everybody", "others", "mute", "numbers", "asks", "loses", "twice", "swaps", "slow", "blocks", "closes")


@contextmanager
def loaded_server() -> Iterator[str]:
    """Yield the URL of the server, without a path, which is gone when the block ends."""
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"ws://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


class _Rooms:
    """Who is connected at which path."""

    def __init__(self) -> None:
        self.members: dict[str, set[ServerConnection]] = {}
        self.numbers = count()

    def refuse(self, peer: ServerConnection, request: Request) -> Response | None:
        parts = urlsplit(request.path)
        most = parse_qs(parts.query).get("most")
        full = most and len(self.members.get(parts.path, ())) >= int(most[0])
        return peer.respond(503, "full\n") if full else None

    async def serve(self, peer: ServerConnection) -> None:
        assert peer.request is not None
        parts = urlsplit(peer.request.path)
        members = self.members.setdefault(parts.path, set())
        members.add(peer)
        try:
            if parts.path == "/numbers":
                await self.tell_numbers(peer)
            every = int(parse_qs(parts.query).get("every", ["100"])[0])
            async for message in peer:
                await answer(parts.path[1:], peer, members, message, next(self.numbers), every)
        finally:
            members.discard(peer)

    async def tell_numbers(self, peer: ServerConnection) -> None:
        with contextlib.suppress(Exception):
            for number in count():
                await peer.send(json.dumps({"data": [{"seq": number}], "text": "x" * 20}))
                await asyncio.sleep(0.01)


_HELD: list[str | bytes] = []


async def answer(way: str, peer: ServerConnection, members: set[ServerConnection], message: str | bytes, number: int, every: int) -> None:
    """Do with one message, the number-th of all, what the way is; every: each so-manieth is treated badly."""
    odd = number % every == every // 2
    if way in ("echo", "loses", "twice", "swaps", "slow", "blocks", "closes"):
        if way == "loses" and odd:
            return
        if way == "swaps" and odd:
            _HELD.append(message)
            return
        if way == "closes" and odd:
            await peer.close(1008, "too fast")
            return
        if way == "blocks" and odd:
            time.sleep(0.5)  # noqa: ASYNC251 - the fault
        if way == "slow":
            time.sleep(0.002)  # noqa: ASYNC251 - the fault: 500 messages a second at most
        await peer.send(message)
        if way == "twice" and odd:
            await peer.send(message)
        while _HELD:
            await peer.send(_HELD.pop())
    elif way == "text":
        await (peer.close(1003) if isinstance(message, bytes) else peer.send(message))
    elif way == "everybody":
        broadcast(members, message)
    elif way == "others":
        broadcast(members - {peer}, message)
    elif way == "asks":
        await _answer_question(peer, message)


async def _answer_question(peer: ServerConnection, message: str | bytes) -> None:
    try:
        question: Any = json.loads(message)
        await peer.send(json.dumps({"answer": {"to": question["id"]}}))
    except (ValueError, TypeError, KeyError):
        await peer.close(1007, "no question")


async def main() -> None:
    """Serve until the process is told to end."""
    rooms, ended = _Rooms(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with serve(
        rooms.serve, "127.0.0.1", 0, process_request=rooms.refuse, ping_interval=None, max_size=None, compression=None
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await ended.wait()
        for members in rooms.members.values():
            for peer in list(members):
                peer.transport.abort()


if __name__ == "__main__":
    asyncio.run(main())
