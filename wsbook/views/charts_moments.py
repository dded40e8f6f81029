"""Pictures of what a load does over time: latencies with the losses and the server under them, and a page under load.

Judges nothing. Each plot_ function returns None when the observations hold nothing that it could draw.
"""

from collections.abc import Iterable, Sequence
from math import log10
from typing import Any

import plotly.graph_objects as go
from msgspec import Struct

from wsbook.facts import LoadRun, Moment, PageLoadFacts, PageMoment, Watched
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.views.drawing import (
    CONTROL,
    RECEIVED,
    SENT,
    VERDICT_COLOURS,
    WARNING,
    Picture,
    column,
    end_labels,
    figure,
    label,
    latency_axis,
    milli,
    panels,
    picture,
)
from wsbook.views.tables import rows_of
from wsbook.views.tables.load import counting, counts_of, rate_of, rate_text, runs_of, shares_of
from wsbook.words import duration_text, quantity

__all__ = ["plot_moments", "plot_page_load"]

_FAULT, _GREY, _CLEAR = VERDICT_COLOURS[Verdict.FAULT], VERDICT_COLOURS[Verdict.UNKNOWN], VERDICT_COLOURS[Verdict.CLEAR]
_MOST_SPELLS, _LATENCY_PX, _SMALL_PX = 12, 190, 62
_LINE: dict[str, Any] = {"mode": "lines", "hoverinfo": "text"}


def _height(parts: Sequence[tuple[str, float]]) -> int:
    return 110 + round(sum(share for _, share in parts) * _SMALL_PX + 0.3 * _SMALL_PX * (len(parts) - 1))


# Load over time


def _telling(runs: Iterable[LoadRun]) -> LoadRun | None:
    """Return the run that counts and tells most: one that lost messages rather than none, the highest rate rather than a low one."""
    return max(
        (run for run in runs if len(run.moments) > 1), key=lambda run: (bool(run.lost), bool(run.spells), rate_of(run)), default=None
    )


def _moments_title(run: LoadRun) -> str:
    worst = max((one for one in run.moments if one.p99_s is not None), key=lambda one: one.p99_s or 0.0, default=None)
    lost = f"; {run.lost:,} lost" if run.lost else "; nothing lost"
    if worst is None:
        return f"{run.received:,} messages came in {duration_text(run.duration_s)}{lost}"
    over = f" over {quantity(run.connections, 'connection')}"
    half = f"half came within {duration_text(run.p50_s)}"
    return f"at {rate_text(rate_of(run))} a second{over} {half}, p99 rose to {duration_text(worst.p99_s)} at {worst.at_s:.3g} s{lost}"


def _widths(moments: Sequence[Moment | PageMoment]) -> list[float]:
    """Return how long each interval was, in s; its end alone is told."""
    ends = [one.at_s for one in moments]
    return [max(0.0, end - begin) for begin, end in zip((0.0, *ends), ends, strict=False)]


def _middles(moments: Sequence[Moment | PageMoment]) -> list[float]:
    """Return the middle of each interval, of which only the ends are told."""
    return [one.at_s - width / 2 for one, width in zip(moments, _widths(moments), strict=True)]


def _received(drawn: go.Figure, run: LoadRun) -> None:
    """Draw what came, where nobody knows when it was due: a server that numbers its own messages."""
    rates = [one.received / width if width else None for one, width in zip(run.moments, _widths(run.moments), strict=True)]
    words = [f"{rate:,.0f}/s" if rate is not None else "" for rate in rates]
    fields = {"x": column([*_middles(run.moments)]), "y": column(rates), "hovertext": words, "line": {"color": RECEIVED, "width": 2}}
    drawn.add_trace(go.Scatter(name="received", **fields, **_LINE))
    drawn.update_layout(yaxis={"rangemode": "tozero"})


def _line(values: Sequence[float | None]) -> dict[str, Any]:
    """Return a line's look; values whose neighbours are unknown show as marks, because a line needs two."""
    around = [None, *values, None]
    alone = any(here is not None and before is after is None for before, here, after in zip(around, values, around[2:], strict=False))
    return {**_LINE, "mode": "lines+markers"} if alone else _LINE


def _latencies(drawn: go.Figure, run: LoadRun) -> None:
    axis = latency_axis([value for one in run.moments for value in (one.p50_s, one.p99_s, one.max_s)], "latency")
    drawn.update_layout(yaxis=axis)
    at, ends = _middles(run.moments), []
    for name, colour, values in (
        ("max", _GREY, [one.max_s for one in run.moments]),
        ("p99", SENT, [one.p99_s for one in run.moments]),
        ("p50", RECEIVED, [one.p50_s for one in run.moments]),
    ):
        y = milli(values)
        told = [value for value in y if value is not None]
        if told:
            words = [f"{name} {duration_text(value)} at {when:.3g} s" for value, when in zip(values, at, strict=True)]
            drawn.add_trace(
                go.Scatter(name=name, x=column([*at]), y=column(y), hovertext=words, line={"color": colour, "width": 2}, **_line(y))
            )
            ends.append((name, colour, log10(told[-1])))
    end_labels(drawn, ends, axis="y", span=tuple(axis["range"]), height=_LATENCY_PX)


