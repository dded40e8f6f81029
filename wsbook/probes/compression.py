"""The same texts with and without permessage-deflate (RFC 7692), side by side, and what they take on the wire. It must not judge."""

import asyncio
import time
from datetime import UTC, datetime

from msgspec.structs import replace

from wsbook.attempt import NO_EXTENSIONS, Attempt
from wsbook.facts import CompressionFacts, Frame, Stream, UpgradeFacts
from wsbook.observation import Observation, Reason, Source, not_run, observed
from wsbook.probes.connection import Socket
from wsbook.probes.endings import why_no_socket
from wsbook.probes.upgrade import open_socket
from wsbook.wire.handshake import deflate_parameters

__all__ = ["probe_compression"]

_OPCODES = (0, 1, 2)
_CLOSE_S = 0.3
_REPLY_S = 0.5


def _texts(token: str) -> list[str]:
    """Return texts that deflate shortens not at all, much, and much again, where a kept context shortens more."""
    prices = ",".join(f'{{"symbol":"AB{n % 7}","price":{n}.25,"change":0.5}}' for n in range(40))
    return [f"wsbook {token}", *[f'{{"wsbook":"{token}","prices":[{prices}]}}'] * 2]


def _count(frames: list[Frame], direction: str) -> tuple[int, int, int]:
    """Return (messages begun, payload, payload on the wire) of the data frames of one direction."""
    data = [frame for frame in frames if frame.direction == direction and frame.opcode in _OPCODES]
    return sum(frame.opcode != 0 for frame in data), sum(f.size_bytes for f in data), sum(f.wire_bytes or 0 for f in data)


async def _exchange(socket: Socket, texts: list[str], seconds: float) -> int:
    """Send the texts one by one and listen to the end; return how many something came back for."""
    end, answered = time.perf_counter() + seconds, 0
    for text in texts:
        if not await socket.send(text):
            return answered
        left_s = end - time.perf_counter()
        answered += await socket.receive(max(0.0, min(_REPLY_S, left_s))) is not None
    if not answered or not texts:
        await socket.wait_ended(max(0.0, end - time.perf_counter()))
    return answered


async def _stream(attempt: Attempt, step: str, texts: list[str], seconds: float) -> tuple[Observation, Stream | None]:
    seen, socket = await open_socket(attempt, step=step)
    if socket is None:
        return seen, None
    try:
        answered = await _exchange(socket, texts, seconds)
        how = (socket.ended, socket.closed_by, socket.close_code, socket.error_text)
        await socket.close(timeout_s=_CLOSE_S)
    except BaseException:
        socket.abort()
        raise
    _, sent_bytes, sent_wire_bytes = _count(socket.frames, "sent")
    received, received_bytes, received_wire_bytes = _count(socket.frames, "received")
    return seen, Stream(
        agreed=", ".join(seen.facts.extensions) if isinstance(seen.facts, UpgradeFacts) else "",
        answered=answered,
        sent_bytes=sent_bytes,
        sent_wire_bytes=sent_wire_bytes,
        received=received,
        received_bytes=received_bytes,
        received_wire_bytes=received_wire_bytes,
        ended=how[0],
        closed_by=how[1],
        close_code=how[2],
        error_text=how[3],
    )


async def probe_compression(attempt: Attempt, *, step: str, messages: int, seconds: float = 0.5) -> Observation:
    """Open two sockets, one of which offers no extensions; send both the same texts and listen for at most seconds to each.

    messages: how many texts to send, at most three, the first one short; 0 only listens. How a socket ended is told as it stood
    before our own close. NOT_RUN when the attempt offers no permessage-deflate or the compressed socket did not open.

    Raises:
        UsageError: as open_socket().
    """
    source = Source(step=step, probe="compression", hop=attempt.hop, changed=attempt.changed)
    offered = next((offer for offer in attempt.extensions if offer.partition(";")[0].strip().lower() == "permessage-deflate"), "")
    if not offered:
        return not_run(source, Reason.SKIPPED, "the attempt offers no permessage-deflate")
    started, moment = time.perf_counter(), datetime.now(UTC)
    texts = _texts(f"{time.time_ns():x}")[:messages]
    plain = attempt.change(NO_EXTENSIONS, extensions=())
    (seen, compressed), (_, bare) = await asyncio.gather(
        *(_stream(replace(one, first_message_s=0.0), step, texts, seconds) for one in (attempt, plain))
    )
    if compressed is None:
        return why_no_socket(source, seen)
    agreed = deflate_parameters(compressed.agreed)
    facts = CompressionFacts(
        url=attempt.url,
        offered=offered,
        compressed=compressed,
        plain=bare,
        server_max_window_bits=agreed.get("server_max_window_bits"),
        client_max_window_bits=agreed.get("client_max_window_bits"),
        server_no_context_takeover="server_no_context_takeover" in agreed,
        client_no_context_takeover="client_no_context_takeover" in agreed,
    )
    return observed(source, facts, duration_s=time.perf_counter() - started, stages=seen.stages, observed_at=moment)
