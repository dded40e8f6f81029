"""Exceptions that a page catches itself, in Chromium: the page is stopped at each for a moment, noted, and let go.

Bounded in number and time; a page never stays stopped, whatever becomes of us, because its debugger ends with our session. This module
must not know which exception belongs to a message.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

from wsbook.probes.browser_lately import Thrown, spots
from wsbook.probes.page_scripts import Scripts, resume

__all__ = ["Swallowed"]

_PAUSES, _LOOK_S, _DEPTH = 60, 5.0, 8


class Swallowed:
    """Notes every exception between start() and stop(), at most 60 of them and for at most 5 s.

    ended: why it stopped before it was told to, "" when it did not.
    """

    def __init__(self, session: Any, scripts: Scripts) -> None:
        self._session, self._scripts = session, scripts
        self.thrown: list[Thrown] = []
        self.ended = ""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.running = False
        session.on("Debugger.paused", self._paused)

    async def start(self) -> None:
        """Begin to stop the page at exceptions."""
        if self.running:
            return
        self.running, self.ended, self.thrown = True, "", []
        await self._scripts.open(pausing=True)
        await self._session.send("Debugger.setSkipAllPauses", {"skip": False})
        await self._session.send("Debugger.setAsyncCallStackDepth", {"maxDepth": _DEPTH})
        await self._session.send("Debugger.setPauseOnExceptions", {"state": "all"})
        self._timer = asyncio.get_running_loop().call_later(_LOOK_S, self._end_early, f"after {_LOOK_S:g} s")

    async def stop(self) -> None:
        """Stop the page no more; it goes on if it stands still."""
        if not self.running:
            return
        self.running = False
        if self._timer is not None:
            self._timer.cancel()
        await self._session.send("Debugger.setPauseOnExceptions", {"state": "none"})
        await self._scripts.close()

    def _end_early(self, why: str) -> None:
        if self.running and not self.ended:
            self.ended = why
            self._soon(self._session.send("Debugger.setPauseOnExceptions", {"state": "none"}))

    def _soon(self, doing: Any) -> None:
        async def quiet() -> None:
            from playwright.async_api import Error

            with contextlib.suppress(Error):
                await doing

        task = asyncio.ensure_future(quiet())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _paused(self, event: Mapping[str, Any]) -> None:
        if event.get("reason") not in ("exception", "promiseRejection"):
            return
        self._soon(resume(self._session))
        if len(self.thrown) >= _PAUSES:
            self._end_early(f"after {_PAUSES} exceptions")
            return
        with contextlib.suppress(KeyError, TypeError, ValueError):  # an event of another protocol version
            self._note(event)

    def _note(self, event: Mapping[str, Any]) -> None:
        told = event.get("data", {})
        text = str(told.get("description") or told.get("value") or "an exception").partition("\n")[0][:1000]
        frames = list(event["callFrames"]) + [
            frame for trace in _parents(event.get("asyncStackTrace")) for frame in trace.get("callFrames", ())
        ]
        caught = not told.get("uncaught", False)
        self.thrown.append(Thrown(at=time.time(), text=text, spots=spots(frames, self._scripts.urls), caught=caught))


def _parents(trace: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """Return what led to a stack, the latest first."""
    found: list[Mapping[str, Any]] = []
    while trace and len(found) < _DEPTH:
        found.append(trace)
        trace = trace.get("parent")
    return found
