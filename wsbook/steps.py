"""What each of the twelve steps looks at: which probes and parsers, on what, within which budget. Judges nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from wsbook.attempt import Attempt, attempt_for
from wsbook.errors import UnreadableInputError
from wsbook.evidence import Evidence
from wsbook.facts import BroadcastFacts, EchoFacts, EndpointFacts, NameFacts, PatternFacts, UpgradeFacts
from wsbook.finding import STEP_TITLES
from wsbook.observation import Failure, Observation, Outcome, Reason, Source, not_run, observed
from wsbook.target import Budget, Target

__all__ = ["PHASES", "STEPS", "Looking", "Step"]

PHASES = {"1": "Initial diagnosis", "2": "Network and infrastructure", "3": "Application logic", "4": "Real-time flow"}

_VARIANT_S = 3.0
"""Variants need not be waited for as long as the baseline: it has shown how fast the endpoint answers."""


class Looking(Protocol):
    """What a step needs of the investigation that runs it."""

    target: Target
    budget: Budget

    @property
    def evidence(self) -> Evidence:
        """Everything observed so far."""

    def add(self, *observations: Observation) -> None:
        """Keep observations."""

    def progress(self, text: str, fraction: float) -> None:
        """Tell how far a step is, 0..1."""


class Step(Struct, frozen=True, kw_only=True):
    """One step: number, title, the question it answers, and the function that looks."""

    number: str
    title: str
    question: str
    look: Callable[[Looking], Awaitable[None]]


def _missing(step: str, probe: str, message: str) -> Observation:
    return not_run(Source(step=step, probe=probe), Reason.NOT_GIVEN, message)


def _baseline(look: Looking) -> Attempt:
    return attempt_for(look.target, look.budget.attempt_s)


def _at_hops(look: Looking) -> list[Attempt]:
    """Return the baseline at each hop, the application first, without the forward proxy."""
    return [replace(_baseline(look), url=hop.url, hop=hop.name, via=None) for hop in look.target.hops]


def _shorter(variants: Iterable[Attempt]) -> list[Attempt]:
    return [replace(variant, timeout_s=min(variant.timeout_s, _VARIANT_S)) for variant in variants]


async def _read(look: Looking, step: str, path: str, parse: Callable[[], list[Observation]]) -> None:
    """Parse a file in a thread and keep what it holds; a file that cannot be read is an observation too."""
    look.progress(f"reading {path}", 0.2)
    try:
        look.add(*await asyncio.to_thread(parse))
    except UnreadableInputError as error:
        source = Source(step=step, probe="read", artifact=path)
        look.add(observed(source, None, failure=Failure(stage="read", reason=Reason.UNREADABLE, message=str(error))))


async def _open_attempt(look: Looking, step: str) -> Attempt | None:
    """Return an attempt that is known to be accepted at the endpoint; None, with the reason noted, when there is none."""
    from wsbook.probes.upgrade import probe_upgrade

    if not look.target.url:
        look.add(_missing(step, "upgrade", "no endpoint was given; give a ws:// or wss:// URL"))
        return None
    tried = look.evidence.attempts()
    if not tried:
        seen = await probe_upgrade(_baseline(look), step=step)
        look.add(seen)
        tried = [(seen, seen.facts)] if isinstance(seen.facts, UpgradeFacts) else []
    if any(facts.accepted for _, facts in tried):
        return _baseline(look)
    why = "the endpoint does not accept an upgrade (step 1.3), so there is nothing to keep open"
    look.add(not_run(Source(step=step, probe="upgrade"), Reason.SKIPPED, why))
    return None


async def look_triage(look: Looking) -> None:
    """Read the symptom that was told."""
    from wsbook.parsers.symptom import parse_symptom

    if look.target.symptom:
        look.add(parse_symptom(look.target.symptom, step="0"))
    else:
        look.add(_missing("0", "symptom", "no symptom was told; give it in a few words"))


async def look_endpoint(look: Looking) -> None:
    """Find the URLs in the frontend's source and the routes in the backend's."""
    from wsbook.parsers.sources import parse_sources

    target = look.target
    for side, folders in (("frontend", target.frontend), ("backend", target.backend)):
        if not folders:
            look.add(_missing("1.1", f"{side} source", f"no {side} source was given; give its folder as {side}"))
            continue
        seen = await asyncio.to_thread(parse_sources, folders, side=side, page_url=target.page_url, step="1.1")
        found = [entry for entry in seen if not isinstance(entry.facts, PatternFacts)]
        look.add(*found)
        if not any(isinstance(entry.facts, EndpointFacts) for entry in found):
            look.add(_missing("1.1", f"{side} source", f"no WebSocket endpoint was recognised in the {side} source"))


async def look_browser(look: Looking) -> None:
    """Read a recording and console text; open the page in a real browser."""
    from wsbook.parsers.read import read_artifact

    target = look.target
    for path, kind in ((target.har, "har"), (target.console, "browser_console")):
        if path:
            await _read(look, "1.2", path, partial(read_artifact, path, kind=kind, step="1.2"))
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
        look.add(_missing("1.2", "browser", "no page, HAR or console text was given; give page_url, har or console"))
        return
    look.progress("opening the endpoint in a browser, from a blank page", 0.3)
    look.add(*await probe_browser_socket(_baseline(look), step="1.2", watch_s=1.0))


async def look_direct(look: Looking) -> None:
    """Try the endpoint without its frontend, then vary one thing at a time, then use the socket."""
    from wsbook.probes.experiment import experiment, handshake_variants
    from wsbook.probes.socket import probe_echo

    if not look.target.url:
        look.add(_missing("1.3", "upgrade", "no endpoint was given; give a ws:// or wss:// URL"))
        return
    baseline = _baseline(look)
    seen = await experiment(baseline, _shorter(handshake_variants(baseline)), step="1.3", apart=bool(look.target.logs))
    look.add(*seen)
    if isinstance(seen[0].facts, UpgradeFacts) and seen[0].facts.accepted:
        look.progress("echo, pings and the closing handshake", 0.6)
        look.add(await probe_echo(baseline, step="1.3", binary=look.budget.name != "quick"))


async def look_logs(look: Looking) -> None:
    """Read the logs."""
    from wsbook.parsers.read import read_artifact

    if not look.target.logs:
        look.add(_missing("1.4", "log", "no log was given; give the files of proxy and backend as logs"))
    for path in look.target.logs:
        await _read(look, "1.4", path, partial(read_artifact, path, step="1.4"))


async def look_network(look: Looking) -> None:
    """Resolve the name, try the ports at each address, and look for proxy variables."""
    import os

    from wsbook.probes.network import observe_proxy_variables, probe_name, probe_port

    endpoint = look.target.endpoint
    if endpoint is None:
        look.add(_missing("2.1", "network", "no endpoint was given; give a ws:// or wss:// URL"))
        return
    look.add(observe_proxy_variables(look.target.url, os.environ, step="2.1"))
    name = await probe_name(endpoint.host, step="2.1", timeout_s=look.budget.attempt_s)
    look.add(name)
    addresses = [address for _, address in name.facts.addresses[:4]] if isinstance(name.facts, NameFacts) else []
    ports = [endpoint.port] if endpoint.is_loopback else sorted({endpoint.port, 80, 443})
    timeout_s = min(3.0, look.budget.attempt_s)
    tries = [probe_port(endpoint.host, address, port, step="2.1", timeout_s=timeout_s) for address in addresses for port in ports]
    look.add(*await asyncio.gather(*tries))


async def look_proxies(look: Looking) -> None:
    """Read the proxies' configurations; make the same attempt at every hop."""
    from wsbook.parsers.read import read_artifact
    from wsbook.probes.experiment import hop_variants, next_second
    from wsbook.probes.upgrade import probe_upgrade

    target, endpoint = look.target, look.target.endpoint
    for path in target.configs:
        served = endpoint.path if endpoint else ""
        await _read(look, "2.2", path, partial(read_artifact, path, endpoint_path=served, step="2.2"))
    if not target.hops:
        message = "no hops were given; give the URLs that reach the application and each proxy directly as hops"
        look.add(_missing("2.2", "hops", message))
    if not target.hops or endpoint is None:
        return
    attempts = _at_hops(look)
    look.add(*await asyncio.gather(*(probe_upgrade(attempt, step="2.2") for attempt in attempts)))
    if not look.evidence.attempts():
        look.add(await probe_upgrade(_baseline(look), step="2.2"))
    if target.logs:
        await next_second()
    variants = _shorter(variant for attempt in attempts for variant in hop_variants(attempt, endpoint))
    look.add(*await asyncio.gather(*(probe_upgrade(variant, step="2.2") for variant in variants)))


