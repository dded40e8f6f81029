"""Pictures of logs: how old sockets became, and when they ended. Judges nothing."""

from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
import plotly.graph_objects as go

from wsbook.facts import AccessFacts, ClosingsFacts, SessionFacts
from wsbook.observation import Observation
from wsbook.symptoms import Age, ages
from wsbook.views.drawing import INK, SENT, WARNING, Picture, column, figure, label, picture
from wsbook.views.tables import rows_of
from wsbook.words import cap, duration_text

__all__ = ["plot_lifetimes"]

_LEAST = 5
"""Fewer sockets make no distribution."""
_LINES = 4
_POINTS = 5_000


def plot_lifetimes(observations: Iterable[Observation]) -> Picture | None:
    """Draw the ages at which sockets ended, and beneath them when each ended: many of one age are a limit, many in one second a restart.

    None below five sockets.
    """
    seen = tuple(observations)
    lived = _ages(seen)
    if len(lived) < _LEAST:
        return None
    ended = [(time, age) for time, age in _ends(seen) if age is not None][:_POINTS]
    bins = min(60, max(10, len(lived)))
    counts, edges = np.histogram(np.array(lived), bins=bins)
    peak = int(counts.argmax())
    spike = bool(counts[peak] * 2 > len(lived) and edges[peak + 1] - edges[peak] < 0.2 * edges[peak + 1])
    title = _title(lived, ended, (float(edges[peak]), float(edges[peak + 1]), int(counts[peak])) if spike else None)
    drawn = figure(title, 460 if len(ended) >= _LEAST else 260, bargap=0.05)
    _histogram(drawn, counts, edges, peak if spike else -1)
    _limits(drawn, lived)
    if len(ended) >= _LEAST:
        _closings(drawn, ended)
    return picture(drawn, title)


def _ages(seen: Iterable[Observation]) -> list[float]:
    """Return the ages of all sockets that ended; a log's lives count once, as the parser pairs them."""
    found = [facts.age_s for _, facts in rows_of(seen, SessionFacts) if facts.age_s is not None]
    return found + [age for _, facts in rows_of(seen, AccessFacts) if _is_socket(facts) for age in facts.durations_s]


def _is_socket(facts: AccessFacts) -> bool:
    return (facts.status == 101 or bool(facts.upgrade)) and not facts.marked


def _ends(seen: Iterable[Observation]) -> list[tuple[float, float | None]]:
    """Return (epoch seconds, age) of each end that a log dates."""
    found: list[tuple[float, float | None]] = []
    for _, facts in rows_of(seen, ClosingsFacts):
        found += zip(facts.times, facts.ages_s, strict=True)
    for _, facts in rows_of(seen, AccessFacts):
        if _is_socket(facts) and len(facts.times) == len(facts.durations_s):
            found += zip(facts.times, facts.durations_s, strict=True)
    return sorted(found, key=lambda end: end[0])


def _title(lived: list[float], ended: list[tuple[float, float]], spike: tuple[float, float, int] | None) -> str:
    if spike is not None:
        return f"{spike[2]} of {len(lived)} sockets ended at {duration_text(spike[0])} to {duration_text(spike[1])}"
    seconds, counts = np.unique(np.floor([time for time, _ in ended]), return_counts=True)
    if len(counts) and counts.max() >= max(_LEAST, 0.5 * len(ended)):
        at = datetime.fromtimestamp(float(seconds[counts.argmax()]), UTC)
        return f"{counts.max()} of {len(ended)} sockets of different ages ended in one second, {at:%H:%M:%S} UTC"
    return f"{len(lived)} sockets lived {duration_text(min(lived))} to {duration_text(max(lived))}, without a common age"


def _histogram(drawn: go.Figure, counts: np.ndarray, edges: np.ndarray, spike: int) -> None:
    middle = (edges[:-1] + edges[1:]) / 2
    drawn.add_trace(
        go.Bar(
            x=middle.astype("f4"),
            y=counts.astype("i4"),
            marker={"color": [WARNING if index == spike else SENT for index in range(len(counts))]},
            hovertext=[f"{count} ended at {duration_text(float(at))}" for count, at in zip(counts, middle, strict=True)],
            hoverinfo="text",
        )
    )
    drawn.update_layout(xaxis={"title": {"text": "age at the end (s)"}}, yaxis={"title": {"text": "sockets"}})


def _limits(drawn: go.Figure, lived: list[float]) -> None:
    """Name the known limits at which most of the sockets ended."""
    near = [(sum(abs(age - known.age_s) <= known.tolerance_s for age in lived), known) for known in ages()]
    named: dict[float, tuple[int, Age]] = {}
    for count, known in near:
        if count >= 3:
            named.setdefault(known.age_s, (count, known))
    for count, known in sorted(named.values(), key=lambda pair: -pair[0])[:_LINES]:
        drawn.add_vline(x=known.age_s, line={"color": INK, "width": 1, "dash": "dot"})
        words = label(f"{known.age_s:g} s, {count}: {cap(known.note, 40)}")
        drawn.add_annotation(
            x=known.age_s, y=1, yref="y domain", text=words, showarrow=False, xanchor="left", yanchor="top", font={"size": 11}
        )


def _closings(drawn: go.Figure, ended: list[tuple[float, float]]) -> None:
    """Draw each end as a mark under the histogram: a row is a limit, a column a restart."""
    start = ended[0][0]
    drawn.add_trace(
        go.Scatter(
            x=column([time - start for time, _ in ended]),
            y=column([age for _, age in ended]),
            mode="markers",
            marker={"color": SENT, "size": 5, "opacity": 0.6},
            hovertext=[f"{duration_text(age)} old at {datetime.fromtimestamp(time, UTC):%H:%M:%S} UTC" for time, age in ended],
            hoverinfo="text",
            xaxis="x2",
            yaxis="y2",
        )
    )
    since = datetime.fromtimestamp(start, UTC).strftime("%H:%M:%S")
    drawn.update_layout(
        yaxis={"domain": [0.62, 1.0], "title": {"text": "sockets"}},
        yaxis2={"domain": [0.0, 0.38], "title": {"text": "age (s)"}, "anchor": "x2"},
        xaxis={"anchor": "y", "title": {"text": "age at the end (s)"}},
        xaxis2={"anchor": "y2", "title": {"text": f"end (s after {since} UTC)"}},
    )
