"""What to change in an nginx configuration so that the WebSocket passes: the fewest lines, in the block that needs them.

Source: nginx.org, "WebSocket proxying"; ngx_http_proxy_module (proxy_set_header is inherited as a whole or not at all).
"""

import re
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from wsbook.facts import Facts, Fix, PatternFacts, RouteFacts
from wsbook.parsers.proxies.nginx.edits import Editor
from wsbook.parsers.proxies.nginx.headers import header_level, set_headers
from wsbook.parsers.proxies.nginx.line_fixes import LONG, line_fix
from wsbook.parsers.proxies.nginx.locations import Location
from wsbook.parsers.proxies.nginx.requests import Ending
from wsbook.parsers.proxies.nginx.tree import Directive, Tree, walk
from wsbook.parsers.proxies.nginx.values import expand

__all__ = ["PATTERN_FIXES", "Place", "with_fixes"]

_LONG_S = 3600.0
_MAX_CHARS = 300_000
"""Larger configurations get findings without changes."""
_MAP = "map $http_upgrade $connection_upgrade {\n    default upgrade;\n    '' close;\n}"
_URI = re.compile(r"(?P<before>https?://[^/$\s]+)(?P<uri>/.*)$")


class Place(Struct, frozen=True, kw_only=True):
    """Where a fix is made: the route, where a handshake ends there, and the whole configuration with its texts."""

    route: RouteFacts
    ending: Ending
    tree: Tree
    endpoint_path: str = ""

    @property
    def location(self) -> Location:
        """The location itself."""
        return self.ending.location

    @property
    def texts(self) -> Mapping[str, str]:
        """The texts by file name."""
        return self.tree.texts

    @property
    def home(self) -> Directive:
        """The block that takes the lines: an if takes none of them, so it is the location around it."""
        return self.location.levels[-2] if self.location.operator == "if" and len(self.location.levels) > 1 else self.location.directive

    @property
    def every(self) -> list[Directive]:
        """Every directive of the blocks that the location stands in."""
        return [d for level in self.location.levels for d in (level, *(level.block or ())) if d.name]

    @property
    def target(self) -> Directive | None:
        """The proxy_pass of the location."""
        return self.location.directive.last("proxy_pass")


def with_fixes(place: Place, found: list[PatternFacts]) -> list[Facts]:
    """Return the route and its defects, each with what makes it right."""
    place = replace(place, route=_inherited(place))
    if place.route.serves is False or sum(map(len, place.texts.values())) > _MAX_CHARS:
        return [place.route, *found]
    fixes = (_handshake(place), _idle(place), _path(place)) if place.target is not None else ()
    route = replace(place.route, fixes=tuple(fix for fix in fixes if fix is not None))
    return [route, *(replace(defect, fix=_of_pattern(defect, place)) for defect in found)]


def _inherited(place: Place) -> RouteFacts:
    """Return the route whose settings say from which block around they come."""
    own = {(d.file, d.line): "" for d in place.location.directive.block or ()}
    names = ("proxy_set_header", "proxy_http_version", "proxy_read_timeout")
    outer = {(d.file, d.line): level.name or "file" for level in place.location.levels[:-1] for name in names for d in level.all(name)}
    places = outer | own
    said = {name: getattr(place.route, name) for name in ("upgrade", "connection", "host", "http_version", "idle_s")}
    levels = {name: places.get((value.file, value.line), "") for name, value in said.items() if value is not None and not value.default}
    return replace(place.route, **{name: replace(said[name], level=level) for name, level in levels.items() if level})


def _of_pattern(defect: PatternFacts, place: Place) -> Fix | None:
    """Return the fix of a defect of defects/nginx.toml; None when there is none."""
    make = PATTERN_FIXES.get(defect.pattern)
    line = _found(place.every, defect) or _found(walk(place.tree.root), defect)
    if line is None:
        return None
    return make(defect.cause, line, place) if make else line_fix(defect, line, place.texts)


