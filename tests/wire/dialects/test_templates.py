"""Messages to begin with: each can be sent once its places are filled in, and its dialect's own code understands it."""

import re

import pytest

from wsbook.wire.dialects import engineio, graphql, signalr, small, stomp
from wsbook.wire.dialects.templates import Template, open_places, templates
from wsbook.wire.typed import ENDINGS, FORMS, typed_message


def sent(name: str, dialect: str = "") -> str | bytes:
    found = next(one for one in templates() if one.name == name and dialect in ("", one.dialect))
    return typed_message(re.sub("[‹›]", "", found.content), found.form, found.ending)


@pytest.mark.parametrize("template", templates(), ids=lambda one: f"{one.dialect}: {one.name}")
def test_every_template_can_be_sent(template: Template) -> None:
    assert typed_message(template.content, template.form, template.ending)
    assert template.form in FORMS and template.ending in ENDINGS
    assert template.source.startswith("https://")
    assert not template.means.endswith(".") and len(template.means) <= 150


def test_names_are_told_apart() -> None:
    names = [(one.dialect, one.name) for one in templates()]
    assert len(set(names)) == len(names)
    assert {"plain", "Socket.IO", "SockJS", "SignalR", "GraphQL", "STOMP", "Phoenix", "Action Cable", "MQTT"} == {name for name, _ in names}


def test_the_dialects_understand_them() -> None:
    assert engineio.parse_packet(str(sent("join the main namespace"))).socketio == "CONNECT"
    assert engineio.parse_packet(str(sent("event", "Socket.IO"))).socketio == "EVENT"
    assert engineio.parse_packet(str(sent("answer to a heartbeat"))).kind == "pong"
    assert sent("handshake") == signalr.HANDSHAKE
    assert [record.kind for record in signalr.parse_records(str(sent("call a hub method")))] == ["invocation"]
    assert graphql.parse_message(str(sent("connection_init"))).type == "connection_init"
    assert [stomp.parse_frame(str(sent(name))).command for name in ("CONNECT", "SUBSCRIBE", "SEND")] == ["CONNECT", "SUBSCRIBE", "SEND"]
    assert sent("heartbeat", "Phoenix") == small.phoenix_heartbeat("2.0.0").replace(", ", ",")
    assert sent("CONNECT, version 3.1.1") == small.mqtt_connect("wsbook")


@pytest.mark.parametrize(
    ("content", "places"),
    [('42["‹event›",{}]', ("‹event›",)), ("‹event› ‹event› ‹channel›", ("‹event›", "‹channel›")), ("‹quoted by a person›", ()), ("", ())],
)
def test_places_that_are_still_open(content: str, places: tuple[str, ...]) -> None:
    assert open_places(content) == places
