"""An upstream that accepts opening handshakes and answers with what it received, and a client that tells what came back."""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

HANDSHAKE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def _head(connection: socket.socket) -> bytes:
    seen = b""
    while b"\r\n\r\n" not in seen and len(seen) < 65536:
        more = connection.recv(65536)
        if not more:
            return b""
        seen += more
    return seen


def _serve(connection: socket.socket, name: str) -> None:
    with connection, suppress(OSError):
        while head := _head(connection):
            line, *rest = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
            headers = {key.lower(): value.strip() for key, _, value in (x.partition(":") for x in rest)}
            seen = json.dumps({"name": name, "line": line, "headers": headers})
            tunnel = headers.get("upgrade", "").lower() == "websocket" and "upgrade" in headers.get("connection", "").lower()
            if not tunnel:
                connection.sendall(f"HTTP/1.1 426 Upgrade Required\r\nX-Seen: {seen}\r\nContent-Length: 0\r\n\r\n".encode())
                continue
            accept = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
            connection.sendall(f"HTTP/1.1 101 Switching Protocols\r\n{accept}X-Seen: {seen}\r\n\r\n".encode())
            while connection.recv(65536):
                pass
            return


@contextmanager
def upstream(name: str = "", host: str = "127.0.0.1") -> Iterator[int]:
    """Serve on a free loopback port and give it; name stands in what is told."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind((host, 0))
        listener.listen(64)
        stopped = threading.Event()

        def accept() -> None:
            while not stopped.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_serve, args=(connection, name), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            stopped.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def handshake(
    port: int,
    path: str = "/ws",
    *,
    host: str = "a.test",
    more: str = "",
    upgrade: str = HANDSHAKE,
    wait_s: float = 10.0,
    hold: bool = False,
) -> dict[str, Any]:
    """Return status, the upstream's view, location, and with hold how long the silent socket lived (None: longer than wait_s)."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait_s) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{upgrade}{more}\r\n".encode())
        seen = _head(connection)
        started = time.monotonic()
        line, *rest = seen.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
        headers = {key.lower(): value.strip() for key, _, value in (x.partition(":") for x in rest)}
        lived: float | None = None
        if hold and " 101 " in line:
            with suppress(TimeoutError):
                connection.settimeout(wait_s)
                while connection.recv(4096):
                    pass
                lived = time.monotonic() - started
        status = int(line.split()[1]) if line else 0
        told = json.loads(headers["x-seen"]) if "x-seen" in headers else None
        return {"status": status, "seen": told, "headers": headers, "lived_s": lived}


@contextmanager
def started(command: list[str], ports: Iterable[int], folder: str, **more: Any) -> Iterator[bool]:
    """Start a proxy and wait for its ports; False when it ends by itself, which it does when somebody has taken one of them."""
    waiting = list(ports)
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    try:
        end = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < end and waiting:
            waiting = [port for port in waiting if not _listens(port)]
            time.sleep(0.02 if waiting else 0)
        yield process.poll() is None and not waiting
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
        return True
    return False