def _found(directives: Iterable[Directive], defect: PatternFacts) -> Directive | None:
    """Return the directive that a defect was found at."""
    here = [d for d in directives if d.line == defect.line and d.file == defect.file]
    return next((d for d in here if defect.excerpt.startswith(" ".join((d.name, *d.args))[:60].strip())), None)


def _handshake(place: Place) -> Fix | None:
    route, causes = place.route, []
    upgrade, connection, version = route.upgrade, route.connection, route.http_version
    if upgrade and connection and not (_passes(upgrade.value, "websocket") and _passes(connection.value, "upgrade")):
        causes = ["proxy.set-header-inheritance-lost"] if route.inheritance_lost else []
        causes.append("proxy.upgrade-header-missing")
    if version and version.value != "1.1":
        causes.append("proxy.http-1.0-upstream")
    return _pass_upgrade(causes, place) if causes else None


def _passes(value: str | None, wanted: str) -> bool:
    return value == "forwarded" or wanted in [token.strip().lower() for token in (value or "").split(",")]


def _pass_upgrade(causes: list[str], place: Place) -> Fix | None:
    """Set Upgrade, Connection and the version, each by replacing its line or adding one; repeat what the block would lose."""
    editor = Editor(place.texts)
    home, route, own = place.home, place.route, _own_headers(place)
    variable = _connection(editor, place)
    wanted = {"upgrade": "proxy_set_header Upgrade $http_upgrade", "connection": f"proxy_set_header Connection {variable}"}
    right = {
        "upgrade": route.upgrade is not None and _passes(route.upgrade.value, "websocket"),
        "connection": route.connection is not None and _passes(route.connection.value, "upgrade"),
    }
    added: list[str] = []
    if route.http_version is None or route.http_version.value != "1.1":
        _set(editor, home, "proxy_http_version", "proxy_http_version 1.1", added)
    needs_lines = not all(right.values())
    added += [editor.text_of(line) for line in _repeated(place) if needs_lines and line.args[0].lower() not in own]
    for name, statement in wanted.items():
        if right[name] and (name in own or not needs_lines or any(line.lower().split()[1:2] == [name] for line in added)):
            continue
        if name in own:
            editor.replace(own[name], statement)
        else:
            added = [line for line in added if line.lower().split()[1:2] != [name]] + [statement]
    editor.add(home, added, after=place.target if home is place.location.directive else None)
    return editor.finish(*causes)


def _own_headers(place: Place) -> dict[str, Directive]:
    return {line.args[0].lower(): line for line in place.home.all("proxy_set_header") if line.args}


def _repeated(place: Place) -> list[Directive]:
    """Return the lines of the level around that the block lost, or would lose with a line of its own."""
    outer = place.location.levels[: place.location.levels.index(place.home)]
    level = next((level for level in reversed(outer) if level.all("proxy_set_header")), None)
    if place.home.all("proxy_set_header") and not place.route.inheritance_lost:
        return []
    return [line for line in level.all("proxy_set_header") if len(line.args) == 2] if level else []


def _connection(editor: Editor, place: Place) -> str:
    """Return what Connection is set to: a mapped variable, made where the file has its http block, else the word."""
    variables = place.ending.request.variables
    for name, block in variables.maps.items():
        if "http_upgrade" in block.args[0] and expand(place.ending.request, f"${name}").lower() == "upgrade":
            return f"${name}"
    http = place.tree.root.last("http")
    if http is None or variables.defines("connection_upgrade"):
        return '"upgrade"'
    editor.add(http, [_MAP])
    return "$connection_upgrade"


def _set(editor: Editor, home: Directive, name: str, statement: str, added: list[str]) -> None:
    line = home.last(name)
    if line:
        editor.replace(line, statement)
    else:
        added.append(statement)


def _idle(place: Place) -> Fix | None:
    limit = place.route.idle_s
    if limit is None or limit.value is None or float(limit.value) >= _LONG_S:
        return None
    editor = Editor(place.texts)
    added: list[str] = []
    _set(editor, place.home, "proxy_read_timeout", f"proxy_read_timeout {LONG}", added)
    editor.add(place.home, added, after=place.home.last("proxy_pass"))
    return editor.finish("proxy.idle-timeout-nginx")


