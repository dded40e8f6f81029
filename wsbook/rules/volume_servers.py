"""What servers do while load lasts: processor, memory and delay as listeners and slow readers are added (area L)."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from wsbook.facts import LoadRun, Watched
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import fault, proof, unknown
from wsbook.words import duration_text, quantity, size_text

__all__ = ["BUSY", "busy_of", "judge_servers"]

_COST, _SLOW = "load.broadcast-cost", "load.slow-consumer-no-backpressure"
BUSY = 0.9
"""Share of one processor from which on a process that runs on one has none left."""
_DEAR_S = 60e-6
"""Processor time for each message delivered above which something is done anew for each listener; a plain broadcast takes an interpreter
5 to 20 microseconds."""
_SLOWER, _LATE_S = 4.0, 0.05
_GROWN_BYTES = 16 << 20
_KEPT = 0.5


def busy_of(run: LoadRun) -> float | None:
    """Return the busiest server's share of one processor over the run; None where nothing tells it."""
    shares = [share for server in run.servers if (share := _busy(server)) is not None]
    return max(shares, default=None)


def _busy(server: Watched) -> float | None:
    """Return the highest share between two readings at least half a second apart, of all its processes by their number."""
    told = [(one.at_s, one.cpu_s) for one in server.samples if one.cpu_s is not None]
    whole = [(after[1] - before[1]) / (after[0] - before[0]) for before, after in pairwise(told) if after[0] - before[0] >= 0.5]
    if not whole and len(told) > 1 and told[-1][0] - told[0][0] >= 0.3:
        whole = [(told[-1][1] - told[0][1]) / (told[-1][0] - told[0][0])]
    return max(whole) / max(1, server.processes) if whole else None


def judge_servers(seen: Observation, runs: Sequence[LoadRun]) -> Iterator[Finding]:
    """Judge what broadcasts cost, and what slow readers make the server keep."""
    yield from _judge_cost(seen, [run for run in runs if run.answered_by == "broadcast" and not run.slow_readers])
    yield from _judge_slow(seen, runs)


def _listeners(run: LoadRun) -> int:
    return max(1, run.connections - run.publishers)


def _judge_cost(seen: Observation, runs: Sequence[LoadRun]) -> Iterator[Finding]:
    """The server has no processor left, and events come later the more listen."""
    full = [run for run in runs if (busy_of(run) or 0.0) >= BUSY and run.received]
    if not full:
        return
    run = min(full, key=_listeners)
    each_s = _each_s(run)
    words = (
        f"the server used {busy_of(run):.0%} of a processor to tell {quantity(_listeners(run), 'listener')} {run.rate:g} messages/s, "
        f"{duration_text(each_s)} for each delivery, and p99 is {duration_text(run.p99_s)}"
    )
    calmer = [one for one in runs if one.rate == run.rate and _listeners(one) < _listeners(run) and one.p99_s is not None]
    few = min(calmer, key=_listeners, default=None)
    if few is not None and run.p99_s is not None and few.p99_s is not None and run.p99_s >= max(_LATE_S, _SLOWER * few.p99_s):
        summary = f"{words}; with {_listeners(few)} it is {duration_text(few.p99_s)}"
        yield fault(_COST, 0.8 if each_s >= _DEAR_S else 0.55, summary, proof(seen, summary))
    elif each_s >= _DEAR_S:
        yield unknown(_COST, 0.35, words, proof(seen, words))


def _each_s(run: LoadRun) -> float:
    """Return the processor time of all servers for each delivered message."""
    told = [[one.cpu_s for one in server.samples if one.cpu_s is not None] for server in run.servers]
    return sum(cpu[-1] - cpu[0] for cpu in told if len(cpu) > 1) / max(1, run.received)


def _judge_slow(seen: Observation, runs: Sequence[LoadRun]) -> Iterator[Finding]:
    """Beside readers that are slow: do the others wait, and does the server keep what those do not take?"""
    for run in (one for one in runs if one.slow_readers):
        alone = next((one for one in runs if not one.slow_readers and (one.rate, one.connections) == (run.rate, run.connections)), None)
        beside = f"beside {quantity(run.slow_readers, 'slow reader')}"
        if alone is not None and None not in (alone.p99_s, run.p99_s) and (run.p99_s or 0.0) >= max(0.5, 10 * (alone.p99_s or 0.0)):
            words = f"{beside}, p99 of the others rises from {duration_text(alone.p99_s)} to {duration_text(run.p99_s)}"
            yield fault(_SLOW, 0.85, words, proof(seen, words))
        elif (grown := _grown(run)) >= max(_GROWN_BYTES, _KEPT * run.slow_readers * run.rate * run.duration_s * run.size_bytes):
            grew = f"the server's memory grew by {size_text(grown)} in {duration_text(run.duration_s)}"
            words = f"{beside}, {grew}: it keeps what they do not take"
            yield unknown(_SLOW, 0.5, words, proof(seen, words))


def _grown(run: LoadRun) -> int:
    told = [[one.memory_bytes for one in server.samples if one.memory_bytes is not None] for server in run.servers]
    return max((memory[-1] - memory[0] for memory in told if len(memory) > 1), default=0)
