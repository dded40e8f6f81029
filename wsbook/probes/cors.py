"""The HTTP requests beside a socket, asked as pages of two sites would: what the answers permit their scripts. It must not judge.

Dialects whose clients begin over HTTP need CORS for that where the page is of another origin; the upgrade itself never does.
"""

import asyncio
import re
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from wsbook import attempt as labels
from wsbook.attempt import Attempt
from wsbook.facts import CorsFacts, CorsTrial, Headers
from wsbook.observation import Observation, Source, observed
from wsbook.probes.companion import Companion, Reply
from wsbook.wire.cors import check_answer, check_preflight
from wsbook.wire.credentials import credentials_of, only_ambient, without_credentials
from wsbook.wire.dialects import engineio, signalr, sockjs
from wsbook.wire.origins import FOREIGN

__all__ = ["COMPANIONS", "probe_cors"]

_KEPT = re.compile(r"(?i)access-control-[\w-]+|vary")
_SAID = 200


class _Request(NamedTuple):
    """What the client of a dialect sends first. carries: with cookies on purpose. asked: headers that need a preflight."""

    method: str
    resource: Callable[[Attempt, str], str]
    speaks: Callable[[str], bool]
    carries: bool
    asked: tuple[str, ...] = ()


def _query(attempt: Attempt, *without: str) -> dict[str, str]:
    return {name: value for name, value in parse_qsl(attempt.endpoint.query, keep_blank_values=True) if name not in without}


def _polling(attempt: Attempt, version: str) -> str:
    path = attempt.endpoint.path
    own = path if ".io" in path or "EIO" in _query(attempt) else "/socket.io/"
    query = _query(attempt, "EIO", "transport", "sid", "t") | {"EIO": version or "4", "transport": "polling"}
    return f"{own}?{urlencode(query, safe='${}:/')}"


def _info(attempt: Attempt, version: str) -> str:
    return f"{sockjs.base_path(attempt.endpoint.path)}/info"


def _negotiate(attempt: Attempt, version: str) -> str:
    base = re.sub(r"/negotiate/?$", "", attempt.endpoint.path).rstrip("/")
    return f"{base}/negotiate?{urlencode(_query(attempt, 'id') | {'negotiateVersion': '1'}, safe='${}:/')}"


COMPANIONS: dict[str, _Request] = {
    # https://socket.io/docs/v4/client-options/#withcredentials: false unless the page says otherwise
    "engine.io": _Request("GET", _polling, lambda body: engineio.open_of(engineio.parse_packet(body)) is not None, carries=False),
    # sockjs-client, lib/transport/browser/abstract-xhr.js: withCredentials is set wherever the browser knows it
    "sockjs": _Request("GET", _info, lambda body: sockjs.parse_info(body) is not None, carries=True),
    # https://learn.microsoft.com/aspnet/core/signalr/configuration: withCredentials is true by default
    "signalr": _Request(
        "POST",
        _negotiate,
        lambda body: signalr.parse_negotiation(body) is not None,
        carries=True,
        asked=("x-requested-with", "x-signalr-user-agent"),
    ),
}
"""Dialect whose client begins over HTTP → what it sends first."""


async def probe_cors(attempt: Attempt, dialect: str, *, step: str, version: str = "", seconds: float = 3.0) -> Observation:
    """Send the first request of a dialect's client and its preflight as the own page and as a foreign one.

    version: of Engine.IO, "" for 4. seconds bounds each request.
    """
    started, client = time.perf_counter(), COMPANIONS[dialect]
    own = attempt.origin or attempt.endpoint.origin
    authorized = tuple(name.lower() for name, _ in attempt.headers if name.lower() == "authorization")
    asked = (*client.asked, *authorized)
    bare = without_credentials(attempt, labels.NO_CREDENTIALS)
    foreign = only_ambient(attempt, labels.ONLY_AMBIENT) or attempt
    ambient = any(one.ambient for one in credentials_of(attempt))
    plan = [(own, "own", attempt, bare is not None), (FOREIGN, "foreign", foreign, ambient)]
    plan += [(FOREIGN, "foreign", bare, False)] if bare is not None and ambient else []
    trials = [
        *[_preflight(attempt, origin, whose, client, asked, version, seconds) for origin, whose, _, _ in plan[:2]],
        *[_request(one, origin, whose, client, version, seconds, known=known) for origin, whose, one, known in plan],
    ]
    facts = CorsFacts(
        url=attempt.endpoint.url.partition("?")[0],
        dialect=dialect,
        page_origin=own,
        same_origin=own == attempt.endpoint.origin,
        preflighted=bool(asked),
        trials=tuple(await asyncio.gather(*trials)),
    )
    return observed(Source(step=step, probe="cors", hop=attempt.hop), facts, duration_s=time.perf_counter() - started)


async def _preflight(
    attempt: Attempt, origin: str, whose: str, client: _Request, asked: tuple[str, ...], version: str, seconds: float
) -> CorsTrial:
    """Ask for permission as a browser does: without any credential (Fetch standard, CORS-preflight fetch)."""
    bare = without_credentials(attempt, labels.NO_CREDENTIALS) or attempt
    wanted: Headers = (("Origin", origin), ("Access-Control-Request-Method", client.method))
    wanted = (*wanted, ("Access-Control-Request-Headers", ",".join(sorted(asked)))) if asked else wanted
    async with Companion(bare) as companion:
        reply = await companion.ask("OPTIONS", client.resource(attempt, version), timeout_s=seconds, headers=wanted)
    refused = check_preflight(reply.status, reply.headers, origin, client.method, asked, credentials=client.carries)
    return _trial("preflight", whose, origin, client, reply, refused, asked=asked, known=False)


async def _request(attempt: Attempt, origin: str, whose: str, client: _Request, version: str, seconds: float, *, known: bool) -> CorsTrial:
    more = tuple((name, "XMLHttpRequest") for name in client.asked if name == "x-requested-with")
    resource = client.resource(attempt, version)
    async with Companion(attempt) as companion:
        reply = await companion.ask(client.method, resource, timeout_s=seconds, headers=(("Origin", origin), *more))
        opened = engineio.open_of(engineio.parse_packet(reply.body))
        if client.resource is _polling and opened is not None and opened.sid:
            await companion.ask("POST", f"{resource}&sid={opened.sid}", "1", timeout_s=seconds)  # the packet that closes a session
    refused = check_answer(reply.headers, origin, credentials=client.carries)
    return _trial("request", whose, origin, client, reply, refused, known=known)


def _trial(
    kind: str, whose: str, origin: str, client: _Request, reply: Reply, refused: str, *, known: bool, asked: tuple[str, ...] = ()
) -> CorsTrial:
    speaks = reply.status == 200 and client.speaks(reply.body)
    return CorsTrial(
        kind=kind,
        whose=whose,
        origin=origin,
        method=client.method if kind == "request" else "OPTIONS",
        status=reply.status,
        headers=tuple((name, value[:_SAID]) for name, value in reply.headers if _KEPT.fullmatch(name)),
        asked=asked,
        carries=client.carries,
        credentials=known,
        refused=refused if reply.status is not None else "",
        speaks=speaks,
        said="" if speaks else reply.body[:_SAID],
        error=reply.error,
    )
