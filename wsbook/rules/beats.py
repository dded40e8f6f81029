"""The peer's heartbeat as rules read it: how often it comes, against a limit of silence, and what to advise. Judges nothing."""

from itertools import pairwise
from statistics import median

from msgspec import Struct

from wsbook.evidence import Evidence
from wsbook.facts import EchoFacts, HeartbeatFacts, SessionFacts
from wsbook.finding import Proof
from wsbook.limits import idle_limits
from wsbook.observation import Observation
from wsbook.rules.make import proof
from wsbook.wire.messages import is_heartbeat

__all__ = ["IN_TIME", "Beat", "Heard", "advice", "advice_on_messages", "beat_of", "heard", "page_beat", "relation", "round_trip"]

IN_TIME = 0.7
"""A heartbeat within this part of a limit keeps sockets alive."""

Heard = tuple[Observation, HeartbeatFacts]

_WATCHED = frozenset({"har", "browser", "http_dump"})
"""Who watches sockets of a page; our own say nothing of it."""
_RACE = 0.85, 1.25
"""Part of a limit between which a heartbeat is near it."""
_EQUAL = 0.97, 1.03
"""Part of a limit between which it loses or wins by chance."""
_USUAL_S = 25.0
"""Below half of the shortest usual limits: 55 s at Heroku, 60 s in nginx and at AWS."""
_LEAST_S = 1.0
_TRIPS = 10
"""A heartbeat that comes faster than so many round trips tells nothing more."""


class Beat(Struct, frozen=True, kw_only=True):
    """How often the server's heartbeat comes: at least least_s apart, and exactly so when exact. kind: as in HeartbeatFacts."""

    kind: str
    least_s: float
    exact: bool
    proofs: tuple[Proof, ...]

    @property
    def every(self) -> str:
        """How often, in words."""
        return f"every {self.least_s:.3g} s" if self.exact else f"no sooner than after {self.least_s:.3g} s"

    @property
    def words(self) -> str:
        """The heartbeat in words that follow another sentence."""
        name = "a ping" if self.kind == "ping" else f"a heartbeat ({self.kind})"
        return f"; the server sends {name} {self.every}"


def heard(evidence: Evidence, *, answered: bool, hop: str = "") -> list[Heard]:
    """Return what was heard on connections that answer heartbeats or do not; the innermost place first where hop is "" ."""
    found = [(seen, facts) for seen, facts in evidence.of(HeartbeatFacts) if facts.answered is answered and hop in ("", seen.source.hop)]
    order = [*(place.name for place in evidence.target.hops), "endpoint"]
    return sorted(found, key=lambda one: order.index(one[0].source.hop) if one[0].source.hop in order else len(order))


def beat_of(evidence: Evidence) -> Beat | None:
    """Return the server's heartbeat, from the innermost place where one came or was announced; None when none is known."""
    for seen, facts in heard(evidence, answered=True):
        if facts.announced_s:
            words = f"it announces one every {facts.announced_s:g} s"
            return Beat(kind=facts.kind or facts.dialect, least_s=facts.announced_s, exact=True, proofs=(proof(seen, words),))
        if facts.kind and facts.first_s is not None:
            exact = facts.interval_s is not None
            least_s = facts.interval_s or max(facts.first_s, facts.age_s - facts.first_s)
            words = f"{facts.beats} ({facts.kind}) in {facts.age_s:.3g} s, the first after {facts.first_s:.3g} s"
            return Beat(kind=facts.kind, least_s=least_s, exact=exact, proofs=(proof(seen, words),))
    return None


def advice_on_messages(limit_s: float) -> str:
    """Return what to do where messages of the client alone count, and pings do not."""
    return f"Let the client send a message, such as a heartbeat of its own, at least every {max(0.5, limit_s / 2):.2g} s."


def page_beat(evidence: Evidence) -> tuple[Observation, float] | None:
    """Return the page's own heartbeat as somebody watched it: (where, its usual interval in s); None when it was seen less than twice."""
    for seen, facts in evidence.of(SessionFacts):
        if seen.source.probe not in _WATCHED or seen.source.changed:
            continue
        times = [frame.at_s for frame in facts.frames if frame.direction == "sent" and is_heartbeat(frame.text, 1 if frame.text else 2)]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        if gaps:
            return seen, median(gaps)
    return None


def relation(beat: Beat | None, limit_s: float) -> str:
    """Return how a heartbeat stands to a limit of silence: sooner, near, race (equal), slow; "" when there is none or it is not known."""
    part = beat.least_s / limit_s if beat is not None and limit_s > 0 else 0.0
    if beat is None or not part:
        return ""
    if _EQUAL[0] <= part <= _EQUAL[1]:
        return "race"
    if part >= _RACE[0]:
        return "near" if part <= _RACE[1] else "slow"
    return "sooner" if beat.exact else ""


def round_trip(evidence: Evidence) -> float | None:
    """Return the usual time from a ping to its pong at the endpoint, None when none was measured."""
    times = [rtt_s for seen, facts in evidence.of(EchoFacts) if seen.source.hop == "endpoint" for rtt_s in facts.ping_rtts_s]
    return median(times) if times else None


def interval(evidence: Evidence, limit_s: float | None) -> tuple[float, str]:
    """Return (seconds, reason) of the heartbeat that fits everything that is known: at most half of the shortest limit of the chain."""
    limits = [limit.seconds for limit in idle_limits(evidence.observations) if limit.of == "silence" and limit.seconds > 0]
    limits += [limit_s] if limit_s else []
    least_s = max(_LEAST_S, _TRIPS * (round_trip(evidence) or 0.0))
    if not limits:
        return max(least_s, _USUAL_S), "no limit was met; half of the shortest usual ones, 55 to 60 s"
    shortest_s = min(limits)
    return max(min(least_s, shortest_s / 2), min(shortest_s / 2, _USUAL_S)), f"at most half of the shortest limit, {shortest_s:.3g} s"


def advice(evidence: Evidence, limit_s: float | None) -> str:
    """Return the advice how often to send a heartbeat, and why."""
    seconds, reason = interval(evidence, limit_s)
    return f"Let the server send a ping or message at least every {seconds:.2g} s ({reason})."
