"""Watch a page in Firefox, driven by WebDriver BiDi over its own remote agent (https://w3c.github.io/webdriver-bidi/).

Playwright drives only a Firefox of its own make, so this speaks the protocol itself. This module must not know what the events mean
(firefox_capture.py). A Firefox is gone when its block ends, however it ends.
"""

import asyncio
import contextlib
import itertools
import os
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from wsbook.attempt import Attempt
from wsbook.facts import PageFacts
from wsbook.observation import Observation, Reason, Source, not_run
from wsbook.probes.browser_start import START_S, STOP_S, known_environment, trusted_by
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
from wsbook.probes.firefox_capture import FirefoxCapture
from wsbook.secret import resolve
from wsbook.target import parse_endpoint

__all__ = ["firefox_available", "probe_firefox", "probe_firefox_socket"]

MISSING = "not run: needs Firefox; install firefox-esr"

_NAMES = ("firefox-esr", "firefox")
_COMMAND_S = 10.0
_MESSAGE_BYTES = 64_000_000
_LISTENING = re.compile(rb"WebDriver BiDi listening on (ws://[\w.:\[\]]+)")
_EVENTS = (
    *("network.beforeRequestSent", "network.responseStarted", "network.fetchError"),
    *("log.entryAdded", "script.message"),
)
_PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.chrome.site_icons": False,
    "browser.newtab.preload": False,
    "browser.newtabpage.enabled": False,
    "browser.startup.page": 0,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.proxy.allow_hijacking_localhost": True,
    "network.proxy.type": 0,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}
"""No request to anybody but the page's servers, and no proxy but the given one."""


def firefox_available(executable: str = "") -> str:
    """Return the path of the Firefox that would be started, "" when there is none. executable: prefer this one.

    Not on Windows, where a process and its children cannot be ended together in this way.
    """
    if os.name == "nt":
        return ""
    names = (executable,) if executable else _NAMES
    return next(filter(None, map(shutil.which, names)), None) or ""


class _Driver:
    """The connection to one Firefox: commands by name, events to on_event."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self._open: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.on_event: Callable[[str, Mapping[str, Any]], None] = lambda method, params: None

    async def read(self) -> None:
        """Take messages until the connection ends; then no command is answered any more."""
        try:
            async for text in self._socket:
                message = msgspec.json.decode(text)
                waiting = self._open.pop(message.get("id"), None)
                if waiting is None:
                    self.on_event(str(message.get("method", "")), message.get("params") or {})
                elif not waiting.done():
                    waiting.set_result(message)
        finally:
            for waiting in self._open.values():
                waiting.cancel()

    async def send(self, method: str, timeout_s: float = _COMMAND_S, /, **params: Any) -> dict[str, Any]:
        """Send a command and return its result.

        Raises:
            BrowserError: Firefox refuses it or has gone.
            TimeoutError: no answer within timeout_s.
        """
        number = next(self._numbers)
        self._open[number] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send(msgspec.json.encode({"id": number, "method": method, "params": params}).decode())
            async with asyncio.timeout(timeout_s):
                answer = await asyncio.shield(self._open[number])
        except (ConnectionClosed, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise BrowserError("Firefox ended") from None
        finally:
            self._open.pop(number, None)
        if answer.get("type") == "error":
            raise BrowserError(str(answer.get("message") or answer.get("error"))[:500])
        return dict(answer.get("result") or {})


class FirefoxPage(Visit):
    """A page in Firefox."""

    def __init__(self, driver: _Driver, context: str, url: str, capture: FirefoxCapture, browser: str, distrust: str) -> None:
        super().__init__(url, capture, browser, distrust)
        self._driver, self._context, self._seen = driver, context, capture
        self._html = ""

    async def goto(self, timeout_s: float) -> None:
        """Load the page; what went wrong is kept in ``failure``."""
        try:
            await self._driver.send("browsingContext.navigate", timeout_s, context=self._context, url=self.url, wait="interactive")
        except TimeoutError:
            self.failure = page_failure("Timeout", self.distrust)
        except BrowserError as error:
            self.failure = page_failure(str(error), self.distrust)
        self.status = self._seen.page_status
        self.csp = policies(self._seen.page_headers, "content-security-policy")
        self.csp_report_only = policies(self._seen.page_headers, "content-security-policy-report-only")

    async def stand_in(self, html: str) -> None:
        """Answer the page's own URL ourselves, without the network."""
        self._html = html
        self._driver.on_event = self._answer
        pattern = {"type": "string", "pattern": self.url}
        await self._driver.send("network.addIntercept", phases=["beforeRequestSent"], urlPatterns=[pattern])

    def _answer(self, method: str, params: Mapping[str, Any]) -> None:
        self._seen.on_bidi(method, params)
        if method == "network.beforeRequestSent" and params.get("isBlocked"):
            self._provided = asyncio.ensure_future(self._provide(params["request"]["request"]))

    async def _provide(self, request: str) -> None:
        kind = {"name": "Content-Type", "value": {"type": "string", "value": "text/html; charset=utf-8"}}
        body = {"type": "string", "value": self._html}
        with contextlib.suppress(BrowserError, TimeoutError):
            await self._driver.send("network.provideResponse", request=request, statusCode=200, headers=[kind], body=body)

    async def take_cookies(self) -> None:
        """Keep the browser's cookies in memory, with their values, and tell the capture which ones were not sent."""
        with contextlib.suppress(BrowserError, TimeoutError):
            found = (await self._driver.send("storage.getCookies")).get("cookies", [])
            self._seen.join_cookies(found)
            self.cookies = [{**one, "value": one["value"].get("value", "")} for one in found]

    def closed(self) -> None:
        """Nothing more is known when Firefox has ended."""


