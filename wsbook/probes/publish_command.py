"""Make the application emit one marked event by a command of the person's own. It must not know who receives the event.

The command is started without a shell, in a process group of its own that ends with us. The marker and secrets are filled in after the
line was split, so that nothing in them can become another argument.
"""

import asyncio
import contextlib
import os
import shlex
import signal
import time

from wsbook.errors import UsageError
from wsbook.observation import Failure, Reason
from wsbook.probes.marker import insert_marker
from wsbook.probes.publish import Published
from wsbook.secret import resolve
from wsbook.target import Trigger

__all__ = ["COMMAND_S", "CommandPublisher"]

COMMAND_S = 10.0
_ERROR_BYTES, _SHOWN = 4_000_000, 300
"""What a command may print as errors before it is ended; what it prints otherwise goes nowhere."""
_AFTERWARDS_S = 0.2
"""How long the errors of a command that has ended are still read: a child that it left behind may hold them open."""


class CommandPublisher:
    """Publishes by running a command line; its exit code and the first line of its errors are what it answers.

    The time that the command takes to start counts as part of the event's way.

    Raises:
        UsageError: the line cannot be split into words (a quotation that is not closed).
    """

    def __init__(self, trigger: Trigger, *, timeout_s: float = COMMAND_S) -> None:
        self._timeout_s = timeout_s
        try:
            self._words = shlex.split(trigger.body)
        except ValueError as error:
            raise UsageError(f"the command {trigger.body[:80]!r} cannot be split into words: {error}") from error

    async def publish(self, mark: str) -> Published:
        """Run the command with the marker in it, until it has ended."""
        words = [insert_marker(resolve(word), mark) for word in self._words]
        sent_at, devnull, pipe = time.perf_counter(), asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(*words, stdin=devnull, stdout=devnull, stderr=pipe, start_new_session=True)
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else str(error)
            return _failed(sent_at, Reason.TOOL_MISSING, f"the command {words[0][:80] if words else ''!r} cannot be started: {said}")
        try:
            return await self._watch(process, sent_at)
        finally:
            await _end(process)

    async def _watch(self, process: asyncio.subprocess.Process, sent_at: float) -> Published:
        errors = _Errors(process)
        reading = asyncio.ensure_future(errors.read())
        try:
            async with asyncio.timeout(self._timeout_s):
                code = await process.wait()
                answered_at = time.perf_counter()
            await asyncio.wait({reading}, timeout=_AFTERWARDS_S)
        except TimeoutError:
            return _failed(sent_at, Reason.TIMEOUT, f"the command had not ended after {self._timeout_s:g} s and was stopped{errors.first}")
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        if errors.flooded:
            return _failed(sent_at, Reason.TOO_LARGE, "the command printed more than 4 MB of errors and was stopped")
        bad = f"the command ended with exit code {code}{errors.first}" if code else ""
        failure = Failure(stage="trigger", reason=Reason.MALFORMED, message=bad) if bad else None
        return Published(sent_at=sent_at, answered_at=answered_at, failure=failure, answer=f"exit code {code}{errors.first}")


class _Errors:
    """What a command prints as errors: the first line is kept, and one that prints too much is ended."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._head = b""
        self.flooded = False

    @property
    def first(self) -> str:
        """The first line, after a colon; "" when there is none."""
        line = next((line for line in self._head.decode("utf-8", "replace").splitlines() if line.strip()), "")
        return f": {line.strip()[:_SHOWN]}" if line else ""

    async def read(self) -> None:
        """Read until the end, or until it is too much."""
        count, stream = 0, self._process.stderr
        while stream is not None and (data := await stream.read(65_536)):
            self._head = (self._head + data)[:4_096] if len(self._head) < 4_096 else self._head
            count += len(data)
            if count > _ERROR_BYTES:
                self.flooded = True
                _kill(self._process)
                return


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the command and what it started, unless it ended by itself."""
    if process.returncode is None:
        _kill(process)
        await process.wait()
    process._transport.close()  # type: ignore[attr-defined]  # a child that holds the pipe would keep it open


def _failed(sent_at: float, reason: Reason, message: str) -> Published:
    return Published(sent_at=sent_at, failure=Failure(stage="trigger", reason=reason, message=message))
