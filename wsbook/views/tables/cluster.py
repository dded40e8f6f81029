"""Instances behind one endpoint as plain data frames: who answered, which sessions held, what passes between them. Judges nothing."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pandas as pd

from wsbook.facts import AffinityFacts, BroadcastFacts, Visit
from wsbook.observation import Observation
from wsbook.rules.reach import missing_of, reach_of
from wsbook.views.tables.frames import frame, milliseconds, rows_of
from wsbook.words import cap

__all__ = ["SERIES", "table_broadcast", "table_instances", "table_passes", "table_talks"]

SERIES = {
    "plain": "one client, no cookie",
    "cookie": "with the cookie of the first answer",
    "source": "from other addresses",
    "direct": "asked directly",
}
"""Series of connections → how it is called."""
_COLUMNS = 8


def _row(words: str, visits: list[Visit], names: list[str]) -> dict[str, Any]:
    met = Counter(visit.instance for visit in visits if visit.accepted)
    times = sorted(visit.duration_s for visit in visits)
    refused = ", ".join(sorted({str(visit.status or "no answer") for visit in visits if not visit.accepted}))
    row = {"connections": words, "made": len(visits), "opened": sum(visit.accepted for visit in visits), "refused": refused}
    row |= {"median (ms)": milliseconds(times[len(times) // 2])}
    return row | {cap(name, 24) or "not told": met[name] for name in names}


def table_instances(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each series of connections and how many of them each instance answered, an instance a column."""
    rows: list[dict[str, Any]] = []
    named: list[str] = []
    for _, facts in rows_of(observations, AffinityFacts):
        names = sorted({visit.instance for visit in facts.visits if visit.accepted})[:_COLUMNS]
        named += [cap(name, 24) or "not told" for name in names]
        for series, words in SERIES.items():
            for place in sorted({visit.place for visit in facts.visits if visit.series == series}):
                visits = [visit for visit in facts.visits if (visit.series, visit.place) == (series, place)]
                rows.append(_row(f"{words}: {place}" if series == "direct" else words, visits, names))
    return frame(rows, ["connections", "made", "opened", *dict.fromkeys(named), "refused", "median (ms)"])


def table_talks(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each session of several requests: how many of them met a process that does not know it."""
    rows = [
        {
            "session": talk.dialect,
            "cookies": "kept" if talk.series == "cookie" else "dropped",
            "requests": talk.requests,
            "lost": talk.lost,
            "upgrade": {None: "not tried", True: "opens", False: "refused"}[talk.upgraded],
            "known at": talk.instance,
            "refused with": cap(talk.said, 80),
        }
        for _, facts in rows_of(observations, AffinityFacts)
        for talk in facts.conversations
    ]
    return frame(rows, ["session", "cookies", "requests", "lost", "upgrade", "known at", "refused with"])


def table_broadcast(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each subscriber of each broadcast: what it received, missed, and had twice or out of order.

    missed: without what it sent itself, where the application tells everybody but the sender.
    """
    rows = [
        {
            "subscriber": one.index,
            "at": one.place,
            "instance": one.instance or "?",
            "published": facts.messages,
            "received": one.received,
            "missed": len(missing_of(facts)[one.index]),
            "twice": len(one.duplicated),
            "most copies": one.most_copies,
            "out of order": one.reordered,
        }
        for _, facts in rows_of(observations, BroadcastFacts)
        for one in facts.subscribers
    ]
    return frame(rows, ["subscriber", "at", "instance", "published", "received", "missed", "twice", "most copies", "out of order"])


def table_passes(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return whether what is published at one instance, a row, reaches the subscribers of another, a column; of the first broadcast."""
    said = {True: "✓ all", False: "✗ none", None: "some"}
    for _, facts in rows_of(observations, BroadcastFacts):
        reach = reach_of(facts) if facts.subscribers and facts.messages else None
        published = sorted({sender for sender in reach.senders if sender is not None}) if reach else []
        if reach is None or not published or len(reach.groups) < 2:
            continue
        names = [cap(group.name, 24) for group in reach.groups]
        rows = [
            {"published at": names[sender], **{f"to {name}": said[reach.heard(sender, place)] for place, name in enumerate(names)}}
            for sender in published
        ]
        return frame(rows, ["published at", *(f"to {name}" for name in names)])
    return frame([], ["published at"])
