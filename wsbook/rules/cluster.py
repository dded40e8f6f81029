"""Several processes behind one endpoint: does a client stay at one, must it, and does every one of them answer (area I)?"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from msgspec import Struct

from wsbook.evidence import Evidence
from wsbook.facts import AffinityFacts, Conversation, DialectFacts, RouteFacts, Visit
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import GATEWAY
from wsbook.rules.page_dialect import sockets_alone
from wsbook.words import quantity

__all__ = ["Spread", "judge_cluster", "spread_of"]

_SLUG = "cluster.no-sticky-session"
_ENOUGH = 4
"""Connections, or requests of sessions, that must agree before anything is clear."""
_NAMED = 0.8
_BEFORE = frozenset({"resolve", "tcp", "proxy"})
"""Stages that end before the balancer chooses a server."""
_SESSIONS = frozenset({"engine.io", "sockjs", "signalr"})
_SEVERAL = re.compile(r"polling handshake|transport xhr|negotiate")
"""Steps that begin a session of several requests."""
_BINDING = frozenset({"hash", "cookie"})
"""What RouteFacts.balance says of a balancer that should keep a client at one server."""


class Spread(Struct, frozen=True, kw_only=True):
    """How one client's connections spread over instances.

    kind: cookie, source (it stays at one instance, by its cookie or address), none (it does not stay), one (nobody but one instance
    was met), unknown (instances could not be told apart). counts: instance → connections of the plain series. others: instances met in
    other series only. chance: how likely so many connections would have met one instance by accident; 1 where that says nothing.
    """

    kind: str
    counts: tuple[tuple[str, int], ...] = ()
    others: tuple[str, ...] = ()
    chance: float = 1.0

    @property
    def words(self) -> str:
        """Where the plain series went: ``a 6, b 6``."""
        return ", ".join(f"{name} {count}" for name, count in self.counts[:8])


def spread_of(facts: AffinityFacts) -> Spread:
    """Return how the connections spread, as far as anything told instances apart."""
    opened = [visit for visit in facts.visits if visit.accepted]
    plain = [visit for visit in opened if visit.series == "plain"]
    counts = Counter(visit.instance for visit in plain if visit.instance)
    if not facts.known_by or counts.total() < max(2.0, _NAMED * len(plain)):
        return Spread(kind="unknown")
    met = {series: [visit.instance for visit in opened if visit.series == series and visit.instance] for series in _SERIES}
    others = tuple(sorted({name for names in met.values() for name in names} - set(counts)))
    spread = Spread(kind="one", counts=tuple(sorted(counts.items())), others=others)
    if len(counts) > 1:
        kept = len(set(met["cookie"])) == 1 and len(met["cookie"]) >= _ENOUGH - 1
        chance = (1 / len(counts)) ** (len(met["cookie"]) - 1) if kept else 1.0
        return _as(spread, "cookie" if kept else "none", chance)
    chance = (1 / (1 + len(others))) ** (counts.total() - 1)
    return _as(spread, "source" if set(met["source"]) - set(counts) else "one", chance if others else 1.0)


_SERIES = ("cookie", "source", "direct")


def _as(spread: Spread, kind: str, chance: float) -> Spread:
    return Spread(kind=kind, counts=spread.counts, others=spread.others, chance=chance)


def judge_cluster(evidence: Evidence) -> Iterator[Finding]:
    """Judge connections and sessions of one client behind a balancer."""
    for seen, facts in evidence.of(AffinityFacts):
        spread = spread_of(facts)
        if facts.conversations:
            yield from _judge_sessions(evidence, seen, facts, spread)
        else:
            yield from _judge_connections(evidence, seen, facts, spread)
        yield from _judge_refused(seen, facts)
        yield from _judge_one_address(evidence, seen, facts, spread)


# Sessions


def _lost(talks: Iterable[Conversation]) -> tuple[int, int]:
    """Return (requests that the session was not known to, requests), the upgrade with the session's id included."""
    held = list(talks)
    lost = sum(talk.lost + (talk.upgraded is False) for talk in held)
    return lost, sum(talk.requests + (talk.upgraded is not None) for talk in held)


