"""Refusals of dialects, versions and libraries that do not fit, sessions that do not stick; and what proves nothing."""

import pytest
from observations import TARGET, answer, findings, seen

from wsbook.facts import Companion, DialectFacts, DialectStep, EndpointFacts, Frame, RecordingFacts, SessionFacts, UpgradeFacts
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


@pytest.mark.parametrize(("upgrades", "cause"), [("websocket", "proxy.upgrade-header-missing"), ("", MISMATCH)])
def test_a_transport_that_was_offered_and_is_refused_lost_its_upgrade(upgrades: str, cause: str) -> None:
    given = dialect("engine.io", refused("engine.io-transport", 400), settings=(("upgrades", upgrades),))
    assert list(faults(given)) == [cause]


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


EIO = "ws://shop.test/socket.io/?EIO=4&transport=websocket"
AT_SOCKET_IO = parse_target(EIO)


def by_hand(url: str = EIO) -> Observation:
    facts = EndpointFacts(side="frontend", library="native", file="app.js", line=3, expression=url, url=url, path="/socket.io/")
    return seen(facts, step="1.1", probe="source", hop="")


def sent_by_the_page(*texts: str, url: str = EIO, probe: str = "browser") -> Observation:
    opened = Frame(at_s=0.0, direction="received", opcode=1, size_bytes=9, text='0{"sid":"x"}')
    said = tuple(Frame(at_s=0.1, direction="sent", opcode=1, size_bytes=len(text), text=text) for text in texts)
    return seen(SessionFacts(url=url, frames=(opened, *said), ended="open"), step="1.2", probe=probe)


@pytest.mark.parametrize(
    ("observations", "verdict"),
    [
        ([by_hand(), sent_by_the_page("40")], None),
        ([by_hand(), sent_by_the_page("40", probe="har")], None),
        ([by_hand(), sent_by_the_page('{"type": "subscribe"}')], Verdict.FAULT),
        ([by_hand(), sent_by_the_page()], Verdict.FAULT),
        ([by_hand()], Verdict.UNKNOWN),
        ([by_hand(), sent_by_the_page("40", probe="session")], Verdict.UNKNOWN),
        ([by_hand("ws://shop.test/socket.io/")], Verdict.FAULT),
    ],
    ids=["joins", "joined in a recording", "speaks JSON", "says nothing", "not seen", "we joined ourselves", "path alone"],
)
def test_a_client_that_speaks_the_dialect_by_hand(observations: list[Observation], verdict: Verdict | None) -> None:
    found = [one for one in findings(dialect("engine.io", FINE), *observations, target=AT_SOCKET_IO) if one.cause == MISMATCH]
    assert next((one.verdict for one in found if one.verdict is not Verdict.CLEAR), None) is verdict


def opened_by_the_page(url: str, *, accepted: bool = True) -> Observation:
    return seen(UpgradeFacts(url=url, accepted=accepted, status=101 if accepted else 400), step="1.2", probe="browser")


def polled(path: str) -> Observation:
    companion = Companion(url=f"http://shop.test{path}", count=3, first_s=1.0, last_s=2.0)
    return seen(RecordingFacts(companions=(companion,)), step="1.2", probe="har", hop="")


@pytest.mark.parametrize(
    ("observations", "fault"),
    [
        ([], True),
        ([opened_by_the_page(EIO)], False),
        ([opened_by_the_page(f"{EIO}&sid=abc")], True),
        ([opened_by_the_page(EIO), opened_by_the_page(f"{EIO}&sid=abc")], True),
        ([opened_by_the_page(EIO, accepted=False)], True),
        ([opened_by_the_page(EIO), polled("/socket.io/")], True),
        ([opened_by_the_page(EIO), polled("/publish")], False),
        ([opened_by_the_page("ws://shop.test/ws")], True),
        ([by_hand()], False),
        ([by_hand(), dials("socket.io")], True),
    ],
)
def test_a_client_of_sockets_alone_needs_no_stickiness(observations: list[Observation], fault: bool) -> None:
    spoken = dialect("engine.io", FINE, refused("engine.io-1"), pairs=6, pairs_lost=3)
    assert (STICKY in faults(spoken, *observations, target=AT_SOCKET_IO)) is fault


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
