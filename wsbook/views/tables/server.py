"""A server under watch as plain data frames: what it held, who stood still, who was held up. Judges nothing itself."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import pandas as pd

from wsbook.facts import CrowdFacts, CycleFacts, PulseFacts, Watched
from wsbook.observation import Observation
from wsbook.rules.crowding import late_of
from wsbook.rules.growth import cost_of
from wsbook.rules.stalls import stalls_of
from wsbook.views.tables.frames import frame, milliseconds, rows_of
from wsbook.words import cap, duration_text, size_text

__all__ = ["table_crowd", "table_pulses", "table_server"]


def _cell(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"


def _held(facts: CycleFacts, server: Watched) -> dict[str, Any]:
    """Return what a server held before the first connection, after the warm-up, at the height, and at the end."""
    after = [one for one in server.samples if not one.held and one.ended >= facts.warm_up > 0]
    moments = {"before": server.samples[:1], "warmed up": after[:1], "at the end": after[-1:]}
    height = max((one.descriptors or 0 for one in server.samples), default=0)
    row: dict[str, Any] = {f"descriptors {name}": _cell(one.descriptors) for name, found in moments.items() for one in found}
    row["most"] = height or "?"
    last = after[-1] if after else None
    row["CLOSE_WAIT"] = _cell(last.close_wait if last else None)
    row["threads"] = _cell(last.threads if last else None)
    row["memory"] = size_text(last.memory_bytes if last else None)
    return row


def table_server(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each server over the open and close cycles: what it held, and what one connection and one message cost it."""
    rows = []
    for _, facts in rows_of(observations, CycleFacts):
        for server in facts.servers:
            cost = cost_of(facts, server)
            costs = [median(told) for told in server.events_s if told] or [None]
            row = {"server": f"{cap(server.name, 24)} at {server.place}", "processes": server.processes, **_held(facts, server)}
            row["memory of one"] = size_text(int(cost.memory_bytes)) if cost.memory_bytes else "—"
            row["processor time of one"] = duration_text(cost.cpu_s)
            row["a message at first"], row["and at last"] = duration_text(costs[0]), duration_text(costs[-1])
            rows.append(row)
    counts = ["descriptors before", "descriptors warmed up", "most", "descriptors at the end", "CLOSE_WAIT", "threads"]
    costs = ["memory", "memory of one", "processor time of one", "a message at first", "and at last"]
    return frame(rows, ["server", "processes", *counts, *costs])


def table_crowd(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each subscriber beside one that misbehaved: how late its messages were before, and meanwhile."""
    rows = [
        {
            "one subscriber": facts.kind,
            "neighbour": one.index,
            "instance": one.instance or "?",
            "messages": len(one.during),
            "late": len(late_of(facts, one)),
            "never came": sum(took is None for took in one.during),
            "median before (ms)": _middle(one.before),
            "median then (ms)": _middle(one.during),
            "worst then (ms)": milliseconds(max((took for took in one.during if took is not None), default=None)),
            "the odd one ended": facts.odd_ended + (f" {facts.odd_code}" if facts.odd_code is not None else ""),
        }
        for _, facts in rows_of(observations, CrowdFacts)
        for one in facts.neighbours
    ]
    late = ["messages", "late", "never came", "median before (ms)", "median then (ms)", "worst then (ms)"]
    return frame(rows, ["one subscriber", "neighbour", "instance", *late, "the odd one ended"])


def _middle(took: Sequence[float | None]) -> float | None:
    told = [one for one in took if one is not None]
    return milliseconds(median(told)) if told else None


def table_pulses(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each stall of quiet connections: where, when, how long, what we did, and what else may explain it."""
    rows = [
        {
            "at": stall.place,
            "instance": stall.instance or "?",
            "from (s)": round(stall.begin_s, 2),
            "length (ms)": milliseconds(stall.length_s),
            "connections": len(stall.members),
            "meanwhile": stall.spell,
            "but": stall.excuse,
        }
        for _, facts in rows_of(observations, PulseFacts)
        for stall in stalls_of(facts)
    ]
    return frame(rows, ["at", "instance", "from (s)", "length (ms)", "connections", "meanwhile", "but"])
