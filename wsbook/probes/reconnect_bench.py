"""A page in Chromium behind a relay, unchanged: what passes between them, what the page says, and which attempts are its own.

The browser is led to the relay by a rule of its resolver, so that URL, origin, cookies and certificates' names stay the page's. This
module must not know how a connection is lost, nor what is right.
"""

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct

from wsbook.facts.reconnect import OURS
from wsbook.probes.browser import Page, open_page
from wsbook.probes.browser_sockets import Socket, is_open
from wsbook.probes.browser_start import quietly, trusted_by
from wsbook.probes.marker import MARKER
from wsbook.probes.reconnect_runs import Counts, Runs
from wsbook.probes.relay import Line, Relay, open_relay
from wsbook.probes.relay_tls import own_ending
from wsbook.probes.stand_in import open_stand_in
from wsbook.target import Endpoint, parse_endpoint
from wsbook.wire.kinds import kind_of, settled
from wsbook.wire.messages import is_heartbeat

__all__ = ["Bench", "Heard", "open_bench"]

_NO_NETWORK_OF_ITS_OWN = "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets"
_FAMILY = re.compile(r"/\d{3}/[^/]+/\w+\Z|/(?:websocket|longpoll|negotiate|info)\Z|/+\Z")
"""What SockJS, Phoenix and SignalR put behind the path of an endpoint."""
_FIRST_S, _FIRST, _KINDS = 3.0, 8, 30
_BODY_BYTES, _BODIES = 1_000_000, 100
_ASK_S, _FEWEST = 2.0, 3
_PUBLISHED = 3, 5
"""Messages that are published before the first and before the second reading."""
_LEAP_S, _AWHILE_S = 5.0, 0.01
"""How long time is put forward at most, and how long the page may act on each timer before the next."""


class Heard(Struct, frozen=True, kw_only=True):
    """What came within some seconds: kinds of messages, handler runs for each message, and function runs in two readings."""

    kinds: tuple[tuple[str, int], ...]
    runs: float | None
    counts: tuple[Counts, ...]


def _family(path: str) -> str:
    """Return one path for all requests of a dialect to one endpoint."""
    return _FAMILY.sub("", path) or "/"


