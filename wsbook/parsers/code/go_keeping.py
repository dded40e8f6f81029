"""How a Go backend keeps its connections, which deadlines hold for them, and what a loop over them waits for."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.go_flow import ONE_WRITER, GoFile, called_in, every_function, nodes_in_loop, start_of, variables_of, written_in
from wsbook.parsers.code.patterns import pattern_fact

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["go_keeping_patterns"]

_READ = re.compile(r"\.(?:ReadMessage|ReadJSON|NextReader)\(")
_UNITS = {"Millisecond": 0.001, "Second": 1.0, "Minute": 60.0, "Hour": 3600.0}


def go_keeping_patterns(file: GoFile, everything: str) -> Iterator[PatternFacts]:
    """Yield the defects of one file. everything: the code of all files, without comments."""
    yield from _shared_map(file, everything)
    yield from _loops(file, everything)
    yield from _deadlines(file, everything)
    yield from _never_taken_out(file, everything)
    yield from _growing(file)


# Collections


def _shared_map(file: GoFile, everything: str) -> Iterator[PatternFacts]:
    """Handlers run in goroutines of their own: a map that they write to while another goes through it ends the program."""
    if re.search(r"\bsync\.(?:RW)?Mutex|\bsync\.Map|\.R?Lock\(\)|xsync|cmap\.", everything):
        return
    for name in dict.fromkeys(re.findall(r"\b(\w+)(?:\s+|\s*:?=\s*(?:make\()?)map\[", file.text)):
        ranged = re.search(rf"\brange\s+(?:\w+\.)*{re.escape(name)}\b", everything)
        for function in every_function(file):
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
                    if start_of(n) <= found.start() < n.range().end.index
                ),
                None,
            )
            if used and not taken and node is not None and re.search(r"websocket", everything):
                yield pattern_fact("go.registry-never-shrinks", node, file.code)
                return


def _loops(file: GoFile, everything: str) -> Iterator[PatternFacts]:
    for loop in file.root.find_all(kind="for_statement")[:2_000]:
        names = variables_of(loop)
        if not names:
            continue
        if (write := written_in(loop, names)) is not None and (node := _leaves(loop, write)) is not None:
            yield pattern_fact("go.loop-leaves-on-error", node, file.code)
        for statement in nodes_in_loop(loop, "send_statement"):
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
        near = start_of(test) <= start_of(write) <= test.range().end.index or 0 <= start_of(test) - write.range().end.index < 120
        if (
            near
            and re.search(r"\breturn\b|\bpanic\(|log\.Fatal|os\.Exit|\bbreak\b", body.text())
            and not re.search(r"\bdelete\(|\bcontinue\b", body.text())
        ) and not any(
            a.kind() in ("func_literal", "select_statement", "expression_switch_statement") and start_of(a) > start_of(loop)
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
                (n for n in file.root.find_all(kind="assignment_statement") if start_of(n) <= found.start() < n.range().end.index), None
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
    words = re.findall(r"time\.\w+|\w+(?:\.\d+)?|[*/()]", expression.replace(" ", ""))
    value, divide, timed = 1.0, False, False
    for word in words:
        if word in "()*":
            divide = False
        elif word == "/":
            divide = True
        else:
            unit = _UNITS.get(word.removeprefix("time.")) if word.startswith("time.") else known.get(word)
            number = unit if unit is not None else float(word) if re.fullmatch(r"\d+(?:\.\d+)?", word) else None
            if number is None or (divide and number == 0):
                return None
            timed = timed or unit is not None
            value = value / number if divide else value * number
            divide = False
    return value if timed else None


def _deadlines(file: GoFile, everything: str) -> Iterator[PatternFacts]:
    if not ONE_WRITER.search(everything) and "SetReadDeadline" not in file.text:
        return
    known = _durations(everything)
    limits = list(re.finditer(r"SetReadDeadline\(\s*time\.Now\(\)\.Add\(\s*([^()]*(?:\([^()]*\))?[^()]*)\)\s*\)", file.text))
    waits = [seconds for found in limits if (seconds := _seconds(found[1], known)) is not None]
    node = next((call for call in file.root.find_all(kind="call_expression") if called_in(call).endswith(".SetReadDeadline")), None)
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
