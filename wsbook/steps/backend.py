"""Step 3.2: what the backend's source says, who misses a broadcast, and what the server does when its clients misbehave."""

import asyncio

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.steps.cluster import look_delivery
from wsbook.steps.looking import Looking, at_hops, missing, open_attempt, publishing
from wsbook.steps.patterns import look_patterns

__all__ = ["look_backend"]


class _Effort(Struct, frozen=True, kw_only=True):
    """What a budget allows. idle_s: pings while nothing else is done; alone_s: where nothing else can be done.

    volume_bytes, starve_s, hold_s: of the subscriber that reads nothing; flood_s, rate: of the one that floods.
    """

    idle_s: float
    alone_s: float
    at_once: int
    waves: int
    settle_s: float
    volume_bytes: int
    starve_s: float
    hold_s: float
    flood_s: float
    rate: float


_EFFORTS = {
    "quick": _Effort(
        idle_s=0.8, alone_s=2.5, at_once=24, waves=5, settle_s=1.5, volume_bytes=6_000_000, starve_s=4, hold_s=0, flood_s=0.8, rate=150
    ),
    "standard": _Effort(
        idle_s=5, alone_s=8, at_once=40, waves=9, settle_s=4, volume_bytes=12_000_000, starve_s=6, hold_s=3, flood_s=3, rate=200
    ),
    "thorough": _Effort(
        idle_s=20, alone_s=30, at_once=50, waves=24, settle_s=12, volume_bytes=24_000_000, starve_s=8, hold_s=45, flood_s=8, rate=250
    ),
}
_EACH, _EVERY_S = 4, 0.1
"""Quiet connections at each place, and how often each of them is pinged."""
_HOP_S = 2.0


async def look_backend(look: Looking) -> None:
    """Read the backend's source; then publish, misbehave, come and go, while quiet connections are pinged."""
    from wsbook.probes.pulse import pulses

    target = look.target
    await look_patterns(look, "3.2", "backend", target.backend)
    publishes = bool(target.trigger or "{marker}" in target.message)
    if not publishes:
        look.add(missing("3.2", "broadcast", "nothing given makes the application publish; give trigger or message with {marker}"))
        if not target.url:
            return
    attempt = await open_attempt(look, "3.2", inside=True)
    if attempt is None:
        return
    effort, places = _EFFORTS[look.budget.name], _places(look, attempt)
    brief = attempt.hop != "endpoint" and look.budget.name == "quick"  # the endpoint has to be mended first
    whole = False
    await look.settled("3.3")  # its connections come and go, which would be heard in the pings
    if publishes:
        await look.settled("3.4")  # broadcasts would break the silence that is measured there
    async with pulses(places, step="3.2", each=_EACH, every_s=_EVERY_S) as watch:
        look.progress("pings on quiet connections", 0.1)
        with watch.spell("idle"):
            await asyncio.sleep(effort.idle_s if publishes else effort.alone_s)
        if publishes:
            with watch.spell("publishing"):
                whole = await look_delivery(look, attempt) and not brief
        if whole:
            with watch.spell("a subscriber floods"):
                await _look_crowd(look, places, "floods", effort.flood_s, effort)
    look.add(watch.observation())
    if whole:
        await _look_crowd(look, places, "reads nothing", effort.starve_s, effort)
    await look.settled("3.4")
    if not brief:
        await _look_cycles(look, attempt, places, effort)


def _places(look: Looking, attempt: Attempt) -> list[Attempt]:
    """Return the place that is looked at, the endpoint if it accepts, and each other hop that is known to accept, or was not tried."""
    refused = {seen.source.hop for seen, facts in look.evidence.upgrades if not facts.accepted and not seen.source.changed}
    hops = [replace(hop, timeout_s=min(hop.timeout_s, _HOP_S)) for hop in at_hops(look) if hop.hop not in {*refused, attempt.hop}]
    return [attempt, *hops]


async def _look_crowd(look: Looking, places: list[Attempt], kind: str, seconds: float, effort: _Effort) -> None:
    """Let one subscriber misbehave, directly at the application where that is known: nothing between them has buffers of its own."""
    from wsbook.probes.crowd import probe_crowd

    message, subscribe = publishing(look.target)
    look.progress(f"one subscriber {kind}", 0.75)
    seen = await probe_crowd(
        places[1] if len(places) > 1 else places[0],
        kind=kind,
        step="3.2",
        trigger=look.target.trigger,
        message=message,
        subscribe=subscribe,
        volume_bytes=effort.volume_bytes,
        seconds=seconds,
        rate=effort.rate,
        hold_s=effort.hold_s,
        metrics=look.target.metrics,
        owned=look.target.owned,
    )
    look.add(seen)


async def _look_cycles(look: Looking, attempt: Attempt, places: list[Attempt], effort: _Effort) -> None:
    from wsbook.probes.cycles import probe_cycles

    seen = await probe_cycles(
        attempt,
        step="3.2",
        at_once=effort.at_once,
        waves=effort.waves,
        settle_s=effort.settle_s,
        watched=places[1:],
        metrics=look.target.metrics,
        trigger=look.target.trigger,
        message=publishing(look.target)[0],
        owned=look.target.owned,
        on_progress=lambda text, fraction: look.progress(text, 0.85 + 0.14 * fraction),
    )
    look.add(seen)
