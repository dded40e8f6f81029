"""What feeds the clients of a Node backend: loops that one exception ends for good."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.scope import FUNCTIONS
from wsbook.parsers.code.script_flow import Flow, called, last_name
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["feeding_patterns"]

_TELLS = re.compile(r"\.(?:send|emit|publish|write|sendToAll)\(|(?i:broadcast|fan_?out|notify|announce|tell|push)\w*\(")
_SOCKET = re.compile(r"(?i)\b(?:ws|socket|client|conn|connection|peer)\b")
_LOOPS = ("for_in_statement", "while_statement", "for_statement", "do_statement")
_ENDLESS = re.compile(
    r"for\s+await\b|while\s*\(\s*(?:true|1|!\w*(?:stop|clos|abort|shut)\w*|\w*(?:running|alive|active)\w*)\s*\)|for\s*\(\s*;\s*;|do\b"
)


def feeding_patterns(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Yield the loops over clients that one of them ends, and the loops that feed all of them."""
    yield from _try_around(code, flow)
    yield from _waits_unguarded(code, flow)
    yield from _feeding_loops(code, flow)


def _try_around(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A loop that sends to each, guarded as a whole only: send throws on a socket that is opening, or gone (uWebSockets.js)."""
    for node in flow.root.find_all(kind="try_statement")[:500]:
        block = node.field("body")
        for loop in block.find_all(kind="for_in_statement")[:20] if block is not None and node.field("handler") is not None else ():
            text = loop.text()
            if (
                re.match(r"for\s*\(", text)
                and re.search(r"\.send(?:Text|Binary)?\(", text)
                and not re.search(r"\btry\b|readyState|\.catch\(|\bemit\(", text)
            ):
                yield pattern_fact("node.try-around-the-loop", loop, code)
                return


def _waits_unguarded(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """A loop that waits for each send, and nothing guards one client's failure."""
    for loop in flow.root.find_all(kind="for_in_statement")[:500]:
        text = loop.text()
        waits = re.search(r"\bawait\s+(?:\w+\.)+(?:send\w*|write\w*)\(", text)
        names = re.match(r"for\s*\([^)]*(?i:client|session|socket|conn|peer|subscriber|viewer|member|\bws\b)", text)
        if waits and names and not re.search(r"\btry\b|\.catch\(", text) and not any(a.kind() == "try_statement" for a in loop.ancestors()):
            yield pattern_fact("node.waits-for-each-unguarded", loop, code)
            return


def _feeding_loops(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    """Yield the first loop that tells the clients, is started without anybody waiting for it, and ends by its first exception."""
    for name, bodies in flow.functions.items():
        body = bodies[0]
        loop = _feeding(flow, body)
        if loop is None or not body.text().startswith("async") or not _left_alone(flow, name, body):
            continue
        if _ends(flow, loop, body):
            yield pattern_fact("node.feeding-loop-dies" if _goes_on(flow, name) else "node.feeding-loop-unguarded", loop, code)
            return


def _goes_on(flow: Flow, name: str) -> bool:
    """Tell whether the process outlives a rejection: somebody takes it and only logs; else Node ends (Node, --unhandled-rejections)."""
    return re.search(rf"\b{re.escape(name)}\([^\n]*\)\s*\.catch\(|unhandledRejection|uncaughtException", flow.text) is not None


def _own(body: "SgNode", kind: str) -> "Iterator[SgNode]":
    for node in body.find_all(kind=kind)[:500]:
        around = next((a for a in node.ancestors() if a.kind() in FUNCTIONS), None)
        if around is not None and around.range() == body.range():
            yield node


def _feeding(flow: Flow, body: "SgNode") -> "SgNode | None":
    """Return the outermost endless loop of a function that tells many; None for one that serves a single connection."""
    given = body.field("parameters") or body.field("parameter")
    if given is not None and _SOCKET.search(given.text()):
        return None
    for around in body.ancestors():
        if around.kind() in FUNCTIONS and (outer := around.field("parameters")) is not None and _SOCKET.search(outer.text()):
            return None
    loops = [loop for kind in _LOOPS for loop in _own(body, kind) if _ENDLESS.match(loop.text())]
    loop = min(loops, key=lambda one: one.range().start.index, default=None)
    return loop if loop is not None and _TELLS.search(flow.reached_text(loop)) else None


def _left_alone(flow: Flow, name: str, body: "SgNode") -> bool:
    """Tell whether every call of a function throws its promise away, or only logs what went wrong."""
    calls = [call for call in flow.named.get(name, []) if last_name(called(call)) == name]
    if not calls or re.search(rf"\b{re.escape(name)}\s*(?:\(|,|\))", _inside(body)):
        return False
    return all(_thrown_away(call, name) for call in calls)


def _inside(body: "SgNode") -> str:
    block = body.field("body")
    return block.text() if block is not None else ""


def _thrown_away(call: "SgNode", name: str) -> bool:
    statement = next(
        (a for a in call.ancestors() if a.kind() in ("expression_statement", "variable_declarator", "return_statement", *FUNCTIONS)), None
    )
    if statement is None or statement.kind() != "expression_statement" or "await " in statement.text()[:400].partition(name)[0]:
        return False
    after = statement.text().partition(f"{name}(")[2]
    return not re.search(
        rf"\.finally\(|process\.(?:exit|kill)|\b{re.escape(name)}\b|(?i:restart|retry|supervis|schedule)|setTimeout", after
    )


def _ends(flow: Flow, loop: "SgNode", body: "SgNode") -> bool:
    """Tell whether an exception in a loop, or of what it goes through, leaves it for good."""
    if any(a.kind() in _LOOPS and a.range().start.index >= body.range().start.index for a in loop.ancestors() if _is_in(a, body)):
        return False
    if loop.text().startswith("for await"):
        return True
    waits = [node for node in _own(body, "await_expression") if _is_in(node, loop)]
    return any(
        not _caught(node, loop) and not re.match(r"await\s+(?:\w+\.)*(?:sleep|delay|wait|setTimeout)\w*\(", node.text()) for node in waits
    )


def _is_in(inner: "SgNode", outer: "SgNode") -> bool:
    a, b = inner.range(), outer.range()
    return b.start.index <= a.start.index and a.end.index <= b.end.index


def _caught(node: "SgNode", loop: "SgNode") -> bool:
    """Tell whether an exception of a node is caught inside the loop, by try or by the promise itself."""
    if re.search(r"\.catch\(", node.text()):
        return True
    for around in node.ancestors():
        if around.range() == loop.range():
            return False
        if around.kind() == "try_statement" and (block := around.field("body")) is not None and _is_in(node, block):
            handler = around.field("handler")
            return handler is not None and not re.search(r"\b(?:throw|break|return)\b", handler.text())
    return False
