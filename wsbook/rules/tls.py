"""What TLS says about the endpoint: certificate, alerts, or no TLS at all (area D, and the port mix of area A)."""

import re
from collections.abc import Iterator

from wsbook.attempt import NO_ALPN, NO_SERVER_NAME, OTHER_SCHEME, PAGE_SERVER_NAME
from wsbook.evidence import Evidence
from wsbook.facts import TlsScanFacts, UpgradeFacts
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation, Reason
from wsbook.rules.certificates import judge_accepted, judge_certificate
from wsbook.rules.make import fault, proof
from wsbook.rules.outcome import Seen, baseline, inner_hops, say
from wsbook.target import parse_endpoint

__all__ = ["judge_tls"]

_TLS_RECORD = re.compile(r"^(?:\x15|\x16)\x03[\x00-\x04]")
_PLAIN_TO_TLS = re.compile(
    r"plain HTTP request was sent to HTTPS port|sent an HTTP request to an HTTPS server|speaking plain HTTP to an SSL-enabled server port"
    r"|requires TLS|combination of host and port requires TLS",
    re.IGNORECASE,
)
_WANTS_CERTIFICATE = ("certificate required", "bad certificate", "unknown ca", "access denied", "certificate unknown")
"""Alerts about a certificate of ours (RFC 8446 section 6.2): we sent none."""
_UNKNOWN_NAME = ("unrecognized", "internal error")
"""Alerts of servers without a certificate for the name: unrecognized_name of RFC 6066, and what Go programs send (Caddy)."""


def judge_tls(evidence: Evidence) -> Iterator[Finding]:
    """Judge the TLS stage of the endpoint, of its hops, and of certificates seen on the way."""
    tried = baseline(evidence)
    if tried is None:
        return
    seen, facts = tried
    if seen.failure and (seen.failure.stage == "tls" or _is_late_alert(seen)):
        yield from _judge_failure(evidence, seen, facts)
    elif facts.tls is not None and facts.tls.version:
        yield from judge_accepted(seen, facts.tls)
    yield from _judge_plain_to_tls([(seen, facts), *(hop for _, hop in inner_hops(evidence))])
    yield from _judge_nameless_proxy(evidence, (seen, facts))


def _is_late_alert(seen: Observation) -> bool:
    """Whether TLS 1.3 was refused after its handshake: the server checks what the client sent last."""
    return seen.failure is not None and seen.failure.stage == "upgrade" and seen.failure.reason is Reason.TLS_ALERT


def _judge_failure(evidence: Evidence, seen: Observation, facts: UpgradeFacts) -> Iterator[Finding]:
    failure = seen.failure
    assert failure is not None
    evident = proof(seen, failure.message)
    endpoint = facts.url.split("/")[2] if facts.url.count("/") >= 2 else facts.url
    if failure.reason is Reason.TLS_NOT_SPOKEN:
        yield fault("endpoint.tls-to-plain-port", 0.93, f"{endpoint} answers in plain text, not TLS", evident)
    elif failure.reason is Reason.CERTIFICATE and facts.tls is not None:
        yield from judge_certificate(evidence, seen, facts.tls, endpoint)
    elif cured := _cured(evidence, endpoint, evident):
        yield cured
    elif failure.reason is Reason.TLS_ALERT:
        yield from _judge_alert(evidence, facts, endpoint, failure.message.lower(), evident)
    elif plain := _plain_answer(evidence, facts):
        summary = f"{endpoint} does not answer TLS, and answers {plain[1].status} without it"
        yield fault("endpoint.tls-to-plain-port", 0.93, summary, evident, proof(plain[0], f"without TLS: {say(*plain)}"))
    elif failure.reason in (Reason.CLOSED, Reason.RESET) and not _shakes_hands(evidence):
        yield fault("endpoint.tls-to-plain-port", 0.4, f"{endpoint} ends the connection when TLS begins", evident)
        yield fault("tls.sni-missing", 0.25, f"{endpoint} ends the connection when TLS begins", evident)
    elif failure.reason is Reason.TIMEOUT and not _shakes_hands(evidence):
        yield fault("endpoint.tls-to-plain-port", 0.4, f"{endpoint} takes the connection and does not answer TLS", evident)
        yield fault("net.mtu-blackhole", 0.3, f"{endpoint} takes the connection, and the TLS handshake gets no answer", evident)


