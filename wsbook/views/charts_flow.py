"""Pictures of what happens over time: frames. Judges nothing.

Each plot_ function returns None when the observations hold nothing that it could draw.
"""

from collections.abc import Iterable
from math import log10

import plotly.graph_objects as go

from wsbook.facts import Frame, SessionFacts
from wsbook.observation import Observation
from wsbook.views.drawing import CONTROL, RECEIVED, SENT, Picture, column, figure, label, picture
from wsbook.views.tables import rows_of
from wsbook.views.tables.flow import OPCODES
from wsbook.words import duration_text, quantity, size_text

__all__ = ["plot_frames"]

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
