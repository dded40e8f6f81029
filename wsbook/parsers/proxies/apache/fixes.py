"""Changes of an Apache configuration that remove a defect. Knows how lines are written, not how defects are found.

Source: httpd.apache.org, mod_proxy (worker parameters upgrade, from 2.4.47, and timeout; stickysession), mod_rewrite.
"""

import re
from collections.abc import Callable

from wsbook.facts import Change, Fix
from wsbook.parsers.proxies.apache.entries import UPGRADE_PARAMETER, Entry, members_of
from wsbook.parsers.proxies.apache.lines import Directive, Directives
from wsbook.parsers.proxies.artifact import Artifact
from wsbook.parsers.proxies.edits import Edits, edits_of

__all__ = [
    "fix_before",
    "fix_condition",
    "fix_idle",
    "fix_line",
    "fix_module",
    "fix_order",
    "fix_path",
    "fix_stickiness",
    "fix_tunnel",
    "fix_without",
]

_COOKIE = 'Header add Set-Cookie "ROUTEID=.%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED'
_MEMBERS = 64


def _edits(artifact: Artifact, *directives: Directive) -> Edits | None:
    """Return edits of the artifact; None when a directive stands in another file."""
    return edits_of(artifact) if all(d.file == artifact.name for d in directives) else None


def fix_line(artifact: Artifact, cause: str, directive: Directive, change: Callable[[str], str]) -> Fix | None:
    """Replace a directive's only line by what a function makes of it."""
    edits = _edits(artifact, directive)
    return edits.fix(cause, edits.edited(directive.line, change)) if edits and directive.end == directive.line else None


def fix_without(artifact: Artifact, cause: str, *directives: Directive) -> Fix | None:
    """Take directives away."""
    edits = _edits(artifact, *directives)
    return edits.fix(cause, *(edits.remove(d.line, d.end - d.line + 1) for d in directives)) if edits else None


def fix_tunnel(artifact: Artifact, cause: str, entry: Entry, every: Directives) -> Fix | None:
    """Let upgrades pass: by upgrade=websocket where the version has it, else by a rewrite pair before the rule."""
    worker = next(iter(members_of(entry.target, every)), None) or entry.directive
    if artifact.older_than(*UPGRADE_PARAMETER) is False and not entry.rewrite:
        return _with_parameter(artifact, cause, [worker, *members_of(entry.target, every)[1:]], "upgrade", "websocket")
    edits = _edits(artifact, entry.directive)
    if entry.rewrite and entry.scheme in ("http", "https"):
        return fix_line(artifact, cause, entry.directive, lambda raw: re.sub(r"\bhttp(s?)://", r"ws\1://", raw, count=1))
    plain = re.match(r"http(s?)://([^$%\s\"']+)$", entry.target, re.IGNORECASE)
    if edits is None or entry.regex or entry.located or plain is None:
        return _with_parameter(artifact, cause, [worker], "upgrade", "websocket") if not entry.rewrite else None
    pair = _rewrite_pair(edits, entry, every, f"ws{plain[1]}://{plain[2]}")
    unknown = edits.edited(entry.directive.line, lambda raw: re.sub(r"\s+upgrade=\S+", "", raw, flags=re.IGNORECASE))
    return edits.fix(cause, pair, unknown if artifact.older_than(*UPGRADE_PARAMETER) else None)


def _rewrite_pair(edits: Edits, entry: Entry, every: Directives, target: str) -> Change:
    """Return a pair of lines that proxies upgrades below the entry's path, put before its rule."""
    d = entry.directive
    on = any(x.is_on for x in every.of(d.host, "rewriteengine"))
    prefix = entry.path.rstrip("/")
    rule = (f"^{re.escape(prefix)}/?(.*)", f"{target.rstrip('/')}/$1") if prefix else ("^/?(.*)", f"{target.rstrip('/')}/$1")
    lines = ("RewriteCond %{HTTP:Upgrade} =websocket [NC]", f"RewriteRule {rule[0]} {rule[1]} [P,L]")
    return edits.insert(d.line, *(() if on else ("RewriteEngine On",)), *lines, like=d.line)


def _with_parameter(artifact: Artifact, cause: str, directives: list[Directive], name: str, value: str) -> Fix | None:
    edits = _edits(artifact, *directives)
    pattern = re.compile(rf"(\s{name}=)\S+", re.IGNORECASE)

    def changed(raw: str) -> str:
        return pattern.sub(lambda m: m[1] + value, raw) if pattern.search(raw) else f"{raw.rstrip()} {name}={value}"

    return edits.fix(cause, *(edits.edited(d.end, changed) for d in directives[:_MEMBERS])) if edits else None


