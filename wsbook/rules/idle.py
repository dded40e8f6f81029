"""The idle ladder: does silence kill sockets, after how long, at which hop, and which traffic saves them? (step 3.4)"""

from collections.abc import Iterator
from itertools import chain

from msgspec.structs import replace

from wsbook.evidence import Evidence
from wsbook.facts import RouteFacts
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation
from wsbook.rules.ages import ends_by_age, only_messages_count
from wsbook.rules.beats import IN_TIME, advice, advice_on_messages, beat_of, page_beat, relation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import baseline, is_transparent, proxy_products
from wsbook.rules.restarts import are_cut
from wsbook.rules.routes import IDLE_SLUGS
from wsbook.rules.rungs import ENDINGS, Rung, Silence, agree, busy_of, configured, longest_silence, rungs_at, say_rungs, silence_at

__all__ = ["judge_idle"]

_SLUG = "heartbeat.absent-or-too-slow"
_SPARED = 0.3


def judge_idle(evidence: Evidence) -> Iterator[Finding]:
    """Judge the rungs of the ladder at the endpoint against those at every place behind it."""
    outer = rungs_at(evidence, "endpoint")
    if are_cut(evidence, outer) or ends_by_age(outer) is not None:
        return  # rules/restarts.py and rules/ages.py
    limit, messages_s = silence_at(outer), only_messages_count(outer)
    if messages_s is not None:
        first = any(facts.survived for _, facts in busy_of(outer, "listen"))
        yield _first_message(messages_s, outer) if first else _spared(evidence, messages_s, _silent_client(messages_s, outer))
    elif limit is None:
        yield from _judge_health(evidence, outer)
    elif limit.signed and not agree(limit.died):
        lived = sorted(facts.lived_s for _, facts in limit.died)
        words = f"silent sockets die after {lived[0]:.3g} to {lived[-1]:.3g} s of silence, which no one limit explains"
        yield unknown("proxy.idle-timeout", 0.3, words, *say_rungs(limit.died))
    else:
        for finding in _judge_limit(evidence, limit, outer):
            yield _spared(evidence, limit.best_s, finding)


def _judge_limit(evidence: Evidence, limit: Silence, outer: list[Rung]) -> Iterator[Finding]:
    inner = [rung for hop in evidence.target.hops for rung in rungs_at(evidence, hop.name)]
    owner = _owner(evidence, limit)
    stands = relation(beat_of(evidence), limit.best_s)
    if evidence.target.hops and owner == evidence.target.hops[0].name:
        yield from _at_application(evidence, limit, inner, 0.85)
    elif not inner and limit.ended == "close":
        yield from _at_application(evidence, limit, inner, 0.75)  # no proxy says goodbye with a close frame
    else:
        yield from _at_proxy(evidence, owner, limit, inner, sure=0.6 if stands == "race" else 0.95 if inner else 0.7)
        if stands in ("race", "near"):
            yield _race(evidence, limit, owner, inner)
    yield from _judge_direction(limit, outer)


def _spared(evidence: Evidence, limit_s: float, finding: Finding) -> Finding:
    """Return the finding, as a possibility where the page's own heartbeat was seen to come well within the limit."""
    page = page_beat(evidence)
    if page is None or finding.verdict is not Verdict.FAULT or page[1] > IN_TIME * limit_s:
        return finding
    words = f"the page itself sends a heartbeat every {page[1]:.2g} s"
    evident = (*finding.evidence, proof(page[0], words))
    summary = f"{finding.summary}; {words}, which keeps its sockets"
    return replace(finding, verdict=Verdict.UNKNOWN, confidence=_SPARED, summary=summary, evidence=evident)


def _first_message(age_s: float, outer: list[Rung]) -> Finding:
    """One message in the beginning is enough: it is awaited, as a login or subscription is, and no heartbeat."""
    died = sorted((rung for rung in outer if rung[1].traffic == "none" and not rung[1].survived), key=lambda rung: -rung[1].lived_s)
    words = f"sockets on which the client says nothing at all end after {age_s:.3g} s; one message in the beginning is enough"
    return unknown(_SLUG, 0.2, words, *say_rungs(died, 1), *say_rungs(busy_of(outer, "listen"), 1))


