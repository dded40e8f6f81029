"""Where redirects lead, and who causes them."""

import pytest
from observations import answer, findings, seen

from wsbook.attempt import FORWARDED_HTTPS
from wsbook.facts import RedirectFacts, RedirectHop, SignatureFacts
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation
from wsbook.target import parse_target

WSS = "wss://shop.test/ws"
WS = "ws://shop.test/ws"


def redirected(location: str, url: str = WSS, **more: object) -> Observation:
    return answer(302, url=url, headers=(("Location", location),), **more)  # type: ignore[arg-type]


def chain(ended: str, *hops: tuple[str, str], final: str = "", status: int | None = None, withheld: tuple[str, ...] = ()) -> Observation:
    made = tuple(RedirectHop(url=url, status=302, location=location, withheld=withheld) for url, location in hops)
    return seen(RedirectFacts(hops=made, ended=ended, final_url=final, final_status=status, final_type="text/html"), probe="redirects")


def first(*observations: Observation, url: str = WSS) -> Finding:
    return next(found for found in findings(*observations, target=parse_target(url)) if found.root)


FINAL = "wss://shop.test/ws/"
SSO = "https://sso.test/"
TOLD = answer(101, url=WSS, changed=FORWARDED_HTTPS)
NOT_TOLD = answer(302, url=WSS, changed=FORWARDED_HTTPS)
TO_SLASH = chain("accepted", (WSS, "/ws/"), final=FINAL, status=101)
TO_LOGIN = chain("answered", (WSS, "/signin"), final="wss://shop.test/signin", status=200)
TO_SSO = chain("answered", (WSS, SSO), final="wss://sso.test/", status=403, withheld=("Cookie",))
ROUND = chain("loop", (WSS, "/a"), ("wss://shop.test/a", "/ws"), final=WSS)

ROWS = [
    ([redirected("/login")], "handshake.redirected", "to a login page, /login"),
    ([redirected("/ws/"), TO_SLASH], "handshake.redirected", f"{FINAL} accepts"),
    ([redirected("/ws/")], "handshake.redirected", "to the path with a trailing slash"),
    ([redirected("/signin"), TO_LOGIN], "handshake.redirected", "wss://shop.test/signin answers 200 text/html"),
    ([redirected("https://www.shop.test/ws")], "handshake.redirected", "to another host, www.shop.test"),
    ([redirected(SSO), TO_SSO], "handshake.redirected", "(asked without Cookie)"),
    ([redirected("/a"), ROUND], "handshake.redirected", "a loop of 2 redirects"),
    ([redirected("https://shop.test/ws")], "proxy.forwarded-headers-wrong", "the very same https URL"),
    ([redirected("https://shop.test:443/ws")], "proxy.forwarded-headers-wrong", "the very same https URL"),
    ([redirected("https://shop.test/ws"), TOLD], "proxy.forwarded-headers-wrong", "accepts the upgrade when"),
    ([redirected("https://shop.test/ws"), NOT_TOLD], "proxy.forwarded-headers-wrong", "the very same https URL"),
    ([redirected("http://shop.test/ws"), TOLD], "proxy.forwarded-headers-wrong", "unless X-Forwarded-Proto"),
    ([redirected("//[")], "handshake.redirected", "302"),
]


@pytest.mark.parametrize(("observations", "slug", "words"), ROWS)
def test_redirects(observations: list[Observation], slug: str, words: str) -> None:
    found = first(*observations)
    assert found.cause == slug
    assert words in found.summary


def test_a_plain_url_that_ends_in_the_tls_loop() -> None:
    steps = chain("loop", (WS, "https://shop.test/ws"), (WSS, "https://shop.test/ws"), final=WSS)
    assert first(redirected("https://shop.test/ws", WS), steps, url=WS).cause == "proxy.forwarded-headers-wrong"
    once = chain("accepted", (WS, "https://shop.test/ws"), final=WSS, status=101)
    assert first(redirected("https://shop.test/ws", WS), once, url=WS).cause == "handshake.redirected"
    assert f"- {WS}\n+ {WSS}" in first(redirected("https://shop.test/ws", WS), once, url=WS).remedy


def test_a_login_page_may_be_for_want_of_a_cookie() -> None:
    bare = {found.cause for found in findings(redirected("/login"), target=parse_target(WSS))}
    with_cookie = redirected("/login", request_headers=(("Cookie", "a=***"),))
    sent = {found.cause for found in findings(with_cookie, target=parse_target(WSS))}
    assert ("auth.credential-not-sent" in bare, "auth.credential-not-sent" in sent) == (True, False)


@pytest.mark.parametrize(("more", "roots"), [([TO_SLASH], ["handshake.redirected"]), ([], ["proxy.forwarded-headers-wrong"])])
def test_a_redirect_that_leads_on_is_none_to_itself_whatever_logs_may_mean(more: list[Observation], roots: list[str]) -> None:
    causes = (("handshake.redirected", 0.55), ("proxy.forwarded-headers-wrong", 0.8))
    line = SignatureFacts(signature="redirect-access", program="nginx", count=20, text='"GET /ws HTTP/1.1" 301', causes=causes)
    found = findings(redirected("/ws/"), seen(line, step="1.4", probe="log", hop=""), *more, target=parse_target(WSS))
    assert [one.cause for one in found if one.root and one.verdict is Verdict.FAULT] == roots
