"""Step 3.1: what the frontend's source says, and what the page does when its socket ends."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wsbook.errors import UsageError
from wsbook.facts import EndpointFacts, UpgradeFacts
from wsbook.observation import Observation, Reason, Source, not_run
from wsbook.steps.looking import Looking, baseline, missing
from wsbook.steps.patterns import look_patterns
from wsbook.target import parse_endpoint
from wsbook.wire.dialects.detect import recognise

if TYPE_CHECKING:
    from wsbook.probes.reconnect_plans import Outage

__all__ = ["look_frontend"]


async def look_frontend(look: Looking) -> None:
    """Read the frontend's source for what breaks real-time updates; meanwhile interrupt the page's socket and watch what it does."""
    reading = asyncio.ensure_future(look_patterns(look, "3.1", "frontend", look.target.frontend))
    try:
        await _look_live(look)
    finally:
        await reading


async def _look_live(look: Looking) -> None:
    from wsbook.probes.reconnect import probe_outages
    from wsbook.probes.reconnect_plans import lanes

    target = look.target
    if not target.page_url:
        look.add(missing("3.1", "reconnect", "no page was given; give page_url to see what it does when its socket ends"))
        return
    if target.forward_proxy:
        words = "not run: the page is reached through a forward proxy, and the relay stands before no proxy"
        look.add(not_run(Source(step="3.1", probe="reconnect", hop="browser"), Reason.SKIPPED, words))
        return
    url = _dialled(look)
    if not url:
        look.add(
            missing("3.1", "reconnect", "no endpoint was given, and no browser saw the page open a socket; give a ws:// or wss:// URL")
        )
        return

    async def lane(outages: "Sequence[Outage]", number: int) -> list[Observation]:
        return await probe_outages(
            target.page_url,
            url,
            outages,
            step="3.1",
            ca_file=target.ca_file,
            publishing=baseline(look) if target.url else None,
            trigger=target.trigger,
            message=target.message,
            stand_in=not _waits_for_greeting(look, url),
            on_progress=look.progress if number == 0 else None,
        )

    first, then = lanes(look.budget.name, burden=target.may_burden)
    for found in await asyncio.gather(*(lane(outages, number) for number, outages in enumerate(first))):
        look.add(*found)
    if then:
        await look.settled("3.4")
    for found in await asyncio.gather(*(lane(outages, number) for number, outages in enumerate(then))):
        look.add(*found)


def _waits_for_greeting(look: Looking, url: str) -> bool:
    """Whether the page seems to speak a dialect, whose clients take no socket for open before the server has spoken."""
    libraries = [facts.library for _, facts in look.evidence.of(EndpointFacts) if facts.side == "frontend" and facts.library]
    return bool(recognise(parse_endpoint(url).resource, subprotocols=look.target.subprotocols, libraries=libraries))


def _dialled(look: Looking) -> str:
    """Return the endpoint that the page dials: the target's, unless a browser saw the page open a socket elsewhere only."""
    seen = [
        facts.url
        for entry, facts in look.evidence.of(UpgradeFacts, step="1.2")
        if entry.source.probe == "browser" and facts.accepted and not entry.source.artifact
    ]
    own = _place(look.target.url)
    if own and (not seen or own in map(_place, seen)):
        return look.target.url
    return next(filter(_place, seen), look.target.url)


def _place(url: str) -> tuple[str, int] | None:
    try:
        endpoint = parse_endpoint(url.partition("?")[0])
    except UsageError:
        return None
    return endpoint.host, endpoint.port
