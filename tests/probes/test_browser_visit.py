"""What a visit tells of its sockets, without any browser."""

from typing import Any

import pytest

from wsbook.facts import Cookie
from wsbook.probes.browser_capture import Capture
from wsbook.probes.browser_sockets import Socket
from wsbook.probes.browser_visit import Visit, page_failure, page_script


class Still(Visit):
    """A page that nothing loads."""

    async def goto(self, timeout_s: float) -> None:
        """Load nothing."""

    async def stand_in(self, html: str) -> None:
        """Answer nothing."""

    async def take_cookies(self) -> None:
        """Keep nothing."""

    def closed(self) -> None:
        """Know nothing."""


@pytest.mark.parametrize(
    ("url", "secure", "other_host", "sent", "withheld"),
    [
        ("wss://shop.test/x", True, False, False, "session=5f3a9c"),
        ("ws://127.0.0.1:81/x", True, False, False, "session=5f3a9c"),
        ("ws://shop.test/x", False, False, False, "session=5f3a9c"),
        ("ws://shop.test/x", True, False, False, ""),  # a Secure cookie never goes out in clear
        ("wss://shop.test/x", False, True, False, ""),  # and none to another host
        ("wss://shop.test/x", False, False, True, ""),
    ],
)
def test_which_cookies_may_be_tried(url: str, secure: bool, other_host: bool, sent: bool, withheld: str) -> None:
    visit = Still("http://shop.test/", Capture(), "Still 1", "")
    visit.cookies = [
        {"name": "session", "value": "5f3a9c", "domain": "shop.test", "path": "/", "secure": secure},
        {"name": "unrelated", "value": "no", "domain": "shop.test", "path": "/", "secure": False},
    ]
    cookie = Cookie(name="session", domain="shop.test", path="/", sent=sent, other_host=other_host)
    assert visit.told(Socket(url=url, cookies=(cookie,))).withheld == withheld


def test_words_of_browsers() -> None:
    assert page_failure("Timeout 2000ms exceeded.", "").reason.value == "timeout"
    assert "unable to get" in page_failure("net::ERR_CERT_AUTHORITY_INVALID at https://a", "unable to get issuer").message
    script = page_script("tell", '</script>"', frames=True)
    assert "globalThis.tell" in script and "BINDING" not in script and "!true" in script


@pytest.mark.parametrize(
    ("fields", "failed"),
    [
        ({"status": 403, "ended_at": 2.0}, True),
        ({"ended_at": 2.0, "error_text": "net::ERR_CONNECTION_RESET"}, True),
        ({"status": 101, "answered_at": 1.1, "ended_at": 2.0, "code": 1006}, True),
        ({"status": 101, "answered_at": 1.1, "error_text": "Invalid frame header"}, True),
        ({"status": 101, "answered_at": 1.1, "ended_at": 2.0, "code": 1000, "clean": True}, False),
        ({"status": 101, "answered_at": 1.1, "ended_at": 2.0}, False),  # of a worker: nobody knows how it ended
        ({"status": 101, "answered_at": 1.1}, False),
        ({"ended_at": 2.0, "by_page": True, "error_text": "closed before the connection is established"}, False),
        ({}, False),
    ],
)
def test_which_sockets_are_repeated(fields: dict[str, Any], failed: bool) -> None:
    assert Socket(url="ws://shop.test/x", asked_at=1.0, **fields).failed is failed
    assert not Socket(url="ws://shop.test/x", **fields).failed, "no request was sent"


def test_the_end_of_the_browser_is_not_the_end_of_its_sockets() -> None:
    capture = Capture()
    capture.on_event("Network.webSocketCreated", {"requestId": "1", "url": "ws://shop.test/x"})
    capture.stop()
    capture.on_event("Network.webSocketClosed", {"requestId": "1", "timestamp": 1.0})
    capture.on_report('{"kind": "page", "title": "late", "csp": ""}')
    assert capture.sockets[0].ended_at is None and capture.title == ""
