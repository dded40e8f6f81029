"""Who investigates a fleet's targets: processes of this machine, or the workers of a dask scheduler. Each takes one target at a time."""

import asyncio
import contextlib
import io
import os
import shutil
import signal
import sys
import tempfile
import time
import uuid
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from msgspec import DecodeError, Struct
from msgspec.json import decode, encode
from msgspec.structs import replace

from wsbook.programs import error_lines
from wsbook.redact import Redactor
from wsbook.report.fleet import State
from wsbook.runner.fleet_worker import Answer, Job

__all__ = ["Hand", "LocalHand", "dask_hands", "local_hands", "pack", "unpack"]

WORKER = (sys.executable, "-m", "wsbook.runner.fleet_worker")
_MOST_JOBS = 40
"""Targets after which a process is replaced, so that what each leaves behind does not grow with the fleet."""
_LINE_BYTES, _CLOSE_S, _EOF_S, _SAVE_S, _LOOK_S = 8 * 1024 * 1024, 3.0, 0.5, 30.0, 0.2
_MOST_FILES, _MOST_BYTES = 200, 64 * 1024 * 1024


class _Died(Exception):  # noqa: N818 - what happened to it, no mistake
    """A worker ended in the middle of a target; the text says how."""


class _Late(Exception):  # noqa: N818 - the same
    """A target took longer than it may."""


class Hand(Protocol):
    """One worker."""

    async def fit(self) -> bool:
        """Tell whether the worker can take another target."""

    async def investigate(self, job: Job, limit_s: float) -> Answer:
        """Investigate one target; how a worker ended that died over it, or took longer than limit_s, is an answer too."""

    async def close(self) -> None:
        """End the worker."""


class LocalHand:
    """A process of this machine, started when it is first needed and again after it died."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[None] | None = None
        self._jobs = 0
        self._tail = ""

    async def fit(self) -> bool:
        """Tell that it can: a process that died is started again."""
        return True

    async def investigate(self, job: Job, limit_s: float) -> Answer:
        """Investigate one target; see Hand. What was seen before the end is judged by the next process."""
        try:
            return await self._ask(job, limit_s)
        except (_Late, _Died) as error:
            state = State.LATE if isinstance(error, _Late) else State.CRASHED
            return replace(await self._saved(job), state=state, problem=str(error))

    async def _saved(self, job: Job) -> Answer:
        with contextlib.suppress(_Late, _Died):
            return await self._ask(replace(job, saving=True), _SAVE_S)
        return Answer()

    async def _ask(self, job: Job, limit_s: float) -> Answer:
        process = await self._ready()
        assert process.stdin is not None and process.stdout is not None
        keep = False
        try:
            process.stdin.write(encode(job) + b"\n")
            async with asyncio.timeout(limit_s):
                line = await process.stdout.readline()
            answer = decode(line, type=Answer)
            keep = self._jobs + 1 < _MOST_JOBS
            return answer
        except TimeoutError:
            raise _Late(f"did not end within {limit_s:.0f} s") from None
        except (DecodeError, ValueError, OSError):
            raise _Died(await self._how_it_ended()) from None
        finally:
            self._jobs += 1
            if not keep:
                await self._end()

    async def _ready(self) -> asyncio.subprocess.Process:
        if self._process is None:
            starting = asyncio.ensure_future(_start())
            try:
                self._process = await asyncio.shield(starting)
            except asyncio.CancelledError:  # it is on its way, and would be nobody's
                self._process = await starting
                raise
            finally:
                if self._process is not None:
                    self._jobs, self._tail = 0, ""
                    self._drain = asyncio.create_task(self._read_errors(self._process))
        return self._process

    async def _read_errors(self, process: asyncio.subprocess.Process) -> None:
        """Keep the last line that a worker said to nobody."""
        async for line in error_lines(process):
            self._tail = Redactor().text(line.decode("utf-8", "replace").strip()[:2000])[:300] or self._tail

    async def _how_it_ended(self) -> str:
        assert self._process is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                code = await self._process.wait()
                if self._drain:
                    await self._drain
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                return f"the process that investigated it ended by {how}{f': {self._tail}' if self._tail else ''}"
        return "the process that investigated it answered nonsense"

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if self._drain:
            await asyncio.wait([self._drain], timeout=_EOF_S)
            self._drain.cancel()
            await asyncio.gather(self._drain, return_exceptions=True)
        process._transport.close()  # type: ignore[attr-defined]  # what it started in a session of its own may hold the pipes open
        await asyncio.sleep(0)

    async def close(self) -> None:
        """End the worker and everything that it started."""
        await self._end()


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *WORKER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
        start_new_session=True,  # Ctrl-C in a terminal comes to us alone; and all that it starts ends with it
    )


@asynccontextmanager
async def local_hands(count: int) -> AsyncIterator[list[Hand]]:
    """Yield so many workers of this machine; they are gone when the block ends."""
    hands = [LocalHand() for _ in range(count)]
    try:
        yield [*hands]
    finally:
        await asyncio.gather(*(hand.close() for hand in hands))


class _Parcel(Struct, frozen=True, kw_only=True):
    """What comes back from another machine. files: the record, zipped."""

    answer: Answer
    files: bytes


class DaskHand:
    """A worker of a dask scheduler, or the next free one when it died. Its records are made there and come back with the answer.

    taken: workers that some hand of the fleet has.
    """

    def __init__(self, client: Any, worker: str, taken: set[str]) -> None:
        self._client, self._worker, self._taken = client, worker, taken
        taken.add(worker)

    async def fit(self) -> bool:
        """Tell whether its worker lives, or another one could be had within half a minute: a nanny starts it anew at another address."""
        deadline = time.monotonic() + _SAVE_S
        while self._worker not in (living := set(await asyncio.to_thread(self._client.nthreads))):
            self._taken.discard(self._worker)
            if free := sorted(living - self._taken):
                self._worker = free[0]
                self._taken.add(self._worker)
            elif time.monotonic() > deadline:
                return False
            else:
                await asyncio.sleep(_LOOK_S)
        return True

    async def investigate(self, job: Job, limit_s: float) -> Answer:
        """Investigate one target; see Hand. The record's folder is made here when the answer has come."""
        future = await asyncio.to_thread(self._submit, job, limit_s)
        try:
            parcel = await self._wait(future, limit_s + 2 * _SAVE_S)
        except _Died as error:
            return Answer(state=State.CRASHED, problem=str(error))
        except _Late as error:
            return Answer(state=State.LATE, problem=str(error))
        finally:
            await asyncio.to_thread(future.cancel, force=True)
        await asyncio.to_thread(unpack, parcel.files, Path(job.record))
        return parcel.answer

    def _submit(self, job: Job, limit_s: float) -> Any:
        own = {"workers": [self._worker], "allow_other_workers": False, "retries": 0, "pure": False}
        return self._client.submit(investigate_here, encode(job), limit_s, key=f"wsbook-fleet-{uuid.uuid4().hex}", **own)

    async def _wait(self, future: Any, limit_s: float) -> _Parcel:
        deadline = time.monotonic() + limit_s
        while not future.done():
            await asyncio.sleep(_LOOK_S)
            if self._worker not in await asyncio.to_thread(self._client.nthreads):
                raise _Died(f"the worker {self._worker} died")
            if time.monotonic() > deadline:
                raise _Late(f"the worker {self._worker} did not answer within {limit_s:.0f} s")
        if future.status != "finished":
            error = await asyncio.to_thread(future.exception)
            raise _Died(f"the worker {self._worker} failed: {type(error).__name__}: {str(error)[:200]}")
        return decode(await asyncio.to_thread(future.result), type=_Parcel)

    async def close(self) -> None:
        """Leave the worker to its scheduler."""


