"""Places behind an endpoint on this machine that its proxies' configurations name: nobody has to type them as hops.

Only addresses of this machine, and only where the endpoint is one: elsewhere a configuration's addresses are those of its own network, and
dialling them from here would tell nothing, or meet a stranger.
"""

import re
from collections.abc import Iterator

from msgspec.structs import replace

from wsbook.errors import UnreadableInputError, UsageError
from wsbook.facts import RouteFacts
from wsbook.target import Endpoint, Hop, Target, parse_endpoint

__all__ = ["found_hops", "with_found_hops"]

_MOST_SERVERS, _MOST_PROXIES = 3, 3
_ADDRESS = re.compile(r"(?:(?P<scheme>\w+)://)?(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+):(?P<port>\d{1,5})")
_TLS = frozenset({"https", "wss"})


def with_found_hops(target: Target) -> Target:
    """Return the target with the hops that its configurations tell, where none are given."""
    hops = found_hops(target)
    return replace(target, hops=hops) if hops else target


def found_hops(target: Target) -> tuple[Hop, ...]:
    """Return the application's servers and the proxies before them, from the application outwards; () where hops are given already,
    where the endpoint is not on this machine, or where no configuration tells."""
    endpoint = target.endpoint
    if target.hops or endpoint is None or not endpoint.is_loopback or not target.configs:
        return ()
    place, outer, path = endpoint, list[Hop](), endpoint.path
    for _ in range(_MOST_PROXIES):
        route = _route(target.configs, place, path)
        behind = [] if route is None else list(_servers(route, place.port))
        if route is None or not behind:
            break
        path = route.upstream_path or path
        if not _listening(target.configs, behind[0].port):
            return (*_named(behind, path, endpoint.query), *reversed(outer))
        place = behind[0]
        outer.append(Hop(name=f"proxy{len(outer) + 2}", url=_url(place, path, endpoint.query)))
    return ()


def _route(configs: tuple[str, ...], place: Endpoint, path: str) -> RouteFacts | None:
    """Return the route by which the configuration that listens at a place passes the path on; None where none is sure."""
    from wsbook.parsers.read import read_artifact

    for config in _listening(configs, place.port):
        try:
            seen = read_artifact(config, step="2.2", endpoint_path=path, endpoint_host=place.host, endpoint_port=place.port)
        except UnreadableInputError:  # step 2.2 says so
            continue
        serving = [entry.facts for entry in seen if isinstance(entry.facts, RouteFacts) and entry.facts.serves]
        if len(serving) == 1:
            return serving[0]
    return None


def _listening(configs: tuple[str, ...], port: int) -> list[str]:
    """Return the configurations that listen at a port."""
    from wsbook.parsers.proxies.listening import ports_of_file

    found = []
    for config in configs:
        try:
            ports = ports_of_file(config)
        except UnreadableInputError:
            continue
        if port in ports:
            found.append(config)
    return found


def _servers(route: RouteFacts, own_port: int) -> Iterator[Endpoint]:
    """Yield the servers of a route that are on this machine."""
    first = next(iter(_ADDRESS.finditer(route.upstream)), None)
    scheme = (first["scheme"] if first else route.upstream.partition("://")[0]) or ""
    listed = _ADDRESS.finditer(" ".join(route.addresses) or route.upstream)
    for match, _ in zip(listed, range(_MOST_SERVERS), strict=False):
        spoken = "wss" if (match["scheme"] or scheme) in _TLS else "ws"
        try:
            server = parse_endpoint(f"{spoken}://{match['host']}:{match['port']}/")
        except UsageError:
            continue
        if server.is_loopback and server.port != own_port:
            yield server


def _named(servers: list[Endpoint], path: str, query: str) -> Iterator[Hop]:
    for number, server in enumerate(servers):
        yield Hop(name="app" if not number else f"app{number + 1}", url=_url(server, path, query))


def _url(place: Endpoint, path: str, query: str) -> str:
    return f"{place.scheme}://{place.authority}{path}{f'?{query}' if query else ''}"
