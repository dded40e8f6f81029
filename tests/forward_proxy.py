"""Forward proxies for tests: a tiny one that connects, and the answers of products that refuse."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable

from misbehaving import Peer, serving

from wsbook.observation import Observation

SQUID = (
    b"HTTP/1.1 403 Forbidden\r\nServer: squid/5.7\r\nMime-Version: 1.0\r\nContent-Type: text/html\r\nContent-Length: 68\r\n"
    b"X-Squid-Error: ERR_ACCESS_DENIED 0\r\nX-Cache: MISS from gate\r\nVia: 1.1 gate (squid/5.7)\r\nConnection: keep-alive\r\n\r\n"
    b"<html><title>ERROR: The requested URL could not be retrieved</title>"
)
SQUID_LOGIN = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\nServer: squid/5.7\r\nX-Squid-Error: ERR_CACHE_ACCESS_DENIED 0\r\n"
    b'Proxy-Authenticate: Basic realm="office, floor 2"\r\nContent-Length: 0\r\n\r\n'
)
BLUE_COAT = (
    b'HTTP/1.1 403 Forbidden\r\nCache-Control: no-cache\r\nConnection: close\r\nContent-Type: text/html; charset="UTF-8"\r\n'
    b"X-Bluecoat-Via: 5f0a9c6b1d2e3f40\r\n\r\n<HTML><HEAD>\n<TITLE>Access Denied</TITLE></HEAD><BODY>policy_denied</BODY></HTML>"
)
ZSCALER = (
    b"HTTP/1.0 403 Forbidden\r\nServer: Zscaler/6.2\r\nContent-Type: text/html\r\n\r\n"
    b"<html><head><title>Internet Security by Zscaler</title>"
)
WINDOWS_LOGIN = (
    b"HTTP/1.1 407 Proxy Authentication Required ( The ISA Server requires authorization )\r\nVia: 1.1 ISA\r\n"
    b"Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: Kerberos\r\nProxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n"
)
DIGEST_LOGIN = (
    b'HTTP/1.1 407 Authentication Required\r\nProxy-Authenticate: Digest realm="a", nonce="b", qop="auth", Basic realm="a"\r\n\r\n'
)
NO_CONNECT = b"HTTP/1.1 405 Method Not Allowed\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n"
NOT_THROUGH = b"HTTP/1.1 503 Service Unavailable\r\nServer: squid/5.7\r\nX-Squid-Error: ERR_CONNECT_FAIL 111\r\nContent-Length: 0\r\n\r\n"


class Proxy:
    """A tiny CONNECT proxy. answer None: it connects as asked, else it says this.

    then: close, keep or reset. only: the ports that it connects to; others get the answer, or b"" nothing.
    """

    def __init__(self, answer: bytes | None, then: str = "close", only: tuple[int, ...] = ()) -> None:
        self.answer = answer
        self.then = then
        self.only = only
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(request)
        if self.answer is None or any(f":{port} ".encode() in request for port in self.only):
            await self._relay(request, reader, writer)
        elif self.then == "reset":
            Peer(reader, writer).reset()
        else:
            writer.write(self.answer)
            await writer.drain()
            if self.then == "keep":
                await reader.read(1)

    async def _relay(self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = int(request.split(b" ")[1].rpartition(b":")[2])
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: tiny\r\n\r\n")

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                sink.write(data)
            sink.close()

        try:
            await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer), return_exceptions=True)
        finally:
            far_writer.transport.abort()


async def through(
    proxy: Proxy, use: Callable[[str], Awaitable[Observation]], context: ssl.SSLContext | None = None, credentials: str = ""
) -> Observation:
    async with serving(proxy.serve, context=context) as port:
        return await use(f"{'https' if context else 'http'}://{credentials}127.0.0.1:{port}")
