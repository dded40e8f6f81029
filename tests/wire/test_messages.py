"""What messages of the usual dialects mean by their text."""

import tomllib
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.causes import causes
from wsbook.wire.messages import documents_in, errors_in, is_heartbeat, is_subscription, number_of, opened

HEARTBEATS = [
    "2",
    "3",
    "2probe",
    "h",
    "",
    "\n",
    "\r\n",
    '{"type":6}\x1e',
    '{"type":"ping"}',
    '{"event":"pusher:ping","data":{}}',
    "ping",
    "PONG",
    "{}",
]
HEARTBEATS += [
    '["1","3","phoenix","heartbeat",{}]',
    '[null,"7","phoenix","phx_reply",{"status":"ok"}]',
    '{"type":"ping","message":1773309600}',
    '{"type":"ka"}',
]
HEARTBEATS += ['a["\\n"]', '{"op":"heartbeat","d":4}', "~h~12"]
MESSAGES = [
    '{"type":"tick","price":3}',
    '42["ping me"]',
    "hello",
    '{"type":"pingpong"}',
    "21",
    '{"type":1,"target":"x"}',
    '{"text":"ping"}',
    "40",
]


@pytest.mark.parametrize("text", HEARTBEATS)
def test_heartbeats(text: str) -> None:
    assert is_heartbeat(text)
    assert not is_heartbeat(text, opcode=2)


@pytest.mark.parametrize("text", MESSAGES)
def test_messages_are_no_heartbeats(text: str) -> None:
    assert not is_heartbeat(text)
    assert is_heartbeat(text, opcode=9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"type":"subscribe","channel":"x"}', True),
        ('{"event":"pusher:subscribe","data":{"channel":"x"}}', True),
        ('["3","3","room:1","phx_join",{}]', True),
        ('42["join","room"]', True),
        ('42/chat,7["subscribe",{"a":1}]', True),
        ("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n\0", True),
        ('["SUBSCRIBE\\nid:0\\ndestination:/topic/a\\n\\n\\u0000"]', True),
        ('{"command":"subscribe","identifier":"{}"}', True),
        ('{"id":"1","type":"start","payload":{"query":"subscription { a }"}}', True),
        ('{"subscribe":"state"}', True),
        ('{"type":"unsubscribe","channel":"x"}', False),
        ('{"type":"message","text":"please subscribe"}', False),
        ("hello", False),
    ],
)
def test_subscriptions(text: str, expected: bool) -> None:
    assert is_subscription(text) is expected


ERRORS = [
    ('{"event":"pusher:error","data":{"code":4001,"message":"Application does not exist"}}', "pusher-app-unknown"),
    ('{"event":"pusher:error","data":"{\\"code\\":4004,\\"message\\":\\"over connection quota\\"}"}', "pusher-quota"),
    ('{"event":"pusher:error","data":{"code":4009,"message":"Connection is unauthorized"}}', "pusher-unauthorized"),
    ('44{"message":"jwt expired"}', "socketio-expired"),
    ('44/admin,{"message":"Invalid namespace"}', "socketio-namespace"),
    ('44"Not authorized"', "socketio-refused"),
    ('44{"message":"oops"}', "socketio-connect-error"),
    ("ERROR\nmessage:Access refused for user 'guest'\n\n\0", "stomp-access"),
    ('a["ERROR\\nmessage:Access denied\\n\\n\\u0000"]', "stomp-access"),
    ("ERROR\nmessage:Failed to send message to ExecutorSubscribableChannel\n\n\0", "stomp-error"),
    ("ERROR\nmessage:not_found\ncontent-type:text/plain\n\nNOT_FOUND - no exchange 'x'\0", "stomp-destination"),
    ('{"type":"connection_error","payload":{"message":"no"}}', "graphql-connection-error"),
    ('{"id":"1","type":"error","payload":[{"message":"Cannot query field \\"a\\" on type \\"B\\"."}]}', "graphql-unknown-field"),
    ('{"id":"1","type":"error","payload":[{"message":"x","extensions":{"code":"UNAUTHENTICATED"}}]}', "graphql-unauthenticated"),
    ('["1","1","room:1","phx_error",{}]', "phoenix-crash"),
    ('["1","1","room:9","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]', "phoenix-unmatched-topic"),
    ('["1","1","room:9","phx_reply",{"status":"error","response":{"reason":"unauthorized"}}]', "phoenix-unauthorized"),
    ('{"type":3,"invocationId":"0","error":"Failed to invoke \'X\'. HubException: Method does not exist."}\x1e', "signalr-unknown-method"),
    ('{"type":3,"invocationId":"0","error":"An unexpected error occurred invoking \'X\' on the server."}\x1e', "signalr-invocation-failed"),
    ('{"type":7,"error":"Connection closed with an error."}\x1e', "signalr-closed-with-error"),
    ('{"error":"The protocol \'messagepack\' is not supported."}\x1e', "signalr-protocol"),
    ('{"type":"disconnect","reason":"unauthorized","reconnect":false}', "cable-unauthorized"),
    ('{"type":"disconnect","reason":"server_restart","reconnect":true}', "cable-restart"),
    ('{"identifier":"{\\"channel\\":\\"X\\"}","type":"reject_subscription"}', "cable-rejected"),
    ('{"id":3,"error":{"code":109,"message":"token expired"}}', "centrifugo-expired"),
    ('{"message": "Internal server error", "connectionId":"L0=", "requestId":"L="}', "apigateway-internal"),
    ('{"type":"error","error":"Unauthorized"}', "json-unauthorized"),
    ('{"event":"error","data":{"message":"Too many requests"}}', "json-rate"),
]


