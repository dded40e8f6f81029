"""A forward proxy between clients and the endpoint: does it let the socket pass, and what does it want? (area C)"""

from collections.abc import Iterator

from wsbook.attempt import NO_PROXY, THROUGH_PROXY
from wsbook.evidence import Evidence
from wsbook.facts import ForwardProxyFacts, ProxyVariablesFacts, Tunnel, UpgradeFacts
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation, Outcome, Reason
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import Seen, baseline, say
from wsbook.words import duration_text

__all__ = ["judge_forward_proxy"]

_SLUG = "net.corporate-proxy-blocks"
_BEHIND = frozenset({502, 503, 504})
"""The proxy was willing and did not get through (RFC 9110 section 15.6); anything else is its own decision."""
_BY_MACHINE = frozenset({"ntlm", "negotiate", "kerberos"})
"""Schemes that a browser on a domain's machine answers by itself, and few other clients can answer at all."""
_HINT = 0.4
"""How likely a proxy is what hurts when it is only the environment that names it, and the direct way works."""


def judge_forward_proxy(evidence: Evidence) -> Iterator[Finding]:
    """Judge what the proxy answered, and the same upgrade through it and without it."""
    asked = list(evidence.of(ForwardProxyFacts))
    for seen, facts in asked:
        yield from _judge_proxy(evidence, seen, facts)
    if not asked:
        yield from _judge_refused_attempt(evidence)
        yield from _judge_variables(evidence)


# What was tried through the proxy and without it


def _latest(evidence: Evidence, label: str) -> Seen | None:
    tried = evidence.attempts(changed=label)
    return tried[-1] if tried else None


def _direct(evidence: Evidence) -> Seen | None:
    """Return the upgrade without the proxy, None when it was not tried."""
    return _latest(evidence, NO_PROXY) or (None if evidence.target.forward_proxy else baseline(evidence))


def _proxied(evidence: Evidence) -> Seen | None:
    return _latest(evidence, THROUGH_PROXY) or (baseline(evidence) if evidence.target.forward_proxy else None)


def _beside(evidence: Evidence) -> list[Proof]:
    """Return both ways side by side as evidence."""
    ways = (("directly", _direct(evidence)), ("through the proxy", _proxied(evidence)))
    return [proof(tried[0], f"{way}: {say(*tried)}") for way, tried in ways if tried]


def _works_directly(evidence: Evidence) -> bool:
    tried = _direct(evidence)
    return tried is not None and tried[1].accepted


def _verdict(evidence: Evidence, facts: ForwardProxyFacts, confidence: float, words: str, proofs: list[Proof], remedy: str = "") -> Finding:
    """Return a fault; a mere possibility where nobody said that clients use this proxy and the direct way works."""
    shown = [*proofs, *_beside(evidence)]
    if facts.source != "given" and _works_directly(evidence):
        hint = f"{words}; {facts.source} names it, so that programs which honour it fail, while the direct way works"
        return unknown(_SLUG, min(_HINT, confidence), hint, *shown)
    return fault(_SLUG, confidence, words, *shown, remedy=remedy, check=_check(evidence, facts))


def _check(evidence: Evidence, facts: ForwardProxyFacts) -> str:
    """Return the commands that ask the proxy again; "" without an endpoint."""
    endpoint = evidence.target.endpoint
    if endpoint is None or not facts.proxy:
        return ""
    page = f"{'https' if endpoint.secure else 'http'}://{endpoint.authority}/"
    again = f"wsbook run {evidence.target.url} --proxy {facts.proxy} --steps 1.3,2.1"
    return f"{again}\ncurl -sv -o /dev/null --proxytunnel --proxy {facts.proxy} {page}"


# Answers to CONNECT


