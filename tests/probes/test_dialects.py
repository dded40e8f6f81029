"""Each dialect against its real server where there is one, and what its refusals become."""

import pytest
from dialect_servers import Hub, needs_node, node, round_robin, serving, socketio_application, talking

from wsbook.attempt import Attempt
from wsbook.facts import DialectFacts, DialectStep
from wsbook.observation import Outcome
from wsbook.probes.dialects import probe_dialect
from wsbook.wire.dialects.detect import Clue

SOCKETIO = needs_node("socket.io")


async def asked(port: int, dialect: str, path: str = "/", *, pairs: int = 4, seconds: float = 6.0, **fields: object) -> DialectFacts:
    attempt = Attempt(url=f"ws://127.0.0.1:{port}{path}", **fields)  # type: ignore[arg-type]
    seen = await probe_dialect(attempt, Clue(dialect=dialect, why="a test", basis="asked"), step="1.3", pairs=pairs, seconds=seconds)
    assert isinstance(seen.facts, DialectFacts)
    assert seen.outcome is Outcome.ANSWERED
    return seen.facts


def steps(facts: DialectFacts) -> dict[str, bool | None]:
    return {step.name: step.ok for step in facts.steps}


def step(facts: DialectFacts, name: str) -> DialectStep:
    return next(one for one in facts.steps if one.name.startswith(name))


# Engine.IO and Socket.IO


@SOCKETIO
@pytest.mark.parametrize("path", ["/", "/socket.io/?EIO=4&transport=websocket"])
async def test_socket_io_in_node(path: str) -> None:
    async with node("socket.io") as port:
        facts = await asked(port, "engine.io", path)
    assert steps(facts) == {
        "polling handshake, EIO=4": True,
        "polling handshake, EIO=3": None,
        "namespace /": True,
        "upgrade to WebSocket": True,
        "heartbeat": True,
        "WebSocket without polling": True,
    }
    assert (facts.spoken, facts.versions, facts.pairs, facts.pairs_lost) == (True, ("4",), 4, 0)
    assert dict(facts.settings) == {"upgrades": "websocket", "pingInterval": "0.3 s", "pingTimeout": "5 s", "maxPayload": "54321 B"}


@SOCKETIO
async def test_both_versions() -> None:
    async with node("socket.io-eio3") as port:
        facts = await asked(port, "engine.io", pairs=0)
    assert facts.versions == ("4", "3")


@SOCKETIO
@pytest.mark.parametrize(
    ("kind", "failing", "refusal"),
    [
        ("socket.io-forbidden", "polling handshake, EIO=4", "engine.io-4"),
        ("socket.io-auth", "namespace /", "socket.io-auth"),
        ("socket.io-polling", "WebSocket without polling", "engine.io-transport"),
        ("sockjs", "polling handshake, EIO=4", "engine.io-404"),
    ],
)
async def test_socket_io_refuses(kind: str, failing: str, refusal: str) -> None:
    async with node(kind) as port:
        facts = await asked(port, "engine.io", pairs=0)
    assert step(facts, failing).ok is False
    assert step(facts, failing).refusal == refusal
    assert facts.spoken is (kind != "sockjs")


async def test_python_socketio() -> None:
    async with serving(socketio_application(ping_interval=0.3)) as port:
        facts = await asked(port, "engine.io", "/socket.io/")
    assert facts.spoken
    assert facts.versions == ("4",)
    assert {name for name, ok in steps(facts).items() if ok} >= {
        "namespace /",
        "upgrade to WebSocket",
        "heartbeat",
        "WebSocket without polling",
    }
    assert (facts.pairs, facts.pairs_lost) == (4, 0)


async def test_python_socketio_checks_the_origin() -> None:
    async with serving(socketio_application(cors_allowed_origins=["https://shop.example"])) as port:
        facts = await asked(port, "engine.io", origin="https://other.example")
        fine = await asked(port, "engine.io", origin="https://shop.example")
    assert step(facts, "polling handshake, EIO=4").refusal == "engine.io-origin"
    assert fine.spoken


