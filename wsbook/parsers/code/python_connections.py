"""Connections that the handler of one client opens for it: nothing closes them when the client goes."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.python_flow import Function, PythonFlow, own_nodes, text_of

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["connection_patterns"]

_OPENS = re.compile(
    r"(?:\.ws_connect|websockets\.(?:\w+\.)*connect|websocket_connect|asyncpg\.connect|psycopg\.(?:\w+\.)?connect|aiomysql\.connect|pika\.\w*Connection"
    r"|aio_pika\.connect\w*|nats\.connect|\.pubsub|redis\.(?:asyncio\.)?(?:Redis|from_url)|aiohttp\.ClientSession|httpx\.AsyncClient"
    r"|create_subprocess_exec|create_subprocess_shell)$"
)
_SERVES = re.compile(r"\b(?:ws|websocket|socket|request|sid|client|conn|connection)\b|WebSocket")
_ENDS = r"(?:close(?!d\b)\w*|aclose|disconnect|quit|unsubscribe|reset|kill|terminate|wait_closed|drain|release|stop)\b"


def connection_patterns(flow: PythonFlow) -> Iterator[PatternFacts]:
    """Yield what a handler opens for its client and nothing ends."""
    for file in flow.files:
        for function in file.functions:
            if function.is_async and _SERVES.search(function.parameters) and _serves_a_socket(function):
                yield from _left_open(flow, function)


def _serves_a_socket(function: Function) -> bool:
    if re.search(r"\b(?:ws|websocket)\b|WebSocket", function.parameters):
        return True
    return (
        re.search(
            r"WebSocketResponse\(|\.accept\(\)|\basync for\b[^\n]*\b(?:ws|websocket|socket|client)\b|\.recv\w*\(|\.receive\w*\(",
            function.node.text(),
        )
        is not None
    )


def _left_open(flow: PythonFlow, function: Function) -> Iterator[PatternFacts]:
    text = function.node.text()
    for node in own_nodes(function.body, "assignment"):
        name, right = text_of(node.field("left")), node.field("right")
        call = _called(right)
        if not name.isidentifier() or call is None or not _OPENS.search(function.file.called(call)):
            continue
        n = re.escape(name)
        ended = re.search(
            rf"\b{n}\.{_ENDS}|with\s+(?:\w+\.)*(?:{n}\b|(?:a?closing)\(\s*{n}\b)|return\s+{n}\b|\.(?:add|append|put|enter_async_context|push_async_callback)\([^)\n]*\b{n}\b",
            text,
        )
        kept = re.search(rf"(?:self|app|state|ws|websocket)\S*\s*=\s*{n}\b|\[[^\]\n]+\]\s*=\s*{n}\b", text)
        if not ended and not kept and not _ended_by_others(flow, function, name):
            yield pattern_fact("py.connection-left-open", node, function.file.code)
            return


def _called(right: "SgNode | None") -> "SgNode | None":
    """Return the call whose result is assigned, awaited or not."""
    if right is None:
        return None
    inner = next((child for child in right.children() if child.kind() == "call"), None) if right.kind() == "await" else right
    return inner if inner is not None and inner.kind() == "call" else None


def _ended_by_others(flow: PythonFlow, function: Function, name: str) -> bool:
    """Tell whether a function that is given the connection ends it, or is not to be seen."""
    for call in own_nodes(function.body, "call"):
        given = text_of(call.field("arguments"))
        if not re.search(rf"(?<![\w.]){re.escape(name)}\s*[,)]", given) or any(
            c.kind() == "call" for c in (call.field("arguments") or call).children()
        ):
            continue
        target = flow.target(call, function.file, function.owner)
        if target is None or re.search(rf"\.{_ENDS}|\bwith\b", target.node.text()):
            return True
    return False