def _judge_proxy(evidence: Evidence, seen: Observation, facts: ForwardProxyFacts) -> Iterator[Finding]:
    name = f"the forward proxy {facts.proxy}" + (f" ({facts.product})" if facts.product else "")
    if not facts.proxy or (facts.kind == "socks" and not facts.tunnels):
        words = f"{facts.proxy or 'the forward proxy'} was not asked: {facts.detail}"
        yield unknown(_SLUG, 0.2, words, proof(seen, words))
    elif not facts.reached:
        words = f"{name} itself is not reached: {facts.detail}"
        yield _verdict(evidence, facts, 0.8, words, [proof(seen, facts.detail)])
    else:
        own, standard = facts.tunnels[0], facts.tunnels[-1]
        if own.outcome == "tunnel":
            yield from _judge_passed(evidence, seen, facts, name)
        elif own.status == 407 or "credentials" in own.outcome:
            yield _wants_credentials(evidence, seen, facts, name)
        else:
            yield _judge_refusal(evidence, seen, facts, name, own, standard)


def _say(tunnel: Tunnel) -> str:
    took = f" after {duration_text(tunnel.duration_s)}" if tunnel.duration_s is not None else ""
    told = next((f", {name}: {value}" for name, value in tunnel.headers if name.lower() == "x-squid-error"), "")
    title = f", “{tunnel.title}”" if tunnel.title else ""
    shown = f"{tunnel.status} {tunnel.reason}".strip() if tunnel.status is not None else tunnel.outcome
    return f"CONNECT {tunnel.target}: {shown}{took}{told}{title}"


def _proofs(seen: Observation, facts: ForwardProxyFacts) -> list[Proof]:
    return [proof(seen, _say(tunnel)) for tunnel in facts.tunnels]


def _wants_credentials(evidence: Evidence, seen: Observation, facts: ForwardProxyFacts, name: str) -> Finding:
    own = facts.tunnels[0]
    schemes = ", ".join(own.schemes) or ("no scheme named" if own.status else "as SOCKS 5 has it")
    automatic = bool(_BY_MACHINE & {scheme.lower() for scheme in own.schemes})
    what = "does not accept our credentials" if facts.with_credentials else "asks for credentials"
    who = "; browsers on the domain's machines answer this by themselves, other clients fail" if automatic else ""
    words = f"{name} {what} for CONNECT {own.target}: {own.status or own.outcome}, {schemes}{who}"
    remedy = "Give clients that are no browsers the proxy's credentials"
    remedy += ", through a local helper that speaks NTLM or Negotiate for them" if automatic else " (http://user:password@proxy)"
    remedy += f"; or except {own.target.rpartition(':')[0].strip('[]')} from authentication on the proxy."
    return _verdict(evidence, facts, 0.93, words, _proofs(seen, facts), remedy)


def _allows(tunnel: Tunnel) -> bool:
    """Whether the proxy's own rules let the tunnel pass, even if it found nobody behind."""
    return tunnel.outcome == "tunnel" or _is_willing(tunnel)


def _is_willing(tunnel: Tunnel) -> bool:
    """Whether the proxy tried, and found nobody behind."""
    return tunnel.status in _BEHIND or tunnel.outcome.startswith("not through")


def _port(tunnel: Tunnel) -> str:
    return tunnel.target.rpartition(":")[2]


def _judge_refusal(evidence: Evidence, seen: Observation, facts: ForwardProxyFacts, name: str, own: Tunnel, standard: Tunnel) -> Finding:
    """No tunnel to the endpoint, and it is not about credentials. The answer for port 443 tells a rule about ports from others."""
    proofs, answer = _proofs(seen, facts), f"with {own.status}" if own.status is not None else f"({own.outcome})"
    other = own.target != standard.target
    if _is_willing(own):
        return _not_through(evidence, seen, facts, name)
    if other and _allows(standard):
        words = f"{name} refuses CONNECT to port {_port(own)} {answer} and allows it to port {_port(standard)}"
        remedy = (
            f"Offer the socket as wss:// on port 443; or let the proxy's owner add port {_port(own)} to the ports that CONNECT may reach."
        )
        return _verdict(evidence, facts, 0.97, words, proofs, remedy)
    if own.status in (405, 501):
        return _verdict(evidence, facts, 0.93, f"{name} does not know CONNECT: {own.status}, so that no socket passes it", proofs)
    both = f", and to port {_port(standard)} too" if other else ""
    words = f"{name} refuses CONNECT {own.target} {answer}{both}: no tunnel to this host"
    told = own.status is not None or own.outcome.startswith("not allowed")
    return _verdict(evidence, facts, 0.93 if told else 0.75, words, proofs)


