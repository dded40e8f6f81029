"""Handshakes and closings that a console names."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.facts import SessionFacts, SignatureFacts, UpgradeFacts
from wsbook.observation import Reason
from wsbook.parsers.console import parse_console
from wsbook.parsers.lines import split_lines

FAILED = "WebSocket connection to 'wss://a.example/rt' failed: "


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (FAILED + "Error during WebSocket handshake: Unexpected response code: 403", 403),
        (FAILED + "Error in connection establishment: net::ERR_CONNECTION_REFUSED", None),
        (FAILED, None),
        ("Firefox can’t establish a connection to the server at wss://a.example/rt.", None),
    ],
)
def test_failed_handshakes(text: str, status: int | None) -> None:
    (facts,) = [seen.facts for seen in parse_console([text], artifact="c") if isinstance(seen.facts, UpgradeFacts)]
    assert (facts.url.rstrip("."), facts.status, facts.accepted) == ("wss://a.example/rt", status, False)
    assert facts.error_text == text.strip()


@pytest.mark.parametrize(
    ("text", "code", "ended"),
    [
        ("Error: WebSocket closed with status code: 1006 (no reason given).", 1006, "unknown"),
        ('CloseEvent {isTrusted: true, wasClean: true, code: 1009, reason: "Message too big"}', 1009, "close"),
        ("closed, code=4401", 4401, "close"),
    ],
)
def test_closings(text: str, code: int, ended: str) -> None:
    (facts,) = [seen.facts for seen in parse_console([text], artifact="c") if isinstance(seen.facts, SessionFacts)]
    assert (facts.close_code, facts.ended) == (code, ended)


CLIENTS = [
    ("WebSocket connection to 'wss://a.example/rt' failed: Unexpected response code: 502", "wss://a.example/rt", 502),
    ("SCRIPT12008: WebSocket Error: Incorrect HTTP response. Status code 403, Forbidden", "", 403),
    ("SCRIPT12029: WebSocket Error: Network Error 12029, A connection with the server could not be established", "", None),
    ("WebSocket network error: The operation couldn’t be completed. (OSStatus error -9807.)", "", None),
    ('LOG  error {"isTrusted": false, "message": "Expected HTTP 101 response but was \'401 Unauthorized\'"}', "", 401),
    ('WebSocket error: {"message":"Received bad response code from server: 403.","isTrusted":false}', "", 403),
    ("Error: Unexpected server response: 404", "", 404),
    ("Starscream.HTTPUpgradeError.notAnUpgrade(502)", "", 502),
    ("WebSocketException: Connection to 'https://a.example/rt#' was not upgraded to websocket", "https://a.example/rt#", None),
    ("\x1b[31merror: Unexpected server response: 503\x1b[0m", "", 503),
    ("websockets.exceptions.InvalidStatus: server rejected WebSocket connection: HTTP 403", "", 403),
    ("websockets.exceptions.InvalidStatusCode: server rejected WebSocket connection: HTTP 502", "", 502),
    ("websocket._exceptions.WebSocketBadStatusException: Handshake status 400 Bad Request -+-+- {'server': 'nginx'}", "", 400),
    (
        "aiohttp.client_exceptions.WSServerHandshakeError: 405, message='Invalid response status', url='ws://a.example/rt'",
        "ws://a.example/rt",
        405,
    ),
    ("websocat: WebSocketError: Received unexpected status code (426 Upgrade Required)", "", 426),
    ("failed to WebSocket dial: expected handshake response status code 101 but got 403", "", 403),
    ("The server returned status code '404' when status code '101' was expected.", "", 404),
    ("dial wss://a.example/rt: websocket: bad handshake", "wss://a.example/rt", None),
]


@pytest.mark.parametrize(("text", "url", "status"), CLIENTS)
def test_what_clients_print_when_the_handshake_fails(text: str, url: str, status: int | None) -> None:
    (facts,) = [seen.facts for seen in parse_console([text], artifact="c") if isinstance(seen.facts, UpgradeFacts)]
    assert (facts.url, facts.status) == (url, status)


REASONS = [
    (FAILED + "Error in connection establishment: net::ERR_CONNECTION_TIMED_OUT", Reason.TIMEOUT),
    (FAILED + "Error in connection establishment: net::ERR_NAME_NOT_RESOLVED", Reason.NAME_NOT_FOUND),
    (FAILED + "WebSocket is closed before the connection is established.", Reason.SKIPPED),
    (' ERROR  WebSocket error {"message": "Failed to connect to /192.0.2.7:8080"}', Reason.REFUSED),
    (FAILED, None),
    (FAILED + "Error during WebSocket handshake: Unexpected response code: 502", None),
]


@pytest.mark.parametrize(("text", "reason"), REASONS)
def test_why_there_was_no_answer(text: str, reason: Reason | None) -> None:
    (seen,) = [one for one in parse_console([text], artifact="c") if isinstance(one.facts, UpgradeFacts)]
    assert (seen.failure.reason if seen.failure else None) is reason


ENDS = [
    (
        "ConnectionClosedError: received 1011 (internal error) keepalive ping timeout; then sent 1011",
        1011,
        "keepalive ping timeout",
        "peer",
    ),
    (
        "ConnectionClosedError: sent 1011 (internal error) keepalive ping timeout; no close frame received",
        1011,
        "keepalive ping timeout",
        "us",
    ),
    ("websockets.exceptions.ConnectionClosedError: no close frame received or sent", 1006, "", ""),
    ("ConnectionClosedOK: received 1000 (OK); then sent 1000 (OK)", 1000, "", "peer"),
    ("read: websocket: close 1006 (abnormal closure): unexpected EOF", 1006, "unexpected EOF", ""),
    ('Disconnected (code: 1008, reason: "no token")', 1008, "no token", ""),
    ("onclose { code: 4401, reason: 'Unauthorized', isTrusted: true }", 4401, "Unauthorized", ""),
    ('LOG  onClose {"code": 1001, "reason": "Stream end encountered"}', 1001, "Stream end encountered", ""),
    ("Connection disconnected with error 'Error: WebSocket closed with status code: 1006 (no reason given).'", 1006, "", ""),
]


@pytest.mark.parametrize(("text", "code", "reason", "by"), ENDS)
def test_what_clients_print_when_a_socket_ends(text: str, code: int, reason: str, by: str) -> None:
    (facts,) = [seen.facts for seen in parse_console([text], artifact="c") if isinstance(seen.facts, SessionFacts)]
    assert (facts.close_code, facts.close_reason, facts.closed_by) == (code, reason, by)


@pytest.mark.parametrize(
    "text",
    [
        "listening on port 4000",
        "sent 1000 messages",
        "received 1200 bytes",
        "GET /api/items 200 in 31 ms",
        "event: order 1234 closed the deal, code: 7",
        "  engine.io-client:socket socket open +2ms",
        "status 200",
        "closed 4500 connections",
        "closed after 4500 ms",
    ],
)
def test_plain_lines_name_nothing(text: str) -> None:
    assert [seen.kind for seen in parse_console([text], artifact="c")] == ["text"]


def test_reason_of_a_closing() -> None:
    (facts,) = [
        s.facts for s in parse_console(['CloseEvent {code: 1008, reason: "no token"}'], artifact="c") if isinstance(s.facts, SessionFacts)
    ]
    assert facts.close_reason == "no token"


def test_blocked_analytics_are_nothing_to_us() -> None:
    seen = parse_console(["GET https://stats.example/x.js net::ERR_BLOCKED_BY_CLIENT"], artifact="c")
    assert not [s for s in seen if isinstance(s.facts, SignatureFacts)]


@settings(deadline=None)  # the first call reads the tables
@given(st.text(max_size=2000))
def test_any_text_ends_with_its_description(text: str) -> None:
    assert parse_console(split_lines(text), artifact="c")[-1].kind == "text"
