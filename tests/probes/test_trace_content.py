"""What is said of a message that came otherwise at another place."""

import json

import pytest

from wsbook.probes.trace_content import altered, message_of

ROWS = [
    ("same", "same", ""),
    ('{"a": 1, "b": 2}', '{"b":2,"a":1}', ""),
    ('{"a": 1, "b": {"c": 2}}', '{"a": 1, "b": {}}', "$.b.c removed"),
    ('{"a": 1}', '{"a": 1, "x y": 2}', '$["x y"] added'),
    ('{"a": [1, {"b": "x"}]}', '{"a": [1, {"b": "y"}]}', '$.a[1].b changed from "x" to "y"'),
    ('{"a": [1, 2]}', '{"a": [1]}', "$.a has 1 instead of 2 elements"),
    ('{"a": 1}', '{"a": "1"}', '$.a changed from 1 to "1"'),
    ('{"id": 9007199254740993}', '{"id": 9007199254740992}', "$.id changed from 9007199254740993 to 9007199254740992"),
    ('42["news",{"a":1}]', '42["news",{"a":2}]', "$[1].a changed from 1 to 2"),
    ("hello world", "hello", "it ends after 5 of 11 characters"),
    ("hello", "hello world", "6 characters follow"),
    ("caf\u00e9 au lait", "cafÃ© au lait", "different from character 3 on: 'é au lait' became 'Ã© au lait', 13 of 12 characters"),
    (b"\x00\x01", b"\x00\x02", "different from byte 1 on: b'\\x01' became b'\\x02', 2 of 2 bytes"),
    ("text", b"text", "it came as binary instead of text"),
]


@pytest.mark.parametrize(("first", "later", "words"), ROWS, ids=[str(row[2])[:40] or "same" for row in ROWS])
def test_how_a_message_was_altered(first: str | bytes, later: str | bytes, words: str) -> None:
    assert altered(first, later) == words


def test_hostile_messages_are_bounded() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert "different" in altered(deep, deep.replace("[]", "[ ]"))
    many = altered(json.dumps(dict.fromkeys(map(str, range(1000)), 1)), json.dumps(dict.fromkeys(map(str, range(1000)), "x" * 1000)))
    assert many.endswith("; and more") and len(many) < 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a":1}', '{"a":1}'),
        ('42["news",{"a":1}]', '{"a":1}'),
        ('42/admin,7["news","x"]', '"x"'),
        ("451-hello", "451-hello"),
        (b"\xff{}", "\ufffd{}"),
    ],
)
def test_the_message_in_a_packet(text: str | bytes, message: str) -> None:
    assert message_of(text) == message
