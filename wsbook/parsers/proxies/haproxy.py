"""HAProxy configuration to routes and defects.

HAProxy forwards Upgrade and Connection by itself, so what matters is which backend the path reaches, the timeouts, affinity, and rules
that delete headers. An idle tunnel ends after ``timeout tunnel`` of the backend (or its defaults), else after the smaller of ``timeout
client`` and ``timeout server``; none set means no limit. serves follows artifact.plausible when no path is known.
Source: HAProxy configuration manual, timeout tunnel, use_backend, chapter 7 (ACLs).
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import urlsplit

from msgspec import Struct

from wsbook.facts import Facts, Fix, PatternFacts, RouteFacts, Setting, TextFacts
from wsbook.parsers.proxies.artifact import (
    Artifact,
    Parsed,
    defect,
    hints_at_polling,
    hints_at_websocket,
    plausible,
    require_small,
    seconds,
    try_regex,
)
from wsbook.parsers.proxies.edits import Edits, joined
from wsbook.parsers.proxies.haproxy_fixes import (
    fix_acl_case,
    fix_forwarded_proto,
    fix_h2_upstream,
    fix_headers,
    fix_plain_to_tls,
    fix_stickiness,
    fix_tunnel_timeout,
)
from wsbook.parsers.proxies.haproxy_sections import Line, Section, parse_sections

__all__ = ["parse_haproxy"]

_MAX_RULES = 500
_LONG_S = 3600.0
_NEEDED = {"upgrade": "websocket", "connection": "upgrade"}


class _Rule(Struct, frozen=True, kw_only=True):
    """One way into a backend. condition: ACL text, "" always. line: where it is written. acls: of the frontend, by name."""

    frontend: Section
    backend: Section
    condition: str
    line: int
    acls: dict[str, list[Line]] = {}


def parse_haproxy(artifact: Artifact) -> Parsed:
    """Return routes and defects of an HAProxy configuration.

    Raises:
        UnreadableInputError: too large, binary, or without sections.
    """
    require_small(artifact, "HAProxy")
    sections = parse_sections(artifact)
    rules = _rules(sections)
    facts: list[Facts] = []
    for rule, serves in zip(rules, _serving(rules, artifact), strict=True):
        facts.append(_route(rule, serves, artifact))
        if serves is not False:
            facts += _defects(rule, artifact)
    facts += _acl_defects(sections, artifact)
    text = TextFacts(kind="haproxy_cfg", program="haproxy", size_bytes=len(artifact.text.encode()), items=len(rules))
    return Parsed(facts=tuple(facts), text=text)


def _rules(sections: list[Section]) -> list[_Rule]:
    backends = {s.name: s for s in sections if s.kind in ("backend", "listen")}
    found = []
    for section in sections:
        if section.kind == "listen" and section.all("server"):
            found.append(_Rule(frontend=section, backend=section, condition="", line=section.number))
        if section.kind not in ("frontend", "listen"):
            continue
        acls: dict[str, list[Line]] = {}
        for line in section.all("acl"):
            acls.setdefault(line.words[1] if len(line.words) > 1 else "", []).append(line)
        for line in [*section.all("use_backend"), *filter(None, [section.last("default_backend")])]:
            target = backends.get(line.words[1]) if len(line.words) > 1 else None
            if target:
                found.append(_Rule(frontend=section, backend=target, condition=" ".join(line.words[2:]), line=line.number, acls=acls))
    reached = {rule.backend.name for rule in found}
    alone = (
        [s for s in sections if s.kind == "backend" and s.name not in reached] if not any(s.kind == "frontend" for s in sections) else []
    )
    found += [_Rule(frontend=s, backend=s, condition="", line=s.number) for s in alone]
    if not found:
        found = [_Rule(frontend=s, backend=s, condition="", line=s.number) for s in sections if s.kind in ("defaults", "frontend")]
    return found[:_MAX_RULES]


def _serving(rules: list[_Rule], artifact: Artifact) -> list[bool | None]:
    path = artifact.endpoint_path.partition("?")[0]
    if path:
        return _by_path(rules, path)
    words = [" ".join((r.backend.name, r.condition, *_acl_texts(r))) for r in rules]
    return plausible(
        [bool(_asks_for_upgrade(text)) for text in words],
        [hints_at_websocket(text) for text in words],
        [not r.condition for r in rules],
    )


def _by_path(rules: list[_Rule], path: str) -> list[bool | None]:
    """Return for each rule whether it takes the path: per frontend, the first condition that holds; what cannot be told is None."""
    taken: dict[str, bool | None] = {}
    judged: list[bool | None] = []
    for rule in rules:
        done = taken.get(rule.frontend.name, False)
        here = None if done is None else False if done else _holds(rule, path)
        judged.append(here)
        taken[rule.frontend.name] = done or here
    return judged


def _acl_texts(rule: _Rule) -> list[str]:
    names = set(re.findall(r"[\w.:-]+", rule.condition))
    return [line.text for name in sorted(names) for line in rule.acls.get(name, [])[:100]]


def _asks_for_upgrade(text: str) -> bool:
    return bool(re.search(r"hdr\((?:upgrade|sec-websocket)", text, re.IGNORECASE))


def _holds(rule: _Rule, path: str) -> bool | None:
    """Whether a condition holds for an opening handshake to a path; None when it depends on more than path and Upgrade."""
    words = rule.condition.split()
    if not words:
        return True
    unless, words = words[0] == "unless", words[1:]
    alternatives = [_all(part.split(), rule, path) for part in re.split(r"\s(?:or|\|\|)\s", " ".join(words))]
    value = True if True in alternatives else None if None in alternatives else False
    return value if value is None or not unless else not value


def _all(words: list[str], rule: _Rule, path: str) -> bool | None:
    values: list[bool | None] = []
    text = " ".join(words)
    for negated, anonymous, name in re.findall(r"(!?)(?:\{\s*([^}]*?)\s*\}|([\w.:-]+))", text):
        tests = [anonymous.split()] if anonymous else [list(x.words[2:]) for x in rule.acls.get(name, [])[:100]]
        results = [_test(t, path) for t in tests]
        value = None if not results else True if True in results else None if None in results else False
        values.append(value if value is None or not negated else not value)
    return False if False in values else None if None in values else True


def _test(words: list[str], path: str) -> bool | None:
    if not words:
        return None
    fetch, flags, values = words[0].lower(), [w for w in words[1:] if w.startswith("-")], [w for w in words[1:] if not w.startswith("-")]
    if "-m" in flags and values:
        fetch, values = f"{fetch.partition(',')[0]}_{values[0]}", values[1:]
    fold = str.lower if "-i" in flags else str
    seen = {"path": path, "url": path, "base": None}.get(re.split(r"_|,", fetch)[0])
    if re.match(r"(?:req\.)?hdr(?:_\w+)?\((?:upgrade)", fetch):
        seen = "websocket"
    if re.match(r"(?:req\.)?hdr(?:_\w+)?\(connection", fetch):
        seen = "Upgrade"
    return _compared(re.sub(r"\(.*?\)", "", fetch).rpartition("_")[2], fold(seen), [fold(v) for v in values]) if seen is not None else None


def _compared(method: str, seen: str, values: list[str]) -> bool | None:
    if method == "beg":
        return any(seen.startswith(v) for v in values)
    if method == "end":
        return any(seen.endswith(v) for v in values)
    if method == "sub":
        return any(v in seen for v in values)
    if method == "dir":
        return any(v.strip("/") in seen.split("/") for v in values)
    if method == "reg":
        regexes = [try_regex(v) for v in values]
        return any(r.search(seen[:500]) for r in regexes if r) if all(regexes) else None
    return seen in values if method in ("path", "url", "str", "hdr", "req.hdr", "found") else None


def _setting(line: Line | None, artifact: Artifact, value: str | None) -> Setting:
    return Setting(value=value, file=artifact.name if line else "", line=line.number if line else 0, default=line is None)


def _timeout(section: Section, name: str) -> tuple[float, Line] | None:
    line = section.last("timeout", name)
    value = seconds(line.words[2], default_unit="ms") if line and len(line.words) > 2 else None
    return (value, line) if line and value else None


def _limit(rule: _Rule) -> tuple[float, Line] | None:
    """Return the silence in seconds that ends a tunnel, and the line that says so."""
    tunnel = _timeout(rule.backend, "tunnel")
    sides = [t for t in (_timeout(rule.frontend, "client"), _timeout(rule.backend, "server")) if t]
    return tunnel or min(sides, key=lambda t: t[0], default=None)


def _idle(rule: _Rule, artifact: Artifact) -> Setting:
    found = _limit(rule)
    return _setting(found[1], artifact, f"{found[0]:g}") if found else Setting(value=None, default=True)


def _request_rules(rule: _Rule, action: str) -> Iterator[Line]:
    sections = [rule.frontend] if rule.frontend is rule.backend else [rule.frontend, rule.backend]
    for section in sections:
        yield from section.all("http-request", action)


def _header(rule: _Rule, name: str, artifact: Artifact) -> Setting:
    value = Setting(value="forwarded", default=True)
    for line in _request_rules(rule, "del-header"):
        if len(line.words) > 2 and line.words[2].lower() == name:
            value = _setting(line, artifact, "absent")
    for line in _request_rules(rule, "set-header"):
        if len(line.words) > 3 and line.words[2].lower() == name:
            value = _setting(line, artifact, "forwarded" if _own_value(line.words[3], name) else line.words[3][:100])
    return value


def _own_value(text: str, name: str) -> bool:
    return text.strip("%[]").lower() in (f"req.hdr({name})", f"hdr({name})")


def _balance(backend: Section) -> str:
    if backend.last("cookie") and any("cookie" in line.words for line in backend.all("server")):
        return "cookie"
    if backend.last("stick") or backend.last("appsession"):
        return "hash"
    line = backend.last("balance")
    method = line.words[1] if line and len(line.words) > 1 else "roundrobin"
    return "hash" if re.match(r"source|uri|url_param|hdr|hash|rdp-cookie", method) else method


def _upstream_path(rule: _Rule, artifact: Artifact) -> str | None:
    path: str | None = urlsplit("//h" + artifact.endpoint_path).path if artifact.endpoint_path.startswith("/") else None
    for line in [*_request_rules(rule, "set-path"), *_request_rules(rule, "replace-path"), *_request_rules(rule, "set-uri")]:
        path = _rewritten(line, path)
    return None if any(_request_rules(rule, "replace-uri")) else path


def _rewritten(line: Line, path: str | None) -> str | None:
    if path is None or len(line.words) < 3:
        return None
    replace_path = line.starts("http-request", "replace-path")
    folded = re.search(r"%\[path,regsub\(([^,]*),([^,)]*)\)\]", line.text)
    if not replace_path and not folded:
        return line.words[2] if "%" not in line.words[2] and len(line.words) == 3 else None
    source, target = (
        (line.words[2], line.words[3] if len(line.words) > 3 else "") if replace_path else (folded[1], folded[2]) if folded else ("", "")
    )
    regex = try_regex(source)
    match = regex.search(path) if regex else None
    if regex is None or match is None:
        return path if regex else None
    new = re.sub(r"\\(\d)", lambda m: (match[int(m[1])] or "") if int(m[1]) <= len(match.groups()) else "", target)
    return new if replace_path else path[: match.start()] + new + path[match.end() :]


def _route(rule: _Rule, serves: bool | None, artifact: Artifact) -> RouteFacts:
    servers = [line for line in rule.backend.all("server") if "backup" not in line.words and "disabled" not in line.words]
    way = f"{rule.frontend.kind} {rule.frontend.name}".strip()
    target = "" if rule.backend is rule.frontend else f" → backend {rule.backend.name}"
    return RouteFacts(
        product="haproxy",
        file=artifact.name,
        line=rule.line,
        matcher=f"{way} {rule.condition}".strip() + target,
        serves=serves,
        upstream=", ".join(line.words[2] for line in servers[:4] if len(line.words) > 2)[:200],
        upstream_path=_upstream_path(rule, artifact) if serves else None,
        upgrade=_header(rule, "upgrade", artifact),
        connection=_header(rule, "connection", artifact),
        host=_header(rule, "host", artifact),
        http_version=Setting(value="1.1", default=True),
        idle_s=_idle(rule, artifact),
        balance=_balance(rule.backend),
        servers=len(servers),
        fixes=_fixes(rule, artifact),
    )


def _fixes(rule: _Rule, artifact: Artifact) -> tuple[Fix, ...]:
    edits = Edits(file=artifact.name, text=artifact.text)
    idle, spoilt = _limit(rule), [x for name in ("upgrade", "connection") for x in _spoiling(rule, name)]
    return joined(
        [
            fix_headers(edits, spoilt) if spoilt else None,
            fix_tunnel_timeout(edits, rule.backend, idle[1]) if idle and idle[0] < _LONG_S else None,
        ]
    )


def _spoiling(rule: _Rule, name: str) -> list[Line]:
    """Return the rules that delete a handshake header or put another value there."""
    lines = [x for x in _request_rules(rule, "del-header") if len(x.words) > 2 and x.words[2].lower() == name]
    put = [x for x in _request_rules(rule, "set-header") if len(x.words) > 3 and x.words[2].lower() == name]
    return lines + [x for x in put if not _own_value(x.words[3], name) and _NEEDED[name] not in x.words[3].lower()]


def _defects(rule: _Rule, artifact: Artifact) -> Iterator[PatternFacts]:
    edits = Edits(file=artifact.name, text=artifact.text)
    for line in rule.backend.all("server"):
        words = line.words
        if _speaks_h2(line, artifact):
            yield defect("haproxy.h2-to-upstream", artifact.name, line.number, line.text, fix_h2_upstream(edits, line))
        if len(words) > 2 and "ssl" not in words and words[2].endswith(":443"):
            yield defect("haproxy.plain-to-tls-port", artifact.name, line.number, line.text, fix_plain_to_tls(edits, line))
    said = " ".join((rule.condition, rule.backend.name, *_acl_texts(rule), artifact.endpoint_path))
    spread = _balance(rule.backend) not in ("hash", "cookie") and len(rule.backend.all("server")) > 1
    if spread and hints_at_polling(said):
        fix = fix_stickiness(edits, rule.backend, tcp=_mode(rule.backend) == "tcp")
        yield defect("haproxy.no-stickiness", artifact.name, rule.backend.number, f"backend {rule.backend.name}", fix)
    for line in _request_rules(rule, "set-header"):
        if len(line.words) > 3 and line.words[2].lower() == "x-forwarded-proto" and line.words[3] in ("ws", "wss"):
            yield defect("haproxy.forwarded-proto-wrong", artifact.name, line.number, line.text, fix_forwarded_proto(edits, line))


def _mode(section: Section) -> str:
    line = section.last("mode")
    return line.words[1] if line and len(line.words) > 1 else "tcp"


def _speaks_h2(line: Line, artifact: Artifact) -> bool:
    """Whether upgrades go to the server in HTTP/2: from 2.5 on (ws auto) not when its ALPN list has http/1.1 too."""
    after = dict(pairwise(line.words))
    alpn, ws = after.get("alpn", "").split(","), after.get("ws", "auto")
    if ws != "auto":
        return ws == "h2"
    listed = alpn[0] == "h2" and ("http/1.1" not in alpn or artifact.older_than(2, 5) is True)
    return after.get("proto") == "h2" or listed


def _acl_defects(sections: list[Section], artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield tests of Upgrade that compare its case: browsers write websocket (RFC 6455 section 4.1 allows any case)."""
    edits = Edits(file=artifact.name, text=artifact.text)
    for section in sections:
        for line in [x for x in section.lines if x.words[0] in ("acl", "use_backend")]:
            test = re.search(r"((?:req\.)?f?hdr(?:_\w+)?\(upgrade\))\s+((?:-\w+\s+)*)(\w+)", line.text, re.IGNORECASE)
            if test and "-i" not in test[2] and test[3].lower() == "websocket" and test[3] != "websocket":
                yield defect("haproxy.upgrade-acl-case", artifact.name, line.number, line.text, fix_acl_case(edits, line, test[1]))
