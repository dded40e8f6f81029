"""Defects of an HAProxy configuration that a route cannot say. Knows what is wrong, not how it is mended."""

import re
from collections.abc import Iterator
from itertools import pairwise

from msgspec.structs import replace

from wsbook.facts import Fix, PatternFacts
from wsbook.parsers.proxies.artifact import (
    DROPPED,
    Artifact,
    cause_of,
    defect,
    hints_at_polling,
    hints_at_websocket,
    loopback_of_container,
    tells_of_containers,
    usually_plain,
    usually_tls,
)
from wsbook.parsers.proxies.edits import Edits, edits_of
from wsbook.parsers.proxies.haproxy.acls import Handshake, acl_lines, holds, split_condition
from wsbook.parsers.proxies.haproxy.fixes import (
    fix_acl_case,
    fix_forwarded_proto,
    fix_h2_upstream,
    fix_plain_to_tls,
    fix_stickiness,
    fix_tls_to_plain,
    fix_without,
)
from wsbook.parsers.proxies.haproxy.requests import Way, acls_of, answer, header_rules, is_tcp, put_by, rules_of
from wsbook.parsers.proxies.haproxy.sections import Line, Section

__all__ = ["balance_of", "defects_of", "file_defects", "server_lines"]

_RATE = re.compile(r"(?:sc\d?_|src_|sc_)(http_req_rate|http_req_cnt|conn_rate|conn_cnt|conn_cur|sess_rate)\b")
_LIMITS = {"tune.bufsize": 8192, "tune.http.maxhdr": 40}
_FEW = 500

Found = tuple[str, Line, Fix | None]


def server_lines(section: Section) -> list[tuple[tuple[str, ...], int]]:
    """Return the words of each server in use, those of default-server behind them, and for how many servers they stand."""
    defaults = [w for line in section.every("default-server") for w in line.words[1:]]
    found = []
    for line in section.all("server") + section.all("server-template"):
        words = line.words if line.words[0] == "server" else (*line.words[:2], *line.words[3:])
        count = 1 if line.words[0] == "server" else _template_count(line)
        if len(words) > 2 and "backup" not in words and "disabled" not in words:
            found.append(((*words, *defaults), count))
    return found


def _template_count(line: Line) -> int:
    numbers = [int(n[:6]) for n in re.findall(r"\d+", line.words[2])] if len(line.words) > 2 else []
    return max(1, numbers[1] - numbers[0] + 1 if len(numbers) > 1 else numbers[0] if numbers else 1)


def balance_of(backend: Section) -> str:
    """Return how a backend spreads connections: cookie, hash, or HAProxy's word."""
    words = [words for words, _ in server_lines(backend)]
    cookie, dynamic = backend.last("cookie"), backend.last("dynamic-cookie-key")
    if cookie and (dynamic or any("cookie" in w for w in words)):
        return "cookie"
    if any(backend.every("stick", kind) for kind in ("on", "match", "store-request")) or backend.last("appsession"):
        return "hash"
    line = backend.last("balance")
    method = line.words[1] if line and len(line.words) > 1 else "roundrobin"
    return "hash" if re.match(r"source|uri|url_param|hdr|hash|rdp-cookie", method) else method


def defects_of(way: Way, serves: bool | None, asked: Handshake, artifact: Artifact) -> Iterator[PatternFacts]:
    """Yield the defects of one way that serves the endpoint, or may."""
    found = [*_server_defects(way, asked, artifact), *_request_defects(way, asked, artifact), *_health_defects(way, asked)]
    for pattern, line, fix in found:
        yield defect(pattern, line.file, line.number, line.text, fix if line.file == artifact.name else None)


def _edits(artifact: Artifact) -> Edits:
    return edits_of(artifact)


