"""Resolve a name, timed inside the thread that asks, and tell a name that does not exist from a resolver that does not answer."""

import asyncio
import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from wsbook.attempt import Family
from wsbook.observation import Reason
from wsbook.probes.stopwatch import Stop, Stopwatch, shown_time

__all__ = ["Address", "Lookup", "in_thread", "is_address", "look_up", "resolve_name"]

T = TypeVar("T")
_FAMILIES = {socket.AF_INET: Family.IPV4, socket.AF_INET6: Family.IPV6}
_SHOWN = 16
_DNS_S = 2.0
_SPARE_S = 0.1
_NEVER = ".invalid"


class Address(Struct, frozen=True, kw_only=True):
    """One address of a name, with what connect() wants."""

    family: Family
    address: str
    sockaddr: tuple[str | int, ...]

    @property
    def number(self) -> int:
        """The address family as the socket module counts it."""
        return socket.AF_INET6 if self.family is Family.IPV6 else socket.AF_INET


class Lookup(Struct, frozen=True, kw_only=True):
    """What a resolver said. started: time.perf_counter() when the thread asked. reason None: it answered."""

    addresses: tuple[Address, ...] = ()
    canonical: str = ""
    started: float = 0.0
    duration_s: float = 0.0
    reason: Reason | None = None
    message: str = ""


async def in_thread(work: Callable[[], T], timeout_s: float) -> T:
    """Run blocking work in a daemon thread of its own, so that a hanging resolver delays nobody, not even our exit.

    Raises:
        TimeoutError: it took longer; the thread is left behind.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if not answer.done():
            answer.set_exception(error) if error else answer.set_result(value)  # type: ignore[arg-type]

    def run() -> None:
        value, failed = None, None
        try:
            value = work()
        except BaseException as error:
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
            loop.call_soon_threadsafe(settle, value, failed)

    threading.Thread(target=run, daemon=True, name="wsbook-resolve").start()
    async with asyncio.timeout(timeout_s):
        return await answer


def is_address(host: str) -> bool:
    """Tell whether the host is an IP address, so that nothing needs resolving."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _ask_dns(host: str, timeout_s: float) -> tuple[Reason, str]:
    """Ask the configured name servers directly: getaddrinfo does not tell their answer from their silence."""
    import dns.exception
    import dns.resolver

    try:
        dns.resolver.resolve(host, "A", lifetime=timeout_s)
    except dns.resolver.NXDOMAIN:
        return Reason.NAME_NOT_FOUND, "the name servers say that it does not exist (NXDOMAIN)"
    except dns.resolver.NoAnswer:
        return Reason.NAME_NOT_FOUND, "it exists, but has no IPv4 address"
    except dns.resolver.NoNameservers as error:
        return Reason.NAME_FAILED, f"no name server gave an answer: {str(error)[:200]}"
    except dns.exception.Timeout:
        return Reason.NAME_FAILED, f"no name server answered within {shown_time(timeout_s)}"
    except (dns.exception.DNSException, OSError) as error:
        return Reason.NAME_FAILED, f"the name servers could not be asked: {str(error)[:200] or type(error).__name__}"
    return Reason.NAME_FAILED, "the name servers know it, but this machine's resolver does not"


def _explain(host: str, error: socket.gaierror, left_s: float) -> tuple[Reason, str]:
    unknown = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
    first = Reason.NAME_NOT_FOUND if unknown else Reason.NAME_FAILED
    timeout_s = min(_DNS_S, left_s - _SPARE_S)
    if timeout_s <= 0 or host == "localhost" or host.endswith((".localhost", ".local")):
        return first, str(error.strerror)
    reason, message = _ask_dns(host, timeout_s)
    if unknown and "could not be asked" in message:
        return first, str(error.strerror)
    return reason, f"{error.strerror}; {message}"


def _look_up(host: str, port: int, timeout_s: float) -> Lookup:
    started = time.perf_counter()
    if host.rstrip(".").endswith(_NEVER):
        return Lookup(started=started, reason=Reason.NAME_NOT_FOUND, message="names under .invalid never exist (RFC 6761 section 6.4)")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except (socket.gaierror, UnicodeError) as error:
        duration_s = time.perf_counter() - started
        reason, message = Reason.NAME_NOT_FOUND, "it is no valid domain name"
        if isinstance(error, socket.gaierror):
            reason, message = _explain(host, error, timeout_s - duration_s)
        return Lookup(started=started, duration_s=duration_s, reason=reason, message=message)
    addresses = {
        str(sockaddr[0]): Address(family=_FAMILIES[family], address=str(sockaddr[0]), sockaddr=sockaddr)  # type: ignore[arg-type]
        for family, _, _, _, sockaddr in found
        if family in _FAMILIES
    }
    duration_s = time.perf_counter() - started
    return Lookup(addresses=tuple(addresses.values()), canonical=found[0][3] if found else "", started=started, duration_s=duration_s)


async def look_up(host: str, port: int, timeout_s: float) -> Lookup:
    """Return what the resolver of this machine says; its failure is part of the answer."""
    started = time.perf_counter()
    try:
        return await in_thread(lambda: _look_up(host, port, timeout_s), timeout_s)
    except TimeoutError:
        spent = time.perf_counter() - started
        message = f"the resolver did not answer within {shown_time(timeout_s)}"
        return Lookup(started=started, duration_s=spent, reason=Reason.NAME_FAILED, message=message)


async def resolve_name(watch: Stopwatch, host: str, port: int) -> tuple[Address, ...]:
    """Return a name's addresses in the resolver's order and add the stage.

    Raises:
        Stop: the name does not exist, or the resolver failed.
    """
    lookup = await look_up(host, port, watch.left_s)
    shown = ", ".join(address.address for address in lookup.addresses[:_SHOWN])
    watch.add("resolve", lookup.started, lookup.duration_s, lookup.reason is None, f"{host}: {shown or lookup.message}")
    if lookup.reason is not None:
        raise Stop("resolve", lookup.reason, f"{host} was not resolved ({shown_time(lookup.duration_s)}): {lookup.message}")
    return lookup.addresses