def fix_order(artifact: Artifact, entry: Entry, before: Entry, every: Directives) -> Fix | None:
    """Move a rule, and its ProxyPassReverse, before the one that takes its requests. In Location blocks the later one wins."""
    cause = "proxy.apache-rule-order"
    edits, d = _edits(artifact, entry.directive, before.directive), entry.directive
    if edits is None or entry.located or before.directive.host != d.host:
        return None
    if before.located:  # a Location wins over every ProxyPass outside, and a later one over it
        if d.line < before.directive.line or d.end != d.line or entry.regex:
            return None
        indent = edits.indent(d.line)
        inside = f"{indent}  ProxyPass {' '.join(d.args[1:])}"
        return edits.fix(cause, edits.put(d.line, f'{indent}<Location "{entry.path}">', inside, f"{indent}</Location>"))
    reverse = [x for x in every.of(d.host, "proxypassreverse") if x.args[:1] == (entry.path,) and x.file == d.file]
    moved = [d, *(x for x in reverse if x.sections == d.sections)]
    lines = [edits.line(n) for x in moved for n in range(x.line, x.end + 1)]
    gone = [edits.remove(x.line, x.end - x.line + 1) for x in moved]
    return edits.fix(cause, edits.insert(before.directive.line, *lines), *gone)


def fix_before(artifact: Artifact, cause: str, place: Directive, text: str) -> Fix | None:
    """Put a directive before another one. Inside a Location it may not be allowed: then there is no fix."""
    edits = _edits(artifact, place)
    return edits.fix(cause, edits.insert(place.line, text, like=place.line)) if edits and not place.location[0] else None


def fix_path(artifact: Artifact, entry: Entry) -> Fix | None:
    """Let a rule pass the captured rest of the path on."""
    target = entry.target + ("$1" if entry.target.endswith("/") else "/$1")
    return fix_line(artifact, "proxy.apache-rule-order", entry.directive, lambda raw: raw.replace(entry.target, target, 1))


def fix_condition(artifact: Artifact, cause: str, condition: Directive) -> Fix | None:
    """Compare a handshake header as browsers send it: without case, and Connection as a list."""
    value = "upgrade" if "connection" in condition.args[0].lower() else "websocket"
    flags = "".join(condition.args[2:]).strip("[]").split(",")
    kept = [f for f in flags if f and f.lower() not in ("nc", "nocase")]
    edits = _edits(artifact, condition)
    if edits is None or condition.end != condition.line:
        return None
    line = f"{edits.indent(condition.line)}RewriteCond {condition.args[0]} {value} [{','.join(['NC', *kept])}]"
    return edits.fix(cause, edits.put(condition.line, line))


def fix_module(artifact: Artifact, every: Directives, module: str) -> Fix | None:
    """Load a module where the other modules of the proxy are loaded, or let a commented line do it."""
    cause = "proxy.apache-wstunnel-not-loaded"
    place = next((d for d in reversed(every.named("loadmodule")) if d.args[:1] == ("proxy_module",)), None)
    edits = _edits(artifact, place) if place else None
    if edits is None or place is None or len(place.args) < 2:
        return None
    commented = [n for n, raw in enumerate(artifact.text.split("\n"), 1) if re.match(rf"\s*#\s*LoadModule\s+{module}_module\s", raw)]
    if commented:
        return edits.fix(cause, edits.edited(commented[0], lambda raw: re.sub(r"#\s*", "", raw, count=1)))
    path = re.sub(r"mod_proxy\.so$", f"mod_{module}.so", place.args[1])
    return edits.fix(cause, edits.insert(place.line + 1, f"LoadModule {module}_module {path}", like=place.line))


def fix_idle(artifact: Artifact, cause: str, entry: Entry, every: Directives) -> Fix | None:
    """Let the tunnel be silent for an hour: by the worker's timeout, which wins when it is the longer one."""
    if not entry.rewrite:
        return _with_parameter(artifact, cause, members_of(entry.target, every) or [entry.directive], "timeout", "3600")
    own = every.of(entry.directive.host, "proxytimeout")
    edits = _edits(artifact, entry.directive, *own[-1:])
    if edits is None:
        return None
    if own:
        return edits.fix(cause, edits.put(own[-1].line, f"{edits.indent(own[-1].line)}ProxyTimeout 3600"))
    first = entry.conditions[0].line if entry.conditions else entry.directive.line
    return edits.fix(cause, edits.insert(first, "ProxyTimeout 3600", like=first))


def fix_stickiness(artifact: Artifact, entry: Entry, every: Directives) -> Fix | None:
    """Keep a client on its member by a cookie that Apache sets."""
    members = members_of(entry.target, every)
    edits = _edits(artifact, *members, entry.directive)
    if edits is None or not members or any(m.args[0].startswith("balancer:") for m in members):
        return None
    routes = [
        edits.edited(m.end, lambda raw, n=number: f"{raw.rstrip()} route={n}")  # type: ignore[misc]
        for number, m in enumerate(members, 1)
        if "route=" not in m.text.lower()
    ]
    sticky = edits.insert(members[-1].end + 1, "ProxySet stickysession=ROUTEID", like=members[-1].line)
    cookie = edits.insert(entry.directive.line, _COOKIE, like=entry.directive.line)
    return edits.fix("cluster.no-sticky-session", *routes, sticky, cookie)
