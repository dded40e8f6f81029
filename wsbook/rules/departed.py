"""Subscribers that leave: one that breaks off before a broadcast, and those whose sockets end during it (areas H and I)."""

import re
from collections.abc import Iterator

from wsbook.facts import BroadcastFacts, Subscriber
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.reach import deaf_to_all, missing_of

__all__ = ["departed", "judge_broken", "judge_departed", "judge_late"]

_ERROR = re.compile(r"close 1011\b(?!.*\bping)")
"""RFC 6455 section 7.4.1; libraries close with the same code when a pong does not come."""
_FIRST = 1
"""Number of the last message at which a loop breaks over a socket that is gone: the first may still fit into its buffers."""


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


def judge_late(before: tuple[Observation, BroadcastFacts], after: tuple[Observation, BroadcastFacts]) -> Iterator[Finding]:
    """Some, or all, heard nothing while sockets that had just been closed were remembered, and later everybody heard everything.

    Processes that do not pass messages on to one another do not begin to by themselves.
    """
    deaf, total = deaf_to_all(before[1]), len(before[1].subscribers)
    if not deaf or any(missing_of(after[1]).values()):
        return
    late_s = (after[0].observed_at - before[0].observed_at).total_seconds()
    words = f"{deaf} of {total} subscribers got nothing, and {late_s:.0f} s later all got everything, without any change"
    yield unknown("backend.exception-kills-broadcast", 0.4, words, proof(before[0], words), proof(after[0], "later they are told"))


def judge_broken(seen: Observation, facts: BroadcastFacts, anyway: bool) -> Iterator[Finding]:
    """One subscriber broke off without a close frame before the messages: do the others, who had them all, still get them?

    anyway: messages are lost where nobody breaks off, too. A loop that breaks does so at the first ones.
    """
    missing = [missed for missed in missing_of(facts).values() if missed]
    total = len(facts.subscribers)
    words = f"after one subscriber broke off, {len(missing)} of {total} others missed messages"
    if _lost_before(facts):
        summary = f"{words}, the same for all of them, on every instance: they were lost before they were passed on"
        yield fault("message.lost", 0.6, summary, proof(seen, summary))
        yield unknown("backend.exception-kills-broadcast", 0.3, words, proof(seen, words))
    elif missing and anyway and min(map(min, missing)) > _FIRST:
        summary = f"{words}, not the first ones; and messages are lost under load, too"
        yield unknown("backend.exception-kills-broadcast", 0.3, summary, proof(seen, summary))
    elif missing:
        yield fault("backend.exception-kills-broadcast", 0.93, words, proof(seen, words))
    elif total and not departed(facts):
        words = f"one subscriber broke off, and all {total} others got all {facts.messages} messages"
        yield clear("backend.exception-kills-broadcast", words, proof(seen, words))


def _lost_before(facts: BroadcastFacts) -> bool:
    """Whether all, on several instances, missed the same messages, and got the first and others.

    Whoever stumbles over a socket that is gone does so at the first message, and at its own instance.
    """
    lost = {frozenset(missed) for missed in missing_of(facts).values()}
    instances = {one.instance for one in facts.subscribers if one.instance}
    return len(lost) == 1 and len(instances) > 1 and 0 < len(only := lost.pop()) < facts.messages and 0 not in only
