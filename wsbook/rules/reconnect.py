"""What a page did when its socket was interrupted behind the relay: does it come back, how, with what, and what has it missed?

Only what the page did is judged; where it was not watched long enough, or nothing came that could be compared, that is said.
"""

from collections.abc import Callable, Iterator

from wsbook.evidence import Evidence
from wsbook.facts import OutageFacts
from wsbook.facts.reconnect import OURS, is_final
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation
from wsbook.rules.interruptions import Outages, evident, in_vain, shown_outage, spacing_of
from wsbook.rules.make import clear, fault, unknown
from wsbook.rules.reconnected import judge_catching_up, judge_handlers, judge_sockets, judge_subscription
from wsbook.spacing import Spacing
from wsbook.words import quantity

__all__ = ["judge_reconnect"]

_HASTY_S = 1.0
"""A constant pause below this is no backoff whatever the jitter: each of a thousand clients dials more often than once a second."""
_LONG_S, _MANY = 15.0, 5
"""From so long an outage with so many attempts on, a pause that has not grown does not grow."""
_STOOD_IN = 0.85
"""How sure it is that a page stays away that was never greeted by its server, which we stood in for."""
_FEW = 3
_EQUAL = 0.05
"""Jitter below this share is what timers do by themselves."""
_HALF_OPEN_S = 60.0
"""How long a dead peer may stay unnoticed: twice the usual interval of a heartbeat (Engine.IO 25 s + 20 s, websockets 20 s + 20 s)."""


def judge_reconnect(evidence: Evidence) -> Iterator[Finding]:
    """Judge the interruptions of a page's socket."""
    outages = list(evidence.of(OutageFacts))
    if outages:
        for judged in _RULES:
            yield from judged(outages)


def _returned(facts: OutageFacts) -> bool:
    """Whether the page has a way back: it opened a connection, loaded itself anew, or would dial when its timers fire."""
    return facts.reopened_s is not None or facts.reloaded or (facts.early_s is not None and facts.way != "stall")


def _judge_return(outages: Outages) -> Iterator[Finding]:
    slug = "client.no-reconnect"
    asked = [
        (seen, facts)
        for seen, facts in outages
        if not is_final(facts.answer, facts.close_code) and facts.way != "stall" and not _turned_away(facts)
    ]
    lost = [(seen, facts) for seen, facts in asked if not _returned(facts)]
    back = [(seen, facts) for seen, facts in asked if _returned(facts)]
    shown = [(seen, facts) for seen, facts in lost if not _may_still_come(facts)]
    if shown:
        words = "; ".join(f"after {shown_outage(facts)} {_without_return(facts)}" for _, facts in shown[:3])
        partly = f"; it came back after {shown_outage(back[0][1])}" if back else ""
        proofs = [evident(seen, facts, _without_return(facts)) for seen, facts in shown]
        sure = _STOOD_IN if all(facts.stood_in for _, facts in shown) else 0.95
        yield fault(slug, sure, f"the page does not come back: {words}{partly}", *proofs)
    elif lost:
        seen, facts = lost[0]
        yield unknown(slug, 0.4, f"{_without_return(facts)}; a timer of the page may still dial", evident(seen, facts, _timers(facts)))
    elif back:
        told = ", ".join(_time_back(facts) for _, facts in back)
        yield clear(slug, f"the page came back {told}", *(evident(seen, facts, _time_back(facts)) for seen, facts in back))


def _may_still_come(facts: OutageFacts) -> bool:
    """Whether something that was not watched may dial: a timer whose time was not reached, or a worker's."""
    if facts.leapt_s is not None:
        return bool(facts.pending_s) and max(facts.pending_s or ()) > facts.leapt_s and facts.leapt_s < _HALF_OPEN_S
    return facts.pending_s != ()


def _without_return(facts: OutageFacts) -> str:
    gone = f"no attempt within {facts.watched_s:.3g} s"
    if facts.redials:
        last = facts.redials[-1].at_s
        gone = f"no attempt after number {len(facts.redials)} at {last:.2g} s, watched for {facts.watched_s:.3g} s"
    return f"{gone}{f' and {facts.leapt_s:.0f} s more of its clock' if facts.leapt_s else ''}"


def _timers(facts: OutageFacts) -> str:
    return (
        f"its next timers fire {', '.join(f'{at:.2g}' for at in facts.pending_s[:3])} s later"
        if facts.pending_s
        else "a worker may hold timers"
    )


def _time_back(facts: OutageFacts) -> str:
    if facts.reopened_s is not None:
        return f"{facts.reopened_s:.2g} s after {shown_outage(facts)}"
    if facts.reloaded:
        return f"by loading itself anew after {shown_outage(facts)}"
    return f"about {facts.early_s or 0.0:.2g} s after {shown_outage(facts)}, by its clock"


def _turned_away(facts: OutageFacts) -> tuple[int, ...]:
    """Return the statuses with which the server itself refused the page's attempts after it had let it in, when no other fate was left."""
    told = [one for one in facts.redials if one.at_s > (0.0 if facts.answer == "open" else facts.lasted_s)]
    statuses = tuple(one.status for one in told if one.status in (401, 403))
    return statuses if facts.reopened_s is None and statuses and len(statuses) == len(told) else ()


def _judge_credentials(outages: Outages) -> Iterator[Finding]:
    refused = [(seen, facts) for seen, facts in outages if _turned_away(facts)]
    if refused:
        facts = refused[0][1]
        told = ", ".join(map(str, dict.fromkeys(_turned_away(facts))))
        words = f"the page was let in when it was loaded, and each attempt after {shown_outage(facts)} is refused with {told}"
        proofs = (evident(one, at, f"{len(_turned_away(at))} attempts refused by the server") for one, at in refused)
        yield fault("auth.token-expired-on-reconnect", 0.9 if len(_turned_away(facts)) > 1 else 0.7, words, *proofs)


