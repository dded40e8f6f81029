"""Recordings of Chrome, Playwright and Firefox."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook.errors import UnreadableInputError
from wsbook.facts import SessionFacts, SignatureFacts, UpgradeFacts
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


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"log": 3}', b"\xff\xfe", b'{"log": {"entries": [1]}}', b"[" * 10_000])
def test_what_is_no_recording_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableInputError, match="HTTP Archive"):
        parse_har(data, artifact="x")


scalars = st.none() | st.booleans() | st.integers(-(2**31), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)


def some(**fields: st.SearchStrategy) -> st.SearchStrategy:
    return st.fixed_dictionaries({}, optional=fields)


message = some(type=st.sampled_from(["send", "receive", "x"]), time=st.floats(-1e13, 1e13), opcode=st.integers(0, 15), data=scalars)
content = some(text=scalars, size=st.integers(-1, 99))
response = some(status=st.integers(-1, 700), headers=st.none(), content=content, _error=scalars)
entry = some(
    response=st.none() | response,
    time=st.none() | st.floats(-1, 1e9),
    startedDateTime=st.text(max_size=30),
    _resourceType=st.sampled_from(["websocket", "xhr"]),
    _webSocketMessages=st.none() | st.lists(message, max_size=4),
)


@given(st.lists(entry, max_size=4))
def test_any_recording_of_the_right_shape_is_read(entries: list[dict]) -> None:
    seen = parse_har(json.dumps({"log": {"entries": entries}}).encode(), artifact="x")
    assert seen[-1].facts is not None
    assert seen[-1].facts.items == len(entries)
