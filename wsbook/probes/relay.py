"""A TCP relay on loopback between a client and a target, which refuses, cuts, stalls, slows and recovers on command.

    async with open_relay("shop.example", 443) as relay:
        ...  # let a client connect to relay.host:relay.port
        relay.refuse()
        relay.cut("rst")
        ...
        relay.recover()

It must not know what a client or a page is. TLS passes through untouched, and then upgrades are not seen; with a certificate of our own
(Ending) the relay ends the client's TLS and dials the target with TLS itself.
"""

import asyncio
import contextlib
import http
import ssl
import time
from collections.abc import AsyncIterator, Callable

from msgspec import Struct

from wsbook.errors import UsageError
from wsbook.probes.relay_line import Ends, Line, Manner, Way, drop

__all__ = ["Ending", "Line", "Relay", "open_relay"]

_LINES, _OPEN, _HEAD_BYTES = 5_000, 512, 16_384
_HEAD_S = 1.0
"""How long the first bytes of a client are waited for before the target is dialled without them."""
_DIAL_S, _LOOK_S = 10.0, 0.1
_TLS_RECORD = 0x16  # RFC 8446 section 5.1: a handshake record


class Ending(Struct, frozen=True, kw_only=True):
    """How TLS is ended here and begun anew behind: outer meets the client, inner dials the target, server_name is what it asks for."""

    outer: ssl.SSLContext
    inner: ssl.SSLContext
    server_name: str