def _losses(drawn: go.Figure, run: LoadRun, axis: str) -> None:
    intervals = zip(_middles(run.moments), _widths(run.moments), run.moments, strict=True)
    lossy = [(at, width, one) for at, width, one in intervals if one.lost]
    words = [f"{one.lost:,} of {one.sent:,} lost, due until {one.at_s:.3g} s" for _, _, one in lossy]
    look = {"marker": {"color": _FAULT}, "width": column([0.8 * width for _, width, _ in lossy]), "hovertext": words, "hoverinfo": "text"}
    drawn.add_trace(go.Bar(x=column([at for at, _, _ in lossy]), y=column([float(one.lost) for _, _, one in lossy]), yaxis=axis, **look))


def _spells(drawn: go.Figure, run: LoadRun) -> None:
    """Shade what was done to the connections meanwhile."""
    for spell in run.spells[:_MOST_SPELLS]:
        drawn.add_vrect(x0=spell.begin_s, x1=spell.end_s, fillcolor=_GREY, opacity=0.18, line={"width": 0}, layer="below")
        look = {"yref": "paper", "y": 1, "yanchor": "top", "xanchor": "left", "showarrow": False, "font": {"size": 11}}
        drawn.add_annotation(x=spell.begin_s, text=label(spell.name, 26), **look)


def _busiest(run: LoadRun) -> Watched | None:
    """Return the server that used most of a processor, or had most memory."""

    def used(server: Watched) -> tuple[float, int]:
        told = [one.cpu_s for one in server.samples if one.cpu_s is not None]
        return (told[-1] - told[0] if told else 0.0), max((one.memory_bytes or 0 for one in server.samples), default=0)

    return max((server for server in run.servers if len(server.samples) > 1), key=used, default=None)


def _processor(drawn: go.Figure, server: Watched, axis: str) -> None:
    """Draw the share of a processor as steps: it is told from one reading to the next."""
    at, shares, words = [], [], []
    for before, (one, share) in zip(server.samples, shares_of(server), strict=False):
        text = "not told" if share is None else f"{share:.0%} of one processor until {one.at_s:.3g} s"
        at += [before.at_s, one.at_s]
        shares += [None if share is None else share * 100] * 2
        words += [text] * 2
    line = {"color": WARNING, "width": 2}
    drawn.add_trace(go.Scatter(name="processor", x=column([*at]), y=column(shares), yaxis=axis, hovertext=words, line=line, **_LINE))


def _memory(drawn: go.Figure, server: Watched, axis: str) -> None:
    told = [(one.at_s, one.memory_bytes / 2**20) for one in server.samples if one.memory_bytes is not None]
    words = [f"{value:.1f} MiB at {at:.3g} s" for at, value in told]
    fields = {"x": column([at for at, _ in told]), "y": column([value for _, value in told]), "hovertext": words}
    drawn.add_trace(go.Scatter(name="memory", yaxis=axis, line={"color": CONTROL, "width": 2}, **fields, **_LINE))


def plot_moments(observations: Iterable[Observation]) -> Picture | None:
    """Draw the latencies of one run over time, and under them on the same axis what was lost and what the busiest server used.

    What was done to the connections meanwhile is shaded. The run is the one that tells most among those that count.
    """
    run = _telling(counting(runs_of(observations)))
    if run is None:
        return None
    title, server = _moments_title(run), _busiest(run)
    name = label(f"{server.name} at {server.place}", 40) if server else ""
    cpu = server is not None and any(share is not None for _, share in shares_of(server))
    memory = server is not None and any(one.memory_bytes is not None for one in server.samples)
    timed = any(milli(value for one in run.moments for value in (one.p50_s, one.p99_s, one.max_s)))
    parts = [("" if timed else "messages received per second", _LATENCY_PX / _SMALL_PX)]
    parts += [("✗ lost, of those due then", 0.7)] if any(one.lost for one in run.moments) else []
    parts += [(f"processor of {name} (% of one)", 1.0)] if cpu else []
    parts += [(f"memory of {name} (MiB)", 1.0)] if memory else []
    drawn = figure(title, _height(parts), margin={"r": 56})
    axes = panels(drawn, parts)
    (_latencies if timed else _received)(drawn, run)
    _spells(drawn, run)
    rest = iter(axes[1:])
    if any(one.lost for one in run.moments):
        _losses(drawn, run, next(rest))
    if server is not None and cpu:
        _processor(drawn, server, next(rest))
    if server is not None and memory:
        _memory(drawn, server, next(rest))
    for extra in axes[1:]:
        drawn.update_layout({f"yaxis{extra[1:]}": {"rangemode": "tozero", "nticks": 4}})
    words = "time (s); latency counts from when a message was due" if timed else "time (s)"
    drawn.update_xaxes(title={"text": words}, range=[0, max(one.at_s for one in run.moments)])
    return picture(drawn, title)


