"""The idle ladder: how long a silent connection lives, and how it dies.

Every rung is a connection of its own, and all are silent at the same time, so the whole takes as long as the longest. A death that is
seen (FIN, RST or close frame) gives the limit itself; a death without any sign shows only when we speak after the silence. A lived_s
below silence_s therefore was seen when it happened; otherwise it was noticed by our ping, and the true limit lies below it.

This module must not know which hop ended a connection nor which limit is usual: that is judged elsewhere.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.errors import UsageError
from wsbook.facts import IdleFacts
from wsbook.observation import Observation, Source, observed
from wsbook.probes.endings import why_not_open
from wsbook.probes.socket import Socket
from wsbook.probes.upgrade import open_socket

__all__ = ["ladder", "probe_idle"]

PROOF_S = 2.0
"""How long a pong may take before a connection counts as dead."""

_TRAFFIC = ("none", "client", "ping")
_MOST_RUNGS = 16
_CLOSE = 8  # opcode, RFC 6455 section 5.2
_STAGGER_S = 0.02  # opening everything in the same instant meets connection rate limits that are not the question here
Progress = Callable[[str, float], None]


def ladder(longest_s: float) -> tuple[float, ...]:
    """Return rungs in seconds, growing by about a half each, the last exactly longest_s.

    Rungs only bracket a death without a sign; one that is seen gives its own time.
    """
    rungs = [1.0, 2.0, 3.5, 5.0]
    while rungs[-1] < longest_s:
        rungs.append(round(rungs[-1] * 1.5))
    return (*(rung for rung in rungs if rung <= longest_s * 0.85), longest_s)


async def probe_idle(
    attempt: Attempt,
    *,
    rungs_s: Sequence[float],
    step: str,
    traffic: Sequence[str] = ("none",),
    message: str = "",
    on_progress: Progress | None = None,
) -> list[Observation]:
    """Return one observation per rung: how long the connection lived in silence and how it ended.

    traffic: "none" for every rung; "ping" and "client" are chatty controls, one connection each for the longest rung, on which we
    send a ping or the message every second ("client" without a message sends pings too). A rung on which the server speaks after the
    first tenth of the time is not silent and is reported with traffic "server". A rung that did not open has the facts of its upgrade.

    Raises:
        UsageError: no rung, a rung that is not positive, more than 16, or another kind of traffic.
    """
    if not rungs_s or len(rungs_s) > _MOST_RUNGS or min(rungs_s) <= 0:
        raise UsageError(f"the idle ladder needs 1 to {_MOST_RUNGS} rungs, each longer than 0 s")
    if unknown := set(traffic).difference(_TRAFFIC):
        raise UsageError(f"traffic {min(unknown)!r} is not one of {', '.join(_TRAFFIC)}")
    plan = [(rung, kind) for kind in dict.fromkeys(traffic) for rung in (sorted(set(rungs_s)) if kind == "none" else [max(rungs_s)])]
    async with asyncio.TaskGroup() as group:
        ticker = group.create_task(_tell(on_progress, max(rungs_s))) if on_progress else None
        rungs = [group.create_task(_rung(attempt, step, *rung, message, i * _STAGGER_S)) for i, rung in enumerate(plan)]
        found = [await rung for rung in rungs]
        if ticker:
            ticker.cancel()
    return found


async def _tell(on_progress: Progress, longest_s: float) -> None:
    begin = time.monotonic()
    while True:
        passed_s = time.monotonic() - begin
        on_progress(f"waiting in silence, {passed_s:.0f} of {longest_s:g} s", min(1.0, passed_s / longest_s))
        await asyncio.sleep(0.5)


async def _rung(attempt: Attempt, step: str, silence_s: float, traffic: str, message: str, delay_s: float) -> Observation:
    await asyncio.sleep(delay_s)
    begin = time.monotonic()
    seen, socket = await open_socket(replace(attempt, first_message_s=0.0), step=step)
    source = Source(step=step, probe="idle", hop=attempt.hop, changed=attempt.changed)
    if socket is None:
        return observed(source, seen.facts, duration_s=seen.duration_s, failure=why_not_open(seen), stages=seen.stages)
    try:
        facts = await (_silent(socket, silence_s) if traffic == "none" else _chatty(socket, silence_s, traffic, message))
        if facts.survived:
            await socket.close(1000, "", 1.0)
    finally:
        socket.abort()
    return observed(source, facts, duration_s=time.monotonic() - begin, observed_at=seen.observed_at)


async def _silent(socket: Socket, silence_s: float) -> IdleFacts:
    """Say nothing for silence_s, then prove by a ping that the connection still works.

    A server's own pings count as its traffic too: they keep the connection alive like any message.
    """
    answers = await socket.ping(PROOF_S) is not None
    begin = socket.age_s
    while socket.ended == "open" and (left := begin + silence_s - socket.age_s) > 0:
        await socket.receive(left)
    spoke_s = socket.last_received_s if socket.ended == "open" else _last_before_end(socket)
    traffic = "server" if spoke_s - begin > silence_s / 10 else "none"
    if socket.ended == "open":
        return await _prove(socket, silence_s, traffic, answers)
    quiet_from = max(begin, spoke_s) if traffic == "none" else 0.0
    return _facts(socket, silence_s, traffic, survived=False, lived_s=socket.age_s - quiet_from)


def _last_before_end(socket: Socket) -> float:
    """Return the age at which the peer last spoke before its close frame."""
    return max((frame.at_s for frame in socket.frames if frame.direction == "received" and frame.opcode != _CLOSE), default=0.0)


async def _chatty(socket: Socket, silence_s: float, traffic: str, message: str) -> IdleFacts:
    """Send something every second, or four times when the whole is shorter, and read what comes."""
    interval_s = min(1.0, silence_s / 4)
    begin = socket.age_s
    while socket.ended == "open" and (left := begin + silence_s - socket.age_s) > 0:
        if traffic == "client" and message:
            await socket.send(message)
        else:
            await socket.ping(min(PROOF_S, left))
        await _read(socket, min(interval_s, left))
    if socket.ended == "open":
        return await _prove(socket, silence_s, traffic, answers=True)
    return _facts(socket, silence_s, traffic, survived=False, lived_s=socket.age_s)


async def _read(socket: Socket, for_s: float) -> None:
    end = time.monotonic() + for_s
    while socket.ended == "open" and (left := end - time.monotonic()) > 0:
        await socket.receive(left)


async def _prove(socket: Socket, silence_s: float, traffic: str, answers: bool) -> IdleFacts:
    """Ping once; a peer that never answered pings counts as alive as long as the connection shows no end."""
    alive = await socket.ping(PROOF_S) is not None
    survived = alive or (not answers and socket.ended == "open")
    return _facts(socket, silence_s, traffic, survived=survived, lived_s=silence_s if survived else max(silence_s, socket.age_s))


def _facts(socket: Socket, silence_s: float, traffic: str, *, survived: bool, lived_s: float) -> IdleFacts:
    silent_death = not survived and socket.ended == "open"
    return IdleFacts(
        silence_s=silence_s,
        traffic=traffic,
        survived=survived,
        lived_s=max(0.0, lived_s),
        ended="silence" if silent_death else socket.ended,
        close_code=socket.close_code,
        close_reason=socket.close_reason,
    )
