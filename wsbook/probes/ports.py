"""One TCP port at one address: open, refused, rejected, filtered, reset or unreachable, and who says so. It must not speak HTTP.

On Linux the kernel's error queue tells an ICMP message from a RST, and which machine sent it: a RST says that nothing listens, an ICMP
message that somebody on the way forbids it or knows no way. Elsewhere the error number must do.
"""

import asyncio
import contextlib
import errno
import ipaddress
import socket
import struct
import sys
import time

from msgspec import Struct

from wsbook.errors import UsageError
from wsbook.facts import THIS_MACHINE, PortFacts
from wsbook.observation import Observation, Reason, Source, Stage, observed
from wsbook.probes.link import kernel_rtt
from wsbook.probes.names import is_address
from wsbook.probes.stopwatch import Stopwatch, reason_of

__all__ = ["is_own_address", "probe_port"]

_LINUX = sys.platform == "linux"
_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}  # linux/in.h, linux/in6.h
_MSG_ERRQUEUE = 0x2000
_EXTENDED = struct.Struct("@IBBBBII")  # struct sock_extended_err, linux/errqueue.h; the sender's socket address follows
_ICMP, _ICMP6 = 2, 3
_PROHIBITED = {
    _ICMP: {(3, 3), (3, 9), (3, 10), (3, 13)},  # RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1
    _ICMP6: {(1, 1), (1, 4), (1, 5), (1, 6)},  # RFC 4443 section 3.1
}
"""Type and code of what a packet filter sends. A port unreachable is one: a TCP that has no listener answers with a RST."""
_STATES = {
    Reason.REFUSED: "refused",
    Reason.TIMEOUT: "filtered",
    Reason.RESET: "reset",
    Reason.UNREACHABLE: "unreachable",
}
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
_OUR_LIMITS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_SPOKEN_BYTES = 64


class _Icmp(Struct, frozen=True, kw_only=True):
    """One ICMP message about our SYN. sender: the address of the machine that sent it."""

    origin: int
    type: int
    code: int
    sender: str

    @property
    def prohibits(self) -> bool:
        return (self.type, self.code) in _PROHIBITED[self.origin]


class _Tried(Struct, kw_only=True):
    """What became of one SYN. afterwards: what the peer did before anything was said to it."""

    state: str = "open"
    by: str = ""
    how: str = ""
    afterwards: str = ""
    retries: int = 0
    rtt_s: float | None = None


def is_own_address(address: str) -> bool:
    """Tell whether an address belongs to this machine: only then can it be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _prepared(family: socket.AddressFamily) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    if _LINUX:
        level, option = _RECVERR[family]
        with contextlib.suppress(OSError):
            sock.setsockopt(level, option, 1)
    return sock


def _icmp(sock: socket.socket) -> _Icmp | None:
    """Return the ICMP message that ended the connect, None when there was none or the kernel does not tell."""
    if not _LINUX:
        return None
    try:
        ancillary = sock.recvmsg(512, 512, _MSG_ERRQUEUE)[1]
    except OSError:
        return None
    for level, _, content in ancillary:
        if len(content) >= _EXTENDED.size + 16 and (read := _EXTENDED.unpack_from(content))[1] in (_ICMP, _ICMP6):
            return _Icmp(origin=read[1], type=read[2], code=read[3], sender=_sender(level, content[_EXTENDED.size :]))
    return None


def _sender(level: int, name: bytes) -> str:
    """Return the address in a struct sockaddr_in or sockaddr_in6."""
    packed = name[8:24] if level == socket.IPPROTO_IPV6 else name[4:8]
    return str(ipaddress.ip_address(packed))


def _failed(sock: socket.socket, error: OSError, timeout_s: float) -> _Tried:
    message, reason = _icmp(sock), reason_of(error)
    if message is not None:
        told = f"ICMP type {message.type} code {message.code} from {message.sender}"
        if message.prohibits:
            return _Tried(state="rejected", by=message.sender, how=told)
        if is_own_address(message.sender):
            return _Tried(
                state="unreachable", by=THIS_MACHINE, how="nobody answers for it, or for the way to it, on this machine's network"
            )
        return _Tried(state="unreachable", by=message.sender, how=told)
    if reason is Reason.TIMEOUT:
        return _Tried(state="filtered", how=f"no answer within {timeout_s:g} s")
    if error.errno in _FORBIDDEN:
        return _Tried(state="unreachable", how="this machine's own rules forbid it")
    if reason is Reason.UNREACHABLE:
        return _Tried(state="unreachable", how="this machine has no route to it")
    return _Tried(state=_STATES[reason], how="RST" if reason in (Reason.REFUSED, Reason.RESET) else "")


async def _listen(sock: socket.socket, seconds: float) -> str:
    """Return what the peer does before anything is said: "" nothing, closed, reset, or its first words."""
    try:
        async with asyncio.timeout(seconds):
            spoken = await asyncio.get_running_loop().sock_recv(sock, _SPOKEN_BYTES)
    except TimeoutError:
        return ""
    except OSError:
        return "reset"
    return f"spoke: {spoken.decode('latin-1')!r}" if spoken else "closed"


async def _try(family: socket.AddressFamily, sockaddr: tuple[str | int, ...], timeout_s: float, listen_s: float) -> _Tried:
    sock, started = _prepared(family), time.perf_counter()
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().sock_connect(sock, sockaddr)
        spent, measured = time.perf_counter() - started, kernel_rtt(sock)
        retries = measured[1] if measured else 0
        rtt_s = measured[0] if measured and not retries else spent
        return _Tried(rtt_s=rtt_s, retries=retries, afterwards=await _listen(sock, listen_s) if listen_s else "")
    except OSError as error:
        if error.errno in _OUR_LIMITS:
            raise
        tried = _failed(sock, error, timeout_s)
        tried.rtt_s = time.perf_counter() - started if tried.state in ("refused", "rejected") else None
        return tried
    finally:
        sock.close()


async def probe_port(host: str, address: str, port: int, *, step: str, timeout_s: float, listen_s: float = 0.0) -> Observation:
    """Try one TCP connection to one address; every state is an answer, filtered means none within timeout_s.

    listen_s: how long to wait after the connect for a peer that speaks, closes or resets before it was asked anything.

    Raises:
        UsageError: address is no IP address.
    """
    if not is_address(address):
        raise UsageError(f"address {address[:80]!r} is no IP address")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sockaddr: tuple[str | int, ...] = (address, port, 0, 0) if family == socket.AF_INET6 else (address, port)
    watch = Stopwatch(timeout_s)
    tried = await _try(family, sockaddr, timeout_s, listen_s)
    detail = f"{address} port {port}: {tried.state}" + (f", {tried.how}" if tried.how else "")
    taken_s = tried.rtt_s if tried.rtt_s is not None else min(watch.spent_s, timeout_s)
    stage = Stage(name="tcp", started_s=0.0, duration_s=taken_s, ok=tried.state == "open", detail=detail)
    facts = PortFacts(
        host=host,
        address=address,
        port=port,
        state=tried.state,
        rtt_s=tried.rtt_s,
        by=tried.by,
        how=tried.how,
        afterwards=tried.afterwards,
        retries=tried.retries,
    )
    return observed(Source(step=step, probe="port"), facts, duration_s=watch.spent_s, stages=(stage,))
