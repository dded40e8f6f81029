"""What is said of a message that came otherwise at another place."""

import json

import pytest

from wsbook.probes.trace_content import alterations, altered, message_of

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


MARK = "wsbook-0123456789ab"


def sent(count: int, **members: object) -> dict[int, str]:
    """Return so many messages with their marker; a member that is a list has a value for each."""
    return {
        number: json.dumps({"text": f"{MARK}-{number}", **{n: v[number] if isinstance(v, list) else v for n, v in members.items()}})
        for number in range(count)
    }


BIG = 9007199254740993
PLACES = [
    ("same", [sent(3, a=1), sent(3, a=1)], "", ()),
    (
        "an id and a time of each copy",
        [sent(3, id=["a", "b", "c"], at=[1.5, 2.5, 3.5]), sent(3, id=["d", "e", "f"], at=[1.6, 2.6, 3.6])],
        "",
        (),
    ),
    ("an instance", [sent(3, server="a"), sent(3, server="b")], "", ()),
    ("a member is added", [sent(3), sent(3, via="proxy")], "", ()),
    ("nothing becomes something", [sent(3, via=None), sent(3, via="proxy")], "", ()),
    ("a member is gone", [sent(3, a=[1, 2, 3], b=[4, 5, 6]), sent(3, b=[7, 8, 9])], "$.a removed", ("$.a",)),
    ("another type", [sent(3, a=[1, 2, 3]), sent(3, a=["1", "2", "3"])], '$.a changed from 1 to "1"', ("$.a",)),
    ("another value", [sent(3, a="EUR"), sent(3, a="USD")], '$.a changed from "EUR" to "USD"', ()),
    ("one value for all", [sent(3, a=[1, 2, 3]), sent(3, a=0)], "$.a changed from 1 to 0", ()),
    ("around the marker", [sent(3, b=f"é {MARK}-0"), sent(3, b=f"Ã© {MARK}-0")], '$.b changed from "é wsbook', ()),
    ("rounded", [sent(3, a=[BIG, BIG + 2, BIG + 4]), sent(3, a=[BIG - 1, BIG + 3, BIG + 3])], f"$.a changed from {BIG}", ()),
    ("cut short", [sent(2, a=["one long text", "two long text"]), sent(2, a=["one long", "two long"])], "$.a changed from", ()),
    ("a single event", [sent(1, id="a"), sent(1, id="b")], "$.id changed", ()),
    ("one of each recipient", [sent(3, you=7), sent(3, you=8), sent(3, you=9)], "", ()),
    ("changed at the last place", [sent(3, a=7), sent(3, a=7), sent(3, a=9)], "$.a changed from 7 to 9", ()),
    ("as at another place before", [sent(3, a=7), sent(3, a=9), sent(3, a=9)], "", ()),
    ("only there", [{}, sent(3, a=9)], "", ()),
    ("binary", [{0: b"wsbook-01234567-0"}, {0: "wsbook-01234567-0"}], "it came as text instead of binary", ("",)),
]


@pytest.mark.parametrize(("places", "words", "reshaped"), [row[1:] for row in PLACES], ids=[row[0] for row in PLACES])
def test_what_was_altered_on_the_way(places: list[dict[int, str | bytes]], words: str, reshaped: tuple[str, ...]) -> None:
    found = alterations(places)[-1]
    assert found.keys() == (places[-1].keys() if words else set())
    assert all(one.reshaped == reshaped for one in found.values())
    if words:
        assert found[0].words.startswith(words)
