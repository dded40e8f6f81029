"""Log files followed while events pass: what is appended, and the lines that name an event. Must not know a log's format.

A file may be absent at first, grow by many lines a second, be cut, or be replaced by a new one of the same name.
"""

import asyncio
import contextlib
import errno
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from wsbook.probes.marker import find_markers
from wsbook.probes.trace_watch import Run, Stamped, Watch

__all__ = ["Instant", "Tail", "follow_log"]

_POLL_S, _STAT_S = 0.005, 0.05
LOG_BYTES = 64_000_000
_CHUNK_BYTES, _LINE_BYTES, _STAMPS = 1_048_576, 65_536, 1_000

LINE_CHARS = 500
_TROUBLE = re.compile(rb"(?i)error|warn|fail|exception|clos|cannot|unable|gone|broken|epipe|reset|dead|stale|unknown|not open|no such")
"""Words without which a line says of no failure; which of these lines tell something stands in signatures.toml."""

Instant = Callable[[str], float | None]
"""Finds the instant that a line names, as epoch seconds; None when it names none."""


class Tail:
    """What is appended to a file from now on, at most 64 MB; a file that is replaced is read to its end, then the new one.

    A file that is not there yet is read from its beginning when it appears.

    Raises:
        OSError: there is something else in its place, which would block us, or it may not be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        self._looked_at = 0.0
        self.left = LOG_BYTES
        if path.exists():
            self._file = self._open()
            self._file.seek(0, os.SEEK_END)

    @property
    def found(self) -> bool:
        """Whether there is a file."""
        return self._file is not None

    def _open(self) -> BinaryIO:
        if not self._path.is_file():  # a pipe or a device would block us
            raise FileNotFoundError(errno.ENOENT, "it is no file")
        return self._path.open("rb")

    def read(self, needle: bytes) -> list[str]:
        """Return the complete lines with the needle among what was appended since the last call, of which 1 MiB is looked at."""
        return _marked(self.appended(), needle)

    def appended(self) -> bytes:
        """Return the complete lines that were appended since the last call, 1 MiB at most."""
        data = self._chunk()
        if not data:
            self._reopen()
            data = self._chunk()
        self.left -= len(data)
        if not data:
            return b""
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:][-_LINE_BYTES:]
        return data[:end]

    def _chunk(self) -> bytes:
        return self._file.read(min(_CHUNK_BYTES, self.left)) if self._file is not None else b""

    def _reopen(self) -> None:
        """Take the new file when the path names another one, or the start when the file was cut."""
        if time.monotonic() - self._looked_at < _STAT_S:
            return
        self._looked_at = time.monotonic()
        with contextlib.suppress(OSError):
            if self._file is None:
                self._file = self._open()
                return
            now, held = self._path.stat(), os.fstat(self._file.fileno())
            if (now.st_dev, now.st_ino) != (held.st_dev, held.st_ino):
                new = self._open()
                self._file.close()
                self._file = new
            elif held.st_size < self._file.tell():
                self._file.seek(0)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _marked(data: bytes, needle: bytes) -> list[str]:
    if needle not in data:
        return []
    return [line.decode("utf-8", "replace") for line in data.splitlines() if needle in line]


def _troubled(data: bytes, needle: bytes) -> list[str]:
    """Return the lines without the needle that may tell of a failure, of which the first 64 KiB are looked at."""
    head = data[:_LINE_BYTES]
    if not _TROUBLE.search(head):
        return []
    return [line.decode("utf-8", "replace") for line in head.splitlines() if needle not in line and _TROUBLE.search(line)]


async def follow_log(watch: Watch, tail: Tail, run: Run, instant: Instant | None) -> None:
    """Read a log until 64 MB were read. instant: finds a line's own stamp; None leaves the stamps alone."""
    needle = run.marker.encode()
    while tail.left > 0:
        await asyncio.sleep(_POLL_S)
        data, at = tail.appended(), time.perf_counter()
        for line in _marked(data, needle):
            numbers = find_markers(line, run.marker)
            new = [number for number in numbers if number not in watch.first]
            watch.note(numbers, at)
            watch.quote(numbers, line[:LINE_CHARS], at)
            stamp = instant(line) if instant is not None and new and len(watch.stamps) < _STAMPS else None
            if stamp is not None:
                watch.stamps += [Stamped(number=number, stamp=stamp, seen_at=at) for number in new if number in watch.first]
        for line in _troubled(data, needle) if run.set_off else ():
            watch.overhear(line[:LINE_CHARS], at)
