"""The processes of one lab, seen from their owner: started through the keeper, ready when they answer.

Knows nothing of faults, proxies or pages.
"""

import atexit
import contextlib
import http.client
import json
import os
import select
import socket
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from wsbook.errors import WsbookError

__all__ = ["EarlyEndError", "Held", "Process", "hold", "wait_until_ready"]

_STOP_S = 4.0
_POLL_S = 0.01
_TAIL_BYTES = 600


class EarlyEndError(WsbookError):
    """A process of the lab ended, or did not answer, before the lab was ready."""


class Process(Struct, frozen=True, kw_only=True):
    """One process to start. output: file for stdout and stderr. gentle: it has workers of its own to end (SIGTERM first)."""

    name: str
    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    output: str
    gentle: bool


class Held:
    """A running keeper and what it said."""

    def __init__(self, keeper: "subprocess.Popen[bytes]", outputs: dict[str, str]) -> None:
        self._keeper = keeper
        self._rest = b""
        self.outputs = outputs
        self.pids: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        atexit.register(self.stop)

    def listen(self, wait_s: float) -> None:
        """Take in what the keeper said; wait at most wait_s for it."""
        assert self._keeper.stdout is not None
        descriptor = self._keeper.stdout.fileno()
        if not select.select([descriptor], [], [], wait_s)[0]:
            return
        data = os.read(descriptor, 65536)
        if not data:
            raise EarlyEndError("the keeper of the lab's processes ended")
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            said: dict[str, Any] = json.loads(line)
            self.pids |= said.get("pids", {})
            if "ended" in said:
                self.ended[said["ended"]] = said["status"]

    def stop(self) -> None:
        """Close the keeper's standard input and wait until it has ended everything; a second call does nothing."""
        atexit.unregister(self.stop)
        if self._keeper.stdin is None or self._keeper.stdin.closed:
            return
        with contextlib.suppress(BrokenPipeError):
            self._keeper.stdin.close()
        try:
            self._keeper.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._keeper.terminate()
            self._keeper.wait()
        if self._keeper.stdout:
            self._keeper.stdout.close()


def hold(processes: list[Process], remove: str) -> Held:
    """Start the processes under a keeper; remove names a folder to delete at the end, empty for none."""
    keeper = subprocess.Popen(
        [sys.executable, "-I", "-S", str(files("wsbook.lab").joinpath("keeper.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert keeper.stdin is not None
    order = {"processes": [structs.asdict(process) for process in processes], "remove": remove}
    keeper.stdin.write(json.dumps(order).encode() + b"\n")
    keeper.stdin.flush()
    return Held(keeper, {process.name: process.output for process in processes})


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=0.5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _tail(path: str) -> str:
    try:
        return Path(path).read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
    except OSError:
        return ""


def wait_until_ready(held: Held, health_ports: list[int], listening: list[int], ready_s: float) -> dict[str, int]:
    """Return the pids by name once every instance says that it is healthy and somebody listens on each of the other ports.

    Raises:
        EarlyEndError: a process ended, or not all answered within ready_s.
    """
    deadline = time.monotonic() + ready_s
    waiting = list(health_ports)
    deaf = list(listening)
    while time.monotonic() < deadline:
        held.listen(_POLL_S)
        if held.ended:
            name, status = next(iter(held.ended.items()))
            raise EarlyEndError(f"the lab's {name} ended with status {status}: {_tail(held.outputs[name])}")
        waiting = [port for port in waiting if not _healthy(port)]
        deaf = [port for port in deaf if not _listens(port)]
        if held.pids and not waiting and not deaf:
            return held.pids
    tails = "; ".join(f"{name}: {_tail(output)}" for name, output in held.outputs.items())
    raise EarlyEndError(f"the lab did not answer within {ready_s:g} s; {tails}")
