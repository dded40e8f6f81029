"""Pictures of what happens over time: frames, a trace, load. Judges nothing.

Each plot_ function returns None when the observations hold nothing that it could draw.
"""

from collections import Counter
from collections.abc import Iterable
from math import log10

import plotly.graph_objects as go

from wsbook.facts import Frame, LoadFacts, Place, SessionFacts, TraceFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.views.drawing import CONTROL, RECEIVED, SENT, VERDICT_COLOURS, WARNING, Picture, column, figure, label, picture
from wsbook.views.tables import rows_of
from wsbook.views.tables.flow import OPCODES
from wsbook.words import cap, duration_text, quantity, size_text

__all__ = ["plot_frames", "plot_load", "plot_trace"]

_DECADES = [digit * 10.0**power for power in range(-3, 6) for digit in (1, 2, 5)]
_SIZES = (10, 1_000, 100_000, 10_000_000)


def _height(one: Frame) -> float:
    if one.opcode >= 8:  # RFC 6455 section 5.5: control frames
        return 0.0
    size = log10(one.size_bytes + 1) + 0.15
    return size if one.direction.startswith("s") else -size


def _hover(name: str, one: Frame) -> str:
    kind = OPCODES.get(one.opcode, str(one.opcode))
    return f"{name} {kind}, {size_text(one.size_bytes)} at {duration_text(one.at_s)}<br>{label(one.text, 80)}"


def _sticks(name: str, colour: str, symbol: str, frames: list[Frame], drawn: go.Figure) -> None:
    drawn.add_trace(
        go.Scatter(
            name=name,
            x=column([one.at_s for one in frames]),
            y=column([_height(one) for one in frames]),
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 9},
            hovertext=[_hover(name, one) for one in frames],
            hoverinfo="text",
        )
    )
    data = [one for one in frames if one.opcode < 8]
    if not data:
        return
    drawn.add_trace(
        go.Scatter(
            x=column([value for one in data for value in (one.at_s, one.at_s, None)]),
            y=column([value for one in data for value in (0.0, _height(one), None)]),
            mode="lines",
            line={"color": colour, "width": 1.5},
            hoverinfo="skip",
        )
    )


def _frames_title(facts: SessionFacts, up: int, down: int) -> str:
    span = duration_text(facts.age_s if facts.age_s is not None else facts.frames[-1].at_s)
    code = f" with {facts.close_code}" if facts.close_code is not None else ""
    who = f" by {facts.closed_by}" if facts.closed_by else ""
    return f"{quantity(up, 'frame')} sent, {down} received in {span}; ended: {facts.ended}{code}{who}"


def plot_frames(observations: Iterable[Observation]) -> Picture | None:
    """Draw every frame of the busiest socket by time: sent up, received down, height by the logarithm of its size."""
    sessions = [facts for _, facts in rows_of(observations, SessionFacts) if facts.frames]
    if not sessions:
        return None
    facts = max(sessions, key=lambda one: one.frame_count)
    sent = [one for one in facts.frames if one.direction.startswith("s") and one.opcode < 8]
    received = [one for one in facts.frames if not one.direction.startswith("s") and one.opcode < 8]
    control = [one for one in facts.frames if one.opcode >= 8]
    title = _frames_title(facts, len(sent), len(received))
    drawn = figure(title, 290)
    for name, colour, symbol, frames in (
        ("▲ sent", SENT, "triangle-up", sent),
        ("▼ received", RECEIVED, "triangle-down", received),
        ("◆ control", CONTROL, "diamond", control),
    ):
        if frames:
            _sticks(name, colour, symbol, frames, drawn)
    top = max((abs(_height(one)) for one in facts.frames), default=1.0) * 1.25 + 0.3
    ticks = [log10(size + 1) + 0.15 for size in _SIZES if log10(size + 1) < top]
    words = [size_text(size) for size in _SIZES][: len(ticks)]
    drawn.update_yaxes(
        tickvals=[*ticks, *[-t for t in ticks]],
        ticktext=[*words, *words],
        range=[-top, top],
        title={"text": "▼ received   size   sent ▲"},
        zeroline=True,
    )
    if facts.age_s is not None and facts.ended != "open":
        drawn.add_vline(
            x=facts.age_s, line={"color": CONTROL, "dash": "dot"}, annotation={"text": label(f"{facts.ended} {facts.close_code or ''}")}
        )
    drawn.update_xaxes(title={"text": "time since the upgrade (s)"})
    return picture(drawn, title)


def lost_place(places: tuple[Place, ...]) -> str:
    """Return the first place after the last one reached, "" when the last place was reached; a log that stays silent loses nothing."""
    watched = [place for place in places if not place.name.startswith("log ")]
    reached = [index for index, place in enumerate(watched) if place.at_s is not None]
    after = reached[-1] + 1 if reached else 0
    return watched[after].name if after < len(watched) else ""


