"""TLS that somebody on the way decrypts: told by the issuer, or by another certificate over another way to the same name (area C).

An inspection that lets the socket pass is no fault. An issuer that nobody knows is none either, unless a second way shows another one.
"""

import re
from collections.abc import Iterator
from functools import cache

from msgspec import Struct, convert

from wsbook.attempt import NO_PROXY, THE_SAME_AGAIN, THROUGH_PROXY
from wsbook.datafile import read_table
from wsbook.evidence import Evidence
from wsbook.facts import CompressionFacts, EchoFacts, TlsFacts
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation, Reason
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.outcome import Seen, baseline, inner_hops, say
from wsbook.target import parse_endpoint

__all__ = ["Product", "judge_interception", "product_of"]

_SLUG = "net.tls-interception"
_PRIVATE = frozenset({18, 19, 20, 21})
"""OpenSSL's numbers for an issuer that is not trusted here (openssl-verification-options(1))."""


class Product(Struct, frozen=True, kw_only=True):
    """A product that signs in the server's place; fields as in interception.toml."""

    name: str
    kind: str
    pattern: str
    source: str


class _Way(Struct, frozen=True, kw_only=True):
    """One way to the endpoint's name, and the certificate that it showed."""

    name: str
    seen: Seen
    tls: TlsFacts


@cache
def _products() -> tuple[tuple[Product, re.Pattern[str]], ...]:
    listed = convert(read_table("rules/interception.toml")["product"], list[Product])
    return tuple((product, re.compile(product.pattern, re.IGNORECASE)) for product in listed)


def product_of(tls: TlsFacts) -> Product | None:
    """Return the product that issued one of the certificates shown, None when no issuer is known for that."""
    issuers = dict.fromkeys([tls.issuer, *(one.issuer for one in tls.chain)])
    return next((product for issuer in issuers for product, pattern in _products() if pattern.search(issuer)), None)


def judge_interception(evidence: Evidence) -> Iterator[Finding]:
    """Judge the certificates that the endpoint's name shows over every way that was tried."""
    ways = _ways(evidence)
    judged = False
    for way in ways:
        product = product_of(way.tls)
        if product is not None and _is_for(way.tls, _host(way.seen)):
            yield _judge_product(evidence, way, product)
            judged = True
            break
    if not judged:
        yield from _judge_ways(ways)


def _host(seen: Seen) -> str:
    return parse_endpoint(seen[1].url).host


def _is_for(tls: TlsFacts, host: str) -> bool:
    """Whether the certificate names the host, as an inspection's does; a device's own certificate names the device."""
    names = {name.lower() for name in tls.names}
    parent = host.partition(".")[2]
    return host in names or (bool(parent) and f"*.{parent}" in names) or f"CN={host}" in tls.subject


def _ways(evidence: Evidence) -> list[_Way]:
    """Return the ways that ended in a certificate: as clients go first, then those with another route, then inner hops of this name."""
    tried: list[tuple[str, Seen]] = []
    if outer := baseline(evidence) or next(iter(evidence.attempts(changed=THE_SAME_AGAIN, step="2.1")), None):
        tried.append(("through the proxy" if evidence.target.forward_proxy else "directly", outer))
    for label, name in ((THROUGH_PROXY, "through the proxy"), (NO_PROXY, "directly")):
        tried += [(name, seen) for seen in evidence.attempts(changed=label)[-1:]]
    tried += [(f"at {name}", seen) for name, seen in inner_hops(evidence) if outer and _host(seen) == _host(outer)]
    return [_Way(name=name, seen=seen, tls=seen[1].tls) for name, seen in tried if seen[1].tls and seen[1].tls.issuer]


# A known product


