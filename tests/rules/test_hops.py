"""The first hop that breaks the upgrade, and how."""

import pytest
from observations import TARGET, answer, failed, findings, roots, verdicts

from wsbook.attempt import NO_UPGRADE, RANDOM_PATH, THE_ENDPOINTS_PATH
from wsbook.facts import EndpointFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation, Reason
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
