"""The opening handshake in bytes, and one verdict per requirement on its answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.utils import accept_key

from wsbook.attempt import Attempt
from wsbook.wire.answer import Answer
from wsbook.wire.handshake import (
    accept_for,
    agreed_extensions,
    agreed_subprotocol,
    check_answer,
    connect_headers,
    is_accepted,
    request_headers,
    write_request,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
GOOD = (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", ACCEPT))
TOKENS = st.sampled_from(
    ["websocket", "Upgrade", "upgrade, x", "", ",", ";", ACCEPT, "chat", "permessage-deflate; a=", "\x00\xff", "chunked"]
)
NAMES = st.sampled_from(
    ["Upgrade", "connection", "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Transfer-Encoding", "X"]
)


def attempt(**fields: object) -> Attempt:
    return Attempt(**{"url": "ws://host.example/ws?a=1", **fields})  # type: ignore[arg-type]


def answer(*headers: tuple[str, str], status: int = 101, version: str = "1.1") -> Answer:
    return Answer(status=status, version=version, headers=headers)


def failed(tried: Attempt, got: Answer) -> set[str]:
    return {check.name for check in check_answer(tried, KEY, got) if not check.ok}


def test_accept_of_the_rfc() -> None:
    assert accept_for(KEY) == ACCEPT


@given(key=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=40))
def test_accept_is_that_of_the_reference(key: str) -> None:
    assert accept_for(key) == accept_key(key)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"Host": "host.example", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY, "Upgrade": "websocket"}),
        ({"url": "ws://host.example:8080/"}, {"Host": "host.example:8080"}),
        ({"url": "wss://host.example:443/"}, {"Host": "host.example"}),
        ({"url": "ws://[::1]:9/"}, {"Host": "[::1]:9"}),
        ({"origin": ""}, {"Origin": ""}),
        ({"subprotocols": ("a", "b")}, {"Sec-WebSocket-Protocol": "a, b"}),
        ({"headers": (("host", "mine"),)}, {"host": "mine"}),
        ({"headers": (("Cookie", "${env:C}"),)}, {"Cookie": "${env:C}"}),
        ({"upgrade": False, "origin": "null", "subprotocols": ("a",)}, {"Origin": "null"}),
    ],
)
def test_request_headers(fields: dict[str, object], expected: dict[str, str]) -> None:
    headers = dict(request_headers(attempt(**fields), KEY))
    assert expected.items() <= headers.items()
    assert len({name.lower() for name in headers}) == len(headers)


def test_without_upgrade_nothing_of_the_handshake_is_left() -> None:
    headers = request_headers(attempt(upgrade=False, origin="https://o.example"), KEY)
    assert [name for name, _ in headers] == ["Host", "User-Agent", "Origin"]


def test_headers_are_left_out_wherever_they_come_from() -> None:
    made = attempt(omit=("upgrade", "connection", "cookie"), headers=(("Cookie", "a=b"), ("X-Trace", "1")))
    names = {name.lower() for name, _ in request_headers(made, KEY)}
    assert names >= {"host", "user-agent", "sec-websocket-key", "x-trace"}
    assert names.isdisjoint({"upgrade", "connection", "cookie"})


def test_credentials_of_the_url_are_not_in_the_headers() -> None:
    headers = dict(request_headers(attempt(url="ws://anna:pencil@host.example/"), KEY))
    assert "pencil" not in repr(headers)
    assert "Authorization" in headers


def test_connect_headers() -> None:
    assert connect_headers("h:1")[0] == ("Host", "h:1")
    assert connect_headers("h:1", "Basic x")[-1] == ("Proxy-Authorization", "Basic x")


def test_request_bytes() -> None:
    assert write_request("GET", "/a", [("A", "b"), ("C", "ü")]) == "GET /a HTTP/1.1\r\nA: b\r\nC: ü\r\n\r\n".encode()
    assert write_request("GET", "/a", [], "1.0") == b"GET /a HTTP/1.0\r\n\r\n"


@given(
    resource=st.text(max_size=20),
    headers=st.lists(st.tuples(st.text(st.characters(codec="utf-8"), max_size=9), st.text(max_size=9)), max_size=4),
)
def test_no_header_can_be_smuggled(resource: str, headers: list[tuple[str, str]]) -> None:
    try:
        written = write_request("GET", resource, headers)
    except ValueError:
        return
    assert written.count(b"\r\n") == 2 + len(headers)
    assert written.count(b"\n") == 2 + len(headers)


@pytest.mark.parametrize(
    ("fields", "headers", "names"),
    [
        ({}, GOOD, set()),
        ({}, (("upgrade", "WebSocket"), ("connection", "keep-alive, upgrade"), GOOD[2]), set()),
        ({}, GOOD[1:], {"upgrade"}),
        ({}, (*GOOD, GOOD[0]), {"upgrade"}),
        ({}, (("Upgrade", "websocket/13"), *GOOD[1:]), {"upgrade"}),
        ({}, (GOOD[0], GOOD[2]), {"connection"}),
        ({}, (GOOD[0], ("Connection", "xupgrade"), GOOD[2]), {"connection"}),
        ({}, (*GOOD[:2], ("Sec-WebSocket-Accept", ACCEPT.lower())), {"accept"}),
        ({}, (*GOOD, GOOD[2]), {"accept"}),
        ({}, (*GOOD, ("Sec-WebSocket-Protocol", "a")), {"subprotocol"}),
        ({"subprotocols": ("a", "b")}, (*GOOD, ("Sec-WebSocket-Protocol", "b")), set()),
        ({"subprotocols": ("a",)}, (*GOOD, ("Sec-WebSocket-Protocol", "A")), {"subprotocol"}),
        ({"subprotocols": ("a",)}, (*GOOD, ("Sec-WebSocket-Protocol", "")), {"subprotocol"}),
        ({"subprotocols": ("a",)}, GOOD, {"subprotocol"}),
        ({}, (*GOOD, ("Sec-WebSocket-Extensions", "permessage-deflate")), set()),
        ({}, (*GOOD, ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits=12")), set()),
        ({}, (*GOOD, ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")), {"extensions"}),
        ({}, (*GOOD, ("Sec-WebSocket-Extensions", "permessage-deflate; unknown=1")), {"extensions"}),
        ({}, (*GOOD, ("Sec-WebSocket-Extensions", "permessage-deflate, permessage-deflate")), {"extensions"}),
        ({"extensions": ()}, (*GOOD, ("Sec-WebSocket-Extensions", "permessage-deflate")), {"extensions"}),
        (
            {"extensions": ("permessage-deflate",)},
            (*GOOD, ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits=10")),
            {"extensions"},
        ),
        (
            {"extensions": ("permessage-deflate; server_max_window_bits=10",)},
            (*GOOD, ("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=10")),
            set(),
        ),
        ({"extensions": ("x-other",)}, (*GOOD, ("Sec-WebSocket-Extensions", "x-other")), set()),
        ({}, (*GOOD, ("Transfer-Encoding", "chunked")), {"transfer-encoding"}),
        ({}, (*GOOD, ("Content-Length", "0")), set()),
        ({}, (*GOOD, ("Content-Length", "12")), {"transfer-encoding"}),
    ],
)
def test_checks(fields: dict[str, object], headers: tuple[tuple[str, str], ...], names: set[str]) -> None:
    tried, got = attempt(**fields), answer(*headers)
    assert failed(tried, got) == names
    left_out = names == {"subprotocol"} and agreed_subprotocol(got) is None
    assert is_accepted(check_answer(tried, KEY, got), got) is (not names or left_out)


@pytest.mark.parametrize("version", ["1.0", "2", "0.9"])
def test_version(version: str) -> None:
    assert failed(attempt(), answer(*GOOD, version=version)) == {"http-version"}


@pytest.mark.parametrize("status", [100, 200, 302, 403, 426, 500, 999])
def test_status(status: int) -> None:
    checks = check_answer(attempt(), KEY, answer(status=status))
    assert [check.name for check in checks] == ["status", "http-version"]
    assert not is_accepted(checks, answer(status=status))


def test_no_status_no_checks() -> None:
    assert check_answer(attempt(), KEY, Answer()) == ()
    assert not is_accepted((), Answer())


def test_agreed_extensions_can_be_applied() -> None:
    got = answer(*GOOD, ("Sec-WebSocket-Extensions", "permessage-deflate; server_no_context_takeover"))
    extensions, names, problem = agreed_extensions(attempt(), got)
    assert [extension.name for extension in extensions] == ["permessage-deflate"]
    assert (names, problem) == (("permessage-deflate; server_no_context_takeover",), "")


@given(
    headers=st.lists(st.tuples(NAMES, TOKENS), max_size=6), offered=st.lists(st.sampled_from(["permessage-deflate", "x; y=", ";", "a;;b"]))
)
def test_checks_of_anything(headers: list[tuple[str, str]], offered: list[str]) -> None:
    checks = check_answer(attempt(extensions=tuple(offered)), KEY, answer(*headers))
    assert len(checks) == 8
    assert all(len(check.detail) < 800 for check in checks)
