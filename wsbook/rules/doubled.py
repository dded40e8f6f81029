"""Broadcasts that came more than once: as often as there are instances, at home alone, or here and there (areas I and J)."""

from collections.abc import Iterator

from wsbook.facts import BroadcastFacts
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.reach import senders_of

__all__ = ["judge_doubled"]

_EACH = "cluster.every-instance-publishes"


def judge_doubled(seen: Observation, facts: BroadcastFacts) -> Iterator[Finding]:
    """As many copies for everybody as there are instances, copies where the message was published, or copies here and there."""
    doubled = [one for one in facts.subscribers if one.duplicated]
    words = f"{len(doubled)} of {len(facts.subscribers)} subscribers got messages more than once"
    copies = {count for one in facts.subscribers for count in (one.least_copies, one.most_copies)}
    evident = proof(seen, words)
    if len(copies) == 1 and len(doubled) == len(facts.subscribers):
        yield from _judge_copies(facts, copies.pop(), evident)
    elif _at_home(facts):
        summary = f"{words}, those at the instance where the message was published: it is told there and comes back from the bus"
        yield fault("message.duplicated", 0.85, summary, evident)
    else:
        yield fault("message.duplicated", 0.75, words, evident)


def _judge_copies(facts: BroadcastFacts, copies: int, evident: Proof) -> Iterator[Finding]:
    names = {one.instance for one in facts.subscribers if one.instance}
    words = f"every subscriber got {copies} copies of every message"
    if len(names) == copies:
        yield fault(_EACH, 0.93, f"{words}, as many as there are instances ({', '.join(sorted(names))})", evident)
        yield fault("message.duplicated", 0.5, words, evident)
    elif len(names) <= 1:
        sure = 0.6 if not names else 0.4
        yield fault(_EACH, sure, f"{words}; count the instances: as many copies as instances name this cause", evident)
        yield fault("message.duplicated", 0.5 if not names else 0.75, words, evident)
    else:
        yield fault("message.duplicated", 0.75, f"{words}, on {len(names)} instances", evident)
        yield unknown(_EACH, 0.35, f"{words}: {copies} of {len(names)} instances may publish it", evident)


def _at_home(facts: BroadcastFacts) -> bool:
    """Whether exactly those at the publishing instance got a message twice."""
    senders = senders_of(facts)
    if not facts.messages or not all(sender.instance for sender in senders):
        return False
    return all((senders[n].instance == one.instance) == (n in one.duplicated) for one in facts.subscribers for n in range(facts.messages))
