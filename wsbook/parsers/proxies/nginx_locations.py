"""Which location of a server answers a path, and what path goes upstream. Knows nothing of headers and limits.

Source: nginx.org, ngx_http_core_module (location) and ngx_http_proxy_module (proxy_pass).
"""

import re

from msgspec import Struct

from wsbook.parsers.proxies.artifact import try_regex
from wsbook.parsers.proxies.nginx_tree import Directive

__all__ = ["Location", "Server", "find_servers", "followed", "select", "upstream_path"]

_MAX_LOCATIONS = 2_000
_MAX_SERVERS = 300


class Location(Struct, frozen=True, kw_only=True):
    """One location.

    operator: "", "=", "^~", "~", "~*", "@" (named) or "if". levels: blocks it inherits from, outermost first, itself last.
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
        return " ".join(words) if self.directive.name in ("location", "if") else "(fragment)"

    def setting(self, name: str) -> Directive | None:
        """Return the directive in force: the last one of the innermost level that has it."""
        return next((found for level in reversed(self.levels) if (found := level.last(name))), None)


class Server(Struct, frozen=True, kw_only=True):
    """One server block, or a fragment that stands for one."""

    levels: tuple[Directive, ...]
    locations: tuple[Location, ...]

    @property
    def block(self) -> Directive:
        """The server block."""
        return self.levels[-1]

    @property
    def redirects(self) -> bool:
        """Whether every request is answered by a return at server level."""
        return bool(self.block.all("return"))

    @property
    def secure(self) -> bool | None:
        """Whether it listens with TLS; None for a fragment without listen."""
        listens = self.block.all("listen")
        return any("ssl" in d.args or "quic" in d.args for d in listens) or self.block.last("ssl") is not None if listens else None

    def every(self) -> list[Location]:
        """Return all locations, outer before inner."""
        found: list[Location] = []
        waiting = list(reversed(self.locations))
        while waiting and len(found) < _MAX_LOCATIONS:
            current = waiting.pop()
            found.append(current)
            waiting.extend(reversed(current.nested))
        return found


def find_servers(root: Directive) -> list[Server]:
    """Return the servers of a whole configuration or of a fragment of one."""
    found = []
    for http in root.all("http") or [root]:
        levels = (root,) if http is root else (root, http)
        found += [_server((*levels, server)) for server in http.all("server")[:_MAX_SERVERS]]
    if root.all("location") or root.all("proxy_pass"):
        found.append(_server((root,)))
    return found


def _server(levels: tuple[Directive, ...]) -> Server:
    locations = tuple(_locations(levels))
    if not locations and levels[-1].last("proxy_pass"):
        locations = (Location(operator="", pattern="/", levels=levels),)
    return Server(levels=levels, locations=locations)


def _locations(levels: tuple[Directive, ...]) -> list[Location]:
    found = []
    for directive in levels[-1].block or ():
        inner = (*levels, directive)
        if directive.name == "location" and directive.args:
            operator, pattern = _matcher(directive.args)
            found.append(Location(operator=operator, pattern=pattern, levels=inner, nested=tuple(_locations(inner))))
        elif directive.name == "if" and directive.last("proxy_pass"):
            found.append(Location(operator="if", pattern=" ".join(directive.args), levels=inner))
    return found


def _matcher(args: tuple[str, ...]) -> tuple[str, str]:
    if len(args) >= 2 and args[0] in ("=", "^~", "~", "~*"):
        return args[0], args[1]
    glued = re.match(r"(=|\^~|~\*|~)(/.*|\^.*)", args[0])
    if glued:
        return glued[1], glued[2]
    return ("@", args[0]) if args[0].startswith("@") else ("", args[0])


def select(locations: tuple[Location, ...], path: str) -> Location | None:
    """Return the location for a path: exact, longest prefix when ^~, first regular expression, longest prefix."""
    exact = next((loc for loc in locations if loc.operator == "=" and loc.pattern == path), None)
    if exact:
        return exact
    slashed = _redirecting(locations, path)
    if slashed:
        return slashed
    prefixes = [loc for loc in locations if loc.operator in ("", "^~") and path.startswith(loc.pattern)]
    longest = max(prefixes, key=lambda loc: len(loc.pattern), default=None)
    inner = select(longest.nested, path) if longest else None
    if inner and inner.operator in ("=", "^~", "~", "~*"):
        return inner
    if longest and longest.operator == "^~":
        return inner or longest
    by_regex = next((loc for loc in locations if loc.operator in ("~", "~*") and _matches(loc, path)), None)
    if by_regex:
        return select(by_regex.nested, path) or by_regex
    return inner or longest


def _redirecting(locations: tuple[Location, ...], path: str) -> Location | None:
    """Return the proxied location of the path plus a slash, which answers the path by 301, unless one is written for the path itself."""
    plain = [loc for loc in locations if loc.operator in ("", "^~", "=")]
    if any(loc.pattern == path for loc in plain):
        return None
    return next((loc for loc in plain if loc.pattern == path + "/" and loc.directive.last("proxy_pass")), None)


def _matches(location: Location, path: str) -> bool:
    regex = try_regex(location.pattern, ignore_case=location.operator == "~*")
    return bool(regex and regex.search(path[:500]))


def followed(location: Location, server: Server) -> Location:
    """Return where an upgrade that reaches a location ends: its ``if ($http_upgrade)`` branch or the named location it falls back to."""
    for branch in location.nested:
        if branch.operator == "if" and "$http_upgrade" in branch.pattern:
            return branch
    if location.directive.last("proxy_pass"):
        return location
    names = {a for d in _inside(location.directive) for a in (*d.args,) if a.lstrip("=").startswith("@")}
    names = {n.lstrip("=") for n in names}
    return next((loc for loc in server.locations if loc.operator == "@" and loc.pattern in names), location)


def _inside(directive: Directive) -> list[Directive]:
    found = list(directive.block or ())
    return found + [inner for d in found if d.name == "if" for inner in d.block or ()]


def upstream_path(location: Location, path: str) -> str | None:
    """Return the path that the upstream sees; None when it depends on what the file does not say."""
    rewritten = _rewritten(location, path)
    target = location.directive.last("proxy_pass")
    if rewritten is None or target is None or not target.args:
        return rewritten
    uri = re.match(r"https?://(?:unix:[^:]*:|[^/$\s]*|\$\w+|\$\{\w+\})+(/.*)?$", target.args[0])
    if not uri:
        return None
    replacement = (uri[1] or "").partition("?")[0]
    if not replacement or rewritten != path:
        return rewritten
    if "$" in replacement:
        return path if replacement in ("$request_uri", "/$request_uri", "$uri") else _captured(location, replacement, path)
    inside = location.operator in ("", "^~", "=") and path.startswith(location.pattern)
    return replacement + path[len(location.pattern) :] if inside else None


def _captured(location: Location, replacement: str, path: str) -> str | None:
    if location.operator not in ("~", "~*"):
        return None
    regex = try_regex(location.pattern, ignore_case=location.operator == "~*")
    return _filled(replacement, regex.search(path[:500])) if regex else None


def _filled(replacement: str, match: re.Match[str] | None) -> str | None:
    if match is None:
        return None
    text = re.sub(r"\$(\d)", lambda m: (match[int(m[1])] or "") if int(m[1]) <= len(match.groups()) else "", replacement)
    text = text.replace("$is_args", "").replace("$args", "")
    return None if "$" in text else text.partition("?")[0]


def _rewritten(location: Location, path: str) -> str | None:
    for rule in location.directive.all("rewrite"):
        if len(rule.args) < 2:
            continue
        regex = try_regex(rule.args[0])
        if regex is None:
            return None
        match = regex.search(path[:500])
        if match:
            filled = _filled(rule.args[1], match)
            if filled is None or "last" in rule.args or filled.startswith("http"):
                return None
            path = filled
            if "break" in rule.args:
                break
    return path
