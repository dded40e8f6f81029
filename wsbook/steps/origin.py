"""Step 3.3: which origins may open the socket, at the endpoint and at every hop, and which may use the requests beside it."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wsbook import attempt as labels
from wsbook.attempt import Attempt
from wsbook.facts import DialectFacts, EndpointFacts, RouteFacts, UpgradeFacts
from wsbook.observation import Observation, Reason, Source, not_run
from wsbook.steps.looking import Looking, at_hops, baseline, missing, shorter
from wsbook.target import Endpoint, parse_endpoint

if TYPE_CHECKING:
    from wsbook.wire.origins import Relative

__all__ = ["look_origin"]

_OWN_S, _SILENT_S = 0.6, 0.3
"""To listen after a 101: for the page's own attempt and others like it, and where nothing is said even to the page."""
_AT_HOPS = frozenset({labels.NO_ORIGIN, labels.FOREIGN_ORIGIN, labels.SUFFIXED_ORIGIN})
"""What is tried at hops in a quick run."""
_INNER_HOSTS, _LISTED, _OFFERED = 4, 4, 2
_UNKNOWN_HOST = "wsbook-other.example"
"""A Host that no page has: RFC 2606 reserves the domain."""


async def look_origin(look: Looking) -> None:
    """Try the same upgrade with other Origins, with and without credentials, and the dialect's HTTP requests as other sites would."""
    from wsbook.probes.origins import look_at_credentials

    if not look.target.url:
        look.add(missing("3.3", "upgrade", "no endpoint was given; give a ws:// or wss:// URL"))
        return
    first = replace(shorter([baseline(look)])[0], timeout_s=baseline(look).timeout_s, first_message_s=_OWN_S)
    look.add(look_at_credentials(first, step="3.3"))
    tried = look.evidence.attempts(step="1.3")
    if tried and tried[-1][1].status is None:
        why = "the endpoint gives no HTTP answer at all (step 1.3), so its judgement of origins cannot be seen"
        look.add(not_run(Source(step="3.3", probe="upgrade"), Reason.SKIPPED, why))
        return
    await _look_matrix(look, first)
    await _look_companions(look, first)


async def _look_matrix(look: Looking, first: Attempt) -> None:
    from wsbook.probes.experiment import next_second
    from wsbook.probes.origins import origin_variants, probe_entries, probe_entry

    own = await probe_entry(first, step="3.3")
    look.add(own)
    if not isinstance(own.facts, UpgradeFacts) or own.facts.status is None:
        return
    if look.target.logs:
        await next_second()
    other = replace(first, first_message_s=_OWN_S if own.facts.first_message is not None else _SILENT_S)
    variants = origin_variants(other, await _origins(look))
    together = 6 if look.target.may_burden else 3
    found = await asyncio.gather(
        probe_entries(shorter(variants), step="3.3", together=together, on_progress=look.progress),
        *(_look_hop(look, hop) for hop in at_hops(look)),
        _look_offered(first, () if own.facts.accepted else _offered(look, first)),
    )
    for seen in found:
        look.add(*seen)
    look.add(await probe_entry(first.change(labels.THE_SAME_AGAIN), step="3.3"))


async def _origins(look: Looking) -> "tuple[Relative, ...]":
    """Return the Origins to try at the endpoint: those that resemble the page's, and those that the backend's source names."""
    from wsbook.parsers.code.listed_origins import listed_origins
    from wsbook.wire.origins import relatives

    endpoint = parse_endpoint(look.target.url)
    page = look.target.page_url.partition("#")[0]
    path = parse_endpoint(page).path if page else ""
    listed = [(one.where, one.origin) for one in await asyncio.to_thread(listed_origins, look.target.backend)][:_LISTED]
    inner = _inner_hosts(look, endpoint)
    return relatives(look.target.expected_origin, endpoint=endpoint.origin, path=path, inner=inner, listed=listed)


def _inner_hosts(look: Looking, endpoint: Endpoint) -> list[str]:
    """Return the Hosts by which a proxy may call the application: those of the hops, and those that configurations write."""
    hosts = [parse_endpoint(hop.url).authority for hop in look.target.hops]
    for _, facts in look.evidence.of(RouteFacts):
        if facts.serves is not False and facts.host is not None and facts.host.value not in (None, "forwarded", "absent"):
            hosts.append(str(facts.host.value))
    plain = [host for host in dict.fromkeys(hosts) if host.isascii() and not set(host) & set(" ${}%/\"'<>") and host != endpoint.authority]
    return plain[:_INNER_HOSTS]


