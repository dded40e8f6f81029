"""Defects of nginx configurations that another statement in the place of one line removes, or that line's removal.

Source: the pages of nginx.org on the directives that are written here.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from wsbook.facts import Facts, Fix, PatternFacts, RouteFacts
from wsbook.parsers.proxies.nginx.edits import Editor
from wsbook.parsers.proxies.nginx.tree import Directive, Tree, walk

__all__ = ["LONG", "line_fix", "with_line_fixes"]

LONG = "1h"
_LONG_S = 3600.0
_MAX_FIXED = 40


def _scheme(scheme: str) -> Callable[[Directive], str]:
    return lambda line: f"proxy_pass {scheme}://{line.args[0].partition('://')[2]}"


def _same_host(line: Directive) -> str:
    return f"proxy_set_header {line.args[0]} {line.args[1].removesuffix(':$server_port')}"


def _buffers(line: Directive) -> str:
    return f"{line.name} 4 16k" if line.name == "large_client_header_buffers" else f"{line.name} 16k"


def _header(name: str, value: str) -> Callable[[Directive], str]:
    return lambda line: f"proxy_set_header {name} {value}" if line.name == "proxy_set_header" else ""


_REMOVED = ""

_STATEMENTS: Mapping[str, Callable[[Directive], str]] = {
    "nginx.forwarded-proto-wrong": _header("X-Forwarded-Proto", "$scheme"),
    "nginx.forwarded-proto-behind-tls": _header("X-Forwarded-Proto", "$http_x_forwarded_proto"),
    "nginx.forwarded-host-with-port": _same_host,
    "nginx.plain-to-tls-port": _scheme("https"),
    "nginx.plain-to-usual-tls-port": _scheme("https"),
    "nginx.plain-to-own-tls": _scheme("https"),
    "nginx.tls-to-plain-port": _scheme("http"),
    "nginx.tls-to-own-plain": _scheme("http"),
    "nginx.h2-to-upstream": lambda line: "proxy_http_version 1.1",
    "nginx.slash-glued": lambda line: f"proxy_pass {line.args[0]}/",
    "nginx.http2-without-tls": lambda line: " ".join((line.name, *(word for word in line.args if word != "http2"))),
    "nginx.header-buffers-small": _buffers,
    "nginx.headers-not-passed": lambda line: "proxy_pass_request_headers on",
    "nginx.handshake-header-changed": lambda line: _REMOVED,
    "nginx.subprotocol-dropped": lambda line: _REMOVED,
    "nginx.credential-dropped": lambda line: _REMOVED,
    "nginx.origin-replaced": lambda line: _REMOVED,
    "nginx.host-replaced": _header("Host", "$http_host"),
    "nginx.host-with-port": _header("Host", "$http_host"),
    "nginx.method-changed": lambda line: _REMOVED,
    "nginx.socket-scheme": lambda line: (
        f"proxy_pass {'https' if line.args[0].startswith('wss') else 'http'}://{line.args[0].partition('://')[2]}"
    ),
    "nginx.servers-down": lambda line: " ".join((line.name, *(word for word in line.args if word != "down"))),
    "nginx.few-connections": lambda line: "worker_connections 4096",
    "nginx.few-files": lambda line: "worker_rlimit_nofile 65536",
    "nginx.reload-closes": lambda line: _REMOVED,
    "nginx.stream-timeout": lambda line: f"proxy_timeout {LONG}",
}
"""Pattern of defects/*.toml → the statement that belongs in the place of the line that it was found at; "" none."""


def line_fix(defect: PatternFacts, line: Directive, texts: Mapping[str, str]) -> Fix | None:
    """Return the fix of a defect found at a line; None when no other line would do."""
    make = _STATEMENTS.get(defect.pattern)
    if make is None or line.block is not None or not line.args:
        return None
    editor = Editor(texts)
    statement = make(line)
    if statement:
        editor.replace(line, statement)
    else:
        editor.remove(line)
    return editor.finish(defect.cause)


def with_line_fixes(found: Sequence[Facts], tree: Tree) -> list[Facts]:
    """Return what was found outside of locations (TCP servers, limits of all), each defect with the line that belongs there."""
    every = {(d.file, d.line, d.name): d for d in walk(tree.root)} if found else {}
    fixed: list[Facts] = []
    for number, facts in enumerate(found):
        if number >= _MAX_FIXED:
            fixed.append(facts)
        elif isinstance(facts, PatternFacts):
            line = every.get((facts.file, facts.line, facts.excerpt.partition(" ")[0]))
            fixed.append(replace(facts, fix=line_fix(facts, line, tree.texts) if line else None))
        elif isinstance(facts, RouteFacts):
            fixed.append(_lives(facts, every.get((facts.file, facts.line, "server")), tree))
        else:
            fixed.append(facts)
    return fixed


def _lives(route: RouteFacts, server: Directive | None, tree: Tree) -> RouteFacts:
    """Return the route of a TCP server, with the line that lets silent connections live."""
    limit = route.idle_s
    if server is None or limit is None or limit.value is None or float(limit.value) >= _LONG_S or route.serves is False:
        return route
    editor, own = Editor(tree.texts), server.last("proxy_timeout")
    if own:
        editor.replace(own, f"proxy_timeout {LONG}")
    else:
        editor.add(server, [f"proxy_timeout {LONG}"], after=server.last("proxy_pass"))
    fix = editor.finish("proxy.idle-timeout-nginx")
    return replace(route, fixes=(fix,)) if fix else route
