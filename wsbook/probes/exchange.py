"""The request and the answer of one upgrade over an open link, with the kernel's stamps. It must not know how the link was made.

What is known so far stands in a draft, which a failure at any point keeps.
"""

import contextlib
import time

from msgspec import Struct

from wsbook.facts import Check, Headers, TlsFacts, UpgradeFacts
from wsbook.observation import Reason
from wsbook.probes.dial import Reached
from wsbook.probes.link import ByteLink
from wsbook.probes.stopwatch import Stop, Stopwatch, reason_of, shown_time
from wsbook.wire.answer import Answer, AnswerReader, BodyReader, shown_raw
from wsbook.wire.handshake import (
    agreed_subprotocol,
)

__all__ = ["Draft", "Opened", "exchange", "raw_text", "read_body"]

_BODY_S = 1.0
_LATE_S = 0.002
_READ_BYTES = 16_384
_RAW_KEPT = 512


class Draft(Struct, kw_only=True):
    """What is known about the attempt so far; a failure at any point keeps it."""

    url: str
    reached: Reached
    tls: TlsFacts | None = None
    request_headers: Headers = ()
    request_bytes: int | None = None
    answer: Answer | None = None
    checks: tuple[Check, ...] = ()
    accepted: bool = False
    extensions: tuple[str, ...] = ()
    body: str = ""
    body_bytes: int | None = None
    raw: str = ""
    first_message: str | None = None
    second_answer: str = ""
    commands: tuple[tuple[str, str], ...] = ()

    def facts(self) -> UpgradeFacts:
        """Return the facts as they stand."""
        answer = self.answer or Answer()
        return UpgradeFacts(
            url=self.url,
            accepted=self.accepted,
            status=answer.status,
            reason=answer.reason,
            http_version=answer.version,
            peer=self.reached.peer,
            request_headers=self.request_headers,
            request_bytes=self.request_bytes,
            headers=answer.headers,
            body=self.body,
            body_bytes=self.body_bytes,
            raw=self.raw,
            checks=self.checks,
            subprotocol=agreed_subprotocol(answer),
            extensions=self.extensions,
            tls=self.tls,
            proxy_status=self.reached.proxy_status,
            proxy_headers=self.reached.proxy_headers,
            first_message=self.first_message,
            second_answer=self.second_answer,
            commands=self.commands,
        )


class Opened(Struct, kw_only=True):
    """An accepted upgrade: what a Socket needs."""

    link: ByteLink
    rest: bytes
    answered: float


async def _send(link: ByteLink, request: bytes, watch: Stopwatch) -> int:
    """Send the request; a peer that has already gone may have said why, so what it said is still to be read."""
    sent_ns = time.time_ns()
    with contextlib.suppress(ConnectionError):
        sent_ns = await link.send(request, watch.left_s)
    return sent_ns


async def _read_head(link: ByteLink, watch: Stopwatch, reader: AnswerReader) -> tuple[int, bool]:
    """Read until the head is complete; return (CLOCK_REALTIME in ns of its arrival, whether the kernel took it).

    One byte is read first: what else has arrived by then, a first message for one, does not move the stamp.
    """
    reader.feed(await link.recv(1, watch.left_s))
    arrived = link.received_ns, link.stamped
    while reader.raw and not (reader.complete or reader.too_large or reader.garbage):
        data = await link.recv(_READ_BYTES, watch.left_s)
        if not data:
            break
        if link.waited or not arrived[1]:
            arrived = link.received_ns, link.stamped
        reader.feed(data)
    return arrived


def _add_upgrade_stage(watch: Stopwatch, started: float, sent_ns: int, arrived: tuple[int, bool], detail: str) -> float:
    """Add the stage and return the reading of time.perf_counter() at which the answer arrived."""
    now = time.perf_counter()
    duration_s = (arrived[0] - sent_ns) / 1e9
    late_s = (now - started) - duration_s
    if not 0 < duration_s <= now - started:
        duration_s, detail = now - started, f"{detail}; timed beside the calls, the clock was set meanwhile"
    elif not arrived[1]:
        detail = f"{detail}; timed beside the calls, the kernel gave no stamp"
    elif late_s > _LATE_S:
        detail = f"{detail}; read {shown_time(late_s)} late, the kernel's stamp counts"
    watch.add("upgrade", started, duration_s, True, detail)
    return started + duration_s


