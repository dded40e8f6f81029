"""One part of a run of load as a process of its own: a plan goes in, progress comes out meanwhile, a run at the end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

from msgspec import DecodeError, Struct
from msgspec.json import decode, encode

from wsbook.facts.load import LoadRun
from wsbook.load_plan import LoadPlan
from wsbook.programs import dying_with_us

__all__ = ["Part", "patience", "prepare_engine", "run_part"]

ENGINE = (sys.executable, "-m", "wsbook.probes.generator")
"""What runs a plan: JSON on standard input, a run on standard output, lines of progress on standard error."""
_SPARE_S, _GRACE_S, _LOOK_S = 45.0, 8.0, 0.1
_LINE, _TAIL = 65_536, 400


_PREPARE = (sys.executable, "-c", "from wsbook.probes.generator.compiled import prepare; prepare()")
_PREPARE_S, _QUICK_S = 120.0, 4.0


class Part(Struct, frozen=True, kw_only=True):
    """What became of one part. run None: it reported nothing, and why says so in a few words."""

    run: LoadRun | None = None
    why: str = ""


def prepare_engine(plan: LoadPlan) -> float:
    """Compile the engine once on this machine where the plan may need that, and return how long a process takes to be ready, in s.

    Otherwise each part would compile for itself, and be late for the common begin. What fails here tells its reason in the parts.
    """
    if plan.engine == "numpy" or plan.answered_by != "echo" or plan.template or find_spec("numba") is None:
        return 0.0
    return _prepared()


@cache
def _prepared() -> float:
    for _ in range(2):  # compiled now, the second one is as fast as the parts will be
        started = time.monotonic()
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(_PREPARE, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PREPARE_S)
        took_s = time.monotonic() - started
        if took_s < _QUICK_S:
            break
    return took_s


def patience(plan: LoadPlan) -> float:
    """Return how long a part may take from now, in s, before nobody waits for it any more."""
    return max(0.0, plan.begin_at - time.time()) + plan.seconds + plan.drain_s + _SPARE_S + plan.connections / 500


def run_part(plan: LoadPlan, *, on_progress: Callable[[dict[str, Any]], None], stopped: Callable[[], bool]) -> Part:
    """Run a plan in a process of its own and return what it reported.

    stopped: asked ten times a second; once it says so the process ends, and reports what it counted so far. The process ends with the
    thread that called this, on Linux, and when it takes longer than patience allows.
    """
    process = subprocess.Popen(
        ENGINE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=dying_with_us()
    )
    said: list[bytes] = []
    tail: list[str] = []
    readers = [
        threading.Thread(target=lambda: said.append(process.stdout.read() if process.stdout else b""), daemon=True),
        threading.Thread(target=_follow, args=(process, on_progress, tail), daemon=True),
    ]
    try:
        _tell(process, encode(plan))
        for reader in readers:
            reader.start()
        late = _wait(process, patience(plan), stopped)
        for reader in readers:
            reader.join(_GRACE_S)
    finally:
        _end(process)
    return _made(process.returncode, b"".join(said), tail, late)


def _tell(process: "subprocess.Popen[bytes]", data: bytes) -> None:
    """Give a process its plan; one that is gone already has an exit code that says more."""
    if process.stdin:
        with contextlib.suppress(OSError), process.stdin as into:
            into.write(data)


def _wait(process: "subprocess.Popen[bytes]", limit_s: float, stopped: Callable[[], bool]) -> bool:
    """Wait for the end, asking whether to stop; return whether it had to be ended because it took too long."""
    deadline = time.monotonic() + limit_s
    while process.poll() is None:
        late = time.monotonic() > deadline
        if late or stopped():
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_S)
            return late
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_S)
    return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of a process and its session."""
    if process.poll() is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()


def _follow(process: "subprocess.Popen[bytes]", on_progress: Callable[[dict[str, Any]], None], tail: list[str]) -> None:
    """Pass progress on line by line; keep the last other line, which tells why a process failed."""
    while process.stderr and (line := process.stderr.readline(_LINE)):
        try:
            said = json.loads(line)
        except ValueError:
            tail[:] = [line.decode(errors="replace").strip()[:_TAIL]]
            continue
        if isinstance(said, dict) and "error" not in said:
            on_progress(said)
        elif isinstance(said, dict):
            tail[:] = [str(said["error"])[:_TAIL]]


def _made(code: int, said: bytes, tail: list[str], late: bool) -> Part:
    try:
        return Part(run=decode(said, type=LoadRun))
    except DecodeError:
        pass
    if late:
        return Part(why="did not report in time")
    ended = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return Part(why=f"{ended}{f': {tail[0]}' if tail else ''}")
