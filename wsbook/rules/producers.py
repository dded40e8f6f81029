"""A way that is whole, and a page that hears nothing but what we publish: has whatever feeds it stopped (area H)?"""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import OutageFacts, PatternFacts
from wsbook.facts.reconnect import OURS
from wsbook.finding import Finding
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.told import told_causes
from wsbook.wire.messages import is_subscription
from wsbook.words import duration_text

__all__ = ["judge_producers"]

_DIED, _SILENT = "backend.background-task-died", "message.never-published"
_LEAST_S = 10.0
"""A page that was watched for less may have been between two updates."""


def judge_producers(evidence: Evidence) -> Iterator[Finding]:
    """Judge a page that is told what we publish and nothing else, where somebody misses updates.

    An application that sends only when something happens is as silent, so this says nothing where nobody misses anything.
    """
    outages = [(seen, facts) for seen, facts in evidence.of(OutageFacts) if not facts.stood_in]
    reached = next(((seen, facts) for seen, facts in outages if facts.control_before), None)
    watched_s = sum(facts.watched_s for _, facts in outages)
    missed = told_causes(evidence) & {_DIED, _SILENT}
    if reached is None or watched_s < _LEAST_S or not missed or any(_hears_by_itself(facts) for _, facts in outages):
        return
    seen, facts = reached
    asked = "".join(f", which asked with {text[:120]}" for text in facts.said_before if is_subscription(text))
    words = f"what is published reaches the page{asked}; nothing else came in {duration_text(watched_s)}"
    evident = proof(seen, words)
    if feeding := next((entry for entry in evidence.of(PatternFacts) if entry[1].cause == _DIED and not entry[1].ok), None):
        file, loop = feeding
        summary = f"{words}: what should feed it has stopped, such as a loop of {loop.file.rpartition('/')[2]}"
        yield fault(_DIED, 0.62, summary, evident, proof(file, loop.excerpt, f"{loop.file}:{loop.line}"))
    else:
        yield unknown(_DIED, 0.45, f"{words}: what should feed it may have stopped", evident)
    yield unknown(_SILENT, 0.4, f"{words}: it may not be published at all", evident)


def _hears_by_itself(facts: OutageFacts) -> bool:
    """Whether a kind of message came more than once that we did not publish: an answer to a subscription comes once."""
    return any(count > 1 and not name.endswith(OURS) for name, count in (*facts.heard_before, *facts.heard_after))
