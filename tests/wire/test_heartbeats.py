"""What clients of each dialect say by themselves, and what servers announce."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.wire.dialects.detect import DIALECTS
from wsbook.wire.heartbeats import Announced, announced, answer_to, dialect_of, heartbeat_kind, manner_of

EIO4, EIO3 = "ws://a/socket.io/?EIO=4&transport=websocket", "ws://a/socket.io/?EIO=3&transport=websocket"
OPEN = '0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'


@pytest.mark.parametrize(
    ("dialect", "url", "message", "reply"),
    [
        ("engine.io", EIO4, "2", "3"),
        ("engine.io", EIO4, "2probe", "3probe"),
        ("engine.io", EIO4, '42["ping"]', None),
        ("engine.io", EIO3, "2", None),
        ("graphql", "", '{"type":"ping"}', '{"type":"pong"}'),
        ("graphql", "", '{"type":"next","payload":"ping"}', None),
        ("pusher", "", '{"event":"pusher:ping","data":{}}', '{"event":"pusher:pong","data":{}}'),
        ("centrifugo", "", "{}", "{}"),
        ("signalr", "", '{"type":6}\x1e', None),
        ("actioncable", "", '{"type":"ping","message":1700000000}', None),
        ("", "", "ping", "pong"),
        ("", "", "PING", "PONG"),
        ("", "", '"ping"', '"pong"'),
        ("", "", '{"type":"ping","id":7}', '{"type":"pong","id":7}'),
        ("", "", '{"event": "server:Ping"}', '{"event": "server:Pong"}'),
        ("", "", "pong", None),
        ("", "", "shipping", None),
        ("", "", '{"type":"chat","text":"ping"}', None),
        ("", "", "2", None),
        ("", "", b"ping", None),
    ],
)
def test_heartbeats_are_answered_as_the_dialects_client_does(dialect: str, url: str, message: str | bytes, reply: str | None) -> None:
    assert answer_to(manner_of(dialect, url), message) == reply


@pytest.mark.parametrize(
    ("dialect", "url", "message", "expected"),
    [
        ("engine.io", EIO4, OPEN, Announced(beats_s=25.0, patience_s=20.0)),
        ("engine.io", EIO3, OPEN, Announced(beats_s=0.0, patience_s=20.0, wanted_s=25.0)),
        ("engine.io", EIO4, "40", None),
        ("stomp", "", "CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\x00", Announced(beats_s=0.0, wanted_s=0.0)),
        ("stomp", "", "CONNECTED\nversion:1.2\nheart-beat:5000,30000\n\n\x00", Announced(beats_s=10.0, wanted_s=30.0)),
        ("stomp", "", "CONNECTED\nversion:1.2\n\n\x00", Announced(beats_s=0.0, wanted_s=0.0)),
        ("stomp", "", "MESSAGE\n\nhello\x00", None),
        ("pusher", "", '{"event":"pusher:connection_established","data":"{\\"activity_timeout\\":120}"}', Announced(wanted_s=120.0)),
        ("pusher", "", '{"event":"pusher:error"}', None),
        ("", "", OPEN, None),
    ],
)
def test_what_servers_announce(dialect: str, url: str, message: str, expected: Announced | None) -> None:
    assert announced(dialect, message, url) == expected


@pytest.mark.parametrize(
    ("dialect", "text", "opcode", "kind"),
    [
        ("", "", 9, "ping"),
        ("", "", 10, ""),
        ("", "2", 1, ""),
        ("engine.io", "2", 1, "engine.io"),
        ("", '{"type":"heartbeat"}', 1, "text"),
        ("", '{"type":"keep_alive"}', 1, "text"),
        ("sockjs", "h", 1, "sockjs"),
        ("", "h", 1, ""),
        ("", '{"type":"tick","price":2}', 1, ""),
        ("stomp", "\n", 1, "stomp"),
    ],
)
def test_which_frames_are_heartbeats(dialect: str, text: str, opcode: int, kind: str) -> None:
    assert heartbeat_kind(dialect, text, opcode) == kind


def test_servers_tell_their_dialect_in_the_first_message() -> None:
    assert dialect_of('{"event":"pusher:connection_established","data":"{}"}') == "pusher"
    assert dialect_of('{"id":1,"connect":{"client":"42","ping":25}}') == "centrifugo"
    assert dialect_of('{"event":"hello"}') == ""


def test_every_dialect_but_mqtt_has_its_manner() -> None:
    """MQTT is binary, and its client is closed after one and a half of the keep-alive that it names itself."""
    assert [name for name in DIALECTS if manner_of(name).dialect != name] == ["mqtt"]
    assert all(manner_of(name).source for name in DIALECTS)


@given(st.text(max_size=60), st.sampled_from([*DIALECTS, "", "pusher", "centrifugo"]))
def test_any_message_is_taken(message: str, dialect: str) -> None:
    reply = answer_to(manner_of(dialect), message)
    assert reply is None or (isinstance(reply, str) and reply)
    assert announced(dialect, message) is None or isinstance(announced(dialect, message), Announced)
