"""What messages call themselves, in the forms of libraries and applications."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.wire.naming import names_in

CASES = {
    '{"type":"order.created","id":1}': [("type", "order.created")],
    '{"event":"order.created","data":{"type":"x","text":"wsbook-0123456789ab-1"}}': [("event", "order.created"), ("data.type", "x")],
    '{"event":"App\\\\Events\\\\Shipped","channel":"orders","data":"{\\"kind\\":\\"a\\"}"}': [
        ("event", "App\\Events\\Shipped"),
        ("channel", "orders"),
        ("data.kind", "a"),
    ],
    '42["order:new",{"id":3,"type":"x"}]': [("event", "order:new"), ("type", "x")],
    '42/chat,7["message",1]': [("event", "message"), ("namespace", "/chat")],
    '[null,null,"room:1","new_msg",{"body":"x"}]': [("event", "new_msg"), ("topic", "room:1")],
    '["update",{"kind":"price"}]': [("[0]", "update"), ("kind", "price")],
    '{"type":1,"target":"ReceiveMessage","arguments":["a"]}\x1e': [("target", "ReceiveMessage")],
    'MESSAGE\ndestination:/topic/greet\nsubscription:1\n\n{"type":"q"}\x00': [("destination", "/topic/greet"), ("body.type", "q")],
    '{"id":"1","type":"next","payload":{"data":{"orderCreated":{"id":3}}}}': [("type", "next"), ("payload.data", "orderCreated")],
    '{"identifier":"{\\"channel\\":\\"Chat\\"}","message":{"action":"said"}}': [("message.action", "said")],
    'a["{\\"type\\":\\"z\\"}"]': [("type", "z")],
    '{"type":"wsbook-0123456789ab-1"}': [],
    '{"type":"two words","name":7}': [],
    "hello": [],
    "": [],
    "[]": [],
    "42[": [],
    "[" * 5000: [],
}


@pytest.mark.parametrize("text", CASES)
def test_a_message_is_called_by_its_telling_members(text: str) -> None:
    assert list(names_in(text)) == CASES[text]


@given(st.text(max_size=300))
def test_no_text_is_too_strange(text: str) -> None:
    assert len(names_in(text)) <= 6
    assert len(names_in(f'{{"type":"{text}"}}')) <= 6
