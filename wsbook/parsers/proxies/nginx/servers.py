"""Which server block answers a host and port. Knows nothing of locations' order.

Source: nginx.org, "How nginx processes a request", ngx_http_core_module (listen, server_name).
"""

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from wsbook.parsers.proxies.nginx.locations import Index, Location, find_locations
from wsbook.parsers.proxies.nginx.tree import Directive
from wsbook.parsers.proxies.nginx.values import UNNAMED, Request, compiled, match_text

__all__ = ["Listen", "Server", "answering", "capture_name", "find_servers", "has_name"]

_MAX_SERVERS = 2_000
_LISTEN = re.compile(r"(?:(?P<host>\[[^\]]*\]|[^:\[\]]*):)?(?P<port>\d{1,5})\Z")


class Listen(Struct, frozen=True, kw_only=True):
    """One address that a server listens at. port: 0 for a socket of the file system."""

    address: str
    port: int
    flags: frozenset[str]
    directive: Directive | None = None

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return bool(self.flags & {"ssl", "quic"})


class Server(Struct, frozen=True, kw_only=True):
    """One server block, or a fragment that stands for one."""

    levels: tuple[Directive, ...]
    locations: tuple[Location, ...]
    names: tuple[str, ...]
    listens: tuple[Listen, ...]
    index: Index

    @property
    def block(self) -> Directive:
        """The server block."""
        return self.levels[-1]

    @property
    def secure(self) -> bool | None:
        """Whether it listens with TLS; None for a fragment without listen."""
        if not self.block.last("listen"):
            return None
        return any(listen.secure for listen in self.listens)

    @property
    def itself(self) -> Location:
        """What answers when no location does."""
        return Location(operator="", pattern="", levels=self.levels)

    def setting(self, name: str) -> Directive | None:
        """Return the directive in force at server level."""
        return next((found for level in reversed(self.levels) if (found := level.last(name))), None)

    def every(self) -> list[Location]:
        """Return all locations, outer before inner."""
        found: list[Location] = []
        waiting = list(reversed(self.locations))
        while waiting:
            current = waiting.pop()
            found.append(current)
            waiting.extend(reversed(current.nested))
        return found


def find_servers(root: Directive) -> list[Server]:
    """Return the servers of a whole configuration or of fragments of one: a server pasted below its http block counts too."""
    found: list[Server] = []
    for http in (*root.all("http"), root):
        levels = (root,) if http is root else (root, http)
        found += [_server((*levels, server)) for server in http.all("server")[:_MAX_SERVERS] if server.block is not None]
    if root.all("location") or root.all("proxy_pass"):
        found.append(_server((root,)))
    return found


def _server(levels: tuple[Directive, ...]) -> Server:
    block = levels[-1]
    locations = tuple(find_locations(levels))
    if not locations and block.last("proxy_pass"):
        locations = (Location(operator="", pattern="/", levels=levels),)
    names = tuple(name.lower() if not name.startswith("~") else name for d in block.all("server_name") for name in d.args)
    listens = tuple(listen for d in block.all("listen") if d.args and (listen := _listen(d, block)))
    return Server(levels=levels, locations=locations, names=names or ("",), listens=listens or (_DEFAULT_LISTEN,), index=Index(locations))


_DEFAULT_LISTEN = Listen(address="*", port=80, flags=frozenset())


def _listen(directive: Directive, block: Directive) -> Listen | None:
    where, *rest = directive.args
    flags = frozenset(word.partition("=")[0] for word in rest)
    old = block.last("ssl")
    if old and old.args == ("on",):
        flags |= {"ssl"}
    if where.startswith("unix:"):
        return Listen(address=where, port=0, flags=flags, directive=directive)
    match = _LISTEN.match(where)
    host = (match["host"] if match else where) or "*"
    return Listen(address="*" if host == "0.0.0.0" else host, port=int(match["port"]) if match else 80, flags=flags, directive=directive)  # noqa: S104 - compared


def answering(servers: Sequence[Server], host: str, port: int) -> list[tuple[Server, Server]]:
    """Return the servers that may answer, one for each address that is listened at, all when the host is not known.

    Each with the default server of its address, whose settings hold for the request line. host: UNNAMED unknown. port: 0 unknown; one
    that nobody listens at says nothing, since ports are mapped on the way.
    """
    ports = {listen.port for server in servers for listen in server.listens}
    wanted = {port} if port in ports else ports
    groups = dict.fromkeys((listen.address, listen.port) for s in servers for listen in s.listens if listen.port in wanted)
    found: dict[int, tuple[Server, Server]] = {}
    for address, number in groups:
        there = [s for s in servers if any((x.address, x.port) == (address, number) for x in s.listens)]
        usual = _default(there, address, number)
        for server in there if host == UNNAMED else [_named(there, host) or usual]:
            found.setdefault(id(server), (server, usual))
    return list(found.values())


def _default(servers: Sequence[Server], address: str, port: int) -> Server:
    marked = (
        s for s in servers if any((x.address, x.port) == (address, port) and x.flags & {"default_server", "default"} for x in s.listens)
    )
    return next(marked, servers[0])


def _named(servers: Sequence[Server], host: str) -> Server | None:
    """Return the server with this name: exact, longest ``*.name``, longest ``name.*``, first expression."""
    low = host.lower().rstrip(".")
    return (
        next((s for s in servers if low in s.names or _dotted(s.names, low)), None)
        or _longest(servers, low, leading=True)
        or _longest(servers, low, leading=False)
        or next((s for s in servers if any(_matches(name, low) for name in s.names)), None)
    )


def _dotted(names: Iterable[str], host: str) -> bool:
    return "." + host in names


def _longest(servers: Sequence[Server], host: str, *, leading: bool) -> Server | None:
    fitting = [
        (len(name), server)
        for server in servers
        for name in server.names
        if (_ends(name, host) if leading else name.endswith(".*") and host.startswith(name[:-1]))
    ]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def _ends(name: str, host: str) -> bool:
    ending = name[1:] if name.startswith("*.") else name if name.startswith(".") else ""
    return bool(ending) and host.endswith(ending) and len(host) > len(ending)


def _matches(name: str, host: str) -> bool:
    regex = compiled(name[1:], ignore_case=True) if name.startswith("~") else None
    return bool(regex and regex.search(host[:300]))


def has_name(server: Server, host: str) -> bool:
    """Whether a server's names fit a host."""
    return host != UNNAMED and _named([server], host) is not None


def capture_name(server: Server, request: Request) -> None:
    """Keep what the expression of the server's name captured."""
    request.server_name = server.names[0]
    for name in server.names:
        if name.startswith("~") and match_text(request, name[1:], request.host, ignore_case=True):
            return
