"""A server that stands still for a second: the 99th percentile that we report, the true one, and what a closed-loop client reports.

    python benchmarks/stall.py [--seconds 20] [--stop 1] [--rate 1000] [--connections 10] [--rounds 3]

The echo server in C (needs cc) is stopped by a signal a third into the run. A client that sends by the clock has rate x stop messages due
meanwhile, each late by what is left of the stop, so the true percentile follows from the schedule: stop - 1 % of the run's length, plus
what an answer takes otherwise. The bar: at most 5 % from it. The closed-loop client needs websockets, and is skipped by name without.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from typing import IO

from peers import measuring

BAR = 0.05


def stalled(command: list[str], given: str, stream: str, sign: str, server: int, at_s: float, stop_s: float) -> tuple[str, float]:
    """Run a client and stop the server at_s after it began to send, which a line with sign on its stream tells.

    Returns: what it printed, and how long the server really stood still, in s.
    """
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(given)
    process.stdin.close()
    process.stdin = None
    told: IO[str] | None = getattr(process, stream)
    assert told is not None
    while line := told.readline():
        if sign in line:
            break
    time.sleep(at_s)
    os.kill(server, signal.SIGSTOP)
    begin = time.monotonic()
    try:
        time.sleep(stop_s)
    finally:
        os.kill(server, signal.SIGCONT)
    still_s = time.monotonic() - begin
    out, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"{command[1]} ended with {process.returncode}: {errors[-500:]}")
    return out, still_s


def main() -> int:
    """Measure and print; 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--stop", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    engines = [name for name, module in (("compiled", "numba"), ("numpy", "numpy")) if find_spec(module)]
    closed = [measuring.PYTHON, str(measuring.HERE / "closed_loop.py")]
    if find_spec("websockets") is None:
        print("closed-loop client: skipped, websockets is not installed")
    errors: dict[str, list[float]] = {engine: [] for engine in engines}
    with measuring.echo_server() as (port, server, _):
        plan = {"attempt": {"url": f"ws://127.0.0.1:{port}/"}, "connections": options.connections, "rate": options.rate}
        for turn in range(options.rounds):
            for engine in engines:
                given = json.dumps({**plan, "seconds": options.seconds, "engine": engine})
                command = [measuring.PYTHON, "-m", "wsbook.probes.generator"]
                said, still_s = stalled(command, given, "stderr", '"sending"', server, options.seconds / 3, options.stop)
                figures = json.loads(said)
                truth = still_s - options.seconds / 100 + figures["p50_s"]
                errors[engine].append(figures["p99_s"] / truth - 1)
                shown = f"p99 {figures['p99_s'] * 1000:.0f} ms, truth {truth * 1000:.0f} ms, {errors[engine][-1]:+.1%}"
                print(
                    f"round {turn + 1}: wsbook {engine:9} {shown}, lag {figures['lag_s'] * 1000:.1f} ms, lost {figures['lost']}", flush=True
                )
            if find_spec("websockets"):
                sized = [str(port), str(options.connections), str(options.rate), str(options.seconds)]
                said, still_s = stalled([*closed, *sized], "", "stdout", "sending", server, options.seconds / 3, options.stop)
                print(
                    f"round {turn + 1}: closed loop      p99 {float(said.split()[1]) * 1000:.0f} ms of {said.split()[0]} messages",
                    flush=True,
                )
    for engine, found in errors.items():
        shown = f"{min(found):+.1%}/{statistics.median(found):+.1%}/{max(found):+.1%}"
        print(f"wsbook {engine}: error of p99 min/median/max {shown}, bar ±{BAR:.0%}")
    return int(any(abs(statistics.median(found)) > BAR for found in errors.values()))


if __name__ == "__main__":
    sys.exit(main())
