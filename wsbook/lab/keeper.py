"""Keep the processes of one lab: start them, report them, and end them when whoever asked for them is gone.

Runs as a process of its own, standard library only, and knows nothing of WebSockets. Reads one line of JSON from its
standard input: {"processes": [{name, argv, cwd, env, output, gentle}], "remove": folder or ""}. Writes one line of JSON
with the pids, then one line for each process that ends early. The lab lives as long as standard input stays open: the
kernel closes it when the owner dies, by SIGKILL too. Should the keeper itself be killed, Linux ends its children.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

GRACE_S = 0.6
OWNER_CHECK_S = 1.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Stopped(Exception):  # noqa: N818 - a signal, not an error
    """The owner is gone or asked us to end."""


def dying_with_us(signum: int) -> Callable[[], None] | None:
    """Return what a child does before exec so that it gets signum when this process dies; None where unsupported."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    keeper = os.getpid()

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, signum)
        if os.getppid() != keeper:
            os._exit(1)

    return before_exec


def start(process: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start one process with its output appended to a file."""
    with Path(process["output"]).open("ab") as output:
        return subprocess.Popen(
            process["argv"],
            cwd=process["cwd"],
            env=process["env"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=dying_with_us(signal.SIGTERM if process["gentle"] else signal.SIGKILL),
        )


def tell(message: dict[str, Any]) -> None:
    """Write one line to the owner; nobody may be reading any more."""
    try:
        os.write(1, json.dumps(message).encode() + b"\n")
    except OSError:
        return


def end(children: dict[str, "subprocess.Popen[bytes]"]) -> None:
    """Terminate all children, and kill what is left of their sessions after GRACE_S."""
    for child in children.values():
        if child.poll() is None:
            child.terminate()
    deadline = time.monotonic() + GRACE_S
    for child in children.values():
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    for child in children.values():
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def watch(children: dict[str, "subprocess.Popen[bytes]"]) -> None:
    """Report early ends until the owner goes away."""
    told: set[str] = set()
    owner = os.getppid()

    def on_child(_signum: int, _frame: FrameType | None) -> None:
        for name, child in children.items():
            if name not in told and child.poll() is not None:
                told.add(name)
                tell({"ended": name, "status": child.returncode})

    def on_alarm(_signum: int, _frame: FrameType | None) -> None:
        if os.getppid() != owner:
            raise Stopped

    def on_stop(_signum: int, _frame: FrameType | None) -> None:
        raise Stopped

    signal.signal(signal.SIGCHLD, on_child)
    signal.signal(signal.SIGALRM, on_alarm)
    signal.signal(signal.SIGTERM, on_stop)
    signal.setitimer(signal.ITIMER_REAL, OWNER_CHECK_S, OWNER_CHECK_S)
    on_child(0, None)
    try:
        while os.read(0, 4096):
            continue
    except Stopped:
        return
    finally:
        for signum in (signal.SIGCHLD, signal.SIGALRM, signal.SIGTERM):
            signal.signal(signum, signal.SIG_IGN if signum != signal.SIGCHLD else signal.SIG_DFL)


def main() -> None:
    """Do as the first line of standard input says."""
    order = json.loads(sys.stdin.buffer.readline())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for process in order["processes"]:
            children[process["name"]] = start(process)
        tell({"pids": {name: child.pid for name, child in children.items()}})
        watch(children)
    finally:
        end(children)
        if order["remove"]:
            shutil.rmtree(order["remove"], ignore_errors=True)


if __name__ == "__main__":
    main()
