"""Phase 2: what steps 2.1 and 2.2 look at."""

import asyncio
from functools import partial

from wsbook.facts import NameFacts
from wsbook.steps.hops import look_hops
from wsbook.steps.looking import Looking, missing, read

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

    endpoint = look.target.endpoint
    for path in look.target.configs:
        served = endpoint.path if endpoint else ""
        await read(look, "2.2", path, partial(read_artifact, path, endpoint_path=served, step="2.2"))
    await look_hops(look)
