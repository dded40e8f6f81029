"""What a refusal says is missing, against what the request carried."""

import pytest
from observations import answer, findings

from wsbook.finding import Verdict

SLUG = "backend.upgrade-header-exact-compare"
FIREFOX = (("Connection", "keep-alive, Upgrade"), ("Upgrade", "websocket"))
CHROME = (("Connection", "Upgrade"), ("Upgrade", "websocket"))
PLAIN = (("Connection", "keep-alive"),)
BODY = "Connection: Upgrade header required"


@pytest.mark.parametrize(
    ("status", "request_headers", "body", "named"),
    [
        (426, FIREFOX, BODY, True),
        (400, (("connection", "upgrade"), ("upgrade", "WebSocket")), "not a websocket handshake: upgrade token missing", True),
        (426, CHROME, BODY, False),
        (426, PLAIN, BODY, False),
        (400, FIREFOX, "bad subprotocol", False),
        (403, FIREFOX, BODY, False),
        (101, FIREFOX, "", False),
        (426, (), BODY, False),
    ],
)
def test_the_answer_misses_what_was_sent(status: int, request_headers: tuple[tuple[str, str], ...], body: str, named: bool) -> None:
    seen = answer(status, body=body, request_headers=request_headers)
    assert any(f.cause == SLUG and f.verdict is Verdict.FAULT for f in findings(seen)) is named
