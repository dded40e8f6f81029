"""Broadcasts to several subscribers."""

from msgspec import Struct

__all__ = ["BroadcastFacts", "Sender", "Subscriber"]


class Subscriber(Struct, frozen=True, kw_only=True):
    """One receiver of a broadcast. instance: what identifies its backend process, "" unknown. missed: sequence numbers.

    least_copies, most_copies: how often a message came that came at all. place: "endpoint" or the hop where it is connected, "" in old
    records. ended: how its socket ended, such as "close 1011", "" when it was open
    to the end.
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
    ended: str = ""


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
