"""Connections over TLS, IPv6 and a forward proxy; what a run says in a process of its own; stalls of the peer and of the generator."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import trustme
from forward_proxy import SQUID, Proxy
from generator_servers import Running, load_server
from hypothesis import given
from hypothesis import strategies as st
from misbehaving import serving

from wsbook.attempt import Attempt
from wsbook.facts.load import Generator, LoadRun
from wsbook.load_plan import LoadPlan
from wsbook.probes.generator import run_plan
from wsbook.probes.generator.line import Line
from wsbook.probes.generator.place import place_of
from wsbook.probes.generator.send import Schedule
from wsbook.probes.generator.void import why_void

from .conftest import HAS_COMPILED


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the file of an authority and that of a certificate for localhost with its key."""
    folder, ca = tmp_path_factory.mktemp("tls"), trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "own.pem"))
    return folder / "ca.pem", folder / "own.pem"


@pytest.fixture(scope="module")
def secure(authority: tuple[Path, Path]) -> Iterator[Running]:
    with load_server(certificate=authority[1]) as running:
        yield running


@pytest.mark.parametrize("options", [{"rate": 500.0}, {"window": 4}, {"rate": 30.0, "size_bytes": 300_000}])
def test_tls(secure: Running, authority: tuple[Path, Path], options: dict[str, Any]) -> None:
    attempt = Attempt(url=secure.url(), ca_file=str(authority[0]))
    seen = run_plan(LoadPlan(attempt=attempt, connections=3, seconds=1.0, **options))
    assert seen.opened == 3 and seen.sent == seen.received > 20 and (seen.lost, seen.duplicated, seen.foreign) == (0, 0, 0)
    assert seen.generator is not None and seen.generator.engine == "numpy"


@pytest.mark.parametrize("fault", ["swaps", "doubles", "fragments", "closes"])
def test_faults_over_tls(secure: Running, authority: tuple[Path, Path], fault: str) -> None:
    attempt = Attempt(url=secure.url(f"/{fault}?every=50&after=50"), ca_file=str(authority[0]))
    seen = run_plan(LoadPlan(attempt=attempt, connections=2, seconds=1.0, rate=400.0))
    if fault == "closes":
        assert seen.ended == (("close 1013", 2),)
    else:
        assert (seen.sent, seen.received, seen.lost) == (400, 400, 0)
        assert (seen.reordered, seen.duplicated) == {"swaps": (8, 0), "doubles": (0, 8), "fragments": (0, 0)}[fault]


def test_a_certificate_that_is_not_accepted_is_told(secure: Running, server: Running) -> None:
    seen = run_plan(LoadPlan(attempt=Attempt(url=secure.url()), connections=1, seconds=0.1, rate=10.0))
    assert "the certificate is not accepted: unable to get local issuer certificate" in seen.void


async def test_a_peer_that_does_not_speak_tls_is_told() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(answer) as port:
        plan = LoadPlan(attempt=Attempt(url=f"wss://127.0.0.1:{port}/"), connections=1, seconds=0.1, rate=10.0)
        seen = await asyncio.to_thread(run_plan, plan)
    assert "the TLS handshake failed" in seen.void


def test_ipv6() -> None:
    with load_server(host="::1") as running:
        seen = run_plan(LoadPlan(attempt=Attempt(url=running.url()), connections=3, seconds=0.5, rate=200.0))
        assert (seen.sent, seen.received) == (100, 100)


@pytest.mark.parametrize("secured", [False, True])
async def test_through_a_forward_proxy(server: Running, secure: Running, authority: tuple[Path, Path], secured: bool) -> None:
    proxy, url = Proxy(None), (secure if secured else server).url()
    async with serving(proxy.serve) as port:
        attempt = Attempt(url=url, via=f"http://me:pass@127.0.0.1:{port}", ca_file=str(authority[0]))
        plan = LoadPlan(attempt=attempt, connections=3, seconds=0.5, rate=100.0)
        seen = await asyncio.to_thread(run_plan, plan)
    assert (seen.opened, seen.sent, seen.received, seen.lost) == (3, 50, 50, 0)
    assert all(b"Proxy-Authorization: Basic bWU6cGFzcw==" in request for request in proxy.requests)


