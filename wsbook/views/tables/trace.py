"""Marked messages on their way as plain data frames: when each place saw them, what it made of them. Judges nothing itself."""

from collections import Counter
from collections.abc import Iterable, Sequence

import pandas as pd
from msgspec import Struct

from wsbook.facts import BurstFacts, BurstPlace, ClockFacts, PageEvent, Place, TraceFacts
from wsbook.observation import Observation
from wsbook.views.tables.frames import frame, milliseconds, rows_of
from wsbook.words import cap, duration_text

__all__ = [
    "BESIDE",
    "IN_PAGE",
    "Passing",
    "kind_of",
    "missing_of",
    "passings_of",
    "percentile",
    "table_burst",
    "table_clocks",
    "table_page_events",
    "table_trace",
]

BESIDE = frozenset({"answer", "log"})
"""Kinds of places beside the way: nothing comes from there, and what they do not name may have passed all the same."""
IN_PAGE = frozenset({"frame", "handler", "mark", "document", "screen"})
_PREFIXES = {"trigger answered": "answer", "trigger": "trigger", "log ": "log", "mark ": "mark"}
_PAGE = "page "


class Passing(Struct, frozen=True, kw_only=True):
    """What the messages of one run did at one place.

    seen, of: messages that came there, of how many. at_s: from the trigger, ascending; step_s: from the place before on the way, in the
    order of the messages, negative where both lie side by side. copies: most that one message was seen. lost: seen less often than sent,
    at a place that should see all. ended: how its socket had ended when one did not come.
    """

    name: str
    kind: str
    seen: int
    of: int
    at_s: tuple[float, ...]
    step_s: tuple[float, ...]
    copies: int
    lost: bool
    instances: tuple[str, ...] = ()
    altered: str = ""
    against_schema: str = ""
    error_s: float = 0.0
    ended: str = ""


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the value below which a share of ascending values lies, between two of them in proportion; None of no values."""
    if not ordered:
        return None
    at = share * (len(ordered) - 1)
    low, part = int(at), at % 1
    return ordered[low] + (part * (ordered[low + 1] - ordered[low]) if part else 0.0)


def kind_of(place: Place) -> str:
    """Return the kind of a place; records of before kinds were kept tell it by the name alone."""
    if place.kind:
        return place.kind
    known = next((kind for prefix, kind in _PREFIXES.items() if place.name.startswith(prefix)), "")
    return known or (place.name.removeprefix(_PAGE) if place.name.startswith(_PAGE) else "hop")


def _steps(places: Iterable[Place]) -> dict[str, float]:
    """Return how long each place came after the one before on the way; what stands beside the way counts from there too."""
    steps: dict[str, float] = {}
    before = 0.0
    for place in places:
        if place.at_s is not None:
            steps.setdefault(place.name, place.at_s - before)
            before = before if kind_of(place) in BESIDE else place.at_s
    return steps


def _shown_elsewhere(name: str, facts: TraceFacts) -> bool:
    """Tell whether a message that is not in sight stands in the document: somebody may have to scroll to it."""
    kinds = {kind_of(place): place.at_s is not None for place in facts.places}
    return name == "page screen" and kinds.get("document", False)


def _passing(name: str, traces: Sequence[TraceFacts], steps: Sequence[dict[str, float]]) -> Passing:
    found = [(facts, place) for facts in traces for place in facts.places if place.name == name]
    came = [place for _, place in found if place.at_s is not None]
    kind = kind_of(found[0][1])
    missed = any(place.at_s is None and not _shown_elsewhere(name, facts) for facts, place in found)
    return Passing(
        name=name,
        kind=kind,
        seen=len(came),
        of=len(found),
        at_s=tuple(sorted(place.at_s for place in came if place.at_s is not None)),
        step_s=tuple(one[name] for one in steps if name in one),
        copies=max((place.count for place in came), default=0),
        lost=missed and kind not in BESIDE,
        instances=tuple(dict.fromkeys(place.instance for _, place in found if place.instance)),
        altered=next((place.altered for place in came if place.altered), ""),
        against_schema=next((place.against_schema for place in came if place.against_schema), ""),
        error_s=max((place.error_s for place in came), default=0.0),
        ended=next((place.ended for _, place in found if place.ended), ""),
    )


def passings_of(traces: Sequence[TraceFacts]) -> list[Passing]:
    """Return every place of a run in path order, with what all messages did there."""
    steps = [_steps(facts.places) for facts in traces]
    names = dict.fromkeys(place.name for facts in traces for place in facts.places)
    return [_passing(name, traces, steps) for name in names]


def _count(one: Passing) -> str:
    mark = "✗ " if one.lost else ""
    more = f", up to {one.copies} times" if one.copies > 1 else ""
    return f"{mark}{one.seen} of {one.of}{more}"


def _times(one: Passing) -> dict[str, float | None]:
    if one.kind == "trigger":  # the times of all others count from it
        return {}
    at = {f"p{percent} (ms)": milliseconds(percentile(one.at_s, percent / 100)) for percent in (10, 50, 90)}
    return {**at, "step (ms)": milliseconds(percentile(sorted(one.step_s), 0.5))}


def table_trace(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return each place of the way: messages seen, when they came there from the trigger, and how long after the place before.

    its socket: how it had ended when a message did not come. p10, p50 and p90: a tenth, half and nine tenths of the messages came by
    then. clock (±): of a place whose time another clock gave.
    """
    rows = [
        {
            "place": cap(one.name, 48),
            "seen": _count(one),
            **_times(one),
            "clock (±)": duration_text(one.error_s) if one.error_s else "",
            "instance": cap(", ".join(one.instances), 60),
            "its socket": cap(one.ended, 80),
            "altered": cap(one.altered, 120),
            "against the schema": cap(one.against_schema, 120),
        }
        for one in passings_of([facts for _, facts in rows_of(observations, TraceFacts)])
    ]
    times = ["p10 (ms)", "p50 (ms)", "p90 (ms)", "step (ms)", "clock (±)"]
    return frame(rows, ["place", "seen", *times, "instance", "its socket", "altered", "against the schema"])


