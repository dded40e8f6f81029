"""How an endpoint answers a message: whether it comes back, or goes to everybody. Found out with two connections and one message each.

This module must not know how many messages follow.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.load_plan import LoadPlan
from wsbook.observation import Failure
from wsbook.probes.endings import close_all, why_not_open
from wsbook.probes.marker import insert_marker, marker, run_marker
from wsbook.probes.socket import Socket
from wsbook.probes.upgrade import open_socket
from wsbook.secret import resolve

__all__ = ["PLAIN_TEXT", "Answer", "find_answer"]

PLAIN_TEXT = "{marker} {padding}"
"""What is sent to an endpoint that echoes texts but no binary messages."""
_WAIT_S = 1.0
"""How long an answer may take; a broadcast reaches the others within _OTHERS_S of the first."""
_OTHERS_S, _SUBSCRIBED_S = 0.25, 0.2
_HEADER_BYTES = 24

NOTHING_CAME = (
    "not run: no message came back, neither to its sender nor to another connection, so nothing can be counted; give --send with a text "
    "that the application answers or passes on, and {marker} where the answer repeats it, or --sequence with the place of a number"
)


class Answer(Struct, frozen=True, kw_only=True):
    """How messages come back. answered_by, template: for the plan; answered_by "" when none came, and why. failure: nothing opened."""

    answered_by: str = ""
    template: str = ""
    why: str = ""
    failure: Failure | None = None


async def find_answer(plan: LoadPlan, *, step: str) -> Answer:
    """Send one message, binary, then text, or only the plan's own template, and tell who gets it.

    Binary messages and plain texts are sent where the plan has no template. A plan with the path of a sequence and no template is not
    asked: the server sends by itself. Everything waits a second at most.
    """
    attempt = replace(plan.attempt, first_message_s=0.0)
    if plan.sequence and not plan.template:
        return await _only_open(attempt, step)
    for template in (plan.template,) if plan.template else ("", PLAIN_TEXT):
        answer = await _ask(attempt, plan, template, step)
        if answer.answered_by or answer.failure:
            return answer
    return Answer(answered_by="sequence", template=plan.template) if plan.sequence else Answer(why=NOTHING_CAME)


async def _only_open(attempt: Attempt, step: str) -> Answer:
    seen, socket = await open_socket(attempt, step=step)
    if socket is None:
        return Answer(failure=why_not_open(seen))
    await close_all([socket])
    return Answer(answered_by="sequence")


async def _ask(attempt: Attempt, plan: LoadPlan, template: str, step: str) -> Answer:
    async with AsyncExitStack() as stack:
        sockets: list[Socket] = []
        stack.push_async_callback(close_all, sockets)
        for _ in range(2):
            seen, socket = await open_socket(attempt, step=step)
            if socket is None and not sockets:
                return Answer(failure=why_not_open(seen))
            sockets += [socket] if socket else []
        if plan.subscribe:
            await asyncio.gather(*(socket.send(resolve(plan.subscribe)) for socket in sockets))
            await asyncio.sleep(_SUBSCRIBED_S)
        message, mark = _message(template, plan.size_bytes)
        if not await sockets[0].send(message):
            return Answer()
        own, other = await _who_gets(sockets, mark)
        return Answer(answered_by="broadcast" if other else "echo" if own else "", template=template)


def _message(template: str, size_bytes: int) -> tuple[str | bytes, bytes]:
    """Return one message and what it is known by."""
    if not template:
        data = os.urandom(max(_HEADER_BYTES, min(size_bytes, 1 << 16)))
        return data, data[:_HEADER_BYTES]
    mark = marker(run_marker(), 0)
    text = insert_marker(resolve(template), mark)
    room = max(0, min(size_bytes, 1 << 16) - len(text.encode()) + len("{padding}"))
    return text.replace("{padding}", "x" * room), mark.encode()


async def _who_gets(sockets: Sequence[Socket], mark: bytes) -> tuple[bool, bool]:
    """Return whether the sender gets what carries the mark, and whether the other connection does; then the former is not waited for."""
    own, *others = waits = [asyncio.ensure_future(_gets(socket, mark, _WAIT_S)) for socket in sockets]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if not _got(others):
            await asyncio.wait(others or waits, timeout=_OTHERS_S if _got([own]) else None)
        if not _got(waits):
            await asyncio.wait(waits)
        return _got([own]), _got(others)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


def _got(waits: Sequence[asyncio.Future[bool]]) -> bool:
    return any(wait.done() and wait.result() for wait in waits)


async def _gets(socket: Socket, mark: bytes, wait_s: float) -> bool:
    end = time.perf_counter() + wait_s
    while (data := await socket.receive_before(end)) is not None:
        if mark in (data.encode() if isinstance(data, str) else data):
            return True
    return False
