"""One message in flight on each of 100 connections: what a round trip costs our load generator, a C client and the tools that people use.

    python benchmarks/load_ping_pong.py [--connections 100] [--size 64] [--rounds 3] [--short 1] [--long 4] [--peers NAME…]

An echo server in C serves all of them in turns (needs cc); every peer runs in a process of its own, and its start-up is removed by
subtracting a short run from a long one. websockets, aiohttp, picows, Locust, k6 and Tsung are skipped by name where they are missing.
The bars: at most 1.25 times the C client compiled, 2.1 times with numpy; k6 spends 4.5 times as much as we do, Locust 12 times.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from peers import measuring


def main() -> int:
    """Measure and print; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--short", type=float, default=1.0)
    parser.add_argument("--long", type=float, default=4.0)
    parser.add_argument("--peers", nargs="*", default=[], help="only these, beside the C client")
    options = parser.parse_args()
    with measuring.echo_server() as (port, _, client), tempfile.TemporaryDirectory() as folder:
        reference = measuring.c_client(client)
        others = [measuring.wsbook("compiled"), measuring.wsbook("numpy")]
        others += [measuring.python_library(name) for name in ("picows", "aiohttp", "websockets")]
        others += [measuring.locust(), measuring.k6(), measuring.tsung(Path(folder)), measuring.artillery()]
        chosen = [peer for peer in others if not options.peers or any(peer.name.startswith(name) for name in options.peers)]
        load = measuring.Load(port, options.connections, 1, options.size)
        ratios = measuring.compare(
            [reference, *chosen], load, rounds=options.rounds, short_s=options.short, long_s=options.long, reference=reference.name
        )
    ours = "wsbook compiled" if "wsbook compiled" in ratios else "wsbook numpy"
    missed = [
        measuring.judged("compiled over C", ratios.get("wsbook compiled", []), 1.25, at_most=True),
        measuring.judged("numpy over C", ratios.get("wsbook numpy", []), 2.1, at_most=True),
        measuring.judged(f"k6 over {ours}", measuring.between(ratios, "k6", ours), 4.5, at_most=False),
        measuring.judged(f"Locust over {ours}", measuring.between(ratios, "Locust", ours), 12, at_most=False),
    ]
    return int(any(missed))


if __name__ == "__main__":
    sys.exit(main())
