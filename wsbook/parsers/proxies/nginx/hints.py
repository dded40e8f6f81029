"""What in an nginx location may keep updates from arriving although the handshake is passed on. Each stands in defects/nginx.toml.

Source: nginx.org, the modules' pages; what a check needs to know beyond a directive's name stands beside it.
"""

import re
from collections.abc import Iterator

from wsbook.facts import PatternFacts
from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.nginx.answers import at
from wsbook.parsers.proxies.nginx.headers import lines_of, proxy_host, set_headers
from wsbook.parsers.proxies.nginx.locations import Location
from wsbook.parsers.proxies.nginx.requests import Ending
from wsbook.parsers.proxies.nginx.tree import Directive

__all__ = ["hints"]

_LOCAL = re.compile(r"localhost|127\.\d+\.\d+\.\d+|\[::1\]|0\.0\.0\.0")
_PRIVATE_NAME = re.compile(
    r"[^.]*|.*\.(?:local|lan|internal|intranet|intra|home|corp|svc|cluster\.local|docker|test|localdomain)|[\d.]+|\[.*\]?"
)
_SIZE = re.compile(r"(\d{1,9})([kKmM]?)$")
_USUAL_HEADER_BYTES = 8192
_RATE = re.compile(r"rate=(\d{1,9})r/([sm])")
_MANY_PER_S, _MANY_SOCKETS = 20.0, 100


