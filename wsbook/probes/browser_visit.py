"""One visit of a page in a browser: load, watch, close, tell. This module must not know which browser it is, nor how it is driven."""

import abc
import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec

from wsbook.attempt import Attempt
from wsbook.facts import PageFacts
from wsbook.observation import Failure, Observation, Reason, Source, observed
from wsbook.probes.browser_capture import Capture
from wsbook.probes.browser_sockets import Socket, explain_error, is_open
from wsbook.probes.explain_1006 import Told, explain
from wsbook.secret import resolve
from wsbook.target import parse_endpoint

__all__ = [
    "GRACE_S",
    "BrowserError",
    "BrowserMissingError",
    "Progress",
    "Visit",
    "Watching",
    "enough",
    "page_failure",
    "page_script",
    "policies",
    "stand_in_page",
    "watch_page",
]

GRACE_S, FLOOD_BYTES = 3.0, 64_000_000
"""GRACE_S: how much longer a page is watched that is not parsed or has opened no socket yet, or whose handshake is still unanswered."""

Progress = Callable[[str, float], None]


class BrowserMissingError(Exception):
    """No browser, or not what drives it; internal to the probes, who turn it into an observation."""


class BrowserError(Exception):
    """The browser did not do what it was told; internal to the probes, who turn it into an observation."""


class Visit(abc.ABC):
    """One watched page: ``capture`` fills while the block runs; ``goto`` loads, ``watch`` waits.

    browser: name and version. distrust: what speaks against the certificates that the given CA should vouch for.
    """

    def __init__(self, url: str, capture: Capture, browser: str, distrust: str) -> None:
        self.url, self.capture, self.browser, self.distrust = url, capture, browser, distrust
        self.status: int | None = None
        self.failure: Failure | None = None
        self.csp = self.csp_report_only = ""
        self.cookies: list[dict[str, Any]] = []

    @abc.abstractmethod
    async def goto(self, timeout_s: float) -> None:
        """Load the page; what went wrong is kept in ``failure``."""

    @abc.abstractmethod
    async def stand_in(self, html: str) -> None:
        """Answer the page's own URL ourselves, without the network."""

    @abc.abstractmethod
    async def take_cookies(self) -> None:
        """Keep the browser's cookies in memory, with their values: told() needs those that were held back."""

    @abc.abstractmethod
    def closed(self) -> None:
        """Take what is only known when the browser has ended."""

    async def watch(self, watch_s: float, until: Callable[[Capture], bool] | None = None) -> None:
        """Wait for watch_s seconds, or until the capture satisfies the condition, or the page floods us."""
        end = time.monotonic() + watch_s
        while (left := end - time.monotonic()) > 0:
            if self.capture.size_bytes > FLOOD_BYTES or (until is not None and until(self.capture)):
                return
            await asyncio.sleep(min(0.1, left))

    def told(self, socket: Socket) -> Told:
        """Return the handshake of a socket as it is repeated outside of the browser."""
        kept = {(cookie.name, cookie.domain, cookie.path) for cookie in socket.cookies if not cookie.sent and not cookie.other_host}
        clear = socket.url.startswith("ws:") and not parse_endpoint(socket.url).is_loopback
        withheld = [
            f"{cookie['name']}={cookie['value']}"
            for cookie in self.cookies
            if (cookie["name"], cookie["domain"], cookie["path"]) in kept and not (cookie["secure"] and clear)
        ]
        return Told(
            url=socket.url, headers=socket.exact_headers, hop=self.capture.hop, opened=is_open(socket), withheld="; ".join(withheld)
        )

    @property
    def loaded(self) -> bool:
        """Whether there is a page to watch: one that is still loading counts, the browser's own error page does not."""
        return self.failure is None or self.failure.reason is Reason.TIMEOUT

    def facts(self) -> PageFacts:
        """Return what was seen of the page itself so far; nothing of the browser's own error page."""
        seen = self.capture if self.loaded else Capture()
        return PageFacts(
            url=self.url,
            browser=self.browser,
            status=self.status,
            sockets=seen.socket_count,
            console=tuple(self.capture.console),
            console_times=tuple(self.capture.console_times),
            csp=", ".join(filter(None, (self.csp, seen.csp))),
            csp_report_only=self.csp_report_only,
            violations=tuple(seen.violations),
            encrypted=tuple(dict.fromkeys(seen.encrypted)),
            frames=seen.frames,
            lifecycle=tuple(seen.lifecycle),
            changes=seen.changes,
            change_times=tuple(seen.change_times),
            title=seen.title,
        )

    def observations(self, source: Source, begin: float) -> list[Observation]:
        """Return the page, then what was seen of each socket. begin: epoch seconds when the watching began."""
        now = time.time()
        whole = observed(source, self.facts(), duration_s=now - begin, failure=self.failure)
        return [whole, *self.capture.observations(source.step, now)]


