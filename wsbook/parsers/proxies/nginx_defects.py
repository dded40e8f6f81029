"""Defects of an nginx location that a neutral route cannot say. Each stands in patterns.toml; here is only how it is recognised."""

import re
from collections.abc import Iterator

from wsbook.facts import PatternFacts, RouteFacts
from wsbook.parsers.proxies.artifact import Artifact, hints_at_polling
from wsbook.parsers.proxies.nginx_answers import answered, at
from wsbook.parsers.proxies.nginx_headers import lines_of, set_headers
from wsbook.parsers.proxies.nginx_requests import Ending
from wsbook.parsers.proxies.nginx_upstreams import Upstreams

__all__ = ["defects"]

_STREAM_PATH = re.compile(r"(?:^|[^a-z])(?:sse|events?|eventsource|event-stream|stream)(?:$|[^a-z])", re.IGNORECASE)
_TARGET = re.compile(r"(?P<scheme>https?)://(?P<host>[^/:$\s]+|\[[^\]]*\])(?::(?P<port>\d+))?(?P<uri>/.*)?$")


def defects(route: RouteFacts, ending: Ending, upstreams: Upstreams, artifact: Artifact) -> list[PatternFacts]:
    """Return the defects of one location; headers of a location that does not serve the endpoint are nobody's concern."""
    if route.serves is False:
        return []
    if ending.status or ending.directive is None or ending.directive.name != "proxy_pass":
        return list(answered(ending, artifact))
    found = [*_wrong_literals(route, ending), *_forwarded(ending), *_target(route, ending)]
    return [*found, *_path(route, ending, artifact), *_stickiness(route, ending), *_streams(route, ending)]


def _wrong_literals(route: RouteFacts, ending: Ending) -> Iterator[PatternFacts]:
    location = ending.location
    upgrade, connection = (lines_of(location, name)[-1:] for name in ("Upgrade", "Connection"))
    value = (route.upgrade.value or "").lower() if route.upgrade else ""
    if upgrade and value and (value not in ("forwarded", "websocket", "absent") or "$connection" in upgrade[0].args[1]):
        yield at("nginx.upgrade-literal-wrong", upgrade[0])
    if upgrade and connection and route.connection and route.connection.value and not _keeps(route.connection.value):
        yield at("nginx.connection-literal-wrong", connection[0])
    for line in (*upgrade, *connection):
        if ending.request.variables.undefined(line.args[1]):
            yield at("nginx.map-missing", line)


def _keeps(value: str) -> bool:
    return value == "forwarded" or "upgrade" in [token.strip().lower() for token in value.split(",")]


def _forwarded(ending: Ending) -> Iterator[PatternFacts]:
    server, location = ending.server, ending.location
    lines = set_headers(location)
    proto, host = lines.get("x-forwarded-proto"), lines.get("host")
    if proto and (proto.args[1] in ("ws", "wss") or (server.secure and proto.args[1] == "http")):
        yield at("nginx.forwarded-proto-wrong", proto)
    if host and not proto and "upgrade" in lines and server.secure is not False:
        yield at("nginx.forwarded-proto-missing", location.directive)
    forwarded_host = lines.get("x-forwarded-host")
    if forwarded_host and forwarded_host.args[1].endswith(":$server_port"):
        yield at("nginx.forwarded-host-with-port", forwarded_host)


def _target(route: RouteFacts, ending: Ending) -> Iterator[PatternFacts]:
    line, location = ending.directive, ending.location
    match = _TARGET.match(route.upstream)
    if line and match and (match["scheme"], match["port"]) == ("http", "443"):
        yield at("nginx.plain-to-tls-port", line)
    if line and match and (match["scheme"], match["port"]) == ("https", "80"):
        yield at("nginx.tls-to-plain-port", line)
    version = location.setting("proxy_http_version")
    if version and version.args[:1] in (("2",), ("2.0",)):
        yield at("nginx.h2-to-upstream", version)


def _path(route: RouteFacts, ending: Ending, artifact: Artifact) -> Iterator[PatternFacts]:
    line, location = ending.directive, ending.location
    match = _TARGET.match(route.upstream)
    uri = (match["uri"] if match else "") or ""
    if line and match and uri == "/" and location.operator in ("", "^~") and hints_at_polling(location.pattern):
        yield at("nginx.library-prefix-stripped", line)
    elif line and uri and location.operator in ("", "^~") and location.pattern.endswith("/") and not uri.endswith("/") and "$" not in uri:
        yield at("nginx.slash-glued", line)


def _stickiness(route: RouteFacts, ending: Ending) -> Iterator[PatternFacts]:
    spread = route.balance in ("roundrobin", "least_conn", "random", "least_time") and (route.servers or 0) > 1
    if spread and hints_at_polling(ending.location.pattern):
        yield at("nginx.no-stickiness", ending.location.directive)


def _streams(route: RouteFacts, ending: Ending) -> Iterator[PatternFacts]:
    location = ending.location
    buffering = location.setting("proxy_buffering")
    absent = route.upgrade is not None and route.upgrade.value == "absent"
    if absent and _STREAM_PATH.search(location.pattern) and not (buffering and buffering.args == ("off",)):
        yield at("nginx.stream-buffered", location.directive)
