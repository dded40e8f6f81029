"""What step 1.3 asks of a socket that opened: unusual frames, large messages, compression."""

import asyncio

from wsbook.attempt import Attempt
from wsbook.facts import SizeFacts
from wsbook.observation import Observation, Reason, Source, not_run
from wsbook.steps.looking import Looking, at_hops

__all__ = ["look_messages"]

_MIB = 1 << 20
_LARGEST = {"quick": _MIB, "standard": 16 * _MIB, "thorough": 16 * _MIB}
_ECHOED = (_MIB, 4 * _MIB)
_SECONDS = {"quick": 1.0, "standard": 10.0, "thorough": 30.0}
"""For the largest message, at each place."""


async def look_messages(look: Looking, attempt: Attempt, *, echoes: bool) -> None:
    """Ask an endpoint that accepts upgrades what its sockets carry, all at once.

    echoes: it sends back what it gets, so messages of ours do it no harm; one that does not is sent none but control frames.
    """
    from wsbook.probes.compression import probe_compression
    from wsbook.probes.experiment import next_second
    from wsbook.probes.framing import probe_framing
    from wsbook.probes.socket import probe_echo

    if look.target.logs:
        await next_second()
    look.progress("fragments, control frames, compression and the largest message", 0.8)
    quick = look.budget.name == "quick"
    seen = await asyncio.gather(
        probe_framing(attempt, step="1.3", echoes=echoes, rough=not quick, seconds=1.0 if quick else 5.0),
        probe_compression(attempt, step="1.3", echoes=echoes, seconds=0.4 if quick else 2.0),
        _look_sizes(look, attempt, echoes),
    )
    look.add(*seen[:2], *seen[2])
    largest = seen[2][0].facts
    sizes = [size for size in _ECHOED if isinstance(largest, SizeFacts) and size <= largest.accepted_bytes]
    if sizes and not quick:
        look.add(await probe_echo(attempt, step="1.3", sizes=sizes))


async def _look_sizes(look: Looking, attempt: Attempt, echoes: bool) -> list[Observation]:
    """Find the largest message at the endpoint and, where it is refused, at every hop behind it."""
    from wsbook.probes.sizes import probe_size

    if not echoes:
        why = "the endpoint does not echo, so large messages would reach an application that does not expect them"
        return [not_run(Source(step="1.3", probe="size", hop=attempt.hop), Reason.SKIPPED, why)]
    limit = _LARGEST[look.budget.name] if look.target.may_burden else _MIB
    seconds = _SECONDS[look.budget.name]
    first = await probe_size(attempt, step="1.3", limit_bytes=limit, seconds=seconds)
    if not isinstance(first.facts, SizeFacts) or first.facts.refused_bytes is None:
        return [first]
    inner = [probe_size(hop, step="1.3", limit_bytes=limit, seconds=seconds) for hop in at_hops(look)]
    return [first, *await asyncio.gather(*inner)]
