"""What the repetition of a browser's handshake outside of it showed: the one change that cures, or that nothing but the browser fails."""

import re
from collections.abc import Iterator

from wsbook import attempt as labels
from wsbook.evidence import Evidence
from wsbook.facts import CookieFacts, SessionFacts, UpgradeFacts
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import Seen, say

__all__ = ["judge_difference", "judge_repeated"]

_CURES: dict[str, tuple[str, float, str]] = {
    labels.NO_ORIGIN: ("origin.not-in-allowlist", 0.94, "Origin {Origin} is refused, and the same request without Origin is accepted"),
    labels.OWN_ORIGIN: ("origin.not-in-allowlist", 0.95, "Origin {Origin} is refused, and the endpoint's own Origin is accepted"),
    labels.NO_EXTENSIONS: ("frame.compression-broken", 0.9, "the offer of {Sec-WebSocket-Extensions} is refused, and accepted without"),
    labels.NO_SUBPROTOCOL: ("subprotocol.mismatch", 0.9, "the offer of {Sec-WebSocket-Protocol} is refused, and accepted without"),
    labels.OUR_USER_AGENT: ("proxy.security-layer-blocks", 0.9, "the browser's User-Agent is refused, another one is accepted"),
    labels.FEWEST_HEADERS: ("proxy.security-layer-blocks", 0.6, "one of the browser's headers beyond the handshake's own is refused"),
    labels.ONLY_UPGRADE: ("backend.upgrade-header-exact-compare", 0.95, "Connection: {Connection} is refused, Upgrade alone is accepted"),
    labels.CONNECTION_LIST: (
        "backend.upgrade-header-exact-compare",
        0.6,
        "Connection: {Connection} is refused, with keep-alive accepted",
    ),
    labels.HOST_WITHOUT_PORT: ("origin.proxy-rewrites-host", 0.5, "Host {Host} is refused, and accepted without its port"),
}
"""The one change that cures → cause, confidence, words; a name in braces stands for the request's header."""

_LET_THROUGH = (
    (
        "SameSite",
        "Open the socket at the page's own site, or let the cookie travel:\n  Set-Cookie: {name}=…; Secure; HttpOnly; SameSite=None",
    ),
    ("another path", "Set the cookie for the socket's path too:\n  Set-Cookie: {name}=…; Path=/; HttpOnly"),
    ("not encrypted", "The cookie is Secure: open the socket as wss://, from a page over https://"),
)
"""Why a cookie was held back → what would let it through."""

_LARGE_BYTES = 4096
_TOO_LARGE = (400, 413, 431, 494)


def judge_repeated(evidence: Evidence) -> Iterator[Finding]:
    """Judge each browser's attempt against its repetitions; nothing where none was made."""
    for hop, url in dict.fromkeys((seen.source.hop, facts.url) for seen, facts in _of(evidence, "repeated")):
        made = [one for one in _of(evidence, "repeated") if (one[0].source.hop, one[1].url) == (hop, url)]
        exact = next((one for one in made if _label(one[0]) not in _ALL), None)
        if exact is None:
            continue
        variants = _variants(made)
        browser = next((one for one in _told(evidence, hop) if one[1].url == url), None)
        if exact[1].accepted and browser is not None and browser[1].accepted:
            yield from _judge_first_frames(evidence, exact, variants)
        elif exact[1].accepted and browser is not None and hop != "recording":  # what was recorded may be mended since
            yield from _judge_only_in_browser(browser, exact, variants.get(labels.WITH_HTTP2_OFFERED))
        elif not exact[1].accepted:
            yield from _judge_cures(evidence, exact, variants)


_ALL = frozenset(
    {*_CURES, labels.NO_COOKIES, labels.WITH_HELD_BACK, labels.WITHOUT_HEADLESS, labels.THE_SAME_AGAIN, labels.WITH_HTTP2_OFFERED}
)


def _of(evidence: Evidence, probe: str) -> list[Seen]:
    return [(seen, facts) for seen, facts in evidence.upgrades if seen.source.probe == probe]


