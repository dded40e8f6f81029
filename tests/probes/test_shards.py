"""One run in several processes, and on the workers of a dask scheduler: what dies is named, what the others counted stands."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.errors import UsageError
from wsbook.load_plan import LoadPlan
from wsbook.probes import shard_process, shards, shards_dask
from wsbook.probes.dask_workers import Clock, clocks_of, local_size, own_version, require_same_version
from wsbook.probes.shards import run_sharded

FAKE = Path(__file__).parent.parent / "fake_engine.py"
PLAN = LoadPlan(attempt=Attempt(url="ws://127.0.0.1:1/ws"), connections=8, rate=800.0, seconds=2.0, drain_s=0.5)


@pytest.fixture(autouse=True)
def _fake_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_process, "ENGINE", (sys.executable, str(FAKE)))
    monkeypatch.setattr(shards, "_START_S", 0.2)
    monkeypatch.setattr(shards, "prepare_engine", lambda plan: 0.0)


def test_parts_run_side_by_side_and_are_one_run() -> None:
    told: list[dict] = []
    run = run_sharded(PLAN, shards=3, on_progress=told.append)
    assert (run.sent, run.received, run.connections, run.opened, run.rate) == (1600, 1600, 8, 8, 800.0)
    assert run.generator is not None and run.generator.shards == 3
    assert (run.missing_shards, run.void) == ((), "")
    assert [(moment.sent, moment.histogram) for moment in run.moments] == [(1600, "")]
    assert told[-1]["sent"] == 8
    assert told[-1]["p99_s"] == pytest.approx(0.007)
    assert told[-1]["engine"] == "fake"


def test_a_part_that_is_killed_is_named_and_the_others_stand() -> None:
    run = run_sharded(replace(PLAN, subscribe="kill 3"), shards=3)
    assert run.missing_shards == ("shard 2 of 3, connections 3 to 5: ended by signal 9",)
    assert (run.sent, run.connections, run.void) == (1000, 5, "")


def test_when_all_parts_die_the_run_is_void() -> None:
    run = run_sharded(replace(PLAN, subscribe="kill 0"), shards=1)
    assert run.void == "no shard reported anything: shard 1 of 1, connections 0 to 7: ended by signal 9"
    assert (run.sent, run.asked) == (0, 8)


def test_without_its_publisher_nothing_is_said_of_a_broadcast() -> None:
    run = run_sharded(replace(PLAN, answered_by="broadcast", subscribe="kill 0"), shards=2)
    assert "shard that publishes did not report" in run.void
    assert run.lost == 0


def test_an_engine_that_breaks_says_why(monkeypatch) -> None:
    monkeypatch.setattr(shard_process, "ENGINE", (sys.executable, "-c", "raise SystemExit('no descriptors left')"))
    assert run_sharded(PLAN, shards=1).missing_shards[0].endswith("ended with exit code 1: no descriptors left")


def test_a_run_is_stopped_and_keeps_what_it_counted() -> None:
    began = time.monotonic()
    run = run_sharded(replace(PLAN, seconds=60.0, subscribe="slow"), shards=2, stop=lambda: time.monotonic() > began + 2.0)
    assert time.monotonic() - began < 20
    assert run.void == "2 of 2 shards: stopped early"
    assert run.sent > 0


def test_an_interrupted_run_leaves_no_process(monkeypatch) -> None:
    started: list[int] = []
    popen = shard_process.subprocess.Popen

    def noted(*args, **options):
        process = popen(*args, **options)
        started.append(process.pid)
        return process

    monkeypatch.setattr(shard_process.subprocess, "Popen", noted)
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run_sharded(replace(PLAN, seconds=60.0, subscribe="slow"), shards=2)
    assert len(started) == 2
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]


def test_a_part_that_takes_too_long_is_ended(monkeypatch) -> None:
    monkeypatch.setattr(shard_process, "patience", lambda plan: 0.5)
    monkeypatch.setattr(shard_process, "ENGINE", (sys.executable, "-c", "import time; time.sleep(60)"))
    assert run_sharded(PLAN, shards=1).missing_shards == ("shard 1 of 1, connections 0 to 7: did not report in time",)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("scheduler:8786", "not of the form tcp://host:8786 or local:4"),
        ("local:0", "asks for no number of workers"),
        ("local:many", "asks for no number of workers"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_sentence(address: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run_sharded(PLAN, shards=2, address=address)


def test_a_secret_that_was_typed_does_not_travel() -> None:
    secret = replace(PLAN, subscribe="join ${env:WSBOOK_SECRET_1}")
    with pytest.raises(UsageError, match="typed in clear does not travel to other machines"):
        run_sharded(secret, shards=2, address="tcp://10.0.0.1:8786")


def test_an_address_is_a_schedulers_or_asks_for_workers() -> None:
    assert (local_size("tcp://10.0.0.1:8786"), local_size("local:4")) == (0, 4)


class FakeClient:
    """Answers what is asked of a worker as if its process had another wsbook, or its machine another clock."""

    def __init__(self, answers: dict[str, object]) -> None:
        self.answers = answers

    def run(self, function, *, workers=None):
        return {
            worker: answer() if callable(answer) else answer for worker, answer in self.answers.items() if not workers or worker in workers
        }


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({}, "has no workers"),
        ({"tcp://10.0.0.2:1": ("", 0)}, "worker tcp://10.0.0.2:1 has no wsbook; install wsbook "),
        ({"tcp://10.0.0.2:1": ("0.0.1", 7)}, "has wsbook 0.0.1, and here is"),
        ({"tcp://10.0.0.2:1": (own_version()[0], 7)}, "of another state"),
    ],
)
def test_workers_with_another_wsbook_are_refused_in_one_sentence(answers: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        require_same_version(FakeClient(answers))


def test_workers_with_the_same_wsbook_are_accepted() -> None:
    assert require_same_version(FakeClient({"tcp://10.0.0.2:1": list(own_version())})) is None


def test_clocks_of_other_machines_are_measured_and_their_error_is_said() -> None:
    ahead = {"tcp://10.0.0.2:1": lambda: time.time() + 5.0, "tcp://10.0.0.3:1": lambda: time.time() - 2.0}
    clocks = clocks_of(FakeClient(ahead), list(ahead))
    assert clocks["tcp://10.0.0.2:1"].offset_s == pytest.approx(5.0, abs=0.05)
    assert shards_dask.clock_error(clocks, list(ahead)) == pytest.approx(7.0, abs=0.1)
    parts = shards_dask._by_their_clocks([replace(PLAN, begin_at=100.0)] * 2, list(ahead), clocks)
    assert [part.begin_at for part in parts] == pytest.approx([105.0, 98.0], abs=0.05)


def test_one_machine_has_one_clock() -> None:
    assert clocks_of(FakeClient({}), ["tcp://127.0.0.1:1", "tcp://127.0.0.1:2"]) == {}
    assert shards_dask.clock_error({}, ["a", "b"]) is None
    assert shards_dask.clock_error({"a": Clock(offset_s=1.0, error_s=0.1)}, ["a"]) is None


def test_a_worker_that_was_busy_until_after_the_begin_does_not_send(monkeypatch) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(distributed, "get_worker", lambda: SimpleNamespace())
    made = shards_dask._carry_out_part(json.dumps(_plain(PLAN, begin_at=time.time() - 1)).encode(), "0badcafe", 0, "topic")
    assert b"busy" in made


def _plain(plan: LoadPlan, **fields):
    from msgspec import to_builtins

    return to_builtins(replace(plan, **fields))


SERVER = """
import asyncio
from websockets.asyncio.server import broadcast, serve