# A page under load


def _rates(moments: Sequence[PageMoment], counts: Sequence[float | None]) -> list[float | None]:
    """Return counts per second of intervals."""
    return [count / width if width and count is not None else None for width, count in zip(_widths(moments), counts, strict=True)]


def _page_title(facts: PageLoadFacts) -> str:
    came, _, shown = counts_of(facts)
    if facts.behind_s is None:
        behind = "and was not done when the watching ended"
    else:
        behind = f"and was done {duration_text(facts.behind_s)} after the last one" if facts.behind_s >= 0.001 else "and was done at once"
    return f"at {rate_text(facts.rate)} a second the page showed {shown:,} of {came:,} messages {behind}"


class _Busy(Struct, frozen=True, kw_only=True):
    """The main thread of a page in each interval: what was measured, its share in per cent, and the figures in words."""

    what: str
    shares: list[float | None]
    words: list[str]


def _busy(moments: Sequence[PageMoment]) -> _Busy:
    """Return how busy the main thread was: all its work where the browser tells that, or else its long tasks."""
    tasks = [f"{quantity(one.long_tasks, 'task')} over 50 ms, {duration_text(one.long_s)} together" for one in moments]
    if all(one.busy_s is None for one in moments):
        return _Busy(what="tasks over 50 ms", shares=_rates(moments, [100 * one.long_s for one in moments]), words=tasks)
    parts = [f"scripts {duration_text(one.script_s)}, style and layout {duration_text(one.layout_s)}<br>" for one in moments]
    shares = _rates(moments, [None if one.busy_s is None else 100 * one.busy_s for one in moments])
    return _Busy(what="busy", shares=shares, words=[part + task for part, task in zip(parts, tasks, strict=True)])


def _page_lines(drawn: go.Figure, facts: PageLoadFacts) -> None:
    at, ends, most = column([*_middles(facts.moments)]), [], 1.0
    told = any(one.due for one in facts.moments)
    for name, colour, counts in (
        ("came", RECEIVED, [one.due if told else one.frames for one in facts.moments]),
        ("handled", SENT, [one.handled for one in facts.moments]),
        ("shown", _CLEAR, [one.shown for one in facts.moments]),
    ):
        rates = _rates(facts.moments, counts)
        words = [f"{name} {rate:,.0f}/s" if rate is not None else "" for rate in rates]
        drawn.add_trace(go.Scatter(name=name, x=at, y=column(rates), hovertext=words, line={"color": colour, "width": 2}, **_LINE))
        known = [rate for rate in rates if rate is not None]
        most = max([most, *known])
        ends += [(name, colour, known[-1])] if known else []
    drawn.update_layout(yaxis={"range": [0, most * 1.1]})
    end_labels(drawn, ends, axis="y", span=(0, most * 1.1), height=_LATENCY_PX)


def plot_page_load(observations: Iterable[Observation]) -> Picture | None:
    """Draw what came for a page, and what it handled and showed per second; under it its animation frames and how busy its main thread was.

    Of several rates, the one at which the page was furthest behind; where the figures do not count, nothing is drawn.
    """
    found = [facts for _, facts in rows_of(observations, PageLoadFacts) if facts.moments and not facts.void]
    if not found:
        return None
    facts = max(found, key=lambda one: (one.behind_s is None, one.behind_s or 0.0, one.rate))
    title = _page_title(facts)
    busy = _busy(facts.moments)
    parts = [("messages per second", _LATENCY_PX / _SMALL_PX), ("animation frames per second", 1.0), (f"main thread, {busy.what} (%)", 1.0)]
    drawn = figure(title, _height(parts) + 14, margin={"r": 76, "t": 58})
    _, pictures, thread = panels(drawn, parts)
    _page_lines(drawn, facts)
    at = column([*_middles(facts.moments)])
    rates = _rates(facts.moments, [one.pictures for one in facts.moments])
    words = [f"{rate:.0f} frames/s" if rate is not None else "" for rate in rates]
    look = {"line": {"color": CONTROL, "width": 2}, **_LINE}
    drawn.add_trace(go.Scatter(name="animation frames", x=at, y=column(rates), yaxis=pictures, hovertext=words, **look))
    look = {"marker": {"color": WARNING}, "width": column([*_widths(facts.moments)]), "hovertext": busy.words, "hoverinfo": "text"}
    drawn.add_trace(go.Bar(name="main thread", x=at, y=column(busy.shares), yaxis=thread, **look))
    drawn.update_layout(
        {f"yaxis{pictures[1:]}": {"rangemode": "tozero", "nticks": 4}, f"yaxis{thread[1:]}": {"range": [0, 105], "nticks": 4}}
    )
    drawn.update_xaxes(title={"text": "time (s)"}, range=[0, max(one.at_s for one in facts.moments)])
    return picture(drawn, title)
