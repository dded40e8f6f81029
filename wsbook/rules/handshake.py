"""Answers to the upgrade that name their cause by themselves (area F, except Origin)."""

from collections.abc import Iterator

from wsbook.attempt import NO_CREDENTIALS, NO_EXTENSIONS
from wsbook.evidence import Evidence
from wsbook.facts import EchoFacts, UpgradeFacts
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation, Reason
from wsbook.rules.bursts import judge_bursts
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import answerer, baseline, refusals, say
from wsbook.rules.redirects import judge_redirect
from wsbook.words import duration_text

__all__ = ["judge_handshake"]

_STRUCTURE = frozenset({"accept", "upgrade", "connection", "http-version", "transfer-encoding"})
_CREDENTIALS = ("authorization", "cookie")


def judge_handshake(evidence: Evidence) -> Iterator[Finding]:
    """Judge every refused or malformed upgrade seen at the endpoint, in the browser or in a recording."""
    for seen, facts in refusals(evidence):
        if facts.status == 101:
            yield from _judge_malformed(evidence, seen, facts)
        elif facts.status is not None:
            yield from _judge_status(evidence, seen, facts)
        if facts.status in (None, 101) and seen.failure is not None:
            yield from _judge_silence(evidence, seen, facts)
    tried = baseline(evidence)
    if tried and tried[1].accepted:
        yield clear("handshake.invalid-exchange", f"upgrade {say(*tried)}, all checks passed", proof(tried[0], "101 Switching Protocols"))
    yield from _judge_first_frames(evidence)
    yield from judge_bursts(evidence)


def _judge_malformed(evidence: Evidence, seen: Observation, facts: UpgradeFacts) -> Iterator[Finding]:
    failed = {check.name: check for check in facts.checks if not check.ok}
    evident = [proof(seen, f"{check.name}: {check.detail}") for check in failed.values()]
    if _STRUCTURE & failed.keys():
        names = ", ".join(sorted(_STRUCTURE & failed.keys()))
        yield fault("handshake.invalid-exchange", 0.9, f"the 101 answer has a wrong or missing {names}", *evident)
    if "subprotocol" in failed:
        yield fault(
            "subprotocol.mismatch", 0.9, f"the 101 answer does not agree on a subprotocol: {failed['subprotocol'].detail}", *evident
        )
    if "extensions" in failed:
        cured = any(other.accepted for _, other in evidence.attempts(changed=NO_EXTENSIONS))
        yield fault(
            "frame.compression-broken", 0.85 if cured else 0.6, "the 101 answer names an extension that was not offered so", *evident
        )


def _judge_status(evidence: Evidence, seen: Observation, facts: UpgradeFacts) -> Iterator[Finding]:
    status = facts.status or 0
    evident = proof(seen, f"{status} {facts.reason} {facts.body[:120]}".strip())
    by = answerer(facts)
    if status in (301, 302, 303, 307, 308):
        yield from judge_redirect(evidence, seen, facts)
    elif status == 401:
        sent = [name for name in _CREDENTIALS if facts.request_header(name)]
        scheme = facts.header("www-authenticate") or ""
        asked = f", which asks for {scheme.split(' ')[0]}" if scheme else ""
        if sent:
            yield fault(
                "auth.token-expired-on-reconnect", 0.55, f"{', '.join(sent)} was sent and refused with 401 by {by or 'the server'}", evident
            )
        yield fault("auth.credential-not-sent", 0.4 if sent else 0.75, f"refused with 401 by {by or 'the server'}{asked}", evident)
    elif status in (413, 431, 494) or (status == 400 and "header" in facts.body.lower() and "too" in facts.body.lower()):
        yield from _judge_size(evidence, facts, evident)
    elif status == 405:
        allowed = facts.header("allow") or ""
        lacks = bool(allowed) and "GET" not in [method.strip().upper() for method in allowed.split(",")]
        takes = f", it takes {allowed[:60]}" if allowed else ""
        summary = f"refused with 405 by {by or 'the server'}: the route does not take GET{takes}"
        yield fault("handshake.invalid-exchange", 0.75 if lacks else 0.6, summary, evident)
    elif status == 426 and "13" not in (facts.header("sec-websocket-version") or "13"):
        offered = facts.header("sec-websocket-version")
        yield fault("handshake.invalid-exchange", 0.8, f"the server speaks version {offered} of the protocol, not 13", evident)
    elif status == 429:
        after = facts.header("retry-after")
        yield fault("load.rate-limited", 0.8, f"refused with 429{f', retry after {after} s' if after else ''}", evident)


