"""A hostile endpoint cannot hang an investigation or make it grow: it ends in a finding, within the budget."""

import asyncio
import gzip
import subprocess
import sys
import time
from pathlib import Path

import pytest
from misbehaving import Behave, Peer, head, misbehaving

from wsbook.case import Case
from wsbook.finding import Verdict
from wsbook.observation import Reason

STEPS = ("1.3", "2.1", "2.2", "3.3", "3.4", "4.2")
QUICK_S = 45.0
LIMIT_KIB = 300 * 1024
ACCEPTED = head()


async def silent(peer: Peer) -> None:
    await peer.reader.read()


async def drip(peer: Peer) -> None:
    while True:
        await peer.send(b"H")
        await asyncio.sleep(1)


async def endless_headers(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 101 Switching Protocols\r\n")
    while True:
        await peer.send(b"X-Filler: " + b"x" * 4000 + b"\r\n")


async def huge_body(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100000000\r\n\r\n")
    for _ in range(1600):
        await peer.send(b"x" * 65536)


async def bomb(peer: Peer) -> None:
    packed = gzip.compress(b"0" * 50_000_000)
    await peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed)


async def html(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 400 <script>alert(1)</script>\r\nServer: <img src=x onerror=alert(2)>\r\nContent-Type: text/html\r\n\r\n")
    await peer.send(b"<script>alert(3)</script>\x1b[31m\x00\xff")


async def flood(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await peer.send(b"x" * 1_000_000)


async def chatter(peer: Peer) -> None:
    """Accept, and send without an end what nobody asked for."""
    await peer.send(ACCEPTED.replace(b"ACCEPT", peer.accept))
    message = b"<b>" * 20_000
    while True:
        await peer.send(b"\x81\x7e" + len(message).to_bytes(2, "big") + message)


ROWS: list[tuple[Behave, set[str]]] = [
    (silent, {"handshake.timeout"}),
    (drip, {"handshake.timeout", "handshake.invalid-exchange"}),
    (endless_headers, {"handshake.invalid-exchange"}),
    (huge_body, {"proxy.upstream-unreachable", "load.connection-cap", "load.rate-limited"}),
    (bomb, set()),
    (html, set()),
]
"""Behaviour → causes of which one must come first; empty: any candidate, but some."""


@pytest.mark.slow
@pytest.mark.parametrize(("behave", "first"), ROWS, ids=[row[0].__name__ for row in ROWS])
async def test_it_ends_in_a_finding_within_the_budget(behave: Behave, first: set[str], tmp_path: Path) -> None:
    started = time.monotonic()
    async with misbehaving(way=behave) as server:
        case = Case.open(url=server.url("/way"), record=str(tmp_path / "record"))
        for step in STEPS:
            await case.run(step)
    judgement = case.judge()
    assert time.monotonic() - started <= QUICK_S
    assert [step.verdict for step in judgement.steps if step.step == "1.3"] == [Verdict.FAULT]
    assert not [seen for seen in case.evidence.observations if seen.failure and seen.failure.reason is Reason.OUR_BUG]
    assert judgement.root_causes
    assert not first or judgement.root_causes[0] in first
    assert (tmp_path / "record" / "observations.jsonl").stat().st_size < 2_000_000


# The peak of this program alone: ru_maxrss would carry over that of the process that started it.
IN_A_PROCESS_OF_ITS_OWN = r"""
import asyncio, re, sys
sys.path.insert(0, sys.argv[1])
from misbehaving import misbehaving
from test_hostile import flood
from wsbook.case import Case

async def main():
    async with misbehaving(way=flood) as server:
        case = Case.open(url=server.url("/way"), record=sys.argv[2])
        for step in ("1.3", "2.2", "3.3"):
            await case.run(step)

asyncio.run(main())
print(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1])
"""


@pytest.mark.slow
async def test_a_server_that_never_stops_talking_is_left_in_time(tmp_path: Path) -> None:
    started = time.monotonic()
    async with misbehaving(way=chatter) as server:
        case = Case.open(url=server.url("/way"), record=str(tmp_path / "record"))
        result = await asyncio.wait_for(case.run("1.3"), QUICK_S)
    assert time.monotonic() - started <= QUICK_S
    assert {"echo", "upgrade"} <= {seen.source.probe for seen in result.observations}
    assert (tmp_path / "record" / "observations.jsonl").stat().st_size < 2_000_000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_memory_stays_bounded_against_a_server_that_never_stops(tmp_path: Path) -> None:
    command = [sys.executable, "-c", IN_A_PROCESS_OF_ITS_OWN, str(Path(__file__).parent), str(tmp_path / "record")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert 0 < int(shown.stdout) <= LIMIT_KIB
