"""A server in the application's place, in our process: accepts correct upgrades, remembers what it was asked. Judges nothing."""

import asyncio
import contextlib
import re
import socket
import ssl
import tempfile
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from wsbook.facts import Received
from wsbook.wire.handshake import accept_for

__all__ = ["Stub", "stand_in_certificate"]

_HEAD_BYTES = 65_536
_HEAD_S = 3.0
_OPEN_S = 10.0
_TURNS, _TURN_S = 100, 0.002
_KEPT = 50
_HEADERS = 60
_VALUE = 500
_REFUSAL = b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_LINE = re.compile(r"(\S{1,20}) (\S{1,8000}) HTTP/(\d(?:\.\d)?)\Z")


@cache
def stand_in_certificate() -> str:
    """Return a throw-away key and certificate as PEM; nobody vouches for it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=1))
    certificate = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False).sign(key, hashes.SHA256())
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return (certificate.public_bytes(pem) + key.private_bytes(pem, pkcs8, serialization.NoEncryption())).decode()


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])  # like most servers: who offers HTTP/2 has to be able to live with it
    with tempfile.TemporaryDirectory(prefix="wsbook-") as folder:
        path = Path(folder, "stand-in.pem")
        path.write_text(stand_in_certificate())
        context.load_cert_chain(path)
    return context


class Stub:
    """Listens on loopback ports, plain and with TLS, while its context lasts. received: what came in, oldest first.

    Raises:
        OSError: on entering, a port is taken.
    """

    def __init__(self, plain: Iterable[int], secure: Iterable[int]) -> None:
        self._ports = {port: (number, False) for number, port in enumerate(plain)} | {port: (n, True) for n, port in enumerate(secure)}
        self._listening: list[socket.socket] = []
        self._connections: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.received: list[Received] = []

    async def __aenter__(self) -> "Stub":
        try:
            for port in self._ports:
                self._listening.append(socket.create_server(("127.0.0.1", port)))
        except OSError:
            self._close()
            raise
        for listening in self._listening:
            listening.setblocking(False)
            self._start(self._accept(listening))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._close()

    def _close(self) -> None:
        for one in (*self._listening, *self._connections):
            one.close()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listening)
            self._connections.append(connection)
            self._start(self._serve(connection, *self._ports[listening.getsockname()[1]]))

    async def _serve(self, connection: socket.socket, number: int, secure: bool) -> None:
        """Answer one connection; whatever happens it is closed when this ends."""
        loop, writer = asyncio.get_running_loop(), None
        reader = asyncio.StreamReader(limit=_HEAD_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
                async with asyncio.timeout(_OPEN_S):
                    transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=_tls() if secure else None)
                    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
                    await self._answer(reader, writer, number, secure)
        finally:
            if writer is not None:
                writer.close()
                writer.transport.abort()
            for _ in range(_TURNS):
                if connection.fileno() < 0:
                    break
                await asyncio.sleep(_TURN_S)  # its transport closes it in one of the next turns of the loop

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, secure: bool) -> None:
        async with asyncio.timeout(_HEAD_S):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request = _read_head(head, number, secure)
        if request is None:
            return
        if len(self.received) < _KEPT:
            self.received.append(request)
        if not _is_handshake(request):
            writer.write(_REFUSAL)
            await writer.drain()
            return
        accept = accept_for(request.header("sec-websocket-key") or "")
        answer = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        writer.write(answer.encode())
        await writer.drain()
        await reader.read(1)


def _read_head(head: str, server: int, secure: bool) -> Received | None:
    """Return the request of a head; the preface of HTTP/2 is one with version 2; None when it is none."""
    first, *lines = head.split("\r\n")
    match = _LINE.match(first)
    if match is None:
        return None
    pairs = [line.partition(":") for line in lines[:_HEADERS] if ":" in line]
    headers = tuple((name.strip()[:80], value.strip()[:_VALUE]) for name, _, value in pairs)
    version = match[3].removesuffix(".0") if match[3].startswith("2") else match[3]
    return Received(method=match[1], resource=match[2][:_VALUE], version=version, headers=headers, secure=secure, server=server)


def _is_handshake(request: Received) -> bool:
    """Tell whether a server has to accept it (RFC 6455 section 4.2.1)."""
    tokens = [token.strip().lower() for name, value in request.headers if name.lower() == "connection" for token in value.split(",")]
    upgrade = (request.header("upgrade") or "").lower()
    return (
        (request.method, request.version) == ("GET", "1.1")
        and upgrade == "websocket"
        and "upgrade" in tokens
        and bool(request.header("sec-websocket-key"))
        and request.header("sec-websocket-version") == "13"
    )
