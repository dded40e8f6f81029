"""Merges the runs of shards into the one run that they were parts of. Pure; imports numpy only to add histograms."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise, zip_longest

from msgspec.structs import replace

from wsbook.facts.load import Generator, LoadRun, LossyConnection, Moment

__all__ = ["MOST_LOSSY", "count_broadcast_losses", "merge_runs"]

MOST_LOSSY = 100
"""Connections that are listed one by one; lossy_count has them all."""
_QUANTILES = {"p50_s": 0.5, "p90_s": 0.9, "p99_s": 0.99, "p999_s": 0.999}


def merge_runs(runs: Sequence[LoadRun]) -> LoadRun:
    """Return one run: counts and histograms added, percentiles taken from what was added, of the rest the worst.

    Merging is associative: parts may be merged in any grouping. Where a part with answers brings no histogram, percentiles are the worst
    part's, which are not below the true ones. Of the time to connect the worst part's percentiles are kept.

    Raises:
        ValueError: no runs. UnreadableInputError: a histogram is broken.
    """
    if not runs:
        raise ValueError("no runs to merge")
    first = runs[0]
    lossy = sorted((one for run in runs for one in run.lossy), key=_badness)
    histogram, percentiles = _merged_latencies(runs, _QUANTILES)
    return replace(
        first,
        **{name: sum(getattr(run, name) for run in runs) for name in _ADDED},
        **{name: _worst(getattr(run, name) for run in runs) for name in _WORST},
        rate=sum(run.rate for run in runs if not _only_listens(run)),
        histogram=histogram,
        **percentiles,
        moments=_merged_moments(runs),
        lossy=tuple(lossy[:MOST_LOSSY]),
        why_refused=next((run.why_refused for run in runs if run.why_refused), ""),
        ended=tuple(sorted(sum((Counter(dict(run.ended)) for run in runs), Counter()).items())),
        generator=_merged_generator([run.generator for run in runs if run.generator]),
        servers=tuple(dict.fromkeys(server for run in runs for server in run.servers)),
        spells=tuple(dict.fromkeys(spell for run in runs for spell in run.spells)),
        missing_shards=tuple(dict.fromkeys(words for run in runs for words in run.missing_shards)),
        void="; ".join(dict.fromkeys(words for run in runs for words in run.void.split("; ") if words)),
    )


_ADDED = (
    *("connections", "publishers", "slow_readers", "asked", "opened"),
    *("sent", "unsent", "received", "lost", "duplicated", "reordered", "foreign", "lossy_count"),
)
_WORST = ("duration_s", "size_bytes", "max_s", "lag_s", "connect_s", "connect_p50_s", "connect_p99_s", "clock_error_s")


def count_broadcast_losses(runs: Sequence[LoadRun]) -> list[LoadRun]:
    """Return the parts of a broadcast, with what those that only listen have lost: what the others sent, to each of their connections.

    A part that only listens cannot know how much was sent. Nothing changes where no part sends, and for an echo.
    """
    sent = sum(run.sent for run in runs if not _only_listens(run))
    due: list[int] = [0] * max((len(run.moments) for run in runs), default=0)
    for run in runs:
        for place, moment in enumerate(() if _only_listens(run) else run.moments):
            due[place] += moment.sent
    return [_with_losses(run, sent, due) if _only_listens(run) and sent else run for run in runs]


def _with_losses(run: LoadRun, sent: int, due: Sequence[int]) -> LoadRun:
    """Return a part that only listens, with its losses.

    Of an interval as many are lost as never came later either. Which interval a number that came was due in is not known here: a lost
    message stands in the first interval that it can have been of.
    """
    lost = max(0, sent * run.opened - run.received)
    missing = list(accumulate(count * run.opened - moment.received for count, moment in zip(due, run.moments, strict=False)))
    for_good = list(accumulate(reversed(missing), min))[::-1]
    by_interval = [max(0, later) - max(0, before) for before, later in pairwise((0, *for_good))]
    moments = tuple(replace(moment, lost=count) for moment, count in zip(run.moments, by_interval, strict=True))
    return replace(run, lost=lost, moments=moments)


def _only_listens(run: LoadRun) -> bool:
    return run.answered_by == "broadcast" and not run.publishers


def _worst(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _badness(one: LossyConnection) -> tuple[int, int]:
    return -(one.lost + one.duplicated + one.reordered), one.number


def _merged_latencies(parts: Sequence[LoadRun] | Sequence[Moment], wanted: dict[str, float]) -> tuple[str, dict[str, float | None]]:
    """Return the histogram of all parts and the percentiles in s; "" and the worst part's where one with latencies has no histogram."""
    with_any = [part for part in parts if part.max_s is not None]
    texts = [part.histogram for part in with_any]
    if not texts or not all(texts):
        return "", {name: _worst(getattr(part, name) for part in parts) for name in wanted}
    from wsbook.histogram import Histogram

    both = Histogram.decode(texts[0])
    for text in texts[1:]:
        both = both + Histogram.decode(text)
    highest = max(part.max_s for part in with_any if part.max_s is not None)
    return both.encode(), {name: _quantile(both.quantile, share, highest) for name, share in wanted.items()}


def _quantile(quantile: Callable[[float], float | None], share: float, highest: float) -> float | None:
    found = quantile(share)
    return None if found is None else min(found / 1e9, highest)


def _merged_moments(runs: Sequence[LoadRun]) -> tuple[Moment, ...]:
    """Return the moments of all parts by their place: parts of one run have the same intervals, without gaps, from the common begin."""
    together = zip_longest(*(run.moments for run in runs))
    return tuple(_merged_moment([moment for moment in parts if moment is not None]) for parts in together)


def _merged_moment(parts: list[Moment]) -> Moment:
    histogram, percentiles = _merged_latencies(parts, {name: _QUANTILES[name] for name in ("p50_s", "p99_s")})
    return replace(
        parts[0],
        at_s=max(part.at_s for part in parts),
        sent=sum(part.sent for part in parts),
        received=sum(part.received for part in parts),
        lost=sum(part.lost for part in parts),
        max_s=_worst(part.max_s for part in parts),
        histogram=histogram,
        **percentiles,
    )


def _merged_generator(parts: list[Generator]) -> Generator | None:
    """Return one account of all generators; None of none. Their names are told together where they differ."""
    if not parts:
        return None
    return Generator(
        engine=" and ".join(sorted({name for part in parts for name in part.engine.split(" and ")})),
        cpu_s=sum(part.cpu_s for part in parts),
        busy=max(part.busy for part in parts),
        lag_p99_s=max(part.lag_p99_s for part in parts),
        lag_max_s=max(part.lag_max_s for part in parts),
        shards=sum(part.shards for part in parts),
    )
