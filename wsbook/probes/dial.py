"""Reach the peer of an attempt over TCP: its addresses one after the other, or a forward proxy. It must not know HTTP upgrades."""

import asyncio
import base64
import errno
import socket
import time
from urllib.parse import unquote

from msgspec import Struct

from wsbook import secret
from wsbook.attempt import Attempt, Family
from wsbook.errors import SecretMissingError, UsageError
from wsbook.facts import Headers
from wsbook.observation import Reason
from wsbook.probes.link import ByteLink, TcpLink, kernel_rtt
from wsbook.probes.names import Address, is_address, resolve_name
from wsbook.probes.stopwatch import Stop, Stopwatch, reason_of, shown_time
from wsbook.probes.tls import TlsOptions, open_tls
from wsbook.target import Endpoint, parse_endpoint
from wsbook.wire.answer import AnswerReader, shown_raw
from wsbook.wire.handshake import connect_headers, write_request

__all__ = ["NoAddress", "Reached", "connect_address", "dial", "find_addresses", "proxy_credentials", "proxy_endpoint", "shown_peer"]

_MEANING = {
    Reason.REFUSED: "was refused",
    Reason.RESET: "was reset",
    Reason.TIMEOUT: "got no answer",
    Reason.UNREACHABLE: "found no route",
}
"""Also the order of what tells most when several addresses fail in different ways."""


_OUR_LIMITS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
"""Says nothing about the peer: this machine has no more to give."""


class NoAddress(Exception):  # noqa: N818 (ends an attempt that makes no sense here, see upgrade.py)
    """The name has no address in the family asked for, so there is nothing to dial."""


class Reached(Struct, kw_only=True):
    """How far a dial came, filled on the way so that a failure keeps what was learnt. peer: "address:port"."""

    peer: str | None = None
    address: str | None = None
    proxy_status: int | None = None
    proxy_headers: Headers = ()


def shown_peer(address: str, port: int) -> str:
    """Return address or host with port, IPv6 in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _literal(address: str, port: int) -> Address:
    family = Family.IPV6 if ":" in address else Family.IPV4
    sockaddr: tuple[str | int, ...] = (address, port, 0, 0) if family is Family.IPV6 else (address, port)
    return Address(family=family, address=address, sockaddr=sockaddr)


async def connect_address(watch: Stopwatch, address: Address, timeout_s: float, source: str | None = None) -> TcpLink:
    """Return the connection to one address and add its tcp stage. source: an address of ours to dial from, None any.

    Raises:
        Stop: refused, reset, unreachable, or no answer within timeout_s.
    """
    shown = shown_peer(address.address, int(address.sockaddr[1]))
    started = time.perf_counter()
    sock: socket.socket | None = None
    try:
        sock = TcpLink.prepare(address.number)
        if source is not None:
            sock.bind((source, 0))
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().sock_connect(sock, address.sockaddr)
    except OSError as error:
        spent = time.perf_counter() - started
        if sock is not None:
            sock.close()
        if error.errno in _OUR_LIMITS:
            raise
        message = f"the TCP connection to {shown} {_MEANING[reason_of(error)]} after {shown_time(spent)}"
        watch.add("tcp", started, spent, False, f"{shown}: {error.strerror or reason_of(error)}")
        raise Stop("tcp", reason_of(error), message) from None
    except BaseException:
        if sock is not None:
            sock.close()
        raise
    spent = time.perf_counter() - started
    measured = kernel_rtt(sock)
    if measured is None:
        watch.add("tcp", started, spent, True, f"{shown}; timed beside the call, the kernel gives no round trip here")
    elif measured[1]:
        watch.add("tcp", started, spent, True, f"{shown}; {measured[1]} retransmissions")
    else:
        watch.add("tcp", started, measured[0], True, shown)
    return TcpLink(sock)


async def find_addresses(watch: Stopwatch, host: str, port: int, family: Family) -> tuple[Address, ...]:
    """Return the addresses to dial, in order.

    Raises:
        Stop: the name was not resolved.
        NoAddress: there is none in this family.
    """
    found = (_literal(host, port),) if is_address(host) else await resolve_name(watch, host, port)
    allowed = tuple(address for address in found if family in (Family.ANY, address.family))
    if not allowed:
        raise NoAddress(f"{host} has no {family} address; it has {', '.join(a.address for a in found[:8]) or 'none'}")
    return allowed


async def _connect_first(watch: Stopwatch, reached: Reached, addresses: tuple[Address, ...], source: str | None = None) -> TcpLink:
    """Try the addresses in order, each with an equal share of what is left of the budget."""
    stops: list[Stop] = []
    for position, address in enumerate(addresses):
        reached.peer, reached.address = shown_peer(address.address, int(address.sockaddr[1])), address.address
        try:
            return await connect_address(watch, address, watch.left_s / (len(addresses) - position), source)
        except Stop as stop:
            stops.append(stop)
    telling = min(stops, key=lambda stop: list(_MEANING).index(stop.failure.reason))
    raise Stop("tcp", telling.failure.reason, "; ".join(dict.fromkeys(stop.failure.message for stop in stops))[:1000])


def proxy_endpoint(via: str) -> Endpoint:
    """Return the forward proxy; a URL that cannot be used is not shown, it may hold a secret."""
    try:
        return parse_endpoint(secret.resolve(via), ("http", "https"))
    except SecretMissingError:
        raise
    except UsageError:
        raise UsageError("the forward proxy is no URL of the form http://[user:password@]host:port") from None


def proxy_credentials(proxy: Endpoint) -> str:
    """Return the value of Proxy-Authorization that the proxy's URL asks for, "" none."""
    if not proxy.userinfo:
        return ""
    user, _, password = proxy.userinfo.partition(":")
    plain = f"{unquote(user)}:{unquote(password)}"
    return "Basic " + base64.b64encode(plain.encode()).decode()


