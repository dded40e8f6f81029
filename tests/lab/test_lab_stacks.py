"""Each healthy stack is what it says to clients that are not ours; what is odd about it is no fault."""

import asyncio
import json
import time
from difflib import unified_diff
from typing import Any

import pytest
from conftest import needs
from dialect_servers import needs_node
from lab.lab_client import answer_of, http, lifetime, log, open_socket, original, publish, received
from websockets.exceptions import ConnectionClosed

from wsbook.case import Case
from wsbook.finding import Verdict
from wsbook.lab import FAULTS, STACKS, Fault, Lab, start_lab
from wsbook.lab.faults import edit_text, find_fault

SUBSCRIBE = json.dumps({"type": "subscribe", "topic": "ticks"})
EVENT = b'{"type": "event", "text": "hello"}'
_MARKS = {"caddy": (), **{name: (needs(name),) for name in ("nginx", "haproxy", "apache")}}


def on_each_proxy(*slugs: str) -> list[Any]:
    return [pytest.param(slug, name, marks=_MARKS[name], id=f"{slug}-{name}") for slug in slugs for name in STACKS[slug].proxies]


def given(fault: Fault) -> dict[str, Any]:
    """Return what its owner gives to be let in, for a plain client."""
    headers = [tuple(header.replace("${env:WSBOOK_LAB_TOKEN}", fault.token).split(": ", 1)) for header in fault.headers]
    return {"additional_headers": headers, "subprotocols": list(fault.subprotocols) or None}


def url_of(lab: Lab, fault: Fault) -> str:
    return lab.url.replace("${env:WSBOOK_LAB_TOKEN}", fault.token)


async def said(socket: Any, *messages: str | bytes) -> list[Any]:
    """Send these and return what comes back, each text read as JSON where it is JSON."""
    for message in messages:
        await socket.send(message)
    return [json.loads(text) if isinstance(text, str) and text[:1] == "{" else text for text in await received(socket, 0.3)]


async def ending(socket: Any, *messages: str | bytes, wait_s: float = 6.0) -> tuple[int, str]:
    """Send these and return how the server closed the socket."""
    try:
        for message in messages:
            await socket.send(message)
        async with asyncio.timeout(wait_s):
            while True:
                await socket.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code, closed.rcvd.reason


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_declarations_change_what_they_say(stack: Fault) -> None:
    for file in {edit.file for edit in stack.edits}:
        before, after = original(stack, file), edit_text(stack, file, original(stack, file))
        assert list(unified_diff(before.splitlines(), after.splitlines()))
        if file.endswith(".py"):
            compile(after, file, "exec")
    assert stack.healthy
    assert not stack.named
    assert stack.proxies
    assert stack.slug.startswith("stack.")
    assert stack.slug not in FAULTS


def needed(stack: Fault) -> Any:
    """Return what marks a test of a stack that needs a program which may be missing."""
    if stack.server == "node":
        return needs_node("ws")
    return () if "caddy" in stack.proxies else needs(stack.proxies[0])


@pytest.mark.parametrize("slug", [pytest.param(slug, marks=needed(stack)) for slug, stack in STACKS.items()])
async def test_each_opens_and_shows_its_page(slug: str) -> None:
    stack = STACKS[slug]
    with start_lab(slug) as lab:
        assert (await answer_of(lab, url_of(lab, stack), **given(stack)))[0] == 101
        if not stack.tls:
            assert http(lab.page_url)[0] == 200


@pytest.mark.parametrize(
    ("slug", "proxy"),
    on_each_proxy("stack.two-proxies", "stack.deep-path", "stack.ipv6", "stack.single-instance", "stack.compression-off-on-the-way"),
)
async def test_each_proxy_passes_messages_and_events(slug: str, proxy: str) -> None:
    with start_lab(slug, proxy=proxy) as lab:
        async with open_socket(lab) as socket:
            assert await said(socket, "back") == ["back"]
            assert await publish(lab, EVENT) == 202
            assert [json.loads(text)["text"] for text in await received(socket)] == ["hello"]
        if slug == "stack.compression-off-on-the-way":
            assert not socket.protocol.extensions