def _judge_product(evidence: Evidence, way: _Way, product: Product) -> Finding:
    seen, facts = way.seen
    issuer = f"issued by {way.tls.issuer[:120]}"
    words = f"the certificate for {_host(way.seen)} is {issuer}: {product.name}, a {product.kind}, reads the connection"
    proofs = [proof(seen, issuer), proof(seen, say(seen, facts)), *_inside(evidence)]
    if facts.accepted:
        damaged = list(_damage(evidence))
        if damaged:
            return fault(_SLUG, 0.8, f"{words} and changes it: {damaged[0].text}", *proofs, *damaged)
        return unknown(_SLUG, 0.15, f"{words}; the upgrade passes", *proofs)
    if seen.failure is not None and seen.failure.reason is Reason.CERTIFICATE:
        return fault(_SLUG, 0.97, f"{words}, and its authority is not trusted here", *proofs)
    passes = bool(_inside(evidence))
    return fault(_SLUG, 0.85 if passes else 0.6, f"{words}, and the upgrade fails behind it: {say(seen, facts)}", *proofs)


def _inside(evidence: Evidence) -> list[Proof]:
    return [proof(seen[0], f"{name}: {say(*seen)}") for name, seen in inner_hops(evidence) if seen[1].accepted][:2]


def _is_at_endpoint(seen: Observation) -> bool:
    return seen.source.hop in ("endpoint", "")


def _damage(evidence: Evidence) -> Iterator[Proof]:
    """Yield what comes out otherwise than it went in, and does not at the hops behind."""
    for seen, echo in evidence.of(EchoFacts, where=_is_at_endpoint):
        broken = [trial for trial in echo.trials if not trial.ok and "different from byte" in trial.detail]
        if broken:
            yield proof(seen, f"a {broken[0].kind} message of {broken[0].size_bytes} B: {broken[0].detail}")
    for seen, pair in evidence.of(CompressionFacts, where=_is_at_endpoint):
        if pair.compressed.agreed and pair.compressed.ended != "open" and pair.plain is not None and pair.plain.ended == "open":
            yield proof(seen, f"compressed frames end the connection ({pair.compressed.ended}), plain ones do not")


# An unknown issuer


def _leaf(tls: TlsFacts) -> str:
    return tls.chain[0].fingerprint if tls.chain else f"{tls.subject}|{tls.issuer}|{tls.not_before}"


def _is_stranger(tls: TlsFacts, other: TlsFacts) -> bool:
    """Whether an issuer is private where the other way's is not: not trusted against trusted, or its certificate offered nowhere (AIA),
    as every public authority does."""
    untrusted = tls.verify_code in _PRIVATE and other.verify_code not in _PRIVATE
    nowhere = bool(tls.chain and other.chain) and not tls.chain[0].issuer_url and bool(other.chain[0].issuer_url)
    return _leaf(tls) != _leaf(other) and tls.issuer != other.issuer and (untrusted or nowhere)


def _judge_ways(ways: list[_Way]) -> Iterator[Finding]:
    """Compare two ways to one name: a private issuer on one of them only is somebody in between."""
    for way in ways:
        others = [one for one in ways if _is_stranger(way.tls, one.tls)]
        if others and not _is_inner(way) and _is_for(way.tls, _host(way.seen)):
            yield _judge_pair(way, min(others, key=_is_inner))
            return


def _is_inner(way: _Way) -> bool:
    """Whether a way ends at a hop: another listener, which may rightly have a certificate of its own."""
    return way.name.startswith("at ")


def _judge_pair(way: _Way, other: _Way) -> Finding:
    shown = f"{way.name} {_host(way.seen)} shows a certificate issued by {way.tls.issuer[:80]}"
    words = f"{shown}, {other.name} one by {other.tls.issuer[:80]}"
    proofs = [proof(one.seen[0], f"{one.name}: issued by {one.tls.issuer[:160]}; {say(*one.seen)}") for one in (way, other)]
    if way.seen[1].accepted:
        return unknown(_SLUG, 0.2, f"{words}: somebody reads the connection; the upgrade passes", *proofs)
    if _is_inner(other):
        return unknown(_SLUG, 0.35, f"{words}: somebody in between decrypts it, or the two listeners differ", *proofs)
    return fault(_SLUG, 0.9, f"{words}: somebody on the way decrypts the connection", *proofs)
