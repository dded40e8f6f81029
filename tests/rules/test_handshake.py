"""Answers that name their cause by themselves."""

import pytest
from msgspec.structs import replace
from observations import TARGET, answer, failed, findings, roots, verdicts

from wsbook.attempt import UNVERIFIED
from wsbook.facts import TlsFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation, Reason, Source
from wsbook.target import parse_target

HTTPS = parse_target("wss://shop.test/ws")
EXPIRED = TlsFacts(server_name="shop.test", names=("shop.test",), not_after="2026-01-01T00:00:00", verify_code=10)
OTHER = TlsFacts(server_name="shop.test", names=("other.test",), not_after="2030-01-01T00:00:00", verify_code=62)
OWN = TlsFacts(server_name="shop.test", issuer="CN=me", subject="CN=me", verify_code=18)
PARTIAL = TlsFacts(server_name="shop.test", issuer="CN=Intermediate", subject="CN=shop.test", verify_code=20, chain_length=1)

ROWS: list[tuple[str, Observation, str | None]] = [
    ("accepted", answer(101), None),
    ("wrong accept", answer(101, wrong=["accept"]), "handshake.invalid-exchange"),
    ("no upgrade header", answer(101, wrong=["upgrade", "connection"]), "handshake.invalid-exchange"),
    ("no subprotocol", answer(101, wrong=["subprotocol"]), "subprotocol.mismatch"),
    ("foreign extension", answer(101, wrong=["extensions"]), "frame.compression-broken"),
    ("login page", answer(302, headers=(("Location", "/login"),)), "handshake.redirected"),
    ("to TLS", answer(301, headers=(("Location", "https://shop.test/ws"),)), "handshake.redirected"),
    ("401 without credentials", answer(401, headers=(("WWW-Authenticate", "Basic realm=x"),)), "auth.credential-not-sent"),
    ("401 with credentials", answer(401, request_headers=(("Authorization", "***"),)), "auth.token-expired-on-reconnect"),
    ("431", answer(431), "handshake.headers-too-large"),
    ("405", answer(405), "handshake.invalid-exchange"),
    ("426 for another version", answer(426, headers=(("Sec-WebSocket-Version", "8, 7"),)), "handshake.invalid-exchange"),
    ("429", answer(429, headers=(("Retry-After", "7"),)), "load.rate-limited"),
    ("never answered", failed("upgrade", Reason.TIMEOUT), "handshake.timeout"),
    ("garbage", failed("upgrade", Reason.MALFORMED, raw="hello"), "handshake.invalid-exchange"),
    ("TLS answers plain text", failed("upgrade", Reason.MALFORMED, raw="\x15\x03\x01\x00\x02\x02P"), "endpoint.plain-to-tls-port"),
    (
        "400 of a TLS port",
        answer(400, body="<title>400 The plain HTTP request was sent to HTTPS port</title>"),
        "endpoint.plain-to-tls-port",
    ),
]


