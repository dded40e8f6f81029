"""Connections that open and end in waves, while the server is watched: what stays when everybody has gone, and what one costs.

A third ends with the closing handshake, a third with a FIN alone, a third with a RST. This module must not know how much is too much.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from itertools import count
from statistics import median

from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import CycleFacts
from wsbook.observation import Failure, Observation, Source, observed
from wsbook.probes.burden import may_burden, refused
from wsbook.probes.endings import close_all, why_not_open
from wsbook.probes.marker import marker, run_marker
from wsbook.probes.publish import Publisher, SocketPublisher, publisher_for
from wsbook.probes.socket import Socket
from wsbook.probes.upgrade import open_socket
from wsbook.probes.watching import Watch, watching
from wsbook.target import Trigger

__all__ = ["MOST_AT_ONCE", "MOST_WAVES", "probe_cycles"]

MOST_AT_ONCE, MOST_WAVES = 100, 60
_OPENING = 8
"""Handshakes under way at the same time."""
_OPEN_S, _CLOSE_S = 3.0, 0.5
_PAUSE_S, _LEFT_S = 1.5, 0.3
_BASELINES, _BASELINE_S = 3, 0.1
_COLD, _EVENTS, _EVENT_S = 2, 6, 0.03
"""Messages that only warm up, and those whose cost is noted, with the time for each."""

Progress = Callable[[str, float], None]


class _Tally:
    """What happened to the connections so far."""

    def __init__(self) -> None:
        self.warm_up = 0
        self.ended = dict.fromkeys(("closed", "hung_up", "broken"), 0)
        self.held = 0
        self.at_once = 0
        self.took_s: list[float] = []
        self.refused = 0
        self.failure: Failure | None = None
        self.after_pause: bool | None = None
        self.after_leaving: bool | None = None

    @property
    def all_ended(self) -> int:
        """Connections that opened and ended, those of the warm-up too."""
        return self.warm_up + sum(self.ended.values())

    def facts(self, watch: Watch) -> CycleFacts:
        return CycleFacts(
            warm_up=self.warm_up,
            **self.ended,
            at_once=self.at_once,
            connect_s=round(median(self.took_s), 6) if self.took_s else 0.0,
            servers=watch.results(),
            refused=self.refused,
            why_refused=self.failure.message if self.failure else "",
            after_pause=self.after_pause,
            after_leaving=self.after_leaving,
            blind=watch.blind,
        )


async def probe_cycles(
    attempt: Attempt,
    *,
    step: str,
    at_once: int,
    waves: int,
    settle_s: float,
    watched: Sequence[Attempt] = (),
    metrics: str = "",
    trigger: Trigger | None = None,
    message: str = "",
    owned: bool = False,
    on_progress: Progress | None = None,
) -> Observation:
    """Open at_once connections and end them, once to warm up and then waves times; read the servers before, between and after.

    watched: other places whose servers are read too. metrics: URL of a server's figures, "" none. trigger, else message on a socket,
    publishes after the warm-up, in the middle and at the end, and the cost is noted; without both nothing is published. settle_s: how
    long the servers may take to notice that everybody has gone. A wave in which connections are refused is the last. At most 100 at once
    and 60 waves.
    """
    source = Source(step=step, probe="cycles", hop=attempt.hop, changed=attempt.changed)
    if not may_burden((attempt,), owned):
        return refused(source, "many connections")
    begin, tally, say = time.perf_counter(), _Tally(), on_progress or (lambda text, fraction: None)
    attempt = replace(attempt, first_message_s=0.0, timeout_s=min(attempt.timeout_s, _OPEN_S))
    size, rounds = max(3, min(at_once, MOST_AT_ONCE)), max(1, min(waves, MOST_WAVES))
    async with AsyncExitStack() as stack:
        watch = await stack.enter_async_context(watching((attempt, *watched), metrics, attempt.ca_file))
        post = await stack.enter_async_context(publisher_for(trigger, "", attempt, step=step, anew=True)) if trigger else None
        for _ in range(_BASELINES):
            await watch.sample(0, 0)
            await asyncio.sleep(_BASELINE_S)
        for number in range(rounds + 1):
            say(f"{size} connections open and end, {number} of {rounds} times", number / (rounds + 1))
            await _wave(attempt, step, size, tally, watch, warm_up=number == 0)
            if tally.refused:
                break
            await watch.settle(tally.all_ended, 0.3 * settle_s)
            if number in (0, (rounds + 1) // 2):
                await _publish(watch, post, attempt, message, step)
        await watch.settle(tally.all_ended, settle_s)
        await _publish(watch, post, attempt, message, step)
        facts = tally.facts(watch)
    failure = tally.failure if not tally.all_ended else None
    return observed(source, facts if tally.all_ended else None, duration_s=time.perf_counter() - begin, failure=failure)


async def _publish(watch: Watch, post: Publisher | None, attempt: Attempt, message: str, step: str) -> None:
    """Note what some messages cost the servers when nobody of ours listens, or only who publishes."""
    socket = (await open_socket(attempt, step=step))[1] if post is None and message else None
    publisher = post or (SocketPublisher(socket, message) if socket else None)
    if publisher is None:
        return
    run, numbers = run_marker(), count()

    async def publish() -> bool:
        return (await publisher.publish(marker(run, next(numbers)))).failure is None

    try:
        for _ in range(_COLD):
            await publish()
        await watch.events(publish, _EVENTS, _EVENT_S)
    finally:
        await close_all([socket] if socket else [])


async def _wave(attempt: Attempt, step: str, size: int, tally: _Tally, watch: Watch, *, warm_up: bool) -> None:
    sockets: list[Socket] = []
    try:
        await _open(attempt, step, size, sockets, tally)
        tally.at_once = max(tally.at_once, len(sockets))
        await watch.sample(tally.all_ended, len(sockets))
        if tally.refused and sockets:
            await _ask_again(attempt, step, sockets, tally)
        await _end(sockets)
    finally:
        await close_all(sockets)
    if warm_up:
        tally.warm_up = len(sockets)
        return
    for place, name in enumerate(tally.ended):
        tally.ended[name] += len(sockets[place::3])


async def _open(attempt: Attempt, step: str, size: int, sockets: list[Socket], tally: _Tally) -> None:
    """Open the connections of one wave, a few at a time; those that are open stand in sockets even when we are cancelled."""
    left = iter(range(size))

    async def some() -> None:
        for _ in left:
            begin = time.perf_counter()
            seen, socket = await open_socket(attempt, step=step)
            if socket is None:
                tally.refused += 1
                tally.failure = tally.failure or why_not_open(seen)
                return
            tally.took_s.append(time.perf_counter() - begin)
            sockets.append(socket)

    await asyncio.gather(*(some() for _ in range(min(_OPENING, size))))


async def _ask_again(attempt: Attempt, step: str, sockets: list[Socket], tally: _Tally) -> None:
    """Try one more after a pause, and one more when one has left: a limit of connections is told from one of their rate."""
    await asyncio.sleep(_PAUSE_S)
    tally.after_pause = await _one_more(attempt, step, sockets)
    if not tally.after_pause:
        await sockets[0].close(1000, "", _CLOSE_S)
        await asyncio.sleep(_LEFT_S)
        tally.after_leaving = await _one_more(attempt, step, sockets)


async def _one_more(attempt: Attempt, step: str, sockets: list[Socket]) -> bool:
    socket = (await open_socket(attempt, step=step))[1]
    sockets += [socket] if socket else []
    return socket is not None


async def _end(sockets: Sequence[Socket]) -> None:
    for socket in sockets[2::3]:
        socket.abort()
    await asyncio.gather(
        *(socket.close(1000, "", _CLOSE_S) for socket in sockets[0::3]),
        *(socket.hang_up() for socket in sockets[1::3]),
    )