def _judge_sessions(evidence: Evidence, seen: Observation, facts: AffinityFacts, spread: Spread) -> Iterator[Finding]:
    """A session that its own next requests do not find is lost; that of a client without cookies counts where none is needed."""
    talks = facts.conversations
    lost, requests = _lost(talk for talk in talks if talk.series == "cookie")
    bare_lost, bare = _lost(talk for talk in talks if talk.series == "plain")
    if lost:
        said = next((talk.said for talk in talks if talk.said), "")
        browsers = tuple(talk for talk in talks if talk.series == "cookie")
        words = f"{lost} of {requests} requests of {_named(browsers)} met a process that does not know the session"
        where = f"; connections spread over {spread.words}" if len(spread.counts) > 1 else ""
        where += f"; not sent along: {', '.join(facts.withheld)}" if facts.withheld else ""
        proofs = [proof(seen, f"{words}: {said}" if said else words), *_configured(evidence)]
        if alone := sockets_alone(evidence, talks[0].dialect):
            yield clear(_SLUG, f"{words}; the page's client begins by a WebSocket, which is one request", *proofs, alone, confidence=0.8)
        else:
            yield fault(_SLUG, 0.95 if lost < requests else 0.85, words + where, *proofs)
    elif bare_lost:
        bound = f" {', '.join(facts.bound or facts.cookies)}" if facts.cookies else ""
        words = f"sessions hold with the cookie{bound}, all of {requests} requests; without it {bare_lost} of {bare} meet another process"
        yield clear(_SLUG, f"{words}, so a client must send it, across sites too", proof(seen, words), confidence=0.8)
    elif requests >= _ENOUGH:
        words = f"{requests + bare} of {requests + bare} requests of {_named(talks)} met a process that knows the session"
        yield clear(_SLUG, words, proof(seen, words))


def _named(talks: tuple[Conversation, ...]) -> str:
    return f"{len(talks)} {talks[0].dialect} {'session' if len(talks) == 1 else 'sessions'}"


def _configured(evidence: Evidence) -> list[Proof]:
    """Return where a configuration says how it balances the endpoint's route."""
    serving = [(seen, facts) for seen, facts in evidence.of(RouteFacts) if facts.serves and facts.balance and (facts.servers or 0) != 1]
    return [proof(seen, f"{facts.product} balances by {facts.balance}", f"{facts.file}:{facts.line}") for seen, facts in serving[:2]]


# Connections


def _judge_connections(evidence: Evidence, seen: Observation, facts: AffinityFacts, spread: Spread) -> Iterator[Finding]:
    """A WebSocket is one request, so a client need not stay anywhere; a transport of several requests is tried as sessions."""
    total = sum(count for _, count in spread.counts)
    if total < _ENOUGH:
        return
    made = f"{quantity(total, 'connection')} of one client"
    unheld = [spoken for _, spoken in evidence.of(DialectFacts) if spoken.spoken and _has_sessions(spoken) and not spoken.pairs]
    if spread.kind == "none" and unheld:
        words = f"{made} reached {spread.words}, and {unheld[0].dialect} needs one process for a session unless it uses WebSocket alone"
        yield unknown(_SLUG, 0.5, words, proof(seen, words), *_configured(evidence))
    elif spread.kind == "none":
        words = f"{made} reached {spread.words}: it is bound to no instance, and a plain WebSocket, which is one request, need not be"
        yield clear(_SLUG, words, proof(seen, words), confidence=0.85)
        yield from _judge_unbound(evidence, seen, facts, spread)
    elif spread.kind in ("cookie", "source"):
        by = f"by cookie {', '.join(facts.bound or facts.cookies)}" if spread.kind == "cookie" else "by its address"
        words = f"a client stays at its instance {by}; a chance of {spread.chance:.2g} that this is none"
        yield clear(
            _SLUG, words, proof(seen, f"{made} reached {spread.words}; others {', '.join(spread.others) or 'none'}"), confidence=0.85
        )
    elif spread.kind == "one":
        words = f"{made} were all answered by {spread.counts[0][0]} ({facts.known_by})"
        yield clear(_SLUG, words, proof(seen, words), confidence=0.6)


def _has_sessions(spoken: DialectFacts) -> bool:
    """Whether the dialect's transport of several requests is open: a server that takes WebSockets alone has none."""
    return spoken.dialect in _SESSIONS and any(step.ok and _SEVERAL.match(step.name) for step in spoken.steps)


def _judge_unbound(evidence: Evidence, seen: Observation, met: AffinityFacts, spread: Spread) -> Iterator[Finding]:
    """The file says that a client stays at one server, and it does not."""
    why = f"the cookie {met.withheld[0]} is not sent along" if met.withheld else "what it binds by is missing, or another file runs"
    for file, facts in evidence.of(RouteFacts):
        if facts.serves and facts.balance in _BINDING and (facts.servers or 2) > 1:
            words = (
                f"{facts.product} is configured to bind a client by {facts.balance}, and one client's connections reached {spread.words}"
            )
            where = proof(file, f"balance: {facts.balance}", f"{facts.file}:{facts.line}")
            yield unknown(_SLUG, 0.25, f"{words}: {why}", where, proof(seen, words))


