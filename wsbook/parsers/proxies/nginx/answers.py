"""Defects of an nginx configuration that answers the endpoint itself, or hands it to what speaks no WebSocket."""

from collections.abc import Iterator

from wsbook.facts import PatternFacts
from wsbook.parsers.proxies.artifact import Artifact, defect
from wsbook.parsers.proxies.nginx.requests import Ending
from wsbook.parsers.proxies.nginx.tree import Directive

__all__ = ["answered", "at"]

_PASSED = {
    "fastcgi_pass": "nginx.fastcgi-no-websocket",
    "grpc_pass": "nginx.grpc-no-websocket",
    "memcached_pass": "nginx.location-not-proxied",
    "uwsgi_pass": "nginx.uwsgi-server",
    "scgi_pass": "nginx.uwsgi-server",
}
"""How requests are handed on, and what that means for a handshake. uwsgi and SCGI do pass a 101 (ngx_http_uwsgi_module.c)."""


def at(pattern: str, directive: Directive) -> PatternFacts:
    """Return the defect with the place of a directive."""
    words = (directive.name, *directive.args)
    return defect(pattern, directive.file, directive.line, " ".join(words)[:300])


def answered(ending: Ending, artifact: Artifact) -> Iterator[PatternFacts]:
    """Say what is wrong with an ending that is not a proxy_pass."""
    place = ending.directive or ending.location.directive
    if ending.handed_on:
        pattern = _PASSED.get(place.name, "")
    elif 300 <= ending.status < 400:
        pattern = _redirect(ending, place, artifact)
    elif place.name == "deny" or (place.name == "return" and ending.status in (401, 403, 444)):
        pattern = "nginx.refused"
    else:
        pattern = "nginx.location-not-proxied"
    if pattern:
        yield at(pattern, place)


def _redirect(ending: Ending, place: Directive, artifact: Artifact) -> str:
    """A server that sends plain HTTP to HTTPS is right, unless the endpoint is at its port, or at one that no server listens at."""
    if place.name == "location":
        return "nginx.location-slash-redirect"
    ports = {listen.port for listen in ending.server.listens}
    own = ending.location.levels != ending.server.levels
    all_come_here = bool(artifact.endpoint_port) and ending.request.variables.complete
    return "nginx.redirected" if own or all_come_here or artifact.endpoint_port in ports else ""
