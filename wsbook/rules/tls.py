"""What TLS says about the endpoint: certificate, names, chain, versions, or no TLS at all (area D, and the port mix of area A)."""

import re
from collections.abc import Iterator

from wsbook.attempt import UNVERIFIED
from wsbook.evidence import Evidence
from wsbook.facts import TlsFacts, UpgradeFacts
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation, Reason
from wsbook.rules.make import clear, fault, proof
from wsbook.rules.outcome import baseline, inner_hops

__all__ = ["judge_tls"]

_EXPIRED = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED; openssl-verification-options(1)
_SELF_SIGNED = frozenset({18, 19})
_INCOMPLETE = frozenset({2, 20, 21})
_HOSTNAME = frozenset({62, 64})
_TLS_RECORD = re.compile(r"^(?:\x15|\x16)\x03[\x00-\x04]")
_PLAIN_TO_TLS = re.compile(
    r"plain HTTP request was sent to HTTPS port|sent an HTTP request to an HTTPS server|speaking plain HTTP to an SSL-enabled server port"
    r"|requires TLS|combination of host and port requires TLS",
    re.IGNORECASE,
)


def judge_tls(evidence: Evidence) -> Iterator[Finding]:
    """Judge the TLS stage of the endpoint, of its hops, and of certificates seen on the way."""
    tried = baseline(evidence)
    if tried is None:
        return
    seen, facts = tried
    if seen.failure and seen.failure.stage == "tls":
        yield from _judge_failure(evidence, seen, facts)
    elif facts.tls is not None and facts.tls.version:
        names = ", ".join(facts.tls.names[:3]) or facts.tls.subject
        summary = f"{facts.tls.version} with a certificate for {names}, valid to {facts.tls.not_after[:10]}"
        yield clear("tls.cert-expired", summary, proof(seen, f"issuer {facts.tls.issuer}"))
    yield from _judge_plain_to_tls([(seen, facts), *(hop for _, hop in inner_hops(evidence))])


def _works_unverified(evidence: Evidence) -> list[Proof]:
    tried = evidence.attempts(changed=UNVERIFIED)
    return [proof(seen, "accepted with 101 when the certificate is not checked") for seen, facts in tried if facts.accepted]


def _judge_failure(evidence: Evidence, seen: Observation, facts: UpgradeFacts) -> Iterator[Finding]:
    failure = seen.failure
    assert failure is not None
    evident = proof(seen, failure.message)
    endpoint = facts.url.split("/")[2] if facts.url.count("/") >= 2 else facts.url
    if failure.reason is Reason.TLS_NOT_SPOKEN:
        yield fault("endpoint.tls-to-plain-port", 0.93, f"{endpoint} answers in plain text, not TLS", evident)
    elif failure.reason is Reason.CERTIFICATE and facts.tls is not None:
        yield from _judge_certificate(facts.tls, endpoint, [evident, *_works_unverified(evidence)])
    elif failure.reason is Reason.TLS_ALERT:
        text = failure.message.lower()
        if "unrecognized" in text or "internal error" in text:
            yield fault("tls.sni-missing", 0.45, f"{endpoint} refuses the TLS handshake for this server name", evident)
        if "certificate required" in text or "bad certificate" in text:
            yield fault("tls.client-cert-requested", 0.8, f"{endpoint} wants a client certificate", evident)
        else:
            yield fault("tls.version-or-cipher-mismatch", 0.7, f"{endpoint} refuses the TLS handshake", evident)
    elif failure.reason in (Reason.CLOSED, Reason.RESET):
        yield fault("endpoint.tls-to-plain-port", 0.4, f"{endpoint} ends the connection when TLS begins", evident)
        yield fault("tls.sni-missing", 0.25, f"{endpoint} ends the connection when TLS begins", evident)


def _judge_certificate(tls: TlsFacts, endpoint: str, proofs: list[Proof]) -> Iterator[Finding]:
    code = tls.verify_code
    if code in _EXPIRED:
        word = "expired on" if code == 10 else "is not valid before"
        date = tls.not_after if code == 10 else tls.not_before
        yield fault("tls.cert-expired", 0.97, f"the certificate of {endpoint} {word} {date[:10]}", *proofs)
    elif code in _HOSTNAME:
        names = ", ".join(tls.names[:4]) or tls.subject or "nobody"
        yield fault("tls.hostname-mismatch", 0.96, f"the certificate of {endpoint} is for {names}", *proofs)
    elif code in _SELF_SIGNED:
        yield fault(
            "tls.self-signed", 0.93, f"the certificate of {endpoint} is issued by {tls.issuer or 'itself'}, which is not trusted", *proofs
        )
    elif code in _INCOMPLETE:
        alone = tls.subject == tls.issuer
        yield fault(
            "tls.self-signed" if alone else "tls.incomplete-chain", 0.6, f"no trusted issuer for the certificate of {endpoint}", *proofs
        )
        yield fault(
            "tls.incomplete-chain" if alone else "tls.self-signed", 0.4, f"no trusted issuer for the certificate of {endpoint}", *proofs
        )
    else:
        yield fault("tls.self-signed", 0.4, f"the certificate of {endpoint} is not accepted: {tls.verify_message[:80]}", *proofs)


def _judge_plain_to_tls(tried: list[tuple[Observation, UpgradeFacts]]) -> Iterator[Finding]:
    for seen, facts in tried:
        if facts.url.startswith("ws:") and (
            _TLS_RECORD.match(facts.raw) or (facts.status in (400, 497) and _PLAIN_TO_TLS.search(facts.body))
        ):
            words = "answered plain HTTP with a TLS alert" if facts.raw else f"answered {facts.status}: {facts.body[:60]!r}"
            yield fault(
                "endpoint.plain-to-tls-port",
                0.93,
                f"{facts.url} reaches a TLS port: it {words}",
                proof(seen, facts.body[:120] or "TLS alert"),
            )
