"""Pictures of a server under watch: quiet connections over time, subscribers beside a bad one, memory and descriptors over the cycles.

Judges nothing. Each plot_ function returns None when the observations hold nothing that it could draw.
"""

from collections.abc import Iterable
from itertools import cycle
from typing import Any

import plotly.graph_objects as go

from wsbook.facts import CrowdFacts, CycleFacts, PulseFacts, Pulses
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.rules.stalls import Stall, stalls_of
from wsbook.views.drawing import CONTROL, RECEIVED, SENT, VERDICT_COLOURS, WARNING, Picture, column, figure, label, picture
from wsbook.views.tables import rows_of
from wsbook.words import duration_text, quantity

__all__ = ["plot_crowd", "plot_pulses", "plot_server"]

_FAULT = VERDICT_COLOURS[Verdict.FAULT]
_COLOURS = (RECEIVED, SENT, CONTROL, WARNING, "#009E73")
_MOST_LINES, _MOST_BANDS = 5, 40
_DECADES = (0.1, 1, 10, 100, 1000, 10_000)


def _log_axis(title: str) -> dict[str, Any]:
    return {"title": {"text": title}, "type": "log", "tickvals": _DECADES, "ticktext": [f"{value:g}" for value in _DECADES]}


# Quiet connections


def _pulses_title(facts: PulseFacts, bands: list[tuple[float, float, bool]]) -> str:
    if not bands:
        return f"{quantity(len(facts.connections), 'quiet connection')}: no moment at which all of them were late"
    longest = max(stall.length_s for stall in stalls_of(facts))
    return f"quiet connections were late together {quantity(len(bands), 'time')}, for up to {duration_text(longest)}"


def _bands(stalls: list[Stall]) -> list[tuple[float, float, bool]]:
    """Return (begin, end, whether something else may explain it) of the times of stalls, those that overlap joined."""
    bands: list[tuple[float, float, bool]] = []
    for stall in stalls:
        if bands and stall.begin_s <= bands[-1][1]:
            begin_s, end_s, excused = bands.pop()
            bands.append((begin_s, max(end_s, stall.end_s), excused and bool(stall.excuse)))
        else:
            bands.append((stall.begin_s, stall.end_s, bool(stall.excuse)))
    return bands


def _points(connections: Iterable[Pulses]) -> tuple[list[float], list[float]]:
    pairs = [pair for one in connections for pair in zip(one.sent_s, one.answered_s, strict=True)]
    told = sorted((sent, (answered - sent) * 1000) for sent, answered in pairs if answered is not None)
    return [at for at, _ in told], [took for _, took in told]


def plot_pulses(observations: Iterable[Observation]) -> Picture | None:
    """Draw how long each pong took over the time at which its ping left, place by place; moments when all were late are marked."""
    found = [facts for _, facts in rows_of(observations, PulseFacts) if facts.connections]
    if not found:
        return None
    facts = found[-1]
    bands = _bands(stalls_of(facts))
    title = _pulses_title(facts, bands)
    drawn = figure(title, 300, showlegend=True, legend={"y": -0.32, "yanchor": "top"}, margin={"r": 16, "t": 64})
    for begin_s, end_s, excused in bands[:_MOST_BANDS]:
        colour = VERDICT_COLOURS[Verdict.UNKNOWN] if excused else _FAULT
        drawn.add_vrect(x0=begin_s, x1=end_s, fillcolor=colour, opacity=0.2, line={"width": 0}, layer="below")
    for place, colour in zip(dict.fromkeys(one.place for one in facts.connections), cycle(_COLOURS), strict=False):
        at, took = _points(one for one in facts.connections if one.place == place)
        look = {"mode": "markers", "marker": {"color": colour, "size": 5}, "hoverinfo": "skip"}
        drawn.add_trace(go.Scatter(name=label(place, 24), x=column([*at]), y=column([*took]), **look))
    for spell in facts.spells[:6]:
        drawn.add_vline(x=spell.begin_s, line={"color": "#999999", "width": 1, "dash": "dot"})
        drawn.add_annotation(
            x=spell.begin_s, y=1.0, yref="paper", yanchor="bottom", xanchor="left", text=label(spell.name, 26), showarrow=False
        )
    drawn.update_xaxes(title={"text": "time (s); shaded: all connections of a process late together"})
    drawn.update_yaxes(**_log_axis("ping to pong (ms)"))
    return picture(drawn, title)


# Subscribers beside a bad one


def _crowd_title(facts: CrowdFacts) -> str:
    took = [one for neighbour in facts.neighbours for one in neighbour.during]
    missed = sum(one is None for one in took)
    worst = max((one for one in took if one is not None), default=None)
    words = f"beside one that {facts.kind}, the others got their messages within {duration_text(worst)}"
    return f"{words}; {missed} never came" if missed else words


