"""The matrix of origins: the same upgrade as pages of other origins make it, with and without credentials. It must not judge.

A few attempts at a time, each until the endpoint has said something of its own, or nothing; when the endpoint begins to answer that it is
busy, what is left is not tried.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec.structs import replace

from wsbook import attempt as labels
from wsbook.attempt import Attempt
from wsbook.errors import SecretMissingError
from wsbook.facts import CredentialFacts, UpgradeFacts
from wsbook.observation import Observation, Reason, Source, not_run, observed
from wsbook.probes.connection import Socket
from wsbook.probes.upgrade import open_socket
from wsbook.secret import resolve
from wsbook.wire.credentials import credentials_of, only_ambient, without_credentials
from wsbook.wire.origins import Relative

__all__ = ["host_variant", "look_at_credentials", "origin_variants", "probe_entries", "probe_entry"]

_BUSY = frozenset({429, 503})
_BUSY_ANSWERS = 2
_CLOSE_S = 0.3
_LAST_WORD_S = 0.15
"""A refusal in words is followed by a close; this long it may take."""
_TEXT = 4_096
_ON_THE_WAY = frozenset({"resolve", "tcp", "proxy", "tls"})


def origin_variants(attempt: Attempt, origins: Iterable[Relative], bare: Callable[[Relative], bool] = lambda origin: True) -> list[Attempt]:
    """Return the attempts with each origin, each with all credentials, with those alone that a browser adds, and with none.

    The attempt's own origin comes without credentials as well. bare: which origins are tried without credentials too. Variants with two
    changes come first, so that the last one with a label has that change alone.
    """
    alone: list[Attempt] = []
    reduced: list[Attempt] = []
    for origin in origins:
        variant = attempt.change(origin.label, origin=origin.origin)
        alone.append(variant)
        reduced += _reduced(variant) if bare(origin) else ()
    return [*reduced, *alone, *_reduced(attempt)]


def _reduced(attempt: Attempt) -> Iterator[Attempt]:
    """Yield the variants with fewer credentials."""
    none, ambient = without_credentials(attempt, labels.NO_CREDENTIALS), only_ambient(attempt, labels.ONLY_AMBIENT)
    if none is not None:
        yield none
        if ambient is not None and replace(ambient, changed=()) != replace(none, changed=()):
            yield ambient


def host_variant(attempt: Attempt, authority: str) -> Attempt:
    """Return the attempt at a hop with the public Host; the attempt itself where that is its Host already."""
    if attempt.endpoint.authority == authority:
        return attempt
    return attempt.change(labels.THE_ENDPOINTS_HOST, host_header=authority)


def look_at_credentials(attempt: Attempt, *, step: str) -> Observation:
    """Return what was given to prove oneself with, without dialling."""
    source = Source(step=step, probe="credentials", hop=attempt.hop)
    try:
        plain = replace(
            attempt,
            url=resolve(attempt.url),
            headers=tuple((name, resolve(value)) for name, value in attempt.headers),
            subprotocols=tuple(map(resolve, attempt.subprotocols)),
        )
    except SecretMissingError as error:
        return not_run(source, Reason.NOT_GIVEN, str(error))
    shown = attempt.endpoint.url.partition("?")[0]
    return observed(source, CredentialFacts(url=shown, credentials=credentials_of(plain), at=time.time()))


async def probe_entry(attempt: Attempt, *, step: str) -> Observation:
    """Try the upgrade once and listen for attempt.first_message_s to what an accepted one says or how it ends, then close.

    Raises:
        UsageError: as open_socket().
    """
    seen, socket = await open_socket(attempt, step=step)
    if socket is None or not isinstance(seen.facts, UpgradeFacts):
        return seen
    try:
        message = await socket.receive(attempt.first_message_s)
        if message is not None:
            await socket.wait_ended(_LAST_WORD_S)
        return replace(seen, facts=_heard(seen.facts, socket, message))
    finally:
        await socket.close(timeout_s=_CLOSE_S)


def _heard(facts: UpgradeFacts, socket: Socket, message: str | bytes | None) -> UpgradeFacts:
    """Return the facts with the first message and how the socket stands."""
    text = f"binary, {len(message)} bytes: {message[:32].hex(' ')}" if isinstance(message, bytes) else message
    ended = "" if socket.ended == "open" else socket.ended
    return replace(
        facts,
        first_message=text[:_TEXT] if text is not None else None,
        ended=ended,
        close_code=socket.close_code if ended else None,
        close_reason=socket.close_reason if ended else "",
    )


async def probe_entries(
    attempts: Sequence[Attempt],
    *,
    step: str,
    probe: str = "upgrade",
    together: int = 4,
    on_progress: Callable[[str, float], None] = lambda text, fraction: None,
) -> list[Observation]:
    """Return what became of each attempt, in their order; one observation more says what was left out and why.

    probe: the name in the source of each observation that has changes; those without are upgrades like any other.
    together: how many run side by side.

    Raises:
        UsageError: as open_socket().
    """
    gate = asyncio.Semaphore(together)
    busy: list[int] = []
    lost: list[str] = []
    done: list[Attempt] = []

    async def run(attempt: Attempt) -> Observation | None:
        async with gate:
            if len(busy) >= _BUSY_ANSWERS or lost:
                return None
            seen = await probe_entry(attempt, step=step)
        seen = replace(seen, source=replace(seen.source, probe=probe)) if attempt.changed else seen
        if isinstance(seen.facts, UpgradeFacts) and seen.facts.status in _BUSY:
            busy.append(seen.facts.status or 0)
        if seen.failure is not None and seen.failure.stage in _ON_THE_WAY:
            lost.append(seen.failure.message)
        done.append(attempt)
        on_progress(f"{len(done)} of {len(attempts)} upgrades with other Origins", len(done) / max(1, len(attempts)))
        return seen

    tasks = [asyncio.create_task(run(attempt)) for attempt in attempts]
    try:
        found = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    left = [attempt for attempt, seen in zip(attempts, found, strict=True) if seen is None]
    made = [seen for seen in found if seen is not None]
    return [*made, _left_out(left, busy, lost, step)] if left else made


def _left_out(left: Sequence[Attempt], busy: Sequence[int], lost: Sequence[str], step: str) -> Observation:
    why = f"the endpoint began to answer {busy[0]}" if busy else f"no more connections were made: {lost[0]}"
    source = Source(step=step, probe="upgrade", hop=left[0].hop)
    return not_run(source, Reason.SKIPPED, f"{len(left)} upgrades with other Origins were not tried: {why}")
