"""Runs of load as plain data frames: what left, what came back, and what it cost. Judges nothing itself."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from msgspec import structs

from wsbook.facts import Knee, LoadFacts, LoadRun, PageLoadFacts, Sample, Watched
from wsbook.observation import Observation
from wsbook.views.tables.frames import frame, milliseconds, rows_of
from wsbook.words import cap, duration_text, quantity, size_text

__all__ = [
    "counting",
    "counts_of",
    "knee_of",
    "rate_of",
    "rate_text",
    "runs_of",
    "shares_of",
    "table_load",
    "table_lossy",
    "table_page_load",
    "table_thresholds",
]


def rate_text(rate: float) -> str:
    """Return messages per second without the unit: whole above 100."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def rate_of(run: LoadRun) -> float:
    """Return messages per second: those due; of a run that keeps a window full, those that came back."""
    return run.rate or (run.received / run.duration_s if run.duration_s > 0 else 0.0)


def runs_of(observations: Iterable[Observation]) -> list[LoadRun]:
    """Return every run in order; the void of a run says why its figures do not count, also where that was said of all of them."""
    found = [facts for _, facts in rows_of(observations, LoadFacts)]
    return [structs.replace(run, void=run.void or facts.void) for facts in found for run in facts.runs]


def knee_of(observations: Iterable[Observation]) -> Knee | None:
    """Return where the server stopped to keep up, as the last search found it."""
    return next((facts.knee for _, facts in reversed(rows_of(observations, LoadFacts)) if facts.knee), None)


def counting(runs: Iterable[LoadRun]) -> list[LoadRun]:
    """Return the runs whose figures count."""
    return [run for run in runs if not run.void]


def shares_of(server: Watched) -> list[tuple[Sample, float | None]]:
    """Return each reading but the first with the share of one processor that was used since the one before; None not told."""
    shares = []
    for before, one in zip(server.samples, server.samples[1:], strict=False):
        span_s = one.at_s - before.at_s
        told = before.cpu_s is not None and one.cpu_s is not None and span_s > 0
        shares.append((one, max(0.0, (one.cpu_s - before.cpu_s) / span_s) if told else None))  # type: ignore[operator]
    return shares


def _busiest(servers: Sequence[Watched]) -> str:
    """Return the server that used most of a processor over the whole run."""
    used = []
    for server in servers:
        told = [one for one in server.samples if one.cpu_s is not None]
        if len(told) > 1 and told[-1].at_s > told[0].at_s:
            used.append(((told[-1].cpu_s - told[0].cpu_s) / (told[-1].at_s - told[0].at_s), server.name))  # type: ignore[operator]
    share, name = max(used, default=(0.0, ""))
    return f"{share:.0%} {cap(name, 24)}" if name else ""


def _ended(run: LoadRun) -> str:
    kept = quantity(run.opened, "connection") if run.opened != run.asked else ""
    refused = f"{run.asked - run.opened} not opened" if kept else ""
    return ", ".join(filter(None, [refused, *(f"{count} {how}" for how, count in run.ended[:4])]))


def _whole(rate: float) -> float:
    return int(rate) if rate == int(rate) else rate


def _without_zeros(rows: list[dict[str, Any]], names: Iterable[str]) -> list[dict[str, Any]]:
    """Empty the columns in which every row has a zero, so that they are not shown."""
    empty = {name: None for name in names if not any(row[name] for row in rows)}
    return [{**row, **empty} for row in rows]


def _row(run: LoadRun) -> dict[str, Any]:
    mark = "✗ " if run.lost else ""
    return {
        "rate (1/s)": _whole(run.rate) or None,
        "window": run.window,
        "size": size_text(run.size_bytes),
        "connections": run.connections,
        "counts": "no, void" if run.void else "",
        "sent": run.sent,
        "lost": f"{mark}{run.lost:,}",
        "unsent": run.unsent,
        "twice": run.duplicated,
        "out of order": run.reordered,
        "p50 (ms)": milliseconds(run.p50_s),
        "p99 (ms)": milliseconds(run.p99_s),
        "p99.9 (ms)": milliseconds(run.p999_s),
        "max (ms)": milliseconds(run.max_s),
        "our lag": duration_text(run.generator.lag_p99_s if run.generator else run.lag_s),
        "server's processor": _busiest(run.servers),
        "ended": cap(_ended(run), 80),
        "void": cap(run.void, 160),
    }


