"""One upgrade attempt, from the name to the first message. It must not judge: facts and checks only.

No retries, no redirects, no hidden pings, no proxy variables of the environment: what the attempt says, once.
"""

import asyncio
import base64
import contextlib
import os
import time
import traceback
from datetime import UTC, datetime
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from wsbook import secret
from wsbook.attempt import Attempt
from wsbook.equivalents import commands
from wsbook.errors import UsageError, WsbookError
from wsbook.facts import Check, Headers, TlsFacts, UpgradeFacts
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.connection import Socket
from wsbook.probes.dial import NoAddress, Reached, dial
from wsbook.probes.link import ByteLink
from wsbook.probes.stopwatch import Stop, Stopwatch, reason_of, shown_time
from wsbook.probes.tls import CertificateStop, NotTlsStop, TlsOptions, describe_refusal, open_tls, sent_name
from wsbook.wire.answer import Answer, AnswerReader, BodyReader, shown_raw
from wsbook.wire.handshake import (
    URL_CREDENTIALS,
    agreed_extensions,
    agreed_subprotocol,
    check_answer,
    is_accepted,
    request_headers,
    request_target,
    write_request,
)

__all__ = ["open_socket", "probe_upgrade", "resolved_request"]

_BODY_S = 1.0
_CLOSE_S = 0.5
_LATE_S = 0.002
_FIRST_MESSAGE_LIMIT = 4_096
_READ_BYTES = 16_384
_RAW_KEPT = 512


class _Draft(Struct, kw_only=True):
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
            commands=self.commands,
        )


class _Opened(Struct, kw_only=True):
    """An accepted upgrade: what a Socket needs."""

    link: ByteLink
    rest: bytes
    answered: float


# TLS


def _tls_options(attempt: Attempt) -> TlsOptions:
    name = attempt.endpoint.host if attempt.server_name is None else attempt.server_name
    return TlsOptions(server_name=name, verify=attempt.verify, ca_file=attempt.ca_file, alpn=attempt.alpn)


async def _fetch_certificate(watch: Stopwatch, draft: _Draft, attempt: Attempt, stop: CertificateStop) -> None:
    """Connect once more without verification, only to see the certificate that was refused."""
    options = _tls_options(attempt)
    facts = TlsFacts(server_name=sent_name(options.server_name))
    scratch = Stopwatch(watch.left_s)
    same = attempt if attempt.via else replace(attempt, address=draft.reached.address)
    with contextlib.suppress(Stop, OSError, NoAddress):
        inner = await dial(scratch, Reached(), same)
        try:
            link, _ = await open_tls(inner, replace(options, verify=False), scratch.left_s)
            facts = link.facts(facts.server_name, verified=False)
        finally:
            inner.close()
    draft.tls = replace(facts, verify_code=stop.code, verify_message=stop.words)


async def _secure(watch: Stopwatch, draft: _Draft, attempt: Attempt, inner: ByteLink) -> ByteLink:
    """Return the link inside TLS and add its stage."""
    options = _tls_options(attempt)
    started = time.perf_counter()
    try:
        link, timing = await open_tls(inner, options, watch.left_s)
    except Stop as stop:
        watch.add("tls", started, time.perf_counter() - started, False, stop.failure.message)
        if isinstance(stop, NotTlsStop):
            draft.raw = _raw_text(stop.raw)
        if isinstance(stop, CertificateStop):
            inner.close()
            await _fetch_certificate(watch, draft, attempt, stop)
            message = describe_refusal(stop, draft.tls, options.server_name or attempt.endpoint.host)
            raise Stop("tls", Reason.CERTIFICATE, message) from None
        raise
    draft.tls = link.facts(sent_name(options.server_name), verified=options.verify)
    detail = ", ".join(filter(None, (draft.tls.version, draft.tls.cipher, draft.tls.alpn and f"ALPN {draft.tls.alpn}")))
    watch.add("tls", timing.started, timing.duration_s, True, detail)
    return link


# The exchange


