"""One run of load in a process of its own, so that nothing of ours is in its way; it ends when we end, and keeps what was counted.

This module must not know what a run is for, nor what happens to the line meanwhile.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from wsbook.facts import LoadRun
from wsbook.load_plan import LoadPlan
from wsbook.programs import error_lines

__all__ = ["Told", "run_apart", "void_run"]

_COMMAND: tuple[str, ...] = (sys.executable, "-m", "wsbook.probes.load_process")
_START_S, _STOP_S = 30.0, 10.0
"""How long a generator may take beyond its plan, and how long to say what it counted when it is to stop."""
_MOST_BYTES, _LINE_BYTES = 256 * 1024 * 1024, 1024 * 1024

Told = Callable[[dict[str, Any]], None]
"""Called with what the generator tells of itself during a run."""


def void_run(plan: LoadPlan, why: str) -> LoadRun:
    """Return the run of a plan of which nothing is known."""
    return LoadRun(
        rate=plan.rate,
        size_bytes=plan.size_bytes,
        connections=plan.connections,
        duration_s=0.0,
        sent=0,
        received=0,
        lost=0,
        duplicated=0,
        reordered=0,
        window=plan.window,
        answered_by=plan.answered_by,
        asked=plan.connections,
        void=why,
    )


async def run_apart(plan: LoadPlan, *, told: Told, stop: asyncio.Event) -> LoadRun:
    """Carry out a plan in a new process.

    told: called with what it tells meanwhile. stop: ends the run early, with what was counted so far. A generator that breaks, or that
    takes far longer than its plan, gives a void run. Cancelled, the process is killed.
    """
    process = await asyncio.create_subprocess_exec(
        *_COMMAND,
        str(os.getpid()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
        start_new_session=True,  # Ctrl-C in a terminal comes to us alone, and we tell it once
    )
    try:
        return await _attend(process, plan, told, stop)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _attend(process: asyncio.subprocess.Process, plan: LoadPlan, told: Told, stop: asyncio.Event) -> LoadRun:
    assert process.stdin is not None and process.stdout is not None
    last = [""]
    answer = asyncio.ensure_future(_read_all(process.stdout))
    side = asyncio.ensure_future(_listen(process, told, last))
    halt = asyncio.ensure_future(stop.wait())
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(msgspec.json.encode(plan))
            await process.stdin.drain()
        process.stdin.close()
        await asyncio.wait((answer, halt), timeout=_longest_s(plan), return_when=asyncio.FIRST_COMPLETED)
        if halt.done() and not answer.done():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            await asyncio.wait((answer,), timeout=_STOP_S)
        if not answer.done():
            return void_run(plan, f"the generator did not end within {_longest_s(plan):.0f} s")
        await asyncio.wait((side,), timeout=1.0)
        with contextlib.suppress(TimeoutError):  # one that has said all and does not end is killed by our caller
            await asyncio.wait_for(process.wait(), 2.0)
        return _decoded(plan, answer.result(), last[0])
    finally:
        for task in (answer, side, halt):
            task.cancel()
        await asyncio.gather(answer, side, halt, return_exceptions=True)


def _longest_s(plan: LoadPlan) -> float:
    connecting_s = plan.connections / plan.connect_rate if plan.connect_rate else plan.connections / 500
    return plan.seconds + plan.drain_s + connecting_s + plan.attempt.timeout_s + _START_S


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    data = bytearray()
    while (piece := await reader.read(1 << 16)) and len(data) < _MOST_BYTES:
        data += piece
    return bytes(data)


async def _listen(process: asyncio.subprocess.Process, told: Told, last: list[str]) -> None:
    """Hand on what the generator tells; last: its last line that is no progress, which says why it broke."""
    async for line in error_lines(process):
        try:
            progress = msgspec.json.decode(line)
        except msgspec.DecodeError:
            progress = None
        if isinstance(progress, dict) and "error" in progress:
            last[0] = str(progress["error"])[:300]
        elif isinstance(progress, dict):
            told(progress)
        elif text := line.decode("utf-8", "replace").strip():
            last[0] = text[:300]


def _decoded(plan: LoadPlan, data: bytes, last: str) -> LoadRun:
    try:
        return msgspec.json.decode(data, type=LoadRun)
    except msgspec.DecodeError:
        return void_run(plan, f"the generator broke: {last or 'it said nothing'}")
