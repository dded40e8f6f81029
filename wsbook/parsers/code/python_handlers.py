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
    elif (used := _HTTP_ONLY.search(text)) and not _LOOKS_AT_TYPE.search(text) and not re.search(r"\b(?:return|if|try)\b", text[: used.start()]):
        yield pattern_fact("py.middleware-for-http", function.node, function.file.code)


def _orm(function: Function) -> Iterator[PatternFacts]:
    """Django's ORM refuses to be called on an event loop (Django, Asynchronous support), and so does async_to_sync."""
    if not function.is_async:
        return
    for call in own_nodes(function.body, "call"):
        text = call.text()
        awaited = text_of(call.parent()).startswith("await ")
        if (_ORM.match(text) and not awaited) or re.match(r"async_to_sync\(", text) and text_of(call.field("function")).endswith(")"):
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
    return re.search(r":\s*Request\b(?!\s*\|)", parameters) is not None or any(_SECURITY.match(file.assigned.get(one, "")) for one in secured)


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
