"""Timings of two records compared: a shift counts only when it stands out of the noise that the records themselves show. Pure.

Every timing is a sample of durations of one kind, taken in one step at one place: the stages of accepted upgrades, echoes,
pings, the arrival of traced events at each place, and the 99th percentile of each interval of a run of load.

The noise of a sample is 1.4826 times the median absolute deviation from its median, which estimates the standard deviation
and is not moved by a few outliers (Rousseeuw and Croux 1993, doi:10.1080/01621459.1993.10476408). Two samples differ when the
rank-sum test says so (Mann and Whitney 1947, doi:10.1214/aoms/1177730491), which asks nothing of how durations are
distributed. A difference that can be told apart may still be of no account, so the medians must lie apart by more than the noise.
What one record cannot show is how two runs differ with nothing changed, as on a machine that is busier the second time.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from statistics import NormalDist, median

from msgspec import Struct

from wsbook.facts import EchoFacts, LoadFacts, TraceFacts, UpgradeFacts
from wsbook.observation import Observation, Outcome
from wsbook.words import cap, duration_text

__all__ = ["Shift", "Timing", "compare_timings", "differs_by_rank", "noise_of", "shift_words", "timings_of"]

FEWEST = 5
"""Samples of fewer can never differ at this significance: of 4 and 4 the surest order has a probability of 2/70."""
SIGNIFICANCE = 0.01
SMALLEST_S = 0.0005
"""Below this a scheduler's time slice decides, whatever is measured."""
SMALLEST_PART = 0.1
_EXACT = 25
_MOST = 1_000
_SMALL_BYTES = 1024


class Said(StrEnum):
    """What the comparison of one timing says."""

    SLOWER = "slower"
    FASTER = "faster"
    NOISE = "within noise"
    FEW = "too few to tell"
    BEFORE = "only before"
    AFTER = "only after"


class Timing(Struct, frozen=True, kw_only=True, order=True):
    """What was timed: step, stage or kind, and the hop or place."""

    step: str
    what: str
    place: str


class Shift(Struct, frozen=True, kw_only=True):
    """One timing of two records. Medians and noise in s, None where there is no sample; counts of the samples."""

    step: str
    what: str
    place: str
    said: Said
    before_s: float | None
    after_s: float | None
    noise_s: float | None
    before_count: int
    after_count: int


def timings_of(observations: Iterable[Observation]) -> dict[Timing, list[float]]:
    """Return the durations that a record holds, in s, by what was timed; the first 1,000 of each."""
    found: dict[Timing, list[float]] = {}
    for seen in observations:
        if seen.outcome is Outcome.NOT_RUN:
            continue
        for what, place, duration_s in _durations(seen):
            if math.isfinite(duration_s) and duration_s >= 0:
                timing = Timing(step=cap(seen.source.step, 8), what=what, place=cap(place, 60))
                sample = found.setdefault(timing, [])
                if len(sample) < _MOST:
                    sample.append(duration_s)
    return found


def _durations(seen: Observation) -> Iterator[tuple[str, str, float]]:
    """Yield what was timed, the place, and the duration in s."""
    hop, facts = seen.source.hop or "endpoint", seen.facts
    if isinstance(facts, UpgradeFacts) and facts.accepted:
        yield from ((cap(stage.name, 30), hop, stage.duration_s) for stage in seen.stages if stage.ok)
    elif isinstance(facts, EchoFacts):
        yield from (("echo", hop, trial.rtt_s) for trial in facts.trials if trial.rtt_s is not None and trial.size_bytes <= _SMALL_BYTES)
        yield from (("ping", hop, rtt_s) for rtt_s in facts.ping_rtts_s)
    elif isinstance(facts, TraceFacts):
        yield from (("event", place.name, place.at_s) for place in facts.places if place.at_s is not None)
    elif isinstance(facts, LoadFacts) and not facts.void:
        for run in facts.runs:
            kind = f"load p99, {run.rate:g}/s of {run.size_bytes} B on {run.connections}"
            if not run.void:
                yield from ((kind, hop, moment.p99_s) for moment in run.moments if moment.p99_s is not None)


def noise_of(sample: list[float]) -> float:
    """Return the robust standard deviation of a sample."""
    middle = median(sample)
    return 1.4826 * median(abs(value - middle) for value in sample)


def _arrangements(smaller: int, larger: int) -> list[int]:
    """Return in how many orders of two samples each value of U comes about, from 0 on (Mann and Whitney's recurrence)."""
    counts = [1]
    for number in range(1, smaller + 1):  # the Gaussian binomial, one factor (1 - q^(larger + number)) / (1 - q^number) at a time
        raised = counts + [0] * (larger + number)
        for index in range(len(raised) - 1, larger + number - 1, -1):
            raised[index] -= raised[index - larger - number]
        for index in range(number, len(raised)):
            raised[index] += raised[index - number]
        counts = raised[: number * larger + 1]
    return counts


def differs_by_rank(before: list[float], after: list[float]) -> float:
    """Return the two-sided probability that two samples of one distribution lie as far apart as these (rank-sum test).

    Exact up to 25 values each, where values that both samples hold count half; else the normal approximation, corrected for ties.
    """
    n, m = len(before), len(after)
    both = before + after
    above = sum((one > other) + 0.5 * (one == other) for one in after for other in before)
    u = min(above, n * m - above)
    if max(n, m) <= _EXACT:
        counts = _arrangements(min(n, m), max(n, m))
        return min(1.0, 2 * sum(counts[: math.ceil(u) + 1]) / math.comb(n + m, n))
    ties = list(Counter(both).values())
    total = n + m
    variance = n * m / 12 * (total + 1 - sum(t**3 - t for t in ties) / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    z = max(0.0, abs(u - n * m / 2) - 0.5) / math.sqrt(variance)
    return 2 * (1 - NormalDist().cdf(z))


def _compared(timing: Timing, before: list[float], after: list[float]) -> Shift:
    noise_s = max(map(noise_of, (before, after))) if before and after else noise_of(before or after)
    before_s, after_s = (median(sample) if sample else None for sample in (before, after))
    said = Said.AFTER if before_s is None else Said.BEFORE if after_s is None else Said.FEW
    if before_s is not None and after_s is not None and min(len(before), len(after)) >= FEWEST:
        apart_s = abs(after_s - before_s)
        counts = apart_s > max(noise_s, SMALLEST_S, SMALLEST_PART * before_s) and differs_by_rank(before, after) < SIGNIFICANCE
        said = Said.NOISE if not counts else Said.SLOWER if after_s > before_s else Said.FASTER
    return Shift(
        step=timing.step,
        what=timing.what,
        place=timing.place,
        said=said,
        before_s=before_s,
        after_s=after_s,
        noise_s=noise_s,
        before_count=len(before),
        after_count=len(after),
    )


def compare_timings(before: Iterable[Observation], after: Iterable[Observation]) -> tuple[Shift, ...]:
    """Return every timing of two records compared, in the order of the steps."""
    old, new = timings_of(before), timings_of(after)
    return tuple(_compared(timing, old.get(timing, []), new.get(timing, [])) for timing in sorted(old.keys() | new.keys()))


def shift_words(shift: Shift) -> str:
    """Return a shift in words: ``tls 3.1 ms → 9.8 ms, noise ±0.4 ms, slower``."""
    noise = f", noise ±{duration_text(shift.noise_s)}" if shift.noise_s is not None and shift.said is not Said.FEW else ""
    return f"{shift.what} {duration_text(shift.before_s)} → {duration_text(shift.after_s)}{noise}, {shift.said.value}"
