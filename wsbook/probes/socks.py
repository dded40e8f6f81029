"""What a SOCKS 5 proxy answers (RFC 1928, RFC 1929). It must not judge, nor speak anything through the tunnel."""

import ipaddress
import time
from urllib.parse import unquote

from wsbook.facts import Tunnel
from wsbook.probes.link import ByteLink
from wsbook.probes.names import is_address
from wsbook.probes.stopwatch import Stopwatch, reason_of

__all__ = ["ask_socks"]

_VERSION, _NO_LOGIN, _PASSWORD, _NONE_ACCEPTED = 5, 0, 2, 0xFF
_CONNECT, _IPV4, _NAME, _IPV6 = 1, 1, 3, 4
_REPLIES = {
    0: "tunnel",
    1: "not through: general failure",
    2: "not allowed by its rules",
    3: "not through: network unreachable",
    4: "not through: host unreachable",
    5: "not through: connection refused",
    6: "not through: time to live expired",
    7: "command not supported",
    8: "address type not supported",
}
"""RFC 1928 section 6."""


def _login(userinfo: str) -> bytes:
    """Return the request of RFC 1929 section 2; each part is cut at 255 bytes."""
    user, _, password = userinfo.partition(":")
    parts = [unquote(part).encode()[:255] for part in (user, password)]
    return b"\x01" + b"".join(bytes([len(part)]) + part for part in parts)


def _request(host: str, port: int) -> bytes:
    """Return the request for a tunnel to an address, or to a name, which the proxy resolves."""
    if is_address(host):
        packed = ipaddress.ip_address(host).packed
        return bytes([_VERSION, _CONNECT, 0, _IPV4 if len(packed) == 4 else _IPV6]) + packed + port.to_bytes(2, "big")
    name = host.encode("ascii", "ignore")[:255]
    return bytes([_VERSION, _CONNECT, 0, _NAME, len(name)]) + name + port.to_bytes(2, "big")


async def _exactly(link: ByteLink, watch: Stopwatch, size: int) -> bytes:
    """Return so many bytes, fewer when the connection ends before."""
    data = b""
    while len(data) < size and (more := await link.recv(size - len(data), watch.left_s)):
        data += more
    return data


async def _ask(link: ByteLink, watch: Stopwatch, host: str, port: int, userinfo: str) -> str:
    methods = bytes([_NO_LOGIN, _PASSWORD] if userinfo else [_NO_LOGIN])
    await link.send(bytes([_VERSION, len(methods)]) + methods, watch.left_s)
    chosen = await _exactly(link, watch, 2)
    if len(chosen) < 2:
        return "closed"
    if chosen[0] != _VERSION:
        return "malformed"
    if chosen[1] == _NONE_ACCEPTED or (chosen[1] == _PASSWORD and not userinfo):
        return "wants credentials"
    if chosen[1] == _PASSWORD:
        await link.send(_login(userinfo), watch.left_s)
        if (await _exactly(link, watch, 2))[1:] != b"\0":
            return "does not accept our credentials"
    await link.send(_request(host, port), watch.left_s)
    return _meaning(await _exactly(link, watch, 2))


def _meaning(answer: bytes) -> str:
    if len(answer) < 2:
        return "closed"
    return _REPLIES.get(answer[1], f"reply {answer[1]}") if answer[0] == _VERSION else "malformed"


async def ask_socks(link: ByteLink, watch: Stopwatch, host: str, port: int, userinfo: str) -> Tunnel:
    """Ask for a tunnel; the outcome is "tunnel", or why there is none. userinfo: "user:password" as in a URL, "" none."""
    started, target = time.perf_counter(), f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        outcome = await _ask(link, watch, host, port, userinfo)
    except OSError as error:
        outcome = reason_of(error).value
    return Tunnel(target=target, outcome=outcome, duration_s=time.perf_counter() - started)