def _silent_client(age_s: float, outer: list[Rung]) -> Finding:
    """Whoever counts messages and no pings is the application: a proxy counts bytes."""
    silent = sorted((rung for rung in outer if rung[1].traffic == "none" and not rung[1].survived), key=lambda rung: -rung[1].lived_s)
    died = [*busy_of(outer, "ping")[:1], *silent[:1]]
    words = f"sockets on which the client sends no message end after {age_s:.3g} s at the application itself; pings do not count there"
    return fault(_SLUG, 0.8, words, *say_rungs(died), *say_rungs(busy_of(outer, "client"), 1), remedy=advice_on_messages(age_s))


_STEADY = 3.0
"""A peer that is never silent for longer than so many of its usual pauses speaks all the time."""


def _judge_health(evidence: Evidence, outer: list[Rung]) -> Iterator[Finding]:
    """Say how much silence was survived, and what is not known."""
    beat = beat_of(evidence)
    longest = longest_silence(outer)
    spoken = [rung for rung in outer if rung[1].traffic == "server" and rung[1].survived and (rung[1].peer_every_s or 0) > 0]
    steady = [rung for rung in spoken if (rung[1].quiet_s or 0.0) <= _STEADY * (rung[1].peer_every_s or 0.0)]
    if steady and len(steady) == len(spoken):
        seen, facts = max(steady, key=lambda rung: rung[1].silence_s)
        words = f"the server speaks every {facts.peer_every_s:.2g} s, so that no longer silence can be tried, nor matters while it does"
        yield clear(_SLUG, f"{words}; watched for {facts.silence_s:.3g} s", proof(seen, words))
    elif longest is not None:
        seen, quiet_s = max([(longest[0], longest[1].silence_s), *((seen, facts.quiet_s or 0.0) for seen, facts in spoken)], key=_second)
        broken = ", as messages broke every longer silence" if spoken else ""
        words = f"silent sockets live for {quiet_s:.3g} s at least; beyond that nothing is known{broken}{beat.words if beat else ''}"
        yield clear(_SLUG, words, proof(seen, f"survived {quiet_s:.3g} s of silence"))


def _second(pair: tuple[Observation, float]) -> float:
    return pair[1]


def _owner(evidence: Evidence, limit: Silence) -> str:
    """Return the innermost place where silence kills as it does at the endpoint."""
    for hop in evidence.target.hops:
        own = silence_at(rungs_at(evidence, hop.name))
        if own is not None and (own.is_of(limit) or own.high_s < limit.low_s):
            return hop.name
    return "endpoint"


def _race(evidence: Evidence, limit: Silence, owner: str, inner: list[Rung]) -> Finding:
    """The heartbeat that comes just when the limit ends the socket is the mistake, rather than the limit."""
    beat = beat_of(evidence)
    every = beat.every if beat else ""
    name = _product(evidence, owner, limit)[0] or (owner if owner != "endpoint" else "a hop before the application")
    words = f"the server's heartbeat comes {every}, and {name} ends sockets after {limit.words} of silence: it comes too late, or just so"
    proofs = [*say_rungs(limit.died), *(beat.proofs if beat else []), *say_rungs(_alive(inner), 2)]
    return fault(_SLUG, 0.9 if relation(beat, limit.best_s) == "race" else 0.7, words, *proofs, remedy=advice(evidence, limit.best_s))


def _alive(inner: list[Rung]) -> list[Rung]:
    return sorted((rung for rung in inner if rung[1].survived and rung[1].traffic == "none"), key=lambda rung: -rung[1].silence_s)


def _at_application(evidence: Evidence, limit: Silence, inner: list[Rung], sure: float) -> Iterator[Finding]:
    """The application itself ends silent sockets, or those that say nothing that it counts."""
    died = limit.died[0][1]
    code = f" with {died.close_code} {died.close_reason}".rstrip() if died.close_code is not None else ""
    summary = f"silent sockets die{code} after {limit.words} at the application itself"
    proofs = [*say_rungs(limit.died), *say_rungs([rung for rung in inner if not rung[1].survived])]
    yield fault(_SLUG, sure, summary, *proofs, remedy=advice(evidence, limit.best_s))


def _product(evidence: Evidence, owner: str, limit: Silence) -> tuple[str, str]:
    """Return (product, file:line of its limit) of the hop that ends silence.

    It is the one whose configured limit was measured; else the one that names itself in the answer of that hop and of none behind it;
    else that of the only configuration.
    """
    fitting = configured(evidence, limit)
    if fitting:
        return fitting
    named = _named_at(evidence, owner)
    if named:
        return named, ""
    products = {facts.product for _, facts in evidence.of(RouteFacts) if facts.serves is not False}
    return (products.pop(), "") if len(products) == 1 and owner == "endpoint" else ("", "")


