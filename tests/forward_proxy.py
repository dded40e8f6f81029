"""A tiny CONNECT proxy for tests of probes."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable

from misbehaving import serving

from wsbook.observation import Observation


class Proxy:
    """A tiny CONNECT proxy. answer None: it connects as asked, else it says this."""

    def __init__(self, answer: bytes | None, then: str = "close") -> None:
        self.answer = answer
        self.then = then
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(request)
        if self.answer is None:
            await self._relay(request, reader, writer)
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