@pytest.mark.parametrize(("text", "name"), ERRORS)
def test_errors(text: str, name: str) -> None:
    assert [error.id for error in errors_in(text)] == [name]


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"order","state":"error","error_rate":0.3}',
        '{"type":"chat","text":"I got the error: token expired, what now?"}',
        '{"type":"log","level":"error","line":"GET /a 401 unauthorized"}',
        '42["message",{"text":"44 errors"}]',
        '["1","2","room:1","phx_reply",{"status":"ok","response":{}}]',
        '{"type":3,"invocationId":"0","result":42}\x1e',
        '{"type":7}\x1e',
        '{"type":"disconnect"}',
        "MESSAGE\ndestination:/topic/errors\n\nERROR\0",
        '{"id":"1","type":"next","payload":{"data":{"error":null}}}',
        "",
    ],
)
def test_what_only_speaks_of_errors_is_none(text: str) -> None:
    assert errors_in(text) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"seq":12}', ("seq", 12)),
        ('{"type":"t","channel":"a","sequence":"7"}', ("sequence of a", 7)),
        ('{"event":"x","data":"{\\"seq\\":7,\\"topic\\":\\"a\\"}"}', ("seq of a", 7)),
        ('42["price",{"seq":3}]', ("seq", 3)),
        ('{"seq":1.5}', None),
        ('{"id":12}', None),
        ('{"sequel":12}', None),
        ("", None),
    ],
)
def test_sequence_numbers(text: str, expected: tuple[str, int] | None) -> None:
    assert number_of(text) == expected


def test_sockjs_frames_are_opened() -> None:
    assert opened('a["x"]') == opened('["x"]') == "x"
    assert opened('a["x","y"]') == 'a["x","y"]'
    assert opened('a["x') == 'a["x'


def test_the_table_names_causes_of_the_catalogue_and_its_sources() -> None:
    rows = tomllib.loads(files("wsbook.wire").joinpath("messages.toml").read_text(encoding="utf-8"))["error"]
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert row["causes"].keys() <= causes().keys(), row["id"]
        assert sum(row["causes"].values()) <= 1, row["id"]
        assert row["source"], row["id"]
    assert {name for _, name in ERRORS} <= {row["id"] for row in rows}


@settings(deadline=None)  # the first call reads the tables
@given(st.text(max_size=300) | st.text(alphabet='{}[]"\\:,errornsqtyp 0142\n', max_size=300))
def test_any_text_gets_an_answer(text: str) -> None:
    assert isinstance(is_heartbeat(text), bool)
    assert isinstance(is_subscription(text), bool)
    assert len(errors_in(text)) <= 10
    assert number_of(text) is None or number_of(text)[1] >= 0


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('{"a": 1}', 1),
        ('{"a": 1}\n{"b": "}{"}\n', 2),
        ("[1][2] {}", 3),
        ('{"type":1}\x1e{"type":6}\x1e', 0),
        ("1 2", 0),
        ('{"a": 1} and more', 0),
        ("", 0),
        ("[" * 100_000, 0),
    ],
)
def test_documents_one_after_another(text: str, count: int) -> None:
    assert documents_in(text) == count
