"""Messages as they are typed."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.errors import UsageError
from wsbook.wire.typed import FORMS, typed_message


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        ("", "text", ""),
        ("h€llo\n", "text", "h€llo\n"),
        (' {"a" : 1}', "json", ' {"a" : 1}'),
        ('"s"', "json", '"s"'),
        ("DE ad:be,EF", "hex", b"\xde\xad\xbe\xef"),
        ("0x01 0x02\n03", "hex", b"\x01\x02\x03"),
        ("", "hex", b""),
        ("aGk=", "base64", b"hi"),
        ("aGk", "base64", b"hi"),
        ("-_ 8=", "base64", b"\xfb\xff"),
    ],
)
def test_what_is_sent(content: str, form: str, message: str | bytes) -> None:
    assert typed_message(content, form) == message


def test_an_ending_is_put_behind_a_text_and_never_behind_bytes() -> None:
    assert typed_message("CONNECT\n\n", "text", "\x00") == "CONNECT\n\n\x00"
    assert typed_message('{"type":6}', "json", "\x1e") == '{"type":6}\x1e'
    assert typed_message("00", "hex", "\x1e") == b"\x00"


@pytest.mark.parametrize(
    ("content", "form", "words"),
    [
        ('{"a":}', "json", "at line 1, column 6"),
        ("", "json", "not valid JSON"),
        ("NaN", "json", "NaN is not JSON"),
        ("[" * 100_000, "json", "not valid JSON"),
        ("0g", "hex", "'g' is no hexadecimal digit"),
        ("abc", "hex", "3 hexadecimal digits are not whole bytes"),
        ("a*b=", "base64", "not valid base64"),
        ("\ud800", "text", "character 1 is half of a surrogate pair"),
        ("x", "xml", "cannot be typed as 'xml'"),
    ],
)
def test_what_is_refused(content: str, form: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        typed_message(content, form)


@given(st.binary(max_size=200))
def test_bytes_are_the_same_in_both_forms(data: bytes) -> None:
    assert typed_message(data.hex(" "), "hex") == data
    assert typed_message(base64.b64encode(data).decode(), "base64") == data


@given(st.text(max_size=60), st.sampled_from(list(FORMS)))
def test_any_text_is_a_message_or_a_sentence(content: str, form: str) -> None:
    try:
        message = typed_message(content, form)
    except UsageError as error:
        assert len(str(error)) < 200
    else:
        assert isinstance(message, str) is (form in ("text", "json"))
