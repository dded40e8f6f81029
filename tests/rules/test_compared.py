"""Accepted and refused handshakes of one artifact beside one another, and those that nobody answered."""

import pytest
from msgspec.structs import replace
from observations import answer, failed, findings
from observations import seen as observation

from wsbook.facts import TlsFacts, UpgradeFacts
from wsbook.finding import Verdict
from wsbook.observation import Failure, Observation, Reason, Source

FULL = (
    ("Host", "a.test"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "k"),
    ("Sec-WebSocket-Version", "13"),
)
PAGE = ("Origin", "https://a.test")
COOKIE = ("Cookie", "(900 characters)")


def shake(status: int, *headers: tuple[str, str], url: str = "wss://a.test/ws", version: str = "1.1", without: str = "") -> Observation:
    """Return a recorded handshake with the usual headers, more headers that replace them, and one left out."""
    new = {name.lower() for name, _ in headers} | {without.lower()}
    asked = (*((name, value) for name, value in FULL if name.lower() not in new), *headers)
    made = answer(status, url=url, request_headers=asked, probe="http_dump")
    assert isinstance(made.facts, UpgradeFacts)
    return replace(made, source=Source(step="1.2", probe="http_dump", artifact="d"), facts=replace(made.facts, http_version=version))


def faults(*observations: Observation) -> dict[str, float]:
    return {found.cause: found.confidence for found in findings(*observations) if found.verdict is Verdict.FAULT}


PAIRS: list[tuple[str, Observation, Observation, str]] = [
    ("with this Origin", shake(403, PAGE), shake(101), "origin.not-in-allowlist"),
    ("with another Origin", shake(403, PAGE), shake(101, ("Origin", "https://b.test")), "origin.not-in-allowlist"),
    ("without an Origin", shake(403), shake(101, PAGE), "origin.not-in-allowlist"),
    ("without a cookie", shake(401), shake(101, COOKIE), "auth.credential-not-sent"),
    (
        "with another token",
        shake(401, ("Authorization", "(30 characters)")),
        shake(101, ("Authorization", "(31 characters)")),
        "auth.token-expired-on-reconnect",
    ),
    ("with a large cookie", shake(431, COOKIE), shake(101), "handshake.headers-too-large"),
    ("with a large cookie, told as 400", shake(400, COOKIE), shake(101), "handshake.headers-too-large"),
    ("with keep-alive", shake(400, ("Connection", "keep-alive, Upgrade")), shake(101), "backend.upgrade-header-exact-compare"),
    (
        "with another subprotocol",
        shake(400, ("Sec-WebSocket-Protocol", "a")),
        shake(101, ("Sec-WebSocket-Protocol", "b")),
        "subprotocol.mismatch",
    ),
    ("with compression", shake(500, ("Sec-WebSocket-Extensions", "permessage-deflate")), shake(101), "frame.compression-broken"),
    ("without X-Forwarded-Proto", shake(400), shake(101, ("X-Forwarded-Proto", "https")), "proxy.forwarded-headers-wrong"),
    ("without a slash", shake(404), shake(101, url="wss://a.test/ws/"), "endpoint.wrong-path"),
    ("with a slash", shake(404, url="wss://a.test/ws/"), shake(101), "endpoint.wrong-path"),
    ("over HTTP/2", shake(426, version="2"), shake(101), "tls.alpn-h2-negotiated"),
]


@pytest.mark.parametrize(("refused", "opened", "cause"), [row[1:] for row in PAIRS], ids=[row[0] for row in PAIRS])
def test_the_only_difference_is_the_cause(refused: Observation, opened: Observation, cause: str) -> None:
    found = faults(refused, opened)
    assert max(found, key=lambda slug: found[slug]) == cause
    assert faults(opened, refused) == found
    assert found[cause] >= faults(refused).get(cause, 0.0)


NO_CAUSE: list[tuple[str, list[Observation]]] = [
    ("two differences", [shake(403, PAGE, COOKIE), shake(101)]),
    ("another path", [shake(403, PAGE), shake(101, url="wss://a.test/other")]),
    ("another host", [shake(403, PAGE), shake(101, url="wss://b.test/ws", without="host")]),
    ("no difference", [shake(403, PAGE), shake(101, PAGE)]),
    ("headers not recorded", [shake(403, PAGE), replace(shake(101), facts=UpgradeFacts(url="wss://a.test/ws", accepted=True, status=101))]),
    ("more credentials and refused", [shake(403, COOKIE), shake(101)]),
]


