"""The browser probe against pages with planted behaviour, and its reading of protocol events without a browser."""

import asyncio
import contextlib
import http
import socket
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import needs
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

from wsbook.attempt import WITH_HELD_BACK, Attempt
from wsbook.evidence import Evidence
from wsbook.facts import CookieFacts, PageFacts, SessionFacts, UpgradeFacts
from wsbook.observation import Observation, Outcome, Reason
from wsbook.probes import browser, browser_start
from wsbook.probes.browser import browser_available, probe_browser_socket, probe_page
from wsbook.probes.browser_capture import Capture
from wsbook.probes.browser_sockets import explain_error
from wsbook.probes.browser_visit import Watching
from wsbook.probes.firefox import probe_firefox_socket
from wsbook.rules import judge
from wsbook.target import parse_target
from wsbook.wire.handshake import accept_for

PAGE = """<!doctype html><html><head><title>A &amp; B</title>{head}</head><body><p id=shown></p><p id=other></p><script>
const shown = document.getElementById("shown");
{script}
</script></body></html>"""


async def _handler(peer: ServerConnection) -> None:
    await peer.send("update wsbook-0123456789ab-1")
    if peer.request is not None and "close" in peer.request.path:
        await asyncio.sleep(0.1)
        await peer.close(4001, "not welcome")
    elif peer.request is not None and "abort" in peer.request.path:
        await asyncio.sleep(0.1)
        peer.transport.abort()
    else:
        await peer.wait_closed()


async def _pages(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pages: dict[str, tuple[str, str]]) -> None:
    try:
        request = await reader.readuntil(b"\r\n\r\n")
        path = request.split(b" ")[1].decode()
        if path == "/hang":
            await asyncio.sleep(30)
        writer.write(_answer(path, pages))
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.transport.abort() if writer.transport.is_closing() else writer.close()


def _answer(path: str, pages: dict[str, tuple[str, str]]) -> bytes:
    if path == "/wrong-accept":
        return b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n"
    if path not in pages:
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    header, body = pages[path]
    return f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{header}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


@asynccontextmanager
async def deployment(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, str, Callable[..., None]]]:
    """Yield (page origin, socket origin, publish) of a page server and a socket server on free ports."""
    pages: dict[str, tuple[str, str]] = {}
    tasks: set[asyncio.Task[None]] = set()

    def refuse(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(http.HTTPStatus.FORBIDDEN, "no") if request.path == "/refused" else None

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_pages(reader, writer, pages))
        tasks.add(task)

    def publish(path: str, script: str, head: str = "", header: str = "") -> None:
        pages[path] = (header, PAGE.format(script=script, head=head))

    async with serve(_handler, "127.0.0.1", 0, process_request=refuse, ssl=tls) as sockets:
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        try:
            yield _origin("http", server), _origin("wss" if tls else "ws", sockets), publish
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _origin(scheme: str, server: Any) -> str:
    host = "localhost" if scheme == "wss" else "127.0.0.1"
    return f"{scheme}://{host}:{server.sockets[0].getsockname()[1]}"


def _closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _facts(found: list[Observation], kind: type, ending: str) -> Any:
    return next(o.facts for o in found if isinstance(o.facts, kind) and o.facts.url.endswith(ending))


def _observation(found: list[Observation], ending: str) -> Observation:
    return next(o for o in found if isinstance(o.facts, UpgradeFacts) and o.facts.url.endswith(ending))


def _page(found: list[Observation]) -> PageFacts:
    assert isinstance(found[0].facts, PageFacts)
    return found[0].facts


@pytest.fixture(autouse=True)
def profiles_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Browsers of other programs on this machine are not this test's."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def _leftovers() -> list[str]:
    lines = [p.read_bytes().replace(b"\0", b" ").decode() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists()]
    return [line for line in lines if f"--user-data-dir={tempfile.gettempdir()}/wsbook-browser-" in line]


