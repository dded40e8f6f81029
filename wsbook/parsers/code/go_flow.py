"""What a Go backend does with its connections: who writes to them, who reads, who keeps them, and which deadlines hold."""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = [
    "ONE_WRITER",
    "GoFile",
    "called_in",
    "every_function",
    "nodes_in_loop",
    "start_of",
    "variables_of",
    "writer_patterns",
    "written_in",
]

_FUNCTIONS = ("function_declaration", "method_declaration", "func_literal")
ONE_WRITER = re.compile(r"gorilla/websocket|fasthttp/websocket|gofiber/(?:contrib/)?websocket")
"""Libraries whose connections take one writer at a time; those of coder/websocket and x/net take several."""

_WRITE = re.compile(r"\.(?:WriteMessage|WriteJSON|WritePreparedMessage|NextWriter)$")
_READ = re.compile(r"\.(?:ReadMessage|ReadJSON|NextReader)\(")
_LOCKS = re.compile(r"\.(?:R?Lock|TryLock)\(\)|<-\s*\w*\.?(?:sem|token|lock|mu)\w*\b")


class GoFile:
    """One file of Go: its functions, and the calls that each makes itself."""

    def __init__(self, code: Code, root: "SgNode", text: str) -> None:
        self.code = code
        self.root = root
        self.text = text

    @cached_property
    def functions(self) -> "dict[str, SgNode]":
        """Functions and methods by name; of methods with one name the first counts."""
        found: dict[str, SgNode] = {}
        for kind in ("function_declaration", "method_declaration"):
            for node in self.root.find_all(kind=kind)[:5_000]:
                name = node.field("name")
                if name is not None:
                    found.setdefault(name.text(), node)
        return found


def called_in(call: "SgNode") -> str:
    node = call.field("function")
    return re.sub(r"\s+", "", node.text()[-200:]) if node is not None else ""


def _own(top: "SgNode", kind: str) -> "Iterator[SgNode]":
    """Yield the nodes of a kind that run in the goroutine of a function: none within a function literal inside it."""
    span = top.range()
    for node in top.find_all(kind=kind)[:5_000]:
        around = next((a for a in node.ancestors() if a.kind() in _FUNCTIONS or a.range() == span), None)
        if around is not None and around.range() == span:
            yield node


def start_of(node: "SgNode") -> int:
    return node.range().start.index


def every_function(file: GoFile) -> "list[SgNode]":
    """Return the functions and methods of a file, then its function literals."""
    return [*file.functions.values(), *file.root.find_all(kind="func_literal")[:2_000]]


def writer_patterns(file: GoFile, everything: str) -> Iterator[PatternFacts]:
    """Yield the defects of who writes to connections and who reads from them. everything: the code of all files, without comments."""
    if ONE_WRITER.search(everything):
        yield from _two_writers(file)
        yield from _broadcast_by_each(file)
        yield from _never_read(file)
    yield from _timeout_handler(file, everything)


# Writers


def _writes(file: GoFile, function: "SgNode", depth: int = 0) -> "list[SgNode]":
    """Return the unguarded writes in a function's own goroutine, also in the functions of this file that it calls."""
    if _LOCKS.search(function.text()):
        return []
    found = list["SgNode"]()
    for call in _own(function, "call_expression"):
        name = called_in(call)
        parent = call.parent()
        if parent is not None and parent.kind() == "go_statement":
            continue
        if _WRITE.search(name):
            found.append(call)
        elif depth < 2 and (target := file.functions.get(name.rpartition(".")[2])) is not None and target.range() != function.range():
            found += [call] if _writes(file, target, depth + 1) else []
    return found


def _two_writers(file: GoFile) -> Iterator[PatternFacts]:
    """A goroutine that a function starts writes to a connection, and so does the function itself, or another one."""
    for function in every_function(file):
        started = list(_own(function, "go_statement"))
        if not started or _LOCKS.search(function.text()):
            continue
        writers = [node for node in started if _writes_beside(file, node)]
        first = min(map(start_of, started))
        itself = [call for call in _writes(file, function) if start_of(call) > first]
        owners = {_owner_of(call) for call in itself}
        apart = len(writers) == 1 and owners and all(_writes_to_others(file, node, owners) for node in writers)
        if len(writers) + bool(itself) >= 2 and not apart:
            yield pattern_fact("go.two-writers", (itself or writers)[0], file.code)
            return


def _owner_of(call: "SgNode") -> str:
    return called_in(call).rpartition(".")[0]


def _writes_to_others(file: GoFile, statement: "SgNode", owners: set[str]) -> bool:
    """Tell whether a function literal that is started writes to connections, by plain names, none of which is among these."""
    call = next((child for child in statement.children() if child.kind() == "call_expression"), None)
    function = call.field("function") if call is not None else None
    if function is None or function.kind() != "func_literal":
        return False
    own = {_owner_of(one) for one in _writes(file, function) if _WRITE.search(called_in(one))}
    return bool(own) and all(name.isidentifier() for name in own | owners) and not own & owners


