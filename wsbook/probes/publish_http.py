"""Make the application emit one marked event by an HTTP request. This module must not know who receives the event."""

import asyncio
import re
import ssl
import time

import anyio.lowlevel
import httpx

from wsbook.attempt import Attempt
from wsbook.observation import Failure, Reason
from wsbook.probes.marker import insert_marker
from wsbook.probes.publish import Published
from wsbook.probes.trust import trusting
from wsbook.secret import resolve
from wsbook.target import Trigger, parse_endpoint

__all__ = ["HttpPublisher"]

TRIGGER_S = 5.0


class HttpPublisher:
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

    async def __aenter__(self) -> "HttpPublisher":
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
        return Published(sent_at=sent_at, answered_at=answered_at, status=status, headers=told, failure=bad, answer=f"HTTP {status}")


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