def plot_crowd(observations: Iterable[Observation]) -> Picture | None:
    """Draw when each message left and how long it took to each subscriber while another one misbehaved, the worst look of several."""
    found = [facts for _, facts in rows_of(observations, CrowdFacts) if facts.sent_s and facts.neighbours]
    if not found:
        return None
    facts = max(found, key=lambda one: max((took or 60.0 for each in one.neighbours for took in each.during), default=0.0))
    title = _crowd_title(facts)
    drawn = figure(title, 300, showlegend=True, legend={"y": -0.32, "yanchor": "top"}, margin={"r": 16})
    for one, colour in zip(facts.neighbours[:_MOST_LINES], cycle(_COLOURS), strict=False):
        before = [-0.05 * (len(one.before) - number) for number in range(len(one.before))]
        took = [None if value is None else max(value * 1000, 0.05) for value in (*one.before, *one.during)]
        name = f"subscriber {one.index}" + (f" ({label(one.instance, 14)})" if one.instance else "")
        look = {"mode": "lines", "line": {"color": colour, "width": 1.5}, "hoverinfo": "skip"}
        drawn.add_trace(go.Scatter(name=name, x=column([*before, *facts.sent_s]), y=column(took), **look))
    drawn.add_vline(x=0, line={"color": _FAULT, "dash": "dot"}, annotation={"text": f"one {label(facts.kind, 20)}", "yanchor": "bottom"})
    drawn.add_vline(x=facts.released_s, line={"color": "#009E73", "dash": "dot"}, annotation={"text": "no longer", "yanchor": "bottom"})
    drawn.update_xaxes(title={"text": "when a message left (s)"})
    drawn.update_yaxes(**_log_axis("until it came (ms)"))
    return picture(drawn, title)


# Memory and descriptors


def _server_title(facts: CycleFacts) -> str:
    gone = facts.warm_up + facts.closed + facts.hung_up + facts.broken
    more = []
    for server in facts.servers:
        after = [one.descriptors for one in server.samples if not one.held and one.ended >= facts.warm_up and one.descriptors is not None]
        more += [after[-1] - after[0]] if after else []
    kept = f"{max(more):+d} descriptors since the first wave" if more else "descriptors not told"
    return f"{gone} connections came and went, up to {facts.at_once} together: {kept}"


def plot_server(observations: Iterable[Observation]) -> Picture | None:
    """Draw our open connections, the servers' descriptors and their memory over the cycles, on one axis of time."""
    found = [facts for _, facts in rows_of(observations, CycleFacts) if facts.servers]
    if not found:
        return None
    facts = found[-1]
    title = _server_title(facts)
    drawn = figure(title, 380, showlegend=True, legend={"y": -0.2, "yanchor": "top"}, margin={"r": 16})
    first = facts.servers[0].samples
    fields = {"x": column([one.at_s for one in first]), "y": column([float(one.held) for one in first]), "yaxis": "y"}
    drawn.add_trace(go.Scatter(name="ours, open", fill="tozeroy", line={"color": "#999999", "width": 1}, hoverinfo="skip", **fields))
    for server, colour in zip(facts.servers[:_MOST_LINES], cycle(_COLOURS), strict=False):
        at = column([one.at_s for one in server.samples])
        descriptors = column([None if one.descriptors is None else float(one.descriptors) for one in server.samples])
        memory = column([None if one.memory_bytes is None else one.memory_bytes / 2**20 for one in server.samples])
        look: dict[str, Any] = {"mode": "lines+markers", "line": {"color": colour}, "marker": {"size": 4}, "hoverinfo": "skip"}
        name = label(f"{server.name} at {server.place}", 36)
        drawn.add_trace(go.Scatter(name=name, x=at, y=descriptors, yaxis="y2", **look))
        drawn.add_trace(go.Scatter(x=at, y=memory, yaxis="y3", showlegend=False, **look))
    axis = drawn.layout.template.layout.yaxis.to_plotly_json()
    drawn.update_layout(
        yaxis={"domain": [0.78, 1.0], "title": {"text": "open"}, "rangemode": "tozero"},
        yaxis2={**axis, "domain": [0.39, 0.71], "title": {"text": "descriptors"}, "rangemode": "tozero", "anchor": "x"},
        yaxis3={**axis, "domain": [0.0, 0.32], "title": {"text": "memory (MiB)"}, "anchor": "x"},
        xaxis={"title": {"text": "time (s)"}, "anchor": "y3"},
    )
    return picture(drawn, title)
