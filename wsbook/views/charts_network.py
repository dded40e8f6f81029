"""Pictures of what lies below HTTP: every way to the port against what it shows, and what becomes of large packets."""

from collections.abc import Iterable

import numpy as np
import plotly.graph_objects as go
from msgspec import Struct

from wsbook.attempt import NO_PROXY, THROUGH_PROXY
from wsbook.describe import outcome_text
from wsbook.facts import THIS_MACHINE, ForwardProxyFacts, PacketFacts, PacketTrial, PortFacts, Tunnel, UpgradeFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.views.drawing import INK, VERDICT_COLOURS, Picture, figure, label, picture
from wsbook.views.tables import rows_of
from wsbook.words import MARKS, duration_text

__all__ = ["plot_packets", "plot_ways"]

_SILENT = frozenset({"stalled", "lost"})
_UPGRADE = "upgrade"
_SHADES = [[0, "rgba(213,94,0,0.28)"], [0.5, "rgba(153,153,153,0.22)"], [1, "rgba(0,158,115,0.28)"]]
_LEVEL = {Verdict.FAULT: 0.0, Verdict.UNKNOWN: 0.5, Verdict.CLEAR: 1.0}


class _Cell(Struct, frozen=True, kw_only=True):
    """What one way showed in one column."""

    way: str
    column: str
    verdict: Verdict
    words: str


def _port_cell(facts: PortFacts) -> _Cell:
    """Return the state of a port; what this machine itself cannot reach is not known."""
    unseen = facts.state == "unreachable" and facts.by in ("", THIS_MACHINE)
    good = facts.state == "open" and facts.afterwards not in ("closed", "reset")
    took = f" {duration_text(facts.rtt_s)}" if facts.rtt_s is not None else ""
    then = f", then {facts.afterwards}" if facts.afterwards in ("closed", "reset") else ""
    verdict = Verdict.UNKNOWN if unseen else Verdict.CLEAR if good else Verdict.FAULT
    words = "no route here" if unseen else f"{facts.state}{took}{then}"
    family = "IPv6" if ":" in facts.address else "IPv4"
    return _Cell(way=f"{family} {facts.address}", column=f"port {facts.port}", verdict=verdict, words=words)


def _tunnel_cell(facts: ForwardProxyFacts, tunnel: Tunnel) -> _Cell:
    opened = tunnel.outcome == "tunnel"
    said = f"CONNECT {tunnel.status}" if tunnel.status is not None else tunnel.outcome
    verdict = Verdict.CLEAR if opened else Verdict.FAULT
    return _Cell(way=f"proxy {facts.proxy}", column=f"port {tunnel.target.rpartition(':')[2]}", verdict=verdict, words=said)


def _upgrade_cell(way: str, seen: Observation, facts: UpgradeFacts) -> _Cell:
    reason = seen.failure.reason.value if seen.failure and facts.status is None else outcome_text(facts)
    return _Cell(way=way, column=_UPGRADE, verdict=Verdict.CLEAR if facts.accepted else Verdict.FAULT, words=reason)


def _cells(observations: tuple[Observation, ...]) -> list[_Cell]:
    cells = [_port_cell(facts) for _, facts in rows_of(observations, PortFacts)]
    proxies = [facts for _, facts in rows_of(observations, ForwardProxyFacts)]
    cells += [_tunnel_cell(facts, tunnel) for facts in proxies for tunnel in facts.tunnels]
    for seen, facts in rows_of(observations, UpgradeFacts):
        if THROUGH_PROXY in seen.source.changed and proxies:
            cells.append(_upgrade_cell(f"proxy {proxies[0].proxy}", seen, facts))
        elif NO_PROXY in seen.source.changed:
            cells.append(_upgrade_cell("without the proxy", seen, facts))
    return cells


