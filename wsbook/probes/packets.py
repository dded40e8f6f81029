"""Do large packets arrive? Requests and messages of growing size, each on a connection of its own. It must not judge who drops them.

What was sent and is never acknowledged shows in the kernel's own counters on Linux, long before a timeout; what is lost on the way back
shows as silence only. A control of a few hundred bytes runs beside them, so that a peer that is merely slow is not taken for a hole.
"""

import asyncio
import base64
import contextlib
import os
import time
from collections.abc import Awaitable
from datetime import UTC, datetime

from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import PacketFacts, PacketTrial
from wsbook.observation import Observation, Reason, Source, not_run, observed
from wsbook.probes.connection import Socket
from wsbook.probes.dial import NoAddress, Reached, dial
from wsbook.probes.endings import how_ended
from wsbook.probes.link import ByteLink, Flight
from wsbook.probes.stopwatch import Stop, Stopwatch
from wsbook.probes.tls import TlsOptions, open_tls
from wsbook.probes.upgrade import open_socket, resolved_request
from wsbook.wire.answer import AnswerReader
from wsbook.wire.handshake import request_headers, write_request

__all__ = ["CONTROL_BYTES", "probe_packets"]

CONTROL_BYTES = 500
"""Below every MTU that IPv4 and IPv6 allow in practice (576, 1280)."""
_LARGEST_REQUEST, _LARGEST_MESSAGE = 6_000, 65_536
"""A request of several segments below the limit of common servers (8 KiB), and a message of many."""
_BETWEEN = (1_200, 1_300, 1_372, 1_400, 1_432, 1_452, 1_473, 1_500, 2_900, 4_096)
"""Around the payloads of usual MTUs: 1280, 1400 and 1420 of tunnels, 1492 of PPPoE, 1500 of Ethernet."""
_PADDING = "X-Wsbook-Padding"
_CLOSE_FRAME = b"\x88\x82\0\0\0\0\x03\xe8"
"""1000, masked with zeros (RFC 6455 section 5.3 asks for a mask that intermediaries cannot guess, and here is nothing to guess)."""
_LEAVE_S = 0.2
_SETUP_S = 1.5
_READ_BYTES = 4_096
_LOST_AFTER = 1
"""Segments sent again from which on what is unacknowledged counts as lost."""


def _told(trial: PacketTrial, before: Flight | None, after: Flight | None) -> PacketTrial:
    """Return the trial with the kernel's numbers; what got no answer is stalled, or lost when they say so."""
    if before is None or after is None:
        return replace(trial, outcome=trial.outcome or "stalled")
    again = after.retransmits - before.retransmits
    fate = "lost" if after.unacked > 0 and again >= _LOST_AFTER else "stalled"
    return replace(
        trial,
        outcome=trial.outcome or fate,
        unacked=after.unacked,
        retransmits=again,
        mss_bytes=after.mss_bytes,
        path_mtu_bytes=after.path_mtu_bytes,
        out_of_order=None if after.out_of_order is None else after.out_of_order - (before.out_of_order or 0),
    )


def _padded(attempt: Attempt, size: int) -> bytes:
    """Return the upgrade request, filled up with a header of no meaning to at least so many bytes."""
    key = base64.b64encode(os.urandom(16)).decode()
    resource, resolved = resolved_request(attempt, request_headers(attempt, key))
    missing = size - len(write_request("GET", resource, resolved)) - len(f"{_PADDING}: \r\n")
    return write_request("GET", resource, [*resolved, (_PADDING, "x" * missing)] if missing > 0 else resolved)


async def _link(attempt: Attempt, watch: Stopwatch) -> ByteLink | PacketTrial:
    """Return the connection, inside TLS where the URL says so; a TLS handshake that got no answer is a trial itself."""
    inner = await dial(watch, Reached(), attempt)
    if not attempt.endpoint.secure:
        return inner
    name = attempt.endpoint.host if attempt.server_name is None else attempt.server_name
    before = inner.flight()
    try:
        return (await open_tls(inner, TlsOptions(server_name=name, verify=False, alpn=attempt.alpn), watch.left_s))[0]
    except BaseException as error:
        silent = isinstance(error, Stop) and error.failure.reason is Reason.TIMEOUT
        trial = _told(PacketTrial(what="TLS handshake", size_bytes=0, outcome=""), before, inner.flight())
        inner.abort()
        if silent:
            return trial
        raise


async def _answer(link: ByteLink, patience_s: float) -> tuple[str, bool]:
    """Return (answered, refused when the connection ended instead, "" when nothing came; whether a WebSocket was opened)."""
    reader, end = AnswerReader(), time.perf_counter() + patience_s
    try:
        while not reader.complete and not reader.garbage:
            data = await link.recv(_READ_BYTES, max(0.0, end - time.perf_counter()))
            if not data:
                break
            reader.feed(data)
    except TimeoutError:
        return ("answered" if reader.raw else ""), False
    except OSError:
        return "refused", False
    return ("answered" if reader.raw else "refused"), reader.complete and reader.answer().status == 101


