"""The echo question over an open WebSocket. It must not know what an application's messages mean.

Socket itself lives in connection.py, because upgrade.py makes sockets and this module asks upgrade.py for one.
"""

import asyncio
import json
import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from wsbook.attempt import Attempt
from wsbook.facts import EchoFacts, EchoTrial
from wsbook.observation import Observation, Source, observed
from wsbook.probes.connection import Socket
from wsbook.probes.endings import how_ended, why_no_socket
from wsbook.probes.upgrade import open_socket

__all__ = ["Socket", "probe_echo"]

_PINGS = 3
_REPLY_S = 1.0
_SIZES = (1, 125, 126, 4_096, 16_384, 65_535, 65_536)
"""Around the limits of the frame header's length forms (RFC 6455 section 5.2), and common buffer sizes."""
_SLOWEST_BYTES_S = 2_000_000
"""A large message may take longer than a small one by its size at this rate."""


def _trials(token: str) -> Iterator[tuple[str, str | bytes]]:
    """Yield (kind, message); the token makes every message but the shortest ones unique."""
    yield "text", f"wsbook echo {token}"
    yield "binary", b"wsbook echo " + token.encode() + bytes(range(256))
    yield "emoji", f"wsbook echo {token} \u00fc \u4e2d \U0001f44b\U0001f3fd"
    yield "combining", f"wsbook echo {token} e\u0301 a\u0323\u0308 \u1112\u1161\u11ab \u05d1\u05b0"
    yield "json", json.dumps({"wsbook": f"echo {token}", "list": [1, 2.5, None, True], "text": '\u00fc \u2028 \\ "', "empty": {}})
    for size in _SIZES:
        yield _filled(token, "binary" if size in (4_096, 65_536) else "text", size)
    yield "empty", ""


def _filled(token: str, kind: str, size: int) -> tuple[str, str | bytes]:
    filling = (f"{token} {size} " * (size // len(token) + 1))[:size]
    return kind, filling.encode() if kind == "binary" else filling


def _bytes(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message


def _difference(sent: str | bytes, got: str | bytes, token: str) -> str:
    """Return how a reply differs from what was sent, "" when it has nothing to do with it."""
    ours, theirs = _bytes(sent), _bytes(got)
    if ours == theirs:
        return f"came back as {'text' if isinstance(got, str) else 'binary'}"
    if not sent or token.encode() not in theirs:
        return ""
    if ours in theirs:
        return f"came back inside a message of {len(theirs)} bytes"
    place = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    return f"{len(theirs)} of {len(ours)} bytes came back, different from byte {place} on"


async def _try(socket: Socket, kind: str, message: str | bytes, token: str, wait_s: float) -> EchoTrial:
    size, started = len(_bytes(message)), time.perf_counter()
    if not await socket.send(message):
        return EchoTrial(kind=kind, size_bytes=size, ok=False, detail=f"not sent: {how_ended(socket)}")
    end, other = started + wait_s, 0
    while (got := await socket.receive_before(end)) is not None:
        if type(got) is type(message) and got == message:
            sent, received = (_on_the_wire(socket, direction, size) for direction in ("sent", "received"))
            rtt_s = time.perf_counter() - started
            return EchoTrial(kind=kind, size_bytes=size, ok=True, rtt_s=rtt_s, sent_wire_bytes=sent, received_wire_bytes=received)
        if difference := _difference(message, got, token):
            return EchoTrial(kind=kind, size_bytes=size, ok=False, rtt_s=time.perf_counter() - started, detail=difference)
        other += 1
    nothing = f"nothing came back within {wait_s:.2f} s" if socket.ended == "open" else f"nothing came back: {how_ended(socket)}"
    return EchoTrial(kind=kind, size_bytes=size, ok=False, detail=nothing + (f", {other} other messages did" if other else ""))


def _on_the_wire(socket: Socket, direction: str, size: int) -> int | None:
    """Return what the newest message of this size took, None when it came in fragments or is not kept."""
    alike = (frame for frame in reversed(socket.frames) if frame.direction == direction and frame.size_bytes == size)
    return next((frame.wire_bytes for frame in alike if frame.opcode in (1, 2)), None)


async def _run_trials(socket: Socket, end: float, binary: bool, sizes: Sequence[int]) -> list[EchoTrial]:
    """Send one message after the other; two without any reply are enough to know that nothing echoes."""
    token, trials = os.urandom(6).hex(), list[EchoTrial]()
    large = (_filled(token, kind, size) for size in sizes for kind in ("text", "binary"))
    for kind, message in large if sizes else _trials(token):
        if isinstance(message, bytes) and not binary:
            continue
        left_s = end - time.perf_counter()
        if left_s <= 0 or socket.ended != "open" or (len(trials) == 2 and all(trial.rtt_s is None for trial in trials)):
            break
        patience_s = _REPLY_S + len(message) / _SLOWEST_BYTES_S
        trials.append(await _try(socket, kind, message, token, min(patience_s, left_s)))
    return trials


async def _run_pings(socket: Socket, end: float) -> tuple[int, list[float]]:
    sent, answered = 0, list[float]()
    for _ in range(_PINGS):
        left_s = end - time.perf_counter()
        if left_s <= 0 or socket.ended != "open" or sent > len(answered):
            break
        sent += 1
        rtt_s = await socket.ping(min(_REPLY_S, left_s))
        answered += [rtt_s] if rtt_s is not None else []
    return sent, answered


async def _ask(socket: Socket, end: float, binary: bool, sizes: Sequence[int]) -> EchoFacts:
    await asyncio.sleep(0)
    sent, rtts = await _run_pings(socket, end - 0.5)
    trials = await _run_trials(socket, end - 0.3, binary, sizes)
    still_open, started = socket.ended == "open", time.perf_counter()
    await socket.close(timeout_s=max(0.1, min(1.0, end - started)))
    answered = still_open and socket.ended == "close" and socket.closed_by == "us"
    echoes = True if any(trial.ok for trial in trials) else False if any(trial.rtt_s is not None for trial in trials) else None
    return EchoFacts(
        url=socket.attempt.url,
        echoes=echoes,
        trials=tuple(trials),
        pings_sent=sent,
        ping_rtts_s=tuple(rtts),
        close_code=socket.close_code if answered else None,
        close_s=max(0.0, socket.age_s - (started - socket.answered)) if answered else None,
    )


async def probe_echo(socket_attempt: Attempt, *, step: str, binary: bool = True, sizes: Sequence[int] = ()) -> Observation:
    """Ask whether the endpoint sends back what it gets, and unharmed; also its pongs and its closing handshake.

    echoes is None when nothing recognisable came back, False when only altered messages did. The whole takes at most
    socket_attempt.timeout_s, and a blink. NOT_RUN when the upgrade was not accepted. binary False sends texts only: handlers that expect
    text raise on anything else. sizes: in bytes; sends texts and binary messages of these instead
    of the usual ones.

    Raises:
        UsageError: as open_socket().
    """
    source = Source(step=step, probe="echo", hop=socket_attempt.hop, changed=socket_attempt.changed)
    started, moment = time.perf_counter(), datetime.now(UTC)
    seen, socket = await open_socket(socket_attempt, step=step)
    if socket is None:
        return why_no_socket(source, seen)
    try:
        facts = await _ask(socket, started + socket_attempt.timeout_s, binary, sizes)
    except BaseException:
        socket.abort()
        raise
    return observed(source, facts, duration_s=time.perf_counter() - started, stages=seen.stages, observed_at=moment)
