"""Refusals of dialects, versions and libraries that do not fit, sessions that do not stick; and what proves nothing."""

import pytest
from observations import TARGET, answer, findings, seen

from wsbook.facts import DialectFacts, DialectStep, EndpointFacts, UpgradeFacts
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation
from wsbook.target import Target, parse_target

MISMATCH = "endpoint.protocol-library-mismatch"
STICKY = "cluster.no-sticky-session"


def dialect(name: str = "engine.io", *steps: DialectStep, spoken: bool | None = True, basis: str = "said", **fields: object) -> Observation:
    facts = DialectFacts(url=TARGET.url, dialect=name, why="a test", basis=basis, spoken=spoken, steps=steps, **fields)  # type: ignore[arg-type]
    return seen(facts, probe="dialect")


def refused(refusal: str, status: int | None = None) -> DialectStep:
    return DialectStep(name="a step", ok=False, detail="no", status=status, refusal=refusal)


FINE = DialectStep(name="handshake", ok=True, detail="yes")


def faults(*observations: Observation, target: Target = TARGET) -> dict[str, Finding]:
    return {found.cause: found for found in findings(*observations, target=target) if found.verdict is Verdict.FAULT}


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        (dialect("engine.io", refused("engine.io-5")), MISMATCH),
        (dialect("engine.io", refused("engine.io-1")), STICKY),
        (dialect("engine.io", refused("engine.io-3")), "proxy.upgrade-header-missing"),
        (dialect("engine.io", refused("engine.io-origin")), "origin.not-in-allowlist"),
        (dialect("graphql", refused("graphql-4403")), "auth.credential-not-sent"),
        (dialect("signalr", refused("signalr-401", 401), spoken=False, basis="asked"), "auth.credential-not-sent"),
        (dialect("stomp", refused("stomp-login")), "auth.credential-not-sent"),
    ],
)
def test_a_known_refusal_is_explained(given: Observation, cause: str) -> None:
    found = faults(given)[cause]
    assert "a step" in found.summary


@pytest.mark.parametrize(
    "given",
    [
        dialect("engine.io", FINE),
        dialect("engine.io", refused("")),
        dialect("engine.io", refused("no such thing")),
        dialect("engine.io", DialectStep(name="other version", ok=None, detail="no", refusal="engine.io-5")),
        dialect("graphql", refused("graphql-4403"), spoken=None, basis="path"),
        dialect("sockjs", refused("sockjs-404", 404), spoken=False, basis="path"),
        dialect("sockjs", refused("sockjs-404", 404), spoken=False, basis="said"),
        dialect("engine.io", spoken=None),
    ],
)
def test_what_proves_nothing(given: Observation) -> None:
    assert faults(given) == {}


@pytest.mark.parametrize(("lost", "pairs", "sure"), [(3, 6, 0.95), (1, 6, 0.95), (6, 6, 0.8), (0, 6, None), (0, 2, None), (0, 0, None)])
def test_sessions_that_do_not_stick(lost: int, pairs: int, sure: float | None) -> None:
    found = [one for one in findings(dialect("engine.io", FINE, pairs=pairs, pairs_lost=lost)) if one.cause == STICKY]
    expected = [(Verdict.FAULT, sure)] if sure else [(Verdict.CLEAR, 0.9)] if pairs >= 4 else []
    assert [(one.verdict, one.confidence) for one in found] == expected


def asking_for(version: str) -> Target:
    return parse_target(f"ws://shop.test/socket.io/?EIO={version}&transport=websocket")


@pytest.mark.parametrize(
    ("client", "server", "mismatch"),
    [("3", ("4",), True), ("4", ("3",), True), ("4", ("4",), False), ("3", ("4", "3"), False), ("3", (), False)],
)
def test_versions_of_client_and_server(client: str, server: tuple[str, ...], mismatch: bool) -> None:
    assert (MISMATCH in faults(dialect("engine.io", FINE, versions=server), target=asking_for(client))) is mismatch


def test_what_a_browser_asked_for_counts_more_than_the_url_that_was_given() -> None:
    browser = seen(UpgradeFacts(url="ws://shop.test/socket.io/?EIO=3", accepted=False, status=400), step="1.2", probe="har")
    found = faults(dialect("engine.io", FINE, versions=("4",)), browser, target=asking_for("4"))
    assert "speaks Engine.IO 3" in found[MISMATCH].summary


