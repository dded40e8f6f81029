"""Search for the highest rate that holds: upwards by a factor until it breaks, then between the two on a logarithmic scale.

Open loop: a server that is asked for more than it can do falls behind, and latency grows as long as the run lasts. This module must not
know how a rate is tried.
"""

import math
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

from wsbook.facts import Knee, LoadRun
from wsbook.words import duration_text

__all__ = ["Search", "find_knee", "seconds_for", "why_broken"]

_LEAST_MESSAGES, _LONGEST_S = 200, 30.0
"""Of one try, so that its 99th percentile is more than the slowest message; at very low rates the time is what counts."""
_LOWEST_RATE, _ANYBODY_RATE = 1.0, 100.0
"""Messages per second. A generator that cannot do the latter has no processor, and would not do less either."""
_GROWTH = 2.0
_TIMES_SLOWER = 3.0
_FLOOR_S = 0.05
"""Without a bound: slower than this, and than _TIMES_SLOWER times the latency of one message at a time, is not held."""
_PERCENTILES = {"p50": "p50_s", "p90": "p90_s", "p99": "p99_s", "p99.9": "p999_s"}

Try = Callable[[float], Awaitable[LoadRun]]


class Search(Struct, frozen=True, kw_only=True):
    """What is searched for. bound_s: the latency at percentile at that must hold; None takes a multiple of that of one message at a time.

    start: the first rate; most: the highest to try, messages per second. precision: ratio of broke_at to rate that is near enough.
    total_s: no new rate is tried after so long. seconds: of one try, or as long as 200 messages take.
    """

    bound_s: float | None = None
    at: str = "p99"
    start: float = 100.0
    most: float = 1_000_000.0
    precision: float = 1.1
    total_s: float = 120.0
    seconds: float = 2.0


def seconds_for(rate: float, seconds: float) -> float:
    """Return how long a rate is tried."""
    return max(seconds, min(_LONGEST_S, _LEAST_MESSAGES / rate))


def why_broken(run: LoadRun, limit_s: float, at: str = "p99") -> str:
    """Return what did not hold in a run, "" when all did."""
    if run.opened < run.asked:
        return f"{run.asked - run.opened:,} of {run.asked:,} connections did not open"
    if run.lost:
        return f"{run.lost:,} of {run.received + run.lost:,} messages were lost"
    if run.unsent:
        return f"{run.unsent:,} of {run.sent + run.unsent:,} messages could not leave, because the peer took no more"
    if run.ended:
        return f"{sum(count for _, count in run.ended):,} of {run.opened:,} connections ended by {run.ended[0][0]}"
    latency_s = getattr(run, _PERCENTILES[at])
    if latency_s is None:
        return "nothing came back"
    return f"{at} {duration_text(latency_s)}, above {duration_text(limit_s)}" if latency_s > limit_s else ""


class _Hunt:
    """One search under way. held, broke: the highest rate that held, the lowest that did not; why, and whether it was our own fault."""

    def __init__(self, attempt: Try, search: Search, limit_s: float) -> None:
        self._attempt, self._search, self._limit_s = attempt, search, limit_s
        self._end = time.monotonic() + search.total_s
        self.held = 0.0
        self.broke: float | None = None
        self.why = ""
        self.ours = False

    @property
    def over(self) -> bool:
        return time.monotonic() > self._end

    async def holds(self, rate: float) -> bool:
        """Try a rate, once more where it did not hold: a busy moment of the machine is no limit of the server."""
        for _ in range(2):
            run = await self._attempt(rate)
            why = run.void or why_broken(run, self._limit_s, self._search.at)
            if not why:
                self.held = max(self.held, rate)
                return True
            if self.over:
                break
        if self.broke is None or rate <= self.broke:
            self.broke, self.why, self.ours = rate, why, bool(run.void)
        return False

    def knee(self) -> Knee:
        search = self._search
        if self.ours:
            return self._found(None, f"the generator itself did no more: {self.why}")
        if self.broke is None:
            ended = "the highest rate tried held" if not self.over else f"{duration_text(search.total_s)} were over"
            return self._found(None, ended)
        return self._found(self.broke, self.why)

    def _found(self, broke_at: float | None, why: str) -> Knee:
        return Knee(rate=self.held, broke_at=broke_at, why=why, bound_s=self._search.bound_s, at=self._search.at)


async def find_knee(attempt: Try, search: Search, *, alone: Callable[[], Awaitable[LoadRun]]) -> Knee | None:
    """Return the highest rate that held, and what did not hold above it; None when no run counted, so that nothing is known.

    attempt: makes one run at a rate. alone: makes one with a single message under way at a time, which no server is too slow for: what
    it takes is what latencies are compared with where the search has no bound. A rate at which the run is void is no limit of the server:
    broke_at is None then, and why tells what the generator could do. rate 0: not even the lowest held.
    """
    hunt, rate = _Hunt(attempt, search, search.bound_s or _limit_s(await alone())), min(search.start, search.most)
    if await hunt.holds(rate):
        while not hunt.over and rate < search.most and await hunt.holds(rate := min(rate * _GROWTH, search.most)):
            pass
    else:
        while not hunt.over and rate > _lowest(hunt.ours) and not await hunt.holds(rate := max(rate / _GROWTH**2, _LOWEST_RATE)):
            pass
    while not hunt.over and hunt.held and hunt.broke and hunt.broke / hunt.held > search.precision:
        await hunt.holds(_between(hunt.held, hunt.broke))
    return None if hunt.ours and not hunt.held else hunt.knee()


def _lowest(ours: bool) -> float:
    """Return down to which rate it is looked for one that holds. ours: the last run was void."""
    return _ANYBODY_RATE if ours else _LOWEST_RATE


def _limit_s(alone: LoadRun) -> float:
    return max(_FLOOR_S, _TIMES_SLOWER * (alone.p99_s or 0.0))


def _between(low: float, high: float) -> float:
    """Return the middle on a logarithmic scale, in three digits."""
    middle = math.sqrt(low * high)
    digits = 2 - math.floor(math.log10(middle))
    rounded = round(middle, digits)
    return rounded if low < rounded < high else middle
