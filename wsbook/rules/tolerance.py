"""What a server makes of spellings and versions that RFC 6455 provides for: token lists, letters, another version, many cookies."""

from collections.abc import Iterator

from msgspec.structs import replace

from wsbook.attempt import CONNECTION_LIST, IPV4_ONLY, LARGE_COOKIE, NO_ALPN, NO_EXTENSIONS, OTHER_CASE, OTHER_VERSION
from wsbook.evidence import Evidence
from wsbook.finding import Finding, Severity
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import Seen, baseline, inner_hops, same_answer, say

__all__ = ["judge_tolerance"]

_BUSY = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that tell of load or of an upstream, not of how a header is spelt."""
_LARGE = frozenset({400, 413, 431, 494})
_MINDED_BY_NOBODY = (NO_EXTENSIONS, NO_ALPN, IPV4_ONLY)
_CLIENTS = {
    CONNECTION_LIST: "Connection: keep-alive, Upgrade, as Firefox sends it",
    OTHER_CASE: "Upgrade: WebSocket and Connection: upgrade, as some proxies and libraries write it",
}


def judge_tolerance(evidence: Evidence) -> Iterator[Finding]:
    """Judge the variants that change no meaning, at the endpoint and at its hops."""
    outer = baseline(evidence)
    places = [*([("endpoint", outer)] if outer else []), *inner_hops(evidence)]
    for name, seen in places:
        yield from _judge_spelling(evidence, name, seen, outer)
    if outer is not None and outer[1].accepted:
        yield from _judge_version(evidence, outer)
        yield from _judge_cookies(evidence, outer)


def _refused(seen: Seen) -> bool:
    """Whether the server said no to the request, as opposed to being busy or out of reach."""
    return not seen[1].accepted and seen[1].status is not None and seen[1].status not in _BUSY


def _judge_spelling(evidence: Evidence, name: str, plain: Seen, outer: Seen | None) -> Iterator[Finding]:
    slug, works = "backend.upgrade-header-exact-compare", outer is not None and outer[1].accepted
    for label, words in _CLIENTS.items():
        tried = [seen for seen in evidence.attempts(name, changed=label) if len(seen[0].source.changed) == 1]
        if not tried:
            continue
        proofs = [proof(plain[0], f"{name}: {say(*plain)}"), proof(tried[-1][0], f"{name} with {label}: {say(*tried[-1])}")]
        if plain[1].accepted and _refused(tried[-1]) and not _refused_anyway(evidence, name, tried[-1]):
            summary = f"{name} accepts the upgrade, and answers {tried[-1][1].status} to {words}"
            hidden = name != "endpoint" and works and not _also_outside(evidence, label)
            yield unknown(slug, 0.4, f"{summary}; the proxy in front hides it", *proofs) if hidden else fault(slug, 0.93, summary, *proofs)
        elif _refused(plain) and tried[-1][1].accepted:
            yield fault(slug, 0.88, f"{name} answers {plain[1].status} to the usual spelling, and accepts {words}", *proofs)
        elif plain[1].accepted and tried[-1][1].accepted and name == "endpoint":
            yield clear(slug, f"{name} accepts {words}", *proofs)


def _refused_anyway(evidence: Evidence, name: str, variant: Seen) -> bool:
    """Whether a variant that no server minds was refused alike: then it is the number of our attempts, not their spelling."""
    others = [seen for label in _MINDED_BY_NOBODY for seen in evidence.attempts(name, changed=label)]
    return any(_refused(seen) and same_answer(seen[1], variant[1]) for seen in others)


def _also_outside(evidence: Evidence, label: str) -> bool:
    tried = evidence.attempts(changed=label)
    return bool(tried) and _refused(tried[-1])


def _judge_version(evidence: Evidence, outer: Seen) -> Iterator[Finding]:
    """RFC 6455 section 4.4: a version that the server does not speak is refused with those that it does. Never an error by itself."""
    tried = evidence.attempts(changed=OTHER_VERSION)
    if not tried:
        return
    slug, seen = "handshake.invalid-exchange", tried[-1]
    offered = seen[1].header("sec-websocket-version")
    evident = proof(seen[0], f"version 99: {say(*seen)}, Sec-WebSocket-Version: {offered or 'absent'}")
    if seen[1].accepted or seen[1].status == 101:
        summary = "the server accepts version 99 of the protocol: it does not look at Sec-WebSocket-Version (RFC 6455 section 4.2.2)"
        yield replace(unknown(slug, 0.05, summary, evident), severity=Severity.INFO)
    elif offered and "13" in offered:
        yield replace(
            clear(slug, f"version 99 is refused with {seen[1].status} and the version {offered}", evident), severity=Severity.INFO
        )
    elif _refused(seen):
        summary = f"version 99 is refused with {seen[1].status}, without the Sec-WebSocket-Version that RFC 6455 section 4.4 asks for"
        yield replace(unknown(slug, 0.05, summary, evident), severity=Severity.INFO)


def _judge_cookies(evidence: Evidence, outer: Seen) -> Iterator[Finding]:
    tried = evidence.attempts(changed=LARGE_COOKIE)
    if not tried:
        return
    seen = tried[-1]
    evident = proof(seen[0], f"12 KiB of cookies: {say(*seen)}")
    if seen[1].accepted:
        yield clear("handshake.headers-too-large", "12 KiB of cookies more are accepted", evident)
    elif seen[1].status in _LARGE or seen[1].status is None:
        answered = f"answered {seen[1].status}" if seen[1].status is not None else "not answered"
        summary = f"12 KiB of cookies more are {answered}: people with many cookies cannot connect"
        yield unknown("handshake.headers-too-large", 0.15, summary, evident, proof(outer[0], say(*outer)))