class Bench:
    """The page, its relay, and questions about both. Times are time.monotonic() where nothing else is said."""

    def __init__(self, relay: Relay, page: Page, endpoint: Endpoint, page_path: str, instead: int) -> None:
        self.relay, self.page = relay, page
        self._instead = instead
        self._endpoint, self._page_path = endpoint, page_path
        self._families = {_family(endpoint.path)}
        self._epoch = time.time() - time.monotonic()
        self._runs: Runs | None = None
        self._bodies: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.loads = 0

    # The page

    async def prepare(self) -> None:
        """Listen to what the page fetches and where it goes, and count what runs in it."""
        driver = self.page.driver
        driver.on("response", self._responded)
        driver.on("framenavigated", self._navigated)
        with contextlib.suppress(Exception):  # a browser without a profiler is watched all the same
            runs = Runs(await driver.context.new_cdp_session(driver))
            await runs.start()
            self._runs = runs

    def _navigated(self, frame: Any) -> None:
        self.loads += frame == self.page.driver.main_frame

    def _responded(self, response: Any) -> None:
        if response.request.resource_type in ("xhr", "fetch") and len(self._tasks) < _BODIES:
            task = asyncio.ensure_future(quietly(self._keep_body(response)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _keep_body(self, response: Any) -> None:
        if len(self._bodies) < _BODIES and int(response.headers.get("content-length", "0") or 0) <= _BODY_BYTES:
            self._bodies.append((await response.text())[:_BODY_BYTES])

    async def end(self) -> None:
        """Let go of what is still being read."""
        for task in list(self._tasks):
            task.cancel()

    async def ask(self, expression: str) -> list[Any]:
        """Return what the expression gives in each frame that answers in time."""
        found = []
        for frame in self.page.driver.frames[:20]:

            async def one(frame: Any = frame) -> None:
                found.append(await frame.evaluate(expression))

            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ASK_S):
                    await quietly(one())
        return found

    async def pending_s(self, since: float) -> tuple[float, ...] | None:
        """Return seconds until each timer of the page that has not fired since then; None when a worker may hold others."""
        if self.page.driver.workers or self.page.driver.context.service_workers:
            return None
        answers = await self.ask(f"globalThis.KEPT ? KEPT.pending({(since + self._epoch) * 1000}) : null")
        if not answers or answers[0] is None:
            return None
        return tuple(sorted(float(value) / 1000 for answer in answers if isinstance(answer, list) for value in answer[:50]))[:20]

    async def given_up(self, since: float) -> float | None:
        """Return when the page first closed an open socket itself since then, None when it has not."""
        answers = await self.ask(f"globalThis.KEPT ? KEPT.closes.filter((at) => at >= {(since + self._epoch) * 1000}).slice(0, 1) : []")
        times = [float(at) / 1000 - self._epoch for answer in answers if isinstance(answer, list) for at in answer]
        return min(times, default=None)

    async def leap(self, longest_s: float, until: Callable[[], Awaitable[bool]]) -> float:
        """Put the page's clock forward, timer by timer, by longest_s at most or until that holds; return by how much.

        A page without a timer is taken for as far as wished: there is nothing in it that time would wake.
        """
        leapt_s, end = 0.0, time.monotonic() + _LEAP_S
        while leapt_s < longest_s and time.monotonic() < end and not await until():
            steps = await self.ask(f"globalThis.KEPT ? KEPT.leap(1000, {(longest_s - leapt_s) * 1000}, 500) : -1")
            step = max((float(one) for one in steps if isinstance(one, int | float)), default=-1.0)
            if step < 0:
                return longest_s
            leapt_s += step / 1000
            await asyncio.sleep(_AWHILE_S)
        return leapt_s

    # Connections

    def stand_in(self) -> None:
        """Let a silent server of our own accept the page's sockets from now on, in the endpoint's place."""
        self.relay.stand_in(self._instead)

    def attempts(self, since: float) -> list[Line]:
        """Return the page's attempts to reach the endpoint since then, upgrades and the requests of a polling transport."""
        return [line for line in self.relay.lines if line.at >= since and self._concerns(line)]

    def concerned(self, path: str) -> bool:
        """Tell whether a request to this path belongs to the endpoint, be it an upgrade or not."""
        return _family(path) in self._families and path != self._page_path

    def _concerns(self, line: Line) -> bool:
        if line.kind == "upgrade":
            return _family(line.path) in self._families
        return line.kind == "tls" or (line.kind == "http" and self.concerned(line.path))

    def opened(self, since: float) -> list[Line]:
        """Return the connections to the endpoint that opened since then."""
        return [line for line in self.attempts(since) if line.kind == "upgrade" and line.status == 101]

    def open_now(self, since: float = 0.0) -> int:
        """Return how many of the connections made since then are open; of several URLs the one with most."""
        alike = Counter((_family(line.path), settled(line.query)) for line in self.attempts(since) if line.open)
        return max(alike.values(), default=0)

    def take_others(self) -> bool:
        """Take the page's sockets on this host and port for the endpoint when none goes to its own path; False when there is none."""
        seen = {_family(line.path) for line in self.relay.lines if line.kind == "upgrade"}
        if seen and not seen & self._families:
            self._families = seen
        return bool(seen & self._families)

    def elsewhere(self) -> tuple[str, ...]:
        """Return the URLs of sockets that the page opened at other hosts and ports."""
        here = (self._endpoint.host, self._endpoint.port)
        urls = dict.fromkeys(socket.url for socket in self.page.capture.sockets if is_open(socket))
        return tuple(url for url in urls if _place(url) not in (None, here))

    # Messages

    def sockets(self, since: float, until: float = float("inf")) -> list[Socket]:
        """Return the page's sockets to the endpoint that were opened in that time."""
        here = (self._endpoint.host, self._endpoint.port)
        return [
            socket
            for socket in self.page.capture.sockets
            if is_open(socket)
            and socket.answered_at is not None
            and since <= socket.answered_at - self._epoch < until
            and _place(socket.url) == here
            and _family(parse_endpoint(socket.url).path) in self._families
        ]

    def said(self, since: float, until: float = float("inf")) -> tuple[str, ...]:
        """Return what the page sent first on the sockets opened in that time, each kind once, without heartbeats."""
        frames = [
            frame
            for socket in self.sockets(since, until)
            for frame in socket.frames
            if frame.direction == "sent" and frame.opcode in (1, 2) and frame.at_s <= _FIRST_S and not is_heartbeat(frame.text)
        ]
        return tuple(dict.fromkeys(settled(frame.text) if frame.opcode == 1 else "binary" for frame in frames))[:_FIRST]

    def ended(self, until: float) -> list[float]:
        """Return when the page was told of the end of each socket that was opened before then."""
        return [socket.ended_at - self._epoch for socket in self.sockets(0.0, until) if socket.ended_at and socket.code is not None]

    async def listen(self, seconds: float, publish: Callable[[int], Awaitable[object]]) -> Heard:
        """Listen for so long, half as long again where little comes, and return what came. publish: called before each half with a number
        of messages, another one each time: what merely coincides with the one does not with the other."""
        since, counts = time.monotonic(), []
        await self._take()
        await self.ask("globalThis.KEPT && KEPT.take()")
        messages = 0
        for count in _PUBLISHED:
            await publish(count)
            end, most = time.monotonic() + seconds / 2, time.monotonic() + seconds
            while (now := time.monotonic()) < most and (now < end or await self._messages() - messages < _FEWEST):  # noqa: ASYNC110
                await asyncio.sleep(min(0.1, most - now))
            messages = await self._messages()
            counts.append(await self._take())
        taken = [one for one in await self.ask("globalThis.KEPT && KEPT.take()") if isinstance(one, dict)]
        messages, runs = (sum(int(one[name]) for one in taken) for name in ("messages", "runs"))
        kinds = self._kinds(since, time.monotonic())
        return Heard(kinds=kinds, runs=runs / messages if messages else None, counts=tuple(one for one in counts if one is not None))

    async def _messages(self) -> int:
        return sum(int(one) for one in await self.ask("globalThis.KEPT ? KEPT.messages : 0") if isinstance(one, int))

    async def _take(self) -> Counts | None:
        taken: list[Counts] = []

        async def take() -> None:
            if self._runs is not None:
                taken.append(await self._runs.take())

        await quietly(take())
        return taken[0] if taken else None

    def _kinds(self, since: float, until: float) -> tuple[tuple[str, int], ...]:
        found: Counter[str] = Counter()
        for socket in self.sockets(0.0):
            for frame in socket.frames:
                at = (socket.answered_at or 0.0) + frame.at_s - self._epoch
                if frame.direction == "received" and since <= at < until and frame.opcode in (1, 2) and not is_heartbeat(frame.text):
                    kind = kind_of(frame.text) if frame.opcode == 1 else "binary"
                    found[f"{kind}{OURS if MARKER.search(frame.text) else ''}"] += 1
        return tuple(found.most_common(_KINDS))

    def seen(self, mark: str) -> bool:
        """Tell whether the page has got the marked message: in a frame, in an answer that it fetched, or in its document."""
        exact = re.compile(re.escape(mark) + r"(?![0-9])")
        return any(kept == mark for _, kept, _ in self.page.capture.marks) or any(exact.search(body) for body in self._bodies)

    def errors(self, since_count: int) -> tuple[str, ...]:
        """Return the errors that the console said since it had so many lines."""
        lines = [text.partition("\n")[0][:200] for level, text in self.page.capture.console[since_count:] if level == "error"]
        return tuple(dict.fromkeys(lines))[:10]


def _place(url: str) -> tuple[str, int] | None:
    try:
        endpoint = parse_endpoint(url)
    except Exception:
        return None
    return endpoint.host, endpoint.port


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _pins(urls: Iterable[str], ca_file: str, own: str) -> list[str]:
    """Return the flag that makes the browser accept our certificate, and those that the given CA vouches for."""
    flags, _ = await trusted_by(urls, ca_file)
    known = [flag.partition("=")[2] for flag in flags]
    pins = ",".join(filter(None, (*known, own)))
    return [f"--ignore-certificate-errors-spki-list={pins}"] if pins else []


@contextlib.asynccontextmanager
async def open_bench(page_url: str, url: str, *, ca_file: str = "", executable: str = "") -> AsyncIterator[Bench]:
    """Yield the page, not loaded yet, in a browser that reaches the host and port of url through a relay.

    Raises: as open_page(); OSError when ca_file cannot be read.
    """
    endpoint, page = parse_endpoint(url), parse_endpoint(page_url.partition("#")[0])
    ending, pin = own_ending(endpoint.host, ca_file) if endpoint.secure else (None, "")
    same = (endpoint.host, endpoint.port) == (page.host, page.port)
    async with contextlib.AsyncExitStack() as stack:
        relay = await stack.enter_async_context(open_relay(endpoint.host, endpoint.port, ending=ending))
        rule = f"--host-resolver-rules=MAP {_bracketed(endpoint.host)}:{endpoint.port} {relay.host}:{relay.port}"
        flags = [rule, _NO_NETWORK_OF_ITS_OWN, *await _pins(() if same else (page_url,), ca_file, pin)]
        script = (Path(__file__).parent / "reconnect_page.js").read_text(encoding="utf-8")
        opened = await stack.enter_async_context(open_page(page_url, executable=executable, flags=flags, scripts=[script]))
        bench = Bench(relay, opened, endpoint, page.path, await stack.enter_async_context(open_stand_in()))
        stack.push_async_callback(bench.end)
        await bench.prepare()
        yield bench
