"""Sessions of several requests, each over a new connection: does every request reach the process that knows the session?

Functional, as a client of the dialect: nothing in the answers has to name a process. It must not judge.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import parse_qsl

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import Conversation, UpgradeFacts
from wsbook.probes.companion import Companion, Reply
from wsbook.probes.dialects.asking import resource
from wsbook.probes.upgrade import open_socket
from wsbook.wire.dialects import engineio, signalr, sockjs
from wsbook.wire.dialects.objects import number, parse_json, parse_object, word
from wsbook.wire.dialects.refusals import explain

__all__ = ["TALKS", "converse"]

_CAUSE = "cluster.no-sticky-session"
_OWN = ("EIO", "transport", "sid", "t", "b64", "j", "id", "negotiateVersion")
"""Query parameters that the dialect's client sets itself."""


class _Talk(Struct):
    """What one session came to so far."""

    requests: int = 0
    lost: int = 0
    upgraded: bool | None = None
    said: str = ""
    instance: str = ""

    def note(self, known: bool | None, said: str) -> None:
        """Count one request; None says nothing about the session."""
        if known is not None:
            self.requests += 1
            self.lost += not known
            self.said = self.said if known else said[:160]


class _Client:
    """One client of a session: requests over new connections, and the time that is left for them."""

    def __init__(self, attempt: Attempt, companion: Companion, end: float, step: str) -> None:
        self.attempt, self.companion, self._end, self._step = attempt, companion, end, step

    @property
    def left_s(self) -> float:
        return max(0.05, min(2.0, self._end - time.perf_counter()))

    @property
    def query(self) -> dict[str, str]:
        """The endpoint's own query parameters."""
        return {name: value for name, value in parse_qsl(self.attempt.endpoint.query, keep_blank_values=True) if name not in _OWN}

    async def ask(self, method: str, path: str, query: dict[str, str], content: str = "", until: str = "") -> Reply:
        return await self.companion.ask(method, resource(path, self.query | query), content, timeout_s=self.left_s, until=until)

    async def upgrade(self, path: str, query: dict[str, str]) -> UpgradeFacts | None:
        """Open a WebSocket at a path with the client's cookies, and leave it at once; None when nothing answered."""
        endpoint = self.attempt.endpoint
        url = f"{endpoint.scheme}://{endpoint.authority}{resource(path, self.query | query)}"
        dialled = replace(with_cookies(self.attempt, self.companion.cookies), url=url, timeout_s=self.left_s, extensions=())
        seen, socket = await open_socket(dialled, step=self._step)
        if socket is not None:
            await socket.close(timeout_s=0.2)
        return seen.facts if isinstance(seen.facts, UpgradeFacts) and seen.facts.status is not None else None


def with_cookies(attempt: Attempt, cookies: str) -> Attempt:
    """Return the attempt with these cookies beside its own."""
    if not cookies:
        return attempt
    own = "; ".join(value for name, value in attempt.headers if name.lower() == "cookie")
    others = tuple(header for header in attempt.headers if header[0].lower() != "cookie")
    return replace(attempt, headers=(*others, ("Cookie", f"{own}; {cookies}" if own else cookies)))


def _knows(dialect: str, status: int | None, body: str, code: int | None = None) -> bool | None:
    """Tell from a refusal whether the session was known; None when the answer has another reason."""
    if status is None or status >= 500 or status in (401, 403, 429):
        return None
    if status < 400:
        return True
    known = explain(dialect, code=code, status=status, body=body)
    return False if known is not None and any(slug == _CAUSE for slug, _ in known.causes) else None


# Engine.IO

_BEATS = {"4": ("3", "1"), "3": ("1:2", "1:1")}
"""Version → a heartbeat of the client, which any process that knows the session takes, and the packet that ends the session."""


def _eio_path(attempt: Attempt) -> str:
    path = attempt.endpoint.path
    return path if ".io" in path or "EIO=" in attempt.endpoint.query else "/socket.io/"


def _eio_knows(reply: Reply) -> bool | None:
    found, said = parse_object(reply.body), parse_json(reply.body)
    words = word(found, "message") or (said if isinstance(said, str) else reply.body[:200])
    return _knows("engine.io", reply.status, words, number(found, "code"))