@asynccontextmanager
async def dask_hands(address: str) -> AsyncIterator[list[Hand]]:
    """Yield the workers of a scheduler, or of one that is started for the block ("local:4").

    Raises:
        UsageError: the scheduler cannot be used.
    """
    from wsbook.probes.dask_workers import open_workers, working

    with open_workers(address) as client:
        taken: set[str] = set()
        yield [DaskHand(client, worker, taken) for worker in working(client)]


def investigate_here(job: bytes, limit_s: float) -> bytes:
    """In a dask worker: investigate one target in a process of its own, and return record and answer. Values travel as JSON."""
    folder = Path(tempfile.mkdtemp(prefix="wsbook-fleet-"))
    try:
        record = folder / "record"
        answer = asyncio.run(_alone(replace(decode(job, type=Job), record=str(record)), limit_s))
        return encode(_Parcel(answer=answer, files=pack(record)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _alone(job: Job, limit_s: float) -> Answer:
    async with local_hands(1) as hands:
        return await hands[0].investigate(job, limit_s)


def pack(folder: Path) -> bytes:
    """Return the files of a record as a zip archive; those that would make it too large are left out, the smallest stay."""
    into, total = io.BytesIO(), 0
    files = sorted((path for path in folder.glob("*") if path.is_file()), key=lambda path: path.stat().st_size) if folder.is_dir() else []
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files[:_MOST_FILES]:
            total += path.stat().st_size
            if total > _MOST_BYTES:
                break
            archive.write(path, path.name)
    return into.getvalue()


def unpack(data: bytes, folder: Path) -> None:
    """Write the files of a record; a name that leads out of the folder, and what is too large, is passed over."""
    folder.mkdir(parents=True, exist_ok=True)
    left = _MOST_BYTES
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist()[:_MOST_FILES]:
            if Path(entry.filename).name != entry.filename or entry.file_size > left:
                continue
            left -= entry.file_size
            (folder / entry.filename).write_bytes(archive.read(entry))
