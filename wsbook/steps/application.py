"""Phase 3: what steps 3.1 to 3.4 look at."""

import asyncio
import contextlib

from wsbook.errors import UnreadableInputError
from wsbook.facts import EndpointFacts, IdleFacts, SignatureFacts
from wsbook.observation import Reason, Source, not_run
from wsbook.rules.restarts import RELOADS
from wsbook.steps.cluster import look_delivery
from wsbook.steps.looking import Looking, at_hops, baseline, missing, open_attempt, shorter

__all__ = ["look_backend", "look_frontend", "look_heartbeat", "look_origin"]

_PLACES = 4
"""Behind so many hops at most, silence is tried too."""


async def _look_patterns(look: Looking, step: str, side: str, folders: tuple[str, ...]) -> None:
    from wsbook.parsers.code.sources import parse_sources

    if not folders:
        look.add(missing(step, f"{side} source", f"no {side} source was given; give its folder as {side}"))
        return
    seen = await asyncio.to_thread(parse_sources, folders, side=side, page_url=look.target.page_url, step=step)
    look.add(*(entry for entry in seen if not isinstance(entry.facts, EndpointFacts)))


async def look_frontend(look: Looking) -> None:
    """Read the frontend's source for what breaks real-time updates."""
    await _look_patterns(look, "3.1", "frontend", look.target.frontend)


async def look_backend(look: Looking) -> None:
    """Read the backend's source; publish to several subscribers and see who misses what."""
    target = look.target
    await _look_patterns(look, "3.2", "backend", target.backend)
    if not (target.trigger or "{marker}" in target.message):
        look.add(missing("3.2", "broadcast", "nothing given makes the application publish; give trigger or message with {marker}"))
        return
    await look_delivery(look)


async def look_origin(look: Looking) -> None:
    """Try the same upgrade with other Origins."""
    from wsbook.probes.experiment import experiment, origin_variants

    if not look.target.url:
        look.add(missing("3.3", "upgrade", "no endpoint was given; give a ws:// or wss:// URL"))
        return
    tried = look.evidence.attempts(step="1.3")
    if tried and tried[-1][1].status is None:
        why = "the endpoint gives no HTTP answer at all (step 1.3), so its judgement of origins cannot be seen"
        look.add(not_run(Source(step="3.3", probe="upgrade"), Reason.SKIPPED, why))
        return
    first = baseline(look)
    look.add(*await experiment(first, shorter(origin_variants(first)), step="3.3", apart=bool(look.target.logs)))


async def look_heartbeat(look: Looking) -> None:
    """Keep silent connections open for a ladder of intervals, at the endpoint and at the places behind it, all at once."""
    from wsbook.probes.idle import ladder, probe_idle

    attempt = await open_attempt(look, "3.4")
    if attempt is None:
        return
    rungs = ladder(look.budget.idle_s)
    places = [attempt, *at_hops(look)[:_PLACES]]
    look.progress(f"silent connections up to {rungs[-1]:g} s", 0.1)
    seen = await asyncio.gather(
        *(probe_idle(place, rungs_s=rungs, step="3.4", traffic=("none", "client"), on_progress=look.progress) for place in places)
    )
    look.add(*(entry for group in seen for entry in group))
    if any(isinstance(entry.facts, IdleFacts) and not entry.facts.survived for group in seen for entry in group):
        await _look_for_reloads(look)


async def _look_for_reloads(look: Looking) -> None:
    """Read the logs again for reloads alone: they may have happened while the ladder stood."""
    from wsbook.parsers.read import read_artifact

    for path in look.target.logs:
        with contextlib.suppress(UnreadableInputError):  # step 1.4 has said so
            found = await asyncio.to_thread(read_artifact, path, step="3.4")
            look.add(*(seen for seen in found if isinstance(seen.facts, SignatureFacts) and seen.facts.signature in RELOADS))
