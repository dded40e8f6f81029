"""Step 3.3 against real libraries and every door that a check can leave open: what is a fault, and what only looks like one."""

import asyncio
import base64
import contextlib
from collections.abc import Callable, Set
from pathlib import Path
from typing import NamedTuple

import pytest
from dialect_servers import needs_node, node
from observations import seen
from origin_servers import COOKIE, OWN, doors, limited, of_asgi, of_socketio, of_tornado, of_websockets

from wsbook.case import Case
from wsbook.facts import EndpointFacts
from wsbook.finding import Verdict
from wsbook.observation import Outcome
from wsbook.target import Budget, parse_target

STRICT, OPEN = "origin.not-in-allowlist", "origin.not-checked"
CSWSH = {OPEN}
_TOGETHER = 9


class SetUp(NamedTuple):
    """What is asked and which faults are right. clear: what has to be cleared."""

    path: str
    faults: Set[str] = frozenset()
    headers: tuple[str, ...] = ()
    clear: Set[str] = frozenset()
    origin: str = OWN


DOORS = [
    SetUp("exact", headers=(COOKIE,), clear={STRICT, OPEN}),
    SetUp("exact-strict", clear={STRICT, OPEN}),
    SetUp("elsewhere", {STRICT}),
    SetUp("elsewhere-strict"),
    SetUp("slash", {STRICT}),
    SetUp("port", {STRICT}),
    SetUp("scheme", {STRICT}),
    SetUp("bare", {STRICT}),
    SetUp("www", {STRICT}),
    SetUp("parent", {STRICT}),
    SetUp("begins", {OPEN}, clear={STRICT}),
    SetUp("ends", {OPEN}, clear={STRICT}),
    SetUp("dot", {OPEN}, clear={STRICT}),
    SetUp("sub-domains", clear={STRICT, OPEN}),
    SetUp("null", clear={STRICT, OPEN}),
    SetUp("null-cookie", {OPEN}, (COOKIE,)),
    SetUp("not-found", {STRICT}),
    SetUp("bad-request", {STRICT}),
    SetUp("close-4403", {STRICT}),
    SetUp("says-no", {STRICT}),
    SetUp("foreign-close", clear={STRICT, OPEN}),
    SetUp("same-host", {STRICT}),
    SetUp("same-host", headers=(COOKIE,), origin="", clear={STRICT, OPEN}),
    SetUp("cookie-any", CSWSH, (COOKIE,)),
    SetUp("cookie-any-close", CSWSH, (COOKIE,)),
    SetUp("cookie-any"),
    SetUp("cookie-checked", headers=(COOKIE,), clear={STRICT, OPEN}),
    SetUp("cookie-begins", CSWSH, (COOKIE,), clear={STRICT}),
    SetUp("user-or-guest", CSWSH, (COOKIE,)),
    SetUp("bearer", headers=("Authorization: Bearer secret-token",), clear={STRICT, OPEN}),
    SetUp("token?token=s3cret-t0ken", clear={STRICT, OPEN}),
    SetUp("cookie-and-token?token=s3cret-t0ken", headers=(COOKIE,), clear={STRICT, OPEN}),
    SetUp("public", headers=(COOKIE,)),
    SetUp("public"),
    SetUp("nobody"),
    SetUp("login", clear={STRICT}),
    SetUp("away", clear={STRICT}),
    SetUp("broken"),
    SetUp("unknown-door"),
]


async def look(port: int, one: SetUp, **given: object) -> Case:
    target = parse_target(f"ws://127.0.0.1:{port}/{one.path}", origin=one.origin, headers=one.headers, **given)  # type: ignore[arg-type]
    case = Case(target, Budget.named("quick"))
    await case.run("3.3")
    return case


def verdict(case: Case, *verdicts: Verdict) -> set[str]:
    return {found.cause for found in case.judge().findings if found.verdict in verdicts and found.cause.startswith("origin.")}


def shown(case: Case) -> str:
    return "\n".join(f"{found.verdict.value} {found.cause} {found.confidence} {found.summary}" for found in case.judge().findings)


async def wrong(port: int, one: SetUp) -> str:
    """Return what is wrong with the judgement, "" nothing."""
    case = await look(port, one)
    faults = verdict(case, Verdict.FAULT)
    if faults == one.faults and one.clear <= verdict(case, Verdict.CLEAR):
        return ""
    return f"{one.path} {one.headers}: {shown(case)}"


async def all_wrong(port: int, set_ups: list[SetUp]) -> list[str]:
    """Return what is wrong, some of them side by side: server and client share one thread."""
    gate = asyncio.Semaphore(_TOGETHER)

    async def of(one: SetUp) -> str:
        async with gate:
            return await wrong(port, one)

    return [text for text in await asyncio.gather(*map(of, set_ups)) if text]


async def test_every_door() -> None:
    async with doors() as port:
        assert not await all_wrong(port, DOORS)


