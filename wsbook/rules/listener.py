"""What the TLS listener accepts beside the one handshake: versions, ciphers, client certificates, SNI, HTTP/2 (area D)."""

import re
from collections.abc import Iterator

from wsbook.attempt import NO_SERVER_NAME
from wsbook.evidence import Evidence
from wsbook.facts import Http2Facts, TlsScanFacts
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation, Reason
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import baseline, say

__all__ = ["judge_listener"]

_SETTINGS = re.compile(r"\x00..\x04[\x00\x01]\x00{4}", re.DOTALL)
_BUSY = frozenset({429, 503})
_CURRENT = ("TLSv1.2", "TLSv1.3")


def judge_listener(evidence: Evidence) -> Iterator[Finding]:
    """Judge the scan of the endpoint's TLS listener, what it shows without SNI, and WebSockets over HTTP/2."""
    for seen, scan in evidence.of(TlsScanFacts):
        yield from _judge_client_certificate(evidence, seen, scan)
        yield from _judge_versions(evidence, seen, scan)
    yield from _judge_nameless(evidence)
    for seen, facts in evidence.of(Http2Facts):
        yield from _judge_http2(evidence, seen, facts)
    yield from _judge_http2_only(evidence)


def _failed_in_tls(evidence: Evidence) -> bool:
    tried = baseline(evidence)
    return tried is not None and tried[0].failure is not None and tried[0].failure.stage == "tls" and tried[1].tls is None


# Versions and ciphers


def _versions_text(scan: TlsScanFacts) -> str:
    words = {True: "accepted", False: "refused", None: "not offered by this machine"}
    return ", ".join(f"{trial.version} {words[trial.accepted]}" for trial in scan.versions)


def _judge_versions(evidence: Evidence, seen: Observation, scan: TlsScanFacts) -> Iterator[Finding]:
    where, evident = f"{scan.host}:{scan.port}", proof(seen, _versions_text(scan))
    accepted = [trial for trial in scan.versions if trial.accepted]
    current = [trial for trial in accepted if trial.version in _CURRENT]
    names = " and ".join(trial.version for trial in accepted)
    slug = "tls.version-or-cipher-mismatch"
    if not _failed_in_tls(evidence):
        if current:
            yield clear(slug, f"{where} accepts {names}", evident)
        elif accepted:
            yield fault(slug, 0.9, f"{where} speaks {names} only, which browsers no longer do", evident)
        elif scan.versions:
            yield unknown(slug, 0.05, f"no TLS version could be tried by itself at {where}", evident)
    elif scan.client_certificate or any(trial.version == "TLSv1.3" for trial in accepted):
        return  # refused for want of a certificate, a name or ALPN: TLS 1.3 has no ciphers that clients lack
    elif current:
        ciphers = ", ".join(f"{trial.cipher} in {trial.version}" for trial in current)
        yield fault(slug, 0.9, f"{where} agrees only with ciphers that clients no longer offer: {ciphers}", evident)
    elif accepted:
        yield fault(slug, 0.95, f"{where} speaks {names} only, which browsers and current libraries do not offer", evident)


# Client certificates


def _judge_client_certificate(evidence: Evidence, seen: Observation, scan: TlsScanFacts) -> Iterator[Finding]:
    where, slug = f"{scan.host}:{scan.port}", "tls.client-cert-requested"
    if scan.client_certificate is None:
        if scan.tls is not None:
            yield unknown(slug, 0.05, "whether a client certificate is asked for cannot be watched with this Python", proof(seen, where))
        return
    if not scan.client_certificate:
        yield clear(slug, f"{where} asks for no client certificate", proof(seen, "no CertificateRequest in the handshake"))
        return
    issuers = f" issued by {', '.join(scan.client_authorities[:3])}" if scan.client_authorities else ""
    evident = proof(seen, f"CertificateRequest in the handshake{f'; {scan.refused_after}' if scan.refused_after else ''}")
    tried = baseline(evidence)
    if scan.refused_after or (tried is not None and not tried[1].accepted and _names_certificate(tried[1].body)):
        yield fault(slug, 0.94, f"{where} requires a client certificate{issuers}", evident)
    else:
        summary = f"{where} asks for an optional client certificate{issuers}: browsers that own one cannot ask which for a socket"
        explained = tried is not None and tried[1].status is not None and not tried[1].accepted
        yield fault(slug, 0.35 if explained else 0.7, summary, evident)  # an HTTP refusal has another reason


def _names_certificate(body: str) -> bool:
    return "certificate" in body.lower()


# SNI