SCRIPT = """
const log = (text) => console.log(text);
const keep = [];
const one = new WebSocket("{ws}/good?a=1", ["chat", "other"].slice(2));
one.onmessage = (event) => {{ shown.textContent = event.data; one.send("thanks"); }};
keep.push(one, new WebSocket("{ws}/close"), new WebSocket("{ws}/abort"), new WebSocket("{ws}/refused"));
keep.push(new WebSocket("ws://127.0.0.1:{closed}/nobody"), new WebSocket("{page}/wrong-accept".replace("http", "ws")));
const own = new WebSocket("{ws}/mine"); own.onmessage = () => own.close(1000, "done");
new Worker(URL.createObjectURL(new Blob(["setTimeout(() => new WebSocket('{ws}/worker'), 300)"])));
try {{ new WebSocket("ws://[bad/"); }} catch (error) {{ log("threw " + error.name); }}
setTimeout(() => {{ throw new Error("planted"); }}, 50);
"""


@needs("chromium")
async def test_a_page_with_every_kind_of_socket() -> None:
    async with deployment() as (page, ws, publish):
        publish("/", SCRIPT.format(ws=ws, page=page, closed=_closed_port()))
        found = await probe_page(f"{page}/", step="1.2", watch_s=2.5)

    seen = _page(found)
    assert (seen.status, seen.title, seen.sockets) == (200, "A & B", 9)
    assert seen.browser.startswith("Chromium ")
    assert seen.changes >= 1 and len(seen.change_times) >= 1
    assert ("log", "threw SyntaxError") in seen.console
    assert any(level == "error" and "planted" in text for level, text in seen.console)

    good = _facts(found, UpgradeFacts, "/good?a=1")
    assert (good.accepted, good.status, good.http_version) == (True, 101, "1.1")
    assert good.request_header("Origin") == page
    assert good.header("sec-websocket-accept")
    session = _facts(found, SessionFacts, "/good?a=1")
    assert [(f.direction, f.text) for f in session.frames] == [("received", "update wsbook-0123456789ab-1"), ("sent", "thanks")]
    assert session.ended == "open" and session.age_s is None

    closed = _facts(found, SessionFacts, "/close")
    assert (closed.ended, closed.closed_by, closed.close_code, closed.close_reason) == ("close", "peer", 4001, "not welcome")
    assert closed.age_s == pytest.approx(0.1, abs=0.15)
    aborted = _facts(found, SessionFacts, "/abort")
    assert (aborted.ended, aborted.close_code) == ("unknown", None) and "1006" in aborted.error_text
    mine = _facts(found, SessionFacts, "/mine")
    assert (mine.ended, mine.closed_by, mine.close_code) == ("close", "us", 1000)
    assert _facts(found, SessionFacts, "/worker").frame_count == 1

    refused = _observation(found, "/refused")
    assert refused.outcome is Outcome.ANSWERED and refused.facts.status == 403 and not refused.facts.accepted
    nobody = _observation(found, "/nobody")
    assert (
        nobody.outcome is Outcome.FAILED and nobody.failure.reason is Reason.REFUSED and "ERR_CONNECTION_REFUSED" in nobody.facts.error_text
    )
    wrong = _observation(found, "/wrong-accept")
    assert wrong.outcome is Outcome.ANSWERED and not wrong.facts.accepted
    assert [(c.name, c.ok) for c in wrong.facts.checks] == [("accept", False)]
    thrown = _observation(found, "[bad/")
    assert thrown.failure.stage == "browser" and thrown.facts.error_text.startswith("SyntaxError")
    assert not _leftovers()


@needs("chromium")
async def test_an_endpoint_is_tried_from_a_blank_page_at_the_origin() -> None:
    async with deployment() as (_, ws, _):
        attempt = Attempt(url=f"{ws}/close", origin="http://app.test:8080")
        upgrade, session = await probe_browser_socket(attempt, step="1.2", watch_s=5.0)
        refused, *repeated = await probe_browser_socket(attempt.change(url=f"{ws}/refused", origin=None), step="1.2", watch_s=5.0)
    assert isinstance(upgrade.facts, UpgradeFacts) and upgrade.facts.accepted
    assert upgrade.facts.request_header("Origin") == "http://app.test:8080"
    assert isinstance(session.facts, SessionFacts) and session.facts.close_code == 4001
    assert isinstance(refused.facts, UpgradeFacts) and refused.facts.status == 403
    assert refused.facts.request_header("Origin") == ws.replace("ws", "http")
    again = repeated[0].facts
    assert isinstance(again, UpgradeFacts) and (again.status, again.body) == (403, "no")
    assert [name for name, _ in again.request_headers] == [name for name, _ in refused.facts.request_headers]
    assert {seen.source.probe for seen in repeated} == {"repeated"} and "no Origin" in {seen.source.changed[0] for seen in repeated[1:]}


