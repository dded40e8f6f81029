"""Whether handshakes reach the nginx location that is meant for them: other locations, other servers, other browsers, other paths."""

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from wsbook.facts import PatternFacts
from wsbook.parsers.proxies.artifact import Artifact, hints_at_websocket
from wsbook.parsers.proxies.nginx.answers import answered, at
from wsbook.parsers.proxies.nginx.headers import header, lines_of
from wsbook.parsers.proxies.nginx.locations import Location, select
from wsbook.parsers.proxies.nginx.requests import Ending, answer, begin
from wsbook.parsers.proxies.nginx.servers import Listen, Server
from wsbook.parsers.proxies.nginx.upstreams import Upstreams
from wsbook.parsers.proxies.nginx.values import Request, holds

__all__ = ["Neighbours", "keeps_upgrade", "reached", "sample_path"]

_DEFAULT = frozenset(("default_server", "default"))
_FIREFOX = "keep-alive, Upgrade"
_UPGRADE_IS = re.compile(r"\$\{?http_upgrade\}? (?:=|~) \^?(\w+)")
_LOCAL = re.compile(r"(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::(\d{1,5}))?\Z")


class Neighbours(Struct, frozen=True, kw_only=True):
    """The servers of one configuration, for those that look at one of them.

    idle: what marks servers as the default of an address that hand nothing on. listens: one listener of each port.
    """

    idle: tuple[Listen, ...] = ()
    listens: Mapping[int, Listen] = {}

    def listener(self, address: str, usual_port: int) -> Listen | None:
        """Return the listener of the same nginx that an address of this machine leads to."""
        match = _LOCAL.match(address)
        return self.listens.get(int(match[1] or usual_port)) if match else None

    @staticmethod
    def of(servers: Sequence[Server]) -> "Neighbours":
        """Return what servers say of each other."""
        listens = {x.port: x for server in reversed(servers) for x in server.listens if x.directive}
        idle = tuple(x for server in servers for x in server.listens if x.flags & _DEFAULT and x.directive and _is_idle(server))
        return Neighbours(idle=idle, listens=listens)


def _is_idle(server: Server) -> bool:
    return not server.block.last("return") and not any(location.handler for location in server.every())


def sample_path(location: Location) -> str:
    """Return a path that a prefix or exact location is written for; "/" for others."""
    if location.operator == "=":
        return location.pattern
    if location.operator in ("", "^~"):
        return location.pattern + "x" if location.pattern.endswith("/") and len(location.pattern) > 1 else location.pattern or "/"
    return "/"


def keeps_upgrade(value: str) -> bool:
    """Whether a value of Connection asks for the upgrade."""
    return value == "forwarded" or "upgrade" in [token.strip().lower() for token in value.split(",")]


