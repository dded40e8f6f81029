"""A loopback server whose request path selects how it misbehaves, for every test that needs a hostile or broken peer.

    async with misbehaving() as server:
        attempt = Attempt(url=server.url("/wrong-accept"))

ANSWERS is the table of answers to the opening handshake with what our probe must make of them; SESSIONS the table of what an
accepted connection does afterwards.
"""

import asyncio
import base64
import contextlib
import gzip
import hashlib
import re
import socket
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from wsbook.observation import Reason

DRIP_S = 0.02
_BLOCK = b"x" * 65_536


@dataclass
class Peer:
    """One connection that has sent its request."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request: bytes = b""

    @property
    def accept(self) -> bytes:
        """The right Sec-WebSocket-Accept for the request."""
        found = re.search(rb"(?i)sec-websocket-key: *(\S+)", self.request)
        key = found[1] if found else b""
        return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Behave = Callable[[Peer], Awaitable[None]]


@dataclass(frozen=True)
class Answer:
    """An answer and what must be made of it. reason None: answered. failing: names of the checks that are not ok."""

    path: str
    behave: Behave
    status: int | None = None
    reason: Reason | None = None
    failing: frozenset[str] = field(default_factory=frozenset)
    accepted: bool = False
    body: str = ""


def head(
    *, status: bytes = b"101 Switching Protocols", version: bytes = b"HTTP/1.1", drop: tuple[str, ...] = (), more: tuple[bytes, ...] = ()
) -> bytes:
    """Return an answer's head in which ACCEPT stands for the right value."""
    usual = {"upgrade": b"Upgrade: websocket", "connection": b"Connection: Upgrade", "accept": b"Sec-WebSocket-Accept: ACCEPT"}
    lines = [version + b" " + status, *(line for name, line in usual.items() if name not in drop), *more]
    return b"\r\n".join([*lines, b"", b""])


def says(data: bytes, *, then: str = "close") -> Behave:
    """Return what sends these bytes and then closes, resets, or keeps the connection until the client speaks."""

    async def behave(peer: Peer) -> None:
        await peer.send(data.replace(b"ACCEPT", peer.accept))
        if then == "reset":
            peer.reset()
        elif then == "keep":
            await peer.reader.read(1)  # until the client closes, or says something more

    return behave


def repeats(block: bytes, *, first: bytes = b"", pause_s: float = 0.0, total: int = 200_000_000) -> Behave:
    """Return what sends a block again and again, up to total bytes."""

    async def behave(peer: Peer) -> None:
        await peer.send(first)
        for _ in range(0, total, max(1, len(block))):
            await peer.send(block)
            if pause_s:
                await asyncio.sleep(pause_s)

    return behave


async def resets(peer: Peer) -> None:
    peer.reset()


async def drips(peer: Peer) -> None:
    for byte in head().replace(b"ACCEPT", peer.accept):
        await peer.send(bytes([byte]))
        await asyncio.sleep(DRIP_S)


def _refusal(status: bytes, body: bytes = b"", *more: bytes) -> Behave:
    return says(b"\r\n".join([b"HTTP/1.1 " + status, *more, b"Content-Length: %d" % len(body), b"", body]), then="keep")


def _opens(path: str, data: bytes, failing: str = "") -> Answer:
    return Answer(path, says(data, then="keep"), 101, failing=frozenset(failing.split()), accepted=not failing)


def _refuses(path: str, behave: Behave, status: int, body: str = "", failing: str = "status") -> Answer:
    return Answer(path, behave, status, failing=frozenset(failing.split()), body=body)


def _fails(path: str, behave: Behave, reason: Reason, status: int | None = None) -> Answer:
    return Answer(path, behave, status, reason)


_SCRIPT = b"<script>alert(1)</script>\x1b[31mred\x1b[0m"
_OK = b"HTTP/1.1 200 OK\r\n"
_GZIP = b"Content-Encoding: gzip\r\n"
_BOMB = gzip.compress(bytes(50_000_000), 9)
_EXTENSION = b"Sec-WebSocket-Extensions: "
_BAD_DEFLATE = _EXTENSION + b"permessage-deflate; server_max_window_bits=99"

