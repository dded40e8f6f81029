"""What a page does with one marked message: who takes it, what is thrown, what is drawn, and what the message calls itself.

Asks the browser beside the page; nothing of the page's code is changed but what browser_page.js says. In Firefox, whose protocol tells
less, what cannot be seen is named. This module must not know where the message was lost.
"""

import asyncio
import time
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, TypeVar

from wsbook.facts import Caught, Named, PageEvent, Place
from wsbook.probes.browser import Page
from wsbook.probes.browser_lately import Thrown
from wsbook.probes.browser_visit import Visit
from wsbook.probes.page_names import Names
from wsbook.probes.page_scripts import Listener, Scripts, find_listeners, under_listener
from wsbook.probes.page_swallowed import Swallowed
from wsbook.wire.naming import names_in

__all__ = ["PageWatcher"]

_T = TypeVar("_T")
_ASK_S, _DRAWN_S, _TOLERANCE_S, _POLL_S = 2.5, 0.25, 0.01, 0.02
_EXCEPTIONS, _LINES, _MARKS, _HANDLERS, _CONTEXTS, _NAMES = 20, 20, 10, 10, 20, 200
_LEVELS = {"warning": "warning", "warn": "warning", "error": "error", "assert": "error"}
_FIREFOX = "Firefox tells neither when a frame came nor which functions take it, and nothing of exceptions that the page catches"
_WORKER = "the socket is a worker's, whose functions and exceptions are not seen"
_CANVAS = """(() => [...document.querySelectorAll("canvas")].filter((one) => one.width * one.height >= 10000
  && (one.checkVisibility?.() ?? true)).length)()"""


