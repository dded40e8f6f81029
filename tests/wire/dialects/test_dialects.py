"""Packets, frames and answers of each dialect, as their servers write them, and whatever else a peer may send."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.causes import causes
from wsbook.wire.dialects import engineio, graphql, signalr, small, sockjs, stomp
from wsbook.wire.dialects.detect import DIALECTS, recognise
from wsbook.wire.dialects.refusals import explain, refusals

OPEN = '0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
anything = st.text(max_size=80) | st.sampled_from(["0{}", "40", "44", "5:hello", "o", "c[1]", "{}\x1e", "CONNECTED\n\n", OPEN, "[" * 5000])


# Engine.IO


def test_open_packet() -> None:
    opened = engineio.open_of(engineio.parse_packet(OPEN))
    assert opened == engineio.Open(
        sid="lv_VI97HAXpY6yYWAAAC", upgrades=("websocket",), ping_interval_s=25.0, ping_timeout_s=20.0, max_payload_bytes=1_000_000
    )


@pytest.mark.parametrize("text", ["", "0", "0{}", '0{"sid":7}', "2probe", '1{"sid":"a"}', "hello", "7", "\u0660{}"])
def test_no_open_packet(text: str) -> None:
    assert engineio.open_of(engineio.parse_packet(text)) is None


@pytest.mark.parametrize(
    ("text", "kind", "socketio", "namespace", "message"),
    [
        ('40{"sid":"x"}', "message", "CONNECT", "/", ""),
        ("40", "message", "CONNECT", "/", ""),
        ('40/admin,{"sid":"x"}', "message", "CONNECT", "/admin", ""),
        ('44{"message":"Not authorized"}', "message", "CONNECT_ERROR", "/", "Not authorized"),
        ('44/admin,{"message":"no"}', "message", "CONNECT_ERROR", "/admin", "no"),
        ('44"Unable to connect"', "message", "CONNECT_ERROR", "/", "Unable to connect"),
        ("44/gone", "message", "CONNECT_ERROR", "/gone", ""),
        ('42["price",{"a":1}]', "message", "EVENT", "/", ""),
        ("4hello", "message", "", "", ""),
        ("3probe", "pong", "", "", ""),
        ("6", "noop", "", "", ""),
        ("x", "", "", "", ""),
    ],
)
def test_packets(text: str, kind: str, socketio: str, namespace: str, message: str) -> None:
    packet = engineio.parse_packet(text)
    assert (packet.kind, packet.socketio, packet.namespace, packet.message) == (kind, socketio, namespace, message)


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        (OPEN, ["open"]),
        (f"{OPEN}\x1e40", ["open", "message"]),
        (f"{len(OPEN)}:{OPEN}2:40", ["open", "message"]),
        ("1:6", ["noop"]),
        ("999999:2", ["ping"]),
        ("", [""]),
        ("<html>", [""]),
    ],
)
def test_payloads_of_both_versions(body: str, kinds: list[str]) -> None:
    assert [packet.kind for packet in engineio.parse_payload(body)] == kinds


def test_namespace_request() -> None:
    assert (engineio.connect_packet(), engineio.connect_packet("/a")) == ("40", "40/a,")


# SockJS


@pytest.mark.parametrize(
    ("path", "base"),
    [
        ("/echo", "/echo"),
        ("/echo/", "/echo"),
        ("/echo/websocket", "/echo"),
        ("/echo/info", "/echo"),
        ("/echo/123/abcd1234/websocket", "/echo"),
        ("/a/echo/000/x_y/xhr_streaming", "/a/echo"),
        ("/", ""),
    ],
)
def test_prefix(path: str, base: str) -> None:
    assert sockjs.base_path(path) == base


@pytest.mark.parametrize(
    ("body", "info"),
    [
        (
            '{"websocket":true,"origins":["*:*"],"cookie_needed":false,"entropy":7}',
            sockjs.Info(websocket=True, cookie_needed=False, entropy=7),
        ),
        ('{"websocket":false}', sockjs.Info(websocket=False)),
        ('{"websocket":"yes","entropy":1}', sockjs.Info(entropy=1)),
        ("{}", None),
        ("[]", None),
        ("<html>", None),
    ],
)
def test_info(body: str, info: sockjs.Info | None) -> None:
    assert sockjs.parse_info(body) == info


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("o", sockjs.Frame(kind="open")),
        ("o\n", sockjs.Frame(kind="open")),
        ("h", sockjs.Frame(kind="heartbeat")),
        ('a["x"]', sockjs.Frame(kind="messages")),
        ('c[3000,"Go away!"]', sockjs.Frame(kind="close", code=3000, reason="Go away!")),
        ("c[]", sockjs.Frame(kind="")),
        ("open", sockjs.Frame(kind="")),
        ("a", sockjs.Frame(kind="")),
        ("", sockjs.Frame(kind="")),
    ],
)
def test_sockjs_frames(text: str, frame: sockjs.Frame) -> None:
    assert sockjs.parse_frame(text) == frame


# GraphQL, STOMP, SignalR


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ('{"type":"connection_ack"}', "ack", ""),
        ('{"type":"ka"}', "alive", ""),
        ('{"type":"ping"}', "alive", ""),
        ('{"type":"connection_error","payload":{"message":"no token"}}', "refused", "no token"),
        ('{"type":"connection_error","payload":"no"}', "refused", "no"),
        ('{"type":"next","id":"1"}', "other", ""),
        ('{"type":7}', "", ""),
        ("[]", "", ""),
    ],
)
def test_graphql_messages(text: str, kind: str, said: str) -> None:
    message = graphql.parse_message(text)
    assert (message.kind, message.text) == (kind, said)


def test_stomp_frames() -> None:
    frame = stomp.parse_frame("CONNECTED\r\nversion:1.2\nheart-beat:0,20000\nserver:Rabbit\\cMQ\nversion:1.0\n\n\x00")
    assert (frame.command, frame.header("version"), frame.header("server")) == ("CONNECTED", "1.2", "Rabbit:MQ")
    error = stomp.parse_frame("ERROR\nmessage:Bad CONNECT\n\nAccess refused\x00more")
    assert (error.command, error.header("message"), error.body) == ("ERROR", "Bad CONNECT", "Access refused")
    assert stomp.parse_frame("\n").command == "HEART-BEAT"
    assert [stomp.parse_frame(text).command for text in ("", "hello", "CONNECTED", "connected\n\n")] == [""] * 4
    assert stomp.parse_frame(stomp.connect_frame("h.example", (0, 5))).header("heart-beat") == "0,5"


@pytest.mark.parametrize(
    ("value", "pair"), [("0,0", (0, 0)), (" 10 , 20 ", (10, 20)), ("", None), ("1", None), ("a,b", None), ("-1,2", None)]
)
def test_heart_beats(value: str, pair: tuple[int, int] | None) -> None:
    assert stomp.beats(value) == pair


def test_signalr_negotiation() -> None:
    transports = [{"transport": "WebSockets", "transferFormats": ["Text"]}, {"transport": "LongPolling"}, 7]
    found = signalr.parse_negotiation(
        json.dumps({"connectionToken": "t", "connectionId": "i", "negotiateVersion": 1, "availableTransports": transports})
    )
    assert found == signalr.Negotiated(token="t", transports=("WebSockets", "LongPolling"), version=1)
    old = signalr.parse_negotiation('{"connectionId":"i","availableTransports":null}')
    assert old == signalr.Negotiated(token="i")
    assert signalr.parse_negotiation('{"url":"https://x.example/","accessToken":"secret"}') == signalr.Negotiated(url="https://x.example/")
    assert signalr.parse_negotiation('{"error":"no"}') == signalr.Negotiated(error="no")
    assert [signalr.parse_negotiation(body) for body in ("", "{}", "[]", "<html>")] == [None] * 4


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("{}\x1e", ["handshake"]),
        ('{"error":"no such protocol"}\x1e', ["handshake"]),
        ('{}\x1e{"type":6}\x1e', ["handshake", "ping"]),
        ('{"type":7,"error":"x"}\x1e', ["close"]),
        ('{"type":99}\x1e', ["other"]),
        ("{}", []),
        ('{"hello":1}\x1e', [""]),
    ],
)
def test_signalr_records(text: str, kinds: list[str]) -> None:
    assert [record.kind for record in signalr.parse_records(text)] == kinds


# Phoenix, Action Cable, MQTT


def test_small_dialects() -> None:
    assert json.loads(small.phoenix_heartbeat("2.0.0"))[2:4] == ["phoenix", "heartbeat"]
    assert json.loads(small.phoenix_heartbeat("1.0.0"))["topic"] == "phoenix"
    assert small.phoenix_reply('[null,"1","phoenix","phx_reply",{"status":"ok","response":{}}]') == "ok"
    assert small.phoenix_reply('{"event":"phx_reply","payload":{"status":"error"}}') == "error"
    assert [small.phoenix_reply(text) for text in ("", "[]", "{}", '[1,2,3,"phx_reply",4]')] == [""] * 4
    assert small.welcome('{"type":"welcome"}') == ("welcome", "")
    assert small.welcome('{"type":"disconnect","reason":"unauthorized","reconnect":false}') == ("disconnect", "unauthorized")
    assert small.welcome('{"type":"other"}') == ("", "")
    assert small.mqtt_connect("a").hex() == "100d00044d5154540402003c000161"
    assert [small.mqtt_return_code(data) for data in (b"\x20\x02\x00\x05", b"\x20\x02\x00", b"\x30\x02\x00\x00", b"")] == [
        5,
        None,
        None,
        None,
    ]


# Recognising


@pytest.mark.parametrize(
    ("resource", "given", "dialects"),
    [
        ("/ws", {}, []),
        ("/socket.io/?EIO=4&transport=websocket", {}, ["engine.io"]),
        ("/ws?EIO=3", {}, ["engine.io"]),
        ("/chat/123/abcdefgh/websocket", {}, ["sockjs"]),
        ("/socket/websocket?vsn=2.0.0", {}, ["phoenix"]),
        ("/cable", {}, ["actioncable"]),
        ("/graphql", {}, ["graphql"]),
        ("/graphqlish", {}, []),
        ("/mqtt", {}, ["mqtt"]),
        ("/ws", {"subprotocols": ["graphql-transport-ws"]}, ["graphql"]),
        ("/ws", {"subprotocols": ["v12.stomp", "v11.stomp"]}, ["stomp"]),
        ("/ws", {"libraries": ["socket.io", "native"]}, ["engine.io"]),
        ("/ws", {"first_message": OPEN}, ["engine.io"]),
        ("/ws", {"first_message": "o"}, ["sockjs"]),
        ("/ws", {"first_message": "online"}, []),
        ("/ws", {"first_message": '{"type":"welcome"}'}, ["actioncable"]),
        ("/ws", {"first_message": '{"type":"ping","n":1}'}, []),
        ("/ws", {"first_message": '{"type":6}\x1e'}, ["signalr"]),
        ("/ws", {"first_message": '{"type":"tick"}'}, []),
        ("/ws", {"body": '{"code":3,"message":"Bad request"}'}, ["engine.io"]),
        ("/ws", {"body": '{"code":404,"message":"Not found"}'}, []),
        ("/ws", {"body": '"The client is using an unsupported version of the Socket.IO or Engine.IO protocols"'}, ["engine.io"]),
        ("/ws", {"body": "No Connection with that ID"}, ["signalr"]),
        ("/ws", {"body": "Welcome to SockJS!\n"}, ["sockjs"]),
        ("/graphql", {"first_message": OPEN}, ["engine.io", "graphql"]),
    ],
)
def test_recognise(resource: str, given: dict[str, object], dialects: list[str]) -> None:
    assert [clue.dialect for clue in recognise(resource, **given)] == dialects  # type: ignore[arg-type]


# Refusals


@pytest.mark.parametrize(
    ("dialect", "seen", "cause"),
    [
        ("engine.io", {"code": 0}, "endpoint.protocol-library-mismatch"),
        ("engine.io", {"code": 1, "status": 400}, "cluster.no-sticky-session"),
        ("engine.io", {"code": 3, "status": 400}, "proxy.upgrade-header-missing"),
        ("engine.io", {"code": 4, "status": 403}, "auth.credential-not-sent"),
        ("engine.io", {"code": 5}, "endpoint.protocol-library-mismatch"),
        ("engine.io", {"status": 400, "body": "HTTP 400: Invalid session kMlPq"}, "cluster.no-sticky-session"),
        ("engine.io", {"status": 400, "body": "https://a.example is not an accepted origin."}, "origin.not-in-allowlist"),
        ("engine.io", {"status": 404, "body": "HTTP 404: nothing"}, "endpoint.wrong-path"),
        ("engine.io", {"status": 500, "body": "oops"}, None),
        ("graphql", {"code": 4403}, "auth.credential-not-sent"),
        ("graphql", {"code": 4406}, "subprotocol.mismatch"),
        ("graphql", {"code": 1000}, None),
        ("signalr", {"status": 404, "body": "No Connection with that ID"}, "cluster.no-sticky-session"),
        ("signalr", {"status": 404, "body": "Not Found"}, "endpoint.wrong-path"),
        ("signalr", {"status": 401}, "auth.credential-not-sent"),
        ("signalr", {"status": 405}, "proxy.ws-location-missing"),
        ("stomp", {"body": "Bad CONNECT Access refused for user 'guest'"}, "auth.credential-not-sent"),
        ("stomp", {"body": "Supported protocol versions are 1.0"}, "endpoint.protocol-library-mismatch"),
        ("actioncable", {"body": "disconnect unauthorized"}, "auth.credential-not-sent"),
        ("mqtt", {"code": 5}, "auth.credential-not-sent"),
        ("mqtt", {"code": 0}, None),
    ],
)
def test_refusals_explained(dialect: str, seen: dict[str, object], cause: str | None) -> None:
    found = explain(dialect, **seen)  # type: ignore[arg-type]
    assert (found.causes[0][0] if found else None) == cause


def test_every_refusal_has_a_source_and_known_causes() -> None:
    for one in refusals().values():
        assert one.dialect in DIALECTS, one.id
        assert one.source.startswith("https://"), one.id
        assert one.code is not None or one.status is not None or one.body, one.id
        assert {slug for slug, _ in one.causes} <= causes().keys(), one.id
        assert all(0 < sure <= 1 for _, sure in one.causes), one.id


@given(anything)
def test_nothing_that_a_peer_sends_raises(text: str) -> None:
    engineio.parse_payload(text)
    sockjs.parse_frame(text)
    sockjs.parse_info(text)
    graphql.parse_message(text)
    stomp.parse_frame(text)
    signalr.parse_records(text)
    signalr.parse_negotiation(text)
    small.phoenix_reply(text)
    small.welcome(text)
    small.mqtt_return_code(text.encode("utf-8", "replace"))
    assert len(recognise(text, first_message=text, body=text, subprotocols=[text], libraries=[text])) <= len(DIALECTS)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x1e"), min_size=1, max_size=20), min_size=1, max_size=5))
def test_payload_of_version_3_gives_back_every_packet(texts: list[str]) -> None:
    body = "".join(f"{len(text)}:{text}" for text in texts)
    assert engineio.parse_payload(body) == tuple(map(engineio.parse_packet, texts))
