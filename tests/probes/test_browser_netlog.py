"""Chromium's network log as a text: handshakes, cookies, and files of any kind."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.probes.browser_netlog import NetLog

TYPES = {
    "URL_REQUEST_START_JOB": 1,
    "COOKIE_INCLUSION_STATUS": 2,
    "HTTP_TRANSACTION_SEND_REQUEST_HEADERS": 3,
    "HTTP_TRANSACTION_READ_RESPONSE_HEADERS": 4,
    "HTTP_TRANSACTION_HTTP2_SEND_REQUEST_HEADERS": 5,
    "SOMETHING_ELSE": 6,
}
HEAD = json.dumps({"constants": {"logEventTypes": TYPES, "timeTickOffset": 1_000_000}}, separators=(",", ":"))[:-1] + ',\n"events": [\n'


def event(name: str, source: int, /, **params: Any) -> str:
    body = {"params": params, "phase": 1, "source": {"id": source, "type": 1}, "time": "500", "type": TYPES[name]}
    return json.dumps(body, separators=(",", ":")) + ",\n"


def cookie(name: str, status: str, source: int = 7, operation: str = "send", domain: str = "ws.test") -> str:
    return event("COOKIE_INCLUSION_STATUS", source, name=name, domain=domain, path="/", operation=operation, status=status)


def read(tmp_path: Path, text: str) -> NetLog:
    (tmp_path / "log.json").write_text(text)
    log = NetLog()
    log.read(tmp_path / "log.json")
    return log


def test_a_handshake_with_its_exact_headers_and_cookies(tmp_path: Path) -> None:
    lines = ["Host: ws.test:8766", "Connection: Upgrade", "Cookie: a=1; b=2", "Sec-WebSocket-Key: k=="]
    log = read(
        tmp_path,
        HEAD
        + event("URL_REQUEST_START_JOB", 3, url="http://app.test/", initiator="not an origin")
        + cookie("login", "INCLUDE, DO_NOT_WARN", 3, domain="app.test")
        + cookie("early", "EXCLUDE_SECURE_ONLY, DO_NOT_WARN", 3, "store")
        + cookie("foreign", "EXCLUDE_INVALID_DOMAIN", 3, "store", "other.test")
        + event("URL_REQUEST_START_JOB", 7, url="ws://ws.test:8766/x", initiator="http://app.test")
        + cookie("a", "INCLUDE, WARN_PORT_MISMATCH")
        + cookie("lax", "EXCLUDE_SAMESITE_LAX, EXCLUDE_USER_PREFERENCES, DO_NOT_WARN")
        + cookie("path", "EXCLUDE_NOT_ON_PATH")
        + cookie("new", "EXCLUDE_SOMETHING_NEW")
        + event("SOMETHING_ELSE", 7, words='"type":3}')
        + event("HTTP_TRANSACTION_SEND_REQUEST_HEADERS", 7, headers=lines, line="GET /x HTTP/1.1")
        + event("HTTP_TRANSACTION_READ_RESPONSE_HEADERS", 7, headers=["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket"]),
    )
    (found,) = log.handshakes
    assert (found.url, found.initiator, found.status, found.key) == ("ws://ws.test:8766/x", "http://app.test", 101, "k==")
    assert found.request_headers == tuple(tuple(line.split(": ", 1)) for line in lines)
    assert found.headers == (("Upgrade", "websocket"),)
    assert found.started_at == pytest.approx(1000.5)
    assert {c.name: (c.sent, c.elsewhere) for c in found.cookies} == {
        "a": (True, False),
        "lax": (False, False),
        "path": (False, True),
        "new": (False, False),
        "early": (False, False),
        "login": (False, True),
    }
    reasons = {c.name: c.held_back for c in found.cookies}
    assert reasons["lax"][0] == "SameSite=Lax, and the page is of another site" and reasons["new"] == ("EXCLUDE_SOMETHING_NEW",)
    assert reasons["early"] == ("not stored when it was set: Secure, and the connection is not encrypted",)
    assert [c.name for c in found.cookies if c.other_host] == ["login"]


def test_over_http2_the_request_is_known_not_to_be_http1(tmp_path: Path) -> None:
    headers = [":method: CONNECT", ":protocol: websocket", "origin: https://app.test"]
    start = event("URL_REQUEST_START_JOB", 7, url="wss://ws.test/x")
    (found,) = read(tmp_path, HEAD + start + event("HTTP_TRANSACTION_HTTP2_SEND_REQUEST_HEADERS", 7, headers=headers)).handshakes
    assert found.http2 and found.request_headers == (("origin", "https://app.test"),)


@pytest.mark.parametrize(
    "text", ["", "no JSON", '{"constants": 5,\n', HEAD + "{]\n", HEAD + '{"type":1},\n', HEAD + '{"source":{},"type":2}\n']
)
def test_a_broken_log_holds_nothing(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).handshakes == []
    log = NetLog()
    log.read(tmp_path / "missing.json")
    assert log.handshakes == []


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(TYPES)),
            st.dictionaries(st.sampled_from(["url", "headers", "status", "name", "operation"]), st.text(max_size=9)),
        )
    )
)
def test_events_of_any_shape_are_survived(tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, dict[str, str]]]) -> None:
    start = event("URL_REQUEST_START_JOB", 7, url="ws://ws.test/x")
    text = HEAD + start + "".join(event(name, 7, **params) for name, params in events)
    assert len(read(tmp_path_factory.mktemp("log"), text).handshakes) == 1
