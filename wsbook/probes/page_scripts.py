"""What runs in a page, asked from Chromium: its scripts' texts, and the functions that take the messages of its sockets.

Bounded in number, size and time. This module must not know what the functions do, nor what a name in a script means.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from wsbook.probes.browser_lately import OURS, Spot

__all__ = ["Listener", "Scripts", "find_listeners", "under_listener"]

_SCRIPTS, _EACH_CHARS, _ALL_CHARS, _READ_S = 300, 8_000_000, 16_000_000, 2.0
_SOCKETS, _LISTENERS, _GROUP = 50, 20, "wsbook"


class Listener(Struct, frozen=True, kw_only=True):
    """A function of the page that takes a socket's messages. url: of the socket; state: its readyState. last_line, last_column: about where
    the function ends."""

    url: str
    state: int
    spot: Spot
    last_line: int
    last_column: int

    @property
    def shown(self) -> str:
        """Name and place, the column left out."""
        return f"{self.spot.function or 'a function'} at {self.spot.shown.rpartition(':')[0]}"

    def holds(self, spot: Spot) -> bool:
        """Tell whether a position is inside of the function."""
        here = (spot.line, spot.column)
        return spot.script_id == self.spot.script_id and (self.spot.line, self.spot.column) <= here <= (self.last_line, self.last_column)


class Scripts:
    """The scripts that a page has loaded, our own left out. A page that says ``debugger`` meanwhile is let go at once."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.urls: dict[str, str] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._enabled = 0
        session.on("Debugger.scriptParsed", self._parsed)
        session.on("Debugger.paused", self._let_go)

    def _parsed(self, event: Mapping[str, Any]) -> None:
        if len(self.urls) < 20 * _SCRIPTS:
            self.urls[str(event["scriptId"])] = str(event.get("url") or event.get("embedderName", ""))[:2000]

    def _let_go(self, event: Mapping[str, Any]) -> None:
        if event.get("reason") not in ("exception", "promiseRejection"):
            task = asyncio.ensure_future(resume(self._session))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @contextlib.asynccontextmanager
    async def listed(self, *, pausing: bool = False) -> Any:
        """Have the browser tell of the page's scripts while the block runs. pausing: whether the page may be stopped at all."""
        await self.open(pausing=pausing)
        try:
            yield
        finally:
            await self.close()

    async def open(self, *, pausing: bool = False) -> None:
        """Begin as listed()."""
        self._enabled += 1
        await self._session.send("Debugger.enable")
        if not pausing:
            await self._session.send("Debugger.setSkipAllPauses", {"skip": True})

    async def close(self) -> None:
        """End what open() began; a page that stands still goes on."""
        self._enabled -= 1
        if self._enabled <= 0:
            await self._session.send("Debugger.disable")

    async def texts(self) -> tuple[list[str], bool]:
        """Return the texts of the page's scripts, and whether all of them could be had within the bounds."""
        found: list[str] = []
        left, complete = _ALL_CHARS, True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READ_S), self.listed():
                own = [script for script, url in self.urls.items() if not url.endswith(OURS)]
                complete = len(own) <= _SCRIPTS
                for script in own[:_SCRIPTS]:
                    text = await self._text(script)
                    complete = complete and len(text) <= min(left, _EACH_CHARS)
                    found.append(text[: min(left, _EACH_CHARS)])
                    left -= len(found[-1])
                return found, complete
        return found, False

    async def _text(self, script: str) -> str:
        from playwright.async_api import Error

        try:
            return str((await self._session.send("Debugger.getScriptSource", {"scriptId": script}))["scriptSource"])
        except Error:  # a script whose document has gone
            return ""


async def resume(session: Any) -> None:
    """Let a page that stands still go on; one that has gone on already is no error."""
    from playwright.async_api import Error

    with contextlib.suppress(Error):
        await session.send("Debugger.resume")


async def find_listeners(session: Any, scripts: Scripts, contexts: Sequence[int]) -> list[Listener]:
    """Return the page's functions on the sockets that our scripts keep. contexts: ids of the execution contexts of its documents."""
    from playwright.async_api import Error

    found: list[Listener] = []
    async with scripts.listed():
        for context in contexts[:20]:
            with contextlib.suppress(Error, KeyError):  # a document that has gone
                found += await _of_context(session, scripts, context)
    with contextlib.suppress(Error):
        await session.send("Runtime.releaseObjectGroup", {"objectGroup": _GROUP})
    return found


async def _of_context(session: Any, scripts: Scripts, context: int) -> list[Listener]:
    asked = {"expression": 'globalThis[Symbol.for("wsbook.sockets")]?.() ?? []', "contextId": context, "objectGroup": _GROUP}
    every = await session.send("Runtime.evaluate", asked)
    listed = await session.send("Runtime.getProperties", {"objectId": every["result"]["objectId"], "ownProperties": True})
    sockets = [one["value"]["objectId"] for one in listed["result"] if one["name"].isdigit() and "objectId" in one.get("value", {})]
    found: list[Listener] = []
    for socket in sockets[-_SOCKETS:]:
        found += await _of_socket(session, scripts, socket)
    return found


async def _of_socket(session: Any, scripts: Scripts, socket: str) -> list[Listener]:
    told = await _call(session, socket, "function () { return this.url === undefined ? null : [this.url, this.readyState]; }")
    if not isinstance(told, list):
        return []
    answer = await session.send("DOMDebugger.getEventListeners", {"objectId": socket})
    own = [one for one in answer["listeners"] if one["type"] == "message" and not scripts.urls.get(one["scriptId"], "").endswith(OURS)]
    return [await _listener(session, scripts, one, str(told[0])[:2000], int(told[1])) for one in own[:_LISTENERS]]


async def _listener(session: Any, scripts: Scripts, told: Mapping[str, Any], url: str, state: int) -> Listener:
    handler = told.get("originalHandler") or told.get("handler") or {}
    source = str(handler.get("description", ""))
    name = await _call(session, handler["objectId"], "function () { return this.name; }") if "objectId" in handler else ""
    line, column, lines = int(told["lineNumber"]), int(told["columnNumber"]), source.count("\n")
    spot = Spot(
        function=str(name or "")[:200], url=scripts.urls.get(told["scriptId"], ""), script_id=told["scriptId"], line=line, column=column
    )
    last = len(source) - source.rfind("\n") - 1 + (0 if lines else column)
    return Listener(url=url, state=state, spot=spot, last_line=line + lines, last_column=last)


async def _call(session: Any, target: str, function: str) -> object:
    answer = await session.send("Runtime.callFunctionOn", {"objectId": target, "functionDeclaration": function, "returnByValue": True})
    return answer["result"].get("value")


def under_listener(spots: Sequence[Spot], listeners: Sequence[Listener]) -> bool:
    """Tell whether one of the positions of a stack is inside of a function that takes messages."""
    return any(listener.holds(spot) for spot in spots for listener in listeners)