class Relay:
    """The commands; each holds from now on, until another of its kind or recover(). lines: the connections, the first 5,000.

    count: of all connections accepted so far.
    """

    def __init__(self, host: str, port: int, ending: Ending | None) -> None:
        self.host, self.port = "127.0.0.1", 0
        self.lines: list[Line] = []
        self.count = 0
        self._host, self._port, self._ending = host, port, ending
        self._outward, self._inward = Manner(), Manner()
        self._held = False
        self._refusing = False
        self._instead = 0
        self._status: int | None = None
        self._dismissal: int | None = None
        self._concerned: Callable[[str], bool] = lambda path: False
        self._ways: set[Way] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._bell = asyncio.Event()

    def refuse(self) -> None:
        """Let nobody in: a new connection is reset after its first bytes, which tell what it wanted; nothing reaches the target."""
        self._refusing, self._status = True, None

    def answer(self, status: int, concerned: Callable[[str], bool] = lambda path: False) -> None:
        """Answer new upgrade requests with this HTTP status; other requests pass, but those to a path that is concerned.

        Raises:
            UsageError: TLS is passed through untouched, so that no request is seen; detected at the first such connection only, which is
                refused. 101 or no status at all.
        """
        if not 200 <= status <= 599:
            raise UsageError(f"the relay cannot answer with the status {status}; 200..599")
        self._refusing, self._status, self._concerned = False, status, concerned

    def dismiss(self, code: int) -> None:
        """Let the target accept every new socket, and close it with this code at once; where TLS passes untouched nothing changes."""
        self._refusing, self._status, self._dismissal = False, None, code

    def stand_in(self, port: int) -> None:
        """Lead new upgrades to this port of this machine instead of the target, for good; where TLS passes untouched nothing changes."""
        self._instead = port

    def cut(self, how: str = "rst") -> int:
        """End every connection at both sides, with "fin" or "rst"; return how many there were."""
        if how not in ("fin", "rst"):
            raise UsageError(f"the relay cannot cut with {how!r}; fin or rst")
        ways = list(self._ways)
        for way in ways:
            way.cut(reset=how == "rst")
        return len(ways)

    def close(self, code: int, reason: str = "") -> int:
        """Put a close frame between the server's frames on every open socket; return on how many."""
        return sum(way.close(code, reason) for way in list(self._ways))

    def stall(self, direction: str = "both", *, new: bool = True) -> None:
        """Pass nothing on any more: "both" directions, "outward" (to the target) or "inward". What comes is held, as far as buffers go.

        new: connections made from now on stall too; False lets them pass, as when only the present ones are forgotten on the way.
        """
        if direction not in ("both", "outward", "inward"):
            raise UsageError(f"the relay cannot stall {direction!r}; both, outward or inward")
        for name, manner in (("outward", self._outward), ("inward", self._inward)):
            if direction in ("both", name):
                manner.flowing.clear()
        self._held = new and direction != "inward"
        if not new:
            self._renew()

    def delay(self, seconds: float) -> None:
        """Pass everything on so much later, in each direction."""
        for manner in (self._outward, self._inward):
            manner.delay_s = seconds

    def throttle(self, bytes_per_s: float) -> None:
        """Pass on so much per second of each connection and direction; 0 has no limit."""
        for manner in (self._outward, self._inward):
            manner.bytes_per_s = bytes_per_s

    def recover(self) -> None:
        """Be a plain relay again. Connections that stalled since stall(new=False) stay dead, all others go on with what was held."""
        self._refusing, self._status, self._dismissal, self._held = False, None, None, False
        for manner in (self._outward, self._inward):
            manner.flowing.set()
            manner.delay_s = manner.bytes_per_s = 0.0
        self._bell.set()

    async def changed(self, timeout_s: float) -> None:
        """Wait until a connection begins, is understood or ends, timeout_s at most."""
        self._bell.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._bell.wait()

    def _renew(self) -> None:
        """Leave the present connections with the manners that they have, and give new ones to those to come."""
        self._outward, self._inward = Manner(), Manner()

    def _accepted(self) -> Line:
        line = Line(at=time.monotonic())
        self.count += 1
        if len(self.lines) < _LINES:
            self.lines.append(line)
        return line

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        line = self._accepted()
        if task is None or len(self._tasks) >= _OPEN:
            line.treated = "full"
            drop(writer, reset=True)
            return
        self._tasks.add(task)
        try:
            await self._treat(line, reader, writer)
        except (OSError, asyncio.CancelledError):  # cancelled by us, when the relay closes
            drop(writer, reset=True)
        finally:
            line.ended_at = time.monotonic()
            self._tasks.discard(task)
            self._bell.set()

    async def _treat(self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await _first_bytes(reader)
        line.kind, resource = _kind(first)
        line.path, _, line.query = resource.partition("?")
        line.from_client_at = time.monotonic() if first else None
        self._bell.set()
        if self._held:
            line.treated = "stalled"
            await self._hold(line, reader)
            if line.client_ended_at is not None:
                drop(writer, reset=False)
                return
            line.treated = "passed"
        if self._refusing or (self._status is not None and line.kind == "tls"):
            line.treated = "refused"
            drop(writer, reset=True)
        elif self._status is not None and (line.kind == "upgrade" or self._concerned(line.path)):
            line.treated = f"answered {self._status}"
            writer.write(_refusal(self._status))
            await writer.drain()
            writer.close()
        else:
            await self._pass(line, (reader, writer), _once(first) if self._status is not None else first)

    async def _hold(self, line: Line, reader: asyncio.StreamReader) -> None:
        """Wait while new connections stall, or until the client gives up."""
        while self._held and line.client_ended_at is None:
            await self.changed(_LOOK_S)
            if reader.at_eof() or reader.exception() is not None:
                line.client_ended_at = time.monotonic()

    async def _pass(self, line: Line, client: Ends, first: bytes) -> None:
        try:
            async with asyncio.timeout(_DIAL_S):
                target = await self._dial(line)
        except (OSError, TimeoutError):
            line.treated = "unreached"
            drop(client[1], reset=True)
            return
        way = Way(line, client, target, (self._outward, self._inward), first, self._bell.set)
        way.dismissal = self._dismissal
        self._ways.add(way)
        try:
            await way.run()
        finally:
            self._ways.discard(way)

    async def _dial(self, line: Line) -> Ends:
        if self._instead and line.kind == "upgrade":
            return await asyncio.open_connection("127.0.0.1", self._instead)
        if self._ending is None:
            return await asyncio.open_connection(self._host, self._port)
        return await asyncio.open_connection(
            self._host, self._port, ssl=self._ending.inner, server_hostname=self._ending.server_name or self._host
        )

    async def listen(self, stack: contextlib.AsyncExitStack) -> None:
        """Listen on 127.0.0.1, and on the same port of ::1 where this machine has it and the port is free there."""
        outer = self._ending.outer if self._ending else None
        server = await asyncio.start_server(self._serve, self.host, 0, ssl=outer)
        stack.callback(server.close)
        self.port = server.sockets[0].getsockname()[1]
        with contextlib.suppress(OSError):
            other = await asyncio.start_server(self._serve, "::1", self.port, ssl=outer)
            stack.callback(other.close)

    async def end(self) -> None:
        """End every connection and forget them."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _first_bytes(reader: asyncio.StreamReader) -> bytes:
    """Return what a client says first: the head of a request, or what came within _HEAD_S where it is no request."""
    data = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_HEAD_S):
            while b"\r\n\r\n" not in data and len(data) < _HEAD_BYTES:
                piece = await reader.read(_HEAD_BYTES)
                data += piece
                if not piece or data[0] == _TLS_RECORD:
                    break
    return data


def _kind(first: bytes) -> tuple[str, str]:
    """Return (kind, path with query) of a connection by its first bytes."""
    if not first:
        return "silent", ""
    if first[0] == _TLS_RECORD:
        return "tls", ""
    line, _, headers = first.partition(b"\r\n")
    words = line.decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return "other", ""
    lowered = b"\r\n" + headers.lower().partition(b"\r\n\r\n")[0]
    upgrade = b"\r\nupgrade:" in lowered and b"websocket" in lowered.partition(b"\r\nupgrade:")[2].partition(b"\r\n")[0]
    return ("upgrade" if upgrade else "http"), words[1][:2000]


def _once(first: bytes) -> bytes:
    """Return a request that asks to end its connection, so that each later one is looked at again."""
    line, ended, rest = first.partition(b"\r\n")
    head, closed, body = rest.partition(b"\r\n\r\n")
    kept = [one for one in head.split(b"\r\n") if not one.lower().startswith((b"connection:", b"keep-alive:"))]
    return first if not closed else b"\r\n".join((line, b"Connection: close", *kept)) + ended + ended + body


def _refusal(status: int) -> bytes:
    try:
        words = http.HTTPStatus(status).phrase
    except ValueError:
        words = "Refused"
    head = f"HTTP/1.1 {status} {words}\r\nContent-Type: text/plain\r\nContent-Length: {len(words) + 1}\r\nConnection: close\r\n\r\n"
    return f"{head}{words}\n".encode()


@contextlib.asynccontextmanager
async def open_relay(host: str, port: int, *, ending: Ending | None = None) -> AsyncIterator[Relay]:
    """Yield a relay to host and port; it and all its connections are gone when the block ends, however it ends.

    Raises:
        OSError: no port of the loopback interface can be had.
    """
    relay = Relay(host, port, ending)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(relay.end)
        await relay.listen(stack)
        yield relay
