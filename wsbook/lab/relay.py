"""A machine on the way between clients and the deployment, with one of the habits that networks have.

It knows nothing of WebSockets, of the lab, or of the kernel's packets: what one read brings stands for a packet. Standard library only.

    relay.py swallow --listen PORT --to PORT --bytes 1400    what a client sends in larger pieces vanishes, with all that follows
    relay.py forget  --listen PORT --to PORT --seconds 3     what was silent for so long is passed on no more, and nobody is told
    relay.py resign  --listen PORT --to PORT --cert FILE     ends TLS with a certificate of its own and begins it anew behind
    relay.py tunnel  --listen PORT --allow 443               a forward proxy that opens tunnels to these ports only
    relay.py mute    --listen PORT                           SYNs to the port are dropped: its queue of new connections is full
"""

import argparse
import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Awaitable, Callable

READ_BYTES = 65536
HEAD_S = 5.0
ANSWER = (
    "HTTP/1.1 {status}\r\nServer: gatehouse/2.1\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n"
    "Via: 1.1 gatehouse\r\nConnection: close\r\n\r\n{body}"
)
PAGE = "<html><head><title>{title}</title></head><body>No tunnel for you.</body></html>\n"

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Line:
    """What the two directions of one connection share. cut: nothing is passed on any more."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.most = options.bytes
        self.idle_s = options.seconds
        self.spoke = time.monotonic()
        self.cut = False

    def passes(self, data: bytes, outward: bool) -> bool:
        """Tell whether this piece is passed on; outward: it comes from the client."""
        now = time.monotonic()
        self.cut = self.cut or bool(self.most and outward and len(data) > self.most) or bool(self.idle_s and now - self.spoke > self.idle_s)
        self.spoke = now
        return not self.cut


async def copy(line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, outward: bool) -> None:
    """Pass on one direction until it ends; a line that is cut passes not even its end."""
    with contextlib.suppress(OSError):
        while data := await reader.read(READ_BYTES):
            if line.passes(data, outward):
                writer.write(data)
                await writer.drain()
        if not line.cut:
            writer.close()


async def join(line: Line, inner: Ends, outer: Ends) -> None:
    """Pass on both directions, and leave nothing open when both have ended."""
    try:
        await asyncio.gather(copy(line, outer[0], inner[1], True), copy(line, inner[0], outer[1], False))
    finally:
        inner[1].close()
        outer[1].close()


def passing(options: argparse.Namespace, context: ssl.SSLContext | None) -> Serve:
    """Return what serves one client by passing on to the deployment; context: how it is dialled there."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner = await asyncio.open_connection("127.0.0.1", options.to, ssl=context)
        except OSError:
            writer.close()
            return
        await join(Line(options), inner, (reader, writer))

    return serve


def refusal(status: str, title: str) -> bytes:
    """Return an answer of the forward proxy."""
    body = PAGE.format(title=title)
    return ANSWER.format(status=status, length=len(body), body=body).encode()


async def reached(host: str, port: int) -> Ends | None:
    """Return a connection to a server, None when there is none."""
    try:
        return await asyncio.open_connection(host, port)
    except OSError:
        return None


def tunnelling(options: argparse.Namespace) -> Serve:
    """Return what serves one client as a forward proxy."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(HEAD_S):
                request = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = request.decode("latin-1").split(" ", 2)
            host, _, port = target.rpartition(":")
            if method != "CONNECT" or int(port) not in options.allow:
                writer.write(refusal("403 Forbidden", "Access denied by policy"))
            elif inner := await reached(host.strip("[]"), int(port)):
                writer.write(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 gatehouse\r\n\r\n")
                await join(Line(options), inner, (reader, writer))
            else:
                writer.write(refusal("502 Bad Gateway", "The server is not reached"))
            await writer.drain()
        writer.close()

    return serve


async def mute(port: int) -> None:
    """Listen and accept nobody, with as many connections waiting as the queue takes."""
    with socket.socket() as listener, contextlib.ExitStack() as waiting:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        for _ in range(4):
            filler = waiting.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        await asyncio.Future()


def contexts(cert: str) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """Return how clients are met and how the deployment is dialled: with TLS on both sides, or without on both."""
    if not cert:
        return None, None
    outer = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    outer.load_cert_chain(cert)
    outer.set_alpn_protocols(["http/1.1"])
    inner = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    inner.check_hostname, inner.verify_mode = False, ssl.CERT_NONE
    return outer, inner


async def main(options: argparse.Namespace) -> None:
    """Serve until the process is stopped."""
    if options.habit == "mute":
        await mute(options.listen)
    outer, inner = contexts(options.cert)
    serve = tunnelling(options) if options.habit == "tunnel" else passing(options, inner)
    hosts = ["127.0.0.1", "::1"] if options.both else ["127.0.0.1"]
    async with await asyncio.start_server(serve, hosts, options.listen, ssl=outer) as server:
        await server.serve_forever()


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description="A machine on the way.")
    parser.add_argument("habit", choices=("swallow", "forget", "resign", "tunnel", "mute"))
    parser.add_argument("--listen", type=int, required=True, metavar="PORT")
    parser.add_argument("--both", action="store_true", help="listen on ::1 too")
    parser.add_argument("--to", type=int, default=0, metavar="PORT")
    parser.add_argument("--bytes", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--cert", default="", metavar="FILE")
    parser.add_argument("--allow", type=int, action="append", default=[], metavar="PORT")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
