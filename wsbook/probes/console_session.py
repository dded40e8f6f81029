"""One connection that a person talks over: opens, sends, pings and closes it, and keeps what was seen. It must not judge."""

import asyncio

from websockets.frames import Frame as WireFrame

from wsbook.attempt import Attempt
from wsbook.facts import SessionFacts, UpgradeFacts
from wsbook.observation import Observation
from wsbook.probes.connection import Socket
from wsbook.probes.frame_ring import FrameRing
from wsbook.probes.joining import first_words
from wsbook.probes.keeping import Keeping
from wsbook.probes.upgrade import open_socket
from wsbook.wire.dialects.detect import recognise

__all__ = ["ConsoleSession", "names_dialect"]

_READ_S = 60.0
_PING_S = 5.0
_READ_BYTES = 8_192
"""At a time: some hundred frames at most, so that buttons answer in a flood."""


def names_dialect(resource: str) -> str:
    """Return the dialect that a path and query name, "" none: its server closes a client that answers no heartbeats."""
    clue = next(iter(recognise(resource)), None)
    return clue.dialect if clue else ""


class ConsoleSession:
    """One attempt and, when it was accepted, its socket. Nothing of it is recorded.

    answers: say by itself what the client of the endpoint's dialect says to stay connected, and nothing else of it.
    ring: the newest frames. seen: the handshake, None before open(). changed: set whenever there is something new.
    """

    def __init__(self, attempt: Attempt, *, answers: bool = False) -> None:
        self.attempt = attempt
        self.answers = answers
        self.ring = FrameRing()
        self.seen: Observation | None = None
        self.changed = asyncio.Event()
        self._socket: Socket | None = None
        self._paused = self._closing = False
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> Observation:
        """Try the upgrade once and return what was seen; the socket is open when it was accepted.

        Raises:
            UsageError: as open_socket().
        """
        self.seen, self._socket = await open_socket(self.attempt, step="1.3", on_frame=self._take)
        if self._socket is not None:
            self._socket.read_bytes = _READ_BYTES
            self._reading = asyncio.ensure_future(self._read(self._socket))
        self.changed.set()
        return self.seen

    @property
    def upgrade(self) -> UpgradeFacts | None:
        """The handshake's facts; None before it and when nothing was dialled."""
        return self.seen.facts if self.seen is not None and isinstance(self.seen.facts, UpgradeFacts) else None

    @property
    def state(self) -> str:
        """One of new, refused, open, closing, ended."""
        if self.seen is None:
            return "new"
        if self._socket is None:
            return "refused"
        if self._socket.ended != "open":
            return "ended"
        return "closing" if self._closing else "open"

    def facts(self) -> SessionFacts | None:
        """Return the life of the socket so far, None when there was none."""
        return self._socket.facts() if self._socket is not None else None

    def _take(self, direction: str, frame: WireFrame, at_s: float, wire_bytes: int) -> None:
        self.ring.add(direction, frame, at_s, wire_bytes)
        self.changed.set()

    async def _read(self, socket: Socket) -> None:
        """Take messages from the socket as they come: the frames were told of already."""
        said = first_words(self.attempt.endpoint.resource)  # the person says it, so that it is seen what comes of it
        keeping = Keeping(socket, own="".join(said)) if self.answers else None
        while socket.ended == "open":
            if keeping is not None:
                await keeping.read(_READ_S)
            else:
                await socket.receive(_READ_S)
        self.changed.set()

    def slow(self, hold: bool) -> None:
        """Stop reading, or read again: what the peer sends then waits in the system's buffers, and in its own."""
        if self._socket is not None and hold != self._paused:
            self._paused = hold
            (self._socket.pause if hold else self._socket.resume)()

    async def send(self, content: str | bytes) -> bool:
        """Send one message; False when the socket has ended, or ends by it."""
        return self._socket is not None and await self._socket.send(content)

    async def ping(self) -> float | None:
        """Send a ping and return the time until its pong, in s; None when none came within 5 s."""
        return await self._socket.ping(_PING_S) if self._socket is not None else None

    async def close(self, code: int | None = 1000, reason: str = "") -> None:
        """Do the closing handshake; a peer that does not answer is left after a second."""
        if self._socket is not None and not self._closing:
            self._closing = True
            self.slow(False)
            self.changed.set()
            await self._socket.close(code, reason)
            self.changed.set()

    def abort(self) -> None:
        """End the connection at once."""
        if self._socket is not None:
            self._socket.abort()
        if self._reading is not None:
            self._reading.cancel()
