"""Watch a page in a real browser: its WebSockets, its console, its document.

Listens to the DevTools protocol directly, because Playwright's own WebSocket events carry neither headers nor times. This module must
not know how a browser is started (browser_start.py), what the events mean (browser_capture.py), nor what is right or wrong.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from wsbook.attempt import Attempt
from wsbook.facts import PageFacts
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.browser_capture import Capture
from wsbook.probes.browser_netlog import NetLog
from wsbook.probes.browser_sockets import Socket, explain_error, is_open
from wsbook.probes.browser_start import START_S, browser_available, quietly, running_browser, trusted_by
from wsbook.probes.explain_1006 import Told, explain
from wsbook.secret import resolve
from wsbook.target import parse_endpoint

__all__ = ["BrowserMissingError", "Page", "browser_available", "open_page", "probe_browser_socket", "probe_page"]

MISSING = "not run: needs a browser; install chromium and pip install 'wsbook[browser]'"
GRACE_S, FLOOD_BYTES = 3.0, 64_000_000
"""GRACE_S: how much longer a page is watched that has opened no socket yet, or whose handshake is still unanswered."""

_EVENTS = (
    *(f"Network.webSocket{name}" for name in ("Created", "WillSendHandshakeRequest", "HandshakeResponseReceived")),
    *(f"Network.webSocket{name}" for name in ("FrameSent", "FrameReceived", "FrameError", "Closed")),
    *("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"),
)
_NO_NETWORK_OF_ITS_OWN = "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets"
"""A page that we answer comes from no network, so that Local Network Access would forbid it every private address."""

Progress = Callable[[str, float], None]


class BrowserMissingError(Exception):
    """No Chromium or no Playwright; internal to the probes, who turn it into an observation."""


class Page:
    """One watched page: ``capture`` fills while the block runs; ``goto`` loads, ``watch`` waits."""

    def __init__(self, page: Any, url: str, capture: Capture, version: str, distrust: str) -> None:
        self._page, self.url, self.capture, self.version, self._distrust = page, url, capture, version, distrust
        self.cookies: list[dict[str, Any]] = []
        self.status: int | None = None
        self.failure: Failure | None = None
        self.csp = self.csp_report_only = ""

    async def goto(self, timeout_s: float) -> None:
        """Load the page; what went wrong is kept in ``failure``."""
        from playwright.async_api import Error

        try:
            response = await self._page.goto(self.url, wait_until="domcontentloaded", timeout=timeout_s * 1000)
            if response is not None:
                self.status = response.status
                headers = await response.headers_array()
                self.csp = _policies(headers, "content-security-policy")
                self.csp_report_only = _policies(headers, "content-security-policy-report-only")
        except Error as error:
            self.failure = _page_failure(error.message, self._distrust)

    async def stand_in(self, html: str) -> None:
        """Answer the page's own URL ourselves, without the network."""

        async def answer(route: Any) -> None:
            await route.fulfill(status=200, content_type="text/html; charset=utf-8", body=html)

        await self._page.route("**/*", answer)

    async def watch(self, watch_s: float, until: Callable[[Capture], bool] | None = None) -> None:
        """Wait for watch_s seconds, or until the capture satisfies the condition, or the page floods us."""
        end = time.monotonic() + watch_s
        while (left := end - time.monotonic()) > 0:
            if self.capture.size_bytes > FLOOD_BYTES or (until is not None and until(self.capture)):
                return
            await asyncio.sleep(min(0.1, left))

    async def take_cookies(self) -> None:
        """Keep the browser's cookies in memory, with their values: told() needs those that were held back."""
        self.cookies = await self._page.context.cookies()

    def told(self, socket: Socket) -> Told:
        """Return the handshake of a socket as it is repeated outside of the browser."""
        kept = {(cookie.name, cookie.domain, cookie.path) for cookie in socket.cookies if not cookie.sent and not cookie.other_host}
        clear = socket.url.startswith("ws:") and not parse_endpoint(socket.url).is_loopback
        withheld = [
            f"{cookie['name']}={cookie['value']}"
            for cookie in self.cookies
            if (cookie["name"], cookie["domain"], cookie["path"]) in kept and not (cookie["secure"] and clear)
        ]
        return Told(url=socket.url, headers=socket.exact_headers, opened=is_open(socket), withheld="; ".join(withheld))

    @property
    def loaded(self) -> bool:
        """Whether there is a page to watch: one that is still loading counts, the browser's own error page does not."""
        return self.failure is None or self.failure.reason is Reason.TIMEOUT

    def facts(self) -> PageFacts:
        """Return what was seen of the page itself so far; nothing of the browser's own error page."""
        seen = self.capture if self.loaded else Capture()
        return PageFacts(
            url=self.url,
            browser=f"Chromium {self.version}",
            status=self.status,
            sockets=seen.socket_count,
            console=tuple(self.capture.console),
            csp=", ".join(filter(None, (self.csp, seen.csp))),
            csp_report_only=self.csp_report_only,
            violations=tuple(seen.violations),
            frames=seen.frames,
            lifecycle=tuple(seen.lifecycle),
            changes=seen.changes,
            change_times=tuple(seen.change_times),
            title=seen.title,
        )


