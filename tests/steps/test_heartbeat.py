"""Step 3.4: what is opened where, how many connections, and what is said of real servers in one run."""

import asyncio
import re

import pytest
from conftest import needs
from idle_chains import limited
from websockets.asyncio.server import ServerConnection, serve

from wsbook.case import Case
from wsbook.facts import HeartbeatFacts, IdleFacts
from wsbook.finding import Verdict
from wsbook.observation import Outcome
from wsbook.target import Budget, parse_target

IDLE_S = 2.4


async def _echo(peer: ServerConnection) -> None:
    async for message in peer:
        await peer.send(message)


async def _impatient(peer: ServerConnection) -> None:
    """Echo, and end whoever says nothing for a second."""
    while True:
        try:
            async with asyncio.timeout(1.0):
                await peer.send(await peer.recv())
        except TimeoutError:
            await peer.close(1001, "idle")
            return


async def looked(url: str, *steps: str, **given: object) -> Case:
    budget = Budget(name="quick", total_s=45.0, attempt_s=2.0, idle_s=IDLE_S)
    case = Case(parse_target(url, **given), budget)  # type: ignore[arg-type]
    for step in steps:
        await case.run(step)
    return case


async def test_a_healthy_server_is_looked_at_with_few_connections() -> None:
    opened = 0

    async def handler(peer: ServerConnection) -> None:
        nonlocal opened
        opened += 1
        await _echo(peer)

    async with serve(handler, "127.0.0.1", 0) as running:
        url = f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/"
        case = await looked(url, "1.3")
        before, said = opened, list[str]()
        await case.run("3.4", lambda text, share: said.append(text))
    step = case.result("3.4")
    kinds = {seen.facts.traffic for seen in step.observations if isinstance(seen.facts, IdleFacts)}
    assert kinds == {"none", "client", "ping", "pong"}
    assert {seen.facts.answered for seen in step.observations if isinstance(seen.facts, HeartbeatFacts)} == {True, False}
    assert opened - before <= 9 and any("connections at 1 places" in text for text in said)
    assert step.verdict.verdict is Verdict.CLEAR and f"{IDLE_S * 1.05:.3g} s at least" in step.verdict.summary
    assert not case.judge().root_causes


@needs("nginx")
@pytest.mark.parametrize(
    ("handler", "cause", "words"),
    [
        (_echo, "proxy.idle-timeout-nginx", r"after 1\.[3-7]\d* s at nginx"),
        (_impatient, "heartbeat.absent-or-too-slow", "at the application itself"),
    ],
)
async def test_the_owner_of_a_limit_is_named(handler: object, cause: str, words: str) -> None:
    async with serve(handler, "127.0.0.1", 0, ping_interval=None) as running:  # type: ignore[arg-type]
        app = running.sockets[0].getsockname()[1]
        async with limited("nginx", (1.5,), app) as urls:
            case = await looked(urls[1.5], "1.3", "3.4", hops=[f"app=ws://127.0.0.1:{app}/"])
    judged = case.judge()
    assert judged.root_causes[:1] == (cause,)
    assert re.search(words, next(found.summary for found in judged.findings if found.cause == cause))


async def test_an_endpoint_that_accepts_nothing_is_not_kept_open() -> None:
    case = await looked("ws://127.0.0.1:9/", "1.3", "3.4")
    (seen,) = case.result("3.4").observations
    assert seen.outcome is Outcome.NOT_RUN
