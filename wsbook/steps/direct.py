"""What step 1.3 asks of a socket that opened: unusual frames, large messages, compression."""

import asyncio
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import CompressionFacts, EchoFacts, EndpointFacts, SizeFacts
from wsbook.observation import Observation, Reason, Source, not_run
from wsbook.steps.looking import Looking, at_hops

if TYPE_CHECKING:
    from wsbook.wire.dialects.detect import Clue

__all__ = ["look_dialects", "look_messages"]

_MIB = 1 << 20
_LARGEST = {"quick": _MIB, "standard": 16 * _MIB, "thorough": 64 * _MIB}
_ECHOED = (_MIB, 4 * _MIB)
_SECONDS = {"quick": 1.0, "standard": 10.0, "thorough": 30.0}
"""For the largest message, at each place."""


async def look_messages(look: Looking, attempt: Attempt, echo: Observation) -> None:
    """Ask an endpoint that accepts upgrades what its sockets carry, all at once.

    echo: what it does with messages of ours. One that does not send them back is sent none but control frames; one whose connection
    the very first text has ended is sent that once more, with and without compression.
    """
    from wsbook.probes.experiment import next_second
    from wsbook.probes.framing import probe_framing
    from wsbook.probes.socket import probe_echo

    facts = echo.facts if isinstance(echo.facts, EchoFacts) else None
    echoes = facts is not None and bool(facts.echoes)
    died = facts is not None and len(facts.trials) == 1 and "ended" in facts.trials[0].detail
    if look.target.logs:
        await next_second()
    look.progress("fragments, control frames, compression and the largest message", 0.8)
    quick = look.budget.name == "quick"
    seen = await asyncio.gather(
        probe_framing(attempt, step="1.3", echoes=echoes, rough=not quick, seconds=1.0 if quick else 5.0),
        _look_compression(look, attempt, 3 if echoes else 1 if died else 0),
        _look_sizes(look, attempt, echoes),
    )
    look.add(seen[0], *seen[1], *seen[2])
    largest = seen[2][0].facts
    sizes = [size for size in _ECHOED if isinstance(largest, SizeFacts) and size <= largest.accepted_bytes]
    if sizes and not quick:
        look.add(await probe_echo(attempt, step="1.3", sizes=sizes))


async def _look_compression(look: Looking, attempt: Attempt, messages: int) -> list[Observation]:
    """Compare with and without compression at the endpoint and, where the compressed socket ends, at every hop behind it."""
    from wsbook.probes.compression import probe_compression

    seconds = 0.4 if look.budget.name == "quick" else 2.0
    first = await probe_compression(attempt, step="1.3", messages=messages, seconds=seconds)
    if not isinstance(first.facts, CompressionFacts) or first.facts.compressed.ended == "open":
        return [first]
    inner = [probe_compression(hop, step="1.3", messages=messages, seconds=seconds) for hop in at_hops(look)]
    return [first, *await asyncio.gather(*inner)]


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


_CLUES = {"quick": 2, "standard": 4, "thorough": 8}
_DIALECT_SECONDS = {"quick": 1.5, "standard": 6.0, "thorough": 40.0}
_PAIRS = {"quick": 6, "standard": 12, "thorough": 24}


async def look_dialects(look: Looking, attempt: Attempt) -> None:
    """Ask an endpoint that gives HTTP answers as a client of each dialect that it, or its client, seems to speak."""
    from wsbook.probes.dialects import probe_dialect

    if not any(facts.status is not None for _, facts in look.evidence.attempts(step="1.3")):
        return
    clues = _clues(look, attempt)[: _CLUES[look.budget.name]]
    if not clues:
        return
    look.progress(f"as a client of {', '.join(clue.dialect for clue, _ in clues)}", 0.9)
    seconds, pairs = _DIALECT_SECONDS[look.budget.name], _PAIRS[look.budget.name]
    look.add(*await asyncio.gather(*(probe_dialect(tried, clue, step="1.3", pairs=pairs, seconds=seconds) for clue, tried in clues)))


def _clues(look: Looking, attempt: Attempt) -> "list[tuple[Clue, Attempt]]":
    """Return each dialect with the attempt at the path where its client dials, as far as source says."""
    from wsbook.wire.dialects.detect import recognise

    tried = [facts for _, facts in look.evidence.attempts(step="1.3")]
    dialled = {facts.library: facts for _, facts in look.evidence.of(EndpointFacts) if facts.side == "frontend" and facts.library}
    found = recognise(
        attempt.endpoint.resource,
        subprotocols=attempt.subprotocols,
        first_message=next((facts.first_message for facts in tried if facts.first_message), None),
        body=next((facts.body for facts in tried if recognise("", body=facts.body)), ""),
        libraries=dialled,
    )
    return [(clue, _at_path(attempt, dialled, clue)) for clue in found]


def _at_path(attempt: Attempt, dialled: dict[str, EndpointFacts], clue: "Clue") -> Attempt:
    """Return the attempt at the path that the client library of a clue dials, where source tells it."""
    from wsbook.wire.dialects.detect import recognise

    for library, facts in dialled.items():
        speaks = clue.basis == "asked" and any(one.dialect == clue.dialect for one in recognise("", libraries=[library]))
        if speaks and facts.path and facts.path.startswith("/"):
            return replace(attempt, url=f"{attempt.endpoint.scheme}://{attempt.endpoint.authority}{facts.path}")
    return attempt