async def test_what_a_forward_proxy_refuses_is_told(server: Running) -> None:
    async with serving(Proxy(SQUID).serve) as port:
        attempt = Attempt(url=server.url(), via=f"http://127.0.0.1:{port}")
        seen = await asyncio.to_thread(run_plan, LoadPlan(attempt=attempt, connections=2, seconds=0.5, rate=100.0))
    assert seen.void == "no connection was opened: 2 of 2 connections: the forward proxy answered CONNECT with 403 Forbidden"


def test_secrets_go_out_and_stay_references(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_TOKEN", "s3cret")
    attempt = Attempt(url=server.url("/echo?token=${env:LOAD_TOKEN}"), headers=(("Authorization", "env:LOAD_TOKEN"),))
    request, *_ = place_of(attempt).fresh()
    assert b"token=s3cret" in request and b"Authorization: s3cret" in request
    seen = run_plan(LoadPlan(attempt=attempt, connections=2, seconds=0.2, rate=100.0))
    assert seen.received == 20 and b"s3cret" not in msgspec.json.encode(seen)


@given(st.floats(0.5, 1e6), st.integers(1, 50), st.integers(0, 10**7))
def test_nothing_is_due_early_and_everything_in_its_turn(rate: float, count: int, k: int) -> None:
    schedule = Schedule(LoadPlan(attempt=Attempt(url="ws://x/"), connections=count, rate=rate, seconds=86_400.0), _Lines(count), 10**9)
    k = min(k, schedule.total - 1)
    due = schedule.due(k)
    assert due >= 10**9 + k * 1e9 / rate - 1e-3 and schedule.reached(due) >= k + 1 and schedule.reached(due - 1) <= k
    assert schedule.of(np.array([k % count]), np.array([k // count]))[0] == due
    shares = schedule.shares(k + 1)
    assert shares.sum() == k + 1 and shares.max() - shares.min() <= 1 and shares[k % count] == k // count + 1


class _Lines(list[Line]):
    """As many lines as a schedule needs: only their indexes count."""

    def __init__(self, count: int) -> None:
        super().__init__()
        for index in range(count):
            line = Line.__new__(Line)
            line.index = index
            self.append(line)


@contextmanager
def stopped(pid: int, after_s: float, for_s: float) -> Iterator[list[int]]:
    """Stop a process for a while; the list gets when, CLOCK_MONOTONIC in ns."""
    moments = list[int]()

    def work() -> None:
        time.sleep(after_s)
        os.kill(pid, signal.SIGSTOP)
        moments.append(time.monotonic_ns())
        time.sleep(for_s)
        moments.append(time.monotonic_ns())
        os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield moments
    finally:
        thread.join()


def true_p99(plan: LoadPlan, stop_s: float) -> float:
    """Return what the schedule says of the 99th percentile when the peer does nothing for so long and answers at once otherwise."""
    count = round(plan.rate * plan.seconds)
    due = np.arange(count) / plan.rate
    begin = plan.seconds / 4
    latencies = np.where((due >= begin) & (due < begin + stop_s), begin + stop_s - due, 0.0)
    return float(np.sort(latencies)[int(np.ceil(0.99 * count)) - 1])


@pytest.mark.parametrize("kind", ["numpy", "compiled"])
def test_a_stall_of_the_peer_shows_as_an_open_loop_client_sees_it(kind: str) -> None:
    if kind == "compiled" and not HAS_COMPILED:
        pytest.skip("needs numba")
    errors = []
    for _ in range(3):  # the machine may be busy with something else
        with load_server() as running:
            plan = LoadPlan(attempt=Attempt(url=running.url()), connections=4, rate=200.0, seconds=4.0, engine=kind)
            with stopped(running.pid, 1.2, 1.0) as moments:
                seen = run_plan(plan)
        assert seen.sent == seen.received == 800 and seen.p99_s is not None
        errors.append(abs(seen.p99_s / true_p99(plan, (moments[1] - moments[0]) / 1e9) - 1))
        if errors[-1] <= 0.05:
            break
    assert min(errors) <= 0.05, errors


def started(plan: dict[str, Any]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "wsbook.probes.generator"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(json.dumps(plan).encode())
    process.stdin.close()
    process.stdin = None
    return process


def plan_of(server: Running, **options: Any) -> dict[str, Any]:
    return {"attempt": {"url": server.url()}, "rate": 200.0, "seconds": 0.5, "connections": 2, "engine": "numpy"} | options


def test_a_process_of_its_own_prints_figures_and_progress(server: Running) -> None:
    with started(plan_of(server, seconds=1.2)) as process:
        out, told = process.communicate(timeout=30)
    figures, lines = json.loads(out), [json.loads(line) for line in told.splitlines()]
    assert process.returncode == 0 and (figures["sent"], figures["received"], figures["lost"]) == (240, 240, 0)
    assert lines[0]["phase"] == "connecting" and any(line["phase"] == "sending" and line["sent"] for line in lines)


@pytest.mark.parametrize("plan", [{"rate": 1.0}, {"attempt": {"url": "ws://127.0.0.1:1/"}, "connections": 0, "rate": 1.0}])
def test_a_plan_that_cannot_be_carried_out_is_an_error(plan: dict[str, Any]) -> None:
    with started(plan) as process:
        out, told = process.communicate(timeout=30)
    assert process.returncode == 2 and out == b"" and json.loads(told)["error"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_with_what_was_counted(server: Running, number: int) -> None:
    with started(plan_of(server, seconds=60.0)) as process:
        assert process.stderr is not None
        while json.loads(process.stderr.readline()).get("sent", 0) < 50:
            pass
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    figures = json.loads(out)
    assert process.returncode == 0 and figures["sent"] >= 50 and figures["lost"] == 0
    assert figures["void"].startswith("the run was stopped after ") and figures["duration_s"] < 30


def test_a_generator_that_was_kept_from_running_calls_itself_void(server: Running) -> None:
    with started(plan_of(server, seconds=2.5)) as process:
        assert process.stderr is not None
        while json.loads(process.stderr.readline()).get("sent", 0) < 20:
            pass
        with stopped(process.pid, 0.1, 0.8):
            pass
        out, _ = process.communicate(timeout=30)
    figures = json.loads(out)
    assert "the generator itself was " in figures["void"] and figures["generator"]["lag_max_s"] > 0.3


def test_a_slow_server_does_not_make_a_run_void(server: Running) -> None:
    seen = run_plan(LoadPlan(attempt=Attempt(url=server.url("/late?s=0.3")), connections=2, rate=100.0, seconds=1.0))
    assert seen.lost == 0 and seen.p50_s is not None and seen.p50_s > 0.3
    assert seen.void == "" or seen.lag_s > 0.03


def run_with(lag_s: float, *, busy: float = 0.2, p99_s: float = 0.005, rate: float = 100.0, window: int = 0, opened: int = 1) -> LoadRun:
    generator = Generator(engine="numpy", cpu_s=1.0, busy=busy, lag_p99_s=lag_s, lag_max_s=lag_s)
    counts = {"connections": 1, "duration_s": 1.0, "sent": 100, "received": 100, "lost": 0, "duplicated": 0, "reordered": 0}
    return LoadRun(rate=rate, window=window, size_bytes=64, p99_s=p99_s, generator=generator, opened=opened, **counts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (run_with(0.0049), ""),
        (run_with(0.0051), "the generator itself was 5.1 ms late"),
        (run_with(0.045, p99_s=0.2), ""),
        (run_with(0.055, p99_s=0.2), "55.0 ms late"),
        (run_with(0.0005, busy=0.99, p99_s=2.0), ""),
        (run_with(0.005, rate=0.0, window=1, busy=0.9), ""),
        (run_with(0.005, rate=0.0, window=1, busy=0.98), "used 98% of its processor: the figure is a lower bound"),
        (run_with(0.5, rate=0.0, window=1, busy=0.3, p99_s=0.6), "500.0 ms late"),
        (run_with(0.0, opened=0), "no connection was opened"),
    ],
)
def test_what_makes_a_run_void(seen: LoadRun, words: str) -> None:
    void = why_void(seen)
    assert words in void and bool(words) == bool(void)


def test_many_connections_to_loopback_come_from_several_addresses(server: Running) -> None:
    place = place_of(Attempt(url=server.url()))
    assert [place.source(index, 9000) for index in (0, 3999, 4000, 8999)] == ["127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert place.source(0, 4000) is None
    assert place_of(Attempt(url=server.url(), source="127.0.0.9")).source(5000, 9000) == "127.0.0.9"


@pytest.mark.slow
def test_thousands_of_connections_stay_small(server: Running) -> None:
    seen = run_plan(LoadPlan(attempt=Attempt(url=server.url()), connections=4500, rate=500.0, seconds=1.0, engine="numpy"))
    assert (seen.opened, seen.why_refused, seen.sent, seen.received, seen.lost) == (4500, "", 500, 500, 0)
