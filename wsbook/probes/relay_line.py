"""One connection through the relay: its two directions, held back, slowed, cut or ended with a close frame as it is told.

This module must not know why, nor who the client is.
"""

import asyncio
import contextlib
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from wsbook.wire.boundaries import Boundaries, close_frame

__all__ = ["Direction", "Ends", "Line", "Manner", "Way", "drop"]

_READ_BYTES, _HELD_BYTES, _HEAD_BYTES = 65_536, 262_144, 16_384
_CLOSING_S = 2.0
"""How long the closing handshake may take after a close frame of ours; then both ends are closed."""

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Manner:
    """How bytes are passed on at the moment, in one direction: not at all, late, slowly.

    flowing: cleared while nothing passes. delay_s: added to each piece. bytes_per_s: 0 has no limit.
    """

    def __init__(self) -> None:
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.delay_s = 0.0
        self.bytes_per_s = 0.0


@dataclass
class Line:
    """One connection that the relay accepted. Times are time.monotonic(), None when it has not happened.

    at: accepted. kind: "upgrade", "http", "tls" (passed through untouched), "silent" (no byte yet), "other". path, query: of the first
    request, "" where it is not seen; a query may hold a token. treated: "passed", "refused", "stalled", "answered 503", "unreached" (the
    target could not be reached), "full" (too many connections). status: of the target's first answer.
    client_ended_at, target_ended_at: that side sent a FIN or RST, also while nothing was passed on.
    from_client_at, from_target_at: when the last byte came from there. cut_at: when we cut it.
    """

    at: float
    kind: str = "silent"
    path: str = ""
    query: str = ""
    treated: str = "passed"
    status: int | None = None
    answered_at: float | None = None
    client_ended_at: float | None = None
    target_ended_at: float | None = None
    from_client_at: float | None = None
    from_target_at: float | None = None
    cut_at: float | None = None
    ended_at: float | None = None

    @property
    def upgrade(self) -> bool | None:
        """Whether it began with a WebSocket handshake; None where that cannot be seen."""
        return {"upgrade": True, "http": False, "other": False}.get(self.kind)

    @property
    def open(self) -> bool:
        """Whether the upgrade was accepted and neither side has ended it."""
        ended = (self.client_ended_at, self.target_ended_at, self.cut_at, self.ended_at)
        return self.kind == "upgrade" and self.status == 101 and not any(ended)