def _dying_with_us() -> list[str]:
    """Return what makes the kernel end Firefox when this process is killed (Linux, util-linux)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


async def _address(process: asyncio.subprocess.Process) -> str:
    """Return the address of the remote agent, which Firefox prints."""
    assert process.stderr is not None
    while line := await process.stderr.readline():
        if found := _LISTENING.search(line):
            return found[1].decode()
    raise BrowserError("Firefox ended before it listened")


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    while await process.stderr.read(65536):
        pass


async def _end(process: asyncio.subprocess.Process) -> None:
    """End Firefox and its children, which are a process group of their own; its profile is not kept, so nothing is lost."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_S):
            await process.wait()


@contextlib.asynccontextmanager
async def _running(path: str) -> AsyncIterator[_Driver]:
    """Yield the driver of a Firefox with a profile of its own; process and profile are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="wsbook-firefox-", ignore_cleanup_errors=True) as profile:
        lines = [
            f"user_pref({msgspec.json.encode(name).decode()}, {msgspec.json.encode(value).decode()});"
            for name, value in _PREFERENCES.items()
        ]
        (Path(profile) / "user.js").write_text("\n".join(lines), encoding="utf-8")
        flags = ("--headless", "--no-remote", "--remote-debugging-port=0", "--profile", profile)
        process = await asyncio.create_subprocess_exec(
            *(*_dying_with_us(), path, *flags),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**known_environment(), "HOME": profile, "MOZ_CRASHREPORTER_DISABLE": "1"},
            start_new_session=True,
        )
        tasks: list[asyncio.Task[None]] = []
        try:
            async with asyncio.timeout(START_S):
                address = await _address(process)
                socket = await connect(f"{address}/session", max_size=_MESSAGE_BYTES, proxy=None, compression=None)
            driver = _Driver(socket)
            tasks = [asyncio.create_task(_drain(process)), asyncio.create_task(driver.read())]
            yield driver
        finally:
            await _end(process)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _capabilities(forward_proxy: str, trusted: bool) -> dict[str, Any]:
    wanted: dict[str, Any] = {"acceptInsecureCerts": trusted}
    if forward_proxy:
        place = parse_endpoint(resolve(forward_proxy), ("http", "https")).authority
        wanted["proxy"] = {"proxyType": "manual", "httpProxy": place, "sslProxy": place, "noProxy": []}
    return {"alwaysMatch": wanted}


@contextlib.asynccontextmanager
async def open_firefox(
    page_url: str,
    *,
    ca_file: str = "",
    selector: str = "",
    executable: str = "",
    forward_proxy: str = "",
    trust_urls: Iterable[str] = (),
) -> AsyncIterator[FirefoxPage]:
    """Yield an instrumented page that has not loaded anything yet; the arguments are those of browser.open_page().

    Firefox takes no other CA file for one run: where the given CA vouches for every certificate, checked here, none is checked there.

    Raises:
        BrowserMissingError: there is no Firefox.
        BrowserError: it did not start, or broke.
        TimeoutError: it did not start within START_S seconds.
    """
    path = firefox_available(executable)
    if not path:
        raise BrowserMissingError(MISSING)
    url, channel = resolve(page_url), f"wsbook{os.urandom(8).hex()}"
    capture = FirefoxCapture(channel)
    async with contextlib.AsyncExitStack() as stack:
        async with asyncio.timeout(START_S):
            pins, distrust = await trusted_by((url, *trust_urls), ca_file)
            driver = await stack.enter_async_context(_running(path))
            trusted = bool(pins) and not distrust
            session = await driver.send("session.new", START_S, capabilities=_capabilities(forward_proxy, trusted))
            driver.on_event = capture.on_bidi
            await driver.send("session.subscribe", events=list(_EVENTS))
            script = f"(tell) => {{ globalThis.{channel} = (text) => tell(text); {page_script(channel, selector, frames=True)} }}"
            argument = {"type": "channel", "value": {"channel": channel}}
            await driver.send("script.addPreloadScript", functionDeclaration=script, arguments=[argument])
            tree = await driver.send("browsingContext.getTree")
        capture.top = tree["contexts"][0]["context"]
        version = str(session["capabilities"].get("browserVersion", ""))
        yield FirefoxPage(driver, capture.top, url, capture, f"Firefox {version}", distrust)


async def probe_firefox(
    page_url: str,
    *,
    step: str,
    watch_s: float,
    ca_file: str = "",
    executable: str = "",
    forward_proxy: str = "",
    trust_urls: Iterable[str] = (),
    on_progress: Progress | None = None,
    repeated: Attempt | None = None,
) -> list[Observation]:
    """Load and watch the page in Firefox; returns and takes what browser.probe_page() does, with the hop "firefox".

    Not seen: sockets of service workers, and control frames.
    """
    how = Watching(step, watch_s, repeated=repeated, on_progress=on_progress)
    if not firefox_available(executable):
        return [not_run(_source(step), Reason.TOOL_MISSING, MISSING)]
    opened = open_firefox(page_url, ca_file=ca_file, executable=executable, forward_proxy=forward_proxy, trust_urls=trust_urls)
    return await watch_page(opened, _source(step), how, START_S)


async def probe_firefox_socket(
    attempt: Attempt, *, step: str, watch_s: float, executable: str = "", on_progress: Progress | None = None
) -> list[Observation]:
    """Open the endpoint in Firefox without its page; returns and takes what browser.probe_browser_socket() does."""
    if not firefox_available(executable):
        return [not_run(_source(step), Reason.TOOL_MISSING, MISSING)]
    how = Watching(step, watch_s, html=stand_in_page(attempt), until=enough, repeated=attempt, on_progress=on_progress)
    opened = open_firefox(
        f"{attempt.origin or attempt.endpoint.origin}/",
        ca_file=attempt.ca_file,
        executable=executable,
        forward_proxy=attempt.via or "",
        trust_urls=[attempt.url],
    )
    found = await watch_page(opened, _source(step), how, START_S)
    return [seen for seen in found if not isinstance(seen.facts, PageFacts)] or found


def _source(step: str) -> Source:
    return Source(step=step, probe="browser", hop="firefox")
