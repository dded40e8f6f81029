"""What programs printed, what source says, what browsers reported: texts that stand for causes by themselves."""

from collections.abc import Callable, Iterator
from pathlib import Path

from wsbook.causes import cause
from wsbook.evidence import Evidence
from wsbook.facts import (
    BroadcastFacts,
    EchoFacts,
    FramingFacts,
    PageFacts,
    PatternFacts,
    RedirectFacts,
    SignatureFacts,
    SizeFacts,
    TlsScanFacts,
    UpgradeFacts,
)
from wsbook.finding import PROVEN, Finding
from wsbook.observation import Observation
from wsbook.rules.aside import asides
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import baseline, is_unequipped, reached_upstream
from wsbook.rules.own_traces import only_ours, provoked
from wsbook.signatures import Hit, matcher

__all__ = ["judge_texts"]

_CONNECT_STEPS = frozenset({"1.1", "1.3", "2.1", "3.3"})
_CONNECT_PREFIXES = ("handshake.", "auth.", "subprotocol.", "proxy.apache", "proxy.forwarded", "proxy.h2", "proxy.hop-lacks", "proxy.http")
_CONNECT_SLUGS = frozenset(
    {"proxy.upgrade-header-missing", "proxy.upstream-unreachable", "proxy.ws-location-missing", "proxy.path-rewrite-wrong"}
    | {"proxy.websocket-support-disabled", "proxy.set-header-inheritance-lost", "proxy.security-layer-blocks"}
    | {"proxy.version-regression", "backend.wrong-server-type", "backend.ws-library-missing", "backend.middleware-breaks-upgrade"}
    | {"backend.upgrade-header-exact-compare", "backend.multiple-upgrade-handlers"}
    | {"load.rate-limited", "load.connection-cap"}
)
"""Causes that keep an upgrade from succeeding: one that is accepted now outranks what a log says of others."""
_FRAME_SLUGS = frozenset({"frame.compression-broken", "frame.protocol-violation", "message.format-mismatch"})
"""Causes that keep frames from passing: unharmed echoes outrank them."""
_BROADCAST_SLUGS = frozenset(
    {
        "cluster.no-pubsub-across-workers",
        "cluster.pubsub-misconfigured",
        "backend.background-task-died",
        "backend.exception-kills-broadcast",
    }
)
"""Causes that keep a broadcast from somebody: one that reached everybody outranks them."""

_UNANSWERED_SLUGS = frozenset(
    {"endpoint.tls-to-plain-port", "net.dns-wrong", "net.ipv6", "net.not-listening-outside", "net.firewall-filtered", "tls.sni-missing"}
    | {"tls.version-or-cipher-mismatch", "tls.client-cert-requested", "endpoint.localhost-or-internal-address", "handshake.timeout"}
)
"""Causes that leave an upgrade without any HTTP answer: one that came, whatever it says, outranks them."""

_LIKELY = 0.2
"""Below this a text only hints: it is listed as unknown."""
_STATUS_ALONE = 0.45
"""What a status is worth that a browser tells of an attempt of ours: the answer itself says more."""
_ASIDE = 0.1
"""What a text is worth that tells of other requests than those of WebSockets."""


def judge_texts(evidence: Evidence) -> Iterator[Finding]:
    """Judge signatures in logs, console and bodies, source patterns, and the console of a page that was opened."""
    disproved = _disproved(evidence)
    ours, own, aside = only_ours(evidence), provoked(evidence), asides(evidence)
    for seen, facts in evidence.of(SignatureFacts):
        for slug, weight in () if ours(facts.times, facts.marks) else facts.causes:
            outranked = disproved(slug) or (slug in own and not facts.times)
            likely = min(weight, _ASIDE) if _connects(slug) and aside(seen, facts, slug) else weight
            yield _printed(seen, facts.text, facts.count, slug, likely, outranked=outranked)
    refused_there = any(seen.source.probe == "browser" and not facts.accepted for seen, facts in evidence.upgrades)
    for seen, hit in _live_hits(evidence):
        for slug, weight in hit.signature.causes:
            counts = refused_there and seen.source.probe == "browser"  # what fails in the browser today is not disproved outside of it
            counts = counts and slug != "endpoint.tls-to-plain-port"  # but for what the port speaks
            likely = min(weight, _STATUS_ALONE) if _tells_status(hit) else weight
            yield _printed(seen, hit.text, 1, slug, likely, outranked=disproved(slug) and not counts)
    yield from _judge_patterns(evidence, disproved)


def _tells_status(hit: Hit) -> bool:
    """Whether a text of a client tells the status of an answer, which we have ourselves, and no more."""
    return hit.signature.id.startswith("chrome-status-")