def _judge_nameless(evidence: Evidence) -> Iterator[Finding]:
    """What clients get that send no server name. The endpoint itself is healthy: only who leaves the name out fails."""
    tried, nameless = baseline(evidence), evidence.attempts(changed=NO_SERVER_NAME)
    if tried is None or not nameless or tried[1].tls is None or not tried[1].tls.server_name:
        return
    seen, facts = nameless[-1]
    named = tried[1].tls
    if facts.tls is None or not facts.tls.version:
        if seen.failure is not None and seen.failure.stage == "tls":
            yield unknown("tls.sni-missing", 0.12, "clients that send no server name are refused in TLS", proof(seen, say(seen, facts)))
    elif facts.tls.chain and named.chain and facts.tls.chain[0].fingerprint != named.chain[0].fingerprint:
        names = ", ".join(facts.tls.names[:3]) or facts.tls.subject
        summary = f"clients that send no server name get another certificate, for {names}"
        yield unknown("tls.sni-missing", 0.12, summary, proof(seen, f"without SNI: {names}"))
    elif facts.tls.subject == named.subject:
        yield clear("tls.sni-missing", "the same certificate with and without a server name", proof(seen, facts.tls.subject))


# HTTP/2


def _judge_http2(evidence: Evidence, seen: Observation, facts: Http2Facts) -> Iterator[Finding]:
    """Compare the extended CONNECT of RFC 8441, which browsers use where it is announced, with the upgrade over HTTP/1.1."""
    slug, tried = "tls.alpn-h2-negotiated", baseline(evidence)
    good = facts.status is not None and 200 <= facts.status < 300
    if tried is None or seen.failure is not None or (tried[1].status is None and not good):
        return  # without an answer over HTTP/1.1 there is nothing to compare with
    over_1 = proof(tried[0], f"HTTP/1.1: {say(*tried)}")
    if not facts.spoken:
        yield clear(slug, "HTTP/2 is not spoken there: every client upgrades over HTTP/1.1", proof(seen, "h2 was not chosen"))
    elif facts.extended_connect is None:
        yield unknown(slug, 0.3, f"HTTP/2 is chosen, and then not spoken: {facts.ended or 'no SETTINGS'}", proof(seen, facts.ended), over_1)
    elif not facts.extended_connect:
        words = (
            "HTTP/2 is chosen when it is offered, without extended CONNECT: browsers upgrade over HTTP/1.1, a client that offers h2 fails"
        )
        yield clear(slug, words, proof(seen, "no SETTINGS_ENABLE_CONNECT_PROTOCOL"))
    elif tried[1].accepted:
        yield _compared(facts, good, proof(seen, _answer_text(facts)), over_1)
    elif good:
        summary = f"accepted over HTTP/2 with {facts.status} and not over HTTP/1.1: clients without RFC 8441 fail"
        yield fault(slug, 0.7, summary, proof(seen, _answer_text(facts)), over_1)


def _judge_http2_only(evidence: Evidence) -> Iterator[Finding]:
    """An upgrade that is hung up on, or answered with HTTP/2's SETTINGS (RFC 9113 section 6.5), where HTTP/2 is spoken."""
    tried, slug = baseline(evidence), "tls.alpn-h2-negotiated"
    if tried is None or tried[1].status is not None or tried[0].failure is None or tried[0].failure.stage != "upgrade":
        return
    spoken = [proof(seen, _settings_text(facts)) for seen, facts in evidence.of(Http2Facts) if facts.extended_connect is not None]
    evident = proof(tried[0], tried[0].failure.message)
    if _SETTINGS.match(tried[1].raw):
        yield fault(slug, 0.9, "an upgrade over HTTP/1.1 is answered in HTTP/2: nothing else is spoken at this port", evident, *spoken)
    elif spoken and tried[0].failure.reason in (Reason.CLOSED, Reason.RESET):
        yield fault(slug, 0.85, "HTTP/2 is spoken, and an upgrade over HTTP/1.1 is hung up on", evident, *spoken)


def _settings_text(facts: Http2Facts) -> str:
    return f"HTTP/2 {'with' if facts.extended_connect else 'without'} SETTINGS_ENABLE_CONNECT_PROTOCOL"


def _answer_text(facts: Http2Facts) -> str:
    answered = f"{facts.status} {facts.body[:80]}".strip() if facts.status is not None else facts.ended or "no answer"
    return f"HTTP/2 extended CONNECT: {answered}"


def _compared(facts: Http2Facts, good: bool, evident: Proof, over_1: Proof) -> Finding:
    slug = "tls.alpn-h2-negotiated"
    if good:
        return clear(slug, f"accepted over HTTP/1.1 and over HTTP/2 with {facts.status}", evident, over_1)
    if facts.status in _BUSY:
        return unknown(slug, 0.3, f"over HTTP/2 the answer was {facts.status}: too busy to tell", evident, over_1)
    answered = f"answered {facts.status}" if facts.status is not None else f"ended with {facts.ended or 'no answer'}"
    summary = f"announces extended CONNECT, and a WebSocket over HTTP/2 is {answered}: Firefox fails here, curl --http1.1 passes"
    return fault(slug, 0.88 if facts.status is not None else 0.7, summary, evident, over_1)
