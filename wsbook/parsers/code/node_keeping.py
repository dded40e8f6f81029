"""Where a Node backend keeps its connections, and what of a connection outlives it: entries, listeners, timers, other connections."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.scope import FUNCTIONS
from wsbook.parsers.code.script_flow import Flow, arguments_of, called, last_name
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["keeping_patterns"]

_SOCKET = re.compile(r"(?i)^(?:ws|socket|sock|client|conn|connection|peer|s|c|session|spark|connect)$")
_ACCEPTS = frozenset(("connection", "connect", "open"))
_OTHERS = re.compile(r"(?i)^(?:\w+\.)*(?:redis|db|mongoose|amqp|pub|sub|mqtt|nats|pool|pg|upstream)\w*$")
_CLEANS = re.compile(r"\.(?:off|removeListener|removeAllListeners|unsubscribe|unlisten|dispose)\b|AbortSignal|signal\s*:|\bonce\(")
_OPENS_ANOTHER = re.compile(
    r"^(?:new\s+)?(?:WebSocket|net\.(?:connect|createConnection)|tls\.connect|spawn|child_process\.spawn|createClient"
    r"|redis\.createClient|Redis|IORedis"
    r"|Client|pg\.Client|fs\.watch|createReadStream|fs\.createReadStream|mqtt\.connect|amqp\.connect|amqplib\.connect|EventSource|Tail)$"
)
_ENDS = r"\s*[?!]?\.(?:close|terminate|end|destroy|quit|disconnect|kill|release|unwatch|unsubscribe|abort|stop)\b"


def keeping_patterns(code: Code, flow: Flow, text: str, everything: str) -> Iterator[PatternFacts]:
    """Yield what is kept for ever. text: the code without comments; everything: that of all files."""
    yield from _never_taken_out(code, flow, everything)
    yield from _shrinks_in_its_loop(code, flow)
    for body in _accepting(flow):
        yield from _left_behind(code, flow, body)
        yield from _other_connections(code, flow, body)


def _accepting(flow: Flow) -> "Iterator[SgNode]":
    """Yield the functions that run for each new connection."""
    for handler in flow.handlers:
        if handler.event not in _ACCEPTS or (handler.event == "open" and handler.owner) or _OTHERS.search(handler.owner):
            continue
        if handler.body.kind() in FUNCTIONS:
            yield handler.body
        else:
            yield from flow.functions.get(last_name(handler.body.text()), [])[:1]


def _parameters(function: "SgNode") -> list[str]:
    found = function.field("parameters") or function.field("parameter")
    return re.findall(r"[A-Za-z_$][\w$]*(?=\s*(?::[^,)]*)?[,)]|$)", found.text()) if found is not None else []


def _sockets(function: "SgNode") -> list[str]:
    """Return the names that stand for a connection in a function: its own parameters and those of the functions around it."""
    around = [function, *(a for a in function.ancestors() if a.kind() in FUNCTIONS)]
    return [name for one in around for name in _parameters(one) if _SOCKET.match(name)]


# Entries


def _never_taken_out(code: Code, flow: Flow, everything: str) -> Iterator[PatternFacts]:
    if re.search(r"\bWeak(?:Set|Map|Ref)\b", everything):
        return
    seen = set[str]()
    for name, socket, node in _additions(flow):
        if name in seen or _is_taken_out(name, socket, everything) or not _is_sent_to(name, everything):
            continue
        seen.add(name)
        yield pattern_fact("node.registry-never-shrinks", node, code)


def _additions(flow: Flow) -> "Iterator[tuple[str, str, SgNode]]":
    """Yield (collection, connection, node) where a connection is put into what outlives the function."""
    for call in flow.calls:
        owner, _, method = called(call).rpartition(".")
        if method in ("add", "push", "set", "unshift") and owner and (around := flow.function_around(call)) is not None:
            given = arguments_of(call)[-1:] if method != "set" else arguments_of(call)[1:2] + arguments_of(call)[:1]
            yield from _entered(_root(owner), [one.text() for one in given], call, around)
    for node in flow.root.find_all(kind="assignment_expression")[:5_000]:
        left, right = node.field("left"), node.field("right")
        if left is None or right is None or left.kind() != "subscript_expression":
            continue
        held, within = left.field("object"), flow.function_around(node)
        if held is not None and within is not None:
            yield from _entered(_root(held.text()), [right.text()], node, within)


def _entered(name: str, given: list[str], node: "SgNode", around: "SgNode") -> "Iterator[tuple[str, str, SgNode]]":
    for socket in _sockets(around):
        stands = rf"^{re.escape(socket)}$|^(?:new \w+\(|\{{|\[)[^;]{{0,200}}(?<![\w.'\"]){re.escape(socket)}(?![\w.'\"])"
        if any(re.search(stands, text[:300]) for text in given) and name and not _is_local(name, around):
            yield name, socket, node
            return


def _root(owner: str) -> str:
    """Return the last name of what holds connections: ``this.rooms.get(id)`` → rooms."""
    plain = re.split(r"\[|[?!]?\.(?:get|values|has)\(", re.sub(r"\s+", "", owner), maxsplit=1)[0]
    return plain.rstrip("?!").rpartition(".")[2]


def _is_local(name: str, around: "SgNode") -> bool:
    """Tell whether a name is declared in the function itself and made there, not looked up in something that stays."""
    return re.search(rf"\b(?:const|let|var)\s+{re.escape(name)}\s*(?::[^=\n]+)?=\s*(?:\[|\{{|new )", around.text()) is not None


def _is_taken_out(name: str, socket: str, everything: str) -> bool:
    held = rf"\b{re.escape(name)}(?:[?!]?\.(?:get|values)\([^)\n]{{0,80}}\)|\[[^\]\n]{{0,80}}\])*[?!]?"
    taken = (
        rf"{held}\.(?:delete|splice|pop|shift|clear|remove\w*)\(|\bdelete\s+(?:\w+\.)*{re.escape(name)}\b"
        rf"|\b{re.escape(name)}\s*=\s*[^;\n]*\.filter\("
        rf"|\b{re.escape(name)}(?:\[[^\]\n]{{0,80}}\])?\s*=\s*(?:[^;\n]*filter\(|null|undefined)|\b{re.escape(name)}\.length\s*="
        rf"|_\.(?:pull|remove|without)\("
        rf"|\.(?:delete|splice|remove\w*|leave|unregister|drop)\(\s*(?:\w+\.)*{re.escape(socket)}\b"
    )
    return re.search(taken, everything) is not None


def _is_sent_to(name: str, everything: str) -> bool:
    """Tell whether somebody sends to what a collection holds."""
    gone_through = (
        rf"\bof\s+[^\n]{{0,60}}\b{re.escape(name)}\b[^;]{{0,300}}?\.(?:send|write|emit)\("
        rf"|\b{re.escape(name)}\b[^\n;]{{0,80}}\.forEach\([^;]{{0,200}}?\.(?:send|write|emit)\("
    )
    looked_up = rf"\b{re.escape(name)}(?:\.get\([^)\n]{{0,80}}\)|\[[^\]\n]{{0,80}}\])[?!]?[^\n;]{{0,80}}\.(?:send|write|emit)\("
    held = rf"=\s*(?:\w+\.)*{re.escape(name)}(?:\.get\(|\[)[^;]{{0,300}}?\.(?:send|write|emit)\("
    return re.search(f"{gone_through}|{looked_up}|{held}", everything) is not None


def _shrinks_in_its_loop(code: Code, flow: Flow) -> Iterator[PatternFacts]:
    for call in flow.calls:
        owner, _, method = called(call).rpartition(".")
        name = last_name(owner)
        if (
            method == "forEach"
            and name
            and re.search(rf"\b{re.escape(name)}\.splice\(", call.text())
            and re.search(r"\.send\(", call.text())
        ):
            yield pattern_fact("node.list-shrinks-in-its-loop", call, code)


# What of a connection stays


def _left_behind(code: Code, flow: Flow, body: "SgNode") -> Iterator[PatternFacts]:
    """Listeners on what outlives the connection, and timers, that nothing ends when it closes."""
    reached = flow.reached_text(body)
    sockets = {*_sockets(body), "this"}
    for call in body.find_all(kind="call_expression")[:2_000]:
        name, given = called(call), arguments_of(call)
        owner, _, method = name.rpartition(".")
        if (
            (
                method in ("on", "addListener", "addEventListener", "subscribe", "listen")
                and len(given) >= 2
                and _outlives(owner, sockets, body)
            )
            and not _CLEANS.search(reached)
            and not _is_kept(call)
        ):
            yield pattern_fact("node.listener-stays", call, code)
            return
        if (
            name == "setInterval"
            and "clearInterval" not in reached
            and _uses(call, sockets)
            and not re.search(r"setTimeout\([^)]*clear", reached)
        ):
            yield pattern_fact("node.timer-stays", call, code)
            return


def _outlives(owner: str, sockets: set[str], body: "SgNode") -> bool:
    """Tell whether what is listened to was there before the connection: a plain name that its handler does not make."""
    first = owner.split(".")[0].rstrip("?!")
    if (
        not first
        or first in sockets
        or first in _parameters(body)
        or "(" in owner
        or re.search(r"(?i)^(?:io|wss?|server|app|process|router|nsp)$", first)
    ):
        return False
    return not re.search(
        rf"\b(?:const|let|var)\s+(?:\{{[^}}]*)?{re.escape(first)}\b|\(\s*{re.escape(first)}\s*[,)]|\b{re.escape(first)}\s*=>", body.text()
    )


def _is_kept(call: "SgNode") -> bool:
    """Tell whether the result of a call, which may end it, is kept."""
    parent = call.parent()
    return parent is not None and parent.kind() in (
        "variable_declarator",
        "assignment_expression",
        "arguments",
        "await_expression",
        "array",
    )


def _uses(call: "SgNode", sockets: set[str]) -> bool:
    return any(re.search(rf"(?<![\w.]){re.escape(name)}\b", call.text()) for name in sockets)


def _other_connections(code: Code, flow: Flow, body: "SgNode") -> Iterator[PatternFacts]:
    """A connection opens another one, or a process, and nothing closes that with the first."""
    for node in body.find_all(kind="variable_declarator")[:500]:
        name, value = node.field("name"), node.field("value")
        if name is None or value is None or name.kind() != "identifier":
            continue
        made = value.children()[-1] if value.kind() == "await_expression" else value
        if made.kind() not in ("new_expression", "call_expression") or not _OPENS_ANOTHER.match(called(made)):
            continue
        around = next((a for a in node.ancestors() if a.kind() in FUNCTIONS), None)
        if around is None or around.range() != body.range():
            continue
        named = re.escape(name.text())
        passed_on = re.search(
            rf"(?:return\s+{named}\b|[(,]\s*{named}\s*[,)]|=\s*{named}\s*;|\{{\s*(?:\w+\s*,\s*){{0,8}}{named}\s*(?:,\s*\w+\s*){{0,8}}\}})",
            flow.reached_text(body),
        )
        if not re.search(rf"\b{named}{_ENDS}", flow.reached_text(body)) and not passed_on:
            yield pattern_fact("node.connection-of-a-connection", node, code)
            return
