"""The first hop that breaks the upgrade, and how."""

import pytest
from msgspec.structs import replace
from observations import TARGET, answer, failed, findings, roots, verdicts

from wsbook import attempt as labels
from wsbook.attempt import MARKED_QUERY, NO_UPGRADE, RANDOM_PATH, THE_ENDPOINTS_HOST, THE_ENDPOINTS_PATH
from wsbook.facts import AccessFacts, EndpointFacts, PatternFacts, SignatureFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation, Reason, Source
from wsbook.target import parse_target

NGINX = (("Server", "nginx"), ("Content-Type", "text/html"))
APP = (("Server", "app/1.0"), ("Content-Type", "text/plain"))


def good_app(*more: Observation) -> list[Observation]:
    return [answer(101, hop="app"), *more]


ROWS: list[tuple[str, list[Observation], str | None]] = [
    ("healthy", good_app(answer(101)), None),
    (
        "the app answers a plain GET the same way",
        good_app(answer(400, hop="app", changed=NO_UPGRADE, body="bad", headers=APP), answer(400, body="bad", headers=APP)),
        "proxy.upgrade-header-missing",
    ),
    (
        "the app answers a plain GET with its page",
        good_app(answer(200, hop="app", changed=NO_UPGRADE, body="<html>hi", headers=APP), answer(200, body="<html>hi", headers=APP)),
        "proxy.upgrade-header-missing",
    ),
    ("426 without a comparison", good_app(answer(426)), "proxy.upgrade-header-missing"),
    (
        "404 of the proxy",
        good_app(answer(404, hop="app", changed=RANDOM_PATH, body="no route", headers=APP), answer(404, body="<h1>404", headers=NGINX)),
        "proxy.ws-location-missing",
    ),
    (
        "404 of the app for a path that it offers",
        good_app(answer(404, hop="app", changed=RANDOM_PATH, body="no route", headers=APP), answer(404, body="no route", headers=APP)),
        "proxy.path-rewrite-wrong",
    ),
    ("502 while the app works", good_app(answer(502, headers=NGINX)), "proxy.upstream-unreachable"),
    ("503 while the app works", good_app(answer(503)), "proxy.upstream-unreachable"),
    ("nothing listens at the app", [failed("tcp", Reason.REFUSED, hop="app"), answer(502)], "proxy.upstream-unreachable"),
    ("502 and no hop given", [answer(502)], "proxy.upstream-unreachable"),
    (
        "the app refuses by itself",
        [
            answer(404, hop="app", body="x", headers=APP),
            answer(404, hop="app", changed=RANDOM_PATH, body="x", headers=APP),
            answer(404, headers=APP),
        ],
        "endpoint.wrong-path",
    ),
]


