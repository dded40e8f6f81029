"""From the account to the figures of a run. Pure: no sockets, no clock."""

from collections import Counter
from math import ceil

import numpy as np
from msgspec import Struct

from wsbook.facts.load import Generator, LoadRun, LossyConnection, Moment
from wsbook.histogram import Histogram
from wsbook.probes.generator.losses import Losses, losses_of
from wsbook.probes.generator.send import Schedule
from wsbook.probes.generator.tally import Numbers, Tally

__all__ = ["Connected", "figures_of"]

_WORST = 100


class Connected(Struct, frozen=True, kw_only=True):
    """How opening went. times_ns: of each; took_s: of all; why: against those that did not open."""

    asked: int
    opened: int
    times_ns: tuple[int, ...] = ()
    took_s: float = 0.0
    why: str = ""


def _seconds(histogram: Histogram | None, q: float) -> float | None:
    found = histogram.quantile(q) if histogram is not None else None
    return None if found is None else found / 1e9


def figures_of(tally: Tally, schedule: Schedule | None, connected: Connected, payload_bytes: int, engine: str, void: str = "") -> LoadRun:
    """Return the figures of a run. schedule: of a rate. payload_bytes: of a message as it was sent. void: reasons known before."""
    plan, losses = tally.plan, losses_of(tally)
    latencies, wall_s = tally.latencies, max(tally.wall_s, 1e-9)
    lag_s = _seconds(tally.lags, 0.99) or 0.0
    lost, sent = int(losses.lost.sum()), int(tally.sent.sum())
    times = np.array(connected.times_ns, np.float64) / 1e9
    return LoadRun(
        rate=plan.rate,
        window=plan.window,
        size_bytes=payload_bytes,
        connections=connected.opened,
        duration_s=round((tally.end_ns - tally.begin_ns) / 1e9, 6),
        answered_by=plan.answered_by,
        publishers=tally.publishers,
        slow_readers=plan.slow_readers,
        sent=sent,
        unsent=max(0, int((tally.due if plan.rate else tally.offered).sum()) - sent),
        received=int(tally.received.sum()),
        lost=lost,
        duplicated=int(tally.duplicated.sum()),
        reordered=int(tally.reordered.sum()),
        foreign=tally.foreign,
        p50_s=_seconds(latencies, 0.5),
        p90_s=_seconds(latencies, 0.9),
        p99_s=_seconds(latencies, 0.99),
        p999_s=_seconds(latencies, 0.999),
        max_s=None if latencies.max is None else latencies.max / 1e9,
        lag_s=lag_s,
        histogram=latencies.encode() if latencies.max is not None else "",
        moments=_moments(tally, schedule, losses),
        lossy=_lossy(tally, losses)[:_WORST],
        lossy_count=int(losses.touched.sum()),
        asked=connected.asked,
        opened=connected.opened,
        why_refused=connected.why,
        connect_s=connected.took_s,
        connect_p50_s=float(np.quantile(times, 0.5)) if len(times) else None,
        connect_p99_s=float(np.quantile(times, 0.99)) if len(times) else None,
        ended=_ended(tally),
        generator=Generator(
            engine=engine,
            cpu_s=tally.cpu_s,
            busy=min(1.0, tally.cpu_s / wall_s),
            lag_p99_s=lag_s,
            lag_max_s=(tally.lags.max or 0.0) / 1e9,
        ),
        void=void,
    )


def _ended(tally: Tally) -> tuple[tuple[str, int], ...]:
    """Return how connections ended, and how many did so."""
    pairs = zip(tally.ended, tally.close_codes, strict=True)
    words = (f"close {code}" if how == "close" and code is not None else how for how, code in pairs if how != "open")
    return tuple(sorted(Counter(words).items(), key=lambda item: (-item[1], item[0])))


def _lossy(tally: Tally, losses: Losses) -> tuple[LossyConnection, ...]:
    """Return the connections that did not get everything exactly once and in order, the worst first."""
    touched = np.flatnonzero(losses.touched)
    order = touched[np.lexsort((touched, -(tally.duplicated + tally.reordered)[touched], -losses.lost[touched]))]
    return tuple(
        LossyConnection(
            number=tally.plan.first_connection + index,
            expected=int(losses.expected[index]),
            lost=int(losses.lost[index]),
            duplicated=int(tally.duplicated[index]),
            reordered=int(tally.reordered[index]),
            ended=tally.ended[index],
            close_code=tally.close_codes[index],
            lost_numbers=losses.first_numbers(index),
        )
        for index in order[:_WORST].tolist()
    )


def _moments(tally: Tally, schedule: Schedule | None, losses: Losses) -> tuple[Moment, ...]:
    """Return the intervals of sending, and those after it in which something still came."""
    sent, lost = _by_interval(tally, schedule, losses)
    used = ceil(max(tally.end_ns - tally.begin_ns, 1) / tally.interval_ns - 1e-9)
    came = np.flatnonzero(tally.arrived)
    count = min(len(tally.arrived), max(used, int(came[-1]) + 1 if len(came) else 0))
    interval_s, full_s = tally.interval_ns / 1e9, (tally.end_ns - tally.begin_ns) / 1e9
    return tuple(
        Moment(
            at_s=round(min((place + 1) * interval_s, full_s) if place == used - 1 else (place + 1) * interval_s, 6),
            sent=int(sent[place]),
            received=int(tally.arrived[place]),
            lost=int(lost[place]),
            p50_s=_seconds(histogram := tally.by_due[place], 0.5),
            p99_s=_seconds(histogram, 0.99),
            max_s=None if histogram is None or histogram.max is None else histogram.max / 1e9,
            histogram=histogram.encode() if tally.plan.begin_at and histogram is not None else "",
        )
        for place in range(count)
    )


def _by_interval(tally: Tally, schedule: Schedule | None, losses: Losses) -> tuple[Numbers, Numbers]:
    """Return how many messages left that were due in each interval, and how many of them got lost; of a sequence none of either."""
    intervals = len(tally.arrived)
    sent, lost = np.zeros(intervals, np.int64), np.zeros(intervals, np.int64)
    if schedule is not None:
        edges = tally.begin_ns + np.arange(intervals + 1) * tally.interval_ns - 1
        reached = np.array([schedule.reached(int(edge)) for edge in edges])
        sent += np.diff(np.minimum(reached, int(tally.due.sum())))
        for index in np.flatnonzero(tally.due > tally.sent).tolist():
            _add(sent, -1, tally, schedule, index, int(tally.sent[index]), int(tally.due[index]))
    elif tally.marks:
        made = np.array([int(mark.sum()) for mark in (*tally.marks, tally.offered)])
        sent[: len(made)] += np.diff(made, prepend=0)[:intervals]
    if schedule is not None or tally.marks:
        for sender, start, end in losses.ranges():
            _add(lost, 1, tally, schedule, sender, start, end)
    return sent, lost


def _add(counts: Numbers, sign: int, tally: Tally, schedule: Schedule | None, sender: int, start: int, end: int) -> None:
    """Count a range of a sender's numbers by the interval in which they were due."""
    for begin in range(start, end, 1_000_000):
        numbers = np.arange(begin, min(end, begin + 1_000_000), dtype=np.int64)
        if schedule is not None:
            places = tally.intervals(schedule.of(np.full(len(numbers), sender), numbers))
        else:
            ends = np.array([int(mark[sender]) for mark in tally.marks], np.int64)
            places = np.minimum(np.searchsorted(ends, numbers, side="right"), len(counts) - 1)
        np.add.at(counts, places, sign)