ANSWERS: tuple[Answer, ...] = (
    _opens("/good", head()),
    _opens("/lower-case", head().lower().replace(b"accept: accept", b"accept: ACCEPT").replace(b"http/1.1", b"HTTP/1.1")),
    _opens("/upper-case-values", head(drop=("upgrade", "connection"), more=(b"Upgrade: WebSocket", b"Connection: UPGRADE"))),
    _opens("/two-connections", head(drop=("connection",), more=(b"Connection: keep-alive", b"Connection: Upgrade"))),
    _opens("/connection-list", head(drop=("connection",), more=(b"Connection: keep-alive, Upgrade",))),
    _opens("/line-feeds-only", head().replace(b"\r\n", b"\n")),
    _opens("/no-reason", head(status=b"101")),
    _opens("/continue-first", b"HTTP/1.1 100 Continue\r\n\r\n" + head()),
    _opens("/early-hints", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + head()),
    _opens("/deflate", head(more=(_EXTENSION + b"permessage-deflate",))),
    _opens("/script-in-header", head(more=(b"X-Evil: " + _SCRIPT, b"Server: \xff\xfe<b>"))),
    _opens("/script-in-reason", head(status=b"101 " + _SCRIPT)),
    _opens("/folded-header", head(more=(b"X-Long: a", b"  b"))),
    _opens("/line-without-colon", head(more=(b"no colon here",))),
    _opens("/wrong-accept", head().replace(b"ACCEPT", b"dGhlIHNhbXBsZSBub25jZQ=="), "accept"),
    _opens("/no-accept", head(drop=("accept",)), "accept"),
    _opens("/two-accepts", head(more=(b"Sec-WebSocket-Accept: ACCEPT",)), "accept"),
    _opens("/no-upgrade", head(drop=("upgrade",)), "upgrade"),
    _opens("/other-upgrade", head(drop=("upgrade",), more=(b"Upgrade: h2c",)), "upgrade"),
    _opens("/two-upgrades", head(more=(b"Upgrade: websocket",)), "upgrade"),
    _opens("/no-connection", head(drop=("connection",)), "connection"),
    _opens("/connection-close", head(drop=("connection",), more=(b"Connection: close",)), "connection"),
    _opens("/bare-101", head(drop=("upgrade", "connection", "accept")), "upgrade connection accept"),
    _opens("/foreign-subprotocol", head(more=(b"Sec-WebSocket-Protocol: other",)), "subprotocol"),
    _opens("/two-subprotocols", head(more=(b"Sec-WebSocket-Protocol: a, b",)), "subprotocol"),
    _opens("/foreign-extension", head(more=(_EXTENSION + b"x-unknown",)), "extensions"),
    _opens("/bad-extension", head(more=(_BAD_DEFLATE,)), "extensions"),
    _opens("/garbage-extension", head(more=(_EXTENSION + b";;=,",)), "extensions"),
    _opens("/chunked-101", head(more=(b"Transfer-Encoding: chunked",)), "transfer-encoding"),
    _opens("/length-101", head(more=(b"Content-Length: 5",)), "transfer-encoding"),
    _opens("/http-1.0", head(version=b"HTTP/1.0"), "http-version"),
    _refuses("/200", _refusal(b"200 OK", b"<html>app</html>"), 200, "<html>app</html>"),
    _refuses("/204", says(b"HTTP/1.1 204 No Content\r\n\r\n", then="keep"), 204),
    _refuses("/301", _refusal(b"301 Moved", b"", b"Location: https://elsewhere.example/"), 301),
    _refuses("/400", _refusal(b"400 Bad Request", b'Can "Upgrade" only to "WebSocket".'), 400, 'Can "Upgrade" only to "WebSocket".'),
    _refuses("/401", _refusal(b"401 Unauthorized", b"no", b"WWW-Authenticate: Basic realm=x"), 401, "no"),
    _refuses("/403-script", _refusal(b"403 Forbidden", _SCRIPT), 403, _SCRIPT.decode()),
    _refuses("/426", _refusal(b"426 Upgrade Required", b"", b"Sec-WebSocket-Version: 8, 7"), 426),
    _refuses("/500-to-eof", says(b"HTTP/1.1 500 Oops\r\n\r\nTraceback"), 500, "Traceback"),
    _refuses("/502-http-1.0", says(b"HTTP/1.0 502 Bad Gateway\r\n\r\nbad"), 502, "bad", "status http-version"),
    _refuses(
        "/503-chunked",
        says(b"HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", then="keep"),
        503,
        "abcde",
    ),
    _refuses("/503-broken-chunks", says(b"HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcZZZ"), 503, "abc"),
    _refuses("/gzip", _refusal(b"404 Not Found", gzip.compress(b"not here"), _GZIP.strip()), 404, "not here"),
    _refuses("/deflated", _refusal(b"404 Not Found", zlib.compress(b"not here"), b"Content-Encoding: deflate"), 404, "not here"),
    _refuses("/gzip-bomb", _refusal(b"200 OK", _BOMB, _GZIP.strip()), 200, "\0" * 4096),
    _refuses("/not-gzip", _refusal(b"404 Not Found", b"plain", _GZIP.strip()), 404),
    _refuses("/huge-body", repeats(_BLOCK, first=_OK + b"Content-Length: 100000000\r\n\r\n"), 200, "x" * 4096),
    _refuses("/endless-body", repeats(_BLOCK, first=_OK + b"\r\n"), 200, "x" * 4096),
    _refuses("/dripping-body", repeats(b"a", first=_OK + b"\r\n", pause_s=30), 200, "a"),
    _refuses("/short-body", says(_OK + b"Content-Length: 50\r\n\r\nshort"), 200, "short"),
    _refuses("/odd-length", says(_OK + b"Content-Length: -7\r\n\r\nodd"), 200, "odd"),
    _fails("/silent", says(b"", then="keep"), Reason.TIMEOUT),
    _fails("/half-a-head", says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webs", then="keep"), Reason.TIMEOUT, 101),
    _fails("/drip", drips, Reason.TIMEOUT, None),
    _fails("/endless-continue", repeats(b"HTTP/1.1 100 Continue\r\n\r\n" * 100), Reason.TOO_LARGE),
    _fails("/endless-headers", repeats(b"X-More: and more\r\n" * 100, first=_OK), Reason.TOO_LARGE, 200),
    _fails("/endless-line", repeats(_BLOCK, first=_OK + b"X-Long: "), Reason.TOO_LARGE, 200),
    _fails("/garbage", says(bytes(range(256)) * 4), Reason.MALFORMED),
    _fails("/endless-garbage", repeats(b"\x00\xff" * 10_000), Reason.MALFORMED),
    _fails("/ssh", says(b"SSH-2.0-OpenSSH_9.2\r\n", then="keep"), Reason.MALFORMED),
    _fails("/tls-alert", says(b"\x15\x03\x01\x00\x02\x02\x46"), Reason.MALFORMED),
    _fails("/http-0.9", says(b"<html>hello</html>"), Reason.MALFORMED),
    _fails("/http-2", says(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18), then="keep"), Reason.MALFORMED),
    _fails("/no-status", says(b"HTTP/1.1 hello\r\n\r\n"), Reason.MALFORMED),
    _fails("/eof", says(b""), Reason.CLOSED),
    _fails("/eof-in-head", says(b"HTTP/1.1 101 Switching Protocols\r\nUpg"), Reason.CLOSED, 101),
    _fails("/reset", resets, Reason.RESET),
    _fails("/reset-in-head", says(b"HTTP/1.1 101 Swit", then="reset"), Reason.RESET),
)


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bool = False, claimed: int | None = None) -> bytes:
    """Return a frame as a server sends it (RFC 6455 section 5.2), or as it must not: masked, reserved bits, a false length."""
    size = len(data) if claimed is None else claimed
    first = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    flag = 0x80 if mask else 0
    length = bytes([flag | size]) if size < 126 else bytes([flag | 126]) + struct.pack("!H", size) if size < 65_536 else b""
    return first + (length or bytes([flag | 127]) + struct.pack("!Q", size)) + (b"\0\0\0\0" if mask else b"") + data


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return frame(8, struct.pack("!H", code) + reason)


