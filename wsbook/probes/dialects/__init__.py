"""An endpoint asked as a client of its dialect asks: only what that client's library would send by itself. It must not judge."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from wsbook.attempt import Attempt
from wsbook.observation import Observation, Source, observed
from wsbook.probes.companion import Companion
from wsbook.probes.dialects.asking import Asking
from wsbook.probes.dialects.engineio import ask_engineio
from wsbook.probes.dialects.signalr import ask_signalr
from wsbook.probes.dialects.sockjs import ask_sockjs
from wsbook.probes.dialects.streams import ask_actioncable, ask_graphql, ask_mqtt, ask_phoenix, ask_stomp
from wsbook.wire.dialects.detect import Clue

__all__ = ["probe_dialect"]

_ASK: dict[str, Callable[[Asking, int], Awaitable[None]]] = {
    "engine.io": ask_engineio,
    "sockjs": ask_sockjs,
    "signalr": ask_signalr,
    "graphql": ask_graphql,
    "stomp": ask_stomp,
    "phoenix": ask_phoenix,
    "actioncable": ask_actioncable,
    "mqtt": ask_mqtt,
}


async def probe_dialect(attempt: Attempt, clue: Clue, *, step: str, pairs: int = 6, seconds: float = 3.0) -> Observation:
    """Ask an endpoint as a client of the clue's dialect; the attempt's headers and Origin go along with every request.

    pairs: sessions begun and used over different connections, for dialects with sessions over HTTP. seconds bounds the whole; what
    was learnt by then counts.

    Raises:
        UsageError: as open_socket().
    """
    source = Source(step=step, probe="dialect", hop=attempt.hop, changed=attempt.changed)
    started, moment = time.perf_counter(), datetime.now(UTC)
    async with Companion(attempt) as companion:
        asking = Asking(attempt, clue, companion, step, seconds)
        try:
            async with asyncio.timeout(seconds + 0.5):
                await _ASK[clue.dialect](asking, pairs)
        except TimeoutError:
            asking.note("time", None, f"the questions took longer than {seconds:g} s")
        finally:
            asking.abort()
    return observed(source, asking.facts(), duration_s=time.perf_counter() - started, observed_at=moment)
