"""Servers for load, in a process of their own: a server in the test's process would be measured together with the generator.

The path selects what goes wrong, deterministically by the number that a message carries, so that tests know the counts. Frames are made by
hand, because most of these faults are such that no library commits them.

    with load_server() as server:
        plan = LoadPlan(attempt=Attempt(url=server.url("/drops?every=100")), rate=1000)
"""

import asyncio
import base64
import contextlib
import hashlib
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT_NUMBER = re.compile(rb"wsbook-[0-9a-f]{13}([0-9a-f]{9})")


class Running:
    """A server process. pid: to stop it with signals."""

    def __init__(self, process: "subprocess.Popen[str]", port: int, scheme: str, host: str) -> None:
        self.pid, self.port, self._base = process.pid, port, f"{scheme}://{host}:{port}"

    def url(self, path: str = "/echo") -> str:
        return self._base + path


@contextlib.contextmanager
def load_server(*, host: str = "127.0.0.1", certificate: Path | None = None) -> Iterator[Running]:
    """Start a server and stop it at the end. certificate: PEM with key, to speak TLS."""
    command = [sys.executable, str(Path(__file__)), host, *([str(certificate)] if certificate else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            shown = f"[{host}]" if ":" in host else "localhost" if certificate else host
            yield Running(process, port, "wss" if certificate else "ws", shown)
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


def frame(payload: bytes, opcode: int = 2, *, final: bool = True, mask: bytes = b"") -> bytes:
    """Return one frame, as a server sends it when mask is empty."""
    flag = 0x80 if mask else 0
    size = len(payload)
    head = bytes((opcode | (0x80 if final else 0), flag | (size if size < 126 else 126 if size < 65_536 else 127)))
    head += b"" if size < 126 else size.to_bytes(2 if size < 65_536 else 8, "big")
    return head + mask + (bytes(b ^ mask[i % 4] for i, b in enumerate(payload)) if mask else payload)


def number_of(payload: bytes) -> int:
    """Return the number that a message carries, -1 when it has none."""
    if found := _TEXT_NUMBER.search(payload):
        return int(found[1], 16)
    return struct.unpack_from("<Q", payload, 8)[0] if len(payload) >= 24 else -1


class Shared:
    """What the connections of a server know of one another."""

    upgrades = 0
    messages = 0
    rooms: ClassVar[dict[str, set["Peer"]]] = {}


class Peer(asyncio.Protocol):
    """One connection: reads its request, then frames."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.data, self.path, self.options = transport, b"", "", dict[str, str]()
        self.count = 0
        self.held: bytes | None = None
        self.pongs = 0
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, error: Exception | None) -> None:
        for room in Shared.rooms.values():
            room.discard(self)

    def data_received(self, data: bytes) -> None:
        self.data += data
        if not self.path:
            if b"\r\n\r\n" not in self.data:
                return
            self.accept()
        out: list[bytes] = []
        for opcode, payload in self.frames():
            if opcode == 8:
                out.append(frame(payload, 8))
                self.transport.write(b"".join(out))
                self.transport.close()
                return
            if opcode == 10:
                self.pongs += 1
            elif opcode in (1, 2):
                self.count += 1
                Shared.messages += 1
                out += self.answer(opcode, payload)
        if out:
            self.transport.write(b"".join(out))

    def accept(self) -> None:
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        parts = urlsplit(head.split()[1].decode())
        self.path, self.options = parts.path.strip("/"), dict(parse_qsl(parts.query))
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
        Shared.upgrades += 1
        if self.path == "third" and Shared.upgrades % 3 == 0:
            self.transport.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
            self.transport.close()
            return
        if self.path == "silent":
            return
        accept = base64.b64encode(hashlib.sha1((key[1] if key else b"") + _GUID).digest())
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        self.transport.write(answer + accept + b"\r\n\r\n" + (frame(b"welcome", 1) if "welcome" in self.options else b""))
        Shared.rooms.setdefault(self.options.get("room", self.path), set()).add(self)
        if self.path == "sequence":
            self.task = asyncio.get_running_loop().create_task(self.count_up())
        if self.path == "deaf":
            self.transport.pause_reading()

    def frames(self) -> Iterator[tuple[int, bytes]]:
        at, data = 0, self.data
        while len(data) - at >= 6:
            size, head = data[at + 1] & 127, 2
            if size >= 126:
                head = 4 if size == 126 else 10
                if len(data) - at < head:
                    break
                size = int.from_bytes(data[at + 2 : at + head], "big")
            end = at + head + 4 + size
            if len(data) < end:
                break
            mask, body = data[at + head : at + head + 4], data[at + head + 4 : end]
            key = (mask * (size // 4 + 1))[:size]
            opcode, at = data[at] & 15, end
            yield opcode, (int.from_bytes(body, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
        self.data = data[at:]

    def answer(self, opcode: int, payload: bytes) -> list[bytes]:
        """Return what goes back on this connection."""
        act = getattr(self, f"do_{self.path}", None)
        return act(opcode, payload) if act else [frame(payload, opcode)]

    def every(self, payload: bytes) -> bool:
        """Tell whether this message is one that something happens to."""
        period = int(self.options.get("every", "100"))
        return number_of(payload) % period == period // 2

    def do_drops(self, opcode: int, payload: bytes) -> list[bytes]:
        return [] if self.every(payload) else [frame(payload, opcode)]

    def do_loses(self, opcode: int, payload: bytes) -> list[bytes]:
        """Lose one message in so many, over all connections."""
        return [] if Shared.messages % int(self.options["every"]) == 0 else [frame(payload, opcode)]

    def do_doubles(self, opcode: int, payload: bytes) -> list[bytes]:
        return [frame(payload, opcode)] * (2 if self.every(payload) else 1)

    def do_swaps(self, opcode: int, payload: bytes) -> list[bytes]:
        if self.every(payload):
            self.held = frame(payload, opcode)
            return []
        held, self.held = self.held, None
        return [frame(payload, opcode), *([held] if held else [])]

    def do_mute(self, opcode: int, payload: bytes) -> list[bytes]:
        return []

    def do_wraps(self, opcode: int, payload: bytes) -> list[bytes]:
        """Answer with another text of changing length around the message, whatever it was."""
        return [frame(b'{"n": ' + b"1" * (self.count % 7 + 1) + b', "echo": ' + payload + b"}", 1)]

    def do_fragments(self, opcode: int, payload: bytes) -> list[bytes]:
        third = len(payload) // 3
        parts = payload[:third], payload[third : 2 * third], payload[2 * third :]
        return [frame(part, opcode if n == 0 else 0, final=n == 2) for n, part in enumerate(parts)]

    def do_pings(self, opcode: int, payload: bytes) -> list[bytes]:
        """Ping before every tenth answer; answer nothing more when the pongs do not come."""
        if self.count > 220 and self.pongs == 0:
            return []
        return [*([frame(b"are you there", 9)] if self.count % 10 == 0 else []), frame(payload, opcode)]

    def do_masks(self, opcode: int, payload: bytes) -> list[bytes]:
        return [frame(payload, opcode, mask=os.urandom(4))]

    def do_closes(self, opcode: int, payload: bytes) -> list[bytes]:
        if self.count <= int(self.options["after"]):
            return [frame(payload, opcode)]
        return [frame(int(self.options.get("code", "1013")).to_bytes(2, "big") + b"too much", 8)]

    def do_resets(self, opcode: int, payload: bytes) -> list[bytes]:
        if self.count > int(self.options["after"]):
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        return [frame(payload, opcode)]

    def do_ends(self, opcode: int, payload: bytes) -> list[bytes]:
        if self.count > int(self.options["after"]):
            self.transport.close()
            return []
        return [frame(payload, opcode)]

    def do_garbage(self, opcode: int, payload: bytes) -> list[bytes]:
        return [frame(payload, opcode) if self.count <= 10 else b"\xff\xfe this is no frame"]

    def do_endless(self, opcode: int, payload: bytes) -> list[bytes]:
        """After ten answers, begin a frame that announces 2**40 bytes."""
        return [frame(payload, opcode) if self.count <= 10 else b"\x82\x7f" + (2**40).to_bytes(8, "big") + payload]

    def do_forges(self, opcode: int, payload: bytes) -> list[bytes]:
        """Beside each answer, one that was never sent: a number far ahead, a negative one, another connection's."""
        ahead = payload[:8] + struct.pack("<Q", 2**63 + 5 if self.count % 2 else 10**9) + payload[16:]
        other = payload[:4] + struct.pack("<I", 77) + payload[8:]
        return [frame(payload, opcode), frame(ahead, opcode), frame(other, opcode), frame(b"hello", 1)]

    def do_late(self, opcode: int, payload: bytes) -> list[bytes]:
        delay_s = float(self.options["s"])
        asyncio.get_running_loop().call_later(delay_s, self.transport.write, frame(payload, opcode))
        return []

    def do_room(self, opcode: int, payload: bytes) -> list[bytes]:
        """Broadcast to everybody who listens; to the sender too when self is given."""
        everybody = sorted(Shared.rooms[self.options.get("room", self.path)], key=id)
        for place, peer in enumerate(everybody):
            if peer is self and "self" not in self.options:
                continue
            if peer is not self and "every" in self.options and self.every(payload) and place == self.first_other(everybody):
                continue
            peer.transport.write(frame(payload, opcode))
        return []

    def first_other(self, everybody: "list[Peer]") -> int:
        """Return the place of the first who is not the sender: the one who misses something."""
        return next(place for place, peer in enumerate(everybody) if peer is not self)

    async def count_up(self) -> None:
        """Send numbered messages; every so many is left out, sent twice, or sent after the next."""
        fault, period = self.options.get("fault", ""), int(self.options.get("every", "10"))
        number, first, last = 0, int(self.options.get("first", "1000")), int(self.options.get("count", "200"))
        await asyncio.sleep(float(self.options.get("wait", "0.3")))
        for number in range(first, first + last):
            text = b'{"kind": "tick", "data": [{"seq": %d}]}' % number
            special = number % period == period // 2
            if special and fault == "drops":
                continue
            if special and fault == "swaps":
                self.held = frame(text, 1)
                continue
            self.transport.write(frame(text, 1) * (2 if special and fault == "doubles" else 1))
            if self.held:
                self.transport.write(self.held)
                self.held = None
            await asyncio.sleep(0.002)


async def _main(host: str, certificate: str) -> None:
    context: Any = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    server = await asyncio.get_running_loop().create_server(Peer, host, 0, ssl=context, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""))
