"""Step 1.3 after the upgrade: which questions an endpoint is asked in which budget, and what the whole costs."""

import time
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web
from dialect_servers import round_robin, serving, socketio_application

from wsbook.case import Case
from wsbook.facts import CompressionFacts, DialectFacts, EchoFacts, FramingFacts, SizeFacts
from wsbook.finding import Verdict
from wsbook.observation import Outcome
from wsbook.target import Budget, parse_target


def endpoint(*, echo: bool = True) -> web.Application:
    async def connect(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=4 << 20)
        await socket.prepare(request)
        async for message in socket:
            received.append(message.type)
            if echo and message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif echo and message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    received: list[WSMsgType] = []
    application = web.Application()
    application["received"] = received
    application.router.add_get("/ws", connect)
    return application


async def direct(port: int, *, path: str = "/ws", budget: str = "quick", **given: object) -> tuple[Case, float]:
    case = Case(parse_target(f"ws://127.0.0.1:{port}{path}", **given), Budget.named(budget))  # type: ignore[arg-type]
    started = time.monotonic()
    await case.run("1.3")
    return case, time.monotonic() - started


def kinds(case: Case) -> set[type]:
    return {type(seen.facts) for seen in case.evidence.observations if seen.outcome is Outcome.ANSWERED}


@pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")
async def test_an_echo_is_asked_everything_within_a_moment() -> None:
    async with serving(endpoint()) as port:
        case, seconds = await direct(port)
    assert kinds(case) >= {EchoFacts, FramingFacts, SizeFacts, CompressionFacts}
    assert DialectFacts not in kinds(case)
    assert not case.judge().faulty
    assert seconds < 3.0


@pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")
async def test_a_longer_budget_goes_to_larger_messages() -> None:
    async with serving(endpoint()) as port:
        case, _ = await direct(port, budget="standard")
    (size,) = [facts for _, facts in case.evidence.of(SizeFacts)]
    assert size.refused_bytes is not None
    assert size.accepted_bytes <= 4 << 20 < size.refused_bytes + 1
    assert "aiohttp" in next(found.summary for found in case.judge().findings if found.cause == "frame.message-too-big")
    assert not case.judge().faulty


@pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")
async def test_an_endpoint_that_does_not_echo_gets_two_texts_and_nothing_odd() -> None:
    application = endpoint(echo=False)
    async with serving(application) as port:
        case, _ = await direct(port)
    assert WSMsgType.BINARY not in application["received"]
    assert application["received"].count(WSMsgType.TEXT) == 2
    assert kinds(case) >= {FramingFacts, CompressionFacts}
    assert SizeFacts not in kinds(case)
    assert not case.judge().faulty


async def test_socket_io_recognised_by_its_path() -> None:
    async with serving(socketio_application()) as port:
        case, _ = await direct(port, path="/socket.io/?EIO=4&transport=websocket")
    (facts,) = [facts for _, facts in case.evidence.of(DialectFacts)]
    assert (facts.spoken, facts.versions) == (True, ("4",))
    assert not case.judge().faulty


async def test_an_old_client_at_a_new_server() -> None:
    async with serving(socketio_application()) as port:
        case, _ = await direct(port, path="/socket.io/?EIO=3&transport=websocket")
    assert case.judge().root_causes[:1] == ("endpoint.protocol-library-mismatch",)


async def test_two_processes_without_affinity() -> None:
    async with serving(socketio_application()) as one, serving(socketio_application()) as other, round_robin(one, other) as port:
        case, _ = await direct(port, path="/socket.io/?EIO=4&transport=websocket")
    assert case.judge().root_causes[:1] == ("cluster.no-sticky-session",)


@pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")
async def test_a_page_that_speaks_socket_io_to_a_plain_endpoint(tmp_path: Path) -> None:
    (tmp_path / "app.js").write_text('import { io } from "socket.io-client";\nconst socket = io("ws://127.0.0.1:PORT", { path: "/ws" });\n')
    async with serving(endpoint()) as port:
        (tmp_path / "app.js").write_text((tmp_path / "app.js").read_text().replace("PORT", str(port)))
        case = Case(parse_target(f"ws://127.0.0.1:{port}/ws", frontend=[str(tmp_path)]), Budget.named("quick"))
        await case.run("1.1")
        await case.run("1.3")
    found = {finding.cause: finding.verdict for finding in case.judge().findings}
    assert found["endpoint.protocol-library-mismatch"] is Verdict.FAULT
