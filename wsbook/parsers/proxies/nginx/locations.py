"""Which location of a server answers a path. Knows nothing of rewrites, headers and limits.

Source: nginx.org, ngx_http_core_module (location); the order of nested locations is that of ngx_http_core_find_location.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from wsbook.parsers.proxies.nginx.tree import Directive
from wsbook.parsers.proxies.nginx.values import Request, match_text

__all__ = ["PASSES", "Index", "Location", "Selected", "find_locations", "select"]

PASSES = ("proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "memcached_pass")
"""Directives that hand a request on."""

_MAX_LOCATIONS = 500
_GLUED = re.compile(r"(=|\^~|~\*|~)(.+)", re.DOTALL)


class Location(Struct, frozen=True, kw_only=True):
    """One location.

    operator: "", "=", "^~", "~", "~*", "@" (named) or "if". levels: blocks it inherits from, outermost first, itself last. nested: with
    the ``if`` blocks that hand requests on.
    """

    operator: str
    pattern: str
    levels: tuple[Directive, ...]
    nested: "tuple[Location, ...]" = ()

    @property
    def directive(self) -> Directive:
        """The block itself."""
        return self.levels[-1]

    @property
    def matcher(self) -> str:
        """The location in nginx's words."""
        words = self.directive.name, *self.directive.args
        return " ".join(words)[:300] if self.directive.name in ("location", "if", "server") else "(fragment)"

    @property
    def handler(self) -> Directive | None:
        """The directive that hands the request on, the last one of the block."""
        return next((d for d in reversed(self.directive.block or ()) if d.name in PASSES and d.args), None)

    def setting(self, name: str) -> Directive | None:
        """Return the directive in force: the last one of the innermost level that has it."""
        return next((found for level in reversed(self.levels) if (found := level.last(name))), None)


class Selected(Struct, frozen=True, kw_only=True):
    """What answers a path. redirects: by 301 to the same path with a slash at its end."""

    location: Location
    redirects: bool = False


def find_locations(levels: tuple[Directive, ...]) -> list[Location]:
    """Return the locations of the innermost of these blocks, each with its own."""
    found: list[Location] = []
    for directive in levels[-1].block or ():
        if len(found) >= _MAX_LOCATIONS:
            break
        inner = (*levels, directive)
        if directive.name == "location" and directive.args and directive.block is not None:
            operator, pattern = _matcher(directive.args)
            found.append(Location(operator=operator, pattern=pattern, levels=inner, nested=tuple(find_locations(inner))))
        elif directive.name == "if" and any(d.name in PASSES for d in directive.block or ()):
            found.append(Location(operator="if", pattern=" ".join(directive.args), levels=inner))
    return found


def _matcher(args: tuple[str, ...]) -> tuple[str, str]:
    if len(args) >= 2 and args[0] in ("=", "^~", "~", "~*"):
        return args[0], args[1]
    glued = _GLUED.fullmatch(args[0])
    if glued:
        return glued[1], glued[2]
    return ("@", args[0]) if args[0].startswith("@") else ("", args[0])


class Index:
    """The locations of one block, found by path in the time that its expressions take."""

    def __init__(self, locations: Sequence[Location]) -> None:
        self.exact = {loc.pattern: loc for loc in reversed(locations) if loc.operator == "="}
        self.prefix = {loc.pattern: loc for loc in reversed(locations) if loc.operator in ("", "^~")}
        self.expressions = [loc for loc in locations if loc.operator in ("~", "~*")]
        self.longest = max(map(len, self.prefix), default=0)
        self._inner: dict[int, Index] = {}

    def inside(self, location: Location) -> "Index":
        """Return the index of a location's own locations."""
        found = self._inner.get(id(location))
        if found is None:
            found = self._inner[id(location)] = Index(location.nested)
        return found

    def longest_prefix(self, path: str) -> Location | None:
        """Return the prefix location with the longest pattern that the path begins with."""
        lengths = range(min(len(path), self.longest), -1, -1)
        return next((self.prefix[path[:n]] for n in lengths if path[:n] in self.prefix), None)

    def redirecting(self, path: str) -> Location | None:
        """Return the location of the path plus a slash that answers the path by 301, since one of them hands requests on."""
        named = [found for of in (self.exact, self.prefix) if (found := of.get(path + "/"))]
        return named[0] if any(loc.handler for loc in named) else None


def select(index: Index, request: Request) -> Selected | None:
    """Return what answers the request's path."""
    found, _ = _select(index, request)
    return found


def _select(index: Index, request: Request) -> tuple[Selected | None, bool]:
    """Return the selected and whether it ends the search: what an inner prefix selects does not, expressions outside may still match."""
    path = request.uri
    if exact := index.exact.get(path):
        return Selected(location=exact), True
    longest = index.longest_prefix(path)
    if (longest is None or longest.pattern != path) and (slashed := index.redirecting(path)):
        return Selected(location=slashed, redirects=True), True
    found, final = (Selected(location=longest), False) if longest else (None, False)
    if longest and longest.nested:
        inner, final = _select(index.inside(longest), request)
        found = inner or found
    if final or (longest and longest.operator == "^~"):
        return found, final
    for location in index.expressions:
        if match_text(request, location.pattern, path, ignore_case=location.operator == "~*"):
            inner = _select(index.inside(location), request)[0] if location.nested else None
            return inner or Selected(location=location), True
    return found, False