def _writes_beside(file: GoFile, statement: "SgNode") -> bool:
    """Tell whether a go statement starts something that writes."""
    call = next((child for child in statement.children() if child.kind() == "call_expression"), None)
    function = call.field("function") if call is not None else None
    if function is None or call is None:
        return False
    if function.kind() == "func_literal":
        return bool(_writes(file, function))
    target = file.functions.get(called_in(call).rpartition(".")[2])
    return target is not None and bool(_writes(file, target))


def _broadcast_by_each(file: GoFile) -> Iterator[PatternFacts]:
    """A loop over all connections writes to each, and the goroutine of every connection runs it."""
    for name, function in file.functions.items():
        loops = [loop for loop in _own(function, "for_statement") if (one := variables_of(loop)) and written_in(loop, one)]
        if not loops or _LOCKS.search(function.text()):
            continue
        callers = [other for other in every_function(file) if _READ.search(other.text())]
        by_each = _READ.search(function.text()) or any(
            re.search(rf"(?<!go )(?:^|[^\w])(?:\w+\.)*{re.escape(name)}\(", caller.text())
            for caller in callers
            if caller.range() != function.range()
        )
        if by_each and not re.search(rf"{re.escape(name)}\([\s\S]{{0,2000}}?\.Lock\(\)", function.text()):
            yield pattern_fact("go.broadcast-by-each", loops[0], file.code)
            return


def variables_of(loop: "SgNode") -> list[str]:
    """Return the names that a range gives in each round, [] for another loop."""
    clause = next((child for child in loop.children() if child.kind() == "range_clause"), None)
    left = clause.field("left") if clause is not None else None
    return [name for name in re.findall(r"\w+", left.text()) if name != "_"] if left is not None else []


def written_in(loop: "SgNode", names: list[str]) -> "SgNode | None":
    """Return the call that writes to what a loop goes through, None when it writes to something else or nothing."""
    for call in nodes_in_loop(loop, "call_expression"):
        name = called_in(call)
        if re.search(r"\.(?:Write\w*|Send\w*|send|NextWriter)$", name) and name.split(".")[0] in names:
            return call
        if re.search(r"(?:wsjson|websocket\.JSON|websocket\.Message|wsutil)\.\w+$", name) and re.search(
            rf"\b(?:{'|'.join(names)})\b", call.text()
        ):
            return call
    return None


def nodes_in_loop(loop: "SgNode", kind: str) -> "Iterator[SgNode]":
    return (
        node
        for node in loop.find_all(kind=kind)[:2_000]
        if not any(a.kind() == "go_statement" and start_of(a) > start_of(loop) for a in node.ancestors())
    )


def _never_read(file: GoFile) -> Iterator[PatternFacts]:
    """Close, ping and pong are seen only while somebody reads (gorilla/websocket, Control Messages)."""
    for function in every_function(file):
        made = re.search(r"(\w+)\s*,\s*\w+\s*:?=\s*[\w.]+\.Upgrade\(", function.text())
        if made is None or re.search(r"\.(?:Read\w*|NextReader|CloseRead|UnderlyingConn|NetConn)\(", function.text()):
            continue
        passed = re.search(
            rf"(?:[(,{{:=]|\bgo \w+\()\s*&?{made[1]}\s*[,)}}\n]|return\s+{made[1]}\b|\b{made[1]}\s*,\s*\w+\)", function.text()[made.end() :]
        )
        loop = next((one for one in function.find_all(kind="for_statement") if re.search(rf"\b{made[1]}\.Write", one.text())), None)
        if loop is not None and not passed:
            yield pattern_fact("go.never-read", loop, file.code)
            return


def _timeout_handler(file: GoFile, everything: str) -> Iterator[PatternFacts]:
    """http.TimeoutHandler buffers the answer and does not support Hijacker (Go, net/http)."""
    if not re.search(r"(?i)websocket", everything):
        return
    upgrading = {
        name for name, node in file.functions.items() if re.search(r"\.Upgrade\(|websocket\.Accept\(|websocket\.Handler\(", node.text())
    }
    owners = {
        owner
        for owner, rest in re.findall(r"(\w+)\.Handle(?:Func)?\(([^\n]*)", file.text)
        if any(re.search(rf"\b{name}\b", rest) for name in upgrading)
    }
    for call in file.root.find_all(kind="call_expression")[:3_000]:
        if called_in(call) == "http.TimeoutHandler":
            given = call.field("arguments")
            wrapped = re.match(r"\(\s*(\w+)\s*,", given.text()) if given is not None else None
            if (
                wrapped
                and owners
                and wrapped[1] not in owners
                and wrapped[1] not in upgrading
                and wrapped[1] in re.findall(r"(\w+)\s*:=\s*http\.NewServeMux", file.text)
            ):
                continue
            yield pattern_fact("go.timeout-handler", call, file.code)
