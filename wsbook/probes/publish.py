"""Make the application emit one marked event: by an HTTP request, or by a message on a socket.

Shared by the probes that follow messages. This module must not know who receives the event.
"""

import asyncio
import re
import ssl
import time
from typing import Protocol

import anyio.lowlevel
import httpx
from msgspec import Struct

from wsbook.attempt import Attempt
from wsbook.facts import Headers
from wsbook.observation import Failure, Reason
from wsbook.probes.marker import insert_marker
from wsbook.probes.trust import trusting
from wsbook.secret import resolve
from wsbook.target import Trigger, parse_endpoint

__all__ = ["Published", "Publisher", "SocketPublisher", "TriggerPublisher", "what_is_missing"]

TRIGGER_S = 5.0


class Published(Struct, frozen=True, kw_only=True):
    """One event that was set off.

    sent_at: time.perf_counter() just before it left. status, headers: of the trigger's answer, None and empty without one.
    """

    sent_at: float
    answered_at: float | None = None
    status: int | None = None
    headers: Headers = ()
    failure: Failure | None = None


class Publisher(Protocol):
    """Something that emits the event with a given marker."""

    async def publish(self, mark: str) -> Published:
        """Set the event off and return how that went; what the peer does is no exception."""


class _Sender(Protocol):
    async def send(self, data: str, /) -> bool: ...


def what_is_missing(trigger: Trigger | None, message: str) -> str:
    """Return the sentence that says what has to be given before an event can be marked, "" when all is there."""
    if trigger is None and not message:
        return "not run: nothing sets off an update; give --trigger 'POST URL BODY' or --send TEXT, with {marker} where a text can stand"
    text = f"{trigger.url} {trigger.body}" if trigger else message
    place = "URL or body of the trigger" if trigger else "message"
    return "" if "{marker}" in text else f"not run: put {{marker}} into the {place}, so that the update can be recognised"


class SocketPublisher:
    """Publishes by sending the message on an open socket."""

    def __init__(self, socket: _Sender, message: str) -> None:
        self._socket, self._message = socket, message

    async def publish(self, mark: str) -> Published:
        """Send the message with the marker in it."""
        sent_at = time.perf_counter()
        if await self._socket.send(insert_marker(resolve(self._message), mark)):
            return Published(sent_at=sent_at)
        lost = Failure(stage="trigger", reason=Reason.CLOSED, message="the message could not be sent because the socket had ended")
        return Published(sent_at=sent_at, failure=lost)


class TriggerPublisher:
    """Publishes by an HTTP request; an async context manager.

    The attempt's own headers, which may carry credentials, go along only when the trigger goes to the endpoint's host and port.
    anew: every request takes a new connection, so that a balancer decides anew.
    """

    def __init__(self, trigger: Trigger, attempt: Attempt, *, anew: bool = False) -> None:
        self._trigger = trigger
        context = trusting(attempt.ca_file)
        if not attempt.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._headers = _headers(trigger, attempt)
        limits = httpx.Limits(max_keepalive_connections=0) if anew else httpx.Limits()
        self._client = httpx.AsyncClient(trust_env=False, verify=context, timeout=TRIGGER_S, proxy=attempt.via, limits=limits)

    async def __aenter__(self) -> "TriggerPublisher":
        await anyio.lowlevel.checkpoint()  # loads what httpx would load during the first request, whose time is measured
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.aclose()

    async def publish(self, mark: str) -> Published:
        """Send the request with the marker in its URL and body; the answer's body is not read."""
        url, body = (insert_marker(resolve(text), mark) for text in (self._trigger.url, self._trigger.body))
        sent_at = time.perf_counter()
        try:
            async with (
                asyncio.timeout(TRIGGER_S),
                self._client.stream(self._trigger.method, url, content=body or None, headers=self._headers) as answer,
            ):
                status, answered_at = answer.status_code, time.perf_counter()
                told = tuple((name[:100], value[:500]) for name, value in answer.headers.items())[:60]
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return Published(sent_at=sent_at, failure=_failure(error))
        bad = (
            Failure(stage="trigger", reason=Reason.MALFORMED, message=f"the trigger was answered with HTTP {status}")
            if status >= 400
            else None
        )
        return Published(sent_at=sent_at, answered_at=answered_at, status=status, headers=told, failure=bad)


def _headers(trigger: Trigger, attempt: Attempt) -> dict[str, str]:
    place, own = parse_endpoint(re.sub(r"[{}]", "", trigger.url)), attempt.endpoint
    headers = {"User-Agent": "wsbook"}
    if trigger.body:
        headers["Content-Type"] = "application/json" if trigger.body.lstrip()[:1] in ("{", "[") else "text/plain; charset=utf-8"
    if (place.host, place.port) == (own.host, own.port):
        headers |= {name: resolve(value) for name, value in attempt.headers}
        if attempt.origin:
            headers["Origin"] = attempt.origin
    return headers


def _failure(error: Exception) -> Failure:
    kinds = ((TimeoutError, Reason.TIMEOUT), (httpx.TimeoutException, Reason.TIMEOUT), (httpx.ConnectError, Reason.REFUSED))
    reason = next((reason for kind, reason in kinds if isinstance(error, kind)), Reason.MALFORMED)
    return Failure(stage="trigger", reason=reason, message=f"the trigger failed: {str(error)[:300] or type(error).__name__}")
