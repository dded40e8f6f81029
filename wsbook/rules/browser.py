"""What the browser itself forbids before anything reaches the network: policies, mixed content, limits, cookies (area B)."""

import re
from collections.abc import Iterator

from wsbook.errors import UsageError
from wsbook.evidence import Evidence
from wsbook.facts import Cookie, CookieFacts, PageFacts, SessionFacts, UpgradeFacts
from wsbook.finding import Finding, Proof
from wsbook.observation import Observation, Reason
from wsbook.rules.make import clear, fault, proof, unknown
from wsbook.rules.outcome import Seen, say
from wsbook.target import Endpoint, parse_endpoint
from wsbook.wire.csp import Directive, forbidding

__all__ = ["judge_browser"]

_BLOCKED = (
    (r"ERR_BLOCKED_BY_LOCAL_NETWORK|LOCAL_NETWORK_ACCESS|PRIVATE_NETWORK|address is not allowed", "Local Network Access"),
    (r"ERR_BLOCKED_BY_CLIENT", "an extension or content blocker"),
    (r"ERR_BLOCKED_BY_ADMINISTRATOR", "the administrator's policy"),
    (r"ERR_BLOCKED_BY_\w+", "the browser"),
)
_LIMIT = re.compile(r"ERR_INSUFFICIENT_RESOURCES|Insufficient resources", re.IGNORECASE)
_SUSPENDING = ("freeze", "resume", "pagehide kept", "pageshow kept")
_NEAR_S = 1.0
_UNNAMED = (401, 403)
"""Statuses of an answer to somebody who is not known."""


def judge_browser(evidence: Evidence) -> Iterator[Finding]:
    """Judge what a browser did not let through, or held back."""
    pages = list(evidence.of(PageFacts))
    opened = [(seen, facts) for seen, facts in evidence.upgrades if seen.source.probe == "browser"]
    for page in pages:
        yield from _judge_csp(evidence, page, opened)
    for seen, facts in opened:
        if not facts.accepted:
            yield from _judge_block(evidence, (seen, facts), pages)
            yield from _judge_encrypted((seen, facts), pages)
    for seen, session in evidence.of(SessionFacts):
        if seen.source.probe == "browser":
            yield from _judge_lifecycle(seen, session, pages)
    for seen, cookies in evidence.of(CookieFacts):
        yield from _judge_cookies(opened, seen, cookies)


def _place(url: str) -> Endpoint | None:
    try:
        return parse_endpoint(url.partition("#")[0])
    except UsageError:
        return None


def _judge_csp(evidence: Evidence, page: tuple[Observation, PageFacts], opened: list[Seen]) -> Iterator[Finding]:
    seen, facts = page
    told = [v for v in facts.violations if v.enforced and v.url.startswith(("ws:", "wss:"))]
    for url in dict.fromkeys(violation.url for violation in told):
        policy = next(violation.policy for violation in told if violation.url == url)
        directive = forbidding(policy or facts.csp, url, facts.url) or forbidding(facts.csp, url, facts.url)
        words = str(directive) if directive else "connect-src"
        proofs = [proof(seen, f"the browser reports that {url[:100]} violates {words}"), *_outside(evidence, url)]
        yield fault(
            "browser.csp-connect-src",
            0.97,
            f"the page's policy forbids {url[:100]}: {words[:120]}",
            *proofs,
            remedy=_remedy(directive, url),
        )
    if told or not facts.csp:
        return
    if any(one.accepted and forbidding(facts.csp, one.url, facts.url) is None for _, one in opened):
        yield clear("browser.csp-connect-src", "the page's policy allows its sockets", proof(seen, facts.csp))
    elif evidence.target.url and facts.sockets == 0 and (directive := forbidding(facts.csp, evidence.target.url, facts.url)):
        words = f"the page's policy would forbid {evidence.target.url}: {str(directive)[:120]}; the page has not tried while it was watched"
        yield unknown("browser.csp-connect-src", 0.45, words, proof(seen, facts.csp))


def _remedy(directive: Directive | None, url: str) -> str:
    place = _place(url)
    if directive is None or place is None:
        return ""
    origin = f"{place.scheme}://{place.authority}"
    kept = [source for source in directive.sources if source.lower() != "'none'"]
    return f"Name the socket's origin in the page's Content-Security-Policy:\n- {directive}\n+ {' '.join(('connect-src', *kept, origin))}"


def _outside(evidence: Evidence, url: str) -> list[Proof]:
    """Return the proof that the same URL opens outside of the browser, where that was tried."""
    tried = [(seen, facts) for seen, facts in evidence.attempts() if facts.accepted and facts.url == url]
    return [proof(seen, f"outside of the browser: {say(seen, facts)}") for seen, facts in tried[:1]]


