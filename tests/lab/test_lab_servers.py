"""The application on other libraries: each promises a client what the lab's own promises."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import needs
from dialect_servers import needs_node
from lab.lab_client import answer_of, eventually, http, log, open_socket, publish, received
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError

from wsbook.errors import UsageError
from wsbook.lab import STACKS, Fault, Lab, start_lab
from wsbook.lab.faults import find_fault
from wsbook.lab.servers import SERVERS, server_files

UNKNOWN_PATH = {"fastapi": 403}
"""Starlette closes a WebSocket without a route before it accepts it; the others answer 404."""
OTHER_ORIGIN = {"socketio": 400}
LOGGED = {
    "fastapi": '"WebSocket /ws" [accepted]',
    "aiohttp": "INFO:aiohttp.access:",
    "tornado": "101 GET /ws (127.0.0.1)",
    "socketio": "INFO:aiohttp.access:",
    "node": "client connected",
}
_MARKS = {"node": needs_node("ws")}


@pytest.fixture(scope="module", params=[pytest.param(name, marks=_MARKS.get(name, ())) for name in SERVERS])
def lab(request: pytest.FixtureRequest, node_path: None) -> Iterator[Lab]:
    with start_lab(f"stack.{request.param}", ready_s=30.0) as lab:
        yield lab


def library(lab: Lab) -> str:
    return lab.fault.removeprefix("stack.")


def packet(lab: Lab, event: dict[str, object]) -> str:
    """Return how a client sends an event."""
    name = event["type"]
    return f"42{json.dumps([name, event])}" if library(lab) == "socketio" else json.dumps(event)


async def heard(socket: ClientConnection, kind: str) -> list[object]:
    """Return the messages of one type until something else or nothing arrives, whichever protocol carries them."""
    texts = [
        text.removeprefix("42")
        for text in await received(socket, 1.2 if kind == "event" else 0.3)
        if not text.startswith(("0", "4{", "40"))
    ]
    values = [json.loads(text) for text in texts]
    events = [value[1] if isinstance(value, list) else value for value in values]
    return [event for event in events if event.get("type", "event") == kind]


async def enter(lab: Lab, socket: ClientConnection) -> None:
    """Say what a client of the library says first."""
    if library(lab) == "socketio":
        assert str(await socket.recv()).startswith('0{"sid"')
        await socket.send("40")
        assert str(await socket.recv()).startswith('40{"sid"')


async def test_upgrades_reach_both_instances(lab: Lab) -> None:
    assert {(await answer_of(lab))[2] for _ in range(4)} <= {"a", "b", ""}
    assert [(await answer_of(lab, url))[0] for url in lab.hops.values()] == [101, 101]


@pytest.mark.parametrize("message", ["plain text", "[1, 2]", "7", b"\x00\x01\xff", "x" * 70000])
async def test_other_messages_come_back_as_sent(lab: Lab, message: str | bytes) -> None:
    async with open_socket(lab) as socket:
        await enter(lab, socket)
        if library(lab) == "socketio":
            message = f"42{json.dumps(['other', str(message)], separators=(',', ':'))}"
        await socket.send(message)
        assert await asyncio.wait_for(socket.recv(), 5) == message


async def test_ticks_come_in_order_and_only_to_subscribers(lab: Lab) -> None:
    async with open_socket(lab) as subscriber, open_socket(lab) as silent:
        await enter(lab, subscriber)
        await enter(lab, silent)
        await subscriber.send(lab.message)
        said = [json.loads(str(await asyncio.wait_for(subscriber.recv(), 5)).removeprefix("42")) for _ in range(4)]
        subscribed, *ticks = [one[1] if isinstance(one, list) else one for one in said]
        assert subscribed["type"] == "subscribed"
        assert [tick["seq"] - ticks[0]["seq"] for tick in ticks] == [0, 1, 2]
        assert all(price > 1 for tick in ticks for price in tick["prices"].values())
        assert await received(silent, 0.05) == []


async def test_events_cross_the_instances(lab: Lab) -> None:
    async with open_socket(lab, lab.hops["app"]) as a, open_socket(lab, lab.hops["app-b"]) as b:
        await enter(lab, a)
        await enter(lab, b)
        event = {"type": "publish", "text": "over the socket"}
        await a.send(packet(lab, event))
        assert await asyncio.gather(heard(a, "publish"), heard(b, "publish")) == [[event], [event]]
        assert await publish(lab, b'{"text": "over HTTP"}') == 202
        assert await asyncio.gather(heard(a, "event"), heard(b, "event")) == [[{"text": "over HTTP"}]] * 2
    status, body = await asyncio.to_thread(http, lab.page_url + "publish")
    assert (status, json.loads(body)["events"][-1]) == (200, {"text": "over HTTP"})
    assert await publish(lab, b"no json") == 400


async def test_origins_and_paths_are_checked(lab: Lab) -> None:
    own = lab.page_url.rstrip("/")
    origins = (own, own.replace("127.0.0.1", "localhost"), None, "https://elsewhere.example")
    refused = OTHER_ORIGIN.get(library(lab), 403)
    assert [(await answer_of(lab, origin=origin))[0] for origin in origins] == [101, 101, 101, refused]
    elsewhere = lab.hops["app"].replace("/ws", "/live").replace("/socket.io/", "/live")
    assert (await answer_of(lab, elsewhere))[0] == UNKNOWN_PATH.get(library(lab), 404)


async def test_the_log_is_the_librarys_own(lab: Lab) -> None:
    await answer_of(lab, lab.hops["app"])
    await asyncio.sleep(0.2)
    text = log(lab, "a.log")
    assert LOGGED[library(lab)] in text
    assert "Traceback" not in text


async def test_a_slow_reader_delays_nobody(lab: Lab) -> None:
    async with open_socket(lab, lab.hops["app"], max_queue=1) as slow, open_socket(lab, lab.hops["app"]) as quick:
        await enter(lab, slow)
        await enter(lab, quick)
        for number in range(60):
            await quick.send(packet(lab, {"type": "publish", "text": "x" * 60000, "n": number}))
            assert str(number) in str(await asyncio.wait_for(quick.recv(), 5))[-12:]


def test_mistakes_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no server 'nothing'"):
        server_files("nothing")
    monkeypatch.setattr("wsbook.lab.servers.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs fastapi.*pip install 'wsbook\[lab\]'"):
        server_files("fastapi")
    monkeypatch.setattr("wsbook.lab.servers.find_program", lambda name: "/usr/bin/node")
    monkeypatch.setenv("NODE_PATH", str(tmp_path))
    with pytest.raises(UsageError, match="needs ws; install: npm install ws"):
        server_files("node")
    (tmp_path / "ws").mkdir()
    monkeypatch.setenv("NODE_PATH", os.pathsep.join(("/nowhere", str(tmp_path))))
    assert server_files("node") == {"server.js": "servers/node.js"}
    monkeypatch.setattr("wsbook.lab.servers.find_program", lambda name: None)
    with pytest.raises(UsageError, match="apt install nodejs"):
        server_files("node")


def test_a_fault_of_another_server_is_refused() -> None:
    with pytest.raises(LookupError, match=r"server\.py"):
        start_lab("stack.aiohttp+backend.exception-in-handler")


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_a_stack_is_healthy_and_what_is_planted_on_it_is_named(stack: Fault) -> None:
    assert stack.named == ""
    assert stack.proxies
    assert stack.server in ("", *SERVERS)
    planted = find_fault(f"{stack.slug}+origin.not-in-allowlist")
    assert (planted.named, planted.others, planted.server, planted.healthy) == ("origin.not-in-allowlist", (), stack.server, False)


async def test_a_handler_that_raises_on_fastapi() -> None:
    with start_lab("fastapi.exception-in-handler", ready_s=30.0) as lab:
        async with open_socket(lab, lab.hops["app"]) as socket:
            await socket.send(lab.message)
            with pytest.raises(ConnectionClosedError, match="no close frame"):
                await asyncio.wait_for(socket.recv(), 5)
        assert await eventually(lambda: "KeyError: 'since'" in log(lab, "a.log"))


async def test_a_client_that_left_keeps_events_from_others_on_fastapi() -> None:
    with start_lab("fastapi.exception-kills-broadcast", ready_s=30.0) as lab:
        sockets = [await open_socket(lab, lab.hops["app"]) for _ in range(8)]
        for socket in sockets[::2]:
            await socket.close()
        assert await publish(lab, b'{"n": 1}') == 202
        got = [len(await received(socket)) for socket in sockets[1::2]]
        assert sum(got) < len(got)
        for socket in sockets[1::2]:
            await socket.close()


async def test_a_blocking_call_on_fastapi() -> None:
    with start_lab("fastapi.blocking-call", ready_s=30.0) as lab:
        async with open_socket(lab, lab.hops["app"]) as socket:
            begins = [time.monotonic()]
            for _ in range(12):
                await (await socket.ping())
                begins.append(time.monotonic())
                await asyncio.sleep(0.1)
        assert max(after - before for before, after in pairwise(begins)) > 0.25


async def test_prices_end_without_a_word_on_aiohttp() -> None:
    with start_lab("aiohttp.background-task-died", ready_s=30.0) as lab:
        async with open_socket(lab, lab.hops["app"]) as socket:
            await socket.send(lab.message)
            assert len(await received(socket, 1.5)) <= 10
            await socket.ping()
        assert "Traceback" not in log(lab, "a.log")


@needs("nginx")
async def test_a_host_that_was_rewritten_on_tornado() -> None:
    with start_lab("tornado.origin-other-host", proxy="nginx", ready_s=30.0) as lab:
        assert [(await answer_of(lab, origin=origin))[0] for origin in (lab.page_url.rstrip("/"), None)] == [403, 101]


@needs_node("ws")
async def test_large_messages_on_node() -> None:
    with start_lab("node.message-too-big", ready_s=30.0) as lab:
        async with open_socket(lab) as socket:
            await socket.send("x" * 5000)
            with pytest.raises(ConnectionClosedError, match="1009"):
                await asyncio.wait_for(socket.recv(), 5)
