"""Clients that say what their dialect's library says, and those that stay mute, against real servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from dialect_servers import needs_node, node, serving, socketio_application
from websockets.asyncio.server import ServerConnection, serve

from wsbook.attempt import Attempt
from wsbook.facts import HeartbeatFacts, IdleFacts
from wsbook.probes.idle import probe_idle

EIO = "/socket.io/?EIO=4&transport=websocket"


async def _wait(peer: ServerConnection) -> None:
    async for _ in peer:
        pass


async def _demanding(peer: ServerConnection) -> None:
    """Ping in words, and close where the last ping was not answered."""
    while True:
        await peer.send('{"type":"ping","id":7}')
        try:
            async with asyncio.timeout(0.4):
                assert await peer.recv() == '{"type":"pong","id":7}'
        except TimeoutError:
            await peer.close(4000, "no pong")
            return
        await asyncio.sleep(0.3)


async def _stomp(peer: ServerConnection) -> None:
    """Agree on heart-beats once CONNECT came, and close a client that does not begin."""
    try:
        async with asyncio.timeout(0.6):
            hello = await peer.recv()
    except TimeoutError:
        await peer.close(1002, "no CONNECT")
        return
    assert isinstance(hello, str) and hello.startswith("CONNECT\n")
    await peer.send("CONNECTED\nversion:1.2\nheart-beat:0,12000\n\n\x00")
    await peer.wait_closed()


@asynccontextmanager
async def _serve(handler: object, **options: object) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0, **{"ping_interval": None, "close_timeout": 0.2, **options}) as running:  # type: ignore[arg-type]
        yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/"


async def _heard(url: str, longest_s: float = 1.4, **options: object) -> tuple[list[IdleFacts], HeartbeatFacts, HeartbeatFacts]:
    """Return (silent rungs, what the client that answers heard, what the mute one did)."""
    found = await probe_idle(Attempt(url=url), rungs_s=(longest_s,), step="3.4", traffic=("none", "mute"), **options)  # type: ignore[arg-type]
    beats = {seen.facts.answered: seen.facts for seen in found if isinstance(seen.facts, HeartbeatFacts)}
    return [seen.facts for seen in found if isinstance(seen.facts, IdleFacts)], beats[True], beats[False]


async def _room(request: web.Request) -> web.StreamResponse:
    opened = web.WebSocketResponse(heartbeat=0.5)
    await opened.prepare(request)
    async for _ in opened:
        pass
    return opened


async def _aiohttp() -> tuple[list[IdleFacts], HeartbeatFacts, HeartbeatFacts]:
    application = web.Application()
    application.router.add_get("/ws", _room)
    async with serving(application) as port:
        return await _heard(f"ws://127.0.0.1:{port}/ws")


async def _websockets(handler: object, longest_s: float = 1.4, **options: object) -> tuple[list[IdleFacts], HeartbeatFacts, HeartbeatFacts]:
    dialect = str(options.pop("dialect", ""))
    async with _serve(handler, **options) as url:
        return await _heard(url, longest_s, dialect=dialect)


async def _socketio() -> tuple[list[IdleFacts], HeartbeatFacts, HeartbeatFacts]:
    async with serving(socketio_application(ping_interval=1, ping_timeout=0.4)) as port:
        return await _heard(f"ws://127.0.0.1:{port}{EIO}", 1.8)


async def test_what_servers_do_for_clients_that_answer_and_for_mute_ones() -> None:
    """Side by side: each takes as long as its ladder."""
    pinging, silent, words, aiohttp, socketio, stomp, greetless = await asyncio.gather(
        _websockets(_wait, ping_interval=0.4, ping_timeout=0.5),
        _websockets(_wait, 0.5),
        _websockets(_demanding),
        _aiohttp(),
        _socketio(),
        _websockets(_stomp, 1.0, dialect="stomp"),
        _websockets(_stomp, 1.0),
    )
    for rungs, *_ in (pinging, silent, words, aiohttp, socketio, stomp):
        assert all(rung.survived for rung in rungs)

    _, answered, mute = pinging
    assert answered.kind == "ping" and answered.beats >= 3 and answered.interval_s == pytest.approx(0.4, abs=0.15)
    assert (mute.beats, mute.ended, mute.close_code) == (1, "close", 1011)
    assert mute.patience_s == pytest.approx(0.5, abs=0.2) and answered.patience_s is None

    _, answered, mute = silent
    assert (answered.kind, answered.beats, mute.ended, mute.patience_s) == ("", 0, "open", None)

    _, answered, mute = words
    assert answered.kind == "text" and answered.beats >= 2
    assert (mute.close_code, mute.close_reason) == (4000, "no pong")
    assert mute.patience_s == pytest.approx(0.4, abs=0.2)

    _, answered, mute = aiohttp
    assert answered.beats >= 2 and mute.patience_s is not None and mute.patience_s < 0.6

    _, answered, mute = socketio
    assert (answered.dialect, answered.kind, answered.announced_s, answered.announced_patience_s) == ("engine.io", "engine.io", 1.0, 0.4)
    assert mute.ended != "open" and mute.patience_s is not None

    _, answered, _ = stomp
    assert (answered.announced_s, answered.announced_wanted_s) == (0.0, 12.0)
    assert [(rung.survived, rung.close_code) for rung in greetless[0]] == [(False, 1002)]


@needs_node("socket.io")
async def test_socketio_of_node_is_answered() -> None:
    async with node("socket.io") as port:
        rungs, answered, _ = await _heard(f"ws://127.0.0.1:{port}{EIO}", 0.9)
    assert all(rung.survived for rung in rungs)
    assert answered.announced_s == 0.3 and answered.beats >= 2
