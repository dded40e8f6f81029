"""Watch a page in a real browser: its WebSockets, its console, its document.

Listens to the DevTools protocol directly, because Playwright's own WebSocket events carry neither headers nor times. This module must
not know how a browser is started (browser_start.py), what the events mean (browser_capture.py), nor what is right or wrong.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import Any

import msgspec

from wsbook.attempt import Attempt
from wsbook.facts import PageFacts
from wsbook.observation import Observation, Reason, Source, not_run
from wsbook.probes.browser_capture import Capture
from wsbook.probes.browser_netlog import NetLog
from wsbook.probes.browser_start import START_S, browser_available, quietly, running_browser, trusted_by
from wsbook.probes.browser_visit import (
    BrowserError,
    BrowserMissingError,
    Progress,
    Visit,
    Watching,
    enough,
    page_failure,
    page_script,
    policies,
    stand_in_page,
    watch_page,
)
from wsbook.secret import resolve

__all__ = ["Page", "browser_available", "open_page", "probe_browser_socket", "probe_page"]

MISSING = "not run: needs a browser; install chromium and pip install 'wsbook[browser]'"

_EVENTS = (
    *(f"Network.webSocket{name}" for name in ("Created", "WillSendHandshakeRequest", "HandshakeResponseReceived")),
    *(f"Network.webSocket{name}" for name in ("FrameSent", "FrameReceived", "FrameError", "Closed")),
    *("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"),
)
_NO_NETWORK_OF_ITS_OWN = "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets"
"""A page that we answer comes from no network, so that Local Network Access would forbid it every private address."""


class Page(Visit):
    """A page in Chromium; net_log is full when the browser has ended."""

    def __init__(self, page: Any, session: Any, url: str, capture: Capture, browser: str, distrust: str, net_log: NetLog) -> None:
        super().__init__(url, capture, browser, distrust)
        self._page, self._session, self._net_log = page, session, net_log

    @property
    def driver(self) -> Any:
        """Playwright's own page, for a probe that does more to it than watch."""
        return self._page

    async def look_away(self) -> None:
        """See nothing more of sockets and console: what is told of each message costs the page time."""
        for domain in ("Network", "Log", "Runtime"):
            await quietly(self._session.send(f"{domain}.disable"))

    async def goto(self, timeout_s: float) -> None:
        """Load the page; what went wrong is kept in ``failure``."""
        from playwright.async_api import Error

        try:
            response = await self._page.goto(self.url, wait_until="domcontentloaded", timeout=timeout_s * 1000)
            if response is not None:
                self.status = response.status
                headers = [(header["name"], header["value"]) for header in await response.headers_array()]
                self.csp = policies(headers, "content-security-policy")
                self.csp_report_only = policies(headers, "content-security-policy-report-only")
        except Error as error:
            self.failure = page_failure(error.message.removeprefix("Page.goto: "), self.distrust)

    async def stand_in(self, html: str) -> None:
        """Answer the page's own URL ourselves, without the network."""

        async def answer(route: Any) -> None:
            await route.fulfill(status=200, content_type="text/html; charset=utf-8", body=html)

        await self._page.route("**/*", answer)

    async def take_cookies(self) -> None:
        """Keep the browser's cookies in memory, with their values."""

        async def take() -> None:
            self.cookies = await self._page.context.cookies()

        await quietly(take())

    def closed(self) -> None:
        """Join what the network log holds."""
        self.capture.join(self._net_log.handshakes)


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


async def _instrument(
    context: Any, capture: Capture, scripts: Iterable[str], binding: str, tasks: set[asyncio.Task[None]]
) -> tuple[Any, Any]:
    """Return (a blank page, its session) whose sockets, console and document the capture sees from the first script on."""
    page = context.pages[0] if context.pages else await context.new_page()
    session = await context.new_cdp_session(page)
    _listen(session, capture, tasks)
    for domain in ("Network", "Log", "Runtime", "Page"):
        await session.send(f"{domain}.enable")
    await session.send("Runtime.addBinding", {"name": binding})
    for script in scripts:
        await session.send("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    await session.send("Target.setAutoAttach", {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": False})
    return page, session


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
    scripts: Iterable[str] = (),
    ours: bool = True,
) -> AsyncIterator[Page]:
    """Yield an instrumented page that has not loaded anything yet.

    trust_urls: further https or wss URLs whose servers the given CA may vouch for, such as the endpoint's. scripts: run in each document
    after our own and before the page's. ours: False leaves out our own, which costs a page time with each message and each change; then
    what the browser's protocol tells is all that is seen.

    Raises:
        BrowserMissingError: Playwright or a browser is missing.
        BrowserError: the browser did not start, or broke while the block ran.
        TimeoutError: the browser did not start within START_S seconds.
    """
    path = browser_available(executable)
    if not path:
        raise BrowserMissingError(MISSING)
    from playwright.async_api import Error

    url, capture, tasks, net_log = resolve(page_url), Capture(), set[asyncio.Task[None]](), NetLog()
    binding = f"wsbook{os.urandom(8).hex()}"
    every = [*([page_script(binding, selector, frames=False)] if ours else []), *scripts]
    try:
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(START_S):
                pins, distrust = await trusted_by((url, *trust_urls), ca_file)
                context = await stack.enter_async_context(running_browser(path, [*pins, *flags], forward_proxy, net_log.read))
                page, session = await _instrument(context, capture, every, binding, tasks)
                version = context.browser.version if context.browser else ""
            yield Page(page, session, url, capture, f"Chromium {version}", distrust, net_log)
    except Error as error:
        raise BrowserError(error.message) from None


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
    return await _watch(opened, executable, Watching(step, watch_s, repeated=repeated, on_progress=on_progress))


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
    how = Watching(step, watch_s, html=stand_in_page(attempt), until=enough, repeated=attempt, on_progress=on_progress)
    found = await _watch(opened, executable, how)
    sockets = [seen for seen in found if not isinstance(seen.facts, PageFacts)]
    return sockets or found


async def _watch(opened: Callable[[], contextlib.AbstractAsyncContextManager[Page]], executable: str, how: Watching) -> list[Observation]:
    source = Source(step=how.step, probe="browser", hop="browser")
    if not browser_available(executable):
        return [not_run(source, Reason.TOOL_MISSING, MISSING)]
    return await watch_page(opened(), source, how, START_S)
