"""A run in a process of its own: what it says, how it breaks, and that it never outlives us."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from wsbook.attempt import Attempt
from wsbook.load_plan import LoadPlan
from wsbook.probes import load_worker
from wsbook.probes.load_worker import run_apart

GENERATOR = """
import json, os, signal, sys, time
plan = json.load(sys.stdin)
way = plan["template"]
stopped = []
signal.signal(signal.SIGINT, lambda *_: stopped.append(1))

def tell(**progress):
    print(json.dumps(progress), file=sys.stderr, flush=True)

def run(void=""):
    counts = dict.fromkeys(("sent", "received", "lost", "duplicated", "reordered"), 0)
    shape = {"size_bytes": 64}
    print(json.dumps(counts | shape | {"rate": plan["rate"], "connections": 1, "duration_s": 0.1, "sent": os.getpid(), "void": void}))

if way == "breaks":
    tell(phase="connecting")
    sys.exit("Traceback: no memory left")
if way == "refuses":
    tell(error="connections 7 is not within 1..5")
    sys.exit(2)
if way == "garbage":
    print("not a run")
    sys.exit()
if way == "noise":
    os.write(2, b"x" * 3_000_000 + b"\\n[1, 2]\\n\\xff\\xfe\\n")
tell(phase="sending", at_s=0.0)
if way in ("long", "deaf"):
    begin = time.monotonic()
    while time.monotonic() < begin + 60 and (way == "deaf" or not stopped):
        time.sleep(0.01)
run("ended early" if stopped else "")
"""


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "generator.py"
    script.write_text(GENERATOR)
    monkeypatch.setattr(load_worker, "_COMMAND", (sys.executable, str(script)))
    monkeypatch.setattr(load_worker, "_STOP_S", 1.0)


def plan(way: str) -> LoadPlan:
    return LoadPlan(attempt=Attempt(url="ws://127.0.0.1:9/"), rate=10, seconds=1, template=way)


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


async def test_a_run_comes_back_and_its_progress_is_told() -> None:
    told: list[dict[str, Any]] = []
    run = await run_apart(plan("works"), told=told.append, stop=asyncio.Event())
    assert (run.rate, run.duration_s, run.void) == (10, 0.1, "") and run.sent != os.getpid()
    assert told == [{"phase": "sending", "at_s": 0.0}]


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("breaks", "the generator broke: Traceback: no memory left"),
        ("garbage", "the generator broke: it said nothing"),
        ("refuses", "the generator broke: connections 7 is not within 1..5"),
    ],
)
async def test_a_generator_that_breaks_gives_a_void_run(way: str, words: str) -> None:
    run = await run_apart(plan(way), told=lambda progress: None, stop=asyncio.Event())
    assert (run.void, run.sent, run.asked) == (words, 0, 10)


async def test_noise_on_its_error_output_is_no_progress() -> None:
    told: list[dict[str, Any]] = []
    run = await run_apart(plan("noise"), told=told.append, stop=asyncio.Event())
    assert run.void == "" and told == [{"phase": "sending", "at_s": 0.0}]


async def test_stopped_it_says_what_it_counted() -> None:
    stop = asyncio.Event()
    run = await run_apart(plan("long"), told=lambda progress: stop.set(), stop=stop)
    assert run.void == "ended early" and not alive(run.sent)


async def test_one_that_does_not_stop_is_ended() -> None:
    stop, begin, others = asyncio.Event(), time.monotonic(), _children()
    run = await run_apart(plan("deaf"), told=lambda progress: stop.set(), stop=stop)
    assert "did not end" in run.void and time.monotonic() - begin < 20
    assert _children() <= others


async def test_cancelled_the_process_is_gone() -> None:
    begun, others = asyncio.Event(), _children()
    task = asyncio.ensure_future(run_apart(plan("deaf"), told=lambda progress: begun.set(), stop=asyncio.Event()))
    await asyncio.wait_for(begun.wait(), 20)
    assert len(_children() - others) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _children() <= others


def _children() -> set[int]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return {pid for pid in map(int, path.read_text().split()) if alive(pid)} if path.exists() else set()


OWNER = """
import asyncio, sys
from wsbook.attempt import Attempt
from wsbook.load_plan import LoadPlan
from wsbook.probes import load_process, load_worker
load_worker._COMMAND = (sys.executable, "-c", sys.argv[1])
plan = LoadPlan(attempt=Attempt(url="ws://127.0.0.1:9/"), rate=10, seconds=50)
asyncio.run(load_worker.run_apart(plan, told=lambda progress: print(progress["pid"], flush=True), stop=asyncio.Event()))
"""
TIED = """
import json, os, runpy, sys, time
def stay(*a, **k):
    print(json.dumps({"pid": os.getpid()}), file=sys.stderr, flush=True)
    time.sleep(60)
runpy.run_module = stay
from wsbook.probes.load_process import main
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the parent's death is told by Linux")
def test_it_does_not_outlive_an_owner_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, TIED], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert alive(pid)
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid)
