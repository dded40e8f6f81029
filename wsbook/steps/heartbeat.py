"""Step 3.4: how long silence is allowed to last, and whose limit it is."""

import asyncio
import contextlib

from wsbook.errors import UnreadableInputError
from wsbook.facts import IdleFacts, SignatureFacts
from wsbook.rules.restarts import RELOADS
from wsbook.steps.looking import Looking, at_hops, open_attempt

__all__ = ["look_heartbeat"]

_PLACES = 4
"""Behind so many hops at most, silence is tried too."""


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
