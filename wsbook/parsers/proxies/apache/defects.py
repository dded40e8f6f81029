"""Defects of an Apache configuration that a route cannot say. Knows what is wrong, not how it is mended."""

import re
from collections.abc import Iterator

from wsbook.facts import PatternFacts
from wsbook.parsers.proxies.apache.conditions import flags_of
from wsbook.parsers.proxies.apache.entries import UPGRADE_PARAMETER, Entry, answers, in_force, taken
from wsbook.parsers.proxies.apache.fixes import (
    fix_before,
    fix_condition,
    fix_line,
    fix_module,
    fix_order,
    fix_path,
    fix_stickiness,
    fix_tunnel,
    fix_without,
)
from wsbook.parsers.proxies.apache.hosts import Found, Host, tunnel_modules
from wsbook.parsers.proxies.apache.limits import host_defects
from wsbook.parsers.proxies.apache.lines import Directive, Directives
from wsbook.parsers.proxies.artifact import (
    Artifact,
    defect,
    hints_at_polling,
    hints_at_websocket,
    loopback_of_container,
    spoken_otherwise,
    usually_plain,
    usually_tls,
)

__all__ = ["defects_of"]

_UPGRADE_TEST = re.compile(r"%\{HTTP:(Upgrade|Connection)\}", re.IGNORECASE)