@needs("chromium")
async def test_cookies_sent_and_held_back_and_what_they_would_have_changed() -> None:
    """The page at 127.0.0.1 dials localhost, which is another site: SameSite=Lax stays in the browser, and the handshake needs it."""

    def login_only(connection: ServerConnection, request: Any) -> Any:
        if request.path == "/set":
            answer = connection.respond(http.HTTPStatus.FOUND, "")
            answer.headers["Location"] = page_at[0]
            for value in ("session=5f3a9c02d1; SameSite=Lax", "theme=dark; Path=/set", "bad=1; SameSite=None"):
                answer.headers["Set-Cookie"] = value
            return answer
        if "session=5f3a9c02d1" not in request.headers.get("Cookie", ""):
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "who are you")
        return None

    page_at: list[str] = []
    async with deployment() as (page, _, publish), serve(_handler, "127.0.0.1", 0, process_request=login_only) as sockets:
        own = _origin("ws", sockets).replace("127.0.0.1", "localhost")
        publish("/in", f'const s = new WebSocket("{own}/live");')
        page_at.append(f"{page}/in")
        template = Attempt(url=f"{own}/live", timeout_s=3.0)
        found = await probe_page(f"{own.replace('ws', 'http')}/set", step="1.2", watch_s=1.0, repeated=template)

    refused = _observation(found, "/live")
    assert refused.facts.status == 401 and refused.facts.request_header("Cookie") is None
    kept = _facts(found, CookieFacts, "/live")
    assert kept.page_url == page
    reasons = {cookie.name: (cookie.sent, cookie.elsewhere, cookie.held_back[0]) for cookie in kept.cookies}
    assert reasons["session"] == (False, False, "SameSite=Lax, and the page is of another site")
    assert reasons["theme"][:2] == (False, True)
    assert reasons["bad"][2] == "not stored when it was set: SameSite=None without Secure"
    again = {seen.source.changed: seen.facts.status for seen in found if seen.source.probe == "repeated"}
    assert again[()] == 401 and again[(WITH_HELD_BACK,)] == 101
    assert {status for changed, status in again.items() if changed != (WITH_HELD_BACK,)} == {401}
    assert "5f3a9c02d1" not in msgspec.json.encode(found).decode()


@needs("chromium")
async def test_frames_workers_and_the_pages_life() -> None:
    """Sockets of frames of other sites and of shared workers are seen; a violation in a frame too."""
    async with deployment() as (page, ws, publish):
        other = page.replace("127.0.0.1", "localhost")
        publish("/inner", f'const s = new WebSocket("{ws}/framed");')
        shared = f"const s = new WebSocket('{ws}/shared'); onconnect = () => {{}};"
        script = f"""
        new SharedWorker(URL.createObjectURL(new Blob([`{shared}`])));
        const frame = document.createElement("iframe"); frame.src = "{other}/inner"; document.body.append(frame);
        const s = new WebSocket("{ws}/outer");
        """
        publish("/", script)
        found = await probe_page(f"{page}/", step="1.2", watch_s=1.5)
    assert {o.facts.url.rpartition("/")[2] for o in found if isinstance(o.facts, UpgradeFacts) and o.facts.accepted} == {
        "framed",
        "shared",
        "outer",
    }
    assert _page(found).frames == 1
    assert _observation(found, "/framed").facts.request_header("Origin") == other


@needs("chromium")
async def test_a_public_page_may_not_reach_a_private_address() -> None:
    async with deployment() as (page, ws, publish):
        publish("/", f'const s = new WebSocket("{ws}/good");')
        public = [f"--ip-address-space-overrides={page.removeprefix('http://')}=public"]
        opened = partial(browser.open_page, f"{page}/", flags=public)
        found = await browser._watch(opened, "", Watching("1.2", 1.0))
    seen = _observation(found, "/good")
    assert seen.failure.stage == "browser" and seen.failure.reason is Reason.NOT_PERMITTED
    assert "LOCAL_NETWORK_ACCESS" in seen.facts.error_text


