"""How late messages leave that are due by the clock: 1000 a second, by the kernel's stamps on the receiving socket.

    python benchmarks/pacing.py [--rate 1000] [--seconds 5] [--rounds 3]

A server in a process of its own reads when each message was due, which our messages say themselves, and when the kernel got it
(SO_TIMESTAMPNS; Linux). Beside wsbook's engines a plain loop of ``asyncio.sleep`` sends the same messages, and one on uvloop where it is
installed. The bars: a median of at most 75 µs, and no message before it was due.
"""

import argparse
import contextlib
import json
import multiprocessing
import socket
import statistics
import struct
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from multiprocessing.connection import Connection

from peers import measuring

from wsbook.wire.handshake import accept_for

SO_TIMESTAMPNS = 35
BAR_US = 75.0
SIZE = 64

ASYNCIO = """
import asyncio, os, struct, sys, time

async def run(port, rate, seconds):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\\r\\nHost: x\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
                 b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n")
    await reader.readuntil(b"\\r\\n\\r\\n")
    begin, epoch = time.monotonic_ns() + 20_000_000, time.time_ns() - time.monotonic_ns()
    for number in range(int(rate * seconds)):
        due = begin + int(number * 1e9 / rate)
        while (left := due - time.monotonic_ns()) > 0:
            await asyncio.sleep(left / 1e9)
            if UVLOOP:
                break
        writer.write(b"\\x82\\xc0\\0\\0\\0\\0" + struct.pack("<IIQQ", 1, 0, number, due + epoch) + bytes(40))
    await asyncio.sleep(0.2)
    writer.close()

UVLOOP = sys.argv[4] == "uvloop"
if UVLOOP:
    import uvloop
    uvloop.run(run(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
else:
    asyncio.run(run(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
"""


def _messages(sock: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Yield the kernel's stamp in ns since the epoch and the payload of each message of SIZE bytes; echo every one."""
    data = b""
    while True:
        part, ancillary, _, _ = sock.recvmsg(4096, 64)
        if not part:
            return
        stamp = next((struct.unpack("@ll", content) for level, kind, content in ancillary if kind == SO_TIMESTAMPNS), None)
        if stamp is None:
            raise SystemExit("the kernel gave no stamp")
        data += part
        while len(data) >= SIZE + 6 and data[:2] == bytes((0x82, 0x80 | SIZE)):
            mask, body, data = data[2:6] * (SIZE // 4), data[6 : SIZE + 6], data[SIZE + 6 :]
            payload = bytes(a ^ b for a, b in zip(body, mask, strict=True))
            sock.sendall(bytes((0x82, SIZE)) + payload)
            yield stamp[0] * 10**9 + stamp[1], payload
        if data[:1] == b"\x88":
            return


def receive(pipe: Connection) -> None:
    """Serve one connection after the other; send the port, then of each connection how late its messages were, in ns."""
    listener = socket.create_server(("127.0.0.1", 0))
    pipe.send(listener.getsockname()[1])
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(4096)
        key = next(line[19:].strip() for line in head.decode("latin-1").split("\r\n") if line.lower().startswith("sec-websocket-key:"))
        answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        sock.sendall(f"{answer}Sec-WebSocket-Accept: {accept_for(key)}\r\n\r\n".encode())
        late = list[int]()
        with contextlib.suppress(ConnectionError):
            for stamp, payload in _messages(sock):
                late.append(stamp - struct.unpack_from("<Q", payload, 16)[0])
        sock.close()
        pipe.send(late)


def command(peer: str, port: int, rate: float, seconds: float) -> tuple[list[str], str]:
    """Return what sends, and its standard input."""
    if peer in ("asyncio", "uvloop"):
        return [sys.executable, "-c", ASYNCIO, str(port), str(rate), str(seconds), peer], ""
    plan = {"attempt": {"url": f"ws://127.0.0.1:{port}/"}, "connections": 1, "rate": rate, "size_bytes": SIZE, "seconds": seconds}
    return [measuring.PYTHON, "-m", "wsbook.probes.generator"], json.dumps({**plan, "engine": peer})


def main() -> int:
    """Measure and print; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    needed = {"compiled": "numba", "uvloop": "uvloop"}
    for peer, module in needed.items():
        if find_spec(module) is None:
            print(f"{peer}: skipped, {module} is not installed")
    peers = [peer for peer in ("compiled", "numpy", "asyncio", "uvloop") if find_spec(needed.get(peer, "asyncio"))]
    context = multiprocessing.get_context("spawn")
    mine, other = context.Pipe()
    server = context.Process(target=receive, args=(other,), daemon=True)
    server.start()
    port = mine.recv()
    medians: dict[str, list[float]] = {peer: [] for peer in peers}
    early = dict.fromkeys(peers, 0)
    for turn in range(options.rounds):
        for peer in peers:
            started, given = command(peer, port, options.rate, options.seconds)
            subprocess.run(started, input=given, text=True, capture_output=True, check=True)
            late = sorted(mine.recv())
            medians[peer].append(statistics.median(late) / 1000)
            early[peer] += sum(one < 0 for one in late)
            most, first = late[len(late) * 9 // 10] / 1000, late[0] / 1000
            shown = f"median {medians[peer][-1]:7.1f} µs, 90 % {most:8.1f} µs, earliest {first:+8.1f} µs"
            print(f"round {turn + 1}: {peer:9} {shown}, {len(late):,} messages", flush=True)
    server.terminate()
    server.join()
    for peer in peers:
        found = medians[peer]
        shown = f"{min(found):.1f}/{statistics.median(found):.1f}/{max(found):.1f}"
        print(f"{peer:9} median lateness min/median/max {shown} µs, {early[peer]} early")
    ours = [peer for peer in ("compiled", "numpy") if peer in peers]
    return int(any(statistics.median(medians[peer]) > BAR_US or early[peer] for peer in ours))


if __name__ == "__main__":
    sys.exit(main())
