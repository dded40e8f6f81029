"""Moments of a load run in which nothing comes back on any connection, and then everything at once (area H)."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from statistics import median

from msgspec import Struct

from wsbook.facts import LoadRun, Moment, Sample
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.volume_servers import BUSY, busy_of
from wsbook.words import duration_text

__all__ = ["Standstill", "judge_run_stalls", "standstills_of"]

_BLOCKED = "backend.blocking-call-in-event-loop"
_WORTH_S = 0.25
"""Shorter ones are what collectors and busy machines do everywhere."""
_LONG_S = 0.45
"""From about half a second on a standstill is no collector's and no busy machine's."""
_SURE_S = 0.8
_TIMES = 10.0
"""A message is late from this many times the usual on."""
_FEWEST = 10
"""Messages due in a moment, from which on their slowest tells of the moment and not of one of them."""
_CALM = 4
"""The usual is that of the calmest quarter: in a short run a standstill may take most of the time."""
_SILENT, _FINE = 0.5, 4
"""Share of a standstill in which nothing at all arrives, where moments are fine enough (a quarter of it) to show silence."""
_LATE_S = 0.5
"""A p99 of this is no latency of a server that keeps up, whatever it comes from."""
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
    """Return the standstills of a run in order of time; none where moments do not tell their latencies.

    What comes late while other messages arrive waits in a queue: only where nothing arrived meanwhile did everything stand.
    """
    told = _joined(run.moments)
    if len(told) < _CALM:
        return []
    usual = sorted(one.p50_s or 0.0 for one in told)[len(told) // _CALM]
    calm = sorted(one.max_s or 0.0 for one in told)[len(told) // _CALM]
    bound = max(_WORTH_S, _TIMES * usual, 3.0 * calm)
    groups = groupby(told, key=lambda one: (one.max_s or 0.0) >= bound)
    found = [_standstill(told, list(group)) for late, group in groups if late]
    return [one for one in found if _silent(run, one)]


def _joined(moments: Sequence[Moment]) -> list[Moment]:
    """Return moments that are due enough messages to tell something: at a low rate, neighbours together."""
    rows: list[Moment] = []
    held: list[Moment] = []
    for one in moments:
        if one.sent and one.max_s is not None and one.p50_s is not None:
            held.append(one)
        if sum(part.sent for part in held) >= _FEWEST:
            rows.append(_join(held))
            held = []
    return rows


def _join(parts: list[Moment]) -> Moment:
    """Return neighbouring moments as one; the middle of their medians stands for its median."""
    return Moment(
        at_s=parts[-1].at_s,
        sent=sum(one.sent for one in parts),
        received=sum(one.received for one in parts),
        p50_s=median(one.p50_s or 0.0 for one in parts),
        max_s=max(one.max_s or 0.0 for one in parts),
    )


def _standstill(told: list[Moment], late: list[Moment]) -> Standstill:
    before = max((one.at_s for one in told if one.at_s < late[0].at_s), default=0.0)
    return Standstill(begin_s=before, end_s=late[-1].at_s, length_s=max(one.max_s or 0.0 for one in late))


def _silent(run: LoadRun, stall: Standstill) -> bool:
    """Whether nothing arrived for most of it; moments too long to tell are believed."""
    width_s = run.moments[1].at_s - run.moments[0].at_s
    if stall.length_s < _FINE * width_s:
        return True
    near = [one for one in run.moments if stall.begin_s <= one.at_s - width_s / 2 <= stall.begin_s + 2 * stall.length_s]
    runs = [sum(1 for _ in group) for silent, group in groupby(near, key=lambda one: not one.received) if silent]
    return max(runs, default=0) * width_s >= _SILENT * stall.length_s


def judge_run_stalls(seen: Observation, run: LoadRun) -> Iterator[Finding]:
    """Judge the standstills of one run that are the server's own."""
    stalls = standstills_of(run)
    stood_s = sum(one.end_s - one.begin_s for one in stalls)
    if not stalls or stood_s > max(_OVERLOAD * run.duration_s, 2.5 * max(one.length_s for one in stalls)):
        yield from _judge_late(seen, run)
        return
    longest = max(stalls, key=lambda one: one.length_s)
    times = f"{len(stalls)} times, for up to" if len(stalls) > 1 else "once, for"
    words = (
        f"at {run.rate:g} messages/s over {run.connections} connections everything stood still {times} {duration_text(longest.length_s)} "
        f"({', '.join(f'at {one.begin_s:.3g} s' for one in stalls[:4])}), and then came at once"
    )
    if run.void and (run.generator is None or longest.length_s < _LONG_S):
        return
    if excuse := _excuse(run, longest):
        yield unknown(_BLOCKED, 0.05, f"{words}, but {excuse}", proof(seen, words))
    elif run.lost:
        yield unknown(_BLOCKED, 0.35, f"{words}; some of it never came", proof(seen, words))
    elif longest.length_s >= _LONG_S:
        yield fault(_BLOCKED, _confidence(stalls, longest), words, proof(seen, words))
    else:
        yield unknown(_BLOCKED, 0.45 if len(stalls) > 1 else 0.3, words, proof(seen, words))


def _confidence(stalls: list[Standstill], longest: Standstill) -> float:
    if sum(one.length_s >= _LONG_S for one in stalls) > 1:
        return 0.8
    return 0.65 if longest.length_s >= _SURE_S or len(stalls) > 1 else 0.5


def _judge_late(seen: Observation, run: LoadRun) -> Iterator[Finding]:
    """Without a standstill that could be told, a hundredth that comes half a second late is no sign of health either."""
    if (run.p99_s or 0.0) < _LATE_S or run.void or run.searched or run.slow_readers or run.lost or run.unsent:
        return
    rate = f"{run.rate:g} messages/s" if run.rate else f"{run.window} in flight on each connection"
    words = f"at {rate} over {run.connections} connections all came, and p99 is {duration_text(run.p99_s)}"
    busy = busy_of(run)
    if busy is not None and busy >= BUSY:
        words += f": the server used {busy:.0%} of a processor"
        yield unknown("load.broadcast-cost", 0.25, words, proof(seen, words))
    else:
        yield unknown(_BLOCKED, 0.3, f"{words}: something holds them back", proof(seen, words))


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