def _cured(evidence: Evidence, endpoint: str, evident: Proof) -> Finding | None:
    """Return what a single change of the TLS handshake proves."""
    for label, slug, words in (
        (PAGE_SERVER_NAME, "tls.sni-missing", "refuses TLS without a server name, which an address in the URL never sends"),
        (NO_ALPN, "tls.alpn-h2-negotiated", "refuses TLS that offers http/1.1 by ALPN, and accepts it without ALPN"),
    ):
        for seen, facts in evidence.attempts(changed=label):
            if facts.status is not None:
                return fault(slug, 0.95, f"{endpoint} {words}", evident, proof(seen, f"{label}: {say(seen, facts)}"))
    return None


def _plain_answer(evidence: Evidence, facts: UpgradeFacts) -> Seen | None:
    """Return the attempt without TLS at the same port, when it was answered."""
    port = parse_endpoint(facts.url).port
    tried = [seen for seen in evidence.attempts(changed=OTHER_SCHEME) if parse_endpoint(seen[1].url).port == port]
    return next((seen for seen in tried if seen[1].status is not None and not _PLAIN_TO_TLS.search(seen[1].body)), None)


def _shakes_hands(evidence: Evidence) -> bool:
    """Whether some other handshake got further, so that TLS is spoken there; rules/listener.py then knows more."""
    return any(facts.client_certificate or any(trial.accepted for trial in facts.versions) for _, facts in evidence.of(TlsScanFacts))


def _judge_alert(evidence: Evidence, facts: UpgradeFacts, endpoint: str, text: str, evident: Proof) -> Iterator[Finding]:
    if any(words in text for words in _WANTS_CERTIFICATE):
        yield fault("tls.client-cert-requested", 0.8, f"{endpoint} wants a client certificate", evident)
    elif "no application protocol" in text:
        summary = f"{endpoint} refuses http/1.1 when it is offered by ALPN (RFC 7301): it wants HTTP/2 only"
        yield fault("tls.alpn-h2-negotiated", 0.88, summary, evident)
    elif any(words in text for words in _UNKNOWN_NAME):
        nameless = (facts.tls is not None and facts.tls.server_name == "") or _is_bare_address(endpoint)
        summary = f"{endpoint} refuses the TLS handshake {'without a server name' if nameless else 'for this server name'}"
        yield fault("tls.sni-missing", 0.8 if nameless else 0.35, summary, evident)
        if not nameless:
            yield fault("tls.hostname-mismatch", 0.6, f"{summary}: it has no certificate for it", evident)
    elif not any(scan.client_certificate for _, scan in evidence.of(TlsScanFacts)):  # else rules/listener.py knows why
        yield fault("tls.version-or-cipher-mismatch", 0.7, f"{endpoint} refuses the TLS handshake", evident)
        if _is_bare_address(endpoint):
            yield fault("tls.sni-missing", 0.4, f"{endpoint} is an address, for which no server name is sent", evident)


def _is_bare_address(endpoint: str) -> bool:
    return endpoint.startswith("[") or bool(re.fullmatch(r"[0-9.]+(?::[0-9]+)?", endpoint))


def _judge_nameless_proxy(evidence: Evidence, outer: Seen) -> Iterator[Finding]:
    """A proxy that does not get through to a hop which wants a server name, as proxies do not send one by themselves."""
    if outer[1].accepted or outer[1].status not in (502, 503, 525, 526):
        return
    for name, inner in inner_hops(evidence):
        nameless = evidence.attempts(name, changed=NO_SERVER_NAME)
        if inner[1].accepted and nameless and not nameless[-1][1].accepted:
            summary = f"the proxy answers {outer[1].status}; {name} accepts the upgrade over TLS, and not without a server name"
            proofs = [proof(inner[0], f"{name}: {say(*inner)}"), proof(nameless[-1][0], f"{name} without SNI: {say(*nameless[-1])}")]
            yield fault("tls.sni-missing", 0.92, summary, proof(outer[0], say(*outer)), *proofs)


def _judge_plain_to_tls(tried: list[Seen]) -> Iterator[Finding]:
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
