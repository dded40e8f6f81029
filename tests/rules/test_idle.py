"""Silence that kills: after how long, and at which hop."""

import pytest
from observations import answer, findings, roots, rung, seen

from wsbook.facts import RouteFacts, Setting
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.target import parse_target

CHAIN = parse_target("ws://shop.test/ws", hops=["app=ws://10.0.0.5:8000/ws", "inner=ws://10.0.0.6:81/ws", "edge=ws://10.0.0.7:80/ws"])


def route(product: str, idle: str = "3") -> Observation:
    facts = RouteFacts(
        product=product, file="proxy.conf", line=3, matcher="/ws", serves=True, idle_s=Setting(value=idle, file="proxy.conf", line=7)
    )
    return seen(facts, step="2.2", probe="config", hop="")


def named(server: str) -> Observation:
    return answer(101, headers=(("Server", server),))


DIES = [rung("endpoint", 5, 3.0), rung("endpoint", 8, 3.1), rung("endpoint", 2)]
APP_NAMED = answer(101, hop="app", headers=(("Server", "app/1"),))
APP_LIVES = [rung("app", 5), rung("app", 8)]

ROWS: list[tuple[str, list[Observation], str | None]] = [
    ("all survive", [rung("endpoint", 8), rung("app", 8)], None),
    ("nginx by its configuration", [*DIES, *APP_LIVES, route("nginx")], "proxy.idle-timeout-nginx"),
    ("HAProxy by its configuration", [*DIES, *APP_LIVES, route("haproxy")], "proxy.idle-timeout-haproxy"),
    ("nginx by its header", [*DIES, *APP_LIVES, named("nginx/1.24.0")], "proxy.idle-timeout-nginx"),
    ("a proxy of another make", [*DIES, *APP_LIVES, route("caddy")], "proxy.idle-timeout"),
    ("nobody knows the proxy", [*DIES, *APP_LIVES], "proxy.idle-timeout"),
    (
        "a hop that adds no header",
        [*DIES, *APP_LIVES, named("app/1"), answer(101, hop="app", headers=(("Server", "app/1"),))],
        "proxy.idle-timeout-haproxy",
    ),
    ("silently", [rung("endpoint", 8, 6.0, ended="silence"), *APP_LIVES], "proxy.idle-timeout-silent"),
    ("the application itself", [*DIES, rung("app", 5, 3.0), rung("app", 8, 3.0)], "heartbeat.absent-or-too-slow"),
    ("sent away at once", [rung("endpoint", 5, 0.001), rung("endpoint", 8, 0.001), rung("endpoint", 8, 0.001, traffic="client")], None),
    ("busy ones die too", [*DIES, rung("endpoint", 8, 3.0, traffic="client"), *APP_LIVES], "proxy.max-lifetime"),
    (
        "busy ones die at the application too",
        [*DIES, rung("endpoint", 8, 3.0, traffic="client"), rung("app", 8, 3.0)],
        "backend.request-timeout-on-socket",
    ),
    ("nothing tried", [], None),
]


@pytest.mark.parametrize(("observations", "cause"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_owner_of_the_limit(observations: list[Observation], cause: str | None) -> None:
    assert roots(*observations)[:1] == ([cause] if cause else [])


INNER_DIES = [rung("inner", 5, 3.0), rung("inner", 8, 3.1)]
INNER_LIVES = [rung("inner", 5), rung("inner", 8)]
ROUTES = [route("nginx", "3600"), route("haproxy", "3")]
IN_CHAINS: list[tuple[str, list[Observation], str, str]] = [
    (
        "the measured limit is in one file",
        [*DIES, *APP_LIVES, *INNER_DIES, *ROUTES],
        "proxy.idle-timeout-haproxy",
        "inner",
    ),
    ("the same, the other way round", [*DIES, *APP_LIVES, *INNER_DIES, *reversed(ROUTES)], "proxy.idle-timeout-haproxy", "inner"),
    ("no file has that limit", [*DIES, *APP_LIVES, *INNER_DIES, route("nginx", "3600")], "proxy.idle-timeout", "inner"),
    (
        "no file, and the inner hop names itself",
        [*DIES, *APP_LIVES, *INNER_DIES, answer(101, hop="inner", headers=(("Server", "nginx/1.22"),)), APP_NAMED],
        "proxy.idle-timeout-nginx",
        "inner",
    ),
    ("the outermost alone", [*DIES, *APP_LIVES, *INNER_LIVES, *ROUTES], "proxy.idle-timeout-haproxy", ""),
    ("the application", [*DIES, rung("app", 5, 3.0), *INNER_DIES, *ROUTES], "heartbeat.absent-or-too-slow", "application itself"),
]


@pytest.mark.parametrize(("observations", "cause", "words"), [row[1:] for row in IN_CHAINS], ids=[row[0] for row in IN_CHAINS])
def test_the_innermost_place_that_dies_owns_the_limit(observations: list[Observation], cause: str, words: str) -> None:
    assert roots(*observations, target=CHAIN)[:1] == [cause]
    (found,) = [one for one in findings(*observations, target=CHAIN) if one.cause == cause and one.verdict is Verdict.FAULT]
    assert words in found.summary


def test_health_says_how_far_it_looked() -> None:
    (clear,) = [found for found in findings(rung("endpoint", 8)) if found.cause == "heartbeat.absent-or-too-slow"]
    assert clear.verdict is Verdict.CLEAR
    assert "8 s" in clear.summary


def test_a_short_limit_in_a_configuration_is_no_fault_by_itself() -> None:
    assert roots(route("nginx")) == []
    assert [found.verdict for found in findings(route("nginx")) if found.cause == "proxy.idle-timeout-nginx"] == [Verdict.UNKNOWN]
