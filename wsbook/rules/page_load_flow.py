"""What became of messages between trigger, subscriber and page while they came at a rate: losses, copies, standstills (areas G, H, L).

What the page makes of those that it got is in rules/page_load.py.
"""

from collections.abc import Iterator
from itertools import groupby, pairwise
from statistics import median

from wsbook.evidence import Evidence
from wsbook.facts import BurstFacts, LoadFacts, PageLoadFacts, PageMoment, TraceFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import fault, proof, unknown
from wsbook.words import duration_text, quantity

__all__ = ["judge_flow"]

_LOST, _TWICE, _BLOCKED = "message.lost", "message.duplicated", "backend.blocking-call-in-event-loop"
_FEWEST = 50
_SOME = 3
"""Messages that the edges of the intervals may hide."""
_SHARE = 0.25
"""Share of what is missing that has to be missing while later ones came, for it not to be a tail that was late."""
_MOST = 0.6
"""Share missing from which on a server that sends the newest only, on purpose, is as likely as one that loses messages."""
_EDGE = 0.1
"""Share of an interval's messages below which it only holds the last ones."""
_TWO = 1.8
"""Changes of the document for each message, from which on each may have come twice."""
_STEADY = (0.6, 1.4)
"""How far an interval may be from the rate while messages flow."""
_OWED, _PILE = 0.3, 0.7
"""Share of an interval's messages that a silence has to hold back, and share of these that has to come at its end."""
_PICTURES = 0.5
"""Share of the usual pictures that the page drew meanwhile, when the machine had time for it."""
_SURE_S, _BATCH_S = 1.0, 0.1


def judge_flow(evidence: Evidence, seen: Observation, facts: PageLoadFacts) -> Iterator[Finding]:
    """Judge one look at a page under load: did everything that was accepted come, once, and without a standstill?"""
    if facts.void or not facts.moments or facts.sent < _FEWEST:
        return
    yield from _judge_lost(seen, facts)
    yield from _judge_copies(evidence, seen, facts)
    yield from _judge_standstill(evidence, seen, facts)


def _total(facts: PageLoadFacts, name: str) -> int:
    return sum(getattr(one, name) for one in facts.moments)


# Losses


def _judge_lost(seen: Observation, facts: PageLoadFacts) -> Iterator[Finding]:
    """Compare what was accepted with what came to the subscriber and to the page; a page that got nothing is another matter."""
    frames = _total(facts, "frames")
    beside, page = facts.sent - facts.due, facts.sent - frames if frames else 0
    missing = max(beside, page)
    if missing <= 0 or not facts.due:
        return
    places = f"{facts.due:,} came to a subscriber and {frames:,} to the page" if frames else f"{facts.due:,} came to a subscriber"
    words = f"of {quantity(facts.sent, 'message')} that were accepted at {facts.rate:g} a second, {places}"
    if not _overtaken(facts, "due" if beside >= page else "frames", missing):
        yield unknown(_LOST, 0.3, f"{words}; the others were late when watching ended, or their socket was gone", proof(seen, words))
    elif missing >= _MOST * facts.sent:
        yield unknown(_LOST, 0.4, f"{words}: the others are lost, unless the server sends the newest only", proof(seen, words))
    else:
        yield fault(_LOST, 0.75, f"{words}: the others are lost, while later ones came", proof(seen, words))


def _overtaken(facts: PageLoadFacts, name: str, missing: int) -> bool:
    """Whether what is missing was overtaken: the last one came, or full intervals before the last were short of what was due."""
    if facts.last_shown:
        return True
    used = [one for one in facts.moments if one.due >= _EDGE * facts.rate * facts.moments[0].at_s]
    if len(used) < 3 or not sum(getattr(one, name) for one in used[-1:]):
        return False  # the page's socket may have ended
    last_s = facts.moments[-1].at_s
    if facts.behind_s is None and last_s > facts.sent / facts.rate + facts.moments[0].at_s + 1e-6:
        return False  # some still came long after sending: they may have been late
    rate = min(facts.rate, facts.sent / used[-1].at_s)
    before = [one for one in facts.moments if one.at_s < used[-1].at_s]
    short = rate * before[-1].at_s - sum(getattr(one, name) for one in before)
    return short >= max(_SOME, _SHARE * missing) and not _silences(facts)


