"""The idle ladder: does silence kill sockets, after how long, and at which hop? (step 3.4)"""

from collections.abc import Iterator
from statistics import median

from wsbook.evidence import Evidence
from wsbook.facts import IdleFacts, RouteFacts
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof
from wsbook.rules.outcome import is_transparent, proxy_products
from wsbook.rules.routes import IDLE_SLUGS

__all__ = ["judge_idle"]

Rung = tuple[Observation, IdleFacts]

_WORDS = {"fin": "by FIN", "rst": "by RST", "silence": "without a word", "close": "by a close frame"}


def judge_idle(evidence: Evidence) -> Iterator[Finding]:
    """Judge the rungs of the ladder at the endpoint against those at the application."""
    outer = _rungs(evidence, "endpoint")
    died = [rung for rung in outer if not rung[1].survived and rung[1].traffic == "none"]
    if not died:
        silent = [rung for rung in outer if rung[1].traffic == "none"]
        if silent:
            longest = max(silent, key=lambda rung: rung[1].silence_s)
            summary = f"silent sockets live for {longest[1].silence_s:g} s at least; beyond that nothing is known"
            yield clear("heartbeat.absent-or-too-slow", summary, proof(longest[0], "survived"))
        return
    limit_s = _limit_s(died)
    busy = [rung for rung in outer if rung[1].traffic == "client"]
    inner = [rung for hop in evidence.target.hops for rung in _rungs(evidence, hop.name) if rung[1].traffic == "none"]
    if any(not facts.survived and facts.lived_s <= limit_s * 1.3 for _, facts in busy):
        yield from _judge_lifetime(evidence, died, busy, inner, limit_s)
    elif inner and all(facts.survived or facts.lived_s > limit_s * 1.3 for _, facts in inner):
        yield from _at_proxy(evidence, died, inner, limit_s)
    elif inner:
        summary = f"silent sockets die after {limit_s:.3g} s at the application itself"
        yield fault("heartbeat.absent-or-too-slow", 0.85, summary, *_say(died), *_say([rung for rung in inner if not rung[1].survived]))
    else:
        yield from _at_proxy(evidence, died, inner, limit_s)


def _limit_s(died: list[Rung]) -> float:
    """Return how long silence lasted; a death without a sign is noticed late, so that the shortest rung which died counts there."""
    if all(facts.ended == "silence" for _, facts in died):
        return min(facts.silence_s for _, facts in died)
    return median(facts.lived_s for _, facts in died)


def _rungs(evidence: Evidence, hop: str) -> list[Rung]:
    return list(evidence.of(IdleFacts, where=lambda seen: seen.source.hop == hop))


def _say(rungs: list[Rung]) -> list[Proof]:
    return [proof(seen, f"{seen.source.hop}: {_fate(facts)} {facts.lived_s:.3g} s of silence") for seen, facts in rungs[:4]]


def _fate(facts: IdleFacts) -> str:
    return "survived" if facts.survived else f"ended {_WORDS.get(facts.ended, facts.ended)} after"


def _product(evidence: Evidence) -> tuple[str, str]:
    """Return (product, file:line of its limit) of the proxy at the endpoint: from the configuration, else from the headers that name it."""
    for _, facts in evidence.of(RouteFacts):
        if facts.serves is not False:
            limit = facts.idle_s
            return facts.product, f"{limit.file}:{limit.line}" if limit and limit.line else ""
    named = proxy_products(evidence)
    return (named[0] if named else ""), ""


def _at_proxy(evidence: Evidence, died: list[Rung], inner: list[Rung], limit_s: float) -> Iterator[Finding]:
    silently = died[0][1].ended == "silence"  # no proxy does that: it is a NAT, a firewall or a balancer that forgets
    product, where = ("", "") if silently else _product(evidence)
    name = product or ("a machine on the way" if silently else "a hop before the application")
    alive = f", at the application for {max(facts.lived_s for _, facts in inner):.3g} s at least" if inner else ""
    how = _WORDS.get(died[0][1].ended, died[0][1].ended)
    summary = f"silent sockets die {how} after {limit_s:.3g} s at {name}{alive}"
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
