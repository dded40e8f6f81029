"""Recording latencies: wsbook's histogram against the hdrhistogram package, in CPU nanoseconds a sample, and the error of its quantiles.

    python benchmarks/histogram.py [--samples 2000000] [--batch 1024] [--rounds 5]

Both record the same latencies in turns: ours in batches, as the load generator has them, the other one by one, which is all it can. The
bar: at most 20 ns a sample, and at most 0.1 % between any quantile and that of the sorted samples. hdrhistogram that is not installed is
skipped by name.
"""

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np

from wsbook.histogram import Histogram

BAR_NS, BAR_ERROR = 20.0, 0.001
QUANTILES = (0.5, 0.9, 0.99, 0.999, 0.9999)
ONE_BY_ONE = 200_000
"""Samples of the other implementation, of which each costs the same."""


def latencies(samples: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return latencies in ns as servers have them: most around 200 µs, one in a hundred a stall of up to a second."""
    dice = np.random.default_rng(6455)
    found = dice.lognormal(np.log(200_000), 0.5, samples)
    stalled = dice.random(samples) < 0.01
    found[stalled] = dice.uniform(1e6, 1e9, int(stalled.sum()))
    return found.astype(np.int64)


def timed(run: Callable[[], None], samples: int) -> float:
    """Return the CPU nanoseconds that one sample costs."""
    begin = time.process_time_ns()
    run()
    return (time.process_time_ns() - begin) / samples


def main() -> int:
    """Measure and print costs, ratio and error; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2_000_000)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    try:
        from hdrh import histogram as other
    except ImportError:
        other = None
        print("hdrhistogram is not installed: skipped")
    values = latencies(options.samples)
    batches = [values[at : at + options.batch] for at in range(0, len(values), options.batch)]
    costs, ratios = [], []
    for turn in range(options.rounds):
        ours = Histogram()
        costs.append(timed(lambda made=ours: [made.record(batch) for batch in batches], len(values)))
        said = f"round {turn + 1}: wsbook {costs[-1]:.1f} ns"
        if other is not None:
            theirs, few = other.HdrHistogram(1, 3_600_000_000_000, 3), values[:ONE_BY_ONE].tolist()
            cost = timed(lambda made=theirs, few=few: [made.record_value(value) for value in few], len(few))
            ratios.append(cost / costs[-1])
            said += f", hdrhistogram {cost:.0f} ns, ratio {ratios[-1]:.0f}"
        print(said, flush=True)
    ordered = np.sort(values)
    worst = max(abs((ours.quantile(q) or 0) / ordered[int(np.ceil(round(q * len(ordered), 6))) - 1] - 1) for q in QUANTILES)
    if ratios:
        print(f"ratio min/median/max {min(ratios):.0f}/{np.median(ratios):.0f}/{max(ratios):.0f}")
    print(f"median {np.median(costs):.1f} ns a sample, bar {BAR_NS:.0f}; worst quantile error {worst:.3%}, bar {BAR_ERROR:.1%}")
    return int(np.median(costs) > BAR_NS or worst > BAR_ERROR)


if __name__ == "__main__":
    sys.exit(main())