async def _try_request(attempt: Attempt, size: int, patience_s: float) -> PacketTrial | None:
    """Send one request; None when the connection could not be made, which is another question."""
    watch = Stopwatch(min(_SETUP_S, attempt.timeout_s))
    try:
        link = await _link(attempt, watch)
    except (Stop, NoAddress, OSError):
        return None
    if isinstance(link, PacketTrial):
        return link
    try:
        request, before, started = _padded(attempt, size), link.flight(), time.perf_counter()
        with contextlib.suppress(OSError):
            await link.send(request, patience_s)
        how, opened = await _answer(link, patience_s)
        took_s = time.perf_counter() - started if how else None
        trial = _told(PacketTrial(what="request", size_bytes=len(request), outcome=how, took_s=took_s), before, link.flight())
        if opened:
            await _take_leave(link)
        return trial
    finally:
        link.close()


async def _take_leave(link: ByteLink) -> None:
    """Close a WebSocket that was opened only to see that it opens: a close frame, and the peer's answer for a moment."""
    with contextlib.suppress(OSError):
        await link.send(_CLOSE_FRAME, _LEAVE_S)
        while await link.recv(_READ_BYTES, _LEAVE_S):
            continue


async def _comes_back(socket: Socket, text: str, patience_s: float) -> str:
    """Return answered when the message comes back, refused when the socket ends, "" when neither happens.

    A pong to a ping that is sent long after the message counts as well: nothing passes on a connection behind what was lost on it.
    """
    end = time.perf_counter() + patience_s
    if how := await _awaits(socket, text, patience_s / 2):
        return how
    pong = await socket.ping(max(0.0, end - time.perf_counter()))
    return "refused" if socket.ended != "open" else "answered" if pong is not None else ""


async def _awaits(socket: Socket, text: str, seconds: float) -> str:
    end = time.perf_counter() + seconds
    while (left_s := end - time.perf_counter()) > 0:
        if await socket.receive(left_s) == text:
            return "answered"
        if socket.ended != "open":
            return "refused"
    return ""


async def _try_message(attempt: Attempt, size: int, patience_s: float, step: str) -> PacketTrial | None:
    """Send one text message; None when there was no socket for it."""
    quick = replace(attempt, timeout_s=min(_SETUP_S, attempt.timeout_s))
    socket = (await open_socket(quick, step=step))[1]
    if socket is None:
        return None
    try:
        text = (os.urandom(8).hex() * (size // 16 + 1))[:size]
        before, started = socket.flight(), time.perf_counter()
        sending = asyncio.create_task(socket.send(text))
        how = await _comes_back(socket, text, patience_s)
        took_s = time.perf_counter() - started if how else None
        detail = how_ended(socket) if how == "refused" else ""
        trial = _told(PacketTrial(what="message", size_bytes=size, outcome=how, took_s=took_s, detail=detail), before, socket.flight())
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        if how == "answered":
            await socket.close(timeout_s=0.2)
        return trial
    finally:
        socket.abort()


async def _together(trials: list[Awaitable[PacketTrial | None]]) -> list[PacketTrial]:
    return [trial for trial in await asyncio.gather(*trials) if trial is not None]


def _kinds(echoes: bool) -> dict[str, int]:
    """Return what is sent and the largest size of it; messages only to a peer that is known to send them back."""
    return {"request": _LARGEST_REQUEST} | ({"message": _LARGEST_MESSAGE} if echoes else {})


async def probe_packets(attempt: Attempt, *, step: str, echoes: bool, patience_s: float) -> Observation:
    """Send a small and a large request, and messages where the peer echoes; where a large one gets no answer, the sizes between.

    patience_s: how long an answer may take; the whole takes at most twice that and what the connections need. NOT_RUN when no
    connection could be made.

    Raises:
        UsageError: a secret reference of the attempt names nothing.
    """
    bare = replace(attempt, extensions=(), first_message_s=0.0)
    source = Source(step=step, probe="packets", hop=attempt.hop)
    started, moment = time.perf_counter(), datetime.now(UTC)

    def one(what: str, size: int) -> Awaitable[PacketTrial | None]:
        return _try_request(bare, size, patience_s) if what == "request" else _try_message(bare, size, patience_s, step)

    kinds = _kinds(echoes)
    seen = await _together([one(what, size) for what, largest in kinds.items() for size in (CONTROL_BYTES, largest)])
    if not seen:
        return not_run(source, Reason.SKIPPED, "no large packets were sent: no connection to the endpoint could be made")
    silent = {trial.what for trial in seen if trial.outcome in ("stalled", "lost") and trial.size_bytes > CONTROL_BYTES * 2}
    seen += await _together([one(what, size) for what in kinds if what in silent for size in _BETWEEN])
    ordered = sorted(seen, key=lambda trial: (trial.what == "message", trial.size_bytes))
    facts = PacketFacts(url=attempt.endpoint.url, trials=tuple(ordered), patience_s=patience_s)
    return observed(source, facts, duration_s=time.perf_counter() - started, observed_at=moment)
