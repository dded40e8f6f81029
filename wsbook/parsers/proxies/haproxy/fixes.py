"""Changes of an HAProxy configuration that remove a defect. Knows how lines are written, not how defects are found.

Source: HAProxy configuration manual, server keywords proto, ws (from 2.5) and ssl, cookie, timeout tunnel (defaults, listen, backend).
"""

import re

from wsbook.facts import Fix
from wsbook.parsers.proxies.edits import Edits
from wsbook.parsers.proxies.haproxy.sections import Line, Section

__all__ = [
    "fix_acl_case",
    "fix_forwarded_proto",
    "fix_h2_upstream",
    "fix_headers",
    "fix_plain_to_tls",
    "fix_stickiness",
    "fix_tls_to_plain",
    "fix_tunnel_timeout",
    "fix_without",
]

_TUNNEL = "timeout tunnel 1h"


def fix_headers(edits: Edits, lines: list[Line]) -> Fix | None:
    """Take away the rules that delete or replace handshake headers."""
    return edits.fix("proxy.upgrade-header-missing", *(edits.remove(n) for n in sorted({line.number for line in lines})))


def fix_tunnel_timeout(edits: Edits, backend: Section, line: Line) -> Fix | None:
    """Let tunnels be silent for an hour: where the limit in force is, when the backend inherits it, else in the backend."""
    cause = "proxy.idle-timeout-haproxy"
    if line.starts("timeout", "tunnel"):
        return edits.fix(cause, edits.put(line.number, edits.indent(line.number) + _TUNNEL + _comment(edits.line(line.number))))
    own = backend.all("timeout")
    inherited = next((x for x in reversed(backend.defaults) if x.starts("timeout")), None)
    place = line if line in (*own, *backend.defaults) else own[-1] if own else inherited
    if place:
        return edits.fix(cause, edits.insert(place.number + 1, _TUNNEL, like=place.number))
    return edits.fix(cause, edits.insert(backend.number + 1, _TUNNEL, like=backend.lines[0].number if backend.lines else 0))


def _comment(raw: str) -> str:
    found = re.search(r"\s+#.*$", raw)
    return found[0] if found else ""


def fix_h2_upstream(edits: Edits, line: Line) -> Fix | None:
    """Speak HTTP/1.1 to the server."""

    def changed(raw: str) -> str:
        raw = re.sub(r"(\sproto\s+)h2(?=\s|$)", r"\1h1", raw)
        raw = re.sub(r"(\sws\s+)h2(?=\s|$)", r"\1h1", raw)
        return re.sub(r"(\salpn\s+)h2(?:,\S+)?(?=\s|$)", r"\1http/1.1", raw)

    return edits.fix("proxy.h2-to-upstream", edits.edited(line.number, changed))


def fix_plain_to_tls(edits: Edits, line: Line) -> Fix | None:
    """Speak TLS to a server on port 443, with the name that its certificate is chosen by."""
    host = line.words[2].rpartition(":")[0]
    name = f" sni str({host})" if re.search(r"[a-zA-Z]", host) and ":" not in host else ""
    return edits.fix("endpoint.plain-to-tls-port", edits.edited(line.number, lambda raw: _appended(raw, f" ssl verify none{name}")))


def fix_tls_to_plain(edits: Edits, line: Line) -> Fix | None:
    """Speak plain HTTP to a server."""

    def changed(raw: str) -> str:
        raw = re.sub(r"\s(?:verify|ca-file|sni|alpn|ca-verify-file|crt|verifyhost|check-sni)\s+(?:str\([^)]*\)|\S+)", "", raw)
        return re.sub(r"\s(?:ssl|check-ssl)(?=\s|$)", "", raw)

    return edits.fix("endpoint.tls-to-plain-port", edits.edited(line.number, changed))


def fix_forwarded_proto(edits: Edits, line: Line) -> Fix | None:
    """Name the scheme that applications know."""
    right = {"ws": "http", "wss": "https", "http": "https"}

    def changed(raw: str) -> str:
        return re.sub(r"(x-forwarded-proto[\"']?\s+[\"']?)(wss?|http)(?![\w])", lambda m: m[1] + right[m[2]], raw, flags=re.IGNORECASE)

    return edits.fix("proxy.forwarded-headers-wrong", edits.edited(line.number, changed))


def fix_acl_case(edits: Edits, line: Line, test: str) -> Fix | None:
    """Compare a header's value without its case. test: the fetch with its parenthesis as it stands in the line."""
    return edits.fix("proxy.ws-location-missing", edits.edited(line.number, lambda raw: raw.replace(test, f"{test} -i", 1)))


def fix_without(edits: Edits, cause: str, line: Line) -> Fix | None:
    """Take one line away."""
    return edits.fix(cause, edits.remove(line.number))


def fix_stickiness(edits: Edits, backend: Section, *, tcp: bool) -> Fix | None:
    """Keep a client on its server: by a cookie in HTTP mode, by its address in TCP mode."""
    cause, balance = "cluster.no-sticky-session", backend.last("balance")
    servers = [line for line in backend.all("server") if len(line.words) > 2]
    if not servers or backend.all("server-template"):
        return None
    own = balance is not None and balance in backend.lines
    if tcp:
        place = balance if own and balance else None
        change = edits.put(place.number, f"{edits.indent(place.number)}balance source") if place else None
        return edits.fix(cause, change or edits.insert(servers[0].number, "balance source", like=servers[0].number))
    cookie = (
        [] if backend.last("cookie") else [edits.insert(servers[0].number, "cookie SRV insert indirect nocache", like=servers[0].number)]
    )
    named = [edits.edited(s.number, lambda raw, s=s: _appended(raw, f" cookie {s.words[1]}")) for s in servers if "cookie" not in s.words]  # type: ignore[misc]
    return edits.fix(cause, *cookie, *named)


def _appended(raw: str, words: str) -> str:
    """Return a line with words after its last one, before its comment."""
    body = re.match(r"(?:\\.|\"(?:\\.|[^\"\\])*\"|'[^']*'|[^#\\\"'])*", raw)
    kept = (body[0] if body else raw).rstrip()
    return kept + words + raw[len(kept) :]
