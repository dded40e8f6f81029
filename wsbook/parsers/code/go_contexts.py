"""In which goroutines a Go backend writes to its connections: the reading one, those it starts, callbacks, and whoever publishes."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.go_flow import ONE_WRITER, GoFile, called_in, every_function, variables_of, written_in
from wsbook.parsers.code.patterns import pattern_fact

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["context_patterns"]

_WRITE = re.compile(r"\.(?:WriteMessage|WriteJSON|WritePreparedMessage|NextWriter)$")
_READ = re.compile(r"\.(?:ReadMessage|ReadJSON|NextReader)\(")
_TURNS = re.compile(r"(?<!R)\.(?:Lock|TryLock)\(\)|<-\s*\w*\.?(?:sem|token|lock|mu)\w*\b")
_SAME_GOROUTINE = re.compile(
    r"Set(?:Ping|Pong|Close)Handler$|^(?:sync\.)?Once|\.Do$|^(?:sort|slices|maps)\.|\.Range$|HandleFunc$|HandlerFunc$|^recover$|\.(?:Get|GET)$"
)
_FUNCTIONS = ("function_declaration", "method_declaration", "func_literal")


def context_patterns(file: GoFile, everything: str) -> Iterator[PatternFacts]:
    """Yield the second of two places that may write at the same time. everything: the code of all files, without comments."""
    if not ONE_WRITER.search(everything):
        return
    seen: dict[str, tuple[str, SgNode]] = {}
    for function in every_function(file):
        writes = [call for call in _own_calls(function) if _WRITE.search(called_in(call))]
        if writes and not _takes_turns(function) and (context := _context(function)):
            seen.setdefault(context, (called_in(writes[0]).rpartition(".")[0], writes[0]))
    ours = [(name, owner, node) for name, (owner, node) in seen.items() if name != "reads"]
    for name, owner, node in ours:
        if any(other != name and ("publishes" in (name, other) or whose == owner) for other, (whose, _) in seen.items()):
            yield pattern_fact("go.writers-in-several-goroutines", node, file.code)
            return


def _own_calls(function: "SgNode") -> "list[SgNode]":
    span = function.range()
    return [
        call
        for call in function.find_all(kind="call_expression")[:3_000]
        if (around := next((a for a in call.ancestors() if a.kind() in _FUNCTIONS), None)) is not None and around.range() == span
    ]


def _takes_turns(function: "SgNode") -> bool:
    return _TURNS.search(function.text()) is not None


def _context(function: "SgNode") -> str:
    """Return what runs a function: a goroutine of its own, a callback of somebody else, whoever publishes, the reader; "" unknown."""
    if function.kind() == "func_literal":
        parent = function.parent()
        around = parent.parent() if parent is not None else None
        if parent is not None and parent.kind() == "call_expression":
            statement = parent.parent()
            return "started" if statement is not None and statement.kind() == "go_statement" else ""
        if parent is not None and parent.kind() == "argument_list" and around is not None and around.kind() == "call_expression":
            name = called_in(around)
            return "called back" if not _SAME_GOROUTINE.search(name) and "Request" not in function.text()[:200] else ""
        return ""
    if any((names := variables_of(loop)) and written_in(loop, names) for loop in function.find_all(kind="for_statement")[:100]):
        alone = re.search(r"\bselect\s*\{", function.text()) is not None
        return "its own" if alone else "publishes"
    return "reads" if _READ.search(function.text()) else ""
