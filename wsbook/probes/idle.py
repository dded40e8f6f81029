"""The idle ladder: how long a connection lives in silence and under traffic of each direction, and how it dies.

All connections stand at the same time, so the whole takes as long as the longest rung. A death that is seen (FIN, RST or close frame)
gives the limit itself, whichever rung it meets; a death without any sign shows only when we speak after the silence, and lies between two
rungs. Short rungs share a connection, one after the other, so that few connections bracket it.

This module must not know which hop ended a connection nor which limit is usual: that is judged elsewhere.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.errors import UsageError
from wsbook.facts import IdleFacts
from wsbook.observation import Observation, Source, observed
from wsbook.probes.connection import Socket
from wsbook.probes.endings import why_not_open
from wsbook.probes.keeping import Keeping, usual_gap
from wsbook.probes.upgrade import open_socket

__all__ = ["connections", "ladder", "packed", "probe_idle"]

PROOF_S = 2.0
"""How long a pong may take before a connection counts as dead."""

_SILENT = "none"
_LISTEN = "listen"
_TRAFFIC = (_SILENT, "client", "ping", "pong", _LISTEN, "mute")
_MOST_RUNGS = 24
_RATIO = 1.45
"""Between neighbouring rungs: how well a death without a sign is known."""
_CLOSE, _PONG = 8, 10  # opcodes, RFC 6455 section 5.2
_STAGGER_S = 0.03  # opening everything in the same instant meets connection rate limits that are not the question here
_MORE = 0.25
"""A silence that was disturbed in this first part of it begins anew."""
_SPOKEN = 1 / 3
"""Where no silence reached this part of what was planned, the peer speaks by itself."""
_CLOSER = 4
"""So many silences more are tried between two rungs."""
_LATE = 1.05
"""From this part of what was planned on a silence has its real length."""
_FASTEST_S, _SLOWEST_S = 0.1, 1.0
Progress = Callable[[str, float], None]


class _Plan(Struct, frozen=True, kw_only=True):
    """One connection: the silences that it tries one after the other, or the kind of its traffic; all end when the ladder does."""

    traffic: str
    silences_s: tuple[float, ...]
    delay_s: float = 0.0
    order: int = 0


class _Board:
    """What the silent rungs of a ladder have shown so far. unsigned: set when one died without a sign."""

    def __init__(self) -> None:
        self.rungs: list[IdleFacts] = []
        self.unsigned = asyncio.Event()

    def note(self, facts: IdleFacts) -> None:
        """Add one rung."""
        self.rungs.append(facts)
        if facts.traffic == _SILENT and not facts.survived and facts.lived_s >= facts.silence_s:
            self.unsigned.set()

    def bracket(self) -> tuple[float, float]:
        """Return between which silences the limit lies."""
        high_s = min(facts.silence_s for facts in self.rungs if facts.traffic == _SILENT and not facts.survived)
        return max((facts.lived_s for facts in self.rungs if facts.survived and facts.lived_s < high_s), default=0.0), high_s


class _Asked(Struct, frozen=True, kw_only=True):
    """What is the same for every connection of a ladder."""

    attempt: Attempt
    step: str
    message: str
    subscribe: str
    dialect: str
    board: _Board


def ladder(longest_s: float) -> tuple[float, ...]:
    """Return rungs in seconds, the last exactly longest_s; they only bracket a death without a sign."""
    rungs = [1.0]
    while rungs[-1] < longest_s:
        rungs.append(round(rungs[-1] * _RATIO, 1))
    return (*(rung for rung in rungs if rung <= longest_s * 0.85), longest_s)


def packed(rungs_s: Sequence[float]) -> list[tuple[float, ...]]:
    """Return which rungs share a connection, in rising order each; none takes longer than the longest rung, which is alone."""
    longest_s = max(rungs_s)
    shares: list[list[float]] = []
    for rung in sorted(set(rungs_s), reverse=True):
        free = next((share for share in shares if sum(share) + rung <= 0.97 * longest_s), None)
        if free is None:
            shares.append([rung])
        else:
            free.insert(0, rung)
    return [tuple(share) for share in shares]


def connections(rungs_s: Sequence[float], traffic: Sequence[str], *, late_s: Sequence[float] = ()) -> int:
    """Return how many connections a ladder opens."""
    return len(_plans(rungs_s, traffic, late_s))


def _plans(rungs_s: Sequence[float], traffic: Sequence[str], late_s: Sequence[float]) -> list[_Plan]:
    longest_s = max(rungs_s)
    found = [_Plan(traffic=_SILENT, silences_s=share) for share in packed(rungs_s)] if _SILENT in traffic else []
    busy = [kind for kind in dict.fromkeys(traffic) if kind != _SILENT]
    found += [_Plan(traffic=kind, silences_s=(longest_s,)) for kind in busy]
    chatty = next((kind for kind in busy if kind in ("client", "ping")), "")
    found += [_Plan(traffic=chatty, silences_s=(longest_s - delay_s,), delay_s=delay_s) for delay_s in late_s if chatty]
    return [replace(plan, order=order) for order, plan in enumerate(found)]


async def probe_idle(
    attempt: Attempt,
    *,
    rungs_s: Sequence[float],
    step: str,
    traffic: Sequence[str] = (_SILENT,),
    message: str = "",
    subscribe: str = "",
    dialect: str = "",
    late_s: Sequence[float] = (),
    on_progress: Progress | None = None,
) -> list[Observation]:
    """Return one observation per rung, how the connection lived and ended, and one of the peer's heartbeats.

    traffic: kinds as IdleFacts has them: "none" tries every rung in silence, and four silences more where a death without a sign leaves
    time to know it better; of the others there is one connection each, for the longest rung. "client" sends the message, "ping" pings,
    "pong" pongs, forty times in the longest rung or every second; "listen" says subscribe once and then nothing. "mute" answers no
    heartbeat, and gives an observation of the peer's heartbeats alone. late_s: one more chatty connection is opened after each of these.
    message: "" sends pings instead. dialect: what the endpoint speaks, "" learns it from its first message. Connections that did not open
    have the facts of their upgrade. The whole takes as long as the longest rung and two seconds, a quarter more where the peer disturbed
    the silence or a death without a sign is tried again.

    Raises:
        UsageError: no rung, a rung that is not positive, more than 24, or another kind of traffic.
    """
    if not rungs_s or len(rungs_s) > _MOST_RUNGS or min(rungs_s) <= 0:
        raise UsageError(f"the idle ladder needs 1 to {_MOST_RUNGS} rungs, each longer than 0 s")
    if unknown := set(traffic).difference(_TRAFFIC):
        raise UsageError(f"traffic {min(unknown)!r} is not one of {', '.join(_TRAFFIC)}")
    asked = _Asked(
        attempt=replace(attempt, first_message_s=0.0), step=step, message=message, subscribe=subscribe, dialect=dialect, board=_Board()
    )
    plans = _plans(rungs_s, traffic, late_s)
    async with asyncio.TaskGroup() as group:
        ticker = group.create_task(_tell(on_progress, sorted(rungs_s), len(plans))) if on_progress else None
        closer = group.create_task(_refine(asked, (1 + _MORE) * max(rungs_s)))
        tasks = [group.create_task(_run(asked, plan)) for plan in plans]
        found = [await task for task in tasks]
        if asked.board.unsigned.is_set():
            found.append(await closer)
        for task in (closer, ticker):
            if task:
                task.cancel()
    return sorted((seen for some in found for seen in some), key=_order)


async def _refine(asked: _Asked, within_s: float) -> list[Observation]:
    """Try silences between the two rungs that bracket a death without a sign, as soon as it is known and while there is time."""
    begin = time.monotonic()
    await asked.board.unsigned.wait()
    low_s, high_s = asked.board.bracket()
    if begin + within_s - time.monotonic() < high_s:
        return []
    silences = (low_s + (high_s - low_s) * part / (_CLOSER + 1) for part in range(1, _CLOSER + 1))
    plans = [_Plan(traffic=_SILENT, silences_s=(silence_s,), order=order) for order, silence_s in enumerate(silences, start=1)]
    return [seen for some in await asyncio.gather(*(_run(asked, plan) for plan in plans)) for seen in some]


def _order(seen: Observation) -> tuple[int, float, float]:
    """Silent rungs first, by length; then the others in the order of their kinds, heartbeats last."""
    facts = seen.facts
    if not isinstance(facts, IdleFacts):
        return len(_TRAFFIC), 0.0, 0.0
    silent = facts.traffic in (_SILENT, "server")
    return (0 if silent else _TRAFFIC.index(facts.traffic)), facts.delay_s, facts.silence_s


async def _tell(on_progress: Progress, rungs_s: Sequence[float], count: int) -> None:
    begin, longest_s = time.monotonic(), rungs_s[-1]
    while True:
        passed_s = time.monotonic() - begin
        coming = next((rung for rung in rungs_s if rung > passed_s), longest_s)
        words = f"{count} connections, {passed_s:.0f} of {longest_s:g} s; the next rung is {coming:g} s"
        on_progress(words, min(1.0, passed_s / longest_s))
        await asyncio.sleep(0.5)


@asynccontextmanager
async def _opened(asked: _Asked, source: Source) -> AsyncIterator[tuple[Socket | None, Observation]]:
    """Open one connection; yield (None, why) when it does not open. However it is left, nothing stays open."""
    seen, socket = await open_socket(asked.attempt, step=asked.step)
    if socket is None:
        failure = why_not_open(seen)
        yield None, observed(source, seen.facts, duration_s=seen.duration_s, failure=failure, stages=seen.stages)
        return
    try:
        yield socket, seen
        if socket.ended == "open":
            await socket.close(1000, "", 1.0)
    finally:
        socket.abort()


async def _run(asked: _Asked, plan: _Plan) -> list[Observation]:
    await asyncio.sleep(plan.delay_s + plan.order * _STAGGER_S)
    source = Source(step=asked.step, probe="idle", hop=asked.attempt.hop, changed=asked.attempt.changed)
    async with _opened(asked, source) as (socket, seen):
        if socket is None:
            return [seen]
        keeping = Keeping(socket, asked.dialect, answers=plan.traffic != "mute")
        run = _Rungs(asked, plan, keeping)
        facts = [(run.begun[index], one) for index, one in enumerate(await run.all())]
        found = [_observed(source, socket, begun_s, one) for begun_s, one in facts]
        heard = plan.traffic == "mute" or (plan.traffic == _SILENT and plan.order == 0)
        beats = replace(source, probe="heartbeat")
        return [*found, *([observed(beats, keeping.facts(), duration_s=socket.age_s, observed_at=seen.observed_at)] if heard else [])]


def _observed(source: Source, socket: Socket, begun_s: float, facts: IdleFacts) -> Observation:
    """Return one rung, stamped with its own beginning."""
    moment = datetime.now(UTC) - timedelta(seconds=socket.now_s - begun_s)
    return observed(source, facts, duration_s=max(0.0, (facts.age_s or 0.0) - begun_s), observed_at=moment)


class _Rungs:
    """What one connection goes through. begun: the age at which each of its rungs began."""

    def __init__(self, asked: _Asked, plan: _Plan, keeping: Keeping) -> None:
        self.asked, self.plan, self.keeping = asked, plan, keeping
        self.socket = keeping.socket
        self.begun: list[float] = []
        self._pongs = False

    async def all(self) -> list[IdleFacts]:
        """Go through every rung; a connection that ended tries no more."""
        await self.keeping.greet()
        if self.plan.traffic == "mute":
            await self.keeping.read(self.plan.silences_s[0])
            return []
        self._pongs = await self.socket.ping(PROOF_S) is not None
        if self.plan.traffic != _SILENT:
            return [await self._busy(self.plan.silences_s[0])]
        found: list[IdleFacts] = []
        for silence_s in self.plan.silences_s:
            if found and not found[-1].survived:
                break
            found.append(await self._silent(silence_s))
            self.asked.board.note(found[-1])
        return found

    async def _silent(self, silence_s: float) -> IdleFacts:
        """Say nothing for silence_s, then prove by a ping that the connection still works.

        A server's own pings count as its traffic too: they keep the connection alive like any message.
        """
        socket, begun = self.socket, max(self.socket.last_received_s, self.socket.last_sent_s)  # a busy machine comes here late
        self.begun.append(begun)
        await self.keeping.read(silence_s)
        spoke_s = self._last(begun)
        if begun < spoke_s <= begun + _MORE * silence_s:
            await self.keeping.read(spoke_s + silence_s - socket.now_s)
        quiet_s = self._quiet(begun)
        if socket.ended != "open":
            return self._died_silent(silence_s, begun, quiet_s)
        survived = await self._alive()
        reached_s = quiet_s if quiet_s < silence_s or quiet_s > _LATE * silence_s else silence_s  # a busy machine may speak late
        if quiet_s < _SPOKEN * silence_s:
            return self._facts(silence_s, "server", survived=survived, lived_s=silence_s, quiet_s=quiet_s)
        return self._facts(reached_s, _SILENT, survived=survived, lived_s=reached_s, quiet_s=quiet_s)

    def _died_silent(self, silence_s: float, begun: float, quiet_s: float) -> IdleFacts:
        """Judge whether silence ended it: then no earlier silence was longer than the last."""
        last_s = self.socket.age_s - self._last(begun)
        earlier_s = self._quiet(begun, last=False)
        if last_s >= 0.95 * earlier_s:
            return self._facts(silence_s, _SILENT, survived=False, lived_s=last_s, quiet_s=earlier_s)
        return self._facts(silence_s, "server", survived=False, lived_s=self.socket.age_s, quiet_s=quiet_s)

    async def _busy(self, for_s: float) -> IdleFacts:
        """Send something again and again, or make the peer speak, and read what comes; then prove that the connection still works."""
        socket, kind = self.socket, self.plan.traffic
        interval_s = min(_SLOWEST_S, max(_FASTEST_S, for_s / 40))
        self.begun.append(socket.now_s)
        if kind == _LISTEN and self.asked.subscribe:
            await socket.send(self.asked.subscribe)
        end = socket.now_s + for_s
        while socket.ended == "open" and (left := end - socket.now_s) > 0:
            await self._send(kind, min(PROOF_S, left))
            await self.keeping.read(left if kind == _LISTEN else min(interval_s, left))
        survived = socket.ended == "open" and await self._alive()
        return self._facts(
            for_s,
            kind,
            survived=survived,
            lived_s=for_s if survived else socket.age_s,
            quiet_s=self._quiet(self.begun[0], last=False),
            interval_s=None if kind == _LISTEN else interval_s,
        )

    async def _send(self, kind: str, patience_s: float) -> None:
        if kind == "client" and self.asked.message:
            await self.socket.send(self.asked.message)
        elif kind in ("client", "ping"):
            await self.socket.ping(patience_s)
        elif kind == "pong":
            await self.socket.send_frames([(_PONG, b"", True)])

    async def _alive(self) -> bool:
        """Ping once; a peer that never answered pings counts as alive as long as the connection shows no end."""
        alive = await self.socket.ping(PROOF_S) is not None
        return alive or (not self._pongs and self.socket.ended == "open")

    def _times(self, begun: float, *, received: bool = False) -> list[float]:
        """Return when bytes came or went since begun, close frames left out."""
        frames = (frame for frame in self.socket.frames if frame.opcode != _CLOSE and frame.at_s >= begun)
        return [frame.at_s for frame in frames if not received or frame.direction == "received"]

    def _last(self, begun: float) -> float:
        return max(begun, self.socket.last_received_s, self.socket.last_sent_s)

    def _quiet(self, begun: float, *, last: bool = True) -> float:
        """Return the longest silence since begun; last: the one up to now, or to the end, counts too."""
        times = sorted([begun, *self._times(begun), self._last(begun), *([self.socket.age_s] if last else [])])
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    def _facts(
        self, silence_s: float, traffic: str, *, survived: bool, lived_s: float, quiet_s: float, interval_s: float | None = None
    ) -> IdleFacts:
        socket = self.socket
        unsigned = not survived and socket.ended == "open"
        received = self._times(self.begun[-1], received=True)
        return IdleFacts(
            silence_s=silence_s,
            traffic=traffic,
            survived=survived,
            lived_s=max(0.0, lived_s),
            ended="silence" if unsigned else socket.ended,
            close_code=socket.close_code,
            close_reason=socket.close_reason,
            age_s=socket.age_s,
            quiet_s=quiet_s,
            interval_s=interval_s,
            sent_quiet_s=max(0.0, socket.age_s - socket.last_sent_s),
            received_quiet_s=max(0.0, socket.age_s - socket.last_received_s),
            peer_every_s=usual_gap(received) if traffic in (_SILENT, "server", _LISTEN) else None,
            delay_s=self.plan.delay_s,
        )