# Spacing


def _judge_spacing(outages: Outages) -> Iterator[Finding]:
    slug = "client.reconnect-no-backoff"
    asked = [(seen, facts, spacing_of(facts)) for seen, facts in outages if facts.answer not in ("open", "stall") and facts.redials]
    asked = [entry for entry in asked if max(entry[1].open_before, entry[1].open_sockets) <= 1]  # attempts of two cannot be told apart
    known = [entry for entry in asked if entry[2].attempts >= _FEW]
    judged = [(*entry, _hasty(entry[1], entry[2])) for entry in known]
    bad = [entry for entry in judged if entry[3] and entry[1].answer != "dismiss"]
    if bad:
        seen, facts, spacing, confidence = max(bad, key=lambda entry: entry[3])
        proofs = [evident(one, told, _spaced(told, how)) for one, told, how, _ in bad]
        yield fault(slug, confidence, f"after {shown_outage(facts)} the page dials again {_spaced(facts, spacing)}", *proofs)
        return
    for seen, facts, spacing, confidence in judged:
        if facts.answer == "dismiss" and confidence:
            words = f"closed with {facts.close_code} right after each opening, the page dials again {_spaced(facts, spacing)}"
            yield unknown(slug, 0.3, words, evident(seen, facts, _spaced(facts, spacing)))
    grown = [entry for entry in known if entry[2].grows]
    if grown:
        seen, facts, spacing = grown[0]
        words = f"after {shown_outage(facts)} the page waits longer each time: {_spaced(facts, spacing)}"
        yield clear(slug, words, *(evident(one, told, _spaced(told, how)) for one, told, how in grown))
    elif known:
        seen, facts, spacing = known[0]
        yield unknown(slug, 0.35, f"{_spaced(facts, spacing)}; whether it grows was not watched for long", evident(seen, facts, "so far"))
    elif asked:
        seen, facts, spacing = asked[0]
        yield unknown(
            slug,
            0.05,
            f"{quantity(spacing.attempts, 'attempt')} in {facts.watched_s:.2g} s: nothing is known of the spacing",
            evident(seen, facts, "so far"),
        )


def _hasty(facts: OutageFacts, spacing: Spacing) -> float:
    """Return how sure it is that these attempts burden a server that comes back, 0 when they do not."""
    base_s = spacing.base_s or 0.0
    if spacing.kind == "immediate":
        return 0.95
    if spacing.kind != "constant":
        return 0.0
    if base_s < _HASTY_S:
        return 0.9
    if spacing.jitter <= _EQUAL:
        return 0.75 if base_s <= 5.0 else 0.6
    long = facts.redials[-1].at_s >= _LONG_S and spacing.attempts >= _MANY
    return 0.55 if long and base_s < 5.0 else 0.0


def _spaced(facts: OutageFacts, spacing: Spacing) -> str:
    """Return the spacing in words with its figures."""
    base_s = spacing.base_s or 0.0
    tried = f"{spacing.attempts} attempts in {in_vain(facts)[-1].at_s:.2g} s"
    jitter = f" ±{100 * spacing.jitter:.0f} %" if spacing.jitter > _EQUAL else ", without jitter"
    if spacing.kind == "immediate":
        return f"at once, {tried}"
    if spacing.kind == "constant":
        return f"every {base_s:.2g} s{jitter}, {tried}"
    if not spacing.grows:
        return tried
    steps = {"exponential": f", growing by {spacing.factor or 1.0:.2g} each time", "linear": ", growing by the same step"}
    return f"from about {base_s:.2g} s{steps.get(spacing.kind, ', growing')}{jitter}, {tried}"


def _judge_half_open(outages: Outages) -> Iterator[Finding]:
    stays_away = any(True for finding in _judge_return(outages) if finding.verdict is Verdict.FAULT)
    for seen, facts in outages:
        if facts.way == "stall":
            yield _unnoticed(seen, facts, stays_away)


def _unnoticed(seen: Observation, facts: OutageFacts, stays_away: bool) -> Finding:
    """Judge one stall. stays_away: the page does not come back from a close that it does notice, so that this is not its trouble."""
    slug = "heartbeat.none-half-open"
    watched = f"watched for {facts.watched_s:.3g} s{f' and {facts.leapt_s:.0f} s more of its clock' if facts.leapt_s else ''}"
    shown = evident(seen, facts, watched)
    if facts.noticed_s is not None:
        return clear(slug, f"the page noticed a dead connection after {facts.noticed_s:.2g} s", shown)
    if facts.early_s is not None:
        return clear(slug, f"the page notices a dead connection after about {facts.early_s:.2g} s of its clock", shown, confidence=0.8)
    if facts.watched_s + (facts.leapt_s or 0.0) < _HALF_OPEN_S:
        return unknown(slug, 0.3, f"a dead connection was not noticed, {watched}", shown)
    words = f"the page never noticed that its connection was dead, {watched}"
    regular = sum(count for name, count in facts.heard_before if not name.endswith(OURS))
    if regular < max(2.0, facts.listened_s) or stays_away:  # without regular messages silence says nothing, and the server may ping
        return unknown(slug, 0.4, words, shown)
    return fault(slug, 0.6, f"{words}, although messages had come all the time", shown)


_RULES: tuple[Callable[[Outages], Iterator[Finding]], ...] = (
    _judge_return,
    _judge_credentials,
    _judge_spacing,
    judge_subscription,
    judge_catching_up,
    judge_handlers,
    judge_sockets,
    _judge_half_open,
)