def raw_text(data: bytes) -> str:
    return data[:_RAW_KEPT].decode("latin-1")


def _judge_head(draft: Draft, reader: AnswerReader, spent: float) -> None:
    """Take the answer over, or raise what is wrong with it."""
    raw, shown = bytes(reader.raw), shown_time(spent)
    if not raw and not reader.complete:
        raise Stop("upgrade", Reason.CLOSED, f"the peer closed the connection without an answer to the upgrade, after {shown}")
    draft.answer = reader.answer()
    if reader.complete and draft.answer.status is not None:
        return
    draft.raw = raw_text(raw)
    if reader.too_large:
        raise Stop("upgrade", Reason.TOO_LARGE, f"the head of the answer does not end within {len(raw)} bytes ({shown})")
    if raw[:2] in (b"\x15\x03", b"\x16\x03"):
        raise Stop("upgrade", Reason.MALFORMED, f"the peer answered with a TLS record of {len(raw)} bytes: the port speaks TLS, so use wss")
    if reader.garbage and draft.tls is not None and draft.tls.alpn == "h2":
        raise Stop("upgrade", Reason.MALFORMED, f"the peer chose HTTP/2 by ALPN and does not answer in HTTP/1.1 ({len(raw)} bytes)")
    if reader.garbage:
        raise Stop("upgrade", Reason.MALFORMED, f"the answer is no HTTP: {shown_raw(raw, 60)!r} ({len(raw)} bytes after {shown})")
    raise Stop("upgrade", Reason.CLOSED, f"the peer closed the connection in the middle of its answer, after {len(raw)} bytes and {shown}")


async def _drain(link: ByteLink, reader: AnswerReader) -> None:
    """Keep a little more of an answer that is no HTTP: its first words tell who speaks."""
    with contextlib.suppress(OSError):
        while len(reader.raw) < 512:
            data = await link.recv(512, 0.1)
            if not data:
                return
            reader.feed(data)


async def exchange(watch: Stopwatch, draft: Draft, request: bytes, link: ByteLink) -> Opened:
    """Send the request and read the head of the answer; the stage upgrade is added."""
    reader, started = AnswerReader(), time.perf_counter()
    try:
        sent_ns = await _send(link, request, watch)
        arrived = await _read_head(link, watch, reader)
        if reader.garbage:
            await _drain(link, reader)
        _judge_head(draft, reader, time.perf_counter() - started)
    except (OSError, Stop) as error:
        spent = time.perf_counter() - started
        stop = error if isinstance(error, Stop) else _broken(error, reader, spent)
        draft.raw, draft.answer = draft.raw or raw_text(bytes(reader.raw)), reader.answer()
        watch.add("upgrade", started, spent, False, stop.failure.message)
        raise stop from None
    assert draft.answer is not None
    detail = "; ".join((f"{draft.answer.status} {draft.answer.reason}".strip(), *draft.answer.defects))
    answered = _add_upgrade_stage(watch, started, sent_ns, arrived, detail)
    return Opened(link=link, rest=reader.rest, answered=answered)


def _broken(error: OSError, reader: AnswerReader, spent: float) -> Stop:
    got = f"only {len(reader.raw)} bytes of an answer" if reader.raw else "no answer to the upgrade"
    reason = reason_of(error)
    if reason is Reason.TIMEOUT:
        return Stop("upgrade", reason, f"{got} came within {shown_time(spent)}")
    what = f"TLS failed ({str(error)[:120]})" if reason is Reason.TLS_ALERT else "the peer reset the connection"
    return Stop("upgrade", reason, f"{what} {shown_time(spent)} after the upgrade was sent; {got} came")


async def read_body(watch: Stopwatch, draft: Draft, answer: Answer, opened: Opened) -> None:
    """Read the body of a refusal: at most 64 KiB, at most a second, never beyond the budget."""
    body = BodyReader(answer)
    body.feed(opened.rest)
    end = time.perf_counter() + min(_BODY_S, watch.left_s)
    with contextlib.suppress(OSError):
        while not body.complete:
            data = await opened.link.recv(_READ_BYTES, max(0.0, end - time.perf_counter()))
            if not data:
                break
            body.feed(data)
    draft.body, draft.body_bytes = body.text(), body.received_bytes