def _told(evidence: Evidence, hop: str) -> list[Seen]:
    """Return the attempts that were repeated: of the browser of this name, or of recordings."""
    if hop == "recording":
        return [(seen, facts) for seen, facts in evidence.upgrades if seen.source.step == "1.2" and seen.source.artifact]
    return [one for one in _of(evidence, "browser") if one[0].source.hop == hop]


def _variants(made: list[Seen]) -> dict[str, Seen]:
    """Return the attempt with each change; of two with the same one the accepted."""
    found: dict[str, Seen] = {}
    for seen, facts in made:
        label = _label(seen)
        if label in _ALL and not (label in found and found[label][1].accepted):
            found[label] = (seen, facts)
    return found


def _label(seen: Observation) -> str:
    return seen.source.changed[-1] if seen.source.changed else ""


def _judge_cures(evidence: Evidence, exact: Seen, variants: dict[str, Seen]) -> Iterator[Finding]:
    seen, facts = exact
    before = proof(seen, f"the browser's request, repeated: {say(seen, facts)}")
    if (again := variants.get(labels.THE_SAME_AGAIN)) and again[1].accepted:
        words = f"the very same request is {say(seen, facts)} and then {say(*again)}: the outcome changes by itself"
        yield fault("cluster.no-sticky-session", 0.4, words, before, proof(again[0], say(*again)))
        return
    headless = variants.get(labels.WITHOUT_HEADLESS)
    if headless is not None and headless[1].accepted:
        words = "only a User-Agent that says Headless is refused, as this probe's browser does: people's browsers are not affected"
        yield unknown("proxy.security-layer-blocks", 0.4, words, before, proof(headless[0], say(*headless)))
    for label, (other, value) in variants.items():
        if not value.accepted:
            continue  # proves nothing: many servers refuse a missing Origin too
        after = proof(other, f"{label}: {say(other, value)}")
        if label == labels.NO_COOKIES:
            yield from _judge_without_cookies(facts, [before, after])
            continue
        if label == labels.WITH_HELD_BACK:
            yield _held_back(evidence, exact, before, after)
            continue
        if label not in _CURES or (label == labels.OUR_USER_AGENT and headless is not None and headless[1].accepted):
            continue
        slug, confidence, words = _CURES[label]
        sent = re.sub(r"\{([\w-]+)\}", lambda name: (facts.request_header(name[1]) or "none")[:80], words)
        yield fault(slug, confidence, f"{sent} ({say(seen, facts)})", before, after)


def _held_back(evidence: Evidence, exact: Seen, before: Proof, after: Proof) -> Finding:
    """The request was sent without its cookies and is accepted with them: say which, and what their attributes would have to be."""
    found = [facts for seen, facts in evidence.of(CookieFacts) if (seen.source.hop, facts.url) == (exact[0].source.hop, exact[1].url)]
    kept = [one for one in (found[-1].cookies if found else ()) if not one.sent and not one.other_host]
    names = ", ".join(f"{one.name} ({'; '.join(one.held_back)})" for one in kept[:4]) or "cookies"
    words = f"the browser held back {names}; with it the same request is accepted, without it {say(*exact)}"
    reasons = " ".join(reason for one in kept for reason in one.held_back)
    remedy = next((text for part, text in _LET_THROUGH if part in reasons), "").format(name=kept[0].name if kept else "session")
    return fault("auth.credential-not-sent", 0.97, words, before, after, remedy=remedy)


def _judge_without_cookies(facts: UpgradeFacts, proofs: list[Proof]) -> Iterator[Finding]:
    """A request that passes without its cookies was too large with them, or they name a login that is over."""
    size = sum(len(name) + len(value) + 4 for name, value in facts.request_headers)
    tells_size = (facts.status in _TOO_LARGE and facts.status != 400) or re.search(r"too (?:large|long|big)", facts.body, re.IGNORECASE)
    if tells_size or (facts.status in _TOO_LARGE and size > _LARGE_BYTES):
        yield fault("handshake.headers-too-large", 0.93, f"refused with {facts.status} with its cookies and accepted without them", *proofs)
    else:
        yield fault(
            "auth.token-expired-on-reconnect", 0.55, f"refused with {facts.status} with its cookies and accepted without them", *proofs
        )