def _publishing(target: Target) -> tuple[str, str]:
    """Return (text that publishes, text that subscribes): a message without {marker} is what a client sends first."""
    return (target.message, "") if "{marker}" in target.message else ("", target.message)


async def _look_patterns(look: Looking, step: str, side: str, folders: tuple[str, ...]) -> None:
    from wsbook.parsers.sources import parse_sources

    if not folders:
        look.add(_missing(step, f"{side} source", f"no {side} source was given; give its folder as {side}"))
        return
    seen = await asyncio.to_thread(parse_sources, folders, side=side, page_url=look.target.page_url, step=step)
    look.add(*(entry for entry in seen if not isinstance(entry.facts, EndpointFacts)))


async def look_frontend(look: Looking) -> None:
    """Read the frontend's source for what breaks real-time updates."""
    await _look_patterns(look, "3.1", "frontend", look.target.frontend)


async def look_backend(look: Looking) -> None:
    """Read the backend's source; publish to several subscribers and see who misses what."""
    from wsbook.probes.broadcast import probe_broadcast

    target = look.target
    await _look_patterns(look, "3.2", "backend", target.backend)
    if not (target.trigger or "{marker}" in target.message):
        look.add(_missing("3.2", "broadcast", "nothing given makes the application publish; give trigger or message with {marker}"))
        return
    attempt = await _open_attempt(look, "3.2")
    if attempt is None:
        return
    message, subscribe = _publishing(target)
    for number, break_one in enumerate((False, True)):
        if break_one and any(one.missed for _, facts in look.evidence.of(BroadcastFacts) for one in facts.subscribers):
            return
        look.progress(f"publishing to six subscribers{', one of which breaks off' if break_one else ''}", 0.3 + 0.4 * number)
        look.add(
            await probe_broadcast(
                attempt,
                subscribers=6,
                messages=8,
                trigger=target.trigger,
                message=message,
                subscribe=subscribe,
                step="3.2",
                hops=_at_hops(look),
                owned=target.owned,
                break_one=break_one,
            )
        )