@pytest.mark.parametrize(
    ("slug", "without"),
    [
        ("stack.token-header", 401),
        ("stack.cookie", 401),
        ("stack.token-query", 401),
        ("stack.subprotocol", 400),
        ("stack.strict-origin", 403),
    ],
)
async def test_who_brings_nothing_is_refused(slug: str, without: int) -> None:
    stack = STACKS[slug]
    with start_lab(slug) as lab:
        url = url_of(lab, stack)
        assert (await answer_of(lab, url, **given(stack)))[0] == 101
        bare = {"origin": None} if slug == "stack.strict-origin" else {}
        assert (await answer_of(lab, url.partition("?")[0], **bare))[0] == without


async def test_the_first_message_lets_in() -> None:
    with start_lab("stack.first-message-token") as lab:
        async with open_socket(lab) as socket:
            assert await said(socket, lab.message, "back") == [{"type": "authenticated"}, "back"]
        async with open_socket(lab) as socket:
            assert await ending(socket, "let me in") == (4401, "authenticate first")
        async with open_socket(lab) as socket:
            assert await ending(socket) == (4401, "authenticate first")


async def test_a_server_that_only_pushes() -> None:
    with start_lab("stack.push-only") as lab:
        async with open_socket(lab) as socket:
            messages = [json.loads(await asyncio.wait_for(socket.recv(), 2)) for _ in range(2)]
            assert [message["type"] for message in messages] == ["tick", "tick"]
            await socket.send("hello?")
            await publish(lab, EVENT)
            later = [await asyncio.wait_for(socket.recv(), 2) for _ in range(3)]
            assert EVENT.decode() in later
            assert "hello?" not in later


async def test_unknown_messages_end_the_socket() -> None:
    with start_lab("stack.strict-messages") as lab:
        for message, code in (("what?", 1008), (b"\x00", 1003)):
            async with open_socket(lab) as socket:
                assert (await ending(socket, message))[0] == code
        async with open_socket(lab) as socket:
            await socket.send(SUBSCRIBE)
            assert json.loads(await socket.recv())["type"] == "subscribed"
            assert await lifetime(socket, 1.0) is None


async def test_unknown_messages_are_answered_with_an_error() -> None:
    with start_lab("stack.error-replies") as lab:
        async with open_socket(lab) as socket:
            assert [answer["code"] for answer in await said(socket, "what?", b"\x00")] == ["unknown_type"] * 2


async def test_pings_in_text() -> None:
    with start_lab("stack.text-pings") as lab:
        async with open_socket(lab) as socket:
            assert json.loads(await asyncio.wait_for(socket.recv(), 7))["type"] == "ping"
            assert await said(socket, json.dumps({"type": "pong"})) == []
            assert await said(socket, "back") == ["back"]


async def test_one_answer_for_one_question() -> None:
    with start_lab("stack.one-answer") as lab:
        async with open_socket(lab) as socket:
            await socket.send(lab.message)
            assert json.loads(await socket.recv())["type"] == "tick"
            assert await ending(socket) == (1000, "answered")


async def test_bytes_only() -> None:
    with start_lab("stack.binary") as lab:
        async with open_socket(lab) as socket:
            assert await said(socket, "back", b"\x01\x02") == [b"\x7a\x00\x00\x00\x04back", b"\x01\x02"]
            await publish(lab, EVENT)
            assert (await received(socket)) == [b"\x7a" + len(EVENT).to_bytes(4) + EVENT]


async def test_a_server_that_speaks_first() -> None:
    with start_lab("stack.welcome") as lab:
        async with open_socket(lab) as socket:
            welcome = await socket.recv()
            assert len(welcome) > 262_144
            assert len(json.loads(welcome)["rooms"]) == 6000
            assert await said(socket, "back") == ["back"]