async def _bad_compression(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Set the bit of compression on a frame that is not compressed, when the client offered compression."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.split(": ")[1] for line in request.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        head = f"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept_for(key)}\r\n\r\n"
        writer.write(head.encode() + (b"\xc1\x05hello" if "permessage-deflate" in request else b"\x81\x05hello"))
        await reader.read(100)
    writer.close()


@pytest.mark.parametrize(
    "probe",
    [
        pytest.param(probe_browser_socket, marks=needs("chromium"), id="chromium"),
        pytest.param(probe_firefox_socket, marks=needs("firefox-esr"), id="firefox"),
    ],
)
async def test_compression_that_breaks_the_first_frame_is_found_by_leaving_it_out(probe: Callable[..., Any]) -> None:
    async with await asyncio.start_server(_bad_compression, "127.0.0.1", 0) as server:
        attempt = Attempt(url=f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/x")
        found = await probe(attempt, step="1.2", watch_s=3.0)
    assert [seen.facts.accepted for seen in found if isinstance(seen.facts, UpgradeFacts) and not seen.source.changed] == [True, True]
    judged = [finding for finding in judge(Evidence(parse_target(attempt.url), found))[0] if finding.root]
    assert [finding.cause for finding in judged] == ["frame.compression-broken"]


@needs("chromium")
async def test_policy_queue_and_selector() -> None:
    script = """
    const q = [new WebSocket("{hang}/hang"), new WebSocket("{hang}/behind")];
    const b = new WebSocket("{ws}/blocked");
    setInterval(() => {{ document.getElementById("other").textContent += "x"; }}, 20);
    setTimeout(() => {{ shown.textContent = "once"; }}, 100);
    alert("stop");
    while (location.hash === "#busy") {{}}
    """
    async with deployment() as (page, ws, publish):
        hang = page.replace("http", "ws")
        publish("/", script.format(ws=ws, hang=hang), header=f"Content-Security-Policy: connect-src {hang}\r\n")
        found = await probe_page(f"{page}/", step="1.2", watch_s=1.0, selector="#shown")
        begin = time.monotonic()
        busy = await probe_page(f"{page}/#busy", step="1.2", watch_s=1.0)
        took_s = time.monotonic() - begin
    assert _page(found).csp == f"connect-src {hang}"
    assert [(v.directive, v.url, v.enforced) for v in _page(found).violations] == [("connect-src", f"{ws}/blocked", True)]
    assert _page(found).changes == 1
    blocked = _observation(found, "/blocked")
    assert blocked.outcome is Outcome.FAILED and blocked.failure.stage == "browser" and blocked.failure.reason is Reason.NOT_PERMITTED
    assert "Content Security Policy" in blocked.facts.error_text
    waiting = _observation(found, "/hang").failure
    assert waiting.reason is Reason.TIMEOUT and waiting.stage == "upgrade"
    assert "another handshake" in _observation(found, "/behind").failure.message
    assert busy[0].failure is not None and busy[0].failure.reason is Reason.TIMEOUT
    assert took_s < 20
    assert not _leftovers()


@needs("chromium")
async def test_certificates_are_judged_as_for_a_person_unless_the_ca_is_given(tmp_path: Path) -> None:
    import trustme

    ca, stranger = trustme.CA(), trustme.CA()
    files = {name: str(tmp_path / f"{name}.pem") for name in ("ca", "stranger")}
    ca.cert_pem.write_to_path(files["ca"])
    stranger.cert_pem.write_to_path(files["stranger"])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(tls)
    async with deployment(tls) as (page, wss, publish):
        publish("/", f'const s = new WebSocket("{wss}/good");')
        flags, words = await browser_start.trusted_by([wss], files["stranger"])
        assert flags == [] and "certificate" in words
        for ca_file, accepted in (("", False), (files["ca"], True)):
            found = await probe_page(f"{page}/", step="1.2", watch_s=0.7, ca_file=ca_file, trust_urls=[wss])
            seen = _observation(found, "/good")
            assert seen.facts.accepted is accepted
            if not accepted:
                assert seen.failure.reason is Reason.CERTIFICATE and "ERR_CERT_AUTHORITY_INVALID" in seen.facts.error_text


@needs("chromium")
async def test_a_page_that_does_not_load_and_a_cancelled_watch() -> None:
    found = await probe_page("http://127.0.0.1:1/", step="1.2", watch_s=2.0)
    assert len(found) == 1 and found[0].failure.stage == "page" and _page(found).status is None
    assert (_page(found).title, _page(found).csp, _page(found).changes) == ("", "", 0)
    async with deployment() as (page, ws, publish):
        publish("/", f'const s = new WebSocket("{ws}/good");')
        watching = asyncio.Event()
        listen = lambda text, _: watching.set() if text == "watching the page" else None  # noqa: E731
        task = asyncio.ensure_future(probe_page(f"{page}/", step="1.2", watch_s=60.0, on_progress=listen))
        await watching.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not _leftovers()


async def test_a_missing_or_broken_browser_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(browser_start, "_NAMES", ("no-such-browser",))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    assert browser_available() == ""
    (missing,) = await probe_page("http://127.0.0.1:1/", step="1.2", watch_s=1.0)
    assert (
        missing.outcome is Outcome.NOT_RUN
        and missing.failure.reason is Reason.TOOL_MISSING
        and "needs a browser" in missing.failure.message
    )
    (broken,) = await probe_page("http://127.0.0.1:1/", step="1.2", watch_s=1.0, executable="/bin/false")
    assert broken.outcome is Outcome.FAILED and broken.failure.stage == "start"


@pytest.mark.parametrize(
    ("text", "status", "check", "stage"),
    [
        ("Error during WebSocket handshake: Unexpected response code: 502", 502, "status", ""),
        ("HTTP Authentication failed; no valid credentials available", 401, "", ""),
        ("Error during WebSocket handshake: 'Upgrade' header is missing", 101, "upgrade", ""),
        ("Error in connection establishment: net::ERR_NAME_NOT_RESOLVED", None, "", "resolve"),
        ("Error in connection establishment: net::ERR_CERT_DATE_INVALID", None, "", "tls"),
        ("something new", None, "", ""),
    ],
)
def test_error_texts(text: str, status: int | None, check: str, stage: str) -> None:
    told, failed, failure = explain_error(text)
    assert (told, failed.name if failed else "", failure.stage if failure else "") == (status, check, stage)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2000) | st.floats(allow_nan=False, allow_infinity=False, width=16) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["requestId", "url", "timestamp", "wallTime", "request", "response", "headers", "status", "args", "entry", "kind", "id"]
            ),
            inner,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(browser._EVENTS), st.dictionaries(st.sampled_from(["requestId", "url", "timestamp", "response"]), JSON)),
        max_size=6,
    )
)
def test_events_of_any_shape_are_survived(events: list[tuple[str, dict[str, Any]]]) -> None:
    capture = Capture()
    for method, event in events:
        capture.on_event(method, event)
    for seen in capture.observations("1.2", time.time()):
        assert seen.source.hop == "browser"


@settings(max_examples=50, deadline=None)
@given(
    st.text(max_size=50)
    | st.builds(
        lambda kind, rest: str({"kind": kind, **rest}).replace("'", '"'),
        st.sampled_from(["new", "close", "mark", "page", "changes", "throw"]),
        st.dictionaries(st.sampled_from(["id", "url", "at", "code"]), st.integers() | st.text(max_size=5)),
    )
)
def test_reports_of_any_shape_are_survived(payload: str) -> None:
    capture = Capture()
    capture.on_report(payload)
    assert capture.socket_count <= 1


def test_a_storm_of_sockets_is_counted_and_capped() -> None:
    capture = Capture()
    for number in range(500):
        capture.on_event("Network.webSocketCreated", {"requestId": str(number), "url": "ws://a/b"})
    assert capture.socket_count == 500
    assert len(capture.observations("1.2", time.time())) == 100
