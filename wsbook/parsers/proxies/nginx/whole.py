"""What the servers of an nginx configuration together show: pages, their policies, and servers that are told apart by TLS only."""

from collections.abc import Iterator, Sequence

from wsbook.facts import PatternFacts
from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.nginx.answers import at
from wsbook.parsers.proxies.nginx.headers import lines_of
from wsbook.parsers.proxies.nginx.locations import Location
from wsbook.parsers.proxies.nginx.servers import Server
from wsbook.parsers.proxies.nginx.tree import Directive, walk
from wsbook.wire.csp import forbidding

__all__ = ["pages_only", "together"]

_MAX_SERVERS = 200
_MAX_POLICIES = 20


def pages_only(servers: Sequence[Server]) -> Location | None:
    """Return the location that answers all other paths with files, in a server that hands some paths on."""
    for server in servers:
        found = server.index.prefix.get("/")
        if found and not found.handler and not found.directive.last("return") and any(loc.handler for loc in server.locations):
            return found
    return None


def together(root: Directive, servers: Sequence[Server], artifact: Artifact, *, unmarked: bool) -> Iterator[PatternFacts]:
    """Yield the defects. unmarked: no location looks like one for WebSockets."""
    yield from _policies(root, artifact)
    if artifact.endpoint_path:
        return
    pages = pages_only(servers) if unmarked else None
    if pages:
        yield at("nginx.nothing-for-sockets", pages.directive)
    known = servers[:_MAX_SERVERS]
    plain = {server.names: server for server in known if server.secure is False}
    for server in known:
        if server.secure and server.names in plain:
            yield from _twins(plain[server.names], server)


def _policies(root: Directive, artifact: Artifact) -> Iterator[PatternFacts]:
    """Policies of pages that forbid a socket to the page's own host; one that names sockets may be right for another."""
    host = artifact.endpoint_host or "app.example"
    lines = [d for d in walk(root) if d.name == "add_header" and len(d.args) > 1 and d.args[0].lower() == "content-security-policy"]
    for line in lines[:_MAX_POLICIES]:
        named = "ws:" in line.args[1] or "wss:" in line.args[1] or "$" in line.args[1]
        if not named and forbidding(line.args[1], f"wss://{host}{artifact.endpoint_path or '/ws'}", f"https://{host}/"):
            yield at("nginx.policy-forbids", line)


def _twins(plain: Server, secure: Server) -> Iterator[PatternFacts]:
    """Locations of the TLS server that lack the Upgrade that their twins of the plain server pass."""
    for pattern, location in plain.index.prefix.items():
        twin = secure.index.prefix.get(pattern)
        if twin and _proxies(twin) and _proxies(location) and lines_of(location, "Upgrade") and not lines_of(twin, "Upgrade"):
            yield at("nginx.twin-lacks-upgrade", twin.directive)


def _proxies(location: Location) -> bool:
    return location.handler is not None and location.handler.name == "proxy_pass"
