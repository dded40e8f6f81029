"""A page in a real browser, and what its browser keeps from a socket."""

from msgspec import Struct

__all__ = ["Cookie", "CookieFacts", "PageFacts", "Violation"]


class Violation(Struct, frozen=True, kw_only=True):
    """What a browser told a page about its Content-Security-Policy (CSP3 section 5): the directive and the URL that it met.

    enforced: False for a policy that only reports, which blocks nothing.
    """

    directive: str
    url: str
    enforced: bool
    policy: str = ""


class PageFacts(Struct, frozen=True, kw_only=True, tag="page"):
    """A page in a real browser.

    sockets: WebSockets it opened. console: (level, text), first 200; console_times: epoch seconds of each, () in old records. csp: the
    page's Content-Security-Policy, from header and meta, policies separated by commas as in a header, "" none; csp_report_only: likewise
    for the one that only reports.
    changes: DOM mutations seen while we watched, after the document was parsed; change_times: epoch seconds of their bursts, first
    1,000. status: HTTP status of the page itself, None when it did not load. frames: documents in frames inside it.
    encrypted: wss URLs that were dialled where the page asked for ws, because of upgrade-insecure-requests.
    lifecycle: (event, epoch seconds) of being hidden, shown, frozen, resumed, left and restored, first 100.
    browser: name and version.
    """

    url: str
    browser: str
    status: int | None = None
    sockets: int = 0
    console: tuple[tuple[str, str], ...] = ()
    console_times: tuple[float, ...] = ()
    csp: str = ""
    csp_report_only: str = ""
    violations: tuple[Violation, ...] = ()
    changes: int = 0
    change_times: tuple[float, ...] = ()
    title: str = ""
    encrypted: tuple[str, ...] = ()
    frames: int = 0
    lifecycle: tuple[tuple[str, float], ...] = ()


class Cookie(Struct, frozen=True, kw_only=True):
    """One cookie of the browser and whether it went with a socket's handshake; never its value.

    held_back: why it did not, one entry for each rule that forbids it (RFC 6265bis section 5.8.3), in the words of browser_cookies.toml;
    empty when it was sent. elsewhere: it belongs to other hosts or paths, so that nobody may expect it here. other_host: it went with the
    page's own requests and belongs to their host, not the socket's.
    """

    name: str
    domain: str
    path: str
    sent: bool
    held_back: tuple[str, ...] = ()
    elsewhere: bool = False
    other_host: bool = False


class CookieFacts(Struct, frozen=True, kw_only=True, tag="cookies"):
    """What became of the browser's cookies at the handshake with a socket's URL; page_url: "" unknown."""

    url: str
    cookies: tuple[Cookie, ...]
    page_url: str = ""

    @property
    def held_back(self) -> tuple[Cookie, ...]:
        """The cookies that the URL could expect and that the browser kept."""
        return tuple(cookie for cookie in self.cookies if not cookie.sent and not cookie.elsewhere)
