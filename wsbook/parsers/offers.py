"""Where backend code and start commands offer a real-time endpoint: its path and port. Knows servers; clients are in endpoints.py.

A path keeps its variable parts as {name}, whatever the framework writes. A fact with a port and no path is a listener; one with a path and
no port is a route; None in both means that any path is taken or that it cannot be told.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from wsbook.facts import EndpointFacts
from wsbook.parsers.evaluate import UNKNOWN, Scope, strings
from wsbook.parsers.scope import Module, Project, pair
from wsbook.parsers.pattern_table import Offer, offers
from wsbook.parsers.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["find_offered", "offered_by_command"]

_SCRIPTS = ("typescript", "tsx")
_REGEX_GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()\\]|\\.|\([^()]*\))*\)")
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|(?<=/):(\w+)|\{(\w+)(?::[^}]*)?\}")


def find_offered(root: "SgNode", code: Code) -> Iterator[EndpointFacts]:
    """Yield what one piece of backend code offers."""
    if code.language in _SCRIPTS:
        yield from _node_servers(root, code)
    prefixes = _prefixes(root) if code.language == "python" else {}
    for offer in offers():
        if code.language not in offer.languages or (offer.needs and not re.search(offer.needs, code.text)):
            continue
        for pattern in (v for written in offer.patterns for v in _variants(written)):
            for match in root.find_all(pattern=pattern):
                yield from _matched(offer, match, code, prefixes)


@cache
def _variants(pattern: str) -> tuple[str, ...]:
    """Return the pattern with and without the rest of an argument list: a comma before $$$ must otherwise be in the code."""
    shorter = re.sub(r", \$\$\$\w*\)$", ")", pattern)
    return (pattern,) if shorter == pattern else (pattern, shorter)


def _matched(offer: Offer, match: "SgNode", code: Code, prefixes: dict[str, str]) -> Iterator[EndpointFacts]:
    path_node, port_node, owner = match.get_match("PATH"), match.get_match("PORT"), match.get_match("OWNER")
    path = _text(path_node) if path_node is not None else offer.path or None
    port = _number(port_node)
    if path_node is not None and path is None and path_node.kind() not in ("identifier", "attribute"):
        return
    if offer.hint and not re.search(offer.hint, match.text()[:400]):
        return
    if path is not None:
        path = prefixes.get(owner.text() if owner is not None else "", "") + _template(path, regex=offer.regex)
    if port is None and path is None and port_node is not None:
        return
    yield _fact(offer.library, match, code, path, port)


def _fact(library: str, node: "SgNode", code: Code, path: str | None, port: int | None, condition: str = "") -> EndpointFacts:
    line = node.range().start.line + code.line
    text = re.sub(r"\s+", " ", node.text())[:200]
    return EndpointFacts(
        side="backend", library=library, file=code.artifact, line=line, expression=text, path=path, port=port, condition=condition
    )


def _text(node: "SgNode | None") -> str | None:
    """Return the text of a string literal in any of the languages; None for anything else."""
    if node is None or "string" not in node.kind():
        return None
    found = re.fullmatch(r"""[rRbBuU]{0,2}("{3}|'{3}|["'`])(.*)\1""", node.text(), re.DOTALL)
    return found[2] if found else None


def _number(node: "SgNode | None") -> int | None:
    """Return a port written as a number, at the end of an address, or as the fallback of an expression."""
    if node is None:
        return None
    found = re.search(r"(?:^|[:\"',(|? ])(\d{2,5})[\"'`)]*$", node.text()[:200])
    return int(found[1]) if found and 0 < int(found[1]) < 65536 else None


def _template(path: str, *, regex: bool) -> str:
    if regex:
        path = _REGEX_GROUP.sub(r"{\1}", path.removeprefix("^").removesuffix("$").removesuffix("\\Z"))
        path = path.replace("/?", "/").replace("\\", "")
    path = _PARAMETER.sub(lambda m: "{" + (m[1] or m[2] or m[3]) + "}", path)
    return path if path.startswith(("/", "*")) else "/" + path


def _prefixes(root: "SgNode") -> dict[str, str]:
    """Return router name → prefix, from APIRouter(prefix=…) and include_router(…, prefix=…) of the same file."""
    found: dict[str, str] = {}
    for call in root.find_all(any=[{"pattern": "$OWNER = APIRouter($$$)"}, {"pattern": "$APP.include_router($OWNER, $$$)"}]):
        owner = call.get_match("OWNER")
        prefix = re.search(r"""\b(?:url_)?prefix\s*=\s*["']([^"']*)["']""", call.text())
        if owner is not None and prefix:
            before = "include_router" in call.text()
            found[owner.text()] = prefix[1] + found.get(owner.text(), "") if before else found.get(owner.text(), "") + prefix[1]
    return found


def _node_servers(root: "SgNode", code: Code) -> Iterator[EndpointFacts]:
    module = Module(root, artifact=code.artifact)
    scope = Scope(module, Project([module]))
    calls = [*root.find_all(kind="new_expression"), *root.find_all(kind="call_expression")]
    for call in calls:
        function = call.field("constructor") or call.field("function")
        name = re.sub(r"\s+", "", function.text()[-80:]) if function is not None else ""
        arguments = [c for c in (call.field("arguments") or call).children() if c.is_named() and c.kind() != "comment"]
        library = _node_library(name, call.kind(), code.text)
        if library:
            options = next((a for a in reversed(arguments) if a.kind() == "object"), None)
            path = (
                _option(options, "path", scope) or _option(options, "prefix", scope) or ("/socket.io/" if library == "socket.io" else None)
            )
            port = _port(pair(options, "port"), scope) or _port(arguments[0] if arguments else None, scope)
            yield _fact(library, call, code, _template(path, regex=False) if path else None, port)
        elif name.endswith(".listen") and arguments and (port := _port(arguments[0], scope) or _port(pair(arguments[0], "port"), scope)):
            yield _fact("node", call, code, None, port)


def _node_library(name: str, kind: str, text: str) -> str:
    if kind == "new_expression" and name in ("WebSocket.Server", "WebSocketServer", "ws.Server", "WSServer", "Ws.Server", "WSS"):
        return "ws"
    if "socket.io" in text and (
        (kind == "new_expression" and name in ("Server", "SocketIO", "SocketIOServer", "socketio.Server", "IOServer", "io.Server"))
        or re.fullmatch(r"require\([\"']socket\.io[\"']\)|socketio|socketIo|socketIO", name)
    ):
        return "socket.io"
    return "sockjs" if name.endswith(".installHandlers") else ""


def _option(options: "SgNode | None", key: str, scope: Scope) -> str | None:
    node = pair(options, key)
    value = strings(node, scope)[0].text if node is not None else ""
    return value if value and UNKNOWN not in value else None


def _port(node: "SgNode | None", scope: Scope) -> int | None:
    values = [v.text for v in strings(node, scope)] if node is not None and node.kind() != "object" else []
    return next((int(v) for v in values if v.isascii() and v.isdigit() and 0 < int(v[:6]) < 65536), None)


_COMMANDS = (
    (
        "uvicorn",
        re.compile(r"\b(?:uvicorn|hypercorn|granian)\b[^\n]{0,300}?(?:--port[= \"',]+|--bind[= \"',]+[\w.]*:|-b[= ]+[\w.]*:)(\d{2,5})"),
    ),
    ("gunicorn", re.compile(r"\bgunicorn\b[^\n]{0,300}?(?:--bind|-b)[= \"',]+[\w.\[\]]*:(\d{2,5})")),
    ("daphne", re.compile(r"\bdaphne\b[^\n]{0,300}?(?:-p|--port)[= \"',]+(\d{2,5})")),
    ("docker", re.compile(r"^[ \t]*EXPOSE[ \t]+(\d{2,5})", re.MULTILINE)),
    ("compose", re.compile(r"^[ \t]*-[ \t]*[\"']?(?:[\d.]+:)?\d{2,5}:(\d{2,5})[\"']?[ \t]*$", re.MULTILINE)),
)


def offered_by_command(code: Code) -> Iterator[EndpointFacts]:
    """Yield the listeners that a Dockerfile, compose file, Procfile or script starts."""
    for library, pattern in _COMMANDS:
        for match in pattern.finditer(code.text):
            line = code.text.count("\n", 0, match.start(1)) + code.line
            yield EndpointFacts(
                side="backend", library=library, file=code.artifact, line=line, expression=match[0].strip()[:200], port=int(match[1])
            )
