"""One TCP connection with the kernel's own stamps where it gives them. It must not know what is sent.

On Linux the round trip of the connect comes from TCP_INFO and the instant of arrival from SO_TIMESTAMPNS, because a loop
that is busy with other connections reads late. Elsewhere both are taken beside the calls, and stages say so.
"""

import asyncio
import contextlib
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

__all__ = ["ByteLink", "Flight", "TcpLink", "kernel_flight", "kernel_rtt"]

_LINUX = sys.platform == "linux"
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; the socket module does not name it before Python 3.14
_TIMESPEC = struct.Struct("@ll")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size) if hasattr(socket, "CMSG_SPACE") else 0
_RTT_OFFSET = 68  # struct tcp_info in linux/tcp.h: tcpi_rtt, microseconds
_RETRANS_OFFSET = 100  # tcpi_total_retrans
_MSS_OFFSET, _UNACKED_OFFSET, _PATH_MTU_OFFSET = 16, 24, 60  # tcpi_snd_mss, tcpi_unacked, tcpi_pmtu
_OUT_OF_ORDER_OFFSET = 224  # tcpi_rcv_ooopack
_POLL_S = 0.002


class ByteLink(Protocol):
    """A stream of bytes in both directions, over TCP or over TLS.

    received_ns: CLOCK_REALTIME of the last arrival. stamped: the kernel took it, so a late read did not move it.
    waited: the last recv() had to wait, so its bytes were not there before.
    """

    received_ns: int
    stamped: bool
    waited: bool

    async def recv(self, limit: int, timeout_s: float | None) -> bytes:
        """Return some bytes, b"" at the end of the stream.

        Raises:
            TimeoutError: nothing came in time. None waits for ever.
            OSError: the connection broke.
        """

    async def send(self, data: bytes, timeout_s: float) -> int:
        """Send everything and return CLOCK_REALTIME in ns just before the first byte left.

        Raises:
            TimeoutError: the peer did not take it in time; the stream is then of no further use.
            OSError: the connection broke.
        """

    def flight(self) -> "Flight | None":
        """Return what the kernel knows of our segments on the way; None where it does not tell."""

    def limit_buffer(self, size_bytes: int) -> None:
        """Ask the system to keep its receive buffer at about this size, which bounds the window."""

    def finish(self) -> None:
        """Send a FIN and go on reading: a half-closed connection (RFC 9293 section 3.6)."""

    def close(self) -> None:
        """Close the connection with a FIN."""

    def abort(self) -> None:
        """Close the connection with a RST."""


def kernel_rtt(sock: socket.socket) -> tuple[float, int] | None:
    """Return (round trip of the connect in s, retransmissions) from TCP_INFO; None where the kernel does not tell."""
    if not _LINUX:
        return None
    try:
        facts = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    except OSError:
        return None
    if len(facts) < 104:
        return None
    microseconds = int.from_bytes(facts[_RTT_OFFSET : _RTT_OFFSET + 4], sys.byteorder)
    return (microseconds / 1e6, int.from_bytes(facts[_RETRANS_OFFSET : _RETRANS_OFFSET + 4], sys.byteorder)) if microseconds else None


class Flight(Struct, frozen=True, kw_only=True):
    """What the kernel knows of segments on the way: not yet acknowledged, sent again since the connect, their size, the path's MTU.

    out_of_order: segments that came while an earlier one was missing, since the connect; None before Linux 5.4.
    """

    unacked: int
    retransmits: int
    mss_bytes: int
    path_mtu_bytes: int
    out_of_order: int | None = None