def reached(ending: Ending, beside: Neighbours, upstreams: Upstreams, artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield why handshakes do not, or not all, reach this location or what is behind it."""
    if not artifact.endpoint_path:
        yield from _answers_itself(ending, artifact)
        yield from _shadowed(ending, artifact)
        yield from _exact_only(ending, artifact)
        yield from _by_name_only(ending, beside)
    yield from _test_of_upgrade(ending)
    yield from _guard_upgraded(ending, artifact)
    yield from _in_firefox(ending, artifact)
    yield from _listener_behind(ending, beside, upstreams)


def _passes(location: Location) -> bool:
    return bool(lines_of(location, "Upgrade")) and location.handler is not None


def _selected(ending: Ending, path: str) -> Location | None:
    found = select(ending.server.index, begin(ending.request.variables, ending.server, path))
    return found.location if found else None


def _answers_itself(ending: Ending, artifact: Artifact) -> Iterator[PatternFacts]:
    """A location that hands requests on, but not handshakes for its own path."""
    location = ending.location
    if location.operator in ("", "^~", "="):
        again = answer(ending.server, begin(ending.request.variables, ending.server, sample_path(location)))
        if not again.handed_on and location.directive in again.location.levels:
            yield from answered(again, artifact)


def _test_of_upgrade(ending: Ending) -> Iterator[PatternFacts]:
    """An ``if`` that compares Upgrade with other capitals than browsers send."""
    for level in ending.location.levels:
        for branch in (level, *level.all("if")):
            words = " ".join(branch.args)
            literal = _UPGRADE_IS.search(words) if branch.name == "if" else None
            if literal and literal[1].lower() == "websocket" and literal[1] != "websocket":
                yield at("nginx.upgrade-test-case", branch)


def _guard_upgraded(ending: Ending, artifact: Artifact) -> Iterator[PatternFacts]:
    """An auth_request whose own location passes the handshake's headers on."""
    asked = ending.location.setting("auth_request")
    if not asked or not asked.args or not asked.args[0].startswith("/"):
        return
    found = _selected(ending, asked.args[0])
    if found and _passes(found) and header(found, "Upgrade", ending.request, artifact).value != "absent":
        yield at("nginx.guard-upgraded", asked)


def _shadowed(ending: Ending, artifact: Artifact) -> Iterator[PatternFacts]:
    """An expression that takes the paths of a prefix without ``^~``."""
    location = ending.location
    meant = _passes(location) or hints_at_websocket(location.pattern) == 2
    if location.operator != "" or location.pattern in ("", "/") or not meant:
        return
    other = _selected(ending, sample_path(location))
    if other and other.operator in ("~", "~*") and location.directive not in other.levels and not _passes(other):
        yield at("nginx.location-shadowed", other.directive)


def _exact_only(ending: Ending, artifact: Artifact) -> Iterator[PatternFacts]:
    """An exact location whose longer paths go elsewhere."""
    location = ending.location
    if location.operator != "=" or not _passes(location):
        return
    other = _selected(ending, location.pattern.rstrip("/") + "/x")
    if other is None or not _passes(other):
        yield at("nginx.exact-location", location.directive)


def _by_name_only(ending: Ending, beside: Neighbours) -> Iterator[PatternFacts]:
    """A server that only its name leads to, beside a marked default that hands nothing on."""
    there = {(x.address, x.port) for x in ending.server.listens}
    found = next((x for x in beside.idle if (x.address, x.port) in there), None)
    if found and found.directive:
        yield at("nginx.default-elsewhere", found.directive)


def _in_firefox(ending: Ending, artifact: Artifact) -> Iterator[PatternFacts]:
    """What holds for Chrome's Connection header and not for Firefox' ``keep-alive, Upgrade``."""
    location, request = ending.location, ending.request
    other = replace(request, connection=_FIREFOX, mapped={}, values=dict(request.values))
    if location.operator == "if":
        if holds(replace(request, mapped={}), location.directive.args) and not holds(other, location.directive.args):
            yield at("nginx.firefox-refused", location.directive)
        return
    values = [header(location, "Connection", seen, artifact).value or "upgrade" for seen in (replace(request, mapped={}), other)]
    if keeps_upgrade(values[0]) and not keeps_upgrade(values[1]):
        yield at("nginx.firefox-refused", lines_of(location, "Connection")[-1])
    elif artifact.endpoint_path and _ends_elsewhere(ending, artifact):
        yield at("nginx.firefox-refused", location.directive)


def _ends_elsewhere(ending: Ending, artifact: Artifact) -> bool:
    """Whether the same path ends at another location when Firefox asks for it."""
    request = ending.request
    if "http_connection" not in request.variables.used:
        return False
    again: Request = begin(request.variables, ending.server, artifact.endpoint_path, request.host, request.port)
    return answer(ending.server, replace(again, connection=_FIREFOX)).location.directive is not ending.location.directive


def _listener_behind(ending: Ending, beside: Neighbours, upstreams: Upstreams) -> Iterator[PatternFacts]:
    """A server of this nginx behind this location that expects to be spoken to in another way."""
    line = ending.directive
    if line is None or "$" in line.args[0]:
        return
    scheme, _, rest = line.args[0].partition("://")
    for address in upstreams.addresses(line.args[0]) or [rest.partition("/")[0]]:
        behind = beside.listener(address, 443 if scheme == "https" else 80)
        if behind is None:
            continue
        if "proxy_protocol" in behind.flags:
            yield at("nginx.proxy-protocol-missing", line)
        if behind.secure and scheme == "http":
            yield at("nginx.plain-to-own-tls", line)
        if not behind.secure and scheme == "https":
            yield at("nginx.tls-to-own-plain", line)
        return
