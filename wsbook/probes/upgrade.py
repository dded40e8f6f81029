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

from msgspec.structs import replace

from wsbook import secret
from wsbook.attempt import Attempt
from wsbook.equivalents import commands
from wsbook.errors import UsageError, WsbookError
from wsbook.facts import Headers, TlsFacts
from wsbook.observation import Failure, Observation, Reason, Source, not_run, observed
from wsbook.probes.connection import OnFrame, Socket
from wsbook.probes.dial import NoAddress, Reached, dial
from wsbook.probes.exchange import Draft, exchange, raw_text, read_body
from wsbook.probes.link import ByteLink
from wsbook.probes.stopwatch import Stop, Stopwatch, shown_time
from wsbook.probes.tls import CertificateStop, NotTlsStop, TlsOptions, describe_refusal, open_tls, sent_name
from wsbook.wire.answer import Answer
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

_CLOSE_S = 0.5
_FIRST_MESSAGE_LIMIT = 4_096


def _tls_options(attempt: Attempt) -> TlsOptions:
    name = attempt.endpoint.host if attempt.server_name is None else attempt.server_name
    return TlsOptions(server_name=name, verify=attempt.verify, ca_file=attempt.ca_file, alpn=attempt.alpn)


async def _fetch_certificate(watch: Stopwatch, draft: Draft, attempt: Attempt, stop: CertificateStop) -> None:
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


async def _secure(watch: Stopwatch, draft: Draft, attempt: Attempt, inner: ByteLink) -> ByteLink:
    """Return the link inside TLS and add its stage."""
    options = _tls_options(attempt)
    started = time.perf_counter()
    try:
        link, timing = await open_tls(inner, options, watch.left_s)
    except Stop as stop:
        watch.add("tls", started, time.perf_counter() - started, False, stop.failure.message)
        if isinstance(stop, NotTlsStop):
            draft.raw = raw_text(stop.raw)
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


def resolved_request(attempt: Attempt, headers: Headers) -> tuple[str, list[tuple[str, str]]]:
    """Return (request target, headers) as they go out. Only here do secret references become values.

    Raises:
        SecretMissingError: a reference names nothing.
    """
    endpoint = attempt.endpoint
    credentials = "Basic " + base64.b64encode(unquote(secret.resolve(endpoint.userinfo)).encode()).decode()
    resolved = [(name, credentials if value == URL_CREDENTIALS else secret.resolve(value)) for name, value in headers]
    return request_target(secret.resolve(endpoint.resource)), resolved


def _request(draft: Draft, attempt: Attempt, key: str) -> bytes:
    """Return the request in bytes."""
    draft.request_headers = request_headers(attempt, key)
    draft.commands = commands(attempt, draft.request_headers)
    resource, resolved = resolved_request(attempt, draft.request_headers)
    try:
        return write_request("GET", resource, resolved, attempt.http_version)
    except ValueError as error:
        raise UsageError(str(error)) from error


async def _upgrade(watch: Stopwatch, draft: Draft, attempt: Attempt, on_frame: OnFrame | None) -> Socket | None:
    """Walk all stages; return the open socket, None when the upgrade was not accepted."""
    key = base64.b64encode(os.urandom(16)).decode()
    request = _request(draft, attempt, key)
    draft.request_bytes = len(request)
    inner = await dial(watch, draft.reached, attempt)
    socket = None
    try:
        link = await _secure(watch, draft, attempt, inner) if attempt.endpoint.secure else inner
        opened = await exchange(watch, draft, request, link)
        answer = draft.answer or Answer()
        draft.checks = check_answer(attempt, key, answer)
        draft.accepted = is_accepted(draft.checks, answer)
        extensions, draft.extensions, _ = agreed_extensions(attempt, answer)
        if not draft.accepted:
            await read_body(watch, draft, answer, opened)
            return None
        socket = Socket(
            link,
            attempt,
            answered=opened.answered,
            extensions=extensions,
            subprotocol=agreed_subprotocol(answer),
            rest=opened.rest,
            on_frame=on_frame,
        )
        return socket
    finally:
        if socket is None:
            inner.close()


def _shown_url(attempt: Attempt) -> str:
    return attempt.endpoint.url if attempt.endpoint.userinfo else attempt.url


async def _attempt(
    attempt: Attempt, source: Source, first_message: bool, on_frame: OnFrame | None = None
) -> tuple[Observation, Socket | None]:
    watch, moment = Stopwatch(attempt.timeout_s), datetime.now(UTC)
    draft = Draft(url=_shown_url(attempt), reached=Reached())
    socket: Socket | None = None
    failure: Failure | None = None
    try:
        async with asyncio.timeout(attempt.timeout_s + 0.25):  # a net below the stages' own budgets
            socket = await _upgrade(watch, draft, attempt, on_frame)
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


async def _first_message(watch: Stopwatch, draft: Draft, socket: Socket) -> None:
    """Wait for a first message and add its stage; none is no failure, a close is told in the detail."""
    started, wait_s = time.perf_counter(), min(socket.attempt.first_message_s, watch.left_s)
    message = await socket.receive(wait_s)
    draft.second_answer = socket.second_answer
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


async def open_socket(attempt: Attempt, *, step: str, on_frame: OnFrame | None = None) -> tuple[Observation, Socket | None]:
    """Try the upgrade once and return what was seen with the open socket; None when it was not accepted.

    The caller closes the socket. on_frame: as Socket has it, from the first frame on.

    Raises:
        UsageError: the attempt itself cannot be made: an unknown secret, an unreadable CA file, a line break in a header.
    """
    source = Source(step=step, probe="upgrade", hop=attempt.hop, changed=attempt.changed)
    return await _attempt(attempt, source, False, on_frame)


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
