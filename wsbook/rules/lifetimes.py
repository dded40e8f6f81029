"""How old sockets were when they ended, and when they ended: one age is a limit, one second is a restart (step 1.4)."""

from collections import Counter
from collections.abc import Iterable, Iterator
from math import floor, sqrt
from statistics import median, quantiles

from msgspec import Struct

from wsbook.evidence import Evidence
from wsbook.facts import AccessFacts, ClosingsFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.known import causes_of_age
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.routes import IDLE_SLUGS

__all__ = ["Closing", "Cluster", "clusters", "judge_closings", "judge_lifetimes"]

_SPIKE_S = 1.5
"""Lifetimes within this of their median count as one constant age."""
_LEAST_S = 5.0
"""Sockets that end younger than this have not lived: their handshake or first message failed."""
_IDLE = frozenset(IDLE_SLUGS.values())
_TOGETHER = 5
"""So many sockets must end in one second before that means anything."""
_SPREAD_S = 5.0
"""Sockets whose ages differ by less were opened together, and may well end together."""


class Closing(Struct, frozen=True):
    """One socket's end: epoch seconds, and its age, None unknown."""

    time: float
    age_s: float | None


class Cluster(Struct, frozen=True):
    """Sockets that ended in one second. usual: closings in a second of the same log, the cluster left out."""

    second: int
    closings: tuple[Closing, ...]
    usual: float


def judge_lifetimes(seen: Observation, facts: AccessFacts) -> Iterator[Finding]:
    """Many sockets of one age point to a limit; the age tells whose."""
    durations = [duration for duration in facts.durations_s if duration >= _LEAST_S]
    if not durations or facts.termination[:2] in ("cD", "sD"):
        return
    middle = median(durations)
    spike = [duration for duration in durations if abs(duration - middle) <= max(_SPIKE_S, middle * 0.02)]
    if len(spike) < max(1, len(durations) * 0.5):
        return
    summary = f"{len(spike)} of {len(facts.durations_s)} sockets on {facts.path} lived {middle:.4g} s"
    own = IDLE_SLUGS.get(f"aws-{facts.program}" if facts.program == "alb" else facts.program)
    for slug, likely in causes_of_age(middle, None):
        boost = 0.2 if slug == own else 0.0
        if own and slug != own and slug in _IDLE:
            likely *= 0.5  # another product's limit, in the log of this one
        several = 0.15 if len(spike) > 1 else 0.0
        yield unknown(slug, min(0.85, likely + boost + several), summary, proof(seen, facts.text))


def judge_closings(evidence: Evidence, rows: Iterable[tuple[Observation, AccessFacts]]) -> Iterator[Finding]:
    """Unrelated sockets of different ages that end in the same second were ended by a restart. rows: requests of users' sockets."""
    logs: dict[str, list[tuple[Observation, list[Closing]]]] = {}
    for seen, facts in rows:
        if facts.status in (0, 101) or facts.upgrade:
            logs.setdefault(seen.source.artifact, []).append((seen, _of_requests(facts)))
    for seen, closed in evidence.of(ClosingsFacts):
        ends = [Closing(time, age) for time, age in zip(closed.times, closed.ages_s, strict=True)]
        logs.setdefault(seen.source.artifact, []).append((seen, ends))
    for found in logs.values():
        closings = [closing for _, some in found for closing in some]
        largest = max(clusters(closings), key=lambda one: len(one.closings), default=None)
        if largest is not None:
            yield _restart(found[0][0], largest, len(closings))


def _of_requests(facts: AccessFacts) -> list[Closing]:
    """Return the ends of alike requests; without durations, or with only some of them, nothing is known of any."""
    if len(facts.times) != len(facts.durations_s):
        return []
    return [Closing(time, age) for time, age in zip(facts.times, facts.durations_s, strict=True) if age >= 1]


def clusters(closings: Iterable[Closing]) -> Iterator[Cluster]:
    """Yield the seconds in which far more sockets ended than usual, whose ages are known and differ."""
    by_second: dict[int, list[Closing]] = {}
    for closing in closings:
        by_second.setdefault(floor(closing.time), []).append(closing)
    counts = Counter({second: len(some) for second, some in by_second.items()})
    for second, count in counts.most_common(20):
        others = [other for at, other in counts.items() if at != second]
        usual = sum(others) / len(others) if others else 0.0
        if count >= max(_TOGETHER, usual + 6 * sqrt(usual)) and _differ([one.age_s for one in by_second[second]]):
            yield Cluster(second, tuple(by_second[second]), usual)


def _differ(ages_s: list[float | None]) -> bool:
    """Tell whether enough ages are known, and they are not one age but for a few."""
    known = [age for age in ages_s if age is not None]
    if len(known) < _TOGETHER:
        return False
    low, *_, high = quantiles(known, n=10)
    return high - low >= max(_SPREAD_S, 0.2 * median(known))


def _restart(seen: Observation, cluster: Cluster, of: int) -> Finding:
    ages = [one.age_s for one in cluster.closings if one.age_s is not None]
    usual = f", {cluster.usual:.2g} in another second with a closing" if cluster.usual else ""
    summary = f"{len(cluster.closings)} of {of} sockets, {min(ages):.3g} to {max(ages):.3g} s old, ended in one second{usual}"
    return fault("lifecycle.restart-drops", 0.85 if len(ages) >= 2 * _TOGETHER else 0.7, summary, proof(seen, summary))
