"""Refusals that say why in words of their own."""

import pytest
from msgspec.structs import replace
from observations import answer, findings, roots

from wsbook.facts import UpgradeFacts
from wsbook.observation import Observation
from wsbook.rules.reasons import known_reasons
from wsbook.target import parse_target

ALONE = parse_target("ws://shop.test/ws")
OFFERED = (("Sec-WebSocket-Protocol", "mqttv3.1"),)


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (403, '{"error":"api key required"}', "auth.credential-not-sent"),
        (400, "Missing access token", "auth.credential-not-sent"),
        (401, '{"message":"You are not logged in"}', "auth.credential-not-sent"),
        (403, "Please sign in first", "auth.credential-not-sent"),
        (400, '{"code":"token_expired"}', "auth.token-expired-on-reconnect"),
        (403, "Your session has expired.", "auth.token-expired-on-reconnect"),
        (503, "server full", "load.connection-cap"),
        (403, "maximum number of connections reached", "load.connection-cap"),
        (403, "Too many connections from this IP, slow down", "load.rate-limited"),
        (503, '{"error":"rate limit exceeded"}', "load.rate-limited"),
    ],
)
def test_a_refusal_says_why(status: int, body: str, cause: str) -> None:
    assert roots(answer(status, body=body), target=ALONE)[0] == cause


@pytest.mark.parametrize(
    "body",
    [
        "Bad Request",
        "Not Found",
        '{"detail":"Not Found"}',
        "<html><p>You must log in. A token is required.</p></html>",
        "token required " * 60,
        "origin not allowed without authentication",
        '{"code":5,"message":"Unsupported protocol version"}',
        "",
    ],
)
def test_no_reason_is_heard_where_none_is_given(body: str) -> None:
    assert not [one for one in findings(answer(400, body=body), target=ALONE) if "the refusal says why" in one.summary]


def test_subprotocols_are_named_where_some_were_offered() -> None:
    assert roots(answer(400, body="unsupported protocol", request_headers=OFFERED), target=ALONE)[0] == "subprotocol.mismatch"
    assert roots(answer(400, body="no matching subprotocol"), target=ALONE)[0] == "subprotocol.mismatch"
    assert "subprotocol.mismatch" not in roots(answer(400, body="unsupported protocol"), target=ALONE)


def sent_away(code: int, reason: str, message: str | None = None) -> Observation:
    one = answer(101)
    assert isinstance(one.facts, UpgradeFacts)
    return replace(one, facts=replace(one.facts, ended="close", close_code=code, close_reason=reason, first_message=message))


def test_a_close_right_after_the_101_says_why() -> None:
    assert roots(sent_away(1008, "missing token"), target=ALONE)[:1] == ["auth.credential-not-sent"]
    assert roots(sent_away(4003, "", '{"op":"error","message":"Login required"}'), target=ALONE)[:1] == ["auth.credential-not-sent"]
    assert not [one for one in findings(sent_away(1000, "bye"), target=ALONE) if "the refusal says why" in one.summary]


def test_an_open_socket_gives_no_reason() -> None:
    assert roots(answer(101, body="token required"), target=ALONE) == []


def test_a_credential_that_was_sent_is_hardly_missing() -> None:
    plain = answer(403, body="token required")
    sent = answer(403, body="token required", request_headers=(("Authorization", "***"),))
    sure = [next(f.confidence for f in findings(one, target=ALONE) if "says why" in f.summary) for one in (plain, sent)]
    assert sure[0] > 0.8
    assert sure[1] < 0.5


def test_every_reason_has_a_source() -> None:
    assert all(reason.source.startswith("https://") and 0 < reason.confidence < 0.9 for reason in known_reasons())
