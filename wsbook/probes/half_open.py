"""A connection that goes dead without a word: the relay stops passing anything on, and tells when the server lets go of its side.

It must not know what a server should do about it.
"""

import time
from datetime import UTC, datetime

from wsbook.attempt import Attempt
from wsbook.facts import HalfOpenFacts
from wsbook.observation import Observation, Reason, Source, not_run, observed
from wsbook.probes.detour import through
from wsbook.probes.endings import why_not_open
from wsbook.probes.keeping import Keeping
from wsbook.probes.relay import Line, Relay, open_relay
from wsbook.probes.upgrade import open_socket

__all__ = ["probe_half_open"]

_SETTLE_S = 0.3
"""For greetings, before the connection goes dead."""
_LOOK_S = 0.5


async def probe_half_open(attempt: Attempt, *, step: str, seconds: float, dialect: str = "") -> Observation:
    """Return when the server ends a connection on which nothing passes any more in either direction, seconds at most.

    One connection, dialled through a relay on loopback. NOT_RUN through a forward proxy, or where the request names its headers exactly.

    Raises:
        UsageError: as open_socket().
    """
    source = Source(step=step, probe="half-open", hop=attempt.hop, changed=attempt.changed)
    if attempt.via or attempt.exact or attempt.endpoint.userinfo:
        return not_run(source, Reason.SKIPPED, "the relay dials the endpoint itself, so that no forward proxy or exact request can be used")
    started, moment = time.perf_counter(), datetime.now(UTC)
    async with open_relay(attempt.address or attempt.endpoint.host, attempt.endpoint.port) as relay:
        seen, socket = await open_socket(through(attempt, relay), step=step)
        if socket is None:
            return observed(source, None, duration_s=seen.duration_s, failure=why_not_open(seen), stages=seen.stages)
        try:
            keeping = Keeping(socket, dialect)
            await keeping.greet()
            await keeping.read(_SETTLE_S)
            relay.stall()
            facts = await _watch(relay, relay.lines[-1], seconds)
        finally:
            socket.abort()
    return observed(source, facts, duration_s=time.perf_counter() - started, observed_at=moment)


async def _watch(relay: Relay, line: Line, seconds: float) -> HalfOpenFacts:
    stalled = time.monotonic()
    while line.target_ended_at is None and (left := stalled + seconds - time.monotonic()) > 0:
        await relay.changed(min(left, _LOOK_S))
    heard = line.from_target_at
    return HalfOpenFacts(
        watched_s=time.monotonic() - stalled,
        noticed_s=None if line.target_ended_at is None else max(0.0, line.target_ended_at - stalled),
        last_heard_s=heard - stalled if heard is not None and heard > stalled else None,
    )