def _judge_one_address(evidence: Evidence, seen: Observation, facts: AffinityFacts, spread: Spread) -> Iterator[Finding]:
    """Clients from many addresses all land on one instance although others are up: the balancer sees one address."""
    sources = {visit.source for visit in facts.visits if visit.series == "source" and visit.accepted}
    hashed = [(file, route) for file, route in evidence.of(RouteFacts) if route.serves and route.balance == "hash"]
    if spread.kind == "one" and spread.others and len(sources) >= _ENOUGH and hashed:
        file, route = hashed[0]
        up, key = ", ".join(spread.others[:4]), "what is the same for all, such as the address of a proxy in front"
        reached = f"connections from {len(sources) + 1} addresses all reached {spread.counts[0][0]}, though {up} answers too"
        words = f"{reached}: {route.product} hashes {key}"
        yield unknown("proxy.forwarded-headers-wrong", 0.25, words, proof(file, words, f"{route.file}:{route.line}"), proof(seen, words))


# Refusals


def _judge_refused(seen: Observation, facts: AffinityFacts) -> Iterator[Finding]:
    """Some of the same handshakes are accepted and others are not: one of the processes is bad, or there are too many connections."""
    plain = [visit for visit in facts.visits if visit.series == "plain"]
    bad = [visit for visit in plain if not visit.accepted]
    good = sorted({visit.instance for visit in plain if visit.accepted and visit.instance})
    if len(bad) < 2 or len(bad) == len(plain):
        return
    statuses = ", ".join(sorted({str(visit.status or "nothing") for visit in bad}))
    words = f"{len(bad)} of {len(plain)} handshakes of one client were answered {statuses}"
    if not _in_turns(plain) or any(visit.status == 429 for visit in bad) or _fills_up(plain):
        yield unknown("load.rate-limited", 0.3, f"{words}, after others had been accepted", proof(seen, words))
        yield unknown("load.connection-cap", 0.25, f"{words}, after others had been accepted", proof(seen, words))
    elif any(visit.status is None and visit.stage in _BEFORE for visit in bad):
        yield unknown("proxy.upstream-unreachable", 0.3, f"{words}, in turns with others that were accepted", proof(seen, bad[0].error))
    elif all(visit.status in GATEWAY or visit.status is None for visit in bad):
        dead = sorted({visit.place for visit in facts.visits if visit.series == "direct" and not visit.accepted})
        named = f"; asked directly, {', '.join(dead)} does not answer either" if dead else ""
        up = f" by {', '.join(good)}" if good else ""
        summary = f"{words}, in turns with {len(plain) - len(bad)} accepted{up}: a server behind the balancer is down{named}"
        yield fault("proxy.upstream-unreachable", 0.93 if dead else 0.88, summary, proof(seen, summary))
    else:
        yield from _judge_bad_instance(seen, bad, good, words)


def _in_turns(visits: list[Visit]) -> bool:
    """Whether a connection opened after one that did not: what only fills up does not do that."""
    first_bad = next(index for index, visit in enumerate(visits) if not visit.accepted)
    return any(visit.accepted for visit in visits[first_bad:])


def _fills_up(visits: list[Visit]) -> bool:
    """Whether 503 looks like that of a limit, which nginx gives too: more are accepted at first than at any time later."""
    if {visit.status for visit in visits if not visit.accepted} != {503}:
        return False
    runs = [len(list(group)) for accepted, group in groupby(visits, key=lambda visit: visit.accepted) if accepted]
    return visits[0].accepted and runs[0] > 1 and runs[0] > max(runs[1:], default=0)


def _judge_bad_instance(seen: Observation, bad: list[Visit], good: list[str], words: str) -> Iterator[Finding]:
    names = sorted({visit.instance for visit in bad if visit.instance})
    if not names or set(names) & set(good):
        yield unknown("backend.exception-in-handler", 0.3, f"{words}, in turns with others that were accepted", proof(seen, words))
        return
    summary = f"{words}, all by {', '.join(names)}, while {', '.join(good)} accepts: the instances do not run the same"
    statuses = {visit.status for visit in bad}
    slug = "endpoint.wrong-path" if statuses == {404} else "backend.exception-in-handler"
    yield fault(slug, 0.6 if statuses == {404} or max(filter(None, statuses)) >= 500 else 0.5, summary, proof(seen, summary))
