"""Marked events followed from a trigger over logs, a hop, the endpoint and a page."""

import asyncio
import http
import json
import shlex
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import trustme
from conftest import needs
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from wsbook.attempt import Attempt
from wsbook.facts import BurstFacts, BurstPlace, ClockFacts, Place, TraceFacts
from wsbook.observation import Observation, Outcome, Reason
from wsbook.parsers.instants import find_instant
from wsbook.probes.trace import probe_trace
from wsbook.target import Trigger

LOOPBACK = "127.0.0.1"


@dataclass
class Site:
    """An application with a log and a relay before it, which delays, drops or doubles."""

    log: Path
    fault: str = ""
    clock_s: float = 0.0
    peers: list[ServerConnection] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def app(self, peer: ServerConnection) -> None:
        self.peers.append(peer)
        async for message in peer:
            await self.emit(str(message))

    async def emit(self, text: str) -> None:
        with self.log.open("a") as log:
            stamp = (datetime.now(UTC) + timedelta(seconds=self.clock_s)).isoformat(timespec="milliseconds")
            log.write(f"{stamp} INFO event {text}\n")
        if self.fault == "rotates":
            self.log.rename(self.log.with_suffix(".1"))
            self.log.write_text("INFO new file\n")
        await asyncio.sleep(0.03)
        for peer in self.peers:
            with suppress(ConnectionClosed):
                await peer.send(text)

    def trigger(self, connection: ServerConnection, request: Any) -> Any:
        if not request.path.startswith("/emit/"):
            return None
        self.tasks.append(asyncio.ensure_future(self.emit(request.path.removeprefix("/emit/"))))
        return connection.respond(http.HTTPStatus.OK, "sent")


def _altered(text: str) -> str:
    said = json.loads(text)
    return json.dumps({"id": said["id"], "v": 2})


