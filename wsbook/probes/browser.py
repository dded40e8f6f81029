"""Watch a page in a real browser: its WebSockets, its console, its document.

Drives Chromium through Playwright and listens to the DevTools protocol directly, because Playwright's own WebSocket events carry
neither headers nor times. This module must not know what the events mean (browser_capture.py) nor what is right or wrong.

Every browser gets its own profile in a temporary folder, and is gone when the probe returns, however it returns.
"""

import asyncio
import base64
import contextlib
import hashlib
import os
import shutil
import signal
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from wsbook.facts import PageFacts
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.browser_capture import Capture, explain_error
from wsbook.secret import resolve
from wsbook.target import parse_endpoint

__all__ = ["BrowserMissingError", "Page", "browser_available", "open_page", "probe_page"]

MISSING = "not run: needs a browser; install chromium and pip install 'wsbook[browser]'"
START_S, STOP_S, FLOOD_BYTES = 15.0, 5.0, 64_000_000

_NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser", "chrome", "microsoft-edge")
_FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-site-isolation-trials",  # frames of other sites stay in the page's process, where its protocol session sees them
)
_EVENTS = (
    *(f"Network.webSocket{name}" for name in ("Created", "WillSendHandshakeRequest", "HandshakeResponseReceived")),
    *(f"Network.webSocket{name}" for name in ("FrameSent", "FrameReceived", "FrameError", "Closed")),
    *("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"),
)
_ENVIRONMENT = (
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "XDG_RUNTIME_DIR",
    "PLAYWRIGHT_BROWSERS_PATH",
)
Progress = Callable[[str, float], None]


class BrowserMissingError(Exception):
    """No Chromium or no Playwright; internal to the probes, who turn it into an observation."""


def _own_browser() -> str:
    """Return the browser that Playwright downloaded for itself, "" when there is none; reads folders, starts nothing."""
    cache = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "") or str(Path.home() / ".cache" / "ms-playwright")
    found = sorted(Path(cache).glob("chromium*/chrome-*/chrome")) if cache != "0" else []
    return str(found[-1]) if found else ""


def browser_available(executable: str = "") -> str:
    """Return the path of the Chromium that would be started, "" when it or Playwright is missing. executable: prefer this one."""
    if find_spec("playwright") is None:
        return ""
    named = shutil.which(executable) if executable else None
    return named or ("" if executable else next(filter(None, map(shutil.which, _NAMES)), "") or _own_browser())


class Page:
    """One watched page: ``capture`` fills while the block runs; ``goto`` loads, ``watch`` waits."""

    def __init__(self, page: Any, url: str, capture: Capture, version: str, distrust: str) -> None:
        self._page, self.url, self.capture, self.version, self._distrust = page, url, capture, version, distrust
        self.status: int | None = None
        self.failure: Failure | None = None
        self.csp = ""

    async def goto(self, timeout_s: float) -> None:
        """Load the page; what went wrong is kept in ``failure``."""
        from playwright.async_api import Error

        try:
            response = await self._page.goto(self.url, wait_until="domcontentloaded", timeout=timeout_s * 1000)
            if response is not None:
                self.status = response.status
                headers = await response.headers_array()
                self.csp = "; ".join(h["value"] for h in headers if h["name"].lower() == "content-security-policy")[:4000]
        except Error as error:
            self.failure = _page_failure(error.message, self._distrust)

    async def watch(self, watch_s: float, until: Callable[[Capture], bool] | None = None) -> None:
        """Wait for watch_s seconds, or until the capture satisfies the condition, or the page floods us."""
        end = time.monotonic() + watch_s
        while (left := end - time.monotonic()) > 0:
            if self.capture.size_bytes > FLOOD_BYTES or (until is not None and until(self.capture)):
                return
            await asyncio.sleep(min(0.1, left))

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
            csp="; ".join(filter(None, (self.csp, seen.csp))),
            changes=seen.changes,
            change_times=tuple(seen.change_times),
            title=seen.title,
        )


def _page_failure(message: str, distrust: str) -> Failure:
    line = message.partition("\n")[0].removeprefix("Page.goto: ")[:500]
    if "Timeout" in line:
        return Failure(stage="page", reason=Reason.TIMEOUT, message=f"the page did not load in time: {line}")
    known = explain_error(line)[2]
    reason = known.reason if known else Reason.CLOSED
    words = f" (with the given CA: {distrust})" if distrust and reason is Reason.CERTIFICATE else ""
    return Failure(stage="page", reason=reason, message=f"the page did not load: {line}{words}")


async def _leaf_pin(url: str, ca_file: str) -> tuple[str, str]:
    """Return (SPKI pin of a server that the given CA vouches for, what speaks against its certificate), each "" when not known."""
    place = parse_endpoint(url)
    if not place.secure:
        return "", ""
    try:
        context = ssl.create_default_context(cafile=ca_file)
        async with asyncio.timeout(3):
            _, writer = await asyncio.open_connection(place.host, place.port, ssl=context)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
    except ssl.SSLCertVerificationError as error:
        return "", error.verify_message
    except (OSError, TimeoutError):  # ssl.SSLError is an OSError
        return "", ""
    key = x509.load_der_x509_certificate(der).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return base64.b64encode(digest).decode(), ""


