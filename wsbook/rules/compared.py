"""Handshakes to one address of which one opens and another is refused: what differs between the requests is the cause.

This is the experiment that a person has made already, in a dump or by reloading a page; our own variants have rules of their own.
"""

from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

from wsbook.evidence import Evidence
from wsbook.facts import UpgradeFacts
from wsbook.finding import Finding
from wsbook.rules.lives import Life, groups_of, lives_of
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.words import quantity

__all__ = ["judge_compared"]

_TELLING: dict[str, tuple[str, float]] = {
    "origin": ("origin.not-in-allowlist", 0.85),
    "cookie": ("auth.credential-not-sent", 0.85),
    "authorization": ("auth.credential-not-sent", 0.85),
    "sec-websocket-protocol": ("subprotocol.mismatch", 0.85),
    "sec-websocket-extensions": ("frame.compression-broken", 0.6),
    "connection": ("backend.upgrade-header-exact-compare", 0.8),
    "upgrade": ("backend.upgrade-header-exact-compare", 0.8),
    "host": ("proxy.forwarded-headers-wrong", 0.65),
    "x-forwarded-proto": ("proxy.forwarded-headers-wrong", 0.85),
    "x-forwarded-host": ("proxy.forwarded-headers-wrong", 0.85),
    "forwarded": ("proxy.forwarded-headers-wrong", 0.8),
}
"""Header of the request → cause when it is the only thing that differs."""
_TOO_LARGE = frozenset({400, 413, 431, 494})
_PAIRS = 100
"""Handshakes of a kind that are compared."""
_INCOMPLETE = frozenset({"sec-websocket-key", "sec-websocket-version"})


def judge_compared(evidence: Evidence) -> Iterator[Finding]:
    """Judge pairs of an accepted and a refused handshake, attempts that go now so and now so, and tests that lack a header."""
    lives = [life for life in lives_of(evidence) if life.upgrade.status is not None]
    opened: dict[tuple[str, str], list[Life]] = {}
    for life in lives:
        if life.upgrade.accepted:
            opened.setdefault(_place(life.upgrade.url), []).append(life)
    for refused in [life for life in lives if not life.upgrade.accepted][:_PAIRS]:
        yield from _judge_pair(refused, opened.get(_place(refused.upgrade.url), [])[:_PAIRS])
    for group in groups_of(lives):
        yield from _judge_alternation(group)
    for life in lives:
        yield from _judge_unselected(life)


def _judge_unselected(life: Life) -> Iterator[Finding]:
    """A test with a raw client passes although no subprotocol was selected; a browser closes such a socket."""
    check = next((check for check in life.upgrade.checks if check.name == "subprotocol" and not check.ok), None)
    if life.upgrade.accepted and check is not None and not (life.session and life.session.frames):
        yield fault("subprotocol.mismatch", 0.65, f"accepted with 101, but {check.detail}", proof(life.seen, check.detail))


def _place(url: str) -> tuple[str, str]:
    """Return host and path of a URL, a slash at the end and the scheme apart."""
    parts = urlsplit(url)
    return parts.netloc, parts.path.rstrip("/")


def _judge_pair(refused: Life, opened: list[Life]) -> Iterator[Finding]:
    status, asked = refused.upgrade.status, {name.lower() for name, _ in refused.upgrade.request_headers}
    if {"upgrade", "host"} <= asked and not asked >= _INCOMPLETE and not _is_modern(refused.upgrade):
        lacking = " and ".join(sorted(_INCOMPLETE - asked))
        words = f"this test lacks {lacking}, so that its {status} says nothing about the endpoint"
        yield clear("redherring.not-a-fault", words, proof(refused.seen, words))
        return
    for other in opened:
        if found := _difference(refused.upgrade, other.upgrade):
            slug, confidence, words = found
            told = f"answered {status} {words}, and accepted otherwise"
            yield fault(slug, confidence, told, proof(refused.seen, told), proof(other.seen, "accepted with 101"))
            return
    if _is_modern(refused.upgrade) and asked & {"upgrade", ":protocol"}:
        extended = ":protocol" in asked
        why = "to an extended CONNECT (RFC 8441)" if extended else "where an Upgrade header means nothing (RFC 9113 section 8.6)"
        words = f"answered {status} over HTTP/{refused.upgrade.http_version}, {why}"
        yield fault("tls.alpn-h2-negotiated", 0.6 if extended else 0.5, words, proof(refused.seen, words))


def _is_modern(facts: UpgradeFacts) -> bool:
    return (facts.http_version or "")[:1] in ("2", "3")


def _difference(refused: UpgradeFacts, opened: UpgradeFacts) -> tuple[str, float, str] | None:
    """Return (cause, confidence, words) of the only thing that differs between the requests, None when it cannot be told."""
    if _is_modern(refused) != _is_modern(opened):
        versions = f"over HTTP/{refused.http_version}" if _is_modern(refused) else f"over HTTP/{refused.http_version or '1.1'}"
        return ("tls.alpn-h2-negotiated", 0.85, versions) if _is_modern(refused) else None
    if not refused.request_headers or not opened.request_headers:
        return None
    bad, good = _headers(refused), _headers(opened)
    names = [name for name in _TELLING if bad.get(name) != good.get(name)]
    slashes = [urlsplit(facts.url).path.endswith("/") for facts in (refused, opened)]
    if slashes[0] != slashes[1]:
        return None if names else ("endpoint.wrong-path", 0.85, f"{'with' if slashes[0] else 'without'} a slash at the end")
    if len(names) != 1:
        return None
    (name,) = names
    if name in ("cookie", "authorization") and name in bad and name not in good and refused.status in _TOO_LARGE:
        return "handshake.headers-too-large", 0.85, f"with the {name} header of {bad[name]}"
    if name in ("cookie", "authorization") and name in bad and name in good:
        return "auth.token-expired-on-reconnect", 0.6, f"with another {name}"
    if name in ("cookie", "authorization") and name in bad:
        return None  # more credentials and less rights: nothing that this says
    slug, confidence = _TELLING[name]
    return slug, confidence, f"with {name}: {bad[name][:80]}" if name in bad else f"without {name}"


def _headers(facts: UpgradeFacts) -> dict[str, str]:
    return {name.lower(): value for name, value in facts.request_headers}


def _judge_alternation(group: list[Life]) -> Iterator[Finding]:
    """One address that now accepts and now refuses the same request: several servers answer it."""
    refused = {life.upgrade.status for life in group if not life.upgrade.accepted}
    turns = sum(a.upgrade.accepted != b.upgrade.accepted for a, b in pairwise(group))
    if len(group) < 4 or turns < 3 or not refused or refused & {401, 403, 429}:
        return
    statuses = ", ".join(str(status) for status in sorted(filter(None, refused)))
    good = sum(life.upgrade.accepted for life in group)
    words = f"{good} of {quantity(len(group), 'attempt')} accepted and the others answered {statuses}, in turns"
    sessions = any(
        "sid" in parse_qs(urlsplit(life.upgrade.url).query) or "id" in parse_qs(urlsplit(life.upgrade.url).query) for life in group
    )
    evident = proof(group[-1].seen, words)
    if refused & {502, 503, 504}:
        yield fault("proxy.upstream-unreachable", 0.55, words, evident)
    elif sessions and refused <= {400, 404}:
        yield fault("cluster.no-sticky-session", 0.7, words, evident)
    else:
        yield unknown("cluster.no-sticky-session", 0.35, words, evident)