@pytest.mark.parametrize(("observations", "cause"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_first_broken_hop_is_named(observations: list[Observation], cause: str | None) -> None:
    assert roots(*observations)[:1] == ([cause] if cause else [])


def test_a_path_that_the_app_does_not_offer_is_the_pages_mistake() -> None:
    target = parse_target("ws://shop.test/live", hops=["app=ws://10.0.0.5:8000/ws"])
    observations = [
        answer(101, hop="app"),
        answer(404, hop="app", changed=RANDOM_PATH, body="no route", headers=APP),
        answer(404, hop="app", changed=THE_ENDPOINTS_PATH, url="ws://10.0.0.5:8000/live", body="no route", headers=APP),
        answer(404, url="ws://shop.test/live", body="no route", headers=APP),
    ]
    assert roots(*observations, target=target)[0] == "endpoint.wrong-path"


def test_a_prefix_that_the_proxy_should_remove_is_the_proxys() -> None:
    target = parse_target("ws://shop.test/api/ws", hops=["app=ws://10.0.0.5:8000/ws"])
    observations = [
        answer(101, hop="app"),
        answer(404, hop="app", changed=RANDOM_PATH, body="no route", headers=APP),
        answer(404, hop="app", changed=THE_ENDPOINTS_PATH, url="ws://10.0.0.5:8000/api/ws", body="no route", headers=APP),
        answer(404, url="ws://shop.test/api/ws", body="no route", headers=APP),
    ]
    assert roots(*observations, target=target)[0] == "proxy.path-rewrite-wrong"


def test_a_second_instance_that_fails_alone_is_not_what_breaks_the_endpoint() -> None:
    target = parse_target("ws://shop.test/ws", hops=["app=ws://10.0.0.5:8000/ws", "b=ws://10.0.0.6:8000/ws"])
    assert roots(answer(101, hop="app"), failed("tcp", Reason.REFUSED, hop="b"), answer(101), target=target) == []


def test_health_is_said_and_could_not_look_is_not() -> None:
    clear = [found for found in findings(answer(101, hop="app"), answer(101)) if found.cause == "proxy.upgrade-header-missing"]
    assert [found.verdict for found in clear] == [Verdict.CLEAR]
    assert verdicts()["2.2"] == "not applicable"
    assert not [found for found in findings(answer(101)) if found.cause == "proxy.upgrade-header-missing"]


def test_source_alone_names_a_wrong_path() -> None:
    def named(side: str, path: str) -> EndpointFacts:
        return EndpointFacts(
            side=side, library="native", file=f"{side}.js", line=3, expression=path, path=path, url=f"ws://shop.test{path}"
        )

    from observations import seen

    observations = [seen(named("frontend", "/live"), step="1.1", probe="source"), seen(named("backend", "/ws"), step="1.1", probe="source")]
    assert roots(*observations, target=TARGET) == ["endpoint.wrong-path"]
    same = [seen(named("frontend", "/ws"), step="1.1", probe="source"), seen(named("backend", "/ws"), step="1.1", probe="source")]
    assert roots(*same, target=TARGET) == []


ASKED = [answer(426, hop="app", changed=NO_UPGRADE, body="upgrade required"), answer(404, hop="app", changed=RANDOM_PATH, body="no route")]
"""What the application says to a plain GET and to an unknown path."""


def lost(label: str, status: int = 400, body: str = "the application minds", **more: object) -> list[Observation]:
    """Return a good application that answers one variant as the endpoint answers."""
    return [answer(101, hop="app"), *ASKED, answer(status, hop="app", changed=label, body=body), answer(status, body=body, **more)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("observations", "cause"),
    [
        (lost(labels.NO_TOKENS), "proxy.upgrade-header-missing"),
        (lost(labels.CONNECTION_CLOSE), "proxy.upgrade-header-missing"),
        (lost(labels.HTTP_1_0, 505), "proxy.http-1.0-upstream"),
        (lost(labels.NO_KEY), "proxy.hop-lacks-websocket-support"),
        (lost(labels.NO_OWN_HEADERS), "proxy.hop-lacks-websocket-support"),
        (lost(labels.NO_CREDENTIALS, 401), "proxy.hop-lacks-websocket-support"),
        (lost(labels.NO_ORIGIN, 403), "proxy.hop-lacks-websocket-support"),
        (lost(labels.NO_SUBPROTOCOL), "subprotocol.mismatch"),
        (lost(labels.NO_QUERY), "proxy.path-rewrite-wrong"),
        (lost(labels.THE_ROOT_PATH, 404), "proxy.path-rewrite-wrong"),
        (lost(labels.OTHER_HOST, 421), "proxy.forwarded-headers-wrong"),
        (lost(labels.OTHER_HOST, 403, request_headers=(("Origin", "https://shop.test"),)), "origin.proxy-rewrites-host"),
        (lost(labels.FORWARDED_HTTP, 400), "proxy.forwarded-headers-wrong"),
        (lost(labels.OTHER_SCHEME, 400), "endpoint.plain-to-tls-port"),
    ],
)
def test_what_the_application_misses_is_what_the_hop_loses(observations: list[Observation], cause: str) -> None:
    (first, *_) = findings(*observations)
    assert (first.cause, first.root) == (cause, True)
    assert first.confidence >= 0.85


@pytest.mark.parametrize(
    ("observations", "cause"),
    [
        ([*lost(labels.NO_KEY)[:-1], answer(400, body="<h1>another</h1>")], "proxy.websocket-support-disabled"),
        ([*lost(labels.NO_KEY)[:-1], answer(403, body="blocked")], "proxy.security-layer-blocks"),
        ([*lost(labels.NO_KEY)[:-1], answer(200, body="<html>shop")], "proxy.ws-location-missing"),
        ([*lost(labels.NO_KEY)[:-1], answer(307, headers=(("Location", "/login"),))], "handshake.redirected"),
        ([*lost(labels.NO_KEY)[:-1], answer(500, headers=(("Server", "Apache"),))], "proxy.apache-wstunnel-not-loaded"),
    ],
)
def test_an_answer_that_nothing_explains_is_the_hops_own(observations: list[Observation], cause: str) -> None:
    assert roots(*observations)[0] == cause


def test_an_upgrade_alone_is_refused_while_other_requests_pass() -> None:
    passes = answer(426, changed=NO_UPGRADE, body="upgrade required")
    sure = {
        len(more): findings(answer(101, hop="app"), *ASKED, answer(403, body="blocked"), *more)[0].confidence for more in ([], [passes])
    }
    assert sure == {0: 0.8, 1: 0.9}


def test_losses_that_are_answered_alike_share_the_blame() -> None:
    alike = [answer(400, hop="app", changed=label, body="bad request") for label in (NO_UPGRADE, labels.NO_KEY, RANDOM_PATH)]
    found = findings(answer(101, hop="app"), *alike, answer(400, body="bad request"))
    assert [(one.cause, one.confidence) for one in found[:3]] == [
        ("proxy.upgrade-header-missing", 0.65),
        ("proxy.path-rewrite-wrong", 0.5),
        ("proxy.hop-lacks-websocket-support", 0.42),
    ]


def test_an_empty_answer_is_the_hops_own_when_it_lacks_what_the_hop_passes_on() -> None:
    """The same status without a body, and the application's own header missing, which stands in the answer to a GET."""
    own, nginx = (("Server", "app"), ("X-Powered-By", "app")), (("Server", "nginx"),)
    gets = [
        answer(404, hop="app", changed=NO_UPGRADE, headers=own, body="x"),
        answer(404, changed=NO_UPGRADE, headers=(*nginx, ("X-Powered-By", "app")), body="x"),
    ]
    unknown = answer(403, hop="app", changed=RANDOM_PATH, headers=own)
    assert roots(answer(101, hop="app"), *gets, unknown, answer(403, headers=nginx))[0] == "proxy.security-layer-blocks"
    passed_on = answer(403, headers=(*nginx, ("X-Powered-By", "app")))
    assert roots(answer(101, hop="app"), *gets, unknown, passed_on)[0] == "proxy.path-rewrite-wrong"


def test_a_header_that_names_the_instance_differs_from_answer_to_answer() -> None:
    def by(name: str, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
        return (("Server", "app"), ("X-Instance", name), *more)

    refused = {"body": '{"detail":"Not Found"}'}
    tried = [
        answer(101, hop="app"),
        answer(404, hop="app", changed=NO_UPGRADE, headers=by("b"), **refused),
        answer(403, hop="app", changed=RANDOM_PATH),
        answer(404, changed=NO_UPGRADE, headers=by("b", ("Via", "1.1 proxy")), **refused),
    ]
    assert roots(*tried, answer(404, headers=by("a", ("Via", "1.1 proxy")), **refused))[0] == "proxy.upgrade-header-missing"
    assert roots(*tried, answer(404, headers=(("Via", "1.1 proxy"),), **refused))[0] != "proxy.upgrade-header-missing"


def test_one_plain_get_does_not_fix_the_instance_that_answers() -> None:
    """Its answer is the only one of its status: that the header differs shows in the program's other answers."""
    a, b = ((*APP, ("X-Instance", name)) for name in ("a", "b"))
    inside = [
        answer(101, hop="app", headers=b),
        answer(426, hop="app", changed=NO_UPGRADE, headers=b, body="upgrade required"),
        answer(404, hop="app", changed=RANDOM_PATH, headers=b, body="no route"),
        answer(400, hop="app", changed=labels.NO_KEY, headers=b, body="missing Sec-WebSocket-Key"),
    ]
    outside = [
        answer(426, changed=NO_UPGRADE, headers=b, body="upgrade required"),
        answer(400, changed=labels.FOREIGN_ORIGIN, headers=b, body="missing Sec-WebSocket-Key"),
        answer(400, headers=a, body="missing Sec-WebSocket-Key"),
    ]
    assert roots(*inside, *outside)[0] == "proxy.hop-lacks-websocket-support"


def test_an_answer_of_another_instance_is_the_applications_too() -> None:
    """The hop balances: it was a plain GET that met this instance, and the upgrade another one."""
    a, b = ((*APP, ("X-Served-By", name)) for name in ("a", "b"))
    gets = [
        answer(426, hop="app", changed=NO_UPGRADE, headers=a, body="upgrade required"),
        answer(426, changed=NO_UPGRADE, headers=a, body="upgrade required"),
    ]
    strange = answer(404, hop="app", changed=RANDOM_PATH, headers=a, body="no route")
    upgrade = answer(426, headers=b, body="upgrade required")
    assert roots(answer(101, hop="app"), *gets, strange, upgrade) == ["proxy.upgrade-header-missing"]
    own = answer(426, headers=NGINX, body="upgrade required")
    assert roots(answer(101, hop="app"), *gets, strange, own)[1:] == ["proxy.websocket-support-disabled"]


def test_an_application_that_wants_the_public_host_is_answered_without_it() -> None:
    refused = {"body": "invalid origin", "headers": APP}
    tried = [answer(403, hop="app", **refused), answer(101, hop="app", changed=THE_ENDPOINTS_HOST), *ASKED, answer(403, **refused)]
    assert roots(*tried)[0] == "origin.proxy-rewrites-host"


def test_what_the_application_does_not_answer_becomes_the_proxys_502() -> None:
    tried = [answer(101, hop="app"), failed("upgrade", Reason.CLOSED, hop="app", changed=RANDOM_PATH), answer(502)]
    assert roots(*tried) == ["proxy.upstream-unreachable", "proxy.path-rewrite-wrong"]
    assert roots(tried[0], answer(404, hop="app", changed=RANDOM_PATH), tried[2]) == ["proxy.upstream-unreachable"]


CHAIN = parse_target("ws://shop.test/ws", hops=["app=ws://10.0.0.5:8000/ws", "inner=ws://10.0.0.6/ws"])


def test_a_hop_in_the_middle_is_named() -> None:
    tried = [answer(101, hop="app"), *ASKED, answer(403, hop="inner", body="blocked"), answer(403, body="blocked")]
    assert findings(*tried, target=CHAIN)[0].summary.startswith("inner answers 403 itself; the upgrade never reaches app")


def test_a_hop_that_cannot_be_reached_from_here_is_passed_over() -> None:
    tried = [answer(101, hop="app"), *ASKED, failed("tcp", Reason.TIMEOUT, hop="inner"), answer(426, body="upgrade required")]
    assert roots(*tried, target=CHAIN)[0] == "proxy.upgrade-header-missing"
    assert roots(failed("tcp", Reason.TIMEOUT, hop="inner"), answer(101, hop="app"), answer(101), target=CHAIN) == []


def test_two_broken_hops_are_named_apart() -> None:
    inner = [answer(426, hop="inner", body="upgrade required", changed=changed) for changed in ("", NO_UPGRADE)]
    inner.append(answer(404, hop="inner", changed=RANDOM_PATH, body="no route"))
    tried = [answer(101, hop="app"), *ASKED, *inner, answer(403, body="blocked")]
    found = [(one.cause, one.confidence) for one in findings(*tried, target=CHAIN) if one.root and one.verdict is Verdict.FAULT]
    assert found[:2] == [("proxy.upgrade-header-missing", 0.95), ("proxy.security-layer-blocks", 0.56)]
    follows = [*tried[:-1], answer(426, body="upgrade required")]
    assert "proxy.security-layer-blocks" not in roots(*follows, target=CHAIN)


def test_a_101_that_a_hop_spoils_is_the_hops() -> None:
    found = findings(answer(101, hop="app"), answer(101, wrong=["accept"]))[0]
    assert (found.cause, found.summary) == ("handshake.invalid-exchange", "endpoint spoils the 101 of app: wrong accept")


@pytest.mark.parametrize(("passes", "verdict"), [(True, Verdict.FAULT), (False, Verdict.UNKNOWN)])
def test_a_hop_that_ends_the_connection(passes: bool, verdict: Verdict) -> None:
    more = [answer(426, changed=NO_UPGRADE, body="upgrade required")] if passes else []
    found = findings(answer(101, hop="app"), *ASKED, failed("upgrade", Reason.RESET), *more)
    assert next(one.verdict for one in found if one.cause == "proxy.security-layer-blocks") is verdict


AGENT = (("User-Agent", "wsbook/1.0 (0a1b2c3d)"),)


def logged(path: str, status: int = 404, mark: str = "0a1b2c3d") -> Observation:
    from observations import seen

    facts = AccessFacts(program="uvicorn", method="GET", path=path, status=status, count=1, marks=(mark,), marked=True, text=f"GET {path}")
    return seen(facts, step="1.4", probe="log", hop="")


@pytest.mark.parametrize(
    ("observations", "confidence"),
    [
        ([answer(404, request_headers=AGENT), logged("/")], 0.65),
        ([answer(404, request_headers=AGENT), logged("/"), answer(101, hop="app")], 0.93),
        ([answer(404), answer(404, changed=MARKED_QUERY, url="ws://shop.test/ws?wsbook=0a1b2c3d"), logged("/")], 0.65),
        ([answer(404, request_headers=AGENT), logged("/ws")], None),
        ([answer(404, request_headers=AGENT), logged("/", mark="ffffffff")], None),
        ([answer(404, request_headers=AGENT), logged("/", status=200)], None),
        ([answer(426, request_headers=AGENT), logged("/", status=426)], None),
        ([answer(101, request_headers=AGENT), logged("/", status=101)], None),
        ([answer(404, request_headers=AGENT)], None),
    ],
    ids=[
        "changed",
        "changed, and offered",
        "by the mark in the query",
        "as sent",
        "another's",
        "another answer",
        "a known path",
        "accepted",
        "no log",
    ],
)
def test_the_path_under_which_our_attempt_was_logged(observations: list[Observation], confidence: float | None) -> None:
    found = [one.confidence for one in findings(*observations) if one.cause == "proxy.path-rewrite-wrong" and "was logged" in one.summary]
    assert found == ([confidence] if confidence else [])


@pytest.mark.parametrize(
    ("outer", "inner", "told"),
    [
        (answer(502), 101, True),
        (failed("upgrade", Reason.TIMEOUT), 101, True),
        (answer(101), 101, False),
        (answer(502), 502, False),
        (answer(426), 101, False),
    ],
)
def test_http2_to_an_application_that_speaks_http1(outer: Observation, inner: int, told: bool) -> None:
    from observations import seen

    facts = PatternFacts(
        pattern="caddy.h2-to-upstream", cause="proxy.h2-to-upstream", file="Caddyfile", line=3, excerpt="versions h2c", ok=False
    )
    config = seen(facts, step="2.2", probe="caddyfile", hop="")
    found = findings(config, answer(inner, hop="app"), outer)
    assert any(one.cause == "proxy.h2-to-upstream" and "speaks HTTP/2" in one.summary and one.confidence > 0.9 for one in found) is told


@pytest.mark.parametrize(("status", "first"), [(502, True), (503, True), (426, False), (101, False)])
def test_http2_to_an_upstream_of_which_nothing_else_is_known(status: int, first: bool) -> None:
    from observations import seen

    facts = PatternFacts(pattern="h", cause="proxy.h2-to-upstream", file="haproxy.cfg", line=3, excerpt="proto h2", ok=False, weight=0.65)
    found = findings(seen(facts, step="2.2", probe="haproxy", hop=""), answer(status), target=parse_target("ws://shop.test/ws"))
    assert any("speaks HTTP/2 (" in one.summary and one.root for one in found) is first


def line(text: str) -> Observation:
    from observations import seen

    causes = (("proxy.upstream-unreachable", 0.25),)
    facts = SignatureFacts(signature="x", program="nginx", count=1, text=text, causes=causes)
    return replace(seen(facts, step="1.4", probe="log", hop=""), source=Source(step="1.4", probe="log", artifact="error.log", line=3))


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("upstream prematurely closed connection while reading response header from upstream", "endpoint.plain-to-tls-port"),
        ("connect() failed (111: Connection refused) while connecting to upstream", "proxy.upstream-unreachable"),
        ("upstream timed out (110) while reading response header from upstream", "proxy.upstream-unreachable"),
    ],
    ids=["it was reached", "it was not", "it was slow"],
)
def test_a_502_whose_log_says_that_the_upstream_was_reached(text: str, first: str) -> None:
    assert roots(answer(502), line(text), target=parse_target("ws://shop.test/ws"))[0] == first
