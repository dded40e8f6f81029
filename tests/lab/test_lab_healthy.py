"""The deployment without a fault, on each proxy: what the application promises is what a client gets."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import needs
from lab.lab_client import answer_of, http, log, open_socket, publish, received

from wsbook.lab import Lab, describe, start_lab

PROXIES = [pytest.param("caddy"), *(pytest.param(name, marks=needs(name)) for name in ("nginx", "haproxy", "apache"))]


@pytest.fixture(scope="module", params=PROXIES)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with start_lab(proxy=request.param) as lab:
        yield lab


async def test_upgrades_reach_both_instances(lab: Lab) -> None:
    through = {(await answer_of(lab))[2] for _ in range(4)}
    direct = [await answer_of(lab, url) for url in lab.hops.values()]
    assert through == {"a", "b"}
    assert direct == [(101, "", "a"), (101, "", "b")]


@pytest.mark.parametrize("message", ["plain text", '{"type": "other"}', "[1, 2]", "7", "", b"\x00\x01\xff", "x" * 70000])
async def test_other_messages_come_back_as_sent(lab: Lab, message: str | bytes) -> None:
    async with open_socket(lab) as socket:
        await socket.send(message)
        assert await asyncio.wait_for(socket.recv(), 2) == message


async def test_ticks_come_in_order_and_only_to_subscribers(lab: Lab) -> None:
    async with open_socket(lab) as subscriber, open_socket(lab) as silent:
        await subscriber.send(lab.message)
        assert json.loads(await subscriber.recv())["type"] == "subscribed"
        ticks = [json.loads(await asyncio.wait_for(subscriber.recv(), 2)) for _ in range(3)]
        assert [tick["seq"] - ticks[0]["seq"] for tick in ticks] == [0, 1, 2]
        assert all(isinstance(price, float) for tick in ticks for price in tick["prices"].values())
        assert await received(silent, 0.05) == []


async def test_events_cross_the_instances(lab: Lab) -> None:
    event = '{"type": "publish", "text": "over the socket"}'
    async with open_socket(lab, lab.hops["app"]) as a, open_socket(lab, lab.hops["app-b"]) as b, open_socket(lab) as c:
        await a.send(event)
        assert [await asyncio.wait_for(socket.recv(), 2) for socket in (a, b, c)] == [event] * 3
        assert await publish(lab, b'{"n": 1}') == 202
        assert [await asyncio.wait_for(socket.recv(), 2) for socket in (a, b, c)] == ['{"n": 1}'] * 3
        assert await received(a, 0.1) == []


@pytest.mark.parametrize(("path", "body", "status"), [("publish", b"no json", 400), ("nothing", None, 404), ("ws", None, 426)])
async def test_other_requests_are_refused(lab: Lab, path: str, body: bytes | None, status: int) -> None:
    code, text = await asyncio.to_thread(http, lab.page_url + path, body)
    assert code == status
    if status in (404, 426):
        assert text.startswith((b"ticker: no route for /nothing", b"Failed to open a WebSocket connection"))


async def test_origin_is_checked(lab: Lab) -> None:
    own = lab.page_url.rstrip("/")
    answers = {
        origin: (await answer_of(lab, origin=origin))[0]
        for origin in (own, own.replace("127.0.0.1", "localhost"), None, "https://elsewhere.example")
    }
    assert list(answers.values()) == [101, 101, 101, 403]


async def test_refusals_are_the_applications(lab: Lab) -> None:
    status, body, instance = await answer_of(lab, lab.url.replace("/ws", "/live"))
    assert (status, body) == (404, "ticker: no route for /live\n")
    assert instance in ("a", "b")


async def test_page_is_served(lab: Lab) -> None:
    for name, words in (
        ("", b"<title>Ticker</title>"),
        ("app.js", b"new WebSocket("),
        ("style.css", b"prefers-color-scheme"),
        ("icon.svg", b"<svg"),
    ):
        status, body = await asyncio.to_thread(http, lab.page_url + name)
        assert status == 200
        assert words in body


async def test_logs_hold_requests_and_closings(lab: Lab) -> None:
    await answer_of(lab, lab.url + "?mark=one", origin="https://elsewhere.example")
    async with open_socket(lab, lab.url + "?mark=two"):
        pass
    await asyncio.sleep(0.1)
    application = log(lab, "a.log") + log(lab, "b.log")
    access = log(lab, "haproxy.log" if lab.proxy == "haproxy" else "access.log")
    assert '"GET /ws?mark=one HTTP/1.1" 403 ' in application
    assert "origin=https://elsewhere.example" in application
    assert "connection rejected (403 Forbidden)" in application
    assert "closed code=1000" in application
    assert "Traceback" not in application
    assert "/ws?mark=one" in access
    assert "/ws?mark=two" in access


def test_target_and_description_agree(lab: Lab) -> None:
    target, described = lab.target(), json.loads(json.dumps(describe(lab)))
    assert (target.url, target.page_url) == (described["url"], described["page"])
    assert {hop.name: hop.url for hop in target.hops} == described["hops"]
    assert list(target.logs) == described["logs"]
    assert target.trigger is not None
    assert "{marker}" in target.trigger.body
    assert described["proxy"] == lab.proxy


def test_sources_are_what_runs(lab: Lab) -> None:
    commands = (lab.folder / "backend" / "Procfile").read_text().splitlines()
    running = {name: Path(f"/proc/{pid}/cmdline").read_text().split("\0") for name, pid in lab.pids.items()}
    for command in commands:
        name, _, words = command.partition(": ")
        assert running[name][1:-1] == words.split()[1:]
