"""The latest of what a page did, each with its time: for whoever follows single messages through it.

Events in, values out; bounded, because a page is hostile. This module must not know which of it belongs to a message.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

__all__ = ["OURS", "Carrier", "Lately", "Spot", "Thrown", "spots"]

OURS = ("wsbook-page.js", "wsbook-reconnect.js", "wsbook-load.js")
"""Names of our own scripts in the browser's reports."""
_LATEST, _CARRIED, _SOCKETS, _PAYLOAD, _FRAMES, _TEXT = 2000, 300, 20, 16_384, 30, 1000


class Spot(Struct, frozen=True, kw_only=True):
    """A position in a script, counted from 0, and the function it is in."""

    function: str
    url: str
    script_id: str
    line: int
    column: int

    @property
    def shown(self) -> str:
        """The position as url:line:column, counted from 1; what a URL may carry of secrets is left out."""
        url = self.url.partition("?")[0].partition("#")[0]
        return f"{url or 'a script without a URL'}:{self.line + 1}:{self.column + 1}"


class Thrown(Struct, frozen=True, kw_only=True):
    """An exception; at: epoch seconds. spots: the page's own positions on the stack, the innermost first."""

    at: float
    text: str
    spots: tuple[Spot, ...] = ()
    caught: bool = False


class Carrier(Struct, frozen=True, kw_only=True):
    """A message on a socket with this URL; worker: the socket is a worker's, whose functions the page's session does not show."""

    url: str
    text: str
    worker: bool = False


class Lately:
    """Changes as (epoch s, count), console lines as (epoch s, level, text), exceptions, and what carried each marker."""

    def __init__(self) -> None:
        self.changes: deque[tuple[float, int]] = deque(maxlen=_LATEST)
        self.said: deque[tuple[float, str, str]] = deque(maxlen=200)
        self.thrown: deque[Thrown] = deque(maxlen=200)
        self.carried: dict[str, Carrier] = {}
        self.over: dict[str, set[str]] = {}

    def carry(self, marks: Sequence[str], carrier: Carrier, socket: str = "") -> None:
        """Keep what carried these markers, the first of each, its text cut to 16 KiB, and over which sockets (ids of their requests)."""
        for mark in marks:
            if len(self.carried) < _CARRIED:
                self.carried.setdefault(mark, replace(carrier, text=carrier.text[:_PAYLOAD]))
            if mark in self.carried and len(over := self.over.setdefault(mark, set())) < _SOCKETS:
                over.add(socket)

    def throw(self, details: Mapping[str, Any], at: float) -> None:
        """Keep an exception that reached the console (CDP Runtime.ExceptionDetails)."""
        told = details.get("exception", {}).get("description") or details.get("exception", {}).get("value") or ""
        text = f"{details.get('text', '')} {told}".strip().partition("\n")[0]
        here = {**details, "functionName": ""}
        found = spots(_stack(details.get("stackTrace"))) or spots([here])
        self.thrown.append(Thrown(at=at, text=text[:_TEXT], spots=found))


def _stack(trace: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """Return the frames of a stack and of those that led to it (CDP Runtime.StackTrace)."""
    frames: list[Mapping[str, Any]] = []
    while trace and len(frames) < _FRAMES:
        frames += list(trace.get("callFrames", ()))[:_FRAMES]
        trace = trace.get("parent")
    return frames


def spots(frames: Sequence[Mapping[str, Any]], urls: Mapping[str, str] | None = None) -> tuple[Spot, ...]:
    """Return the positions of frames that are the page's own. urls: of scripts by their id, where the frames name none."""
    found = []
    for frame in frames[:_FRAMES]:
        place = frame.get("location", frame)
        script = str(place.get("scriptId", ""))
        url = str(frame.get("url") or (urls or {}).get(script, ""))[:2000]
        if not url.endswith(OURS):
            name, line, column = (
                str(frame.get("functionName", ""))[:200],
                int(place.get("lineNumber", 0)),
                int(place.get("columnNumber", 0)),
            )
            found.append(Spot(function=name, url=url, script_id=script, line=line, column=column))
    return tuple(found)
