"""32 messages in flight on each of 10 connections: what a message costs when one system call carries many.

    python benchmarks/load_volume.py [--connections 10] [--window 32] [--size 64] [--rounds 3] [--short 1] [--long 4] [--peers NAME…]

As load_ping_pong.py, without Tsung, which cannot have more than one in flight. The bars: k6 spends at least 60 times as much as our
compiled generator and 8 times as much as the numpy one.
"""

import argparse
import sys

from peers import measuring


def main() -> int:
    """Measure and print; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--window", type=int, default=32)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--short", type=float, default=1.0)
    parser.add_argument("--long", type=float, default=4.0)
    parser.add_argument("--peers", nargs="*", default=[], help="only these, beside the C client")
    options = parser.parse_args()
    with measuring.echo_server() as (port, _, client):
        reference = measuring.c_client(client)
        others = [measuring.wsbook("compiled"), measuring.wsbook("numpy")]
        others += [measuring.python_library(name) for name in ("picows", "aiohttp", "websockets")]
        others += [measuring.locust(), measuring.k6(), measuring.artillery()]
        chosen = [peer for peer in others if not options.peers or any(peer.name.startswith(name) for name in options.peers)]
        load = measuring.Load(port, options.connections, options.window, options.size)
        ratios = measuring.compare(
            [reference, *chosen], load, rounds=options.rounds, short_s=options.short, long_s=options.long, reference=reference.name
        )
    for ours in ("wsbook compiled", "wsbook numpy"):
        for peer in ("picows with uvloop", "aiohttp with uvloop", "websockets", "Locust", "k6"):
            if found := measuring.between(ratios, peer, ours):
                print(f"{peer} over {ours}: {min(found):.1f}/{sorted(found)[len(found) // 2]:.1f}/{max(found):.1f}")
    missed = [
        measuring.judged("k6 over wsbook compiled", measuring.between(ratios, "k6", "wsbook compiled"), 60, at_most=False),
        measuring.judged("k6 over wsbook numpy", measuring.between(ratios, "k6", "wsbook numpy"), 8, at_most=False),
    ]
    return int(any(missed))


if __name__ == "__main__":
    sys.exit(main())
