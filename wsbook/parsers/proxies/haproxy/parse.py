"""HAProxy configuration to routes.

HAProxy forwards Upgrade and Connection by itself, so what matters is which backend the path reaches, the timeouts, affinity, and rules
that delete headers. An idle tunnel ends after ``timeout tunnel`` of the backend (or its defaults; that of a frontend does not count), else
after the smaller of ``timeout client`` of the frontend and ``timeout server`` of the backend; none set means no limit; the others do not
matter (measured with 2.6, in HTTP and TCP mode). serves follows artifact.plausible when no path is known.
Source: HAProxy configuration manual, timeout tunnel, use_backend, chapter 7 (ACLs).
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from msgspec.structs import replace

from wsbook.facts import Facts, Fix, RouteFacts, Setting, TextFacts
from wsbook.parsers.proxies.artifact import (
    Artifact,
    Parsed,
    hints_at_websocket,
    line_defects,
    plausible,
    require_small,
    seconds,
    text_inside,
)
from wsbook.parsers.proxies.edits import edits_of, joined
from wsbook.parsers.proxies.haproxy.acls import Handshake, acl_lines, holds
from wsbook.parsers.proxies.haproxy.defects import balance_of, defects_of, file_defects, server_lines
from wsbook.parsers.proxies.haproxy.fixes import fix_headers, fix_tunnel_timeout
from wsbook.parsers.proxies.haproxy.maps import backends_named
from wsbook.parsers.proxies.haproxy.requests import NEEDED, Way, acls_of, answer, header_rules, is_tcp, path_after, put_by
from wsbook.parsers.proxies.haproxy.sections import Line, Section, parse_sections

__all__ = ["parse_haproxy"]

_MAX_WAYS = 200
_MAX_PATTERNS = 10_000
_DETAILED = 60
_LONG_S = 3600.0

Limit = tuple[float, Line, Section]


def parse_haproxy(artifact: Artifact) -> Parsed:
    """Return routes and defects of an HAProxy configuration.

    Raises:
        UnreadableInputError: too large, binary, or without sections.
    """
    require_small(artifact, "HAProxy")
    sections = parse_sections(artifact)
    asked = _asked(sections, artifact)
    ways = _ways(sections, asked, artifact)
    facts: list[Facts] = []
    count = detailed = 0
    for way, serves in zip(ways, _serving(ways, asked, artifact.endpoint_port), strict=True):
        if way.line.file != artifact.name:
            continue
        count += 1
        in_detail = detailed < _DETAILED and (serves is not False or len(ways) <= _DETAILED)
        detailed += in_detail
        facts.append(_route(way, serves, asked, artifact) if in_detail else _outline(way, serves))
        if serves is not False and in_detail:
            facts += defects_of(way, serves, asked, artifact)
    served = any(isinstance(f, RouteFacts) and f.serves for f in facts)
    facts += file_defects([s for s in sections if s.file == artifact.name], sections, asked, artifact, served=served)
    own = [line for s in sections if s.file == artifact.name for line in (*s.defaults, *s.lines) if line.file == artifact.name]
    facts += line_defects("haproxy", artifact, ((line.file, line.number, line.text) for line in dict.fromkeys(own)))
    text = TextFacts(kind="haproxy_cfg", program="haproxy", size_bytes=len(artifact.text.encode()), items=count)
    return Parsed(facts=tuple(dict.fromkeys(facts)), text=text)


def _asked(sections: list[Section], artifact: Artifact) -> Handshake:
    path, _, query = artifact.endpoint_path.partition("?")
    words = [w for s in sections for line in (*s.lines, *s.defaults) if "-f" in line.words for w in line.words]
    names = {name for flag, name in pairwise(words) if flag == "-f"}
    known = {name: text for name in sorted(names)[:50] if (text := _pattern_file(name, artifact)) is not None}
    port = artifact.endpoint_port if artifact.endpoint_port not in (80, 443) else 0
    return Handshake(path=path or None, query=query, host=artifact.endpoint_host.lower(), port=port, patterns=known)


def _pattern_file(name: str, artifact: Artifact) -> tuple[str, ...] | None:
    """Return the lines of a pattern or map file inside the folder; None when it is not there."""
    if not artifact.folder or "\0" in name or len(name) > 300:
        return None
    texts = [text_inside(artifact.folder, Path(artifact.folder) / path) for path in (name, Path(name).name)]
    text = next((text for text in texts if text is not None), None)
    lines = [line.strip() for line in text.splitlines()] if text is not None else None
    return tuple(line for line in lines if line and not line.startswith("#"))[:_MAX_PATTERNS] if lines is not None else None


def _ways(sections: list[Section], asked: Handshake, artifact: Artifact) -> list[Way]:
    """Return every way into a backend, frontend by frontend in the order in which HAProxy tries them."""
    backends = {s.name: s for s in sections if s.kind in ("backend", "listen")}
    found: list[Way] = []
    for section in [s for s in sections if s.kind in ("frontend", "listen")]:
        for line, target in _targets(section, backends, asked, artifact):
            condition = " ".join(line.words[2:]) if line.words[0] == "use_backend" else ""
            acls, tls = acls_of(section), _encrypted(section)
            found.append(Way(frontend=section, backend=target, condition=condition, line=line, acls=acls, encrypted=tls))
    if not any(s.kind in ("frontend", "listen") for s in sections):
        found += [_alone(s) for s in sections if s.kind == "backend"]
    return (found or [_alone(s) for s in sections if s.kind in ("defaults", "frontend")])[:_MAX_WAYS]


def _alone(section: Section) -> Way:
    line = Line(words=(section.kind, section.name), number=section.number, file=section.file)
    return Way(frontend=section, backend=section, condition="", line=line)


def _targets(section: Section, backends: dict[str, Section], asked: Handshake, artifact: Artifact) -> Iterator[tuple[Line, Section]]:
    for line in section.all("use_backend"):
        names = backends_named(line.words[1], asked, lambda name: _pattern_file(name, artifact)) if len(line.words) > 1 else []
        yield from ((line, backends[name]) for name in (backends if names is None else names) if name in backends)
    default = section.last("default_backend")
    if default and len(default.words) > 1 and default.words[1] in backends:
        yield default, backends[default.words[1]]
    elif section.kind == "listen" and server_lines(section):
        yield Line(words=("listen", section.name), number=section.number, file=section.file), section


def _encrypted(section: Section) -> bool | None:
    binds = section.every("bind")
    tls = ["ssl" in line.words for line in binds]
    return None if not binds or (any(tls) and not all(tls)) else all(tls)


def _ports(section: Section) -> set[int]:
    words = [line.words[1] for line in section.every("bind") if len(line.words) > 1]
    return {int(found[1]) for word in words for part in word.split(",") if (found := re.search(r":(\d{1,5})$", part))}


def _serving(ways: list[Way], asked: Handshake, port: int) -> list[bool | None]:
    """Return for each way whether it serves. port: of the endpoint, 0 unknown; where no frontend has it, ports are mapped on the way."""
    if asked.path is not None:
        there = [way for way in ways if port in _ports(way.frontend)] if port else []
        values = iter(_by_path(there or ways, asked))
        return [next(values) if not there or way in there else False for way in ways]
    open_ways = [way for way in ways if not _refuses_all(way, asked)]
    words = [" ".join((w.backend.name, w.condition, *(line.text for line in acl_lines(w.condition, w.acls)))) for w in open_ways]
    guessed = iter(
        plausible(
            [bool(re.search(r"hdr\w*\((?:upgrade|sec-websocket)", text, re.IGNORECASE)) for text in words],
            [hints_at_websocket(text) for text in words],
            [not w.condition for w in open_ways],
        )
    )
    return [next(guessed) if way in open_ways else False for way in ways]


def _refuses_all(way: Way, asked: Handshake) -> bool:
    return not is_tcp(way.frontend) and any(answer(s, way.acls_of(s), asked) for s in way.sections)


def _by_path(ways: list[Way], asked: Handshake) -> list[bool | None]:
    """Return for each way whether it takes the path: per frontend, the first condition that holds; what cannot be told is None."""
    taken: dict[int, bool | None] = {}
    seen: dict[int, Handshake] = {}
    judged: list[bool | None] = []
    for way in ways:
        key, tcp = id(way.frontend), is_tcp(way.frontend)
        if key not in seen:
            seen[key] = _as_seen(way, asked)
            taken[key] = not tcp and answer(way.frontend, way.acls, seen[key]) is not None
        done = taken[key]
        value = None if tcp and way.condition else _takes(way, seen[key]) if not done else False
        value = None if done is None and value is not False else value
        judged.append(value)
        taken[key] = True if done or value else None if None in (done, value) else False
    return judged


def _takes(way: Way, asked: Handshake) -> bool | None:
    value = holds(way.condition, way.acls, asked)
    dynamic = "%[" in way.line.words[1] if way.line.starts("use_backend") else False
    return None if value and dynamic and "map" not in way.line.words[1] else value


def _as_seen(way: Way, asked: Handshake) -> Handshake:
    """Return the handshake as the rules after http-request see it."""
    path = path_after(way.frontend, way.acls, asked) if way.frontend is not way.backend and asked.path is not None else asked.path
    return replace(asked, path=path, encrypted=way.encrypted)


def _setting(line: Line, value: str | None, section: Section | None = None) -> Setting:
    """Return a setting. section: whose setting it is; its defaults are named when the line is theirs."""
    level = "defaults" if section and section.kind != "defaults" and line in section.defaults else ""
    return Setting(value=value, file=line.file, line=line.number, level=level)


def _timeout(section: Section, name: str) -> Limit | None:
    line = section.last("timeout", name)
    value = seconds(line.words[2], default_unit="ms") if line and len(line.words) > 2 else None
    return (value, line, section) if line and value else None


def _limit(way: Way) -> Limit | None:
    """Return the silence in seconds that ends a tunnel, the line that says so, and whose it is."""
    tunnel = _timeout(way.backend, "tunnel")
    sides = [t for t in (_timeout(way.frontend, "client"), _timeout(way.backend, "server")) if t]
    return tunnel or min(sides, key=lambda t: t[0], default=None)


def _header(way: Way, name: str, asked: Handshake) -> Setting:
    setting = Setting(value="forwarded", default=True)
    for line in () if is_tcp(way.frontend) else header_rules(way, name, asked):
        value = put_by(line.words, name)
        setting = _setting(line, (value or "")[:100]) if setting.value != "absent" or value != "absent" else setting
    return setting


def _spoiling(way: Way, asked: Handshake) -> list[Line]:
    """Return the rules that delete a handshake header or put another value there."""
    return [
        line
        for name, needed in NEEDED.items()
        for line in header_rules(way, name, asked)
        if (put := put_by(line.words, name) or "") != "forwarded" and needed not in put.lower()
    ]


def _upstream_path(way: Way, asked: Handshake) -> str | None:
    if is_tcp(way.frontend) or asked.path is None:
        return asked.path
    seen = asked
    for section in way.sections:
        seen = replace(seen, path=path_after(section, way.acls_of(section), seen))
    return seen.path


def _outline(way: Way, serves: bool | None) -> RouteFacts:
    """Return where a way leads, without what happens on it."""
    name = f"{way.frontend.kind} {way.frontend.name}".strip()
    target = "" if way.backend is way.frontend else f" → backend {way.backend.name}"
    return RouteFacts(
        product="haproxy",
        file=way.line.file,
        line=way.line.number,
        matcher=f"{name} {way.condition}".strip()[:300] + target,
        serves=serves,
        upstream=", ".join(words[2] for words, _ in server_lines(way.backend)[:4])[:200],
    )


def _route(way: Way, serves: bool | None, asked: Handshake, artifact: Artifact) -> RouteFacts:
    servers, limit = server_lines(way.backend), _limit(way)
    return replace(
        _outline(way, serves),
        upstream_path=_upstream_path(way, asked) if serves else None,
        upgrade=_header(way, "upgrade", asked),
        connection=_header(way, "connection", asked),
        host=_header(way, "host", asked),
        http_version=Setting(value="1.1", default=True),
        idle_s=_setting(limit[1], f"{limit[0]:g}", limit[2]) if limit else Setting(value=None, default=True),
        balance=balance_of(way.backend),
        servers=sum(count for _, count in servers),
        fixes=_fixes(way, limit, asked, artifact) if serves is not False else (),
    )


def _fixes(way: Way, limit: Limit | None, asked: Handshake, artifact: Artifact) -> tuple[Fix, ...]:
    edits = edits_of(artifact)
    spoilt = [line for line in _spoiling(way, asked) if line.file == artifact.name]
    short = limit is not None and limit[0] < _LONG_S
    return joined(
        [
            fix_headers(edits, spoilt) if spoilt and not is_tcp(way.frontend) else None,
            fix_tunnel_timeout(edits, way.backend, limit[1]) if short and limit else None,
        ]
    )
