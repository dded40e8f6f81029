"""Idle connections: memory and CPU that each costs, of our load generator with 19,000 and of websockets and picows with fewer.

    python benchmarks/idle_connections.py [--connections 19000] [--fewer 2000] [--rounds 3]

An echo server in C accepts them (needs cc); each client holds its connections in a process of its own, in turns. The bar: at most 3.5 KB
and 120 µs of CPU each. A limit of open files that is too low is said.
"""

import argparse
import resource
import statistics
import subprocess
import sys
from importlib.util import find_spec

from peers import measuring

BAR_BYTES, BAR_US = 3500, 120.0


def held(library: str, port: int, count: int) -> tuple[float, float]:
    """Return bytes and CPU microseconds a connection."""
    command = [sys.executable, str(measuring.HERE / "idle_clients.py"), library, str(port), str(count)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode or not said.stdout.strip():
        raise SystemExit(f"{library}: {said.stderr[-500:]}")
    _, size, micros = said.stdout.split()
    return float(size), float(micros)


def main() -> int:
    """Measure and print; 1 when the bar is missed, 2 when so many connections cannot be had here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=19_000)
    parser.add_argument("--fewer", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < options.connections + 300:
        print(f"a process may have {hard} open files here (ulimit -Hn): {options.connections} connections cannot be held")
        return 2
    measuring.open_files()
    peers = [("wsbook", options.connections), ("websockets", options.fewer), ("picows", options.fewer)]
    found: dict[str, list[tuple[float, float]]] = {}
    with measuring.echo_server() as (port, _, _):
        for name, _ in peers:
            if find_spec(name) is None:
                print(f"{name}: skipped, it is not installed")
        for turn in range(options.rounds):
            for name, count in peers:
                if find_spec(name) is not None:
                    size, micros = held(name, port, count)
                    found.setdefault(name, []).append((size, micros))
                    print(
                        f"round {turn + 1}: {name:12} {count:6,} connections, {size / 1000:6.2f} KB and {micros:6.1f} µs each", flush=True
                    )
    for name, rows in found.items():
        size, micros = (statistics.median(row[place] for row in rows) for place in (0, 1))
        ratios = [[row[place] / own[place] for row, own in zip(rows, found["wsbook"], strict=True)] for place in (0, 1)]
        shown = ", ".join(
            f"{what} {min(r):.1f}/{statistics.median(r):.1f}/{max(r):.1f}" for what, r in zip(("memory", "CPU"), ratios, strict=True)
        )
        print(f"{name:12} {size / 1000:.2f} KB, {micros:.0f} µs; over wsbook min/median/max: {shown}")
    size, micros = (statistics.median(row[place] for row in found["wsbook"]) for place in (0, 1))
    print(f"wsbook: {size / 1000:.2f} KB, bar {BAR_BYTES / 1000:g}; {micros:.0f} µs, bar {BAR_US:g}")
    return int(size > BAR_BYTES or micros > BAR_US)


if __name__ == "__main__":
    sys.exit(main())
