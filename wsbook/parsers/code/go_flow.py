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

__all__ = ["GoFile", "go_patterns"]

_FUNCTIONS = ("function_declaration", "method_declaration", "func_literal")
_ONE_WRITER = re.compile(r"gorilla/websocket|fasthttp/websocket|gofiber/(?:contrib/)?websocket")
"""Libraries whose connections take one writer at a time; those of coder/websocket and x/net take several."""

_WRITE = re.compile(r"\.(?:WriteMessage|WriteJSON|WritePreparedMessage|NextWriter)$")
_READ = re.compile(r"\.(?:ReadMessage|ReadJSON|NextReader)\(")
_LOCKS = re.compile(r"\.(?:R?Lock|TryLock)\(\)|<-\s*\w*\.?(?:sem|token|lock|mu)\w*\b")
_UNITS = {"Millisecond": 0.001, "Second": 1.0, "Minute": 60.0, "Hour": 3600.0}


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


def _called(call: "SgNode") -> str:
    node = call.field("function")
    return re.sub(r"\s+", "", node.text()[-200:]) if node is not None else ""


def _own(top: "SgNode", kind: str) -> "Iterator[SgNode]":
    """Yield the nodes of a kind that run in the goroutine of a function: none within a function literal inside it."""
    span = top.range()
    for node in top.find_all(kind=kind)[:5_000]:
        around = next((a for a in node.ancestors() if a.kind() in _FUNCTIONS or a.range() == span), None)
        if around is not None and around.range() == span:
            yield node


def _start(node: "SgNode") -> int:
    return node.range().start.index


def go_patterns(files: list[GoFile]) -> Iterator[PatternFacts]:
    """Yield the defects of a Go backend."""
    everything = "\n".join(file.text for file in files)
    for file in files:
        if _ONE_WRITER.search(everything):
            yield from _two_writers(file)
            yield from _broadcast_by_each(file, everything)
            yield from _never_read(file)
        yield from _shared_map(file, everything)
        yield from _loops(file, everything)
        yield from _deadlines(file, everything)
        yield from _never_taken_out(file, everything)
        yield from _timeout_handler(file, everything)
        yield from _growing(file)


# Writers


def _writes(file: GoFile, function: "SgNode", depth: int = 0) -> "list[SgNode]":
    """Return the unguarded writes in a function's own goroutine, also in the functions of this file that it calls."""
    if _LOCKS.search(function.text()):
        return []
    found = list["SgNode"]()
    for call in _own(function, "call_expression"):
        name = _called(call)
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
    for function in [*file.functions.values(), *file.root.find_all(kind="func_literal")[:2_000]]:
        started = list(_own(function, "go_statement"))
        if not started or _LOCKS.search(function.text()):
            continue
        writers = [node for node in started if _writes_beside(file, node)]
        first = min(map(_start, started))
        itself = [call for call in _writes(file, function) if _start(call) > first]
        if len(writers) + bool(itself) >= 2:
            yield pattern_fact("go.two-writers", (itself or writers)[0], file.code)
            return


def _writes_beside(file: GoFile, statement: "SgNode") -> bool:
    """Tell whether a go statement starts something that writes."""
    call = next((child for child in statement.children() if child.kind() == "call_expression"), None)
    function = call.field("function") if call is not None else None
    if function is None or call is None:
        return False
    if function.kind() == "func_literal":
        return bool(_writes(file, function))
    target = file.functions.get(_called(call).rpartition(".")[2])
    return target is not None and bool(_writes(file, target))


def _broadcast_by_each(file: GoFile, everything: str) -> Iterator[PatternFacts]:
    """A loop over all connections writes to each, and the goroutine of every connection runs it."""
    for name, function in file.functions.items():
        loops = [loop for loop in _own(function, "for_statement") if (one := _variables(loop)) and _written(loop, one)]
        if not loops or _LOCKS.search(function.text()):
            continue
        callers = [
            other for other in (*file.functions.values(), *file.root.find_all(kind="func_literal")[:2_000]) if _READ.search(other.text())
        ]
        by_each = _READ.search(function.text()) or any(
            re.search(rf"(?<!go )(?:^|[^\w])(?:\w+\.)*{re.escape(name)}\(", caller.text())
            for caller in callers
            if caller.range() != function.range()
        )
        if by_each and not re.search(rf"{re.escape(name)}\([\s\S]{{0,2000}}?\.Lock\(\)", function.text()):
            yield pattern_fact("go.broadcast-by-each", loops[0], file.code)
            return