class PageWatcher:
    """Follows marked messages through one page. selector: the part of the page that shows them, "" anywhere.

    begin() first, best when the page is loaded; then places() at any time, and event() once for each message. look_deeper() before a
    message makes its event() tell the exceptions that the page catches. end() lets go of the page, also after a failure.
    """

    def __init__(self, page: Visit, selector: str = "") -> None:
        self._page: Any = page
        self._seen, self._selector = page.capture, selector
        self._run = ""
        self._since = time.time()
        self._clock = time.time() - time.perf_counter()
        self._session: Any = None
        self._scripts: Scripts | None = None
        self._swallowed: Swallowed | None = None
        self._contexts: list[int] = []
        self._listeners: list[Listener] | None = None
        self._sockets = -1
        self._names: Names | None = None
        self._complete = True
        self._told: dict[tuple[str, str], Named] = {}
        self._unseen: dict[str, str] = {}

    async def begin(self, run: str) -> None:
        """Prepare to follow the messages of a run, whose markers begin with these letters; what cannot be seen is named in every event."""
        self._run, self._since, self._clock = run, time.time(), time.time() - time.perf_counter()
        if not isinstance(self._page, Page):
            self._unseen["browser"] = _FIREFOX
            return
        await self._ask("session", self._open(self._page))
        if self._seen.socket_count:
            await self._look_around()

    async def _open(self, page: Page) -> None:
        self._session = await page.driver.context.new_cdp_session(page.driver)
        self._session.on("Runtime.executionContextCreated", self._context_made)
        self._session.on("Runtime.executionContextsCleared", lambda event: self._contexts.clear())
        self._scripts = Scripts(self._session)
        self._swallowed = Swallowed(self._session, self._scripts)
        await self._session.send("Runtime.enable")

    def _context_made(self, event: dict[str, Any]) -> None:
        context = event["context"]
        if context.get("auxData", {}).get("isDefault"):
            self._contexts = [*self._contexts[-_CONTEXTS:], int(context["id"])]

    async def _ask(self, what: str, asking: Awaitable[_T]) -> _T | None:
        """Return what the browser answers in time; None with the reason kept when it does not."""
        from playwright.async_api import Error

        try:
            async with asyncio.timeout(_ASK_S):
                answer = await asking
        except (Error, TimeoutError, KeyError, TypeError, ValueError) as error:
            self._unseen[what] = f"{what}: {str(error).partition(chr(10))[0][:150] or f'no answer within {_ASK_S:g} s'}"
            return None
        self._unseen.pop(what, None)
        return answer

    async def _look_around(self, *, again: bool = False) -> None:
        """Ask for the functions on the page's sockets, and for what of its document cannot be seen, unless nothing is new."""
        if self._session is None or self._scripts is None or (self._sockets == self._seen.socket_count and not again):
            return
        self._sockets = self._seen.socket_count
        self._listeners = await self._ask("functions on the socket", find_listeners(self._session, self._scripts, self._contexts))
        if await self._ask("canvas", self._page.driver.evaluate(_CANVAS)):
            self._unseen["canvas"] = "what the page draws on a canvas cannot be read"
        if self._selector and await self._ask("selector", self._page.driver.locator(f"css={self._selector}").count()) == 0:
            self._unseen["selector"] = f"the selector {self._selector[:200]} finds nothing in the page"

    async def look_deeper(self) -> None:
        """Note the exceptions that the page catches from now on, until the next event(), 60 exceptions or 5 s."""
        if self._swallowed is not None:
            await self._ask("exceptions that the page catches", self._swallowed.start())

    async def end(self) -> None:
        """Let go of the page."""
        if self._swallowed is not None:
            await self._ask("end", self._swallowed.stop())
        if self._session is not None:
            await self._ask("end", self._session.detach())
            self._session = self._scripts = self._swallowed = None

    # One message

    def places(self, marker: str) -> list[Place]:
        """Return the page's places in path order: frame, handler, marks of the application, document, screen; at_s are readings of
        time.perf_counter(). A socket without a function of the page that takes messages has a handler that never got any; the handlers of a
        worker are not seen, so that there is no such place then."""
        known = self._listeners is not None and self._sockets == self._seen.socket_count
        unheard = known and not self._takers(marker) and not self._times("document", marker)
        over = len(self._seen.lately.over.get(marker, ()))
        found = [self._place("page frame", "frame", self._times("frame", marker), over)]
        if not self._by_worker(marker):
            came = min(self._times("frame", marker), default=0.0)  # the browser's clocks differ by microseconds
            taken = [] if unheard else [max(came, at) for at in self._times("handler", marker)]
            found.append(self._place("page handler", "handler", taken))
        own = dict.fromkeys(place for place, seen, _ in self._seen.marks if place.startswith("mark ") and seen == marker)
        marks = [self._place(name, "mark", self._times(name, marker)) for name in list(own)[:_MARKS]]
        found += sorted(marks, key=lambda place: place.at_s or 0.0)
        for kind in ("document", "screen"):
            found.append(self._place(f"page {kind}", kind, self._times(kind, marker) or self._cut(kind, marker)))
        return found if isinstance(self._page, Page) else found[1:]

    def _place(self, name: str, kind: str, times: list[float], sockets: int = 0) -> Place:
        at_s = min(times) - self._clock if times else None
        return Place(name=name, kind=kind, at_s=at_s, count=len(times), sockets=sockets)

    def _times(self, kind: str, marker: str) -> list[float]:
        return [at for place, seen, at in self._seen.marks if (place, seen) == (kind, marker)]

    def _came(self, marker: str) -> float | None:
        """Return when the page got the message, epoch seconds."""
        return min([*self._times("frame", marker), *self._times("handler", marker)], default=None)

    def _cut(self, kind: str, marker: str) -> list[float]:
        """Return when a text that ends within the marker came up: between this message and the next one."""
        came = self._came(marker)
        if came is None:
            return []
        later = [at for place, _, at in self._seen.marks if place in ("frame", "handler") and at > came + _TOLERANCE_S]
        until = min([*later, came + 2.0])
        return [
            at
            for place, seen, at in self._seen.marks
            if place == kind and "-" not in seen.removeprefix("wsbook-") and marker.startswith(seen) and came <= at < until
        ]

    def _takers(self, marker: str) -> list[Listener]:
        """Return the functions on the socket that carried the message, on every open one when it is not known which."""
        carrier = self._seen.lately.carried.get(marker)
        listeners = [one for one in self._listeners or () if one.state <= 1]
        return [one for one in listeners if one.url == carrier.url] if carrier else listeners

    def _by_worker(self, marker: str) -> bool:
        carrier = self._seen.lately.carried.get(marker)
        return carrier is not None and carrier.worker

    async def event(self, marker: str, window_s: float) -> PageEvent:
        """Return what happened in the page since the event with this marker was set off, or since the event() before when it never came.

        Waits for what is still to come, at most window_s.
        """
        await self._settle(marker, window_s)
        came, now = self._came(marker), time.time()
        begin = self._since if came is None else came - _TOLERANCE_S
        alone = not self._takers(marker) and not self._by_worker(marker)
        await self._look_around(again=alone)  # a function may have been added after the socket was made
        takers = self._takers(marker)
        deeper = self._swallowed is not None and await self._shallow(self._swallowed)
        self._since = now
        return PageEvent(
            exceptions=self._exceptions(begin, now, takers),
            console=self._console(begin, now),
            changes=self._changes(begin, now if came is None else came + _DRAWN_S),
            changes_else_per_s=self._changes_else(now),
            handlers=tuple(dict.fromkeys(one.shown for one in takers))[:_HANDLERS],
            named=await self._named(marker),
            looked_deeper=deeper,
            unseen=(*self._unseen.values(), *([_WORKER] if self._by_worker(marker) else [])),
        )

    async def _settle(self, marker: str, window_s: float) -> None:
        """Wait until the message is on the screen and the browser has told its changes, at most so long."""
        end = time.monotonic() + window_s
        while time.monotonic() < end and not self._all_told(marker):  # noqa: ASYNC110  # marks come without an event of ours
            await asyncio.sleep(_POLL_S)

    def _all_told(self, marker: str) -> bool:
        """Whether the message is on the screen, and the change told that brought it there, which the page tells somewhat later."""
        shown = self._times("document", marker)
        return bool(self._times("screen", marker) and any(at <= max(shown) <= at + 1.0 for at, _ in self._seen.lately.changes))

    async def _shallow(self, swallowed: Swallowed) -> bool:
        """End the deeper look; tell whether there was one."""
        if not swallowed.running:
            return False
        await self._ask("exceptions that the page catches", swallowed.stop())
        if swallowed.ended:
            self._unseen["swallowed"] = f"exceptions that the page catches were no longer watched {swallowed.ended}"
        return True

    def _exceptions(self, begin: float, now: float, takers: list[Listener]) -> tuple[Caught, ...]:
        """Return what was thrown in that time, what came out of the message's functions first, the same only once."""
        swallowed = [one for one in self._swallowed.thrown if one.caught] if self._swallowed else []
        found = [_caught(one, takers) for one in (*self._seen.lately.thrown, *swallowed) if begin <= one.at <= now]
        return tuple(sorted(dict.fromkeys(found), key=lambda one: not one.in_handler)[:_EXCEPTIONS])

    def _console(self, begin: float, now: float) -> tuple[tuple[str, str], ...]:
        lines = [(_LEVELS[level], text) for at, level, text in self._seen.lately.said if level in _LEVELS and begin <= at <= now]
        return tuple(dict.fromkeys(lines))[:_LINES]

    def _changes(self, begin: float, end: float) -> int:
        return sum(count for at, count in self._seen.lately.changes if begin <= at <= end)

    def _changes_else(self, now: float) -> float:
        """Return how often per second the document changed while none of the run's messages had just come, from the first of them on."""
        marks = [at for place, seen, at in self._seen.marks if place in ("frame", "handler") and seen.startswith(self._run)]
        if not marks:
            return 0.0
        busy = _joined((at - _TOLERANCE_S, at + _DRAWN_S) for at in marks)
        changes = [(at, count) for at, count in self._seen.lately.changes if min(marks) <= at <= now]
        others = sum(count for at, count in changes if not any(begin <= at <= end for begin, end in busy))
        left_s = now - busy[0][0] - sum(min(end, now) - begin for begin, end in busy)
        return round(others / left_s, 3) if left_s > _TOLERANCE_S else 0.0

    async def _named(self, marker: str) -> tuple[Named, ...]:
        """Return what the message calls itself; the page's scripts are looked through for it only when it was not shown."""
        carrier = self._seen.lately.carried.get(marker)
        pairs = names_in(carrier.text) if carrier else ()
        if not pairs or self._scripts is None or self._times("document", marker):
            return tuple(Named(member=member, value=value) for member, value in pairs)
        if self._names is None:
            self._names = await self._ask("scripts", self._read(self._scripts))
        if self._names is None:
            return tuple(Named(member=member, value=value) for member, value in pairs)
        return await asyncio.to_thread(self._compared, self._names, pairs)

    async def _read(self, scripts: Scripts) -> Names:
        texts, self._complete = await scripts.texts()
        return await asyncio.to_thread(Names, texts)

    def _compared(self, names: Names, pairs: Sequence[tuple[str, str]]) -> tuple[Named, ...]:
        for member, value in pairs:
            if (member, value) not in self._told and len(self._told) < _NAMES:
                known = names.knows(value)
                alike = () if known else names.alike(value)
                self._told[member, value] = Named(member=member, value=value, known=known if known or self._complete else None, alike=alike)
        return tuple(self._told.get(pair) or Named(member=pair[0], value=pair[1]) for pair in pairs)


def _caught(one: Thrown, takers: list[Listener]) -> Caught:
    top = one.spots[0] if one.spots else None
    return Caught(
        text=one.text,
        where=top.shown if top else "",
        function=top.function if top else "",
        swallowed=one.caught,
        in_handler=under_listener(one.spots, takers),
    )


def _joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return spans without overlaps, in order."""
    found: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found
