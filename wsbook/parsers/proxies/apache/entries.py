"""Ways through an Apache host to an upstream, in the order in which Apache tries them. Knows rules, not what is wrong with them.

Measured with 2.4.71: rewrite rules of the host come first; then ProxyPass in Location blocks, of which the last matching block wins,
whatever the length of its path; then ProxyPass lines, those of the main server before those of the virtual host, the first that
matches. A rewrite rule inside a Location or If runs later and overrides them all. A path matches whole segments.
Source: httpd.apache.org, mod_proxy (ordering), mod_rewrite.
"""

import re

from msgspec import Struct

from wsbook.parsers.proxies.apache.conditions import asks_for_upgrade, flags_of, holds, keeps_upgrades_out
from wsbook.parsers.proxies.apache.lines import Directive, Directives
from wsbook.parsers.proxies.artifact import try_regex

__all__ = ["UPGRADE_PARAMETER", "Entry", "answers", "balancer_blocks", "entries_of", "in_force", "members_of", "seen_by_upstream", "taken"]

MAX_ENTRIES = 300
_MAX_MEMBERS = 200
UPGRADE_PARAMETER = (2, 4, 47)
"""From this version on mod_proxy_http tunnels, and ProxyPass takes upgrade=."""

_UPSTREAM = re.compile(r"(?:balancer|wss?|https?|h2c?|ajp|fcgi|uwsgi|scgi|unix)://?", re.IGNORECASE)
_LATE = ("location", "locationmatch", "if")
_FOLDERS = ("directory", "directorymatch", "files", "filesmatch", "elseif", "else")


class Entry(Struct, frozen=True, kw_only=True):
    """One way to an upstream, or away from all (target "!", or what rewrites to something else).

    regex: path is an expression. rewrite: by mod_rewrite. conditions: its RewriteCond lines. located: inside a Location.
    scheme: of the target, or of the first member of the balancer that it names. workers: the lines that carry worker parameters.
    """

    directive: Directive
    path: str
    target: str
    scheme: str
    regex: bool = False
    rewrite: bool = False
    located: bool = False
    conditions: tuple[Directive, ...] = ()
    workers: tuple[Directive, ...] = ()

    @property
    def tunnels(self) -> bool:
        """Whether an upgrade passes."""
        return self.scheme in ("ws", "wss") or (
            self.scheme in ("http", "https") and self.parameter("upgrade").lower() in ("websocket", "any")
        )

    @property
    def only_upgrades(self) -> bool:
        """Whether conditions limit it to opening handshakes."""
        return any(asks_for_upgrade(c) for c in self.conditions)

    @property
    def no_upgrades(self) -> bool:
        """Whether conditions keep opening handshakes out."""
        return any(keeps_upgrades_out(c) for c in self.conditions)

    @property
    def _in_folder(self) -> bool:
        """Whether rules may see the path without its first slash: in a Directory, or where a fragment does not tell."""
        return not self.directive.host or any(n in _FOLDERS for n, _, _ in self.directive.sections)

    def within(self, path: str) -> bool | None:
        """Whether an opening handshake gets to the blocks around it."""
        values: list[bool | None] = []
        for name, argument, _ in self.directive.sections if self.rewrite else ():
            if name in ("location", "locationmatch"):
                regex = try_regex(argument.removeprefix("~ ")) if name == "locationmatch" or argument.startswith("~") else None
                values.append(bool(regex.search(path[:500])) if regex else path.startswith(argument))
            elif name in ("if", "elseif", "else"):
                values.append(True if re.search(r"^[^!]*HTTP:Upgrade\}[^!]*websocket", argument, re.IGNORECASE) else None)
        return False if False in values else None if None in values else True

    def parameter(self, name: str) -> str:
        """Return a worker parameter, "" when it is not set."""
        words = [a for d in self.workers for a in d.args if a.lower().startswith(f"{name}=")]
        return words[-1].partition("=")[2] if words else ""

    def match(self, path: str) -> re.Match[str] | None:
        """Return how its expression takes a path. Rules of a Location see the whole path too."""
        regex = try_regex(self.path.removeprefix("!"), ignore_case="nc" in flags_of(self.directive, 2) if self.rewrite else False)
        return regex.search(path[:500]) if regex else None

    def covers(self, path: str) -> bool:
        """Whether it takes a path, conditions left aside."""
        path = re.sub(r"/{2,}", "/", path)
        if self.regex:
            matched = self.match(path) or (self.match(path[1:]) if self.rewrite and self._in_folder else None)
            return (matched is None) is self.path.startswith("!")
        return path.startswith(self.path) and (self.path.endswith("/") or path[len(self.path) :][:1] in ("", "/"))