def _judge_size(evidence: Evidence, facts: UpgradeFacts, evident: Proof) -> Iterator[Finding]:
    size = facts.request_bytes or sum(len(name) + len(value) + 4 for name, value in facts.request_headers)
    lighter = [seen for seen in evidence.attempts(changed=NO_CREDENTIALS) if seen[1].accepted]
    words = f"refused with {facts.status}; the request has {size} B"
    if lighter:
        cured = proof(lighter[-1][0], f"without credentials {say(*lighter[-1])}")
        yield fault("handshake.headers-too-large", 0.95, f"{words}, and is accepted without cookies and tokens", evident, cured)
    else:
        yield fault("handshake.headers-too-large", 0.85, words, evident)


def _judge_silence(evidence: Evidence, seen: Observation, facts: UpgradeFacts) -> Iterator[Finding]:
    failure, own = seen.failure, baseline(evidence)
    assert failure is not None
    if failure.stage != "upgrade":
        return
    evident = proof(seen, failure.message)
    if failure.reason is Reason.TIMEOUT and own is not None and own[1].status is not None and not seen.source.artifact:
        words = f"no answer within {duration_text(seen.duration_s)} in the browser, where the direct test was {say(*own)}"
        yield unknown("handshake.timeout", 0.35, words, evident, proof(own[0], say(*own)))  # one that serves a single client at a time
    elif failure.reason is Reason.TIMEOUT:
        yield fault("handshake.timeout", 0.8, f"no answer to the upgrade within {duration_text(seen.duration_s)}", evident)
    elif failure.reason in (Reason.MALFORMED, Reason.TOO_LARGE) and not facts.raw.startswith(("\x15\x03", "\x16\x03")):
        yield fault("handshake.invalid-exchange", 0.75, f"the answer to the upgrade is no HTTP/1.1: {failure.message[:80]}", evident)
    elif failure.reason in (Reason.CLOSED, Reason.RESET) and seen.source.hop == "endpoint" and own is not None and own[1].accepted:
        words = f"the connection ended before an answer, where another one was accepted: {failure.reason.value}"
        yield unknown("load.connection-cap", 0.3, words, evident, proof(own[0], say(*own)))
    elif failure.reason in (Reason.CLOSED, Reason.RESET):
        yield fault("handshake.invalid-exchange", 0.4, f"the connection ended before an answer: {failure.reason.value}", evident)
        yield fault("endpoint.plain-to-tls-port", 0.3, f"the connection ended before an answer: {failure.reason.value}", evident)


def _judge_first_frames(evidence: Evidence) -> Iterator[Finding]:
    """After 101, does the socket carry what is put into it?"""
    for seen, facts in evidence.of(EchoFacts):
        altered = [trial for trial in facts.trials if not trial.ok and trial.rtt_s is not None]
        if facts.echoes and altered:
            words = ", ".join(f"{trial.kind} of {trial.size_bytes} B: {trial.detail}" for trial in altered[:3])
            yield fault(
                "frame.protocol-violation", 0.6, f"{len(altered)} of {len(facts.trials)} echoes came back altered", proof(seen, words)
            )
        elif facts.echoes:
            largest = max((trial.size_bytes for trial in facts.trials if trial.ok), default=0)
            yield clear(
                "frame.protocol-violation",
                f"{sum(trial.ok for trial in facts.trials)} echoes unharmed up to {largest} B",
                proof(seen, "echo"),
            )
