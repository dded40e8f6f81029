"""Headers that an application says it received."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.echoed import echoed_headers, request_changes, request_changes_text
from wsbook.facts import UpgradeFacts

AGENT = "wsbook/1.0 (0a1b2c3d)"
SENT = (
    ("Host", "shop.test"),
    ("User-Agent", AGENT),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Cookie", "env:SESSION"),
)
ARRIVED = {"Host": "app:8000", "User-Agent": AGENT, "Connection": "upgrade", "X-Forwarded-For": "10.0.0.1", "Cookie": "sid=secret"}
LINES = "\n".join(f"{name}: {value}" for name, value in ARRIVED.items())


def refused(body: str, *, accepted: bool = False) -> UpgradeFacts:
    status = 101 if accepted else 400
    message = body if accepted else None
    return UpgradeFacts(
        url="ws://shop.test/", accepted=accepted, status=status, request_headers=SENT, body="" if accepted else body, first_message=message
    )


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize(
    "body",
    [
        LINES,
        f"Request served by 7f3\n\nGET /ws HTTP/1.1\n\n{LINES}\r\n",
        LINES.replace(": ", " = "),
        json.dumps({"path": "/ws", "headers": ARRIVED}),
        json.dumps({"request": {"headers": {name.lower(): [value] for name, value in ARRIVED.items()}}}),
    ],
    ids=["lines", "whole request", "equals", "JSON", "JSON lists"],
)
def test_what_arrived_is_compared_with_what_was_sent(body: str, accepted: bool) -> None:
    text = request_changes_text(request_changes(refused(body, accepted=accepted)))
    assert text.lower() == "loses upgrade; adds x-forwarded-for: 10.0.0.1; changes host from shop.test to app:8000"
    assert "secret" not in text


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no upgrade here",
        LINES.replace(AGENT, "curl/8.5"),
        f"User-Agent: {AGENT}",
        f"unknown client {AGENT}\nHost: x",
        "{" * 50_000 + AGENT,
        json.dumps([[[[[{"host": "x", "user-agent": AGENT}]]]]]),
    ],
    ids=["nothing", "words", "another's request", "no host", "no header", "nested", "too deep"],
)
def test_what_is_no_echo_says_nothing(body: str) -> None:
    assert echoed_headers(refused(body)) == {}
    assert request_changes(refused(body)) == ()


@given(st.text(), st.text(alphabet=': =\n\r\t{}[]"a-Z', max_size=300))
def test_any_text_is_taken(start: str, noise: str) -> None:
    assert isinstance(request_changes_text(request_changes(refused(f"{start}\n{LINES}\n{noise}"))), str)
