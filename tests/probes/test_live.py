"""Servers that are watched while connections come and go, stand still, and have neighbours that misbehave."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from conftest import needs
from hypothesis import given
from hypothesis import strategies as st
from live_servers import serving
from websockets.asyncio.server import ServerConnection, serve

from wsbook.attempt import Attempt
from wsbook.facts import CrowdFacts, CycleFacts, PulseFacts, UpgradeFacts
from wsbook.observation import Observation, Outcome, Reason
from wsbook.probes import crowd, cycles
from wsbook.probes.burden import may_burden
from wsbook.probes.crowd import probe_crowd
from wsbook.probes.cycles import probe_cycles
from wsbook.probes.metrics import Meters, parse_metrics
from wsbook.probes.process_watch import find_server
from wsbook.probes.pulse import pulses
from wsbook.probes.upgrade import probe_upgrade
from wsbook.target import Trigger

FAR = "ws://192.0.2.7:8000/ws"
MARKED = '{"text": "{marker}"}'
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs what Linux tells of processes")


async def _cycles(url: str, **options: object) -> Observation:
    fields = {"at_once": 6, "waves": 3, "settle_s": 0.5, **options}
    return await probe_cycles(Attempt(url=url), step="3.2", **fields)  # type: ignore[arg-type]


def _cycled(seen: Observation) -> CycleFacts:
    assert isinstance(seen.facts, CycleFacts), seen.failure
    return seen.facts


@needs_linux
@pytest.mark.parametrize(("fault", "stay"), [("", 0), ("keeps-files", 18)])
async def test_descriptors_that_stay(fault: str, stay: int) -> None:
    async with serving("websockets", fault) as (url, _):
        facts = _cycled(await _cycles(url))
    (server,) = facts.servers
    after = [one.descriptors for one in server.samples if not one.held and one.ended >= facts.warm_up]
    assert (facts.warm_up, facts.closed, facts.hung_up, facts.broken) == (6, 6, 6, 6)
    assert after[-1] - after[0] == stay
    assert (server.name.startswith("python"), server.collected, server.processes) == (True, False, 1)


@needs("node")
async def test_sockets_whose_peers_have_gone() -> None:
    async with serving("node", "raw-keeps-sockets") as (url, _):
        facts = _cycled(await _cycles(url))
    (server,) = facts.servers
    assert server.samples[-1].close_wait >= 6 and server.collected


@needs("node")
async def test_a_second_server_on_one_port_answers_too() -> None:
    async with serving("node", "two-servers") as (url, _):
        seen = await probe_upgrade(Attempt(url=url, extensions=()), step="1.3")
    assert isinstance(seen.facts, UpgradeFacts)
    assert (seen.facts.accepted, seen.facts.second_answer) == (True, "HTTP/1.1 400 Bad Request")


@needs_linux
async def test_a_message_costs_more_when_the_gone_are_told() -> None:
    async with serving("websockets", "keeps-entries") as (url, _):
        for _ in range(3):  # processor time is a noisy measure where others compute too
            (server,) = _cycled(await _cycles(url, at_once=30, message=MARKED)).servers
            before, middle, after = (sorted(costs)[len(costs) // 2] for costs in server.events_s)
            if after > middle > before and after > 1.5 * before:
                return
    raise AssertionError((before, middle, after))


async def test_connections_at_once_never_exceed_what_was_said() -> None:
    now, most = 0, 0

    async def count(peer: ServerConnection) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await peer.wait_closed()
        now -= 1

    async with serve(count, "127.0.0.1", 0) as running:
        facts = _cycled(await _cycles(f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/", at_once=500, waves=1))
    assert most <= cycles.MOST_AT_ONCE == facts.at_once
    assert facts.servers == () and facts.blind == "the server runs in the process that measures"


async def test_a_server_that_refuses_is_left_alone() -> None:
    seen_by_server = 0

    def refuse(peer: ServerConnection, request: object) -> object:
        nonlocal seen_by_server
        seen_by_server += 1
        return peer.respond(503, "full") if seen_by_server > 8 else None

    async with serve(lambda peer: peer.wait_closed(), "127.0.0.1", 0, process_request=refuse) as running:
        facts = _cycled(await _cycles(f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/", waves=20))
    assert "503" in facts.why_refused and facts.refused <= 6
    assert facts.warm_up + facts.closed + facts.hung_up + facts.broken == 8


@pytest.mark.parametrize("probe", ["cycles", "crowd"])
async def test_burdens_stay_at_home(probe: str) -> None:
    if probe == "cycles":
        seen = await _cycles(FAR)
    else:
        seen = await probe_crowd(Attempt(url=FAR), kind="floods", step="3.2", trigger=None, message=MARKED)
    assert (seen.outcome, seen.failure.reason) == (Outcome.NOT_RUN, Reason.NOT_PERMITTED)
    assert "--i-own-this" in seen.failure.message


@pytest.mark.parametrize(
    ("attempt", "owned", "allowed"),
    [
        (Attempt(url="ws://127.0.0.1:1/"), False, True),
        (Attempt(url="ws://[::1]:1/"), False, True),
        (Attempt(url="ws://localhost:1/"), False, True),
        (Attempt(url=FAR), False, False),
        (Attempt(url=FAR), True, True),
        (Attempt(url="ws://localhost.evil.test/"), False, False),
        (Attempt(url="ws://127.0.0.1:1/", via="http://proxy.test:3128"), False, False),
        (Attempt(url="ws://127.0.0.1:1/", via="http://127.0.0.1:3128"), False, True),
    ],
)
def test_what_may_be_burdened(attempt: Attempt, owned: bool, allowed: bool) -> None:
    assert may_burden((attempt,), owned) is allowed


def test_a_port_without_a_listener_is_said() -> None:
    assert find_server(1) == "port 1 has no listener on this machine"


async def _pulsed(url: str, seconds: float) -> PulseFacts:
    async with pulses([Attempt(url=url)], step="3.2", each=3, every_s=0.06) as watch:
        with watch.spell("idle"):
            await asyncio.sleep(seconds)
    facts = watch.observation().facts
    assert isinstance(facts, PulseFacts)
    return facts


async def test_pongs_come_late_together_when_the_server_blocks() -> None:
    async with serving("websockets", "blocking") as (url, _):
        facts = await _pulsed(url, 2.2)
    for one in facts.connections:
        took = [after - sent for sent, after in zip(one.sent_s, one.answered_s, strict=True) if after is not None]
        assert max(took) > 0.15 and min(took) < 0.1
    assert facts.spells[0].name == "idle" and facts.local == ("endpoint",)


async def test_nobody_to_ping() -> None:
    async with pulses([Attempt(url="ws://127.0.0.1:9/")], step="3.2", each=2, every_s=0.1) as watch:
        pass
    seen = watch.observation()
    assert seen.facts is None and seen.failure is not None and seen.failure.reason is Reason.REFUSED


async def _crowd(framework: str, fault: str, kind: str, **options: object) -> CrowdFacts:
    async with serving(framework, fault) as (url, emit):
        given = Trigger(method="POST", url=emit, body=MARKED) if framework == "node" else None
        fields = {"kind": kind, "trigger": given, "message": MARKED, "volume_bytes": 8_000_000, "seconds": 20.0, **options}
        seen = await probe_crowd(Attempt(url=url), step="3.2", **fields)  # type: ignore[arg-type]
    assert isinstance(seen.facts, CrowdFacts), seen.failure
    return seen.facts


@needs("node")
async def test_everybody_else_is_on_time_where_the_slow_one_is_cut_off() -> None:
    facts = await _crowd("node", "cuts-slow", "reads nothing")
    assert all(took is not None for one in facts.neighbours for took in one.during)
    assert facts.odd_ended != "open" and facts.padded and facts.size_bytes == 49_152


async def test_everybody_waits_for_the_slow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "_STUCK_S", 0.5)
    facts = await _crowd("websockets", "sequential", "reads nothing")
    late = [took for one in facts.neighbours for took in one.during if took is None or took > 0.4]
    assert late and facts.odd_ended == "open"
    assert facts.odd_got > 0


async def test_a_flood_is_bounded() -> None:
    facts = await _crowd("websockets", "", "floods", seconds=0.5, rate=100.0)
    assert 0 < facts.odd_sent <= 50
    assert all(took is not None for one in facts.neighbours for took in one.during)


@asynccontextmanager
async def _page(text: str, status: int = 200) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/metrics"


PROMETHEUS = """# HELP process_open_fds Number of open file descriptors.
# TYPE process_open_fds gauge
process_open_fds 12
process_resident_memory_bytes 5.5e+07
process_cpu_seconds_total 1.25 1712345678000
process_max_fds 1024
process_start_time_seconds 1712345600.5
python_info{implementation="CPython",version="3.12"} 1
"""
JVM = 'jvm_memory_used_bytes{area="heap"} 1000\njvm_memory_used_bytes{area="nonheap"} 500\nprocess_files_open_files 9\n'


@pytest.mark.parametrize(
    ("text", "status", "held", "why"),
    [
        (PROMETHEUS, 200, (12, 55_000_000, 1.25), ""),
        (JVM, 200, (9, 1500, None), ""),
        ("up 1\n", 200, None, "neither the memory nor the descriptors"),
        ("process_open_fds NaN\n", 200, None, "neither the memory nor the descriptors"),
        ("no", 403, None, "HTTP 403"),
    ],
)
async def test_figures_of_a_metrics_url(text: str, status: int, held: tuple[object, ...] | None, why: str) -> None:
    async with _page(text, status) as url, Meters(url) as meters:
        reading = await meters.read()
    assert why in meters.why
    assert (None if reading is None else (reading.descriptors, reading.memory_bytes, reading.cpu_s)) == held
    assert meters.collected is ("python_info" not in text)


async def test_a_metrics_url_that_drips_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsbook.probes.metrics._TIMEOUT_S", 0.3)

    gone = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(100):
                writer.write(b"#")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()
        gone.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server, Meters(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/metrics") as meters:
        assert await meters.read() is None
        await gone.wait()
    assert "did not answer" in meters.why


async def test_a_far_server_is_watched_through_its_metrics() -> None:
    async with _page(PROMETHEUS) as metrics, serve(lambda peer: peer.wait_closed(), "127.0.0.1", 0) as running:
        facts = _cycled(await _cycles(f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/", metrics=metrics))
    (server,) = facts.servers
    assert (server.how, server.descriptor_limit, server.samples[-1].descriptors) == ("metrics", 1024, 12)


@given(st.text())
def test_any_text_is_read_as_metrics(text: str) -> None:
    assert all(isinstance(value, float) for value in parse_metrics(text).values())
