"""Phase 2: what steps 2.1 and 2.2 look at."""

import asyncio
from functools import partial

from wsbook.facts import NameFacts
from wsbook.steps.looking import Looking, at_hops, baseline, missing, read, shorter
from wsbook.steps.rehearsing import rehearse

__all__ = ["look_network", "look_proxies"]


async def look_network(look: Looking) -> None:
    """Resolve the name, try the ports at each address, and look for proxy variables."""
    import os

    from wsbook.probes.network import observe_proxy_variables, probe_name, probe_port

    endpoint = look.target.endpoint
    if endpoint is None:
        look.add(missing("2.1", "network", "no endpoint was given; give a ws:// or wss:// URL"))
        return
    look.add(observe_proxy_variables(look.target.url, os.environ, step="2.1"))
    name = await probe_name(endpoint.host, step="2.1", timeout_s=look.budget.attempt_s)
    look.add(name)
    addresses = [address for _, address in name.facts.addresses[:4]] if isinstance(name.facts, NameFacts) else []
    ports = [endpoint.port] if endpoint.is_loopback else sorted({endpoint.port, 80, 443})
    timeout_s = min(3.0, look.budget.attempt_s)
    tries = [probe_port(endpoint.host, address, port, step="2.1", timeout_s=timeout_s) for address in addresses for port in ports]
    look.add(*await asyncio.gather(*tries))


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