def _variables(loop: "SgNode") -> list[str]:
    """Return the names that a range gives in each round, [] for another loop."""
    clause = next((child for child in loop.children() if child.kind() == "range_clause"), None)
    left = clause.field("left") if clause is not None else None
    return [name for name in re.findall(r"\w+", left.text()) if name != "_"] if left is not None else []


def _range_of(loop: "SgNode") -> str:
    clause = next((child for child in loop.children() if child.kind() == "range_clause"), None)
    right = clause.field("right") if clause is not None else None
    return right.text() if right is not None else ""


def _written(loop: "SgNode", names: list[str]) -> "SgNode | None":
    """Return the call that writes to what a loop goes through, None when it writes to something else or nothing."""
    for call in _own_in_loop(loop, "call_expression"):
        name = _called(call)
        if re.search(r"\.(?:Write\w*|Send\w*|send|NextWriter)$", name) and name.split(".")[0] in names:
            return call
        if re.search(r"(?:wsjson|websocket\.JSON|websocket\.Message|wsutil)\.\w+$", name) and re.search(
            rf"\b(?:{'|'.join(names)})\b", call.text()
        ):
            return call
    return None


def _own_in_loop(loop: "SgNode", kind: str) -> "Iterator[SgNode]":
    return (
        node
        for node in loop.find_all(kind=kind)[:2_000]
        if not any(a.kind() == "go_statement" and _start(a) > _start(loop) for a in node.ancestors())
    )


def _never_read(file: GoFile) -> Iterator[PatternFacts]:
    """Close, ping and pong are seen only while somebody reads (gorilla/websocket, Control Messages)."""
    for function in [*file.functions.values(), *file.root.find_all(kind="func_literal")[:2_000]]:
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


# Collections


def _is_handler(function: "SgNode") -> bool:
    return (
        re.search(r"\.(?:Upgrade|Accept)\(|\.(?:ReadMessage|ReadJSON|NextReader)\(|websocket\.Conn\b", function.text()[:20_000]) is not None
    )


def _shared_map(file: GoFile, everything: str) -> Iterator[PatternFacts]:
    """Handlers run in goroutines of their own: a map that they write to while another goes through it ends the program."""
    if re.search(r"\bsync\.(?:RW)?Mutex|\bsync\.Map|\.R?Lock\(\)|xsync|cmap\.", everything):
        return
    for name in dict.fromkeys(re.findall(r"\b(\w+)(?:\s+|\s*:?=\s*(?:make\()?)map\[", file.text)):
        ranged = re.search(rf"\brange\s+(?:\w+\.)*{re.escape(name)}\b", everything)
        for function in (*file.functions.values(), *file.root.find_all(kind="func_literal")[:2_000]):
            text = function.text()
            local = re.search(rf"\b{re.escape(name)}\s*:=\s*(?:make\()?map\[", text)
            changed = re.search(rf"\b{re.escape(name)}\[[^\]\n]+\]\s*=|\bdelete\(\s*(?:\w+\.)*{re.escape(name)}\s*,", text)
            if (
                ranged
                and changed
                and not local
                and re.search(r"\.(?:Upgrade|ReadMessage|ReadJSON|NextReader)\(|\*websocket\.Conn\b", text)
                and "select {" not in text
            ):
                yield pattern_fact("go.map-without-lock", function, file.code)
                return


