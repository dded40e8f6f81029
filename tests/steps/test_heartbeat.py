"""Step 3.4: what is opened where, how many connections, and what is said of real servers in one run."""

import asyncio
import contextlib

import pytest
from conftest import needs
from idle_chains import limited
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from wsbook.case import Case
from wsbook.facts import Frame, HeartbeatFacts, IdleFacts, SessionFacts
from wsbook.finding import Verdict
from wsbook.observation import Outcome, Source, observed
from wsbook.steps.heartbeat import subscription
from wsbook.target import Budget, parse_target

IDLE_S = 2.1


async def _echo(peer: ServerConnection) -> None:
    async for message in peer:
        await peer.send(message)


async def _impatient(peer: ServerConnection) -> None:
    """Echo, and end whoever says nothing for a second."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            try:
                async with asyncio.timeout(1.0):
                    message = await peer.recv()
            except TimeoutError:
                await peer.close(1001, "idle")
                return
            await peer.send(message)


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
    assert kinds == {"none", "client", "ping", "pong", "listen"}
    assert {seen.facts.answered for seen in step.observations if isinstance(seen.facts, HeartbeatFacts)} == {True, False}
    assert opened - before <= 12 and any("connections at 1 places" in text for text in said)
    assert step.verdict.verdict is Verdict.CLEAR and f"{IDLE_S * 1.05:.3g} s at least" in step.verdict.summary
    assert not case.judge().root_causes


async def _behind_nginx(handler: object) -> tuple[str, str]:
    """Return the first root cause of this application behind nginx with a limit of 1.5 s, and its words."""
    async with serve(handler, "127.0.0.1", 0, ping_interval=None) as running:  # type: ignore[arg-type]
        app = running.sockets[0].getsockname()[1]
        async with limited("nginx", (1.5,), app) as urls:
            case = await looked(urls[1.5], "1.3", "3.4", hops=[f"app=ws://127.0.0.1:{app}/"])
    judged = case.judge()
    return judged.root_causes[0], next(found.summary for found in judged.findings if found.cause == judged.root_causes[0])


@needs("nginx")
async def test_the_owner_of_a_limit_is_named() -> None:
    (patient, limit), (impatient, own) = await asyncio.gather(_behind_nginx(_echo), _behind_nginx(_impatient))
    assert patient == "proxy.idle-timeout-nginx" and "s at nginx, at the application for" in limit
    assert impatient == "heartbeat.absent-or-too-slow" and "at the application itself" in own


@pytest.mark.parametrize(
    ("message", "frames", "expected"),
    [
        ("", ['{"type":"hello"}', '{"type":"subscribe","topic":"a"}'], '{"type":"subscribe","topic":"a"}'),
        ("listen", ['{"type":"subscribe","topic":"a"}'], "listen"),
        ("publish {marker}", [], ""),
        ("", ['{"type":"subscribe","token":"***"}'], ""),
        ("", ['{"type":"move"}'], ""),
    ],
    ids=["as the page", "as given", "a message that publishes", "with a secret", "the page subscribes to nothing"],
)
def test_what_makes_the_server_speak(message: str, frames: list[str], expected: str) -> None:
    case = Case(parse_target("ws://shop.test/ws", message=message), Budget.named("quick"))
    sent = tuple(Frame(at_s=0.1, direction="sent", opcode=1, size_bytes=len(text), text=text) for text in frames)
    case.add(observed(Source(step="1.2", probe="browser"), SessionFacts(url="ws://shop.test/ws", frames=sent)))
    assert subscription(case) == expected


async def test_an_endpoint_that_accepts_nothing_is_not_kept_open() -> None:
    case = await looked("ws://127.0.0.1:9/", "1.3", "3.4")
    (seen,) = case.result("3.4").observations
    assert seen.outcome is Outcome.NOT_RUN
