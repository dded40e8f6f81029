"""Apache configuration to routes.

An upgrade passes a ProxyPass to ws:// or wss://, one with upgrade=websocket (from 2.4.47), or a RewriteRule with [P] to ws://, unless a
RequestHeader takes Upgrade away. serves follows artifact.plausible when no path is known. An idle tunnel of mod_proxy_http (from 2.4.47)
ends after the longer one of Timeout and the worker's timeout, ProxyTimeout being its default; one of mod_proxy_wstunnel never does (both
measured with 2.4.71).
Source: httpd.apache.org, mod_proxy (ordering, worker parameters), mod_proxy_wstunnel, mod_rewrite.
"""

import re
from fnmatch import fnmatch

from msgspec.structs import replace

from wsbook.facts import Facts, Fix, RouteFacts, Setting, TextFacts
from wsbook.parsers.proxies.apache.defects import defects_of
from wsbook.parsers.proxies.apache.entries import (
    UPGRADE_PARAMETER,
    Entry,
    balancer_blocks,
    entries_of,
    in_force,
    members_of,
    seen_by_upstream,
    taken,
)
from wsbook.parsers.proxies.apache.fixes import fix_idle, fix_tunnel, fix_without
from wsbook.parsers.proxies.apache.hosts import Host, removed_header, tunnel_modules
from wsbook.parsers.proxies.apache.lines import Directive, Directives, parse_directives
from wsbook.parsers.proxies.artifact import Artifact, Parsed, hints_at_websocket, line_defects, plausible, require_small, seconds
from wsbook.parsers.proxies.edits import joined

__all__ = ["parse_apache"]

_MAX_HOSTS = 100
_LONG_S = 3600.0
_DEFAULT_S = 60.0


def parse_apache(artifact: Artifact) -> Parsed:
    """Return routes and defects of an Apache configuration or a piece of one.

    Raises:
        UnreadableInputError: too large, binary, nested too deeply, or without directives.
    """
    require_small(artifact, "Apache")
    directives = parse_directives(artifact)
    facts: list[Facts] = []
    count = 0
    hosts: dict[int, Directives] = {0: Directives()}
    for d in directives:
        hosts.setdefault(d.host, Directives()).append(d)
    asked = _asked(hosts, artifact)
    found = [_host(n, own, directives, artifact, asked=n in asked) for n, own in list(hosts.items())[:_MAX_HOSTS]]
    shared = {id(e.directive) for host in found for e, serves in host.judged if serves and host.number and not e.directive.host}
    tunnels = any(e.tunnels for host in found for e, _ in host.judged)
    serving = {host.number for host in found for e, serves in host.judged if serves and e.scheme}
    for host in [replace(host, tunnels=tunnels, served=bool(serving - {host.number})) for host in found]:
        for entry, judged in host.judged:
            serves = id(entry.directive) in shared or judged
            if entry.directive.host == host.number and (entry.scheme or serves):
                facts.append(_route(entry, serves, host, artifact))
                count += 1
        facts += defects_of(host, artifact)
    lines = [d for host in found if host.asked for d in host.own]
    facts += line_defects("apache", artifact, ((d.file, d.line, d.text) for d in lines) if count else ())
    text = TextFacts(kind="apache_conf", program="apache", size_bytes=len(artifact.text.encode()), items=count)
    return Parsed(facts=tuple(facts), text=text)


def _asked(hosts: dict[int, Directives], artifact: Artifact) -> set[int]:
    """Return the hosts that requests for the endpoint may reach, all of them where its name and port do not tell."""
    name, port = artifact.endpoint_host.lower(), artifact.endpoint_port
    named = {n for n, own in hosts.items() if n and name and any(fnmatch(name, known) for known in _names(own))}
    there = {n for n, own in hosts.items() if n and port and port in _ports(own, n)}
    return (named & there) or named or there or set(hosts)


def _names(own: Directives) -> list[str]:
    found = [a.lower() for d in own if d.name in ("servername", "serveralias") for a in d.args[:100]]
    return [re.sub(r"^https?://|:\d+$", "", name) for name in found]


def _ports(own: Directives, number: int) -> set[int]:
    addresses = next((a for n, a, k in own[0].sections if k == number and n == "virtualhost"), "") if own else ""
    return {int(p) for p in re.findall(r":(\d{1,5})(?=\s|$)", addresses)}


def _host(number: int, own: Directives, every: Directives, artifact: Artifact, *, asked: bool) -> Host:
    entries = entries_of(own, every)
    off = bool(number) and not any(d.name == "rewriteengine" and d.is_on for d in own)
    off = off or (not number and any(d.name == "rewriteengine" and not d.is_on for d in own))
    shadowed = _shadowed(entries)
    judged = _serving(entries, [e for e, _ in shadowed], artifact, off) if asked else [False] * len(entries)
    pairs = list(zip(entries, judged, strict=True))
    return Host(number=number, own=own, every=every, judged=pairs, shadowed=shadowed if asked else [], engine_off=off, asked=asked)


def _sample(entry: Entry) -> str:
    """Return a path that an entry takes, as far as its expression tells one."""
    return re.split(r"[\\(\[.*+?$]", entry.path.lstrip("^"))[0] if entry.regex else entry.path