def _judge_only_in_browser(browser: Seen, exact: Seen, modern: Seen | None) -> Iterator[Finding]:
    """The very same bytes are accepted outside: what is left is what only a browser does, or what changes from one moment to the next."""
    seen, facts = browser
    if seen.failure is not None and seen.failure.stage in ("browser", "tls", "resolve", "tcp", "proxy"):
        return
    proofs = [proof(seen, f"{seen.source.hop}: {say(seen, facts)}"), proof(exact[0], f"the same request outside of it: {say(*exact)}")]
    words = f"{seen.source.hop} was {say(seen, facts)}, and the very same request is accepted outside of it"
    if modern is not None and not modern[1].accepted and modern[1].tls is not None and modern[1].tls.alpn == "h2":
        chosen = f"{words} over HTTP/1.1; where HTTP/2 is offered it is chosen, and no socket opens"
        offers = seen.source.hop == "firefox"  # Chromium offers a socket's server HTTP/1.1 alone
        yield fault("tls.alpn-h2-negotiated", 0.9 if offers else 0.45, chosen, *proofs, proof(modern[0], say(*modern)))
    if facts.url.startswith("wss:"):
        yield unknown("net.tls-interception", 0.35, words, *proofs)
    yield unknown("proxy.security-layer-blocks", 0.35, words, *proofs)
    yield unknown("cluster.no-sticky-session", 0.2, words, *proofs)


def _judge_first_frames(evidence: Evidence, exact: Seen, variants: dict[str, Seen]) -> Iterator[Finding]:
    """The upgrade is accepted, the first frames break: compression, when they pass without the offer."""
    broken = [
        (seen, facts)
        for seen, facts in evidence.of(SessionFacts)
        if facts.url == exact[1].url and seen.source.probe == "browser" and facts.error_text
    ]
    plain = variants.get(labels.NO_EXTENSIONS)
    if not broken or plain is None or not _dies(exact[0]) or plain[1].first_message is None:
        return
    seen, facts = broken[-1]
    words = f"the first frame breaks with permessage-deflate ({facts.error_text[:80]}) and arrives without it"
    yield fault(
        "frame.compression-broken",
        0.93,
        words,
        proof(seen, facts.error_text),
        proof(plain[0], f"{labels.NO_EXTENSIONS}: a message of {len(plain[1].first_message)} characters"),
    )


def _dies(seen: Observation) -> bool:
    """Tell whether an accepted attempt ended before its first message."""
    return any(stage.name == "first-message" and not stage.ok and "ended at once" in stage.detail for stage in seen.stages)


def judge_difference(evidence: Evidence) -> Iterator[Finding]:
    """Does one browser open what the other does not? Whoever answers looks at something that only one of them does."""
    for seen, facts in _told(evidence, "firefox"):
        other = next((one for one in _told(evidence, "browser") if one[1].url == facts.url), None)
        if other is not None and other[1].accepted and facts.accepted:
            words = f"both browsers open {facts.url[:100]}"
            yield clear("backend.upgrade-header-exact-compare", words, proof(seen, say(seen, facts)), proof(other[0], say(*other)))
        if other is None or other[1].accepted == facts.accepted:
            continue
        failed, works = ((seen, facts), other) if other[1].accepted else (other, (seen, facts))
        words = f"{failed[0].source.hop} was {say(*failed)}, {works[0].source.hop} {say(*works)}"
        proofs = [proof(one[0], f"{one[0].source.hop}: {say(*one)}") for one in (failed, works)]
        if failed[0].failure is not None and failed[0].failure.stage in ("browser", "start", "page"):
            continue  # a policy of that browser, which the rules of browser.py judge
        if failed[1].http_version in ("2", "3"):
            yield fault("tls.alpn-h2-negotiated", 0.85, f"{words}: it asked over HTTP/{failed[1].http_version}", *proofs)
        else:
            yield fault("backend.upgrade-header-exact-compare", 0.45, words, *proofs)
            if facts.url.startswith("wss:"):
                yield fault("tls.alpn-h2-negotiated", 0.42, words, *proofs)