def _not_through(evidence: Evidence, seen: Observation, facts: ForwardProxyFacts, name: str) -> Finding:
    """The proxy says that it does not get through: by itself that may be the endpoint's own trouble."""
    own, standard = facts.tunnels[0], facts.tunnels[-1]
    words = f"{name} answers {own.status or own.outcome!r} to CONNECT {own.target}: it does not get through to the endpoint"
    if _works_directly(evidence):
        return _verdict(evidence, facts, 0.75, f"{words}, which answers directly", _proofs(seen, facts))
    if standard.outcome == "tunnel":
        return _verdict(evidence, facts, 0.6, f"{words}, and does to port {_port(standard)}", _proofs(seen, facts))
    return unknown(_SLUG, 0.3, words, *_proofs(seen, facts), *_beside(evidence))


def _judge_passed(evidence: Evidence, seen: Observation, facts: ForwardProxyFacts, name: str) -> Iterator[Finding]:
    """The tunnel opens: does the upgrade pass inside it?"""
    own, proxied, direct = facts.tunnels[0], _proxied(evidence), _direct(evidence)
    passes = proxied[1].accepted if proxied else facts.kind == "socks"  # which nothing is sent through here
    if facts.source != "given" and passes and direct and _is_shut_off(direct):
        words = f"this network lets the socket out through {name} only: {say(*direct)} without it"
        remedy = f"Let clients use the proxy that {facts.source} names: many WebSocket libraries ignore it unless they are told."
        yield fault(
            _SLUG, 0.9 if proxied else 0.8, words, *_proofs(seen, facts), *_beside(evidence), remedy=remedy, check=_check(evidence, facts)
        )
    elif proxied is None or proxied[1].accepted:
        inside = ", and the upgrade passes inside it" if proxied else ""
        yield clear(_SLUG, f"{name} opens a tunnel to {own.target}{inside}", *_proofs(seen, facts), *_beside(evidence))
    elif _works_directly(evidence) and not _is_about_certificates(proxied):
        words = f"{name} opens a tunnel to {own.target} and spoils what is said inside: {say(*proxied)}; directly the upgrade is accepted"
        yield _verdict(evidence, facts, 0.88, words, _proofs(seen, facts))
    yield from _judge_absolute(seen, facts, name)


def _is_shut_off(tried: Seen) -> bool:
    """Whether an attempt did not get as far as the peer's port."""
    return tried[0].failure is not None and tried[0].failure.stage in ("resolve", "tcp")


def _is_about_certificates(tried: Seen) -> bool:
    """Whether rules/interception.py has more to say."""
    return tried[0].failure is not None and tried[0].failure.reason is Reason.CERTIFICATE


def _judge_absolute(seen: Observation, facts: ForwardProxyFacts, name: str) -> Iterator[Finding]:
    asked = facts.absolute
    if asked is not None and asked.status is not None and asked.status != 101:
        words = f"{name} strips the upgrade from an ordinary request for a ws URL ({asked.status}); clients that use CONNECT pass"
        yield unknown(_SLUG, 0.15, words, proof(seen, words))


# Without the proxy's own words


def _judge_refused_attempt(evidence: Evidence) -> Iterator[Finding]:
    tried = baseline(evidence)
    if tried and tried[0].failure and tried[0].failure.reason is Reason.PROXY_REFUSED:
        status = tried[1].proxy_status
        summary = f"the forward proxy answered {status} to CONNECT" if status else "the forward proxy did not open a tunnel"
        yield fault(_SLUG, 0.9, summary, proof(tried[0], tried[0].failure.message))


def _judge_variables(evidence: Evidence) -> Iterator[Finding]:
    tried = baseline(evidence)
    for seen, facts in evidence.of(ProxyVariablesFacts):
        if seen.outcome is Outcome.ANSWERED and facts.applies and tried and _got_nothing(tried[1]):
            names = ", ".join(name for name, _ in facts.variables)
            yield unknown(_SLUG, 0.3, f"the environment names a proxy ({names}); the direct way failed", proof(seen, names))


def _got_nothing(facts: UpgradeFacts) -> bool:
    return not facts.accepted and facts.status is None