@dataclass(frozen=True)
class Session:
    """What an accepted connection does, and how the socket must have ended by itself."""

    path: str
    data: bytes
    ended: str
    closed_by: str
    code: int | None
    then: str = "close"


SESSIONS: tuple[Session, ...] = (
    Session("/s/close-1000", close_frame(1000, b"bye"), "close", "peer", 1000),
    Session("/s/close-4401", close_frame(4401, b"unauthorized"), "close", "peer", 4401),
    Session("/s/close-keeps-tcp", close_frame(1001), "close", "peer", 1001, "keep"),
    Session("/s/close-no-code", frame(8), "close", "peer", 1005),
    Session("/s/close-one-byte", frame(8, b"\x03"), "close", "us", 1002),
    Session("/s/close-bad-code", close_frame(1005), "close", "us", 1002),
    Session("/s/close-bad-reason", close_frame(1000, b"\xff\xff"), "close", "us", 1007),
    Session("/s/fin", b"", "fin", "peer", None),
    Session("/s/fin-in-frame", frame(1, b"abc", claimed=10), "fin", "peer", None),
    Session("/s/rst", b"", "rst", "peer", None, "reset"),
    Session("/s/masked", frame(1, b"hi", mask=True), "close", "us", 1002, "keep"),
    Session("/s/bad-utf8", frame(1, b"\xc3\x28"), "close", "us", 1007, "keep"),
    Session("/s/reserved-bits", frame(1, b"hi", rsv=4), "close", "us", 1002, "keep"),
    Session("/s/reserved-opcode", frame(3, b"hi"), "close", "us", 1002, "keep"),
    Session("/s/lone-continuation", frame(0, b"hi"), "close", "us", 1002, "keep"),
    Session("/s/unfinished", frame(1, b"a", fin=False) + frame(1, b"b"), "close", "us", 1002, "keep"),
    Session("/s/long-ping", frame(9, b"p" * 126), "close", "us", 1002, "keep"),
    Session("/s/too-big", frame(2, b"", claimed=16 * 1024 * 1024 + 1), "close", "us", 1009, "keep"),
    Session("/s/garbage", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 5, "close", "us", 1002, "keep"),
)


