"""Which groups of subscribers each message of a broadcast reached: a group is one instance, named or inferred. Names no cause."""

from collections.abc import Iterable

from msgspec import Struct

from wsbook.facts import BroadcastFacts, Sender, Subscriber

__all__ = ["Group", "Reach", "deaf_to_all", "lost_between", "missing_of", "own_left_out", "reach_of", "senders_of"]


class Group(Struct, frozen=True, kw_only=True):
    """Subscribers that are connected to one instance. name: what identifies it, or ``group 1`` where nothing does."""

    name: str
    members: tuple[Subscriber, ...]


class Reach(Struct, frozen=True, kw_only=True):
    """What reached whom. named: the groups are instances by name, else they are inferred from what they received.

    sets: for each message the indices of the groups that received it. senders: for each the index of its sender's group, None unknown.
    uneven: within one group some received a message and others did not, so that groups explain nothing.
    """

    groups: tuple[Group, ...]
    named: bool
    sets: tuple[frozenset[int], ...]
    senders: tuple[int | None, ...]
    uneven: bool = False

    def heard(self, sender: int, group: int) -> bool | None:
        """Return whether what is published in one group reaches another; None when only some does, or nothing was published there."""
        told = {group in reached for reached, by in zip(self.sets, self.senders, strict=True) if by == sender}
        return told.pop() if len(told) == 1 else None


def senders_of(facts: BroadcastFacts) -> tuple[Sender, ...]:
    """Return who published each message; in old records one publisher sent all."""
    if len(facts.senders) == facts.messages:
        return facts.senders
    return (Sender(subscriber=facts.publisher, instance=facts.publisher_instance),) * facts.messages


def own_left_out(facts: BroadcastFacts) -> bool:
    """Whether the application tells everybody but the sender: none that sends gets its own, though others do."""
    by = [(number, sender.subscriber) for number, sender in enumerate(senders_of(facts)) if sender.subscriber is not None]
    missed = {subscriber.index: frozenset(subscriber.missed) for subscriber in facts.subscribers}
    others = any(number not in missed[one] for number, own in by for one in missed if one != own)
    return bool(by) and others and all(number in missed.get(own, ()) for number, own in by)


def missing_of(facts: BroadcastFacts) -> dict[int, frozenset[int]]:
    """Return index of subscriber → messages that it should have received and did not."""
    excused = _excused(facts)
    return {one.index: frozenset(one.missed) - excused[one.index] for one in facts.subscribers}


def deaf_to_all(facts: BroadcastFacts) -> int:
    """Return how many subscribers missed every message."""
    return sum(len(missed) == facts.messages for missed in missing_of(facts).values())


def reach_of(facts: BroadcastFacts) -> Reach:
    """Return what reached whom by instance. Where some have a name, those without one are left out."""
    missed, excused = missing_of(facts), _excused(facts)
    groups, named = _groups(facts, missed, excused)
    sets: list[frozenset[int]] = []
    uneven = False
    for number in range(facts.messages):
        reached = set()
        for place, group in enumerate(groups):
            told = {number not in missed[one.index] for one in group.members if number not in excused[one.index]}
            uneven = uneven or len(told) > 1
            if told != {False}:
                reached.add(place)
        sets.append(frozenset(reached))
    return Reach(groups=groups, named=named, sets=tuple(sets), senders=_sender_groups(facts, groups), uneven=uneven)


def lost_between(facts: BroadcastFacts) -> str:
    """Return where what all sockets directly at the application get, and none beyond gets, is lost, in words; "" where that is not so.

    Those beyond are connected to instances whose own sockets get everything, as far as instances have names.
    """
    missed = missing_of(facts)
    beyond = [one for one in facts.subscribers if one.place == "endpoint"]
    direct = [one for one in facts.subscribers if one.place not in ("", "endpoint")]
    if len(beyond) < 2 or not direct or any(missed[one.index] for one in direct):
        return ""
    if any(len(missed[one.index]) < facts.messages for one in beyond):
        return ""
    heard, deaf = {one.instance for one in direct}, {one.instance for one in beyond}
    if not deaf <= heard or ("" in deaf and len({one.place for one in direct}) < 2):
        return ""
    places = ", ".join(dict.fromkeys(one.place for one in direct))
    return f"all at {places} got everything, and none at endpoint got anything: what lies between drops it"


def _excused(facts: BroadcastFacts) -> dict[int, frozenset[int]]:
    """Return index of subscriber → what it cannot get: its own messages, where the application does not return those, and the last
    ones, where its socket had ended."""
    left_out = own_left_out(facts)
    by = enumerate(senders_of(facts))
    own = [(sender.subscriber, number) for number, sender in by if left_out]
    return {
        one.index: frozenset(number for index, number in own if index == one.index) | _after_its_end(one, facts.messages)
        for one in facts.subscribers
    }


def _after_its_end(one: Subscriber, messages: int) -> frozenset[int]:
    """Return the messages behind the last that came to a socket that ended: with it, as far as can be told."""
    last = max((number for number in range(messages) if number not in set(one.missed)), default=-1)
    return frozenset(range(last + 1, messages)) if one.ended else frozenset()


def _groups(facts: BroadcastFacts, missed: dict[int, frozenset[int]], excused: dict[int, frozenset[int]]) -> tuple[tuple[Group, ...], bool]:
    names = sorted({one.instance for one in facts.subscribers if one.instance})
    if not names:
        return _inferred(facts.subscribers, missed, excused), False
    groups = tuple(Group(name=name, members=tuple(one for one in facts.subscribers if one.instance == name)) for name in names)
    return groups, True


def _inferred(
    subscribers: Iterable[Subscriber], missed: dict[int, frozenset[int]], excused: dict[int, frozenset[int]]
) -> tuple[Group, ...]:
    """Group those that missed the same, their own messages apart."""
    found: list[list[Subscriber]] = []
    for one in subscribers:
        for group in found:
            first = group[0].index
            apart = excused[one.index] | excused[first]
            if missed[one.index] - apart == missed[first] - apart:
                group.append(one)
                break
        else:
            found.append([one])
    return tuple(Group(name=f"group {number}", members=tuple(group)) for number, group in enumerate(found, start=1))


def _sender_groups(facts: BroadcastFacts, groups: tuple[Group, ...]) -> tuple[int | None, ...]:
    by_name = {group.name: place for place, group in enumerate(groups)}
    by_index = {one.index: place for place, group in enumerate(groups) for one in group.members}
    return tuple(
        by_name.get(sender.instance) if sender.subscriber is None else by_index.get(sender.subscriber) for sender in senders_of(facts)
    )
