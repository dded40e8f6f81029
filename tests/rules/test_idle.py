"""Silence that kills: after how long, and at which hop."""

import pytest
from observations import answer, findings, roots, rung, seen

from wsbook.facts import RouteFacts, Setting
from wsbook.finding import Verdict
from wsbook.observation import Observation


def route(product: str) -> Observation:
    facts = RouteFacts(
        product=product, file="proxy.conf", line=3, matcher="/ws", serves=True, idle_s=Setting(value="3", file="proxy.conf", line=7)
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


def test_health_says_how_far_it_looked() -> None:
    (clear,) = [found for found in findings(rung("endpoint", 8)) if found.cause == "heartbeat.absent-or-too-slow"]
    assert clear.verdict is Verdict.CLEAR
    assert "8 s" in clear.summary


def test_a_short_limit_in_a_configuration_is_no_fault_by_itself() -> None:
    assert roots(route("nginx")) == []
    assert [found.verdict for found in findings(route("nginx")) if found.cause == "proxy.idle-timeout-nginx"] == [Verdict.UNKNOWN]