def entries_of(own: Directives, every: Directives) -> list[Entry]:
    """Return what takes requests of one host, in the order of precedence. own: the host's directives; every: those of all files."""
    shared = every.main if own and own[0].host else Directives()
    late = [*_rewrites(shared, every, _LATE), *_rewrites(own, every, _LATE)]
    folders = [*_rewrites(shared, every, _FOLDERS), *_rewrites(own, every, _FOLDERS)]
    located = [*_passes(shared, every, located=True), *_passes(own, every, located=True)]
    passes = [*_passes(shared, every, located=False), *_passes(own, every, located=False)]
    return [*late[::-1], *_rewrites(own, every, ()), *located[::-1], *passes, *folders][:MAX_ENTRIES]


def _rewrites(directives: Directives, every: Directives, inside: tuple[str, ...]) -> list[Entry]:
    """Return the rewrite rules inside blocks of some names, with () those outside of all that count."""
    found: list[Entry] = []
    conditions: list[Directive] = []
    for d in directives:
        if d.name == "rewritecond":
            conditions.append(d)
        elif d.name == "rewriterule":
            around = next((n for n, _, _ in reversed(d.sections) if n in (*_LATE, *_FOLDERS)), "")
            if len(d.args) >= 2 and (around in inside if inside else not around):
                found.append(_rewrite(d, every, tuple(conditions)))
            conditions = []
    return found


def _rewrite(d: Directive, every: Directives, conditions: tuple[Directive, ...]) -> Entry:
    target = d.args[1]
    scheme = _scheme(target, every) if {"p", "proxy"} & set(flags_of(d, 2)) else ""
    workers = (d, *members_of(target, every)[:1]) if scheme else (d,)
    return Entry(
        directive=d, path=d.args[0], target=target, scheme=scheme, regex=True, rewrite=True, conditions=conditions, workers=workers
    )


def _passes(directives: Directives, every: Directives, *, located: bool) -> list[Entry]:
    found = []
    for d in directives:
        if d.name not in ("proxypass", "proxypassmatch") or not d.args:
            continue
        kind, location = d.location
        inside = bool(kind) and (d.args[0] == "!" or bool(_UPSTREAM.match(d.args[0])))
        regex = d.name == "proxypassmatch" or (inside and (kind == "locationmatch" or location.startswith("~ ")))
        path, *rest = (location.removeprefix("~ ").strip("\"'"), *d.args) if inside else d.args
        if rest and inside is located:
            workers = (d, *members_of(rest[0], every)[:1])
            found.append(
                Entry(directive=d, path=path, target=rest[0], scheme=_scheme(rest[0], every), regex=regex, located=inside, workers=workers)
            )
    return found


def _scheme(target: str, every: Directives) -> str:
    if "://" not in target:
        return ""
    scheme = target.partition("|")[2].partition(":")[0] if target.startswith("unix:") else target.partition("://")[0]
    if scheme == "balancer":
        members = members_of(target, every)
        scheme = members[0].args[0].partition("://")[0] if members and members[0].args else scheme
    return scheme.lower()


def balancer_blocks(target: str, every: Directives) -> set[int]:
    """Return the numbers of the Proxy blocks that a balancer's address names."""
    name = re.match(r"balancer://([\w.-]+)", target)
    return every.balancers.get(name[1], set()) if name else set()