async def test_two_processes_without_affinity_lose_sessions() -> None:
    async with serving(socketio_application()) as one, serving(socketio_application()) as other, round_robin(one, other) as port:
        facts = await asked(port, "engine.io", pairs=8)
    assert facts.pairs == facts.pairs_lost == 8


async def test_nothing_there() -> None:
    async with serving(talking({})) as port:
        plain = await asked(port, "engine.io", pairs=4)
    assert plain.spoken is False
    facts = await asked(port, "engine.io", pairs=4)
    assert facts.spoken is None
    assert {one.ok for one in facts.steps} == {None}


async def test_the_headers_of_the_target_go_along(monkeypatch: pytest.MonkeyPatch) -> None:
    from aiohttp import web

    monkeypatch.setenv("WSBOOK_TEST_TOKEN", "t0ken")
    heard: list[tuple[str, str]] = []

    async def note(request: web.Request) -> web.Response:
        heard.append((request.headers.get("Authorization", ""), request.query.get("key", "")))
        return web.json_response({"code": 4, "message": "no"}, status=403)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", note)
    async with serving(application) as port:
        facts = await asked(
            port, "engine.io", "/socket.io/?key=${env:WSBOOK_TEST_TOKEN}", headers=(("Authorization", "Bearer ${env:WSBOOK_TEST_TOKEN}"),)
        )
    assert set(heard) == {("Bearer t0ken", "t0ken")}
    assert "t0ken" not in repr(facts)


# SockJS


@needs_node("sockjs")
async def test_sockjs_in_node() -> None:
    async with node("sockjs") as port:
        facts = await asked(port, "sockjs", "/echo/websocket")
    assert set(steps(facts).values()) == {True}
    assert {"/info", "transport websocket", "raw /websocket", "transport xhr", "transport eventsource"} == set(steps(facts))
    assert dict(facts.settings) == {"websocket": "true", "cookie_needed": "false"}
    assert (facts.pairs, facts.pairs_lost) == (4, 0)


@needs_node("sockjs")
async def test_sockjs_without_websocket_and_at_another_prefix() -> None:
    async with node("sockjs-no-websocket") as port:
        facts = await asked(port, "sockjs", "/echo", pairs=0)
        nowhere = await asked(port, "sockjs", "/other", pairs=0)
    assert dict(facts.settings)["websocket"] == "false"
    assert step(facts, "transport websocket").ok is False
    assert (nowhere.spoken, step(nowhere, "/info").refusal) == (False, "sockjs-404")


@needs_node("sockjs")
async def test_sockjs_sessions_that_do_not_stick() -> None:
    async with node("sockjs") as one, node("sockjs") as other, round_robin(one, other) as port:
        facts = await asked(port, "sockjs", "/echo", pairs=8)
    assert facts.pairs_lost > 0


# GraphQL


@needs_node("graphql-ws", "graphql", "ws")
@pytest.mark.parametrize(
    ("kind", "versions", "refusal"), [("graphql", ("graphql-transport-ws",), ""), ("graphql-refuses", (), "graphql-4403")]
)
async def test_graphql_in_node(kind: str, versions: tuple[str, ...], refusal: str) -> None:
    async with node(kind) as port:
        facts = await asked(port, "graphql", "/graphql")
    assert (facts.spoken, facts.versions) == (True, versions)
    assert step(facts, "connection_init, graphql-transport-ws").refusal == refusal
    assert step(facts, "connection_init, graphql-ws").ok is None


async def test_the_older_graphql_protocol() -> None:
    server = talking({"connection_init": '{"type":"connection_ack"}'}, protocols=("graphql-ws",))
    async with serving(server) as port:
        facts = await asked(port, "graphql")
    assert facts.versions == ("graphql-ws",)


# STOMP, SignalR, and those that say all in one message


