"""Which function of a Python backend runs what: functions, their own calls, what a name stands for. Knows no library and no defect.

A function's own nodes are those that run when it runs: what a function or lambda within it holds runs later, maybe elsewhere.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["Function", "PythonFile", "PythonFlow", "is_async_statement", "own_nodes", "start_of", "text_of", "within"]

_MAX_NODES = 20_000
_LATER = ("function_definition", "lambda", "class_definition")
_LOCAL_OWNERS = ("", "self", "cls")


class Function(NamedTuple):
    """One function. owner: the class around it, "" at the top; bases: what that class derives from, as it is written."""

    name: str
    node: "SgNode"
    file: "PythonFile"
    owner: str = ""
    bases: str = ""

    @property
    def is_async(self) -> bool:
        """Whether calling it gives a coroutine."""
        return self.node.text()[:6] == "async "

    @property
    def parameters(self) -> str:
        """Source of the parameters, "" for none."""
        return text_of(self.node.field("parameters"))

    @property
    def body(self) -> "SgNode":
        """What runs when it is called."""
        return self.node.field("body") or self.node


def text_of(node: "SgNode | None") -> str:
    """Return the source of a node, "" for None."""
    return node.text() if node is not None else ""


def start_of(node: "SgNode") -> int:
    """Return where a node starts, in characters."""
    return node.range().start.index


def within(inner: "SgNode", outer: "SgNode") -> bool:
    """Tell whether a node lies within another or is it."""
    a, b = inner.range(), outer.range()
    return b.start.index <= a.start.index and a.end.index <= b.end.index


def is_async_statement(node: "SgNode") -> bool:
    """Tell whether a node is an ``async`` for or with."""
    return node.kind() in ("for_statement", "with_statement", "for_in_clause") and node.text()[:6] == "async "


def own_nodes(top: "SgNode", kind: str) -> "Iterator[SgNode]":
    """Yield the nodes of a kind that run when a node runs: none within a function, lambda or class inside it."""
    span = top.range()
    for node in top.find_all(kind=kind)[:_MAX_NODES]:
        for around in node.ancestors():
            if around.range() == span:
                yield node
                break
            if around.kind() in _LATER:
                break


class PythonFile:
    """One piece of Python: its functions, and what its imported names stand for."""

    def __init__(self, code: Code, root: "SgNode", text: str) -> None:
        self.code = code
        self.root = root
        self.text = text
        """The source with its comments blanked."""

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        """Every function, methods too, in the order of the source."""
        return tuple(self._function(node) for node in self.root.find_all(kind="function_definition")[:_MAX_NODES])

    def _function(self, node: "SgNode") -> Function:
        around = next((a for a in node.ancestors() if a.kind() in ("class_definition", "function_definition")), None)
        name = text_of(node.field("name"))
        if around is None or around.kind() == "function_definition":
            return Function(name, node, self)
        return Function(name, node, self, text_of(around.field("name")), text_of(around.field("superclasses")))

    @cached_property
    def imports(self) -> dict[str, str]:
        """What an imported name stands for: sleep → time.sleep, rq → requests."""
        found: dict[str, str] = {}
        for node in self.root.find_all(kind="import_statement")[:500]:
            for part in node.text()[6:].split(","):
                module, _, alias = part.strip().partition(" as ")
                found[alias.strip() or module.split(".")[0].strip()] = module.strip() if alias else module.split(".")[0].strip()
        for node in self.root.find_all(kind="import_from_statement")[:500]:
            module, _, names = node.text()[5:].partition(" import ")
            for part in re.sub(r"[()\\\n]", " ", names).split(","):
                name, _, alias = part.strip().partition(" as ")
                if name.strip():
                    found[alias.strip() or name.strip()] = f"{module.strip()}.{name.strip()}"
        return found

    @cached_property
    def assigned(self) -> dict[str, str]:
        """What variables and attributes are made with, by the last part of their name: r → redis.Redis; the last assignment counts."""
        found: dict[str, str] = {}
        for node in self.root.find_all(kind="assignment")[:_MAX_NODES]:
            right = node.field("right")
            if right is not None and right.kind() == "call":
                found[text_of(node.field("left")).rpartition(".")[2]] = self.resolved(text_of(right.field("function")))
        for node in self.root.find_all(kind="as_pattern")[:_MAX_NODES]:
            call, _, name = node.text()[:300].rpartition(" as ")
            if "(" in call:
                found.setdefault(name.strip(), self.resolved(call.partition("(")[0]))
        return found

    def resolved(self, name: str) -> str:
        """Return a dotted name with its first part as it is imported, white space removed."""
        first, dot, rest = re.sub(r"\s+", "", name[-200:]).partition(".")
        return self.imports.get(first, first) + dot + rest

    def called(self, call: "SgNode") -> str:
        """Return the resolved name of what a call calls."""
        return self.resolved(text_of(call.field("function")))

    def function_around(self, node: "SgNode") -> Function | None:
        """Return the nearest function around a node, None at the top."""
        around = next((a for a in node.ancestors() if a.kind() == "function_definition"), None)
        return self._function(around) if around is not None else None


class PythonFlow:
    """The Python of a backend, file by file, and who calls whom across the files."""

    def __init__(self, files: Iterable[PythonFile]) -> None:
        self.files = tuple(files)
        self._named: dict[str, list[Function]] = {}
        for file in self.files:
            for function in file.functions:
                self._named.setdefault(function.name, []).append(function)

    @cached_property
    def text(self) -> str:
        """All sources, comments blanked."""
        return "\n".join(file.text for file in self.files)

    def target(self, call: "SgNode", file: PythonFile, owner: str = "") -> Function | None:
        """Return the function of this backend that a call runs, None when it is another's or not certain.

        owner: the class in which the call stands. A method of another object counts when only one function here has its name.
        """
        base, _, name = re.sub(r"\s+", "", text_of(call.field("function"))[-200:]).rpartition(".")
        candidates = self._named.get(name, [])
        if base in _LOCAL_OWNERS:
            here = [one for one in candidates if one.file is file and one.owner == (owner if base else "")]
            if here:
                return here[0]
            imported = not base and name in file.imports
            return next((one for one in candidates if not one.owner), None) if imported else None
        made = self._class_of(base.rpartition(".")[2], file)
        if made:
            return next((one for one in candidates if one.owner == made), None)
        only = candidates[0] if len(candidates) == 1 and (candidates[0].owner or base in file.imports) else None
        return only if only is not None and _TELLING.search(name) else None

    def _class_of(self, name: str, file: PythonFile) -> str:
        """Return the class of which a variable is an instance, in its own file or in the one that it is imported from; "" unknown."""
        sources = [file, *(other for other in self.files if name in file.imports and other is not file)]
        return next((one.assigned[name].rpartition(".")[2] for one in sources if name in one.assigned), "")


_TELLING = re.compile(
    r"(?i)broadcast|publish|notify|disconnect|unregister|register|remove_|add_|_client|_socket|join|leave|subscribe|fan_?out|announce"
)
"""Names of methods that are no file's and no collection's: the only function of that name is meant, whatever the object is."""