async def echoes(peer: Peer) -> None:
    """Echo unmasked frames as they come, until a close frame, which is echoed too."""
    while True:
        first, second = await peer.reader.readexactly(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(await peer.reader.readexactly(2 if size == 126 else 8), "big")
        key = await peer.reader.readexactly(4)
        masked = await peer.reader.readexactly(size)
        data = bytes(b ^ key[i % 4] for i, b in enumerate(masked)) if size < 1000 else _unmask(masked, key)
        opcode = first & 0x0F
        await peer.send(frame(10 if opcode == 9 else opcode, data))
        if opcode == 8:
            return


def _unmask(data: bytes, key: bytes) -> bytes:
    size = len(data)
    mask = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")


class Misbehaving:
    """The running server. requests: the heads received, in order; paths: their paths; asked: set with the first."""

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme
        self.host = "127.0.0.1"
        self.port = 0
        self.requests: list[bytes] = []
        self.asked = asyncio.Event()
        self.extra: dict[str, Behave] = {}

    def url(self, path: str, *, scheme: str = "") -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme or self.scheme}://{shown}:{self.port}{path}"

    @property
    def paths(self) -> list[str]:
        return [request.split(b" ", 2)[1].decode() for request in self.requests]

    def _behaviour(self, path: str) -> Behave:
        if path in self.extra:
            return self.extra[path]
        for answer in ANSWERS:
            if answer.path == path:
                return answer.behave
        for session in SESSIONS:
            if session.path == path:
                return says(head() + session.data, then=session.then)
        return says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, await reader.readuntil(b"\r\n\r\n"))
        self.requests.append(peer.request)
        self.asked.set()
        await self._behaviour(peer.request.split(b" ", 2)[1].decode().partition("?")[0])(peer)


Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(handle: Handle, *, host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve connections on a free port, which is yielded; leave none of them behind."""
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            await handle(reader, writer)
            writer.close()
            await writer.wait_closed()
        writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        tasks.add(asyncio.create_task(run(reader, writer)))

    server = await asyncio.start_server(accept, host, 0, ssl=context, limit=2**20)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0.001)  # connections that are just being accepted
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.001)  # transports close in the loop's next round


@contextlib.asynccontextmanager
async def misbehaving(*, host: str = "127.0.0.1", context: ssl.SSLContext | None = None, **extra: Behave) -> AsyncIterator[Misbehaving]:
    """Run the server on a free port, under TLS with a context. extra: more behaviours, name → what serves ``/name``."""
    running = Misbehaving("wss" if context else "ws")
    running.host = host
    running.extra = {f"/{name}": behave for name, behave in extra.items()}
    async with serving(running.serve, host=host, context=context) as running.port:
        yield running
