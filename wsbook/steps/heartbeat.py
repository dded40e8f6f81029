"""Step 3.4: how long silence is allowed to last, whose limit it is, and who notices a peer that is gone."""

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.errors import UnreadableInputError
from wsbook.facts import DialectFacts, EchoFacts, IdleFacts, SessionFacts, SignatureFacts
from wsbook.observation import Observation
from wsbook.redact import HIDDEN
from wsbook.rules.restarts import RELOADS
from wsbook.steps.looking import Looking, at_hops, open_attempt, publishing
from wsbook.wire.heartbeats import manner_of
from wsbook.wire.messages import is_subscription

__all__ = ["look_heartbeat", "subscription"]

_PLACES = 4
"""Behind so many hops at most, silence is tried too."""
_BEYOND = 1.05
"""The longest rung against the longest limit that the budget promises to find."""
_LATE = 0.13, 0.3
"""Of the longest rung: when the connections open that tell an age from an instant; two, as reloads may come at equal intervals."""
_TEXT = "wsbook idle"
_WATCHED = frozenset({"browser", "har"})
_FIRST = 12
"""Among so many first frames of a page its subscription is looked for."""


class _Plan(Struct, frozen=True, kw_only=True):
    """What is opened at one place."""

    attempt: Attempt
    rungs_s: tuple[float, ...]
    traffic: tuple[str, ...]
    late_s: tuple[float, ...] = ()


async def look_heartbeat(look: Looking) -> None:
    """Keep connections of every kind open at the endpoint, and silent ones at the places behind it, all at once."""
    from wsbook.probes.half_open import probe_half_open
    from wsbook.probes.idle import connections, probe_idle

    attempt = await open_attempt(look, "3.4")
    if attempt is None:
        return
    dialect, message = _dialect(look), _harmless(look)
    plans = _plans(look, _spoken(look, attempt), message)
    count = sum(connections(plan.rungs_s, plan.traffic, late_s=plan.late_s) for plan in plans)
    look.progress(f"{count + 1} connections at {len(plans)} places, for {plans[0].rungs_s[-1]:g} s", 0.02)
    dead = asyncio.ensure_future(probe_half_open(plans[0].attempt, step="3.4", seconds=plans[0].rungs_s[-1], dialect=dialect))
    seen = await _together(
        dead,
        *(
            probe_idle(
                plan.attempt,
                rungs_s=plan.rungs_s,
                step="3.4",
                traffic=plan.traffic,
                message=message,
                subscribe=subscription(look) or message,
                dialect=dialect,
                late_s=plan.late_s,
                on_progress=look.progress if index == 0 else None,
            )
            for index, plan in enumerate(plans)
        ),
    )
    look.add(*(entry for group in seen for entry in group), dead.result())
    if any(isinstance(entry.facts, IdleFacts) and not entry.facts.survived for group in seen for entry in group):
        await _look_for_reloads(look)


async def _together(dead: asyncio.Future[Observation], *ladders: Coroutine[None, None, list[Observation]]) -> list[list[Observation]]:
    """Wait for every ladder and for the dead connection; whoever fails or is cancelled takes the others along."""
    try:
        found = await asyncio.gather(*ladders)
        await dead
    finally:
        dead.cancel()
    return found


def _plans(look: Looking, attempt: Attempt, message: str) -> list[_Plan]:
    """Return what is opened where. Behind the endpoint less suffices: who owns a limit, and whether traffic saves a connection there."""
    from wsbook.probes.idle import ladder

    longest_s = round(look.budget.idle_s * _BEYOND, 2)
    rungs_s = ladder(longest_s)
    inner_s = rungs_s if look.target.may_burden else (round(longest_s / 3, 2), longest_s)
    listens = ["listen"] if subscription(look) or message else []
    traffic = ("none", *(["client"] if message else []), "ping", "pong", *listens, "mute")
    outer = _Plan(attempt=attempt, rungs_s=rungs_s, traffic=traffic, late_s=tuple(part * longest_s for part in _LATE))
    hops = at_hops(look)[:_PLACES]
    return [outer, *(_plan_of_hop(look, hop, inner_s, message, application=index == 0) for index, hop in enumerate(hops))]


def _plan_of_hop(look: Looking, hop: Attempt, rungs_s: Sequence[float], message: str, *, application: bool) -> _Plan:
    chatty = "client" if message else "ping"
    traffic = ("none", chatty, "mute") if application else ("none", chatty)
    return _Plan(attempt=_spoken(look, hop), rungs_s=tuple(rungs_s), traffic=traffic)


def _asked(look: Looking) -> DialectFacts | None:
    """Return what step 1.3 learnt of the dialect that is spoken at the very endpoint, None when there is none."""
    asked = (facts for seen, facts in look.evidence.of(DialectFacts) if facts.spoken and not seen.source.changed)
    return next((facts for facts in asked if facts.url == look.target.url), None)


def _dialect(look: Looking) -> str:
    asked = _asked(look)
    return asked.dialect if asked else ""


def _spoken(look: Looking, attempt: Attempt) -> Attempt:
    """Return the attempt with the subprotocol that the endpoint was found to speak, where none is given: without it some close at once."""
    asked = _asked(look)
    if asked is None or asked.dialect != "graphql" or attempt.subprotocols or not asked.versions:
        return attempt
    return replace(attempt, subprotocols=asked.versions[:1])


def subscription(look: Looking) -> str:
    """Return what makes the server speak: the message that was given, or the subscription that the page was seen to send; "" none."""
    given = publishing(look.target)[1]
    watched = (facts for seen, facts in look.evidence.of(SessionFacts) if seen.source.probe in _WATCHED and not seen.source.changed)
    sent = (frame for facts in watched for frame in facts.frames[:_FIRST] if frame.direction == "sent")
    whole = (frame.text for frame in sent if frame.text and frame.size_bytes == len(frame.text.encode()))
    return given or next((text for text in whole if is_subscription(text) and HIDDEN not in text), "")


def _harmless(look: Looking) -> str:
    """Return a message that the application is known to take: its dialect's own heartbeat, or any text where it echoes; "" none."""
    asked = _asked(look)
    if asked is not None:
        manner = manner_of(asked.dialect, asked.url)
        return manner.beat + manner.record if manner.beat else ""
    echo = look.evidence.first(EchoFacts)
    return _TEXT if echo is not None and echo[1].echoes else ""


async def _look_for_reloads(look: Looking) -> None:
    """Read the logs again for reloads alone: they may have happened while the ladder stood."""
    from wsbook.parsers.read import read_artifact

    for path in look.target.logs:
        with contextlib.suppress(UnreadableInputError):  # step 1.4 has said so
            found = await asyncio.to_thread(read_artifact, path, step="3.4")
            look.add(*(seen for seen in found if isinstance(seen.facts, SignatureFacts) and seen.facts.signature in RELOADS))