def _disproved(evidence: Evidence) -> Callable[[str], bool]:
    """Return the question whether today's measurements speak against a cause. Our own experiments leave refusals in the logs too."""
    tried = baseline(evidence)
    opens = tried is not None and tried[1].accepted
    answered = tried is not None and tried[1].status is not None
    certificate_seen = tried is not None and tried[1].tls is not None and tried[1].tls.verify_code is not None
    broadcasts = [facts for _, facts in evidence.of(BroadcastFacts)]
    reaches_all = bool(broadcasts) and not any(one.missed or one.duplicated for facts in broadcasts for one in facts.subscribers)
    carries = any(facts.echoes and all(trial.ok for trial in facts.trials) for _, facts in evidence.of(EchoFacts))

    shocked = any("ended" in trial.detail for _, facts in evidence.of(EchoFacts) for trial in facts.trials)
    shocked = shocked or any(facts.ended_by for _, facts in evidence.of(FramingFacts))
    shocked = shocked or any(facts.refused_bytes is not None for _, facts in evidence.of(SizeFacts))

    speaks_tls = any(facts.tls is not None for _, facts in evidence.of(TlsScanFacts)) or any(
        facts.tls is not None and facts.tls.version for seen, facts in evidence.upgrades if seen.source.hop == "endpoint"
    )
    reached = reached_upstream(evidence) is not None
    leads_on = any(facts.ended == "accepted" for _, facts in evidence.of(RedirectFacts))

    def disproved(slug: str) -> bool:
        if leads_on and slug == "proxy.forwarded-headers-wrong":
            return True  # the redirect leads to where the upgrade is accepted, not to itself
        if shocked and slug == "backend.exception-in-handler":
            return True  # our own message, which is none of the application's, ended the socket
        if reached and slug == "proxy.upstream-unreachable":
            return True
        if speaks_tls and slug == "endpoint.tls-to-plain-port":
            return True
        if certificate_seen and slug.startswith("tls."):
            return True  # rules/tls.py has judged the certificate itself
        if answered and slug in _UNANSWERED_SLUGS:
            return True
        return (opens and _connects(slug)) or (carries and slug in _FRAME_SLUGS) or (reaches_all and slug in _BROADCAST_SLUGS)

    return disproved


def _connects(slug: str) -> bool:
    """Tell whether a cause keeps upgrades from succeeding: an open door keeps nobody out."""
    if slug == "origin.not-checked":
        return False
    return slug in _CONNECT_SLUGS or slug.startswith(_CONNECT_PREFIXES) or cause(slug).step in _CONNECT_STEPS


def _printed(seen: Observation, text: str, count: int, slug: str, weight: float, *, outranked: bool) -> Finding:
    times = f" ({count} times)" if count > 1 else ""
    summary = f"{_speaker(seen)}: “{text[:150]}”{times}"
    if slug == "redherring.not-a-fault":
        return clear(slug, f"{summary}, which is harmless", proof(seen, text))
    if outranked:
        return unknown(slug, 0.0, f"{summary}, and an upgrade succeeds now", proof(seen, text))
    return (fault if weight >= _LIKELY else unknown)(slug, weight, summary, proof(seen, text))


def _speaker(seen: Observation) -> str:
    """Say where a text was found."""
    if isinstance(seen.facts, UpgradeFacts):
        return f"the answer at {seen.source.hop or 'the endpoint'} says"
    return (
        f"{Path(seen.source.artifact).name}:{seen.source.line} says"
        if seen.source.artifact
        else f"{seen.source.hop or seen.source.probe} says"
    )


def _live_hits(evidence: Evidence) -> Iterator[tuple[Observation, Hit]]:
    """Find known texts in answers' bodies, browsers' errors and consoles that no parser has searched."""
    console, body = matcher("browser_console"), matcher("body")
    for seen, page in evidence.of(PageFacts, where=lambda one: not is_unequipped(evidence, one)):
        lines = [text.replace("\n", " ") for level, text in page.console if level in ("error", "warning", "warn")]
        yield from ((seen, hit) for hit in console.scan(lines))
    for seen, facts in evidence.upgrades:
        if facts.accepted or seen.source.changed or seen.source.step == "3.3" or is_unequipped(evidence, seen):
            continue
        yield from ((seen, hit) for hit in body.scan([facts.body.replace("\n", " ")[:4000]]) if facts.body)
        yield from ((seen, hit) for hit in console.scan([facts.error_text.replace("\n", " ")]) if facts.error_text)


def _judge_patterns(evidence: Evidence, disproved: Callable[[str], bool]) -> Iterator[Finding]:
    """Source shows what could go wrong; where it was tried and did not, or the pattern is weak, it stays a possibility."""
    for seen, facts in evidence.of(PatternFacts):
        if facts.ok:
            continue
        where = f"{facts.file}:{facts.line}" if facts.line else facts.file
        words = facts.note.rstrip(".") or facts.pattern.replace("-", " ").replace("_", " ").replace(".", ": ")
        summary = f"{Path(facts.file).name}{f':{facts.line}' if facts.line else ''}: {words}"
        if disproved(facts.cause):
            yield unknown(facts.cause, 0.0, f"{summary}; tried today, it did not show", proof(seen, facts.excerpt, where))
        else:
            yield (fault if facts.weight >= PROVEN else unknown)(facts.cause, facts.weight, summary, proof(seen, facts.excerpt, where))
