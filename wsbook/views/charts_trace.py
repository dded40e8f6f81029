"""Pictures of marked messages on their way: one of them over the places, the steps between the places, and many at once.

Judges nothing. Each plot_ function returns None when the observations hold nothing that it could draw.
"""

from collections.abc import Iterable, Sequence
from statistics import median

import plotly.graph_objects as go

from wsbook.facts import BurstFacts, BurstPlace, Place, TraceFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.views.drawing import (
    INK,
    RECEIVED,
    SENT,
    VERDICT_COLOURS,
    WARNING,
    Picture,
    column,
    figure,
    label,
    latency_axis,
    picture,
    row_names,
    row_words,
)
from wsbook.views.tables import rows_of
from wsbook.views.tables.trace import BESIDE, IN_PAGE, Passing, missing_of, passings_of, percentile
from wsbook.words import cap, duration_text, quantity

__all__ = ["plot_burst", "plot_steps", "plot_trace"]

_FAULT, _BESIDE = VERDICT_COLOURS[Verdict.FAULT], VERDICT_COLOURS[Verdict.UNKNOWN]
_PALE = "rgba(128,128,128,0.10)"
_MOST_PLACES, _MOST_REPEATS = 24, 200
_LEAST_MS = 0.01


def _traces(observations: Iterable[Observation]) -> list[TraceFacts]:
    return [facts for _, facts in rows_of(observations, TraceFacts) if facts.places]


def _lost(passings: Sequence[Passing]) -> Passing | None:
    return next((one for one in passings if one.lost), None)


def _arrived(passings: Sequence[Passing]) -> Passing | None:
    """Return the last place of the way that saw anything."""
    return next((one for one in reversed(passings) if one.seen and one.kind not in (*BESIDE, "trigger")), None)


def _slowest(passings: Sequence[Passing]) -> tuple[float, Passing] | None:
    """Return the place that is longest after the one before it, in half of the messages, and how long."""
    steps = [(median(one.step_s), one) for one in passings if one.step_s and one.kind not in (*BESIDE, "trigger")]
    return max(steps, key=lambda pair: pair[0], default=None)


def _trace_title(passings: Sequence[Passing], watched_s: float | None) -> str:
    lost, last, slowest = _lost(passings), _arrived(passings), _slowest(passings)
    within = f" within {duration_text(watched_s)}" if watched_s else ""
    if lost is not None:
        before = passings[: passings.index(lost)]
        came = _arrived(before)
        reached = f"; last seen at {came.name}" if came else "; no place before saw it"
        took = f" after {duration_text(percentile(came.at_s, 0.5))}" if came else ""
        return f"{lost.of - lost.seen} of {quantity(lost.of, 'message')} never came to {lost.name}{within}{reached}{took}"
    if last is None:
        return f"{quantity(max((one.of for one in passings), default=0), 'message')} set off, and no place saw any"
    half = f"{last.seen} of {quantity(last.of, 'message')} came to {last.name}, half within {duration_text(percentile(last.at_s, 0.5))}"
    twice = max(passings, key=lambda one: one.copies)
    if twice.copies > 1:
        return f"{half}; {twice.name} saw one {twice.copies} times"
    return f"{half}; longest step {duration_text(slowest[0])}, to {slowest[1].name}" if slowest else half