def _title(observations: tuple[Observation, ...]) -> str:
    ports = [facts for _, facts in rows_of(observations, PortFacts)]
    states = [f"{facts.state} at {facts.address} port {facts.port}" for facts in ports if facts.state != "open"]
    tunnels = [one for _, facts in rows_of(observations, ForwardProxyFacts) for one in facts.tunnels[:1] if one.outcome != "tunnel"]
    if tunnels:
        said = tunnels[0].status if tunnels[0].status is not None else tunnels[0].outcome
        return f"the forward proxy answers {said} to CONNECT {tunnels[0].target}"
    opened = sum(facts.state == "open" for facts in ports)
    return f"{opened} of {len(ports)} ports are open" + (f"; {states[0]}" if states else "")


def _columns(cells: list[_Cell]) -> list[str]:
    """Return the columns: ports by number, the upgrade last."""
    found = {cell.column for cell in cells}
    return [*sorted(found - {_UPGRADE}, key=lambda name: int(name.split()[1])), *([_UPGRADE] if _UPGRADE in found else [])]


def plot_ways(observations: Iterable[Observation]) -> Picture | None:
    """Draw addresses and proxies against ports and the upgrade: what each shows, in words as well as in colour."""
    seen = tuple(observations)
    cells = _cells(seen)
    if not cells:
        return None
    ways, columns = list(dict.fromkeys(cell.way for cell in cells)), _columns(cells)
    at = {(cell.way, cell.column): cell for cell in cells}
    grid = [[at.get((way, name)) for name in columns] for way in ways]
    title = _title(seen)
    drawn = figure(title, 90 + 34 * len(ways))
    drawn.add_trace(
        go.Heatmap(
            z=np.array([[np.nan if cell is None else _LEVEL[cell.verdict] for cell in row] for row in grid], dtype="f4"),
            x=columns,
            y=[label(way, 46) for way in ways],
            text=[["" if cell is None else label(f"{MARKS[cell.verdict]} {cell.words}", 40) for cell in row] for row in grid],
            texttemplate="%{text}",
            zmin=0,
            zmax=1,
            colorscale=_SHADES,
            showscale=False,
            xgap=2,
            ygap=2,
            hoverinfo="skip",
            textfont={"color": INK, "size": 13},
        )
    )
    drawn.update_yaxes(autorange="reversed", showgrid=False)
    drawn.update_xaxes(showgrid=False, side="top", type="category")
    drawn.update_layout(margin={"t": 70})
    return picture(drawn, title)


def plot_packets(observations: Iterable[Observation]) -> Picture | None:
    """Draw sizes against their fate when some of them vanish; None when all arrive, which one number says as well."""
    trials = [trial for _, facts in rows_of(observations, PacketFacts) for trial in facts.trials]
    silent = [trial for trial in trials if trial.outcome in _SILENT]
    if not silent:
        return None
    kinds = list(dict.fromkeys(trial.what for trial in trials))
    first = min(silent, key=lambda trial: trial.size_bytes)
    passed = max((one.size_bytes for one in trials if one.outcome == "answered" and one.size_bytes < first.size_bytes), default=0)
    title = f"{first.what}s of {first.size_bytes:,} B and more vanish, {passed:,} B arrive"
    drawn = figure(title, 110 + 46 * len(kinds))
    for verdict, outcomes in ((Verdict.CLEAR, {"answered", "refused"}), (Verdict.FAULT, _SILENT)):
        chosen = [trial for trial in trials if trial.outcome in outcomes]
        drawn.add_trace(_marks(chosen, verdict))
    sizes = [f"{size:,}" for size in sorted({trial.size_bytes for trial in trials})]
    drawn.update_xaxes(title={"text": "size (B)"}, type="category", categoryorder="array", categoryarray=sizes)
    drawn.update_yaxes(categoryorder="array", categoryarray=kinds, range=[-0.6, len(kinds) - 0.4], showgrid=False)
    return picture(drawn, title)


def _marks(trials: list[PacketTrial], verdict: Verdict) -> go.Scatter:
    good = verdict is Verdict.CLEAR
    return go.Scatter(
        x=[f"{trial.size_bytes:,}" for trial in trials],
        y=[trial.what for trial in trials],
        mode="markers",
        marker={"color": VERDICT_COLOURS[verdict], "symbol": "circle" if good else "x", "size": 11},
        text=[f"{trial.size_bytes:,} B {trial.outcome}" for trial in trials],
        hoverinfo="text",
        name="answered" if good else "vanished",
    )
