"""A page while messages come at a rate: does it keep up, does it draw each one by itself, does it draw anything (area J)?"""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import PageLoadFacts
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.page_load_flow import judge_flow
from wsbook.words import duration_text, quantity

__all__ = ["judge_page_load"]

_EACH = "client.render-per-message"
_SHOWN = "client.not-rendered"
_LOST, _BLOCKED = "message.lost", "backend.blocking-call-in-event-loop"
_FEWEST = 50
_PER_MESSAGE = 0.6
"""Changes of the document for each handled message, from which on the page draws message by message."""
_OVER_PICTURES = 1.5
"""What is drawn more often than the screen is, is drawn for nobody."""
_BEHIND_S, _DELAY_S = 1.0, 0.5
_EVEN = 0.8
"""The median against the 99th percentile of a delay that does not grow: in a queue that grows evenly it is a half."""
_LAYOUT, _SOME = 0.2, 0.1
"""Share of style and layout in the work of a page that draws too often; one whose handler is slow has next to none of it."""
_LONG_SHARE = 0.5
"""Share of the time that tasks above 50 ms may take before a page no longer answers its user (W3C Long Tasks)."""


def judge_page_load(evidence: Evidence) -> Iterator[Finding]:
    """Judge every look at a page under load."""
    for seen, facts in evidence.of(PageLoadFacts):
        flow = list(judge_flow(evidence, seen, facts))
        yield from flow
        own = _judge(seen, facts)
        yield from (one for one in own if not _said_by_flow(flow, facts, one))


def _said_by_flow(flow: list[Finding], facts: PageLoadFacts, finding: Finding) -> bool:
    """Whether losses, copies or standstills before the page already say what this would: a page that got too little may keep up."""
    if finding.verdict is Verdict.CLEAR:
        return bool(flow)
    if facts.behind_s is not None or finding.cause != _EACH or not any(one.cause in (_LOST, _BLOCKED) for one in flow):
        return False
    took_s = max(facts.delay_p99_s or 0.0, facts.draw_p99_s or 0.0)
    busy = sum(one.long_s for one in facts.moments) >= _LONG_SHARE * facts.moments[-1].at_s
    return took_s < _DELAY_S and not busy  # it was waited for what never came, or came late; what came was shown in time


def _total(facts: PageLoadFacts, name: str) -> int:
    return sum(getattr(one, name) for one in facts.moments)


def _judge(seen: Observation, facts: PageLoadFacts) -> Iterator[Finding]:
    why = _nothing_known(facts)
    handled, changes = _total(facts, "handled"), _total(facts, "changes")
    if why:
        yield unknown(_EACH, 0.0, f"nothing is known of the page under load: {why}", proof(seen, why))
    elif not handled and not changes:
        words = f"{quantity(_total(facts, 'frames'), 'message')} reached the page, and no handler took any"
        judge = unknown if facts.unseen else fault  # a worker's handlers cannot be seen
        yield judge("client.listener-attached-late", 0.1 if facts.unseen else 0.5, words, proof(seen, words))
    elif handled and not _total(facts, "shown") and not changes:
        words = f"{quantity(handled, 'message')} were handled at {facts.rate:g} a second, and the document never changed"
        yield fault(_SHOWN, 0.6, words, proof(seen, words))
    else:
        yield _judge_pace(seen, facts, handled, changes)


def _nothing_known(facts: PageLoadFacts) -> str:
    """Return why the figures tell nothing, "" when they do."""
    if facts.void or not facts.moments:
        return facts.void or "it was not watched"
    came = max(_total(facts, "frames"), _total(facts, "due"))
    if came < _FEWEST:
        return f"only {came} of {quantity(facts.sent, 'message')} came"
    if not _total(facts, "pictures") and not sum(one.long_s for one in facts.moments):
        return f"the browser drew no picture while {quantity(came, 'message')} came: the page was hidden"
    return ""


def _judge_pace(seen: Observation, facts: PageLoadFacts, handled: int, changes: int) -> Finding:
    pictures, strain, layout = _total(facts, "pictures"), _strain(facts), _layout(facts)
    drawing = changes > _OVER_PICTURES * pictures if layout is None else layout >= _LAYOUT
    each = drawing and changes >= _PER_MESSAGE * max(1, handled)
    base = f"at {facts.rate:g} messages/s the document changed {changes:,} times for {handled:,} messages and {pictures:,} pictures"
    if not strain:
        delay_s = _constant_s(facts)
        later = f", showing each {duration_text(delay_s)} after its handler had it" if delay_s >= _DELAY_S else ""
        return clear(_EACH, f"{base}; it kept up{later}", proof(seen, base))
    words = f"{base}, and {strain}"
    if each and layout is None:
        return fault(_EACH, 0.75, words, proof(seen, words))
    if each:
        words += f"; style and layout take {layout:.0%} of its working time"
        return fault(_EACH, 0.88, words, proof(seen, words))
    why = "what it shows waits in a queue of its own" if _queued(facts) else "its handler is slow, not its drawing"
    return unknown(_EACH, 0.4, f"{words}: {why}", proof(seen, words))


def _layout(facts: PageLoadFacts) -> float | None:
    """Return the share of style and layout in what the main thread did, None where the browser does not tell."""
    busy_s, layout_s = (sum(getattr(one, name) or 0.0 for one in facts.moments) for name in ("busy_s", "layout_s"))
    return layout_s / busy_s if busy_s > 0.0 else None


def _queued(facts: PageLoadFacts) -> bool:
    """Whether the page takes messages in time and shows them ever later; one that shows the latest only shows few."""
    shown = _total(facts, "shown") > _SOME * max(1, _total(facts, "handled"))
    return (facts.draw_p99_s or 0.0) >= _BEHIND_S and shown and not _constant_s(facts)


def _constant_s(facts: PageLoadFacts) -> float:
    """Return the delay that the page gives every message alike, 0 when it has none or it grows: waiting is no backlog."""
    p50_s, p99_s = facts.draw_p50_s or 0.0, facts.draw_p99_s or 0.0
    return p50_s if p50_s >= _EVEN * p99_s else 0.0


def _strain(facts: PageLoadFacts) -> str:
    """Say how the page suffers, "" when it keeps up."""
    length_s = facts.moments[-1].at_s
    long_s = sum(one.long_s for one in facts.moments)
    if facts.behind_s is None:
        return "it had not finished when watching ended"
    if facts.behind_s - _constant_s(facts) >= _BEHIND_S:
        return f"it was still busy {duration_text(facts.behind_s)} after the last frame"
    if (facts.delay_p99_s or 0.0) >= _DELAY_S:
        return f"frames waited up to {duration_text(facts.delay_p99_s)} (p99) for its handler"
    if _queued(facts):
        return f"it showed messages up to {duration_text(facts.draw_p99_s)} (p99) after its handler had them"
    if length_s and long_s >= _LONG_SHARE * length_s:
        return f"long tasks took {long_s / length_s:.0%} of its time"
    return ""
