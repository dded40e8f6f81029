"""What a Python backend does in its handlers and around them: connections never accepted, parts for HTTP alone, news before its commit."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.python_flow import Function, PythonFile, PythonFlow, own_nodes, start_of, text_of

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["handler_patterns"]

_ROUTE = re.compile(r"@[\w.]+\.(?:websocket|websocket_route)\(")
_HTTP_ONLY = re.compile(r"scope\[\s*[\"']method[\"']\s*\]|\bRequest\(\s*(?:scope|self\.scope)")
_LOOKS_AT_TYPE = re.compile(r"scope\[\s*[\"']type[\"']\s*\]|scope\.get\(\s*[\"']type|\.scope_type|\.type\b|[\"']websocket[\"']")
_SWALLOWS = re.compile(r"if\s+scope\[\s*[\"']type[\"']\s*\]\s*!=\s*[\"']http[\"']\s*:\s*\n?\s*return\s*(?:\n|$)")
_ORM = re.compile(
    r"\w+\.objects\.(?:get|create|get_or_create|update_or_create|bulk_create|count|exists|first|last|aggregate|in_bulk)\("
    r"|\w+\.objects\.(?:\w+\([^\n]{0,200}?\)\.){1,4}(?:get|count|exists|first|last|update|delete|aggregate)\(\s*[^)\n]*\)$"
)
_SECURITY = re.compile(r"(?:\w+\.)*(?:HTTPBearer|OAuth2\w*|HTTPBasic|HTTPDigest|APIKey(?:Header|Query|Cookie))$")
_TELLS = re.compile(r"(?i)(?:\.|^|_)(?:publish|group_send|emit|broadcast\w*|send_json|send_text|send_str|notify\w*|push\w*|announce\w*)$")
_TRANSACTION = re.compile(r"^(?:async )?with\s+(?:[\w.]*transaction\.atomic\(|atomic\(|[\w.]+\.begin\(\)|[\w.]+\.transaction\(\))")
_WRITES = re.compile(r"\.(?:add|add_all|save|insert\w*|execute|update\w*|create|merge|flush|delete)\(")


def handler_patterns(flow: PythonFlow) -> Iterator[PatternFacts]:
    """Yield the defects of handlers, middleware and what is told while a transaction is open."""
    for file in flow.files:
        yield from _router_dependency(flow, file)
        for function in file.functions:
            yield from _middleware(function)
            yield from _limited(function)
            yield from _unbounded(flow, function)
            yield from _cookies(flow, function)
            yield from _orm(function)
            yield from _not_accepted(flow, function)
            yield from _http_dependency(file, function)
            yield from _before_commit(file, function)


def _middleware(function: Function) -> Iterator[PatternFacts]:
    """An ASGI middleware gets WebSockets too, and there is no method in their scope (ASGI, WebSocket Connection Scope)."""
    if function.name != "__call__" or not re.search(r"\bscope\b[^)]*\breceive\b[^)]*\bsend\b", function.parameters):
        return
    text = function.node.text()
    if _SWALLOWS.search(text):
        yield pattern_fact("py.middleware-drops-sockets", function.node, function.file.code)
    elif (
        (used := _HTTP_ONLY.search(text))
        and not _LOOKS_AT_TYPE.search(text)
        and not re.search(r"\b(?:return|if|try)\b", text[: used.start()])
    ):
        yield pattern_fact("py.middleware-for-http", function.node, function.file.code)


def _limited(function: Function) -> Iterator[PatternFacts]:
    """A time limit around the next handler lasts as long as the socket, for a socket is one request."""
    passes_on = r"await\s+(?:self\.)?(?:handler|next|call_next|app|get_response|inner)\("
    if not re.search(r"\b(?:handler|scope|call_next)\b", function.parameters) or re.search(
        r"upgrade|websocket", function.body.text(), re.IGNORECASE
    ):
        return
    if re.search(r"\bcall_next\b", function.parameters):  # Starlette's BaseHTTPMiddleware lets WebSockets pass by
        return
    for block in own_nodes(function.body, "with_statement"):
        if re.match(r"async with\s+(?:\w+\.)*(?:timeout|timeout_at|fail_after|move_on_after)\(", block.text()) and re.search(
            passes_on, block.text()
        ):
            yield pattern_fact("py.limit-around-the-handler", block, function.file.code)
            return
    for call in own_nodes(function.body, "call"):
        if text_of(call.field("function")).endswith("wait_for") and re.search(r"\(\s*(?:self\.)?(?:handler|next|app|inner)\(", call.text()):
            yield pattern_fact("py.limit-around-the-handler", call, function.file.code)
            return


def _unbounded(flow: PythonFlow, function: Function) -> Iterator[PatternFacts]:
    """A connection's own queue without a limit, into which others put without waiting."""
    for node in own_nodes(function.body, "assignment"):
        name, right = text_of(node.field("left")).rpartition(".")[2], text_of(node.field("right"))
        if not re.fullmatch(r"(?:asyncio\.)?Queue\(\s*(?:maxsize\s*=\s*)?0?\s*\)", right) or not _SERVES_ONE.search(
            f"{function.parameters} {function.owner}"
        ):
            continue
        kept = re.search(
            rf"\b(?:add|append)\(\s*(?:self\.)?{re.escape(name)}\b|\]\s*=\s*(?:\w+\s*=\s*)?{re.escape(name)}\b|\]\s*=\s*$",
            function.body.text(),
        )
        put = re.search(r"\.put_nowait\(", flow.text) and not re.search(r"\.qsize\(\)|\.full\(\)", flow.text)
        if put and (kept or name == "queue" or "self." in text_of(node.field("left"))):
            yield pattern_fact("py.queue-without-limit", node, function.file.code)
            return


