"""Step 2.2: the proxies between the page and the application."""

import asyncio
from functools import partial

from wsbook.steps.looking import Looking, at_hops, baseline, missing, read, shorter
from wsbook.steps.rehearsing import rehearse

__all__ = ["look_proxies"]


async def look_proxies(look: Looking) -> None:
    """Read the proxies' configurations; make the same attempt at every hop."""
    from wsbook.parsers.read import read_artifact
    from wsbook.probes.experiment import hop_variants, next_second
    from wsbook.probes.upgrade import probe_upgrade

    target, endpoint = look.target, look.target.endpoint
    for path in target.configs:
        call = partial(read_artifact, path, step="2.2")
        if endpoint:
            call = partial(call, endpoint_path=endpoint.path, endpoint_host=endpoint.host, endpoint_port=endpoint.port)
        await read(look, "2.2", path, call)
    await rehearse(look, look.evidence.observations)
    if not target.hops:
        message = "no hops were given; give the URLs that reach the application and each proxy directly as hops"
        look.add(missing("2.2", "hops", message))
    if not target.hops or endpoint is None:
        return
    attempts = at_hops(look)
    look.add(*await asyncio.gather(*(probe_upgrade(attempt, step="2.2") for attempt in attempts)))
    if not look.evidence.attempts():
        look.add(await probe_upgrade(baseline(look), step="2.2"))
    if target.logs:
        await next_second()
    variants = shorter(variant for attempt in attempts for variant in hop_variants(attempt, endpoint))
    look.add(*await asyncio.gather(*(probe_upgrade(variant, step="2.2") for variant in variants)))
