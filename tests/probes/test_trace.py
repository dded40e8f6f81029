"""Marked events followed from a trigger over logs, a hop, the endpoint and a page."""

import asyncio
import http
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import needs
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from wsbook.attempt import Attempt
from wsbook.facts import ClockFacts, Place, TraceFacts
from wsbook.observation import Observation, Outcome, Reason
from wsbook.probes.trace import probe_trace
from wsbook.target import Trigger


@dataclass
class Site:
    """An application with a log and a relay before it, which delays, drops or doubles."""

    log: Path
    fault: str = ""
    peers: list[ServerConnection] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def app(self, peer: ServerConnection) -> None:
        self.peers.append(peer)
        async for message in peer:
            await self.emit(str(message))

    async def emit(self, text: str) -> None:
        with self.log.open("a") as log:
            log.write(f"INFO event {text}\n")
        if self.fault == "rotates":
            self.log.rename(self.log.with_suffix(".1"))
            self.log.write_text("INFO new file\n")
        await asyncio.sleep(0.03)
        for peer in self.peers:
            await peer.send(text)

    def trigger(self, connection: ServerConnection, request: Any) -> Any:
        if not request.path.startswith("/emit/"):
            return None
        self.tasks.append(asyncio.ensure_future(self.emit(request.path.removeprefix("/emit/"))))
        return connection.respond(http.HTTPStatus.OK, "sent")


@asynccontextmanager
async def site(running: Site) -> AsyncIterator[tuple[str, str, str]]:
    """Yield (endpoint URL, application URL, trigger URL)."""

    async def relay(peer: ServerConnection) -> None:
        async with connect(app_url, proxy=None) as upstream:
            pumps = [asyncio.ensure_future(pump(upstream, peer, running.fault)), asyncio.ensure_future(pump(peer, upstream, ""))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def pump(source: Any, sink: Any, fault: str) -> None:
        async for message in source:
            if fault == "slow":
                await asyncio.sleep(0.2)
            for _ in range({"loses": 0, "doubles": 2}.get(fault, 1)):
                await sink.send(message)

    async with serve(running.app, "127.0.0.1", 0, process_request=running.trigger) as app, serve(relay, "127.0.0.1", 0) as front:
        app_port, port = (server.sockets[0].getsockname()[1] for server in (app, front))
        app_url = f"ws://127.0.0.1:{app_port}/"
        yield f"ws://127.0.0.1:{port}/", app_url, f"http://127.0.0.1:{app_port}/emit/{{marker}}"
        await asyncio.gather(*running.tasks)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text("INFO started\n")
    return path


async def _trace(running: Site, *, by_message: bool = False, **options: Any) -> list[Observation]:
    async with site(running) as (endpoint, app, trigger):
        found = await probe_trace(
            Attempt(url=endpoint),
            trigger=None if by_message else Trigger(method="POST", url=trigger),
            message='{"id": "{marker}"}' if by_message else "",
            hops=(Attempt(url=app, hop="app"),),
            step="4.1",
            **{"logs": (str(running.log),), "repeats": 2, "budget_s": 4.0} | options,
        )
    return [seen for seen in found if not isinstance(seen.facts, ClockFacts)]


def _places(seen: Observation) -> dict[str, Place]:
    assert isinstance(seen.facts, TraceFacts), seen
    return {place.name: place for place in seen.facts.places}


@pytest.mark.parametrize(
    ("fault", "counts"),
    [
        ("", {"log app.log": 1, "app": 1, "endpoint": 1}),
        ("loses", {"log app.log": 1, "app": 1, "endpoint": 0}),
        ("doubles", {"log app.log": 1, "app": 1, "endpoint": 2}),
        ("rotates", {"log app.log": 1, "app": 1, "endpoint": 1}),
    ],
)
async def test_where_an_event_was_seen(log: Path, fault: str, counts: dict[str, int]) -> None:
    found = await _trace(Site(log, fault), budget_s=2.0)
    assert len(found) == 2
    for seen in found:
        places = _places(seen)
        assert list(places) == ["trigger", "trigger answered", "log app.log", "app", "endpoint"]
        assert {name: places[name].count for name in counts} == counts
        assert all((place.at_s is None) == (place.count == 0) for place in places.values())


async def test_times_show_the_slow_hop(log: Path) -> None:
    (seen,) = await _trace(Site(log, "slow"), repeats=1)
    places = _places(seen)
    assert places["app"].at_s is not None and places["endpoint"].at_s is not None and places["log app.log"].at_s is not None
    assert places["endpoint"].at_s - places["app"].at_s == pytest.approx(0.2, abs=0.08)
    assert places["log app.log"].at_s < places["app"].at_s + 0.05


async def test_a_message_on_a_socket_of_its_own_is_followed_too(log: Path) -> None:
    (seen,) = await _trace(Site(log), by_message=True, repeats=1)
    assert {name: place.count for name, place in _places(seen).items()} == {"trigger": 1, "log app.log": 1, "app": 1, "endpoint": 1}


async def test_places_that_cannot_be_watched_are_said(log: Path, tmp_path: Path) -> None:
    async with site(Site(log)) as (endpoint, _, trigger):
        found = await probe_trace(
            Attempt(url=endpoint),
            trigger=Trigger(method="POST", url=trigger),
            message="",
            hops=(Attempt(url="ws://127.0.0.1:9/", hop="inner"),),
            logs=(str(tmp_path / "absent.log"),),
            step="4.1",
            repeats=1,
            budget_s=2.0,
        )
    trace, inner, absent = found
    assert list(_places(trace)) == ["trigger", "trigger answered", "endpoint"]
    assert absent.outcome is Outcome.NOT_RUN and absent.failure is not None and absent.failure.reason is Reason.UNREADABLE
    assert inner.outcome is Outcome.FAILED and inner.source.hop == "inner"
    (nothing,) = await probe_trace(Attempt(url=endpoint), trigger=None, message="", hops=(), logs=(), step="4.1", budget_s=1.0)
    assert nothing.outcome is Outcome.NOT_RUN and nothing.failure is not None and nothing.failure.reason is Reason.NOT_GIVEN


PAGE = """<!doctype html><p id=p></p><script>
const socket = new WebSocket("{url}"); socket.onmessage = (event) => {{ {handler} }};
</script>"""


@needs("chromium")
@pytest.mark.parametrize(("handler", "rendered"), [("p.textContent = event.data", 1), ("", 0)])
async def test_the_page_is_part_of_the_path(log: Path, handler: str, rendered: int) -> None:
    running = Site(log)

    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = PAGE.format(url=endpoint, handler=handler).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async with site(running) as (endpoint, app, trigger), await asyncio.start_server(page, "127.0.0.1", 0) as pages:
        found = await probe_trace(
            Attempt(url=endpoint),
            trigger=Trigger(method="POST", url=trigger),
            message="",
            hops=(Attempt(url=app, hop="app"),),
            logs=(),
            step="4.1",
            repeats=1,
            budget_s=3.0,
            page_url=f"http://127.0.0.1:{pages.sockets[0].getsockname()[1]}/",
        )
    places = _places(found[0])
    counts = {name: place.count for name, place in places.items()}
    assert (counts["page frame"], counts["page handler"], min(1, counts["page document"]), min(1, counts["page screen"])) == (
        1,
        1,
        rendered,
        rendered,
    )
    if rendered:
        times = [places[name].at_s for name in ("app", "page frame", "page handler", "page document", "page screen")]
        assert all(at is not None for at in times)
        assert times[0] <= times[1] + 0.02 and times[1] <= times[2] + 0.005 and times[2] <= times[3] <= times[4] < times[0] + 0.6
