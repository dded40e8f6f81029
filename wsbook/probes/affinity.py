"""Which process answers whom: N connections of one client without cookies, with them, and from other addresses. It must not judge.

The connections of a series are made one after the other and stay open until the series ends: side by side they would fall into step
with a balancer that goes round, and one that picks the least busy would pick the same server each time if they were closed.
"""

import sys
import time
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.facts import AffinityFacts, Conversation, UpgradeFacts, Visit
from wsbook.observation import Observation, Source, observed
from wsbook.probes.endings import close_all, why_not_open
from wsbook.probes.instances import binding_cookies, cookies_of, named_by, signals_of, withheld
from wsbook.probes.socket import Socket
from wsbook.probes.stickiness import TALKS, converse, with_cookies
from wsbook.probes.upgrade import open_socket

__all__ = ["MOST_STRANGE", "SOURCES", "probe_affinity"]

MOST_STRANGE, MOST = 6, 24
"""Connections of a series to somebody else's host, and to one's own."""
SOURCES = tuple(f"127.{11 + 23 * number}.{7 + 19 * number}.{2 + 9 * number}" for number in range(10))
"""Addresses of ours on loopback (all of 127/8 on Linux). ip_hash of nginx looks at the first three numbers, so those differ."""
_LEAST_S = 0.5
"""For one connection, also when the time is over."""
_REQUESTS = 4
_SESSIONS = 2


class _Answer(Struct, kw_only=True):
    """One connection as it came back."""

    series: str
    place: str
    source: str
    seen: Observation
    message: str | None = None

    @property
    def facts(self) -> UpgradeFacts | None:
        return self.seen.facts if isinstance(self.seen.facts, UpgradeFacts) else None

    @property
    def accepted(self) -> bool:
        return self.facts is not None and self.facts.accepted

    @property
    def signals(self) -> dict[str, str]:
        return dict(signals_of(self.facts.headers, self.message)) if self.facts else {}

    def visit(self, sign: str, sent: dict[str, str]) -> Visit:
        """Return what is kept. sent: the cookies that went along; one that the balancer leaves alone still names its instance."""
        facts, why = self.facts, None if self.accepted else why_not_open(self.seen)
        kept = (
            sent.get(sign.removeprefix("cookie "), "") if sign.startswith("cookie ") and self.series == "cookie" and self.accepted else ""
        )
        return Visit(
            series=self.series,
            place=self.place,
            accepted=self.accepted,
            instance=self.signals.get(sign, kept),
            status=facts.status if facts else None,
            source=self.source,
            duration_s=self.seen.duration_s,
            stage=why.stage if why else "",
            error=why.message[:160] if why else "",
        )


class _Series:
    """Makes connections and holds them; tells what came back."""

    def __init__(self, step: str, end: float) -> None:
        self.step, self.end = step, end
        self.answers: list[_Answer] = []
        self._first_message_s: float | None = None

    async def run(self, series: str, attempts: Sequence[Attempt], until: float) -> None:
        """Make the connections one after the other, as many as fit; the first always."""
        sockets: list[Socket] = []
        try:
            for number, attempt in enumerate(attempts):
                if number and time.perf_counter() > min(until, self.end):
                    return
                await self._visit(series, attempt, sockets)
        finally:
            await close_all(sockets)

    async def _visit(self, series: str, attempt: Attempt, sockets: list[Socket]) -> None:
        timeout_s = min(attempt.timeout_s, max(_LEAST_S, self.end - time.perf_counter()))
        seen, socket = await open_socket(replace(attempt, first_message_s=0.0, timeout_s=timeout_s), step=self.step)
        answer = _Answer(series=series, place=attempt.hop, source=attempt.source or "", seen=seen)
        self.answers.append(answer)
        if socket is None:
            return
        sockets.append(socket)
        wait_s = attempt.first_message_s if self._first_message_s is None else self._first_message_s
        if wait_s:
            said = await socket.receive(wait_s)
            answer.message = said[:16_384] if isinstance(said, str) else None
            self._first_message_s = wait_s if said is not None else 0.0

    def of(self, series: str) -> list[_Answer]:
        return [answer for answer in self.answers if answer.series == series]


async def probe_affinity(
    attempt: Attempt,
    *,
    step: str,
    connections: int = 12,
    seconds: float = 6.0,
    hops: Sequence[Attempt] = (),
    dialect: str = "",
    owned: bool = False,
) -> Observation:
    """Connect several times, hold sessions of several requests, and return which process answered what.

    attempt.first_message_s: how long the first connection waits for a message; the others wait when that one got something.
    hops: where each process, or a proxy behind the balancer, is reached directly. dialect: what the endpoint is known to speak; only those
    of TALKS have sessions. owned: more than a few connections are allowed. seconds bounds the whole.

    Raises:
        UsageError: as open_socket().
    """
    begin = time.perf_counter()
    count = max(2, min(connections, MOST if owned else MOST_STRANGE))
    series = _Series(step, begin + seconds)
    await series.run("plain", [attempt] * count, begin + 0.4 * seconds)
    first = next((answer for answer in series.of("plain") if answer.accepted), None)
    headers = first.facts.headers if first is not None and first.facts else ()
    kept_back = withheld(headers, attempt.endpoint.path, attempt.endpoint.secure or attempt.endpoint.is_loopback)
    given = dict(cookies_of(headers))
    cookies = {name: value for name, value in given.items() if name not in kept_back}
    if cookies:
        words = "; ".join(f"{name}={value}" for name, value in cookies.items())
        await series.run("cookie", [with_cookies(attempt, words)] * count, begin + 0.6 * seconds)
    if first is not None and owned and _may_vary(attempt, first):
        await series.run("source", [replace(attempt, source=source) for source in SOURCES], begin + 0.7 * seconds)
    await series.run("direct", [hop for hop in hops for _ in range(2)], begin + 0.8 * seconds)
    held = await _hold_sessions(attempt, dialect, step, series.end, hops) if dialect in TALKS else []
    sign = named_by([answer.signals for answer in series.of("plain") if answer.accepted])
    sent = {name.lower(): value for name, value in cookies.items()}
    facts = AffinityFacts(
        url=attempt.url,
        known_by=sign,
        cookies=tuple(given)[:20],
        bound=binding_cookies(given)[:20],
        withheld=tuple(f"{name} ({why})" for name, why in kept_back.items())[:20],
        visits=tuple(answer.visit(sign, sent) for answer in series.answers),
        conversations=tuple(held),
    )
    source = Source(step=step, probe="affinity", hop=attempt.hop, changed=attempt.changed)
    return observed(source, facts, duration_s=time.perf_counter() - begin)


def _may_vary(attempt: Attempt, first: _Answer) -> bool:
    """Whether we have other addresses to come from: on loopback, over IPv4, where the system answers on all of 127/8."""
    peer = first.facts.peer if first.facts else None
    return sys.platform == "linux" and attempt.via is None and attempt.source is None and (peer or "").startswith("127.")


async def _hold_sessions(attempt: Attempt, dialect: str, step: str, end: float, hops: Sequence[Attempt]) -> list[Conversation]:
    """Hold sessions as a browser does, which keeps cookies, and as a client without any; those of the browser first."""
    held: list[Conversation] = []
    for series in ("cookie", "plain") * _SESSIONS:
        left_s = end - time.perf_counter()
        if held and left_s <= 0.1:
            break
        talk = await converse(attempt, dialect, series=series, requests=_REQUESTS, step=step, seconds=max(0.5, left_s), hops=hops)
        if talk is None:
            break
        held.append(talk)
    return held
