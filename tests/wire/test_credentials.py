"""Credentials are shown by name and never by value."""

import pytest

from wsbook.wire.credentials import cookie_names, credential_values, has_hidden_credential, hide_credentials


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