def _server_defects(way: Way, asked: Handshake, artifact: Artifact) -> Iterator[Found]:
    backend, edits = way.backend, _edits(artifact)
    own = {line.words[1]: line for line in (*backend.all("server"), *backend.all("server-template")) if len(line.words) > 1}
    for words, _ in server_lines(backend):
        line = own[words[1]]
        if _speaks_h2(words, artifact):
            yield "haproxy.h2-to-upstream", line, fix_h2_upstream(edits, line)
        if "ssl" not in words and words[2].endswith(":443") and not is_tcp(backend):
            yield "haproxy.plain-to-tls-port", line, fix_plain_to_tls(edits, line)
        port = words[2].rpartition(":")[2]
        if "ssl" not in words and usually_tls(port) and not is_tcp(backend):
            yield "proxy.plain-to-usual-tls-port", line, fix_plain_to_tls(edits, line)
        if "ssl" in words and usually_plain(port):
            yield "haproxy.tls-to-plain-port" if port == "80" else "haproxy.tls-to-usual-port", line, fix_tls_to_plain(edits, line)
        named = re.match(r"[a-zA-Z_][\w-]*(?::|$)", words[2])
        if (
            named
            and not named[0].startswith("localhost")
            and not {"resolvers", "init-addr"} & set(words)
            and tells_of_containers(artifact.text)
        ):
            yield "haproxy.names-resolved-once", line, None
        if loopback_of_container(artifact.text, words[2]):
            yield "proxy.loopback-of-container", line, None
    said = " ".join((way.condition, backend.name, *own, *(line.text for line in acl_lines(way.condition, way.acls)), asked.path or ""))
    spread = balance_of(backend) not in ("hash", "cookie") and sum(count for _, count in server_lines(backend)) > 1
    if spread and not hints_at_polling(said):
        head = Line(words=(backend.kind, backend.name), number=backend.number, file=backend.file)
        yield "proxy.connections-spread", head, fix_stickiness(edits, backend, tcp=is_tcp(backend))
    if spread and hints_at_polling(said):
        head = Line(words=(backend.kind, backend.name), number=backend.number, file=backend.file)
        yield "haproxy.no-stickiness", head, fix_stickiness(edits, backend, tcp=is_tcp(backend))


def _speaks_h2(words: tuple[str, ...], artifact: Artifact) -> bool:
    """Whether upgrades go to the server in HTTP/2: from 2.5 on (ws auto) not when its ALPN list has http/1.1 too."""
    after = dict(reversed(list(pairwise(words))))  # a server's own words count before those of default-server
    alpn, ws = after.get("alpn", "").split(","), after.get("ws", "auto")
    if ws != "auto":
        return ws == "h2"
    listed = alpn[0] == "h2" and ("http/1.1" not in alpn or artifact.older_than(2, 5) is True)
    return after.get("proto") == "h2" or listed


def _request_defects(way: Way, asked: Handshake, artifact: Artifact) -> Iterator[Found]:
    if is_tcp(way.frontend):
        return
    edits = _edits(artifact)
    for _, line in (*rules_of(way, "http-request", "set-header"), *rules_of(way, "http-request", "add-header")):
        if (
            len(line.words) > 3
            and line.words[2].lower() == "x-forwarded-proto"
            and (line.words[3] in ("ws", "wss") or (line.words[3] == "http" and way.encrypted))
        ):
            yield "haproxy.forwarded-proto-wrong", line, fix_forwarded_proto(edits, line)
    for name, pattern in DROPPED.items():
        for line in header_rules(way, name, asked):
            put = put_by(line.words, name)
            if put == "absent" or (name in ("origin", "sec-websocket-protocol") and put and "%[" not in put and put != "forwarded"):
                yield pattern, line, fix_without(edits, cause_of(pattern), line)
    for name in ("upgrade", "connection"):
        for line in header_rules(way, name, asked, "http-response"):
            put = put_by(line.words, name) or ""
            if put == "absent" or (name == "connection" and "upgrade" not in put.lower() and put != "forwarded"):
                yield "proxy.drops-answer", line, fix_without(edits, "handshake.invalid-exchange", line)
    for line in header_rules(way, "host", asked):
        put = put_by(line.words, "host")
        if put and put not in ("absent", "forwarded") and "%[" not in put and not _is_upstream(put, way.backend):
            yield "haproxy.host-replaced", line, fix_without(edits, "origin.proxy-rewrites-host", line)
    yield from _path_defects(way, asked)
    told = any(len(x.words) > 2 and x.words[2].lower() == "x-forwarded-proto" for _, x in rules_of(way, "http-request"))
    if way.encrypted and not told and way.backend is not way.frontend:
        bind = way.frontend.every("bind")[0]
        yield "haproxy.forwarded-proto-missing", bind, None


def _is_upstream(host: str, backend: Section) -> bool:
    """Whether a host is a server's own name: an upstream of somebody else wants it."""
    servers = [words[2].rpartition(":")[0] or words[2] for words, _ in server_lines(backend) if len(words) > 2]
    return any(host.partition(":")[0].lower() == server.lower() and "." in server and not server[0].isdigit() for server in servers)