def resolved_request(attempt: Attempt, headers: Headers) -> tuple[str, list[tuple[str, str]]]:
    """Return (request target, headers) as they go out. Only here do secret references become values.

    Raises:
        SecretMissingError: a reference names nothing.
    """
    endpoint = attempt.endpoint
    credentials = "Basic " + base64.b64encode(unquote(secret.resolve(endpoint.userinfo)).encode()).decode()
    resolved = [(name, credentials if value == URL_CREDENTIALS else secret.resolve(value)) for name, value in headers]
    return request_target(secret.resolve(endpoint.resource)), resolved


def _request(draft: _Draft, attempt: Attempt, key: str) -> bytes:
    """Return the request in bytes."""
    draft.request_headers = request_headers(attempt, key)
    draft.commands = commands(attempt, draft.request_headers)
    resource, resolved = resolved_request(attempt, draft.request_headers)
    try:
        return write_request("GET", resource, resolved)
    except ValueError as error:
        raise UsageError(str(error)) from error


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


def _raw_text(data: bytes) -> str:
    return data[:_RAW_KEPT].decode("latin-1")


def _judge_head(draft: _Draft, reader: AnswerReader, spent: float) -> None:
    """Take the answer over, or raise what is wrong with it."""
    raw, shown = bytes(reader.raw), shown_time(spent)
    if not raw and not reader.complete:
        raise Stop("upgrade", Reason.CLOSED, f"the peer closed the connection without an answer to the upgrade, after {shown}")
    draft.answer = reader.answer()
    if reader.complete and draft.answer.status is not None:
        return
    draft.raw = _raw_text(raw)
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


async def _exchange(watch: Stopwatch, draft: _Draft, request: bytes, link: ByteLink) -> _Opened:
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
        draft.raw, draft.answer = draft.raw or _raw_text(bytes(reader.raw)), reader.answer()
        watch.add("upgrade", started, spent, False, stop.failure.message)
        raise stop from None
    assert draft.answer is not None
    detail = "; ".join((f"{draft.answer.status} {draft.answer.reason}".strip(), *draft.answer.defects))
    answered = _add_upgrade_stage(watch, started, sent_ns, arrived, detail)
    return _Opened(link=link, rest=reader.rest, answered=answered)


def _broken(error: OSError, reader: AnswerReader, spent: float) -> Stop:
    got = f"only {len(reader.raw)} bytes of an answer" if reader.raw else "no answer to the upgrade"
    reason = reason_of(error)
    if reason is Reason.TIMEOUT:
        return Stop("upgrade", reason, f"{got} came within {shown_time(spent)}")
    what = f"TLS failed ({str(error)[:120]})" if reason is Reason.TLS_ALERT else "the peer reset the connection"
    return Stop("upgrade", reason, f"{what} {shown_time(spent)} after the upgrade was sent; {got} came")


async def _read_body(watch: Stopwatch, draft: _Draft, answer: Answer, opened: _Opened) -> None:
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


async def _upgrade(watch: Stopwatch, draft: _Draft, attempt: Attempt) -> Socket | None:
    """Walk all stages; return the open socket, None when the upgrade was not accepted."""
    key = base64.b64encode(os.urandom(16)).decode()
    request = _request(draft, attempt, key)
    draft.request_bytes = len(request)
    inner = await dial(watch, draft.reached, attempt)
    socket = None
    try:
        link = await _secure(watch, draft, attempt, inner) if attempt.endpoint.secure else inner
        opened = await _exchange(watch, draft, request, link)
        answer = draft.answer or Answer()
        draft.checks = check_answer(attempt, key, answer)
        draft.accepted = is_accepted(draft.checks, answer)
        extensions, draft.extensions, _ = agreed_extensions(attempt, answer)
        if not draft.accepted:
            await _read_body(watch, draft, answer, opened)
            return None
        socket = Socket(
            link,
            attempt,
            answered=opened.answered,
            extensions=extensions,
            subprotocol=agreed_subprotocol(answer),
            rest=opened.rest,
        )
        return socket
    finally:
        if socket is None:
            inner.close()