_SERVES_ONE = re.compile(r"(?i)\b(?:ws|websocket|socket|request|sid|writer|client)\b|WebSocket|client|connection|session|subscriber|peer")


def _cookies(flow: PythonFlow, function: Function) -> Iterator[PatternFacts]:
    """A WebSocket endpoint takes a cookie for the user, and nothing here looks at the Origin; CORS middleware does not (Starlette)."""
    text = function.body.text()
    if not _TAKES_COOKIE.search(text):
        return
    around = function.node.parent()
    route = around is not None and _ROUTE.match(around.text()) is not None
    if (route or re.search(r"WebSocketResponse\(|accept\(\)", text)) and not _LOOKS_AT_ORIGIN.search(
        flow.text.replace("allow_origins", "")
    ):
        yield pattern_fact("py.cookie-of-any-page", function.node, function.file.code)


_TAKES_COOKIE = re.compile(
    r"\b(?:ws|websocket|request|self)\.(?:cookies|session)\b|scope\[[\"'](?:session|cookies)|get_(?:secure|signed)_cookie\("
)
_LOOKS_AT_ORIGIN = re.compile(
    r"(?i)headers(?:\.get\(|\[)\s*b?[\"']origin|\borigins\s*=|check_origin|OriginValidator|csrf|sec-fetch|ticket|allowed_origins\s*=\s*(?!\[\s*[\"']\*)"
)


def _orm(function: Function) -> Iterator[PatternFacts]:
    """Django's ORM refuses to be called on an event loop (Django, Asynchronous support), and so does async_to_sync."""
    if not function.is_async:
        return
    for call in own_nodes(function.body, "call"):
        text = call.text()
        awaited = text_of(call.parent()).startswith("await ")
        if (_ORM.match(text) and not awaited) or (re.match(r"async_to_sync\(", text) and text_of(call.field("function")).endswith(")")):
            yield pattern_fact("py.orm-on-the-loop", call, function.file.code)
            return


