"""A page while messages come at a rate: does it keep up, does it draw each one by itself, does it draw anything (area J)?"""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import PageLoadFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.words import duration_text, quantity

__all__ = ["judge_page_load"]

_EACH = "client.render-per-message"
_SHOWN = "client.not-rendered"
_FEWEST = 50
_PER_MESSAGE = 0.6
"""Changes of the document for each handled message, from which on the page draws message by message."""
_OVER_PICTURES = 1.5
"""What is drawn more often than the screen is, is drawn for nobody."""
_BEHIND_S, _DELAY_S = 1.0, 0.5
_LONG_SHARE = 0.5
"""Share of the time that tasks above 50 ms may take before a page no longer answers its user (W3C Long Tasks)."""


def judge_page_load(evidence: Evidence) -> Iterator[Finding]:
    """Judge every look at a page under load."""
    for seen, facts in evidence.of(PageLoadFacts):
        yield from _judge(seen, facts)


def _judge(seen: Observation, facts: PageLoadFacts) -> Iterator[Finding]:
    frames, handled = (sum(getattr(one, name) for one in facts.moments) for name in ("frames", "handled"))
    changes, pictures, shown = (sum(getattr(one, name) for one in facts.moments) for name in ("changes", "pictures", "shown"))
    if frames < _FEWEST:
        words = f"only {quantity(frames, 'frame')} of {facts.sent} messages reached the page: nothing is known of how it bears more"
        yield unknown(_EACH, 0.0, words, proof(seen, words))
        return
    if not pictures:
        words = f"the browser drew no picture while {frames} frames came: the page was hidden, and nothing is known of its pace"
        yield unknown(_EACH, 0.0, words, proof(seen, words))
        return
    if handled and not shown and not changes:
        words = f"{quantity(handled, 'message')} were handled at {facts.rate:g} a second, and the document never changed"
        yield fault(_SHOWN, 0.6, words, proof(seen, words))
        return
    each = changes >= _PER_MESSAGE * max(1, handled) and changes > _OVER_PICTURES * pictures
    strain = _strain(facts)
    base = f"at {facts.rate:g} messages/s the document changed {changes:,} times for {handled:,} messages and {pictures:,} pictures"
    if strain and each:
        words = f"{base}, and {strain}"
        yield fault(_EACH, 0.85, words, proof(seen, words))
    elif strain:
        words = (
            f"at {facts.rate:g} messages/s {strain}, though it draws only {changes:,} times for {handled:,} messages: its handler is slow"
        )
        yield unknown(_EACH, 0.4, words, proof(seen, words))
    else:
        words = f"{base}; it kept up"
        yield clear(_EACH, words, proof(seen, words))


def _strain(facts: PageLoadFacts) -> str:
    """Say how the page suffers, "" when it keeps up."""
    length_s = facts.moments[-1].at_s
    long_s = sum(one.long_s for one in facts.moments)
    if facts.behind_s is None:
        return "it had not finished when watching ended"
    if facts.behind_s >= _BEHIND_S:
        return f"it was still busy {duration_text(facts.behind_s)} after the last frame"
    if (facts.delay_p99_s or 0.0) >= _DELAY_S:
        return f"frames waited up to {duration_text(facts.delay_p99_s)} (p99) for its handler"
    if length_s and long_s >= _LONG_SHARE * length_s:
        return f"long tasks took {long_s / length_s:.0%} of its time"
    return ""
