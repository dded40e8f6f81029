"""Defects of an nginx location that a neutral route cannot say. Each stands in defects/nginx.toml; here is only how it is recognised."""

import re
from collections.abc import Iterator

from wsbook.facts import PatternFacts, RouteFacts
from wsbook.parsers.proxies.artifact import Artifact, hints_at_polling, spoken_otherwise
from wsbook.parsers.proxies.nginx.answers import answered, at
from wsbook.parsers.proxies.nginx.headers import lines_of, set_headers
from wsbook.parsers.proxies.nginx.hints import hints
from wsbook.parsers.proxies.nginx.locations import Location
from wsbook.parsers.proxies.nginx.reach import Neighbours, keeps_upgrade, reached, sample_path
from wsbook.parsers.proxies.nginx.requests import Ending, answer, begin
from wsbook.parsers.proxies.nginx.upstreams import Upstreams

__all__ = ["defects", "is_event_stream"]

_STREAM_PATH = re.compile(r"(?:^|[^a-z])(?:sse|events?|eventsource|event-stream|stream)(?:$|[^a-z])", re.IGNORECASE)
_SURE_STREAM = re.compile(r"(?:^|[^a-z])(?:sse|event-?source|event-?stream)(?:$|[^a-z])", re.IGNORECASE)
_TARGET = re.compile(r"(?P<scheme>https?)://(?P<host>[^/:$\s]+|\[[^\]]*\])(?::(?P<port>\d+))?(?P<uri>/.*)?$")


_TLS_PORTS = frozenset(("8443", "9443", "4443", "6443", "10443", "8006", "5986", "8843"))
"""Ports that speak TLS wherever they are usual: IANA pcsync-https and its like, Kubernetes, Proxmox VE, WinRM, UniFi."""


_PORT = re.compile(r":(\d{1,5})\Z")
_FEW_SOCKETS = 1_000
_ALONE = Neighbours()


def defects(route: RouteFacts, ending: Ending, upstreams: Upstreams, artifact: Artifact, beside: Neighbours = _ALONE) -> list[PatternFacts]:
    """Return the defects of one location; headers of a location that does not serve the endpoint are nobody's concern."""
    if route.serves is False:
        return list(_streams(route, ending)) if is_event_stream(ending.location) and not artifact.endpoint_path else []
    if ending.status or ending.directive is None or ending.directive.name != "proxy_pass":
        return list(answered(ending, artifact))
    found = [
        *_wrong_literals(route, ending),
        *_forwarded(ending, artifact),
        *_target(route, ending, upstreams, artifact),
        *_path(route, ending, artifact),
    ]
    found += [*_stickiness(route, ending), *_none_left(ending, upstreams), *_few_sockets(ending, upstreams), *_streams(route, ending)]
    return [*found, *reached(ending, beside, upstreams, artifact), *hints(ending, artifact)]


def _wrong_literals(route: RouteFacts, ending: Ending) -> Iterator[PatternFacts]:
    location = ending.location
    upgrade, connection = (lines_of(location, name)[-1:] for name in ("Upgrade", "Connection"))
    value = (route.upgrade.value or "").lower() if route.upgrade else ""
    if upgrade and value and (value not in ("forwarded", "websocket", "absent") or "$connection" in upgrade[0].args[1]):
        yield at("nginx.upgrade-literal-wrong", upgrade[0])
    if upgrade and connection and route.connection and route.connection.value and not keeps_upgrade(route.connection.value):
        yield at("nginx.connection-literal-wrong", connection[0])
    for line in (*upgrade, *connection):
        if ending.request.variables.undefined(line.args[1]):
            yield at("nginx.map-missing", line)


def _forwarded(ending: Ending, artifact: Artifact) -> Iterator[PatternFacts]:
    server, location = ending.server, ending.location
    lines = set_headers(location)
    proto, host = lines.get("x-forwarded-proto"), lines.get("host")
    if proto and (proto.args[1] in ("ws", "wss") or (server.secure and proto.args[1] == "http")):
        yield at("nginx.forwarded-proto-wrong", proto)
    if proto and proto.args[1] == "$scheme" and server.secure is False and artifact.endpoint_port == 443:
        yield at("nginx.forwarded-proto-behind-tls", proto)
    if host and not proto and "upgrade" in lines and server.secure is not False:
        yield at("nginx.forwarded-proto-missing", location.directive)
    forwarded_host = lines.get("x-forwarded-host")
    if forwarded_host and forwarded_host.args[1].endswith(":$server_port"):
        yield at("nginx.forwarded-host-with-port", forwarded_host)


