"""The events of one trace joined place by place: who saw which of them, how often and when. Judges nothing."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from math import ceil
from statistics import median

from msgspec import Struct

from wsbook.evidence import Evidence
from wsbook.facts import PageEvent, Place, TraceFacts
from wsbook.observation import Observation
from wsbook.words import duration_text

__all__ = ["Event", "Leg", "Spot", "Trace", "legs_of", "share_of", "trace_of"]

TIME_TO_ARRIVE_S = 0.8
"""A message that was watched for less may still have been on its way, or waiting to be drawn."""
_TIMES = 3.0
"""Nor is one lost before it has been watched for so many times the longest that others took."""
_PAGE = ("frame", "handler", "mark", "document", "screen")
_SOCKETS = ("hop", "endpoint")

Event = tuple[Observation, TraceFacts]


class Spot(Struct, frozen=True, kw_only=True):
    """One place over all events: times from the trigger, None where an event never came, and how often each was seen.

    altered, against_schema: what was said of the events that were, with their numbers. error_s: the worst of its clock. ended: how the
    socket had ended before an event that it did not get, "" it had not. sockets: over how many of the page's each came, 0 not known.
    """

    name: str
    kind: str
    instance: str
    times: tuple[float | None, ...]
    counts: tuple[int, ...]
    altered: tuple[tuple[int, str], ...] = ()
    against_schema: tuple[tuple[int, str], ...] = ()
    error_s: float = 0.0
    ended: str = ""
    sockets: tuple[int, ...] = ()

    @property
    def seen(self) -> frozenset[int]:
        """The events that came here."""
        return frozenset(number for number, at_s in enumerate(self.times) if at_s is not None)

    @property
    def typical_s(self) -> float | None:
        """The median time of those that came."""
        came = [at_s for at_s in self.times if at_s is not None]
        return median(came) if came else None

    @property
    def where(self) -> str:
        """The place in words, with the instance that it is connected to."""
        return f"{self.name} (instance {self.instance})" if self.instance and self.kind in (*_SOCKETS, "frame") else self.name


class Trace(Struct, frozen=True, kw_only=True, dict=True):
    """All events of one run whose trigger was accepted, and those whose trigger was not."""

    events: tuple[Event, ...]
    refused: tuple[Event, ...] = ()
    spots: tuple[Spot, ...] = ()

    @cached_property
    def sockets(self) -> tuple[Spot, ...]:
        """Our own sockets, from the application outwards; one that had ended tells nothing of what it did not get."""
        return tuple(spot for spot in self.spots if spot.kind in _SOCKETS and not spot.ended)

    @cached_property
    def gone(self) -> tuple[Spot, ...]:
        """Sockets that had ended before the last event, the page's among them."""
        return tuple(spot for spot in self.spots if spot.ended and spot.kind in (*_SOCKETS, "frame"))

    @cached_property
    def page(self) -> dict[str, Spot]:
        """The places in the page by kind; empty when no page was watched."""
        return {spot.kind: spot for spot in self.spots if spot.kind in _PAGE and spot.kind != "mark"}

    @cached_property
    def every(self) -> frozenset[int]:
        """The numbers of all events."""
        return frozenset(range(len(self.events)))

    @cached_property
    def patient(self) -> frozenset[int]:
        """The events that were watched long enough for what never came to be lost."""
        came = [at_s for spot in self.spots for at_s in spot.times if at_s is not None]
        least_s = max(TIME_TO_ARRIVE_S, _TIMES * max(came, default=0.0))
        return frozenset(number for number, (seen, facts) in enumerate(self.events) if _watched_s(seen, facts) >= min(least_s, 5.0))

    @property
    def published_at(self) -> tuple[str, ...]:
        """The instance that took each event, "" unknown."""
        places = [next((place for place in facts.places if _kind(place) == "answer"), None) for _, facts in self.events]
        return tuple(place.instance if place else "" for place in places)

    @property
    def trigger(self) -> str:
        """What set the events off: http, socket, message, command or redis; "" unknown."""
        return self.events[0][1].trigger if self.events else ""

    def of_kind(self, *kinds: str) -> tuple[Spot, ...]:
        """Return the places of these kinds."""
        return tuple(spot for spot in self.spots if spot.kind in kinds)

    def page_event(self, number: int) -> PageEvent | None:
        """Return what the page did meanwhile, None when nobody looked."""
        return self.events[number][1].page


class Leg(Struct, frozen=True, kw_only=True):
    """The way between two places: how long events took for it. error_s: how far that may be off for the clocks at its ends."""

    begin: str
    end: str
    p50_s: float
    p90_s: float
    error_s: float = 0.0


