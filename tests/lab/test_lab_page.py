"""The page in a real browser: live, reconnecting, without a request to elsewhere, and broken as its faults say."""

import json
import os
import shutil
import signal
from collections.abc import Iterator

import pytest
from conftest import needs
from lab.lab_client import http

from wsbook.lab import Lab, start_lab

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = needs("chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as program:
        browser = program.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """One page in a context of its own, with what it said and dialled."""

    def __init__(self, browser: "playwright.Browser", lab: Lab) -> None:
        self.context = browser.new_context(ignore_https_errors=True)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.sockets: list[playwright.WebSocket] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type in ("error", "warning") else None)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.sockets.append(socket))
        self.page.goto(lab.page_url)

    def wait(self, expression: str, longest_ms: int = 4000) -> None:
        self.page.wait_for_function(expression, timeout=longest_ms)

    def pause(self, ms: int) -> None:
        self.page.wait_for_timeout(ms)


LIVE = "document.getElementById('state').dataset.state === 'open'"
TICKING = "document.querySelectorAll('.price polyline').length === 3"


def events(visit: Visit) -> list[str]:
    return visit.page.locator("#events li span").all_inner_texts()


def test_live(browser: "playwright.Browser") -> None:
    with start_lab() as lab:
        visit = Visit(browser, lab)
        visit.wait(LIVE)
        visit.wait(TICKING)
        http(lab.page_url + "publish", json.dumps({"type": "event", "text": "<b>first</b>", "seq": 41}).encode())
        http(lab.page_url + "publish", b'{"other": true, "seq": 42}')
        visit.wait("document.getElementById('events').dataset.seq === '42'")
        assert events(visit) == ['{"other":true,"seq":42}', "<b>first</b>"]
        visit.page.fill("#text", "from the page")
        visit.page.press("#text", "Enter")
        visit.wait("document.querySelector('#events li span').textContent === 'from the page'")
        assert [socket.url for socket in visit.sockets] == [lab.url]
        assert all(url.startswith(lab.page_url) for url in visit.requests)
        assert visit.errors == []
        visit.context.close()


def test_reconnects_and_subscribes_again(browser: "playwright.Browser") -> None:
    with start_lab() as lab:
        visit = Visit(browser, lab)
        visit.wait(LIVE)
        visit.page.evaluate("socket.close(4001)")
        visit.wait("state.opened === 2")
        visit.wait("state.tick !== null && (state.tick = null) === null")
        visit.wait("state.tick !== null")
        assert len(visit.sockets) == 2
        visit.context.close()


def test_a_message_that_is_no_json_is_survived(browser: "playwright.Browser") -> None:
    with start_lab() as lab:
        visit = Visit(browser, lab)
        visit.wait(LIVE)
        visit.page.evaluate("socket.send('no json')")
        visit.wait("state.count > 2 && state.tick !== null")
        assert visit.errors
        assert "not JSON was left out" in visit.errors[0]
        visit.context.close()


@pytest.mark.parametrize(("slug", "low", "high"), [("", 2, 5), ("client.reconnect-no-backoff", 8, 30), ("client.no-reconnect", 1, 1)])
def test_attempts_while_the_server_is_away(browser: "playwright.Browser", slug: str, low: int, high: int) -> None:
    with start_lab(slug) as lab:
        visit = Visit(browser, lab)
        visit.wait(LIVE)
        os.kill(lab.pids["caddy"], signal.SIGKILL)
        visit.pause(2000)
        assert low <= len(visit.sockets) <= high
        visit.context.close()


def test_ticks_stop_after_a_reconnect(browser: "playwright.Browser") -> None:
    with start_lab("client.no-resubscribe-after-reconnect") as lab:
        visit = Visit(browser, lab)
        visit.wait(TICKING)
        visit.page.evaluate("socket.close(4001)")
        visit.wait("state.opened === 2")
        visit.page.evaluate("state.tick = null")
        visit.pause(1200)
        assert visit.page.evaluate("state.tick") is None
        visit.context.close()


def test_two_sockets_and_every_event_twice(browser: "playwright.Browser") -> None:
    with start_lab("client.double-connect") as lab:
        visit = Visit(browser, lab)
        visit.wait("state.opened === 2")
        http(lab.page_url + "publish", b'{"text": "once"}')
        visit.wait("document.querySelectorAll('#events li').length === 2")
        assert events(visit) == ["once", "once"]
        visit.context.close()


def test_events_are_not_rendered(browser: "playwright.Browser") -> None:
    with start_lab("client.not-rendered") as lab:
        visit = Visit(browser, lab)
        visit.wait(TICKING)
        http(lab.page_url + "publish", b'{"text": "unseen"}')
        visit.wait("state.events.length === 1")
        visit.pause(200)
        assert (events(visit), visit.errors) == ([], [])
        visit.context.close()


@pytest.mark.parametrize(
    ("slug", "words"),
    [
        ("client.parse-error-swallowed", "is not valid JSON"),
        ("browser.csp-connect-src", "Content Security Policy"),
        ("subprotocol.mismatch", "Sent non-empty 'Sec-WebSocket-Protocol' header but no response was received"),
        ("endpoint.wrong-path", "Unexpected response code: 404"),
        ("endpoint.tls-to-plain-port", "ERR_SSL_PROTOCOL_ERROR"),
        ("endpoint.plain-to-tls-port", "Unexpected response code: 400"),
    ],
)
def test_what_the_browser_says(browser: "playwright.Browser", slug: str, words: str) -> None:
    with start_lab(slug) as lab:
        visit = Visit(browser, lab)
        for _ in range(40):
            visit.pause(100)
            if visit.errors:
                break
        assert words in visit.errors[0]
        visit.context.close()
