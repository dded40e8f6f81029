"""The largest message that a peer takes: doubling, then bisecting. It must not judge a limit, nor know whose it is.

A message counts as taken when it comes back, or when a ping sent after it is answered: frames are read in order.
"""

import asyncio
import os
import time
from datetime import UTC, datetime

from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import SizeFacts, SizeTrial
from wsbook.observation import Observation, Source, observed
from wsbook.probes.connection import Socket
from wsbook.probes.endings import why_no_socket
from wsbook.probes.upgrade import open_socket

__all__ = ["GRAIN_BYTES", "probe_size"]

GRAIN_BYTES = 1_024
_FIRST_BYTES = 1_024
_PATIENCE_S = 1.0
_SLOWEST_BYTES_S = 4_000_000
_SETTLE_S = 0.02
"""A peer that refuses a message may do so a moment after it has answered a ping that was read along with it."""


class _Search:
    """Between the largest size that was taken and the smallest that was refused; opens a new socket after each refusal."""

    def __init__(self, attempt: Attempt, socket: Socket, step: str, limit: int, end: float) -> None:
        self.attempt, self.socket, self.step, self.limit, self.end = attempt, socket, step, limit, end
        self.trials: list[SizeTrial] = []
        self.accepted = 0
        self.refused: int | None = None
        self.refused_by: Socket | None = None

    @property
    def left_s(self) -> float:
        return self.end - time.perf_counter()

    async def ready(self) -> bool:
        """Have an open socket and time to use it; a peer that opens no more sockets ends the search."""
        if self.left_s <= 0:
            return False
        if self.socket.ended == "open":
            return True
        _, socket = await open_socket(self.attempt, step=self.step)
        if socket is None:
            return False
        socket.allow(self.limit)
        self.socket = socket
        return True

    async def try_size(self, size: int) -> bool:
        """Send one message and keep what became of it; True when it was taken, or the time did not suffice to tell."""
        started, wait_s = time.perf_counter(), min(_PATIENCE_S + size / _SLOWEST_BYTES_S, self.left_s)
        text = (os.urandom(4).hex() * (size // 8 + 1))[:size]
        await self.socket.send(text)
        how = await _fate(self.socket, text, wait_s)
        rtt_s = time.perf_counter() - started
        if how == "silence" and self.left_s <= 0:
            return True
        taken = how in ("echo", "pong")
        self.trials.append(SizeTrial(size_bytes=size, accepted=taken, how=how, rtt_s=rtt_s if taken else None))
        if taken:
            self.accepted = max(self.accepted, size)
        else:
            self.refused, self.refused_by = size, self.socket
            self.socket.abort()
        return taken


async def _fate(socket: Socket, text: str, wait_s: float) -> str:
    """Return echo or pong when the message was taken, else how the connection ended; silence when nothing tells."""
    end = time.perf_counter() + wait_s
    pong = asyncio.create_task(socket.ping(wait_s))
    try:
        while (got := await socket.receive(min(0.01, max(0.0, end - time.perf_counter())))) != text:
            if socket.ended != "open":
                return socket.ended
            if got is None and pong.done():
                answered = pong.result() is not None
                await socket.wait_ended(_SETTLE_S if answered else 0.0)
                return socket.ended if socket.ended != "open" else "pong" if answered else "silence"
        return "echo"
    finally:
        pong.cancel()


async def _search(search: _Search, limit: int) -> bool:
    """Double, then bisect; tell whether the limit is known as closely as it is meant to be."""
    size = min(_FIRST_BYTES, limit)
    while await search.ready():
        if not await search.try_size(size):
            break
        if search.accepted >= limit:
            return True
        size = min(2 * size, limit)
    while search.refused is not None and search.refused - search.accepted > GRAIN_BYTES:
        if not await search.ready():
            return False
        await search.try_size((search.accepted + search.refused) // 2)
    return search.refused is not None


async def probe_size(attempt: Attempt, *, step: str, limit_bytes: int, seconds: float) -> Observation:
    """Return the largest text that the peer takes, up to limit_bytes, known to 1 KiB.

    Without extensions, so that what is sent is what is counted. seconds bounds the whole. NOT_RUN when the upgrade was not accepted.

    Raises:
        UsageError: as open_socket().
    """
    bare = replace(attempt, extensions=(), first_message_s=0.0)
    source = Source(step=step, probe="size", hop=attempt.hop, changed=attempt.changed)
    started, moment = time.perf_counter(), datetime.now(UTC)
    seen, socket = await open_socket(bare, step=step)
    if socket is None:
        return why_no_socket(source, seen)
    search = _Search(bare, socket, step, limit_bytes, started + seconds)
    socket.allow(limit_bytes)
    try:
        complete = await _search(search, limit_bytes)
        await search.socket.close(timeout_s=0.2)
    except BaseException:
        search.socket.abort()
        raise
    by = search.refused_by
    facts = SizeFacts(
        url=attempt.url,
        accepted_bytes=search.accepted,
        limit_bytes=limit_bytes,
        refused_bytes=search.refused,
        how=next((trial.how for trial in reversed(search.trials) if not trial.accepted), ""),
        close_code=by.close_code if by and by.ended == "close" else None,
        close_reason=by.close_reason if by else "",
        complete=complete,
        trials=tuple(search.trials),
    )
    return observed(source, facts, duration_s=time.perf_counter() - started, stages=seen.stages, observed_at=moment)
