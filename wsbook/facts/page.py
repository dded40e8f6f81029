"""A page in a real browser."""

from msgspec import Struct

__all__ = ["PageFacts"]


class PageFacts(Struct, frozen=True, kw_only=True, tag="page"):
    """A page in a real browser.

    sockets: WebSockets it opened. console: (level, text), first 200. csp: the page's Content-Security-Policy, "" none.
    changes: DOM mutations seen while we watched, after the document was parsed; change_times: epoch seconds of their bursts, first
    1,000. status: HTTP status of the page itself, None when it did not load.
    browser: name and version.
    """

    url: str
    browser: str
    status: int | None = None
    sockets: int = 0
    console: tuple[tuple[str, str], ...] = ()
    csp: str = ""
    changes: int = 0
    change_times: tuple[float, ...] = ()
    title: str = ""