def hints(ending: Ending, artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield what is noticed at the location where a handshake is handed on."""
    yield from _headers(ending)
    yield from _host(ending)
    yield from _hidden(ending)
    yield from _guards(ending)
    yield from _rates(ending)
    yield from _listener(ending, artifact)
    yield from _upstream(ending)


_DROPPED = {
    "sec-websocket-protocol": "nginx.subprotocol-dropped",
    "sec-websocket-extensions": "nginx.extensions-changed",
    "sec-websocket-key": "nginx.handshake-header-changed",
    "sec-websocket-version": "nginx.handshake-header-changed",
    "sec-websocket-accept": "nginx.handshake-header-changed",
    "upgrade": "nginx.handshake-header-changed",
    "cookie": "nginx.credential-dropped",
    "authorization": "nginx.credential-dropped",
}
_ANSWERED = frozenset(("upgrade", "sec-websocket-accept", "sec-websocket-protocol", "sec-websocket-extensions"))
"""Headers of the answer to a handshake (RFC 6455 section 4.2.2)."""

_LEAF_ONLY = re.compile(r"/(?:letsencrypt/live|acme)/.*/cert\.pem\Z|[/.]leaf\.(?:pem|crt)\Z")
"""What certbot calls the certificate without the one that signed it; fullchain.pem has both."""


def _headers(ending: Ending) -> Iterator[PatternFacts]:
    """Headers of the handshake that are replaced on the way to the backend."""
    for name, line in set_headers(ending.location).items():
        kept = f"$http_{name.replace('-', '_')}" in line.args[1]
        harmless = name == "sec-websocket-extensions" and not line.args[1]
        if name in _DROPPED and name != "upgrade" and not kept and not harmless and "$" not in line.args[1]:
            yield at(_DROPPED[name], line)
        elif name == "origin" and not kept:
            yield at("nginx.origin-replaced", line)
    method = ending.location.setting("proxy_method")
    if method and method.args and method.args[0] not in ("GET", "$request_method"):
        yield at("nginx.method-changed", method)
    passed = ending.location.setting("proxy_pass_request_headers")
    if passed and passed.args == ("off",):
        yield at("nginx.headers-not-passed", passed)


def _host(ending: Ending) -> Iterator[PatternFacts]:
    """The Host that the backend compares with the Origin."""
    location, lines = ending.location, lines_of(ending.location, "Host")
    own = proxy_host(location, ending.request)
    ports = {listen.port for listen in ending.server.listens if listen.directive}
    if not lines:
        if lines_of(location, "Upgrade"):
            yield at("nginx.host-default", location.handler or location.directive)
        return
    line, text = lines[-1], lines[-1].args[1]
    if text == "$proxy_host" or (text == own and not _is_public(own)) or _LOCAL.fullmatch(text.rpartition(":")[0] or text):
        yield at("nginx.host-replaced", line)
    elif text == "$http_host:$server_port" or (text == "$host:$server_port" and (not ports or ports & {80, 443})):
        yield at("nginx.host-with-port", line)


def _is_public(host: str) -> bool:
    return not _PRIVATE_NAME.fullmatch(host.rpartition(":")[0] if re.search(r":\d+$", host) else host)


def _hidden(ending: Ending) -> Iterator[PatternFacts]:
    """Headers of the answer that do not reach the browser, or that the backend did not send."""
    level = next((level for level in reversed(ending.location.levels) if level.last("add_header")), None)
    for line in level.all("add_header") if level else ():
        if line.args and line.args[0].lower() in _ANSWERED and line.args[-1] == "always":  # without it not for 101
            yield at(_DROPPED[line.args[0].lower()], line)
    level = next((level for level in reversed(ending.location.levels) if level.last("proxy_hide_header")), None)
    for line in level.all("proxy_hide_header") if level else ():
        name = line.args[0].lower() if line.args else ""
        if name in _ANSWERED:
            yield at(_DROPPED[name], line)


def _guards(ending: Ending) -> Iterator[PatternFacts]:
    """What may refuse the handshake before the backend is asked."""
    location = ending.location
    for name, pattern in (("auth_request", "nginx.guard"), ("auth_basic", "nginx.password")):
        found = location.setting(name)
        if found and found.args and found.args[0] != "off":
            yield at(pattern, found)
    for name in ("modsecurity", "app_protect_enable"):
        found = location.setting(name)
        if found and found.args == ("on",):
            yield at("nginx.firewall", found)
    rules = location.setting("SecRulesEnabled")
    if rules and not location.directive.last("SecRulesDisabled"):
        yield at("nginx.firewall", rules)
    yield from _origins(location)


def _origins(location: Location) -> Iterator[PatternFacts]:
    """An ``if`` about the Origin that refuses."""
    for level in location.levels:
        for branch in level.all("if"):
            if "$http_origin" in " ".join(branch.args) and branch.last("return"):
                yield at("nginx.origin-refused", branch)


def _rates(ending: Ending) -> Iterator[PatternFacts]:
    location = ending.location
    level = next((level for level in reversed(location.levels) if level.last("limit_req")), None)
    for line in level.all("limit_req") if level else ():
        if _per_second(line, location) < _MANY_PER_S:
            yield at("nginx.requests-limited", line)
    level = next((level for level in reversed(location.levels) if level.last("limit_conn")), None)
    for line in level.all("limit_conn") if level else ():
        if line.args and line.args[-1].isdigit() and len(line.args[-1]) < 6 and int(line.args[-1]) <= _MANY_SOCKETS:
            yield at("nginx.connections-limited", line)


def _per_second(line: Directive, location: Location) -> float:
    """Return the rate of the zone that a limit_req uses, with its burst; 0 when the zone is not in the file."""
    words = dict(word.partition("=")[::2] for word in line.args)
    zones = [d for level in location.levels for d in level.all("limit_req_zone") if f"zone={words.get('zone')}:" in " ".join(d.args)]
    rate = next((m for d in zones for a in d.args if (m := _RATE.fullmatch(a))), None)
    burst = float(words["burst"]) if words.get("burst", "").isdigit() and len(words["burst"]) < 9 else 0.0
    return float(rate[1]) / (60 if rate[2] == "m" else 1) + burst if rate else 0.0


def _listener(ending: Ending, artifact: Artifact) -> Iterator[PatternFacts]:
    server = ending.server
    asked = server.setting("ssl_verify_client")
    if asked and asked.args and asked.args[0] != "off":
        yield at("nginx.client-certificate", asked)
    certificate = server.setting("ssl_certificate")
    if certificate and certificate.args and _LEAF_ONLY.search(certificate.args[0]):
        yield at("nginx.leaf-only", certificate)
    if server.block.last("ssl_certificate") and server.secure is False and server.listens[0].directive:
        yield at("nginx.certificate-unused", server.listens[0].directive)
    protocols = server.setting("ssl_protocols")
    if protocols and protocols.args and not {"TLSv1.2", "TLSv1.3"} & set(protocols.args):
        yield at("nginx.old-tls-only", protocols)
    buffers = server.setting("large_client_header_buffers")
    if buffers and len(buffers.args) == 2 and 0 < _bytes(buffers.args[1]) < _USUAL_HEADER_BYTES:
        yield at("nginx.header-buffers-small", buffers)
    for listen in server.listens:
        if listen.directive and listen.port == 443 and not listen.secure and not server.block.last("ssl_certificate"):
            yield at("nginx.plain-at-443", listen.directive)
        if listen.directive and "http2" in listen.flags and not listen.secure and artifact.older_than(1, 25, 1) is not False:
            yield at("nginx.http2-without-tls", listen.directive)


def _bytes(text: str) -> int:
    match = _SIZE.match(text)
    return int(match[1]) * {"k": 1024, "m": 1 << 20}.get(match[2].lower(), 1) if match else 0


def _upstream(ending: Ending) -> Iterator[PatternFacts]:
    """How the backend is found and spoken to."""
    location, line = ending.location, ending.directive
    if line is None:
        return
    named = location.setting("proxy_ssl_server_name")
    host = proxy_host(location, ending.request)
    if line.args[0].startswith("https://") and not (named and named.args == ("on",)) and _is_public(host) and "." in host:
        yield at("nginx.no-server-name", line)
    resolver, stapling = location.setting("resolver"), location.setting("ssl_stapling")
    block_free = "$" not in line.args[0] and not _PRIVATE_ADDRESS.search(line.args[0])
    if resolver and block_free and not stapling and not ending.request.variables.upstreams & {host}:
        yield at("nginx.name-resolved-once", line)


_PRIVATE_ADDRESS = re.compile(r"//(?:localhost|unix:|\[|[\d.]+(?:[:/]|$))")