def kernel_flight(sock: socket.socket) -> Flight | None:
    """Return what TCP_INFO says of what we sent; None where the kernel does not tell."""
    if not _LINUX or sock.fileno() < 0:
        return None
    try:
        facts = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _OUT_OF_ORDER_OFFSET + 4)
    except OSError:
        return None
    if len(facts) < 104:
        return None

    def number(offset: int) -> int:
        return int.from_bytes(facts[offset : offset + 4], sys.byteorder)

    return Flight(
        unacked=number(_UNACKED_OFFSET),
        retransmits=number(_RETRANS_OFFSET),
        mss_bytes=number(_MSS_OFFSET),
        path_mtu_bytes=number(_PATH_MTU_OFFSET),
        out_of_order=number(_OUT_OF_ORDER_OFFSET) if len(facts) >= _OUT_OF_ORDER_OFFSET + 4 else None,
    )


class TcpLink:
    """A connected, non-blocking socket; see ByteLink. One task may receive while others send."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received_ns = 0
        self.stamped = False
        self.waited = False
        self._sending = asyncio.Lock()
        self._waiting: set[asyncio.Future[None]] = set()

    @staticmethod
    def prepare(family: int) -> socket.socket:
        """Return a new socket, not yet connected, with everything switched on that must be so before the connect."""
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if _LINUX:
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        return sock

    def _read(self, limit: int) -> bytes:
        if not _LINUX:
            data = self.sock.recv(limit)
            self.received_ns, self.stamped = time.time_ns(), False
            return data
        data, ancillary, _, _ = self.sock.recvmsg(limit, _ANCILLARY_BYTES)
        self.received_ns, self.stamped = time.time_ns(), False
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(content) >= _TIMESPEC.size:
                seconds, nanoseconds = _TIMESPEC.unpack_from(content)
                self.received_ns, self.stamped = seconds * 1_000_000_000 + nanoseconds, True
        return data

    async def _ready(self, add: Callable[..., object], remove: Callable[[int], object], timeout_s: float | None) -> None:
        number = self.sock.fileno()
        if number < 0:
            raise ConnectionAbortedError("closed by us")
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            add(number, _settle, ready)
        except NotImplementedError:  # the proactor loop of Windows watches no sockets
            await asyncio.sleep(_POLL_S)
            return
        self._waiting.add(ready)
        try:
            async with asyncio.timeout(timeout_s):
                await ready
        finally:
            self._waiting.discard(ready)
            if self.sock.fileno() == number:  # after a close the number may already belong to another connection
                remove(number)

    async def recv(self, limit: int, timeout_s: float | None) -> bytes:
        """See ByteLink."""
        loop = asyncio.get_running_loop()
        end = None if timeout_s is None else loop.time() + timeout_s
        self.waited = False
        while True:
            try:
                return self._read(limit)
            except (BlockingIOError, InterruptedError):
                left = None if end is None else end - loop.time()
                if left is not None and left <= 0:
                    raise TimeoutError from None
                self.waited = True
                await self._ready(loop.add_reader, loop.remove_reader, left)

    async def send(self, data: bytes, timeout_s: float) -> int:
        """See ByteLink."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        view = memoryview(data)
        async with self._sending:
            started_ns = time.time_ns()
            while view:
                try:
                    view = view[self.sock.send(view) :]
                except (BlockingIOError, InterruptedError):
                    if end <= loop.time():
                        raise TimeoutError from None
                    await self._ready(loop.add_writer, loop.remove_writer, end - loop.time())
        return started_ns

    def _forget(self) -> None:
        """Take the socket out of the loop before its number can be given to another, and wake who waits for it."""
        if self._waiting:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self.sock.fileno())
            loop.remove_writer(self.sock.fileno())
            for ready in self._waiting:
                _settle(ready)

    def flight(self) -> Flight | None:
        """See ByteLink."""
        return kernel_flight(self.sock)

    def limit_buffer(self, size_bytes: int) -> None:
        """See ByteLink."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size_bytes)

    def finish(self) -> None:
        """See ByteLink."""
        with contextlib.suppress(OSError):  # the peer has already reset it
            self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """See ByteLink."""
        self._forget()
        self.sock.close()

    def abort(self) -> None:
        """See ByteLink."""
        self._forget()
        with contextlib.suppress(OSError):  # already closed: there is nothing left to reset
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
        self.sock.close()


def _settle(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
