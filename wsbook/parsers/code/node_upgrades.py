"""Who answers the upgrades of a Node backend's HTTP server: each listener gets every upgrade, and a second answer ends the connection."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.script_flow import Flow, Handler, arguments_of, called
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["upgrade_patterns"]

_RAW = re.compile(r"^(?:WebSocket\.Server|WebSocketServer|ws\.Server|WSServer|WsServer|Server)$")
_ENGINE = re.compile(
    r"^(?:Server|SocketIO\w*|IOServer|SocketIOServer|SocketServer|io|socketio|socketIo|socketIO|require\(['\"]socket\.io['\"]\))$"
)
_BOUND = re.compile(
    r"(?:\b(?:const|let|var)\s+(\w+)\s*=\s*require\(\s*|\bimport\s+(?:\*\s*as\s+)?(\w+)\s+from\s+)['\"](ws|socket\.io)['\"]"
)
"""A name that holds the whole of a library."""
_LOOKS_AT_PATH = re.compile(r"\burl\b|pathname|\.path\b|getPath|matches?\(")
_PATHS = re.compile(r"(startsWith\(\s*|===?\s*|includes\(\s*)['\"`](/[\w./-]*)['\"`]|['\"`](/[\w./-]+)['\"`]\s*===?")
_REFUSES = re.compile(r"\b\w+\.(?:destroy|end)\(|abortHandshake|reject\(")


class _Taker(NamedTuple):
    """One that answers upgrades. whole: whether it answers or refuses those that are not meant for it. prefixes: what it takes, () all."""

    server: str
    node: "SgNode"
    whole: bool
    prefixes: tuple[tuple[bool, str], ...] = ()


def upgrade_patterns(code: Code, flow: Flow, text: str) -> Iterator[PatternFacts]:
    """Yield the defect where several answer the upgrades of one server and one of them answers all. text: the code without comments."""
    takers: dict[str, list[_Taker]] = {}
    for taker in (*_constructed(flow, text), *_listening(flow)):
        takers.setdefault(taker.server, []).append(taker)
    for server, same in takers.items():
        plugins = [one for one in same if called(one.node).endswith(".register")]
        takers[server] = [one for one in same if one not in plugins[1:]]  # a plugin that is registered again belongs to another application
    for same in takers.values():
        if len(same) > 1 and (any(one.whole for one in same) or _overlap(same)):
            yield pattern_fact("node.two-servers", next((one.node for one in same if one.whole), same[0].node), code)


def _constructed(flow: Flow, text: str) -> Iterator[_Taker]:
    engine = re.search(r"['\"]socket\.io['\"]", text) is not None
    bound = {(found[1] or found[2]): found[3] for found in _BOUND.finditer(text)}
    for call in flow.calls:
        name, given = _as_known(called(call), bound), arguments_of(call)
        options = next((one.text() for one in given if one.kind() == "object"), "")
        own = re.search(r"(?<![\w.])server\s*(?::\s*([\w.]+))?\s*[,}]", options)
        if call.kind() == "new_expression" and _RAW.match(name) and own and (name != "Server" or not engine):
            yield _Taker(_root(own[1] or "server"), call, whole=True)
        elif engine and _ENGINE.match(name) and given and given[0].kind() in ("identifier", "member_expression"):
            yield _Taker(_root(given[0].text()), call, whole=False)
        elif re.match(r"expressWs$|expressWS$|enableWs$", name) and given:
            yield _Taker(
                _root(given[-1].text() if len(given) > 1 and given[1].kind() == "identifier" else given[0].text()), call, whole=True
            )
        elif name.endswith(".installHandlers") and given:
            yield _Taker(_root(given[0].text()), call, whole=False)
        elif re.search(r"\.register$", name) and given and re.search(r"(?i)websocket", given[0].text()):
            yield _Taker(_root(name.rpartition(".")[0]), call, whole=True)
        elif re.search(r"(?i)createVite|createServer$", name) and (
            hmr := re.search(r"hmr\s*:\s*\{[^}]*\bserver\s*(?::\s*([\w.]+))?\s*[,}]", options)
        ):
            yield _Taker(_root(hmr[1] or "server"), call, whole=False)


def _as_known(name: str, bound: dict[str, str]) -> str:
    """Return the name as the library's documentation writes it: ``websocket.Server`` is ``ws.Server`` where websocket holds ws."""
    held, dot, member = name.partition(".")
    library = bound.get(held)
    if library == "ws" and member in ("Server", "WebSocketServer"):
        return f"ws.{member}" if member == "Server" else member
    return "io" if library == "socket.io" and not dot else name


def _root(name: str) -> str:
    """Return the name of a server: ``app.server`` of Fastify is the server of ``app``."""
    return re.sub(r"^this\.|\.server$|\.getHttpServer\(\)$", "", name)


def _listening(flow: Flow) -> Iterator[_Taker]:
    for handler in flow.of(frozenset(("upgrade",))):
        body = flow.reached_text(handler.body)
        if re.search(r"handleUpgrade|\bdestroy\(|101 Switching|\.upgrade\(", body) and handler.owner:
            yield _Taker(_root(handler.owner), handler.node, whole=_takes_all(handler, body), prefixes=_prefixes(body))


def _takes_all(handler: Handler, body: str) -> bool:
    """Tell whether a listener answers whatever comes: it does not look at the path, or refuses the paths that it does not know."""
    if not _LOOKS_AT_PATH.search(body):
        return not re.search(r"shouldHandle|\brouter\b|\bmatch\b|\broutes?\b", body)
    if re.search(r"socket\.io|sockjs|vite|_next|hmr", body):
        return False  # it leaves those to themselves
    foreign = re.search(
        r"\belse\b(?!\s*if)\s*\{?\s*(?:return\s+)?[^}]{0,160}\.(?:destroy|end)\(|\bdefault\s*:\s*[^}]{0,160}\.(?:destroy|end)\("
        r"|!==?\s*['\"`]/[\w./-]*['\"`]\s*\)\s*\{?\s*(?:return\s+)?[^}\n]{0,160}\.(?:destroy|end)\("
        r"|if\s*\(\s*!\s*\w+[^)]{0,80}(?:startsWith|includes|test|has)\([^)]*\)\s*\)\s*\{?\s*(?:return\s+)?[^}\n]{0,160}\.(?:destroy|end)\(",
        body,
    )
    return foreign is not None and _REFUSES.search(foreign[0]) is not None


def _prefixes(body: str) -> tuple[tuple[bool, str], ...]:
    """Return (whether it is a prefix, path) of the paths that a listener names."""
    return tuple((found[1] is not None and not found[1].startswith("="), found[2] or found[3]) for found in _PATHS.finditer(body))


def _overlap(takers: list[_Taker]) -> bool:
    """Tell whether two listeners take the same path: a prefix of the one begins what the other takes."""
    listening = [one for one in takers if one.prefixes]
    for index, one in enumerate(listening):
        for other in listening[index + 1 :]:
            for is_prefix, path in one.prefixes:
                for also_prefix, also in other.prefixes:
                    if path == also or (is_prefix and also.startswith(path)) or (also_prefix and path.startswith(also)):
                        return True
    return False