# The probes


def _shown_url(attempt: Attempt) -> str:
    return attempt.endpoint.url if attempt.endpoint.userinfo else attempt.url


async def _attempt(attempt: Attempt, source: Source, first_message: bool) -> tuple[Observation, Socket | None]:
    watch, moment = Stopwatch(attempt.timeout_s), datetime.now(UTC)
    draft = _Draft(url=_shown_url(attempt), reached=Reached())
    socket: Socket | None = None
    failure: Failure | None = None
    try:
        async with asyncio.timeout(attempt.timeout_s + 0.25):  # a net below the stages' own budgets
            socket = await _upgrade(watch, draft, attempt)
            if socket is not None and first_message:
                await _first_message(watch, draft, socket)
    except Stop as stop:
        failure = stop.failure
    except NoAddress as error:
        return not_run(source, Reason.SKIPPED, str(error)), None
    except TimeoutError:
        failure = Failure(stage="", reason=Reason.TIMEOUT, message=f"the attempt was stopped after {shown_time(watch.spent_s)}")
    except (WsbookError, asyncio.CancelledError):
        if socket is not None:
            socket.abort()
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__} at {place.name}:{place.lineno}: {str(error)[:300]}"
        failure = Failure(stage="", reason=Reason.OUR_BUG, message=f"wsbook itself failed: {text}")
    seen = observed(source, draft.facts(), duration_s=watch.spent_s, failure=failure, stages=tuple(watch.stages), observed_at=moment)
    return seen, socket


async def _first_message(watch: Stopwatch, draft: _Draft, socket: Socket) -> None:
    """Wait for a first message and add its stage; none is no failure, a close is told in the detail."""
    started, wait_s = time.perf_counter(), min(socket.attempt.first_message_s, watch.left_s)
    message = await socket.receive(wait_s)
    if isinstance(message, bytes):
        draft.first_message = f"binary, {len(message)} bytes: {message[:32].hex(' ')}"
    elif message is not None:
        draft.first_message = message[:_FIRST_MESSAGE_LIMIT]
    at_s = next((f.at_s for f in socket.frames if f.direction == "received" and f.opcode in (1, 2)), socket.now_s)
    if message is not None:
        detail = f"{len(message)} {'characters' if isinstance(message, str) else 'bytes'}"
    elif socket.ended != "open":
        code = f" {socket.close_code} {socket.close_reason}".rstrip() if socket.close_code is not None else ""
        detail, at_s = f"the connection ended at once: {socket.ended}{code} by {socket.closed_by or 'nobody known'}", socket.age_s
    else:
        detail = f"no message within {shown_time(wait_s)}"
    duration_s = at_s if message is not None or socket.ended != "open" else time.perf_counter() - started
    watch.add("first-message", socket.answered, duration_s, message is not None, detail)


async def open_socket(attempt: Attempt, *, step: str) -> tuple[Observation, Socket | None]:
    """Try the upgrade once and return what was seen with the open socket; None when it was not accepted.

    The caller closes the socket.

    Raises:
        UsageError: the attempt itself cannot be made: an unknown secret, an unreadable CA file, a line break in a header.
    """
    source = Source(step=step, probe="upgrade", hop=attempt.hop, changed=attempt.changed)
    return await _attempt(attempt, source, first_message=False)


async def probe_upgrade(attempt: Attempt, *, step: str, probe: str = "upgrade") -> Observation:
    """Try the upgrade once, wait attempt.first_message_s for a first message, close politely, and return what was seen.

    Everything together takes at most attempt.timeout_s, and a blink.

    Raises:
        UsageError: as open_socket().
    """
    source = Source(step=step, probe=probe, hop=attempt.hop, changed=attempt.changed)
    started = time.perf_counter()
    seen, socket = await _attempt(attempt, source, first_message=True)
    if socket is not None:
        left_s = attempt.timeout_s - (time.perf_counter() - started)
        await socket.close(timeout_s=max(0.05, min(_CLOSE_S, left_s)))
    return seen
