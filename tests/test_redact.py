"""No secret survives, references and ordinary words do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.facts import UpgradeFacts
from wsbook.observation import Observation, Source, observed
from wsbook.redact import HIDDEN, Redactor, seal

HIDES = [
    ("wss://user:pa55@host/ws", "pa55"),
    ("PUBLISH redis://:pa55@host:6379/news {marker}", "pa55"),
    ("wss://host/ws?token=s3cr3t&room=1", "s3cr3t"),
    ("wss://host/ws?EIO=4&sid=Lbo5JLzTotvW3g2L", "Lbo5JLzTotvW3g2L"),
    ("Authorization: Bearer abcdef123456", "abcdef123456"),
    ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("> authorization: ApiKey 998877", "998877"),
    ("Cookie: session=s3cr3t; theme=dark", "s3cr3t"),
    ("proxy: Bearer abcdef123456", "abcdef123456"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJzdWIiOiIxIn0"),
    ('{"password": "hunter2"}', "hunter2"),
    ("DB_PASSWORD=hunter2", "hunter2"),
    ("api_key: 0123456789abcdef", "0123456789abcdef"),
    ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7"),
    ("ghp_0123456789abcdefghijABCDEFGHIJ", "0123456789abcdefghij"),
    ("-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----", "MIIabc"),
]

KEEPS = [
    "proxy_set_header Connection $connection_upgrade;",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "wss://host:8443/ws?room=5&EIO=4",
    "Authorization: ${env:WS_TOKEN}",
    "wss://host/ws?token=${env:WS_TOKEN}",
    "unexpected token < in JSON at position 0",
    "GET /ws HTTP/1.1",
]


@pytest.mark.parametrize(("text", "secret"), HIDES, ids=[row[0][:30] for row in HIDES])
def test_secrets_are_hidden(text: str, secret: str) -> None:
    shown = Redactor().text(text)
    assert secret not in shown
    assert HIDDEN in shown


@pytest.mark.parametrize("text", KEEPS)
def test_ordinary_words_and_references_stay(text: str) -> None:
    assert Redactor().text(text) == text


def test_known_values_are_hidden_in_every_encoding() -> None:
    redactor = Redactor(["p@ss/word", "abc"])
    assert redactor.text("p@ss/word p%40ss%2Fword cEBzcy93b3Jk abc") == f"{HIDDEN} {HIDDEN} {HIDDEN} abc"


def test_headers_are_known_by_their_names() -> None:
    facts = UpgradeFacts(
        url="ws://h/",
        accepted=False,
        request_headers=(("Cookie", "sid=1234; theme=dark"), ("X-Api-Key", "zzz"), ("Host", "h")),
        headers=(("Set-Cookie", "sid=1234; Path=/; HttpOnly"),),
    )
    kept = Redactor().value(observed(Source(step="1.3", probe="upgrade"), facts))
    assert isinstance(kept, Observation)
    assert isinstance(kept.facts, UpgradeFacts)
    assert kept.facts.request_headers == (("Cookie", f"sid={HIDDEN}; theme={HIDDEN}"), ("X-Api-Key", HIDDEN), ("Host", "h"))
    assert kept.facts.headers == (("Set-Cookie", f"sid={HIDDEN}; Path=/; HttpOnly"),)


def test_sealing_moves_secrets_into_the_environment() -> None:
    environ: dict[str, str] = {}
    sealed = seal("wss://host/ws?token=s3cr3t&x=1", environ)
    assert sealed == "wss://host/ws?token=${env:WSBOOK_SECRET_1}&x=1"
    assert seal("Authorization: Bearer abcdef123", environ) == "Authorization: Bearer ${env:WSBOOK_SECRET_2}"
    assert environ == {"WSBOOK_SECRET_1": "s3cr3t", "WSBOOK_SECRET_2": "abcdef123"}
    assert seal(sealed, environ) == sealed


@given(st.text(max_size=300))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = Redactor().text(text)
    assert Redactor().text(once) == once


def test_the_secrets_of_references_are_known_in_header_lines_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSBOOK_TEST_ONE", "first-value")
    monkeypatch.setenv("WSBOOK_TEST_TWO", "second-value")
    redactor = Redactor.of(["X-One: env:WSBOOK_TEST_ONE\nAccept: */*", "wss://h/ws?a=${env:WSBOOK_TEST_TWO}"])
    assert redactor.text("first-value second-value other") == f"{HIDDEN} {HIDDEN} other"
