"""The same upgrade at every address of the endpoint's name, each by itself. It must not judge which of them is wrong."""

import asyncio
from itertools import zip_longest

from wsbook.attempt import ONE_ADDRESS, Attempt, Family
from wsbook.facts import UpgradeFacts
from wsbook.observation import Observation
from wsbook.probes.names import Address, is_address, look_up
from wsbook.probes.upgrade import probe_upgrade

__all__ = ["at_every_address", "probe_addresses"]

_LIMIT = 8


def _choose(addresses: tuple[Address, ...], limit: int) -> list[Address]:
    """Return at most so many addresses, the families in turn, so that many of one do not hide the other."""
    families = [[one for one in addresses if one.family is family] for family in (Family.IPV6, Family.IPV4)]
    return [one for pair in zip_longest(*families) for one in pair if one is not None][:limit]


def at_every_address(attempt: Attempt, addresses: tuple[Address, ...], limit: int = _LIMIT) -> list[Attempt]:
    """Return the attempt at each address; none when there is only one, for then the baseline has tried it."""
    chosen = _choose(addresses, limit)
    return [attempt.change(f"{ONE_ADDRESS}{one.address}", address=one.address) for one in chosen] if len(chosen) > 1 else []


async def probe_addresses(attempt: Attempt, *, step: str) -> list[Observation]:
    """Resolve the name and try the upgrade at each of its addresses, side by side, at most eight.

    Addresses that fail where others work are tried a second time, so that one lost packet condemns nobody: the last one counts.
    Nothing is tried when the URL has an address, when a forward proxy resolves the name, or when there is one address only.

    Raises:
        UsageError: as probe_upgrade().
    """
    endpoint = attempt.endpoint
    if attempt.via or attempt.address is not None or is_address(endpoint.host):
        return []
    found = await look_up(endpoint.host, endpoint.port, attempt.timeout_s)
    tried = at_every_address(attempt, found.addresses)
    seen = await asyncio.gather(*(probe_upgrade(one, step=step) for one in tried))
    works = [isinstance(one.facts, UpgradeFacts) and one.facts.accepted for one in seen]
    again = [one for one, good in zip(tried, works, strict=True) if not good] if any(works) else []
    return [*seen, *await asyncio.gather(*(probe_upgrade(one, step=step) for one in again))]
