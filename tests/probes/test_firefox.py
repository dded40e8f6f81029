"""The Firefox probe against pages with planted behaviour, and its reading of BiDi events without a browser."""

import http
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import needs
from hypothesis import given, settings
from hypothesis import strategies as st
from probes.test_browser import SCRIPT, _closed_port, _facts, _handler, _observation, _origin, _page, deployment
from websockets.asyncio.server import ServerConnection, serve

from wsbook.attempt import NO_ORIGIN, Attempt
from wsbook.facts import CookieFacts, SessionFacts, UpgradeFacts
from wsbook.observation import Outcome, Reason
from wsbook.probes import firefox
from wsbook.probes.firefox import firefox_available, probe_firefox, probe_firefox_socket
from wsbook.probes.firefox_capture import FirefoxCapture


@pytest.fixture(autouse=True)
def profiles_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Browsers of other programs on this machine are not this test's."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def _leftovers() -> list[str]:
    lines = [p.read_bytes().replace(b"\0", b" ").decode() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists()]
    return [line for line in lines if f"{tempfile.gettempdir()}/wsbook-firefox-" in line]


@needs("firefox-esr")
async def test_a_page_with_every_kind_of_socket() -> None:
    async with deployment() as (page, ws, publish):
        publish("/", SCRIPT.format(ws=ws, page=page, closed=_closed_port()))
        found = await probe_firefox(f"{page}/", step="1.2", watch_s=2.5, repeated=Attempt(url=f"{ws}/refused", timeout_s=2.0))

    seen = _page(found)
    assert (seen.status, seen.title, seen.sockets) == (200, "A & B", 9)
    assert seen.browser.startswith("Firefox ")
    assert ("log", "threw SyntaxError") in seen.console
    assert any(level == "error" and "planted" in text for level, text in seen.console)

    good = _facts(found, UpgradeFacts, "/good?a=1")
    assert (good.accepted, good.status, good.http_version) == (True, 101, "1.1")
    assert good.request_header("Origin") == page and good.header("sec-websocket-accept")
    session = _facts(found, SessionFacts, "/good?a=1")
    assert [(f.direction, f.text) for f in session.frames] == [("received", "update wsbook-0123456789ab-1"), ("sent", "thanks")]
    assert session.ended == "open"
    closed = _facts(found, SessionFacts, "/close")
    assert (closed.ended, closed.closed_by, closed.close_code, closed.close_reason) == ("close", "peer", 4001, "not welcome")
    mine = _facts(found, SessionFacts, "/mine")
    assert (mine.ended, mine.closed_by, mine.close_code) == ("close", "us", 1000)
    assert _facts(found, UpgradeFacts, "/worker").accepted

    refused = _observation(found, "/refused")
    assert refused.outcome is Outcome.ANSWERED and refused.facts.status == 403 and not refused.facts.accepted
    assert refused.facts.header("content-length") and "establish a connection" in refused.facts.error_text
    nobody = _observation(found, "/nobody")
    assert nobody.outcome is Outcome.FAILED and nobody.failure.reason is Reason.REFUSED
    wrong = _observation(found, "/wrong-accept")
    assert not wrong.facts.accepted and [(c.name, c.ok) for c in wrong.facts.checks] == [("accept", False)]
    thrown = _observation(found, "[bad/")
    assert thrown.failure.stage == "browser" and thrown.facts.error_text.startswith("SyntaxError")

    again = [o for o in found if o.source.probe == "repeated" and isinstance(o.facts, UpgradeFacts) and o.facts.url.endswith("/refused")]
    assert [name for name, _ in again[0].facts.request_headers] == [name for name, _ in refused.facts.request_headers]
    assert {o.source.hop for o in found} == {"firefox"} and (NO_ORIGIN,) in {o.source.changed for o in again}
    assert not _leftovers()


