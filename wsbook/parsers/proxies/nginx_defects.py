"""Defects of an nginx location that a neutral route cannot say. Each stands in patterns.toml; here is only how it is recognised."""

import re
from collections.abc import Iterator

from wsbook.facts import PatternFacts, RouteFacts
from wsbook.parsers.proxies.artifact import Artifact, defect, hints_at_polling
from wsbook.parsers.proxies.nginx_headers import Variables, set_headers
from wsbook.parsers.proxies.nginx_locations import Location, Server
from wsbook.parsers.proxies.nginx_tree import Directive

__all__ = ["defects"]

_STREAM_PATH = re.compile(r"(?:^|[^a-z])(?:sse|events?|eventsource|event-stream|stream)(?:$|[^a-z])", re.IGNORECASE)
_TARGET = re.compile(r"(?P<scheme>https?)://(?P<host>[^/:$\s]+|\[[^\]]*\])(?::(?P<port>\d+))?(?P<uri>/.*)?$")


def defects(route: RouteFacts, server: Server, location: Location, variables: Variables, artifact: Artifact) -> list[PatternFacts]:
    """Return the defects of one location; headers of a location that does not serve the endpoint are nobody's concern."""
    if route.serves is False:
        return []
    found = [*_wrong_literals(route, location, variables), *_forwarded(server, location), *_target(route, location)]
    return [*found, *_path(route, location, artifact), *_stickiness(route, location), *_streams(route, location)]


def _at(pattern: str, directive: Directive) -> PatternFacts:
    words = (directive.name, *directive.args)
    return defect(pattern, directive.file, directive.line, " ".join(words))


def _wrong_literals(route: RouteFacts, location: Location, variables: Variables) -> Iterator[PatternFacts]:
    lines = set_headers(location)
    upgrade, connection = lines.get("upgrade"), lines.get("connection")
    value = (route.upgrade.value or "").lower() if route.upgrade else ""
    if upgrade and (value not in ("forwarded", "websocket", "absent") or "$connection" in upgrade.args[1]):
        yield _at("nginx.upgrade-literal-wrong", upgrade)
    if upgrade and connection and route.connection and not _keeps(route.connection.value or ""):
        yield _at("nginx.connection-literal-wrong", connection)
    for line in (upgrade, connection):
        if line and variables.undefined(line.args[1]):
            yield _at("nginx.map-missing", line)


def _keeps(value: str) -> bool:
    return value == "forwarded" or "upgrade" in [token.strip().lower() for token in value.split(",")]


def _forwarded(server: Server, location: Location) -> Iterator[PatternFacts]:
    lines = set_headers(location)
    proto, host = lines.get("x-forwarded-proto"), lines.get("host")
    if proto and (proto.args[1] in ("ws", "wss") or (server.secure and proto.args[1] == "http")):
        yield _at("nginx.forwarded-proto-wrong", proto)
    if host and not proto and "upgrade" in lines and server.secure is not False:
        yield _at("nginx.forwarded-proto-missing", location.directive)
    forwarded_host = lines.get("x-forwarded-host")
    if forwarded_host and forwarded_host.args[1].endswith(":$server_port"):
        yield _at("nginx.forwarded-host-with-port", forwarded_host)


def _target(route: RouteFacts, location: Location) -> Iterator[PatternFacts]:
    line = location.directive.last("proxy_pass")
    match = _TARGET.match(route.upstream)
    if line and match and (match["scheme"], match["port"]) == ("http", "443"):
        yield _at("nginx.plain-to-tls-port", line)
    if line and match and (match["scheme"], match["port"]) == ("https", "80"):
        yield _at("nginx.tls-to-plain-port", line)
    version = location.setting("proxy_http_version")
    if version and version.args[:1] in (("2",), ("2.0",)):
        yield _at("nginx.h2-to-upstream", version)


def _path(route: RouteFacts, location: Location, artifact: Artifact) -> Iterator[PatternFacts]:
    line = location.directive.last("proxy_pass")
    match = _TARGET.match(route.upstream)
    uri = (match["uri"] if match else "") or ""
    if line and match and uri == "/" and location.operator in ("", "^~") and hints_at_polling(location.pattern):
        yield _at("nginx.library-prefix-stripped", line)
    elif line and uri and location.operator in ("", "^~") and location.pattern.endswith("/") and not uri.endswith("/") and "$" not in uri:
        yield _at("nginx.slash-glued", line)
    path = artifact.endpoint_path.partition("?")[0]
    if route.serves and path and location.operator in ("", "^~", "=") and location.pattern == path + "/":
        yield _at("nginx.location-slash-redirect", location.directive)


def _stickiness(route: RouteFacts, location: Location) -> Iterator[PatternFacts]:
    spread = route.balance in ("roundrobin", "least_conn", "random", "least_time") and (route.servers or 0) > 1
    if spread and hints_at_polling(location.pattern):
        yield _at("nginx.no-stickiness", location.directive)


def _streams(route: RouteFacts, location: Location) -> Iterator[PatternFacts]:
    buffering = location.setting("proxy_buffering")
    absent = route.upgrade is not None and route.upgrade.value == "absent"
    if absent and _STREAM_PATH.search(location.pattern) and not (buffering and buffering.args == ("off",)):
        yield _at("nginx.stream-buffered", location.directive)