def _numbers(missing: Sequence[int]) -> str:
    shown = ", ".join(str(number) for number in missing[:12])
    return f"{shown}, …" if len(missing) > 12 else shown


def missing_of(facts: BurstFacts, place: BurstPlace) -> int:
    """Return how many events never came to a place; a log need not name any, and what stands in the document need not be in sight."""
    in_document = max((one.received for one in facts.places if one.kind == "document"), default=0)
    aside = place.kind in BESIDE or (place.kind == "screen" and in_document >= place.received)
    return 0 if aside else max(0, facts.sent - facts.refused - place.received)


def _missing(facts: BurstFacts, place: BurstPlace) -> str:
    gone = missing_of(facts, place)
    return "" if place.kind in BESIDE else f"✗ {gone:,}" if gone else "0"


def table_burst(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return what each place saw of many events at once: how many came, twice, out of order, and which never did."""
    rows = [
        {
            "place": cap(place.name, 48),
            "sent": facts.sent,
            "received": place.received,
            "lost": _missing(facts, place),
            "twice": place.duplicated,
            "out of order": place.reordered,
            "which never came": _numbers(place.missing) if missing_of(facts, place) else "",
        }
        for _, facts in rows_of(observations, BurstFacts)
        for place in facts.places
    ]
    return frame(rows, ["place", "sent", "received", "lost", "twice", "out of order", "which never came"])


def table_clocks(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return how far each other clock is ahead of ours (behind: negative), and how sure that is."""
    rows = [
        {
            "clock of": cap(facts.place, 60),
            "ahead (ms)": milliseconds(facts.offset_s),
            "± (ms)": milliseconds(facts.error_s),
            "from": f"{facts.pairs} pairs",
        }
        for _, facts in rows_of(observations, ClockFacts)
    ]
    return frame(rows, ["clock of", "ahead (ms)", "± (ms)", "from"])


def _events(page: PageEvent) -> Iterable[tuple[str, str, str]]:
    """Return (what, its text, where) of everything that a page told about one message."""
    for one in page.exceptions:
        yield (
            "exception, caught by the page" if one.swallowed else "exception",
            one.text,
            " ".join(filter(None, (one.function, one.where))),
        )
    for level, text in page.console:
        yield f"console {level}", text, ""
    for named in page.named:
        known = {None: "scripts not read", True: "stands in the scripts", False: "stands in no script"}[named.known]
        alike = f", alike: {', '.join(named.alike)}" if named.alike else ""
        yield "the message calls itself", f"{named.member}: {named.value}", f"{known}{alike}"
    for handler in page.handlers:
        yield "taken by", handler, ""


def table_page_events(observations: Iterable[Observation]) -> pd.DataFrame:
    """Return what the page did with the messages: exceptions, console lines, which of its functions took them, in how many of them."""
    found = Counter(
        event for _, facts in rows_of(observations, TraceFacts) if facts.page is not None for event in dict.fromkeys(_events(facts.page))
    )
    rows = [
        {"in the page": cap(what, 40), "text": cap(text, 200), "where": cap(where, 160), "messages": count}
        for (what, text, where), count in found.items()
    ]
    return frame(rows, ["in the page", "text", "where", "messages"])
