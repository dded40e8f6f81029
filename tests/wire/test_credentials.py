"""Credentials are shown by name and never by value."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.attempt import Attempt
from wsbook.wire.credentials import (
    cookie_names,
    credential_values,
    credentials_of,
    has_hidden_credential,
    hide_credentials,
    only_ambient,
    without_credentials,
)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Cookie", "session=5f3a9c; theme=dark", "session=***; theme=***"),
        ("cookie", "nothing that is a pair", "***"),
        ("Authorization", "Bearer abcdef", "Bearer ***"),
        ("Authorization", "abcdef", "***"),
        ("Origin", "http://a", "http://a"),
    ],
)
def test_values_are_hidden(name: str, value: str, shown: str) -> None:
    assert hide_credentials(((name, value),)) == ((name, shown),)
    assert has_hidden_credential(name, shown) is (name != "Origin")


def test_names_and_values() -> None:
    headers = (("Cookie", "session=5f3a9c02; a=b; long=5f3a9c02d1"), ("Authorization", "Basic dXNlcjpw"), ("X", "5f3a"))
    assert cookie_names(headers) == ("session", "a", "long")
    assert credential_values(headers)[0] == "5f3a9c02d1"
    assert set(credential_values(headers)) == {"5f3a9c02d1", "5f3a9c02", "dXNlcjpw"}
    assert not has_hidden_credential("Cookie", "session=5f3a9c")
    assert has_hidden_credential("Cookie", "(18 characters)")
    assert not has_hidden_credential("X-Note", "(18 characters)")


def jwt(**claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{body}.c2ln"


def test_what_a_browser_adds_by_itself_and_what_a_page_has_to_know() -> None:
    attempt = Attempt(
        url=f"wss://h.example/ws?room=1&token={jwt(exp=1_700_000_000)}&sid=9",
        headers=(("Cookie", "session=1; theme=dark"), ("Authorization", "Bearer abc"), ("X-Trace", "1")),
        subprotocols=("chat.v1", "access_token", "s3cret-t0ken"),
    )
    assert [(one.place, one.name, one.scheme, one.ambient, one.expires_at) for one in credentials_of(attempt)] == [
        ("header", "Cookie session", "", True, None),
        ("header", "Cookie theme", "", True, None),
        ("header", "Authorization", "Bearer", False, None),
        ("query", "token", "", False, 1_700_000_000.0),
        ("subprotocol", "Sec-WebSocket-Protocol", "", False, None),
    ]
    none, ambient = without_credentials(attempt, "none"), only_ambient(attempt, "ambient")
    assert none is not None
    assert ambient is not None
    assert (none.url, none.headers, none.subprotocols) == ("wss://h.example/ws?room=1&sid=9", (("X-Trace", "1"),), ("chat.v1",))
    assert ambient.headers == (("Cookie", "session=1; theme=dark"), ("X-Trace", "1"))
    assert (ambient.url, ambient.subprotocols) == (none.url, none.subprotocols)


@pytest.mark.parametrize(
    ("attempt", "ambient"),
    [
        (Attempt(url="wss://ann:pw@h.example/ws"), [None]),
        (Attempt(url="wss://h.example/ws", headers=(("Authorization", "Basic YTpi"),)), [None]),
        (Attempt(url="wss://h.example/ws", headers=(("X-Api-Key", "k"),)), [False]),
        (Attempt(url="wss://h.example/ws?token="), []),
        (Attempt(url="wss://h.example/ws?EIO=4&sid=abc&transport=websocket", subprotocols=("graphql-transport-ws",)), []),
        (Attempt(url="wss://h.example/ws", subprotocols=("token",)), []),
    ],
)
def test_kinds_of_credentials(attempt: Attempt, ambient: list[bool | None]) -> None:
    assert [one.ambient for one in credentials_of(attempt)] == ambient
    assert (without_credentials(attempt, "none") is None) == (not ambient)


@given(st.text(max_size=60))
def test_an_expiry_is_read_of_anything(text: str) -> None:
    found = credentials_of(Attempt(url="ws://h.example/", headers=(("Authorization", f"Bearer eyJhbGciO.{text}.x"),)))
    assert all(one.expires_at is None or one.expires_at > 0 for one in found)