def _shown(traces: Sequence[TraceFacts], passings: Sequence[Passing]) -> TraceFacts:
    """Return the message that tells most: the first that was lost, or else the one in the middle."""
    lost = {one.name for one in passings if one.lost}
    missed = [facts for facts in traces if any(place.at_s is None and place.name in lost for place in facts.places)]
    if missed:
        return missed[0]
    ordered = sorted(traces, key=lambda facts: max((place.at_s for place in facts.places if place.at_s is not None), default=0.0))
    return ordered[len(ordered) // 2]


class _Row:
    """One place of the waterfall: where its bar begins and ends, in ms, and how it looks. follows: the place before missed it too."""

    def __init__(self, passing: Passing, place: Place | None, before_s: float, follows: bool) -> None:
        self.passing, self.place = passing, place
        self.fault = passing.lost and not follows and (place is None or place.at_s is None)
        at_s = place.at_s if place is not None else None
        start_s = 0.0 if passing.kind in BESIDE else before_s
        self.seen = at_s is not None
        self.end = (at_s if at_s is not None else before_s) * 1000
        self.begin = min(start_s * 1000, self.end)
        self.step_s = at_s - before_s if at_s is not None else None
        p10, p90 = percentile(passing.at_s, 0.1), percentile(passing.at_s, 0.9)
        self.span = (p10 * 1000, p90 * 1000) if p10 is not None and p90 is not None and len(passing.at_s) > 1 else None
        self.error = place.error_s * 1000 if place is not None else 0.0

    @property
    def colour(self) -> str:
        odd = self.place is not None and (self.place.count > 1 or self.place.altered or self.place.against_schema)
        return WARNING if odd else _BESIDE if self.passing.kind in BESIDE else RECEIVED

    @property
    def right(self) -> float:
        """Where the words may begin."""
        return max(self.end + self.error, self.span[1] if self.span else 0.0)

    @property
    def words(self) -> str:
        """What stands behind the row."""
        passing, place = self.passing, self.place
        if place is None or place.at_s is None:
            return f"✗ {passing.of - passing.seen} of {passing.of} lost" if self.fault else "not seen"
        if passing.kind == "trigger":
            return "set off"
        marks = [f"{place.count} times"] if place.count > 1 else []
        marks += ["altered"] if place.altered else []
        marks += ["schema"] if place.against_schema else []
        if marks:
            return cap(f"! {', '.join(marks)}", 22)
        told = self.step_s is not None and self.step_s > 0 and passing.kind not in BESIDE
        step = f"  +{duration_text(self.step_s)}" if told else ""
        return f"{duration_text(place.at_s)}{step}"


def _rows(facts: TraceFacts, passings: Sequence[Passing]) -> list[_Row]:
    places = {place.name: place for place in reversed(facts.places)}
    rows, before_s, missed = [], 0.0, False
    for passing in passings[:_MOST_PLACES]:
        place = places.get(passing.name)
        rows.append(_Row(passing, place, before_s, missed))
        if passing.kind not in BESIDE:
            missed = not rows[-1].seen
            before_s = rows[-1].end / 1000
    return rows


def _bars(drawn: go.Figure, rows: Sequence[_Row]) -> None:
    """Draw for each row how unsure its time is, its bar, and where nine and one in ten messages were."""
    drawn.update_layout(barmode="overlay")
    unsure = [(number, row) for number, row in enumerate(rows) if row.error and row.seen]
    if unsure:
        fields = {"y": [number for number, _ in unsure], "base": [round(row.end - row.error, 4) for _, row in unsure]}
        look = {"marker": {"color": [row.colour for _, row in unsure]}, "opacity": 0.3, "width": 0.86, "hoverinfo": "skip"}
        drawn.add_trace(go.Bar(orientation="h", x=column([2 * row.error for _, row in unsure]), **fields, **look))
    seen = [(number, row) for number, row in enumerate(rows) if row.seen]
    drawn.add_trace(
        go.Bar(
            orientation="h",
            y=[number for number, _ in seen],
            base=[round(row.begin, 4) for _, row in seen],
            x=column([row.end - row.begin for _, row in seen]),
            width=0.5,
            marker={"color": [row.colour for _, row in seen], "line": {"width": 1.5, "color": [row.colour for _, row in seen]}},
            hovertext=[_hover(row) for _, row in seen],
            hoverinfo="text",
        )
    )
    spread = [(number, row.span) for number, row in enumerate(rows) if row.span and row.span[1] > row.span[0]]
    if spread:
        low, high = [span[0] for _, span in spread], [span[1] for _, span in spread]
        middle = [(one + other) / 2 for one, other in zip(low, high, strict=True)]
        halves = column([(b - a) / 2 for a, b in zip(low, high, strict=True)])
        bars = {"type": "data", "array": halves, "color": INK, "thickness": 1.4, "width": 3}
        look = {"mode": "markers", "marker": {"opacity": 0}, "hoverinfo": "skip"}
        under = column([number + 0.37 for number, _ in spread])
        drawn.add_trace(go.Scatter(x=column([*middle]), y=under, error_x=bars, **look))


def _hover(row: _Row) -> str:
    one, place = row.passing, row.place
    parts = [f"{label(one.name, 48)}: {duration_text(place.at_s if place else None)}"]
    if len(one.at_s) > 1:
        spread = [duration_text(percentile(one.at_s, share)) for share in (0.1, 0.5, 0.9)]
        parts.append(f"{one.seen} of {one.of} messages: p10 {spread[0]}, p50 {spread[1]}, p90 {spread[2]}")
    parts += [f"± {duration_text(one.error_s)} by another clock"] if one.error_s else []
    parts += [f"instance {label(place.instance, 40)}"] if place and place.instance else []
    parts += [f"its socket had ended: {label(one.ended, 60)}"] if one.ended else []
    parts += [f"altered: {label(place.altered, 80)}"] if place and place.altered else []
    parts += [f"against the schema: {label(place.against_schema, 80)}"] if place and place.against_schema else []
    return "<br>".join(parts)


def _lost_marks(drawn: go.Figure, rows: Sequence[_Row]) -> None:
    gone = [(number, row) for number, row in enumerate(rows) if not row.seen and row.passing.lost]
    if gone:
        colours = [_FAULT if row.fault else _BESIDE for _, row in gone]
        look = {"mode": "markers", "marker": {"symbol": "x", "size": 9, "color": colours}, "hoverinfo": "skip"}
        drawn.add_trace(go.Scatter(x=column([row.end for _, row in gone]), y=[number for number, _ in gone], **look))


def _page_band(drawn: go.Figure, rows: Sequence[_Row]) -> None:
    """Set the places that lie inside the page apart from those before it."""
    inside = [number for number, row in enumerate(rows) if row.passing.kind in IN_PAGE]
    if inside:
        box = {"x0": 0, "x1": 1, "xref": "x domain", "y0": min(inside) - 0.5, "y1": max(inside) + 0.5}
        drawn.add_shape(type="rect", fillcolor=_PALE, line={"width": 0}, layer="below", **box)


def plot_trace(observations: Iterable[Observation]) -> Picture | None:
    """Draw one marked message over the places of its way, each bar from the place before; whiskers hold eight tenths of all messages.

    A place that never saw it is marked, one that saw it twice or altered is coloured, and what another clock told has a pale band.
    """
    traces = _traces(observations)
    if not traces:
        return None
    passings = passings_of(traces)
    facts = _shown(traces, passings)
    title = _trace_title(passings, facts.watched_s)
    rows = _rows(facts, passings)
    drawn = figure(title, 104 + 27 * len(rows))
    _page_band(drawn, rows)
    _bars(drawn, rows)
    _lost_marks(drawn, rows)
    row_words(drawn, [row.words for row in rows])
    row_names(drawn, [row.passing.name for row in rows])
    which = f"<br>message {traces.index(facts) + 1} of {len(traces)}; whiskers: p10 to p90 of all" if len(traces) > 1 else ""
    most = max((row.right for row in rows), default=0.0) or 1.0
    drawn.update_xaxes(title={"text": f"time since the trigger (ms){which}"}, range=[0, most * 1.04])
    return picture(drawn, title)


# The steps between the places


def _between(passings: Sequence[Passing]) -> list[tuple[str, Passing]]:
    """Return (name, place) of each step along the way, in path order."""
    steps, before = [], "trigger"
    for one in passings:
        if one.kind in BESIDE or one.kind == "trigger":
            continue
        if one.step_s:
            steps.append((f"{cap(before, 22)} → {cap(one.name, 22)}", one))
            before = one.name
    return steps[:_MOST_PLACES]


def plot_steps(observations: Iterable[Observation]) -> Picture | None:
    """Draw how long each message took from place to place, a dot a message and a line for half of them; None of less than two."""
    traces = _traces(observations)[:_MOST_REPEATS]
    steps = _between(passings_of(traces))
    slowest = max(((median(one.step_s), name) for name, one in steps), default=None)
    if len(traces) < 2 or slowest is None:
        return None
    took = [value * 1000 for _, one in steps for value in one.step_s]
    log = max(took) > 30 * max(_LEAST_MS, median(took))
    low = _LEAST_MS if log else min(took)
    title = f"{quantity(len(traces), 'message')}: the longest step is {slowest[1]}, {duration_text(slowest[0])} in half of them"
    drawn = figure(title, 104 + 27 * len(steps))
    at = [(number, max(value * 1000, low)) for number, (_, one) in enumerate(steps) for value in one.step_s]
    dots = {"mode": "markers", "marker": {"color": RECEIVED, "size": 8, "opacity": 0.65}, "hoverinfo": "x", "xhoverformat": ".4g"}
    drawn.add_trace(go.Scatter(x=column([value for _, value in at]), y=[number for number, _ in at], **dots))
    halves = [max(median(one.step_s) * 1000, low) for _, one in steps]
    line = {"mode": "markers", "marker": {"symbol": "line-ns", "size": 16, "line": {"width": 2.5, "color": INK}}, "hoverinfo": "skip"}
    drawn.add_trace(go.Scatter(x=column([*halves]), y=list(range(len(steps))), **line))
    row_words(drawn, [duration_text(median(one.step_s)) for _, one in steps])
    row_names(drawn, [name for name, _ in steps])
    early = f"; less than {duration_text(_LEAST_MS / 1000)} is drawn there" if log and min(took) < low else ""
    words = f"time since the place before{early}" if log else "time since the place before (ms)"
    drawn.update_xaxes(**(latency_axis([low / 1000, max(took) / 1000], words) if log else {"title": {"text": words}}))
    return picture(drawn, title)


# Many at once


def _burst_title(facts: BurstFacts, lost: Sequence[tuple[int, BurstPlace]]) -> str:
    many = f"{quantity(max(0, facts.sent - facts.refused), 'event')} within {duration_text(facts.took_s)}"
    refused = f", {facts.refused} more refused" if facts.refused else ""
    if not lost:
        twice = sum(place.duplicated for place in facts.places)
        return f"{many}{refused}: every place saw all of them{f', {twice} of them again' if twice else ''}"
    missing, place = lost[0]
    return f"{many}{refused}: {missing} never came to {place.name}"


def _burst_colour(one: BurstPlace, missing: bool) -> str:
    if one.kind in BESIDE:
        return _BESIDE
    return _FAULT if missing else WARNING if one.duplicated or one.reordered else RECEIVED


def _burst_words(one: BurstPlace, due: int) -> str:
    """Return what stands behind a place; due: events that should have come, 0 when none is missing."""
    words = [f"{one.received:,}", *([f"✗ {due - one.received:,} lost"] if due else [])]
    words += [f"! {one.duplicated:,} twice"] if one.duplicated else []
    words += [f"! {one.reordered:,} out of order"] if one.reordered else []
    return ", ".join(words)


def plot_burst(observations: Iterable[Observation]) -> Picture | None:
    """Draw how many events of a burst came to each place, and how many never did, came twice or out of order."""
    bursts = [facts for _, facts in rows_of(observations, BurstFacts) if facts.places]
    if not bursts:
        return None
    facts = bursts[-1]
    sent, places = max(0, facts.sent - facts.refused), facts.places[:_MOST_PLACES]
    lost = [(gone, one) for one in places if (gone := missing_of(facts, one))]
    title = _burst_title(facts, lost)
    drawn = figure(title, 104 + 27 * len(places))
    missing = {one.name for _, one in lost}
    colours = [_burst_colour(one, one.name in missing) for one in places]
    rows = list(range(len(places)))
    look = {"orientation": "h", "width": 0.55, "hoverinfo": "skip"}
    drawn.update_layout(barmode="overlay")
    drawn.add_trace(go.Bar(x=column([float(one.received) for one in places]), y=rows, marker={"color": colours}, **look))
    gaps = {"x": column([float(gap) for gap, _ in lost]), "base": [one.received for _, one in lost]}
    hatched = {"color": "rgba(0,0,0,0)", "line": {"width": 1, "color": _FAULT}, "pattern": {"shape": "/", "fgcolor": _FAULT, "size": 6}}
    if lost:
        drawn.add_trace(go.Bar(y=[places.index(one) for _, one in lost], marker=hatched, **gaps, **look))
    row_words(drawn, [_burst_words(one, sent if one.name in missing else 0) for one in places])
    row_names(drawn, [one.name for one in places])
    drawn.add_vline(x=sent, line={"color": SENT, "dash": "dash", "width": 1.5})
    drawn.add_annotation(x=sent, y=1, yref="paper", yanchor="bottom", text=f"{sent:,} sent", showarrow=False, font={"size": 12})
    most = max(sent, *(one.received for one in places), 1)
    drawn.update_xaxes(title={"text": "events received, each counted once"}, range=[0, most * 1.02])
    return picture(drawn, title)