def _named_at(evidence: Evidence, owner: str) -> str:
    """Return the product in the headers of a hop's answer that no place behind it names, else what the hop is called by; "" none."""
    if owner == "endpoint":
        return next(iter(proxy_products(evidence)), "")
    tried = baseline(evidence, owner)
    behind = [hop.name for hop in evidence.target.hops]
    servers = {seen[1].header("server") for name in behind[: behind.index(owner)] if (seen := baseline(evidence, name))}
    server = (tried[1].header("server") or "") if tried else ""
    if server and server not in servers:
        return server.lower().partition("/")[0]
    return next((product for product in IDLE_SLUGS if product in owner.lower()), "")


def _at_proxy(evidence: Evidence, owner: str, limit: Silence, inner: list[Rung], *, sure: float) -> Iterator[Finding]:
    silently = limit.ended == "silence"  # no proxy does that: it is a NAT, a firewall or a balancer that forgets
    product, where = ("", "") if silently else _product(evidence, owner, limit)
    name = product or (owner if owner != "endpoint" else "a machine on the way" if silently else "a hop before the application")
    place = f" ({owner})" if owner not in ("endpoint", name) else ""
    own = longest_silence(rungs_at(evidence, evidence.target.hops[0].name)) if inner else None
    alive = f", at the application for {own[1].silence_s:.3g} s at least" if own else ""
    how = ENDINGS.get(limit.ended, limit.ended)
    beat = beat_of(evidence)
    late = f"; its heartbeat comes {beat.every}" if beat and relation(beat, limit.best_s) in ("slow", "near") else ""
    summary = f"silent sockets die {how} after {limit.words} at {name}{place}{alive}{late}"
    proofs = [*say_rungs(limit.died), *say_rungs(_alive(inner), 2), *(beat.proofs if late and beat else [])]
    if where:
        proofs.append(proof(limit.died[0][0], f"configured limit of {name}", where))
    slug = "proxy.idle-timeout-silent" if silently else IDLE_SLUGS.get(product, "proxy.idle-timeout")
    if not product and slug == "proxy.idle-timeout" and is_transparent(evidence):
        # HAProxy adds no header of its own; nginx, Caddy, Envoy and Apache do.
        yield fault("proxy.idle-timeout-haproxy", min(sure, 0.7), f"{summary}; it adds no header, as HAProxy does", *proofs)
        sure = min(sure, 0.6)
    yield fault(slug, sure, summary, *proofs, remedy=f"{advice(evidence, limit.best_s)} Or raise the limit of {name}.")


def _judge_direction(limit: Silence, outer: list[Rung]) -> Iterator[Finding]:
    """Say from which side traffic saves a connection: a heartbeat of the other side alone does not."""
    fates = {kind: [facts.survived for _, facts in busy_of(outer, kind)] for kind in ("client", "ping", "pong")}
    heard = [rung for rung in busy_of(outer, "listen") if 0 < (rung[1].peer_every_s or 0) <= IN_TIME * limit.best_s]
    fates["listen"] = [facts.survived for _, facts in heard]
    answered = [*fates["client"], *fates["ping"]]
    if not answered or not all(answered):
        return
    if fates["listen"] and not any(fates["listen"]):
        died = heard
        words = f"sockets on which only the server speaks die like silent ones after {limit.words}: the client has to send something too"
        advised = (
            "Let the client answer or send by itself: its pongs to a server's ping are enough. Or let the limit count both directions."
        )
        yield fault("heartbeat.one-direction-only", 0.96, words, *say_rungs(died), *say_rungs(limit.died, 1), remedy=advised)
    elif fates["pong"] and not any(fates["pong"]):
        died = busy_of(outer, "pong")
        words = f"what the client sends alone does not save a socket from the limit of {limit.words}: the server has to send something too"
        yield unknown("heartbeat.one-direction-only", 0.3, words, *say_rungs(died), *say_rungs(limit.died, 1))
    elif all(chain.from_iterable(fates.values())) and fates["pong"]:
        words = f"traffic of either side saves a socket from the limit of {limit.words}"
        yield clear("heartbeat.one-direction-only", words, *say_rungs(busy_of(outer), 3))
