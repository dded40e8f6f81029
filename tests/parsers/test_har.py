"""Recordings of Chrome, Playwright and Firefox."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsbook.errors import UnreadableInputError
from wsbook.facts import RecordingFacts, SessionFacts, SignatureFacts, TextFacts, UpgradeFacts
from wsbook.observation import Outcome, Reason
from wsbook.parsers.har import parse_har

SAMPLES = Path(__file__).parents[2] / "data" / "samples" / "har"


def facts(name: str, kind: type) -> list:
    return [seen.facts for seen in parse_har((SAMPLES / f"{name}.har").read_bytes(), artifact=name) if isinstance(seen.facts, kind)]


@pytest.mark.parametrize("name", ["healthy-chrome", "healthy-playwright", "healthy-firefox"])
def test_an_accepted_handshake(name: str) -> None:
    (upgrade,) = facts(name, UpgradeFacts)
    assert (upgrade.status, upgrade.accepted, upgrade.request_header("origin")) == (101, True, "https://app.example.test")
    assert all(check.ok for check in upgrade.checks)
    assert {"status", "upgrade", "connection", "accept"} <= {check.name for check in upgrade.checks}


@pytest.mark.parametrize(("name", "times"), [("healthy-chrome", [0.2, 0.4, 30.4]), ("healthy-playwright", [0.4]), ("healthy-firefox", [])])
def test_frames_count_from_the_beginning_in_seconds(name: str, times: list[float]) -> None:
    (session,) = facts(name, SessionFacts)
    assert [frame.at_s for frame in session.frames] == pytest.approx(times, abs=1e-3)
    assert session.frame_count == len(times)


def test_directions_text_and_silence() -> None:
    (session,) = facts("healthy-chrome", SessionFacts)
    assert [frame.direction for frame in session.frames] == ["sent", "received", "received"]
    assert session.frames[1].text == '{"seq":1}'
    assert (session.age_s, session.idle_s) == (31.0, pytest.approx(0.6))


def test_a_refused_connection_is_a_failure_with_its_reason() -> None:
    (seen,) = [s for s in parse_har((SAMPLES / "refused.har").read_bytes(), artifact="x") if s.kind == "upgrade"]
    assert seen.outcome is Outcome.FAILED
    assert seen.failure is not None
    assert seen.failure.reason is Reason.REFUSED
    assert [f.signature for f in facts("refused", SignatureFacts)] == ["chrome-refused-local"]


def test_bodies_of_companions_are_looked_at() -> None:
    assert "session-unknown" in [f.signature for f in facts("sticky-session", SignatureFacts)]


def test_a_wrong_accept_is_not_accepted() -> None:
    archive = json.loads((SAMPLES / "healthy-firefox.har").read_text())
    archive["log"]["entries"][0]["response"]["headers"][2]["value"] = "bm90IHRoZSByaWdodCBvbmU="
    (upgrade,) = [s.facts for s in parse_har(json.dumps(archive).encode(), artifact="x") if isinstance(s.facts, UpgradeFacts)]
    assert not upgrade.accepted
    assert [check.name for check in upgrade.checks if not check.ok] == ["accept"]


def test_a_close_frame_gives_code_and_reason() -> None:
    archive = json.loads((SAMPLES / "healthy-chrome.har").read_text())
    archive["log"]["entries"][1]["_webSocketMessages"].append(
        {"type": "receive", "time": 1773309631, "opcode": 8, "data": "\x03\xf1too big"}
    )
    (session,) = [s.facts for s in parse_har(json.dumps(archive).encode(), artifact="x") if isinstance(s.facts, SessionFacts)]
    assert (session.close_code, session.close_reason, session.ended) == (1009, "too big", "close")


def changed(name: str, change: Callable[[dict], object], kind: type = SessionFacts) -> list:
    """Return the facts of a sample whose last entry was changed."""
    archive = json.loads((SAMPLES / f"{name}.har").read_text())
    change(archive["log"]["entries"][-1])
    return [seen.facts for seen in parse_har(json.dumps(archive).encode(), artifact="x") if isinstance(seen.facts, kind)]


def test_http_toolkit_tells_how_a_socket_closed() -> None:
    (session,) = facts("healthy-httptoolkit", SessionFacts)
    assert (session.close_code, session.close_reason, session.ended, session.age_s) == (1000, "bye", "close", 31.0)
    (aborted,) = changed("healthy-httptoolkit", lambda entry: entry.update(_webSocketClose="aborted"))
    assert (aborted.close_code, aborted.ended) == (None, "rst")
    (unsaid,) = changed("healthy-httptoolkit", lambda entry: entry.update(_webSocketClose=None))
    assert (unsaid.close_code, unsaid.ended, unsaid.age_s) == (None, "unknown", 31.0)


@pytest.mark.parametrize(
    ("name", "ages"),
    [
        ("healthy-chrome-graphql", [51.0]),
        ("healthy-chrome-still-open", [None]),
        ("healthy-mitmproxy", [None, None]),
        ("healthy-firefox-http3", [None]),
        ("healthy-safari", [None]),
        ("healthy-fiddler", [None]),
    ],
)
def test_the_time_of_an_entry_is_the_life_of_the_socket_only_where_it_means_that(name: str, ages: list[float | None]) -> None:
    assert [session.age_s for session in facts(name, SessionFacts)] == ages


def test_developer_tools_tell_whether_a_socket_is_open() -> None:
    (session,) = facts("healthy-chrome-still-open", SessionFacts)
    assert (session.ended, session.age_s, session.idle_s) == ("open", None, None)
    (session,) = facts("healthy-chrome-graphql", SessionFacts)
    assert (session.ended, session.idle_s) == ("unknown", pytest.approx(1.0))


def entry_without_answer(error: str = "", time: float = 10.0, status: int = 0) -> bytes:
    request = {"method": "GET", "url": "wss://a.test/ws", "headers": []}
    answer = {"status": status, "headers": [], "content": {}, **({"_error": error} if error else {})}
    entry = {"startedDateTime": "2026-03-12T10:00:00Z", "time": time, "_resourceType": "websocket", "request": request, "response": answer}
    return json.dumps({"log": {"entries": [entry]}}).encode()


@pytest.mark.parametrize(
    ("error", "time", "status", "reason"),
    [
        ("net::ERR_CONNECTION_REFUSED", 3, 0, Reason.REFUSED),
        ("net::ERR_NAME_NOT_RESOLVED", 3, 0, Reason.NAME_NOT_FOUND),
        ("net::ERR_CERT_DATE_INVALID", 3, 0, Reason.CERTIFICATE),
        ("net::ERR_TUNNEL_CONNECTION_FAILED", 3, 0, Reason.PROXY_REFUSED),
        ("net::ERR_ABORTED", 3, 0, Reason.SKIPPED),
        ("NS_BINDING_ABORTED", 3, 0, Reason.SKIPPED),
        ("NS_ERROR_UNKNOWN_HOST", 3, -1, Reason.NAME_NOT_FOUND),
        ("WebSocket is closed before the connection is established.", 3, 0, Reason.SKIPPED),
        ("", 61_000, 0, Reason.TIMEOUT),
        ("", 61_000, -1, Reason.TIMEOUT),
        ("", 3, 0, Reason.CLOSED),
    ],
)
def test_why_there_was_no_answer(error: str, time: float, status: int, reason: Reason) -> None:
    (seen,) = [one for one in parse_har(entry_without_answer(error, time, status), artifact="x") if one.kind == "upgrade"]
    assert seen.failure is not None
    assert seen.failure.reason is reason
    assert seen.failure.message


def test_an_error_among_the_messages_is_no_message() -> None:
    text = "WebSocket connection to 'wss://app.example.test/ws' failed: Invalid frame header"
    error = {"type": "error", "time": 1773309600.5, "opcode": -1, "data": text}
    (session,) = changed("healthy-chrome", lambda entry: entry.update(_webSocketMessages=[error]))
    assert (session.frames, session.error_text) == ((), text)
    (found,) = changed("healthy-chrome", lambda entry: entry.update(_webSocketMessages=[error]), SignatureFacts)
    assert "frame.compression-broken" in dict(found.causes)


def test_secrets_stay_outside() -> None:
    secret = {"name": "Cookie", "value": "sid=hunter2"}
    (upgrade,) = changed("healthy-chrome", lambda entry: entry["request"]["headers"].append(secret), UpgradeFacts)
    assert upgrade.request_header("cookie") == "(11 characters)"


def test_what_stands_beside_the_sockets() -> None:
    (recording,) = facts("healthy-chrome-socketio", RecordingFacts)
    assert (recording.program, recording.entries, recording.sockets, recording.one_browser) == ("WebInspector 537.36", 3, 1, True)
    assert [(one.url, one.count, one.statuses) for one in recording.companions] == [("https://app.example.test/socket.io/", 2, (200,))]
    assert recording.last_s - recording.first_s == pytest.approx(70.1)
    (recording,) = facts("healthy-chrome-reconnect", RecordingFacts)
    assert [(one.field, one.number) for one in recording.snapshots] == [("seq", 40)]
    (recording,) = facts("healthy-firefox-http3", RecordingFacts)
    assert recording.credentials == (("app.example.test", "cookie"),)
    (recording,) = facts("healthy-mitmproxy", RecordingFacts)
    assert recording.one_browser is False


def test_a_late_error_of_a_long_socket_is_found() -> None:
    talk = [{"type": "receive", "time": 1773309600 + i * 0.01, "opcode": 1, "data": f'{{"v":{i}}}'} for i in range(3000)]
    talk[-2]["data"] = '["1","2","room:1","phx_error",{}]'
    (session,) = changed("healthy-chrome", lambda entry: entry.update(_webSocketMessages=talk))
    assert (session.frame_count, len(session.frames)) == (3000, 2000)
    (found,) = changed("healthy-chrome", lambda entry: entry.update(_webSocketMessages=talk), SignatureFacts)
    assert (found.signature, dict(found.causes)) == ("phoenix-crash", {"backend.exception-in-handler": 0.75})


def test_entries_of_another_shape_are_counted_and_left_out() -> None:
    archive = json.loads((SAMPLES / "healthy-chrome.har").read_text())
    archive["log"]["entries"][0] = {"request": ["no", "object"]}
    archive["log"]["creator"] = 7
    seen = parse_har(json.dumps(archive).encode(), artifact="x")
    assert [one.kind for one in seen] == ["upgrade", "session", "recording", "text"]
    (whole,) = [one.facts for one in seen if isinstance(one.facts, TextFacts)]
    assert (whole.items, whole.unparsed, whole.program) == (1, 1, "")


def test_a_message_of_another_shape_is_left_out() -> None:
    messages = [7, {"type": ["x"]}, {"type": "receive", "time": 1773309600.2, "opcode": 1, "data": "x"}]
    (session,) = changed("healthy-chrome", lambda entry: entry.update(_webSocketMessages=messages))
    assert [frame.text for frame in session.frames] == ["x"]


def test_a_cut_recording_is_told_as_such() -> None:
    data = (SAMPLES / "healthy-chrome.har").read_bytes()
    with pytest.raises(UnreadableInputError, match="cut off in the middle"):
        parse_har(data[: len(data) // 2], artifact="x")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"log": 3}', b"\xff\xfe", b'{"log": {"entries": [1]}}', b"[" * 10_000])
def test_what_is_no_recording_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableInputError, match="HTTP Archive"):
        parse_har(data, artifact="x")


scalars = st.none() | st.booleans() | st.integers(-(2**31), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)


def some(**fields: st.SearchStrategy) -> st.SearchStrategy:
    return st.fixed_dictionaries({}, optional=fields)


message = (
    some(type=st.sampled_from(["send", "receive", "error", "x"]), time=st.floats(-1e13, 1e13), opcode=st.integers(-1, 15), data=scalars)
    | scalars
)
content = some(text=scalars, size=st.integers(-1, 99))
response = some(status=st.integers(-1, 700), headers=st.none(), content=content, _error=scalars)
entry = some(
    response=st.none() | response,
    time=st.none() | st.floats(-1, 1e9),
    startedDateTime=st.text(max_size=30),
    _resourceType=st.sampled_from(["websocket", "xhr"]),
    _webSocketMessages=st.none() | st.lists(message, max_size=4),
    _webSocketClose=scalars | some(code=scalars, reason=scalars, timestamp=scalars),
)


@settings(deadline=None)  # the first call reads the tables
@given(st.lists(entry, max_size=4))
def test_any_recording_of_the_right_shape_is_read(entries: list[dict]) -> None:
    seen = parse_har(json.dumps({"log": {"entries": entries}}).encode(), artifact="x")
    assert seen[-1].facts is not None
    assert seen[-1].facts.items == len(entries)