async def test_graphql() -> None:
    subscribe = {"id": "1", "type": "subscribe", "payload": {"query": "subscription { feed }"}}
    with start_lab("stack.graphql") as lab:
        offer = given(STACKS["stack.graphql"])
        async with open_socket(lab, **offer) as socket:
            assert socket.subprotocol == "graphql-transport-ws"
            assert await said(socket, lab.message) == [{"type": "connection_ack"}]
            await socket.send(json.dumps(subscribe))
            assert set(json.loads(await asyncio.wait_for(socket.recv(), 2))["payload"]["data"]["feed"]) >= {"seq", "prices"}
        for first, code in ((json.dumps(subscribe), 4401), ("what?", 4400)):
            async with open_socket(lab, **offer) as socket:
                assert (await ending(socket, first))[0] == code


async def test_a_small_limit_that_nobody_meets() -> None:
    with start_lab("stack.small-limit") as lab:
        async with open_socket(lab) as socket:
            assert await said(socket, "x" * 1024) == ["x" * 1024]
            assert (await ending(socket, "x" * 1025))[0] == 1009


@pytest.mark.parametrize(("slug", "words"), [("stack.no-compression", ""), ("stack.no-context-takeover", "no_context_takeover")])
async def test_compression(slug: str, words: str) -> None:
    with start_lab(slug) as lab:
        async with open_socket(lab) as socket:
            agreed = socket.response.headers.get("Sec-WebSocket-Extensions", "")
            assert (words in agreed) if words else not agreed
            assert await said(socket, "back " * 100) == ["back " * 100]


@pytest.mark.parametrize(("slug", "least_s"), [("stack.latency-30ms", 0.06), ("stack.latency-300ms", 0.3), ("stack.jitter", 0.02)])
async def test_a_slow_way(slug: str, least_s: float) -> None:
    with start_lab(slug) as lab:
        async with open_socket(lab) as socket:
            took = []
            for number in range(120 if slug == "stack.jitter" else 3):
                begun = time.monotonic()
                await socket.send(str(number))
                assert await socket.recv() == str(number)
                took.append(time.monotonic() - begun)
            assert min(took) >= least_s
            assert slug != "stack.jitter" or max(took) > 0.2


@pytest.mark.parametrize("slug", ["stack.no-pings", "stack.long-idle-limit", "stack.long-lifetime"])
async def test_silence_ends_nothing_soon(slug: str) -> None:
    with start_lab(slug) as lab:
        async with open_socket(lab) as socket:
            assert await lifetime(socket, 2.0) is None
        assert "Traceback" not in log(lab, "a.log")


@needs("nginx")
async def test_a_limit_on_upgrades_that_nobody_reaches() -> None:
    with start_lab("stack.generous-rate-limit") as lab:
        assert {answer[0] for answer in await asyncio.gather(*(answer_of(lab) for _ in range(40)))} == {101}


def test_a_fault_on_a_stack_is_named_and_keeps_the_stack() -> None:
    both = find_fault("stack.push-only+client.no-reconnect")
    assert (both.named, both.healthy, both.message) == ("client.no-reconnect", False, "")
    assert find_fault("stack.tls+stack.nginx").healthy


@pytest.mark.slow
@pytest.mark.parametrize("slug", ["stack.strict-messages", "stack.first-message-token", "stack.push-only"])
async def test_our_own_messages_and_our_silence_are_not_held_against_a_server(slug: str) -> None:
    with await asyncio.to_thread(lambda: Case.open(fault=slug)) as case:
        for step in ("1.3", "1.4", "3.4"):
            await case.run(step)
        judgement = case.judge()
    assert [found.summary for found in judgement.findings if found.verdict is Verdict.FAULT] == []
    assert [step.step for step in judgement.steps if step.verdict is Verdict.FAULT] == []
