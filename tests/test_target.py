"""Texts as people type them, and what is said when they make no sense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.errors import UsageError
from wsbook.target import Budget, Hop, Target, Trigger, parse_endpoint, parse_header, parse_hop, parse_target, parse_trigger

GOOD = [
    ("ws://example.test/ws", ("ws", "example.test", 80, "/ws", ""), "http://example.test"),
    ("wss://example.test", ("wss", "example.test", 443, "/", ""), "https://example.test"),
    ("WSS://Example.TEST:8443/a/b?x=1&y=2", ("wss", "example.test", 8443, "/a/b", "x=1&y=2"), "https://example.test:8443"),
    ("ws://[::1]:9/", ("ws", "::1", 9, "/", ""), "http://[::1]:9"),
    ("ws://127.0.0.1:80/", ("ws", "127.0.0.1", 80, "/", ""), "http://127.0.0.1"),
    ("wss://bücher.test/ws", ("wss", "xn--bcher-kva.test", 443, "/ws", ""), "https://xn--bcher-kva.test"),
    ("ws://service_name:3000/ws", ("ws", "service_name", 3000, "/ws", ""), "http://service_name:3000"),
]

BAD = [
    ("", "empty"),
    ("example.test/ws", "no scheme"),
    ("ftp://example.test", "scheme 'ftp'"),
    ("ws://", "no host"),
    ("ws://:80/", "no host"),
    ("ws://example.test:99999/", "not valid"),
    ("ws://example.test:0/", "port 0"),
    ("ws://example.test:http/", "not valid"),
    ("ws://exa mple.test/", "space"),
    ("ws://example.test/\nX: y", "space or control"),
    ("ws://example.test/#a", "fragment"),
    ("ws://-bad-.test/", "domain name"),
    ("ws://[::1/", "not valid"),
    ("ws://a..b/", "domain name"),
]


@pytest.mark.parametrize(("url", "parts", "origin"), GOOD, ids=[row[0] for row in GOOD])
def test_a_url_is_taken_apart(url: str, parts: tuple[str, str, int, str, str], origin: str) -> None:
    endpoint = parse_endpoint(url)
    assert (endpoint.scheme, endpoint.host, endpoint.port, endpoint.path, endpoint.query) == parts
    assert endpoint.origin == origin
    assert parse_endpoint(endpoint.url) == endpoint


@pytest.mark.parametrize(("url", "words"), BAD, ids=[row[1] + str(number) for number, row in enumerate(BAD)])
def test_a_url_that_makes_no_sense_is_one_sentence(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        parse_endpoint(url)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=80))
def test_any_text_is_an_endpoint_or_a_usage_error(text: str) -> None:
    try:
        endpoint = parse_endpoint(text)
    except UsageError:
        return
    assert 1 <= endpoint.port <= 65535
    assert endpoint.host


@pytest.mark.parametrize(
    ("url", "loopback"),
    [("ws://localhost/", True), ("ws://a.localhost/", True), ("ws://127.9.9.9/", True), ("ws://[::1]/", True), ("ws://10.0.0.1/", False)],
)
def test_loopback(url: str, loopback: bool) -> None:
    assert parse_endpoint(url).is_loopback is loopback


def test_a_target_knows_its_origin_and_whether_it_may_be_burdened() -> None:
    assert parse_target("wss://api.test/ws", page_url="https://shop.test/a#b").expected_origin == "https://shop.test"
    assert parse_target("wss://api.test/ws").expected_origin == "https://api.test"
    assert parse_target("wss://api.test/ws", origin="null").expected_origin == "null"
    assert not parse_target("wss://api.test/ws").may_burden
    assert parse_target("wss://api.test/ws", owned=True).may_burden
    assert parse_target("ws://127.0.0.1:1/").may_burden
    assert Target(url="").endpoint is None
    assert Target(url="").expected_origin == ""


def test_headers_hops_and_triggers() -> None:
    assert parse_header("Cookie: a=b; c=d") == ("Cookie", "a=b; c=d")
    assert parse_hop("app=ws://127.0.0.1:8000/ws") == Hop(name="app", url="ws://127.0.0.1:8000/ws")
    assert parse_trigger("post http://a.test/publish {marker} x") == Trigger(method="POST", url="http://a.test/publish", body="{marker} x")
    assert parse_trigger(" ") is None


@pytest.mark.parametrize(
    "call",
    [
        lambda: parse_header("no colon"),
        lambda: parse_header("bad name: x"),
        lambda: parse_header("X: a\r\nY: b"),
        lambda: parse_hop("ws://a/"),
        lambda: parse_hop("app=http://a/"),
        lambda: parse_trigger("http://a/"),
        lambda: parse_trigger("POST ws://a/"),
        lambda: parse_target("wss://a/", subprotocols=["a b"]),
        lambda: parse_target("wss://a/", page_url="shop.test"),
        lambda: parse_target("http://a/"),
        lambda: Budget.named("huge"),
    ],
)
def test_other_texts_that_make_no_sense(call) -> None:
    with pytest.raises(UsageError):
        call()
