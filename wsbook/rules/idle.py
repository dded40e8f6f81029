"""The idle ladder: does silence kill sockets, after how long, and at which hop? (step 3.4)"""

from collections.abc import Iterator
from statistics import median

from wsbook.evidence import Evidence
from wsbook.facts import IdleFacts, RouteFacts
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof
from wsbook.rules.outcome import baseline, is_transparent, proxy_products
from wsbook.rules.restarts import are_cut
from wsbook.rules.routes import IDLE_SLUGS

__all__ = ["judge_idle"]

Rung = tuple[Observation, IdleFacts]

_SAME = 1.3
"""A life up to this much longer than another ended for the same limit."""

_WORDS = {"fin": "by FIN", "rst": "by RST", "silence": "without a word", "close": "by a close frame"}


def judge_idle(evidence: Evidence) -> Iterator[Finding]:
    """Judge the rungs of the ladder at the endpoint against those at every place behind it."""
    outer = _rungs(evidence, "endpoint")
    died = [rung for rung in outer if not rung[1].survived and rung[1].traffic == "none"]
    if not died:
        silent = [rung for rung in outer if rung[1].traffic == "none"]
        if silent:
            longest = max(silent, key=lambda rung: rung[1].silence_s)
            summary = f"silent sockets live for {longest[1].silence_s:g} s at least; beyond that nothing is known"
            yield clear("heartbeat.absent-or-too-slow", summary, proof(longest[0], "survived"))
        return
    if are_cut(evidence, outer):
        return  # rules/restarts.py
    limit_s = _limit_s(died)
    busy = [rung for rung in outer if rung[1].traffic == "client"]
    inner = [rung for hop in evidence.target.hops for rung in _rungs(evidence, hop.name) if rung[1].traffic == "none"]
    if any(not facts.survived and facts.lived_s <= limit_s * _SAME for _, facts in busy):
        yield from _judge_lifetime(evidence, died, busy, inner, limit_s)
        return
    owner = _owner(evidence, limit_s)
    if inner and owner == evidence.target.hops[0].name:
        summary = f"silent sockets die after {limit_s:.3g} s at the application itself"
        yield fault("heartbeat.absent-or-too-slow", 0.85, summary, *_say(died), *_say([rung for rung in inner if not rung[1].survived]))
    else:
        yield from _at_proxy(evidence, owner, died, inner, limit_s)


def _limit_s(died: list[Rung]) -> float:
    """Return how long silence lasted; a death without a sign is noticed late, so that the shortest rung which died counts there."""
    if all(facts.ended == "silence" for _, facts in died):
        return min(facts.silence_s for _, facts in died)
    return median(facts.lived_s for _, facts in died)


def _rungs(evidence: Evidence, hop: str) -> list[Rung]:
    return list(evidence.of(IdleFacts, where=lambda seen: seen.source.hop == hop))


def _owner(evidence: Evidence, limit_s: float) -> str:
    """Return the innermost place where silence kills as it does at the endpoint."""
    for hop in evidence.target.hops:
        silent = [facts for _, facts in _rungs(evidence, hop.name) if facts.traffic == "none"]
        if any(not facts.survived and facts.lived_s <= limit_s * _SAME for facts in silent):
            return hop.name
    return "endpoint"


def _say(rungs: list[Rung]) -> list[Proof]:
    return [proof(seen, f"{seen.source.hop}: {_fate(facts)} {facts.lived_s:.3g} s of silence") for seen, facts in rungs[:4]]


def _fate(facts: IdleFacts) -> str:
    return "survived" if facts.survived else f"ended {_WORDS.get(facts.ended, facts.ended)} after"


def _product(evidence: Evidence, owner: str, limit_s: float) -> tuple[str, str]:
    """Return (product, file:line of its limit) of the hop that ends silence.

    It is the one whose configured limit was measured; else the one that names itself in the answer of that hop and of none behind it;
    else that of the only configuration.
    """
    limits = [(facts.product, facts.idle_s) for _, facts in evidence.of(RouteFacts) if facts.serves is not False]
    fitting = [(product, limit) for product, limit in limits if limit and limit.value and _fits(float(limit.value), limit_s)]
    if fitting:
        product, limit = fitting[0]
        return product, f"{limit.file}:{limit.line}" if limit.line else ""
    named = _named_at(evidence, owner)
    if named:
        return named, ""
    products = {product for product, _ in limits}
    return (products.pop(), "") if len(products) == 1 and owner == "endpoint" else ("", "")


def _fits(configured_s: float, measured_s: float) -> bool:
    return abs(configured_s - measured_s) <= max(0.6, 0.1 * configured_s)


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


def _at_proxy(evidence: Evidence, owner: str, died: list[Rung], inner: list[Rung], limit_s: float) -> Iterator[Finding]:
    silently = died[0][1].ended == "silence"  # no proxy does that: it is a NAT, a firewall or a balancer that forgets
    product, where = ("", "") if silently else _product(evidence, owner, limit_s)
    name = product or (owner if owner != "endpoint" else "a machine on the way" if silently else "a hop before the application")
    place = f" ({owner})" if owner not in ("endpoint", name) else ""
    lives = [facts.lived_s for seen, facts in inner if seen.source.hop == evidence.target.hops[0].name]
    alive = f", at the application for {max(lives):.3g} s at least" if lives else ""
    how = _WORDS.get(died[0][1].ended, died[0][1].ended)
    summary = f"silent sockets die {how} after {limit_s:.3g} s at {name}{place}{alive}"
    proofs = [*_say(died), *_say(inner)]
    if where:
        proofs.append(proof(died[0][0], f"configured limit of {name}", where))
    sure = 0.95 if inner else 0.7
    slug = "proxy.idle-timeout-silent" if silently else IDLE_SLUGS.get(product, "proxy.idle-timeout")
    if not product and slug == "proxy.idle-timeout" and is_transparent(evidence):
        # HAProxy adds no header of its own; nginx, Caddy, Envoy and Apache do.
        yield fault("proxy.idle-timeout-haproxy", 0.7, f"{summary}; it adds no header, as HAProxy does", *proofs)
        sure = 0.6
    interval_s = max(0.5, limit_s / 2)
    advice = f"Let the server send a ping or message at least every {interval_s:.2g} s, or raise the limit of {name}."
    yield fault(slug, sure, summary, *proofs, remedy=advice)


def _judge_lifetime(evidence: Evidence, died: list[Rung], busy: list[Rung], inner: list[Rung], limit_s: float) -> Iterator[Finding]:
    """Busy sockets die at the same age: it is no idle limit."""
    summary = f"sockets die after {limit_s:.3g} s whether they are busy or silent"
    proofs = [*_say(died), *_say(busy)]
    if inner and any(not facts.survived for _, facts in inner):
        yield fault("backend.request-timeout-on-socket", 0.8, f"{summary}, at the application too", *proofs, *_say(inner))
    else:
        yield fault("proxy.max-lifetime", 0.85 if inner else 0.6, summary, *proofs)