def _path_defects(way: Way, asked: Handshake) -> Iterator[Found]:
    """Yield rewriting that takes away the part of the path that names the WebSocket, where the path itself is not known."""
    for action in ("replace-path", "replace-uri", "set-path", "set-uri") if asked.path is None else ():
        for _, line in rules_of(way, "http-request", action):
            old, new = (line.words[2:3], line.words[3:4]) if action.startswith("replace") else ((), line.words[2:3])
            lost = hints_at_websocket(" ".join(old)) == 2 and hints_at_websocket(" ".join(new)) < 2
            if lost or (new and not old and "%" not in new[0] and not split_condition(line.words)[1]):
                yield "haproxy.path-shortened", line, None
    for _, line in (*rules_of(way, "reqrep"), *rules_of(way, "reqirep")) if asked.path is None else ():
        if hints_at_websocket(" ".join(line.words[1:2])) == 2 and hints_at_websocket(" ".join(line.words[2:3])) < 2:
            yield "haproxy.path-shortened", line, None


def _health_defects(way: Way, asked: Handshake) -> Iterator[Found]:
    """Yield a health check that asks the endpoint itself: its answer to a plain GET is 400 or 426, so that all servers are down."""
    check, backend = way.backend.last("option", "httpchk"), way.backend
    checked = any("check" in words for words, _ in server_lines(backend))
    sent = backend.every("http-check", "send")
    words = [w for line in (*([check] if check else []), *sent) for w in line.words]
    path = next((w for w in words if w.startswith("/")), "")
    upgrades = any("upgrade" in w.lower() for w in words)
    meant = path == asked.path or (asked.path is None and hints_at_websocket(path) == 2)
    if check and checked and path and meant and not upgrades and not backend.every("http-check", "expect"):
        yield "haproxy.health-check-of-endpoint", check, None


def file_defects(
    own: list[Section], sections: list[Section], asked: Handshake, artifact: Artifact, *, served: bool
) -> Iterator[PatternFacts]:
    """Yield the defects that are those of a section, not of a way. own: the sections of the artifact itself.

    served: whether some frontend passes the endpoint's handshake on; then one that answers by itself is another's.
    """
    found = [f for section in own for f in (*_acl_case(section, artifact), *_frontend_defects(section, sections, asked, served=served))]
    for pattern, line, fix in (*found, *_limit_defects(own)):
        yield defect(pattern, line.file, line.number, line.text, fix)


def _acl_case(section: Section, artifact: Artifact) -> Iterator[Found]:
    """Yield tests of Upgrade that compare its case: browsers write websocket (RFC 6455 section 4.1 allows any case)."""
    for line in [x for x in section.lines if x.words[0] in ("acl", "use_backend")]:
        test = re.search(r"((?:req\.)?f?hdr(?:_\w+)?\(upgrade\))\s+((?:-\w+\s+)*)(\w+)", line.text, re.IGNORECASE)
        if test and "-i" not in test[2] and test[3].lower() == "websocket" and test[3] != "websocket":
            yield "haproxy.upgrade-acl-case", line, fix_acl_case(_edits(artifact), line, test[1])