def page_script(binding: str, selector: str, *, frames: bool) -> str:
    """Return browser_page.js: it reports to the function of this name, counts changes inside the selector, and tells frames if asked."""
    script = (Path(__file__).parent / "browser_page.js").read_text(encoding="utf-8")
    chosen = msgspec.json.encode(selector).decode()
    for name, value in (
        ("globalThis.BINDING", f"globalThis.{binding}"),
        ("= SELECTOR;", f"= {chosen};"),
        ("!FRAMES", f"!{str(frames).lower()}"),
    ):
        script = script.replace(name, value)
    return script


def stand_in_page(attempt: Attempt) -> str:
    """Return a page that does nothing but dial the attempt's URL."""
    parts = (resolve(attempt.url), tuple(map(resolve, attempt.subprotocols)))
    wanted = [msgspec.json.encode(part).decode().replace("<", "\\u003c") for part in parts]
    return f"<!doctype html><title>wsbook</title><script>globalThis.kept = new WebSocket({wanted[0]}, {wanted[1]})</script>"


def enough(seen: Capture) -> bool:
    """Tell whether there are sockets, and each of them has ended."""
    return seen.settled and seen.ended


def policies(headers: Iterable[tuple[str, str]], name: str) -> str:
    """Return the values of a header as one list."""
    return ", ".join(value for key, value in headers if key.lower() == name)[:4000]


def page_failure(message: str, distrust: str) -> Failure:
    """Return why a page did not load, from a browser's words."""
    line = message.partition("\n")[0][:500]
    if "Timeout" in line:
        return Failure(stage="page", reason=Reason.TIMEOUT, message=f"the page did not load in time: {line}")
    known = explain_error(line)[2]
    reason = known.reason if known else Reason.CLOSED
    words = f" (with the given CA: {distrust})" if distrust and reason is Reason.CERTIFICATE else ""
    return Failure(stage="page", reason=reason, message=f"the page did not load: {line}{words}")


class Watching:
    """How a page is watched: for watch_s, until enough was seen; html: answer the page with this instead of the network.

    repeated: how handshakes that failed are repeated outside of the browser afterwards (explain_1006.py); None repeats none.
    """

    def __init__(
        self,
        step: str,
        watch_s: float,
        *,
        html: str = "",
        until: Callable[[Capture], bool] | None = None,
        repeated: Attempt | None = None,
        on_progress: Progress | None = None,
    ) -> None:
        self.step, self.watch_s, self.html, self.until, self.repeated = step, watch_s, html, until, repeated
        self.say = on_progress or (lambda text, fraction: None)


def _start_failure(error: Exception, start_s: float) -> Failure:
    reason = Reason.TIMEOUT if isinstance(error, TimeoutError) else Reason.TOOL_MISSING
    words = str(error).partition("\n")[0][:300] or f"not ready within {start_s:g} s"
    return Failure(stage="start", reason=reason, message=f"the browser did not start: {words}")


async def watch_page(opening: AbstractAsyncContextManager[Visit], source: Source, how: Watching, start_s: float) -> list[Observation]:
    """Open, load, watch, close, and repeat what failed. Errors of the browser's driver are BrowserError, TimeoutError or OSError."""
    how.say("starting the browser", 0.0)
    begin, page = time.time(), None
    try:
        async with opening as page:
            begin, end = time.time(), time.monotonic() + how.watch_s
            how.say("watching the page", 0.3)
            if how.html:
                await page.stand_in(how.html)
            await page.goto(how.watch_s)
            if page.loaded:
                await page.watch(end - time.monotonic(), how.until)
                await page.watch(GRACE_S, lambda seen: seen.settled and seen.parsed)
                await page.take_cookies()
            page.capture.stop()
            how.say("closing the browser", 0.8)
    except (BrowserError, TimeoutError, OSError, BrowserMissingError) as error:
        if page is None:
            return [observed(source, None, failure=_start_failure(error, start_s))]
    page.closed()
    found = page.observations(source, begin)
    if how.repeated is not None and page.loaded:
        how.say("repeating failed handshakes outside of the browser", 0.9)
        found += await explain(map(page.told, page.capture.failed), how.repeated, step=how.step)
    return found
