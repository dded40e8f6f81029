"""Texts that stand for causes, and what outranks them."""

import pytest
from observations import answer, failed, findings, roots, seen, verdicts

from wsbook.attempt import NO_ORIGIN
from wsbook.facts import AccessFacts, EchoFacts, EchoTrial, PatternFacts, SessionFacts, SignatureFacts, SymptomFacts, TlsFacts, TlsScanFacts
from wsbook.finding import Verdict
from wsbook.observation import Failure, Observation, Reason
from wsbook.wire.origins import FOREIGN


def printed(*causes: tuple[str, float], text: str = "a line of a log") -> Observation:
    facts = SignatureFacts(signature="x", program="nginx", count=3, text=text, causes=causes)
    return seen(facts, step="1.4", probe="log", hop="")


def pattern(ok: bool, weight: float = 0.8) -> Observation:
    facts = PatternFacts(
        pattern="unguarded-json-parse",
        cause="client.parse-error-swallowed",
        ok=ok,
        file="app.js",
        line=4,
        excerpt="JSON.parse",
        weight=weight,
    )
    return seen(facts, step="3.1", probe="source", hop="")


def test_a_printed_text_names_its_causes_by_weight() -> None:
    assert roots(printed(("tls.self-signed", 0.3), ("tls.incomplete-chain", 0.6))) == ["tls.incomplete-chain", "tls.self-signed"]
    assert verdicts(printed(("tls.self-signed", 0.6)))["1.4"] == "fault"


def test_an_upgrade_that_succeeds_now_outranks_an_old_line_about_connecting() -> None:
    assert roots(printed(("origin.not-in-allowlist", 0.9)), answer(101)) == []
    assert roots(printed(("origin.not-in-allowlist", 0.9)), answer(403))[0] == "origin.not-in-allowlist"
    assert roots(printed(("backend.exception-kills-broadcast", 0.8)), answer(101)) == ["backend.exception-kills-broadcast"]


def test_an_upgrade_that_succeeds_with_another_origin_outranks_lines_about_what_lies_before() -> None:
    refused, cured = answer(400), answer(101, changed=NO_ORIGIN)
    assert "proxy.upgrade-header-missing" in roots(printed(("proxy.upgrade-header-missing", 0.7)), refused)
    assert "proxy.upgrade-header-missing" not in roots(printed(("proxy.upgrade-header-missing", 0.7)), refused, cured)
    assert "origin.not-in-allowlist" in roots(printed(("origin.not-in-allowlist", 0.9)), refused, cured)


@pytest.mark.parametrize(("origin", "told"), [("https://shop.test", True), (FOREIGN, False)])
def test_a_line_about_the_origin_that_we_made_up_is_ours(origin: str, told: bool) -> None:
    line = printed(("origin.not-in-allowlist", 0.9), text=f"{origin} is not an accepted origin.")
    assert ("origin.not-in-allowlist" in roots(line, answer(400))) is told


def test_a_traceback_that_our_own_message_left_accuses_nobody() -> None:
    texts = printed(("message.format-mismatch", 0.45)), printed(("backend.exception-in-handler", 0.6))
    ended = EchoTrial(kind="text", size_bytes=24, ok=False, detail="nothing came back: the connection ended (close 1011)")
    quiet = EchoTrial(kind="text", size_bytes=24, ok=False, detail="nothing came back within 2 s")
    assert roots(*texts, seen(EchoFacts(url="ws://h/", echoes=None, trials=(ended,)), probe="echo")) == []
    assert len(roots(*texts, seen(EchoFacts(url="ws://h/", echoes=None, trials=(quiet,)), probe="echo"))) == 2
    (told,) = findings(texts[0], seen(EchoFacts(url="ws://h/", echoes=None, trials=(ended,)), probe="echo"))
    assert told.verdict is Verdict.UNKNOWN and "message of ours" in told.summary


def test_a_harmless_text_is_clear() -> None:
    (found,) = findings(printed(("redherring.not-a-fault", 0.9)))
    assert found.verdict is Verdict.CLEAR
    assert roots(printed()) == []


def test_source_patterns() -> None:
    assert roots(pattern(ok=False)) == ["client.parse-error-swallowed"]
    assert roots(pattern(ok=True)) == []
    assert verdicts(pattern(ok=False))["3.1"] == "fault"


def test_sessions_that_ended_badly() -> None:
    def ended(code: int, reason: str = "", by: str = "peer") -> Observation:
        return seen(
            SessionFacts(url="ws://h/", ended="close", closed_by=by, close_code=code, close_reason=reason, age_s=2.0),
            step="1.2",
            probe="har",
        )

    assert roots(ended(1009)) == ["frame.message-too-big"]
    assert roots(ended(1011)) == ["backend.exception-in-handler"]
    assert set(roots(ended(1011, "keepalive ping timeout"))) == {"backend.blocking-call-in-event-loop", "heartbeat.timeout-too-short"}
    assert roots(ended(1000)) == []
    assert roots(ended(1009, by="us")) == []