def table_load(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each run of load: sent, lost, latency percentiles from the intended instant of sending, and why a run does not count.

    counts: empty where all do. unsent: due, and the peer took no more. our lag: how late we offered 99 % of the messages by our own fault.
    """
    rows = [_row(run) for run in runs_of(observations)]
    rows = _without_zeros(rows, ("window", "unsent", "twice", "out of order"))
    counts = ["sent", "lost", "unsent", "twice", "out of order"]
    times = ["p50 (ms)", "p99 (ms)", "p99.9 (ms)", "max (ms)", "our lag"]
    columns = ["rate (1/s)", "window", "size", "connections", "counts", *counts, *times, "server's processor", "ended", "void"]
    return frame(rows, columns)


def table_lossy(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return the connections that did not get everything once and in order, the worst first; runs that do not count are left out."""
    found = [(run, one) for run in counting(runs_of(observations)) for one in run.lossy]
    rows = [
        {
            "connection": one.number,
            "rate (1/s)": rate_text(rate_of(run)),
            "expected": one.expected,
            "lost": one.lost,
            "twice": one.duplicated,
            "out of order": one.reordered,
            "ended": one.ended + (f" {one.close_code}" if one.close_code is not None else ""),
            "which were lost": ", ".join(map(str, one.lost_numbers[:12])) + (", …" if one.lost > len(one.lost_numbers[:12]) else ""),
        }
        for run, one in sorted(found, key=lambda pair: (-pair[1].lost, -pair[1].duplicated, -pair[1].reordered, pair[1].number))
    ]
    rows = _without_zeros(rows, ("twice", "out of order"))
    return frame(rows, ["connection", "rate (1/s)", "expected", "lost", "twice", "out of order", "ended", "which were lost"])


def table_thresholds(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each demand on the figures, the worst value found, and whether it holds."""
    words = {True: "✓ holds", False: "✗ does not hold", None: "? could not be told"}
    rows = [
        {"demanded": cap(one.text, 80), "found": cap(one.value, 80), "verdict": words[one.holds]}
        for _, facts in rows_of(observations, LoadFacts)
        for one in facts.thresholds
    ]
    return frame(rows, ["demanded", "found", "verdict"])


def counts_of(facts: PageLoadFacts) -> tuple[int, int, int]:
    """Return messages that came for the page, that it handled and that it showed: as counted over all, or else over the intervals."""
    came = facts.due or sum(one.due for one in facts.moments) or sum(one.frames for one in facts.moments)
    handled, shown = sum(one.handled for one in facts.moments), sum(one.shown for one in facts.moments)
    return came, facts.handled or handled, facts.shown or shown


def _page_row(facts: PageLoadFacts) -> dict[str, Any]:
    came, handled, shown = counts_of(facts)
    busy = [one.busy_s for one in facts.moments if one.busy_s is not None]
    return {
        "rate (1/s)": _whole(facts.rate),
        "browser": cap(facts.browser, 24),
        "came": came,
        "handled": handled,
        "shown": shown,
        "changes": sum(one.changes for one in facts.moments),
        "to the handler, p50": duration_text(facts.delay_p50_s),
        "p99": duration_text(facts.delay_p99_s),
        "to the document, p99": duration_text(facts.draw_p99_s),
        "behind": "✗ never done" if facts.behind_s is None else duration_text(facts.behind_s),
        "main thread": duration_text(sum(busy)) if busy else "",
        "tasks over 50 ms": sum(one.long_tasks for one in facts.moments),
        "elements": f"{facts.nodes_before:,} → {facts.nodes_after:,}" if facts.nodes_after else "",
        "not seen": cap("; ".join(facts.unseen), 160),
        "void": cap(facts.void, 160),
    }


def table_page_load(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each rate at which a page was watched: messages that came for it, that it handled and showed, and what that took.

    to the handler: how long messages waited for the page's own function; behind: how long it still worked after the last one came.
    """
    rows = [_page_row(facts) for _, facts in rows_of(observations, PageLoadFacts)]
    counts = ["came", "handled", "shown", "changes"]
    waits = ["to the handler, p50", "p99", "to the document, p99", "behind", "main thread", "tasks over 50 ms", "elements"]
    return frame(rows, ["rate (1/s)", "browser", *counts, *waits, "not seen", "void"])
