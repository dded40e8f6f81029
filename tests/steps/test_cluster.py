"""Step 2.2 with several instances behind one endpoint: when they are looked for, and what is said of them."""

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import websockets
from dialect_servers import round_robin, serving, socketio_application
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from wsbook.attempt import ONE_BROKEN
from wsbook.case import Case
from wsbook.facts import AffinityFacts, BroadcastFacts
from wsbook.finding import Verdict
from wsbook.target import Budget, parse_target

SLUG = "cluster.no-sticky-session"


@asynccontextmanager
async def endpoint(*, names: str = "ab", refuse: int = 0, every: int = 1) -> AsyncIterator[str]:
    """Serve an echo whose answers name these instances in turn; each so many-th handshake is refused with a status."""
    turn, asked = itertools.count(), itertools.count()

    async def echo(socket: ServerConnection) -> None:
        async for message in socket:
            await socket.send(message)

    def check(socket: ServerConnection, request: Request) -> Response | None:
        return socket.respond(refuse, "no\n") if refuse and next(asked) % every == every - 1 else None

    def name(socket: ServerConnection, request: Request, response: Response) -> None:
        if names and response.status_code == 101:
            response.headers["X-Pod"] = names[next(turn) % len(names)]

    async with serve(echo, "127.0.0.1", 0, process_request=check, process_response=name) as running:
        yield f"ws://127.0.0.1:{next(iter(running.sockets)).getsockname()[1]}/ws"


async def looked(url: str, *steps: str, **given: object) -> Case:
    case = Case(parse_target(url, **given), Budget.named("quick"))  # type: ignore[arg-type]
    for step in steps:
        await case.run(step)
    return case


@pytest.mark.parametrize(
    ("options", "verdict", "words"),
    [
        ({}, Verdict.CLEAR, "connections of one client reached a 4, b 4"),
        ({"names": "a"}, Verdict.CLEAR, "were all answered by a (header x-pod)"),
        ({"names": ""}, Verdict.NOT_APPLICABLE, "no hops were given"),
        ({"refuse": 502, "every": 2}, Verdict.FAULT, "a server behind the balancer is down"),
    ],
)
async def test_what_step_2_2_says(options: dict[str, object], verdict: Verdict, words: str) -> None:
    async with endpoint(**options) as url:  # type: ignore[arg-type]
        case = await looked(url, "1.3", "2.2")
    said = case.result("2.2").verdict
    assert said.verdict is verdict
    assert words in said.summary


@pytest.mark.parametrize("refuse", [403, 404])
async def test_an_endpoint_that_refuses_is_not_asked_again(refuse: int) -> None:
    async with endpoint(refuse=refuse) as url:
        case = await looked(url, "1.3", "2.2")
    assert not list(case.evidence.of(AffinityFacts))


async def test_nobody_there() -> None:
    case = await looked("ws://127.0.0.1:9/", "1.3", "2.2")
    assert not list(case.evidence.of(AffinityFacts))


@pytest.mark.parametrize("steps", [("2.2",), ("1.3", "2.2")])
async def test_sessions_are_held_where_the_dialect_has_them(steps: tuple[str, ...]) -> None:
    async with serving(socketio_application()) as one, serving(socketio_application()) as other, round_robin(one, other) as port:
        url = f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"
        case = await looked(url, *steps, hops=[f"app=ws://127.0.0.1:{one}/socket.io/?EIO=4&transport=websocket"])
    found = next(found for found in case.judge().findings if found.cause == SLUG)
    assert (found.verdict, found.root) == (Verdict.FAULT, True)
    assert case.result("2.2").verdict.verdict is Verdict.FAULT


async def test_an_echo_is_no_broadcast() -> None:
    async with endpoint() as url:
        case = await looked(url, "1.3", "3.2", message="{marker}")
    assert len(list(case.evidence.of(BroadcastFacts))) == 1
    assert not case.judge().faulty
    assert case.result("3.2").verdict.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("forgets", [True, False])
async def test_who_hears_nothing_is_asked_once_more_later(monkeypatch: pytest.MonkeyPatch, forgets: bool) -> None:
    """A loop that ends at a socket that has gone, such as one that we left in another step: the server may forget it in time."""
    monkeypatch.setattr("wsbook.steps.cluster._FORGET_S", 1.0)
    sockets: dict[ServerConnection, None] = {}
    began: list[float] = []

    async def tell_all(socket: ServerConnection) -> None:
        sockets[socket] = None
        with suppress(ConnectionClosed):
            async for message in socket:
                began.append(time.monotonic())
                stands = not forgets or time.monotonic() < began[0] + 1.0
                websockets.broadcast(list(sockets)[: 3 if stands else None], message)
        del sockets[socket]

    async with serve(tell_all, "127.0.0.1", 0) as running:
        url = f"ws://127.0.0.1:{next(iter(running.sockets)).getsockname()[1]}/ws"
        case = await looked(url, "3.2", message="{marker}")
    plain = [facts for _, facts in case.evidence.of(BroadcastFacts, where=lambda seen: ONE_BROKEN not in seen.source.changed)]
    assert [all(one.received for one in facts.subscribers) for facts in plain] == [False, forgets]
    assert not [found.cause for found in case.judge().findings if found.verdict is Verdict.FAULT]