async def _look_hop(look: Looking, hop: Attempt) -> list[Observation]:
    """Try a hop with its own Host and with the public one, then the other Origins with the Host that it accepts."""
    from wsbook.probes.origins import host_variant, origin_variants, probe_entries
    from wsbook.wire.origins import relatives

    (hop,) = shorter([replace(hop, first_message_s=_SILENT_S)])
    public = host_variant(hop, parse_endpoint(look.target.url).authority)
    known = look.evidence.attempts(hop.hop)[-1:]
    plain = [] if known else await probe_entries([hop], step="3.3")
    known = known or [(seen, seen.facts) for seen in plain if isinstance(seen.facts, UpgradeFacts)]
    if not known or known[-1][1].status is None:
        return plain
    plain += await probe_entries([public], step="3.3", probe="origin") if public is not hop else []
    opened = [isinstance(seen.facts, UpgradeFacts) and seen.facts.accepted for seen in plain[-1:]] or [known[-1][1].accepted]
    base = hop if known[-1][1].accepted and not opened[-1] else public
    origins = relatives(look.target.expected_origin)
    quick = look.budget.name == "quick"
    chosen = [one for one in origins if not quick or one.label in _AT_HOPS]
    variants = origin_variants(base, chosen, lambda one: one.label == labels.FOREIGN_ORIGIN)
    if base is not hop:
        variants.append(hop.change(labels.NO_ORIGIN, origin=None))
    variants.append(hop.change(labels.OTHER_HOST, host_header=_UNKNOWN_HOST))
    return [*plain, *await probe_entries(variants, step="3.3", probe="origin", together=3)]


def _offered(look: Looking, first: Attempt) -> list[str]:
    """Return paths that the backend's source offers beside the one that is dialled; whole ones only."""
    paths = [facts.path for _, facts in look.evidence.of(EndpointFacts) if facts.side == "backend" and facts.path]
    whole = [path for path in dict.fromkeys(paths) if path.startswith("/") and not set(path) & set("{}*") and path != first.endpoint.path]
    return whole[:_OFFERED]


async def _look_offered(first: Attempt, paths: Sequence[str]) -> list[Observation]:
    """Try the first of these paths that lets the page in as a foreign page would: the check of Origin may be seen there only."""
    from wsbook.probes.origins import origin_variants, probe_entries
    from wsbook.wire.origins import relatives

    for path in paths:
        there = first.change(labels.OFFERED_PATH, url=replace(first.endpoint, path=path, query="").url)
        seen = await probe_entries(shorter([there]), step="3.3", probe="origin")
        if any(isinstance(one.facts, UpgradeFacts) and one.facts.accepted for one in seen):
            foreign = [one for one in relatives(first.origin or first.endpoint.origin) if one.label == labels.FOREIGN_ORIGIN]
            return [*seen, *await probe_entries(shorter(origin_variants(there, foreign)), step="3.3", probe="origin", together=3)]
    return []


async def _look_companions(look: Looking, first: Attempt) -> None:
    """Ask what the clients of dialects that begin over HTTP ask first."""
    from wsbook.probes.cors import COMPANIONS, probe_cors
    from wsbook.wire.dialects.detect import recognise

    asked = {facts.dialect: facts for _, facts in look.evidence.of(DialectFacts) if facts.dialect in COMPANIONS}
    said = [facts.first_message for _, facts in look.evidence.attempts(step="3.3") if facts.first_message]
    clues = recognise(first.endpoint.resource, subprotocols=first.subprotocols, first_message=said[-1] if said else None)
    named = [clue.dialect for clue in clues if clue.dialect in COMPANIONS and clue.dialect not in asked]
    spoken = [dialect for dialect, facts in asked.items() if facts.spoken] + named
    if spoken:
        look.progress(f"requests of {', '.join(spoken)} beside the socket", 0.95)
    version = next((facts.versions[0] for facts in asked.values() if facts.dialect == "engine.io" and facts.versions), "")
    for dialect in spoken[:2]:
        seconds = 1.5 if look.budget.name == "quick" else 4.0
        look.add(await probe_cors(first, dialect, step="3.3", version=version, seconds=seconds))
