"""Pictures of handshakes: the chain, the stage waterfall. Draws what observations hold, judges nothing.

Each plot_ function returns None when the observations hold nothing that it could draw.
"""

from collections.abc import Iterable, Sequence
from html import escape

import plotly.graph_objects as go
from msgspec import Struct

from wsbook.chain import Link, chain_text, first_broken
from wsbook.facts import UpgradeFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation, Stage
from wsbook.views.attempts import (
    attempt_names,
    attempts_of,
    baseline_of,
    difference_words,
    differences,
    durations_of,
    end_s,
    ending,
    reference_of,
    signed,
    stages_of,
)
from wsbook.views.drawing import STAGE_COLOURS, VERDICT_COLOURS, Picture, column, figure, label, picture
from wsbook.words import MARKS, duration_text

__all__ = ["plot_chain", "plot_stages"]

_ROWS = 14
_BOX, _STEP = 1.0, 1.45
_LETTER_PX, _WIDTH_PX, _LEAST_PX = 5.7, 660, 260
"""Width of a letter beside a bar, of a plot in a notebook of a laptop's screen, and of its axis at least."""


def _box(link: Link, left: float, drawn: go.Figure) -> None:
    colour = VERDICT_COLOURS[link.verdict]
    line = {"color": colour, "width": 3 if link.broken else 1.5}
    drawn.add_shape(type="rect", x0=left, x1=left + _BOX, y0=0.36, y1=1, line=line, fillcolor="rgba(128,128,128,0.06)", layer="below")
    drawn.add_annotation(x=left + _BOX / 2, y=0.68, text=f"<b>{label(link.name, 22)}</b>", showarrow=False, font={"size": 14})
    first, _, second = link.detail.partition(", ")
    words = "<br>".join(label(part, 34) for part in (first, second) if part)
    drawn.add_annotation(x=left + _BOX / 2, y=0.28, text=words, showarrow=False, font={"size": 12}, yanchor="top")


def _way(link: Link, left: float, drawn: go.Figure) -> None:
    colour = VERDICT_COLOURS[link.verdict]
    start, middle = left - _STEP + _BOX, left - (_STEP - _BOX) / 2
    dash = "dot" if link.verdict is Verdict.UNKNOWN else "solid"
    drawn.add_shape(type="line", x0=start, x1=left, y0=0.68, y1=0.68, line={"color": colour, "width": 2, "dash": dash})
    drawn.add_annotation(x=middle, y=0.84, text=MARKS[link.verdict], showarrow=False, font={"size": 18, "color": colour})


def plot_chain(links: tuple[Link, ...]) -> Picture | None:
    """Draw the path from page to application, each place with its state; the innermost broken one has the thick frame."""
    if not links:
        return None
    broken = first_broken(links)
    every = all(link.verdict is Verdict.CLEAR for link in links)
    title = (
        f"the way breaks at {broken.name}: {broken.detail}"
        if broken
        else "every place lets the update through"
        if every
        else "no broken place is known"
    )
    width = (len(links) - 1) * _STEP + _BOX
    hidden = {"visible": False, "fixedrange": True}
    drawn = figure(
        title, 172, xaxis={**hidden, "range": [-0.05, max(width, 3.9) + 0.05]}, yaxis={**hidden, "range": [-0.25, 1.1]}, margin={"t": 40}
    )
    for index, link in enumerate(links):
        _box(link, index * _STEP, drawn)
        if index:
            _way(link, index * _STEP, drawn)
    drawn.add_trace(go.Scatter(x=column([0.0]), y=column([0.0]), mode="markers", marker={"opacity": 0}, hoverinfo="skip"))
    return picture(drawn, f"{title}. {chain_text(links, MARKS)}")


def _stage_title(base: Observation) -> str:
    slow = max(stages_of(base), key=lambda stage: stage.duration_s)
    bad = next((stage for stage in stages_of(base) if not stage.ok), None)
    if bad:
        return f"{ending(base)}: stopped at {bad.name}"
    return f"{ending(base)}: {slow.name} takes {duration_text(slow.duration_s)} of it"


def _refused(seen: Observation, stage: Stage) -> bool:
    """Tell whether an attempt ended at this stage: it failed, or the upgrade was answered with something else than an acceptance."""
    return not stage.ok or (stage.name == "upgrade" and isinstance(seen.facts, UpgradeFacts) and not seen.facts.accepted)


class _Rows(Struct, frozen=True):
    """Attempts as rows of a waterfall, the baseline on top. full_s: the longest; own: each row fills the axis by itself."""

    names: list[str]
    tried: list[Observation]
    full_s: float
    own: bool

    def scale(self, seen: Observation) -> float:
        """Return by what a duration in s of this attempt is multiplied for the axis: ms, or per cent of the attempt."""
        return 100 / (end_s(seen) or 1e-6) if self.own else 1000.0

    def hover(self, seen: Observation, stage: Stage) -> str:
        """Return one stage in words, with its difference to the baseline's."""
        delta = differences(durations_of(self.tried[0]), seen).get(stage.name)
        against = f" ({signed(delta)})" if delta is not None and seen is not self.tried[0] else ""
        return f"{stage.name}: {duration_text(stage.duration_s)}{against} {label(stage.detail)}"


