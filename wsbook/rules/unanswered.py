"""Handshakes that got no answer in a recording or a dump: how far they came says what is possible (areas A, B, C, D)."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from wsbook.evidence import Evidence
from wsbook.facts import UpgradeFacts
from wsbook.finding import Finding
from wsbook.hosts import is_inner_name, is_own_machine
from wsbook.observation import Observation, Reason
from wsbook.rules.make import fault, proof, unknown
from wsbook.rules.outcome import baseline, refusals

__all__ = ["judge_unanswered"]

_READ = frozenset({"har", "http_dump", "console"})
_INSIDE = "endpoint.localhost-or-internal-address"
_BY_REASON: dict[Reason, tuple[tuple[str, float], ...]] = {
    Reason.NAME_NOT_FOUND: (("net.dns-wrong", 0.6),),
    Reason.REFUSED: (("net.not-listening-outside", 0.5), ("proxy.upstream-unreachable", 0.2)),
    Reason.TIMEOUT: (("net.firewall-filtered", 0.55), ("net.ipv6", 0.2)),
    Reason.UNREACHABLE: (("net.firewall-filtered", 0.4), ("net.ipv6", 0.3)),
    Reason.TLS_NOT_SPOKEN: (("endpoint.tls-to-plain-port", 0.85),),
    Reason.TLS_ALERT: (("tls.version-or-cipher-mismatch", 0.5), ("tls.sni-missing", 0.2)),
    Reason.PROXY_REFUSED: (("net.corporate-proxy-blocks", 0.8),),
    Reason.NOT_PERMITTED: (("browser.blocked-by-policy", 0.6),),
    Reason.CLOSED: (("net.not-listening-outside", 0.2), ("proxy.upstream-unreachable", 0.2), ("browser.blocked-by-policy", 0.15)),
}
"""What the first of them is likeliest of, the others are merely possible."""
_BY_CODE: tuple[tuple[frozenset[int], str, float], ...] = (
    (frozenset({9, 10}), "tls.cert-expired", 0.93),
    (frozenset({62, 64}), "tls.hostname-mismatch", 0.93),
    (frozenset({18, 19}), "tls.self-signed", 0.88),
    (frozenset({2, 20, 21}), "tls.incomplete-chain", 0.6),
)
"""OpenSSL's numbers; openssl-verification-options(1)."""


def judge_unanswered(evidence: Evidence) -> Iterator[Finding]:
    """Judge recorded handshakes without any HTTP answer."""
    tried = baseline(evidence)
    answered = tried is not None and tried[1].status is not None
    for seen, facts in refusals(evidence):
        if seen.source.probe not in _READ or facts.status is not None or seen.failure is None or seen.failure.stage == "upgrade":
            continue
        for slug, likely in _causes(seen, facts, seen.failure.reason):
            words = f"no answer: {seen.failure.message[:160]}"
            sure = likely >= 0.3 and not answered
            yield (fault if sure else unknown)(slug, 0.0 if answered else likely, words, proof(seen, seen.failure.message))


def _causes(seen: Observation, facts: UpgradeFacts, reason: Reason) -> tuple[tuple[str, float], ...]:
    host = urlsplit(facts.url).hostname or ""
    if reason is Reason.CERTIFICATE:
        code = facts.tls.verify_code if facts.tls else None
        return tuple((slug, likely) for codes, slug, likely in _BY_CODE if code in codes)
    found = _BY_REASON.get(reason, ())
    if reason in (Reason.NAME_NOT_FOUND, Reason.REFUSED, Reason.TIMEOUT) and (is_own_machine(host) or is_inner_name(host)):
        return ((_INSIDE, 0.7 if reason is Reason.NAME_NOT_FOUND else 0.6), *((slug, 0.6 * likely) for slug, likely in found))
    return found