def _frontend_defects(section: Section, sections: list[Section], asked: Handshake, *, served: bool) -> Iterator[Found]:
    if section.kind not in ("frontend", "listen") or is_tcp(section):
        return
    encrypted = all("ssl" in line.words for line in section.every("bind")) if section.every("bind") else None
    by_itself = answer(section, acls_of(section), replace(asked, encrypted=encrypted))
    if by_itself and ((asked.path is not None and not served) or _about_upgrades(by_itself[1], section)):
        how, line = by_itself
        to_tls = how == "redirected" and re.search(r"scheme https|location https:|code 30\d https:", line.text)
        if not to_tls or (encrypted and not re.search(r"\bscheme\b", line.text)):
            yield (
                {"refused": "haproxy.upgrade-refused", "redirected": "haproxy.upgrade-redirected"}.get(how, "haproxy.answered-here"),
                line,
                None,
            )
    yield from _conditions(section, asked)
    ports = {found[1] for line in section.every("bind") for found in re.finditer(r":(\d+)(?=\s|,|$)", line.text)}
    exact = [
        x for x in section.every("acl") if re.match(r"(?:req\.)?hdr\(host\)$", " ".join(x.words[2:3])) and ":" not in " ".join(x.words[3:])
    ]
    if ports - {"80", "443"} and ports & {"80", "443"} and exact:
        yield "haproxy.host-with-port", exact[0], None
    redirects = [x for x in (*section.every("redirect"), *section.every("http-request", "redirect")) if "scheme https" in x.text]
    if redirects and not encrypted and (section.all("use_backend") or section.last("default_backend")):
        whole = any("ssl" in line.words for s in sections for line in s.every("bind"))
        told = "x-forwarded-proto" in " ".join((redirects[0].text, *(x.text for x in section.every("acl")))).lower()
        if whole or not told:
            yield "proxy.plain-redirected" if whole else "haproxy.redirect-behind-tls", redirects[0], None
    serving = section.all("use_backend") or section.last("default_backend") or server_lines(section)
    answers = section.every("http-request") or section.every("redirect") or section.every("monitor-uri") or section.every("stats")
    head = Line(words=(section.kind, section.name), number=section.number, file=section.file)
    whole = any(s.kind == "backend" for s in sections)
    if section.kind == "frontend" and whole and not serving and not answers:
        yield "haproxy.no-backend", head, None
    for line in (*section.every("http-request"), *section.every("tcp-request")):
        if re.search(r"\b(?:deny|reject|tarpit|silent-drop)\b", line.text):
            said = " ".join((line.text, *(x.text for x in acl_lines(line.text, acls_of(section)))))
            words, condition = split_condition(line.words)
            elsewhere = re.search(r"\b(?:path|url|base)(?:_|\b)", said) and asked.path is None and not hints_at_websocket(said)
            applies = words and not elsewhere and holds(condition, acls_of(section), asked) is not False
            if (
                applies
                and not elsewhere
                and re.search(r"(?:^|[\s{])src\s+(?:-\w \S+ )*[\d:]", said)
                and not re.search(r"path|url|base|method", said)
            ):
                yield "haproxy.address-required", line, None
            if applies and "user-agent" in said.lower():
                yield "haproxy.clients-filtered", line, None
            if applies and (rate := _RATE.search(said)):
                yield "haproxy.connections-limited" if rate[1] == "conn_cur" else "haproxy.rate-limited", line, None


def _conditions(section: Section, asked: Handshake) -> Iterator[Found]:
    """Yield conditions for the WebSocket's backend that no handshake fulfils, whatever its path."""
    acls, anywhere = acls_of(section), replace(asked, path=None, host="")
    for line in section.all("use_backend"):
        condition = " ".join(line.words[2:])
        said = " ".join((condition, *(x.text for x in acl_lines(condition, acls))))
        meant = hints_at_websocket(f"{' '.join(line.words[1:2])} {said}") == 2 and line.words[2:3] == ("if",) and "!" not in condition
        case = re.search(r"upgrade\)\s+(?!-i)\w*[A-Z]", said, re.IGNORECASE) and "hdr" in said  # has a name of its own
        if meant and not case and holds(condition, acls, anywhere) is False:
            yield "haproxy.condition-never-holds", line, None


def _about_upgrades(line: Line, section: Section) -> bool:
    """Whether a rule's condition is about handshakes, so that it is no matter of the path."""
    said = " ".join((line.text, *(x.text for x in acl_lines(line.text, acls_of(section)))))
    return bool(re.search(r"hdr\w*\((?:upgrade|sec-websocket)", said, re.IGNORECASE))


def _limit_defects(own: list[Section]) -> Iterator[Found]:
    """Yield limits that sockets, which stay, reach early: connections, sizes of the handshake's headers."""
    for section in own:
        for line in section.lines:
            value = int(line.words[1]) if len(line.words) > 1 and re.fullmatch(r"\d{1,9}", line.words[1]) else None
            if value and line.words[0] in _LIMITS and value <= _LIMITS[line.words[0]]:
                yield "haproxy.headers-limited", line, None
            if value and line.words[0] == "maxconn" and value <= _FEW and section.kind in ("global", "frontend", "listen"):
                yield "haproxy.few-connections", line, None
            if line.words[0] == "hard-stop-after":
                yield "haproxy.hard-stop", line, None
            after = dict(pairwise(line.words)) if line.words[0] in ("server", "default-server", "server-template") else {}
            if re.fullmatch(r"\d{1,4}", after.get("maxconn", "")) and int(after["maxconn"]) <= _FEW:
                yield "haproxy.few-connections", line, None