@needs("firefox-esr")
async def test_cookies_policy_and_a_blank_page() -> None:
    def login_only(connection: ServerConnection, request: Any) -> Any:
        if request.path == "/set":
            answer = connection.respond(http.HTTPStatus.FOUND, "")
            answer.headers["Location"] = page_at[0]
            answer.headers["Set-Cookie"] = "session=5f3a9c02d1; SameSite=Lax"
            answer.headers["Set-Cookie"] = "open=7777"
            return answer
        return None if "session=" in request.headers.get("Cookie", "") else connection.respond(http.HTTPStatus.UNAUTHORIZED, "who")

    page_at: list[str] = []
    async with deployment() as (page, ws, publish), serve(_handler, "127.0.0.1", 0, process_request=login_only) as sockets:
        own = _origin("ws", sockets).replace("127.0.0.1", "localhost")
        script = f'const s = new WebSocket("{own}/live"); try {{ new WebSocket("{ws}/blocked") }} catch {{}}'
        publish("/in", script, header=f"Content-Security-Policy: connect-src {own}\r\n")
        page_at.append(f"{page}/in")
        found = await probe_firefox(f"{own.replace('ws', 'http')}/set", step="1.2", watch_s=1.0)
        upgrade, session = await probe_firefox_socket(Attempt(url=f"{ws}/close", origin="http://app.test:8080"), step="1.2", watch_s=5.0)
    kept = _facts(found, CookieFacts, "/live")
    assert ("session", False) in {(one.name, one.sent) for one in kept.cookies}
    assert "SameSite=Lax, and the page is of another site" in next(one.held_back for one in kept.cookies if one.name == "session")
    assert _page(found).csp == f"connect-src {own}"
    assert [(v.directive, v.url) for v in _page(found).violations] == [("connect-src", f"{ws}/blocked")]
    blocked = _observation(found, "/blocked")
    assert blocked.failure.stage == "browser" and blocked.failure.reason is Reason.NOT_PERMITTED
    assert "5f3a9c02d1" not in msgspec.json.encode(found).decode()
    assert isinstance(upgrade.facts, UpgradeFacts) and upgrade.facts.accepted
    assert upgrade.facts.request_header("Origin") == "http://app.test:8080"
    assert isinstance(session.facts, SessionFacts) and session.facts.close_code == 4001
    assert not _leftovers()


@needs("firefox-esr")
async def test_a_page_that_does_not_load() -> None:
    found = await probe_firefox("http://127.0.0.1:1/", step="1.2", watch_s=2.0)
    assert len(found) == 1 and found[0].failure is not None and found[0].failure.stage == "page" and _page(found).status is None


async def test_a_missing_or_broken_firefox_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firefox, "_NAMES", ("no-such-browser",))
    assert firefox_available() == ""
    (missing,) = await probe_firefox("http://127.0.0.1:1/", step="1.2", watch_s=1.0)
    assert missing.outcome is Outcome.NOT_RUN and missing.failure is not None and missing.failure.reason is Reason.TOOL_MISSING
    (broken,) = await probe_firefox("http://127.0.0.1:1/", step="1.2", watch_s=1.0, executable="/bin/false")
    assert broken.outcome is Outcome.FAILED and broken.failure is not None and broken.failure.stage == "start"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["network.beforeRequestSent", "network.responseStarted", "network.fetchError", "log.entryAdded", "script.message"]
            ),
            st.dictionaries(
                st.sampled_from(["request", "response", "level", "text", "type", "channel", "data", "timestamp"]),
                st.recursive(
                    st.none() | st.text(max_size=5) | st.integers(),
                    lambda inner: st.dictionaries(st.sampled_from(["request", "url", "headers", "timings", "value", "status"]), inner),
                    max_leaves=6,
                ),
            ),
        ),
        max_size=6,
    )
)
def test_events_of_any_shape_are_survived(events: list[tuple[str, dict[str, Any]]]) -> None:
    capture = FirefoxCapture("channel")
    for method, params in events:
        capture.on_bidi(method, params)
    assert all(seen.source.hop == "firefox" for seen in capture.observations("1.2", time.time()))
