"""What programs printed, what source says, what browsers reported: texts that stand for causes by themselves."""

from collections.abc import Iterator

from wsbook.evidence import Evidence
from wsbook.facts import PageFacts, PatternFacts, SignatureFacts, UpgradeFacts
from wsbook.finding import Finding
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import baseline
from wsbook.signatures import Hit, matcher

__all__ = ["judge_texts"]

_CONNECT_AREAS = ("endpoint.", "net.", "tls.", "handshake.", "auth.", "origin.", "subprotocol.")
_CONNECT_SLUGS = frozenset(
    {"proxy.upgrade-header-missing", "proxy.upstream-unreachable", "proxy.ws-location-missing", "proxy.path-rewrite-wrong"}
    | {"proxy.http-1.0-upstream", "proxy.websocket-support-disabled", "proxy.h2-to-upstream", "proxy.set-header-inheritance-lost"}
    | {
        "backend.wrong-server-type",
        "backend.ws-library-missing",
        "backend.middleware-breaks-upgrade",
        "backend.upgrade-header-exact-compare",
    }
)
"""Causes that keep every upgrade from succeeding: one that is accepted now outranks what a log says of earlier ones."""

_SURE = 0.5


def judge_texts(evidence: Evidence) -> Iterator[Finding]:
    """Judge signatures in logs, console and bodies, source patterns, and the console of a page that was opened."""
    works = _works_now(evidence)
    for seen, facts in evidence.of(SignatureFacts):
        for slug, weight in facts.causes:
            yield from _printed(seen, facts.text, facts.count, slug, weight, outranked=works and _about_connecting(slug))
    for seen, hit in _live_hits(evidence):
        for slug, weight in hit.signature.causes:
            yield from _printed(seen, hit.text, 1, slug, weight, outranked=works and _about_connecting(slug))
    yield from _judge_patterns(evidence)


def _works_now(evidence: Evidence) -> bool:
    tried = baseline(evidence)
    return tried is not None and tried[1].accepted


def _about_connecting(slug: str) -> bool:
    return slug.startswith(_CONNECT_AREAS) or slug in _CONNECT_SLUGS


def _printed(seen: Observation, text: str, count: int, slug: str, weight: float, *, outranked: bool) -> Iterator[Finding]:
    times = f" ({count} times)" if count > 1 else ""
    summary = f"{_speaker(seen)}: “{text[:150]}”{times}"
    if slug == "redherring.not-a-fault":
        yield clear(slug, f"{summary} is harmless", proof(seen, text))
    elif outranked:
        yield unknown(slug, 0.0, f"{summary} was printed, and an upgrade succeeds now", proof(seen, text))
    elif weight >= _SURE:
        yield fault(slug, weight, summary, proof(seen, text))
    else:
        yield fault(slug, min(weight, _SURE - 0.01), summary, proof(seen, text))


def _speaker(seen: Observation) -> str:
    """Say where a text was found."""
    if isinstance(seen.facts, UpgradeFacts):
        return f"the answer at {seen.source.hop or 'the endpoint'} says"
    return f"{seen.source.where} says" if seen.source.artifact else f"{seen.source.hop or seen.source.probe} says"


def _live_hits(evidence: Evidence) -> Iterator[tuple[Observation, Hit]]:
    """Find known texts in answers' bodies, browsers' errors and consoles that no parser has searched."""
    console, body = matcher("browser_console"), matcher("body")
    for seen, page in evidence.of(PageFacts):
        lines = [text.replace("\n", " ") for level, text in page.console if level in ("error", "warning", "warn")]
        yield from ((seen, hit) for hit in console.scan(lines))
    for seen, facts in evidence.upgrades:
        if facts.accepted or seen.source.changed or seen.source.step == "3.3":
            continue
        yield from ((seen, hit) for hit in body.scan([facts.body.replace("\n", " ")[:4000]]) if facts.body)
        yield from ((seen, hit) for hit in console.scan([facts.error_text.replace("\n", " ")]) if facts.error_text)


def _judge_patterns(evidence: Evidence) -> Iterator[Finding]:
    for seen, facts in evidence.of(PatternFacts):
        if facts.ok:
            continue
        where = f"{facts.file}:{facts.line}" if facts.line else facts.file
        summary = f"{facts.pattern.replace('-', ' ').replace('.', ': ')} at {where}"
        yield fault(facts.cause, facts.weight, summary, proof(seen, facts.excerpt, where))
