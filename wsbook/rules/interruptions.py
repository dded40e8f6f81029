"""One interruption of a page's socket in words and figures, as rules and views tell it. Judges nothing."""

from collections.abc import Sequence

from wsbook.facts import OutageFacts
from wsbook.facts.reconnect import Redial, delays
from wsbook.finding import Proof
from wsbook.observation import Observation
from wsbook.rules.make import proof
from wsbook.spacing import Spacing, classify

__all__ = ["Outages", "evident", "in_vain", "shown_outage", "spacing_of"]

Outages = Sequence[tuple[Observation, OutageFacts]]


def shown_outage(facts: OutageFacts) -> str:
    """Return the interruption in a few words."""
    way = {"rst": "a reset", "fin": "an end without a close frame", "stall": "a stall"}.get(facts.way, f"a close with {facts.close_code}")
    meanwhile = {"open": "", "refuse": ", new connections refused", "stall": ", new connections stalled", "dismiss": " of each connection"}
    words = f"{way}{meanwhile.get(facts.answer, f', upgrades answered {facts.answer}')}"
    held = f" for {facts.lasted_s:.2g} s" if facts.answer not in ("open", "dismiss") else ""
    return f"{words}{held}{', of a socket that we accepted in the place of the server' if facts.stood_in else ''}"


def evident(seen: Observation, facts: OutageFacts, words: str) -> Proof:
    return proof(seen, f"after {shown_outage(facts)}: {words}")


def spacing_of(facts: OutageFacts) -> Spacing:
    """Return the spacing of the page's attempts, up to the first that succeeded."""
    return classify(delays(in_vain(facts)))


def in_vain(facts: OutageFacts) -> tuple[Redial, ...]:
    """Return the attempts up to the first that led to a connection, that one included; with dismiss each leads to one for a moment."""
    if facts.answer == "dismiss":
        return tuple(one for one in facts.redials if one.at_s <= facts.lasted_s + 0.05)
    kept: list[Redial] = []
    for redial in facts.redials:
        kept.append(redial)
        if redial.fate == "opened" or (redial.status is not None and redial.status < 300):
            break
    return tuple(kept)