def test_access_logs() -> None:
    def row(status: int, termination: str = "", durations: tuple[float, ...] = (), version: str = "HTTP/1.1") -> Observation:
        facts = AccessFacts(
            program="haproxy",
            method="GET",
            path="/ws",
            status=status,
            count=5,
            termination=termination,
            durations_s=durations,
            http_version=version,
            text="line",
        )
        return seen(facts, step="1.4", probe="access", hop="")

    assert roots(row(101, "cD--", (50.0,))) == ["proxy.idle-timeout-haproxy"]
    assert roots(row(503, "SC--"))[0] == "proxy.upstream-unreachable"
    assert roots(row(400, version="HTTP/1.0"))[0] == "proxy.http-1.0-upstream"
    assert roots(row(101, "----", (3.0, 700.0))) == []
    spike = [found for found in findings(row(101, "----", (60.0, 60.1, 60.0, 59.9))) if found.root]
    assert spike
    assert all(found.verdict is Verdict.UNKNOWN for found in spike)


def test_told_is_never_measured() -> None:
    told = seen(SymptomFacts(text="1006 after 60 s idle", symptoms=(), close_code=1006, age_s=60.0), step="0", probe="symptom", hop="")
    found = findings(told)
    assert found
    assert {finding.verdict for finding in found} == {Verdict.UNKNOWN}
    assert all(finding.confidence <= 0.45 for finding in found)
    measured = roots(told, answer(302, headers=(("Location", "/login"),)))
    assert measured == ["handshake.redirected"]


def test_a_bug_of_ours_is_unknown_never_clear() -> None:
    failure = Failure(stage="", reason=Reason.OUR_BUG, message="TypeError: x")
    assert verdicts(seen(None, step="2.2", probe="step", hop="", failure=failure))["2.2"] == "unknown"


def test_what_is_merely_possible_is_no_root_cause_of_a_working_endpoint() -> None:
    hint = pattern(ok=False, weight=0.3)
    told = seen(SymptomFacts(text="updates stop"), step="0", probe="symptom", hop="")
    assert [found.root for found in findings(hint)] == [True]
    assert not [found for found in findings(hint, answer(101)) if found.root]
    assert [found.cause for found in findings(hint, answer(101), told) if found.root][:1] == ["client.parse-error-swallowed"]


def test_no_plain_text_is_suspected_where_tls_is_spoken() -> None:
    text = printed(("endpoint.tls-to-plain-port", 0.75))
    silent = failed("tls", Reason.TLS_ALERT)
    spoken = TlsScanFacts(host="shop.test", port=443, tls=TlsFacts(server_name="shop.test", version="TLSv1.3"))
    scan = seen(spoken, step="1.3", probe="tls")
    assert "endpoint.tls-to-plain-port" in roots(text, silent)
    assert "endpoint.tls-to-plain-port" not in roots(text, silent, scan)
    error = "Error in connection establishment: net::ERR_SSL_PROTOCOL_ERROR"
    browser = answer(0, hop="browser", step="1.2", probe="browser", error_text=error)
    assert "endpoint.tls-to-plain-port" in roots(browser, silent)
    assert "endpoint.tls-to-plain-port" not in roots(browser, silent, scan)


def test_the_greeting_of_sockjs_is_no_socket() -> None:
    assert roots(answer(200, body="Welcome to SockJS!\n"))[0] == "endpoint.protocol-library-mismatch"
    assert "endpoint.protocol-library-mismatch" not in roots(answer(200, body="Welcome to our shop!\n"))[:1]


def test_a_status_that_a_browser_tells_adds_little_to_the_answer_itself() -> None:
    text = "Error during WebSocket handshake: Unexpected response code: 426"
    told = answer(426, hop="browser", step="1.2", probe="browser", error_text=text)
    found = {one.cause: one.confidence for one in findings(told) if text in one.summary}
    assert found["proxy.upgrade-header-missing"] <= 0.45
    assert roots(told)[0] == "proxy.upgrade-header-missing"


@pytest.mark.parametrize(
    ("inner", "causes"),
    [
        (answer(400, hop="app", body="a subprotocol is required"), ["subprotocol.mismatch"]),
        (answer(101, hop="app"), ["proxy.upgrade-header-missing"]),
        (None, ["proxy.upgrade-header-missing"]),
    ],
    ids=["the application refuses alike", "it accepts", "it was not asked"],
)
def test_no_proxy_drops_headers_where_the_application_refuses_the_complete_request(inner: Observation | None, causes: list[str]) -> None:
    outer = answer(400, body="a subprotocol is required")
    found = roots(printed(("proxy.upgrade-header-missing", 0.7)), outer, *([inner] if inner else []))
    assert set(causes) <= set(found)
    assert ("proxy.upgrade-header-missing" in found) is (causes != ["subprotocol.mismatch"])


def test_where_the_endpoint_accepts_no_other_origin_has_cured_anything() -> None:
    """What fails in the browser fails at the address that the page dials, which is another than the endpoint."""
    error = "WebSocket connection to 'ws://ticker-app:8001/ws' failed: Error in connection establishment: net::ERR_NAME_NOT_RESOLVED"
    page = answer(0, hop="browser", step="1.2", probe="browser", error_text=error, url="ws://ticker-app:8001/ws")
    assert "endpoint.localhost-or-internal-address" in roots(answer(101), answer(101, changed=NO_ORIGIN), page)
