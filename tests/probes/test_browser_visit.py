"""What a visit tells of its sockets, without any browser."""

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