def _bars(name: str, rows: _Rows, drawn: go.Figure) -> None:
    """Add one stage of every attempt as one trace; it is named in its widest bar, or in the legend when no bar is wide enough."""
    parts = [
        (row, seen, stage) for row, seen in zip(rows.names, rows.tried, strict=True) for stage in stages_of(seen) if stage.name == name
    ]
    if not parts:
        return
    refused = [_refused(seen, stage) for _, seen, stage in parts]
    widths = [stage.duration_s * rows.scale(seen) for _, seen, stage in parts]
    widest = max((width for width, bad in zip(widths, refused, strict=True) if not bad), default=0.0)
    fits = widest > (100 if rows.own else rows.full_s * 1000) * 0.25
    drawn.add_trace(
        go.Bar(
            name=name,
            orientation="h",
            y=[row for row, _, _ in parts],
            x=column([*widths]),
            base=[round(stage.started_s * rows.scale(seen), 4) for _, seen, stage in parts],  # plotly does not pack an array here
            marker={
                "color": [VERDICT_COLOURS[Verdict.FAULT] if bad else STAGE_COLOURS[name] for bad in refused],
                "pattern": {"shape": ["/" if bad else "" for bad in refused]},
                "line": {"width": 0},
            },
            text=[
                f"{name} {duration_text(stage.duration_s)}" if fits and width == widest else ""
                for (_, _, stage), width in zip(parts, widths, strict=True)
            ],
            textposition="inside",
            insidetextanchor="middle",
            hovertext=[rows.hover(seen, stage) for _, seen, stage in parts],
            hoverinfo="text",
            showlegend=not fits and not all(refused),
        )
    )


def _notes(rows: _Rows, drawn: go.Figure) -> float:
    """Write beside each row how it ended and what differs from the baseline; return how long the axis must be for it."""
    most = 3 if len(rows.tried) <= 4 else 2 if len(rows.tried) <= 8 else 1
    reference = reference_of(rows.tried)
    width_px = max(_LEAST_PX, _WIDTH_PX - _LETTER_PX * max(map(len, rows.names)))
    long = 0.0
    for row, seen in zip(rows.names, rows.tried, strict=True):
        delta = difference_words(reference, seen, most)
        delta += " against most others" if delta and seen is rows.tried[0] else ""
        words = label(ending(seen), 44) + (f"   <b>{escape(delta)}</b>" if delta else "")
        end = end_s(seen) * rows.scale(seen)
        drawn.add_annotation(x=end, y=row, text=words, showarrow=False, xanchor="left", xshift=6, font={"size": 12})
        letters = len(label(ending(seen), 44)) + (1.1 * len(delta) + 3 if delta else 0)
        long = max(long, end / (1 - min(0.75, (letters + 2) * _LETTER_PX / width_px)))
    return long


def plot_stages(
    observations: Iterable[Observation], *, chosen: Sequence[int] | None = None, baseline: int | None = None, own_axis: bool = False
) -> Picture | None:
    """Draw where the time of each attempt goes, the baseline on top, with what differs from it; a stage that was refused is hatched.

    chosen, baseline: indexes in attempts_of(observations); None draws the first 14, against the first that changes nothing.
    own_axis: each attempt fills the axis, in per cent of its own time.
    """
    every = attempts_of(observations)
    base = baseline_of(every) if baseline is None else baseline
    order = [base, *(index for index in (range(len(every)) if chosen is None else chosen) if index != base)][:_ROWS]
    if not every:
        return None
    tried, called = [every[index] for index in order], attempt_names(every)
    unique = "\u200b"  # keeps two rows of the same name apart
    rows = _Rows(
        names=[escape(called[index]) + unique * number for number, index in enumerate(order)],
        tried=tried,
        full_s=max(end_s(seen) for seen in tried) or 1e-6,
        own=own_axis,
    )
    title = _stage_title(tried[0])
    drawn = figure(title, 96 + 30 * len(tried), barmode="overlay", showlegend=True, margin={"t": 64, "r": 16})
    for name in STAGE_COLOURS:
        _bars(name, rows, drawn)
    room = _notes(rows, drawn)
    words = "share of the attempt's own time (%)" if own_axis else "time since the attempt began (ms)"
    drawn.update_xaxes(title={"text": words}, range=[0, room], **({"tickvals": [0, 25, 50, 75, 100]} if own_axis else {}))
    drawn.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=rows.names, showgrid=False)
    return picture(drawn, f"{title}; {len(tried)} attempts compared")