def _not_accepted(flow: PythonFlow, function: Function) -> Iterator[PatternFacts]:
    """Starlette's endpoints have to accept before they receive or send."""
    around = function.node.parent()
    if around is None or around.kind() != "decorated_definition" or not _ROUTE.match(around.text()):
        return
    name = re.search(r"(\w+)\s*:\s*(?:\w+\.)?WebSocket\b", function.parameters)
    if name is None or "accept(" in function.body.text():
        return
    handed_on = re.search(rf"[(,]\s*{name[1]}\s*[,)]", re.sub(r"\bprint\([^\n]*|log\w*\.\w+\([^\n]*", "", function.body.text()))
    used = re.search(rf"\b{name[1]}\.(?:send|receive|iter)_", function.body.text())
    if used and not handed_on and "Depends" not in function.parameters and not re.search(r"\.accept\(", flow.text):
        yield pattern_fact("py.never-accepted", function.node, function.file.code)


def _http_dependency(file: PythonFile, function: Function) -> Iterator[PatternFacts]:
    """FastAPI's security classes and dependencies with a Request cannot be called for a WebSocket."""
    around = function.node.parent()
    if around is None or not _ROUTE.match(around.text()):
        return
    for name in re.findall(r"(?:Depends|Security)\(\s*([\w.]+)", function.parameters):
        if _SECURITY.match(file.assigned.get(name, "")) or _takes_request(file, name):
            yield pattern_fact("py.dependency-for-http", function.node, file.code)
            return


def _router_dependency(flow: PythonFlow, file: PythonFile) -> Iterator[PatternFacts]:
    """Dependencies of a router or of the application run for its WebSocket endpoints too."""
    for call in file.root.find_all(kind="call")[:2_000]:
        if not re.search(r"(?:^|\.)(?:APIRouter|FastAPI|include_router)$", file.called(call)):
            continue
        listed = re.search(r"dependencies\s*=\s*\[([^\]]{1,300})\]", call.text())
        names = re.findall(r"(?:Depends|Security)\(\s*([\w.]+)", listed[1]) if listed else []
        if re.search(r"@\w+\.websocket\(|add_api_websocket_route", flow.text) and any(
            _takes_request(other, name.rpartition(".")[2]) for name in names for other in flow.files
        ):
            yield pattern_fact("py.request-dependency-for-all", call, file.code)
            return


def _takes_request(file: PythonFile, name: str) -> bool:
    parameters = next((one.parameters for one in file.functions if one.name == name), "")
    secured = re.findall(r"(?:Depends|Security)\(\s*([\w.]+)", parameters)
    return re.search(r":\s*Request\b(?!\s*\|)", parameters) is not None or any(
        _SECURITY.match(file.assigned.get(one, "")) for one in secured
    )


def _before_commit(file: PythonFile, function: Function) -> Iterator[PatternFacts]:
    """Who is told inside a transaction may ask before it is visible."""
    for block in own_nodes(function.body, "with_statement"):
        if _TRANSACTION.match(block.text()) and (node := _told_in(block)) is not None:
            yield pattern_fact("py.told-in-transaction", node, file.code)
            return
    commits = [call for call in own_nodes(function.body, "call") if text_of(call.field("function")).endswith(".commit")]
    if not commits:
        return
    first = min(start_of(call) for call in commits)
    told = _told_in(function.body)
    before = text_of(function.body)[: max(0, start_of(told) - start_of(function.body))] if told is not None else ""
    if told is not None and start_of(told) < first and _WRITES.search(before) and not _between(function, told, first):
        yield pattern_fact("py.told-in-transaction", told, file.code)


def _between(function: Function, told: "SgNode", commit: int) -> bool:
    """Tell whether a return stands between the two, so that they lie on different ways through the function."""
    text = text_of(function.body)[start_of(told) - start_of(function.body) : commit - start_of(function.body)]
    return re.search(r"\b(?:return|raise|continue|else|except|rollback)\b", text) is not None


def _told_in(block: "SgNode") -> "SgNode | None":
    for call in own_nodes(block, "call"):
        name = text_of(call.field("function"))
        if _TELLS.search(name) or re.match(r"async_to_sync\([^)]*(?:group_send|\.send)\)$", name):
            return call
    return None
