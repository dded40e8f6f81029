"""The part of step 2.2 that asks every hop: the same upgrade inwards, then what would explain the first place that refuses it."""

import asyncio
from collections.abc import Iterable

from wsbook.attempt import NO_UPGRADE, OTHER_CASE, RANDOM_PATH, THE_ENDPOINTS_PATH, Attempt
from wsbook.hops import Break, State, find_break, places
from wsbook.steps.looking import Looking, at_hops, baseline, missing, shorter
from wsbook.target import Endpoint

__all__ = ["look_hops"]

_COMPARED = frozenset({NO_UPGRADE, OTHER_CASE, RANDOM_PATH, THE_ENDPOINTS_PATH})
"""What was asked of every hop already, and is asked again together with what the good place needs to accept at all."""
_FITTING_STATES = frozenset({State.REFUSES, State.UNREACHABLE, State.SILENT})


async def look_hops(look: Looking) -> None:
    """Make the same attempt at every hop; where it breaks, ask the last good place until it answers as the broken one does."""
    from wsbook.probes.experiment import hop_variants, next_second

    target, endpoint = look.target, look.target.endpoint
    if not target.hops:
        message = "no hops were given; give the URLs that reach the application and each proxy directly as hops"
        look.add(missing("2.2", "hops", message))
    if not target.hops or endpoint is None:
        return
    attempts = at_hops(look)
    await _try(look, [*attempts, baseline(look)])
    if target.logs:
        await next_second()
    await _try(look, shorter(variant for attempt in attempts for variant in hop_variants(attempt, endpoint)))
    await _try(look, shorter(_fitting(look, attempts, endpoint)))
    if broken := find_break(places(target.hops, look.evidence.observations)):
        await _try(look, shorter(_explaining(look, broken, attempts, endpoint)))


async def _try(look: Looking, attempts: Iterable[Attempt]) -> None:
    from wsbook.probes.upgrade import probe_upgrade

    look.add(*await asyncio.gather(*(probe_upgrade(attempt, step="2.2") for attempt in attempts)))


def _fitting(look: Looking, attempts: list[Attempt], endpoint: Endpoint) -> list[Attempt]:
    """Return what may show that a hop works although it refuses us; nothing for hops that cannot be reached at all."""
    from wsbook.probes.experiment import fitting_variants

    answering = {
        place.name
        for place in places(look.target.hops, look.evidence.observations)
        if place.state in _FITTING_STATES and not (place.seen.failure and place.seen.failure.stage in ("resolve", "tcp", "proxy"))
    }
    return [variant for attempt in attempts if attempt.hop in answering for variant in fitting_variants(attempt, endpoint)]


def _explaining(look: Looking, broken: Break, attempts: list[Attempt], endpoint: Endpoint) -> list[Attempt]:
    """Return the good place's attempts that lose one thing, and the endpoint's own plain GET and unknown path where none was made."""
    from wsbook.probes.experiment import fitting_variants, hop_variants, losing_variants, random_path

    found: list[Attempt] = []
    good = broken.good
    if good is not None and broken.bad.facts.status not in (None, 101):
        own = next(attempt for attempt in attempts if attempt.hop == good.name)
        candidates = [*fitting_variants(own, endpoint), *hop_variants(own, endpoint)]
        fitted = next((variant for variant in candidates if variant.changed == good.needs), own)
        found += losing_variants(fitted, endpoint)
        found += [variant for variant in hop_variants(fitted, endpoint) if good.needs and variant.changed[-1] in _COMPARED]
    if not look.evidence.attempts(changed=NO_UPGRADE):
        outer = baseline(look)
        found += [outer.change(NO_UPGRADE, upgrade=False), outer.change(RANDOM_PATH, url=random_path(outer.url))]
    return found
