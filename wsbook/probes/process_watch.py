"""The server's own process, where it runs on this machine: who listens on a port, and what it holds.

Reads only what the system tells about a process. It must not know what burdens it, nor what is too much.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct

__all__ = ["Reading", "Server", "find_server"]

_FREES_AT_ONCE = ("python", "gunicorn", "uvicorn", "hypercorn", "daphne", "nginx", "haproxy", "httpd", "apache2", "envoy")
"""Programs whose memory is given back, or used again, as soon as nothing refers to it; of all others growth may be garbage."""
_PASSES_ON = ("docker-proxy", "rootlessport", "ssh", "sshd", "kubectl", "socat", "slirp4netns", "pasta", "wslrelay.exe")
"""Programs that listen in another's place: their figures say nothing about the server."""
_MOST_PROCESSES = 64


class Reading(Struct, frozen=True, kw_only=True):
    """What a server holds at one moment, over all its processes. None: not told. Fields as in facts.Sample."""

    memory_bytes: int | None = None
    descriptors: int | None = None
    sockets: int | None = None
    close_wait: int | None = None
    threads: int | None = None
    cpu_s: float | None = None
    waiting_s: float | None = None


class Server:
    """The processes behind one listening port of this machine: those that listen, and their children."""

    def __init__(self, processes: Iterable[Any], name: str) -> None:
        self._processes = list(processes)
        self.name = name
        self.count = len(self._processes)
        self.collected = not name.lower().startswith(_FREES_AT_ONCE)

    def read(self) -> Reading | None:
        """Return what the processes hold together; None when the system does not tell, or one of them has gone."""
        import psutil

        try:
            return _joined([_read(process, alone=self.count == 1) for process in self._processes])
        except (psutil.Error, OSError):
            return None

    def waiting_s(self) -> float | None:
        """Return only Reading.waiting_s, which costs next to nothing."""
        return _sum(_waiting_s(process.pid) for process in self._processes)

    def running_s(self) -> float | None:
        """Return the processor time so far to the microsecond (Linux); None elsewhere, where it comes in ticks of 10 ms or so."""
        return _sum(_running_s(process.pid) for process in self._processes)

    def descriptor_limit(self) -> int | None:
        """Return how many descriptors the tightest of the processes may open, None where that is not told or has no end."""
        import psutil

        limits: list[int] = []
        for process in self._processes:
            try:
                limits.append(process.rlimit(psutil.RLIMIT_NOFILE)[0])
            except (psutil.Error, OSError, AttributeError, ValueError):
                continue
        return min((limit for limit in limits if limit > 0), default=None)


def find_server(port: int) -> Server | str:
    """Return the server that listens on a TCP port of this machine, or the sentence why it cannot be watched."""
    import psutil

    try:
        found = [one for one in psutil.net_connections(kind="tcp") if one.status == psutil.CONN_LISTEN and one.laddr.port == port]
    except (psutil.Error, OSError):
        return "the system does not tell which process listens there"
    pids = {one.pid for one in found if one.pid}
    if not pids:
        whose = "belongs to a process of another user, or to a container" if found else "has no listener on this machine"
        return f"port {port} {whose}"
    try:
        return _server(pids, port)
    except (psutil.Error, OSError):
        return f"the process that listens on port {port} belongs to another user"


def _server(pids: set[int], port: int) -> Server | str:
    import psutil

    heads = {_head(psutil.Process(pid), port) for pid in pids}
    processes = dict.fromkeys(process for head in heads for process in (head, *head.children(recursive=True)))
    if os.getpid() in {process.pid for process in heads}:
        return "the server runs in the process that measures"
    if len(processes) > _MOST_PROCESSES:
        return f"the server has {len(processes)} processes, more than are watched"
    name = next(iter(heads)).name()
    if name.lower() in _PASSES_ON:
        return f"port {port} belongs to {name}, which passes on to a server elsewhere"
    return Server([process for process in processes if process.pid != os.getpid()], name)


def _head(process: Any, port: int) -> Any:
    """Return the topmost ancestor that listens on the port too: the master of preforked workers."""
    import psutil

    try:
        parent = process.parent()
        shares = parent is not None and any(
            one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in parent.net_connections(kind="tcp")
        )
    except (psutil.Error, OSError):
        return process
    return _head(parent, port) if shares else process


def _read(process: Any, *, alone: bool) -> Reading:
    with process.oneshot():
        times = process.cpu_times()
        count = process.num_fds if hasattr(process, "num_fds") else process.num_handles
        states = [one.status for one in process.net_connections(kind="tcp")]
        return Reading(
            memory_bytes=process.memory_info().rss if alone else _own_share(process),
            descriptors=count(),
            sockets=sum(state != "LISTEN" for state in states),
            close_wait=states.count("CLOSE_WAIT"),
            threads=process.num_threads(),
            cpu_s=times.user + times.system,
            waiting_s=_waiting_s(process.pid),
        )


def _own_share(process: Any) -> int:
    """Return resident memory with each shared page divided among those that share it, where the system tells."""
    full = process.memory_full_info()
    return int(getattr(full, "pss", 0) or full.rss)


def _waiting_s(pid: int) -> float | None:
    """Return how long the main thread was ready and had no processor, in s so far."""
    times = _schedule(Path(f"/proc/{pid}/schedstat"))
    return times[1] if times else None


def _running_s(pid: int) -> float | None:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir()) if sys.platform == "linux" else []
    except OSError:
        return None
    return _sum(times[0] if (times := _schedule(thread / "schedstat")) else None for thread in threads)


def _schedule(path: Path) -> tuple[float, float] | None:
    """Return (s on a processor, s ready and without one) of one thread so far (Linux: Documentation/scheduler/sched-stats.rst, in ns)."""
    if sys.platform != "linux":
        return None
    try:
        running, waiting, _ = path.read_text(encoding="ascii").split()
        return int(running) / 1e9, int(waiting) / 1e9
    except (OSError, ValueError):
        return None


def _joined(readings: list[Reading]) -> Reading:
    whole = {
        name: _sum(getattr(one, name) for one in readings) for name in ("memory_bytes", "descriptors", "sockets", "close_wait", "threads")
    }
    counts = {name: None if value is None else int(value) for name, value in whole.items()}
    return Reading(**counts, cpu_s=_sum(one.cpu_s for one in readings), waiting_s=_sum(one.waiting_s for one in readings))


def _sum(values: Iterable[float | None]) -> float | None:
    told = list(values)
    return sum(value for value in told if value is not None) if told and None not in told else None