def members_of(target: str, every: Directives) -> list[Directive]:
    """Return the members of the balancer that a target names, without hot standbys."""
    name = re.match(r"balancer://[\w.-]+", target)
    if name and name[0] not in every.pools:
        every.pools[name[0]] = _members(name[0], every)
    return every.pools[name[0]] if name else []


def _members(name: str, every: Directives) -> list[Directive]:
    blocks, members = balancer_blocks(name, every), every.named("balancermember")[:_MAX_MEMBERS]
    found = [d for d in members if d.args and any(number in blocks for *_, number in d.sections)]
    loose = [d for d in members if d.args[:1] == (name,)]
    return [d for d in found if not any(a.lower() in ("status=+h", "status=h", "status=+d") for a in d.args)] + loose


def in_force(name: str, directive: Directive, every: Directives) -> Directive | None:
    """Return the directive of a name that holds where another one stands: of the same host, else of the main server."""
    for host in (directive.host, 0):
        found = [d for d in every.of(host, name) if d.args and _around(d, directive)]
        if found:
            return found[-1]
    return None


def _around(outer: Directive, inner: Directive) -> bool:
    """Whether a directive's blocks, those of conditions about the server left aside, are around another one's."""
    kept = [s for s in outer.sections if s[0] not in ("ifmodule", "ifdefine", "ifversion", "virtualhost")]
    return all(s in inner.sections for s in kept)


def taken(entries: list[Entry], path: str, query: str, engine_off: bool) -> list[bool | None]:
    """Return for each entry whether it takes an opening handshake to a path; after one that cannot be told, the others are None."""
    judged: list[bool | None] = []
    done: bool | None = False
    for entry in entries:
        value: bool | None = entry.covers(path) and not (entry.rewrite and engine_off and not entry.located)
        if value and entry.rewrite:
            value = _rewritten(entry, path, query)
        judged.append(False if done or value is False else None if done is None else value)
        done = True if done or (value and done is False) else None if done is None or value is None else False
    return judged


def _rewritten(entry: Entry, path: str, query: str) -> bool | None:
    """Whether a rule that covers a path keeps the request; one that only changes the path leaves it to what comes later: None."""
    flags = flags_of(entry.directive, 2)
    values = (entry.within(path), holds(entry.conditions, path, query))
    if False in values or (entry.target == "-" and not answers(entry)):
        return False
    passed_on = not entry.scheme and not answers(entry) and bool({"pt", "passthrough"} & set(flags))
    return None if None in values or passed_on else True


def answers(entry: Entry) -> str:
    """Return what a rewrite rule answers by itself: redirect, refusal, or "" for neither."""
    flags = flags_of(entry.directive, 2)
    if entry.scheme:
        return ""
    if "://" in entry.target or any(re.match(r"(?:r|redirect)(?:=3|$)", f) for f in flags):
        return "redirect"
    return "refusal" if any(re.match(r"(?:f|forbidden|g|gone)$|(?:r|redirect)=[45]", f) for f in flags) else ""


def seen_by_upstream(entry: Entry, path: str) -> str | None:
    """Return the path that the upstream gets for a path; None when it cannot be told."""
    target = re.match(r"(?:unix:[^|]*\|)?\w+://[^/$]*(.*)$", entry.target)
    if target is None:
        return None
    path, base = re.sub(r"/{2,}", "/", path), (target[1] or "").partition("?")[0]
    if not entry.regex:
        return (base + path[len(entry.path) :]) or "/"
    match = entry.match(path)
    if match is None or "%" in base:
        return None
    glued = "" if "$" in entry.target or entry.rewrite else match[0] if match.end() == len(path) else path
    return _substituted((base + glued) or "/", match)


def _substituted(text: str, match: re.Match[str]) -> str:
    return re.sub(r"\$(\d)", lambda m: (match[int(m[1])] or "") if int(m[1]) <= len(match.groups()) else "", text)
