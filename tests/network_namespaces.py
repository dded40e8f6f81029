"""Three network namespaces in a row, client, router and server, for tests that need real packets to be dropped on the way.

They need root and the program ip. Where they cannot be made the test skips with that reason, and fails when WSBOOK_REQUIRE names netns.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from conftest import REQUIRED, find

CLIENT, ROUTER, SERVER = "wsbook-c", "wsbook-r", "wsbook-s"
SERVER_4, SERVER_6, ROUTER_4 = "10.213.2.2", "fd00:213:2::2", "10.213.1.1"
_PLACES = f"""
netns add {CLIENT}
netns add {ROUTER}
netns add {SERVER}
link add c0 netns {CLIENT} type veth peer name r0 netns {ROUTER}
link add r1 netns {ROUTER} type veth peer name s0 netns {SERVER}
-n {CLIENT} addr add 10.213.1.2/24 dev c0
-n {ROUTER} addr add {ROUTER_4}/24 dev r0
-n {ROUTER} addr add 10.213.2.1/24 dev r1
-n {SERVER} addr add {SERVER_4}/24 dev s0
-n {CLIENT} addr add fd00:213:1::2/64 dev c0 nodad
-n {ROUTER} addr add fd00:213:1::1/64 dev r0 nodad
-n {ROUTER} addr add fd00:213:2::1/64 dev r1 nodad
-n {SERVER} addr add {SERVER_6}/64 dev s0 nodad
-n {CLIENT} link set lo up
-n {SERVER} link set lo up
-n {CLIENT} link set c0 up
-n {ROUTER} link set r0 up
-n {ROUTER} link set r1 up
-n {SERVER} link set s0 up
-n {CLIENT} route add default via {ROUTER_4}
-n {SERVER} route add default via 10.213.2.1
-n {CLIENT} route add default via fd00:213:1::1
-n {SERVER} route add default via fd00:213:2::1
"""


def ip(line: str) -> None:
    """Run ip with the words of a line.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    subprocess.run([str(find("ip")), *line.split()], check=True, capture_output=True)


def inside(namespace: str, *argv: str) -> list[str]:
    """Return the command that runs a program in a namespace."""
    return [str(find("ip")), "netns", "exec", namespace, *argv]


@cache
def why_not() -> str:
    """Return why namespaces cannot be made here, "" when they can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "needs root on Linux"
    if not find("ip") or not find("sysctl"):
        return "needs ip and sysctl"
    try:
        ip("netns add wsbook-try")
        ip("netns del wsbook-try")
    except subprocess.CalledProcessError as error:
        return f"network namespaces cannot be made: {error.stderr.decode()[:200]}"
    return ""


def needs_namespaces() -> pytest.MarkDecorator:
    """Mark a test that needs network namespaces."""
    if why_not() and "netns" in REQUIRED:
        return pytest.mark.usefixtures("required_program_missing")
    return pytest.mark.skipif(bool(why_not()), reason=f"network namespaces: {why_not()}")


def _remove() -> None:
    for name in (CLIENT, ROUTER, SERVER):
        subprocess.run([str(find("ip")), "netns", "del", name], capture_output=True)


def _set(namespace: str, *settings: str) -> None:
    subprocess.run(inside(namespace, str(find("sysctl")), "-qw", *settings), check=True, capture_output=True)


@contextmanager
def namespaces() -> Iterator[None]:
    """Make the three namespaces, with a router that forwards, and remove them."""
    _remove()
    try:
        for line in _PLACES.strip().splitlines():
            ip(line)
            if line.startswith("netns add"):
                _set(line.split()[-1], "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
        _set(ROUTER, "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        yield
    finally:
        _remove()


def look(code: str) -> Any:
    """Run Python code in the client's namespace; it prints JSON, which is returned."""
    argv = inside(CLIENT, sys.executable, "-c", code)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