def _target(route: RouteFacts, ending: Ending, upstreams: Upstreams, artifact: Artifact) -> Iterator[PatternFacts]:
    line, location = ending.directive, ending.location
    match = _TARGET.match(route.upstream)
    if line and route.upstream.startswith(("ws://", "wss://")):
        yield at("nginx.socket-scheme", line)
    if line and match:
        ports = {_port(address) for address in upstreams.addresses(line.args[0])} or {match["port"]}
        scheme = match["scheme"]
        if scheme == "http" and ports == {"443"}:
            yield at("nginx.plain-to-tls-port", line)
        if scheme == "https" and ports == {"80"}:
            yield at("nginx.tls-to-plain-port", line)
        if scheme == "http" and ports <= _TLS_PORTS:
            yield at("nginx.plain-to-usual-tls-port", line)
        if spoken_otherwise(artifact.text, line.args[0]):
            yield at("proxy.tls-beside-plain" if scheme == "https" else "proxy.plain-beside-tls", line)
    version = location.setting("proxy_http_version")
    if version and version.args[:1] in (("2",), ("2.0",)):
        yield at("nginx.h2-to-upstream", version)


def _port(address: str) -> str:
    """Return the port of a server in an upstream block; without one it is 80, whatever the scheme of proxy_pass is."""
    found = _PORT.search(address)
    return "" if address.startswith("unix:") else found[1] if found else "80"


def _path(route: RouteFacts, ending: Ending, artifact: Artifact) -> Iterator[PatternFacts]:
    """A path of proxy_pass that does not fit the location's; with a known path, what becomes of that path."""
    line, location = ending.directive, ending.location
    match = _TARGET.match(route.upstream)
    uri = (match["uri"] if match else "") or ""
    if not line or not uri or "$" in line.args[0] or location.operator not in ("", "^~"):
        return
    below = not artifact.endpoint_path or len(artifact.endpoint_path.partition("?")[0]) > len(location.pattern)
    if uri == "/" and hints_at_polling(location.pattern):
        yield at("nginx.library-prefix-stripped", line)
    elif location.pattern.endswith("/") and not uri.endswith("/") and below:
        yield at("nginx.slash-glued", line)
    elif not location.pattern.endswith("/") and uri.endswith("/") and below:
        unknown = "nginx.slash-doubled-at-root" if uri == "/" else "nginx.slash-doubled-below"
        yield at("nginx.slash-doubled" if artifact.endpoint_path else unknown, line)


def _stickiness(route: RouteFacts, ending: Ending) -> Iterator[PatternFacts]:
    spread = route.balance in ("roundrobin", "least_conn", "random", "least_time", "hash_request") and (route.servers or 0) > 1
    if spread and hints_at_polling(ending.location.pattern) and _polls(ending):
        yield at("nginx.no-stickiness", ending.location.directive)


def _polls(ending: Ending) -> bool:
    """Whether a poll of the library passes here too; where it is refused, a session is one connection."""
    path = sample_path(ending.location) + "?EIO=4&transport=polling"
    return answer(ending.server, begin(ending.request.variables, ending.server, path)).status not in (400, 403, 404, 405, 444)


def _none_left(ending: Ending, upstreams: Upstreams) -> Iterator[PatternFacts]:
    """An upstream block whose servers are all marked down."""
    line = ending.directive
    block = upstreams.named(line.args[0]).block if line else None
    servers = block.all("server") if block else []
    if block and servers and all("down" in server.args for server in servers):
        yield at("nginx.servers-down", servers[0])


def is_event_stream(location: Location) -> bool:
    """Whether a location is meant for server-sent events, which need no upgrade: by its name, or by what is done for it."""
    if lines_of(location, "Upgrade"):
        return False
    connection, buffering = lines_of(location, "Connection"), location.setting("proxy_buffering")
    kept_open = bool(connection) and connection[-1].args[1] == ""
    idiom = kept_open and buffering is not None and buffering.args == ("off",)
    return bool(_SURE_STREAM.search(location.pattern) or idiom or (kept_open and _STREAM_PATH.search(location.pattern)))


def _few_sockets(ending: Ending, upstreams: Upstreams) -> Iterator[PatternFacts]:
    """A server that takes few connections at a time; a tunnel holds its one for as long as it is open."""
    block = upstreams.named(ending.directive.args[0]).block if ending.directive else None
    for server in block.all("server") if block else ():
        most = next((arg.partition("=")[2] for arg in server.args if arg.startswith("max_conns=")), "")
        if most.isdigit() and 0 < int(most[:9]) <= _FEW_SOCKETS:
            yield at("nginx.few-connections-upstream", server)
            return


def _streams(route: RouteFacts, ending: Ending) -> Iterator[PatternFacts]:
    location = ending.location
    buffering = location.setting("proxy_buffering")
    absent = route.upgrade is not None and route.upgrade.value in ("absent", None)
    if absent and _STREAM_PATH.search(location.pattern) and not (buffering and buffering.args == ("off",)):
        yield at("nginx.stream-buffered", location.directive)
