"""Where the redirects of an upgrade lead, and what the last URL answers (area F, and the forwarded headers of area E)."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from wsbook.attempt import FORWARDED_HTTPS
from wsbook.evidence import Evidence
from wsbook.facts import RedirectFacts, UpgradeFacts
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation
from wsbook.rules.make import fault, proof
from wsbook.rules.outcome import say

__all__ = ["judge_redirect"]

_LOGIN = re.compile(r"log[-_]?in|sign[-_]?in|/sso\b|/auth|oauth|saml|openid|/session|cas/", re.IGNORECASE)
_CREDENTIALS = ("authorization", "cookie")


def judge_redirect(evidence: Evidence, seen: Observation, facts: UpgradeFacts) -> Iterator[Finding]:
    """Judge an upgrade that was answered with a redirect; what following it came to counts where it was followed."""
    location = facts.header("location") or ""
    chain = next((entry for entry in evidence.of(RedirectFacts) if _begins(entry[1], facts)), None)
    proofs = [proof(seen, f"{facts.status} Location: {location}"[:200]), *(_chain_proofs(*chain) if chain else [])]
    looped = chain is not None and chain[1].ended == "loop"
    told = [entry for entry in evidence.attempts(changed=FORWARDED_HTTPS) if entry[1].accepted]
    if _is_same_over_tls(facts, location) or (looped and _loops_on_tls(chain[1] if chain else None)):
        yield _judge_same(facts, proofs, told, looped)
        return
    if told:
        proofs.append(proof(told[-1][0], f"with X-Forwarded-Proto: https {say(*told[-1])}"))
        yield fault("proxy.forwarded-headers-wrong", 0.93, "redirected unless X-Forwarded-Proto says https", *proofs)
        return
    yield _judge_elsewhere(facts, location, chain[1] if chain else None, proofs)
    if _LOGIN.search(location) and not any(facts.request_header(name) for name in _CREDENTIALS):
        yield fault("auth.credential-not-sent", 0.34, f"redirected to a login page: {location[:80]}", *proofs)


def _begins(chain: RedirectFacts, facts: UpgradeFacts) -> bool:
    return bool(chain.hops) and _plain(chain.hops[0].url) == _plain(facts.url)


def _plain(url: str) -> tuple[str, str, str]:
    """Return what two URLs must share to be the same place to ask: scheme, host with port, path; nothing of what is no URL."""
    try:
        parts = urlsplit(url.replace("ws", "http", 1) if url.startswith("ws") else url)
    except ValueError:
        return "", "", ""
    return parts.scheme, parts.netloc.rpartition("@")[2].removesuffix(":443" if parts.scheme == "https" else ":80"), parts.path or "/"


def _absolute(url: str, location: str) -> str:
    try:
        return urljoin(url.replace("ws", "http", 1), location)
    except ValueError:
        return location


def _is_same_over_tls(facts: UpgradeFacts, location: str) -> bool:
    asked = _plain(facts.url)
    return bool(location) and asked[0] == "https" and _plain(_absolute(facts.url, location)) == asked


def _loops_on_tls(chain: RedirectFacts | None) -> bool:
    """Whether the loop is one place that, asked over TLS, sends to itself over TLS again."""
    last = chain.hops[-1] if chain is not None and chain.hops else None
    if last is None:
        return False
    return last.url.startswith("wss:") and _plain(_absolute(last.url, last.location)) == _plain(last.url)


def _judge_same(facts: UpgradeFacts, proofs: list[Proof], told: list[tuple[Observation, UpgradeFacts]], looped: bool) -> Finding:
    summary = "redirected to the very same https URL: the server does not know that it was reached over TLS"
    if told:
        proofs = [*proofs, proof(told[-1][0], f"with X-Forwarded-Proto: https {say(*told[-1])}")]
        summary += ", and accepts the upgrade when X-Forwarded-Proto says so"
    return fault("proxy.forwarded-headers-wrong", 0.96 if told else 0.88 if looped else 0.8, summary, *proofs)


def _judge_elsewhere(facts: UpgradeFacts, location: str, chain: RedirectFacts | None, proofs: list[Proof]) -> Finding:
    where = f"redirected with {facts.status} {_kind(facts, location)}"
    if chain is None:
        return fault("handshake.redirected", 0.88, f"{where}; browsers do not follow", *proofs)
    confidence, ending = _ending(chain)
    remedy = f"Use the final URL in the client:\n- {facts.url}\n+ {chain.final_url}" if chain.ended == "accepted" else ""
    return fault("handshake.redirected", confidence, f"{where}; browsers do not follow; {ending}", *proofs, remedy=remedy)


def _ending(chain: RedirectFacts) -> tuple[float, str]:
    """Return (confidence, what the chain ends in)."""
    withheld = sorted({name for hop in chain.hops for name in hop.withheld})
    without = f" (asked without {', '.join(withheld)[:80]})" if withheld else ""
    if chain.ended == "accepted":
        return 0.95, f"{chain.final_url} accepts the upgrade with 101{without}"
    if chain.ended == "answered":
        kind = f" {chain.final_type.partition(';')[0]}" if chain.final_type else ""
        return 0.88, f"{chain.final_url} answers {chain.final_status}{kind}{without}"
    if chain.ended == "loop":
        return 0.9, f"it is a loop of {len(chain.hops)} redirects"
    if chain.ended == "not followed":
        return 0.85, f"it was not followed: {chain.detail[:120]}"
    return 0.88, f"{chain.final_url}: {chain.ended}"


def _kind(facts: UpgradeFacts, location: str) -> str:
    """Return what the redirect changes: scheme, host, slash, or the page it leads to."""
    asked, given = _plain(facts.url), _plain(_absolute(facts.url, location))
    if _LOGIN.search(location):
        return f"to a login page, {location[:80]}"
    if given[0] != asked[0] and given[2] == asked[2]:
        return f"to {'TLS' if given[0] == 'https' else 'plain ' + given[0]}"
    if given[1] != asked[1]:
        return f"to another host, {given[1][:80]}"
    if given[2].rstrip("/") == asked[2].rstrip("/"):
        return f"to the path {'with' if given[2].endswith('/') else 'without'} a trailing slash"
    return "to " + (location[:80] or "nowhere")


def _chain_proofs(seen: Observation, chain: RedirectFacts) -> list[Proof]:
    steps = " → ".join([*(f"{hop.url} {hop.status}" for hop in chain.hops), chain.final_url])
    status = f" {chain.final_status}" if chain.final_status is not None else ""
    return [proof(seen, f"{steps}{status}: {chain.ended}")]
