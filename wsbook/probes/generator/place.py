"""Where the connections of a run go, prepared once: address, proxy, TLS, request. It must not know how they are opened.

Only here do the plan's secret references become values; they never leave this module but on the wire.
"""

import asyncio
import base64
import os
import socket
import ssl
from collections.abc import Iterable

from msgspec import Struct

from wsbook.attempt import Attempt, Family
from wsbook.errors import UsageError
from wsbook.probes.dial import NoAddress, find_addresses, proxy_credentials, proxy_endpoint, shown_peer
from wsbook.probes.names import Address, is_address
from wsbook.probes.stopwatch import Stop, Stopwatch
from wsbook.probes.tls import TlsOptions, tls_context
from wsbook.probes.upgrade import resolved_request
from wsbook.signs import mark_of_key
from wsbook.wire.handshake import accept_for, connect_headers, request_headers, write_request

__all__ = ["Place", "Unreached", "place_of"]

PER_SOURCE = 4_000
"""Connections from one address of ours to one address and port. Linux gives out 28,232 ports by default, but looks for a free one among
half of them by trying one after the other, so that each connect() takes longer the more there are."""


class Unreached(Exception):  # noqa: N818 (ends a run with a sentence on the peer, no error of ours)
    """No connection can be opened, with the sentence why."""


class Place(Struct, kw_only=True):
    """What every connection needs. connect: bytes to ask the forward proxy with, b"" without one; outer, inner: TLS to the proxy and to the
    endpoint, None without."""

    attempt: Attempt
    address: Address
    connect: bytes = b""
    outer: ssl.SSLContext | None = None
    outer_name: str = ""
    inner: ssl.SSLContext | None = None
    inner_name: str = ""
    request: bytes
    key: str

    @property
    def shown(self) -> str:
        """Address and port."""
        return shown_peer(self.address.address, int(self.address.sockaddr[1]))

    def fresh(self) -> tuple[bytes, str, str]:
        """Return a request with a key of its own, the Sec-WebSocket-Accept that answers it, and the key."""
        key = base64.b64encode(os.urandom(16)).decode()
        request = self.request.replace(self.key.encode(), key.encode())
        return request.replace(mark_of_key(self.key).encode(), mark_of_key(key).encode()), accept_for(key), key

    def source(self, index: int, count: int) -> str | None:
        """Return the address of ours to dial from, None any."""
        if self.attempt.source is not None or count <= PER_SOURCE or not self.address.address.startswith("127."):
            return self.attempt.source
        return f"127.0.0.{1 + index // PER_SOURCE}"


def place_of(attempt: Attempt) -> Place:
    """Resolve the name and the secrets, and prepare the request. May take the attempt's time, once for each address that does not answer.

    Raises:
        Unreached: the name was not resolved, or none of several addresses answers.
        UsageError: the attempt cannot be made.
    """
    endpoint, key = attempt.endpoint, base64.b64encode(os.urandom(16)).decode()
    if attempt.address is not None and not is_address(attempt.address):
        raise UsageError(f"address {attempt.address[:80]!r} is no IP address")
    resource, headers = resolved_request(attempt, request_headers(attempt, key))
    try:
        request = write_request("GET", resource, headers, attempt.http_version)
    except ValueError as error:
        raise UsageError(str(error)) from error
    name = endpoint.host if attempt.server_name is None else attempt.server_name
    options = TlsOptions(server_name=name, verify=attempt.verify, ca_file=attempt.ca_file, alpn=attempt.alpn)
    inner = tls_context(options) if endpoint.secure else None
    if not attempt.via:
        address = _address(attempt, attempt.address or endpoint.host, endpoint.port, attempt.family)
        return Place(attempt=attempt, address=address, inner=inner, inner_name=name, request=request, key=key)
    proxy, target = proxy_endpoint(attempt.via), shown_peer(attempt.address or endpoint.host, endpoint.port)
    if proxy.secure and endpoint.secure:
        raise UsageError("the load engine does not speak TLS inside the TLS of a forward proxy; give the proxy as http://")
    outside = TlsOptions(server_name=proxy.host, verify=attempt.verify, ca_file=attempt.ca_file, alpn=("http/1.1",))
    return Place(
        attempt=attempt,
        address=_address(attempt, proxy.host, proxy.port, Family.ANY),
        connect=write_request("CONNECT", target, connect_headers(target, proxy_credentials(proxy))),
        outer=tls_context(outside) if proxy.secure else None,
        outer_name=proxy.host,
        inner=inner,
        inner_name=name,
        request=request,
        key=key,
    )


def _address(attempt: Attempt, host: str, port: int, family: Family) -> Address:
    """Return the first address that takes a connection; the only one unasked."""
    try:
        addresses = asyncio.run(find_addresses(Stopwatch(attempt.timeout_s), host, port, family))
    except (Stop, NoAddress) as error:
        raise Unreached(str(error)) from None
    return addresses[0] if len(addresses) == 1 else _first_open(addresses, attempt)


def _first_open(addresses: Iterable[Address], attempt: Attempt) -> Address:
    errors = list[str]()
    for address in addresses:
        with socket.socket(address.number, socket.SOCK_STREAM) as sock:
            sock.settimeout(attempt.timeout_s)
            try:
                sock.connect(address.sockaddr)
            except OSError as error:
                errors.append(f"{address.address}: {error.strerror or error}")
            else:
                return address
    raise Unreached("no address took a connection: " + "; ".join(errors)[:500])