@asynccontextmanager
async def site(running: Site, host: str = "127.0.0.1", secure: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, str, str]]:
    """Yield (endpoint URL, application URL, trigger URL)."""

    async def relay(peer: ServerConnection) -> None:
        async with connect(app_url, proxy=None) as upstream:
            pumps = [asyncio.ensure_future(pump(upstream, peer, running.fault)), asyncio.ensure_future(pump(peer, upstream, ""))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def pump(source: Any, sink: Any, fault: str) -> None:
        waiting: asyncio.Queue[str] = asyncio.Queue(8)
        draining = asyncio.ensure_future(drain(waiting, sink)) if fault == "bounded" else None
        async for message in source:
            if draining is not None:
                if not waiting.full():
                    waiting.put_nowait(message)
                continue
            await asyncio.sleep({"slow": 0.2, "50 ms": 0.05}.get(fault, 0.0))
            for _ in range({"loses": 0, "doubles": 2}.get(fault, 1)):
                await sink.send(_altered(message) if fault == "alters" else message)

    async def drain(waiting: asyncio.Queue[str], sink: Any) -> None:
        while True:
            await sink.send(await waiting.get())
            await asyncio.sleep(0.02)

    name, scheme = f"[{host}]" if ":" in host else host, "wss" if secure else "ws"
    async with (
        serve(running.app, host, 0, process_request=running.trigger) as app,
        serve(relay, host, 0, ssl=secure) as front,
    ):
        app_port, port = (server.sockets[0].getsockname()[1] for server in (app, front))
        app_url = f"ws://{name}:{app_port}/"
        yield f"{scheme}://{name}:{port}/", app_url, f"http://{name}:{app_port}/emit/{{marker}}"
        await asyncio.gather(*running.tasks)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text("INFO started\n")
    return path


async def _trace(
    running: Site, *, by_message: bool = False, send: str = "", host: str = LOOPBACK, secure: Any = None, ca_file: str = "", **options: Any
) -> list[Observation]:
    async with site(running, host, secure) as (endpoint, app, trigger):
        given = Trigger(method="SEND", url=app, body=send) if send else Trigger(method="POST", url=trigger)
        found = await probe_trace(
            Attempt(url=endpoint, ca_file=ca_file),
            trigger=None if by_message else given,
            message='{"id": "{marker}"}' if by_message else "",
            hops=(Attempt(url=app, hop="app"),),
            step="4.1",
            **{"logs": (str(running.log),), "repeats": 2, "budget_s": 4.0} | options,
        )
    return [seen for seen in found if options.get("instant") or not isinstance(seen.facts, ClockFacts)]


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
const socket = new WebSocket("{url}"); socket.onmessage = (event) => {{ {handler} }}; {script}
</script>"""


@asynccontextmanager
async def _page(endpoint: str, handler: str, script: str = "") -> AsyncIterator[str]:
    """Yield the URL of a page whose socket has this handler."""

    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = PAGE.format(url=endpoint, handler=handler, script=script).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(page, "127.0.0.1", 0) as pages:
        yield f"http://127.0.0.1:{pages.sockets[0].getsockname()[1]}/"


async def _with_page(log: Path, handler: str, script: str = "", **options: Any) -> list[Observation]:
    async with site(Site(log)) as (endpoint, app, trigger), _page(endpoint, handler, script) as page_url:
        return await probe_trace(
            Attempt(url=endpoint),
            trigger=Trigger(method="POST", url=trigger),
            message="",
            hops=(Attempt(url=app, hop="app"),),
            logs=(),
            step="4.1",
            page_url=page_url,
            **{"repeats": 1, "budget_s": 3.0} | options,
        )


@needs("chromium")
async def test_the_page_is_part_of_the_path(log: Path) -> None:
    found = await _with_page(log, "p.textContent = event.data", repeats=3, burst=30, budget_s=5.0)
    traces = [seen.facts for seen in found if isinstance(seen.facts, TraceFacts)]
    assert len(traces) == 3 and all(facts.page is not None and not facts.page.exceptions for facts in traces)
    names = ("app", "page frame", "page handler", "page document", "page screen")
    assert [place.kind for place in traces[0].places[-4:]] == ["frame", "handler", "document", "screen"]
    for facts in traces:
        times = [_times([facts], name)[0] for name in names]
        assert times[0] <= times[1] + 0.02 and times[1] <= times[2] + 0.005 and times[2] <= times[3] <= times[4] < times[0] + 0.6
    (burst,) = [seen.facts for seen in found if isinstance(seen.facts, BurstFacts)]
    places = {place.name: place for place in burst.places}
    assert 10 <= burst.sent <= 30 and places["page frame"].received == places["page handler"].received == burst.sent


@needs("chromium")
@pytest.mark.slow
async def test_a_page_that_waits_before_it_shows_is_waited_for(log: Path) -> None:
    later = "{ const text = event.data; setTimeout(() => { p.textContent = text; }, 1300); }"
    found = await _with_page(log, later, repeats=4, burst=20, budget_s=3.5)
    traces = [seen.facts for seen in found if isinstance(seen.facts, TraceFacts)]
    shown = [place.at_s for facts in traces for place in facts.places if place.kind == "document"]
    assert len(shown) >= 2 and all(at_s is not None and at_s > 1.2 for at_s in shown)
    (burst,) = [seen.facts for seen in found if isinstance(seen.facts, BurstFacts)]
    assert {place.received for place in burst.places if place.kind in ("frame", "document")} == {burst.sent}


@needs("chromium")
async def test_a_page_that_shows_nothing_is_looked_at_more_deeply(log: Path) -> None:
    found = await _with_page(log, "try {{ p.textContent = JSON.parse(event.data).text }} catch {{ }}".replace("{{", "{").replace("}}", "}"))
    traces = [seen.facts for seen in found if isinstance(seen.facts, TraceFacts)]
    assert [facts.page.looked_deeper for facts in traces if facts.page] == [False, True]
    counts = {place.kind: place.count for place in traces[-1].places}
    assert (counts["frame"], counts["handler"], counts["document"], counts["screen"]) == (1, 1, 0, 0)
    assert traces[-1].page is not None and [one.swallowed for one in traces[-1].page.exceptions] == [True]
    assert "JSON" in traces[-1].page.exceptions[0].text


async def _follow(running: Site, **options: Any) -> list[TraceFacts]:
    return [seen.facts for seen in await _trace(running, **options) if isinstance(seen.facts, TraceFacts)]


def _times(traces: list[TraceFacts], name: str) -> list[float]:
    found = [place.at_s for facts in traces for place in facts.places if place.name == name]
    assert found and None not in found
    return [at for at in found if at is not None]


@pytest.mark.parametrize("send", ["", '{"id": "{marker}"}'], ids=["http", "socket"])
async def test_a_planted_delay_is_the_hops(log: Path, send: str) -> None:
    traces = await _follow(Site(log, "50 ms"), send=send, repeats=15, budget_s=10.0)
    assert len(traces) == 15 and [facts.number for facts in traces] == list(range(15)) and {facts.repeats for facts in traces} == {15}
    assert {facts.trigger for facts in traces} == {"socket" if send else "http"}
    assert all(facts.marker in facts.text or not send for facts in traces)
    hop = [late - early for early, late in zip(_times(traces, "app"), _times(traces, "endpoint"), strict=True)]
    assert median(hop) == pytest.approx(0.05, abs=0.005)


async def test_kinds_of_places_and_how_long_they_were_watched(log: Path) -> None:
    (facts,) = await _follow(Site(log, "loses"), repeats=1, budget_s=2.0)
    assert [place.kind for place in facts.places] == ["trigger", "answer", "log", "hop", "endpoint"]
    assert facts.watched_s is not None and facts.watched_s >= 0.8 and facts.answer == "HTTP 200" and facts.page is None


async def test_what_a_hop_changed_is_told_and_held_against_the_schema(log: Path, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"required": ["text"], "properties": {"v": {"maximum": 1}}}))
    traces = await _follow(Site(log, "alters"), send='{"id": "{marker}", "text": "x", "v": 1}', repeats=2, schema=str(schema))
    for facts in traces:
        places = {place.name: place for place in facts.places}
        assert places["app"].altered == "" and places["app"].against_schema == ""
        assert places["endpoint"].altered == "$.text removed; $.v changed from 1 to 2"
        assert places["endpoint"].against_schema in ("$: 'text' is a required property", "$.v: 2 is greater than the maximum of 1")


async def test_a_schema_that_cannot_be_used_is_an_observation(log: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("{")
    found = await _trace(Site(log), repeats=1, schema=str(tmp_path / "broken"))
    assert found[-1].outcome is Outcome.NOT_RUN and found[-1].failure is not None and "no JSON" in found[-1].failure.message


@pytest.mark.parametrize("fault", ["bounded", ""])
async def test_a_bounded_queue_loses_only_what_comes_at_once(log: Path, fault: str) -> None:
    found = await _trace(Site(log, fault), repeats=5, burst=50, budget_s=6.0)
    traces = [seen.facts for seen in found if isinstance(seen.facts, TraceFacts)]
    assert len(traces) == 5 and all(place.count for facts in traces for place in facts.places)
    (burst,) = [seen.facts for seen in found if isinstance(seen.facts, BurstFacts)]
    places = {place.name: place for place in burst.places}
    assert 30 <= burst.sent <= 50 and burst.refused == 0 and places["app"].received == burst.sent  # as many as fit
    whole = BurstPlace(name="endpoint", kind="endpoint", received=burst.sent)
    assert places["endpoint"] == whole if not fault else 8 <= places["endpoint"].received < burst.sent
    assert len(places["endpoint"].missing) == burst.sent - places["endpoint"].received


async def test_a_burst_goes_only_where_it_may(log: Path) -> None:
    async with site(Site(log)) as (endpoint, _, trigger):
        away = Trigger(method="POST", url=trigger.replace("127.0.0.1", "events.invalid"))
        found = await probe_trace(
            Attempt(url=endpoint), trigger=away, message="", hops=(), logs=(), step="4.1", repeats=2, burst=50, budget_s=3.0
        )
    assert not [seen for seen in found if isinstance(seen.facts, BurstFacts)]
    assert [seen.failure.reason for seen in found if seen.outcome is Outcome.NOT_RUN and seen.failure] == [Reason.NOT_PERMITTED]


async def test_a_log_that_appears_later_is_followed_from_its_beginning(tmp_path: Path) -> None:
    absent = tmp_path / "later.log"
    (facts,) = await _follow(Site(absent), repeats=1)
    assert {place.name: place.count for place in facts.places}["log later.log"] == 1


@pytest.mark.parametrize(("clock_s", "offset_s"), [(3.0, 3.0), (0.0, 0.0), (7200.0 - 1.5, -1.5)], ids=["ahead", "right", "zone"])
async def test_a_logs_own_clock_is_known_and_taken_off(log: Path, clock_s: float, offset_s: float) -> None:
    found = await _trace(Site(log, "50 ms", clock_s=clock_s), repeats=5, instant=find_instant)
    clocks = {seen.facts.place: seen.facts for seen in found if isinstance(seen.facts, ClockFacts)}
    told = clocks["log app.log"]
    assert abs(told.offset_s - offset_s) <= told.error_s <= 0.05 and told.pairs == 5
    traces = [seen.facts for seen in found if isinstance(seen.facts, TraceFacts)]
    places = [place for facts in traces for place in facts.places if place.kind == "log"]
    assert all(place.at_s is not None and 0.0 < place.error_s <= 0.05 for place in places)
    between = [late - early for early, late in zip(_times(traces, "log app.log"), _times(traces, "app"), strict=True)]
    assert median(between) == pytest.approx(0.03, abs=0.03)


async def test_two_logs_of_the_same_name_are_told_apart(log: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    other = tmp_path / "b" / "app.log"
    other.write_text("")
    (facts,) = await _follow(Site(log), repeats=1, logs=(str(log), str(other)))
    assert [place.name for place in facts.places if place.kind == "log"] == [f"log {tmp_path.name}/app.log", "log b/app.log"]


async def test_a_busy_log_is_kept_up_with(log: Path) -> None:
    running, line = Site(log), "x" * 200 + "\n"

    async def chatter() -> None:
        while True:
            with log.open("a") as file:
                file.write(line * 2_000)
            await asyncio.sleep(0.02)

    writing = asyncio.ensure_future(chatter())
    try:
        (facts,) = await _follow(running, repeats=1)
    finally:
        writing.cancel()
    assert {place.name: place.count for place in facts.places}["log app.log"] == 1


async def test_a_pipe_in_place_of_a_log_is_not_read(log: Path, tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "fifo.log")
    found = await _trace(Site(log), repeats=1, logs=(str(tmp_path / "fifo.log"),))
    assert found[-1].failure is not None and found[-1].failure.reason is Reason.UNREADABLE


async def test_tls_and_ipv6(log: Path, tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("::1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (facts,) = await _follow(Site(log), host="::1", secure=context, ca_file=str(tmp_path / "ca.pem"), repeats=1)
    assert all(place.count == 1 for place in facts.places), facts.places


async def test_a_peer_that_floods_markers_says_nothing_of_events_to_come(log: Path) -> None:
    peers: list[ServerConnection] = []

    async def flood(peer: ServerConnection) -> None:
        peers.append(peer)
        async for message in peer:
            run = str(message).rpartition("-")[0]
            every = " ".join(f"{run}-{number}" for number in range(50_000))
            for one in peers * 3:
                await one.send(every)

    async with serve(flood, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        found = await probe_trace(Attempt(url=url), trigger=None, message="{marker}", hops=(), logs=(), step="4.1", repeats=3, budget_s=6.0)
    endpoints = [seen.facts.places[-1] for seen in found if isinstance(seen.facts, TraceFacts)]
    assert [place.count for place in endpoints] == [9, 6, 3]  # three of each flood, none before the event itself
    assert all(place.at_s is not None and place.at_s > 0.0005 for place in endpoints)


async def test_a_command_that_hangs_takes_no_more_than_the_time(log: Path) -> None:
    body = f"{shlex.quote(sys.executable)} -c 'import time; time.sleep(60)' {{marker}}"
    async with site(Site(log)) as (endpoint, _, _):
        begin = asyncio.get_running_loop().time()
        found = await probe_trace(
            Attempt(url=endpoint),
            trigger=Trigger(method="RUN", url="", body=body),
            message="",
            hops=(),
            logs=(),
            step="4.1",
            repeats=5,
            burst=50,
            budget_s=2.0,
        )
    assert asyncio.get_running_loop().time() - begin < 6.0
    assert [seen.failure.reason for seen in found if seen.failure] == [Reason.TIMEOUT] and isinstance(found[0].facts, TraceFacts)


@needs("redis-server")
async def test_a_channel_is_a_place_and_tells_who_listens(log: Path, redis_port: int) -> None:
    from wsbook.probes.publish_redis import listening

    running, url = Site(log), f"redis://:pass%3Aword@127.0.0.1:{redis_port}/news"
    trigger = Trigger(method="PUBLISH", url=url, body='{"id": "{marker}"}')

    def take(data: bytes, at: float) -> None:
        running.tasks.append(asyncio.ensure_future(running.emit(data.decode())))

    async with site(running) as (endpoint, app, _):
        options: dict[str, Any] = {
            "trigger": trigger,
            "message": "",
            "hops": (Attempt(url=app, hop="app"),),
            "logs": (str(log),),
            "step": "4.1",
        }
        async with listening(url, take):
            heard = await probe_trace(Attempt(url=endpoint), repeats=2, budget_s=3.0, **options)
        deaf = await probe_trace(Attempt(url=endpoint), repeats=1, budget_s=2.0, **options)
    for seen in heard[:2]:
        assert isinstance(seen.facts, TraceFacts) and seen.facts.receivers == 1 and seen.facts.trigger == "redis"
        places = _places(seen)
        assert list(places) == ["trigger", "trigger answered", "broker", "log app.log", "app", "endpoint"]
        assert all(place.count == 1 for place in places.values()) and places["broker"].kind == "broker"
    assert isinstance(deaf[0].facts, TraceFacts) and deaf[0].facts.receivers == 0
    assert {name: place.count for name, place in _places(deaf[0]).items() if name in ("broker", "app")} == {"broker": 1, "app": 0}


async def test_a_broker_that_is_not_there_is_an_observation(log: Path) -> None:
    found = await _trace(Site(log), repeats=1, broker="redis://127.0.0.1:9/c")
    assert found[-1].source.hop == "broker" and found[-1].failure is not None and found[-1].failure.reason is Reason.REFUSED


@pytest.mark.parametrize("with_page", [False, pytest.param(True, marks=needs("chromium"))])
async def test_who_is_behind_each_socket_is_told(log: Path, with_page: bool) -> None:
    def named(connection: ServerConnection, request: Any, response: Any) -> None:
        response.headers["X-Instance"] = f"node-{request.path[1:] or 'a'}"

    running = Site(log)
    async with (
        serve(running.app, "127.0.0.1", 0, process_request=running.trigger, process_response=named) as server,
        _page(f"ws://127.0.0.1:{(port := server.sockets[0].getsockname()[1])}/c", "") as page_url,
    ):
        found = await probe_trace(
            Attempt(url=f"ws://127.0.0.1:{port}/"),
            trigger=Trigger(method="POST", url=f"http://127.0.0.1:{port}/emit/{{marker}}"),
            message="",
            hops=(Attempt(url=f"ws://127.0.0.1:{port}/b", hop="app-b"),),
            logs=(),
            step="4.1",
            repeats=1,
            budget_s=2.0,
            page_url=page_url if with_page else "",
        )
    instances = {name: place.instance for name, place in _places(found[0]).items() if place.instance}
    page = {"page frame": "node-c"} if with_page else {}
    assert {"app-b": "node-b", "endpoint": "node-a", **page}.items() <= instances.items()


async def test_a_trace_that_is_cancelled_leaves_nothing(log: Path) -> None:
    running = Site(log, "loses")
    async with site(running) as (endpoint, app, trigger):
        following = asyncio.ensure_future(
            probe_trace(
                Attempt(url=endpoint),
                trigger=Trigger(method="POST", url=trigger),
                message="",
                hops=(Attempt(url=app, hop="app"),),
                logs=(str(log),),
                step="4.1",
                budget_s=20.0,
            )
        )
        await asyncio.sleep(0.5)
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
        await asyncio.sleep(0.1)
        assert not [peer for peer in running.peers if peer.state.name == "OPEN"]
        assert not [task for task in asyncio.all_tasks() if "follow" in repr(task.get_coro())]


async def test_a_socket_that_has_ended_is_told(log: Path) -> None:
    async def leave(peer: ServerConnection) -> None:
        if peer.request is not None and peer.request.path == "/gone":
            await peer.close(1001, "going away")
        await peer.wait_closed()

    async with serve(leave, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        hops = (Attempt(url=f"{url}gone", hop="app"),)
        found = await probe_trace(
            Attempt(url=url), trigger=None, message="{marker}", hops=hops, logs=(), step="4.1", repeats=1, budget_s=1.5
        )
    places = _places(found[0])
    assert places["app"].ended == "close 1001 going away by peer" and places["endpoint"].ended == ""


@needs("chromium")
async def test_a_page_whose_socket_has_ended_is_told(log: Path) -> None:
    found = await _with_page(log, "", repeats=1, script="socket.onopen = () => socket.close(4000, 'enough');")
    places = _places(found[0])
    assert places["page frame"].count == 0 and places["page frame"].ended == "close 4000 enough by the page"


async def test_without_any_socket_a_message_goes_nowhere(log: Path) -> None:
    nowhere = Attempt(url="ws://127.0.0.1:9/")
    (seen,) = await probe_trace(nowhere, trigger=None, message="{marker}", hops=(), logs=(), step="4.1", budget_s=1.0)
    assert seen.outcome is Outcome.FAILED and seen.failure is not None and seen.failure.reason is Reason.REFUSED


async def test_a_broker_that_never_answers_is_told(log: Path) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(mute, "127.0.0.1", 0) as silent, site(Site(log)) as (endpoint, _, _):
        url = f"redis://127.0.0.1:{silent.sockets[0].getsockname()[1]}/c"
        trigger = Trigger(method="PUBLISH", url=url, body="{marker}")
        found = await probe_trace(Attempt(url=endpoint), trigger=trigger, message="", hops=(), logs=(), step="4.1", budget_s=1.0)
    assert [seen.failure.reason for seen in found if seen.failure] == [Reason.TIMEOUT, Reason.TIMEOUT]
    assert found[0].outcome is Outcome.NOT_RUN and found[1].source.hop == "broker"
