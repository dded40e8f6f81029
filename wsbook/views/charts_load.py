"""Pictures of load: latencies over the rate and to their last tail; who lost what.

Judges nothing. Runs whose figures do not count are named, never drawn as if they counted. Each plot_ function returns None when the
observations hold nothing that it could draw.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import log10
from typing import Any

import numpy as np
import plotly.graph_objects as go

from wsbook.errors import WsbookError
from wsbook.facts import Knee, LoadRun
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.views.drawing import (
    CONTROL,
    INK,
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
    picture,
    swatch,
)
from wsbook.views.tables.load import counting, knee_of, rate_of, rate_text, runs_of
from wsbook.words import duration_text, quantity, size_text

__all__ = ["plot_load", "plot_lossy", "plot_tail", "void_title"]

_FAULT, _GREY = VERDICT_COLOURS[Verdict.FAULT], VERDICT_COLOURS[Verdict.UNKNOWN]
_NOTE = {"showarrow": False, "font": {"size": 12}}
_MOST_LINES, _MOST_BARS = 5, 100
_LINES = ((RECEIVED, "solid"), (SENT, "solid"), (WARNING, "solid"), (CONTROL, "dash"), ("#009E73", "dot"))


def _usual(runs: Sequence[LoadRun]) -> list[LoadRun]:
    """Return the runs of the most common size and number of connections, by rate; those that count choose."""
    chosen = Counter((run.size_bytes, run.connections) for run in counting(runs) or runs).most_common(1)[0][0]
    return sorted((run for run in runs if (run.size_bytes, run.connections) == chosen), key=rate_of)


def void_title(runs: Sequence[LoadRun]) -> str:
    """Return the title of a picture of runs none of which counts."""
    return f"the figures do not count: {next((run.void for run in runs if run.void), 'nothing was sent')}"


# Over the rate


def _load_title(counted: Sequence[LoadRun], knee: Knee | None) -> str:
    lossy = next((run for run in counted if run.lost), None)
    if lossy:
        return f"{lossy.lost:,} of {lossy.lost + lossy.received:,} messages lost at {rate_text(rate_of(lossy))} a second{_held(knee)}"
    top = max(counted, key=rate_of)
    if not any(run.sent or run.received for run in counted):
        ended = "; ".join(dict.fromkeys(f"{count} connections ended: {how}" for run in counted for how, count in run.ended[:2]))
        return f"at {rate_text(rate_of(top))} a second nothing could be sent{f'; {ended}' if ended else ''}"
    late = f", p99 {duration_text(top.p99_s)}" if top.p99_s is not None else ""
    return f"nothing lost up to {rate_text(rate_of(top))} a second{late}{_held(knee)}"


def _held(knee: Knee | None) -> str:
    if knee is None or knee.rate <= 0:
        return f"; it breaks at {rate_text(knee.broke_at)} a second" if knee and knee.broke_at else ""
    within = f" within {duration_text(knee.bound_s)}" if knee.bound_s else ""
    return f"; it keeps up{within} to {rate_text(knee.rate)} a second"


def _percentile_lines(drawn: go.Figure, runs: Sequence[LoadRun], axis: dict[str, Any], height: float) -> None:
    ends = []
    for name, colour, values in (
        ("max", _GREY, [run.max_s for run in runs]),
        ("p99", SENT, [run.p99_s for run in runs]),
        ("p50", RECEIVED, [run.p50_s for run in runs]),
    ):
        told = [value for value in milli(values) if value is not None]
        if not told:
            continue
        ends.append((name, colour, log10(told[-1])))
        drawn.add_trace(
            go.Scatter(
                name=name,
                x=column([rate_of(run) for run in runs]),
                y=column(milli(values)),
                mode="lines+markers",
                line={"color": colour},
                marker={"size": 6},
                hovertext=[
                    f"{name} {duration_text(value)} at {rate_text(rate_of(run))}/s" for value, run in zip(values, runs, strict=True)
                ],
                hoverinfo="text",
            )
        )
    end_labels(drawn, ends, axis="y", span=tuple(axis["range"]), height=height)


def _rate_marks(drawn: go.Figure, runs: Sequence[LoadRun], knee: Knee | None, top: float) -> None:
    """Mark runs that lost messages or do not count, and where the server stops to keep up."""
    lossy = [run for run in counting(runs) if run.lost]
    if lossy:
        look = {"mode": "markers", "marker": {"symbol": "x", "size": 11, "color": _FAULT}, "hoverinfo": "text"}
        words = [f"{run.lost:,} lost at {rate_text(rate_of(run))}/s" for run in lossy]
        highest = column([next((value for value in milli((run.max_s, run.p99_s, run.p50_s)) if value), 1.0) for run in lossy])
        drawn.add_trace(go.Scatter(x=column([rate_of(run) for run in lossy]), y=highest, hovertext=words, **look))
        first = lossy[0]
        at = {"x": log10(max(rate_of(first), 1e-3)), "y": 0, "yref": "y domain", "yanchor": "bottom", "xanchor": "right"}
        drawn.add_annotation(text=f"✗ {first.lost:,} lost", **at, **_NOTE)
    for rate in sorted({rate_of(run) for run in runs if run.void and rate_of(run) > 0}):
        drawn.add_vline(x=rate, line={"color": _GREY, "width": 6}, opacity=0.25)
        drawn.add_annotation(x=log10(rate), y=0.04, yref="y domain", text="void", **_NOTE)
    if knee is None or knee.rate <= 0:
        return
    drawn.add_vline(x=knee.rate, line={"color": INK, "dash": "dash", "width": 1.5})
    at = {"x": log10(knee.rate), "y": 1, "yref": "y domain", "xanchor": "right", "yanchor": "bottom"}
    drawn.add_annotation(text=f"keeps up to {rate_text(knee.rate)}/s", **at, **_NOTE)
    if knee.broke_at and knee.broke_at < top:
        drawn.add_vrect(x0=knee.broke_at, x1=top, fillcolor=_FAULT, opacity=0.1, line={"width": 0}, layer="below")


def plot_load(observations: Iterable[Observation]) -> Picture | None:
    """Draw latency percentiles over the rate, both axes logarithmic: where messages are lost, where the server stops to keep up.

    None of a single run whose course over time is known: plot_moments shows more of it.
    """
    observations = tuple(observations)
    every = runs_of(observations)
    if not every or (len(every) == 1 and every[0].moments and not every[0].void):
        return None
    runs = _usual(every)
    counted, knee = counting(runs), knee_of(observations)
    title = _load_title(counted, knee) if counted else void_title(every)
    timed = any(milli(value for run in counted for value in (run.p50_s, run.p99_s, run.max_s)))
    drawn = figure(title, 320 if timed else 150, margin={"r": 56 if timed else 12, "t": 62 if timed else 44})
    axis = latency_axis([value for run in counted for value in (run.p50_s, run.p99_s, run.max_s)], "latency")
    rates = sorted({rate_of(run) for run in runs if rate_of(run) > 0}) or [1.0]
    marks = [*rates, *(rate for rate in (knee.rate, knee.broke_at) if rate and rate > 0)] if knee else rates
    low, top = min(marks) / 1.15, max(marks) * 1.15
    _percentile_lines(drawn, counted, axis, 320 - 62 - 46)
    _rate_marks(drawn, runs, knee, top)
    if knee and knee.bound_s and knee.bound_s > 0:
        drawn.add_hline(y=knee.bound_s * 1000, line={"color": INK, "dash": "dot", "width": 1})
        at = {"x": 0, "xref": "x domain", "y": log10(knee.bound_s * 1000), "xanchor": "left", "yanchor": "bottom"}
        drawn.add_annotation(text=f"bound {duration_text(knee.bound_s)} at {label(knee.at, 8)}", **at, **_NOTE)
    words = f"messages per second; {size_text(runs[0].size_bytes)} each, {quantity(runs[0].connections, 'connection')}"
    kept = [rate for number, rate in enumerate(rates) if number % (1 + len(rates) // 9) == 0]
    span = {"range": [log10(low), log10(top)], "tickvals": kept, "ticktext": [rate_text(rate) for rate in kept]}
    drawn.update_xaxes(title={"text": words}, type="log", **span)
    drawn.update_yaxes(**axis, visible=timed)
    return picture(drawn, title)


# The tail

_SHARES = (0.0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999)
_NINES = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


def _tail(run: LoadRun) -> list[tuple[float, float]]:
    """Return (share, latency in s) as far as there are messages enough; from the histogram, or the few percentiles without one."""
    shares = [share for share in _SHARES if share <= 0.5 or (1 - share) * run.received >= 1]
    if run.histogram:
        from wsbook.histogram import Histogram

        try:
            kept = Histogram.decode(run.histogram)
        except (WsbookError, ValueError):
            kept = None
        told = [(share, kept.quantile(share)) for share in shares] if kept is not None else []
        if any(value for _, value in told):
            return [(share, value / 1e9) for share, value in told if value is not None]
    few = ((0.5, run.p50_s), (0.9, run.p90_s), (0.99, run.p99_s), (0.999, run.p999_s))
    return [(share, value) for share, value in few if value is not None and share in shares]


def _some(runs: Sequence[LoadRun]) -> list[LoadRun]:
    """Return up to five runs, the first and the last among them."""
    if len(runs) <= _MOST_LINES:
        return list(runs)
    return [runs[round(number * (len(runs) - 1) / (_MOST_LINES - 1))] for number in range(_MOST_LINES)]


def plot_tail(observations: Iterable[Observation]) -> Picture | None:
    """Draw which latency which share of the messages beat, from half of them to the last nines, of up to five runs that count."""
    every = counting(runs_of(observations))
    runs = [run for run in _some(_usual(every)) if run.received and _tail(run)] if every else []
    if not runs:
        return None
    tails = [(run, _tail(run)) for run in runs]
    last = tails[-1][1][-1]
    title = f"at {rate_text(rate_of(runs[-1]))} a second, {last[0] * 100:.5g} % of the messages came within {duration_text(last[1])}"
    drawn = figure(title, 320, margin={"r": 84})
    axis = latency_axis([value for _, tail in tails for _, value in tail], "latency")
    ends = []
    for (run, tail), (colour, dash) in zip(tails, _LINES, strict=False):
        name = f"{rate_text(rate_of(run))}/s"
        x = column([-log10(1 - share) for share, _ in tail])
        words = [f"{name}: {share * 100:.5g} % within {duration_text(value)}" for share, value in tail]
        look = {"mode": "lines+markers", "line": {"color": colour, "dash": dash}, "marker": {"size": 5}, "hoverinfo": "text"}
        drawn.add_trace(go.Scatter(name=name, x=x, y=column([max(value, 1e-6) * 1000 for _, value in tail]), hovertext=words, **look))
        ends.append((name, colour, log10(max(tail[-1][1], 1e-6) * 1000)))
    end_labels(drawn, ends, axis="y", span=tuple(axis["range"]), height=320 - 44 - 46)
    furthest = max(share for _, tail in tails for share, _ in tail)
    ticks = [share for share in _NINES if share <= furthest]
    words = [f"{share * 100:.5g} %" for share in ticks]
    drawn.update_xaxes(title={"text": "share of the messages"}, tickvals=[-log10(1 - share) for share in ticks], ticktext=words)
    drawn.update_yaxes(**axis)
    return picture(drawn, title)


# Who lost what


def plot_lossy(observations: Iterable[Observation]) -> Picture | None:
    """Draw what each connection lost, got twice or out of order, the worst hundred of the run that lost most."""
    runs = [run for run in counting(runs_of(observations)) if run.lossy]
    if not runs:
        return None
    run = max(runs, key=lambda one: (one.lost, one.duplicated, one.reordered))
    worst = sorted(run.lossy, key=lambda one: (-one.lost, -one.duplicated, -one.reordered, one.number))[:_MOST_BARS]
    count = max(run.lossy_count, len(run.lossy))
    first = worst[0]
    what = (
        f"lost {first.lost:,} of {first.expected:,}" if first.lost else f"got {first.duplicated:,} twice, {first.reordered:,} out of order"
    )
    title = f"{count:,} of {quantity(run.connections, 'connection')} missed or muddled messages; the worst, {first.number}, {what}"
    drawn = figure(title, 290, barmode="stack", margin={"t": 62})
    hover = [
        f"connection {one.number}: {one.lost:,} lost, {one.duplicated:,} twice, {one.reordered:,} out of order of {one.expected:,}; "
        f"{label(one.ended, 24)}{f' {one.close_code}' if one.close_code is not None else ''}"
        for one in worst
    ]
    names = []
    for name, mark, colour, values in (
        ("lost", "✗", _FAULT, [one.lost for one in worst]),
        ("twice", "!", WARNING, [one.duplicated for one in worst]),
        ("out of order", "!", CONTROL, [one.reordered for one in worst]),
    ):
        if any(values):
            look = {"marker": {"color": colour}, "hovertext": hover, "hoverinfo": "text"}
            drawn.add_trace(go.Bar(name=name, x=list(range(len(worst))), y=np.array(values, dtype="f4"), **look))
            names.append(f"{swatch(colour)} {mark} {name}")
    drawn.add_annotation(x=0, xref="x domain", y=1, yref="y domain", xanchor="left", yanchor="bottom", text="   ".join(names), **_NOTE)
    shown = list(range(0, len(worst), 1 + len(worst) // 12))
    more = f"; the worst {len(worst)} of {count:,}" if count > len(worst) else ""
    words = f"connection, at {rate_text(rate_of(run))} messages per second over all{more}"
    drawn.update_xaxes(title={"text": words}, tickvals=shown, ticktext=[str(worst[at].number) for at in shown], showgrid=False)
    drawn.update_yaxes(title={"text": "messages"}, rangemode="tozero")
    return picture(drawn, title)