@pytest.mark.parametrize(("observation", "cause"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_an_answer_names_its_cause(observation: Observation, cause: str | None) -> None:
    assert roots(observation, target=parse_target("ws://shop.test/ws"))[:1] == ([cause] if cause else [])


def test_an_answer_that_names_its_limit_needs_no_other_explanation() -> None:
    assert roots(answer(429), target=parse_target("ws://shop.test/ws")) == ["load.rate-limited"]


TLS_ROWS: list[tuple[str, list[Observation], str]] = [
    ("expired", [failed("tls", Reason.CERTIFICATE, tls=EXPIRED, url=HTTPS.url)], "tls.cert-expired"),
    ("expired and works unchecked", [failed("tls", Reason.CERTIFICATE, tls=EXPIRED), answer(101, changed=UNVERIFIED)], "tls.cert-expired"),
    ("other name", [failed("tls", Reason.CERTIFICATE, tls=OTHER, url=HTTPS.url)], "tls.hostname-mismatch"),
    ("own issuer", [failed("tls", Reason.CERTIFICATE, tls=OWN, url=HTTPS.url)], "tls.self-signed"),
    ("no intermediate", [failed("tls", Reason.CERTIFICATE, tls=PARTIAL, url=HTTPS.url)], "tls.incomplete-chain"),
    ("no TLS there", [failed("tls", Reason.TLS_NOT_SPOKEN, url=HTTPS.url)], "endpoint.tls-to-plain-port"),
    ("alert", [failed("tls", Reason.TLS_ALERT, message="tlsv1 alert protocol version")], "tls.version-or-cipher-mismatch"),
    ("wants a certificate", [failed("tls", Reason.TLS_ALERT, message="tlsv13 alert certificate required")], "tls.client-cert-requested"),
]


@pytest.mark.parametrize(("observations", "cause"), [row[1:] for row in TLS_ROWS], ids=[row[0] for row in TLS_ROWS])
def test_tls_names_its_cause(observations: list[Observation], cause: str) -> None:
    assert roots(*observations, target=HTTPS)[:1] == [cause]


def test_a_refusal_without_a_known_cause_has_candidates() -> None:
    found = [finding for finding in findings(answer(403), target=parse_target("ws://shop.test/ws")) if finding.root]
    assert "origin.not-in-allowlist" in [finding.cause for finding in found][:4]
    assert all(finding.confidence < 0.5 for finding in found)
    assert verdicts(answer(403))["1.3"] == "fault"


def test_the_same_refusal_in_a_browser_is_judged_by_the_same_rule() -> None:
    seen_by_browser = answer(302, headers=(("Location", "/login"),), probe="har", step="1.2")
    assert roots(seen_by_browser)[0] == "handshake.redirected"
    assert verdicts(seen_by_browser)["1.2"] == "fault"


GIVEN = ["Authorization: Bearer x"]


@pytest.mark.parametrize(
    ("direct", "page", "headers", "named"),
    [
        (101, "", GIVEN, False),
        (101, "https://shop.test/", GIVEN, True),
        (101, "", [], True),
        (401, "", GIVEN, True),
    ],
    ids=["a browser without a page has no credentials", "a page that is refused", "nothing was given", "refused with them too"],
)
def test_what_no_browser_sends_is_not_missed_in_one_of_ours(direct: int, page: str, headers: list[str], named: bool) -> None:
    text = "HTTP Authentication failed; no valid credentials available"
    browser = answer(401, hop="browser", step="1.2", probe="browser", error_text=text)
    target = parse_target("ws://shop.test/ws", page_url=page, headers=headers)
    assert ("auth.credential-not-sent" in roots(answer(direct), browser, target=target)) is named


def test_silence_in_the_browser_alone_is_a_possibility() -> None:
    silent = replace(failed("upgrade", Reason.TIMEOUT, hop="browser"), source=Source(step="1.2", probe="browser", hop="browser"))
    assert "handshake.timeout" in {one.cause for one in findings(silent) if one.verdict is Verdict.FAULT}
    both = findings(answer(404), silent)
    assert {one.verdict for one in both if one.cause == "handshake.timeout"} == {Verdict.UNKNOWN}


def test_health_is_clear() -> None:
    clear = {finding.cause for finding in findings(answer(101)) if finding.verdict is Verdict.CLEAR}
    assert "handshake.invalid-exchange" in clear
    assert verdicts(answer(101), target=TARGET)["1.3"] == "clear"


@pytest.mark.parametrize("reason", [Reason.CLOSED, Reason.RESET])
def test_one_connection_of_several_that_ends_without_an_answer_is_no_wrong_exchange(reason: Reason) -> None:
    again = failed("upgrade", reason)
    idle = replace(again, source=replace(again.source, step="3.4", probe="idle"))
    cap = next(found for found in findings(answer(101), idle) if found.cause == "load.connection-cap")
    assert (cap.verdict, roots(answer(101), idle)) == (Verdict.UNKNOWN, [])
    assert "handshake.invalid-exchange" in {found.cause for found in findings(idle) if found.verdict is Verdict.FAULT}