def _path(place: Place) -> Fix | None:
    """Let the path through unchanged: without the URI of proxy_pass, and without rewrites of the location."""
    path, target = place.endpoint_path.partition("?")[0], place.target
    if not path or place.route.upstream_path in (None, path) or target is None:
        return None
    editor = Editor(place.texts)
    parts = _URI.match(target.args[0])
    if parts and "$" not in parts["uri"]:
        editor.replace(target, f"proxy_pass {parts['before']}")
    for line in place.location.directive.all("rewrite"):
        editor.remove(line)
    return editor.finish("proxy.path-rewrite-wrong")


def _all_headers(cause: str, line: Directive, place: Place) -> Fix | None:
    """Whatever is wrong about Upgrade or Connection: make both right; a map that is missing is added or done without."""
    if (
        place.ending.request.variables.undefined(line.args[1])
        and (http := place.tree.root.last("http"))
        and "$connection_upgrade" in line.args[1]
    ):
        editor = Editor(place.texts)
        editor.add(http, [_MAP])
        return editor.finish(cause)
    return _pass_upgrade([cause], place)


def _every_browser(cause: str, line: Directive, place: Place) -> Fix | None:
    """Ask for Upgrade instead of a whole Connection header, which Firefox writes in another way."""
    editor = Editor(place.texts)
    if line.name == "proxy_set_header":
        editor.replace(line, f"proxy_set_header Connection {_connection(editor, place)}")
    elif line.name == "if":
        editor.rename(line, "if ($http_upgrade = websocket)")
    return editor.finish(cause)


def _one_more(name: str, value: str) -> "Maker":
    def make(cause: str, line: Directive, place: Place) -> Fix | None:
        """Add a header to those in force."""
        level = header_level(place.location) or place.home
        last = next(iter(reversed(set_headers(place.location).values())), None)
        editor = Editor(place.texts)
        editor.add(level, [f"proxy_set_header {name} {value}"], after=last or place.target)
        return editor.finish(cause)

    return make


def _whole_path(cause: str, line: Directive, place: Place) -> Fix | None:
    parts, editor = _URI.match(line.args[0]), Editor(place.texts)
    editor.replace(line, f"proxy_pass {parts['before'] if parts else line.args[0]}")
    return editor.finish(cause)


def _slashed(cause: str, line: Directive, place: Place) -> Fix | None:
    """Give the location the slash that proxy_pass puts in its place, where the endpoint is below it."""
    location, path = place.location, place.endpoint_path.partition("?")[0]
    if location.operator not in ("", "^~") or not path.startswith(f"{location.pattern}/") or _is_taken(place, f"{location.pattern}/"):
        return None
    editor = Editor(place.texts)
    editor.rename(location.directive, " ".join(filter(None, ("location", location.operator, f"{location.pattern}/"))))
    return editor.finish(cause)


def _prefix(cause: str, line: Directive, place: Place) -> Fix | None:
    """Let an exact location take what is below it too."""
    if place.location.operator != "=" or _is_taken(place, place.location.pattern):
        return None
    editor = Editor(place.texts)
    editor.rename(place.location.directive, f"location {place.location.pattern}")
    return editor.finish(cause)


def _shielded(cause: str, line: Directive, place: Place) -> Fix | None:
    """Keep expressions from taking the paths of a prefix location."""
    if place.location.operator:
        return None
    editor = Editor(place.texts)
    editor.rename(place.location.directive, f"location ^~ {place.location.pattern}")
    return editor.finish(cause)


def _is_taken(place: Place, pattern: str) -> bool:
    """Whether the server has a prefix location of this name; nginx refuses two."""
    return any(other.operator in ("", "^~") and other.pattern == pattern for other in place.ending.server.locations)


