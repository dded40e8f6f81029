"""What a step is, and what every step needs to look."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import Attempt, attempt_for
from wsbook.errors import UnreadableInputError
from wsbook.evidence import Evidence
from wsbook.facts import UpgradeFacts
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.target import Budget, Target

__all__ = ["Looking", "Step", "at_hops", "baseline", "missing", "open_attempt", "publishing", "read", "shorter"]

_VARIANT_S = 3.0
"""Variants need not be waited for as long as the baseline: it has shown how fast the endpoint answers."""


class Looking(Protocol):
    """What a step needs of the investigation that runs it."""

    target: Target
    budget: Budget

    @property
    def evidence(self) -> Evidence:
        """Everything observed so far."""

    def add(self, *observations: Observation) -> None:
        """Keep observations."""

    def progress(self, text: str, fraction: float) -> None:
        """Tell how far a step is, 0..1."""

    async def settled(self, step: str) -> None:
        """Wait until a step that was begun ahead has been looked at: what would disturb it waits here."""


class Step(Struct, frozen=True, kw_only=True):
    """One step: number, title, the question it answers, and the function that looks."""

    number: str
    title: str
    question: str
    look: Callable[[Looking], Awaitable[None]]


def missing(step: str, probe: str, message: str) -> Observation:
    return not_run(Source(step=step, probe=probe), Reason.NOT_GIVEN, message)


def baseline(look: Looking) -> Attempt:
    return attempt_for(look.target, look.budget.attempt_s)


def at_hops(look: Looking) -> list[Attempt]:
    """Return the baseline at each hop, the application first, without the forward proxy."""
    return [replace(baseline(look), url=hop.url, hop=hop.name, via=None) for hop in look.target.hops]


def shorter(variants: Iterable[Attempt]) -> list[Attempt]:
    return [replace(variant, timeout_s=min(variant.timeout_s, _VARIANT_S)) for variant in variants]


async def read(look: Looking, step: str, path: str, parse: Callable[[], list[Observation]]) -> None:
    """Parse a file in a thread and keep what it holds; a file that cannot be read is an observation too."""
    look.progress(f"reading {path}", 0.2)
    try:
        look.add(*await asyncio.to_thread(parse))
    except UnreadableInputError as error:
        source = Source(step=step, probe="read", artifact=path)
        look.add(observed(source, None, failure=Failure(stage="read", reason=Reason.UNREADABLE, message=str(error))))


async def open_attempt(look: Looking, step: str, *, inside: bool = False) -> Attempt | None:
    """Return an attempt that is known to be accepted at the endpoint; None, with the reason noted, when there is none.

    inside: where the endpoint refuses, one that is accepted at a hop, the innermost first: what is asked is the application's own.
    """
    from wsbook.probes.upgrade import probe_upgrade

    if not look.target.url:
        look.add(missing(step, "upgrade", "no endpoint was given; give a ws:// or wss:// URL"))
        return None
    tried = look.evidence.attempts()
    if not tried:
        seen = await probe_upgrade(baseline(look), step=step)
        look.add(seen)
        tried = [(seen, seen.facts)] if isinstance(seen.facts, UpgradeFacts) else []
    if any(facts.accepted for _, facts in tried):
        return baseline(look)
    hop = next((hop for hop in at_hops(look) if _accepts(look, hop)), None) if inside else None
    if hop is not None:
        return hop
    why = "the endpoint does not accept an upgrade (step 1.3), so there is nothing to keep open"
    look.add(not_run(Source(step=step, probe="upgrade"), Reason.SKIPPED, why))
    return None


def _accepts(look: Looking, hop: Attempt) -> bool:
    """Whether the hop's latest answer to the baseline is that it accepts."""
    return any(facts.accepted for _, facts in look.evidence.attempts(hop.hop)[-1:])


def publishing(target: Target) -> tuple[str, str]:
    """Return (text that publishes, text that subscribes): a message without {marker} is what a client sends first."""
    return (target.message, "") if "{marker}" in target.message else ("", target.message)