def _judge_block(evidence: Evidence, tried: Seen, pages: list[tuple[Observation, PageFacts]]) -> Iterator[Finding]:
    """Judge a socket that the browser refused by itself, from where it failed and in which words."""
    seen, facts = tried
    if seen.failure is None or seen.failure.stage != "browser":
        return
    text = f"{facts.error_text} {seen.failure.message}"
    proofs = [proof(seen, facts.error_text or seen.failure.message), *_outside(evidence, facts.url)]
    by = next((who for pattern, who in _BLOCKED if re.search(pattern, text, re.IGNORECASE)), "")
    if _LIMIT.search(text):
        most = max((page.sockets for _, page in pages), default=0)
        count = f"; the page has opened {most} sockets" if most else ""
        yield fault("browser.connection-limit", 0.95, f"the browser has no room for another socket{count}", *proofs)
    elif by:
        yield fault("browser.blocked-by-policy", 0.95, f"{by} keeps the page from {facts.url[:100]}", *proofs)
    elif seen.failure.reason is Reason.NOT_PERMITTED and _is_mixed(facts, pages):
        yield fault("endpoint.mixed-content", 0.96, f"an https page opens {facts.url[:100]}, and the browser refuses", *proofs)


def _judge_encrypted(tried: Seen, pages: list[tuple[Observation, PageFacts]]) -> Iterator[Finding]:
    """Judge a plain URL that a policy made encrypted: what is behind it may not speak TLS."""
    seen, facts = tried
    page = next((one for one in pages if facts.url in one[1].encrypted), None)
    if page is None or seen.failure is None or seen.failure.stage not in ("tcp", "tls", "upgrade"):
        return
    plain = facts.url.replace("wss:", "ws:", 1)
    words = f"the page asks for {plain[:100]}, its policy upgrade-insecure-requests makes it wss, which fails: {seen.failure.reason.value}"
    yield fault(
        "endpoint.tls-to-plain-port",
        0.9,
        words,
        proof(seen, seen.failure.message),
        proof(page[0], page[1].csp or "upgrade-insecure-requests"),
    )


def _judge_lifecycle(seen: Observation, session: SessionFacts, pages: list[tuple[Observation, PageFacts]]) -> Iterator[Finding]:
    """Judge a socket that broke without a closing handshake just when its page was frozen, left or restored."""
    if session.ended != "unknown" or session.age_s is None:
        return
    ended = seen.observed_at.timestamp() + session.age_s
    for page, facts in pages:
        near = [name for name, at in facts.lifecycle if name in _SUSPENDING and abs(at - ended) <= _NEAR_S]
        if near and page.source.hop == seen.source.hop:
            words = f"the socket broke without a close frame within {_NEAR_S:g} s of the page's {near[0]}"
            yield fault(
                "browser.page-lifecycle-kill", 0.7, words, proof(seen, session.error_text or "no close frame"), proof(page, near[0])
            )


def _is_mixed(facts: UpgradeFacts, pages: list[tuple[Observation, PageFacts]]) -> bool:
    """Tell whether an encrypted page opened a plain socket to a host that browsers do not trust anyway (W3C mixed content)."""
    place = _place(facts.url)
    secure = any(page.url.startswith("https:") for _, page in pages)
    return secure and place is not None and place.scheme == "ws" and not place.is_loopback and "Content Security" not in facts.error_text


def _judge_cookies(opened: list[Seen], seen: Observation, cookies: CookieFacts) -> Iterator[Finding]:
    """Judge what was held back from a handshake that was refused; from one that was accepted nothing was missed."""
    tried = [one for one in opened if one[1].url == cookies.url and one[0].source.hop == seen.source.hop]
    if not tried or not cookies.cookies:
        return
    upgrade, facts = tried[-1]
    kept = cookies.held_back or tuple(cookie for cookie in cookies.cookies if not cookie.sent)
    if facts.accepted or not kept:
        sent = sum(cookie.sent for cookie in cookies.cookies)
        if facts.accepted and sent:
            yield clear(
                "auth.credential-not-sent",
                f"{sent} of {len(cookies.cookies)} cookies went with the accepted handshake",
                proof(seen, _names(cookies.cookies)),
            )
        return
    words = f"the browser held back {_names(kept)}; the handshake was {say(upgrade, facts)}"
    proofs = [proof(seen, f"held back: {_names(kept)}"), proof(upgrade, say(upgrade, facts))]
    if facts.status in _UNNAMED and cookies.held_back:
        yield fault("auth.credential-not-sent", 0.6, words, *proofs, remedy=_cookie_remedy(kept, cookies.url))
    elif facts.status is not None:
        yield unknown("auth.credential-not-sent", 0.3, words, *proofs)


def _names(cookies: tuple[Cookie, ...]) -> str:
    return ", ".join(f"{cookie.name} ({'; '.join(cookie.held_back)})" if cookie.held_back else cookie.name for cookie in cookies[:5])


def _cookie_remedy(kept: tuple[Cookie, ...], url: str) -> str:
    """Say what would let these cookies through; "" leaves it to the catalogue."""
    reasons = " ".join(reason for cookie in kept for reason in cookie.held_back)
    if "not encrypted" in reasons and url.startswith("ws:"):
        return f"Open the socket encrypted, as the cookie demands: {url.replace('ws:', 'wss:', 1)[:200]}"
    return ""