class Direction:
    """What comes from one side and goes to the other, in order; bounded, so that a side that does not read holds up the other.

    seen, ended: told of each piece and of the end as they come, also while nothing is passed on. alter: gives what the other side gets of
    a piece. broken: told when the other side can be written to no more.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, manner: Manner, first: bytes = b"") -> None:
        self.reader, self.writer, self.manner = reader, writer, manner
        self.seen: Callable[[], None] = lambda: None
        self.ended: Callable[[], None] = lambda: None
        self.broken: Callable[[], None] = lambda: None
        self.alter: Callable[[bytes], bytes] = lambda data: data
        self.writing = asyncio.Lock()
        self._held: deque[tuple[float, bytes]] = deque([(time.monotonic(), first)] if first else ())
        self._size = len(first)
        self._changed = asyncio.Event()
        self._done = self._reset = False

    async def run(self) -> None:
        """Pass on until the side has ended and all it sent is passed on."""
        filling = asyncio.ensure_future(self._fill())
        try:
            await self._drain()
        except OSError:
            self.broken()
        finally:
            filling.cancel()

    async def _fill(self) -> None:
        try:
            while data := await self.reader.read(_READ_BYTES):
                self.seen()
                self._held.append((time.monotonic(), data))
                self._size += len(data)
                self._changed.set()
                while self._size > _HELD_BYTES:
                    self._changed.clear()
                    await self._changed.wait()
        except OSError:
            self._reset = True
        self.ended()
        self._done = True
        self._changed.set()

    async def _drain(self) -> None:
        while await self._more():
            at, data = self._held.popleft()
            self._size -= len(data)
            self._changed.set()
            await asyncio.sleep(max(0.0, at + self.manner.delay_s - time.monotonic()))
            await self.manner.flowing.wait()
            async with self.writing:
                await self._write(self.alter(data))
        if self._reset:
            drop(self.writer, reset=True)
        elif self.writer.can_write_eof():
            self.writer.write_eof()
        else:
            self.writer.close()

    async def _more(self) -> bool:
        """Wait until something is to be passed on; False when nothing will come any more."""
        while not self._held and not self._done:
            self._changed.clear()
            await self._changed.wait()
        await self.manner.flowing.wait()
        return bool(self._held)

    async def _write(self, data: bytes) -> None:
        rate = self.manner.bytes_per_s
        step = max(1, int(rate / 20)) if rate else max(1, len(data))
        for start in range(0, len(data), step):
            self.writer.write(data[start : start + step])
            await self.writer.drain()
            if rate:
                await asyncio.sleep(len(data[start : start + step]) / rate)


class Way:
    """A line whose target was reached: both directions, and what can be done to them. changed: told when the line has news.

    dismissal: close code that the client gets as soon as its upgrade is accepted, None none.
    """

    def __init__(
        self, line: Line, client: Ends, target: Ends, manners: tuple[Manner, Manner], first: bytes, changed: Callable[[], None]
    ) -> None:
        self.line, self._client, self._target, self._changed = line, client, target, changed
        self._out = Direction(client[0], target[1], manners[0], first)
        self._in = Direction(target[0], client[1], manners[1])
        self._out.seen, self._in.seen = self._from_client, self._from_target
        self._out.ended, self._in.ended = self._client_ended, self._target_ended
        self._out.broken = self._in.broken = self._break
        self._in.alter = self._to_client
        self._head = b""
        self._frames: Boundaries | None = None
        self._closing = b""
        self._closed = self._aborted = False
        self.dismissal: int | None = None
        self._ending: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Pass on both directions until both have ended."""
        try:
            async with asyncio.TaskGroup() as both:
                for direction in (self._out, self._in):
                    both.create_task(direction.run())
        finally:
            if self._ending is not None:
                self._ending.cancel()
            for _, writer in (self._client, self._target):
                writer.close()

    def cut(self, reset: bool) -> None:
        """End both connections now, with RST or FIN; what is held is dropped."""
        if self.line.ended_at is None and self.line.cut_at is None:
            self.line.cut_at = time.monotonic()
        self._abort(reset)

    def close(self, code: int, reason: str = "") -> bool:
        """Let the client see a close frame of the server's, after the frame that is on its way; False when this is no open socket."""
        if self._frames is None or not self.line.open:
            return False
        self.line.cut_at = time.monotonic()
        self._closing = close_frame(code, reason)
        self._ending = asyncio.ensure_future(self._end_closing())
        return True

    async def _end_closing(self) -> None:
        """Send the close frame, unless it goes with what comes; a server then closes the connection (RFC 6455 section 7.1.1)."""
        await self._in.manner.flowing.wait()
        async with self._in.writing:
            self._client[1].write(self._to_client(b""))
        await asyncio.sleep(_CLOSING_S)
        self._abort(reset=False)

    def _abort(self, reset: bool) -> None:
        self._aborted = True
        for _, writer in (self._client, self._target):
            drop(writer, reset)

    def _break(self) -> None:
        """End both connections because one of them broke while it was written to."""
        self._abort(reset=True)

    def _from_client(self) -> None:
        self.line.from_client_at = time.monotonic()

    def _from_target(self) -> None:
        self.line.from_target_at = time.monotonic()

    def _client_ended(self) -> None:
        if not self._aborted:
            self.line.client_ended_at = time.monotonic()
            self._changed()

    def _target_ended(self) -> None:
        if not self._aborted:
            self.line.target_ended_at = time.monotonic()
            self._changed()

    def _to_client(self, data: bytes) -> bytes:
        """Return what the client gets of the target's bytes: the same, but for a close frame that shall come."""
        if self._closed:
            return b""
        if self._frames is None:
            self._read_answer(data)
            return data
        if not self._closing:
            self._frames.pass_all(data)
            return data
        rest = data[: self._frames.to_boundary(data)]
        if not self._frames.at_boundary:
            return rest
        self._closed = True
        return rest + self._closing

    def _read_answer(self, data: bytes) -> None:
        """Read the status of the first answer; after 101 to an upgrade the frames begin."""
        if self.line.status is not None or self.line.kind not in ("upgrade", "http"):
            return
        self._head = (self._head + data)[: _HEAD_BYTES + _READ_BYTES]
        head, ended, rest = self._head.partition(b"\r\n\r\n")
        if ended:
            self.line.status, self.line.answered_at, self._head = _status(head), time.monotonic(), b""
            if self.line.kind == "upgrade" and self.line.status == 101:
                self._frames = Boundaries()
                self._frames.pass_all(rest)
                if self.dismissal is not None:
                    self.close(self.dismissal)
            self._changed()


def _status(head: bytes) -> int | None:
    words = head.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() and len(words[1]) == 3 else None


def drop(writer: asyncio.StreamWriter, reset: bool) -> None:
    """End a connection now, with RST or FIN, without waiting for what is not sent."""
    connection = None
    with contextlib.suppress(AttributeError):  # asyncio's TLS transport forgets its protocol when it is closed twice
        connection = writer.get_extra_info("socket")
    if reset and connection is not None and connection.fileno() >= 0:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
    writer.transport.abort()
