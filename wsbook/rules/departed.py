"""Subscribers of a broadcast whose own sockets ended: what came later they could not get. Did the server fail over them?"""

import re
from collections.abc import Iterator

from wsbook.facts import BroadcastFacts, Subscriber
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import fault, proof, unknown

__all__ = ["departed", "judge_departed"]

_ERROR = re.compile(r"close 1011\b(?!.*\bping)")
"""RFC 6455 section 7.4.1; libraries close with the same code when a pong does not come."""


def departed(facts: BroadcastFacts) -> list[Subscriber]:
    """Return the subscribers that missed something and whose sockets had ended."""
    return [one for one in facts.subscribers if one.ended and one.missed]


def judge_departed(seen: Observation, facts: BroadcastFacts) -> Iterator[Finding]:
    """Judge a broadcast that nobody missed anything of whose socket was open."""
    gone, total = departed(facts), len(facts.subscribers)
    if not gone:
        return
    words = (
        f"the sockets of {len(gone)} of {total} subscribers ended before all of {facts.messages} messages had come: {gone[0].ended[:120]}"
    )
    failed = [one for one in gone if _ERROR.match(one.ended)]
    if 2 * len(failed) > total:
        yield fault("backend.exception-in-handler", 0.75, words, proof(seen, words))
    else:
        yield unknown("cluster.no-pubsub-across-workers", 0.05, f"{words}; no other misses any", proof(seen, words))
