"""Moments of a load run in which nothing comes back on any connection, and then everything at once (area H)."""

from collections.abc import Iterator
from itertools import groupby
from statistics import median

from msgspec import Struct

from wsbook.facts import LoadRun, Moment, Sample
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import fault, proof, unknown
from wsbook.words import duration_text

__all__ = ["Standstill", "judge_run_stalls", "standstills_of"]

_BLOCKED = "backend.blocking-call-in-event-loop"
_WORTH_S = 0.25
"""Shorter ones are what collectors and busy machines do everywhere."""
_LONG_S = 0.8
_TIMES = 10.0
"""A message is late from this many times the usual on."""
_FEWEST = 10
"""Messages due in a moment, from which on their slowest tells of the moment and not of one of them."""
_OURS = 0.4
"""Share of a standstill that our own lag, or a server without a processor, may make up."""
_OVERLOAD = 0.3
"""Share of the run: a server that stands for longer is not stalled but overloaded."""


class Standstill(Struct, frozen=True, kw_only=True):
    """Neighbouring moments in which what was due came late together; length_s: how late the first of it was."""

    begin_s: float
    end_s: float
    length_s: float


def standstills_of(run: LoadRun) -> list[Standstill]:
    """Return the standstills of a run, longest delay first seen, in order of time; none where a moment does not tell its latencies."""
    told = [one for one in run.moments if one.sent >= _FEWEST and one.max_s is not None and one.p50_s is not None]
    if len(told) < 4:
        return []
    usual = median(one.p50_s or 0.0 for one in told)
    calm = median(one.max_s or 0.0 for one in told)
    bound = max(_WORTH_S, _TIMES * usual, 3.0 * calm)
    found = []
    for late, group in groupby(told, key=lambda one: (one.max_s or 0.0) >= bound):
        if late:
            found.append(_standstill(run, list(group)))
    return found


def _standstill(run: LoadRun, late: list[Moment]) -> Standstill:
    width_s = run.moments[1].at_s - run.moments[0].at_s
    return Standstill(begin_s=late[0].at_s - width_s, end_s=late[-1].at_s, length_s=max(one.max_s or 0.0 for one in late))


def judge_run_stalls(seen: Observation, run: LoadRun) -> Iterator[Finding]:
    """Judge the standstills of one run that are the server's own."""
    stalls = standstills_of(run)
    stood_s = sum(one.end_s - one.begin_s for one in stalls)
    if not stalls or stood_s > max(_OVERLOAD * run.duration_s, 2.5 * max(one.length_s for one in stalls)):
        return
    longest = max(stalls, key=lambda one: one.length_s)
    times = f"{len(stalls)} times, for up to" if len(stalls) > 1 else "once, for"
    words = (
        f"at {run.rate:g} messages/s over {run.connections} connections everything stood still {times} {duration_text(longest.length_s)} "
        f"({', '.join(f'at {one.begin_s:.3g} s' for one in stalls[:4])}), and then came at once"
    )
    if excuse := _excuse(run, longest):
        yield unknown(_BLOCKED, 0.05, f"{words}, but {excuse}", proof(seen, words))
    elif len(stalls) > 1 or longest.length_s >= _LONG_S:
        yield fault(_BLOCKED, 0.8 if len(stalls) > 1 else 0.6, words, proof(seen, words))
    else:
        yield unknown(_BLOCKED, 0.3, words, proof(seen, words))


def _excuse(run: LoadRun, stall: Standstill) -> str:
    """Return why a standstill may not be the server's: ours or the machine's."""
    if run.generator is not None and run.generator.lag_max_s > _OURS * stall.length_s:
        return "we ourselves were late"
    waited_s = max((_waited_s(server.samples, stall) for server in run.servers), default=0.0)
    return "the machine had no processor for the server" if waited_s > _OURS * stall.length_s else ""


def _waited_s(samples: tuple[Sample, ...], stall: Standstill) -> float:
    told = [(one.at_s, one.waiting_s) for one in samples if one.waiting_s is not None]
    before = [waited for at, waited in told if at <= stall.begin_s]
    after = [waited for at, waited in told if at >= stall.end_s]
    return after[0] - before[-1] if before and after else 0.0