def _trace_title(places: tuple[Place, ...]) -> str:
    reached = [place for place in places if place.at_s is not None]
    lost = lost_place(places)
    last = f"{reached[-1].name} after {duration_text(reached[-1].at_s)}" if reached else "no place"
    return f"the message reached {last}" + (f", never {lost}" if lost else "")


def plot_trace(observations: Iterable[Observation]) -> Picture | None:
    """Draw when one marked message was seen at each place on its way; places that never saw it are named."""
    traces = [facts for _, facts in rows_of(observations, TraceFacts) if facts.places]
    if not traces:
        return None
    places = traces[-1].places
    title, lost = _trace_title(places), lost_place(places)
    drawn = figure(title, 100 + 32 * len(places), margin={"r": 16})
    names = [label(place.name, 36) for place in places]
    times = [(place.at_s or 0.0) * 1000 for place in places]
    fault = VERDICT_COLOURS[Verdict.FAULT]
    colours = [WARNING if place.count > 1 else RECEIVED for place in places]
    drawn.add_trace(go.Bar(orientation="h", y=names, x=column(list(times)), marker={"color": colours}, hoverinfo="skip"))
    for name, place, at in zip(names, places, times, strict=True):
        seen = duration_text(place.at_s) + (f", {place.count} times" if place.count > 1 else "")
        words = seen if place.at_s is not None else "✗ never seen" if place.name == lost else "not seen"
        font = {"size": 12, **({"color": fault} if place.name == lost and place.at_s is None else {})}
        drawn.add_annotation(x=at, y=name, text=words, showarrow=False, xanchor="left", xshift=6, font=font)
    drawn.update_xaxes(title={"text": "time since the trigger (ms)"}, range=[0, (max(times) or 1.0) * 1.35])
    drawn.update_yaxes(autorange="reversed", showgrid=False, categoryorder="array", categoryarray=names)
    return picture(drawn, title)


def _load_title(facts: LoadFacts) -> str:
    if facts.void:
        return f"the figures do not count: {cap(facts.void, 80)}"
    lossy = next((step for step in facts.runs if step.lost), None)
    top = max(facts.runs, key=lambda step: step.rate)
    if lossy:
        return f"{lossy.lost:,} of {lossy.sent:,} messages lost at {lossy.rate:g} a second"
    return f"nothing lost up to {top.rate:g} a second, p99 {duration_text(top.p99_s)}"


def plot_load(observations: Iterable[Observation]) -> Picture | None:
    """Draw latency percentiles over the rate, both axes logarithmic; steps that lost messages are marked."""
    ramps = [facts for _, facts in rows_of(observations, LoadFacts) if facts.runs]
    if not ramps:
        return None
    facts = ramps[-1]
    steps = sorted(facts.runs, key=lambda step: (step.size_bytes, step.rate))
    size = Counter(step.size_bytes for step in steps).most_common(1)[0][0]
    steps = [step for step in steps if step.size_bytes == size]
    title = _load_title(facts)
    drawn = figure(title, 300, margin={"r": 48})
    for name, colour, values in (
        ("p50", RECEIVED, [step.p50_s for step in steps]),
        ("p99", SENT, [step.p99_s for step in steps]),
        ("max", "#999999", [step.max_s for step in steps]),
    ):
        shown = [None if value is None else value * 1000 for value in values]
        drawn.add_trace(
            go.Scatter(
                name=name,
                x=column([step.rate for step in steps]),
                y=column(shown),
                mode="lines+markers+text",
                text=[*[""] * (len(steps) - 1), name],
                textposition="middle right",
                cliponaxis=False,
                line={"color": colour},
                hovertext=[f"{name} {duration_text(value)} at {step.rate:g}/s" for value, step in zip(values, steps, strict=True)],
                hoverinfo="text",
            )
        )
    for step in steps:
        if step.lost:
            drawn.add_vline(
                x=step.rate, line={"color": VERDICT_COLOURS[Verdict.FAULT], "dash": "dot"}, annotation={"text": f"✗ {step.lost:,} lost"}
            )
    rates = sorted({step.rate for step in steps})
    drawn.update_xaxes(
        title={"text": f"messages per second, {size_text(size)} each"}, type="log", tickvals=rates, ticktext=[f"{rate:g}" for rate in rates]
    )
    drawn.update_yaxes(title={"text": "latency (ms)"}, type="log", tickvals=_DECADES, ticktext=[f"{value:g}" for value in _DECADES])
    return picture(drawn, title)
