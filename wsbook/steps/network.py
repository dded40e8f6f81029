"""Step 2.1: is the way to the port open, for every family, through a proxy, and for large packets too?"""

import asyncio
import os
from collections.abc import Awaitable

from wsbook.attempt import NO_PROXY, THE_SAME_AGAIN, THROUGH_PROXY, Attempt
from wsbook.facts import EchoFacts, NameFacts, UpgradeFacts
from wsbook.observation import Observation, Reason, Source, not_run
from wsbook.steps.looking import Looking, baseline, missing, shorter
from wsbook.target import Endpoint

__all__ = ["look_network"]

_STANDARD_PORTS = (80, 443)
_LOOPBACK = ("127.0.0.1", "::1")
_MOST_ADDRESSES = 6
_PORT_S = 3.4
"""A neighbour that does not answer is given up by Linux after three seconds."""
_PROXY_S = 3.0
_LISTEN_S = 0.2
"""Whoever speaks or hangs up before he is asked does so within a moment."""
_PATIENCE = {"quick": 1.4, "standard": 3.0, "thorough": 6.0}
"""How long a large packet may stay unanswered; a lost segment is sent again after 0.2 s and then twice as long each time."""


async def look_network(look: Looking) -> None:
    """Resolve the name, try the ports at each address, ask the forward proxy, send large packets; all at once."""
    from wsbook.probes.network import probe_name
    from wsbook.probes.proxy_variables import observe_proxy_variables

    endpoint = look.target.endpoint
    if endpoint is None:
        look.add(missing("2.1", "network", "no endpoint was given; give a ws:// or wss:// URL"))
        return
    look.add(observe_proxy_variables(look.target.url, os.environ, step="2.1"))
    look.progress("names, ports, proxies and large packets", 0.3)
    name = await probe_name(endpoint.host, step="2.1", timeout_s=look.budget.attempt_s)
    look.add(name)
    parts = await asyncio.gather(
        _look_ports(look, endpoint, name), _look_proxy(look), _look_certificate(look, endpoint), _look_packets(look)
    )
    for part in parts:
        look.add(*part)


# Ports


async def _look_ports(look: Looking, endpoint: Endpoint, name: Observation) -> list[Observation]:
    """Try the endpoint's port, 80 and 443 at each address; for an endpoint on this machine only its own, at the loopback addresses too."""
    from wsbook.probes.ports import is_own_address, probe_port

    found = [address for _, address in name.facts.addresses] if isinstance(name.facts, NameFacts) else []
    addresses = _both_families(found)
    timeout_s = min(_PORT_S, look.budget.attempt_s)
    here = endpoint.is_loopback or (bool(addresses) and all(map(is_own_address, addresses)))
    ports = [endpoint.port] if here else sorted({endpoint.port, *_STANDARD_PORTS})
    tries: list[Awaitable[Observation]] = [
        probe_port(endpoint.host, address, port, step="2.1", timeout_s=timeout_s, listen_s=_LISTEN_S if port == endpoint.port else 0.0)
        for address in addresses
        for port in ports
    ]
    elsewhere = [address for address in _LOOPBACK if here and address not in addresses]
    tries += [probe_port("this machine", address, endpoint.port, step="2.1", timeout_s=timeout_s) for address in elsewhere]
    return list(await asyncio.gather(*tries))


def _both_families(addresses: list[str]) -> list[str]:
    """Return at most so many addresses, and some of each family where there are both."""
    six = [address for address in addresses if ":" in address]
    four = [address for address in addresses if ":" not in address]
    half = _MOST_ADDRESSES // 2
    return [*four[: max(half, _MOST_ADDRESSES - len(six))], *six[: max(half, _MOST_ADDRESSES - len(four))]]


# Forward proxy


async def _look_proxy(look: Looking) -> list[Observation]:
    """Ask the proxy that was given, else the one that the environment names, and make the upgrade with and without it."""
    from wsbook.probes.forward_proxy import probe_forward_proxy
    from wsbook.probes.proxy_variables import proxy_from

    variable, via = ("", look.target.forward_proxy) if look.target.forward_proxy else proxy_from(look.target.url, os.environ)
    if not via:
        return [missing("2.1", "forward-proxy", "no forward proxy is given, and the environment names none for this URL")]
    first = baseline(look)
    timeout_s = min(_PROXY_S, look.budget.attempt_s)
    asked = probe_forward_proxy(first, via, variable=variable, step="2.1", timeout_s=timeout_s)
    return list(await asyncio.gather(asked, *_both_ways(first, via)))


def _both_ways(first: Attempt, via: str) -> list[Awaitable[Observation]]:
    """Return the upgrade through the proxy and without it, the one thing that differs; none through a proxy that is not spoken to."""
    from wsbook.probes.upgrade import probe_upgrade

    ways = [first.change(NO_PROXY, via=None)]
    if via.partition("://")[0].lower() in ("http", "https") or "env:" in via:
        ways.append(first.change(THROUGH_PROXY, via=via))
    return [probe_upgrade(way, step="2.1") for way in shorter(ways)]


# Certificate


async def _look_certificate(look: Looking, endpoint: Endpoint) -> list[Observation]:
    """Make the upgrade once more when the direct test has not been made, to see who signs what clients get."""
    from wsbook.probes.upgrade import probe_upgrade

    if not endpoint.secure or look.evidence.attempts(step="1.3"):
        return []
    return [await probe_upgrade(one.change(THE_SAME_AGAIN), step="2.1") for one in shorter([baseline(look)])]


# Large packets


async def _look_packets(look: Looking) -> list[Observation]:
    """Send large packets where the direct test has connected, or was not made; where nothing connects there is nothing to send on."""
    from wsbook.probes.packets import probe_packets

    tried = look.evidence.attempts(step="1.3")
    if tried and tried[-1][0].failure is not None and tried[-1][0].failure.stage in ("resolve", "tcp", "proxy"):
        why = "no large packets were sent: the endpoint is not reached (step 1.3)"
        return [not_run(Source(step="2.1", probe="packets", hop="endpoint"), Reason.SKIPPED, why)]
    echoes = any(facts.echoes for seen, facts in look.evidence.of(EchoFacts) if seen.source.hop in ("endpoint", ""))
    opens = any(isinstance(facts, UpgradeFacts) and facts.accepted for _, facts in tried)
    usual_s = max((stage.duration_s for seen, _ in tried for stage in seen.stages if stage.name == "upgrade" and stage.ok), default=0.0)
    patience_s = min(_PATIENCE[look.budget.name] + 1.5 * usual_s, look.budget.attempt_s)
    return [await probe_packets(baseline(look), step="2.1", echoes=echoes and opens, patience_s=patience_s)]
