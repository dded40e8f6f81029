"""Step 4.1: one marked message after the other, from what sets it off to the screen."""

import asyncio

from msgspec import Struct

from wsbook.errors import UnreadableInputError
from wsbook.steps.looking import Looking, at_hops, missing, open_attempt, publishing

__all__ = ["look_trace"]


class _Effort(Struct, frozen=True, kw_only=True):
    """How many events, alone and at once, and the time for them in s; opening browser and sockets comes on top."""

    repeats: int
    burst: int
    events_s: float


_EFFORTS = {
    "quick": _Effort(repeats=5, burst=50, events_s=3.5),
    "standard": _Effort(repeats=20, burst=50, events_s=12.0),
    "thorough": _Effort(repeats=100, burst=100, events_s=60.0),
}

_GIVE = "nothing given makes the application publish; give trigger or message with {marker}"


async def look_trace(look: Looking) -> None:
    """Follow marked messages from their trigger to the subscribers, and to the page."""
    from wsbook.parsers.instants import find_instant
    from wsbook.probes.trace import probe_trace

    target = look.target
    if not (target.trigger or "{marker}" in target.message):
        look.add(missing("4.1", "trace", f"{_GIVE}{await _likely(look)}"))
        return
    attempt = await open_attempt(look, "4.1")
    if attempt is None:
        return
    look.progress("one marked message on its way", 0.3)
    (message, subscribe), effort = publishing(target), _EFFORTS[look.budget.name]
    look.add(
        *await probe_trace(
            attempt,
            trigger=target.trigger,
            message=message,
            subscribe=subscribe,
            hops=at_hops(look),
            logs=target.logs,
            broker=target.broker,
            schema=target.schema,
            selector=target.selector,
            page_url=target.page_url,
            owned=target.owned,
            step="4.1",
            repeats=effort.repeats,
            burst=effort.burst,
            budget_s=effort.events_s,
            instant=find_instant,
            on_progress=look.progress,
        )
    )


async def _likely(look: Looking) -> str:
    """Return in words how the backend's source lets somebody publish, "" when it does not show."""
    from wsbook.parsers.code.publish_routes import find_publish_routes

    try:
        routes = await asyncio.to_thread(find_publish_routes, look.target.backend)
    except UnreadableInputError:
        return ""
    endpoint = look.target.endpoint
    origin = endpoint.origin if endpoint else "http://HOST"
    ways = [
        f"'{route.method} {origin}{route.path} BODY'" if route.kind == "http" else f"'PUBLISH redis://HOST:6379/{route.path} TEXT'"
        for route in routes[:2]
    ]
    places = [f"{route.file}:{route.line}" for route in routes[:2]]
    shown = " or ".join(f"--trigger {way} ({place})" for way, place in zip(ways, places, strict=True))
    return f"; by the backend's source it is perhaps {shown}" if shown else ""
