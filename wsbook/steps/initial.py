"""Phase 1: what steps 1.1 to 1.4 look at, and triage before them."""

import asyncio
from functools import partial

from wsbook.facts import EndpointFacts, PatternFacts, UpgradeFacts
from wsbook.steps.looking import Looking, baseline, missing, read, shorter

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
        found = [entry for entry in seen if not isinstance(entry.facts, PatternFacts)]
        look.add(*found)
        if not any(isinstance(entry.facts, EndpointFacts) for entry in found):
            look.add(missing("1.1", f"{side} source", f"no WebSocket endpoint was recognised in the {side} source"))


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
    logs = bool(look.target.logs)
    seen = await experiment(first, shorter(handshake_variants(first, marked=logs)), step="1.3", apart=logs)
    look.add(*seen)
    if isinstance(seen[0].facts, UpgradeFacts) and seen[0].facts.accepted:
        look.progress("echo, pings and the closing handshake", 0.6)
        look.add(await probe_echo(first, step="1.3", binary=look.budget.name != "quick"))


async def look_logs(look: Looking) -> None:
    """Read the logs, and find our own attempts in them."""
    from wsbook.parsers.read import read_artifact
    from wsbook.steps.logged import logged_attempts, written_at

    if not look.target.logs:
        look.add(missing("1.4", "log", "no log was given; give the files of proxy and backend as logs"))
    endpoint = look.target.endpoint
    served = endpoint.path if endpoint else ""
    for path in look.target.logs:
        await read(look, "1.4", path, partial(read_artifact, path, step="1.4", endpoint_path=served, configs=look.target.configs))
    read_now = [seen for seen in look.evidence.observations if seen.source.step == "1.4"]
    look.add(*logged_attempts(look.evidence.upgrades, read_now, written_at(look.target.logs)))
