"""Messages are of one kind whatever they carry, and two connections say the same whatever their tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.wire.kinds import kind_of, settled

KINDS = [
    ('{"type":"tick","topic":"ticks","seq":12}', "type=tick, topic=ticks"),
    ('{"op":2,"d":{}}', "op=2"),
    ('{"px":1.5,"sym":"A"}', "{px, sym}"),
    ('42["tick",{"a":1}]', "42 [tick]"),
    ('0{"sid":"x8Aa93kdkqwe1234","pingInterval":25000}', "0 {pingInterval, sid}"),
    ("40", "40"),
    ('a["{\\"type\\":\\"x\\"}"]', "type=x"),
    ("MESSAGE\nsubscription:sub-0\n\nhello\0", "MESSAGE"),
    ('{"type":1,"target":"Receive","arguments":[1]}\x1e', "type=1, target=Receive"),
    ('["1","2","room:lobby","phx_reply",{}]', "[room:lobby, phx_reply]"),
    ("hello", "hello"),
    ("price 17.5", "price {n}"),
    ("<b>some markup</b>", "text"),
    ("", "text"),
]
SETTLED = [
    ('{"type":"subscribe","id":17}', '{"type":"subscribe","id":18}'),
    ('{"id":"7d444840-9dc0-11d1-b245-5ffdce74fad2","op":"join"}', '{"op":"join","id":"9b2f1c3a-0000-4000-8000-aaaaaaaaaaaa"}'),
    ('40{"token":"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc"}', '40{"token":"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIyIn0.xyz"}'),
    ("CONNECT\npasscode:hunter2\n\n\0", "CONNECT\npasscode:hunter3\n\n\0"),
    ('{"t":"hello","at":1764190000.123}', '{"t":"hello","at":1764190055.9}'),
]


@pytest.mark.parametrize(("text", "kind"), KINDS)
def test_a_kind(text: str, kind: str) -> None:
    assert kind_of(text) == kind


@pytest.mark.parametrize(("one", "other"), SETTLED)
def test_what_varies_does_not_count(one: str, other: str) -> None:
    assert settled(one) == settled(other)


@pytest.mark.parametrize(
    "text", ['{"password":"hunter2"}', '{"auth":{"apiKey":"hunter2"}}', "AUTH token=hunter2", "authorization: Bearer hunter2"]
)
def test_secrets_are_left_out(text: str) -> None:
    assert "hunter2" not in settled(text)


def test_another_room_of_words_is_another_message() -> None:
    assert settled('{"op":"join","room":"news"}') != settled('{"op":"join","room":"prices"}')


@given(st.text(max_size=300) | st.recursive(st.text(), lambda inner: st.lists(inner), max_leaves=5).map(str))
def test_any_text_has_a_short_kind(text: str) -> None:
    assert len(kind_of(text)) <= 60
    assert len(settled(text)) <= 160
