"""Unusual but legal frames, one at a time: fragments, control frames between them, closing (RFC 6455 sections 5.4, 5.5, 7).

It must not judge, nor know what messages mean: an endpoint that does not echo is asked for its control frames only.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace
from websockets.frames import Opcode

from wsbook.attempt import Attempt
from wsbook.facts import FrameTrial, FramingFacts
from wsbook.observation import Observation, Source, observed
from wsbook.probes.connection import Socket
from wsbook.probes.endings import how_ended, why_no_socket
from wsbook.probes.upgrade import open_socket

__all__ = ["probe_framing"]

_REPLY_S = 1.0
_SLOW = 4.0
"""An answer may take this many times what the whole handshake took."""
_HALF_CLOSED_S = 0.5
_SOON_S = 0.3
_MANY = 50
_LONGEST_CONTROL = 125  # RFC 6455 section 5.5
_OWN_WILL, _PRIVATE = frozenset({1000, 1001, 1008, 1012, 1013}), 3000
"""Codes by which applications close for reasons of their own, and from which on all codes are theirs (RFC 6455 section 7.4)."""

Ask = Callable[[Socket, float], Awaitable[FrameTrial]]


# Messages in fragments


def _pieces(text: bytes, cuts: Sequence[int]) -> list[tuple[int, bytes, bool]]:
    """Return the text as frames, cut before these bytes."""
    edges = [0, *cuts, len(text)]
    last = len(edges) - 2
    return [(Opcode.CONT if i else Opcode.TEXT, text[edges[i] : edges[i + 1]], i == last) for i in range(last + 1)]


def _text(filling: str = "") -> bytes:
    return f"wsbook frames {os.urandom(6).hex()} {filling}".encode()


async def _echo(socket: Socket, text: bytes, wait_s: float) -> tuple[bool, str]:
    """Return whether this text comes back, other messages aside, and what came instead."""
    end, others = time.perf_counter() + wait_s, 0
    while (got := await socket.receive_before(end)) is not None:
        if (got if isinstance(got, bytes) else got.encode()) == text:
            return True, ""
        others += 1
    came = f", {others} other messages did" if others else ""
    return False, f"it did not come back whole within {wait_s:.2f} s{came}" if socket.ended == "open" else how_ended(socket)


def _fragments(name: str, text: bytes, cuts: Sequence[int]) -> Ask:
    """Return the question whether a text in fragments comes back whole."""

    async def ask(socket: Socket, wait_s: float) -> FrameTrial:
        frames, started = _pieces(text, cuts), time.perf_counter()
        await socket.send_frames(frames)
        whole, problem = await _echo(socket, text, wait_s)
        return _trial(socket, name, "5.4", whole, problem or f"{len(frames)} fragments came back whole", time.perf_counter() - started)

    return ask


async def _ping_between(socket: Socket, wait_s: float) -> FrameTrial:
    """Send a ping between two fragments; that its pong waits for the end of the message is only advised against (section 5.5.2)."""
    text = _text("ping")
    frames, started = _pieces(text, [8]), time.perf_counter()
    await socket.send_frames(frames[:1])
    pong = asyncio.create_task(socket.ping(2 * wait_s))
    await asyncio.wait({pong}, timeout=min(_SOON_S, wait_s))
    soon = pong.done()
    await socket.send_frames(frames[1:])
    whole, problem = await _echo(socket, text, wait_s)
    pong_s = await pong
    problem = problem or ("" if pong_s is not None else "the message came back whole, no pong did")
    said = "the pong came before the rest of the message" if soon else "the pong came only after the rest of the message"
    return _trial(socket, "a ping between fragments", "5.4", not problem and whole, problem or said, time.perf_counter() - started)


def _trial(socket: Socket, name: str, section: str, ok: bool, detail: str, rtt_s: float | None = None) -> FrameTrial:
    told = True if ok else None if _left(socket) else False
    return FrameTrial(name=name, section=section, must=True, ok=told, detail=detail, rtt_s=rtt_s, ended=socket.ended != "open")


def _left(socket: Socket) -> bool:
    """Tell whether the application closed the socket by its own will, which says nothing of the frames that it was sent."""
    return (
        socket.ended == "close" and socket.closed_by == "peer" and ((socket.close_code or 0) >= _PRIVATE or socket.close_code in _OWN_WILL)
    )


# Control frames


def _ping(name: str, section: str, content: bytes) -> Ask:
    async def ask(socket: Socket, wait_s: float) -> FrameTrial:
        rtt_s = await socket.ping(wait_s, content)
        silent = f"no pong with these {len(content)} bytes within {wait_s:.2f} s"
        problem = "" if rtt_s is not None else silent if socket.ended == "open" else how_ended(socket)
        return _trial(socket, name, section, not problem, problem or f"a pong with the same {len(content)} bytes", rtt_s)

    return ask


async def _unsolicited_pong(socket: Socket, wait_s: float) -> FrameTrial:
    await socket.send_frames([(Opcode.PONG, b"wsbook", True)])
    rtt_s = await socket.ping(wait_s)
    lost = "no pong to the ping after it" if socket.ended == "open" else how_ended(socket)
    return _trial(socket, "a pong that nobody asked for", "5.5.3", rtt_s is not None, "ignored" if rtt_s is not None else lost, rtt_s)


def _questions(echoes: bool) -> list[Ask]:
    asked: list[Ask] = [
        _ping("a ping without payload", "5.5.2", b""),
        _ping("a ping with the longest payload", "5.5.3", os.urandom(_LONGEST_CONTROL)),
        _unsolicited_pong,
    ]
    if not echoes:
        return asked
    cut = _text("\u00e4\U0001f44b")
    many = _text("fragment " * 10)
    return [
        *asked,
        _fragments("a text in 2 fragments", _text("two"), [8]),
        _fragments("a text in 3 fragments, one of them within a character", cut, [8, len(cut) - 2]),
        _fragments("an empty first fragment", _text("first"), [0]),
        _fragments("an empty last fragment", last := _text("last"), [len(last)]),
        _ping_between,
        _fragments(f"a text in {_MANY} fragments", many, range(1, _MANY)),
    ]


# Endings


async def _close(
    attempt: Attempt, step: str, reply_s: float, name: str, section: str, code: int | None, reason: str = ""
) -> list[FrameTrial]:
    """Return how a close frame of ours is answered, and whether the server then ends TCP first; nothing without a socket."""
    _, socket = await open_socket(attempt, step=step)
    if socket is None:
        return []
    started = socket.now_s
    await socket.close(code, reason, timeout_s=reply_s)
    answered = socket.ended == "close" and socket.closed_by == "us"
    wanted = 1005 if code is None else code
    shown = "without a code" if socket.close_code == 1005 else f"with {socket.close_code} {socket.close_reason}".rstrip()
    detail = f"answered by a close frame {shown}" if answered else how_ended(socket)
    if answered and socket.close_code != wanted:
        detail += f" instead of {wanted if code else 'none'}, which is legal"
    rtt_s = socket.age_s - started if answered else None
    ok = None if not answered and _left(socket) else answered
    closed = FrameTrial(name=name, section=section, must=True, ok=ok, detail=detail, rtt_s=rtt_s, ended=True)
    return [closed, _hang_up(socket)] if answered and reason else [closed]


def _hang_up(socket: Socket) -> FrameTrial:
    """Return whether the server has closed the TCP connection first, after the closing handshake."""
    gone_s = None if socket.hung_up_s is None else max(0.0, socket.hung_up_s - socket.age_s)
    detail = "it did not within 0.2 s" if gone_s is None else "it did"
    name = "the server ends TCP first after closing"
    return FrameTrial(name=name, section="7.1.1", must=False, ok=gone_s is not None, detail=detail, rtt_s=gone_s, ended=True)


async def _half_close(attempt: Attempt, step: str) -> list[FrameTrial]:
    """Return whether a peer notices that our side of TCP has ended without a close frame."""
    _, socket = await open_socket(attempt, step=step)
    if socket is None:
        return []
    socket.finish()
    noticed = await socket.wait_ended(_HALF_CLOSED_S)
    detail = f"it ended its side too ({socket.ended})" if noticed else f"it kept its side open for {_HALF_CLOSED_S:g} s"
    rtt_s = socket.age_s if noticed else None
    socket.abort()
    name = "our FIN without a close frame"
    return [FrameTrial(name=name, section="7.1.7", must=False, ok=noticed, detail=detail, rtt_s=rtt_s, ended=True)]


async def _endings(attempt: Attempt, step: str, reply_s: float, rough: bool) -> list[FrameTrial]:
    tries = [
        _close(attempt, step, reply_s, "close 1000 with a reason", "5.5.1", 1000, "wsbook"),
        _close(attempt, step, reply_s, "a close frame without a code", "5.5.1", None),
    ]
    if rough:
        tries += [_close(attempt, step, reply_s, "close 3000", "7.4.2", 3000), _half_close(attempt, step)]
    return [trial for trials in await asyncio.gather(*tries) for trial in trials]


async def _control(socket: Socket, echoes: bool, wait_s: float) -> bool:
    """Tell whether a peer that has just failed still answers what is usual."""
    if await socket.ping(wait_s) is not None:
        return True
    text = _text("control")
    return echoes and await socket.send(text.decode()) and (await _echo(socket, text, wait_s))[0]


async def _talk(socket: Socket, echoes: bool, reply_s: float, seconds: float) -> list[FrameTrial]:
    """Ask one question after the other, and none after one that ended the connection, silenced the peer or took all the time."""
    end, trials = time.perf_counter() + seconds, list[FrameTrial]()
    for ask in _questions(echoes):
        if time.perf_counter() >= end or socket.ended != "open":
            break
        trial = await ask(socket, reply_s)
        if trial.ok is False and not trial.ended and not await _control(socket, echoes, reply_s):
            trials.append(replace(trial, ok=None, detail=f"{trial.detail}; nor is anything else answered"))
            break
        trials.append(trial)
    return trials


async def probe_framing(attempt: Attempt, *, step: str, echoes: bool, rough: bool = True, seconds: float = 2.0) -> Observation:
    """Send what RFC 6455 allows and few clients send, and see whether the peer copes; without extensions.

    echoes: the endpoint is known to send back what it gets; otherwise no message is sent at all. rough: also endings that many
    handlers report as an error: a code of the 3000s, a FIN without a close frame. seconds: no question but the endings begins later.
    NOT_RUN when the upgrade was not accepted.

    Raises:
        UsageError: as open_socket().
    """
    bare = replace(attempt, extensions=(), first_message_s=0.0)
    source = Source(step=step, probe="framing", hop=attempt.hop, changed=attempt.changed)
    started, moment = time.perf_counter(), datetime.now(UTC)
    seen, socket = await open_socket(bare, step=step)
    if socket is None:
        return why_no_socket(source, seen)
    try:
        reply_s = max(_REPLY_S, _SLOW * seen.duration_s)
        trials = await _talk(socket, echoes, reply_s, seconds)
        ended_by = trials[-1].name if trials and trials[-1].ended else ""
        await socket.close(timeout_s=0.2)
    except BaseException:
        socket.abort()
        raise
    facts = FramingFacts(url=attempt.url, trials=(*trials, *await _endings(bare, step, reply_s, rough)), ended_by=ended_by)
    return observed(source, facts, duration_s=time.perf_counter() - started, stages=seen.stages, observed_at=moment)
