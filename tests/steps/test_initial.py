"""Step 1.2 with a recording: failed handshakes are repeated, and only at the target's own hosts."""

import json
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from wsbook.case import Case
from wsbook.facts import UpgradeFacts
from wsbook.steps.initial import _browsers
from wsbook.target import Budget, parse_target


def entry(url: str, *headers: tuple[str, str]) -> dict[str, object]:
    handshake = [("Host", "x"), ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), *headers]
    pairs = [{"name": name, "value": value} for name, value in (*handshake, ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="))]
    return {
        "_resourceType": "websocket",
        "startedDateTime": "2026-11-20T10:00:00Z",
        "time": 3,
        "request": {"method": "GET", "url": url, "httpVersion": "HTTP/1.1", "headers": pairs},
        "response": {"status": 403, "statusText": "Forbidden", "httpVersion": "HTTP/1.1", "headers": [], "content": {}},
    }


async def test_a_recorded_refusal_is_repeated_without_what_the_recording_hides(tmp_path: Path) -> None:
    asked = []

    def only_ours(connection: ServerConnection, request: object) -> object:
        asked.append(request)
        foreign = request.headers.get("Origin") == "http://foreign.test"  # type: ignore[attr-defined]
        return connection.respond(403, "foreign origin") if foreign else None

    async with serve(lambda peer: peer.wait_closed(), "127.0.0.1", 0, process_request=only_ours) as server:  # type: ignore[arg-type]
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/live"
        headers = (("Origin", "http://foreign.test"), ("Cookie", "session=5f3a9c02d1"))
        entries = [entry(url, *headers), entry("ws://elsewhere.invalid/live", *headers)]
        har = tmp_path / "page.har"
        har.write_text(json.dumps({"log": {"version": "1.2", "creator": {"name": "WebInspector", "version": "1"}, "entries": entries}}))
        with Case.open(url=url, har=str(har)) as case:
            result = await case.run("1.2")
            assert case.judge().root_causes[0] == "origin.not-in-allowlist"
    again = [seen for seen in result.observations if seen.source.probe == "repeated"]
    assert {seen.facts.url for seen in again if isinstance(seen.facts, UpgradeFacts)} == {url}
    assert again[0].source.changed == ("without cookie, hidden in the recording",)
    assert all("Cookie" not in request.headers for request in asked)  # type: ignore[attr-defined]


async def test_a_server_that_compares_connection_literally_is_named() -> None:
    def literal(connection: ServerConnection, request: object) -> object:
        written = request.headers.get("Connection")  # type: ignore[attr-defined]
        return None if written == "Upgrade" else connection.respond(400, "this is no upgrade")

    async with serve(lambda peer: peer.wait_closed(), "127.0.0.1", 0, process_request=literal) as server:  # type: ignore[arg-type]
        with Case.open(url=f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/live") as case:
            await case.run("1.3")
            assert case.judge().root_causes[:1] == ("backend.upgrade-header-exact-compare",)


@pytest.mark.parametrize(
    ("chromium", "firefox", "budget", "chosen"),
    [
        ("/c", "/f", "quick", (True, False)),
        ("/c", "/f", "standard", (True, True)),
        ("/c", "", "thorough", (True, False)),
        ("", "/f", "quick", (False, True)),
        ("", "", "quick", (True, False)),  # whose absence is then said
    ],
)
def test_which_browsers_look(monkeypatch: pytest.MonkeyPatch, chromium: str, firefox: str, budget: str, chosen: tuple[bool, bool]) -> None:
    monkeypatch.setattr("wsbook.probes.browser.browser_available", lambda: chromium)
    monkeypatch.setattr("wsbook.probes.firefox.firefox_available", lambda: firefox)
    with Case(parse_target("ws://shop.test/ws"), Budget.named(budget)) as case:
        assert _browsers(case) == chosen