def _never_taken_out(file: GoFile, everything: str) -> Iterator[PatternFacts]:
    for pattern in (
        r"\b(?:\w+\.)*(\w+)\[\s*&?(?:\w+\.)*(?:c|conn|ws|client|id|\w+\.ID|\w+ID|key|uid)\s*\]\s*=\s*(?!nil\b)",
        r"\b(?:\w+\.)*(\w+)\.Store\(\s*(?:\w+\.)*\w+\s*,",
        r"\b(?:\w+\.)*(\w+)\s*=\s*append\(\s*(?:\w+\.)*\1\s*,\s*&?(?:c|conn|ws|client|sess|session)\b",
    ):
        for found in re.finditer(pattern, file.text):
            name = re.escape(found[1])
            taken = re.search(
                rf"\bdelete\(\s*(?:\w+\.)*{name}\b|\b{name}\.(?:Delete|LoadAndDelete|Clear|Remove)\(|slices\.Delete\w*\(\s*(?:\w+\.)*{name}|append\(\s*(?:\w+\.)*{name}\[:|\b{name}\s*=\s*(?:nil|\w+\[:|make\()",
                everything,
            )
            used = re.search(
                rf"\brange\s+(?:\w+\.)*{name}\b[\s\S]{{0,400}}?(?:Write|Send|<-)|\b{name}\.Range\([\s\S]{{0,400}}?(?:Write|Send|<-)",
                everything,
            )
            node = next(
                (
                    n
                    for n in file.root.find_all(kind="expression_statement") + file.root.find_all(kind="assignment_statement")
                    if _start(n) <= found.start() < n.range().end.index
                ),
                None,
            )
            if used and not taken and node is not None and re.search(r"websocket", everything):
                yield pattern_fact("go.registry-never-shrinks", node, file.code)
                return


def _loops(file: GoFile, everything: str) -> Iterator[PatternFacts]:
    for loop in file.root.find_all(kind="for_statement")[:2_000]:
        names = _variables(loop)
        if not names:
            continue
        if (write := _written(loop, names)) is not None and (node := _leaves(loop, write)) is not None:
            yield pattern_fact("go.loop-leaves-on-error", node, file.code)
        for statement in _own_in_loop(loop, "send_statement"):
            channel = statement.field("channel")
            root = channel.text().split(".")[0] if channel is not None else ""
            if root in names and "." in (channel.text() if channel is not None else "") and not _may_pass(statement, loop):
                bounded = re.search(r"SetWriteDeadline|WithTimeout", everything) is not None
                yield pattern_fact("go.hub-waits-bounded" if bounded else "go.hub-waits", statement, file.code)


def _leaves(loop: "SgNode", write: "SgNode") -> "SgNode | None":
    """Return the test of an error after a write that leaves the whole loop, None when it goes on."""
    for test in loop.find_all(kind="if_statement")[:100]:
        condition = test.field("condition")
        body = test.field("consequence")
        if condition is None or body is None or not re.search(r"err\w*\s*!=\s*nil", condition.text()):
            continue
        near = _start(test) <= _start(write) <= test.range().end.index or 0 <= _start(test) - write.range().end.index < 120
        if (
            near
            and re.search(r"\breturn\b|\bpanic\(|log\.Fatal|os\.Exit|\bbreak\b", body.text())
            and not re.search(r"\bdelete\(|\bcontinue\b", body.text())
        ):
            if not any(
                a.kind() in ("func_literal", "select_statement", "expression_switch_statement") and _start(a) > _start(loop)
                for a in test.ancestors()
            ):
                return test
    return None


def _may_pass(statement: "SgNode", loop: "SgNode") -> bool:
    """Tell whether a send gives up when the channel is full."""
    for around in statement.ancestors():
        if around.range() == loop.range():
            return False
        if around.kind() == "select_statement":
            return True
    return False