def _policies(headers: Iterable[dict[str, str]], name: str) -> str:
    return ", ".join(header["value"] for header in headers if header["name"].lower() == name)[:4000]


def _page_failure(message: str, distrust: str) -> Failure:
    line = message.partition("\n")[0].removeprefix("Page.goto: ")[:500]
    if "Timeout" in line:
        return Failure(stage="page", reason=Reason.TIMEOUT, message=f"the page did not load in time: {line}")
    known = explain_error(line)[2]
    reason = known.reason if known else Reason.CLOSED
    words = f" (with the given CA: {distrust})" if distrust and reason is Reason.CERTIFICATE else ""
    return Failure(stage="page", reason=reason, message=f"the page did not load: {line}{words}")


async def _attach_worker(session: Any, capture: Capture, event: dict[str, Any]) -> None:
    """Watch a worker's sockets through the page's session, then let it run.

    Playwright lets workers run too, so a socket that a worker opens within its first milliseconds can be missed.
    """
    for number, method in enumerate(("Network.enable", "Log.enable", "Runtime.runIfWaitingForDebugger"), 1):
        message = msgspec.json.encode({"id": number, "method": method, "params": {}}).decode()
        await session.send("Target.sendMessageToTarget", {"message": message, "sessionId": event["sessionId"]})


