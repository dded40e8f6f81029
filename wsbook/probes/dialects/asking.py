"""What every dialect's questions share: requests, sockets, a deadline, and notes of how each went. It must not know any dialect."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode

from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import DialectFacts, DialectStep, UpgradeFacts
from wsbook.probes.companion import Companion, Reply
from wsbook.probes.connection import Socket
from wsbook.probes.endings import how_ended
from wsbook.probes.upgrade import open_socket
from wsbook.wire.dialects.detect import Clue
from wsbook.wire.dialects.refusals import explain

__all__ = ["Asking"]

_WAIT_S = 2.0
_CLOSE_S = 0.3
_DETAIL = 200

T = TypeVar("T")


class Asking:
    """One conversation with an endpoint as a client of a dialect; what it learns is in facts()."""

    def __init__(self, attempt: Attempt, clue: Clue, companion: Companion, step: str, seconds: float) -> None:
        self.attempt, self.clue, self.companion, self.step = attempt, clue, companion, step
        self.end = time.perf_counter() + seconds
        self.spoken: bool | None = None
        self.versions: list[str] = []
        self.settings: list[tuple[str, str]] = []
        self.steps: list[DialectStep] = []
        self.pairs, self.pairs_lost = 0, 0
        self._sockets: list[Socket] = []

    @property
    def left_s(self) -> float:
        """Seconds until the conversation must be over."""
        return max(0.0, self.end - time.perf_counter())

    @property
    def wait_s(self) -> float:
        """Seconds that one answer may take."""
        return min(_WAIT_S, self.left_s)

    def query(self, *without: str) -> dict[str, str]:
        """Return the endpoint's own query parameters but for some."""
        pairs = parse_qsl(self.attempt.endpoint.query, keep_blank_values=True)
        return {name: value for name, value in pairs if name not in without}

    def url(self, path: str, query: dict[str, str]) -> str:
        """Return the WebSocket URL of a path at the endpoint's host."""
        endpoint = self.attempt.endpoint
        return f"{endpoint.scheme}://{endpoint.authority}{resource(path, query)}"

    def note(
        self, name: str, ok: bool | None, detail: str, *, status: int | None = None, code: int | None = None, seconds: float | None = None
    ) -> None:
        """Keep how one thing went; a failure is explained by the dialect's known refusals."""
        refusal = explain(self.clue.dialect, code=code, status=status, body=detail) if ok is False else None
        step = DialectStep(
            name=name,
            ok=ok,
            detail=detail[:_DETAIL],
            status=status,
            code=code,
            refusal=refusal.id if refusal else "",
            duration_s=seconds,
        )
        self.steps.append(step)

    def note_reply(self, name: str, ok: bool | None, reply: Reply, detail: str, code: int | None = None) -> None:
        """Keep an HTTP answer; without one, what stopped it."""
        said = detail if reply.status is not None else reply.error
        self.note(name, ok if reply.status is not None else None, said, status=reply.status, code=code, seconds=reply.duration_s)

    async def http(self, method: str, path: str, query: dict[str, str], content: str = "", until: str = "") -> Reply:
        """Send one request beside the socket."""
        return await self.companion.ask(method, resource(path, query), content, timeout_s=max(0.05, self.wait_s), until=until)

    async def open(self, name: str, url: str, subprotocols: tuple[str, ...] = (), cookies: str = "") -> Socket | None:
        """Open a socket, without extensions; keep why when it does not open."""
        headers = self.attempt.headers
        if cookies:
            own = "; ".join(value for key, value in headers if key.lower() == "cookie")
            headers = (*(h for h in headers if h[0].lower() != "cookie"), ("Cookie", f"{own}; {cookies}" if own else cookies))
        changed = replace(
            self.attempt, url=url, subprotocols=subprotocols, headers=headers, extensions=(), timeout_s=max(0.05, self.wait_s)
        )
        seen, socket = await open_socket(changed, step=self.step)
        if socket is None:
            facts = seen.facts if isinstance(seen.facts, UpgradeFacts) else None
            said = seen.failure.message if seen.failure else f"the upgrade was refused: {facts.body[:120]}" if facts else "no upgrade"
            self.note(name, False if facts and facts.status else None, said, status=facts.status if facts else None)
        self._sockets += [socket] if socket is not None else []
        return socket

    async def hear(self, socket: Socket, wanted: Callable[[str | bytes], T | None], wait_s: float | None = None) -> T | None:
        """Return what wanted makes of the first message that it makes something of; None when none comes in time, wait_s by default."""
        end = time.perf_counter() + (self.wait_s if wait_s is None else wait_s)
        while (got := await socket.receive_before(end)) is not None:
            if (found := wanted(got)) is not None:
                return found
        return None

    def note_silence(self, name: str, socket: Socket) -> None:
        """Keep that what was waited for did not come, and how the connection stands."""
        if socket.ended == "open":
            self.note(name, None, "nothing of this dialect came in time")
        else:
            self.note(name, False, how_ended(socket), code=socket.close_code)

    async def close(self, socket: Socket) -> None:
        """Close a socket politely."""
        await socket.close(timeout_s=max(0.05, min(_CLOSE_S, self.left_s)))

    async def stick(self, pair: Callable[[Companion], Awaitable[bool | None]], pairs: int) -> None:
        """Begin sessions and use each once over another connection, with new cookies each; pair tells whether it was known there.

        One after the other: requests side by side fall into step with a balancer that goes round, and meet their own process again.
        """
        for _ in range(pairs):
            if self.left_s < 0.1:
                return
            async with Companion(self.attempt) as client:
                kept = await pair(client)
            self.pairs += kept is not None
            self.pairs_lost += kept is False

    def abort(self) -> None:
        """End every connection that a question has left open."""
        for socket in self._sockets:
            socket.abort()

    def facts(self) -> DialectFacts:
        """Return what was learnt so far."""
        return DialectFacts(
            url=self.attempt.url,
            dialect=self.clue.dialect,
            why=self.clue.why,
            basis=self.clue.basis,
            spoken=self.spoken,
            versions=tuple(self.versions),
            steps=tuple(self.steps),
            settings=tuple(self.settings),
            pairs=self.pairs,
            pairs_lost=self.pairs_lost,
        )


def resource(path: str, query: dict[str, str]) -> str:
    """Return a request target."""
    return f"{path}?{urlencode(query, safe='${}:/')}" if query else path
