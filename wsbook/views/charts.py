"""Pictures of handshakes: the chain, the stage waterfall. Draws what observations hold, judges nothing.

Each plot_ function returns None when the observations hold nothing that it could draw.
"""

from collections.abc import Iterable
from html import escape

import plotly.graph_objects as go

from wsbook.chain import Link, chain_text, first_broken
from wsbook.describe import outcome_text
from wsbook.facts import UpgradeFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation, Stage
from wsbook.views.drawing import STAGE_COLOURS, VERDICT_COLOURS, Picture, column, figure, label, picture
from wsbook.views.tables import answered_s, is_attempt
from wsbook.words import MARKS, cap, duration_text

__all__ = ["plot_chain", "plot_stages"]

_ROWS = 14
_BOX, _STEP = 1.0, 1.45
_LETTER = 0.022
"""Width of a letter beside a bar, as part of the longest bar."""


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


def _name(seen: Observation, *, with_hop: bool) -> str:
    again = ", repeated" if seen.source.probe == "repeated" else ""
    words, place = ", ".join(seen.source.changed), f"{seen.source.hop or seen.source.probe}{again}"
    return cap(f"{place}: {words}" if words and with_hop else words or place, 44)


def _ending(seen: Observation) -> str:
    if isinstance(seen.facts, UpgradeFacts) and (seen.facts.status is not None or not seen.failure):
        words = outcome_text(seen.facts)
    else:
        words = seen.failure.reason.value if seen.failure else ""
    return f"{words}, {duration_text(answered_s(seen))}"


def _stages(seen: Observation) -> list[Stage]:
    """Return the stages to draw; a first message that did not come is waiting, not a stage."""
    return [stage for stage in seen.stages if stage.ok or stage.name != "first-message"]


def _end_s(seen: Observation) -> float:
    return max(stage.started_s + stage.duration_s for stage in _stages(seen))


def _stage_title(tried: list[Observation]) -> str:
    base = next((seen for seen in tried if not seen.source.changed), tried[0])
    slow = max(_stages(base), key=lambda stage: stage.duration_s)
    bad = next((stage for stage in _stages(base) if not stage.ok), None)
    if bad:
        return f"{_ending(base)}: stopped at {bad.name}"
    return f"{_ending(base)}: {slow.name} takes {duration_text(slow.duration_s)} of it"


def _refused(seen: Observation, stage: Stage) -> bool:
    """Tell whether an attempt ended at this stage: it failed, or the upgrade was answered with something else than an acceptance."""
    return not stage.ok or (stage.name == "upgrade" and isinstance(seen.facts, UpgradeFacts) and not seen.facts.accepted)


def _bars(name: str, rows: list[tuple[str, Observation, Stage]], full_s: float, drawn: go.Figure) -> None:
    """Add one stage of every attempt as one trace; it is named in its widest bar, or in the legend when no bar is wide enough."""
    refused = [_refused(seen, stage) for _, seen, stage in rows]
    passed = [stage for (_, _, stage), bad in zip(rows, refused, strict=True) if not bad]
    widest = max(passed, key=lambda stage: stage.duration_s, default=None)
    fits = widest is not None and widest.duration_s > full_s * 0.25
    texts = [f"{name} {duration_text(stage.duration_s)}" if fits and stage is widest else "" for _, _, stage in rows]
    drawn.add_trace(
        go.Bar(
            name=name,
            orientation="h",
            y=[row for row, _, _ in rows],
            x=column([stage.duration_s * 1000 for _, _, stage in rows]),
            base=[round(stage.started_s * 1000, 4) for _, _, stage in rows],  # plotly does not pack an array here
            marker={
                "color": [VERDICT_COLOURS[Verdict.FAULT] if bad else STAGE_COLOURS[name] for bad in refused],
                "pattern": {"shape": ["/" if bad else "" for bad in refused]},
                "line": {"width": 0},
            },
            text=texts,
            textposition="inside",
            insidetextanchor="middle",
            hovertext=[f"{name}: {duration_text(stage.duration_s)} {label(stage.detail)}" for _, _, stage in rows],
            hoverinfo="text",
            showlegend=not fits and bool(passed),
        )
    )


def plot_stages(observations: Iterable[Observation]) -> Picture | None:
    """Draw where the time of each attempt goes, on one axis; a stage that was refused is hatched."""
    tried = [seen for seen in observations if is_attempt(seen) and _stages(seen)][:_ROWS]
    if not tried:
        return None
    unique = "\u200b"  # keeps two rows of the same name apart
    many = len({seen.source.hop for seen in tried}) > 1
    names = [escape(_name(seen, with_hop=many)) + unique * index for index, seen in enumerate(tried)]
    full_s = max(stage.started_s + stage.duration_s for seen in tried for stage in _stages(seen)) or 1e-6
    title = _stage_title(tried)
    drawn = figure(title, 96 + 30 * len(tried), barmode="overlay", showlegend=True, margin={"t": 64, "r": 16})
    for name in STAGE_COLOURS:
        rows = [(row, seen, stage) for row, seen in zip(names, tried, strict=True) for stage in _stages(seen) if stage.name == name]
        if rows:
            _bars(name, rows, full_s, drawn)
    for row, seen in zip(names, tried, strict=True):
        drawn.add_annotation(
            x=_end_s(seen) * 1000, y=row, text=label(_ending(seen), 44), showarrow=False, xanchor="left", xshift=6, font={"size": 12}
        )
    room = max(_end_s(seen) + full_s * _LETTER * len(label(_ending(seen), 44)) for seen in tried)
    drawn.update_xaxes(title={"text": "time since the attempt began (ms)"}, range=[0, room * 1000])
    drawn.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=names, showgrid=False)
    return picture(drawn, f"{title}; {len(tried)} attempts compared")
