"""Splits one run of load into parts that send together what it would send alone. Pure."""

import math

from msgspec.structs import replace

from wsbook.errors import UsageError
from wsbook.load_plan import LoadPlan, check_plan

__all__ = ["messages_due", "split_plan"]


def messages_due(rate: float, seconds: float) -> int:
    """Return how many messages are due before the end, when number k is due k / rate after the begin."""
    return max(0, math.ceil(round(rate * seconds, 6)))


def split_plan(plan: LoadPlan, shards: int, *, run: str, begin_at: float) -> tuple[LoadPlan, ...]:
    """Return the parts of a plan for so many processes, each of which has connections of its own with numbers of their own.

    run: the eight hex digits that mark all messages. begin_at: epoch s. Together the parts send every message (connection, number) that
    the plan sends alone, at its pace: each begins one sending interval after the part before it, so that they take turns. Only whose
    turn it is within one round differs. The publishers of a broadcast stay together in the first part, because listeners are what such
    a run has many of; the other parts listen.

    Raises:
        UsageError: the plan cannot be carried out, or cannot be split so far.
    """
    check_plan(plan)
    sends = _sends(plan)
    listening = plan.answered_by == "broadcast"
    most = plan.connections - plan.publishers if listening else plan.connections
    if not 1 <= shards <= most:
        what = "listening connections" if listening else "connections"
        raise UsageError(f"{shards} shards for {most} {what}; each needs one at least")
    if plan.rate and shards > 1 and messages_due(plan.rate, plan.seconds) < sends:
        raise UsageError("the run sends fewer messages than it has connections; it needs no shards")
    parts, first = [], 0
    for number, connections in enumerate(_sizes(plan, shards)):
        share = _share(plan, first, connections, number)
        rate = share.get("rate", plan.rate) if sends else 0.0
        parts.append(
            replace(
                plan,
                run=run,
                connections=connections,
                first_connection=plan.first_connection + first,
                begin_at=begin_at + (number / plan.rate if rate and not listening else 0.0),
                slow_readers=_even(plan.slow_readers, shards, number),
                connect_rate=plan.connect_rate * connections / plan.connections,
                **share,
            )
        )
        first += connections
    return tuple(parts)


def _sends(plan: LoadPlan) -> int:
    """Return how many connections send."""
    return {"echo": plan.connections, "broadcast": plan.publishers}.get(plan.answered_by, 0)


def _even(count: int, shards: int, number: int) -> int:
    return count // shards + (number < count % shards)


def _sizes(plan: LoadPlan, shards: int) -> list[int]:
    if plan.answered_by != "broadcast":
        return [_even(plan.connections, shards, number) for number in range(shards)]
    listeners = plan.connections - plan.publishers  # the publishing part gets the fewest of them
    return [_even(listeners, shards, shards - 1 - number) + (0 if number else plan.publishers) for number in range(shards)]


def _share(plan: LoadPlan, first: int, connections: int, number: int) -> dict[str, float | int]:
    """Return rate or publishers of one part; what is not in it is as in the whole plan."""
    if plan.answered_by == "broadcast":
        return {"publishers": 0 if number else plan.publishers}
    if plan.answered_by != "echo" or not plan.rate:
        return {}
    rounds, left = divmod(messages_due(plan.rate, plan.seconds), plan.connections)
    own = rounds * connections + min(max(left - first, 0), connections)
    return {"rate": _rate_for(own, plan.seconds)}


def _rate_for(messages: int, seconds: float) -> float:
    """Return the rate at which exactly so many messages are due, whichever way the product is rounded."""
    rate = messages / seconds
    near = (rate, math.nextafter(rate, 0), math.nextafter(rate, math.inf))
    return next((one for one in near if one * seconds == messages), rate)
