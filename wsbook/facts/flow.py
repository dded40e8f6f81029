"""Broadcasts, traces and load: what happens on sockets over time."""

from msgspec import Struct

__all__ = ["BroadcastFacts", "LoadFacts", "LoadStep", "Place", "Sender", "Subscriber", "TraceFacts"]


class Subscriber(Struct, frozen=True, kw_only=True):
    """One receiver of a broadcast. instance: what identifies its backend process, "" unknown. missed: sequence numbers.

    least_copies, most_copies: how often a message came that came at all. place: "endpoint" or the hop where it is connected, "" in old
    records.
    """

    index: int
    instance: str
    received: int
    missed: tuple[int, ...] = ()
    duplicated: tuple[int, ...] = ()
    reordered: int = 0
    least_copies: int = 1
    most_copies: int = 1
    place: str = ""


class Sender(Struct, frozen=True, kw_only=True):
    """Who published one message: the subscriber with this index on its own socket, None for a trigger; instance "" unknown."""

    subscriber: int | None
    instance: str = ""


class BroadcastFacts(Struct, frozen=True, kw_only=True, tag="broadcast"):
    """N subscribers and M marked broadcasts: who misses what.

    publisher: index of the first sending subscriber, None for a trigger. senders: who published each message, in order; empty in old
    records, where publisher sent all of them. known_by: what identifies instances, as in AffinityFacts.
    """

    messages: int
    subscribers: tuple[Subscriber, ...]
    publisher: int | None = None
    publisher_instance: str = ""
    senders: tuple[Sender, ...] = ()
    known_by: str = ""


class Place(Struct, frozen=True, kw_only=True):
    """One place that a marked message should pass. at_s from the trigger, None when it never came; count: how often it was seen."""

    name: str
    at_s: float | None
    count: int = 0


class TraceFacts(Struct, frozen=True, kw_only=True, tag="trace"):
    """One marked message from its origin to the last place watched, in path order."""

    marker: str
    places: tuple[Place, ...]
    repeats: int = 1


class LoadStep(Struct, frozen=True, kw_only=True):
    """One rate of a ramp. latencies from the intended send time, in seconds; None when nothing came back."""

    rate: float
    size_bytes: int
    connections: int
    duration_s: float
    sent: int
    received: int
    lost: int
    duplicated: int
    reordered: int
    p50_s: float | None = None
    p99_s: float | None = None
    max_s: float | None = None
    lag_s: float = 0.0


class LoadFacts(Struct, frozen=True, kw_only=True, tag="load"):
    """A ramp of rates over echo. void: why the figures do not count (the generator was the bottleneck), "" when they do."""

    steps: tuple[LoadStep, ...]
    void: str = ""
    errors: tuple[str, ...] = ()