def _growing(file: GoFile) -> Iterator[PatternFacts]:
    """A slice of a connection's own takes whatever is sent and is emptied by its writer; nothing looks at its length."""
    for found in re.finditer(r"\b(\w+)\.(\w+)\s*=\s*append\(\s*\1\.\2\s*,", file.text):
        field = re.escape(found[2])
        declared = re.search(rf"\b{field}\s+\[\](?:\[\]byte|string|\*?\w*(?:[mM]essage|[mM]sg|[eE]vent|[fF]rame|[pP]acket))\b", file.text)
        emptied = re.search(rf"\.{field}\s*=\s*\w+\.{field}\[\w+:\]|\.{field}\s*=\s*(?:nil|\w+\.{field}\[:0\])", file.text)
        bounded = re.search(rf"len\(\s*\w+\.{field}\s*\)\s*(?:>|>=|<|<=)\s*(?!0\b)[\w.]+", file.text)
        if declared and emptied and not bounded and re.search(r"\.Write\w*\(", file.text):
            node = next(
                (n for n in file.root.find_all(kind="assignment_statement") if _start(n) <= found.start() < n.range().end.index), None
            )
            if node is not None:
                yield pattern_fact("go.outbox-without-limit", node, file.code)
                return


# Deadlines


def _durations(everything: str) -> dict[str, float]:
    """Return the constants and variables that are durations, in seconds."""
    known: dict[str, float] = {}
    for name, value in re.findall(
        r"(?m)^\s*(?:const\s+|var\s+)?(\w+)\s*(?:time\.Duration\s*)?:?=\s*([\w\s.*/()+-]{1,60}?)\s*(?://.*)?$", everything
    ):
        seconds = _seconds(value, known)
        if seconds is not None:
            known[name] = seconds
    return known


def _seconds(expression: str, known: dict[str, float]) -> float | None:
    """Return the value of a product of numbers, units and known names, None for anything else."""
    tokens = re.findall(r"time\.\w+|\w+(?:\.\d+)?|[*/()]", expression.replace(" ", ""))
    value, divide, timed = 1.0, False, False
    for token in tokens:
        if token in "()*":
            divide = False
        elif token == "/":
            divide = True
        else:
            unit = _UNITS.get(token.removeprefix("time.")) if token.startswith("time.") else known.get(token)
            number = unit if unit is not None else float(token) if re.fullmatch(r"\d+(?:\.\d+)?", token) else None
            if number is None or (divide and number == 0):
                return None
            timed = timed or unit is not None
            value = value / number if divide else value * number
            divide = False
    return value if timed else None


def _deadlines(file: GoFile, everything: str) -> Iterator[PatternFacts]:
    if not _ONE_WRITER.search(everything) and "SetReadDeadline" not in file.text:
        return
    known = _durations(everything)
    limits = [found for found in re.finditer(r"SetReadDeadline\(\s*time\.Now\(\)\.Add\(\s*([^()]*(?:\([^()]*\))?[^()]*)\)\s*\)", file.text)]
    waits = [seconds for found in limits if (seconds := _seconds(found[1], known)) is not None]
    node = next((call for call in file.root.find_all(kind="call_expression") if _called(call).endswith(".SetReadDeadline")), None)
    if not waits or node is None:
        return
    pings = re.search(r"\bPingMessage\b|\.Ping\(", everything) is not None
    every = [
        s
        for name in re.findall(r"(?:NewTicker|time\.Tick|time\.After)\(\s*([\w\s.*/()]+?)\)", everything)
        if (s := _seconds(name, known)) is not None
    ]
    extended = _extended(file)
    if pings and every and "SetPongHandler" in everything and min(every) >= max(waits) and not extended:
        yield pattern_fact("go.ping-slower-than-patience", node, file.code)
    elif not pings and "SetPongHandler" in everything and not extended and re.search(r"\.Upgrade\(", everything):
        yield pattern_fact("go.pongs-of-no-ping", node, file.code)
    elif not extended and not re.search(r"Set(?:Pong|Ping)Handler|SetReadDeadline\(\s*time\.Time\{\}", everything):
        yield pattern_fact("go.deadline-once", node, file.code)


def _extended(file: GoFile) -> bool:
    """Tell whether a loop that reads moves the deadline."""
    return any("SetReadDeadline" in loop.text() and _READ.search(loop.text()) for loop in file.root.find_all(kind="for_statement")[:500])


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
        if _called(call) == "http.TimeoutHandler":
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
