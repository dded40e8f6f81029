"""What source code and start commands say."""

from msgspec import Struct

from wsbook.facts.route import Fix

__all__ = ["EndpointFacts", "ForwardFacts", "PatternFacts"]


class EndpointFacts(Struct, frozen=True, kw_only=True, tag="endpoint"):
    """One place in source or start command that names a WebSocket endpoint.

    side: frontend (what is dialled) or backend (what is offered). library: native, socket.io, fastapi, websockets, …
    expression: source text. url: what it evaluates to, None when it cannot be told (a path-only offer keeps url None).
    path: its path, None unknown; {name} and {…} stand for parts that vary or are not known, * for any number of them. port: None unknown.
    condition: under which it holds, "" always. origin: scheme and authority of what is dialled, None unknown; it may be known without
    the url. version: majors of the library's own protocol that this side speaks (Engine.IO "3", "4" or "3,4"), "" unknown.
    bind: address that a listener binds, "" not said. published: port under which a container's port is reached from outside, None unknown.
    built: read from what a bundler made, not from source. tls: whether a listener speaks TLS itself, None when its code does not tell.
    """

    side: str
    library: str
    file: str
    line: int
    expression: str
    url: str | None = None
    path: str | None = None
    port: int | None = None
    condition: str = ""
    origin: str | None = None
    version: str = ""
    bind: str = ""
    published: int | None = None
    built: bool = False
    tls: bool | None = None


class ForwardFacts(Struct, frozen=True, kw_only=True, tag="forward"):
    """A rule in the source by which a development server passes requests on.

    product: vite, webpack, react-scripts, next, angular, http-proxy-middleware. prefix: of the paths that it takes. upstream: scheme and
    authority. removed, added: what is taken from the beginning of a path and put there; None when the rewrite cannot be told.
    websocket: whether upgrades are passed too, None when the product always does.
    """

    product: str
    file: str
    line: int
    prefix: str
    upstream: str
    removed: str | None = ""
    added: str = ""
    websocket: bool | None = None


class PatternFacts(Struct, frozen=True, kw_only=True, tag="pattern"):
    """A source pattern of the catalogue that was found (ok False: the defect) or whose guard was found (ok True).

    pattern: id in a table of patterns. cause: slug the defect stands for. note: what is wrong about it, in a sentence of
    the table. fix: a change that removes a defect of a configuration, None when none is known.
    """

    pattern: str
    cause: str
    ok: bool
    file: str
    line: int
    excerpt: str
    weight: float = 0.5
    note: str = ""
    fix: Fix | None = None