peers = set()

async def handle(connection):
    peers.add(connection)
    try:
        async for message in connection:
            if connection.request.path == "/all":
                broadcast(peers - {connection}, message)
            else:
                await connection.send(message)
    finally:
        peers.discard(connection)

async def main():
    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.Future()

asyncio.run(main())
"""


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a server that echoes, and at /all tells everybody else."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.slow
def test_the_engines_parts_send_and_count_what_one_would(port: int, monkeypatch) -> None:
    monkeypatch.setattr(shard_process, "ENGINE", (sys.executable, "-m", "wsbook.probes.generator"))
    monkeypatch.setattr(shards, "_START_S", 8.0)
    echo = replace(PLAN, attempt=Attempt(url=f"ws://127.0.0.1:{port}/"), connections=10, rate=203.0, engine="numpy", drain_s=5.0)
    run = run_sharded(echo, shards=3)
    assert (run.sent, run.received, run.lost, run.duplicated, run.foreign, run.opened) == (406, 406, 0, 0, 0, 10)
    assert sum(moment.sent for moment in run.moments) == 406
    told = replace(PLAN, attempt=Attempt(url=f"ws://127.0.0.1:{port}/all"), connections=12, publishers=2, rate=40.0, engine="numpy")
    run = run_sharded(replace(told, answered_by="broadcast", drain_s=5.0), shards=3)
    assert (run.sent, run.received, run.lost, run.duplicated, run.foreign) == (80, 800, 0, 0, 0)
    assert sum(moment.lost for moment in run.moments) == 0


@pytest.mark.slow
def test_the_workers_of_a_local_cluster_carry_out_a_run_and_one_may_die(tmp_path, monkeypatch) -> None:
    pytest.importorskip("distributed")
    engine = tmp_path / "engine.py"
    engine.write_text(f"import runpy, sys\nsys.path[:0] = {[str(FAKE.parent)]!r}\nrunpy.run_path({str(FAKE)!r}, run_name='__main__')\n")
    site = tmp_path / "site"
    site.mkdir()
    hook = f"import sys\nfrom wsbook.probes import shard_process\nshard_process.ENGINE = (sys.executable, {str(engine)!r})\n"
    hook += "shard_process.prepare_engine = lambda plan: 0.0\n"
    (site / "sitecustomize.py").write_text(hook)
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    told: list[dict] = []
    run = run_sharded(PLAN, shards=0, address="local:2", on_progress=told.append)
    assert (run.sent, run.missing_shards, run.void, run.clock_error_s) == (1600, (), "", None)
    assert told[-1]["sent"] == 8

    from wsbook.probes.dask_workers import open_workers

    with open_workers("local:2") as client:
        address = client.scheduler.address
        pids = client.run(os.getpid)
        assert set(client.run(signal.getsignal, signal.SIGINT).values()) == {signal.SIG_IGN}
        first = min(pids)
        timer = threading.Timer(2.5, os.kill, (pids[first], signal.SIGKILL))
        timer.start()
        partial = run_sharded(replace(PLAN, seconds=5.0, rate=80.0, subscribe="slow"), shards=2, address=address)
        assert partial.missing_shards == (f"shard 1 of 2, connections 0 to 3: its worker {first} died",)
        assert partial.sent == 200
        with pytest.raises(UsageError, match="9 shards need 9 workers"):
            run_sharded(replace(PLAN, connections=9), shards=9, address=address)
