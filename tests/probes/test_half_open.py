"""A connection that goes dead: who notices, and when."""

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection, serve

from wsbook.attempt import Attempt
from wsbook.facts import HalfOpenFacts
from wsbook.observation import Observation, Outcome
from wsbook.probes.half_open import probe_half_open


async def _wait(peer: ServerConnection) -> None:
    await peer.wait_closed()


async def _dead(seconds: float, **options: object) -> Observation:
    async with serve(_wait, "127.0.0.1", 0, close_timeout=0.1, **options) as running:  # type: ignore[arg-type]
        return await probe_half_open(Attempt(url=f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/"), step="3.4", seconds=seconds)


async def test_a_server_that_pings_notices_and_one_that_does_not_keeps_it() -> None:
    pinging, silent = await asyncio.gather(_dead(5.0, ping_interval=0.5, ping_timeout=0.4), _dead(1.0, ping_interval=None))
    assert isinstance(pinging.facts, HalfOpenFacts) and isinstance(silent.facts, HalfOpenFacts)
    assert pinging.facts.noticed_s is not None and 0.3 < pinging.facts.noticed_s < 3.0
    assert pinging.facts.last_heard_s is not None
    assert (silent.facts.noticed_s, silent.facts.last_heard_s) == (None, None)
    assert silent.facts.watched_s == pytest.approx(1.0, abs=0.5)


async def test_what_cannot_be_tried_says_so() -> None:
    through = await probe_half_open(Attempt(url="ws://127.0.0.1:9/", via="http://127.0.0.1:9"), step="3.4", seconds=1.0)
    assert through.outcome is Outcome.NOT_RUN
    refused = await probe_half_open(Attempt(url="ws://127.0.0.1:9/"), step="3.4", seconds=1.0)
    assert refused.outcome is Outcome.FAILED