async def _pins(urls: Iterable[str], ca_file: str) -> tuple[list[str], str]:
    """Return (the flag that makes Chromium accept exactly what the given CA vouches for, what speaks against the others).

    Chromium has no option for another CA file, and its store is the user's. So the leaf is checked here, name and dates included,
    and only then pinned: a certificate that the CA does not cover stays an error, as for a person.
    """
    if not ca_file:
        return [], ""
    checked = await asyncio.gather(*(_leaf_pin(url, ca_file) for url in sorted(set(urls))))
    pins = ",".join(sorted({pin for pin, _ in checked if pin}))
    flags = [f"--ignore-certificate-errors-spki-list={pins}"] if pins else []
    return flags, "; ".join(sorted({words for _, words in checked if words}))


def _launch_options(executable: str, profile: str, extra: list[str], forward_proxy: str) -> dict[str, Any]:
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    direct = [] if forward_proxy else ["--no-proxy-server"]
    return {
        "user_data_dir": profile,
        "executable_path": executable,
        "headless": True,
        "args": [*_FLAGS, *as_root, *direct, *extra],
        "chromium_sandbox": not as_root,
        "accept_downloads": False,
        "proxy": {"server": forward_proxy, "bypass": "<-loopback>"} if forward_proxy else None,
        "env": {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        "timeout": START_S * 1000,
    }


def _end_leftovers(profile: str) -> None:
    """End browser processes that still name our own temporary profile; only where /proc tells (Linux)."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if f"--user-data-dir={profile}".encode() in entry.read_bytes().split(b"\0"):
                os.kill(int(entry.parent.name), signal.SIGKILL)


async def _quietly(ending: Coroutine[Any, Any, object]) -> None:
    """Wait for an orderly end, but not long and not for its success: what follows ends the processes themselves."""
    from playwright.async_api import Error

    with contextlib.suppress(Error, TimeoutError, OSError):
        async with asyncio.timeout(STOP_S):
            await ending


@contextlib.asynccontextmanager
async def _browser(executable: str, extra: list[str], forward_proxy: str) -> AsyncIterator[Any]:
    """Yield a browser context with a profile of its own; browser, driver and profile are gone afterwards."""
    from playwright.async_api import async_playwright

    with tempfile.TemporaryDirectory(prefix="wsbook-browser-", ignore_cleanup_errors=True) as profile:
        driver = await async_playwright().start()
        context = None
        try:
            options = _launch_options(executable, profile, extra, forward_proxy)
            context = await driver.chromium.launch_persistent_context(**options)
            yield context
        finally:
            if context is not None:
                await _quietly(context.close())
            _end_leftovers(profile)
            await _quietly(driver.stop())


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
        task = asyncio.ensure_future(_quietly(_attach_worker(session, capture, event)))
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
    page_url: str, *, ca_file: str = "", selector: str = "", executable: str = "", forward_proxy: str = "", trust_urls: Iterable[str] = ()
) -> AsyncIterator[Page]:
    """Yield an instrumented page that has not loaded anything yet.

    trust_urls: further https or wss URLs whose servers the given CA may vouch for, such as the endpoint's.

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
            pins, distrust = await _pins((url, *trust_urls), ca_file)
            context = await stack.enter_async_context(_browser(path, pins, forward_proxy))
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
) -> list[Observation]:
    """Load the page, watch it for watch_s seconds, and return what was seen: the page, then each socket's upgrade and session.

    Takes at most START_S + watch_s + a few seconds for the browser's end. selector: count only changes inside elements that it
    matches. ca_file: accept what this CA vouches for; a certificate error is otherwise seen as a person sees it.
    """
    source = Source(step=step, probe="browser", hop="browser")
    if not browser_available(executable):
        return [not_run(source, Reason.TOOL_MISSING, MISSING)]
    from playwright.async_api import Error

    say = on_progress or (lambda text, fraction: None)
    say("starting the browser", 0.0)
    begin = time.time()
    opened: Page | None = None
    try:
        async with open_page(
            page_url, ca_file=ca_file, selector=selector, executable=executable, forward_proxy=forward_proxy, trust_urls=trust_urls
        ) as opened:
            begin = time.time()
            say("watching the page", 0.3)
            end = time.monotonic() + watch_s
            await opened.goto(watch_s)
            if opened.loaded:
                await opened.watch(end - time.monotonic())
            say("closing the browser", 0.9)
    except (Error, TimeoutError, OSError, BrowserMissingError) as error:
        if opened is None:
            return [observed(source, None, failure=_start_failure(error))]
    return _seen(source, opened, begin) if opened else []


def _seen(source: Source, page: Page, begin: float) -> list[Observation]:
    now = time.time()
    whole = observed(source, page.facts(), duration_s=now - begin, failure=page.failure)
    return [whole, *page.capture.observations(source.step, now)]