def defects_of(host: Host, artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield the defects of one host in no order that matters."""
    if not host.asked:
        return
    for entry, serves in host.judged:
        if entry.directive.host == host.number:
            for pattern, d, fix in _entry_defects(entry, serves, host, artifact):
                yield defect(pattern, d.file, d.line, d.text, fix)
    for entry, first in host.shadowed:
        if entry.directive.host == host.number:
            d = entry.directive
            yield defect("apache.proxypass-shadowed", d.file, d.line, d.text, fix_order(artifact, entry, first, host.every))
    for pattern, d, fix in host_defects(host, artifact):
        yield defect(pattern, d.file, d.line, d.text, fix)


def _entry_defects(entry: Entry, serves: bool | None, host: Host, artifact: Artifact) -> Iterator[Found]:
    yield from _condition_defects(entry, artifact)
    if entry.rewrite:
        yield from _rewrite_defects(entry, serves, host, artifact)
    d = entry.directive
    if entry.parameter("upgrade") and artifact.older_than(*UPGRADE_PARAMETER):
        yield "apache.upgrade-parameter-too-new", d, fix_tunnel(artifact, "proxy.upgrade-header-missing", entry, host.every)
    meant = serves if artifact.endpoint_path else hints_at_websocket(entry.path) and not _taken_elsewhere(entry, host)
    if entry.target == "!" and meant:
        yield "apache.excluded", d, fix_without(artifact, "proxy.ws-location-missing", d)
    if serves is False or not entry.scheme:
        return
    yield from _upstream_defects(entry, host, artifact)
    if entry.scheme in ("ws", "wss") and _tunnel_module_missing(host.every, artifact):
        yield "apache.tunnel-module-missing", d, fix_module(artifact, host.every, "proxy_wstunnel")
    elif (
        entry.scheme in ("ws", "wss")
        and tunnel_modules(host.every) == {"proxy_http_module"}
        and artifact.older_than(*UPGRADE_PARAMETER) is None
    ):
        yield "apache.tunnel-needs-version", d, fix_module(artifact, host.every, "proxy_wstunnel")


def _taken_elsewhere(entry: Entry, host: Host) -> bool:
    """Whether another way takes the upgrades of a path that is kept from being proxied."""
    return any(e.tunnels and e.covers(entry.path) and e.path != "/" for e, _ in host.judged if e is not entry)


def _upstream_defects(entry: Entry, host: Host, artifact: Artifact) -> Iterator[Found]:
    d = entry.directive
    if entry.scheme in ("h2", "h2c"):
        yield "apache.h2-to-upstream", d, fix_line(artifact, "proxy.h2-to-upstream", d, _without_h2)
    target = entry.workers[-1].args[0] if entry.target.startswith("balancer:") and len(entry.workers) > 1 else entry.target
    place = entry.workers[-1] if target is not entry.target else d
    address = re.match(r"(wss?|https?)://([^/:]+)(?::(\d+))?", target, re.IGNORECASE)
    if address and address[1].lower() in ("ws", "http") and address[3] == "443":
        fix = fix_line(artifact, "endpoint.plain-to-tls-port", place, lambda raw: re.sub(r"\b(ws|http)://", r"\1s://", raw))
        yield "apache.plain-to-tls-port", place, fix
    elif address and address[1].lower() in ("ws", "http") and usually_tls(address[3] or ""):
        fix = fix_line(artifact, "endpoint.plain-to-tls-port", place, lambda raw: re.sub(r"\b(ws|http)://", r"\1s://", raw))
        yield "proxy.plain-to-usual-tls-port", place, fix
    checked = not any(x.args[:1] and x.args[0].lower() == "off" for x in host.every.named("sslproxycheckpeername"))
    if address and address[1].lower() in ("wss", "https") and re.fullmatch(r"(?!127\.)\d+(?:\.\d+){3}", address[2]) and checked:
        fix = fix_before(artifact, "tls.hostname-mismatch", _first(entry), "SSLProxyCheckPeerName off")
        yield "apache.upstream-address", place, fix
    if address and address[1].lower() in ("wss", "https") and address[3] == "80":
        fix = fix_line(artifact, "endpoint.tls-to-plain-port", place, lambda raw: re.sub(r"\b(ws|http)s://", r"\1://", raw))
        yield "apache.tls-to-plain-port", place, fix
    elif address and address[1].lower() in ("wss", "https") and usually_plain(address[3] or ""):
        fix = fix_line(artifact, "endpoint.tls-to-plain-port", place, lambda raw: re.sub(r"\b(ws|http)s://", r"\1://", raw))
        yield "apache.tls-to-usual-port", place, fix
    if entry.tunnels and spoken_otherwise(artifact.text, target):
        yield "proxy.tls-beside-plain" if entry.scheme in ("wss", "https") else "proxy.plain-beside-tls", place, None
    if loopback_of_container(artifact.text, target):
        yield "proxy.loopback-of-container", place, None
    yield from _path_defects(entry, artifact)
    yield from _forwarding_defects(entry, host, artifact)
    on = any(x.is_on and x.host in (d.host, 0) for x in host.every.named("sslproxyengine"))
    if entry.scheme in ("wss", "https") and d.host and not on:
        first = entry.conditions[0] if entry.conditions else d
        yield "apache.ssl-proxy-engine-off", d, fix_before(artifact, "proxy.upstream-unreachable", first, "SSLProxyEngine On")
    spread = entry.target.startswith("balancer://") and "stickysession" not in _balancer_text(entry, host)
    if spread and len(entry.workers) > 1 and _member_count(entry, host) > 1:
        polls = hints_at_polling(f"{entry.path} {entry.target}")
        yield "apache.no-stickiness" if polls else "proxy.connections-spread", d, fix_stickiness(artifact, entry, host.every)


def _path_defects(entry: Entry, artifact: Artifact) -> Iterator[Found]:
    """Yield targets whose path does not fit the one that is taken away."""
    d, target = entry.directive, re.match(r"\w+://[^/]+(/.*)?$", entry.target)
    literal = re.match(r"\^?/?\??(/?[\w.-]+)/", entry.path)
    if entry.regex and literal and hints_at_polling(f"/{literal[1].strip('/')}/") and literal[1].strip("/") not in entry.target.lower():
        yield "apache.library-prefix-stripped", d, None
    if entry.regex or target is None or entry.path == "/":
        return
    if entry.path.endswith("/") and target[1] and not target[1].endswith("/"):
        fix = fix_line(artifact, "proxy.path-rewrite-wrong", d, lambda raw: raw.replace(entry.target, entry.target + "/", 1))
        yield "apache.slash-glued", d, fix
    elif not entry.path.endswith("/") and target[1] and len(target[1]) > 1 and target[1].endswith("/"):
        fix = fix_line(artifact, "proxy.path-rewrite-wrong", d, lambda raw: raw.replace(entry.target, entry.target.rstrip("/"), 1))
        yield "apache.slash-added", d, fix
    elif not (target[1] or "/").strip("/") and not artifact.endpoint_path:
        kept = entry.target.rstrip("/") + entry.path
        fix = fix_line(artifact, "proxy.path-rewrite-wrong", d, lambda raw: raw.replace(entry.target, kept, 1))
        yield "apache.library-prefix-stripped" if hints_at_polling(entry.path) else "apache.prefix-stripped", d, fix


def _forwarding_defects(entry: Entry, host: Host, artifact: Artifact) -> Iterator[Found]:
    """Yield what the application does not learn of the client's request: its host, and that it came over TLS."""
    d, preserved = entry.directive, in_force("proxypreservehost", entry.directive, host.every)
    if preserved and not preserved.is_on:
        fix = fix_line(artifact, "origin.proxy-rewrites-host", preserved, lambda raw: re.sub(r"\boff\b", "On", raw, flags=re.IGNORECASE))
        yield "apache.host-not-preserved", preserved, fix
    told = any(len(x.args) > 1 and x.args[1].lower().rstrip(":") == "x-forwarded-proto" for x in host.every.named("requestheader"))
    if d.host and host.encrypted and not told:
        fix = fix_before(artifact, "proxy.forwarded-headers-wrong", _first(entry), 'RequestHeader set X-Forwarded-Proto "https"')
        yield "apache.forwarded-proto-missing", d, fix


def _first(entry: Entry) -> Directive:
    return entry.conditions[0] if entry.conditions else entry.directive


def _without_h2(raw: str) -> str:
    plain = re.sub(r"\bh2c://", "http://", re.sub(r"\bh2://", "https://", raw)).rstrip()
    return plain if "upgrade=" in plain.lower() or "RewriteRule" in plain else f"{plain} upgrade=websocket"


def _balancer_text(entry: Entry, host: Host) -> str:
    blocks = {s[2] for d in entry.workers[1:] for s in d.sections if s[0] == "proxy"}
    inside = [d for d in host.every.named("proxyset", "balancermember") if any(s[2] in blocks for s in d.sections)]
    return " ".join(d.text for d in (*inside, entry.directive)).lower()


def _member_count(entry: Entry, host: Host) -> int:
    blocks = {s[2] for d in entry.workers[1:] for s in d.sections if s[0] == "proxy"}
    return sum(any(s[2] in blocks for s in d.sections) for d in host.every.named("balancermember"))


def _rewrite_defects(entry: Entry, serves: bool | None, host: Host, artifact: Artifact) -> Iterator[Found]:
    d = entry.directive
    if re.match(r"wss?://", entry.target) and not entry.scheme:
        yield "apache.rewrite-without-proxy", d, fix_line(artifact, "handshake.redirected", d, _with_proxy_flag)
    elif not artifact.endpoint_path and answers(entry) == "redirect" and _redirects_tunnel(entry, host):
        yield "apache.upgrade-redirected", d, None
    elif serves and artifact.endpoint_path and not host.served:
        yield from _answered(entry, host)
    if not entry.tunnels:
        return
    groups = "(" in entry.path.replace("\\(", "").replace("(?", "") or re.fullmatch(r"\^?/?\??(?:\.\*)?\$?", entry.path)
    if re.search(r"(?<![$%])\{[A-Z]", entry.target):
        marked = fix_line(artifact, "proxy.path-rewrite-wrong", d, lambda raw: re.sub(r"/?(?<![$%])(\{[A-Z_]+\}\S*)", r"%\1", raw, count=1))
        yield "apache.variable-unmarked", d, marked
    elif groups and not re.search(r"[$%]\{?[\dR]", entry.target):
        yield "apache.rewrite-drops-path", d, fix_path(artifact, entry)
    if d.host and host.engine_off:
        first = entry.conditions[0] if entry.conditions else d
        yield "apache.rewrite-engine-off", d, fix_before(artifact, "proxy.upgrade-header-missing", first, "RewriteEngine On")
    inside = any(n in ("directory", "location", "if", "files", "directorymatch", "locationmatch") for n, _, _ in d.sections)
    if d.host and not inside and re.match(r"\^\(?\w", entry.path):
        fix = fix_line(artifact, "proxy.ws-location-missing", d, lambda raw: raw.replace(entry.path, entry.path.replace("^", "^/?", 1), 1))
        yield "apache.rewrite-never-matches", d, fix
    if entry.only_upgrades and len(host.judged) == 1 and re.fullmatch(r"\^?/?\??\(?\.\*\)?\$?", entry.path):
        yield "apache.upgrade-rewrite-catch-all", d, None


def _redirects_tunnel(entry: Entry, host: Host) -> bool:
    """Whether a rule redirects within the host what a later way would pass on as an upgrade."""
    if entry.target.startswith("http") or host.engine_off:
        return False
    later = [e for e, _ in host.judged if e.tunnels and not e.rewrite and not e.regex]
    return any(taken([entry], f"{e.path.rstrip('/')}/x", "", engine_off=False) == [True] for e in later)


def _answered(entry: Entry, host: Host) -> Iterator[Found]:
    """Yield a rule that answers the handshake by itself, other than by sending it to TLS."""
    if answers(entry) == "refusal":
        yield "apache.upgrade-refused", entry.directive, None
    elif answers(entry) == "redirect" and (host.encrypted or not entry.target.startswith("https:")):
        yield "apache.upgrade-redirected", entry.directive, None


def _with_proxy_flag(raw: str) -> str:
    with_flags = re.search(r"\[([^\]]*)\]\s*$", raw)
    if with_flags is None:
        return f"{raw.rstrip()} [P,L]"
    kept = [f for f in with_flags[1].split(",") if not re.match(r"\s*(?:r|redirect)(?:=|\s*$)", f, re.IGNORECASE)]
    return raw[: with_flags.start()] + f"[{','.join(['P', *kept])}]"


def _condition_defects(entry: Entry, artifact: Artifact) -> Iterator[Found]:
    """Yield tests of handshake headers that browsers do not pass: with case, or the whole of Connection (Firefox sends a list)."""
    for condition in entry.conditions:
        test = _UPGRADE_TEST.search(condition.args[0]) if len(condition.args) > 1 else None
        value = condition.args[1].strip("\"'") if test else ""
        folded = bool({"nc", "nocase"} & set(flags_of(condition, 2)))
        upper = re.search(r"[A-Z]", re.sub(r"\[[^\]]*\]", "", value)) and not folded
        whole = re.fullmatch(r"=upgrade|\^upgrade\$", value, re.IGNORECASE)
        if (test and test[1].lower() == "upgrade" and upper) or (test and test[1].lower() == "connection" and whole):
            yield "apache.handshake-test-too-strict", condition, fix_condition(artifact, "proxy.upgrade-header-missing", condition)


def _tunnel_module_missing(every: Directives, artifact: Artifact) -> bool:
    """Whether the file loads modules and none of those that tunnel: proxy_wstunnel, or proxy_http from 2.4.47 on."""
    proxied = any(d.args[:1] and d.args[0].lower() == "proxy_module" for d in every.named("loadmodule"))
    by_http = artifact.older_than(*UPGRADE_PARAMETER) is not True
    return proxied and not (tunnel_modules(every) & ({"proxy_wstunnel_module"} | ({"proxy_http_module"} if by_http else set())))