@pytest.mark.parametrize(
    ("answer", "ok", "settings", "refusal"),
    [
        ("CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0", True, {"heart-beat": "0,0"}, ""),
        (
            "CONNECTED\nversion:1.1\nheart-beat:10000,20000\n\n\0",
            True,
            {"heart-beat": "10000 ms from the server, 20000 ms wanted from clients"},
            "",
        ),
        ("ERROR\nmessage:Bad CONNECT\n\nAccess refused\0", False, {}, "stomp-login"),
        ("ERROR\nmessage:Supported versions are 1.0\n\n\0", False, {}, "stomp-version"),
    ],
)
async def test_stomp(answer: str, ok: bool, settings: dict[str, str], refusal: str) -> None:
    async with serving(talking({"CONNECT\n": answer}, protocols=("v12.stomp", "v11.stomp"))) as port:
        facts = await asked(port, "stomp", "/ws")
    assert (step(facts, "CONNECT").ok, dict(facts.settings), step(facts, "CONNECT").refusal) == (ok, settings, refusal)
    assert facts.spoken


async def test_signalr() -> None:
    async with serving(Hub().application()) as port:
        facts = await asked(port, "signalr", "/hub")
    assert steps(facts) == {"negotiate": True, "connect and handshake": True}
    assert (facts.spoken, facts.versions, facts.pairs, facts.pairs_lost) == (True, ("json 1",), 4, 0)


@pytest.mark.parametrize("status", [401, 404, 405])
async def test_signalr_negotiation_refused(status: int) -> None:
    async with serving(Hub(status=status).application()) as port:
        facts = await asked(port, "signalr", "/hub")
    assert step(facts, "negotiate").refusal == f"signalr-{status}"
    assert step(facts, "handshake without negotiation").ok


async def test_signalr_without_websockets_and_with_a_refusing_hub() -> None:
    async with serving(Hub(transports=("LongPolling",)).application()) as port:
        facts = await asked(port, "signalr", "/hub")
    assert dict(facts.settings)["transports"] == "LongPolling"
    async with serving(Hub(closes="not for you").application()) as port:
        facts = await asked(port, "signalr", "/hub", pairs=0)
    assert (step(facts, "connect").ok, step(facts, "connect").detail) == (False, "not for you")


async def test_signalr_connections_that_do_not_stick() -> None:
    async with serving(Hub().application()) as one, serving(Hub().application()) as other, round_robin(one, other) as port:
        facts = await asked(port, "signalr", "/hub", pairs=8)
    assert facts.pairs_lost > 0


async def test_phoenix_action_cable_and_mqtt() -> None:
    reply = '[null,"1","phoenix","phx_reply",{"status":"ok","response":{}}]'
    async with serving(talking({"heartbeat": reply})) as port:
        assert steps(await asked(port, "phoenix", "/socket")) == {"heartbeat": True}
    async with serving(talking({}, greeting='{"type":"welcome"}', protocols=("actioncable-v1-json",))) as port:
        facts = await asked(port, "actioncable", "/cable")
        assert (steps(facts), facts.versions) == ({"welcome": True}, ("actioncable-v1-json",))
    async with serving(talking({}, greeting='{"type":"disconnect","reason":"unauthorized"}')) as port:
        assert step(await asked(port, "actioncable", "/cable"), "welcome").refusal == "actioncable-unauthorized"
    for code, refusal in ((0, ""), (5, "mqtt-5")):
        async with serving(talking({}, binary=b"\x20\x02\x00" + bytes([code]), protocols=("mqtt",))) as port:
            facts = await asked(port, "mqtt", "/mqtt")
        assert (step(facts, "CONNECT").ok, step(facts, "CONNECT").refusal) == (code == 0, refusal)


async def test_an_endpoint_that_only_listens_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(talking({})) as port:
        for dialect in ("stomp", "phoenix", "actioncable", "mqtt", "graphql"):
            facts = await asked(port, dialect, seconds=0.2)
            assert facts.spoken is None, dialect
            assert {one.ok for one in facts.steps} == {None}, dialect