def _renamed(cause: str, line: Directive, place: Place) -> Fix | None:
    """The location without its last slash; where proxy_pass replaces that prefix, the exact path beside it."""
    target, editor = place.target, Editor(place.texts)
    if target is None or _URI.match(target.args[0]) or place.location.nested:
        return None
    operator = place.location.operator
    editor.rename(line, " ".join(filter(None, ("location", operator, place.location.pattern.rstrip("/")))))
    return editor.finish(cause)


def _sticky(cause: str, line: Directive, place: Place) -> Fix | None:
    host = (place.target.args[0] if place.target and place.target.args else "").partition("://")[2].partition("/")[0]
    block = next(
        (d for http in (*place.tree.root.all("http"), place.tree.root) for d in http.all("upstream") if d.args[:1] == (host,)), None
    )
    if block is None or any("backup" in server.args for server in block.all("server")):
        return None  # ip_hash refuses backup servers
    editor = Editor(place.texts)
    other = next((block.last(name) for name in ("least_conn", "random", "least_time") if block.last(name)), None)
    if other:
        editor.replace(other, "ip_hash")
    else:
        editor.add(block, ["ip_hash"])
    return editor.finish(cause)


def _new_location(cause: str, line: Directive, place: Place) -> Fix | None:
    """Give the endpoint's path a location of its own, where the file knows one upstream only."""
    targets = {d.args[0] for d in walk(place.tree.root) if d.name == "proxy_pass" and d.args}
    bases = {_URI.sub(lambda m: m["before"], target) for target in targets}
    path, server = place.endpoint_path.partition("?")[0], place.ending.server.block
    if not path or len(bases) != 1 or "$" in next(iter(bases)) or re.search(r"[\s;{}\"'\\$]", path):
        return None
    editor = Editor(place.texts)
    variable = _connection(editor, place)
    level = next((level for level in reversed(place.ending.server.levels) if level.all("proxy_set_header")), None)
    outer = [line for line in level.all("proxy_set_header") if len(line.args) == 2] if level else []
    repeated = [editor.text_of(line) for line in outer if line.args[0].lower() not in ("upgrade", "connection")]
    body = [f"proxy_pass {next(iter(bases))}", "proxy_http_version 1.1", *repeated, "proxy_set_header Upgrade $http_upgrade"]
    body.append(f"proxy_set_header Connection {variable}")
    editor.add(server, [f"location {path} {{\n" + "\n".join(f"    {statement};" for statement in body) + "\n}"])
    return editor.finish(cause)


def _added(statement: str) -> "Maker":
    def make(cause: str, line: Directive, place: Place) -> Fix | None:
        editor = Editor(place.texts)
        added: list[str] = []
        _set(editor, place.home, statement.split()[0], statement, added)
        editor.add(place.home, added, after=place.home.last("proxy_pass"))
        return editor.finish(cause)

    return make


Maker = Callable[[str, Directive, Place], Fix | None]

PATTERN_FIXES: Mapping[str, Maker] = {
    "nginx.upgrade-literal-wrong": _all_headers,
    "nginx.connection-literal-wrong": _all_headers,
    "nginx.map-missing": _all_headers,
    "nginx.firefox-refused": _every_browser,
    "nginx.forwarded-proto-missing": _one_more("X-Forwarded-Proto", "$scheme"),
    "nginx.host-default": _one_more("Host", "$http_host"),
    "nginx.no-server-name": _added("proxy_ssl_server_name on"),
    "nginx.library-prefix-stripped": _whole_path,
    "nginx.slash-doubled": _slashed,
    "nginx.location-slash-redirect": _renamed,
    "nginx.location-shadowed": _shielded,
    "nginx.upgrade-test-case": _every_browser,
    "nginx.exact-location": _prefix,
    "nginx.location-not-proxied": _new_location,
    "nginx.no-stickiness": _sticky,
    "nginx.stream-buffered": _added("proxy_buffering off"),
}
"""Pattern of defects/*.toml → what makes its fix from (cause, line, place); those of one line are in line_fixes."""
