"""What the connection is like that a page opened after an interruption: subscribed again, complete, heard once, the only one?

Only what the page did is judged; where nothing came that could be compared, that is said.
"""

from collections.abc import Iterator

from wsbook.facts import OutageFacts
from wsbook.facts.reconnect import OURS
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation
from wsbook.rules.interruptions import Outages, evident, shown_outage
from wsbook.rules.make import clear, fault, unknown
from wsbook.wire.messages import is_subscription

__all__ = ["judge_catching_up", "judge_handlers", "judge_sockets", "judge_subscription"]


def judge_subscription(outages: Outages) -> Iterator[Finding]:
    """Judge whether the page asked again for what it had asked for, and hears it."""
    back = [(seen, facts) for seen, facts in outages if facts.connected and not facts.reloaded and facts.open_sockets]
    asked_less = [(seen, facts) for seen, facts in back if _unheard(facts) and _unsaid(facts)]
    same = [(seen, facts) for seen, facts in back if facts.heard_before and _hears_again(facts)]
    quiet = [(seen, facts) for seen, facts in back if facts.heard_before and not facts.heard_after and _unheard(facts)]
    slug = "client.no-resubscribe-after-reconnect"
    if asked_less:
        facts = asked_less[0][1]
        said = f"does not say {_unsaid(facts)[0]} again, and hears no {' and no '.join(_unheard(facts)[:3])} any more"
        yield fault(slug, 0.95, f"after {shown_outage(facts)} the page is connected again, {said}", *map(_compared, asked_less))
    elif quiet:
        facts = quiet[0][1]
        said = "says the same as before" if facts.said_before else "asks for nothing, as before"
        words = f"after {shown_outage(facts)} the page is connected again, {said}, and hears no {' and no '.join(_unheard(facts)[:3])}"
        yield unknown(slug, 0.4, words, *map(_compared, quiet))
    elif same:
        facts = same[0][1]
        words = f"after {shown_outage(facts)} the page hears {', '.join(name for name, _ in facts.heard_after[:3])} again"
        yield clear(slug, words, *map(_compared, same))
    elif back:
        facts = back[0][1]
        unsaid = next(filter(is_subscription, _unsaid(facts)), "")
        words = f"the page does not say {unsaid} again" if unsaid else "no message came before the interruption that could be missed"
        words += "".join(f"; {name}, may come to everybody" for name, _ in facts.heard_after[:1])
        yield unknown(slug, 0.5 if unsaid else 0.05, words, _compared(back[0]))


def _compared(entry: tuple[Observation, OutageFacts]) -> Proof:
    """Return what was said and heard before and after as evidence."""
    seen, facts = entry
    said, heard = ", ".join(_unsaid(facts)) or "nothing", ", ".join(_unheard(facts)) or "nothing"
    return evident(seen, facts, f"not said again: {said}; not heard again: {heard}")


def _unsaid(facts: OutageFacts) -> tuple[str, ...]:
    return tuple(text for text in facts.said_before if text not in facts.said_after)


def _hears_again(facts: OutageFacts) -> bool:
    """Whether something came again; what we publish to everybody shows nothing where a subscription is not asked for again."""
    asks = not any(map(is_subscription, _unsaid(facts)))
    return any(asks or not name.endswith(OURS) for name, _ in facts.heard_after)


def _unheard(facts: OutageFacts) -> tuple[str, ...]:
    """Return the kinds that came more than once before and not at all after, or the marked message that came before and not after.

    What another interruption beside this one published comes when that one does.
    """
    after, foreign = {name for name, _ in facts.heard_after}, facts.control_before is None
    kinds = tuple(name for name, count in facts.heard_before if count >= 2 and name not in after and not (foreign and name.endswith(OURS)))
    return kinds or (("message that was published",) if facts.control_before and facts.control_after is False else ())


def judge_catching_up(outages: Outages) -> Iterator[Finding]:
    """Judge whether the page has got what was published while it was away."""
    slug = "client.no-catch-up-after-reconnect"
    back = [(seen, facts) for seen, facts in outages if facts.published and facts.connected]
    known = [(seen, facts) for seen, facts in back if facts.control_after]
    missing = [(seen, facts) for seen, facts in known if facts.missed]
    if missing:
        seen, facts = missing[0]
        share = f"{len(facts.missed)} of {len(facts.published)} messages published"
        words = f"{share} during {shown_outage(facts)} never reached the page, while those before and after did"
        proofs = [evident(one, told, f"missed {len(told.missed)} of {len(told.published)}") for one, told in missing]
        yield fault(slug, 0.65 if len(facts.missed) == len(facts.published) else 0.55, words, *proofs)
    elif known:
        seen, facts = known[0]
        words = f"the page has got all {len(facts.published)} messages published during {shown_outage(facts)}"
        yield clear(slug, words, evident(seen, facts, "nothing missed"))
    elif back:
        seen, facts = back[0]
        yield unknown(slug, 0.05, "the page does not get what is published after its return either", evident(seen, facts, "not to be told"))


def judge_handlers(outages: Outages) -> Iterator[Finding]:
    """Judge whether a message is handled as often as before."""
    slug = "client.duplicate-listeners"
    back = [(seen, facts) for seen, facts in outages if facts.connected and facts.open_sockets and not facts.reloaded]
    grown = [(seen, facts, words) for seen, facts in back if (words := _more_runs(facts))]
    if grown:
        seen, facts, words = grown[0]
        yield fault(slug, 0.95, f"after {shown_outage(facts)} {words}", *(evident(one, told, how) for one, told, how in grown))
    elif counted := [(seen, facts) for seen, facts in back if facts.runs_before is not None and facts.runs_after is not None]:
        seen, facts = counted[0]
        words = f"a message runs {facts.runs_after:.2g} handlers on the new connection, as on the old one"
        yield clear(slug, words, evident(seen, facts, f"{facts.runs_before:.2g} before, {facts.runs_after:.2g} after"))


def _more_runs(facts: OutageFacts) -> str:
    if facts.repeated:
        name, _, after = facts.repeated[0]
        return f"{name} runs {after:.2g} times for each message instead of once"
    if facts.runs_before is not None and facts.runs_after is not None and facts.runs_after >= facts.runs_before + 0.8:
        return f"a message runs {facts.runs_after:.2g} handlers instead of {facts.runs_before:.2g}"
    return ""


def judge_sockets(outages: Outages) -> Iterator[Finding]:
    """Judge whether the page holds one socket, before and after."""
    slug = "client.double-connect"
    back = [(seen, facts) for seen, facts in outages if facts.open_before and facts.connected]
    more = [(seen, facts) for seen, facts in back if facts.open_sockets > facts.open_before]
    several = [(seen, facts) for seen, facts in outages if facts.open_before > 1]
    if more:
        seen, facts = more[0]
        words = f"after {shown_outage(facts)} the page holds {facts.open_sockets} sockets to {facts.url} instead of {facts.open_before}"
        yield fault(slug, 0.95, words, *(evident(one, told, f"{told.open_sockets} open") for one, told in more))
    elif several:
        seen, facts = several[0]
        words = f"the page holds {facts.open_before} sockets to the same URL {facts.url} at the same time"
        yield fault(
            slug,
            0.9,
            words,
            *(evident(one, told, f"{told.open_before} open before, {told.open_sockets} at the end") for one, told in several),
        )
    elif back:
        seen, facts = back[0]
        yield clear(slug, "the page holds one socket, before and after", evident(seen, facts, f"{facts.open_sockets} open at the end"))
