"""What the terminal shows of a load: its figures, the servers meanwhile, thresholds and knee. Judges nothing."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from wsbook.facts import Knee, LoadFacts, LoadRun, Threshold, Watched
from wsbook.load_plan import LoadPlan
from wsbook.observation import Observation
from wsbook.words import cap, duration_text, quantity, size_text

__all__ = ["live_text", "plan_text", "show_load"]

_GREY, _CLEAR, _FAULT, _WARNING, _RECEIVED = "#999999", "#009E73", "bold #D55E00", "#E69F00", "#56B4E9"
_PERCENTILES = (("p50", "p50_s"), ("p90", "p90_s"), ("p99", "p99_s"), ("p99.9", "p999_s"), ("max", "max_s"))
_BAR_CELLS, _BAR_FROM_S = 32, 1e-5
"""Bars are logarithmic from 10 µs on."""
_WORST_CONNECTIONS = 5


def _pace(rate: float, window: int) -> str:
    return f"window {window}" if window else f"{rate:,.4g}/s" if rate else "as they come"


def plan_text(plan: LoadPlan) -> str:
    """Return a run that begins, in words."""
    sizes = "" if plan.answered_by == "sequence" else f", {size_text(plan.size_bytes)}"
    return f"{_pace(plan.rate, plan.window)}{sizes}, {quantity(plan.connections, 'connection')}, {duration_text(plan.seconds)}"


def live_text(plan: LoadPlan, told: dict[str, Any]) -> str:
    """Return a run under way on one line; what its generator tells is not relied on."""
    words = [_pace(plan.rate, plan.window), f"{_figure(told, 'at_s'):.1f} s", f"{_figure(told, 'sent'):,.0f} sent"]
    if told.get("phase") == "connecting":
        return f"{words[0]}   {_figure(told, 'opened'):,.0f} of {plan.connections:,} connections open"
    words.append(f"{_figure(told, 'outstanding'):,.0f} outstanding")
    if told.get("p99_s") is not None:
        words.append(f"p99 {duration_text(_figure(told, 'p99_s'))}")
    return "   ".join([*words, f"own lag {duration_text(_figure(told, 'lag_s'))}"])


def _figure(told: dict[str, Any], name: str) -> float:
    value = told.get(name)
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0


def show_load(console: Console, url: str, seen: Observation) -> None:
    """Print one load: what it came to, a table of its runs, and what belongs to them."""
    facts = seen.facts
    console.print()
    if not isinstance(facts, LoadFacts) or not facts.runs:
        _head(console, url, "")
        why = seen.failure.message if seen.failure else "nothing was sent"
        console.print(Text(f"\n  {cap(why, 400)}"), soft_wrap=True)
        return
    _head(console, url, _alike(facts.runs))
    console.print(Text(f"\n  {_summary(facts)}\n"), soft_wrap=True)
    console.print(_table(facts.runs))
    if len(facts.runs) == 1:
        _show_percentiles(console, facts.runs[0])
    _show_around(console, facts.runs)
    if facts.knee:
        _row(console, "knee", _knee_text(facts.knee))
    for number, threshold in enumerate(facts.thresholds):
        console.print(Text(f"{'thresholds' if number == 0 else '':<12}").append_text(_threshold_text(threshold)))
    for number, error in enumerate(facts.errors[:5]):
        _row(console, "errors" if number == 0 else "", error)


def _head(console: Console, url: str, alike: str) -> None:
    console.print(Text.assemble(("wsbook load", "bold"), f"  {cap(url, 100)}", (f"   {alike}", _GREY)), soft_wrap=True)


def _row(console: Console, title: str, text: str) -> None:
    console.print(Text(f"{title:<12}{cap(text, 400)}"), soft_wrap=True)


def _alike(runs: Sequence[LoadRun]) -> str:
    """Return what all runs have in common."""
    words = [runs[0].answered_by]
    if len({run.connections for run in runs}) == 1:
        words.append(quantity(runs[0].connections, "connection"))
    if len({run.size_bytes for run in runs}) == 1:
        words.append(size_text(runs[0].size_bytes))
    if runs[0].generator:
        words.append(runs[0].generator.engine)
    return " · ".join(words)


def _summary(facts: LoadFacts) -> str:
    counted = [run for run in facts.runs if not run.void]
    if not counted:
        return f"void: {cap(facts.void or facts.runs[0].void, 300)}; these figures do not count"
    sent, expected = sum(run.sent for run in counted), sum(run.received + run.lost for run in counted)
    words = [f"{quantity(sent or expected, 'message')}"]
    lost = sum(run.lost for run in counted)
    words.append(f"{lost:,} lost ({lost / expected * 100:.3g} %)" if lost and expected else "none lost")
    words += [f"{count:,} {word}" for word, count in _troubles(counted) if count]
    late = [run.p99_s for run in counted if run.p99_s is not None]
    words += [f"p99 {duration_text(max(late))}{' at worst' if len(late) > 1 else ''}"] if late else []
    voids = len(facts.runs) - len(counted)
    return ", ".join(words) + (f"; {quantity(voids, 'run is', 'runs are')} void" if voids else "")


def _troubles(runs: Sequence[LoadRun]) -> tuple[tuple[str, int], ...]:
    return (
        ("came twice", sum(run.duplicated for run in runs)),
        ("out of order", sum(run.reordered for run in runs)),
        ("never left", sum(run.unsent for run in runs)),
    )


def _table(runs: Sequence[LoadRun]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style=_GREY)
    varying = [name for name in ("size_bytes", "connections") if len({getattr(run, name) for run in runs}) > 1]
    titles = [
        "rate",
        *(name.removesuffix("_bytes") for name in varying),
        "sent",
        "received",
        "lost",
        "twice",
        "out of order",
        "p50",
        "p99",
        "max",
    ]
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("")
    for run in runs:
        extra = [size_text(run.size_bytes) if name == "size_bytes" else f"{run.connections:,}" for name in varying]
        counts = [Text(f"{value:,}", style=style if value else "") for value, style in _counts(run)]
        latencies = [duration_text(value) for value in (run.p50_s, run.p99_s, run.max_s)]
        note = Text(f"! void: {cap(run.void, 90)}" if run.void and len(runs) > 1 else "", style=_WARNING)
        table.add_row(_pace(run.rate, run.window), *extra, *counts, *latencies, note, style=_GREY if run.void else "")
    return table


def _counts(run: LoadRun) -> tuple[tuple[int, str], ...]:
    quiet = ((run.sent, ""), (run.received, ""))
    return (*quiet, (run.lost, _FAULT), (run.duplicated, _WARNING), (run.reordered, _WARNING))


def _show_percentiles(console: Console, run: LoadRun) -> None:
    told = [(name, value) for name, field in _PERCENTILES if (value := getattr(run, field)) is not None]
    if not told or run.void:
        return
    most = max(told[-1][1], 10 * _BAR_FROM_S)
    console.print()
    for number, (name, value) in enumerate(told):
        share = math.log(max(value, _BAR_FROM_S) / _BAR_FROM_S) / math.log(most / _BAR_FROM_S)
        bar = "▇" * max(1, round(share * _BAR_CELLS))
        console.print(Text.assemble(f"{'latency' if number == 0 else '':<12}{name:<6}{duration_text(value):>9}  ", (bar, _RECEIVED)))


def _show_around(console: Console, runs: Sequence[LoadRun]) -> None:
    """Print connections, servers, troubles and the generator of the run that lost most, else of the fastest."""
    run = max(runs, key=lambda one: (one.lost, one.rate))
    console.print(Text(f"\nat {_pace(run.rate, run.window)}, {size_text(run.size_bytes)}" if len(runs) > 1 else "", style=_GREY))
    if run.asked:
        took = f" in {duration_text(run.connect_s)}" if run.opened else ""
        each = f", p99 {duration_text(run.connect_p99_s)}" if run.connect_p99_s is not None else ""
        ended = "".join(f"; {count:,} ended by {how}" for how, count in run.ended)
        _row(console, "connections", f"{run.opened:,} of {run.asked:,} opened{took}{each}{ended}")
    for one in run.lossy[:_WORST_CONNECTIONS]:
        first = f" (first {', '.join(f'{number:,}' for number in one.lost_numbers[:3])})" if one.lost_numbers else ""
        words = (
            f"number {one.number}: {one.lost:,} of {one.expected:,} lost{first}, {one.duplicated:,} twice, {one.reordered:,} out of order"
        )
        _row(console, "", words + (f", ended by {one.ended}" if one.ended != "open" else ""))
    for server in run.servers:
        _row(console, "server", _server_text(server))
    spells = "; ".join(f"{spell.name} from {spell.begin_s:.1f} to {spell.end_s:.1f} s" for spell in run.spells)
    if spells:
        _row(console, "trouble", spells)
    if run.generator:
        ours = run.generator
        words = f"{ours.cpu_s:.2f} CPU s, {ours.busy * 100:.0f} % of a processor, at most {duration_text(ours.lag_max_s)} late"
        _row(console, "generator", words + (f", {ours.shards} processes" if ours.shards > 1 else ""))
    for shard in run.missing_shards:
        _row(console, "missing", shard)


def _server_text(server: Watched) -> str:
    samples = server.samples
    words = [f"{server.name}, {quantity(server.processes, 'process', 'processes')}" if server.how == "process" else server.name]
    told = [(one.at_s, one.cpu_s) for one in samples if one.cpu_s is not None]
    if len(told) > 1 and told[-1][0] > told[0][0]:
        share = (told[-1][1] - told[0][1]) / (told[-1][0] - told[0][0])
        words.append(f"{share * 100:.0f} % of a processor")
    words += _from_to("", [one.memory_bytes for one in samples], size_text)
    words += _from_to(" descriptors", [one.descriptors for one in samples], lambda count: f"{count:,}")
    return " · ".join(words)


def _from_to(unit: str, values: Iterable[int | None], shown: Any) -> list[str]:
    told = [value for value in values if value is not None]
    if not told:
        return []
    return [f"{shown(told[0])} to {shown(max(told))}{unit}" if max(told) != told[0] else f"{shown(told[0])}{unit}"]


def _knee_text(knee: Knee) -> str:
    bound = f" within {duration_text(knee.bound_s)} at {knee.at}" if knee.bound_s is not None else ""
    held = f"{knee.rate:,.4g} messages/s held{bound}" if knee.rate else f"no rate held{bound}"
    if knee.broke_at is not None:
        return f"{held}; at {knee.broke_at:,.4g}/s: {knee.why}"
    return f"{held}; {knee.why}"


def _threshold_text(threshold: Threshold) -> Text:
    mark, style = {True: ("✓", _CLEAR), False: ("✗", _FAULT), None: ("?", _GREY)}[threshold.holds]
    return Text.assemble((f"{mark} {cap(threshold.text, 60):<24}", style), cap(threshold.value, 60))
