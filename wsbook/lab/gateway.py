"""A gateway on the way that reads the messages of a deployment's sockets and does to them what such machines do.

It counts messages, in both directions together unless it says otherwise, and prints what it did once a second. It takes compression out of
the handshake, so that messages can be read. Standard library only.

    gateway.py sift  --listen PORT --to PORT --word event      a message from the server that holds the word vanishes
    gateway.py plant --listen PORT --to PORT --lose 10000      each so many-th message from the server vanishes
                     --double 500 --swap 700                   comes twice; comes after the one that follows it
                     --delay 0.05 --uplink 0.05                everything from the server, or to it, comes so many seconds later
                     --late 100                                each so many-th piece from the server, and what follows it, LATE_S later
                     --stall 1.0 --after 5.0                   everything stands still once, so long after the first message
"""

import argparse
import asyncio
import contextlib
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator

HEAD_S, GONE_S, SWAP_S, LATE_S, READ_BYTES, WAITING = 5.0, 1.0, 0.2, 0.2, 262_144, 4096
"""What the server still says to a client that has gone is waited for GONE_S. A message that waits for the one after it goes on after
SWAP_S, in place, when none came. WAITING: pieces that one connection delays."""


def complete(data: bytes) -> int:
    """Return how long the first frame of data is with its head, 0 when the head is not all there (RFC 6455 section 5.2)."""
    if len(data) < 2:
        return 0
    length, head = data[1] & 0x7F, 2 + 4 * (data[1] >> 7)
    more = {126: 2, 127: 8}.get(length, 0)
    if len(data) < head + more:
        return 0
    return head + more + (int.from_bytes(data[2 : 2 + more]) if more else length)


class Messages:
    """Cuts what comes in pieces into messages: the frames of one message together, control frames by themselves."""

    def __init__(self) -> None:
        self.rest = b""
        self.parts = b""

    def take(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """Yield (bytes, whether it is a message of the application)."""
        self.rest += data
        begin, rest = 0, self.rest
        while (length := complete(rest[begin : begin + 14])) and len(rest) - begin >= length:
            frame, opcode, final = rest[begin : begin + length], rest[begin] & 0x0F, bool(rest[begin] & 0x80)
            begin += length
            if opcode >= 8:
                yield frame, False
                continue
            self.parts += frame
            if final:
                whole, self.parts = self.parts, b""
                yield whole, True
        self.rest = rest[begin:]


class Gateway:
    """What all connections share: the options, the count of messages, and when everything stands still."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.count = 0
        self.did: Counter[str] = Counter()
        self.stands_at: float | None = None

    def pause_s(self) -> float:
        """Return how long everything has to stand still from now on."""
        if not self.options.stall or self.stands_at is None:
            return 0.0
        since = time.monotonic() - self.stands_at
        return self.options.stall - since if 0.0 <= since < self.options.stall else 0.0

    def outcome(self, message: bytes) -> str:
        """Return what becomes of the next message from the server: "", lost, doubled or swapped."""
        self.count += 1
        if self.stands_at is None:
            self.stands_at = time.monotonic() + self.options.after
        if self.options.habit == "sift":
            return "lost" if self.options.word.encode() in message else ""
        turns = (("lost", self.options.lose), ("doubled", self.options.double), ("swapped", self.options.swap))
        return next((name for name, each in turns if each and self.count % each == 0), "")


class Outlet:
    """One direction of a connection: in order, later by the delay, and not while everything stands still."""

    def __init__(self, gateway: Gateway, writer: asyncio.StreamWriter, delay_s: float) -> None:
        self.gateway, self.writer, self.delay_s = gateway, writer, delay_s
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.pieces = 0
        self.held = b""
        self.held_at = 0.0
        self.more = asyncio.Event()
        self.room = asyncio.Event()
        self.ended = False

    def put(self, data: bytes) -> None:
        """Send this after the delay, and after what was put before."""
        self.pieces += 1
        late = self.gateway.options.late
        due = time.monotonic() + self.delay_s + (LATE_S if late and self.pieces % late == 0 else 0.0)
        self.waiting.append((due, data))
        self.more.set()

    def message(self, data: bytes) -> None:
        """Send a message of the application, or do to it what its turn says; one that is held goes after the next."""
        what = self.gateway.outcome(data)
        if what == "swapped" and not self.held:
            self.held, self.held_at = data, time.monotonic()
            self.more.set()
            return
        if what != "lost":
            self.put(data * 2 if what == "doubled" else data)
        if what in ("lost", "doubled"):
            self.gateway.did[what] += 1
        if self.held and what != "lost":
            self.gateway.did["swapped"] += 1
            self.release()

    async def has_room(self) -> None:
        """Wait while too much waits."""
        while len(self.waiting) > WAITING:
            self.room.clear()
            await self.room.wait()

    def end(self) -> None:
        """Note that nothing more comes."""
        self.ended = True
        self.more.set()

    def release(self) -> None:
        """Let a held message go."""
        held, self.held = self.held, b""
        if held:
            self.put(held)

    async def run(self) -> None:
        """Send until the server's side has ended and nothing waits."""
        while self.waiting or self.held or not self.ended:
            if not self.waiting:
                await self.idle()
                continue
            due, data = self.waiting.popleft()
            self.room.set()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await asyncio.sleep(self.gateway.pause_s())
            self.writer.write(data)
            await self.writer.drain()

    async def idle(self) -> None:
        """Wait for more; a message that waited for another long enough goes on alone."""
        self.more.clear()
        rest_s = self.held_at + SWAP_S - time.monotonic()
        if self.held and (rest_s <= 0 or self.ended):
            self.release()
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.more.wait(), rest_s if self.held else None)


