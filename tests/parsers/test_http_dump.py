"""Dumps of curl, of developer tools, raw HTTP and hand-written notes."""

# ruff: noqa: E501  (lines of logs stay whole)

from hypothesis import given
from hypothesis import strategies as st

from wsbook.facts import SessionFacts, SignatureFacts, TextFacts, UpgradeFacts
from wsbook.parsers.http_dump import parse_http_dump
from wsbook.parsers.lines import split_lines

CURL = """* Trying 127.0.0.1:8080...
* Connected to a.test (127.0.0.1) port 8080
> GET /rt HTTP/1.1
> Host: a.test
> Upgrade: websocket
> Connection: Upgrade
> Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
> Sec-WebSocket-Version: 13
>
< HTTP/1.1 {status}
< Server: nginx
{rest}<
{body}"""
OPENED = "< Upgrade: websocket\n< Connection: upgrade\n< Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n"


def read(text: str, kind: type) -> list:
    return [seen.facts for seen in parse_http_dump(split_lines(text), artifact="d") if isinstance(seen.facts, kind)]


def test_an_accepted_upgrade() -> None:
    (upgrade,) = read(CURL.format(status="101 Switching Protocols", rest=OPENED, body=""), UpgradeFacts)
    assert (upgrade.url, upgrade.status, upgrade.accepted, upgrade.header("server")) == ("//a.test/rt", 101, True, "nginx")


def test_a_101_without_upgrade_header_is_not_accepted() -> None:
    (upgrade,) = read(CURL.format(status="101 Switching Protocols", rest="", body=""), UpgradeFacts)
    assert not upgrade.accepted
    assert {check.name for check in upgrade.checks if not check.ok} >= {"upgrade", "connection"}


def test_a_refused_upgrade_with_a_known_body() -> None:
    text = CURL.format(status="400 Bad Request", rest="", body='{"code":3,"message":"Bad request"}')
    (upgrade,) = read(text, UpgradeFacts)
    assert (upgrade.status, upgrade.accepted, upgrade.body) == (400, False, '{"code":3,"message":"Bad request"}')
    assert "eio-bad-request" in {facts.signature for facts in read(text, SignatureFacts)}


def test_raw_http_without_marks() -> None:
    text = "GET /rt HTTP/1.1\nHost: a.test\nUpgrade: websocket\n\nHTTP/1.1 403 Forbidden\nContent-Type: text/plain\n\nno"
    (upgrade,) = read(text, UpgradeFacts)
    assert (upgrade.status, upgrade.body, upgrade.header("content-type")) == (403, "no", "text/plain")


def test_a_plain_request_is_no_upgrade() -> None:
    assert read("GET /api HTTP/1.1\nHost: a.test\n\nHTTP/1.1 200 OK\n\nx", UpgradeFacts) == []


def test_notes_of_a_session() -> None:
    text = '101 Switching Protocols  Sec-WebSocket-Extensions: permessage-deflate\nws -> {"subscribe":"x"}  t=0.131\nws <- {"seq":105}  t=0.190\nclosed 1006 after 40 ms'
    (session,) = read(text, SessionFacts)
    assert [(frame.direction, frame.at_s) for frame in session.frames] == [("sent", 0.131), ("received", 0.19)]
    assert (session.close_code, session.age_s, session.ended) == (1006, 0.04, "unknown")
    (upgrade,) = read(text, UpgradeFacts)
    assert upgrade.extensions == ("permessage-deflate",)


def test_arrows_give_the_status() -> None:
    (upgrade,) = read("GET /rt Upgrade -> 302 (login)", UpgradeFacts)
    assert (upgrade.url, upgrade.status) == ("/rt", 302)


@given(st.text(alphabet="<>*\n :/-GETHTP1.0abc{}→0123456789", max_size=600) | st.text(max_size=600))
def test_any_text_is_read_and_bounded(text: str) -> None:
    (whole,) = read(text, TextFacts)
    assert 0 <= whole.items <= 500
    assert all(len(upgrade.body) <= 4096 for upgrade in read(text, UpgradeFacts))
