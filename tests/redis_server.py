"""A real Redis server on loopback, with a password."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from conftest import find


@contextmanager
def redis_server(folder: Path, *secure: str) -> Iterator[int]:
    """Yield the port of a server whose password is pass:word. secure: options of TLS, with which it speaks nothing else."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ports = ["--port", "0", "--tls-port", str(port), *secure] if secure else ["--port", str(port)]
    argv = [find("redis-server") or "redis-server", *ports, "--bind", "127.0.0.1", "--save", "", "--requirepass", "pass:word"]
    process = subprocess.Popen([*argv, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
            break
        time.sleep(0.02)
    yield port
    process.terminate()
    process.wait(10)
