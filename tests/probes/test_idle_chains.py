"""Idle limits behind real proxies, side by side: found to a quarter of a second, with who counts what."""

import asyncio

import pytest
from conftest import needs
from idle_chains import limited
from websockets.asyncio.server import ServerConnection, serve

from wsbook.attempt import Attempt
from wsbook.facts import IdleFacts
from wsbook.probes.idle import probe_idle

LIMITS, LONGEST_S = (2.0, 3.3), 4.2
KINDS = ("none", "client", "ping", "pong", "listen")


async def _echo(peer: ServerConnection) -> None:
    """Echo, but for those who ask for news: they get some every quarter of a second."""
    async for message in peer:
        await peer.send(message)
        while message == "news":
            await asyncio.sleep(0.25)
            await peer.send("news")


async def _ladder(url: str, longest_s: float) -> list[IdleFacts]:
    rungs_s = (longest_s / 3, longest_s)
    found = await probe_idle(Attempt(url=url), rungs_s=rungs_s, step="3.4", traffic=KINDS, message="hello", subscribe="news")
    return [seen.facts for seen in found if isinstance(seen.facts, IdleFacts)]


def _dead(found: list[IdleFacts]) -> set[str]:
    return {facts.traffic for facts in found if not facts.survived}


CHAINS = {
    ("nginx", ""): {"none"},
    ("haproxy", ""): {"none"},
    ("haproxy", "option independent-streams"): {"none", "pong", "listen"},
    ("caddy", ""): {"none", "pong"},
    ("caddy", "stream_timeout {ms}ms"): set(KINDS),
}
"""(product, more of its configuration) → which kinds of traffic end at the limit."""


async def _ladders(product: str, more: str, app: int) -> dict[float, list[IdleFacts]]:
    async with limited(product, LIMITS, app, more=more) as urls:
        return dict(zip(urls, await asyncio.gather(*(_ladder(url, LONGEST_S) for url in urls.values())), strict=True))


@needs("nginx", "haproxy", "caddy")
async def test_limits_are_found_with_what_saves_from_them() -> None:
    async with serve(_echo, "127.0.0.1", 0, ping_interval=None) as running:
        app = running.sockets[0].getsockname()[1]
        every = await asyncio.gather(*(_ladders(product, more, app) for product, more in CHAINS))
    for (chain, dead), found in zip(CHAINS.items(), every, strict=True):
        for limit_s, rungs in found.items():
            (longest,) = [facts for facts in rungs if facts.traffic == "none" and facts.silence_s == LONGEST_S]
            assert not longest.survived and longest.lived_s == pytest.approx(limit_s, abs=0.5), chain  # 0.02 on a quiet machine
            assert _dead(rungs) == dead, chain
