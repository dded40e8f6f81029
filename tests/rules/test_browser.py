"""What browsers forbid, and what the repetition of their handshake shows: fault, clear, boundary, evidence missing."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace
from observations import TARGET, answer, findings, roots, seen, verdicts

from wsbook import attempt as labels
from wsbook.evidence import Evidence
from wsbook.facts import Cookie, CookieFacts, PageFacts, SessionFacts, TlsFacts, UpgradeFacts, Violation
from wsbook.finding import StepVerdict, Verdict
from wsbook.observation import Failure, Observation, Reason, Stage
from wsbook.rules.browser import judge_browser
from wsbook.rules.repeated import judge_difference, judge_repeated
from wsbook.rules.verdicts import judge_steps

URL = TARGET.url
SENT = (("Host", "shop.test"), ("Origin", "http://shop.test"), ("Connection", "Upgrade"), ("Cookie", "session=***"))


def page(url: str = "http://shop.test/", **fields: Any) -> Observation:
    return seen(PageFacts(url=url, browser="Chromium 156", status=200, **fields), step="1.2", probe="browser", hop="browser")


def blocked(text: str, url: str = URL, stage: str = "browser", reason: Reason = Reason.NOT_PERMITTED) -> Observation:
    failure = Failure(stage=stage, reason=reason, message=text)
    return seen(UpgradeFacts(url=url, accepted=False, error_text=text), step="1.2", probe="browser", hop="browser", failure=failure)


def tried(status: int, changed: str = "", *, probe: str = "repeated", hop: str = "browser", **fields: Any) -> Observation:
    return answer(status, step="1.2", probe=probe, hop=hop, changed=changed, url=URL, request_headers=SENT, **fields)


def browser(status: int, **fields: Any) -> Observation:
    return tried(status, probe="browser", **fields)


def cookies(*kept: Cookie) -> Observation:
    return seen(CookieFacts(url=URL, cookies=kept), step="1.2", probe="browser", hop="browser")


def cookie(sent: bool = False, elsewhere: bool = False) -> Cookie:
    return Cookie(name="session", domain="shop.test", path="/", sent=sent, held_back=() if sent else ("SameSite=Lax",), elsewhere=elsewhere)


WSS = "wss://shop.test/ws"


def refused_tls(url: str) -> Observation:
    return blocked("net::ERR_SSL_PROTOCOL_ERROR", url, "tls", Reason.TLS_NOT_SPOKEN)


def broke(opened_at: float, age_s: float, ended: str = "unknown") -> Observation:
    session = seen(SessionFacts(url=URL, ended=ended, age_s=age_s), step="1.2", probe="browser", hop="browser")
    return replace(session, observed_at=datetime.fromtimestamp(opened_at, UTC))


def verdict(slug: str, *observations: Observation) -> str:
    """Return what the rules of this file alone say of a cause."""
    evidence = Evidence(TARGET, observations)
    own = [one for rule in (judge_browser, judge_repeated, judge_difference) for one in rule(evidence)]
    found = [one for one in own if one.cause == slug]
    return found[0].verdict.value if found else "nothing"


def violation(enforced: bool = True, url: str = URL) -> Violation:
    return Violation(directive="connect-src", url=url, enforced=enforced, policy="connect-src 'self'")


@pytest.mark.parametrize(
    ("slug", "observations", "expected"),
    [
        # Content-Security-Policy
        ("browser.csp-connect-src", [page(csp="connect-src 'none'", violations=(violation(),))], "fault"),
        ("browser.csp-connect-src", [page(csp_report_only="connect-src 'none'", violations=(violation(False),))], "nothing"),
        ("browser.csp-connect-src", [page(violations=(violation(url="https://elsewhere.test/x"),))], "nothing"),
        ("browser.csp-connect-src", [page(csp="connect-src ws:", sockets=1), browser(101)], "clear"),
        ("browser.csp-connect-src", [page(csp="connect-src 'none'")], "unknown"),
        ("browser.csp-connect-src", [page(csp="connect-src 'self'")], "nothing"),
        ("browser.csp-connect-src", [page()], "nothing"),
        # mixed content
        ("endpoint.mixed-content", [page("https://shop.test/"), blocked("SecurityError: insecure")], "fault"),
        ("endpoint.mixed-content", [page("https://shop.test/"), blocked("SecurityError", "ws://127.0.0.1:1/ws")], "nothing"),
        ("endpoint.mixed-content", [page("https://shop.test/"), blocked("SecurityError", "wss://shop.test/ws")], "nothing"),
        ("endpoint.mixed-content", [page(), blocked("SecurityError: something")], "nothing"),
        ("endpoint.mixed-content", [page("https://shop.test/")], "nothing"),
        # blocked by the browser itself
        ("browser.blocked-by-policy", [blocked("net::ERR_BLOCKED_BY_LOCAL_NETWORK_ACCESS_CHECKS")], "fault"),
        ("browser.blocked-by-policy", [blocked("net::ERR_BLOCKED_BY_CLIENT")], "fault"),
        ("browser.blocked-by-policy", [blocked("net::ERR_BLOCKED_BY_SOMETHING_NEW")], "fault"),
        ("browser.blocked-by-policy", [blocked("net::ERR_CONNECTION_REFUSED", stage="tcp", reason=Reason.REFUSED)], "nothing"),
        ("browser.blocked-by-policy", [browser(101)], "nothing"),
        # too many sockets
        ("browser.connection-limit", [page(sockets=256), blocked("Insufficient resources")], "fault"),
        ("browser.connection-limit", [blocked("net::ERR_INSUFFICIENT_RESOURCES")], "fault"),
        ("browser.connection-limit", [page(sockets=254), browser(101)], "nothing"),
        ("browser.connection-limit", [page(sockets=300)], "nothing"),
        # a policy that encrypts
        ("endpoint.tls-to-plain-port", [page(encrypted=(WSS,)), refused_tls(WSS)], "fault"),
        ("endpoint.tls-to-plain-port", [page(), refused_tls(WSS)], "nothing"),
        ("endpoint.tls-to-plain-port", [page(encrypted=(WSS,)), blocked("net::ERR_BLOCKED_BY_CLIENT", WSS)], "nothing"),
        ("endpoint.tls-to-plain-port", [page(encrypted=(WSS,))], "nothing"),
        # frozen and restored pages
        ("browser.page-lifecycle-kill", [page(lifecycle=(("freeze", 1010.5),)), broke(1000.0, 10.0)], "fault"),
        ("browser.page-lifecycle-kill", [page(lifecycle=(("freeze", 1012.0),)), broke(1000.0, 10.0)], "nothing"),
        ("browser.page-lifecycle-kill", [page(lifecycle=(("hidden", 1010.0),)), broke(1000.0, 10.0)], "nothing"),
        ("browser.page-lifecycle-kill", [page(lifecycle=(("freeze", 1010.0),)), broke(1000.0, 10.0, "close")], "nothing"),
        ("browser.page-lifecycle-kill", [page(lifecycle=(("freeze", 1010.0),))], "nothing"),
        # cookies
        ("auth.credential-not-sent", [browser(403), cookies(cookie())], "fault"),
        ("auth.credential-not-sent", [browser(101), cookies(cookie(sent=True))], "clear"),
        ("auth.credential-not-sent", [browser(101), cookies(cookie())], "nothing"),
        ("auth.credential-not-sent", [browser(404), cookies(cookie())], "unknown"),
        ("auth.credential-not-sent", [browser(403), cookies(cookie(elsewhere=True))], "unknown"),
        ("auth.credential-not-sent", [cookies(cookie())], "nothing"),
    ],
)
def test_what_a_browser_forbids(slug: str, observations: list[Observation], expected: str) -> None:
    assert verdict(slug, *observations) == expected


@pytest.mark.parametrize(
    ("label", "slug"),
    [
        (labels.NO_ORIGIN, "origin.not-in-allowlist"),
        (labels.OWN_ORIGIN, "origin.not-in-allowlist"),
        (labels.WITH_HELD_BACK, "auth.credential-not-sent"),
        (labels.NO_EXTENSIONS, "frame.compression-broken"),
        (labels.NO_SUBPROTOCOL, "subprotocol.mismatch"),
        (labels.OUR_USER_AGENT, "proxy.security-layer-blocks"),
        (labels.ONLY_UPGRADE, "backend.upgrade-header-exact-compare"),
        (labels.NO_COOKIES, "auth.token-expired-on-reconnect"),
    ],
)
def test_the_one_change_that_cures_names_the_cause(label: str, slug: str) -> None:
    cured = [browser(403), tried(403), tried(101, label)]
    assert roots(*cured)[0] == slug
    assert verdict(slug, browser(403), tried(403), tried(403, label)) == "nothing", "the change cures nothing"
    assert verdict(slug, browser(403), tried(101, label)) == "nothing", "the repetition is missing"
    assert verdict(slug, browser(403), tried(403), tried(401, label)) == "nothing", "the change changes the answer and cures nothing"


@pytest.mark.parametrize(
    ("status", "body", "cookie_bytes", "slug"),
    [
        (431, "", 100, "handshake.headers-too-large"),
        (400, "Request Header Or Cookie Too Large", 100, "handshake.headers-too-large"),
        (400, "", 9000, "handshake.headers-too-large"),
        (400, "", 100, "auth.token-expired-on-reconnect"),
        (403, "", 9000, "auth.token-expired-on-reconnect"),
    ],
)
def test_cookies_are_too_large_or_out_of_date(status: int, body: str, cookie_bytes: int, slug: str) -> None:
    headers = (("Host", "shop.test"), ("Cookie", "x" * cookie_bytes))
    exact = answer(status, step="1.2", probe="repeated", hop="browser", url=URL, request_headers=headers, body=body)
    assert roots(exact, tried(101, labels.NO_COOKIES))[0] == slug


def test_an_outcome_that_changes_by_itself_cures_nothing() -> None:
    cured = [browser(403), tried(403), tried(101, labels.NO_ORIGIN)]
    assert verdict("origin.not-in-allowlist", *cured, tried(403, labels.THE_SAME_AGAIN), tried(403, labels.THE_SAME_AGAIN)) == "fault"
    assert verdict("origin.not-in-allowlist", *cured, tried(101, labels.THE_SAME_AGAIN), tried(403, labels.THE_SAME_AGAIN)) == "nothing"


@pytest.mark.parametrize(("headless", "expected"), [(101, "unknown"), (403, "fault")])
def test_a_filter_that_knows_headless_browsers_hurts_nobody_else(headless: int, expected: str) -> None:
    tries = [browser(403), tried(403), tried(headless, labels.WITHOUT_HEADLESS), tried(101, labels.OUR_USER_AGENT)]
    assert verdict("proxy.security-layer-blocks", *tries) == expected


@pytest.mark.parametrize(
    ("hop", "alpn", "accepted", "expected"),
    [("firefox", "h2", False, 0.9), ("browser", "h2", False, 0.45), ("firefox", "http/1.1", False, 0.0), ("firefox", "h2", True, 0.0)],
)
def test_http2_is_chosen_where_a_browser_offers_it(hop: str, alpn: str, accepted: bool, expected: float) -> None:
    failure = Failure(stage="upgrade", reason=Reason.RESET, message="reset")
    told = seen(UpgradeFacts(url=WSS, accepted=False), step="1.2", probe="browser", hop=hop, failure=failure)
    exact = seen(UpgradeFacts(url=WSS, accepted=True, status=101), step="1.2", probe="repeated", hop=hop)
    modern = UpgradeFacts(url=WSS, accepted=accepted, tls=TlsFacts(server_name="shop.test", alpn=alpn))
    other = seen(modern, step="1.2", probe="repeated", hop=hop, changed=labels.WITH_HTTP2_OFFERED)
    found = [one for one in judge_repeated(Evidence(TARGET, [told, exact, other])) if one.cause == "tls.alpn-h2-negotiated"]
    assert [one.confidence for one in found] == ([expected] if expected else [])


def test_what_only_the_browser_fails_is_left_open() -> None:
    found = findings(browser(403), tried(101))
    assert {one.cause for one in found if one.verdict is Verdict.UNKNOWN} >= {"proxy.security-layer-blocks"}
    assert not [one for one in findings(browser(101), tried(101)) if one.verdict in (Verdict.FAULT, Verdict.UNKNOWN)]


def test_a_recording_that_hides_credentials_is_no_exact_repetition() -> None:
    lost = "without cookie, hidden in the recording"
    first = tried(101, lost, hop="recording")
    assert "proxy.security-layer-blocks" not in {one.cause for one in findings(first)}


def opened(changed: str, message: str | None, detail: str = "") -> Observation:
    facts = UpgradeFacts(url=URL, accepted=True, status=101, request_headers=SENT, first_message=message)
    stage = Stage(name="first-message", started_s=0.0, duration_s=0.01, ok=message is not None, detail=detail)
    return replace(seen(facts, step="1.2", probe="repeated", hop="browser", changed=changed), stages=(stage,))


@pytest.mark.parametrize(
    ("error", "with_offer", "without", "expected"),
    [
        ("Invalid frame header", opened("", None, "the connection ended at once: fin"), opened(labels.NO_EXTENSIONS, "hello"), "fault"),
        ("Invalid frame header", opened("", "hello"), opened(labels.NO_EXTENSIONS, "hello"), "nothing"),
        ("Invalid frame header", opened("", None, "ended at once: fin"), opened(labels.NO_EXTENSIONS, None), "nothing"),
        ("", opened("", None, "ended at once: fin"), opened(labels.NO_EXTENSIONS, "hello"), "nothing"),
    ],
)
def test_compression_breaks_the_first_frame(error: str, with_offer: Observation, without: Observation, expected: str) -> None:
    session = seen(SessionFacts(url=URL, ended="unknown", error_text=error), step="1.2", probe="browser", hop="browser")
    found = [one for one in findings(browser(101), session, with_offer, without) if one.cause == "frame.compression-broken"]
    own = [one for one in found if one.confidence > 0.9]
    assert ("fault" if own else "nothing") == expected


def firefox(status: int, **fields: Any) -> Observation:
    return tried(status, probe="browser", hop="firefox", **fields)


def over_http2(status: int) -> Observation:
    facts = UpgradeFacts(url=URL, accepted=False, status=status, http_version="2")
    return seen(facts, step="1.2", probe="browser", hop="firefox")


@pytest.mark.parametrize(
    ("slug", "observations", "expected"),
    [
        ("backend.upgrade-header-exact-compare", [browser(101), firefox(400)], "fault"),
        ("backend.upgrade-header-exact-compare", [browser(400), firefox(101)], "fault"),
        ("backend.upgrade-header-exact-compare", [browser(101), firefox(101)], "clear"),
        ("backend.upgrade-header-exact-compare", [browser(400), firefox(403)], "nothing"),
        ("backend.upgrade-header-exact-compare", [browser(101)], "nothing"),
        ("backend.upgrade-header-exact-compare", [blocked("net::ERR_BLOCKED_BY_CLIENT"), firefox(101)], "nothing"),
        ("tls.alpn-h2-negotiated", [browser(101), over_http2(426)], "fault"),
        ("tls.alpn-h2-negotiated", [browser(426), over_http2(426)], "nothing"),
        ("tls.alpn-h2-negotiated", [browser(101), firefox(426)], "nothing"),
        ("tls.alpn-h2-negotiated", [over_http2(426)], "nothing"),
    ],
)
def test_what_only_one_browser_opens(slug: str, observations: list[Observation], expected: str) -> None:
    assert verdict(slug, *observations) == expected


def test_a_page_that_does_not_load_is_no_clear_step() -> None:
    unloaded = PageFacts(url="https://shop.test/", browser="Chromium 156")
    failures = [
        (Failure(stage="page", reason=Reason.CERTIFICATE, message="the page did not load"), "fault"),
        (Failure(stage="page", reason=Reason.TIMEOUT, message="the page did not load in time"), "unknown"),
    ]
    for failure, expected in failures:
        assert verdicts(seen(unloaded, step="1.2", probe="browser", hop="browser", failure=failure))["1.2"] == expected


def test_a_page_that_opens_no_socket_leaves_its_step_in_doubt() -> None:
    def judged(sockets: int, *console: tuple[str, str]) -> StepVerdict:
        facts = PageFacts(url="https://shop.test/", browser="Chromium 156", status=200, sockets=sockets, console=console)
        page = seen(facts, step="1.2", probe="browser", hop="browser")
        return next(one for one in judge_steps(Evidence(TARGET, [page]), []) if one.step == "1.2")

    thrown = ("error", "Uncaught SyntaxError: Identifier 'top' has already been declared\n    at app.js:3")
    assert judged(1).verdict is judged(1, thrown).verdict is Verdict.CLEAR
    assert judged(0).verdict is judged(0, thrown).verdict is Verdict.UNKNOWN
    assert "has already been declared" in judged(0, thrown).summary and "script" not in judged(0).summary
