"""nginx configuration to routes and defects.

serves is True for the location that answers the endpoint's path. Without a path it is a judgement from the file alone: locations that
set Upgrade or whose path sounds like a WebSocket endpoint serve it, and so does the only proxied location, or the proxied ``/`` when
nothing else qualifies; where another location qualifies, the rest do not (False); otherwise it is None (artifact.plausible).
"""

from msgspec import Struct
from msgspec.structs import replace

from wsbook.facts import Facts, RouteFacts, Setting, TextFacts
from wsbook.parsers.proxies.artifact import Artifact, Parsed, hints_at_websocket, plausible, require_small, seconds
from wsbook.parsers.proxies.nginx.defects import defects, is_event_stream
from wsbook.parsers.proxies.nginx.fixes import Place, with_fixes
from wsbook.parsers.proxies.nginx.headers import header, header_level, http_version, in_force, lines_of
from wsbook.parsers.proxies.nginx.limits import limits
from wsbook.parsers.proxies.nginx.line_fixes import with_line_fixes
from wsbook.parsers.proxies.nginx.locations import Location
from wsbook.parsers.proxies.nginx.reach import Neighbours, sample_path
from wsbook.parsers.proxies.nginx.requests import Ending, answer, begin, settle, upstream_url
from wsbook.parsers.proxies.nginx.servers import Server, answering, find_servers, has_name
from wsbook.parsers.proxies.nginx.streams import streamed
from wsbook.parsers.proxies.nginx.tree import Directive, parse_tree
from wsbook.parsers.proxies.nginx.upstreams import Upstreams
from wsbook.parsers.proxies.nginx.values import UNKNOWN, UNNAMED, Variables
from wsbook.parsers.proxies.nginx.whole import pages_only, together

__all__ = ["parse_nginx"]

_READ_TIMEOUT_S = "60"
_MAX_ROUTES = 500
_MAX_FIXED = 20
"""Routes that get changes; a file with more of them is not mended route by route."""


class _Judged(Struct, frozen=True, kw_only=True):
    """One place that hands requests on, or answers the endpoint itself. ending: of the handshake there, or of one that could be."""

    ending: Ending
    serves: bool | None


def parse_nginx(artifact: Artifact) -> Parsed:
    """Return routes and defects of an nginx configuration, a fragment of one, or an ``nginx -T`` dump.

    Raises:
        UnreadableInputError: too large, binary, or nested too deeply.
    """
    require_small(artifact, "nginx")
    tree = parse_tree(artifact)
    variables, upstreams, servers = Variables(tree), Upstreams(tree.root), find_servers(tree.root)
    facts: list[Facts] = []
    judged, beside = _judged(servers, artifact, variables), Neighbours.of(servers)
    fixed = 0
    for one in judged:
        route = _route(one, upstreams, artifact)
        place = Place(route=route, ending=one.ending, tree=tree, endpoint_path=artifact.endpoint_path)
        found = defects(route, one.ending, upstreams, artifact, beside)
        fixed += one.serves is not False
        facts += with_fixes(place, found) if fixed <= _MAX_FIXED else [route, *found]
    if any(one.serves is not False for one in judged):
        facts += with_line_fixes(list(limits(tree.root)), tree)
    facts += together(tree.root, servers, artifact, unmarked=bool(judged) and all(one.serves is None for one in judged))
    streams = with_line_fixes(streamed(tree.root, upstreams, beside, artifact), tree)
    text = TextFacts(
        kind="nginx_conf",
        program="nginx",
        size_bytes=len(artifact.text.encode()),
        items=len(judged) + sum(isinstance(fact, RouteFacts) for fact in streams),
        unparsed=tree.missing,
    )
    return Parsed(facts=tuple(dict.fromkeys((*facts, *streams))), text=text)


def _judged(servers: list[Server], artifact: Artifact, variables: Variables) -> list[_Judged]:
    """Return every place worth a route with its judgement."""
    return _by_path(servers, artifact, variables) if artifact.endpoint_path else _by_looks(servers, artifact, variables)


def _asked(servers: list[Server], artifact: Artifact, variables: Variables) -> tuple[list[tuple[Server, Server]], str]:
    """Return the servers that may answer, and the host that says so; servers in files that we do not have may have the name."""
    host = artifact.endpoint_host or UNNAMED
    if not variables.complete and not any(has_name(server, host) for server in servers):
        host = UNNAMED
    return answering(servers, host, artifact.endpoint_port), host


def _by_path(servers: list[Server], artifact: Artifact, variables: Variables) -> list[_Judged]:
    asked, host = _asked(servers, artifact, variables)
    known_host = artifact.endpoint_host or UNNAMED
    endings = [
        answer(s, begin(variables, s, artifact.endpoint_path, known_host, artifact.endpoint_port, usual=usual)) for s, usual in asked
    ]
    handed = [ending for ending in endings if ending.handed_on]
    ours = _likeliest(handed, artifact) if host == UNNAMED else handed
    if not handed:
        ours = [ending for ending in endings if not 300 <= ending.status < 400] or endings[:1]
    judged = {
        id(ending.location.directive): _Judged(ending=ending, serves=None if _unsure(ending) else True) for ending in ours[:_MAX_ROUTES]
    }
    for server in servers:
        for location in server.every():
            if location.handler and id(location.directive) not in judged and len(judged) < _MAX_ROUTES:
                judged[id(location.directive)] = _Judged(ending=_possible(server, location, variables), serves=False)
    return sorted(judged.values(), key=lambda one: (one.ending.location.directive.file, one.ending.location.directive.line))


def _likeliest(endings: list[Ending], artifact: Artifact) -> list[Ending]:
    """Return where a handshake goes when the host is not known: by a location of its own, else where Upgrade is passed."""
    named = [e for e in endings if e.location.pattern not in ("", "/")] or endings
    return [e for e in named if _forwards(e, artifact)] or named