def dials(library: str) -> Observation:
    facts = EndpointFacts(side="frontend", library=library, file="app.js", line=3, expression="io()", path="/socket.io/")
    return seen(facts, step="1.1", probe="source", hop="")


@pytest.mark.parametrize(
    ("observations", "mismatch"),
    [
        ([dials("socket.io"), answer(101), dialect(spoken=False, basis="asked")], True),
        ([dials("socket.io"), answer(101), dialect(spoken=None, basis="asked")], False),
        ([dials("socket.io"), dials("native"), answer(101), dialect(spoken=False, basis="asked")], False),
        ([dials("native"), answer(101), dialect(spoken=False)], False),
        ([dials("socket.io"), answer(404), dialect(spoken=False, basis="asked")], False),
        ([dials("socket.io"), answer(101), dialect("engine.io", FINE)], False),
    ],
)
def test_a_library_that_only_the_page_speaks(observations: list[Observation], mismatch: bool) -> None:
    assert (MISMATCH in faults(*observations)) is mismatch


def plain(path: str = "/ws") -> Observation:
    facts = EndpointFacts(side="frontend", library="native", file="app.js", line=3, expression="new WebSocket(url)", path=path)
    return seen(facts, step="1.1", probe="source", hop="")


@pytest.mark.parametrize(
    ("observations", "mismatch"),
    [
        ([plain(), dialect("engine.io", FINE)], True),
        ([plain(), dialect("signalr", FINE)], True),
        ([plain("/other"), dialect("engine.io", FINE)], False),
        ([plain(), dials("socket.io"), dialect("engine.io", FINE)], False),
        ([plain(), dialect("engine.io", FINE, basis="path")], False),
        ([plain(), dialect("engine.io", spoken=None)], False),
        ([plain(), dialect("stomp", FINE)], False),
        ([dialect("engine.io", FINE)], False),
    ],
)
def test_a_plain_client_at_an_endpoint_of_a_library(observations: list[Observation], mismatch: bool) -> None:
    assert (MISMATCH in faults(*observations)) is mismatch


@pytest.mark.parametrize(
    ("offered", "server", "mismatch"),
    [
        ("graphql-ws", ("graphql-transport-ws",), True),
        ("graphql-transport-ws", ("graphql-ws",), True),
        ("graphql-transport-ws", ("graphql-transport-ws",), False),
        ("graphql-transport-ws", (), False),
        ("", ("graphql-ws",), False),
    ],
)
def test_graphql_subprotocols(offered: str, server: tuple[str, ...], mismatch: bool) -> None:
    target = parse_target("ws://shop.test/graphql", subprotocols=[offered] if offered else [])
    assert ("subprotocol.mismatch" in faults(dialect("graphql", FINE, versions=server), target=target)) is mismatch


@pytest.mark.parametrize(
    ("name", "setting", "cause"),
    [
        ("stomp", ("heart-beat", "0,0"), "heartbeat.absent-or-too-slow"),
        ("stomp", ("heart-beat", "10000 ms from the server"), ""),
        ("sockjs", ("websocket", "false"), "proxy.websocket-support-disabled"),
        ("sockjs", ("websocket", "true"), ""),
        ("signalr", ("transports", "LongPolling"), "proxy.websocket-support-disabled"),
        ("signalr", ("transports", "WebSockets, LongPolling"), ""),
        ("engine.io", ("upgrades", ""), "proxy.websocket-support-disabled"),
    ],
)
def test_settings_only_hint(name: str, setting: tuple[str, str], cause: str) -> None:
    found = findings(dialect(name, FINE, settings=(setting,)))
    assert {one.cause for one in found if one.verdict is Verdict.UNKNOWN} == ({cause} if cause else set())
    assert not [one for one in found if one.verdict is Verdict.FAULT]


def test_a_dialect_that_works_is_clear() -> None:
    (found,) = [one for one in findings(dialect("engine.io", FINE, versions=("4",))) if one.cause == MISMATCH]
    assert (found.verdict, "engine.io 4" in found.summary) == (Verdict.CLEAR, True)