async def _read_answer(link: ByteLink, watch: Stopwatch, reader: AnswerReader) -> None:
    while not reader.complete and not reader.too_large and not reader.garbage:
        data = await link.recv(1024, watch.left_s)
        if not data:
            return
        reader.feed(data)


def _judge_connect(reader: AnswerReader, target: str, proxy: str, spent: float) -> None:
    answer = reader.answer()
    if not reader.complete or answer.status is None:
        what = "closed the connection" if not reader.raw else f"answered {shown_raw(bytes(reader.raw), 80)!r}"
        reason = Reason.CLOSED if not reader.raw else Reason.TOO_LARGE if reader.too_large else Reason.MALFORMED
        raise Stop("proxy", reason, f"the forward proxy {proxy} {what} instead of an answer to CONNECT {target}, after {shown_time(spent)}")
    if not 200 <= answer.status < 300:
        shown = f"{answer.status} {answer.reason}".strip()
        raise Stop(
            "proxy", Reason.PROXY_REFUSED, f"the forward proxy {proxy} answered {shown} to CONNECT {target} after {shown_time(spent)}"
        )


async def _ask_proxy(watch: Stopwatch, reached: Reached, attempt: Attempt, proxy: Endpoint, tcp: TcpLink, target: str) -> ByteLink:
    link: ByteLink = tcp
    started, reader = time.perf_counter(), AnswerReader()
    if proxy.secure:
        options = TlsOptions(server_name=proxy.host, verify=attempt.verify, ca_file=attempt.ca_file, alpn=("http/1.1",))
        link = (await open_tls(tcp, options, watch.left_s, stage="proxy"))[0]
    request = write_request("CONNECT", target, connect_headers(target, proxy_credentials(proxy)))
    try:
        await link.send(request, watch.left_s)
        await _read_answer(link, watch, reader)
    except OSError as error:
        what = "did not answer" if isinstance(error, TimeoutError) else "reset the connection at"
        spent = shown_time(time.perf_counter() - started)
        raise Stop("proxy", reason_of(error), f"the forward proxy {proxy.authority} {what} CONNECT {target} ({spent})") from None
    if reader.complete:
        reached.proxy_status, reached.proxy_headers = reader.answer().status, reader.answer().headers
    _judge_connect(reader, target, proxy.authority, time.perf_counter() - started)
    return link


async def _tunnel(watch: Stopwatch, reached: Reached, attempt: Attempt, proxy: Endpoint, tcp: TcpLink) -> ByteLink:
    """Ask the forward proxy for a tunnel (RFC 9110 section 9.3.6); the stage covers TLS to the proxy as well."""
    target = shown_peer(attempt.address or attempt.endpoint.host, attempt.endpoint.port)
    started = time.perf_counter()
    try:
        link = await _ask_proxy(watch, reached, attempt, proxy, tcp, target)
    except BaseException as error:
        if isinstance(error, Stop):
            watch.add("proxy", started, time.perf_counter() - started, False, error.failure.message)
        tcp.close()
        raise
    detail = f"CONNECT {target} through {proxy.authority}: {reached.proxy_status}"
    watch.add("proxy", started, time.perf_counter() - started, True, detail)
    return link


async def dial(watch: Stopwatch, reached: Reached, attempt: Attempt) -> ByteLink:
    """Return the connection over which TLS or the upgrade is spoken; stages resolve, tcp and proxy are added.

    Raises:
        Stop: a stage failed.
        NoAddress: the name has no address in attempt.family.
        UsageError: attempt.address is no IP address, or attempt.via is no proxy URL.
    """
    endpoint = attempt.endpoint
    if attempt.address is not None and not is_address(attempt.address):
        raise UsageError(f"address {attempt.address[:80]!r} is no IP address")
    if attempt.via:
        proxy = proxy_endpoint(attempt.via)
        tcp = await _connect_first(watch, reached, await find_addresses(watch, proxy.host, proxy.port, Family.ANY))
        return await _tunnel(watch, reached, attempt, proxy, tcp)
    host = attempt.address or endpoint.host
    return await _connect_first(watch, reached, await find_addresses(watch, host, endpoint.port, attempt.family), attempt.source)
