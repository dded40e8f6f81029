"""What programs printed, what source says, what browsers reported: texts that stand for causes by themselves."""

import re
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
from wsbook.rules.outcome import baseline, cured_by_origin, is_unequipped, reached_upstream, same_answer
from wsbook.rules.own_traces import BY_ODD_MESSAGES, names_our_origin, only_ours, provoked
from wsbook.rules.page_dialect import sockets_alone
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
        "backend.exception-kills-broadcast",
    }
)
"""Causes that keep a broadcast from somebody: one that reached everybody outranks them. A task that died is none: what we set off may be
sent by another."""

_UNANSWERED_SLUGS = frozenset(
    {"endpoint.tls-to-plain-port", "net.dns-wrong", "net.ipv6", "net.not-listening-outside", "net.firewall-filtered", "tls.sni-missing"}
    | {"tls.version-or-cipher-mismatch", "tls.client-cert-requested", "endpoint.localhost-or-internal-address", "handshake.timeout"}
)
"""Causes that leave an upgrade without any HTTP answer: one that came, whatever it says, outranks them."""

_LIKELY = 0.2
"""Below this a text only hints: it is listed as unknown."""
_CURED = "an upgrade with another Origin succeeds now"
_OURS = "messages of ours may have left it"
_STATUS_ALONE = 0.45
"""What a status is worth that a browser tells of an attempt of ours: the answer itself says more."""
_ASIDE = 0.1
"""What a text is worth that tells of other requests than those of WebSockets."""
_ANSWERED = re.compile(r'HTTP/\d(?:\.\d)?" (\d{3})\b')


_DROPPED_SLUGS = frozenset(
    {"proxy.upgrade-header-missing", "proxy.set-header-inheritance-lost", "proxy.http-1.0-upstream", "proxy.hop-lacks-websocket-support"}
)
"""Causes of which a proxy is one: it drops what belongs to the upgrade."""


def judge_texts(evidence: Evidence) -> Iterator[Finding]:
    """Judge signatures in logs, console and bodies, source patterns, and the console of a page that was opened."""
    disproved, alike = _disproved(evidence), _refused_alike(evidence)
    ours, own, aside, cured = only_ours(evidence), provoked(evidence), asides(evidence), cured_by_origin(evidence)

    def measured(slug: str) -> str:
        return alike(slug) or (_CURED if cured and _precedes(slug) else "")

    for seen, facts in evidence.of(SignatureFacts):
        ours_alone = ours(facts.times, facts.marks, _status_in(facts.text)) or names_our_origin(facts.text)
        for slug, weight in () if ours_alone else facts.causes:
            against = disproved(slug) or (_OURS if slug in own and not facts.times else "") or measured(slug)
            likely = min(weight, _ASIDE) if _connects(slug) and aside(seen, facts, slug) else weight
            yield _printed(seen, facts.text, facts.count, slug, likely, against)
    refused_there = any(seen.source.probe == "browser" and not facts.accepted for seen, facts in evidence.upgrades)
    for seen, hit in _live_hits(evidence):
        for slug, weight in hit.signature.causes:
            counts = refused_there and seen.source.probe == "browser"  # what fails in the browser today is not disproved outside of it
            counts = counts and slug != "endpoint.tls-to-plain-port"  # but for what the port speaks
            likely = min(weight, _STATUS_ALONE) if _tells_status(hit) else weight
            against = ("" if counts else disproved(slug)) or measured(slug)
            yield _printed(seen, hit.text, 1, slug, likely, against)
    yield from _judge_patterns(evidence, disproved)


def _tells_status(hit: Hit) -> bool:
    """Whether a text of a client tells the status of an answer, which we have ourselves, and no more."""
    return hit.signature.id.startswith("chrome-status-")


def _status_in(text: str) -> int:
    """Return the HTTP status of an access log's line, 0 in any other text."""
    found = _ANSWERED.search(text)
    return int(found[1]) if found else 0


def _disproved(evidence: Evidence) -> Callable[[str], str]:
    """Return what today's measurements say against a cause, "" nothing. Our own experiments leave refusals in the logs too."""
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

    alone = sockets_alone(evidence, "engine.io") or sockets_alone(evidence, "signalr")

    def disproved(slug: str) -> str:
        if leads_on and slug == "proxy.forwarded-headers-wrong":
            return "the redirect leads to where the upgrade is accepted"
        if shocked and slug in BY_ODD_MESSAGES:
            return "a message of ours, which is none of the application's, ended a socket"
        if reached and slug == "proxy.upstream-unreachable":
            return "the upstream was reached"
        if speaks_tls and slug == "endpoint.tls-to-plain-port":
            return "the port speaks TLS"
        if certificate_seen and slug.startswith("tls."):
            return "the certificate itself was looked at"
        if answered and slug in _UNANSWERED_SLUGS:
            return "an upgrade is answered now"
        if slug == "cluster.no-sticky-session" and alone:
            return "the page's client begins by a WebSocket, which is one request"
        if opens and _connects(slug):
            return "an upgrade succeeds now"
        if carries and slug in _FRAME_SLUGS:
            return "frames pass unharmed now"
        return "a broadcast reaches everybody now" if reaches_all and slug in _BROADCAST_SLUGS else ""

    return disproved


def _refused_alike(evidence: Evidence) -> Callable[[str], str]:
    """Return the question what speaks against a proxy that drops headers: behind it, the complete request is refused in the same way."""
    outer = baseline(evidence)
    inner = baseline(evidence, evidence.target.hops[0].name) if evidence.target.hops else None
    alike = outer is not None and inner is not None and not inner[1].accepted and same_answer(outer[1], inner[1])
    return lambda slug: "the application itself refuses the complete request alike" if alike and slug in _DROPPED_SLUGS else ""


def _connects(slug: str) -> bool:
    """Tell whether a cause keeps upgrades from succeeding: an open door keeps nobody out."""
    if slug == "origin.not-checked":
        return False
    return slug in _CONNECT_SLUGS or slug.startswith(_CONNECT_PREFIXES) or cause(slug).step in _CONNECT_STEPS


def _precedes(slug: str) -> bool:
    """Tell whether what keeps upgrades out lets them through where another Origin is accepted; a filter may look at Origin as well."""
    return _connects(slug) and slug != "proxy.security-layer-blocks" and not slug.startswith("origin.")


def _printed(seen: Observation, text: str, count: int, slug: str, weight: float, against: str) -> Finding:
    """Return what a text stands for; against: what was measured and speaks against it, "" nothing."""
    times = f" ({count} times)" if count > 1 else ""
    summary = f"{_speaker(seen)}: “{text[:150]}”{times}"
    if slug == "redherring.not-a-fault":
        return clear(slug, f"{summary}, which is harmless", proof(seen, text))
    if against:
        return unknown(slug, 0.0, f"{summary}, and {against}", proof(seen, text))
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


def _judge_patterns(evidence: Evidence, disproved: Callable[[str], str]) -> Iterator[Finding]:
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
