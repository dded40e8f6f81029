"""A load engine that computes what a run would give, for tests of what shares and merges runs: a plan on stdin, a run on stdout.

Run as a script. The subscribe text of the plan says how it fails: "kill 2" the part whose connections begin at 2, "slow" waits for the end
of the plan unless told to stop.
"""

import json
import os
import signal
import sys
import time
from types import FrameType

import numpy as np
from msgspec.json import decode, encode

from wsbook.facts.load import Generator, LoadRun, Moment
from wsbook.histogram import Histogram
from wsbook.load_plan import LoadPlan, check_plan
from wsbook.load_split import messages_due

stopped = False


def latencies(plan: LoadPlan, connection: int, count: int) -> np.ndarray:
    """Return what each message of a connection took, in ns: known from its number alone, so that any part gives the same."""
    return 50_000.0 + 1_000.0 * ((connection * 7919 + np.arange(count) * 104_729) % 9_973)


def counts(plan: LoadPlan) -> list[tuple[int, int]]:
    """Return (connection, messages) as a generator sends them: message k on sender k modulo the number of senders."""
    senders = {"echo": plan.connections, "broadcast": plan.publishers}.get(plan.answered_by, 0)
    total = messages_due(plan.rate, plan.seconds) if plan.rate else 100 * senders
    return [(plan.first_connection + i, len(range(i, total, senders))) for i in range(senders)]


def run_plan(plan: LoadPlan) -> LoadRun:
    """Return the run of a plan against a server that answers everything."""
    check_plan(plan)
    sends = counts(plan)
    sent = sum(count for _, count in sends)
    everything = Histogram()
    for connection, count in sends:
        everything.record(latencies(plan, connection, count))
    listeners = plan.connections - plan.publishers if plan.answered_by == "broadcast" else 1
    received = sent * listeners
    if plan.answered_by == "broadcast" and not plan.publishers:  # of the three that its publisher sends in the test, one is lost
        received = 2 * plan.connections
    text = everything.encode() if everything.count else ""
    quantiles = {name: None if (q := everything.quantile(share)) is None else q / 1e9 for name, share in (("p50_s", 0.5), ("p99_s", 0.99))}
    highest = None if everything.max is None else everything.max / 1e9
    return LoadRun(
        rate=plan.rate,
        size_bytes=plan.size_bytes,
        connections=plan.connections,
        duration_s=plan.seconds,
        sent=sent,
        received=received,
        lost=0,
        duplicated=0,
        reordered=0,
        **quantiles,
        max_s=highest,
        window=plan.window,
        answered_by=plan.answered_by,
        publishers=plan.publishers if plan.answered_by == "broadcast" else 0,
        slow_readers=plan.slow_readers,
        histogram=text,
        moments=(Moment(at_s=plan.seconds, sent=sent, received=received, **quantiles, max_s=highest, histogram=text),),
        asked=plan.connections,
        opened=plan.connections,
        generator=Generator(engine="fake", cpu_s=0.5, busy=0.1, lag_p99_s=1e-4, lag_max_s=2e-4),
        void="stopped early" if stopped else "",
    )


def main() -> None:
    """Do what python -m wsbook.probes.generator does."""

    def stop(number: int, frame: FrameType | None) -> None:
        global stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    plan = decode(sys.stdin.buffer.read(), type=LoadPlan)
    if plan.subscribe == f"kill {plan.first_connection}":
        os.kill(os.getpid(), signal.SIGKILL)
    print(
        json.dumps({"sent": plan.connections, "p99_s": 0.001 * (1 + plan.first_connection), "engine": "fake"}), file=sys.stderr, flush=True
    )
    deadline = time.monotonic() + (plan.seconds if plan.subscribe == "slow" else 0.0)
    while time.monotonic() < deadline and not stopped:
        time.sleep(0.02)
    sys.stdout.buffer.write(encode(run_plan(plan)))


if __name__ == "__main__":
    main()