async def look_origin(look: Looking) -> None:
    """Try the same upgrade with other Origins."""
    from wsbook.probes.experiment import experiment, origin_variants

    if not look.target.url:
        look.add(_missing("3.3", "upgrade", "no endpoint was given; give a ws:// or wss:// URL"))
        return
    tried = look.evidence.attempts(step="1.3")
    if tried and tried[-1][1].status is None:
        why = "the endpoint gives no HTTP answer at all (step 1.3), so its judgement of origins cannot be seen"
        look.add(not_run(Source(step="3.3", probe="upgrade"), Reason.SKIPPED, why))
        return
    baseline = _baseline(look)
    look.add(*await experiment(baseline, _shorter(origin_variants(baseline)), step="3.3", apart=bool(look.target.logs)))


async def look_heartbeat(look: Looking) -> None:
    """Keep silent connections open for a ladder of intervals, at the endpoint and at the application, all at once."""
    from wsbook.probes.idle import ladder, probe_idle

    attempt = await _open_attempt(look, "3.4")
    if attempt is None:
        return
    rungs = ladder(look.budget.idle_s)
    places = [attempt, *_at_hops(look)[:1]]
    look.progress(f"silent connections up to {rungs[-1]:g} s", 0.1)
    seen = await asyncio.gather(
        *(probe_idle(place, rungs_s=rungs, step="3.4", traffic=("none", "client"), on_progress=look.progress) for place in places)
    )
    look.add(*(entry for group in seen for entry in group))


async def look_trace(look: Looking) -> None:
    """Follow one marked message from its trigger to the subscribers."""
    from wsbook.probes.trace import probe_trace

    target = look.target
    if not (target.trigger or "{marker}" in target.message):
        look.add(_missing("4.1", "trace", "nothing given makes the application publish; give trigger or message with {marker}"))
        return
    attempt = await _open_attempt(look, "4.1")
    if attempt is None:
        return
    look.progress("one marked message on its way", 0.3)
    message, subscribe = _publishing(target)
    look.add(
        *await probe_trace(
            attempt,
            trigger=target.trigger,
            message=message,
            subscribe=subscribe,
            hops=_at_hops(look),
            logs=target.logs,
            page_url=target.page_url,
            step="4.1",
            repeats=3,
            budget_s=0.6 * look.budget.attempt_s,
            on_progress=look.progress,
        )
    )


async def look_volume(look: Looking) -> None:
    """Send at rising rates and count what comes back."""
    from wsbook.probes.load import probe_load

    if not look.target.may_burden:
        message = "load is sent only to loopback hosts, or when you state that the target is yours (owned, --i-own-this)"
        look.add(not_run(Source(step="4.2", probe="load"), Reason.NOT_PERMITTED, message))
        return
    attempt = await _open_attempt(look, "4.2")
    if attempt is None:
        return
    echo = look.evidence.first(EchoFacts)
    if echo is not None and echo[0].outcome is Outcome.ANSWERED and echo[1].echoes is False:
        look.add(_missing("4.2", "load", "the endpoint does not echo; a message that it answers is needed to count losses"))
        return
    look.progress("rates of 50, 200 and 500 messages per second", 0.3)
    load = await probe_load(
        attempt, rates=(50, 200, 500), size_bytes=64, connections=4, seconds=0.7, step="4.2", owned=look.target.may_burden
    )
    look.add(load)


def _steps(*rows: tuple[str, str, Callable[[Looking], Awaitable[None]]]) -> dict[str, Step]:
    titles = {"0": "triage", **STEP_TITLES}
    return {number: Step(number=number, title=titles[number], question=question, look=look) for number, question, look in rows}


STEPS = _steps(
    ("0", "What do people see?", look_triage),
    ("1.1", "Does the frontend dial what the backend offers?", look_endpoint),
    ("1.2", "What does the browser see?", look_browser),
    ("1.3", "Does the endpoint accept an upgrade without its frontend?", look_direct),
    ("1.4", "What do the logs say about handshakes?", look_logs),
    ("2.1", "Is the way to the port open?", look_network),
    ("2.2", "Which hop breaks the upgrade?", look_proxies),
    ("3.1", "What does the page do with its socket?", look_frontend),
    ("3.2", "Does every subscriber get every message?", look_backend),
    ("3.3", "Which origins may open the socket?", look_origin),
    ("3.4", "How long does a silent socket live?", look_heartbeat),
    ("4.1", "Where does one message go?", look_trace),
    ("4.2", "What happens as the rate rises?", look_volume),
)
"""The steps in the order of the investigation; "0" is triage."""
