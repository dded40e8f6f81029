"""nginx configuration to routes and defects.

serves is True for the location that answers the endpoint's path. Without a path it is a judgement from the file alone: locations that
set Upgrade or whose path sounds like a WebSocket endpoint serve it, and so does the only proxied location, or the proxied ``/`` when
nothing else qualifies; where another location qualifies, the rest do not (False); otherwise it is None (artifact.plausible).
"""

from msgspec.structs import replace

from wsbook.facts import Facts, RouteFacts, Setting, TextFacts
from wsbook.parsers.proxies.artifact import Artifact, Parsed, hints_at_websocket, plausible, require_small, seconds
from wsbook.parsers.proxies.nginx_defects import defects
from wsbook.parsers.proxies.nginx_fixes import Place, with_fixes
from wsbook.parsers.proxies.nginx_headers import Variables, header, header_level, http_version
from wsbook.parsers.proxies.nginx_locations import Location, Server, find_servers, followed, select, upstream_path
from wsbook.parsers.proxies.nginx_tree import Directive, parse_tree, walk

__all__ = ["parse_nginx"]

_READ_TIMEOUT_S = "60"
_MAX_ROUTES = 1_000
_BALANCE = {
    "ip_hash": "hash",
    "hash": "hash",
    "sticky": "cookie",
    "least_conn": "least_conn",
    "least_time": "least_time",
    "random": "random",
}


def parse_nginx(artifact: Artifact) -> Parsed:
    """Return routes and defects of an nginx configuration, a fragment of one, or an ``nginx -T`` dump.

    Raises:
        UnreadableInputError: too large, binary, nested too deeply, or without any directive.
    """
    require_small(artifact, "nginx")
    tree = parse_tree(artifact)
    root, missing = tree.root, tree.missing
    variables = Variables(root, missing_includes=missing)
    upstreams = {d.args[0]: d for d in walk(root) if d.name == "upstream" and d.args}
    facts: list[Facts] = []
    routes = 0
    for server, location, serves in _judged(find_servers(root), artifact, variables)[:_MAX_ROUTES]:
        route = _route(location, serves, upstreams, variables, artifact)
        place = Place(
            location=location, route=route, root=root, variables=variables, texts=tree.texts, endpoint_path=artifact.endpoint_path
        )
        facts += with_fixes(place, defects(route, server, location, variables, artifact))
        routes += 1
    text = TextFacts(kind="nginx_conf", program="nginx", size_bytes=len(artifact.text.encode()), items=routes, unparsed=missing)
    return Parsed(facts=tuple(facts), text=text)


def _judged(servers: list[Server], artifact: Artifact, variables: Variables) -> list[tuple[Server, Location, bool | None]]:
    """Return every location worth a route with its judgement."""
    path = artifact.endpoint_path.partition("?")[0]
    return _by_path(servers, path) if path else _by_looks(servers, artifact, variables)


def _by_path(servers: list[Server], path: str) -> list[tuple[Server, Location, bool | None]]:
    chosen = [(server, loc) for server in servers if (loc := select(server.locations, path)) is not None]
    ends = {id(followed(loc, server).directive): server for server, loc in chosen}
    proxied = any(_proxies(loc) for server in servers for loc in server.every() if id(loc.directive) in ends)
    found: list[tuple[Server, Location, bool | None]] = []
    for server in servers:
        for location in server.every():
            ours = id(location.directive) in ends
            if _proxies(location) or (ours and not proxied and not server.redirects):
                found.append((server, location, ours))
    return found


def _by_looks(servers: list[Server], artifact: Artifact, variables: Variables) -> list[tuple[Server, Location, bool | None]]:
    every = [(server, loc) for server in servers for loc in server.every() if _proxies(loc)]
    able = [_forwards(loc, variables, artifact) for _, loc in every]
    hints = [2 if loc.operator == "if" else hints_at_websocket(loc.pattern.replace("\\", "")) for _, loc in every]
    judged = plausible(able, hints, [loc.pattern == "/" for _, loc in every])
    return [(server, loc, j) for (server, loc), j in zip(every, judged, strict=True)]


def _proxies(location: Location) -> bool:
    return location.directive.last("proxy_pass") is not None


def _forwards(location: Location, variables: Variables, artifact: Artifact) -> bool:
    return not header(location, "Upgrade", variables, artifact).default


def _route(
    location: Location, serves: bool | None, upstreams: dict[str, Directive], variables: Variables, artifact: Artifact
) -> RouteFacts:
    target = location.directive.last("proxy_pass")
    route = RouteFacts(
        product="nginx",
        file=location.directive.file,
        line=location.directive.line,
        matcher=location.matcher,
        serves=serves,
        upstream=target.args[0] if target and target.args else "",
    )
    if target is None:
        return route
    balance, servers = _balance(route.upstream, upstreams)
    return replace(
        route,
        upstream_path=upstream_path(location, artifact.endpoint_path.partition("?")[0]) if serves and artifact.endpoint_path else None,
        upgrade=header(location, "Upgrade", variables, artifact),
        connection=header(location, "Connection", variables, artifact),
        host=header(location, "Host", variables, artifact),
        http_version=http_version(location, artifact),
        idle_s=_idle(location),
        balance=balance,
        servers=servers,
        inheritance_lost=_inheritance_lost(location),
    )


def _idle(location: Location) -> Setting:
    """Return the silence that closes a tunnel: proxy_read_timeout (traffic in either direction resets it)."""
    found = location.setting("proxy_read_timeout")
    if found is None or not found.args:
        return Setting(value=_READ_TIMEOUT_S, default=True)
    value = seconds(found.args[0])
    return Setting(value=None if value is None else f"{value:g}", file=found.file, line=found.line)


def _inheritance_lost(location: Location) -> bool:
    """Whether an outer level sets Upgrade and the level in force, which replaces it, does not."""
    level = header_level(location)
    names = {d.args[0].lower() for d in level.all("proxy_set_header") if d.args} if level else set()
    outer = location.levels[: location.levels.index(level)] if level in location.levels else ()
    return "upgrade" not in names and any(d.args and d.args[0].lower() == "upgrade" for o in outer for d in o.all("proxy_set_header"))


def _balance(upstream: str, upstreams: dict[str, Directive]) -> tuple[str, int | None]:
    """Return (method, servers) of the upstream block; ("", 1) for a plain address, ("", None) for a variable."""
    host = upstream.partition("://")[2].partition("/")[0]
    block = upstreams.get(host)
    if block is None:
        return "", None if "$" in host else 1
    servers = [d for d in block.all("server") if "down" not in d.args and "backup" not in d.args]
    method = next((_BALANCE[d.name] for d in block.block or () if d.name in _BALANCE), "roundrobin")
    return method, len(servers)
