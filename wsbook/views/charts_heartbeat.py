"""Pictures of the idle ladder: how long connections of each kind lived at each place, and the peer's heartbeats. Judges nothing.

Each plot_ function returns None when the observations hold nothing that it could draw.
"""

from collections.abc import Iterable, Sequence

import plotly.graph_objects as go
from msgspec import Struct

from wsbook.facts import HeartbeatFacts, IdleFacts, RouteFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.rules.ages import ends_by_age
from wsbook.rules.rungs import Rung, silence_at
from wsbook.views.drawing import CONTROL, INK, RECEIVED, SENT, VERDICT_COLOURS, WARNING, Picture, column, figure, label, picture
from wsbook.views.tables import rows_of
from wsbook.views.tables.heartbeat import TRAFFIC
from wsbook.words import duration_text

__all__ = ["plot_idle"]

_BAND = "rgba(213,94,0,0.14)"
_BEATS = 60
_ROWS = 24


class _Row(Struct, frozen=True, kw_only=True):
    """One line of the picture: what was tried where, and what became of it. lives: (seconds, survived, words)."""

    name: str
    colour: str
    lives: tuple[tuple[float, bool, str], ...]
    beats: tuple[float, ...] = ()


def _colour(facts: IdleFacts) -> str:
    return {"none": INK, "listen": RECEIVED, "server": RECEIVED, "client": SENT}.get(facts.traffic, CONTROL)


def _kind(facts: IdleFacts) -> str:
    late = " later" if facts.delay_s else ""
    return f"{TRAFFIC.get(facts.traffic, facts.traffic)}{late}"


def _life(facts: IdleFacts) -> tuple[float, bool, str]:
    code = f" {facts.close_code}" if facts.close_code is not None else ""
    words = "" if facts.survived else f"{facts.ended}{code}"
    return (facts.silence_s if facts.survived else facts.lived_s), facts.survived, words


def _idle_rows(rungs: Sequence[Rung]) -> list[_Row]:
    found: dict[str, list[IdleFacts]] = {}
    for seen, facts in rungs:
        found.setdefault(f"{seen.source.hop}: {_kind(facts)}" if seen.source.hop else _kind(facts), []).append(facts)
    return [_Row(name=label(name, 40), colour=_colour(rows[0]), lives=tuple(map(_life, rows))) for name, rows in found.items()]


def _beat_rows(heard: Sequence[tuple[Observation, HeartbeatFacts]]) -> list[_Row]:
    """Return one line for each client that stayed mute, with the heartbeats that it did not answer."""
    rows = []
    for seen, facts in heard:
        if facts.answered:
            continue
        died = facts.ended != "open"
        code = f" {facts.close_code}" if facts.close_code is not None else ""
        every_s = facts.interval_s or 0.0
        beats = [facts.first_s + index * every_s for index in range(min(facts.beats, _BEATS))] if facts.first_s is not None else []
        life = (facts.age_s, not died, f"{facts.ended}{code}" if died else "")
        rows.append(_Row(name=label(f"{seen.source.hop}: we are mute", 40), colour=CONTROL, lives=(life,), beats=tuple(beats)))
    return rows


def _title(rungs: Sequence[Rung]) -> str:
    outer = [rung for rung in rungs if rung[0].source.hop in ("", "endpoint")] or list(rungs)
    age_s, limit = ends_by_age(outer), silence_at(outer)
    if age_s is not None:
        return f"every socket ends after {duration_text(age_s)}, busy or silent"
    if limit is not None:
        seen, first = limit.died[0]
        place = f" at {seen.source.hop}" if seen.source.hop else ""
        code = f" {first.close_code}" if first.close_code is not None else ""
        lasts = duration_text(limit.best_s) if limit.signed else f"{limit.low_s:.3g} to {limit.high_s:.3g} s"
        return f"idle sockets die after {lasts}{place} ({first.ended}{code})"
    quiet = [facts for _, facts in outer if facts.traffic == "none"]
    spoken = [facts for _, facts in outer if facts.traffic == "server" and facts.peer_every_s]
    if quiet and (not spoken or max(facts.silence_s for facts in quiet) > (spoken[-1].peer_every_s or 0) * 1.5):
        return f"every rung survived, up to {duration_text(max(facts.silence_s for facts in quiet))} of silence"
    if spoken:
        return f"the server speaks every {duration_text(spoken[-1].peer_every_s)}, no silence could be tried"
    return f"every socket lived for {duration_text(max(facts.silence_s for _, facts in outer))}"


