"""A configuration's upstream against the place where the application answers."""

import pytest
from observations import answer, findings, roots, seen

from wsbook.facts import RouteFacts
from wsbook.observation import Observation
from wsbook.target import parse_target

TARGET = parse_target("ws://shop.test/ws", hops=["app=ws://127.0.0.1:8000/ws"])
SECURE = parse_target("ws://shop.test/ws", hops=["app=wss://127.0.0.1:8000/ws"])


def route(upstream: str, *, serves: bool | None = True) -> Observation:
    facts = RouteFacts(product="nginx", file="nginx.conf", line=7, matcher="/ws", serves=serves, upstream=upstream)
    return seen(facts, step="2.2", probe="config", hop="")


APP = answer(101, hop="app", url="ws://127.0.0.1:8000/ws")
APP_SECURE = answer(101, hop="app", url="wss://127.0.0.1:8000/ws")
BAD = answer(502)

ROWS: list[tuple[str, list[Observation], bool, str]] = [
    ("TLS to plain HTTP", [APP, BAD, route("https://127.0.0.1:8000")], False, "endpoint.tls-to-plain-port"),
    ("plain HTTP to TLS", [APP_SECURE, answer(400), route("http://localhost:8000")], True, "endpoint.plain-to-tls-port"),
    ("another port of the same host", [APP, BAD, route("127.0.0.1:9000")], False, "proxy.upstream-unreachable"),
    ("IPv6 loopback is the same host", [APP, BAD, route("http://[::1]:9000")], False, "proxy.upstream-unreachable"),
    ("one of several", [APP, BAD, route("127.0.0.1:9000, https://127.0.0.1:8000")], False, "endpoint.tls-to-plain-port"),
]


@pytest.mark.parametrize(("observations", "secure", "cause"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_file_and_hop_contradict(observations: list[Observation], secure: bool, cause: str) -> None:
    assert roots(*observations, target=SECURE if secure else TARGET)[:1] == [cause]


QUIET: list[tuple[str, list[Observation]]] = [
    ("the endpoint works", [APP, answer(101), route("https://127.0.0.1:8000")]),
    ("the application refuses as well", [answer(502, hop="app", url="ws://127.0.0.1:8000/ws"), BAD, route("https://127.0.0.1:8000")]),
    ("another route", [APP, BAD, route("https://127.0.0.1:8000", serves=False)]),
    ("a name of the inside, whose port may be published under another", [APP, BAD, route("http://app:3000")]),
    ("a variable", [APP, BAD, route("https://$upstream:8000")]),
    ("no upstream", [APP, BAD, route("")]),
]


@pytest.mark.parametrize("observations", [row[1] for row in QUIET], ids=[row[0] for row in QUIET])
def test_no_contradiction(observations: list[Observation]) -> None:
    told = [found.summary for found in findings(*observations, target=TARGET)]
    assert [words for words in told if "speaks" in words or "answers at port" in words] == []
