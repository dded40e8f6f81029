"""Handshakes and closings that a console names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.facts import SessionFacts, SignatureFacts, UpgradeFacts
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


def test_reason_of_a_closing() -> None:
    (facts,) = [
        s.facts for s in parse_console(['CloseEvent {code: 1008, reason: "no token"}'], artifact="c") if isinstance(s.facts, SessionFacts)
    ]
    assert facts.close_reason == "no token"


def test_blocked_analytics_are_nothing_to_us() -> None:
    seen = parse_console(["GET https://stats.example/x.js net::ERR_BLOCKED_BY_CLIENT"], artifact="c")
    assert not [s for s in seen if isinstance(s.facts, SignatureFacts)]


@given(st.text(max_size=2000))
def test_any_text_ends_with_its_description(text: str) -> None:
    assert parse_console(split_lines(text), artifact="c")[-1].kind == "text"
