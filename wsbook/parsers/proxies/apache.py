"""Apache configuration to routes and defects.

An upgrade passes a ProxyPass to ws:// or wss://, one with upgrade=websocket (from 2.4.47), or a RewriteRule with [P] to ws://. The
first ProxyPass that matches wins, after those inside Location blocks, and rewrite rules of the host come before all. serves
follows artifact.plausible when no path is known.
Source: httpd.apache.org, mod_proxy (ordering, worker parameters), mod_proxy_wstunnel, mod_rewrite.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from wsbook.facts import Facts, PatternFacts, RouteFacts, Setting, TextFacts
from wsbook.parsers.proxies.apache_lines import Directive, parse_directives
from wsbook.parsers.proxies.artifact import Artifact, Parsed, defect, hints_at_websocket, plausible, require_small, seconds, try_regex

__all__ = ["parse_apache"]

_MAX_ENTRIES = 500
_MAX_HOSTS = 100
_UPGRADE_PARAMETER = (2, 4, 47)
_UPGRADE_TEST = re.compile(r"%\{HTTP:(Upgrade|Connection)\}", re.IGNORECASE)


class _Entry(Struct, frozen=True, kw_only=True):
    """One way to an upstream. regex: path is an expression. rewrite: by mod_rewrite. conditions: its RewriteCond lines.
    scheme: of the target, or of the first member of the balancer that it names, whose parameters count too (members).
    """

    directive: Directive
    path: str
    target: str
    scheme: str
    regex: bool = False
    rewrite: bool = False
    conditions: tuple[Directive, ...] = ()
    members: tuple[Directive, ...] = ()

    @property
    def tunnels(self) -> bool:
        """Whether an upgrade passes."""
        return self.scheme in ("ws", "wss") or any(
            re.fullmatch(r"upgrade=(?:websocket|any)", a, re.IGNORECASE) for d in (self.directive, *self.members[:1]) for a in d.args
        )

    @property
    def only_upgrades(self) -> bool:
        """Whether conditions limit it to opening handshakes."""
        return any(_UPGRADE_TEST.search(" ".join(c.args)) and not " ".join(c.args[1:2]).startswith("!") for c in self.conditions)

    @property
    def no_upgrades(self) -> bool:
        """Whether conditions keep opening handshakes out."""
        tests = [c for c in self.conditions if re.search(r"%\{HTTP:Upgrade\}", c.args[0] if c.args else "", re.IGNORECASE)]
        return any(c.args[1:2] and c.args[1].startswith("!") for c in tests)

    def covers(self, path: str) -> bool:
        """Whether it takes a path."""
        if not self.regex:
            return path.startswith(self.path)
        regex = try_regex(self.path)
        return bool(regex and (regex.search(path[:500]) or (self.rewrite and regex.search(path[1:500]))))


def parse_apache(artifact: Artifact) -> Parsed:
    """Return routes and defects of an Apache configuration or a piece of one.

    Raises:
        UnreadableInputError: too large, binary, nested too deeply, or without directives.
    """
    require_small(artifact, "Apache")
    directives = parse_directives(artifact)
    facts: list[Facts] = []
    count = 0
    hosts: dict[int, list[Directive]] = {}
    for d in directives:
        hosts.setdefault(d.host, []).append(d)
    for own in list(hosts.values())[:_MAX_HOSTS]:
        entries = _entries(own, directives)
        shadowed = _shadowed(entries)
        for entry, serves in zip(entries, _serving(entries, shadowed, artifact), strict=True):
            if entry.target == "!":  # what matches is not proxied
                continue
            facts.append(_route(entry, serves, directives, artifact))
            facts += [_at(p, d, artifact) for p, d in _entry_defects(entry, serves, entries, directives, artifact)]
            count += 1
        facts += [_at("apache.proxypass-shadowed", e.directive, artifact) for e in shadowed]
    text = TextFacts(kind="apache_conf", program="apache", size_bytes=len(artifact.text.encode()), items=count)
    return Parsed(facts=tuple(facts), text=text)


def _at(pattern: str, directive: Directive, artifact: Artifact) -> PatternFacts:
    return defect(pattern, artifact.name, directive.line, directive.text)


def _entries(directives: list[Directive], every: list[Directive]) -> list[_Entry]:
    """Return rewrites first, then ProxyPass of Location blocks, longest first, then the others in the order of the file."""
    rewrites: list[_Entry] = []
    located: list[_Entry] = []
    passes: list[_Entry] = []
    conditions: list[Directive] = []
    for d in directives:
        if d.name == "rewritecond":
            conditions.append(d)
        elif d.name == "rewriterule":
            if len(d.args) >= 2 and re.match(r"(?:balancer|wss?|https?)://", d.args[1]) and _proxied(d):
                rewrites.append(_entry(d, d.args[0], d.args[1], every, regex=True, conditions=tuple(conditions)))
            conditions = []
        elif d.name in ("proxypass", "proxypassmatch") and d.args:
            kind, location = d.location
            inside = bool(kind) and not d.args[0].startswith(("/", "^"))
            path, *rest = (location, *d.args) if inside else d.args
            if rest:
                regex = d.name == "proxypassmatch" or kind == "locationmatch"
                (located if inside else passes).append(_entry(d, path, rest[0], every, regex=regex))
    return [*rewrites, *sorted(located, key=lambda e: -len(e.path)), *passes][:_MAX_ENTRIES]


def _entry(d: Directive, path: str, target: str, every: list[Directive], *, regex: bool, conditions: tuple[Directive, ...] = ()) -> _Entry:
    scheme = target.partition("://")[0]
    members = tuple(_members(target, every)) if scheme == "balancer" else ()
    scheme = members[0].args[0].partition("://")[0] if members and members[0].args else scheme
    rewrite = d.name == "rewriterule"
    return _Entry(
        directive=d, path=path, target=target, scheme=scheme, regex=regex, rewrite=rewrite, conditions=conditions, members=members
    )


def _members(target: str, every: list[Directive]) -> list[Directive]:
    name = re.match(r"balancer://([\w.-]+)", target)
    return [d for d in every if name and d.name == "balancermember" and any(n == "proxy" and f"//{name[1]}" in a for n, a, _ in d.sections)]


def _proxied(directive: Directive) -> bool:
    flags = directive.args[2].strip("[]").split(",") if len(directive.args) > 2 else []
    return any(f.strip().lower() in ("p", "proxy") for f in flags) or directive.args[1].startswith(("ws://", "wss://"))


def _shadowed(entries: list[_Entry]) -> list[_Entry]:
    """Return tunnelling entries that never get a request: an earlier one without tunnel takes all of their paths."""
    found = []
    for index, entry in enumerate(entries):
        sample = re.split(r"[\\(\[.*+?$]", entry.path.lstrip("^"))[0] if entry.regex else entry.path
        earlier = [e for e in entries[:index] if not e.rewrite and not e.regex]
        if entry.tunnels and not entry.rewrite and any(e.covers(sample) and not e.tunnels and e.target != "!" for e in earlier):
            found.append(entry)
    return found


def _serving(entries: list[_Entry], shadowed: list[_Entry], artifact: Artifact) -> list[bool | None]:
    path = artifact.endpoint_path.partition("?")[0]
    if path:
        first = next((e for e in entries if e.covers(path) and not e.no_upgrades), None)
        return [e is first for e in entries]
    judged = plausible(
        [e.tunnels for e in entries],
        [hints_at_websocket(e.path) for e in entries],
        [e.path == "/" for e in entries],
    )
    return [False if e in shadowed or e.no_upgrades else j for e, j in zip(entries, judged, strict=True)]


def _route(entry: _Entry, serves: bool | None, directives: list[Directive], artifact: Artifact) -> RouteFacts:
    d = entry.directive
    value = "forwarded" if entry.tunnels else "absent"
    header = Setting(value=value, file=artifact.name, line=d.line)
    preserved = next((x for x in reversed(directives) if x.name == "proxypreservehost" and x.host in (d.host, 0)), None)
    host = "forwarded" if preserved and preserved.args[:1] in (("On",), ("on",)) else re.sub(r"^\w+://", "", entry.target).partition("/")[0]
    path = artifact.endpoint_path.partition("?")[0]
    balance, servers = _balance(entry, directives)
    return RouteFacts(
        product="apache",
        file=artifact.name,
        line=d.line,
        matcher=f"{d.name} {entry.path}",
        serves=serves,
        upstream=entry.target[:200],
        upstream_path=_upstream_path(entry, path) if serves and path else None,
        upgrade=header,
        connection=header,
        host=Setting(
            value=host[:100], file=artifact.name if preserved else "", line=preserved.line if preserved else 0, default=not preserved
        ),
        http_version=Setting(value="1.1", default=True),
        idle_s=_idle(entry, directives, artifact),
        balance=balance,
        servers=servers,
    )


def _upstream_path(entry: _Entry, path: str) -> str | None:
    target = re.match(r"\w+://[^/]*(/.*)?$", entry.target)
    if target is None:
        return None
    base = target[1] or ""
    if not entry.regex:
        return (base + path[len(entry.path) :]) or "/"
    regex = try_regex(entry.path)
    match = (regex.search(path[:500]) or regex.search(path[1:500])) if regex else None
    if match is None or "%" in base:
        return None
    return re.sub(r"\$(\d)", lambda m: (match[int(m[1])] or "") if int(m[1]) <= len(match.groups()) else "", base) or "/"


def _idle(entry: _Entry, directives: list[Directive], artifact: Artifact) -> Setting:
    """Return the silence that ends a tunnel: timeout= of the worker, else ProxyTimeout, else Timeout, whose default is 60 seconds."""
    given = next((a for a in entry.directive.args if a.lower().startswith("timeout=")), "")
    if given:
        return _seconds(given.partition("=")[2], entry.directive, artifact)
    for name in ("proxywebsocketidletimeout", "proxytimeout", "timeout"):
        found = next((d for d in reversed(directives) if d.name == name and d.host in (entry.directive.host, 0) and d.args), None)
        if found:
            return _seconds(found.args[0], found, artifact)
    return Setting(value="60", default=True)


def _seconds(text: str, directive: Directive, artifact: Artifact) -> Setting:
    value = seconds(text)
    return Setting(value=None if value is None else f"{value:g}", file=artifact.name, line=directive.line)


def _balance(entry: _Entry, directives: list[Directive]) -> tuple[str, int]:
    if not entry.target.startswith("balancer://"):
        return "", 1
    members = _members(entry.target, directives)
    blocks = {m.sections for m in members}
    said = " ".join(d.text for d in (*(d for d in directives if d.sections in blocks), entry.directive)).lower()
    return "cookie" if "stickysession" in said else "roundrobin", len(members)


def _entry_defects(
    entry: _Entry, serves: bool | None, entries: list[_Entry], directives: list[Directive], artifact: Artifact
) -> Iterator[tuple[str, Directive]]:
    yield from _condition_defects(entry)
    d = entry.directive
    if entry.tunnels and entry.rewrite:
        groups = "(" in entry.path.replace("\\(", "").replace("(?", "")
        if groups and not re.search(r"[$%]\{?[\dR]", entry.target):
            yield "apache.rewrite-drops-path", d
        engine = [x for x in directives if x.name == "rewriteengine" and x.host == d.host]
        if d.host and not any(x.args[:1] in (("On",), ("on",)) for x in engine):
            yield "apache.rewrite-engine-off", d
        if entry.only_upgrades and len(entries) == 1 and re.fullmatch(r"\^?/?\??\(?\.\*\)?\$?", entry.path):
            yield "apache.upgrade-rewrite-catch-all", d
    if any(a.lower().startswith("upgrade=") for a in d.args) and artifact.older_than(*_UPGRADE_PARAMETER):
        yield "apache.upgrade-parameter-too-new", d
    if serves is not False and entry.scheme in ("h2", "h2c"):
        yield "apache.h2-to-upstream", d
    if entry.scheme in ("ws", "wss") and _tunnel_module_missing(directives, artifact):
        yield "apache.tunnel-module-missing", d


def _condition_defects(entry: _Entry) -> Iterator[tuple[str, Directive]]:
    """Yield tests of handshake headers that browsers do not pass: with case, or the whole of Connection (Firefox sends a list)."""
    for condition in entry.conditions:
        test = _UPGRADE_TEST.search(condition.args[0]) if len(condition.args) > 1 else None
        value = condition.args[1].strip("\"'") if test else ""
        folded = any("nc" in a.lower().strip("[]").split(",") for a in condition.args[2:])
        if test and test[1].lower() == "upgrade" and not folded and re.search(r"[A-Z]", value.replace("[Ww]", "")):
            yield "apache.handshake-test-too-strict", condition
        if test and test[1].lower() == "connection" and re.fullmatch(r"=upgrade|\^upgrade\$", value, re.IGNORECASE):
            yield "apache.handshake-test-too-strict", condition


def _tunnel_module_missing(directives: list[Directive], artifact: Artifact) -> bool:
    """Whether the file loads modules and none of those that tunnel: proxy_wstunnel, or proxy_http from 2.4.47 on."""
    loaded = {d.args[0].lower() for d in directives if d.name == "loadmodule" and d.args}
    by_http = "proxy_http_module" in loaded and artifact.older_than(*_UPGRADE_PARAMETER) is not True
    return bool(loaded) and "proxy_module" in loaded and "proxy_wstunnel_module" not in loaded and not by_http
