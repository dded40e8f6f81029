"""Make the application emit one marked event by a command of the person's own. It must not know who receives the event.

The command is started without a shell, in a process group of its own that ends with us. The marker and secrets are filled in after the
line was split, so that nothing in them can become another argument.
"""

import asyncio
import contextlib
import os
import shlex
import signal
import tempfile
import time

from wsbook.errors import UsageError
from wsbook.observation import Failure, Reason
from wsbook.probes.marker import insert_marker
from wsbook.probes.publish import Published
from wsbook.secret import SEALED, resolve
from wsbook.target import Trigger

__all__ = ["COMMAND_S", "CommandPublisher"]

COMMAND_S = 10.0
_ERROR_BYTES, _HEAD_BYTES, _SHOWN, _LOOK_S = 4_000_000, 4_096, 300, 0.05
"""What a command may print as errors before it is ended, and how much of it is read; what it prints otherwise goes nowhere. Errors go to
a file, not a pipe: a child that the command leaves behind would keep a pipe open."""


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
        sent_at, devnull = time.perf_counter(), asyncio.subprocess.DEVNULL
        own = {name: value for name, value in os.environ.items() if not name.startswith(SEALED)}
        with tempfile.TemporaryFile() as errors:
            try:
                process = await asyncio.create_subprocess_exec(
                    *words, stdin=devnull, stdout=devnull, stderr=errors, start_new_session=True, env=own
                )
            except (OSError, ValueError) as error:
                said = error.strerror if isinstance(error, OSError) else str(error)
                return _failed(sent_at, Reason.TOOL_MISSING, f"the command {words[0][:80] if words else ''!r} cannot be started: {said}")
            try:
                return await self._watch(process, errors.fileno(), sent_at)
            finally:
                await _end(process)

    async def _watch(self, process: asyncio.subprocess.Process, errors: int, sent_at: float) -> Published:
        end = sent_at + self._timeout_s
        waiting = asyncio.ensure_future(process.wait())
        try:
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=max(0.0, min(_LOOK_S, end - time.perf_counter())))
                if os.fstat(errors).st_size > _ERROR_BYTES:
                    return _failed(sent_at, Reason.TOO_LARGE, "the command printed more than 4 MB of errors and was stopped")
                if not waiting.done() and time.perf_counter() >= end:
                    words = f"the command had not ended after {self._timeout_s:g} s and was stopped"
                    return _failed(sent_at, Reason.TIMEOUT, f"{words}{_first_line(errors)}")
        finally:
            waiting.cancel()
        code, answered_at, said = waiting.result(), time.perf_counter(), _first_line(errors)
        bad = Failure(stage="trigger", reason=Reason.MALFORMED, message=f"the command ended with exit code {code}{said}") if code else None
        return Published(sent_at=sent_at, answered_at=answered_at, failure=bad, answer=f"exit code {code}{said}")


def _first_line(errors: int) -> str:
    """Return the first line of what a command printed as errors, after a colon; "" when there is none."""
    head = os.pread(errors, _HEAD_BYTES, 0).decode("utf-8", "replace")
    line = next((line for line in head.splitlines() if line.strip()), "")
    return f": {line.strip()[:_SHOWN]}" if line else ""


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the command and what it started, unless it ended by itself."""
    if process.returncode is None:
        _kill(process)
        await process.wait()


def _failed(sent_at: float, reason: Reason, message: str) -> Published:
    return Published(sent_at=sent_at, failure=Failure(stage="trigger", reason=reason, message=message))