@pytest.mark.parametrize("observations", [row[1] for row in NO_CAUSE], ids=[row[0] for row in NO_CAUSE])
def test_what_is_no_single_difference_proves_nothing(observations: list[Observation]) -> None:
    assert all(confidence < 0.6 for confidence in faults(*observations).values())


@pytest.mark.parametrize("missing", ["Sec-WebSocket-Key", "Sec-WebSocket-Version"])
def test_a_test_that_lacks_a_header_is_told(missing: str) -> None:
    told = [found for found in findings(shake(400, without=missing)) if found.cause == "redherring.not-a-fault"]
    assert [found.verdict for found in told] == [Verdict.CLEAR]
    assert missing.lower() in told[0].summary
    assert not [found for found in findings(shake(400)) if found.cause == "redherring.not-a-fault"]


def test_an_upgrade_over_http_2_alone() -> None:
    assert faults(shake(400, version="2"))["tls.alpn-h2-negotiated"] == 0.5
    assert "tls.alpn-h2-negotiated" not in faults(shake(400))


def turns(statuses: list[int], url: str = "wss://a.test/ws") -> list[Observation]:
    return [shake(status, url=url) for status in statuses]


def test_answers_in_turns() -> None:
    sticky = "wss://a.test/socket.io/?EIO=4&transport=websocket&sid=x"
    assert faults(*turns([101, 400, 101, 400, 101], sticky))["cluster.no-sticky-session"] == 0.7
    assert faults(*turns([101, 502, 101, 502, 101]))["proxy.upstream-unreachable"] >= 0.55
    for statuses in ([400, 400, 101, 101, 101], [101, 401, 101, 401, 101], [101, 400, 101]):
        assert faults(*turns(statuses, sticky)).get("cluster.no-sticky-session", 0.0) < 0.5
    assert "client.reconnect-no-backoff" not in faults(*turns([503] * 8))


def unanswered(reason: Reason, url: str = "wss://a.test/ws", stage: str = "tcp", code: int | None = None) -> Observation:
    tls = TlsFacts(server_name="a.test", verify_code=code) if code is not None else None
    facts = UpgradeFacts(url=url, accepted=False, tls=tls)
    made = observation(facts, failure=Failure(stage=stage, reason=reason, message="what the tool said"))
    return replace(made, source=Source(step="1.2", probe="http_dump", artifact="d"))


UNANSWERED: list[tuple[Observation, str]] = [
    (unanswered(Reason.NAME_NOT_FOUND), "net.dns-wrong"),
    (unanswered(Reason.NAME_NOT_FOUND, "ws://backend:8000/ws"), "endpoint.localhost-or-internal-address"),
    (unanswered(Reason.REFUSED), "net.not-listening-outside"),
    (unanswered(Reason.REFUSED, "ws://127.0.0.1:8000/ws"), "endpoint.localhost-or-internal-address"),
    (unanswered(Reason.TIMEOUT), "net.firewall-filtered"),
    (unanswered(Reason.TLS_NOT_SPOKEN, stage="tls"), "endpoint.tls-to-plain-port"),
    (unanswered(Reason.PROXY_REFUSED, stage="proxy"), "net.corporate-proxy-blocks"),
    (unanswered(Reason.CERTIFICATE, stage="tls", code=10), "tls.cert-expired"),
    (unanswered(Reason.CERTIFICATE, stage="tls", code=62), "tls.hostname-mismatch"),
    (unanswered(Reason.CERTIFICATE, stage="tls", code=18), "tls.self-signed"),
    (unanswered(Reason.CERTIFICATE, stage="tls", code=21), "tls.incomplete-chain"),
    (unanswered(Reason.TIMEOUT, stage="upgrade"), "handshake.timeout"),
]


@pytest.mark.parametrize(("seen", "cause"), UNANSWERED)
def test_how_far_an_attempt_came_says_what_is_possible(seen: Observation, cause: str) -> None:
    found = faults(seen)
    assert max(found, key=lambda slug: found[slug]) == cause


def test_silence_about_unanswered_attempts() -> None:
    assert faults(unanswered(Reason.SKIPPED)) == {}
    assert faults(unanswered(Reason.CERTIFICATE, stage="tls")) == {}
    assert faults(unanswered(Reason.CLOSED, stage="")) == {}
    assert faults(unanswered(Reason.REFUSED), answer(101)) == {}
    assert "net.firewall-filtered" not in faults(failed("tls", Reason.TIMEOUT))
