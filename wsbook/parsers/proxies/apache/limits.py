"""Defects of an Apache host as a whole: headers that it drops, limits, and what refuses requests. Knows nothing of single rules."""

import re
from collections.abc import Iterator

from wsbook.parsers.proxies.apache.entries import in_force
from wsbook.parsers.proxies.apache.fixes import fix_idle, fix_line, fix_without
from wsbook.parsers.proxies.apache.hosts import Found, Host, in_condition
from wsbook.parsers.proxies.apache.lines import Directive
from wsbook.parsers.proxies.artifact import DROPPED, Artifact, cause_of, hints_at_websocket, seconds, try_regex

__all__ = ["host_defects"]

_SMALL = {"limitrequestfieldsize": 4096, "limitrequestline": 2048, "limitrequestfields": 30}
_FEW_WORKERS = 400
_SHORT_S = 75.0
_MAX_LINES = 200


def host_defects(host: Host, artifact: Artifact) -> Iterator[Found]:
    """Yield the defects of a host that are those of no single way to an upstream."""
    yield from _header_defects(host, artifact)
    yield from _limits(host)
    yield from _refusals(host, artifact)
    yield from _short_timeouts(host, artifact)


def _header_defects(host: Host, artifact: Artifact) -> Iterator[Found]:
    for d in host.own.named("requestheader")[:_MAX_LINES]:
        if len(d.args) < 2 or in_condition(d) or not _concerns(d, host):
            continue
        action, name, value = d.args[0].lower(), d.args[1].lower().rstrip(":"), d.args[2] if len(d.args) > 2 else ""
        if action in ("unset", "set") and name in DROPPED and not ("%{" in value or (action == "set" and name == "authorization")):
            yield DROPPED[name], d, fix_without(artifact, cause_of(DROPPED[name]), d)
        if action == "set" and name == "x-forwarded-proto" and value.lower() in ("ws", "wss"):
            right = {"ws": "http", "wss": "https"}[value.lower()]
            fix = fix_line(artifact, "proxy.forwarded-headers-wrong", d, lambda raw, v=value, r=right: re.sub(rf"\b{v}\b", r, raw))  # type: ignore[misc]
            yield "apache.forwarded-proto-wrong", d, fix


def _concerns(directive: Directive, host: Host) -> bool:
    """Whether a directive of a Location is about a path that serves the WebSocket, or may."""
    where = directive.location[1]
    serving = [e for e, s in host.judged if s is not False and e.scheme]
    return bool(serving) and (not where or any(e.path.startswith(where) or where.startswith(e.path) for e in serving if not e.regex))


def _limits(host: Host) -> Iterator[Found]:
    """Yield limits of the server that a WebSocket meets early: workers that sockets hold, sizes of header lines."""
    for d in host.own:
        number = int(d.args[0]) if d.args and re.fullmatch(r"\d{1,9}", d.args[0]) else None
        if number is not None and d.name in _SMALL and 0 < number < _SMALL[d.name]:
            yield "apache.headers-limited", d, None
        if number is not None and d.name in ("maxrequestworkers", "maxclients") and number <= _FEW_WORKERS and _proxies_at_all(host):
            yield "apache.few-workers", d, None


def _short_timeouts(host: Host, artifact: Artifact) -> Iterator[Found]:
    """Yield a worker's limit that is set short, and does not count where Timeout is longer (2.4.71)."""
    for entry, serves in host.judged:
        given = next((x for x in entry.workers if entry.parameter("timeout") and "timeout=" in x.text.lower()), None)
        place = given or in_force("proxytimeout", entry.directive, host.every)
        value = seconds(entry.parameter("timeout") if given else place.args[0]) if place else None
        if serves is not False and entry.tunnels and place and value is not None and value <= _SHORT_S:
            yield "apache.short-worker-timeout", place, fix_idle(artifact, "proxy.idle-timeout", entry, host.every)
            return


def _proxies_at_all(host: Host) -> bool:
    return bool(host.every.named("proxypass", "rewriterule", "proxypassmatch"))


def _refusals(host: Host, artifact: Artifact) -> Iterator[Found]:
    """Yield what refuses or limits requests to the endpoint: denied locations, rules of mod_security, mod_evasive and mod_qos."""
    path = artifact.endpoint_path.partition("?")[0]
    for d in host.own:
        kind, where = d.location
        denied = (d.name == "require" and d.text.lower() in ("require all denied", "require local")) or (
            d.name == "deny" and "all" in d.args[-1:]
        )
        regex = try_regex(where.removeprefix("~ ")) if kind == "locationmatch" or where.startswith("~") else None
        covers = bool(regex.search(path[:500])) if regex else path.startswith(where)
        if denied and any(n == "proxy" and a in ("*", "") for n, a, _ in d.sections) and _proxies_at_all(host):
            yield "apache.upgrade-refused", d, None
        if denied and kind and where != "/" and (covers if path else hints_at_websocket(where) == 2):
            yield "apache.upgrade-refused", d, None
        if (
            d.name == "secrule"
            and re.search(r"REQUEST_HEADERS:(?:Upgrade|Connection|Sec-WebSocket)", d.text, re.IGNORECASE)
            and "deny" in d.text.lower()
        ):
            yield "apache.upgrade-refused", d, None
        if d.name in ("qs_srvmaxconnperip", "qs_srvmaxconn", "qs_locrequestlimitmatch", "qs_locrequestlimit"):
            yield "apache.connections-limited", d, None
        to_tls = d.name in ("redirect", "redirectmatch") and any(a.startswith("https://") for a in d.args[1:]) and "/" in d.args
        if to_tls and not host.encrypted and not kind and host.tunnels:
            yield "proxy.plain-redirected", d, None
        if d.name in ("dospagecount", "dossitecount"):
            yield "apache.rate-limited", d, None