def _configured_limits(observations: Iterable[Observation]) -> dict[float, str]:
    limits = {}
    for _, facts in rows_of(observations, RouteFacts):
        value = facts.idle_s.value if facts.idle_s and facts.serves is not False else None
        if value and value.replace(".", "", 1).isdigit():
            limits[float(value)] = facts.product
    return limits


def _draw_row(drawn: go.Figure, row: _Row) -> None:
    longest = max(life[0] for life in row.lives)
    line = {"color": row.colour, "width": 2}
    drawn.add_trace(go.Scatter(x=column([0.0, longest]), y=[row.name, row.name], mode="lines", line=line, hoverinfo="skip"))
    if row.beats:
        look = {"color": row.colour, "symbol": "diamond", "size": 7}
        at = [row.name] * len(row.beats)
        drawn.add_trace(go.Scatter(x=column(list(row.beats)), y=at, mode="markers", marker=look, hoverinfo="skip"))


def _draw_ends(drawn: go.Figure, rows: Sequence[_Row]) -> None:
    for survived, symbol, verdict in ((True, "circle", Verdict.CLEAR), (False, "x", Verdict.FAULT)):
        shown = [(row.name, *life) for row in rows for life in row.lives if life[1] is survived]
        told = {(name, words): at for name, at, _, words in shown}  # several rungs that died alike are named once
        drawn.add_trace(
            go.Scatter(
                x=column([at for _, at, _, _ in shown]),
                y=[name for name, _, _, _ in shown],
                mode="markers+text",
                text=[label(words, 20) if told.get((name, words)) == at else "" for name, at, _, words in shown],
                textposition="middle right",
                cliponaxis=False,
                marker={"color": VERDICT_COLOURS[verdict], "symbol": symbol, "size": 10},
                hovertext=[f"{'survived' if survived else 'lived'} {duration_text(at)} {label(words, 30)}" for _, at, _, words in shown],
                hoverinfo="text",
            )
        )


def plot_idle(observations: Iterable[Observation]) -> Picture | None:
    """Draw how long connections lived, a line for each kind of traffic at each place, the limit as a band, configured limits as lines."""
    seen = tuple(observations)
    rungs: list[Rung] = rows_of(seen, IdleFacts)
    if not rungs:
        return None
    title = _title(rungs)
    rows = [*_idle_rows(rungs), *_beat_rows(rows_of(seen, HeartbeatFacts))][:_ROWS]
    drawn = figure(title, 130 + 24 * len(rows))
    for row in rows:
        _draw_row(drawn, row)
    _draw_ends(drawn, rows)
    limit = silence_at([rung for rung in rungs if rung[0].source.hop in ("", "endpoint")] or rungs)
    if limit is not None:
        low_s = limit.low_s if not limit.signed else 0.97 * limit.low_s
        drawn.add_vrect(x0=low_s, x1=limit.high_s, fillcolor=_BAND, line={"width": 0})
    longest = max(life[0] for row in rows for life in row.lives)
    for limit_s, product in _configured_limits(seen).items():
        if limit_s <= longest * 1.3:
            drawn.add_vline(
                x=limit_s,
                line={"color": WARNING, "dash": "dash"},
                annotation={"text": label(f"{product} {limit_s:g} s", 30), "y": 0, "yanchor": "bottom"},
            )
    names = [row.name for row in rows]
    drawn.update_xaxes(title={"text": "silence, or age of a connection with traffic (s)"}, range=[0, longest * 1.15])
    drawn.update_yaxes(showgrid=False, range=[len(names) - 0.4, -0.6], categoryorder="array", categoryarray=names)
    return picture(drawn, title)
