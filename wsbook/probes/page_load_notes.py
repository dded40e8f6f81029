"""A page under load, as it tells of itself through page_load.js, and as its browser counts its main thread's time. Judges nothing.

A page is hostile: what it tells is bounded, and what makes no sense is dropped.
"""

import asyncio
import os
import time
from contextlib import suppress
from typing import Any

import msgspec

from wsbook.probes.browser import Page
from wsbook.probes.page_load_moments import Metrics
from wsbook.probes.page_scripts import Listener, Scripts, find_listeners

__all__ = ["LoadedPage"]

_ASK_S, _END_S, _SAMPLE_S = 5.0, 2.0, 0.25
_NEWS_CHARS, _NOTES = 8_000_000, 1_000_000
_NONE = "the page opened no socket"
_WORKER = "the page's sockets belong to a worker or another frame, so that what it does with messages cannot be noted"


class _Told(msgspec.Struct):
    """What page_load.js tells now and then, in ms since the page began.

    taken and shown are pairs of number and time, long of begin and length.
    """

    at: float
    own: float
    closed: int
    hidden: bool
    taken: list[float]
    shown: list[float]
    batches: list[float]
    pictures: list[float]
    long: list[float]


class LoadedPage:
    """The page under load: what it told, and the browser's counters of it. Times are readings of time.perf_counter()."""

    def __init__(self, page: Page) -> None:
        self.browser = page.browser
        self.listeners: int | None = None
        self.nodes: list[int] = []
        self.last_shown: bool | None = None
        self.unseen: list[str] = []
        self.own_s, self.closed, self.hidden = 0.0, 0, False
        self.at = 0.0
        self.taken: dict[int, float] = {}
        self.shown: dict[int, float] = {}
        self.batches: list[float] = []
        self.pictures: list[float] = []
        self.long: list[tuple[float, float]] = []
        self.metrics: list[Metrics] = []
        self._page, self._driver = page, page.driver
        self._frame: Any = page.driver.main_frame
        self._session: Any = None
        self._binding = f"wsbook{os.urandom(8).hex()}"
        self._origin = 0.0

    async def begin(self) -> None:
        """Begin to note in the document that holds the sockets."""
        self._session = session = await self._driver.context.new_cdp_session(self._driver)
        self.listeners = await self._listeners(session)
        await self._page.look_away()
        await session.send("Performance.enable")
        self._frame = await self._holding()
        self._origin = await self._offset()
        session.on("Runtime.bindingCalled", self._told)
        await session.send("Runtime.addBinding", {"name": self._binding})
        self.nodes.append(int(await self._frame.evaluate(f"LOADED.begin({msgspec.json.encode(self._binding).decode()})")))
        await self.read()

    async def _listeners(self, session: Any) -> int | None:
        """Return how many functions of the page are on its sockets, None when that cannot be told."""
        contexts: list[int] = []

        def made(event: dict[str, Any]) -> None:
            if event["context"].get("auxData", {}).get("isDefault"):
                contexts.append(int(event["context"]["id"]))

        session.on("Runtime.executionContextCreated", made)
        await session.send("Runtime.enable")
        found: list[Listener] | None = None
        with suppress(*_driver_errors()):
            async with asyncio.timeout(_ASK_S):
                found = await find_listeners(session, Scripts(session), contexts)
        await session.send("Runtime.disable")
        return None if found is None else len([one for one in found if one.state <= 1])

    async def _holding(self) -> Any:
        """Return the frame whose document opened sockets, the page's own where none did."""
        for frame in self._driver.frames[:20]:
            with suppress(*_driver_errors()):  # a frame that has gone
                if await frame.evaluate("globalThis.LOADED ? LOADED.sockets : 0"):
                    return frame
        self.unseen.append(_WORKER if self._page.capture.sockets else _NONE)
        return self._driver.main_frame

    async def _offset(self) -> float:
        """Return the reading of time.perf_counter() at which the page's clock was 0, from the quickest of some questions."""
        found: list[tuple[float, float]] = []
        for _ in range(5):
            before = time.perf_counter()
            there = float(await self._frame.evaluate("performance.now()")) / 1000
            after = time.perf_counter()
            found.append((after - before, (before + after) / 2 - there))
        return min(found)[1]

    def _told(self, event: dict[str, Any]) -> None:
        """Take what the page tells; a page that says something else is not believed."""
        if event.get("name") != self._binding or len(self.batches) + len(self.taken) + len(self.pictures) > _NOTES:
            return
        with suppress(msgspec.DecodeError, ArithmeticError, TypeError, ValueError):
            news = msgspec.json.decode(str(event["payload"])[:_NEWS_CHARS], type=_Told)
            self.own_s, self.closed, self.hidden = news.own / 1000, news.closed, self.hidden or news.hidden
            self.at = self._at(news.at)
            for kept, pairs in ((self.taken, news.taken), (self.shown, news.shown)):
                kept.update((int(number), self._at(at)) for number, at in zip(pairs[::2], pairs[1::2], strict=False))
            self.batches += map(self._at, news.batches)
            self.pictures += map(self._at, news.pictures)
            lasted = zip(news.long[::2], news.long[1::2], strict=False)
            self.long += [(self._at(since + took), took / 1000) for since, took in lasted]

    def _at(self, ms: float) -> float:
        return self._origin + ms / 1000

    @property
    def last(self) -> float:
        """When the page last took or showed a message for the first time, 0 never."""
        return max((at for seen in (self.taken, self.shown) for at in seen.values()), default=0.0)

    async def read(self) -> None:
        """Read the browser's counters; a page that is too busy answers late, with the values of then."""
        told = {one["name"]: one["value"] for one in (await self._session.send("Performance.getMetrics"))["metrics"]}
        self.metrics.append(
            Metrics(
                at=self._origin + told["Timestamp"] - told["NavigationStart"],
                busy_s=told["TaskDuration"],
                script_s=told["ScriptDuration"],
                layout_s=told["LayoutDuration"] + told["RecalcStyleDuration"],
                heap_bytes=int(told["JSHeapUsedSize"]),
            )
        )

    async def sample(self) -> None:
        """Read the counters until cancelled."""
        with suppress(KeyError):  # a browser without these counters
            while True:
                await asyncio.sleep(_SAMPLE_S)
                await self.read()

    async def end(self, number: int) -> None:
        """Take the rest, and whether the message of this number stands in the document; a page without time for that leaves it open."""
        with suppress(TimeoutError, *_driver_errors()):
            async with asyncio.timeout(_END_S):
                nodes, self.last_shown = await self._frame.evaluate(f"LOADED.end({number})")
                self.nodes.append(int(nodes))


def _driver_errors() -> tuple[type[Exception], ...]:
    """Return what the browser's driver raises for a page or frame that has gone or does not answer."""
    from playwright.async_api import Error

    return (Error, TimeoutError, KeyError)