async def _engineio(client: _Client, talk: _Talk, requests: int, hops: Sequence[Attempt]) -> bool:
    """Begin over polling; a heartbeat in each further request, which changes nothing; then the upgrade with the session's id."""
    path = _eio_path(client.attempt)
    for version in _BEATS:
        begun = await client.ask("GET", path, {"EIO": version, "transport": "polling"})
        if opened := next(filter(None, map(engineio.open_of, engineio.parse_payload(begun.body))), None):
            break
    else:
        return False
    (beat, end), query = _BEATS[version], {"EIO": version, "transport": "polling", "sid": opened.sid}
    for _ in range(requests):
        reply = await client.ask("POST", path, query, beat)
        talk.note(_eio_knows(reply), reply.body)
    if "websocket" in opened.upgrades:
        facts = await client.upgrade(path, query | {"transport": "websocket"})
        code = number(parse_object(facts.body), "code") if facts else None
        talk.upgraded = _knows("engine.io", facts.status, facts.body, code) if facts else None
    talk.instance = await _knowing_hop(hops, path, query, beat)
    await client.ask("POST", path, query, end)
    return True


async def _knowing_hop(hops: Sequence[Attempt], path: str, query: dict[str, str], beat: str) -> str:
    """Return the only hop that knows a session, "" when none or several do."""
    knowing = []
    for hop in hops:
        async with Companion(hop, keep_cookies=False) as companion:
            if _eio_knows(await companion.ask("POST", resource(path, query), beat, timeout_s=0.5)):
                knowing.append(hop.hop)
    return knowing[0] if len(knowing) == 1 and len(hops) > 1 else ""


# SockJS and SignalR


async def _sockjs(client: _Client, talk: _Talk, requests: int, hops: Sequence[Attempt]) -> bool:
    """Begin an XHR session; send nothing in each further request, which an unknown session refuses with 404."""
    import secrets

    base = sockjs.base_path(client.attempt.endpoint.path)
    session = f"{base}/{secrets.randbelow(1000):03d}/{secrets.token_hex(4)}"
    begun = await client.ask("POST", f"{session}/xhr", {}, until="o\n")
    if begun.status != 200 or not begun.body.startswith("o"):
        return False
    for _ in range(requests):
        sent = await client.ask("POST", f"{session}/xhr_send", {}, "[]")
        known = True if sent.status in (200, 204) else False if sent.status == 404 else None
        talk.note(known, f"HTTP {sent.status}")
    return True


async def _signalr(client: _Client, talk: _Talk, requests: int, hops: Sequence[Attempt]) -> bool:
    """Negotiate and connect with what was negotiated, several times: a negotiated connection takes one socket only."""
    base = client.attempt.endpoint.path.removesuffix("/").removesuffix("/negotiate")
    for _ in range(max(1, requests // 2)):
        begun = await client.ask("POST", f"{base}/negotiate", {"negotiateVersion": "1"})
        found = signalr.parse_negotiation(begun.body) if begun.status == 200 else None
        if found is None or not found.token or found.url:
            return talk.requests > 0
        facts = await client.upgrade(base or "/", {"id": found.token})
        known = None if facts is None else True if facts.accepted else False if facts.status == 404 else None
        talk.note(known, facts.body if facts else "")
    return True


TALKS: dict[str, Callable[[_Client, _Talk, int, Sequence[Attempt]], Awaitable[bool]]] = {
    "engine.io": _engineio,
    "sockjs": _sockjs,
    "signalr": _signalr,
}
"""Dialects whose sessions take several requests → how to hold one; each tells whether the session began."""


async def converse(
    attempt: Attempt, dialect: str, *, series: str, requests: int, step: str, seconds: float, hops: Sequence[Attempt] = ()
) -> Conversation | None:
    """Hold one session of a dialect and return what became of it; None when it did not begin.

    series: "cookie" keeps the cookies that are set, "plain" does not. hops: where one process each is reached directly.
    """
    talk = _Talk()
    async with Companion(attempt, keep_cookies=series == "cookie") as companion:
        client = _Client(attempt, companion, time.perf_counter() + seconds, step)
        if not await TALKS[dialect](client, talk, requests, hops):
            return None
    return Conversation(
        dialect=dialect,
        series=series,
        requests=talk.requests,
        lost=talk.lost,
        upgraded=talk.upgraded,
        said=talk.said,
        instance=talk.instance,
    )
