"""Silence that kills: after how long, and at which hop."""

import pytest
from observations import answer, findings, roots, rung, seen, verdicts

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


LETS_IN = [
    *(rung("endpoint", silence_s, traffic="none", age_s=silence_s) for silence_s in (1.0, 1.4)),
    rung("endpoint", 2, 2.0, ended="close", age_s=3.0, close_code=4401),
    rung("endpoint", 6.1, 1.6, ended="close", age_s=3.0, close_code=4401),
    rung("endpoint", 21, 3.0, ended="close", age_s=3.0, close_code=4401),
    rung("endpoint", 21, 3.0, traffic="ping", ended="close", age_s=3.0, close_code=4401, interval_s=0.5),
    rung("endpoint", 21, 3.0, traffic="pong", ended="close", age_s=3.0, close_code=4401, interval_s=0.5),
]
GREETED = rung("endpoint", 21, traffic="listen", age_s=21.0)


def test_who_has_to_say_one_message_first_is_not_ended_by_silence() -> None:
    """As a server that closes those who do not log in soon: whoever said its message lives in silence."""
    assert roots(*LETS_IN, GREETED) == []
    (found,) = [one for one in findings(*LETS_IN, GREETED) if one.cause == "heartbeat.absent-or-too-slow"]
    assert found.verdict is Verdict.UNKNOWN
    assert "one message in the beginning is enough" in found.summary
    assert verdicts(*LETS_IN, GREETED)["3.4"] == "unknown"


@pytest.mark.parametrize(
    "others",
    [
        [rung("endpoint", 21, 3.0, traffic="listen", ended="close", age_s=3.0)],
        [rung("endpoint", 21, 3.0, traffic="ping", age_s=3.0), rung("endpoint", 21, 3.0, traffic="listen", age_s=3.0)],
    ],
    ids=["the first message does not help", "nor does anything else"],
)
def test_a_first_message_that_does_not_help_leaves_the_fault(others: list[Observation]) -> None:
    assert roots(rung("endpoint", 8, 3.0, age_s=3.0), *others) != []
    assert verdicts(rung("endpoint", 8, 3.0, age_s=3.0), *others)["3.4"] == "fault"


def test_silence_that_ends_sockets_is_a_fault_of_the_step_although_its_owner_is_a_guess() -> None:
    assert verdicts(*DIES)["3.4"] == "fault"