@pytest.mark.parametrize(
    ("offered", "faults"),
    [
        (["/cookie-any"], CSWSH),
        (["/cookie-checked"], set()),
        (["/public"], set()),
        (["/nobody", "/cookie-any"], CSWSH),
        (["/{door}"], set()),
    ],
)
async def test_a_page_that_dials_a_wrong_path_is_judged_at_what_the_backend_offers(offered: list[str], faults: set[str]) -> None:
    async with doors() as port:
        case = Case(parse_target(f"ws://127.0.0.1:{port}/unknown-door", origin=OWN, headers=[COOKIE]), Budget.named("quick"))
        for path in offered:
            found = EndpointFacts(side="backend", library="websockets", file="server.py", line=7, expression=path, path=path)
            case.add(seen(found, step="1.1", probe="sources", hop=""))
        await case.run("3.3")
        assert verdict(case, Verdict.FAULT) == faults, shown(case)


Server = Callable[[], contextlib.AbstractAsyncContextManager[int]]
LIBRARIES: list[tuple[str, Server, SetUp]] = [
    ("websockets, listed", lambda: of_websockets([OWN]), SetUp("ws", clear={STRICT, OPEN})),
    ("websockets, another listed", lambda: of_websockets(["https://app.elsewhere.example"]), SetUp("ws", {STRICT})),
    ("websockets, another listed, or none", lambda: of_websockets([None, "https://app.elsewhere.example"]), SetUp("ws", {STRICT})),
    ("websockets, unchecked, cookie", lambda: of_websockets(None, cookie=True), SetUp("ws", CSWSH, (COOKIE,))),
    ("websockets, unchecked, public", lambda: of_websockets(None), SetUp("ws")),
    ("Tornado, same host", lambda: of_tornado(check=True), SetUp("ws", {STRICT}, (COOKIE,))),
    ("Tornado, page of its host", lambda: of_tornado(check=True), SetUp("ws", headers=(COOKIE,), origin="", clear={STRICT, OPEN})),
    ("Tornado, check_origin True", lambda: of_tornado(check=False), SetUp("ws", CSWSH, (COOKIE,))),
    ("Starlette, unknown path", of_asgi, SetUp("nowhere")),
    ("Starlette, another listed", of_asgi, SetUp("listed", {STRICT})),
    ("Starlette, cookie and no check", of_asgi, SetUp("cookie", CSWSH, (COOKIE,))),
    ("Starlette, refuses everybody", of_asgi, SetUp("login")),
    ("python-socketio, listed", lambda: of_socketio([OWN]), SetUp("socket.io/?EIO=4&transport=websocket", clear={STRICT, OPEN})),
    ("python-socketio, another", lambda: of_socketio(["https://x.example"]), SetUp("socket.io/?EIO=4&transport=websocket", {STRICT})),
    ("python-socketio, default", lambda: of_socketio(None), SetUp("socket.io/?EIO=4&transport=websocket", {STRICT})),
    ("python-socketio, everybody", lambda: of_socketio("*"), SetUp("socket.io/?EIO=4&transport=websocket")),
]


async def test_every_library() -> None:
    async def of(name: str, server: Server, one: SetUp) -> str:
        async with server() as port:
            found = await wrong(port, one)
        return f"{name}: {found}" if found else ""

    assert not [text for text in await asyncio.gather(*(of(*row) for row in LIBRARIES)) if text]


POLLING = "?EIO=4&transport=websocket"
NODE = [
    SetUp("ws-listed", clear={STRICT, OPEN}),
    SetUp("ws-elsewhere", {STRICT}),
    SetUp("ws-includes", {OPEN}, clear={STRICT}),
    SetUp("ws-cookie", CSWSH, (COOKIE,)),
    SetUp("ws-public"),
    SetUp("echo/000/abcdefgh/websocket"),
    SetUp(f"listed.io/{POLLING}", clear={STRICT}),
    SetUp(f"checked.io/{POLLING}", clear={STRICT, OPEN}),
    SetUp(f"cookie.io/{POLLING}", CSWSH, (COOKIE,), {STRICT}),
]


@needs_node("ws", "socket.io", "sockjs")
async def test_every_library_of_node() -> None:
    async with node("", "origins.mjs") as port:
        assert not await all_wrong(port, NODE)


async def test_a_list_that_refuses_everybody_else_is_found_in_the_source(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text('ALLOWED_ORIGINS = ["https://app.elsewhere.example"]\n')
    async with doors() as port:
        case = await look(port, SetUp("elsewhere-strict"), backend=[str(tmp_path)])
    (found,) = [one for one in case.judge().findings if one.cause == STRICT and one.verdict is Verdict.FAULT]
    assert "settings.py:1" in found.summary


async def test_a_token_whose_time_is_over() -> None:
    """The server refuses every other token as well; this one says by itself when it ended."""
    claims = base64.urlsafe_b64encode(b'{"exp": 1700000000}').decode().rstrip("=")
    async with doors() as port:
        case = await look(port, SetUp(f"token?token=eyJhbGciOiJIUzI1NiJ9.{claims}.c2ln"))
    assert case.judge().root_causes[:1] == ("auth.token-expired-on-reconnect",), shown(case)


@pytest.mark.parametrize("status", [429, 503, 403])
async def test_who_is_asked_too_often_is_not_judged(status: int) -> None:
    """The endpoint lets in seven and then nobody: whatever it says then has nothing to do with Origin."""
    async with limited(7, status) as port:
        case = await look(port, SetUp("public"))
    assert verdict(case, Verdict.FAULT) <= set(), shown(case)
    left = [seen for seen in case.evidence.observations if seen.outcome is Outcome.NOT_RUN]
    assert bool(left) == (status != 403)
