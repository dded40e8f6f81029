"""Phase 1: what steps 1.1 to 1.4 look at, and triage before them."""

import asyncio
from functools import partial

from wsbook.errors import UsageError
from wsbook.facts import EndpointFacts, UpgradeFacts
from wsbook.steps.around import look_around
from wsbook.steps.direct import look_dialects, look_messages
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
    await _repeat_recorded(look)
    if target.page_url:
        await _watch_page(look)
    elif not (target.har or target.console):
        await _look_without_page(look)


def _browsers(look: Looking) -> tuple[bool, bool]:
    """Return whether Chromium and whether Firefox look: in a quick run one of them, Chromium first, else each that is there."""
    from wsbook.probes.browser import browser_available
    from wsbook.probes.firefox import firefox_available

    chromium, firefox = bool(browser_available()), bool(firefox_available())
    return chromium or not firefox, firefox and (not chromium or look.budget.name != "quick")


async def _watch_page(look: Looking) -> None:
    """Watch the page in each browser, side by side."""
    from wsbook.probes.browser import probe_page
    from wsbook.probes.firefox import probe_firefox

    target = look.target
    look.progress("opening the page in a browser", 0.3)
    watch_s = min(2.0, look.budget.total_s / 12)
    repeated = shorter([baseline(look)])[0] if target.url else None
    chosen = [probe for probe, wanted in zip((probe_page, probe_firefox), _browsers(look), strict=True) if wanted]
    for found in await asyncio.gather(
        *(probe(target.page_url, step="1.2", watch_s=watch_s, ca_file=target.ca_file, repeated=repeated) for probe in chosen)
    ):
        look.add(*found)


async def _repeat_recorded(look: Looking) -> None:
    """Repeat the failed handshakes of a recording; only those to the target's own hosts, whatever else a file names."""
    from wsbook.probes.explain_1006 import Told, explain

    own = {parse_endpoint(url).host for url in (look.target.url, look.target.page_url.partition("#")[0]) if url}
    if not look.target.url:
        return
    told = [
        Told(url=_socket_url(facts.url), headers=facts.request_headers, hop="recording")
        for seen, facts in look.evidence.of(UpgradeFacts, step="1.2")
        if seen.source.artifact and not facts.accepted and facts.request_headers and _host(facts.url) in own
    ]
    look.add(*await explain(told, shorter([baseline(look)])[0], step="1.2"))


def _host(url: str) -> str:
    try:
        return parse_endpoint(url.partition("#")[0]).host
    except UsageError:
        return ""


def _socket_url(url: str) -> str:
    """Return the ws form of a URL that a recording tells as http."""
    return f"ws{url[4:]}" if url.startswith("http") else url


async def _look_without_page(look: Looking) -> None:
    """Let a browser open the endpoint from a blank page of the expected origin."""
    from wsbook.probes.browser import probe_browser_socket
    from wsbook.probes.firefox import probe_firefox_socket

    if not look.target.url:
        look.add(missing("1.2", "browser", "no page, HAR or console text was given; give page_url, har or console"))
        return
    look.progress("opening the endpoint in a browser, from a blank page", 0.3)
    both = zip((probe_browser_socket, probe_firefox_socket), _browsers(look), strict=True)
    for found in await asyncio.gather(*(probe(baseline(look), step="1.2", watch_s=1.0) for probe, wanted in both if wanted)):
        look.add(*found)


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
    await look_around(look, first, seen[0])
    if isinstance(seen[0].facts, UpgradeFacts) and seen[0].facts.accepted:
        look.progress("echo, pings and the closing handshake", 0.6)
        echo = await probe_echo(first, step="1.3", binary=look.budget.name != "quick")
        look.add(echo)
        await look_messages(look, first, echo)
    await look_dialects(look, first)


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