# Copies


def _judge_copies(evidence: Evidence, seen: Observation, facts: PageLoadFacts) -> Iterator[Finding]:
    """Copies that the subscriber counted are certain; a document that changes twice for each message may do so by itself."""
    if facts.copies:
        words = f"of {quantity(facts.due, 'message')} that came to a subscriber, {quantity(facts.copies, 'copy', 'copies')} came again"
        judge, confidence = (fault, 0.75) if facts.copies >= _SOME else (unknown, 0.4)
        yield judge(_TWICE, confidence, words, proof(seen, words))
        return
    handled, changes = facts.handled, _total(facts, "changes")
    if handled < _FEWEST or changes < _TWO * handled:
        return
    words = f"the document changed {changes:,} times for {quantity(handled, 'message')}"
    traced = _traced_copies(evidence)
    if traced:
        summary = f"{words}, and single events come more than once as well"
        yield fault(_TWICE, 0.6, summary, proof(seen, words))
    elif traced is None:
        yield unknown(_TWICE, 0.25, f"{words}: each may have come twice", proof(seen, words))


def _traced_copies(evidence: Evidence) -> bool | None:
    """Return whether traced events came to a socket or to the page more than once; None when none was traced."""
    counts = [place.count for _, facts in evidence.of(TraceFacts) for place in facts.places if place.kind in ("hop", "endpoint", "frame")]
    counts += [1 + bool(place.duplicated) for _, facts in evidence.of(BurstFacts) for place in facts.places if place.received]
    came = [count for count in counts if count]
    return any(count > 1 for count in came) if came else None


# Standstills


def _silences(facts: PageLoadFacts, *, one_by_one: bool = False) -> list[tuple[float, float]]:
    """Return when nothing came to subscriber and page, though messages flow one by one and were due, as (begin, length)."""
    width_s = facts.moments[0].at_s
    due = facts.rate * width_s
    if due < _SOME or any("no subscriber" in words for words in facts.unseen):
        return []
    found, flowed, came = [], one_by_one, 0
    groups = [(silent, list(group)) for silent, group in groupby(facts.moments, key=lambda one: not one.due and not one.frames)]
    for (silent, group), (_, after) in pairwise([*groups, (False, [])]):
        owed = min(facts.sent, facts.rate * group[-1].at_s) - came
        if silent and flowed and after and owed >= _OWED * due and after[0].due >= _PILE * owed and _drew(facts, group):
            found.append((group[0].at_s - width_s, width_s * len(group)))
        flowed = flowed or (not silent and any(_STEADY[0] * due <= one.due <= _STEADY[1] * due for one in group))
        came += sum(one.due for one in group)
    return found


def _drew(facts: PageLoadFacts, silent: list[PageMoment]) -> bool:
    """Whether the page went on drawing pictures and was idle meanwhile: then machine and browser had time."""
    usual = median(one.pictures for one in facts.moments)
    return all(one.pictures >= _PICTURES * usual and not one.long_s for one in silent)


def _judge_standstill(evidence: Evidence, seen: Observation, facts: PageLoadFacts) -> Iterator[Finding]:
    stalls = _silences(facts, one_by_one=_one_by_one(evidence))
    if not stalls:
        return
    longest_s = max(length for _, length in stalls)
    times = f"{len(stalls)} times, up to" if len(stalls) > 1 else "once, for"
    words = (
        f"at {facts.rate:g} messages/s neither subscriber nor page got any {times} {duration_text(longest_s)} and more "
        f"({', '.join(f'at {begin:.3g} s' for begin, _ in stalls[:4])}), while the page was idle; then they came at once"
    )
    if longest_s >= _SURE_S or len(stalls) > 1:
        yield fault(_BLOCKED, 0.65, words, proof(seen, words))
    else:  # a machine that is busy holds one process for as long
        yield unknown(_BLOCKED, 0.45, words, proof(seen, words))


def _one_by_one(evidence: Evidence) -> bool:
    """Whether messages usually come one by one and soon: a server that sends batches is silent between them."""
    told = [run.p50_s for _, facts in evidence.of(LoadFacts) for run in facts.runs if run.p50_s is not None]
    return bool(told) and max(told) < _BATCH_S