def _shadowed(entries: list[Entry]) -> list[tuple[Entry, Entry]]:
    """Return tunnelling entries that never get a request, each with the earlier one without tunnel that takes all of their paths."""
    found = []
    for index, entry in enumerate(entries):
        sample = _sample(entry)
        earlier = [e for e in entries[:index] if not e.rewrite and not e.regex and e.target != "!" and not e.tunnels]
        first = next((e for e in earlier if e.covers(sample)), None)
        if entry.tunnels and not entry.rewrite and first:
            found.append((entry, first))
    return found


def _serving(entries: list[Entry], shadowed: list[Entry], artifact: Artifact, engine_off: bool) -> list[bool | None]:
    path, _, query = artifact.endpoint_path.partition("?")
    if path:
        return taken(entries, path, query, engine_off)
    judged = plausible(
        [e.tunnels for e in entries],
        [hints_at_websocket(e.path) if e.scheme else 0 for e in entries],
        [e.path == "/" and bool(e.scheme) for e in entries],
    )
    tunnels = [(n, e) for n, e in enumerate(entries) if e.tunnels and e.rewrite and not e.no_upgrades and not engine_off]
    plain = [not e.tunnels and any(m < n and t.covers(_sample(e)) for m, t in tunnels) for n, e in enumerate(entries)]
    lost = [e in shadowed or e.no_upgrades or not e.scheme or p for e, p in zip(entries, plain, strict=True)]
    return [False if no else j for no, j in zip(lost, judged, strict=True)]


def _route(entry: Entry, serves: bool | None, host: Host, artifact: Artifact) -> RouteFacts:
    d = entry.directive
    route = RouteFacts(product="apache", file=d.file, line=d.line, matcher=f"{d.name} {entry.path}"[:200], serves=serves)
    if not entry.scheme:
        return route
    removed = removed_header(entry, "upgrade", host)
    header = Setting(
        value="forwarded" if entry.tunnels and not removed else "absent", file=d.file, line=removed.line if removed else d.line
    )
    path = artifact.endpoint_path.partition("?")[0]
    old = next((x for x in host.every.named("setenv") if x.args[:1] == ("force-proxy-request-1.0",) and x.host in (d.host, 0)), None)
    balance, servers = _balance(entry, host.every)
    return RouteFacts(
        product="apache",
        file=d.file,
        line=d.line,
        matcher=route.matcher,
        serves=serves,
        upstream=entry.target[:200],
        addresses=tuple(arg[:200] for d in members_of(entry.target, host.every)[:8] for arg in d.args if _is_server(arg)),
        upstream_path=seen_by_upstream(entry, path) if serves and path else None,
        upgrade=header,
        connection=header,
        host=_host_header(entry, host.every),
        http_version=Setting(value="1.0", file=old.file, line=old.line) if old else Setting(value="1.1", default=True),
        idle_s=_idle(entry, host.every, artifact),
        balance=balance,
        servers=servers,
        fixes=_fixes(entry, removed, host, artifact) if serves is not False else (),
    )


def _fixes(entry: Entry, removed: Directive | None, host: Host, artifact: Artifact) -> tuple[Fix, ...]:
    idle, cause = _idle(entry, host.every, artifact), "proxy.upgrade-header-missing"
    short = idle.value is not None and float(idle.value) < _LONG_S
    return joined(
        [
            fix_without(artifact, cause, removed) if removed else None,
            fix_tunnel(artifact, cause, entry, host.every) if not entry.tunnels else None,
            fix_idle(artifact, "proxy.idle-timeout", entry, host.every) if short else None,
        ]
    )


def _host_header(entry: Entry, every: Directives) -> Setting:
    preserved = in_force("proxypreservehost", entry.directive, every)
    if preserved and preserved.is_on:
        return Setting(value="forwarded", file=preserved.file, line=preserved.line)
    target = re.sub(r"^\w+://", "", entry.target).partition("/")[0][:100]
    return Setting(value=target, file=preserved.file if preserved else "", line=preserved.line if preserved else 0, default=not preserved)


def _idle(entry: Entry, every: Directives, artifact: Artifact) -> Setting:
    """Return the silence that ends a tunnel: the longer one of the client's and the worker's limit."""
    if artifact.older_than(*UPGRADE_PARAMETER) or tunnel_modules(every) == {"proxy_wstunnel_module"}:
        return Setting(value=None, default=True)
    limits = [_limit(in_force("timeout", entry.directive, every))]
    given = next((d for d in entry.workers if any(a.lower().startswith("timeout=") for a in d.args)), None)
    worker = in_force("proxytimeout", entry.directive, every)
    if given:
        limits.append((seconds(entry.parameter("timeout")), given))
    elif worker:
        limits.append(_limit(worker))
    if any(value is None for value, _ in limits):
        return Setting(value=None)
    value, place = max(limits, key=lambda limit: limit[0] or 0)
    return Setting(value=f"{value:g}", file=place.file if place else "", line=place.line if place else 0, default=place is None)


def _limit(directive: Directive | None) -> tuple[float | None, Directive | None]:
    return (seconds(directive.args[0]), directive) if directive else (_DEFAULT_S, None)


def _is_server(argument: str) -> bool:
    return "://" in argument and not argument.startswith("balancer://")


def _balance(entry: Entry, every: Directives) -> tuple[str, int]:
    if not entry.target.startswith("balancer://"):
        return "", 1
    blocks = balancer_blocks(entry.target, every)
    said = " ".join(
        d.text
        for d in (
            *(d for d in every.named("proxyset", "balancermember") if d.sections[-1:] and d.sections[-1][2] in blocks),
            entry.directive,
        )
    ).lower()
    return "cookie" if "stickysession" in said else "roundrobin", len(members_of(entry.target, every))