def _listen(session: Any, capture: Capture, tasks: set[asyncio.Task[None]]) -> None:
    def from_worker(event: dict[str, Any]) -> None:
        with contextlib.suppress(msgspec.DecodeError, KeyError):
            inner = msgspec.json.decode(event["message"])
            if inner.get("method") in _EVENTS:
                capture.on_event(inner["method"], inner["params"], worker=event["sessionId"])

    def attached(event: dict[str, Any]) -> None:
        task = asyncio.ensure_future(quietly(_attach_worker(session, capture, event)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    for method in _EVENTS:
        session.on(method, lambda event, method=method: capture.on_event(method, event))
    session.on("Runtime.bindingCalled", lambda event: capture.on_report(event.get("payload", "")))
    session.on("Target.attachedToTarget", attached)
    session.on("Target.receivedMessageFromTarget", from_worker)


async def _instrument(context: Any, capture: Capture, selector: str, tasks: set[asyncio.Task[None]]) -> Any:
    """Return a blank page whose sockets, console and document the capture sees from the first script on."""
    page = context.pages[0] if context.pages else await context.new_page()
    session = await context.new_cdp_session(page)
    _listen(session, capture, tasks)
    for domain in ("Network", "Log", "Runtime", "Page"):
        await session.send(f"{domain}.enable")
    binding = f"wsbook{os.urandom(8).hex()}"
    script = (Path(__file__).parent / "browser_page.js").read_text(encoding="utf-8")
    script = script.replace("globalThis.BINDING", f"globalThis.{binding}").replace(
        "= SELECTOR;", f"= {msgspec.json.encode(selector).decode()};"
    )
    await session.send("Runtime.addBinding", {"name": binding})
    await session.send("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    await session.send("Target.setAutoAttach", {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": False})
    return page


@contextlib.asynccontextmanager
async def open_page(
    page_url: str,
    *,
    ca_file: str = "",
    selector: str = "",
    executable: str = "",
    forward_proxy: str = "",
    trust_urls: Iterable[str] = (),
    flags: Iterable[str] = (),
    net_log: NetLog | None = None,
) -> AsyncIterator[Page]:
    """Yield an instrumented page that has not loaded anything yet.

    trust_urls: further https or wss URLs whose servers the given CA may vouch for, such as the endpoint's.
    net_log: filled when the block ends.

    Raises:
        BrowserMissingError: Playwright or a browser is missing.
        TimeoutError: the browser did not start within START_S seconds.
    """
    path = browser_available(executable)
    if not path:
        raise BrowserMissingError(MISSING)
    url, capture, tasks = resolve(page_url), Capture(), set[asyncio.Task[None]]()
    async with contextlib.AsyncExitStack() as stack:
        async with asyncio.timeout(START_S):
            pins, distrust = await trusted_by((url, *trust_urls), ca_file)
            ended = net_log.read if net_log is not None else None
            context = await stack.enter_async_context(running_browser(path, [*pins, *flags], forward_proxy, ended))
            page = await _instrument(context, capture, selector, tasks)
            version = context.browser.version if context.browser else ""
        yield Page(page, url, capture, version, distrust)


def _start_failure(error: Exception) -> Failure:
    reason = Reason.TIMEOUT if isinstance(error, TimeoutError) else Reason.TOOL_MISSING
    words = str(error).partition("\n")[0][:300] or f"not ready within {START_S:g} s"
    return Failure(stage="start", reason=reason, message=f"the browser did not start: {words}")


async def probe_page(
    page_url: str,
    *,
    step: str,
    watch_s: float,
    ca_file: str = "",
    selector: str = "",
    executable: str = "",
    forward_proxy: str = "",
    trust_urls: Iterable[str] = (),
    on_progress: Progress | None = None,
    repeated: Attempt | None = None,
) -> list[Observation]:
    """Load the page, watch it for watch_s seconds, and return what was seen: the page, then each socket's upgrade, session and cookies.

    repeated: how handshakes that failed are repeated outside of the browser afterwards (explain_1006.py); None repeats none.

    Takes at most START_S + watch_s + GRACE_S + a few seconds for the browser's end. selector: count only changes inside elements that it
    matches. ca_file: accept what this CA vouches for; a certificate error is otherwise seen as a person sees it.
    """
    opened = partial(
        open_page, page_url, ca_file=ca_file, selector=selector, executable=executable, forward_proxy=forward_proxy, trust_urls=trust_urls
    )
    return await _watch(opened, step, watch_s, executable, on_progress, repeated=repeated)


async def probe_browser_socket(
    attempt: Attempt, *, step: str, watch_s: float, executable: str = "", on_progress: Progress | None = None
) -> list[Observation]:
    """Open the endpoint in a browser without its page: from a blank page of our own that stands at the attempt's origin.

    Returns the upgrade and, when it opened, the session; when it failed, its repetition outside of the browser. Of the attempt's headers
    a browser can send the cookies only.
    """
    page_url = f"{attempt.origin or attempt.endpoint.origin}/"
    opened = partial(
        open_page,
        page_url,
        ca_file=attempt.ca_file,
        executable=executable,
        forward_proxy=attempt.via or "",
        trust_urls=[attempt.url],
        flags=[_NO_NETWORK_OF_ITS_OWN],
    )
    wanted = [msgspec.json.encode(part).decode().replace("<", "\\u003c") for part in (resolve(attempt.url), attempt.subprotocols)]
    html = f"<!doctype html><title>wsbook</title><script>globalThis.kept = new WebSocket({wanted[0]}, {wanted[1]})</script>"
    until = lambda seen: seen.settled and seen.ended  # noqa: E731
    found = await _watch(opened, step, watch_s, executable, on_progress, html, until, repeated=attempt)
    sockets = [seen for seen in found if not isinstance(seen.facts, PageFacts)]
    return sockets or found


async def _watch(
    opening: Callable[..., AbstractAsyncContextManager[Page]],
    step: str,
    watch_s: float,
    executable: str,
    on_progress: Progress | None,
    html: str = "",
    until: Callable[[Capture], bool] | None = None,
    repeated: Attempt | None = None,
) -> list[Observation]:
    """Open, load, watch and close; html: answer the page with this instead of the network. until: enough was seen."""
    source = Source(step=step, probe="browser", hop="browser")
    if not browser_available(executable):
        return [not_run(source, Reason.TOOL_MISSING, MISSING)]
    from playwright.async_api import Error

    say = on_progress or (lambda text, fraction: None)
    say("starting the browser", 0.0)
    begin, page, log = time.time(), None, NetLog()
    try:
        async with opening(net_log=log) as page:
            begin, end = time.time(), time.monotonic() + watch_s
            say("watching the page", 0.3)
            if html:
                await page.stand_in(html)
            await page.goto(watch_s)
            if page.loaded:
                await page.watch(end - time.monotonic(), until)
                await page.watch(GRACE_S, lambda seen: seen.settled)
                await quietly(page.take_cookies())
            say("closing the browser", 0.8)
    except (Error, TimeoutError, OSError, BrowserMissingError) as error:
        if page is None:
            return [observed(source, None, failure=_start_failure(error))]
    page.capture.join(log.handshakes)
    found = _seen(source, page, begin)
    if repeated is not None and page.loaded:
        say("repeating failed handshakes outside of the browser", 0.9)
        found += await explain(map(page.told, page.capture.failed), repeated, step=step)
    return found


def _seen(source: Source, page: Page, begin: float) -> list[Observation]:
    now = time.time()
    whole = observed(source, page.facts(), duration_s=now - begin, failure=page.failure)
    return [whole, *page.capture.observations(source.step, now)]