def _unsure(ending: Ending) -> bool:
    """Whether files that we do not have may hold another location for the path, or what happens in this one."""
    inside = ending.location.operator != "=" and any(level.last("include") for level in ending.server.levels if level.name == "server")
    return ending.request.unsure or inside or (not ending.location.handler and ending.location.directive.last("include") is not None)


def _by_looks(servers: list[Server], artifact: Artifact, variables: Variables) -> list[_Judged]:
    places = [(server, loc) for server in servers for loc in server.every() if loc.handler and _speaks_http(loc)][:_MAX_ROUTES]
    named = _named_elsewhere(servers)
    streams = [is_event_stream(loc) or (loc.operator != "@" and _is_internal(loc) and loc.pattern not in named) for _, loc in places]
    every = [_possible(server, loc, variables) for server, loc in places]
    able = [_forwards(ending, artifact) or _meant(ending) for ending in every]
    hints = [0 if stream else _hint(loc) for (_, loc), stream in zip(places, streams, strict=True)]
    catch_all = [loc.pattern == "/" for _, loc in places]
    judged = plausible(able, hints, catch_all)
    if not any(able) and not any(hints) and not any(catch_all) and pages_only(servers):
        judged = [None] * len(places)
    return [
        _Judged(ending=ending, serves=False if stream else serves) for ending, serves, stream in zip(every, judged, streams, strict=True)
    ]


def _is_internal(location: Location) -> bool:
    return any(level.last("internal") for level in location.levels)


def _named_elsewhere(servers: list[Server]) -> set[str]:
    """Return the words of directives that lead requests on to other locations."""
    blocks = [block for server in servers for block in (server.block, *(location.directive for location in server.every()))]
    return {arg for block in blocks for name in ("error_page", "try_files", "rewrite") for d in block.all(name) for arg in d.args}


def _hint(location: Location) -> int:
    return 2 if "$http_upgrade" in location.pattern else hints_at_websocket(location.pattern.replace("\\", ""))


def _meant(ending: Ending) -> bool:
    """Whether a location that sounds like a WebSocket's has lost the Upgrade that is set around it."""
    return _inheritance_lost(ending.location) and hints_at_websocket(ending.location.pattern) > 0


def _speaks_http(location: Location) -> bool:
    """Whether a WebSocket may be meant to go this way; PHP and its like only where the path says so."""
    handler = location.handler
    return handler is not None and (handler.name == "proxy_pass" or hints_at_websocket(location.pattern) == 2)


def _possible(server: Server, location: Location, variables: Variables) -> Ending:
    """Return where a handshake ends that is meant for this location, if it ends there, else one that this location takes."""
    path = sample_path(location)
    if location.operator in ("", "^~", "="):
        found = answer(server, begin(variables, server, path))
        if found.location.directive is location.directive and found.handed_on:
            return found
    request = begin(variables, server, path)
    settle(location, request)
    return Ending(server=server, location=location, request=request, directive=location.handler)


def _forwards(ending: Ending, artifact: Artifact) -> bool:
    """Whether a place passes Upgrade by a setting of its own."""
    lines = lines_of(ending.location, "Upgrade")
    return bool(lines) and header(ending.location, "Upgrade", ending.request, artifact).value != "absent"


def _route(one: _Judged, upstreams: Upstreams, artifact: Artifact) -> RouteFacts:
    ending, location = one.ending, one.ending.location
    route = RouteFacts(
        product="nginx",
        file=location.directive.file,
        line=location.directive.line,
        matcher=location.matcher,
        serves=one.serves,
    )
    if not ending.handed_on or not (ending.directive and ending.directive.args):
        return route
    base, path = upstream_url(ending)
    raw = ending.directive.args[0]
    block = upstreams.named(base)
    route = replace(
        route,
        upstream=raw if UNKNOWN in base or "$" not in raw else base + (path or ""),
        upstream_path=path if one.serves is not False and artifact.endpoint_path else None,
        balance=block.balance,
        servers=block.servers,
        addresses=tuple(upstreams.addresses(base)[:8]),
    )
    return _with_headers(route, ending, artifact) if ending.directive.name == "proxy_pass" else route


def _with_headers(route: RouteFacts, ending: Ending, artifact: Artifact) -> RouteFacts:
    location, request = ending.location, ending.request
    return replace(
        route,
        upgrade=header(location, "Upgrade", request, artifact),
        connection=header(location, "Connection", request, artifact),
        host=header(location, "Host", request, artifact),
        origin=header(location, "Origin", request, artifact),
        http_version=http_version(location, artifact),
        idle_s=_idle(location),
        inheritance_lost=_inheritance_lost(location),
    )


def _idle(location: Location) -> Setting:
    """Return the silence that closes a tunnel: proxy_read_timeout (traffic in either direction resets it)."""
    found, sure = in_force(location, "proxy_read_timeout")
    if not sure:
        return Setting(value=None)
    if found is None or not found.args:
        return Setting(value=_READ_TIMEOUT_S, default=True)
    value = seconds(found.args[0])
    return Setting(value=None if value is None else f"{value:g}", file=found.file, line=found.line)


def _inheritance_lost(location: Location) -> bool:
    """Whether an outer level sets Upgrade and the level in force, which replaces it, does not."""
    level = header_level(location)
    outer = location.levels[: location.levels.index(level)] if level in location.levels else ()
    return not lines_of(location, "Upgrade") and any(_sets_upgrade(block.all("proxy_set_header")) for block in outer)


def _sets_upgrade(lines: list[Directive]) -> bool:
    return any(line.args and line.args[0].lower() == "upgrade" for line in lines)