def _watched_s(seen: Observation, facts: TraceFacts) -> float:
    return facts.watched_s if facts.watched_s is not None else seen.duration_s


def _kind(place: Place) -> str:
    """Return the kind of a place; old records know names only."""
    if place.kind:
        return place.kind
    if place.name.startswith("page "):
        return place.name.removeprefix("page ")
    named = {"trigger": "trigger", "trigger answered": "answer", "endpoint": "endpoint", "broker": "broker"}
    return named.get(place.name, "log" if place.name.startswith("log") else "mark" if place.name.startswith("mark ") else "hop")


def trace_of(evidence: Evidence) -> Trace | None:
    """Return the events of the trace, None when there is none."""
    every = list(evidence.of(TraceFacts))
    if not every:
        return None
    refused = tuple(one for one in every if one[0].failure is not None and one[0].failure.stage == "trigger")
    events = tuple(one for one in every if one not in refused)
    return Trace(events=events, refused=refused, spots=tuple(_spots([facts for _, facts in events])))


def _spots(events: Sequence[TraceFacts]) -> Iterable[Spot]:
    places = [{(_kind(place), place.name): place for place in facts.places} for facts in events]
    for kind, name in dict.fromkeys(key for one in places for key in one):
        here = [one.get((kind, name)) for one in places]
        known = [place for place in here if place is not None]
        yield Spot(
            name=name,
            kind=kind,
            instance=next((place.instance for place in known if place.instance), ""),
            times=tuple(place.at_s if place else None for place in here),
            counts=tuple(place.count if place else 0 for place in here),
            altered=tuple((number, place.altered) for number, place in enumerate(here) if place and place.altered),
            against_schema=tuple((number, place.against_schema) for number, place in enumerate(here) if place and place.against_schema),
            error_s=max(place.error_s for place in known),
            ended=next((place.ended for place in known if place.ended), ""),
            sockets=tuple(place.sockets if place else 0 for place in here),
        )


# How long the way took


def legs_of(trace: Trace) -> list[Leg]:
    """Return the way of the events from the trigger to the last place, leg by leg; what lies beside the way is left out."""
    path = _path(trace)
    taken = [(begin, end, _took(begin, end)) for begin, end in zip((None, *path), path, strict=False)]
    known = [(begin, end, sorted(took)) for begin, end, took in taken if took]
    return [
        Leg(
            begin=begin.name if begin else "trigger",
            end=end.name,
            p50_s=max(0.0, median(took)),
            p90_s=max(0.0, took[ceil(0.9 * len(took)) - 1]),
            error_s=end.error_s + (begin.error_s if begin else 0.0),
        )
        for begin, end, took in known
    ]


def _path(trace: Trace) -> list[Spot]:
    """Return the places one behind another: of several instances the one to which the endpoint's socket is connected."""
    endpoint = next((spot for spot in trace.sockets if spot.kind == "endpoint" and spot.seen), None)
    hops = [spot for spot in trace.sockets if spot.kind == "hop" and spot.seen]
    if endpoint is not None and endpoint.instance and any(spot.instance == endpoint.instance for spot in hops):
        hops = [spot for spot in hops if spot.instance in ("", endpoint.instance)]
    elif endpoint is not None:
        hops = [spot for spot in hops if (spot.typical_s or 0.0) <= (endpoint.typical_s or 0.0)]
    broker = [spot for spot in trace.of_kind("broker") if spot.seen]
    page = [spot for kind, spot in trace.page.items() if spot.seen]
    return [*broker, *hops, *([endpoint] if endpoint else []), *page]


def _took(begin: Spot | None, end: Spot) -> list[float]:
    """Return how long each event that was seen at both took; begin None is the trigger."""
    pairs = zip(begin.times if begin else (0.0,) * len(end.times), end.times, strict=True)
    return [after - before for before, after in pairs if before is not None and after is not None]


def share_of(legs: Sequence[Leg]) -> str:
    """Say which leg takes most, "" when none stands out or too little is known."""
    if len(legs) < 2:
        return ""
    most, whole_s = max(legs, key=lambda leg: leg.p50_s), sum(leg.p50_s for leg in legs)
    share = most.p50_s / whole_s if whole_s else 0.0
    unsure = f", ± {duration_text(most.error_s)} of its clock" if most.error_s > 0.0005 else ""
    return f"{duration_text(most.p50_s)} of it from {most.begin} to {most.end} ({share:.0%}{unsure})"