async def inward(reader: asyncio.StreamReader, outlet: Outlet) -> None:
    """Pass on what a client sends."""
    sending = asyncio.ensure_future(outlet.run())
    try:
        while data := await reader.read(READ_BYTES):
            outlet.put(data)
            await outlet.has_room()
        outlet.end()
        await sending
    finally:
        sending.cancel()
    if outlet.writer.can_write_eof():
        outlet.writer.write_eof()


async def outward(reader: asyncio.StreamReader, outlet: Outlet, upgraded: bool) -> None:
    """Pass on what the server sends: the head as it is, then message by message when it has switched protocols."""
    head = await reader.readuntil(b"\r\n\r\n")
    outlet.writer.write(head)
    messages = Messages() if upgraded and b" 101 " in head.split(b"\r\n", 1)[0] else None
    while data := await reader.read(READ_BYTES):
        for piece, whole in messages.take(data) if messages else ((data, False),):
            outlet.message(piece) if whole else outlet.put(piece)
        await outlet.has_room()
    outlet.end()


def plain(head: bytes) -> bytes:
    """Return a request without the offer to compress."""
    lines = head.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(b"sec-websocket-extensions:"))


async def join(gateway: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one client; a request that is no upgrade is passed on too, one for each connection."""
    async with asyncio.timeout(HEAD_S):
        head = await reader.readuntil(b"\r\n\r\n")
    upgraded = b"\r\nupgrade:" in head.lower()
    if not upgraded:  # the next request may be an upgrade, and has to be seen
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"connection:", b"keep-alive:"))]
        head = b"\r\n".join([lines[0], b"Connection: close", *lines[1:]])
    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", gateway.options.to)
    outlet, tasks = Outlet(gateway, writer, gateway.options.delay), list[asyncio.Future[None]]()
    inlet = Outlet(gateway, inner_writer, gateway.options.uplink)
    try:
        inlet.put(plain(head))
        work = (inward(reader, inlet), outward(inner_reader, outlet, upgraded), outlet.run())
        tasks += [asyncio.ensure_future(one) for one in work]
        told = asyncio.gather(*tasks[1:])
        await asyncio.wait((tasks[0], told), return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait_for(told, GONE_S if tasks[0].done() else None)  # to a client that has gone not much is told
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        inner_writer.close()


async def tell(gateway: Gateway) -> None:
    """Print what was done, once a second while there is news."""
    told = ""
    while True:
        await asyncio.sleep(1.0)
        words = f"messages={gateway.count} " + " ".join(f"{name}={gateway.did[name]}" for name in ("lost", "doubled", "swapped"))
        if words != told:
            print(words, flush=True)
        told = words


async def main(options: argparse.Namespace) -> None:
    """Serve until the process is stopped."""
    gateway = Gateway(options)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await join(gateway, reader, writer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", options.listen) as server:
        telling = asyncio.ensure_future(tell(gateway))
        try:
            await server.serve_forever()
        finally:
            telling.cancel()


def arguments(argv: list[str]) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description="A gateway on the way.")
    parser.add_argument("habit", choices=("sift", "plant"))
    parser.add_argument("--listen", type=int, required=True, metavar="PORT")
    parser.add_argument("--to", type=int, required=True, metavar="PORT")
    parser.add_argument("--word", default="")
    for name in ("lose", "double", "swap", "late"):
        parser.add_argument(f"--{name}", type=int, default=0, metavar="EACH")
    for name in ("delay", "uplink", "stall", "after"):
        parser.add_argument(f"--{name}", type=float, default=0.0, metavar="SECONDS")
    return parser.parse_args(argv)


if __name__ == "__main__":
    asyncio.run(main(arguments(sys.argv[1:])))
