"""New lines of growing logs, through rotation and truncation, and the known texts in them. Must not judge, print or wait."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from msgspec import Struct

from wsbook.parsers.access_line import formats, read_line
from wsbook.parsers.lines import LINE_CHARS
from wsbook.parsers.texts import ANSI
from wsbook.parsers.wrappers import unwrap
from wsbook.signatures import matcher
from wsbook.signs import is_socket_path

__all__ = ["Follower", "Notice", "Watch"]

POLL_BYTES = 4 * 2**20
"""Most that one look takes of one log; more waits for the next look."""


class Notice(Struct, frozen=True, kw_only=True):
    """Something worth telling: a line with a known text, or a refused WebSocket request. causes: slugs, likeliest first."""

    path: str
    text: str
    causes: tuple[str, ...] = ()


class Follower:
    """Yields the lines that are added to one file from now on. A file that is not there yet is waited for."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._source: IO[bytes] | None = None
        self._rest = b""
        self._open()
        self._skip()

    def _open(self) -> None:
        with suppress(OSError):
            self._source = Path(self.path).open("rb", buffering=0)  # noqa: SIM115  # stays open between looks

    def _skip(self) -> None:
        if self._source is not None:
            self._source.seek(0, os.SEEK_END)

    def lines(self) -> list[str]:
        """Return the complete lines since the last look; the rest of a file that was rotated away comes first."""
        if self._source is None:
            self._open()
        found = self._take()
        if self._replaced():
            self.close()
            self._rest = b""
            self._open()
            found += self._take()
        return found

    def _take(self) -> list[str]:
        if self._source is None:
            return []
        if os.fstat(self._source.fileno()).st_size < self._source.tell():
            self._source.seek(0)  # truncated and written anew
            self._rest = b""
        *whole, rest = (self._rest + self._source.read(POLL_BYTES)).split(b"\n")
        self._rest = rest[:LINE_CHARS]
        return [line[:LINE_CHARS].decode("utf-8", "replace").rstrip("\r") for line in whole]

    def _replaced(self) -> bool:
        """Tell whether another file has this name now, and all of the old one is read."""
        if self._source is None:
            return False
        status = os.fstat(self._source.fileno())
        try:
            now = Path(self.path).stat()
        except OSError:
            return False
        return (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino) and self._source.tell() >= status.st_size

    def close(self) -> None:
        """Close the file."""
        if self._source is not None:
            self._source.close()
            self._source = None


class Watch:
    """Follows some logs and picks what is worth telling."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._followers = [Follower(path) for path in paths]
        self._search = matcher("backend_log", "access_log")
        self._order = list(formats()[0])

    def look(self) -> list[Notice]:
        """Return what the logs have said since the last look, in the order of logs and lines."""
        return [notice for follower in self._followers for notice in self._notices(follower.path, follower.lines())]

    def _notices(self, path: str, lines: list[str]) -> list[Notice]:
        lines = [ANSI.sub("", unwrap(line)) for line in lines]
        causes: dict[int, dict[str, None]] = {}
        for hit in self._search.scan(lines):
            causes.setdefault(hit.index, {}).update(dict.fromkeys(slug for slug, _ in hit.signature.causes))
        found = []
        for index, line in enumerate(lines):
            if causes.get(index) or self._is_refusal(line):
                found.append(Notice(path=path, text=line[:500], causes=tuple(causes.get(index, ()))))
        return found

    def _is_refusal(self, line: str) -> bool:
        told = read_line(line, self._order)
        return told is not None and told.status >= 400 and (bool(told.upgrade) or is_socket_path(told.path))

    def close(self) -> None:
        """Close every log."""
        for follower in self._followers:
            follower.close()
