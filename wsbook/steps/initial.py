"""Phase 1: what steps 1.1 to 1.4 look at, and triage before them."""

import asyncio
from functools import partial

from wsbook.facts import EndpointFacts, UpgradeFacts
from wsbook.steps.looking import Looking, baseline, missing, read, shorter
from wsbook.target import parse_endpoint

__all__ = ["look_browser", "look_direct", "look_endpoint", "look_logs", "look_triage"]


async def look_triage(look: Looking) -> None:
    """Read the symptom that was told."""
    from wsbook.parsers.symptom import parse_symptom

    if look.target.symptom:
        look.add(parse_symptom(look.target.symptom, step="0"))
    else:
        look.add(missing("0", "symptom", "no symptom was told; give it in a few words"))


async def look_endpoint(look: Looking) -> None:
    """Find the URLs in the frontend's source and the routes in the backend's."""
    from wsbook.parsers.sources import parse_sources

    target = look.target
    for side, folders in (("frontend", target.frontend), ("backend", target.backend)):
        if not folders:
            look.add(missing("1.1", f"{side} source", f"no {side} source was given; give its folder as {side}"))
            continue
        seen = await asyncio.to_thread(parse_sources, folders, side=side, page_url=target.page_url, step="1.1")
        look.add(*seen)
        if not any(isinstance(entry.facts, EndpointFacts) for entry in seen):
            look.add(missing("1.1", f"{side} source", f"no WebSocket endpoint was recognised in the {side} source"))
    if target.page_url:
        await _look_bundles(look)


async def _look_bundles(look: Looking) -> None:
    """Read the scripts that the page really loads: a build may be older than its source."""
    from wsbook.parsers.sources import parse_bundles
    from wsbook.probes.bundles import Limits, probe_bundles

    target = look.target
    page, endpoint = parse_endpoint(target.page_url.partition("#")[0]), target.endpoint
    own = endpoint is not None and (endpoint.host, endpoint.port) == (page.host, page.port)
    limits = Limits(total_s=3.0 if look.budget.name == "quick" else 8.0)
    look.progress("fetching the page's scripts", 0.6)
    seen, scripts = await probe_bundles(
        target.page_url, step="1.1", ca_file=target.ca_file, headers=target.headers if own else (), limits=limits
    )
    look.add(seen)
    built = [(script.url, script.text) for script in sorted(scripts, key=lambda script: script.original)]
    look.add(*await asyncio.to_thread(parse_bundles, built, page_url=target.page_url, step="1.1"))


async def look_browser(look: Looking) -> None:
    """Read a recording and console text; open the page in a real browser."""
    from wsbook.parsers.read import read_artifact

    target = look.target
    for path, kind in ((target.har, "har"), (target.console, "browser_console")):
        if path:
            await read(look, "1.2", path, partial(read_artifact, path, kind=kind, step="1.2"))
    if target.page_url:
        from wsbook.probes.browser import probe_page

        look.progress("opening the page in a browser", 0.3)
        watch_s = min(2.0, look.budget.total_s / 12)
        look.add(*await probe_page(target.page_url, step="1.2", watch_s=watch_s, ca_file=target.ca_file))
    elif not (target.har or target.console):
        await _look_without_page(look)


async def _look_without_page(look: Looking) -> None:
    """Let a browser open the endpoint from a blank page of the expected origin."""
    from wsbook.probes.browser import probe_browser_socket

    if not look.target.url:
        look.add(missing("1.2", "browser", "no page, HAR or console text was given; give page_url, har or console"))
        return
    look.progress("opening the endpoint in a browser, from a blank page", 0.3)
    look.add(*await probe_browser_socket(baseline(look), step="1.2", watch_s=1.0))


async def look_direct(look: Looking) -> None:
    """Try the endpoint without its frontend, then vary one thing at a time, then use the socket."""
    from wsbook.probes.experiment import experiment, handshake_variants
    from wsbook.probes.socket import probe_echo

    if not look.target.url:
        look.add(missing("1.3", "upgrade", "no endpoint was given; give a ws:// or wss:// URL"))
        return
    first = baseline(look)
    seen = await experiment(first, shorter(handshake_variants(first)), step="1.3", apart=bool(look.target.logs))
    look.add(*seen)
    if isinstance(seen[0].facts, UpgradeFacts) and seen[0].facts.accepted:
        look.progress("echo, pings and the closing handshake", 0.6)
        look.add(await probe_echo(first, step="1.3", binary=look.budget.name != "quick"))


async def look_logs(look: Looking) -> None:
    """Read the logs."""
    from wsbook.parsers.read import read_artifact

    if not look.target.logs:
        look.add(missing("1.4", "log", "no log was given; give the files of proxy and backend as logs"))
    for path in look.target.logs:
        await read(look, "1.4", path, partial(read_artifact, path, step="1.4"))
