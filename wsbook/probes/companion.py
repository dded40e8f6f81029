"""HTTP requests beside an upgrade, sent to the same server as the page's scripts would send them. It must not know what they are for.

Every request takes a new connection, so that a load balancer decides anew; cookies that it sets are kept, as a browser does.
"""

import asyncio
import contextlib
import ssl
import time
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType

import httpx
from msgspec import Struct

from wsbook.attempt import Attempt
from wsbook.facts import Headers
from wsbook.probes.stopwatch import shown_time
from wsbook.probes.trust import trusting
from wsbook.secret import resolve
from wsbook.wire.handshake import USER_AGENT

__all__ = ["Companion", "Reply"]

_BODY_BYTES = 65_536
_HEADERS, _VALUE = 100, 1_000
_CONNECT_S = 30.0
"""Beyond every budget: ask() itself says when to stop."""


class Reply(Struct, frozen=True, kw_only=True):
    """One answer. status: None when none came. error: why it did not come, or not whole. body: the first 64 KiB as text, as it was sent.

    headers: of the answer, in order.
    """

    status: int | None = None
    body: str = ""
    content_type: str = ""
    headers: Headers = ()
    error: str = ""
    duration_s: float = 0.0


@lru_cache(maxsize=4)
def _context(ca_file: str) -> ssl.SSLContext:
    return trusting(ca_file)


class Companion:
    """One client with its cookies; an async context manager. Redirects are not followed, proxy variables not used.

    keep_cookies: False drops what is set on it, as a client without a cookie jar does.
    """

    def __init__(self, attempt: Attempt, *, keep_cookies: bool = True) -> None:
        verify: ssl.SSLContext | bool = False
        if attempt.endpoint.secure and attempt.verify:
            verify = _context(attempt.ca_file)
        endpoint = attempt.endpoint
        self._base = f"{'https' if endpoint.secure else 'http'}://{endpoint.authority}"
        self._headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **({"Origin": attempt.origin} if attempt.origin else {})}
        self._headers |= {name: resolve(value) for name, value in attempt.headers}
        if attempt.host_header:
            self._headers["Host"] = attempt.host_header
        limits = httpx.Limits(max_keepalive_connections=0)
        proxy = resolve(attempt.via) if attempt.via else None
        jar = CookieJar(None if keep_cookies else DefaultCookiePolicy(allowed_domains=()))
        self._client = httpx.AsyncClient(trust_env=False, verify=verify, proxy=proxy, limits=limits, timeout=_CONNECT_S, cookies=jar)

    async def __aenter__(self) -> "Companion":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.aclose()

    @property
    def cookies(self) -> str:
        """The cookies that were set on us, as a Cookie header carries them; "" none."""
        return "; ".join(f"{name}={value}" for name, value in self._client.cookies.items())

    async def ask(
        self, method: str, resource: str, content: str = "", *, timeout_s: float, until: str = "", headers: Headers = ()
    ) -> Reply:
        """Send one request and return its answer, whatever came of it within timeout_s.

        until: the body is read no further than this text, for bodies that never end. headers: more of the request's, or others.
        """
        started, seen = time.perf_counter(), bytearray()
        status, content_type, error = None, "", ""
        received: Headers = ()
        sent = self._headers | ({"Content-Type": "text/plain;charset=UTF-8"} if method == "POST" else {}) | dict(headers)
        request = self._client.build_request(method, self._base + resolve(resource), content=content.encode(), headers=sent)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._client.send(request, stream=True)
                status, content_type = answer.status_code, answer.headers.get("content-type", "")[:100]
                received = tuple((name, value[:_VALUE]) for name, value in answer.headers.multi_items())[:_HEADERS]
                async with contextlib.aclosing(answer):
                    async for piece in answer.aiter_raw():
                        seen += piece[: _BODY_BYTES - len(seen)]
                        if len(seen) >= _BODY_BYTES or (until and until.encode() in seen):
                            break
        except TimeoutError:
            error = f"no complete answer within {shown_time(timeout_s)}"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as problem:
            error = f"{type(problem).__name__}: {problem}"[:200]
        return Reply(
            status=status,
            body=seen.decode("utf-8", "replace"),
            content_type=content_type,
            headers=received,
            error=error,
            duration_s=time.perf_counter() - started,
        )
