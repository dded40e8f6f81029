"""Subscribers that say what their dialect's client says first, against servers that give nothing to others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from wsbook.attempt import Attempt
from wsbook.probes.joining import first_words, join
from wsbook.probes.upgrade import open_socket

EIO4 = "/socket.io/?EIO=4&transport=websocket"


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        (EIO4, ("40",)),
        ("/live/?EIO=4&transport=websocket", ("40",)),
        ("/socket.io/?EIO=3&transport=websocket", ()),
        ("/engine.io/?EIO=4&transport=websocket", ()),
        ("/ws?room=40", ()),
        ("/", ()),
    ],
)
def test_what_a_client_says_first_is_known_by_the_url(resource: str, words: tuple[str, ...]) -> None:
    assert first_words(resource) == words


@asynccontextmanager
async def _server(heard: list[str], greeting: str) -> AsyncIterator[str]:
    """Yield the origin of a server that is strict: who speaks before its namespace is joined is closed."""

    async def session(peer: ServerConnection) -> None:
        joined = False
        if greeting:
            await peer.send(greeting)
        async for text in peer:
            heard.append(str(text))
            if str(text).startswith("40"):
                await asyncio.sleep(0.05)
                joined = True
                await peer.send('40{"sid":"b"}')
                await peer.send("2")
            elif greeting and not joined:
                await peer.close(4000, "not joined")

    async with serve(session, "127.0.0.1", 0, ping_interval=None, close_timeout=0.2) as running:
        yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}"


OPEN = '0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'


@pytest.mark.parametrize(
    ("path", "greeting", "subscribe", "said"),
    [
        (EIO4, OPEN, "", ["40", "3"]),
        (EIO4, OPEN, '42["join","a"]', ["40", '42["join","a"]', "3"]),
        (EIO4, OPEN, "40/admin,", ["40/admin,", "3"]),
        (EIO4, "", "hello", ["hello"]),
        ("/ws", "", "hello", ["hello"]),
        ("/ws", "", "", []),
    ],
)
async def test_a_subscriber_joins_before_it_subscribes(path: str, greeting: str, subscribe: str, said: list[str]) -> None:
    heard: list[str] = []
    async with _server(heard, greeting) as origin:
        _, socket = await open_socket(Attempt(url=f"{origin}{path}", first_message_s=0.0), step="4.1")
        assert socket is not None
        keeping, _ = await join(socket, subscribe)
        while (message := await socket.receive(0.3)) is not None:
            await keeping.hear(message)
        assert socket.ended == "open"
        await socket.close()
    assert heard == said
